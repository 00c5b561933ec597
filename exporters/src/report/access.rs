//! Who may do what, what changed in it, and who tried in vain: `report access`.

use super::facts::Facts;
use super::facts::kinds::ACCESS;
use super::model::{Cell, Query, Report, Section, Table, column, figures, text};
use super::{Basis, ReportError};

pub const NAME: &str = "access";

/// The report.
pub fn report(facts: &Facts, basis: Basis) -> Result<Report, ReportError> {
    basis.check(facts.folded())?;
    Ok(Report {
        report: NAME,
        version: 2,
        title: text("アクセス権限報告書", "Report on access"),
        sections: vec![changes(facts), refused(facts), revealed(facts), each(facts)],
        basis,
    })
}

/// Counts of each change.
pub(super) fn changes(facts: &Facts) -> Section {
    let columns = vec![column("変更", "Change"), figures("件数", "Entries")];
    let mut table = Table::new("access", columns);
    for &kind in ACCESS {
        let figure = facts.count(format!("access.{kind}"), &Query::kinds(&[kind]));
        if figure.value > 0 {
            let row = vec![Cell::Name(kind.to_owned()), Cell::Figure(figure)];
            table.rows.push(row);
        }
    }
    let any = facts.count("access.all", &Query::kinds(ACCESS));
    let all = Cell::Text(text("計", "All"));
    table.rows.push(vec![all, Cell::Figure(any)]);
    Section::new(
        "access",
        text(
            "権限・利用者・秘密情報の変更",
            "Changes of access, users and secrets",
        ),
    )
    .shows(table)
}

/// Failed authentication, and what was refused.
pub(super) fn refused(facts: &Facts) -> Section {
    let columns = vec![
        column("方式", "Method"),
        column("理由", "Reason"),
        figures("件数", "Entries"),
    ];
    let mut failed =
        Table::new("auth.failed", columns).titled(text("認証の失敗", "Failed authentication"));
    let query = Query::kinds(&["auth.failed"]);
    for method in facts.words(&query, "method") {
        let of = query.clone().when("method", &method);
        for reason in facts.words(&of, "reason") {
            let of = of.clone().when("reason", &reason);
            let figure = facts.count(format!("auth.failed.{method}/{reason}"), &of);
            failed.rows.push(vec![
                Cell::Name(method.clone()),
                Cell::Name(reason),
                Cell::Figure(figure),
            ]);
        }
    }
    let columns = vec![column("規則", "Rule"), figures("件数", "Entries")];
    let mut denied =
        Table::new("access.denied", columns).titled(text("拒否されたアクセス", "Access denied"));
    let query = Query::kinds(&["access.denied"]);
    for rule in facts.words(&query, "rule") {
        let of = query.clone().when("rule", &rule);
        let figure = facts.count(format!("access.denied.{rule}"), &of);
        denied
            .rows
            .push(vec![Cell::Name(rule), Cell::Figure(figure)]);
    }
    Section::new("refused", text("認証の失敗と拒否", "Failures and refusals"))
        .shows(failed)
        .shows(denied)
}

/// Who opened sealed content, and what for.
pub(super) fn revealed(facts: &Facts) -> Section {
    let columns = vec![
        column("閲覧者", "Reader"),
        column("目的", "Purpose"),
        figures("件数", "Contents"),
    ];
    let mut table = Table::new("revealed", columns);
    let query = Query::kinds(&["content.revealed"]);
    for actor in facts.words(&query, "actor") {
        let of = query.clone().when("actor", &actor);
        for purpose in facts.words(&of, "purpose") {
            let of = of.clone().when("purpose", &purpose);
            let figure = facts.count(format!("revealed.{actor}/{purpose}"), &of);
            table.rows.push(vec![
                Cell::Name(actor.clone()),
                Cell::Name(purpose),
                Cell::Figure(figure),
            ]);
        }
    }
    Section::new(
        "revealed",
        text("封印された内容の閲覧", "Sealed content that was opened"),
    )
    .shows(table)
}

/// Every change, one by one.
fn each(facts: &Facts) -> Section {
    Section::new("each", text("個々の変更", "Each change")).shows(list("each", facts, ACCESS))
}

/// Entries of these kinds, with actor and words.
pub(super) fn list(id: &'static str, facts: &Facts, kinds: &[&str]) -> Table {
    let columns = vec![
        column("種別", "Kind"),
        column("内容", "What"),
        column("実施者", "By"),
        column("日時", "At"),
    ];
    let mut table = Table::new(id, columns);
    for event in facts.events(kinds) {
        table.rows.push(vec![
            Cell::Name(event.kind.to_owned()),
            Cell::Name(event.what.clone()),
            Cell::Name(event.actor.clone()),
            Cell::Entry {
                at: event.moment.at,
                position: event.moment.position,
            },
        ]);
    }
    table
}
