use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often refusals of one kind are recorded: they cost a client nothing, and an entry stays for
/// ever. What names a kind is bounded by who has a token.
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

impl<Kind: Eq + Hash> Pace<Kind> {
    /// Where a refusal is to be recorded: how many it stands for, itself and those before it that
    /// were not.
    pub fn due(&self, kind: Kind) -> Option<u64> {
        self.due_at(kind, Instant::now())
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
}
