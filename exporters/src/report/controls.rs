//! The risk-control matrix and what it says of outside rules: `report controls`.
//!
//! A verdict is computed, never stated: see [`Control::judge`]. What the log does not record is
//! not evidenced, whatever else may be true of it.

mod frameworks;
mod risks;

use super::facts::{EVER, Facts};
use super::known::Known;
use super::model::{
    Cell, Figure, Query, Report, Section, Table, Text, Unit, Verdict, column, figures, text,
};
use super::{Basis, Positions, ReportError, Verification};
use schemas::{Class, Period};
use std::collections::BTreeMap;

pub const NAME: &str = "controls";

/// One control against a risk.
struct Control {
    id: &'static str,
    title: Text,
    /// Entries that show that it works; absent: daicho records nothing of the sort.
    shown_by: Option<Query>,
    /// Counted from the beginning of the log, not in the period alone: what stays in force.
    ever: bool,
    /// Entries that show that it was broken, in the period.
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
    shown: Option<Figure>,
    broken: Option<Figure>,
    verdict: Verdict,
}

impl Control {
    /// Broken at least once: not met. Else shown at least once: met. Else not evidenced.
    fn judge(self, facts: &Facts, known: &Known) -> Judged {
        let id = |what: &str| format!("controls.{}.{what}", self.id);
        let window = if self.ever { EVER } else { 0 };
        let shown = self.shown_by.as_ref();
        let shown = shown.map(|query| facts.figure(id("shown"), query, Unit::Count, window));
        let broken = self.broken_by.as_ref().map(|query| match query.of {
            "approval" => refused(id("broken"), query, facts, known),
            "rule" => kept_too_short(id("broken"), query, facts),
            _ => facts.count(id("broken"), query),
        });
        let some = |figure: &Option<Figure>| figure.as_ref().is_some_and(|f| f.value > 0);
        let verdict = match (some(&broken), some(&shown)) {
            (true, _) => Verdict::NotMet,
            (false, true) => Verdict::Met,
            (false, false) => Verdict::NotEvidenced,
        };
        Judged {
            id: self.id,
            title: self.title,
            shown,
            broken,
            verdict,
        }
    }
}

/// Decisions of the period that do not count.
fn refused(id: String, query: &Query, facts: &Facts, known: &Known) -> Figure {
    let period = facts.period();
    let all = known.approvals.iter().flat_map(|one| &one.refused);
    let within = all.filter(|moment| period.holds(moment.at));
    let positions: Positions = within.map(|moment| moment.position).collect();
    Figure {
        id,
        value: positions.len(),
        unit: Unit::Count,
        query: query.clone().between(period.since(), period.until()),
        positions,
    }
}

/// EU AI Act art. 19 and 26 (6): logs are kept for at least six months.
const SIX_MONTHS_DAYS: u32 = 183;

/// 1 where the newest retention rules keep what agents do for less than six months.
fn kept_too_short(id: String, query: &Query, facts: &Facts) -> Figure {
    let short = |period: Option<&Period>| match period {
        None | Some(Period::Forever) => false,
        Some(Period::Days(days)) => *days < SIX_MONTHS_DAYS,
        Some(Period::Months(months)) => *months < 6,
    };
    let adopted = facts.periods();
    let short = adopted.filter(|(_, periods)| short(periods.get(&Class::operation())));
    Figure {
        id,
        value: u64::from(short.is_some()),
        unit: Unit::Count,
        query: query.clone().until(facts.period().until()),
        positions: short.iter().map(|(moment, _)| moment.position).collect(),
    }
}

/// That the log is what it was, from the verification behind this report.
fn integrity(basis: &Basis) -> Judged {
    let (faults, positions, verdict) = match &basis.verification {
        Verification::Clean { .. } => (0, Positions::default(), Verdict::Met),
        Verification::Faults { count, positions } => (*count, positions.clone(), Verdict::NotMet),
        Verification::NotRun => (0, Positions::default(), Verdict::NotEvidenced),
    };
    let figure = |id: &str, value, query, positions| Figure {
        id: format!("controls.L1.{id}"),
        value,
        unit: Unit::Count,
        query,
        positions,
    };
    let all: Positions = (0..basis.head.size).collect();
    Judged {
        id: "L1",
        title: text(
            "台帳は改ざん・欠落なく検証された",
            "The log was verified without alteration or loss",
        ),
        shown: Some(figure("shown", basis.head.size, Query::of("entry"), all)),
        broken: Some(figure("broken", faults, Query::of("fault"), positions)),
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
        let figure = |figure: Option<Figure>| match figure {
            Some(figure) => Cell::Figure(figure),
            None => Cell::Text(text("記録の対象外", "not recorded")),
        };
        table.rows.push(vec![
            Cell::Name(judged.id.to_owned()),
            Cell::Text(risk.clone()),
            Cell::Text(judged.title),
            figure(judged.shown),
            figure(judged.broken),
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
            "判定の規則：期間中に違反の記録が一件でもあれば「不適合」。なければ、統制が働いたことを示す記録が一件でもあれば「適合」。いずれもなければ「記録なし」。",
            "The rule of every verdict: one entry or more of a breach in the period is “not met”; else one or more that show the control is “met”; else it is “not evidenced”.",
        ))
        .shows(table)
        .notes(text(
            "「適合」は、台帳にその記録があり、違反の記録がないことだけを意味します。統制の設計の十分性は評価していません。",
            "“Met” says that the log holds such entries and none of a breach. Whether a control is enough is not judged.",
        ))
        .notes(text(
            "規則の採用、登録、審査など効力が続くものは、台帳の始めから期間の末までを数えます。",
            "Adoptions, registrations and reviews, which stay in force, are counted from the beginning of the log.",
        ));
    Ok(Report {
        report: NAME,
        version: 1,
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
