//! What follows from a call beside its answer: a session begins or ends, an action that was let go or
//! held is concluded.

use super::{Seen, Surroundings};
use crate::approvals::draft::{Ended, conclude};
use crate::once::{name, once};
use ledger::Submission;
use schemas::Label;
use schemas::kinds::agents::{SessionEnd, SessionEnded, SessionStarted};
use schemas::kinds::hooks::HookEvent;
use schemas::kinds::rules::RuleViolated;

impl Seen<'_> {
    /// A session begins and ends with its hooks.
    pub(super) fn bounds(&self, around: &Surroundings<'_>) -> Option<Submission> {
        self.labels.session.as_ref()?;
        let agent = self.call.agent.clone();
        let id = |act| once(act, &[&self.call.id]);
        let event = match (self.call.event, self.call.source.as_deref()) {
            (HookEvent::SessionStart, _) => {
                let started = SessionStarted {
                    agent,
                    client: Some(Label::lossy(self.call.client.word())),
                    policy: Some(self.masker.policy()),
                };
                self.event(id("session.started"), started)
            }
            // The same session goes on in another process.
            (HookEvent::SessionEnd, Some("resume")) => return None,
            (HookEvent::SessionEnd, source) => {
                let reason = match source {
                    Some("clear") => SessionEnd::Cleared,
                    Some(_) => SessionEnd::Finished,
                    None => SessionEnd::Unknown,
                };
                let calls = around.calls;
                self.event(
                    id("session.ended"),
                    SessionEnded {
                        agent,
                        reason,
                        calls,
                    },
                )
            }
            _ => return None,
        };
        Some(event.into())
    }

    /// What became of an action that was let go.
    pub(super) fn concluded(&self, around: &Surroundings<'_>) -> Vec<Submission> {
        let ended = match self.call.event {
            HookEvent::PostToolUse => Ended::Done,
            HookEvent::PostToolUseFailure => Ended::Failed,
            _ => return Vec::new(),
        };
        let tool_use = self.labels.tool_use.as_ref();
        let by = self.actor();
        let draft = tool_use.and_then(|id| around.drafts.released_for(&by, id));
        let Some((draft, _)) = draft else {
            return self.ran_although_held(around).into_iter().collect();
        };
        let changed = self
            .action()
            .is_none_or(|action| action.sha256() != draft.arguments_sha256);
        let ended = if changed { Ended::Changed } else { ended };
        let session = self.labels.session.clone();
        let mut batch: Vec<Submission> = conclude(draft, ended, &by, session).into_iter().collect();
        if changed && !batch.is_empty() {
            let violated = RuleViolated {
                rule: name("approval.arguments"),
                call: None,
                position: Some(draft.position),
                count: 1,
            };
            let id = once("approval.arguments", &[&draft.action]);
            batch.push(self.event(id, violated).into());
        }
        batch
    }

    /// The client did what it was told to hold: it knows no such answer, or was changed.
    fn ran_although_held(&self, around: &Surroundings<'_>) -> Option<Submission> {
        let tool_use = self.labels.tool_use.as_ref()?;
        let held = around.drafts.held_for(&self.actor(), tool_use)?;
        let violated = RuleViolated {
            rule: name("approval.missing"),
            call: None,
            position: Some(held.position),
            count: 1,
        };
        let id = once("approval.missing", &[tool_use, &held.action]);
        Some(self.event(id, violated).into())
    }
}
