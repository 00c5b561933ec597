//! What becomes of a call: the rules, the drafts and the approvals in force say.

use super::tools::{Ruled, UsedData};
use super::{Client, Labels, Seen, Surroundings, answer};
use crate::approvals::draft::{Action, Standing, release};
use crate::capture::Capture;
use crate::classes::Asked;
use crate::masking::Masker;
use crate::once::{name, once};
use ledger::Submission;
use schemas::kinds::hooks::{HookEvent, HookVerdict};
use schemas::{DataClass, EventId, Name};
use serde_json::Value;

/// One verdict and everything that follows from it.
pub(super) struct Ruling {
    /// Of its record, where that must stand in the log once; else it is the call's.
    pub record: Option<EventId>,
    pub verdict: HookVerdict,
    pub by: Option<Name>,
    pub action: Option<EventId>,
    /// The approval that it was, or is to be, decided by.
    pub approval: Option<EventId>,
    pub reason: String,
    /// What the tool is to be given instead of what the agent wrote.
    pub arguments: Option<Value>,
    pub more: Vec<Submission>,
}

impl Ruling {
    fn new(verdict: HookVerdict, by: Option<Name>, reason: String) -> Ruling {
        Ruling {
            record: None,
            verdict,
            by,
            action: None,
            approval: None,
            reason,
            arguments: None,
            more: Vec::new(),
        }
    }
}

impl Ruling {
    /// The same draft, and the client's session stops with it: resumed, it asks again.
    fn deferred(self, labels: &Labels) -> Ruling {
        if self.verdict != HookVerdict::Draft {
            return self;
        }
        Ruling {
            verdict: HookVerdict::Defer,
            reason: answer::deferred(&self.reason, labels.session.as_ref()),
            ..self
        }
    }
}

