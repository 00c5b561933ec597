//! That the monthly report has what the parent company's security department asks for.

use super::*;
use crate::report::known::{Finding, Price, Prices};
use crate::report::model::{Cell, Table};
use crate::report::tests::{HASH, Step, basis, folded, granted, id};
use crate::report::{Format, Language};
use serde_json::{Value, json};
use std::fmt::Write;

fn call(number: u8, day: &'static str, image: bool) -> [Step<'static>; 3] {
    let by = "agent:cfo";
    let count = |rule: &str| json!([{ "rule": rule, "count": 1 }]);
    let media = if image { count("image") } else { json!([]) };
    [
        (
            day,
            "prompt.submitted",
            json!({
                "by": by, "call": id(number), "provider": "anthropic", "operation": "messages",
                "model": "model-a", "streaming": true, "messages": 1, "body_bytes": 9,
            }),
        ),
        (
            day,
            "payload.masked",
            json!({
                "by": by, "call": id(number), "destination": "api.example.com:443", "policy": HASH,
                "payload_sha256": HASH, "body_bytes": 9, "masks": count("person"), "media": media,
                "tags": [], "tags_omitted": 0,
            }),
        ),
        (
            day,
            "model.responded",
            json!({
                "by": by, "call": id(number), "status": 200, "input_tokens": 5, "output_tokens": 7,
                "cache_read_tokens": 2, "cache_creation_tokens": 3, "tool_calls": 0,
                "body_bytes": 9, "response_sha256": HASH, "first_byte_micros": 5,
                "duration_micros": 9,
            }),
        ),
    ]
}

/// A November in which something of everything happened, and a call in each of the months before.
fn lived() -> Vec<Step<'static>> {
    let day = "2026-11-02";
    let mut steps: Vec<Step> = vec![(
        "2026-08-03",
        "agent.registered",
        json!({
            "agent": "cfo", "role": "cfo", "data_class": "internal", "token_sha256": HASH,
            "person": "s001",
        }),
    )];
    let days = ["2026-08-04", "2026-09-02", "2026-10-02", day];
    for (number, day) in (10..).zip(days) {
        steps.extend(call(number, day, true));
    }
    // 22:00 on a Monday.
    steps.extend(call(20, "2026-11-02T22:00:00.000000Z", false));
    let mut say = |(kind, data): (_, Value)| steps.push((day, kind, data));
    say((
        "payload.blocked",
        json!({
            "by": "agent:cfo", "call": id(30), "destination": "api.example.com:443",
            "policy": HASH, "reasons": [{ "rule": "card", "count": 1 }],
        }),
    ));
    say((
        "hook.reported",
        json!({
            "by": "agent:cfo", "hook": id(31), "client": "claude-code", "event": "pre_tool_use",
            "body_bytes": 7, "found": [{ "rule": "card", "count": 1 }], "verdict": "deny",
            "masking": HASH, "policy": HASH,
        }),
    ));
    let action = json!({ "action": id(32), "tool": "mcp__mail__send", "arguments_sha256": HASH });
    say(("action.drafted", action));
    say((
        "finding.reported",
        json!({
            "finding": id(33), "scan": id(34), "project": "p", "scanner": "s", "rule": "r",
            "path": "a.py", "cwe": [], "severity": "high", "confidence": "high",
            "fingerprint": HASH,
        }),
    ));
    say((
        "alert.raised",
        json!({ "alert": id(35), "detector": "volume", "severity": "high", "positions": [0] }),
    ));
    for (number, severity) in (40..).zip(["sev1", "sev2", "sev3"]) {
        let incident = id(number);
        let opened = json!({ "incident": incident, "severity": severity, "alerts": [] });
        say(("incident.opened", opened));
        let contained = json!({ "incident": incident, "measure": "isolated" });
        say(("incident.contained", contained));
        say((
            "incident.closed",
            json!({ "incident": incident, "cause": "misuse" }),
        ));
    }
    say(("user.activated", json!({ "user": "s001" })));
    say(("key.rotated", json!({ "vkey": "v", "reason": "scheduled" })));
    say((
        "backup.completed",
        json!({ "destination": "/b", "size": 1, "root": HASH }),
    ));
    say((
        "witness.cosigned",
        json!({
            "witness": "w1", "size": 1, "root": HASH, "signature": "AAAA",
            "cosigned": "2026-11-02T09:00:00.000000Z",
        }),
    ));
    say((
        "export.degraded",
        json!({ "destination": "hq", "position": 3, "reason": "refused" }),
    ));
    let delivered = json!({ "destination": "hq", "first": 0, "last": 9 });
    say(("export.delivered", delivered));
    say(("rule.violated", json!({ "rule": "api", "count": 1 })));
    steps
}

