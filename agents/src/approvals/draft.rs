//! Outward actions that wait as drafts: held, decided on like a patch, let go once.
//!
//! ```text
//! action.drafted ─ approval.requested ─ approval.granted ─ action.released ─ action.executed
//!                                     ├ approval.denied                    └ action.failed
//!                                     └ the deadline
//! ```
//! A draft is bound to the digest of its canonical action (RFC 8785): tool, arguments, and the
//! directory that it would run in. One byte more is another draft. `action.released` has an id
//! that follows from the approval, so the log itself lets a granted action go only once.

use super::view::{Approval, Approvals, State};
use super::{Request, RequestError, request};
use crate::once::{name, once, sha256};
use ledger::{Content, Entry, Projection, Submission};
use schemas::kinds::acting::{
    ActionDrafted, ActionExecuted, ActionFailed, ActionFailure, ActionReleased, Subject,
    SubjectKind,
};
use schemas::kinds::hooks::{HookEvent, HookVerdict};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An action in its one form. Holds what people wrote: neither `Debug` nor `Serialize`.
pub struct Action {
    pub tool: Label,
    canonical: Vec<u8>,
}

impl Action {
    /// `None` for arguments that have no canonical form: numbers that are none.
    pub fn new(
        tool: Label,
        arguments: &serde_json::Value,
        directory: Option<&str>,
    ) -> Option<Action> {
        let whole = serde_json::json!({
            "tool": tool.as_str(), "arguments": arguments, "directory": directory,
        });
        let canonical = serde_json_canonicalizer::to_vec(&whole).ok()?;
        Some(Action { tool, canonical })
    }

    pub fn sha256(&self) -> Hash {
        sha256(&self.canonical)
    }

    /// The bytes that the digest is of, and that an approver reads.
    #[cfg(test)]
    pub(crate) fn canonical(&self) -> &[u8] {
        &self.canonical
    }
}

/// Under which rules a draft is decided.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Of `[approvals]`.
    pub policy: Hash,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
}

/// Every draft that the log knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Drafts {
    drafts: BTreeMap<EventId, Draft>,
    /// The newest of each requester and digest.
    newest: BTreeMap<(Actor, Hash), EventId>,
    /// The newest of each requester and tool.
    last: BTreeMap<(Actor, Label), EventId>,
    /// By whose use of a tool it was let go for: a use is named by the client, and two may choose
    /// one name.
    uses: BTreeMap<(Actor, Label), Release>,
    /// By whose use of a tool was not let go.
    held: BTreeMap<(Actor, Label), EventId>,
}

/// A draft that was let go for one use of a tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Release {
    action: EventId,
    session: Option<Label>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    pub action: EventId,
    pub tool: Label,
    pub arguments_sha256: Hash,
    pub approval: Option<EventId>,
    pub released: bool,
    /// A permission prompt was told yes about it; each use has one.
    pub permitted: bool,
    /// `action.executed` or `action.failed` is in the log.
    pub ended: bool,
    /// Of `action.drafted`, with the sealed arguments.
    pub position: u64,
    /// The one before it of the same requester and tool.
    pub last: Option<EventId>,
}

/// What the log says of an action that is about to be done.
pub enum Standing<'v> {
    /// Nobody has asked, or what was asked is over.
    New,
    Waits(&'v Draft, &'v Approval),
    Granted(&'v Draft, &'v Approval),
    Denied(&'v Draft, &'v Approval),
}

impl Drafts {
    pub fn find(&self, action: EventId) -> Option<&Draft> {
        self.drafts.get(&action)
    }

    /// The draft that a use of a tool was let go by, and in which session.
    pub fn released_for(&self, by: &Actor, tool_use: &Label) -> Option<(&Draft, Option<&Label>)> {
        let release = self.uses.get(&(by.clone(), tool_use.clone()))?;
        Some((self.drafts.get(&release.action)?, release.session.as_ref()))
    }

