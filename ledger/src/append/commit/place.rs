//! Places in the log, given in memory: all of a request's or none.

use super::{Committer, Drafted, Plan};
use crate::append::{AppendError, Guard, Prepared, Receipt, person_given, stopped};
use crate::checkpoint::CHECKPOINT_REACH;
use crate::content::{ContentError, ContentStore, Sealed};
use crate::destroyed::Destroyed;
use crate::open::CLOCK_TOLERANCE_MICROS;
use crate::projection::Projection;
use crate::tree::leaf_hash;
use schemas::{Actor, ContentRef, Data, Envelope, EnvelopeError, Event, EventId, Timestamp};
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

/// Where an item of a request comes to stand.
enum Place {
    Next,
    /// It is in the log already.
    Taken(Receipt),
    /// With the same item before it in the request.
    Of(usize),
}

impl Committer {
    pub(super) fn place(
        &mut self,
        prepared: Vec<Prepared>,
        plan: &mut Plan,
    ) -> Result<Vec<Receipt>, AppendError> {
        let now = self.options.clock.now();
        if now.micros() < self.newest.micros() - CLOCK_TOLERANCE_MICROS {
            return Err(AppendError::ClockBehind {
                now,
                newest: self.newest,
            });
        }
        let at = now.max(self.newest);

        // Conflicts first: a batch is appended whole or not at all.
        for outlined in self.outliner.done() {
            self.ids.outlined(outlined);
        }
        let next = self.size + plan.drafted.len() as u64;
        let end = next + prepared.len() as u64;
        let mut first: HashMap<EventId, usize> = HashMap::with_capacity(prepared.len());
        let mut places = Vec::with_capacity(prepared.len());
        for (index, item) in prepared.iter().enumerate() {
            let id = item.event.id;
            let taken = self.ids.find(&id);
            // Unreadable now is not free: the producer may try again.
            if let Some(seq) = taken.map_err(|error| stopped(&error.to_string()))? {
                places.push(Place::Taken(self.recorded(item, seq, plan)?));
                continue;
            }
            check_reach(&item.event, next, end)?;
            self.check_keys(item)?;
            self.check_person(item)?;
            match first.entry(id) {
                Vacant(entry) => {
                    entry.insert(index);
                    places.push(Place::Next);
                }
                Occupied(entry) => {
                    let was = &prepared[*entry.get()];
                    if !same(&self.shared.content, &was.event, &was.references(), item) {
                        return Err(AppendError::ConflictInBatch { id });
                    }
                    places.push(Place::Of(*entry.get()));
                }
            }
        }

        let mut receipts: Vec<Receipt> = Vec::with_capacity(prepared.len());
        for (item, place) in prepared.into_iter().zip(places) {
            receipts.push(match place {
                Place::Taken(receipt) => receipt,
                Place::Of(first) => Receipt {
                    new: false,
                    ..receipts[first]
                },
                Place::Next => self.draft(item, at, plan),
            });
        }
        for receipt in receipts.iter().filter(|receipt| receipt.new) {
            self.ids.insert(receipt.id, receipt.seq);
        }
        Ok(receipts)
    }

    /// What was sealed under a key that is destroyed meanwhile would be in the log, and nobody
    /// could read it: its producer seals it again.
    fn check_keys(&self, item: &Prepared) -> Result<(), AppendError> {
        let content = &self.shared.content;
        let retired = |sealed: &&Sealed| content.is_retired(&sealed.reference);
        match item.sealed.iter().find(retired) {
            None => Ok(()),
            Some(sealed) => {
                let bucket = sealed.reference.bucket.clone();
                Err(AppendError::Content(Arc::new(ContentError::Erasing {
                    bucket,
                })))
            }
        }
    }

    /// Whose content it is was asked before it was sealed. An agent that was given a person since
    /// then acts for them: what it wrote goes with them.
    fn check_person(&self, item: &Prepared) -> Result<(), AppendError> {
        let Actor::Agent(agent) = &item.event.actor else {
            return Ok(());
        };
        let changed = self.assigned.get(agent).is_some_and(|(seq, person)| {
            *seq >= item.asked_at && item.person.as_ref() != Some(person)
        });
        match item.sealed.first() {
            Some(sealed) if changed && item.is_its_actors => {
                let bucket = sealed.reference.bucket.clone();
                let error = ContentError::Reassigned { bucket };
                Err(AppendError::Content(Arc::new(error)))
            }
            _ => Ok(()),
        }
    }

