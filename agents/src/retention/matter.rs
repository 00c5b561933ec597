//! What two people decide on, as the bytes that they sign for.

use super::APPROVERS;
use crate::approvals::draft::CONTENT;
use crate::approvals::view::{Approval, Approvals, State};
use crate::approvals::{Request, RequestError, request};
use crate::once::{name, once, sha256};
use ledger::{Agreed, Content, Submission, Tally};
use schemas::kinds::acting::{Subject, SubjectKind};
use schemas::kinds::records::{HoldScope, SubjectKey};
use schemas::{Actor, BucketId, Class, Data, EventId, Hash, Label, Name, Period, Timestamp};
use serde::{Deserialize, Serialize};

/// One thing to decide: a change of the rules, the end of a bucket, a hold, its release, or the erasure
/// of one person's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    subject: Subject,
    /// JSON; the approval binds its digest, and shows it.
    arguments: Vec<u8>,
    base_sha256: Option<Hash>,
    /// Requests from before this count no more.
    not_before: Timestamp,
}

/// How far the decision has come.
#[derive(Debug, Clone, Copy)]
pub enum Decided<'a> {
    /// Nobody was asked yet, or the request ran out undecided.
    NotAsked,
    Waiting(&'a Approval),
    Granted(&'a Approval),
    /// It stands until the request's deadline.
    Denied(&'a Approval),
}

/// A hold that is asked for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTerms {
    pub act: HoldAct,
    pub hold: EventId,
    pub case: Name,
    pub scope: HoldScope,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldAct {
    Place,
    Release,
}

/// The erasure of one person's content that is asked for, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureTerms {
    pub act: ErasureAct,
    pub erasure: EventId,
    pub case: Name,
    pub basis: Name,
    /// Absent where the keys are those of an erasure that a restored log does not know of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Name>,
    pub keys: Vec<SubjectKey>,
    /// Also what comes for the person until this is carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub later: bool,
    /// In how many entries the keys were looked for; later is what the others hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<u64>,
    /// Keys of which nobody can tell whose they are: not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<SubjectKey>,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureAct {
    Erase,
}

#[derive(Serialize)]
struct EndTerms<'a> {
    act: &'static str,
    bucket: &'a BucketId,
    period: Period,
    due: Timestamp,
    entries: u64,
    contents: u64,
    sealed_bytes: u64,
    content_sha256: Hash,
}

impl Matter {
    /// These rules, in the place of those of the other digest.
    pub fn adoption(text: &str, previous: Hash) -> Matter {
        let digest = sha256(text.as_bytes());
        let policy = name(ledger::buckets::POLICY);
        let id = once("policy.adopted", &[&policy, &previous, &digest]);
        let subject = (SubjectKind::Policy, id, Some(policy));
        Matter::of(subject, text.as_bytes().to_vec(), Some(previous))
    }

    /// The end of a bucket that holds exactly this; requests from before `not_before`, when it
    /// was not due yet or held, do not count.
    pub fn end(
        bucket: &BucketId,
        (period, due): (Period, Timestamp),
        tally: &Tally,
        not_before: Timestamp,
    ) -> Matter {
        let terms = EndTerms {
            act: "end",
            bucket,
            period,
            due,
            entries: tally.entries,
            contents: tally.contents,
            sealed_bytes: tally.sealed_bytes,
            content_sha256: tally.content_sha256,
        };
        let subject = (SubjectKind::Retention, end_id(bucket), None);
        let matter = Matter::of(subject, json(&terms), None);
        Matter {
            not_before,
            ..matter
        }
    }

    pub fn hold(terms: &HoldTerms) -> Matter {
        let subject = (SubjectKind::Hold, terms.hold, Some(terms.case.clone()));
        Matter::of(subject, json(terms), None)
    }

    pub fn erasure(terms: &ErasureTerms) -> Matter {
        let subject = (
            SubjectKind::Erasure,
            terms.erasure,
            Some(terms.case.clone()),
        );
        let named = keys_sha256(&terms.keys, terms.later, terms.reached);
        Matter::of(subject, json(terms), Some(named))
    }

    /// Whether a request asks for exactly these terms, as whoever decides is shown them: what stands
    /// beside it in clear is what verifiers go by.
    pub fn is_asked_in(&self, subject: &Subject, base_sha256: Option<Hash>) -> bool {
        *subject == self.subject && base_sha256 == self.base_sha256
    }

    fn of(
        (kind, id, name): (SubjectKind, EventId, Option<Name>),
        arguments: Vec<u8>,
        base_sha256: Option<Hash>,
    ) -> Matter {
        Matter {
            subject: Subject { kind, id, name },
            arguments,
            base_sha256,
            not_before: Timestamp::default(),
        }
    }

    /// What an approval of exactly this binds.
    pub(super) fn sha256(&self) -> Hash {
        sha256(&self.arguments)
    }

