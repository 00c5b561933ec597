//! The asking for an erasure: what is recorded of it, and what two people are asked to sign. The same for
//! the command line and the API.

use super::register::asked_about;
use super::unread;
use crate::outcome::Failure;
use crate::retention::{Records, policy_digest};
use agents::retention::matter::{ErasureAct, ErasureTerms, Matter, request_ids};
use ledger::{Buckets, Submission, UnreadKey};
use schemas::kinds::records::{ErasureRequested, SubjectKey};
use schemas::{Actor, Event, EventId, Name, Timestamp};
use serde::{Deserialize, Serialize};

/// An erasure that is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// What it is known by (a UUID v7). Who gives one may send the same again, and is told what was
    /// recorded the first time.
    pub erasure: Option<EventId>,
    /// Staff number or other handle, never a name.
    pub person: Option<Name>,
    /// In place of the person: keys as the certificates name them.
    #[serde(default)]
    pub keys: Vec<SubjectKey>,
    pub case: Name,
    pub basis: Name,
    pub reason: String,
    /// Who asks, and so cannot approve; absent, the operator of this host.
    pub by: Option<Actor>,
    /// Go on without keys of which nobody can tell whose they are.
    #[serde(default)]
    pub leave_unread: bool,
}

/// What was recorded of it, and who has to decide.
#[derive(Debug, Clone, Serialize)]
pub struct Asked {
    pub erasure: EventId,
    pub approval: EventId,
    pub seq: u64,
    pub keys: Vec<SubjectKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<SubjectKey>,
    pub deadline: Timestamp,
    /// False where the same was asked before.
    pub new: bool,
}

/// Keys of which nobody can tell whose they are are listed up to here.
const LISTED: usize = 20;

/// Plans the two events of a request; or says what was recorded of the same one before.
pub fn ask(
    records: &Records,
    wish: &Wish,
    by: Actor,
    fresh: EventId,
    deadline: Timestamp,
) -> Result<(Asked, Vec<Submission>), Failure> {
    if wish.reason.trim().is_empty() {
        let fault = "an erasure needs a reason";
        return Err(Failure::msg(fault, "say why"));
    }
    if wish.person.is_some() != wish.keys.is_empty() {
        let fault = "an erasure is of a person, or of keys";
        return Err(Failure::msg(fault, "give one of the two"));
    }
    let erasure = wish.erasure.unwrap_or(fresh);
    if let Some(asked) = asked_before(records, erasure, wish, &by)? {
        return Ok((asked, Vec::new()));
    }
    let views = records.views;
    // First: whatever comes under a new key while the others are looked for is later.
    let reached = views.reached();
    let buckets = views.buckets.read(Buckets::clone);
    let (keys, unread) = keys(records, &buckets, wish)?;
    let (case, basis) = (wish.case.clone(), wish.basis.clone());
    let later = wish.person.is_some();
    let reached = later.then_some(reached);
    let terms = ErasureTerms {
        act: ErasureAct::Erase,
        erasure,
        case: case.clone(),
        basis: basis.clone(),
        person: wish.person.clone(),
        keys: keys.clone(),
        later,
        reached,
        unread: unread.clone(),
        reason: wish.reason.clone(),
    };
    let requested = ErasureRequested {
        erasure,
        case,
        basis,
        keys: keys.clone(),
        unread: unread.clone(),
        later,
        reached,
    };
    let [request, approval] = request_ids(erasure);
    let requested = Event::new(request, by.clone(), requested);
    let policy = policy_digest(views);
    let approved = views.approvals.read(|approvals| {
        Matter::erasure(&terms).ask(approvals, approval, by, policy, deadline, records.now)
    })?;
    let asked = Asked {
        erasure,
        approval,
        // Known when it has a place.
        seq: 0,
        keys,
        unread,
        deadline,
        new: true,
    };
    Ok((asked, vec![requested.into(), approved]))
}

/// The same request, if it is in the log; another one of that id is refused.
fn asked_before(
    records: &Records,
    erasure: EventId,
    wish: &Wish,
    by: &Actor,
) -> Result<Option<Asked>, Failure> {
    let found = records
        .views
        .buckets
        .read(|buckets| buckets.erasure(erasure).cloned());
    let Some(request) = found else {
        return Ok(None);
    };
    let other = || {
        let fault = format!("erasure {erasure} was requested before, and in other words");
        Failure::msg(fault, "give another request an id of its own")
    };
    let asked = asked_about(records.views, erasure).ok_or_else(other)?;
    let terms = records.terms::<ErasureTerms>(&asked)?;
    let same = (&terms.person, &terms.case, &terms.basis, &terms.reason)
        == (&wish.person, &wish.case, &wish.basis, &wish.reason)
        && (wish.person.is_some() || terms.keys == wish.keys)
        && asked.requester == *by;
    if !same {
        return Err(other());
    }
    Ok(Some(Asked {
        erasure,
        approval: asked.approval,
        seq: request.requested.seq,
        keys: terms.keys,
        unread: terms.unread,
        deadline: asked.deadline,
        new: false,
    }))
}

/// The keys that are asked for, and those of which nobody can tell.
fn keys(
    records: &Records,
    buckets: &Buckets,
    wish: &Wish,
) -> Result<(Vec<SubjectKey>, Vec<SubjectKey>), Failure> {
    let (mut keys, mut unread) = (Vec::new(), Vec::new());
    match &wish.person {
        Some(person) => {
            let found = records
                .reader
                .keys_of(buckets, person)
                .map_err(self::unread)?;
            if !found.unread.is_empty() && !wish.leave_unread {
                return Err(cannot_tell(&found.unread));
            }
            keys = found.theirs;
            unread.extend(found.unread.into_iter().map(|unread| unread.key));
        }
        None => {
            for key in &wish.keys {
                let left = buckets
                    .owned(key)
                    .is_some_and(|owned| owned.erased.is_none());
                if left && !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
    }
    if keys.is_empty() {
        let fault = "this log has no content that is this person's alone and is not erased";
        return Err(Failure::msg(
            fault,
            "see the spelling; agents are a person's where `agents register --person` named them",
        ));
    }
    Ok((keys, unread))
}

/// To pass them over would be to say that all of a person's content goes.
fn cannot_tell(unread: &[UnreadKey]) -> Failure {
    let line = |UnreadKey { key, fault }: &UnreadKey| {
        let (bucket, subject, fault) = (&key.bucket, key.subject, fault.to_string());
        let told = serde_json::json!({ "bucket": bucket, "subject": subject, "fault": fault });
        format!("\n{told}")
    };
    let mut lines: String = unread.iter().take(LISTED).map(line).collect();
    if unread.len() > LISTED {
        lines.push_str(&format!("\nand {} more", unread.len() - LISTED));
    }
    let fault = format!(
        "of {} keys nobody can tell whose they are, so some of this person's content might stay:{lines}",
        unread.len()
    );
    let help = "put them back from a backup that was made --with-keys, and ask again. If there is none: `erasure \
                request --keys FILE` with those lines has two people sign that they are done with, whosever they \
                are; or --leave-unread goes on without them, which is recorded";
    Failure::msg(fault, help)
}