    /// The draft that a use of a tool was held as.
    pub fn held_for(&self, by: &Actor, tool_use: &Label) -> Option<&Draft> {
        self.drafts
            .get(self.held.get(&(by.clone(), tool_use.clone()))?)
    }

    /// `terms` are those that a new draft would be held under.
    pub fn standing<'v>(
        &'v self,
        requester: &Actor,
        digest: Hash,
        (approvals, terms): (&'v Approvals, &Terms),
        now: Timestamp,
    ) -> Standing<'v> {
        let newest = self.newest.get(&(requester.clone(), digest));
        let Some(draft) = newest.and_then(|action| self.drafts.get(action)) else {
            return Standing::New;
        };
        let asked = draft.approval.and_then(|id| approvals.find(id));
        let Some(asked) = asked.filter(|asked| now <= asked.deadline) else {
            return Standing::New;
        };
        // Asked when fewer people were enough, it lets nothing happen now.
        let enough = asked.approvers_needed >= terms.approvers_needed;
        match asked.state(now) {
            State::Requested | State::Granted if !enough => Standing::New,
            // Under rules that are no longer in force nobody can decide.
            State::Requested
                if approvals
                    .policy_in_force()
                    .is_none_or(|p| p == asked.policy) =>
            {
                Standing::Waits(draft, asked)
            }
            State::Granted if !draft.released => {
                let granted = approvals.is_granted(asked.approval, draft.action, digest, None, now);
                granted.map_or(Standing::New, |asked| Standing::Granted(draft, asked))
            }
            State::Denied => Standing::Denied(draft, asked),
            State::Requested | State::Granted | State::Expired => Standing::New,
        }
    }

    /// Plans a draft and the request to approve it. Two who ask at once ask the same.
    pub fn hold(
        &self,
        requester: &Actor,
        session: Option<Label>,
        action: Action,
        policy: Hash,
        (approvals, terms): (&Approvals, Terms),
        now: Timestamp,
    ) -> Result<Held, RequestError> {
        let digest = action.sha256();
        let before = self.newest.get(&(requester.clone(), digest));
        let before = before.map_or("-".to_owned(), EventId::to_string);
        let id = once("action.drafted", &[requester, &digest, &before]);
        let approval = once("approval.requested", &[&id]);
        let deadline = terms.deadline;
        let drafted = ActionDrafted {
            action: id,
            tool: action.tool,
            arguments_sha256: digest,
            policy: Some(policy),
        };
        let drafted = Submission {
            event: Event::new(id, requester.clone(), drafted).in_session(session.clone()),
            content: vec![Content {
                name: name(CONTENT),
                media: Label::lossy("application/json"),
                bytes: action.canonical,
            }],
            person: None,
        };
        let asked = Request {
            subject: Subject {
                kind: SubjectKind::Action,
                id,
                name: None,
            },
            arguments_sha256: digest,
            base_sha256: None,
            requester: requester.clone(),
            policy: terms.policy,
            deadline,
            approvers_needed: terms.approvers_needed,
        };
        let mut requested = request(approvals, approval, asked, now)?;
        requested.event.session = session;
        Ok(Held {
            action: id,
            approval,
            deadline,
            submissions: vec![drafted, requested],
        })
    }
}

/// Name of the content that holds what a draft would do.
pub const CONTENT: &str = "arguments";

/// What to append for a draft, and what it is called.
pub struct Held {
    pub action: EventId,
    pub approval: EventId,
    pub deadline: Timestamp,
    /// `action.drafted` and `approval.requested`.
    pub submissions: Vec<Submission>,
}

/// Plans `action.released` for one call: of two that race for one grant, the log takes one.
pub fn release(
    draft: &Draft,
    asked: &Approval,
    hook: EventId,
    tool_use: Option<Label>,
    session: Option<Label>,
) -> Submission {
    let released = ActionReleased {
        action: draft.action,
        approval: asked.approval,
        arguments_sha256: draft.arguments_sha256,
        tool_use,
        hook: Some(hook),
    };
    let id = once("action.released", &[&asked.approval]);
    let event = Event::new(id, asked.requester.clone(), released);
    event.in_session(session).into()
}

