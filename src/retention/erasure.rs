//! The erasure of one person's content on request: what two people have signed for, key by key, as far
//! as no hold and no duty keeps it. What is kept is recorded as refused, with the reason.

use super::{Act, Deed, Keeper, Records, service};
use crate::door::append_failed;
use crate::outcome::Failure;
use crate::views::Views;
use agents::approvals::view::{Approval, State};
use agents::retention::matter::{ErasureTerms, Matter, approvers};
use ledger::buckets::{Erasure, Moment, Spared};
use ledger::{AppendError, Buckets, EraseError, Erasing};
use schemas::kinds::acting::SubjectKind;
use schemas::kinds::records::{ErasureRefused, Refusal, SubjectKey};
use schemas::{BucketId, DataSubject, Event, EventId, Name, Timestamp};
use serde::Serialize;

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
                for key in &request.keys {
                    match buckets.may_erase(erasure, key) {
                        Ok(()) => left.push((key.clone(), None)),
                        Err(spared @ (Spared::Held { .. } | Spared::Duty { .. })) => {
                            left.push((key.clone(), Some(spared)));
                        }
                        // Done, or ended with its bucket.
                        Err(_) => {}
                    }
                }
                let asked = views.approvals.read(|approvals| {
                    let of_it = approvals.all().filter(|asked| {
                        asked.subject.kind == SubjectKind::Erasure && asked.subject.id == erasure
                    });
                    of_it.max_by_key(|asked| asked.requested).cloned()
                });
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
            State::Granted => self.carry_out(open, when, deeds)?,
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
                        terms.keys.contains(key)
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

/// One key that a request names, and what became of it.
#[derive(Debug, Serialize)]
pub struct Row {
    pub erasure: EventId,
    pub case: Name,
    pub basis: Name,
    pub requested: Moment,
    /// How far the decision has come.
    pub state: &'static str,
    pub approval: Option<EventId>,
    pub bucket: BucketId,
    pub subject: DataSubject,
    /// With content under it.
    pub entries: u64,
    /// Where its certificate is.
    pub erased: Option<u64>,
    /// What keeps it.
    pub kept: Option<String>,
}

/// Every request that is not done, key by key; with `all` the others too.
pub fn rows(views: &Views, now: Timestamp, all: bool) -> Vec<Row> {
    let buckets = views.buckets.read(Buckets::clone);
    let mut rows = Vec::new();
    for (erasure, request) in buckets.erasures() {
        let left = |key: &SubjectKey| {
            let may = buckets.may_erase(erasure, key);
            matches!(may, Ok(()) | Err(Spared::Held { .. } | Spared::Duty { .. }))
        };
        if !all && !request.keys.iter().any(left) {
            continue;
        }
        let asked = views.approvals.read(|approvals| {
            let of_it = approvals.all().filter(|asked| {
                asked.subject.kind == SubjectKind::Erasure && asked.subject.id == erasure
            });
            of_it.max_by_key(|asked| asked.requested).cloned()
        });
        for key in &request.keys {
            let owned = buckets.owned(key);
            let erased = owned.and_then(|owned| owned.erased);
            let kept = buckets.may_erase(erasure, key).err();
            rows.push(Row {
                erasure,
                case: request.case.clone(),
                basis: request.basis.clone(),
                requested: request.requested,
                state: standing(asked.as_ref(), now),
                approval: asked.as_ref().map(|asked| asked.approval),
                bucket: key.bucket.clone(),
                subject: key.subject,
                entries: owned.map_or(0, |owned| owned.entries),
                erased,
                kept: kept
                    .filter(|_| erased.is_none())
                    .map(|kept| kept.to_string()),
            });
        }
    }
    rows
}

/// How far a request has come, for whoever asks.
fn standing(asked: Option<&Approval>, now: Timestamp) -> &'static str {
    match asked.map(|asked| asked.state(now)) {
        None => "nobody was asked",
        Some(State::Requested) => "waits for a decision",
        Some(State::Granted) => "granted",
        Some(State::Denied) => "denied",
        Some(State::Expired) => "not decided in time: ask again",
    }
}

fn failed(error: EraseError) -> Failure {
    match error {
        EraseError::Append(error) => append_failed(error),
        error => Failure::new(error, "see `daicho erasure list`, and `daicho verify`"),
    }
}
