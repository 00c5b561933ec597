use super::call::Call;
use super::ids::{Part, part_id};
use super::operation::Operation;
use crate::capture::Capture;
use ledger::Submission;
use schemas::kinds::traffic::{PayloadBlocked, PromptSubmitted, RuleCount};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Name};

/// A call that the rules for texts came to no end with, or failed on: nothing of it leaves.
pub struct Unscanned {
    call: EventId,
    agent: Name,
    operation: Operation,
    destination: Label,
    body_bytes: u64,
}

impl Call {
    /// What is kept of it where the rules come to no end: that it was made, and refused. None of its
    /// words, its session's name and its path neither, for no rule has read them.
    pub fn unscanned(&self, body: &Capture) -> Unscanned {
        Unscanned {
            call: self.id,
            agent: self.agent.clone(),
            operation: self.operation(),
            destination: self.destination().clone(),
            body_bytes: body.len_bytes(),
        }
    }
}

impl Unscanned {
    /// The same two events as of any call that is refused. `policy` names the rules that were in
    /// force.
    pub fn record(self, policy: Hash) -> Vec<Submission> {
        let prompt = PromptSubmitted {
            call: self.call,
            provider: self.operation.provider().name(),
            operation: self.operation.name(),
            path: None,
            model: None,
            streaming: false,
            messages: 0,
            body_bytes: self.body_bytes,
        };
        let blocked = PayloadBlocked {
            call: self.call,
            destination: self.destination,
            policy,
            instead_of: None,
            class: None,
            reasons: vec![unscanned()],
        };
        let agent = Actor::Agent(self.agent);
        let event = |id, data: Data| Event::new(id, agent.clone(), data).into();
        let payload = part_id(self.call, &Part::Payload);
        vec![
            event(self.call, prompt.into()),
            event(payload, blocked.into()),
        ]
    }
}

/// The rule that what could not be looked at is refused by.
pub fn unscanned() -> RuleCount {
    RuleCount {
        rule: "unscanned".parse().expect("a literal name is sound"),
        count: 1,
    }
}
