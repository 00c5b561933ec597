//! Decisions that count, and those that do not.

use crate::report::facts::Facts;
use crate::report::known::Known;
use crate::report::model::{Figure, Query, Unit};
use roaring::RoaringTreemap;

const GRANTED: &str = "approval.granted";
const DENIED: &str = "approval.denied";

/// Decisions of this kind in a window that count at the period's end.
pub(in crate::report) fn counted(
    id: String,
    kind: &'static str,
    facts: &Facts,
    known: &Known,
    window: usize,
) -> Figure {
    let mut figure = facts.figure(id, &Query::kinds(&[kind]), Unit::Count, window);
    let all = &counting(known) & &figure.positions.iter().collect();
    figure.value = all.len();
    figure.query = figure.query.when("decision", "counts");
    figure.positions = all.into();
    figure
}

/// Decisions of the period that do not count at its end: those of no known approval, those that
/// break its rules, and those whose key was taken away before anything was done on them.
pub(in crate::report) fn refused(id: String, facts: &Facts, known: &Known) -> Figure {
    let mut figure = facts.count(id, &Query::kinds(&[GRANTED, DENIED]));
    let all: RoaringTreemap = figure.positions.iter().collect();
    let all = all - counting(known);
    figure.value = all.len();
    figure.query = figure.query.when("decision", "refused");
    figure.positions = all.into();
    figure
}

fn counting(known: &Known) -> RoaringTreemap {
    let decisions = known.approvals.iter().flat_map(|one| &one.decisions);
    decisions.map(|one| one.moment.position).collect()
}
