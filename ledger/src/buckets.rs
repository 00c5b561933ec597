//! What the log alone says of every bucket: under which rule it was opened, when it may end, and
//! what holds it.
//!
//! ```text
//! policy.adopted (retention) → the period of each class, for buckets that open from here on
//! first content of a bucket  → opened: due = end of its month + period, fixed
//! retention.extended         → due later; what would be earlier changes nothing
//! hold.placed … hold.released → does not end, due or not
//! retention.expired          → has ended
//! ```
//! Nothing is kept of it but the log: a rule that was in force cannot be taken back, and whoever has
//! the log can work out every date.

use crate::entry::Entry;
use crate::projection::Projection;
use schemas::kinds::records::{
    ErasureCompleted, ErasureExtended, ErasureRefused, ErasureRequested, HoldPlaced, HoldScope,
    SubjectKey,
};
use schemas::{
    Actor, BucketId, Class, ContentRef, Data, DataSubject, Event, EventId, Label, Name, Period,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The name under which `policy.adopted` puts periods in force.
pub const POLICY: &str = "retention";

/// How long each class is kept, from the end of a bucket's month on.
pub type Periods = BTreeMap<Class, Period>;

/// Classes that are kept whatever anybody requests, and the law or rule that asks for it.
pub type Duties = BTreeMap<Class, Label>;

/// The company's rules before anyone changes them. How long a project and its archive live is a
/// decision of people: until they have said it `change` is for ever, and a bucket that is opened
/// so never ends.
pub fn default_periods() -> Periods {
    BTreeMap::from([
        (Class::operation(), Period::Months(12)),
        (Class::auth(), Period::Months(12)),
        (Class::api(), Period::Days(30)),
        (Class::change(), Period::Forever),
        (Class::network(), Period::Months(12)),
        (Class::ledger(), Period::Forever),
    ])
}

/// Every bucket of a log, and every hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Buckets {
    periods: Periods,
    duties: Duties,
    buckets: BTreeMap<BucketId, Bucket>,
    holds: BTreeMap<EventId, Hold>,
    erasures: BTreeMap<EventId, Erasure>,
    /// Actors that were ever registered to act for a person.
    acts_for: BTreeMap<Actor, BTreeSet<Name>>,
    /// A hold that is watched for, and keys of its person's: only their files say that they are.
    #[serde(skip)]
    watched: Option<(EventId, BTreeSet<SubjectKey>)>,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Position of the first entry with content in it, and of the last.
    pub first: u64,
    pub last: u64,
    /// Entries with content in it.
    pub entries: u64,
    /// Absent as long as no rule has named its class: what nobody decided on does not end.
    pub period: Option<Period>,
    /// Absent: never.
    pub due: Option<Timestamp>,
    /// Where it was extended last.
    pub extended: Option<u64>,
    /// Where its end is recorded.
    pub ended: Option<u64>,
    /// Whose content it has beside what is no one person's, by their keys.
    pub subjects: BTreeMap<DataSubject, Owned>,
}

/// What one person's key seals in a bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owned {
    /// Position of the first entry with content under it, and of the last.
    pub first: u64,
    pub last: u64,
    pub entries: u64,
    /// Where it is recorded that it is erased.
    pub erased: Option<u64>,
}

/// A request to erase one person's content, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    pub case: Name,
    pub basis: Name,
    pub requested: Moment,
    /// Its keys were looked for in the entries before this one.
    pub reached: u64,
    /// Those that the request names.
    pub keys: BTreeSet<SubjectKey>,
    /// Those that came after it, and before it was carried out; only where it asks for them.
    pub extended: BTreeSet<SubjectKey>,
    pub later: bool,
    /// Keys of which nobody could tell whose they are: not reached.
    pub unread: BTreeSet<SubjectKey>,
    pub completed: Vec<u64>,
    /// The newest refusal of each bucket, and of all of them at once; with its position.
    pub refused: Vec<(u64, ErasureRefused)>,
}

