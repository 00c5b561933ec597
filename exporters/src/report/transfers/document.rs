use super::words::{basis_title, class_title, not_stated};
use super::{Counted, Row, Tally, Transfers, Vendor, VendorPolicy, Vendors};
use crate::report::facts::{Moment, NONE};
use crate::report::model::{
    Cell, Figure, Query, Report, Section, Table, Unit, column, figures, from_the_log, text, told,
};
use crate::report::{Basis, Positions, ReportError};
use roaring::RoaringTreemap;
use schemas::kinds::rules::ReviewOutcome;
use schemas::{DataClass, Name};
use std::collections::{BTreeMap, BTreeSet};

pub const NAME: &str = "transfers";

/// The report. `vendors` is the text of the policy that `adopted` names.
pub fn report(
    transfers: &Transfers,
    vendors: &Vendors,
    adopted: Option<VendorPolicy>,
    basis: Basis,
) -> Result<Report, ReportError> {
    basis.check(transfers.size)?;
    // A vendor that received nothing is told too.
    let of_log = transfers.rows.keys().map(|row| &row.0);
    let named: BTreeSet<&Name> = of_log.chain(vendors.keys()).collect();
    let sections = vec![
        recipients(transfers, vendors, &named, adopted),
        calls(transfers),
        rules(transfers),
        destinations(transfers),
        limits(),
    ];
    Ok(Report {
        report: NAME,
        version: 2,
        title: text("外国にある第三者への提供記録", "Register of transfers"),
        basis,
        sections,
    })
}

fn recipients(
    transfers: &Transfers,
    vendors: &Vendors,
    named: &BTreeSet<&Name>,
    adopted: Option<VendorPolicy>,
) -> Section {
    let columns = vec![
        column("提供先", "Recipient"),
        column("会社名", "Company"),
        column("国", "Country"),
        column("法的根拠", "Legal basis"),
        column("先方での保存期間", "Retention there"),
        column("制度・講じられる措置", "System and measures"),
        column("直近の審査", "Newest review"),
        column("審査の記録", "Reviewed at"),
    ];
    let mut table = Table::new("recipients", columns).or(text(
        "提供先は登録されていません。",
        "No recipient is known.",
    ));
    for &vendor in named {
        let facts = vendors.get(vendor);
        let told = |fact: Option<&String>| match fact {
            Some(fact) if !fact.is_empty() => Cell::Name(fact.clone()),
            _ => Cell::Text(not_stated()),
        };
        let review = transfers.reviews.get(vendor);
        table.rows.push(vec![
            Cell::Name(vendor.to_string()),
            told(facts.map(|f| &f.company)),
            told(facts.map(|f| &f.country)),
            Cell::Text(basis_title(facts.and_then(|f: &Vendor| f.basis))),
            told(facts.map(|f| &f.retention)),
            told(facts.map(|f| &f.measures)),
            Cell::Text(match review.map(|review| review.outcome) {
                None => text("記録なし", "none recorded"),
                Some(ReviewOutcome::Accepted) => text("適", "accepted"),
                Some(ReviewOutcome::Conditional) => text("条件付き", "conditional"),
                Some(ReviewOutcome::Refused) => text("不適", "refused"),
            }),
            match review.map(|review| review.moment) {
                Some(Moment { position, at }) => Cell::Entry { at, position },
                None => Cell::Empty,
            },
        ]);
    }
    let source = match adopted {
        Some(VendorPolicy { position, digest }) => told(
            format!(
                "提供先の情報は位置 {position} で採用された規則（SHA-256 {digest}）によります。"
            ),
            format!(
                "Facts about recipients are those adopted at position {position} (SHA-256 {digest})."
            ),
        ),
        None => text(
            "提供先の情報は採用されていません。",
            "No facts about recipients were adopted.",
        ),
    };
    Section::new("recipients", text("提供先", "Recipients"))
        .shows(table)
        .notes(source)
}

/// Calls whose payload passed in the period, of one vendor and class.
fn of_row(kind: &'static str, row: &Row) -> Query {
    let class = row.1.map_or(NONE, DataClass::as_str);
    let query = Query::kinds(&[kind]).when("call.provider", &row.0);
    query.when("class.class", class)
}

fn id(table: &str, row: &Row, column: &str) -> String {
    let class = row.1.map_or(NONE, DataClass::as_str);
    format!("{table}.{}/{class}/{column}", row.0)
}

