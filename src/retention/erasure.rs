//! The erasure of one person's content on request: what two people have signed for, key by key, as far
//! as no hold and no duty keeps it. What is kept is recorded as refused, with the reason.

mod register;
mod request;

pub use register::{Row, rows};
pub use request::{Asked, Wish, ask};

use super::{Act, Deed, Keeper, Records, service};
use crate::door::append_failed;
use crate::outcome::Failure;
use agents::approvals::view::{Approval, State};
use agents::retention::matter::{ErasureTerms, Matter, approvers};
use ledger::buckets::{Erasure, Spared};
use ledger::{AppendError, Buckets, ContentError, EraseError, Erasing};
use register::asked_about;
use schemas::kinds::records::{ErasureExtended, ErasureRefused, Refusal, SubjectKey};
use schemas::{Event, EventId};

/// Which of the keys that may be destroyed are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Those that nothing has kept yet: people have just decided.
    First,
    /// Also those that a hold had kept, or a duty. A release destroys nothing at once: whoever
    /// released by mistake has until the next run.
    Always,
}

/// A request that is not done, and what people have decided on it.
struct Open {
    erasure: EventId,
    request: Erasure,
    /// With what keeps it, if anything.
    left: Vec<(SubjectKey, Option<Spared>)>,
    asked: Approval,
}

impl Records<'_> {
    fn open_erasures(&self) -> Vec<Open> {
        let (views, mut open) = (self.views, Vec::new());
        views.buckets.read(|buckets| {
            for (erasure, request) in buckets.erasures() {
                let mut left = Vec::new();
                for key in request.all_keys() {
                    match buckets.may_erase(erasure, key) {
                        Ok(()) => left.push((key.clone(), None)),
                        Err(spared @ (Spared::Held { .. } | Spared::Duty { .. })) => {
                            left.push((key.clone(), Some(spared)));
                        }
                        // Done, or ended with its bucket.
                        Err(_) => {}
                    }
                }
                let asked = asked_about(views, erasure);
                if let Some(asked) = asked.filter(|_| !left.is_empty()) {
                    let request = request.clone();
                    open.push(Open {
                        erasure,
                        request,
                        left,
                        asked,
                    });
                }
            }
        });
        open
    }
}

