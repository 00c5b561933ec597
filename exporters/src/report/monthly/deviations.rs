use super::protection::{row, words};
use super::usage::calls;
use crate::report::Positions;
use crate::report::facts::{Facts, not_recorded};
use crate::report::known::Known;
use crate::report::model::{Cell, Figure, Query, Section, Table, Unit, column, figures, text};
use schemas::Timestamp;

/// What the rules do not want: prohibited data, use out of hours, violations.
pub(super) fn section(facts: &Facts) -> Section {
    let columns = vec![column("逸脱", "Deviation"), figures("件数", "Entries")];
    let mut table = Table::new("deviations", columns);
    let blocked = Query::kinds(&["payload.blocked"]);
    let title = text(
        "取扱禁止・送信不可のデータを含む呼出し（送信されていない）",
        "Calls with data that must not leave (nothing left)",
    );
    table
        .rows
        .push(row(facts, "deviations.blocked", title, &blocked));
    let found = Query::kinds(&["hook.reported"]).when("found", "some");
    let title = text(
        "取扱禁止の値を含むツールの利用",
        "Uses of tools with prohibited values",
    );
    table
        .rows
        .push(row(facts, "deviations.tools", title, &found));
    let title = text("漏えいした秘密情報", "Secrets that leaked");
    table.rows.push(row(
        facts,
        "deviations.leaked",
        title,
        &Query::kinds(&["secret.leaked"]),
    ));
    let outside = calls().when("hours", "outside");
    let title = text("就業時間外の呼出し", "Calls out of hours");
    match facts.hours() {
        Some(_) => table
            .rows
            .push(row(facts, "deviations.hours", title, &outside)),
        None => table.rows.push(vec![
            Cell::Text(title),
            Cell::Text(text(
                "就業時間の定めなし：判定不能",
                "no working hours configured: cannot be told",
            )),
        ]),
    }
    let rules = words(facts, "violations", "rule.violated", "rule")
        .titled(text("規則違反（規則別）", "Violations by rule"));
    let columns = vec![
        column("エージェント", "Agent"),
        figures("時間外", "Out of hours"),
    ];
    let mut agents = Table::new("hours", columns)
        .titled(text(
            "就業時間外の利用（エージェント別）",
            "Use out of hours, by agent",
        ))
        .or(text(
            "就業時間外の利用は記録されていません。",
            "No use out of hours was recorded.",
        ));
    for agent in facts.words(&outside, "actor") {
        let query = outside.clone().when("actor", &agent);
        let figure = facts.count(format!("hours.{agent}"), &query);
        agents
            .rows
            .push(vec![Cell::Name(agent), Cell::Figure(figure)]);
    }
    let mut section = Section::new(
        "deviations",
        text("規則からの逸脱", "Deviations from the rules"),
    )
    .shows(table)
    .shows(rules);
    if facts.hours().is_some() {
        section = section.shows(agents).notes(text(
            "就業時間は設定された曜日と時刻で判定し、祝日は考慮しません。",
            "Working hours are the days and hours configured; holidays are not known.",
        ));
    }
    section
}

/// What somebody still has to do something about.
pub(super) fn open(facts: &Facts, known: &Known) -> Section {
    let until: Timestamp = facts.period().until();
    let columns = vec![column("未了事項", "Open point"), figures("件数", "Number")];
    let mut table = Table::new("open", columns);
    let mut point = |id: &str, title, query: Query, positions: Positions, value: usize| {
        let figure = Figure {
            id: format!("open.{id}"),
            value: value as u64,
            unit: Unit::Count,
            query: query.until(until),
            positions,
        };
        table
            .rows
            .push(vec![Cell::Text(title), Cell::Figure(figure)]);
    };
    let waiting: Positions = known
        .approvals
        .iter()
        .filter(|one| one.state == "requested")
        .map(|one| one.requested.position)
        .collect();
    let waits = waiting.iter().count();
    point(
        "approvals",
        text("未決の申請", "Requests that wait"),
        Query::of("approval").when("state", "requested"),
        waiting,
        waits,
    );
    let grave = |one: &&crate::report::known::Finding| {
        one.live && matches!(one.severity.as_str(), "critical" | "high")
    };
    let grave = known.findings.iter().filter(grave);
    point(
        "findings",
        text(
            "重大度「高」以上の未対応の指摘",
            "Live findings of severity high and above",
        ),
        Query::of("finding")
            .when("live", "true")
            .when("severity", "high|critical"),
        grave
            .clone()
            .flat_map(|one| one.positions.iter().copied())
            .collect(),
        grave.count(),
    );
    let calls = facts.open_calls();
    let begun = calls.iter().count();
    point(
        "calls",
        text("終わりの記録がない呼出し", "Calls without a recorded end"),
        Query::of("call").when("state", "open"),
        calls,
        begun,
    );
    let incidents = match facts.recorded(&Query::kinds(&["incident.opened"])) {
        true => Cell::Figure(facts.incidents().open("open.incidents".to_owned(), until)),
        false => not_recorded(),
    };
    let title = text(
        "終結していないインシデント",
        "Incidents that are not closed",
    );
    table.rows.push(vec![Cell::Text(title), incidents]);
    Section::new("open", text("未了事項", "Open points"))
        .says(text(
            "期間の末（または最新の記録）におけるものです。",
            "As of the period's end, or of the newest entry.",
        ))
        .shows(table)
}
