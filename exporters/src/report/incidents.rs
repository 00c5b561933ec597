//! Alerts and incidents, and how long they took: `report incidents`.

use super::facts::{Facts, Moment};
use super::model::{Cell, Figure, Query, Report, Section, Table, Unit, column, figures, text};
use super::{Basis, Positions, ReportError};
use schemas::kinds::defence::IncidentSeverity;
use schemas::{Data, EventId, Timestamp};
use std::collections::BTreeMap;

/// Every incident that the log tells of.
#[derive(Debug, Default)]
pub(super) struct Incidents(BTreeMap<EventId, Incident>);

#[derive(Debug)]
pub(super) struct Incident {
    /// As it was raised last.
    severity: IncidentSeverity,
    opened: Moment,
    contained: Option<Moment>,
    closed: Option<Moment>,
    alerts: u64,
    positions: Vec<u64>,
}

impl Incidents {
    pub fn take(&mut self, moment: Moment, data: &Data) {
        let position = moment.position;
        match data {
            Data::IncidentOpened(fact) => {
                let opened = Incident {
                    severity: fact.severity,
                    opened: moment,
                    contained: None,
                    closed: None,
                    alerts: fact.alerts.len() as u64,
                    positions: Vec::new(),
                };
                let incident = self.0.entry(fact.incident).or_insert(opened);
                incident.positions.push(position);
            }
            Data::IncidentEscalated(fact) => {
                if let Some(incident) = self.0.get_mut(&fact.incident) {
                    incident.severity = fact.severity;
                    incident.positions.push(position);
                }
            }
            Data::IncidentContained(fact) => {
                if let Some(incident) = self.0.get_mut(&fact.incident) {
                    incident.contained.get_or_insert(moment);
                    incident.positions.push(position);
                }
            }
            Data::IncidentClosed(fact) => {
                if let Some(incident) = self.0.get_mut(&fact.incident) {
                    incident.closed.get_or_insert(moment);
                    incident.positions.push(position);
                }
            }
            _ => {}
        }
    }

    fn of(&self, severity: IncidentSeverity) -> impl Iterator<Item = &Incident> {
        self.0.values().filter(move |one| one.severity == severity)
    }

    /// Not closed at the end of the period.
    pub fn open(&self, id: String, until: Timestamp) -> Figure {
        let open: Vec<_> = self.0.values().filter(|one| one.closed.is_none()).collect();
        Figure {
            id,
            value: open.len() as u64,
            unit: Unit::Count,
            query: Query::of("incident").when("state", "open").until(until),
            positions: all_of(open),
        }
    }
}

/// Every entry that tells of these: what opened one, rated, contained and closed it.
fn all_of<'i>(incidents: impl IntoIterator<Item = &'i Incident>) -> Positions {
    let positions = incidents.into_iter().flat_map(|one| &one.positions);
    positions.copied().collect()
}

pub const NAME: &str = "incidents";

/// The report.
pub fn report(facts: &Facts, basis: Basis) -> Result<Report, ReportError> {
    basis.check(facts.folded())?;
    Ok(Report {
        report: NAME,
        version: 2,
        title: text("警報・インシデント報告書", "Report on alerts and incidents"),
        sections: vec![
            alerts(facts),
            severities(facts),
            single(facts),
            drills(facts),
        ],
        basis,
    })
}

/// Alerts of the period by what raised them.
pub(super) fn alerts(facts: &Facts) -> Section {
    let raised = Query::kinds(&["alert.raised"]);
    let columns = vec![
        column("検知器", "Detector"),
        figures("致命的", "Critical"),
        figures("高", "High"),
        figures("中", "Medium"),
        figures("低", "Low"),
        figures("情報", "Info"),
        figures("計", "All"),
    ];
    let mut table = Table::new("alerts", columns);
    for detector in facts.words(&raised, "detector") {
        let of = raised.clone().when("detector", &detector);
        let mut row = vec![Cell::Name(detector.clone())];
        for severity in ["critical", "high", "medium", "low", "info"] {
            let query = of.clone().when("severity", severity);
            row.push(Cell::Figure(
                facts.count(format!("alerts.{detector}.{severity}"), &query),
            ));
        }
        row.push(Cell::Figure(
            facts.count(format!("alerts.{detector}.all"), &of),
        ));
        table.rows.push(row);
    }
    Section::new("alerts", text("警報", "Alerts")).shows(table)
}