/// How an action that was let go ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    Failed,
    /// Something else was done than was let go.
    Changed,
}

/// Plans `action.executed` or `action.failed`; nothing where its end is known.
pub fn conclude(
    draft: &Draft,
    ended: Ended,
    requester: &Actor,
    session: Option<Label>,
) -> Option<Submission> {
    let approval = draft.approval.filter(|_| !draft.ended)?;
    let action = draft.action;
    let failed = |reason| {
        Data::from(ActionFailed {
            action,
            approval: Some(approval),
            reason,
        })
    };
    let data = match ended {
        Ended::Done => ActionExecuted {
            action,
            approval,
            arguments_sha256: draft.arguments_sha256,
            result_sha256: None,
        }
        .into(),
        Ended::Failed => failed(ActionFailure::ToolFailed),
        Ended::Changed => failed(ActionFailure::ArgumentsChanged),
    };
    let event = Event::new(once("action.ended", &[&action]), requester.clone(), data);
    Some(event.in_session(session).into())
}

impl Projection for Drafts {
    const NAME: &'static str = "drafts";
    const VERSION: u32 = 4;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::ActionDrafted(fact) => {
                let of = (entry.actor().clone(), fact.tool.clone());
                let draft = Draft {
                    action: fact.action,
                    tool: fact.tool.clone(),
                    arguments_sha256: fact.arguments_sha256,
                    approval: None,
                    released: false,
                    permitted: false,
                    ended: false,
                    position: entry.seq(),
                    last: self
                        .last
                        .get(&of)
                        .copied()
                        .filter(|last| *last != fact.action),
                };
                let key = (entry.actor().clone(), fact.arguments_sha256);
                // The first draft has the id; a second one under it changes nothing.
                self.drafts.entry(fact.action).or_insert(draft);
                self.last.insert(of, fact.action);
                self.newest.insert(key, fact.action);
            }
            Data::ApprovalRequested(fact) if fact.subject.kind == SubjectKind::Action => {
                if let Some(draft) = self.drafts.get_mut(&fact.subject.id) {
                    draft.approval.get_or_insert(fact.approval);
                }
            }
            Data::HookReported(fact) => {
                use HookVerdict::{Allow, Defer, Deny, Draft};
                let Some(tool_use) = &fact.tool_use else {
                    return;
                };
                let prompted = fact.event == HookEvent::PermissionRequest;
                if prompted
                    && fact.verdict == Allow
                    && let Some(draft) = fact.action.and_then(|id| self.drafts.get_mut(&id))
                {
                    draft.permitted = true;
                }
                let stopped = matches!(fact.verdict, Defer | Deny | Draft);
                let key = (entry.actor().clone(), tool_use.clone());
                match fact.action {
                    Some(action) if stopped => drop(self.held.insert(key, action)),
                    // Resumed, the same use is let go; done, nobody asks for it any more.
                    _ => drop(self.held.remove(&key)),
                }
            }
            Data::ActionReleased(fact) => {
                if let Some(draft) = self.drafts.get_mut(&fact.action) {
                    draft.released = true;
                    let release = Release {
                        action: fact.action,
                        session: entry.session().cloned(),
                    };
                    let tool_use = fact.tool_use.clone();
                    let by = entry.actor().clone();
                    self.uses.extend(tool_use.map(|id| ((by, id), release)));
                }
            }
            Data::ActionExecuted(fact) => self.end(fact.action),
            Data::ActionFailed(fact) => self.end(fact.action),
            _ => {}
        }
    }
}

impl Drafts {
    fn end(&mut self, action: EventId) {
        if let Some(draft) = self.drafts.get_mut(&action) {
            draft.ended = true;
            self.uses.retain(|_, release| release.action != action);
        }
    }
}