/// One hold, as long as it is in force and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub case: Name,
    pub scope: HoldScope,
    /// Buckets with content in the scope: they do not end.
    pub buckets: BTreeSet<BucketId>,
    pub placed: Moment,
    pub released: Option<Moment>,
}

/// The place and time of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub seq: u64,
    pub at: Timestamp,
}

/// Why a bucket does not end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Kept {
    #[error("this log has no bucket {bucket}")]
    Unknown { bucket: BucketId },
    #[error("bucket {bucket} has ended already, as entry {seq} says")]
    Ended { bucket: BucketId, seq: u64 },
    #[error("no rule says how long class {} is kept, so bucket {bucket} is kept", bucket.class)]
    NoRule { bucket: BucketId },
    #[error("bucket {bucket} is kept for ever")]
    Forever { bucket: BucketId },
    #[error("bucket {bucket} is due on {due}, and it is {now}")]
    NotDue {
        bucket: BucketId,
        due: Timestamp,
        now: Timestamp,
    },
    #[error("bucket {bucket} is held: {}", list(holds))]
    Held {
        bucket: BucketId,
        holds: Vec<EventId>,
    },
}

/// Why one person's content of a bucket is not erased.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Spared {
    #[error("no request names this content of bucket {bucket}")]
    NotRequested { bucket: BucketId },
    #[error("this content of bucket {bucket} is erased already, as entry {seq} says")]
    Erased { bucket: BucketId, seq: u64 },
    #[error("bucket {bucket} has ended already, as entry {seq} says")]
    Ended { bucket: BucketId, seq: u64 },
    #[error("bucket {bucket} is held: {}", list(holds))]
    Held {
        bucket: BucketId,
        holds: Vec<EventId>,
    },
    #[error("class {} has to be kept: {duty}", bucket.class)]
    Duty { bucket: BucketId, duty: Label },
    #[error(
        "this content of bucket {bucket} did not come after the request's keys were looked for and before it was carried out, or the request does not ask for what comes later"
    )]
    NotLater { bucket: BucketId },
}

fn list(holds: &[EventId]) -> String {
    let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
    holds.join(", ")
}

impl Projection for Buckets {
    const NAME: &'static str = "buckets";
    const VERSION: u32 = 4;

    fn fold(&mut self, entry: &Entry) {
        self.take(entry.seq(), entry.at(), entry.event(), entry.content());
    }
}

