//! Who was asked, who decided, and how long that took: `report approvals`.

mod decided;

pub(super) use decided::{counted, refused};

use super::facts::{Facts, Moment};
use super::incidents::times;
use super::known::{Approval, Known};
use super::model::{Cell, Figure, Query, Report, Section, Table, Unit, column, figures, text};
use super::{Basis, Positions, ReportError};
use schemas::Timestamp;
use std::collections::BTreeMap;

pub const NAME: &str = "approvals";

/// The report.
pub fn report(facts: &Facts, known: &Known, basis: Basis) -> Result<Report, ReportError> {
    basis.check(facts.folded())?;
    Ok(Report {
        report: NAME,
        version: 2,
        title: text("承認報告書", "Report on approvals"),
        sections: vec![
            drafts(facts),
            decisions(facts, known, basis.moment()),
            approvers(facts, known),
            each(facts, known),
        ],
        basis,
    })
}

const SUBJECTS: [&str; 6] = ["action", "patch", "policy", "retention", "hold", "phase"];

/// Drafts of outward actions and what became of them.
pub(super) fn drafts(facts: &Facts) -> Section {
    let columns = vec![column("段階", "Step"), figures("件数", "Entries")];
    let mut table = Table::new("drafts", columns);
    for (kind, title) in [
        (
            "action.drafted",
            text("下書きとして停止", "Held as a draft"),
        ),
        (
            "action.released",
            text("承認により実行を許可", "Let go by an approval"),
        ),
        ("action.executed", text("実行済み", "Executed")),
        (
            "action.failed",
            text("実行されず、または失敗", "Not done, or failed"),
        ),
    ] {
        let figure = facts.count(format!("drafts.{kind}"), &Query::kinds(&[kind]));
        table
            .rows
            .push(vec![Cell::Text(title), Cell::Figure(figure)]);
    }
    let columns = vec![column("ツール", "Tool"), figures("下書き", "Drafts")];
    let mut tools = Table::new("drafts.tools", columns);
    let drafted = Query::kinds(&["action.drafted"]);
    for tool in facts.words(&drafted, "tool") {
        let query = drafted.clone().when("tool", &tool);
        let figure = facts.count(format!("drafts.tools.{tool}"), &query);
        tools
            .rows
            .push(vec![Cell::Name(tool), Cell::Figure(figure)]);
    }
    Section::new(
        "drafts",
        text("外部に及ぶ操作の下書き", "Drafts of outward actions"),
    )
    .shows(table)
    .shows(tools.titled(text("ツール別", "By tool")))
}

/// Requests by what they are about.
pub(super) fn decisions(facts: &Facts, known: &Known, moment: Timestamp) -> Section {
    let columns = vec![
        column("対象", "Subject"),
        figures("申請", "Requested"),
        figures("承認", "Granted"),
        figures("却下", "Denied"),
        figures("期限切れ", "Expired"),
        figures("期末に未決", "Waiting at the end"),
        figures("決定まで（中央値）", "To decision (median)"),
        figures("決定まで（最長）", "To decision (longest)"),
    ];
    let mut table = Table::new("approvals", columns);
    let period = facts.period();
    let (since, until) = (period.since(), period.until());
    for subject in SUBJECTS {
        let all: Vec<&Approval> = known
            .approvals
            .iter()
            .filter(|a| a.subject == subject)
            .collect();
        if all.is_empty() && subject != "action" {
            continue;
        }
        let id = |column: &str| format!("approvals.{subject}.{column}");
        let query = Query::of("approval").when("subject", subject);
        let requested = Query::kinds(&["approval.requested"]).when("subject.kind", subject);
        let answered = |state: &'static str| {
            let fits = all.iter().filter(|a| a.state == state);
            let moments: Vec<Moment> = fits.filter_map(|a| a.answered).collect();
            let within = moments.iter().filter(|moment| period.holds(moment.at));
            let positions: Positions = within.map(|moment| moment.position).collect();
            let query = query.clone().when("state", state).between(since, until);
            count(id(state), query, positions)
        };
        let expired = all
            .iter()
            .filter(|a| a.state == "expired" && period.holds(a.deadline));
        let expired = expired.map(|a| a.requested.position).collect();
        let waiting = all.iter().filter(|a| a.state == "requested");
        let waiting = waiting.map(|a| a.requested.position).collect();
        let took = |column: &str, take| {
            let pairs = all.iter().filter_map(|a| Some((a.requested, a.answered?)));
            let pairs = pairs.filter(|(_, answered)| period.holds(answered.at));
            let query = query.clone().between(since, until).take(take, "answered");
            times(id(column), query, pairs)
        };
        let query_of = |state| query.clone().when("state", state);
        table.rows.push(vec![
            Cell::Text(subject_title(subject)),
            Cell::Figure(facts.count(id("requested"), &requested)),
            answered("granted"),
            answered("denied"),
            count(
                id("expired"),
                query_of("expired").between(since, until),
                expired,
            ),
            count(
                id("waiting"),
                query_of("requested").until(until.min(moment)),
                waiting,
            ),
            took("median", "median"),
            took("longest", "max"),
        ]);
    }
    let mut other = Table::new(
        "approvals.refused",
        vec![column("項目", "Item"), figures("件数", "Entries")],
    );
    other.rows.push(vec![
        Cell::Text(text("効力のない決定", "Decisions that do not count")),
        Cell::Figure(refused("approvals.refused".to_owned(), facts, known)),
    ]);
    Section::new("approvals", text("申請と決定", "Requests and decisions"))
        .says(text(
            "決定は、承認者本人の鍵による署名があり、申請者以外の者が期限内に、正確に同じ内容について行ったものだけを数えます。エージェントの申請に対するその担当者本人の承認は数えず、却下は数えます。時間は申請から決定が揃うまでです（時:分:秒）。",
            "Only decisions count that an approver other than the requester signed with their own key, in time and for exactly this; what an agent asks, the person whom it works for may deny and not approve. Times run from the request to the decision that settled it (h:mm:ss).",
        ))
        .shows(table)
        .shows(other)
}

