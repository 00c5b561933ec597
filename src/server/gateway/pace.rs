use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often refusals of one kind are recorded: they cost a client nothing, and an entry stays for
/// ever. What names a kind is bounded by who has a token, and none goes uncounted.
pub(super) struct Pace<Kind>(Mutex<HashMap<Kind, Told>>);

/// Those of one kind are recorded this far apart.
const APART: Duration = Duration::from_secs(1);

struct Told {
    at: Instant,
    /// Refusals since then.
    since: u64,
}

impl<Kind> Default for Pace<Kind> {
    fn default() -> Pace<Kind> {
        Pace(Mutex::default())
    }
}

impl<Kind: Clone + Eq + Hash> Pace<Kind> {
    /// Where a refusal is to be recorded: how many it stands for, itself and those before it that
    /// were not.
    pub fn due(&self, kind: Kind) -> Option<u64> {
        self.due_at(kind, Instant::now())
    }

    /// Of each kind with refusals that are not recorded how many they are, to be recorded now: those
    /// that nothing has followed for long enough, or all.
    pub fn left(&self, all: bool) -> Vec<(Kind, u64)> {
        self.left_at(all, Instant::now())
    }

    /// They could not be recorded: they are counted with the next.
    pub fn owe(&self, kind: Kind, count: u64) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = told.get_mut(&kind) {
            told.since += count;
        }
    }

    fn left_at(&self, all: bool, now: Instant) -> Vec<(Kind, u64)> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |told: &Told| told.since > 0 && (all || now.duration_since(told.at) >= APART);
        let due = told.iter_mut().filter(|(_, told)| due(told));
        due.map(|(kind, told)| {
            told.at = now;
            (kind.clone(), std::mem::take(&mut told.since))
        })
        .collect()
    }

    fn due_at(&self, kind: Kind, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = told.get_mut(&kind) else {
            told.insert(kind, Told { at: now, since: 0 });
            return Some(1);
        };
        before.since += 1;
        (now.duration_since(before.at) >= APART).then(|| {
            before.at = now;
            std::mem::take(&mut before.since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_recorded_a_second_apart_and_none_is_left_uncounted() {
        let (pace, begin) = (Pace::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        assert_eq!(pace.due_at("a", at(0)), Some(1));
        for soon in [1, 500, 999] {
            assert_eq!(pace.due_at("a", at(soon)), None);
        }
        // Of another kind is another matter.
        assert_eq!(pace.due_at("b", at(999)), Some(1));
        assert_eq!(pace.due_at("a", at(1_000)), Some(4));
        assert_eq!(pace.due_at("a", at(1_001)), None);
        assert_eq!(pace.due_at("a", at(9_000)), Some(2));
    }

    #[test]
    fn what_nothing_follows_is_recorded_too_and_once() {
        let (pace, begin) = (Pace::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        for (kind, millis) in [("a", 0), ("a", 1), ("a", 2), ("b", 0)] {
            pace.due_at(kind, at(millis));
        }
        assert_eq!(pace.left_at(false, at(999)), []);
        assert_eq!(pace.left_at(false, at(1_000)), [("a", 2)]);
        assert_eq!(pace.left_at(true, at(9_000)), []);
        // What could not be recorded is owed, and at the end nothing is waited for.
        pace.owe("a", 2);
        assert_eq!(pace.due_at("a", at(1_001)), None);
        assert_eq!(pace.left_at(true, at(1_002)), [("a", 3)]);
    }
}
