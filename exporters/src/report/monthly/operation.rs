use super::protection::{row, words};
use crate::report::access::list;
use crate::report::facts::Facts;
use crate::report::known::Known;
use crate::report::model::{Cell, Figure, Query, Section, Table, Unit, column, figures, text};

const STATES: [&str; 6] = [
    "open",
    "verified",
    "reopened",
    "suppressed",
    "refuted",
    "closed",
];

/// Findings by severity and state at the period's end, and scans.
pub(super) fn findings(facts: &Facts, known: &Known) -> Section {
    let columns = vec![
        column("重大度", "Severity"),
        figures("未対応", "Open"),
        figures("確認済み", "Verified"),
        figures("再発", "Reopened"),
        figures("抑止", "Suppressed"),
        figures("誤検知", "Refuted"),
        figures("終結", "Closed"),
        figures("期間中の新規", "New in the period"),
    ];
    let mut table = Table::new("findings", columns);
    let until = facts.period().until();
    for severity in ["critical", "high", "medium", "low", "info"] {
        let mut line = vec![Cell::Name(severity.to_owned())];
        for state in STATES {
            let of = known.findings.iter();
            let of = of.filter(|one| one.severity == severity && one.state == state);
            let query = Query::of("finding")
                .when("severity", severity)
                .when("state", state);
            line.push(Cell::Figure(Figure {
                id: format!("findings.{severity}.{state}"),
                value: of.clone().count() as u64,
                unit: Unit::Count,
                query: query.until(until),
                positions: of.flat_map(|one| one.positions.iter().copied()).collect(),
            }));
        }
        let new = Query::kinds(&["finding.reported"]).when("severity", severity);
        line.push(Cell::Figure(
            facts.count(format!("findings.{severity}.new"), &new),
        ));
        table.rows.push(line);
    }
    let scans = words(facts, "scans", "scan.completed", "outcome")
        .titled(text("検査（結果別）", "Scans by outcome"));
    let closed = words(facts, "findings.closed", "finding.closed", "reason").titled(text(
        "期間中の終結（理由別）",
        "Closed in the period, by reason",
    ));
    let columns = vec![column("段階", "Step"), figures("件数", "Entries")];
    let mut patches = Table::new("patches", columns).titled(text("修正パッチ", "Patches"));
    for (kind, title) in [
        ("patch.proposed", text("提案", "Proposed")),
        ("patch.approved", text("承認", "Approved")),
        ("patch.rejected", text("却下", "Rejected")),
        ("patch.applied", text("適用", "Applied")),
    ] {
        let query = Query::kinds(&[kind]);
        patches
            .rows
            .push(row(facts, &format!("patches.{kind}"), title, &query));
    }
    Section::new("findings", text("脆弱性の指摘", "Findings"))
        .says(text(
            "状態は期間の末（または最新の記録）におけるものです。",
            "States are those at the period's end, or at the newest entry.",
        ))
        .shows(table)
        .shows(closed)
        .shows(scans)
        .shows(patches)
}

/// Rotations of keys and changes of rules, one by one.
pub(super) fn keys(facts: &Facts) -> Section {
    let keys = list("keys", facts, &["key.rotated"])
        .titled(text("署名鍵の更新", "Rotations of the log's key"))
        .or(text(
            "署名鍵は更新されていません。",
            "The log's key was not rotated.",
        ));
    let rules = list(
        "rules",
        facts,
        &["policy.adopted", "guardrail.changed", "vendor.reviewed"],
    )
    .titled(text("規則の採用と審査", "Rules adopted, and reviews"));
    Section::new("keys", text("鍵と規則", "Keys and rules"))
        .shows(keys)
        .shows(rules)
}

pub(super) fn backups(facts: &Facts) -> Section {
    let backups = list("backups", facts, &["backup.completed"]).or(text(
        "バックアップは記録されていません。",
        "No backup was recorded.",
    ));
    let ends = list(
        "ends",
        facts,
        &[
            "hold.placed",
            "hold.released",
            "retention.extended",
            "retention.expired",
            "erasure.requested",
            "erasure.extended",
            "erasure.completed",
            "erasure.refused",
            "ledger.recovered",
        ],
    )
    .titled(text(
        "保全、延長、満了、個人の内容の消去、復旧",
        "Holds, extensions and ends of retention, erasures, recoveries",
    ));
    Section::new(
        "backups",
        text("バックアップと保存", "Backups and retention"),
    )
    .shows(backups)
    .shows(ends)
    .shows(others(facts))
    .notes(text(
        "復元の訓練は、警報・インシデント報告書と統制報告書（R5.2）に示します。",
        "Drills of restoring are in the report on incidents and in that on controls (R5.2).",
    ))
}

/// Logs of other systems that were taken in, by source.
fn others(facts: &Facts) -> Table {
    let columns = vec![
        column("取得元", "Source"),
        figures("取込み", "Entries"),
        figures("行数", "Lines"),
    ];
    let mut table = Table::new("ingested", columns)
        .titled(text(
            "取り込んだ他のシステムのログ",
            "Logs of other systems that were taken in",
        ))
        .or(text(
            "他のシステムのログは取り込まれていません。",
            "No log of another system was taken in.",
        ));
    let query = Query::kinds(&["log.ingested"]);
    for source in facts.words(&query, "source") {
        let of = query.clone().when("source", &source);
        let lines = of.clone().take("sum", "lines");
        let lines = facts.figure(format!("ingested.{source}.lines"), &lines, Unit::Count, 0);
        let entries = facts.count(format!("ingested.{source}.entries"), &of);
        table.rows.push(vec![
            Cell::Name(source),
            Cell::Figure(entries),
            Cell::Figure(lines),
        ]);
    }
    table
}

/// What others vouch for, and what a receiver could not take.
pub(super) fn forwarding(facts: &Facts) -> Section {
    let columns = vec![column("項目", "Item"), figures("件数", "Entries")];
    let mut table = Table::new("forwarding", columns);
    for (kind, title) in [
        (
            "ledger.checkpoint",
            text("台帳に記されたチェックポイント", "Checkpoints in the log"),
        ),
        (
            "witness.cosigned",
            text("証人の連署", "Cosignatures of witnesses"),
        ),
        (
            "checkpoint.timestamped",
            text("時刻認証局のタイムスタンプ", "Time stamps of an authority"),
        ),
        (
            "export.delivered",
            text("転送の記録", "Deliveries recorded"),
        ),
        (
            "export.degraded",
            text(
                "転送できなかった記録",
                "Entries that a receiver could not take",
            ),
        ),
        ("export.gap", text("転送の欠落", "Gaps at a receiver")),
        ("report.issued", text("発行された報告書", "Reports issued")),
    ] {
        let query = Query::kinds(&[kind]);
        table
            .rows
            .push(row(facts, &format!("forwarding.{kind}"), title, &query));
    }
    let witnesses = words(facts, "witnesses", "witness.cosigned", "witness")
        .titled(text("証人別の連署", "Cosignatures by witness"));
    let degraded = words(facts, "degraded", "export.degraded", "destination").titled(text(
        "転送できなかった記録（宛先別）",
        "What receivers could not take, by destination",
    ));
    Section::new(
        "forwarding",
        text("検証と転送", "Verification and forwarding"),
    )
    .says(text(
        "台帳の検証結果はこの報告書の「検証結果」にあります。",
        "What verifying the log found stands under “Verification” above.",
    ))
    .shows(table)
    .shows(witnesses)
    .shows(degraded)
}
