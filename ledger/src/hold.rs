//! Legal holds: content in their scope does not end. A hold is placed with the buckets that it
//! covers by then, worked out from the log; what comes later is held by the scope itself.

use crate::append::{AppendError, Appender, Content, Guard, Receipt, Submission};
use crate::buckets::Buckets;
use crate::projection::Projection;
use crate::reader::{ReadError, Reader};
use schemas::kinds::records::{HoldPlaced, HoldReleased, HoldScope};
use schemas::{Actor, BucketId, Event, EventId, Name};
use std::collections::BTreeSet;

/// A hold that is to be placed, and on whose word.
#[derive(Clone)]
pub struct Placement {
    pub actor: Actor,
    pub hold: EventId,
    pub case: Name,
    pub scope: HoldScope,
    pub approvals: Vec<EventId>,
    pub approvers: Vec<Actor>,
    /// Why, as people wrote it.
    pub content: Vec<Content>,
}

#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error("a hold that names nothing would hold everything")]
    Empty,
    #[error("hold {hold} is in the log already")]
    Placed { hold: EventId },
    #[error("hold {hold} is not in force in this log")]
    NotInForce { hold: EventId },
    #[error("the log grows faster than it can be searched for what the hold covers")]
    Behind,
    #[error("the log could not be read for what the hold covers")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Reader {
    /// Buckets with content in a scope that have not ended.
    pub fn in_scope(&self, scope: &HoldScope) -> Result<BTreeSet<BucketId>, ReadError> {
        let (hold, case) = (crate::fresh_id(self.head().at), nobody());
        let mut watching = Buckets::default();
        watching.watch(hold, case, scope.clone());
        for entry in self.entries(0..self.size()) {
            watching.fold(&entry?);
        }
        Ok(living(&watching, hold))
    }
}

impl Appender {
    /// Places a hold, over everything that is in its scope at that position.
    pub fn hold(&self, placement: &Placement) -> Result<Receipt, HoldError> {
        let hold = placement.hold;
        if placement.scope.is_empty() {
            return Err(HoldError::Empty);
        }
        if self.buckets()?.0.hold(hold).is_some() {
            return Err(HoldError::Placed { hold });
        }
        // A second fold that has the hold in force from the first entry on.
        let (mut watching, mut reached) = (Buckets::default(), 0);
        watching.watch(hold, placement.case.clone(), placement.scope.clone());
        for _ in 0..TRIES {
            let reader = self.reader();
            let size = reader.size();
            for entry in reader.entries(reached..size) {
                watching.fold(&entry?);
            }
            reached = size;
            let covered = living(&watching, hold);
            let placed = HoldPlaced {
                hold,
                case: placement.case.clone(),
                scope: placement.scope.clone(),
                buckets: covered.iter().cloned().collect(),
                approvals: placement.approvals.clone(),
                approvers: placement.approvers.clone(),
            };
            let submission = Submission {
                event: Event::new(self.new_id(), placement.actor.clone(), placed),
                content: placement.content.clone(),
                person: None,
            };
            let guard = Guard::new(watching.clone(), reached, move |buckets, _| {
                if living(buckets, hold) == covered {
                    return Ok(());
                }
                let help = "try again";
                Err(AppendError::refused(STALE, help))
            });
            match self.append_guarded(submission, guard) {
                Err(AppendError::Refused { fault, .. }) if &*fault == STALE => {}
                receipt => return Ok(receipt?),
            }
        }
        Err(HoldError::Behind)
    }

    /// Ends a hold: the rule alone decides again about what it covered.
    pub fn release(
        &self,
        actor: Actor,
        released: HoldReleased,
        content: Vec<Content>,
    ) -> Result<Receipt, HoldError> {
        let hold = released.hold;
        let in_force = move |buckets: &Buckets| {
            let found = buckets.hold(hold);
            found.is_some_and(|hold| hold.released.is_none())
        };
        let (buckets, reached) = self.buckets()?;
        if !in_force(&buckets) {
            return Err(HoldError::NotInForce { hold });
        }
        let guard = Guard::new(buckets, reached, move |buckets, _| {
            let error = HoldError::NotInForce { hold };
            let refused = || AppendError::refused(&error.to_string(), "see `daicho hold list`");
            in_force(buckets).then_some(()).ok_or_else(refused)
        });
        let event = Event::new(self.new_id(), actor, released);
        let submission = Submission {
            event,
            content,
            person: None,
        };
        Ok(self.append_guarded(submission, guard)?)
    }
}

const TRIES: usize = 8;
const STALE: &str = "the log has grown meanwhile by what the hold covers";

fn living(buckets: &Buckets, hold: EventId) -> BTreeSet<BucketId> {
    let covered = buckets.hold(hold).map(|hold| &hold.buckets);
    let alive = |id: &&BucketId| buckets.get(id).is_some_and(|bucket| bucket.ended.is_none());
    covered
        .into_iter()
        .flatten()
        .filter(alive)
        .cloned()
        .collect()
}

fn nobody() -> Name {
    "none".parse().expect("a literal name is sound")
}
