//! What the client is answered, in its own form, and the words of it. No word repeats what was
//! found or what a tool was to do.

use super::event::{Client, HookCall};
use crate::approvals::RequestError;
use crate::approvals::draft::Held;
use crate::approvals::view::Approval;
use schemas::kinds::hooks::{HookEvent, HookVerdict};
use schemas::kinds::traffic::RuleCount;
use schemas::{EventId, Label, Name};
use serde_json::{Value, json};

/// Claude Code's JSON for a verdict; `{}` says nothing.
pub(super) fn answer(event: HookEvent, verdict: HookVerdict, reason: &str) -> Value {
    let decision = match verdict {
        HookVerdict::Pass => return json!({}),
        HookVerdict::Allow => "allow",
        HookVerdict::Ask => "ask",
        HookVerdict::Defer => "defer",
        HookVerdict::Deny | HookVerdict::Draft => "deny",
    };
    let name = event.word();
    match event {
        HookEvent::PreToolUse => json!({ "hookSpecificOutput": {
            "hookEventName": name,
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }}),
        HookEvent::UserPromptSubmit => json!({
            "decision": "block",
            "reason": reason,
            "hookSpecificOutput": { "hookEventName": name, "suppressOriginalPrompt": true },
        }),
        _ => json!({ "decision": "block", "reason": reason }),
    }
}

/// The same for our own program before a tool server.
pub(super) fn plain(
    verdict: HookVerdict,
    reason: &str,
    approval: Option<EventId>,
    arguments: Option<Value>,
) -> Value {
    json!({ "verdict": verdict, "reason": reason, "approval": approval, "arguments": arguments })
}

/// Claude Code's JSON for a permission: it goes on only where that says so, with these arguments.
pub(super) fn permission(verdict: HookVerdict, reason: &str, input: &Value) -> Value {
    match verdict {
        HookVerdict::Allow => json!({ "behavior": "allow", "updatedInput": input }),
        _ => json!({ "behavior": "deny", "message": reason }),
    }
}

impl HookCall {
    /// The answer where nothing could be recorded: what is to be decided is refused.
    pub fn unrecorded(event: HookEvent, client: Client, id: EventId, why: &str) -> Value {
        let reason = format!(
            "{why}, so this was stopped: try again later, and tell the operator of daicho if it lasts (hook {id})"
        );
        let verdict = if event.is_decided() {
            HookVerdict::Deny
        } else {
            HookVerdict::Pass
        };
        match client {
            Client::ClaudeCode => answer(event, verdict, &reason),
            Client::Mcp => plain(verdict, &reason, None, None),
            Client::PermissionPrompt => permission(HookVerdict::Deny, &reason, &Value::Null),
        }
    }
}

pub(super) fn prohibited(found: &[RuleCount], id: EventId) -> String {
    let rules: Vec<String> = found
        .iter()
        .map(|r| format!("{} ×{}", r.rule, r.count))
        .collect();
    format!(
        "stopped before it was sent: it holds data that may never be handled ({}). Leave those \
         values out and try again; the record of this is hook {id}",
        rules.join(", ")
    )
}

fn rule(by: Option<&Name>) -> &str {
    by.map_or("[tools]", Name::as_str)
}

pub(super) fn by_rule(verdict: HookVerdict, by: Option<&Name>, id: EventId) -> String {
    let by = rule(by);
    match verdict {
        HookVerdict::Deny => format!(
            "the rules for tools forbid this ({by}); do it another way, or have the operator of \
             daicho change the rule. The record of this is hook {id}"
        ),
        HookVerdict::Ask => format!("the rules for tools want you to decide ({by})"),
        _ => format!("by the rules for tools ({by})"),
    }
}

pub(super) fn held(tool: &Label, by: Option<&Name>, held: &Held, needed: u64) -> String {
    let (approval, until) = (held.approval, held.deadline);
    let who = match needed {
        1 => "somebody else decides".to_owned(),
        needed => format!("{needed} others decide"),
    };
    format!(
        "held as draft {approval}: this use of {tool} reaches outside ({}), so {who} \
         on it (`daicho approvals show {approval}`). Go on with other work; once it is granted do \
         exactly the same again, before {until}. Anything changed in it is a new draft",
        rule(by)
    )
}

/// Told to whoever runs the client: the agent has been stopped.
pub(super) fn deferred(held: &str, session: Option<&Label>) -> String {
    let session = session.map_or("<session>", Label::as_str);
    format!("{held}. This session stops here: once it is granted, `claude -p --resume {session}`")
}

pub(super) fn waits(tool: &Label, asked: &Approval) -> String {
    let (approval, until) = (asked.approval, asked.deadline);
    let so_far = match asked.approvers_needed {
        1 => String::new(),
        needed => format!(" ({} of {needed} have approved)", asked.approved()),
    };
    format!(
        "this use of {tool} still waits as draft {approval} for somebody's decision{so_far}, until \
         {until}; go on with other work"
    )
}

pub(super) fn denied(approval: EventId) -> String {
    format!("draft {approval} was denied; do not try it again, and say so to whom you work for")
}

pub(super) fn granted(approval: EventId) -> String {
    format!("granted as draft {approval}, this once")
}

pub(super) fn permitted(approval: EventId, id: EventId) -> String {
    format!(
        "this use was permitted already, as draft {approval} and once; what is to happen again is \
         another use (hook {id})"
    )
}

pub(super) fn may_go(tool: &Label, asked: &Approval) -> String {
    let (approval, until) = (asked.approval, asked.deadline);
    format!(
        "granted as draft {approval}: do exactly this use of {tool} once, before {until}, where \
         daicho stands before the tool"
    )
}

pub(super) fn no_form(id: EventId) -> String {
    format!("its arguments have no canonical form, so nobody can approve them (hook {id})")
}

pub(super) fn not_asked(error: &RequestError, id: EventId) -> String {
    format!("it reaches outside, and nobody could be asked: {error} (hook {id})")
}
