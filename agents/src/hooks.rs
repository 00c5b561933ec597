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
mod outward;
mod places;
mod tools;
mod witnesses;

pub use event::{Client, HookCall, HookError};
pub use tools::{ToolPolicy, ToolPolicyError, ToolRule};
pub use witnesses::Witnesses;

use crate::approvals::draft::{Action, Drafts, Ended, Standing, Terms, conclude, release};
use crate::approvals::view::Approvals;
use crate::capture::Capture;
use crate::classes::Asked;
use crate::gateway::ids::{word, word_or_digest};
use crate::masking::{MaskedBody, Masker};
use crate::once::{name, once};
use ledger::{Content, Submission};
use schemas::kinds::agents::{SessionEnd, SessionEnded, SessionStarted};
use schemas::kinds::hooks::{HookEvent, HookReported, HookVerdict};
use schemas::kinds::rules::RuleViolated;
use schemas::kinds::traffic::RuleCount;
use schemas::{Actor, Data, DataClass, Event, EventId, Hash, Label, Name, Timestamp};
use serde_json::Value;
use tools::{Ruled, UsedData};

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

/// One verdict and everything that follows from it.
struct Ruling {
    /// Of its record, where that must stand in the log once; else it is the call's.
    record: Option<EventId>,
    verdict: HookVerdict,
    by: Option<Name>,
    action: Option<EventId>,
    /// The approval that it was, or is to be, decided by.
    approval: Option<EventId>,
    reason: String,
    /// What the tool is to be given instead of what the agent wrote.
    arguments: Option<Value>,
    more: Vec<Submission>,
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

    fn ruling(&self, around: &Surroundings<'_>) -> Ruling {
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

    fn action(&self) -> Option<Action> {
        let directory = self.call.directory.as_deref();
        Action::new(self.labels.tool.clone()?, &self.call.input, directory)
    }

    /// A session begins and ends with its hooks.
    fn bounds(&self, around: &Surroundings<'_>) -> Option<Submission> {
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
    fn concluded(&self, around: &Surroundings<'_>) -> Vec<Submission> {
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
}

impl Seen<'_> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