fn count(id: String, query: Query, positions: Positions) -> Cell {
    Cell::Figure(Figure {
        id,
        value: positions.len(),
        unit: Unit::Count,
        query,
        positions,
    })
}

fn approvers(facts: &Facts, known: &Known) -> Section {
    let columns = vec![
        column("承認者", "Approver"),
        figures("承認", "Approved"),
        figures("却下", "Denied"),
    ];
    let mut table = Table::new("approvers", columns);
    let period = facts.period();
    let mut all: BTreeMap<(&str, bool), Vec<u64>> = BTreeMap::new();
    let decisions = known.approvals.iter().flat_map(|a| &a.decisions);
    for one in decisions.filter(|one| period.holds(one.moment.at)) {
        let of = all.entry((&one.approver, one.approves)).or_default();
        of.push(one.moment.position);
    }
    let mut names: Vec<&str> = all.keys().map(|(name, _)| *name).collect();
    names.dedup();
    for name in names {
        let of = |approves, column: &str, kind| {
            let positions = all.get(&(name, approves)).into_iter().flatten().copied();
            let query = Query::kinds(&[kind])
                .when("approver", name)
                .when("decision", "counts");
            let query = query.between(period.since(), period.until());
            count(
                format!("approvers.{name}.{column}"),
                query,
                positions.collect(),
            )
        };
        table.rows.push(vec![
            Cell::Name(name.to_owned()),
            of(true, "approved", "approval.granted"),
            of(false, "denied", "approval.denied"),
        ]);
    }
    Section::new("approvers", text("承認者別の決定", "Decisions by approver")).shows(table)
}

/// Each request that the period saw: asked, decided or run out in it, or waiting at its end.
fn each(facts: &Facts, known: &Known) -> Section {
    let columns = vec![
        column("識別子", "Approval"),
        column("対象", "Subject"),
        column("申請者", "Requester"),
        column("申請", "Requested"),
        column("状態", "State"),
        column("決定", "Decided"),
        column("決定した者", "By"),
        column("実行の位置", "Done at position"),
    ];
    let mut table = Table::new("each", columns);
    let period = facts.period();
    for one in &known.approvals {
        let seen = period.holds(one.requested.at)
            || one
                .answered
                .is_some_and(|answered| period.holds(answered.at))
            || (one.state == "expired" && period.holds(one.deadline))
            || one.state == "requested";
        if !seen {
            continue;
        }
        let by: Vec<&str> = one.decisions.iter().map(|d| d.approver.as_str()).collect();
        let Moment { position, at } = one.requested;
        table.rows.push(vec![
            Cell::Name(one.approval.to_string()),
            Cell::Text(subject_title(&one.subject)),
            Cell::Name(one.requester.clone()),
            Cell::Entry { at, position },
            Cell::Text(state_title(one.state)),
            match one.answered {
                Some(Moment { position, at }) => Cell::Entry { at, position },
                None => Cell::Empty,
            },
            match by.is_empty() {
                true => Cell::Empty,
                false => Cell::Name(by.join(", ")),
            },
            match one.used {
                Some(position) => Cell::Name(position.to_string()),
                None => Cell::Empty,
            },
        ]);
    }
    Section::new("each", text("個々の申請", "Each request")).shows(table)
}

fn subject_title(subject: &str) -> super::model::Text {
    match subject {
        "action" => text("外部に及ぶ操作", "Outward action"),
        "patch" => text("修正パッチ", "Patch"),
        "policy" => text("規則の変更", "Policy"),
        "retention" => text("保存期間の満了", "End of retention"),
        "hold" => text("保全命令", "Hold"),
        _ => text("段階の移行", "Phase"),
    }
}

fn state_title(state: &str) -> super::model::Text {
    match state {
        "granted" => text("承認", "granted"),
        "denied" => text("却下", "denied"),
        "expired" => text("期限切れ", "expired"),
        _ => text("未決", "waiting"),
    }
}

#[cfg(test)]
mod tests;
