//! What is said of a receiver's file: of each log what is there, what lacks, and what is not as it was
//! sent.

use ledger::note::VerifierKey;
use roaring::RoaringTreemap;
use serde::Serialize;
use std::collections::BTreeMap;

/// Faults that are listed; all are counted.
pub(super) const SHOWN: usize = 100;

#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub lines: u64,
    /// Lines of other programs.
    pub other: u64,
    /// Lines that begin like ours and cannot be read on: cut, or split by the receiver.
    pub torn: Faults<Torn>,
    pub chains: BTreeMap<String, Chain>,
}

#[derive(Debug, Serialize)]
pub struct Torn {
    pub line: u64,
    pub why: &'static str,
}

/// One log, as it was stored.
#[derive(Debug, Default, Serialize)]
pub struct Chain {
    pub first: u64,
    pub last: u64,
    pub entries: u64,
    /// Reduced on purpose: the ledger is asked for the body.
    pub reduced: u64,
    /// In another format: their chain and signature are checked, and that the text is whole, but
    /// not that it says what the entry does.
    pub translated: u64,
    /// Copies with the same bytes: no fault.
    pub duplicates: u64,
    pub vouched: Vouched,
    /// How many entries the ledger at hand has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_entries: Option<u64>,
    /// Positions without a sound message, before one that has it.
    pub gaps: Faults<Gap>,
    /// What the ledger at hand has behind that: not there yet, or lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<Gap>,
    pub truncated: Faults<Place>,
    pub altered: Faults<Place>,
    pub forged: Faults<Place>,
    #[serde(skip)]
    pub(super) seen: RoaringTreemap,
    /// Each key with the first position that it signs, once the first is known.
    #[serde(skip)]
    pub(super) keys: Vec<(u64, VerifierKey)>,
}

/// What the messages of a chain were held against, besides themselves and each other.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vouched {
    #[default]
    Nothing,
    Key,
    Ledger,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub first: u64,
    pub last: u64,
}

#[derive(Debug, Serialize)]
pub struct Place {
    pub seq: u64,
    pub line: u64,
    pub why: String,
}

/// All are counted, the first are listed.
#[derive(Debug, Serialize)]
pub struct Faults<T> {
    pub count: u64,
    pub first: Vec<T>,
}

impl<T> Default for Faults<T> {
    fn default() -> Faults<T> {
        Faults {
            count: 0,
            first: Vec::new(),
        }
    }
}

impl<T> Faults<T> {
    pub(super) fn add(&mut self, fault: T) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(fault);
        }
    }
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.torn.count == 0 && self.chains.values().all(Chain::is_clean)
    }
}

impl Chain {
    pub fn is_clean(&self) -> bool {
        let places = [&self.truncated, &self.altered, &self.forged];
        let all_there = self.gaps.count == 0 && self.tail.is_none();
        all_there && places.iter().all(|faults| faults.count == 0)
    }

    /// The key of a position, as far as the keys are known without a hole.
    pub(super) fn key(&self, seq: u64) -> Option<&VerifierKey> {
        let found = self.keys.iter().rev().find(|(first, _)| *first <= seq);
        found.map(|(_, key)| key)
    }
}