    /// Asks a guard's question of all entries up to the next, those of this commit among them.
    pub(super) fn ask(&mut self, guard: Guard, plan: &Plan) -> Result<(), AppendError> {
        let Guard {
            mut buckets,
            reached,
            check,
        } = guard;
        self.settle()?;
        let reader = crate::Reader {
            shared: Arc::clone(&self.shared),
        };
        for entry in reader.entries(reached..self.size) {
            buckets.fold(&entry.map_err(|error| stopped(&error.to_string()))?);
        }
        for drafted in &plan.drafted {
            let unread = |error: EnvelopeError| stopped(&error.to_string());
            let entry = Envelope::from_body(&drafted.body).map_err(unread)?;
            buckets.take(entry.seq, entry.at, &entry.event, &entry.content);
        }
        check(&buckets, self.options.clock.now().max(self.newest))
    }

    fn draft(&mut self, item: Prepared, at: Timestamp, plan: &mut Plan) -> Receipt {
        let (id, seq) = (item.event.id, self.size + plan.drafted.len() as u64);
        let body = item.body.at(seq, at, self.prev);
        let leaf = leaf_hash(&body);
        let destroyed = Destroyed::by(&item.event.data);
        plan.destroyed.extend(destroyed.map(|key| (seq, key)));
        if let Some((agent, person)) = person_given(&item.event.data) {
            self.assigned.insert(agent.clone(), (seq, person.clone()));
        }
        plan.bytes += body.len() + item.sealed.iter().map(Sealed::len_bytes).sum::<usize>();
        plan.drafted.push(Drafted { body, leaf });
        plan.sealed.extend(item.sealed);
        (self.prev, self.newest) = (leaf, at);
        Receipt {
            seq,
            id,
            leaf,
            at,
            new: true,
        }
    }

    /// The receipt of an id that is recorded already, if it means the same event and content.
    fn recorded(&mut self, item: &Prepared, seq: u64, plan: &Plan) -> Result<Receipt, AppendError> {
        let id = item.event.id;
        let conflict = || AppendError::Conflict { id, seq };
        let body = if seq < self.size {
            let reader = crate::Reader {
                shared: Arc::clone(&self.shared),
            };
            if seq >= reader.size() {
                self.settle()?;
            }
            // Unreadable now is not another event: the producer may try again.
            let unreadable = |error: crate::ReadError| stopped(&error.to_string());
            reader.entry(seq).map_err(unreadable)?.body().to_vec()
        } else {
            plan.drafted
                .get((seq - self.size) as usize)
                .ok_or_else(conflict)?
                .body
                .clone()
        };
        let recorded = Envelope::from_body(&body).map_err(|_| conflict())?;
        if !same(
            &self.shared.content,
            &recorded.event,
            &recorded.content,
            item,
        ) {
            return Err(conflict());
        }
        Ok(Receipt {
            seq,
            id,
            leaf: leaf_hash(&body),
            at: recorded.at,
            new: false,
        })
    }
}

/// A checkpoint of entries to come cannot be kept, and one of long ago no verifier that streams
/// can hold against the tree.
fn check_reach(event: &Event, next: u64, end: u64) -> Result<(), AppendError> {
    match &event.data {
        Data::LedgerCheckpoint(checkpoint)
            if checkpoint.size > next || end - checkpoint.size > CHECKPOINT_REACH =>
        {
            let reason = EnvelopeError::WrongData {
                kind: event.data.kind(),
                reason: format!("size {} is not just before {next}", checkpoint.size),
            };
            Err(AppendError::Unfit {
                id: event.id,
                reason: Arc::new(reason),
            })
        }
        _ => Ok(()),
    }
}

/// Is this item the event that was recorded, with the same content?
fn same(store: &ContentStore, event: &Event, content: &[ContentRef], item: &Prepared) -> bool {
    *event == item.event
        && content.len() == item.sealed.len()
        && content
            .iter()
            .zip(&item.sealed)
            .all(|(was, is)| store.same(was, is))
}