    /// Plans `approval.requested`, with what it is about as its content.
    pub fn ask(
        &self,
        approvals: &Approvals,
        approval: EventId,
        requester: Actor,
        policy: Hash,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Submission, RequestError> {
        let asked = Request {
            subject: self.subject.clone(),
            arguments_sha256: self.sha256(),
            base_sha256: self.base_sha256,
            requester,
            policy,
            deadline,
            approvers_needed: APPROVERS,
        };
        let mut submission = request(approvals, approval, asked, now)?;
        // What was signed for outlives what it was about.
        submission.event.class = Class::ledger();
        submission.content.push(Content {
            name: name(CONTENT),
            media: Label::lossy("application/json"),
            bytes: self.arguments.clone(),
        });
        Ok(submission)
    }

    fn is_of(&self, asked: &Approval) -> bool {
        asked.subject.kind == self.subject.kind
            && asked.subject.id == self.subject.id
            && asked.arguments_sha256 == self.sha256()
            && asked.base_sha256 == self.base_sha256
            && asked.approvers_needed >= APPROVERS
            && asked.requested >= self.not_before
    }

    /// Whether a request is about exactly this, and nothing was done on it yet.
    fn is_asked_by(&self, asked: &Approval) -> bool {
        self.is_of(asked) && asked.used.is_none()
    }

    /// Whether two people have agreed to exactly this, of which a part may be done already: what a
    /// hold keeps is erased when the hold is released. Not on the word of somebody who could not give
    /// it any more.
    pub fn is_carried_by(&self, asked: &Approval, approvals: &Approvals, now: Timestamp) -> bool {
        self.is_of(asked) && asked.state(now) == State::Granted && approvals.bear_out(asked)
    }

    /// Whether two people have agreed to exactly this, however long ago: what keeps content is not
    /// late.
    pub fn is_granted_by(&self, asked: &Approval, now: Timestamp) -> bool {
        self.is_asked_by(asked) && asked.state(now) == State::Granted
    }

    /// What people have decided on exactly this, by the newest request for it.
    pub fn decided<'a>(&self, approvals: &'a Approvals, now: Timestamp) -> Decided<'a> {
        let newest = approvals
            .all()
            .filter(|asked| self.is_asked_by(asked))
            .max_by_key(|asked| asked.requested);
        let Some(asked) = newest.filter(|asked| now <= asked.deadline) else {
            return Decided::NotAsked;
        };
        match asked.state(now) {
            State::Denied => Decided::Denied(asked),
            // Asked under other rules for approvals: nobody can decide on it any more.
            _ if approvals
                .policy_in_force()
                .is_some_and(|p| p != asked.policy) =>
            {
                Decided::NotAsked
            }
            State::Granted => Decided::Granted(asked),
            State::Requested => Decided::Waiting(asked),
            State::Expired => Decided::NotAsked,
        }
    }
}

/// What an approval of an erasure applies to, for verifiers who cannot open its terms: SHA-256 over
/// a line `bucket SP subject LF` of each key, in their order in `erasure.requested`, and where it asks for
/// what comes later a line `later SP reached LF`, or `later LF` where it does not say from where on.
pub(super) fn keys_sha256(keys: &[SubjectKey], later: bool, reached: Option<u64>) -> Hash {
    let line = |key: &SubjectKey| format!("{} {}\n", key.bucket, key.subject);
    let mut lines: String = keys.iter().map(line).collect();
    match reached {
        Some(reached) if later => lines.push_str(&format!("later {reached}\n")),
        None if later => lines.push_str("later\n"),
        _ => {}
    }
    sha256(lines.as_bytes())
}

/// The events by which an erasure is asked for, once: `erasure.requested`, and the request for approval.
pub fn request_ids(erasure: EventId) -> [EventId; 2] {
    ["erasure.requested", "erasure.approval"].map(|act| once(act, &[&erasure]))
}

/// What an approval to end a bucket is about.
pub fn end_id(bucket: &BucketId) -> EventId {
    once("retention.expired", &[bucket])
}

/// Who agrees is known up to here: what comes after these entries may say that somebody does not any
/// more, or that a hold is asked for, and then it is to be asked anew.
pub fn agreed(seen: u64) -> Agreed {
    Agreed {
        seen,
        shaken_by: |data| match data {
            Data::UserActivated(_)
            | Data::UserDeactivated(_)
            | Data::AgentRegistered(_)
            | Data::AgentUpdated(_)
            | Data::PolicyAdopted(_) => true,
            Data::ApprovalRequested(asked) => asked.subject.kind == SubjectKind::Hold,
            _ => false,
        },
    }
}

/// What may be done on a granted approval: by whom it was granted.
pub fn approvers(approval: &Approval) -> Vec<Actor> {
    use crate::approvals::statement::Verdict;
    let granted = approval
        .decisions
        .iter()
        .filter(|d| d.verdict == Verdict::Approve);
    granted.map(|decision| decision.approver.clone()).collect()
}

fn json(terms: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(terms).expect("terms are plain values")
}