impl Seen<'_> {
    pub(super) fn ruling(&self, around: &Surroundings<'_>) -> Ruling {
        let nothing = Ruling::new(HookVerdict::Pass, None, String::new());
        if !(self.call.event.is_decided() || self.call.asks_first() || self.call.prompts()) {
            return nothing;
        }
        if !self.found.is_empty() {
            let reason = answer::prohibited(&self.found, self.call.id);
            return Ruling::new(HookVerdict::Deny, Some(name("prohibited")), reason);
        }
        match &self.call.tool {
            Some(tool) if self.call.event == HookEvent::PreToolUse => self.tool(tool, around),
            Some(tool) if self.call.asks_first() => self.asked(tool, around),
            Some(tool) if self.call.prompts() => self.prompted(tool, around),
            _ => nothing,
        }
    }

    fn tool(&self, tool: &str, around: &Surroundings<'_>) -> Ruling {
        let ruled = self.ruled(tool, around);
        let nobody_sits_there = self.call.client == Client::Mcp;
        match ruled.verdict {
            HookVerdict::Draft => return self.draft(ruled, around),
            HookVerdict::Ask | HookVerdict::Defer if nobody_sits_there => {
                return self.draft(ruled, around);
            }
            HookVerdict::Defer => return self.draft(ruled, around).deferred(&self.labels),
            _ => {}
        }
        let Ruled { verdict, by, .. } = ruled;
        let reason = answer::by_rule(verdict, by.as_ref(), self.call.id);
        Ruling {
            arguments: self.masked.clone(),
            ..Ruling::new(verdict, by, reason)
        }
    }

    /// A use that is not about to happen: how somebody else decides on it, or has decided. By
    /// the same rule as the use itself, so that what is granted is what that will ask for.
    fn asked(&self, tool: &str, around: &Surroundings<'_>) -> Ruling {
        let ruled = self.ruled(tool, around);
        if ruled.verdict == HookVerdict::Deny {
            // No approval would let it go.
            let reason = answer::by_rule(ruled.verdict, ruled.by.as_ref(), self.call.id);
            return Ruling::new(ruled.verdict, ruled.by, reason);
        }
        let by = ruled.by.or_else(|| Some(name("asked")));
        self.draft(Ruled { by, ..ruled }, around)
    }

    /// A use that the client's own rules want somebody's word for, and nobody sits before it: what
    /// no rule here lets go is held.
    fn prompted(&self, tool: &str, around: &Surroundings<'_>) -> Ruling {
        let ruled = self.ruled(tool, around);
        if ruled.verdict == HookVerdict::Allow {
            let reason = answer::by_rule(ruled.verdict, ruled.by.as_ref(), self.call.id);
            return Ruling::new(ruled.verdict, ruled.by, reason);
        }
        let granted = (ruled.verdict != HookVerdict::Deny)
            .then(|| self.permitted(&ruled, around))
            .flatten();
        granted.unwrap_or_else(|| self.asked(tool, around))
    }

    /// A use that its hook was let go with: somebody has said yes to exactly this, and the prompt
    /// is about the same use. It is told so once; of two prompts that race the log takes one. What
    /// would not let the use go by now permits nothing either.
    fn permitted(&self, ruled: &Ruled, around: &Surroundings<'_>) -> Option<Ruling> {
        let tool_use = self.labels.tool_use.as_ref()?;
        let (draft, session) = around.drafts.released_for(&self.actor(), tool_use)?;
        let digest = self.action()?.sha256();
        let granted =
            (around.approvals).is_granted(draft.approval?, draft.action, digest, None, around.now);
        let asked = granted.ok()?;
        let needed = ruled.approvers.unwrap_or(around.terms.approvers_needed);
        let same = session == self.labels.session.as_ref();
        if !same || draft.ended || asked.approvers_needed < needed {
            return None;
        }
        let by = ruled.by.clone();
        if draft.permitted {
            let reason = answer::permitted(asked.approval, self.call.id);
            return Some(Ruling::new(HookVerdict::Deny, by, reason));
        }
        let reason = answer::granted(asked.approval);
        Some(Ruling {
            record: Some(once("permission.given", &[&asked.approval])),
            action: Some(draft.action),
            approval: Some(asked.approval),
            ..Ruling::new(HookVerdict::Allow, by, reason)
        })
    }

    fn ruled(&self, tool: &str, around: &Surroundings<'_>) -> Ruled {
        let (input, directory) = (&self.call.input, self.call.directory.as_deref());
        let data = Used {
            tool,
            input,
            masker: self.masker,
            asked: around.asked,
        };
        around.policy.rule((tool, input), directory, &data)
    }

    /// Held until somebody else has said yes to exactly this.
    fn draft(&self, ruled: Ruled, around: &Surroundings<'_>) -> Ruling {
        let Ruled { by, approvers, .. } = ruled;
        let mut terms = around.terms.clone();
        terms.approvers_needed = approvers.unwrap_or(terms.approvers_needed);
        let Some(action) = self.action() else {
            let reason = answer::no_form(self.call.id);
            return Ruling::new(HookVerdict::Deny, by, reason);
        };
        let (digest, tool) = (action.sha256(), action.tool.clone());
        let requester = self.actor();
        let Surroundings {
            drafts, approvals, ..
        } = around;
        let (verdict, (id, approval), reason, more) =
            match drafts.standing(&requester, digest, (approvals, &terms), around.now) {
                Standing::Granted(draft, asked) if self.call.asks_first() => {
                    let reason = answer::may_go(&tool, asked);
                    let ids = (draft.action, asked.approval);
                    (HookVerdict::Allow, ids, reason, Vec::new())
                }
                Standing::Granted(draft, asked) => {
                    let (session, tool_use) = (&self.labels.session, &self.labels.tool_use);
                    let (tool_use, session) = (tool_use.clone(), session.clone());
                    let released = release(draft, asked, self.call.id, tool_use, session);
                    let reason = answer::granted(asked.approval);
                    let ids = (draft.action, asked.approval);
                    (HookVerdict::Allow, ids, reason, vec![released])
                }
                Standing::Waits(draft, asked) => {
                    let reason = answer::waits(&tool, asked);
                    let ids = (draft.action, asked.approval);
                    (HookVerdict::Draft, ids, reason, Vec::new())
                }
                Standing::Denied(draft, asked) => {
                    let reason = answer::denied(asked.approval);
                    let ids = (draft.action, asked.approval);
                    (HookVerdict::Deny, ids, reason, Vec::new())
                }
                Standing::New => {
                    let (session, policy) = (self.labels.session.clone(), around.policy.digest());
                    let needed = terms.approvers_needed;
                    let terms = (*approvals, terms);
                    match drafts.hold(&requester, session, action, policy, terms, around.now) {
                        Ok(held) => {
                            let reason = answer::held(&tool, by.as_ref(), &held, needed);
                            let ids = (held.action, held.approval);
                            (HookVerdict::Draft, ids, reason, held.submissions)
                        }
                        Err(error) => {
                            let reason = answer::not_asked(&error, self.call.id);
                            return Ruling::new(HookVerdict::Deny, by, reason);
                        }
                    }
                }
            };
        Ruling {
            record: None,
            verdict,
            by,
            action: Some(id),
            approval: Some(approval),
            reason,
            // Somebody said yes to exactly what the agent wrote.
            arguments: None,
            more,
        }
    }

    pub(super) fn action(&self) -> Option<Action> {
        let directory = self.call.directory.as_deref();
        Action::new(self.labels.tool.clone()?, &self.call.input, directory)
    }
}

/// The data that a use is about.
struct Used<'s> {
    tool: &'s str,
    input: &'s Value,
    masker: &'s Masker,
    asked: Option<&'s Asked>,
}

impl UsedData for Used<'_> {
    fn is_personal(&self) -> bool {
        let input = Capture::new(self.input.to_string().into_bytes());
        let masked = self.masker.told(&input);
        // What cannot be looked at may hold anything.
        masked.map_or(true, |masked| !masked.masks.is_empty())
    }

    fn is_of(&self, class: DataClass) -> bool {
        let classes = |asked: &Asked| asked.classes(|| vec![self.tool.to_owned()]);
        (self.asked).is_some_and(|asked| classes(asked).contains(&class))
    }
}
