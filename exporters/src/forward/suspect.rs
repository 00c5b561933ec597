//! Finds the entry that a receiver cannot take: it is sent reduced, and nothing waits behind it.
//!
//! A receiver that answers shows the place: the first entry without an answer. One that does not
//! has only its hanging up. When connections break one after another and none comes to the log's
//! end in peace, the next goes in steps: after each batch the receiver has a moment to hang up, and
//! when it does, the next connection goes through that batch entry by entry.
//!
//! ```text
//!  Whole ──3 breaks, none at peace──▶ Batches ──a break after a batch──▶ Entries ──3 breaks at one──▶ reduced
//!    ▲                                    │                                 │
//!    └──────── the log's end in peace, or all places of the breaks past ────┘
//! ```
//! What a receiver cannot take stands before the place of the break that it causes. So a receiver
//! that only restarts, while it is told a long backlog, is told in steps no further than that.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// A receiver that breaks the connection this often at one place cannot take what is there.
const BREAKS: u32 = 3;

/// How long a receiver has to hang up, at some distance.
pub(super) const MOMENT: Duration = Duration::from_millis(400);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pace {
    Whole,
    Batches,
    Entries(Range<u64>),
}

#[derive(Debug)]
pub(super) struct Suspects {
    pace: Pace,
    /// Breaks one after another, none of whose connections was ever at peace.
    breaks: u32,
    /// Behind all of their places.
    until: u64,
    /// The entry at which connections break, and how many did one after another.
    at: (u64, u32),
    /// Entries that go reduced.
    reduced: BTreeSet<u64>,
}

impl Suspects {
    pub fn new() -> Suspects {
        Suspects {
            pace: Pace::Whole,
            breaks: 0,
            until: 0,
            at: (0, 0),
            reduced: BTreeSet::new(),
        }
    }

    pub fn is_reduced(&self, seq: u64) -> bool {
        self.reduced.contains(&seq)
    }

    /// What is below was taken: nothing of it is sent again.
    pub fn forget_below(&mut self, position: u64) {
        while self.reduced.first().is_some_and(|seq| *seq < position) {
            self.reduced.pop_first();
        }
    }

    /// Whether a batch ends before this entry, or behind it.
    pub fn parts(&self, seq: u64) -> bool {
        match &self.pace {
            Pace::Entries(range) => range.contains(&seq) || seq + 1 == range.start,
            Pace::Whole | Pace::Batches => false,
        }
    }

    /// Whether the receiver is given a moment behind a batch that ends before `next`.
    pub fn waits(&self, next: u64) -> bool {
        match &self.pace {
            Pace::Whole => false,
            Pace::Batches => true,
            Pace::Entries(range) => (range.start..=range.end).contains(&next),
        }
    }

    /// Whether connections serve to find an entry.
    pub fn are_sought(&self) -> bool {
        self.pace != Pace::Whole
    }

    /// All was sent, and the receiver is still there.
    pub fn at_peace(&mut self) {
        self.pace = Pace::Whole;
        self.breaks = 0;
        self.until = 0;
    }

    /// The receiver had its moment behind everything before `next`, and is still there. One that
    /// takes longer to hang up has the batch behind the places too.
    pub fn passed(&mut self, next: u64) {
        if self.waits(next) && next > self.until {
            self.at_peace();
        }
    }

    /// The receiver cannot take this entry, it seems; true if that is certain from now on.
    pub fn broke_at(&mut self, seq: u64) -> bool {
        let before = match self.at {
            (at, breaks) if at == seq => breaks,
            _ => 0,
        };
        self.at = (seq, before.saturating_add(1));
        self.at.1 >= BREAKS && self.reduced.insert(seq)
    }

    /// A connection without answers broke behind this batch. The entry that is certain to be the
    /// cause, if one is from now on.
    pub fn broke_behind(&mut self, batch: Range<u64>) -> Option<u64> {
        self.breaks = self.breaks.saturating_add(1);
        self.until = self.until.max(batch.end);
        match &self.pace {
            Pace::Whole => {
                if self.breaks >= BREAKS {
                    self.pace = Pace::Batches;
                }
                None
            }
            Pace::Batches => {
                self.pace = Pace::Entries(batch);
                None
            }
            Pace::Entries(range) => {
                let one = batch.start + 1 == batch.end && range.contains(&batch.start);
                if !one {
                    self.pace = Pace::Batches;
                    return None;
                }
                // The next connections come to the point.
                self.pace = Pace::Entries(batch.clone());
                self.broke_at(batch.start).then_some(batch.start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_restarts_during_a_backlog_is_told_in_steps_no_further_than_that() {
        let mut suspects = Suspects::new();
        for end in [40, 90, 60] {
            assert_eq!(suspects.broke_behind(end - 10..end), None);
        }
        for next in [10, 50, 80, 90] {
            assert!(suspects.waits(next));
            suspects.passed(next);
            assert!(suspects.are_sought(), "{next}");
        }
        suspects.passed(100);
        assert!(!suspects.are_sought() && !suspects.waits(110));
        // Three more are three again, not one.
        assert_eq!(suspects.broke_behind(100..110), None);
        assert!(!suspects.are_sought());
    }

    /// A receiver that hangs up at these entries, told in batches of ten: which go reduced?
    fn found(unfit: &[u64], connections: u32) -> Vec<u64> {
        let mut suspects = Suspects::new();
        'connections: for _ in 0..connections {
            let (mut first, mut next) = (0, 0);
            let mut hung_up = false;
            while next < 100 {
                hung_up |= unfit.contains(&next) && !suspects.is_reduced(next);
                let parts = suspects.parts(next);
                next += 1;
                if !(parts || next - first == 10 || next == 100) {
                    continue;
                }
                // Without a moment's wait it is noticed long behind.
                if hung_up && (suspects.waits(next) || next == 100) {
                    suspects.broke_behind(first..next);
                    continue 'connections;
                }
                suspects.passed(next);
                first = next;
            }
            suspects.at_peace();
        }
        suspects.reduced.into_iter().collect()
    }

    #[test]
    fn every_entry_that_a_receiver_hangs_up_at_is_found() {
        assert!(found(&[], 50).is_empty());
        for unfit in [0, 1, 9, 10, 55, 98, 99] {
            assert_eq!(found(&[unfit], 7), [unfit]);
        }
        assert_eq!(found(&[3, 4, 50, 99], 50), [3, 4, 50, 99]);
    }

    #[test]
    fn a_receiver_that_only_restarts_is_told_everything_whole() {
        let mut suspects = Suspects::new();
        for round in 0..100 {
            assert_eq!(suspects.broke_behind(round..round + 7), None);
            suspects.at_peace();
        }
        assert!(suspects.reduced.is_empty() && suspects.pace == Pace::Whole);
    }
}
