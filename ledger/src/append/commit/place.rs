//! Places in the log, given in memory: all of a request's or none.

use super::{Committer, Drafted, Plan};
use crate::append::{AppendError, Prepared, Receipt, stopped};
use crate::checkpoint::CHECKPOINT_REACH;
use crate::content::{ContentStore, Sealed};
use crate::open::CLOCK_TOLERANCE_MICROS;
use crate::tree::leaf_hash;
use schemas::{ContentRef, Data, Envelope, EnvelopeError, Event, EventId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

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
        let base = self
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tree
            .size();
        for outlined in self.outliner.done() {
            self.ids.outlined(outlined);
        }
        let mut fresh: HashMap<EventId, &Prepared> = HashMap::new();
        let mut known: HashMap<EventId, Receipt> = HashMap::new();
        let next = base + plan.drafted.len() as u64;
        let end = next + prepared.len() as u64;
        for item in &prepared {
            let id = item.event.id;
            let taken = self.ids.find(&id);
            // Unreadable now is not free: the producer may try again.
            if let Some(seq) = taken.map_err(|error| stopped(&error.to_string()))? {
                known.insert(id, self.recorded(item, seq, base, plan)?);
                continue;
            }
            check_reach(&item.event, next, end)?;
            if let Some(first) = fresh.insert(id, item)
                && !same(
                    &self.shared.content,
                    &first.event,
                    &first.references(),
                    item,
                )
            {
                return Err(AppendError::ConflictInBatch { id });
            }
        }

        let mut receipts = Vec::with_capacity(prepared.len());
        for item in prepared {
            let id = item.event.id;
            if let Some(receipt) = known.get(&id) {
                receipts.push(*receipt);
                continue;
            }
            let seq = base + plan.drafted.len() as u64;
            let body = item.body.at(seq, at, self.prev);
            let leaf = leaf_hash(&body);
            plan.bytes += body.len() + item.sealed.iter().map(Sealed::len_bytes).sum::<usize>();
            plan.drafted.push(Drafted { body, leaf });
            plan.sealed.extend(item.sealed);
            (self.prev, self.newest) = (leaf, at);
            let receipt = Receipt {
                seq,
                id,
                leaf,
                at,
                new: true,
            };
            known.insert(
                id,
                Receipt {
                    new: false,
                    ..receipt
                },
            );
            receipts.push(receipt);
        }
        for receipt in receipts.iter().filter(|receipt| receipt.new) {
            self.ids.insert(receipt.id, receipt.seq);
        }
        Ok(receipts)
    }

    /// The receipt of an id that is recorded already, if it means the same event and content.
    fn recorded(
        &self,
        item: &Prepared,
        seq: u64,
        base: u64,
        plan: &Plan,
    ) -> Result<Receipt, AppendError> {
        let id = item.event.id;
        let conflict = || AppendError::Conflict { id, seq };
        let body = if seq < base {
            let reader = crate::Reader {
                shared: Arc::clone(&self.shared),
            };
            // Unreadable now is not another event: the producer may try again.
            let unreadable = |error: crate::ReadError| stopped(&error.to_string());
            reader.entry(seq).map_err(unreadable)?.body().to_vec()
        } else {
            plan.drafted
                .get((seq - base) as usize)
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
