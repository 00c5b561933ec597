//! What people decide: statements, signatures, and a projection of what waits.
//!
//! An approval binds one approver, one action and the digest of its exact arguments, under a
//! policy version, once, until a deadline; never by the requester, nor by the person whom an
//! agent that asks works for. One rule ([`rule`]) says which decisions count. It is asked before
//! a decision is written, and again by every fold of the log: a grant that someone slipped into
//! the log without the right signature is an entry like any other, and approves nothing.

pub mod draft;
pub mod notify;
pub mod preview;
pub mod rule;
pub mod signature;
pub mod statement;
pub mod view;

use crate::once::once;
use ledger::Submission;
use rule::Refused;
use schemas::kinds::acting::{ApprovalExpired, ApprovalRequested, SignatureText, Subject};
use schemas::{Actor, Event, EventId, Hash, Timestamp};
use signature::ApproverKey;
use statement::{SignedDecision, Statement, Verdict};
use view::{Approvals, State};

/// What someone wants to do, and on whose word it may be done.
#[derive(Debug, Clone)]
pub struct Request {
    pub subject: Subject,
    /// Digest of the canonical arguments, or of the patch.
    pub arguments_sha256: Hash,
    pub base_sha256: Option<Hash>,
    pub requester: Actor,
    /// The rules that the decision is made under.
    pub policy: Hash,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
}

/// Why a request would never lead anywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    #[error("an approval needs at least one approver and at most {MAX_APPROVERS}")]
    ApproversNeeded,
    #[error("the deadline {deadline} has passed already; it is {now}")]
    DeadlinePassed { deadline: Timestamp, now: Timestamp },
    #[error("policy {asked} is not the one in force ({in_force}); ask again under that one")]
    PolicyNotInForce { asked: Hash, in_force: Hash },
}

pub(crate) const MAX_APPROVERS: u64 = 16;

/// Plans `approval.requested`; the event's id is the approval's.
pub fn request(
    approvals: &Approvals,
    approval: EventId,
    request: Request,
    now: Timestamp,
) -> Result<Submission, RequestError> {
    if !(1..=MAX_APPROVERS).contains(&request.approvers_needed) {
        return Err(RequestError::ApproversNeeded);
    }
    if request.deadline <= now {
        let deadline = request.deadline;
        return Err(RequestError::DeadlinePassed { deadline, now });
    }
    if let Some(in_force) = approvals.policy_in_force()
        && in_force != request.policy
    {
        let asked = request.policy;
        return Err(RequestError::PolicyNotInForce { asked, in_force });
    }
    let actor = request.requester.clone();
    let requested = ApprovalRequested {
        approval,
        subject: request.subject,
        arguments_sha256: request.arguments_sha256,
        base_sha256: request.base_sha256,
        requester: request.requester,
        policy: request.policy,
        deadline: request.deadline,
        approvers_needed: request.approvers_needed,
    };
    Ok(Event::new(approval, actor, requested).into())
}

/// The statement that this approver has to sign, if this approver may decide at all.
///
/// Asked before the approver types a passphrase; [`decide`] asks everything again.
pub fn statement(
    approvals: &Approvals,
    approval: EventId,
    approver: &Actor,
    verdict: Verdict,
    now: Timestamp,
) -> Result<Statement, Refused> {
    let request = approvals
        .find(approval)
        .ok_or(Refused::RequestUnknown { approval })?;
    let statement = Statement {
        origin: approvals
            .origin()
            .cloned()
            .ok_or(Refused::LogWithoutOrigin)?,
        approval,
        verdict,
        subject: request.subject.clone(),
        arguments_sha256: request.arguments_sha256,
        base_sha256: request.base_sha256,
        policy: request.policy,
        requester: request.requester.clone(),
        approver: approver.clone(),
        deadline: request.deadline,
        approvers_needed: request.approvers_needed,
    };
    approvals.may_decide(&statement, now)?;
    Ok(statement)
}

/// Plans `approval.granted` or `approval.denied`, if this decision counts.
///
/// The event's id follows from approval and approver, so an approver decides once, whichever
/// way: of two decisions that race, the log takes one and calls the other a conflict.
pub fn decide(
    approvals: &Approvals,
    statement: Statement,
    key: &ApproverKey,
    signature: SignatureText,
    now: Timestamp,
) -> Result<Submission, Refused> {
    let signed = SignedDecision {
        statement_sha256: statement.sha256(),
        approver_key: key.label().clone(),
        signature: signature.clone(),
        statement: statement.clone(),
    };
    approvals.counts(&signed, &statement.approver, now)?;
    let id = decision_id(approvals, &statement);
    let actor = statement.approver.clone();
    Ok(Event::new(id, actor, statement.signed(key, signature)).into())
}

/// One per approver, and one more for each time that their grant was withdrawn.
fn decision_id(approvals: &Approvals, statement: &Statement) -> EventId {
    let (approval, approver) = (statement.approval, &statement.approver);
    let withdrawn = approvals
        .find(approval)
        .into_iter()
        .flat_map(|found| &found.withdrawn);
    match withdrawn.filter(|d| d.approver == *approver).count() {
        0 => once("approval.decision", &[&approval, approver]),
        before => once("approval.decision", &[&approval, approver, &before]),
    }
}

/// Plans `approval.expired` for every request whose deadline went by undecided.
pub fn expire(approvals: &Approvals, actor: &Actor, now: Timestamp) -> Vec<Submission> {
    let late = approvals.all().filter(|request| {
        request.deadline < now && !request.expired && request.state(now) == State::Expired
    });
    late.map(|request| {
        let (approval, deadline) = (request.approval, request.deadline);
        let id = once("approval.expired", &[&approval]);
        Event::new(id, actor.clone(), ApprovalExpired { approval, deadline }).into()
    })
    .collect()
}

#[cfg(test)]
mod tests;
