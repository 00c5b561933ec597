//! Entries of a log that is open, held against the ones before them: what came after a verification.

use crate::reader::{ReadError, Reader};
use crate::{Entry, signature};
use rayon::prelude::*;
use schemas::{Hash, Timestamp};
use std::ops::Range;

/// What is wrong with one.
#[derive(Debug, thiserror::Error)]
pub enum Unsound {
    #[error(transparent)]
    Unread(#[from] ReadError),
    #[error("it does not follow from the entry before it")]
    Chain,
    #[error("its time runs back")]
    Time,
    #[error("its signature is not the ledger's")]
    Signature,
}

/// Entries whose signatures are checked together, on every core.
const TOGETHER: usize = 256;

/// Each entry at these positions that is not sound: its form, its hash in the tree, the chain, time
/// and signatures. Nothing is said of the entries before, nor of sealed content.
pub fn faults(reader: &Reader, range: Range<u64>) -> impl Iterator<Item = (u64, Unsound)> + '_ {
    let keys = reader.keys();
    let before = range.start.checked_sub(1).map(|seq| reader.entry(seq));
    let (mut prev, mut at) = match before {
        None => (Some(Hash::ZERO), Timestamp::default()),
        Some(Ok(before)) => (Some(before.leaf()), before.at()),
        Some(Err(_)) => (None, Timestamp::default()),
    };
    let mut entries = (range.start..).zip(reader.entries(range));
    std::iter::from_fn(move || {
        let some: Vec<_> = entries.by_ref().take(TOGETHER).collect();
        if some.is_empty() {
            return None;
        }
        let signed = |(seq, entry): &(u64, Result<Entry, ReadError>)| {
            let holds = |e: &Entry| signature::holds(keys.at(*seq), &e.leaf(), e.signature());
            entry.as_ref().is_ok_and(holds)
        };
        let signed: Vec<bool> = some.par_iter().map(signed).collect();
        let mut found = Vec::new();
        for ((seq, entry), signed) in some.into_iter().zip(signed) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    prev = None;
                    found.push((seq, error.into()));
                    continue;
                }
            };
            // Of one that could not be read the tree still has the hash.
            let leaf = prev.or_else(|| reader.leaf(seq.checked_sub(1)?).ok());
            if leaf != Some(entry.prev()) {
                found.push((seq, Unsound::Chain));
            } else if entry.at() < at {
                found.push((seq, Unsound::Time));
            } else if !signed {
                found.push((seq, Unsound::Signature));
            }
            (prev, at) = (Some(entry.leaf()), entry.at().max(at));
        }
        Some(found)
    })
    .flatten()
}
