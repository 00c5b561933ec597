//! Every request to erase somebody's content, and what became of each key.

use super::held_by_owner;
use crate::views::Views;
use agents::approvals::view::{Approval, State};
use ledger::buckets::{Erasure, Moment, Spared};
use ledger::{Buckets, NO_KEY, Reader};
use schemas::kinds::acting::SubjectKind;
use schemas::kinds::records::SubjectKey;
use schemas::{BucketId, Data, DataSubject, EventId, Name, Timestamp};
use serde::Serialize;

/// One key of a request.
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
    /// How, as the certificate says.
    pub method: Option<Name>,
    /// What keeps it.
    pub kept: Option<String>,
}

impl Row {
    /// What became of the key, in words.
    pub fn outcome(&self) -> String {
        match (self.erased, &self.kept) {
            (Some(seq), _) if self.method.as_ref().is_some_and(|m| m.as_str() == NO_KEY) => {
                format!("certificate at {seq}: no key was there, and none was destroyed")
            }
            (Some(seq), _) => format!("erased, certificate at {seq}"),
            (None, Some(kept)) => format!("not erased: {kept}"),
            (None, None) if self.state == GRANTED => {
                "not erased yet: the daily run does it, and `daicho retention run`".to_owned()
            }
            (None, None) => "not erased yet".to_owned(),
        }
    }
}

/// The newest request for a decision on an erasure.
pub fn asked_about(views: &Views, erasure: EventId) -> Option<Approval> {
    views.approvals.read(|approvals| {
        let of_it = approvals.all().filter(|asked| {
            asked.subject.kind == SubjectKind::Erasure && asked.subject.id == erasure
        });
        of_it.max_by_key(|asked| asked.requested).cloned()
    })
}

/// Every request that is not done, key by key; with `all` the others too.
pub fn rows(views: &Views, reader: &Reader, now: Timestamp, all: bool) -> Vec<Row> {
    let buckets = views.buckets.read(Buckets::clone);
    let mut rows = Vec::new();
    for (erasure, request) in buckets.erasures() {
        let left = |key: &SubjectKey| {
            let may = buckets.may_erase(erasure, key);
            matches!(may, Ok(()) | Err(Spared::Held { .. } | Spared::Duty { .. }))
        };
        if !all && !request.is_extendable() && !request.all_keys().any(left) {
            continue;
        }
        let asked = asked_about(views, erasure);
        for key in request.all_keys().chain(&request.unread) {
            let owned = buckets.owned(key);
            let erased = owned.and_then(|owned| owned.erased);
            rows.push(Row {
                erasure,
                case: request.case.clone(),
                basis: request.basis.clone(),
                requested: request.requested,
                state: standing(views, asked.as_ref(), now),
                approval: asked.as_ref().map(|asked| asked.approval),
                bucket: key.bucket.clone(),
                subject: key.subject,
                entries: owned.map_or(0, |owned| owned.entries),
                erased,
                method: erased.and_then(|seq| method(reader, seq)),
                kept: match erased {
                    Some(_) => None,
                    None => kept(reader, &buckets, (erasure, request), key),
                },
            });
        }
    }
    rows
}

fn method(reader: &Reader, certificate: u64) -> Option<Name> {
    match reader.entry(certificate).ok()?.data() {
        Data::ErasureCompleted(completed) => Some(completed.method.clone()),
        _ => None,
    }
}

fn kept(
    reader: &Reader,
    buckets: &Buckets,
    (erasure, request): (EventId, &Erasure),
    key: &SubjectKey,
) -> Option<String> {
    if request.unread.contains(key) {
        let told = "its key is gone or does not open, so nobody knows whose it is";
        return Some(told.to_owned());
    }
    if let Err(spared) = buckets.may_erase(erasure, key) {
        return Some(spared.to_string());
    }
    match held_by_owner(reader, buckets, key) {
        Ok(held) => held.map(|held| held.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

const GRANTED: &str = "granted";

/// How far a request has come, for whoever asks.
fn standing(views: &Views, asked: Option<&Approval>, now: Timestamp) -> &'static str {
    let Some(asked) = asked else {
        return "nobody was asked";
    };
    let is_borne_out = || views.approvals.read(|approvals| approvals.bear_out(asked));
    match asked.state(now) {
        State::Requested => "waits for a decision",
        State::Granted if is_borne_out() => GRANTED,
        State::Granted => "granted by somebody who has lost the key: ask again for what is left",
        State::Denied => "denied",
        State::Expired => "not decided in time: ask again",
    }
}
