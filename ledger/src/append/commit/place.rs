//! Places in the log, given in memory: all of a request's or none.

use super::{Committer, Drafted, Plan};
use crate::append::prepare::Prepared;
use crate::append::{AppendError, Guard, Receipt, person_given, stopped};
use crate::checkpoint::CHECKPOINT_REACH;
use crate::content::{ContentStore, Sealed};
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
        mut prepared: Vec<Prepared>,
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
        for index in 0..prepared.len() {
            let id = prepared[index].event.id;
            let taken = self.ids.find(&id);
            // Unreadable now is not free: the producer may try again.
            if let Some(seq) = taken.map_err(|error| stopped(&error.to_string()))? {
                places.push(Place::Taken(self.recorded(&prepared[index], seq, plan)?));
                continue;
            }
            check_reach(&prepared[index].event, next, end)?;
            self.renew(&mut prepared[index])?;
            match first.entry(id) {
                Vacant(entry) => {
                    entry.insert(index);
                    places.push(Place::Next);
                }
                Occupied(entry) => {
                    let (was, item) = (&prepared[*entry.get()], &prepared[index]);
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

    /// What was sealed under a key that is destroyed meanwhile would be in the log, and nobody could
    /// read it; what an agent wrote that was given a person meanwhile would not be that person's.
    /// Either is sealed anew. Here that is the end of it: keys are retired, and agents given
    /// persons, on this thread alone.
    fn renew(&self, item: &mut Prepared) -> Result<(), AppendError> {
        let given = match &item.event.actor {
            Actor::Agent(agent) if item.whose.is_its_actors => self.assigned.get(agent),
            _ => None,
        };
        let given = given.filter(|(seq, person)| {
            *seq >= item.whose.asked_at && item.whose.person.as_ref() != Some(person)
        });
        let content = &self.shared.content;
        let retired = |sealed: &Sealed| content.is_retired(&sealed.reference);
        let person = match given {
            Some((_, person)) => Some(person.clone()),
            None if item.sealed.iter().any(retired) => item.whose.person.clone(),
            None => return Ok(()),
        };
        item.seal_anew(&self.shared, person)
    }

    /// Asks a guard's question of all entries up to the next, those of this commit among them.
    pub(super) fn ask(&mut self, guard: Guard, plan: &Plan) -> Result<(), AppendError> {
        let Guard {
            mut buckets,
            reached,
            check,
            agreed,
        } = guard;
        self.settle()?;
        let reader = crate::Reader {
            shared: Arc::clone(&self.shared),
        };
        for entry in reader.entries(reached.min(agreed.seen)..self.size) {
            let entry = entry.map_err(|error| stopped(&error.to_string()))?;
            agreed.stands(entry.seq(), entry.data())?;
            if entry.seq() >= reached {
                buckets.fold(&entry);
            }
        }
        for drafted in &plan.drafted {
            let unread = |error: EnvelopeError| stopped(&error.to_string());
            let entry = Envelope::from_body(&drafted.body).map_err(unread)?;
            agreed.stands(entry.seq, &entry.event.data)?;
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