fn known() -> Known {
    let finding = Finding {
        finding: id(33),
        severity: "high".to_owned(),
        state: "open",
        live: true,
        positions: vec![18],
    };
    Known {
        approvals: vec![granted(0, "2026-11-02T09:00:00.000000Z", 3_600)],
        findings: vec![finding],
        prices: Prices {
            adopted: None,
            of: [("model-a".to_owned(), Price([3_000_000; 4]))].into(),
        },
    }
}

fn november() -> Report {
    let steps = lived();
    let mut basis = basis(steps.len());
    basis.hours = Some("mon-fri 09:00-18:00".parse().unwrap());
    report(&folded(&basis, &steps), &known(), basis).unwrap()
}

/// The table of a section, by both names.
#[track_caller]
fn table<'r>(report: &'r Report, section: &str, table: &str) -> &'r Table {
    let of = report.sections.iter().find(|one| one.id == section);
    let of = of.unwrap_or_else(|| panic!("no section {section}"));
    let found = of.tables.iter().find(|one| one.id == table);
    found.unwrap_or_else(|| panic!("no table {table} in {section}"))
}

/// The cells of a row, found by the English or only name that it begins with, each with its column.
#[track_caller]
fn row<'t>(table: &'t Table, name: &str) -> Vec<(&'t str, &'t Cell)> {
    let named = |row: &&Vec<Cell>| match row.first() {
        Some(Cell::Name(first)) => first == name,
        Some(Cell::Text(first)) => first.en == name,
        _ => false,
    };
    let row = table.rows.iter().find(named);
    let row = row.unwrap_or_else(|| panic!("no row {name} in {}", table.id));
    let columns = table.columns.iter().map(|column| column.title.en.as_ref());
    columns.zip(row).collect()
}

/// Section, table, row and columns under each of which there is a figure.
type Item = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[track_caller]
fn shows(report: &Report, what: &str, items: &[Item]) {
    for (of, name, first, columns) in items {
        let row = row(table(report, of, name), first);
        for column in *columns {
            let cell = row.iter().find(|(title, _)| title == column);
            let figure = matches!(cell, Some((_, Cell::Figure(_))));
            assert!(figure, "{what}: {name}, {first}, {column}: {cell:?}");
        }
    }
}