/// Incidents by severity, and times.
pub(super) fn severities(facts: &Facts) -> Section {
    let columns = vec![
        column("重大度", "Severity"),
        figures("発生", "Opened"),
        figures("封じ込めまで（中央値）", "To containment (median)"),
        figures("封じ込めまで（最長）", "To containment (longest)"),
        figures("終結まで（最長）", "To closing (longest)"),
        figures("期末に未終結", "Open at the end"),
    ];
    let mut table = Table::new("incidents", columns).or(text(
        "インシデントは記録されていません。",
        "No incident was recorded.",
    ));
    let section = Section::new("incidents", text("インシデント", "Incidents"));
    if !facts.recorded(&Query::kinds(&["incident.opened"])) {
        return section.shows(table.or(text(
            "記録の対象外：台帳にインシデントの記録は一件もありません。",
            "Not recorded: the log holds no incident at all.",
        )));
    }
    let period = facts.period();
    let (since, until) = (period.since(), period.until());
    for &severity in IncidentSeverity::ALL {
        let all: Vec<&Incident> = facts.incidents().of(severity).collect();
        let begun = all.iter().filter(|one| period.holds(one.opened.at));
        let begun: Vec<&Incident> = begun.copied().collect();
        let id = |column: &str| format!("incidents.{severity}.{column}");
        let query = Query::of("incident").when("severity", severity);
        let opened = Figure {
            id: id("opened"),
            value: begun.len() as u64,
            unit: Unit::Count,
            query: query.clone().between(since, until),
            positions: all_of(begun.iter().copied()),
        };
        let took = |column: &str, take, field, end: fn(&Incident) -> Option<Moment>| {
            let ended = || begun.iter().copied().filter(|one| end(one).is_some());
            let pairs = ended().filter_map(|one| Some((one.opened, end(one)?)));
            let query = query.clone().between(since, until).take(take, field);
            let mut cell = times(id(column), query, pairs);
            // The entry that rated one is behind its place in this row.
            if let Cell::Figure(figure) = &mut cell {
                figure.positions = all_of(ended());
            }
            cell
        };
        let open = all.iter().filter(|one| one.closed.is_none());
        let open: Vec<&Incident> = open.copied().collect();
        let open = Figure {
            id: id("open"),
            value: open.len() as u64,
            unit: Unit::Count,
            query: query.clone().when("state", "open").until(until),
            positions: all_of(open.iter().copied()),
        };
        table.rows.push(vec![
            Cell::Name(severity.to_string()),
            Cell::Figure(opened),
            took("contain.median", "median", "contained", |one| one.contained),
            took("contain.longest", "max", "contained", |one| one.contained),
            took("close.longest", "max", "closed", |one| one.closed),
            Cell::Figure(open),
        ]);
    }
    section
        .says(text(
            "重大度は最後に定められたものです。時間は発生の記録から封じ込め・終結の記録までです（時:分:秒）。",
            "Severities are those that were set last. Times run from the entry that opened the incident (h:mm:ss).",
        ))
        .shows(table)
}

/// Median or maximum of the seconds between pairs of entries; nothing ended, nothing is said.
pub(super) fn times(
    id: String,
    query: Query,
    pairs: impl Iterator<Item = (Moment, Moment)>,
) -> Cell {
    let pairs: Vec<(Moment, Moment)> = pairs.collect();
    let mut seconds: Vec<u64> = pairs
        .iter()
        .map(|(from, to)| to.at.micros().saturating_sub(from.at.micros()))
        .map(|micros| u64::try_from(micros).unwrap_or_default() / 1_000_000)
        .collect();
    seconds.sort_unstable();
    // Of an even number the lower one: a value that was.
    let index = match query.take {
        "median" => seconds.len().saturating_sub(1) / 2,
        _ => seconds.len().saturating_sub(1),
    };
    match seconds.get(index) {
        None => Cell::Empty,
        Some(&value) => Cell::Figure(Figure {
            id,
            value,
            unit: Unit::Seconds,
            query,
            positions: pairs
                .iter()
                .flat_map(|(a, b)| [a.position, b.position])
                .collect(),
        }),
    }
}

/// Each incident of the period, or that was open in it.
fn single(facts: &Facts) -> Section {
    let columns = vec![
        column("識別子", "Incident"),
        column("重大度", "Severity"),
        column("発生", "Opened"),
        column("封じ込め", "Contained"),
        column("終結", "Closed"),
        figures("警報の数", "Alerts"),
    ];
    let mut table = Table::new("each", columns);
    let since = facts.period().since();
    let entry = |moment: Option<Moment>| match moment {
        None => Cell::Empty,
        Some(Moment { position, at }) => Cell::Entry { at, position },
    };
    for (id, one) in &facts.incidents().0 {
        if one.closed.is_some_and(|closed| closed.at < since) {
            continue;
        }
        let alerts = Figure {
            id: format!("each.{id}.alerts"),
            value: one.alerts,
            unit: Unit::Count,
            query: Query::of("incident")
                .when("incident", id)
                .take("sum", "alerts"),
            positions: one.positions.iter().take(1).copied().collect(),
        };
        table.rows.push(vec![
            Cell::Name(id.to_string()),
            Cell::Name(one.severity.to_string()),
            entry(Some(one.opened)),
            entry(one.contained),
            entry(one.closed),
            Cell::Figure(alerts),
        ]);
    }
    Section::new("each", text("個々のインシデント", "Each incident"))
        .says(text(
            "期間中に発生したもの、および期間の始めに終結していなかったもの。",
            "Those of the period, and those that were open when it began.",
        ))
        .shows(table)
}

fn drills(facts: &Facts) -> Section {
    let columns = vec![
        column("訓練", "Drill"),
        figures("合格", "Passed"),
        figures("不合格", "Failed"),
    ];
    let mut table = Table::new("drills", columns);
    let done = Query::kinds(&["drill.completed"]);
    for drill in facts.words(&done, "drill") {
        let of = |passed: &str| {
            let query = done.clone().when("drill", &drill).when("passed", passed);
            Cell::Figure(facts.count(format!("drills.{drill}.{passed}"), &query))
        };
        table
            .rows
            .push(vec![Cell::Name(drill.clone()), of("true"), of("false")]);
    }
    Section::new("drills", text("訓練", "Drills")).shows(table)
}
