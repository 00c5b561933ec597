//! What was found in a string before, so that only the new text of a re-sent conversation is
//! looked at again.
//!
//! What the rules find in a string depends on the string, its label, the policy, its periods of
//! silence that hold and the names that are known by then, and on nothing else: all of these make the key. A string that teaches
//! names is remembered with their places, and the names are read from the string when it comes
//! again. No text is held: keys are keyed digests, the rest are places, masks and tags.
//!
//! What was looked at and what was remembered is counted, so that an operator sees it work.

use super::{Media, SpanKind};
use schemas::Label;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Half of what the memo may hold, in bytes.
const GENERATION: usize = 16 << 20;

/// What the maps themselves cost per entry, generously.
const OVERHEAD: usize = 160;

pub(super) type Key = [u8; 32];

/// A find, without its value.
pub(super) struct Noted {
    /// Scalars of the string.
    pub start: usize,
    pub end: usize,
    /// Bytes of the string as it is written, from its quotation mark on.
    pub bytes: Range<usize>,
    /// It stands in a line that names who gets a mail.
    pub recipient: bool,
    pub kind: SpanKind,
    pub rule: &'static str,
    /// As it is written there.
    pub replacement: String,
    pub tag: Option<Label>,
}

/// Where a string teaches a name: bytes of the string as it is written, as those of a find. The
/// parts each with their initial.
pub(super) struct Taught {
    pub bytes: Range<usize>,
    pub parts: Vec<(Range<usize>, char)>,
}

/// All that a look at one string gave.
#[derive(Default)]
pub(super) struct Seen {
    pub noted: Vec<Noted>,
    pub taught: Vec<Taught>,
    /// What the string is, if its bytes are no text.
    pub media: Option<Media>,
}

impl Seen {
    fn len_bytes(&self) -> usize {
        let noted = self
            .noted
            .iter()
            .map(|n| size_of::<Noted>() + n.replacement.len() + 32);
        let taught = self
            .taught
            .iter()
            .map(|t| size_of::<Taught>() + t.parts.len() * 24);
        OVERHEAD + noted.chain(taught).sum::<usize>()
    }
}

/// Bytes of strings, as they stood in bodies, since the program began.
#[derive(Debug, Default)]
pub struct Effort {
    analysed: AtomicU64,
    remembered: AtomicU64,
}

impl Effort {
    /// What the rules looked at.
    pub fn analysed_bytes(&self) -> u64 {
        self.analysed.load(Relaxed)
    }

    /// What they did not have to look at, for it had been there before.
    pub fn remembered_bytes(&self) -> u64 {
        self.remembered.load(Relaxed)
    }
}

/// Two generations: what nobody asked for while one filled up is forgotten.
#[derive(Default)]
pub(super) struct Memo {
    generations: Mutex<Generations>,
    pub effort: Arc<Effort>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Key, Arc<Seen>>,
    old: HashMap<Key, Arc<Seen>>,
    young_bytes: usize,
}

impl Memo {
    pub fn counting(effort: Arc<Effort>) -> Memo {
        Memo {
            effort,
            ..Memo::default()
        }
    }

    /// What is remembered of a string of so many bytes. If that is nothing, it is looked at.
    pub fn get(&self, key: &Key, len_bytes: usize) -> Option<Arc<Seen>> {
        let seen = self.seen(key);
        let counted = match seen {
            Some(_) => &self.effort.remembered,
            None => &self.effort.analysed,
        };
        counted.fetch_add(len_bytes as u64, Relaxed);
        seen
    }

    fn seen(&self, key: &Key) -> Option<Arc<Seen>> {
        let mut generations = self.lock();
        if let Some(seen) = generations.young.get(key) {
            return Some(seen.clone());
        }
        let seen = generations.old.remove(key)?;
        generations.put(*key, seen.clone());
        Some(seen)
    }

    pub fn put(&self, key: Key, seen: Arc<Seen>) {
        self.lock().put(key, seen);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        // A panic elsewhere leaves the maps whole: each change is one insertion.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, key: Key, seen: Arc<Seen>) {
        let bytes = seen.len_bytes();
        if bytes > GENERATION / 8 {
            return;
        }
        if self.young_bytes + bytes > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        if self.young.insert(key, seen).is_none() {
            self.young_bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_le_bytes());
        key
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let memo = Memo::default();
        for n in 0..400_000 {
            memo.put(key(n), Arc::default());
            assert!(memo.get(&key(0), 1).is_some());
        }
        assert!(memo.get(&key(1), 1).is_none());
        let generations = memo.lock();
        let held = generations.young.len() + generations.old.len();
        assert!(held * OVERHEAD <= 2 * GENERATION);
    }
}