#[test]
fn the_month_has_a_figure_for_each_item_that_is_asked_for() {
    let report = november();
    let shows = |what, items: &[Item]| shows(&report, what, items);
    let costs = &["Calls", "Input", "Output", "Cost"][..];
    let counted = &["Count", "Entries"][..];
    let entries = &["Entries"][..];
    shows("use by user", &[("use", "use.person", "s001", costs)]);
    shows("by agent", &[("use", "use.agent", "agent:cfo", costs)]);
    shows("by model", &[("use", "use.model", "model-a", costs)]);
    shows("prices", &[("use", "use.prices", "model-a", &["Calls"])]);
    shows(
        "masks by rule",
        &[("protection", "masks", "person", counted)],
    );
    shows(
        "blocks by rule",
        &[("protection", "blocks", "card", counted)],
    );
    shows("media", &[("protection", "media", "image", counted)]);
    shows(
        "drafts",
        &[
            ("drafts", "drafts", "Held as a draft", entries),
            ("drafts", "drafts", "Let go by an approval", entries),
            ("drafts", "drafts", "Executed", entries),
            ("drafts", "drafts.tools", "mcp__mail__send", &["Drafts"]),
        ],
    );
    let decided = &[
        "Requested",
        "Granted",
        "Denied",
        "Expired",
        "Waiting at the end",
        "To decision (median)",
        "To decision (longest)",
    ];
    shows(
        "approvals with times",
        &[("approvals", "approvals", "Outward action", decided)],
    );
    let states = &[
        "Open",
        "Verified",
        "Reopened",
        "Suppressed",
        "Refuted",
        "Closed",
        "New in the period",
    ];
    for severity in ["critical", "high", "medium", "low", "info"] {
        shows(
            "findings by severity and state",
            &[("findings", "findings", severity, states)],
        );
    }
    let severities = &["Critical", "High", "Medium", "Low", "Info", "All"];
    shows("alerts", &[("alerts", "alerts", "volume", severities)]);
    let times = &[
        "Opened",
        "To containment (median)",
        "To containment (longest)",
        "To closing (longest)",
        "Open at the end",
    ];
    for severity in ["sev1", "sev2", "sev3"] {
        shows(
            "incidents with times to answer",
            &[("incidents", "incidents", severity, times)],
        );
    }
    shows(
        "access changes",
        &[
            ("access", "access", "user.activated", entries),
            ("access", "access", "All", entries),
        ],
    );
    // These are told one by one.
    for (of, name, kind) in [
        ("keys", "keys", "key.rotated"),
        ("backups", "backups", "backup.completed"),
    ] {
        let row = row(table(&report, of, name), kind);
        let columns: Vec<_> = row.iter().map(|(title, _)| *title).collect();
        assert_eq!(columns, ["Kind", "What", "By", "At"]);
        assert!(matches!(row[3].1, Cell::Entry { .. }), "{row:?}");
    }
    shows(
        "verification and forwarding state",
        &[
            (
                "forwarding",
                "forwarding",
                "Checkpoints in the log",
                entries,
            ),
            (
                "forwarding",
                "forwarding",
                "Cosignatures of witnesses",
                entries,
            ),
            (
                "forwarding",
                "forwarding",
                "Time stamps of an authority",
                entries,
            ),
            ("forwarding", "forwarding", "Deliveries recorded", entries),
            (
                "forwarding",
                "forwarding",
                "Entries that a receiver could not take",
                entries,
            ),
            ("forwarding", "witnesses", "w1", entries),
            ("forwarding", "degraded", "hq", entries),
        ],
    );
    let page = report.write(Format::Markdown, Language::English);
    assert!(page.contains("| Verification | Not verified"), "{page}");
    let refused = "Calls with data that must not leave (nothing left)";
    shows(
        "deviations: out of hours, prohibited data",
        &[
            ("deviations", "deviations", "Calls out of hours", entries),
            ("deviations", "hours", "agent:cfo", &["Out of hours"]),
            ("deviations", "deviations", refused, entries),
            (
                "deviations",
                "deviations",
                "Uses of tools with prohibited values",
                entries,
            ),
            ("deviations", "violations", "api", entries),
        ],
    );
    let number = &["Number"][..];
    shows(
        "open points",
        &[
            ("open", "open", "Requests that wait", number),
            (
                "open",
                "open",
                "Live findings of severity high and above",
                number,
            ),
            ("open", "open", "Calls without a recorded end", number),
            ("open", "open", "Incidents that are not closed", number),
        ],
    );
    let months = &["2026-08", "2026-09", "2026-10", "2026-11"];
    for item in [
        "Model calls",
        "Calls with masks",
        "Calls refused",
        "Alerts",
        "Incidents",
        "Backups",
    ] {
        shows(
            "the last three months beside it",
            &[("summary", "summary", item, months)],
        );
    }
    for drawn in ["calls", "masked", "blocked", "input", "output", "alerts"] {
        let of = |chart: &&crate::report::model::Chart| {
            let bars: Vec<String> = chart
                .bars
                .iter()
                .map(|(_, figure)| figure.clone())
                .collect();
            bars == months.map(|month| format!("summary.{drawn}.{month}"))
        };
        let chart = report.sections[0].charts.iter().find(of);
        let chart = chart.unwrap_or_else(|| panic!("no chart of {drawn}"));
        for (_, figure) in &chart.bars {
            assert!(report.figure(figure).is_some(), "{figure}");
        }
    }
}

/// Sections, tables, columns and charts, by name alone: what is lost shows.
#[test]
fn nothing_of_the_month_is_lost() {
    let report = november();
    let mut outline = String::new();
    for section in &report.sections {
        writeln!(outline, "{}: {}", section.id, section.title.en).unwrap();
        for table in &section.tables {
            let title = table.title.as_ref().map_or("", |title| &title.en);
            let columns = table.columns.iter().map(|column| column.title.en.as_ref());
            let columns = columns.collect::<Vec<_>>().join(", ");
            writeln!(outline, "  {} ({title}): {columns}", table.id).unwrap();
        }
        for chart in &section.charts {
            writeln!(outline, "  chart of {}", chart.title.en).unwrap();
        }
    }
    insta::assert_snapshot!("outline", outline);
}
