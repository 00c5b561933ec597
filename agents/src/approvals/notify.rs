//! Who has to be told that something waits for a decision, and what they are told.
//!
//! That they were told is an event, so a server that starts again knows whom it still has to
//! tell. One that died between telling and recording tells once more.

use super::view::{Approval, Approvals, State};
use crate::once::once;
use ledger::Submission;
use schemas::kinds::acting::{ApprovalNotified, NotifyChannel, NotifyOutcome, SubjectKind};
use schemas::{Actor, Event, EventId, Label, Timestamp};
use serde::Serialize;

/// What leaves, as one JSON object. It holds no personal data: actors are handles, and the summary
/// is masked where the operator wants one at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Always `approval.requested`.
    pub event: &'static str,
    /// The log's own name.
    pub origin: Label,
    /// Receivers know by it what they have been told already.
    pub approval: EventId,
    pub kind: SubjectKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Label>,
    pub requester: Actor,
    pub requested: Timestamp,
    pub deadline: Timestamp,
    pub approved: u64,
    pub approvers_needed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl Message {
    pub fn of(asked: &Approval, origin: Label, tool: Option<Label>) -> Message {
        Message {
            event: "approval.requested",
            origin,
            approval: asked.approval,
            kind: asked.subject.kind,
            tool,
            requester: asked.requester.clone(),
            requested: asked.requested,
            deadline: asked.deadline,
            approved: asked.approved(),
            approvers_needed: asked.approvers_needed,
            summary: None,
        }
    }
}

/// What waits, and of which nobody was told on this channel. Who could not be told once is told
/// again: by the next server, for this one has given up.
pub fn untold(
    approvals: &Approvals,
    channel: NotifyChannel,
    now: Timestamp,
) -> impl Iterator<Item = &Approval> {
    let delivered = (channel, NotifyOutcome::Delivered);
    approvals.all().filter(move |asked| {
        asked.state(now) == State::Requested && !asked.notified.contains(&delivered)
    })
}

/// Plans `approval.notified`: one for each time that somebody tried until the end.
pub fn notified(
    asked: &Approval,
    channel: NotifyChannel,
    outcome: NotifyOutcome,
    attempts: u64,
    actor: Actor,
) -> Submission {
    let before = asked.notified.iter().filter(|(told, _)| *told == channel);
    let approval = asked.approval;
    let id = once("approval.notified", &[&approval, &channel, &before.count()]);
    let told = ApprovalNotified {
        approval,
        channel,
        outcome,
        attempts,
    };
    Event::new(id, actor, told).into()
}