fn calls(transfers: &Transfers) -> Section {
    let columns = vec![
        column("提供先", "Recipient"),
        column("データ区分", "Class of data"),
        figures("送信を認めた呼出し", "Calls cleared to leave"),
        figures("そのバイト数", "Their bytes"),
        figures("うち接続できず未送信", "Of those, not sent: unreachable"),
        figures("未送信のバイト数", "Bytes not sent"),
        figures("マスクを施した呼出し", "Calls with masks"),
        figures("拒否した呼出し", "Calls refused"),
        figures("根拠とした同意", "Consents relied on"),
    ];
    let mut table = Table::new("calls", columns).or(text(
        "この期間に外部へ送信を認めた、または拒否した呼出しはありません。",
        "No call was cleared or refused in this period.",
    ));
    let period = &transfers.period;
    let (since, until) = (period.since(), period.until());
    for (row, tally) in &transfers.rows {
        let figure = |column: &str, value, unit, query: Query, positions: &RoaringTreemap| {
            Cell::Figure(Figure {
                id: id("calls", row, column),
                value,
                unit,
                query: query.between(since, until),
                positions: Positions::from(positions),
            })
        };
        let count = |column, query, positions: &RoaringTreemap| {
            figure(column, positions.len(), Unit::Count, query, positions)
        };
        let sent = of_row("payload.masked", row);
        let lost = Query {
            of: "call",
            kinds: Vec::new(),
            ..sent.clone().when("outcome", "unreachable")
        };
        let consents: RoaringTreemap = tally.consents.iter().copied().collect();
        table.rows.push(vec![
            Cell::Name(row.0.to_string()),
            Cell::Text(class_title(row.1)),
            count("sent", sent.clone(), &tally.sent),
            figure(
                "sent_bytes",
                tally.sent_bytes,
                Unit::Bytes,
                sent.clone().take("sum", "body_bytes"),
                &tally.sent,
            ),
            count("unreachable", lost.clone(), &tally.unreachable),
            figure(
                "unreachable_bytes",
                tally.unreachable_bytes,
                Unit::Bytes,
                lost.take("sum", "body_bytes"),
                &tally.unreachable,
            ),
            count("masked", sent.clone().when("masks", "some"), &tally.masked),
            count("blocked", of_row("payload.blocked", row), &tally.blocked),
            count(
                "consents",
                sent.take("distinct", "class.consent"),
                &consents,
            ),
        ]);
    }
    Section::new("calls", text("呼出し", "Calls")).shows(table)
}

fn rules(transfers: &Transfers) -> Section {
    let columns = || {
        vec![
            column("提供先", "Recipient"),
            column("データ区分", "Class of data"),
            column("規則", "Rule"),
            figures("件数", "Count"),
        ]
    };
    let mut masks = Table::new("masks", columns()).titled(text("マスク数", "Masks"));
    let mut blocks =
        Table::new("blocks", columns()).titled(text("拒否の理由", "Reasons of refusal"));
    let period = &transfers.period;
    let (since, until) = (period.since(), period.until());
    let fill = |table: &mut Table, kind, list, row: &Row, counted: &BTreeMap<Name, Counted>| {
        for (rule, counted) in counted {
            let query = of_row(kind, row).each(list).when("rule", rule);
            table.rows.push(vec![
                Cell::Name(row.0.to_string()),
                Cell::Text(class_title(row.1)),
                Cell::Name(rule.to_string()),
                Cell::Figure(Figure {
                    id: id(list, row, rule.as_str()),
                    value: counted.count,
                    unit: Unit::Count,
                    query: query.take("sum", "count").between(since, until),
                    positions: Positions::from(&counted.positions),
                }),
            ]);
        }
    };
    for (row, tally) in &transfers.rows {
        fill(&mut masks, "payload.masked", "masks", row, &tally.masks);
        fill(
            &mut blocks,
            "payload.blocked",
            "reasons",
            row,
            &tally.blocks,
        );
    }
    Section::new("rules", text("規則別", "By rule"))
        .shows(masks)
        .shows(blocks)
}

fn destinations(transfers: &Transfers) -> Section {
    let columns = vec![
        column("提供先", "Recipient"),
        column("データ区分", "Class of data"),
        column("送信先", "Sent to"),
        figures("呼出し", "Calls"),
    ];
    let mut table = Table::new("destinations", columns);
    let period = &transfers.period;
    let destinations = |tally: &'_ Tally| -> Vec<(String, Positions)> {
        let all = tally.destinations.iter();
        all.map(|(to, positions)| (to.as_str().to_owned(), positions.into()))
            .collect()
    };
    for (row, tally) in &transfers.rows {
        for (destination, positions) in destinations(tally) {
            let query = of_row("payload.masked", row).when("destination", &destination);
            table.rows.push(vec![
                Cell::Name(row.0.to_string()),
                Cell::Text(class_title(row.1)),
                Cell::Name(destination.clone()),
                Cell::Figure(Figure {
                    id: id("destinations", row, &destination),
                    value: positions.len(),
                    unit: Unit::Count,
                    query: query.between(period.since(), period.until()),
                    positions,
                }),
            ]);
        }
    }
    Section::new("destinations", text("送信先", "Destinations")).shows(table)
}

fn limits() -> Section {
    let title = text(
        "この記録が示すことと示さないこと",
        "What this register shows and does not",
    );
    Section::new("limits", title)
        .notes(from_the_log())
        .notes(text(
            "呼出しは送信を認めた月に数え、その結末（未送信など）は最新の記録までを見ます。",
            "A call counts for the month in which its payload was cleared; how it ended is as of the newest entry.",
        ))
        .notes(text(
            "マスクは氏名を頭文字に、住所を都道府県に、電話番号の下四桁とメールアドレスのローカル部を伏せ字にします。匿名加工情報ではありません。",
            "Masks leave initials, prefectures, and the beginnings of phone numbers and the domains of mailboxes. That is no anonymisation.",
        ))
        .notes(text(
            "規則が見つけなかった個人データが送信された可能性は、この記録からは否定できません。",
            "That personal data left which no rule found cannot be ruled out from this register.",
        ))
        .notes(text(
            "法が求める記録の保存は三年です。",
            "The law wants such records kept for three years.",
        ))
}
