//! How much time the log itself has seen pass: what is left for a ledger that no authority gives
//! its time.

use ledger::{Entry, Projection};
use schemas::kinds::acting::SubjectKind;
use schemas::{Data, Event, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most that one step from entry to entry counts. A served ledger records a checkpoint each
/// minute; whoever sets the clock forward by a year has shown five minutes.
const MOST_A_STEP_MICROS: i64 = 300_000_000;

/// Time as far as entries follow one another closely: a jump of the clock, or a night without a
/// server, counts as one step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeenTime {
    micros: i64,
    newest: Option<Timestamp>,
    /// How much had passed when the end of a bucket was asked for.
    asked: BTreeMap<EventId, i64>,
    /// An authority has stamped a checkpoint of this log.
    stamped: bool,
}

impl Projection for SeenTime {
    const NAME: &'static str = "seen-time";
    const VERSION: u32 = 2;

    fn fold(&mut self, entry: &Entry) {
        self.take(entry.at(), entry.event());
    }
}

impl SeenTime {
    /// Takes in the next entry.
    pub fn take(&mut self, at: Timestamp, event: &Event) {
        let newest = self.newest.replace(at).unwrap_or(at);
        let step = at.micros().saturating_sub(newest.micros());
        self.micros = self
            .micros
            .saturating_add(step.clamp(0, MOST_A_STEP_MICROS));
        if let Data::ApprovalRequested(asked) = &event.data
            && asked.subject.kind == SubjectKind::Retention
        {
            self.asked.entry(asked.approval).or_insert(self.micros);
        }
        self.stamped |= matches!(event.data, Data::CheckpointTimestamped(_));
    }

    /// Whether an authority ever gave this log its time.
    pub fn was_stamped(&self) -> bool {
        self.stamped
    }

    /// Microseconds that were seen to pass since this approval was asked for.
    pub fn since(&self, approval: EventId) -> i64 {
        let asked = self.asked.get(&approval);
        asked.map_or(0, |asked| self.micros.saturating_sub(*asked))
    }
}
