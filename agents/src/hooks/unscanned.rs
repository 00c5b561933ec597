//! What is kept of a call that nobody looked at in time.

use super::{Client, HookCall};
use crate::capture::Capture;
use crate::once::name;
use ledger::Submission;
use schemas::kinds::hooks::{HookEvent, HookReported, HookVerdict};
use schemas::{Actor, Event, EventId, Hash, Name};

impl HookCall {
    /// What is kept of it where the rules for texts come to no end: that it was made, and how it was
    /// answered. None of its words.
    pub fn unscanned(&self, body: &Capture) -> Unscanned {
        Unscanned {
            id: self.id,
            agent: self.agent.clone(),
            client: self.client,
            event: self.event,
            body_bytes: body.len_bytes(),
        }
    }
}

/// A call that could not be looked at in time.
pub struct Unscanned {
    id: EventId,
    agent: Name,
    client: Client,
    event: HookEvent,
    body_bytes: u64,
}

impl Unscanned {
    /// `masking` and `policy` name the rules that were in force.
    pub fn record(self, masking: Hash, policy: Hash) -> Submission {
        let pass = !self.event.is_decided() && self.client != Client::PermissionPrompt;
        let reported = HookReported {
            hook: self.id,
            client: name(self.client.word()),
            event: self.event,
            named: None,
            prompt: None,
            subagent: None,
            tool: None,
            tool_use: None,
            mode: None,
            source: None,
            body_bytes: self.body_bytes,
            found: Vec::new(),
            verdict: if pass {
                HookVerdict::Pass
            } else {
                HookVerdict::Deny
            },
            by: Some(name("unscanned")),
            action: None,
            masking,
            policy,
        };
        Event::new(self.id, Actor::Agent(self.agent), reported).into()
    }
}
