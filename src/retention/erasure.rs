//! The erasure of one person's content on request: what two people have signed for, key by key, as far
//! as no hold and no duty keeps it. What is kept is recorded as refused, with the reason.

mod register;
mod request;

pub use register::{Row, rows};
pub use request::{Asked, Wish, ask};

use super::{Act, Deed, Keeper, Records, hold_failed, service};
use crate::door::append_failed;
use crate::outcome::Failure;
use agents::approvals::view::{Approval, State};
use agents::retention::matter::{ErasureTerms, Matter, agreed, approvers};
use ledger::buckets::{Erasure, Spared};
use ledger::{Agreed, AppendError, Buckets, ContentError, EraseError, Erasing, HoldError, Reader};
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

/// Whether a request reaches more than it names.
enum Later {
    /// It does not look for more: nobody asked for it, or something was done on it already.
    NotAsked,
    Nothing,
    Reached,
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
                let is_open = !left.is_empty() || request.is_extendable();
                if let Some(asked) = asked.filter(|_| is_open) {
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

    /// Whether two people still stand by these terms: whoever lost their key meanwhile does not.
    fn are_carried(&self, terms: &ErasureTerms, open: &Open) -> bool {
        self.views.approvals.read(|approvals| {
            let asked = approvals.find(open.asked.approval);
            asked.is_some_and(|a| Matter::erasure(terms).is_carried_by(a, approvals, self.now))
        })
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
                Later::Reached => {
                    let extended = self.records.open_erasures().into_iter();
                    let extended = extended.filter(|other| other.erasure == open.erasure);
                    for open in extended {
                        self.carry_out(&open, when, deeds)?;
                    }
                }
                // Looked for ever after, it would be a standing order.
                Later::Nothing if open.left.is_empty() => {
                    let refused = ErasureRefused {
                        erasure: open.erasure,
                        bucket: None,
                        reason: Refusal::NothingLeft,
                        holds: Vec::new(),
                        duty: None,
                        approval: None,
                    };
                    deeds.extend(self.refuse(open, refused)?);
                }
                Later::Nothing | Later::NotAsked => self.carry_out(open, when, deeds)?,
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
    /// that. From the first that is done on it, what comes is new.
    fn extend(&self, open: &Open, deeds: &mut Vec<Deed>) -> Result<Later, Failure> {
        let (records, request) = (&self.records, &open.request);
        if !request.is_extendable() {
            return Ok(Later::NotAsked);
        }
        let terms = records.terms::<ErasureTerms>(&open.asked)?;
        records.views.catch_up()?;
        let agreed = terms.later && records.are_carried(&terms, open);
        let Some(person) = terms.person.filter(|_| agreed) else {
            return Ok(Later::NotAsked);
        };
        let buckets = records.views.buckets.read(Buckets::clone);
        let came = records.reader.keys_of(&buckets, &person).map_err(unread)?;
        let is_new = |key: &SubjectKey| {
            let owned = buckets.owned(key);
            let known = request.all_keys().chain(&request.unread).any(|k| k == key);
            !known && owned.is_some_and(|owned| owned.first >= request.reached)
        };
        let unread = came.unread.into_iter().map(|unread| unread.key);
        let extended = ErasureExtended {
            erasure: open.erasure,
            keys: came.theirs.into_iter().filter(is_new).collect(),
            unread: unread.filter(is_new).collect(),
        };
        if extended.keys.is_empty() && extended.unread.is_empty() {
            return Ok(Later::Nothing);
        }
        let receipt = match self.appender.extend_erasure(service(), extended) {
            Ok(receipt) => receipt,
            // Somebody else has begun to carry it out.
            Err(EraseError::Spared(_) | EraseError::Append(AppendError::Refused { .. })) => {
                return Ok(Later::NotAsked);
            }
            Err(error) => return Err(failed(error)),
        };
        records.views.catch_up()?;
        deeds.push(open.deed(Act::Extended, None, receipt.seq));
        Ok(Later::Reached)
    }

    fn carry_out(&self, open: &Open, when: When, deeds: &mut Vec<Deed>) -> Result<(), Failure> {
        let records = &self.records;
        let mut terms = None;
        for (key, spared) in &open.left {
            let kept_before = open.kept(key);
            let spared = match spared {
                Some(spared) => Some(spared.clone()),
                None if kept_before && when == When::First => continue,
                None => {
                    let buckets = records.views.buckets.read(Buckets::clone);
                    held_by_owner(records.reader, &buckets, key).map_err(hold_failed)?
                }
            };
            match spared {
                Some(spared) => {
                    let Some(refused) = refusal(open, key, &spared) else {
                        continue;
                    };
                    deeds.extend(self.refuse(open, refused)?);
                }
                None => {
                    // The hold may be late by a signature, and an erasure cannot be taken back.
                    let agreed = agreed(records.reader.size());
                    records.views.catch_up()?;
                    if records.hold_asked_for()?.is_some() {
                        return Ok(());
                    }
                    if terms.is_none() {
                        terms = Some(records.terms::<ErasureTerms>(&open.asked)?);
                    }
                    let carried = terms.as_ref().is_some_and(|terms| {
                        let later = terms.later && open.request.extended.contains(key);
                        (later || terms.keys.contains(key)) && records.are_carried(terms, open)
                    });
                    if carried {
                        deeds.extend(self.erase(open, key, agreed)?);
                    }
                }
            }
        }
        Ok(())
    }

    fn erase(
        &self,
        open: &Open,
        key: &SubjectKey,
        agreed: Agreed,
    ) -> Result<Option<Deed>, Failure> {
        let erasing = Erasing {
            erasure: open.erasure,
            key: key.clone(),
            actor: service(),
            approvals: vec![open.asked.approval],
            approvers: approvers(&open.asked),
            agreed,
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
        let (bucket, reason) = (refused.bucket.clone(), refused.reason);
        let event = Event::new(self.appender.new_id(), service(), refused);
        let receipts = self.appender.append(vec![event.into()]);
        let seq = receipts.map_err(append_failed)?[0].seq;
        self.records.views.catch_up()?;
        let act = match reason {
            Refusal::NothingLeft => Act::Over,
            Refusal::Held | Refusal::Duty | Refusal::Denied => Act::Refused,
        };
        let mut deed = open.deed(act, None, seq);
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

/// A hold on whose key it is, which the log does not tell of the bucket.
fn held_by_owner(
    reader: &Reader,
    buckets: &Buckets,
    key: &SubjectKey,
) -> Result<Option<Spared>, HoldError> {
    let (holds, bucket) = (reader.holds_on_owner(buckets, key)?, key.bucket.clone());
    Ok((!holds.is_empty()).then_some(Spared::Held { bucket, holds }))
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