impl Keeper<'_> {
    /// A key that was recorded as destroyed and could not be removed then.
    pub(super) fn finish_erasures(&self) -> Result<(), Failure> {
        for key in self.appender.finish_erasures().map_err(failed)? {
            let SubjectKey { bucket, subject } = key;
            tracing::warn!(%bucket, %subject, "what was left of an erased key is removed");
        }
        Ok(())
    }

    /// Erases what people have agreed to, and says what is kept and why.
    pub(super) fn settle_erasures(&self, when: When) -> Result<Vec<Deed>, Failure> {
        let (mut deeds, mut failed) = (Vec::new(), None);
        for open in self.records.open_erasures() {
            // One that fails keeps no other from being done.
            if let Err(failure) = self.settle_erasure(&open, when, &mut deeds) {
                failed = failed.or(Some(failure));
            }
        }
        failed.map_or(Ok(deeds), Err)
    }

    fn settle_erasure(
        &self,
        open: &Open,
        when: When,
        deeds: &mut Vec<Deed>,
    ) -> Result<(), Failure> {
        match open.asked.state(self.records.now) {
            // What is held is said once, and from then on nothing more is reached.
            State::Granted
                if open.request.is_extendable() && self.records.hold_asked_for()?.is_some() => {}
            State::Granted => match self.extend(open, deeds)? {
                true => {
                    let extended = self.records.open_erasures().into_iter();
                    let extended = extended.filter(|other| other.erasure == open.erasure);
                    for open in extended {
                        self.carry_out(&open, when, deeds)?;
                    }
                }
                false => self.carry_out(open, when, deeds)?,
            },
            State::Denied => {
                let refused = ErasureRefused {
                    erasure: open.erasure,
                    bucket: None,
                    reason: Refusal::Denied,
                    holds: Vec::new(),
                    duty: None,
                    approval: Some(open.asked.approval),
                };
                deeds.extend(self.refuse(open, refused)?);
            }
            State::Requested | State::Expired => {}
        }
        Ok(())
    }

    /// What has come for the person since the request goes with it, where two people have signed for
    /// that. From the first that is done on it, what comes is new. True if there was any.
    fn extend(&self, open: &Open, deeds: &mut Vec<Deed>) -> Result<bool, Failure> {
        let (records, request) = (&self.records, &open.request);
        if !request.is_extendable() {
            return Ok(false);
        }
        let terms = records.terms::<ErasureTerms>(&open.asked)?;
        let agreed = terms.later && Matter::erasure(&terms).is_carried_by(&open.asked, records.now);
        let Some(person) = terms.person.filter(|_| agreed) else {
            return Ok(false);
        };
        records.views.catch_up()?;
        let buckets = records.views.buckets.read(Buckets::clone);
        let came = records.reader.keys_of(&buckets, &person).map_err(unread)?;
        let is_new = |key: &SubjectKey| {
            let owned = buckets.owned(key);
            let known = request.all_keys().chain(&request.unread).any(|k| k == key);
            !known && owned.is_some_and(|owned| owned.first > request.requested.seq)
        };
        let unread = came.unread.into_iter().map(|unread| unread.key);
        let extended = ErasureExtended {
            erasure: open.erasure,
            keys: came.theirs.into_iter().filter(is_new).collect(),
            unread: unread.filter(is_new).collect(),
        };
        if extended.keys.is_empty() && extended.unread.is_empty() {
            return Ok(false);
        }
        let receipt = match self.appender.extend_erasure(service(), extended) {
            Ok(receipt) => receipt,
            // Somebody else has begun to carry it out.
            Err(EraseError::Spared(_) | EraseError::Append(AppendError::Refused { .. })) => {
                return Ok(false);
            }
            Err(error) => return Err(failed(error)),
        };
        records.views.catch_up()?;
        deeds.push(open.deed(Act::Extended, None, receipt.seq));
        Ok(true)
    }

    fn carry_out(&self, open: &Open, when: When, deeds: &mut Vec<Deed>) -> Result<(), Failure> {
        let records = &self.records;
        let mut terms = None;
        for (key, spared) in &open.left {
            let kept_before = open.kept(key);
            match spared {
                Some(spared) => {
                    let Some(refused) = refusal(open, key, spared) else {
                        continue;
                    };
                    deeds.extend(self.refuse(open, refused)?);
                }
                None if kept_before && when == When::First => {}
                None => {
                    // The hold may be late by a signature, and an erasure cannot be taken back.
                    records.views.catch_up()?;
                    if records.hold_asked_for()?.is_some() {
                        return Ok(());
                    }
                    if terms.is_none() {
                        terms = Some(records.terms::<ErasureTerms>(&open.asked)?);
                    }
                    let agreed = terms.as_ref().is_some_and(|terms| {
                        let later = terms.later && open.request.extended.contains(key);
                        (later || terms.keys.contains(key))
                            && Matter::erasure(terms).is_carried_by(&open.asked, records.now)
                    });
                    if agreed {
                        deeds.extend(self.erase(open, key)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn erase(&self, open: &Open, key: &SubjectKey) -> Result<Option<Deed>, Failure> {
        let erasing = Erasing {
            erasure: open.erasure,
            key: key.clone(),
            actor: service(),
            approvals: vec![open.asked.approval],
            approvers: approvers(&open.asked),
        };
        let receipt = match self.appender.erase(&erasing) {
            Ok(receipt) => receipt,
            // A hold, a duty or somebody else came first: the next look sees it.
            Err(EraseError::Spared(_) | EraseError::Append(AppendError::Refused { .. })) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        self.records.views.catch_up()?;
        Ok(Some(open.deed(Act::Erased, Some(key), receipt.seq)))
    }

    /// Records why something is kept, once: as long as the reason is the same, it is said already.
    fn refuse(&self, open: &Open, refused: ErasureRefused) -> Result<Option<Deed>, Failure> {
        if open
            .request
            .refused
            .iter()
            .any(|(_, said)| *said == refused)
        {
            return Ok(None);
        }
        let bucket = refused.bucket.clone();
        let event = Event::new(self.appender.new_id(), service(), refused);
        let receipts = self.appender.append(vec![event.into()]);
        let seq = receipts.map_err(append_failed)?[0].seq;
        self.records.views.catch_up()?;
        let mut deed = open.deed(Act::Refused, None, seq);
        deed.bucket = bucket;
        Ok(Some(deed))
    }
}

impl Open {
    /// Was this kept when people had decided?
    fn kept(&self, key: &SubjectKey) -> bool {
        let mut refused = self.request.refused.iter();
        refused.any(|(_, refused)| refused.bucket.as_ref() == Some(&key.bucket))
    }

    fn deed(&self, act: Act, key: Option<&SubjectKey>, seq: u64) -> Deed {
        Deed {
            act,
            bucket: key.map(|key| key.bucket.clone()),
            hold: None,
            erasure: Some(self.erasure),
            approval: self.asked.approval,
            seq,
        }
    }
}

/// What is to be recorded of what keeps a person's content of a bucket.
fn refusal(open: &Open, key: &SubjectKey, spared: &Spared) -> Option<ErasureRefused> {
    let (reason, holds, duty) = match spared {
        Spared::Held { holds, .. } => (Refusal::Held, holds.clone(), None),
        Spared::Duty { duty, .. } => (Refusal::Duty, Vec::new(), Some(duty.clone())),
        _ => return None,
    };
    Some(ErasureRefused {
        erasure: open.erasure,
        bucket: Some(key.bucket.clone()),
        reason,
        holds,
        duty,
        approval: None,
    })
}

/// Nobody knows what is theirs as long as this is so.
fn unread(error: ContentError) -> Failure {
    let help = "make keys/content readable to this program; then run this again";
    Failure::new(error, help)
}

fn failed(error: EraseError) -> Failure {
    match error {
        EraseError::Append(error) => append_failed(error),
        error => Failure::new(error, "see `daicho erasure list`, and `daicho verify`"),
    }
}
