//! Figures: what the groups say to a query.

use super::{Facts, Group, Tally, kinds};
use crate::report::model::{Cell, Figure, Query, Unit, text};
use crate::report::window::{Hours, Window};
use roaring::RoaringTreemap;
use std::collections::BTreeSet;

/// Stands where a figure would say more than the log can.
pub fn not_recorded() -> Cell {
    Cell::Text(text("記録の対象外", "not recorded"))
}

/// Stands where there was no log.
pub fn before_the_log() -> Cell {
    Cell::Text(text("台帳の開始前", "before the log"))
}

impl Facts {
    fn wanted<'f>(
        &'f self,
        query: &Query,
        window: usize,
    ) -> impl Iterator<Item = (&'f Group, &'f Tally)> {
        let fits = move |(group, _): &(&Group, &Tally)| {
            let all = |(field, is): (&&str, &String)| {
                let word = group.words.iter().find(|(name, _)| name == field);
                word.is_some_and(|(_, word)| word == is)
            };
            group.window == window
                && group.each == query.each
                && query.kinds.contains(&group.kind)
                && query.filter.iter().all(all)
        };
        self.groups.iter().filter(fits)
    }

    /// A figure of a window: how many entries, or the sum of one of their numbers.
    pub fn figure(&self, id: String, query: &Query, unit: Unit, window: usize) -> Figure {
        let mut positions = RoaringTreemap::new();
        let mut sum = 0_u64;
        for (_, tally) in self.wanted(query, window) {
            positions |= &tally.positions;
            let number = query.field.and_then(|field| tally.sums.get(field));
            sum = sum.saturating_add(number.copied().unwrap_or_default());
        }
        let query = match self.windows.get(window) {
            Some(of) => query.clone().between(of.since(), of.until()),
            None => query.clone().until(self.period().until()),
        };
        Figure {
            id,
            value: if query.field.is_some() {
                sum
            } else {
                positions.len()
            },
            unit,
            query,
            positions: positions.into(),
        }
    }

    /// Tokens that were counted in entries that fit, by the model that was asked for.
    pub fn tokens(&self, query: &Query, window: usize) -> Vec<(String, &RoaringTreemap, [u64; 4])> {
        let fitting = self.wanted(query, window).filter_map(|(group, tally)| {
            let model = group.words.iter().find(|(name, _)| *name == "call.model");
            let sum = |field: &str| tally.sums.get(field).copied().unwrap_or_default();
            Some((model?.1.clone(), &tally.positions, kinds::TOKENS.map(sum)))
        });
        fitting.collect()
    }

    /// Every model that was asked for, in any window.
    pub fn models(&self) -> BTreeSet<String> {
        let words = self.groups.keys().flat_map(|group| &group.words);
        let models = words.filter(|(name, _)| *name == "call.model");
        models.map(|(_, model)| model.clone()).collect()
    }

    pub fn hours(&self) -> Option<Hours> {
        self.hours
    }

    /// What is in force at the period's end: users, agents, vendors, secrets.
    pub fn standing(&self, id: String, query: &Query) -> Figure {
        let query = query.clone().until(self.period().until());
        self.standing.figure(id, &query)
    }

    /// Could the log hold what the query wants? Not where others would have to say it, and no
    /// entry before the period's end is of any of the kinds.
    pub fn recorded(&self, query: &Query) -> bool {
        let told = |kind: &&str| !kinds::OF_OTHERS.contains(kind) || self.seen.contains(*kind);
        query.kinds.is_empty() || query.kinds.iter().any(told)
    }

    /// Was there a log in any of this window?
    pub fn lived(&self, window: usize) -> bool {
        let over = |of: &Window| self.begun.is_some_and(|begun| of.until() <= begun);
        !self.windows.get(window).is_some_and(over)
    }

    /// A figure, or that nothing records it: zero would say that it did not happen.
    pub fn cell(&self, id: String, query: &Query, unit: Unit, window: usize) -> Cell {
        match (self.lived(window), self.recorded(query)) {
            (false, _) => before_the_log(),
            (_, false) => not_recorded(),
            _ => Cell::Figure(self.figure(id, query, unit, window)),
        }
    }

    /// How many entries of the period.
    pub fn count(&self, id: impl Into<String>, query: &Query) -> Figure {
        self.figure(id.into(), query, Unit::Count, 0)
    }

    /// The different words of a field in the period, with entries that fit the query.
    pub fn words(&self, query: &Query, field: &str) -> BTreeSet<String> {
        let words = self.wanted(query, 0).flat_map(|(group, _)| &group.words);
        let words = words.filter(|(name, _)| *name == field);
        words.map(|(_, word)| word.clone()).collect()
    }
}
