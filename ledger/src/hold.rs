//! Legal holds: content in their scope does not end. A hold is placed with the buckets that it
//! covers by then, worked out from the log; what comes later is held by the scope itself. What was
//! said to be a person's when it was recorded, by whoever wrote it, is told by its key alone: a hold on
//! the person finds it there (`Reader::holds_on_owner`), when it is placed and before anything ends.

use crate::append::{AppendError, Appender, Content, Guard, Receipt, Submission};
use crate::buckets::{Buckets, Hold};
use crate::content::ContentError;
use crate::erase::KeyFault;
use crate::projection::Projection;
use crate::reader::{ReadError, Reader};
use memchr::memmem::Finder;
use schemas::kinds::records::{HoldPlaced, HoldReleased, HoldScope, SubjectKey};
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
    #[error("which content is the person's cannot be told")]
    Key(#[from] ContentError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Reader {
    /// Buckets with content in a scope that have not ended. Of a person's it finds what the keys that
    /// are there tell.
    pub fn in_scope(&self, scope: &HoldScope) -> Result<BTreeSet<BucketId>, HoldError> {
        let hold = crate::fresh_id(self.head().at);
        let mut buckets = Buckets::default();
        if scope.person.is_some() {
            self.fold_into(&mut buckets, 0)?;
        }
        let mut watching = Buckets::default();
        watching.watch(hold, nobody(), scope.clone(), self.theirs(&buckets, scope)?);
        self.fold_into(&mut watching, 0)?;
        Ok(living(&watching, hold))
    }

    /// Holds in force on the person whose key this is, with what it seals in their scope; of a key that
    /// does not open, on anybody. Those that the log itself has on the bucket (`Buckets::held_by`) are not
    /// asked again.
    pub fn holds_on_owner(
        &self,
        buckets: &Buckets,
        key: &SubjectKey,
    ) -> Result<Vec<EventId>, HoldError> {
        let on_a_person = |(_, hold): &(EventId, &Hold)| {
            hold.released.is_none()
                && hold.scope.person.is_some()
                && !hold.buckets.contains(&key.bucket)
        };
        let mut holds: Vec<_> = buckets.holds().filter(on_a_person).collect();
        let Some(owned) = buckets.owned(key).filter(|_| !holds.is_empty()) else {
            return Ok(Vec::new());
        };
        let owner = self.shared.content.whose(&key.bucket, &key.subject)?;
        let is_theirs = |held: &Option<Name>| match &owner {
            Ok(owner) => held.as_ref() == Some(owner),
            // It could be: a copy of the key may open what is there.
            Err(KeyFault::Unopenable) => true,
            Err(KeyFault::Gone) => false,
        };
        let is_wanted = |held: &Option<BucketId>| held.as_ref().is_none_or(|b| *b == key.bucket);
        holds.retain(|(_, h)| is_theirs(&h.scope.person) && is_wanted(&h.scope.bucket));
        let (named, mut covering) = (format!("\"subject\":\"{}\"", key.subject), Vec::new());
        let finder = Finder::new(&named);
        for seq in owned.first..=owned.last {
            if holds.is_empty() {
                break;
            }
            // Others' entries lie between theirs: those are not parsed.
            if finder.find(&self.line(seq)?.0).is_none() {
                continue;
            }
            let entry = self.entry(seq)?;
            let (at, event) = (entry.at(), entry.event());
            let covers = |hold: &Hold| hold.scope.covers(at, event, |_, _| true);
            covering.extend(holds.extract_if(.., |(_, h)| covers(h)).map(|(id, _)| id));
        }
        Ok(covering)
    }

    /// The same for all keys of a bucket.
    pub fn holds_on_owners(
        &self,
        buckets: &Buckets,
        bucket: &BucketId,
    ) -> Result<Vec<EventId>, HoldError> {
        let mut holds = BTreeSet::new();
        let subjects = buckets.get(bucket).map(|found| &found.subjects);
        for (subject, _) in subjects.into_iter().flatten() {
            let (bucket, subject) = (bucket.clone(), *subject);
            holds.extend(self.holds_on_owner(buckets, &SubjectKey { bucket, subject })?);
        }
        Ok(holds.into_iter().collect())
    }

    fn theirs(
        &self,
        buckets: &Buckets,
        scope: &HoldScope,
    ) -> Result<Vec<SubjectKey>, ContentError> {
        let keys = scope.person.as_ref().map(|p| self.keys_of(buckets, p));
        Ok(keys.transpose()?.map_or(Vec::new(), |keys| keys.theirs))
    }

    /// Gives how many entries it has folded by then.
    fn fold_into(&self, buckets: &mut Buckets, from: u64) -> Result<u64, ReadError> {
        let size = self.size();
        for entry in self.entries(from..size) {
            buckets.fold(&entry?);
        }
        Ok(size)
    }
}

impl Appender {
    /// Places a hold, over everything that is in its scope at that position.
    pub fn hold(&self, placement: &Placement) -> Result<Receipt, HoldError> {
        let hold = placement.hold;
        if placement.scope.is_empty() {
            return Err(HoldError::Empty);
        }
        let (buckets, _) = self.buckets()?;
        if buckets.hold(hold).is_some() {
            return Err(HoldError::Placed { hold });
        }
        let reader = self.reader();
        // A second fold that has the hold in force from the first entry on.
        let (mut watching, mut reached) = (Buckets::default(), 0);
        let (case, scope) = (placement.case.clone(), placement.scope.clone());
        let theirs = reader.theirs(&buckets, &scope)?;
        watching.watch(hold, case, scope, theirs);
        for _ in 0..TRIES {
            reached = reader.fold_into(&mut watching, reached)?;
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
