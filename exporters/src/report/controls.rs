//! The risk-control matrix and what it says of outside rules: `report controls`.
//!
//! A verdict is computed, never stated: see [`Control::judge`]. What the log does not record is
//! not evidenced, whatever else may be true of it.

mod frameworks;
mod kept;
mod risks;

use super::approvals::{counted, refused};
use super::facts::{EVER, Facts, not_recorded};
use super::known::Known;
use super::model::{
    Cell, Figure, Query, Report, Section, Table, Text, Unit, Verdict, column, figures, text,
};
use super::{Basis, Positions, ReportError, Verification};
use std::collections::BTreeMap;

pub const NAME: &str = "controls";

/// One control against a risk.
struct Control {
    id: &'static str,
    title: Text,
    /// What shows that it works; absent: daicho records nothing of the sort.
    shown_by: Option<Query>,
    /// Counted from the beginning of the log, not in the period alone: what stays in force.
    ever: bool,
    /// What shows that it was broken: entries of the period, or what is so at its end.
    broken_by: Option<Query>,
}

struct Risk {
    id: &'static str,
    title: Text,
    controls: Vec<Control>,
}

/// A control with its figures and what follows from them.
struct Judged {
    id: &'static str,
    title: Text,
    shown: Cell,
    broken: Cell,
    verdict: Verdict,
}

fn or_not_recorded(figure: Option<Figure>) -> Cell {
    figure.map_or_else(not_recorded, Cell::Figure)
}

impl Control {
    /// Broken at least once: not met. Else shown at least once: met, unless nothing would record
    /// that it was broken. Else not evidenced.
    fn judge(self, facts: &Facts, known: &Known) -> Judged {
        let id = |what: &str| format!("controls.{}.{what}", self.id);
        let window = if self.ever { EVER } else { 0 };
        let figure = |what, query: &Query, window| {
            let found = || figure(id(what), query, facts, known, window);
            facts.recorded(query).then(found)
        };
        let shown = self.shown_by.as_ref();
        let shown = shown.and_then(|query| figure("shown", query, window));
        let broken = self.broken_by.as_ref();
        let broken = broken.map(|query| figure("broken", query, 0));
        let some = |figure: &Option<Figure>| figure.as_ref().is_some_and(|f| f.value > 0);
        let verdict = match &broken {
            Some(broken) if some(broken) => Verdict::NotMet,
            // Nothing would tell of it.
            Some(None) => Verdict::NotEvidenced,
            _ if some(&shown) => Verdict::Met,
            _ => Verdict::NotEvidenced,
        };
        Judged {
            id: self.id,
            title: self.title,
            shown: or_not_recorded(shown),
            // Of a control whose breach is no entry there is nothing to be said.
            broken: broken.map_or(Cell::Empty, or_not_recorded),
            verdict,
        }
    }
}

/// How much of what the query is of: entries of a window, or what is so at the period's end.
fn figure(id: String, query: &Query, facts: &Facts, known: &Known, window: usize) -> Figure {
    let decision = query.filter.get("decision").map(String::as_str);
    match (query.of, &query.kinds[..], decision) {
        ("rule", ..) => kept::figure(id, query, facts),
        ("entry", _, Some("refused")) => refused(id, facts, known),
        ("entry", [kind], Some(_)) => counted(id, kind, facts, known, window),
        ("entry", ..) => facts.figure(id, query, Unit::Count, window),
        _ => facts.standing(id, query),
    }
}

/// That the log is what it was, from the verification behind this report: where there was none, no
/// figure stands for one.
fn integrity(basis: &Basis) -> Judged {
    let (faults, verdict) = match &basis.verification {
        Verification::Clean { .. } => (Some((0, Positions::default())), Verdict::Met),
        Verification::Faults { count, positions } => {
            (Some((*count, positions.clone())), Verdict::NotMet)
        }
        Verification::Continued { .. } | Verification::NotRun => (None, Verdict::NotEvidenced),
    };
    let figure = |id: &str, value, query, positions| Figure {
        id: format!("controls.L1.{id}"),
        value,
        unit: Unit::Count,
        query,
        positions,
    };
    let checked = || {
        let all: Positions = (0..basis.head.size).collect();
        figure("shown", basis.head.size, Query::of("entry"), all)
    };
    Judged {
        id: "L1",
        title: text(
            "台帳は改ざん・欠落なく検証された",
            "The log was verified without alteration or loss",
        ),
        shown: or_not_recorded(faults.is_some().then(checked)),
        broken: or_not_recorded(
            faults.map(|(count, found)| figure("broken", count, Query::of("fault"), found)),
        ),
        verdict,
    }
}

/// The report.
pub fn report(facts: &Facts, known: &Known, basis: Basis) -> Result<Report, ReportError> {
    basis.check(facts.folded())?;
    let mut verdicts = BTreeMap::new();
    let mut table = Table::new("controls", columns());
    let mut row = |risk: &Text, judged: Judged| {
        verdicts.insert(judged.id, judged.verdict);
        table.rows.push(vec![
            Cell::Name(judged.id.to_owned()),
            Cell::Text(risk.clone()),
            Cell::Text(judged.title),
            judged.shown,
            judged.broken,
            Cell::Verdict(judged.verdict),
        ]);
    };
    let ledger = text("L 台帳そのもの", "L The log itself");
    row(&ledger, integrity(&basis));
    for risk in risks::all() {
        let title = super::model::told(
            format!("{} {}", risk.id, risk.title.ja),
            format!("{} {}", risk.id, risk.title.en),
        );
        for control in risk.controls {
            row(&title, control.judge(facts, known));
        }
    }
    let matrix = Section::new("controls", text("リスクと統制", "Risks and controls"))
        .says(text(
            "判定の規則：違反の記録が一件でもあれば「不適合」。なければ、統制が働いたことを示す記録が一件でもあれば「適合」。いずれもないとき、または違反の記録が「記録の対象外」のときは「記録なし」。違反を表す記録の種類がない統制（–）は、示す記録だけで判定します。",
            "The rule of every verdict: one or more of a breach is “not met”; else one or more that show the control is “met”; where there is neither, or where breaches are “not recorded”, it is “not evidenced”. A control of which no kind of entry is a breach (–) is judged by what shows it.",
        ))
        .shows(table)
        .notes(text(
            "「適合」は、台帳にその記録があり、違反の記録がないことだけを意味します。統制の設計の十分性は評価していません。",
            "“Met” says that the log holds such entries and none of a breach. Whether a control is enough is not judged.",
        ))
        .notes(text(
            "規則の採用など効力が続くものは台帳の始めから期間の末までを数え、利用者・エージェント・ベンダー・秘密情報・保存期間は期間の末における状態で判定します。",
            "Adoptions and assessments, which stay in force, are counted from the beginning of the log. Users, agents, vendors, secrets and periods of retention are judged by what they are at the period’s end.",
        ));
    Ok(Report {
        report: NAME,
        version: 3,
        title: text("統制報告書", "Report on controls"),
        sections: vec![matrix, frameworks::section(&verdicts)],
        basis,
    })
}

fn columns() -> Vec<super::model::Column> {
    vec![
        column("番号", "No."),
        column("リスク", "Risk"),
        column("統制", "Control"),
        figures("示す記録", "Shown by"),
        figures("違反の記録", "Broken by"),
        column("判定", "Verdict"),
    ]
}

#[cfg(test)]
mod tests;
