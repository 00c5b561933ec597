//! The log's keys as its own entries tell them, and whether the auditor's is one of them.

use super::{Check, Finding, Found, Trust};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::history::{KeyHistory, RotationFault};
use crate::note::{Note, VerifierKey};
use schemas::kinds::ledger::KeyRotated;
use serde::Serialize;

/// A key and what it is there for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInForce {
    /// The first entry that it signs.
    pub first: u64,
    pub vkey: String,
    /// Something that it signed was found: an entry, or a checkpoint that is kept. A key that
    /// is only named vouches for nothing.
    pub signed: bool,
}

struct Period {
    first: u64,
    /// `None` after an entry that names no sound key: nothing can be said of signatures then.
    key: Option<VerifierKey>,
    signed: bool,
}

/// The keys met so far, oldest first.
pub struct Keys {
    periods: Vec<Period>,
    /// The same as long as each key is known.
    history: Option<KeyHistory>,
    given: Option<VerifierKey>,
}

impl Keys {
    /// From the key that entry 0 names; the auditor's stands in where it names none.
    pub fn founded(named: Option<VerifierKey>, trust: &Trust) -> Keys {
        let founding = Period {
            first: 0,
            key: named.or(trust.vkey.clone()),
            signed: false,
        };
        Keys {
            history: founding.key.clone().map(KeyHistory::founded),
            periods: vec![founding],
            given: trust.vkey.clone(),
        }
    }

    fn period(&self, seq: u64) -> usize {
        let after = self.periods.partition_point(|period| period.first <= seq);
        after.max(1) - 1
    }

    /// The key that signs the entry at `seq`, and checkpoints of that size.
    pub fn at(&self, seq: u64) -> Option<&VerifierKey> {
        self.periods[self.period(seq)].key.as_ref()
    }

    /// The key that signs the next entry.
    pub fn newest(&self) -> Option<&VerifierKey> {
        self.periods[self.periods.len() - 1].key.as_ref()
    }

    /// Something that the key in force at `seq` signed holds.
    pub fn has_signed(&mut self, seq: u64) {
        let period = self.period(seq);
        self.periods[period].signed = true;
    }

    /// The entry at `seq` names the next key.
    pub fn rotate(&mut self, seq: u64, rotated: &KeyRotated) -> Result<(), RotationFault> {
        let history = self.history.take().map(|mut history| {
            let key = history.successor(rotated.vkey.as_str())?;
            history.rotate(seq, key);
            Ok(history)
        });
        let (history, sound) = match history.transpose() {
            Ok(history) => (history, Ok(())),
            Err(fault) => (None, Err(fault)),
        };
        self.periods.push(Period {
            first: seq.saturating_add(1),
            key: history.as_ref().map(|history| history.newest().clone()),
            signed: false,
        });
        self.history = history;
        sound
    }

    /// Reads a checkpoint under the key in force at its size. One that promises more than
    /// there is may be of a key that went missing with the rest: the auditor's is tried too.
    pub fn open(&self, note: &[u8], beyond: bool) -> Result<Checkpoint, String> {
        let open = |key: &VerifierKey| Checkpoint::open(note, key);
        let text = |error: CheckpointError| error.to_string();
        let claimed = Note::parse(note).map_err(CheckpointError::Note);
        let claimed = claimed.and_then(|note| Checkpoint::parse(note.unverified_text()));
        let key = self.at(claimed.map_err(text)?.size);
        let opened = key.ok_or("no key to open it with".to_owned());
        let opened = opened.and_then(|key| open(key).map_err(text));
        match &self.given {
            Some(given) if beyond && opened.is_err() => open(given).or(opened),
            _ => opened,
        }
    }

    /// Holds the auditor's key against those of the log. Gives what the report tells.
    pub fn conclude(self, file: String, found: &mut Found) -> Vec<KeyInForce> {
        let shown = |key: &Option<VerifierKey>| {
            let none = || "no sound key".to_owned();
            key.as_ref().map_or_else(none, ToString::to_string)
        };
        if let Some(given) = &self.given {
            let period = self.periods.iter().find(|p| p.key.as_ref() == Some(given));
            match period {
                None => {
                    let keys: Vec<String> = self.periods.iter().map(|p| shown(&p.key)).collect();
                    found.push(other_key(file, given.to_string(), keys.join(", ")));
                }
                Some(period) if !period.signed => found.push(Finding {
                    check: Check::Key,
                    seq: Some(period.first.saturating_sub(1)),
                    file: "log".to_owned(),
                    offset: None,
                    expected: format!("something signed by {given}"),
                    found: "only an entry that names it".to_owned(),
                }),
                Some(Period { first: 0, .. }) => {}
                Some(Period { first, .. }) => found.notes.push(format!(
                    "the key given signs from entry {first} on; what is before it is bound by the hashes under its signatures, not signed by it"
                )),
            }
        }
        let told = |period: Period| KeyInForce {
            first: period.first,
            vkey: shown(&period.key),
            signed: period.signed,
        };
        self.periods.into_iter().map(told).collect()
    }
}

/// Entry 0, in this file, names other keys, or none, and leads to none that is expected.
pub fn other_key(file: String, expected: String, found: String) -> Finding {
    Finding {
        check: Check::Key,
        seq: Some(0),
        file,
        offset: Some(0),
        expected,
        found,
    }
}
