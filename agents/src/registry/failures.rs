use schemas::kinds::people::{AuthFailed, AuthFailure};
use schemas::{Label, Name, Timestamp};
use std::collections::BTreeSet;

/// Which failed attempts become events: the first of each source, method and reason in a minute,
/// so that nobody without a credential can make the log grow as fast as they can knock.
#[derive(Default)]
pub struct Failures {
    minute: i64,
    seen: BTreeSet<(Option<Label>, Name, AuthFailure)>,
    passed_over: u64,
}

/// Events a minute at most of one method, however many sources an attacker has: under 100,000 a day.
pub(super) const MOST_A_MINUTE: usize = 60;

impl Failures {
    /// Is this attempt recorded? Gives how many were not since the last one that was.
    pub fn admit(&mut self, failed: &AuthFailed, now: Timestamp) -> Option<u64> {
        let minute = now.micros() / 60_000_000;
        if minute != self.minute {
            self.minute = minute;
            self.seen.clear();
        }
        let of = (failed.source.clone(), failed.method.clone(), failed.reason);
        // Each method has its own room: wrong tokens crowd out no forged signature.
        let alike = self.seen.iter().filter(|seen| seen.1 == failed.method);
        let fresh = alike.count() < MOST_A_MINUTE && self.seen.insert(of);
        if fresh {
            Some(std::mem::take(&mut self.passed_over))
        } else {
            self.passed_over += 1;
            None
        }
    }
}
