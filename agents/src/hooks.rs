//! What a client tells of its agent: every event recorded, prompts and uses of tools decided.
//!
//! ```text
//! Capture ─ HookCall::read ─▶ HookCall ─ look ─▶ Seen ─ decide ─▶ Decided: batch, answer
//! ```
//! The batch is appended before the client hears the answer. What it holds was decided on
//! projections; where another decision came first, the log refuses the batch as a conflict,
//! and [`Seen::decide`] is asked again on what the log says now.
//!
//! The gateway sees what is sent to the model; a hook sees what is typed, and what tools are
//! about to do. It runs in the client: whoever can change the client can leave it out.

mod answer;
mod event;
mod follows;
mod outward;
mod places;
mod ruling;
mod tools;
mod unscanned;
mod witnesses;

pub use event::{Client, HookCall, HookError};
pub use tools::{ToolPolicy, ToolPolicyError, ToolRule};
pub use unscanned::Unscanned;
pub use witnesses::Witnesses;

use crate::approvals::draft::{Drafts, Terms};
use crate::approvals::view::Approvals;
use crate::capture::Capture;
use crate::classes::Asked;
use crate::gateway::ids::{word, word_or_digest};
use crate::masking::{MaskedBody, Masker};
use crate::once::name;
use ledger::{Content, Submission};
use schemas::kinds::hooks::{HookEvent, HookReported};
use schemas::kinds::traffic::RuleCount;
use schemas::{Actor, Data, Event, EventId, Label, Name, Timestamp};
use serde_json::Value;

/// A call that the rules for texts have looked at.
pub struct Seen<'m> {
    call: HookCall,
    masker: &'m Masker,
    labels: Labels,
    /// What came, with prohibited values cut out.
    stored: Vec<u8>,
    found: Vec<RuleCount>,
    /// The use's arguments as they may leave, where masks are in them and the client takes them.
    masked: Option<Value>,
    body_bytes: u64,
}

/// The client's own words, as far as the log may hold them.
struct Labels {
    session: Option<Label>,
    named: Option<Label>,
    prompt: Option<Label>,
    subagent: Option<Label>,
    tool: Option<Label>,
    tool_use: Option<Label>,
    mode: Option<Label>,
    source: Option<Label>,
}

/// What the log and the configuration say when a call is decided.
pub struct Surroundings<'v> {
    pub policy: &'v ToolPolicy,
    pub drafts: &'v Drafts,
    pub approvals: &'v Approvals,
    pub witnesses: &'v Witnesses,
    pub terms: Terms,
    /// Of which classes its data is; nobody knows it of an agent that is not registered.
    pub asked: Option<&'v Asked>,
    /// Calls to the model in this session so far.
    pub calls: u64,
    pub now: Timestamp,
}

/// What to append, and what the client is answered once that is durable.
pub struct Decided {
    pub batch: Vec<Submission>,
    pub answer: Value,
}

impl HookCall {
    /// Applies the rules for texts, as to a prompt.
    pub fn look<'m>(self, body: &Capture, masker: &'m Masker) -> Result<Seen<'m>, HookError> {
        let MaskedBody {
            payload,
            stored,
            masks,
            blocks,
            ..
        } = masker.told(body)?;
        let labels = Labels::of(&self, masker);
        let masked = || {
            let told: Value = serde_json::from_slice(&payload?).ok()?;
            let input = told.get("tool_input")?;
            (*input != self.input).then(|| input.clone())
        };
        let takes = self.client == Client::Mcp && !masks.is_empty();
        let masked = takes.then(masked).flatten();
        Ok(Seen {
            masked,
            body_bytes: body.len_bytes(),
            call: self,
            masker,
            labels,
            stored,
            found: blocks,
        })
    }
}

impl Labels {
    fn of(call: &HookCall, masker: &Masker) -> Labels {
        // A machine's word that is nobody's: the log holds it for ever.
        let plain = |text: &Option<String>| {
            let text = word(text.as_deref()?)?;
            masker.text(text.as_str()).spans.is_empty().then_some(text)
        };
        let linked = |text: &Option<String>| Labels::linked(text, masker);
        Labels {
            session: plain(&call.session),
            named: linked(&call.named),
            prompt: linked(&call.prompt),
            subagent: linked(&call.subagent),
            tool: linked(&call.tool),
            tool_use: linked(&call.tool_use),
            mode: plain(&call.mode),
            source: plain(&call.source),
        }
    }

    /// What events are linked by, where the text is no machine's word by its digest.
    fn linked(text: &Option<String>, masker: &Masker) -> Option<Label> {
        let text = text.as_deref()?;
        Some(word_or_digest(&masker.cut(text).0))
    }
}

impl Seen<'_> {
    pub fn agent(&self) -> &Name {
        &self.call.agent
    }

    pub fn session(&self) -> Option<&Label> {
        self.labels.session.as_ref()
    }

    fn actor(&self) -> Actor {
        Actor::Agent(self.call.agent.clone())
    }

    fn event(&self, id: EventId, data: impl Into<Data>) -> Event {
        Event::new(id, self.actor(), data).in_session(self.labels.session.clone())
    }

    /// What is recorded of the call, and what the client is answered.
    pub fn decide(&self, around: &Surroundings<'_>) -> Decided {
        let ruling = self.ruling(around);
        let id = ruling.record.unwrap_or(self.call.id);
        let reported = HookReported {
            hook: id,
            client: name(self.call.client.word()),
            event: self.call.event,
            named: self.labels.named.clone(),
            prompt: self.labels.prompt.clone(),
            subagent: self.labels.subagent.clone(),
            tool: self.labels.tool.clone(),
            tool_use: self.labels.tool_use.clone(),
            mode: self.labels.mode.clone(),
            source: self.labels.source.clone(),
            body_bytes: self.body_bytes,
            found: self.found.clone(),
            verdict: ruling.verdict,
            by: ruling.by,
            action: ruling.action,
            masking: self.masker.policy(),
            policy: around.policy.digest(),
        };
        let mut batch = vec![Submission {
            event: self.event(id, reported),
            content: vec![Content {
                name: name("hook"),
                media: Label::lossy("application/json"),
                bytes: self.stored.clone(),
            }],
            person: None,
        }];
        batch.extend(ruling.more);
        batch.extend(self.bounds(around));
        batch.extend(self.concluded(around));
        let over = self.call.event == HookEvent::SessionEnd;
        if let (HookEvent::Stop | HookEvent::SessionEnd, Some(session)) =
            (self.call.event, &self.labels.session)
        {
            batch.extend(around.witnesses.missing(&self.actor(), session, over));
        }
        Decided {
            batch,
            answer: match self.call.client {
                Client::ClaudeCode => {
                    answer::answer(self.call.event, ruling.verdict, &ruling.reason)
                }
                Client::Mcp => answer::plain(
                    ruling.verdict,
                    &ruling.reason,
                    ruling.approval,
                    ruling.arguments,
                ),
                Client::PermissionPrompt => {
                    answer::permission(ruling.verdict, &ruling.reason, &self.call.input)
                }
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