impl Buckets {
    /// Takes in the entry at the next position.
    pub fn take(&mut self, seq: u64, at: Timestamp, event: &Event, content: &[ContentRef]) {
        if !content.is_empty() {
            self.open(seq, content);
            self.hold_new(at, event, content);
        }
        match &event.data {
            Data::AgentRegistered(fact) => self.acts(&fact.agent, fact.person.as_ref()),
            Data::AgentUpdated(fact) => self.acts(&fact.agent, fact.person.as_ref()),
            Data::PolicyAdopted(adopted) if adopted.policy.as_str() == POLICY => {
                if let Some(periods) = &adopted.periods {
                    self.adopt(periods);
                    self.duties = adopted.must_keep.clone().unwrap_or_default();
                }
            }
            Data::RetentionExtended(fact) => self.extend(&fact.bucket, fact.period, seq),
            Data::RetentionExpired(fact) => {
                if let Some(bucket) = self.buckets.get_mut(&fact.bucket) {
                    bucket.ended.get_or_insert(seq);
                }
            }
            Data::HoldPlaced(placed) => self.place(placed, Moment { seq, at }),
            Data::HoldReleased(released) => {
                if let Some(hold) = self.holds.get_mut(&released.hold) {
                    hold.released.get_or_insert(Moment { seq, at });
                }
            }
            Data::ErasureRequested(asked) => self.request(asked, Moment { seq, at }),
            Data::ErasureExtended(more) => self.reach(more),
            Data::ErasureCompleted(done) => self.erase(done, seq),
            Data::ErasureRefused(refused) => {
                if let Some(erasure) = self.erasures.get_mut(&refused.erasure) {
                    erasure.refused.retain(|(_, r)| r.bucket != refused.bucket);
                    erasure.refused.push((seq, refused.clone()));
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, seq: u64, content: &[ContentRef]) {
        for reference in content {
            let id = &reference.bucket;
            let bucket = match self.buckets.get_mut(id) {
                Some(bucket) => bucket,
                None => {
                    let period = self.periods.get(&id.class).copied();
                    let opened = Bucket {
                        first: seq,
                        last: seq,
                        entries: 0,
                        period,
                        due: period.and_then(|period| due(id, period)),
                        extended: None,
                        ended: None,
                        subjects: BTreeMap::new(),
                    };
                    self.buckets.entry(id.clone()).or_insert(opened)
                }
            };
            if bucket.entries == 0 || bucket.last != seq {
                bucket.entries += 1;
            }
            bucket.last = seq;
            if let Some(subject) = reference.subject {
                let owned = bucket.subjects.entry(subject).or_insert(Owned {
                    first: seq,
                    last: seq,
                    entries: 0,
                    erased: None,
                });
                if owned.entries == 0 || owned.last != seq {
                    owned.entries += 1;
                }
                owned.last = seq;
            }
        }
    }

    fn request(&mut self, asked: &ErasureRequested, requested: Moment) {
        let erasure = Erasure {
            case: asked.case.clone(),
            basis: asked.basis.clone(),
            requested,
            reached: asked.reached.unwrap_or(requested.seq.saturating_add(1)),
            keys: asked.keys.iter().cloned().collect(),
            extended: BTreeSet::new(),
            later: asked.later,
            unread: asked.unread.iter().cloned().collect(),
            completed: Vec::new(),
            refused: Vec::new(),
        };
        self.erasures.entry(asked.erasure).or_insert(erasure);
    }

    /// One that does not hold adds nothing: `verify` names it.
    fn reach(&mut self, more: &ErasureExtended) {
        if self.may_extend(more).is_ok()
            && let Some(erasure) = self.erasures.get_mut(&more.erasure)
        {
            erasure.extended.extend(more.keys.iter().cloned());
            erasure.unread.extend(more.unread.iter().cloned());
        }
    }

    fn erase(&mut self, done: &ErasureCompleted, seq: u64) {
        if let Some(bucket) = self.buckets.get_mut(&done.bucket) {
            let owned = bucket.subjects.entry(done.subject).or_insert(Owned {
                first: seq,
                last: seq,
                entries: 0,
                erased: None,
            });
            owned.erased.get_or_insert(seq);
        }
        if let Some(erasure) = self.erasures.get_mut(&done.erasure) {
            erasure.completed.push(seq);
        }
    }

    /// A bucket that opened before any rule named its class gets the first that does: nothing
    /// was promised for it before.
    fn adopt(&mut self, periods: &Periods) {
        for (id, bucket) in &mut self.buckets {
            if let (None, Some(&period)) = (bucket.period, periods.get(&id.class)) {
                (bucket.period, bucket.due) = (Some(period), due(id, period));
            }
        }
        self.periods = periods.clone();
    }

    fn extend(&mut self, id: &BucketId, period: Period, seq: u64) {
        if let Some(bucket) = self.buckets.get_mut(id)
            && bucket.is_lengthened_by(id, period)
        {
            (bucket.period, bucket.due) = (Some(period), due(id, period));
            bucket.extended = Some(seq);
        }
    }

    fn acts(&mut self, agent: &Name, person: Option<&Name>) {
        if let Some(person) = person {
            let agent = Actor::Agent(agent.clone());
            self.acts_for
                .entry(agent)
                .or_default()
                .insert(person.clone());
        }
    }

    fn place(&mut self, placed: &HoldPlaced, moment: Moment) {
        let hold = Hold {
            case: placed.case.clone(),
            scope: placed.scope.clone(),
            buckets: placed.buckets.iter().cloned().collect(),
            placed: moment,
            released: None,
        };
        self.holds.entry(placed.hold).or_insert(hold);
    }

    /// New content in the scope of a hold that is in force is held too.
    fn hold_new(&mut self, at: Timestamp, event: &Event, content: &[ContentRef]) {
        let acts_for = |actor: &Actor, person: &Name| {
            self.acts_for
                .get(actor)
                .is_some_and(|persons| persons.contains(person))
        };
        let in_force = self.holds.iter_mut().filter(|(_, h)| h.released.is_none());
        for (id, hold) in in_force {
            let watched = self.watched.as_ref().filter(|(watched, _)| watched == id);
            let is_theirs = watched.is_some_and(|(_, keys)| {
                let mut sealed_under = content.iter().filter_map(key_of);
                sealed_under.any(|key| keys.contains(&key))
            });
            let is_persons = |actor: &Actor, person: &Name| is_theirs || acts_for(actor, person);
            if !hold.scope.covers(at, event, is_persons) {
                continue;
            }
            for reference in content {
                let bucket = &reference.bucket;
                let wanted = hold.scope.bucket.as_ref().is_none_or(|held| held == bucket);
                if wanted && !hold.buckets.contains(bucket) {
                    hold.buckets.insert(bucket.clone());
                }
            }
        }
    }

    /// The rules for buckets that open from now on.
    pub fn periods(&self) -> &Periods {
        &self.periods
    }

    pub fn get(&self, bucket: &BucketId) -> Option<&Bucket> {
        self.buckets.get(bucket)
    }

    pub fn all(&self) -> impl Iterator<Item = (&BucketId, &Bucket)> {
        self.buckets.iter()
    }

    /// Every key whose erasure is recorded.
    pub fn erased(&self) -> impl Iterator<Item = SubjectKey> {
        self.buckets.iter().flat_map(|(bucket, of)| {
            let erased = of
                .subjects
                .iter()
                .filter(|(_, owned)| owned.erased.is_some());
            erased.map(|(subject, _)| SubjectKey {
                bucket: bucket.clone(),
                subject: *subject,
            })
        })
    }

    pub fn hold(&self, hold: EventId) -> Option<&Hold> {
        self.holds.get(&hold)
    }

    /// Every hold, the released ones too.
    pub fn holds(&self) -> impl Iterator<Item = (EventId, &Hold)> {
        self.holds.iter().map(|(&id, hold)| (id, hold))
    }

    /// The holds in force on a bucket.
    pub fn held_by(&self, bucket: &BucketId) -> Vec<EventId> {
        let holds = self
            .holds()
            .filter(|(_, hold)| hold.released.is_none() && hold.buckets.contains(bucket));
        holds.map(|(id, _)| id).collect()
    }

    /// Its due date, if the bucket may end at this time as far as rules and holds go.
    pub fn may_end(&self, id: &BucketId, now: Timestamp) -> Result<(Period, Timestamp), Kept> {
        let bucket = || id.clone();
        let found = self
            .get(id)
            .ok_or_else(|| Kept::Unknown { bucket: bucket() })?;
        if let Some(seq) = found.ended {
            return Err(Kept::Ended {
                bucket: bucket(),
                seq,
            });
        }
        let holds = self.held_by(id);
        if !holds.is_empty() {
            return Err(Kept::Held {
                bucket: bucket(),
                holds,
            });
        }
        let period = found
            .period
            .ok_or_else(|| Kept::NoRule { bucket: bucket() })?;
        let due = found
            .due
            .ok_or_else(|| Kept::Forever { bucket: bucket() })?;
        if due > now {
            return Err(Kept::NotDue {
                bucket: bucket(),
                due,
                now,
            });
        }
        Ok((period, due))
    }

    /// Classes that have to be kept, and why.
    pub fn duties(&self) -> &Duties {
        &self.duties
    }

    /// Every request to erase one person's content.
    pub fn erasures(&self) -> impl Iterator<Item = (EventId, &Erasure)> {
        self.erasures.iter().map(|(&id, erasure)| (id, erasure))
    }

    pub fn erasure(&self, erasure: EventId) -> Option<&Erasure> {
        self.erasures.get(&erasure)
    }

    /// What a person's key seals, up to here.
    pub fn owned(&self, key: &SubjectKey) -> Option<&Owned> {
        self.get(&key.bucket)?.subjects.get(&key.subject)
    }

    /// What keeps one person's content from being erased on a request, as far as holds, duties and
    /// what is recorded go. A hold on a bucket keeps all of it: only whoever placed the hold knows
    /// what is needed.
    pub fn may_erase(&self, erasure: EventId, key: &SubjectKey) -> Result<(), Spared> {
        let bucket = || key.bucket.clone();
        let requested = self.erasure(erasure).is_some_and(|e| e.reaches(key));
        let found = self.get(&key.bucket).filter(|_| requested);
        let found = found.ok_or_else(|| Spared::NotRequested { bucket: bucket() })?;
        if let Some(seq) = found.ended {
            let bucket = bucket();
            return Err(Spared::Ended { bucket, seq });
        }
        let owned = found.subjects.get(&key.subject);
        if let Some(seq) = owned.and_then(|owned| owned.erased) {
            let bucket = bucket();
            return Err(Spared::Erased { bucket, seq });
        }
        let holds = self.held_by(&key.bucket);
        if !holds.is_empty() {
            let bucket = bucket();
            return Err(Spared::Held { bucket, holds });
        }
        if let Some(duty) = self.duties.get(&key.bucket.class) {
            let (bucket, duty) = (bucket(), duty.clone());
            return Err(Spared::Duty { bucket, duty });
        }
        Ok(())
    }

    /// What keeps a request from reaching keys that it does not name. It does if it asks for what comes
    /// later, nothing was done on it yet, and nothing was under these keys when its own were looked for.
    pub fn may_extend(&self, more: &ErasureExtended) -> Result<(), Spared> {
        let erasure = self.erasure(more.erasure).filter(|e| e.is_extendable());
        let comes_later = |key: &&SubjectKey| {
            erasure.is_some_and(|erasure| {
                let owned = self.owned(key);
                owned.is_some_and(|owned| owned.first >= erasure.reached)
            })
        };
        match more.keys.iter().find(|key| !comes_later(key)) {
            Some(SubjectKey { bucket, .. }) => {
                let bucket = bucket.clone();
                Err(Spared::NotLater { bucket })
            }
            None => Ok(()),
        }
    }

    /// Puts a hold in force that no entry has placed: what it would cover can then be asked. `theirs`
    /// are keys of the person that its scope names.
    pub(crate) fn watch(
        &mut self,
        hold: EventId,
        case: Name,
        scope: HoldScope,
        theirs: Vec<SubjectKey>,
    ) {
        self.watched = Some((hold, theirs.into_iter().collect()));
        let hold_placed = HoldPlaced {
            hold,
            case,
            scope,
            buckets: Vec::new(),
            approvals: Vec::new(),
            approvers: Vec::new(),
        };
        self.place(
            &hold_placed,
            Moment {
                seq: 0,
                at: Timestamp::default(),
            },
        );
    }
}

impl Erasure {
    /// Every key that it reaches, named or later.
    pub fn all_keys(&self) -> impl Iterator<Item = &SubjectKey> {
        self.keys.union(&self.extended)
    }

    fn reaches(&self, key: &SubjectKey) -> bool {
        self.keys.contains(key) || self.extended.contains(key)
    }

    /// Can it still reach what came after it? What comes once something was done on it is new.
    pub fn is_extendable(&self) -> bool {
        self.later && self.completed.is_empty() && self.refused.is_empty()
    }
}

impl Bucket {
    /// Is this longer than what the bucket has? Only a bucket with a rule, and with content.
    pub fn is_lengthened_by(&self, id: &BucketId, period: Period) -> bool {
        let later = match (self.due, due(id, period)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(was), Some(would_be)) => would_be > was,
        };
        self.ended.is_none() && later
    }
}

fn key_of(reference: &ContentRef) -> Option<SubjectKey> {
    let (bucket, subject) = (reference.bucket.clone(), reference.subject?);
    Some(SubjectKey { bucket, subject })
}

/// When a bucket of this period is due; `None` is never.
pub fn due(bucket: &BucketId, period: Period) -> Option<Timestamp> {
    bucket.month.end().after(period)
}

#[cfg(test)]
mod tests;
