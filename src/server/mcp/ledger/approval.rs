use super::{Answer, given};
use crate::server::Node;
use crate::server::gateway::tell;
use agents::approvals::view::Approval;
use agents::hooks::Client;
use schemars::JsonSchema;
use schemas::{Actor, EventId, Name};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// As it is used: `mcp__SERVER__TOOL` for a tool behind daicho's `/mcp/SERVER`, `Bash` in Claude Code.
    tool: String,
    /// Exactly as it would be called.
    arguments: Map<String, Value>,
    /// The directory that it would run in; absent for a tool behind `/mcp/SERVER`.
    directory: Option<String>,
}

/// Asks as a hook does that asks before it: by the same rules, into the same drafts.
pub async fn request(node: Node, agent: Name, arguments: Value) -> Answer {
    let Wanted {
        tool,
        arguments,
        directory,
    } = given(arguments)?;
    let told = json!({
        "hook_event_name": "PermissionRequest",
        "tool_name": tool,
        "tool_input": arguments,
        "cwd": directory,
    });
    let answer = tell(node, agent, Client::Mcp, told).await?;
    let reason = answer["reason"].as_str().unwrap_or("no reason given");
    let state = match answer["verdict"].as_str() {
        Some("draft") => "requested",
        Some("allow") => "granted",
        _ => return Err(reason.to_owned()),
    };
    Ok(json!({ "approval": answer["approval"], "state": state, "reason": reason }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The id that the draft was held under.
    approval: String,
}

pub fn status(node: &Node, agent: &Name, arguments: Value) -> Answer {
    let Asked { approval } = given(arguments)?;
    let caught_up = node.views.catch_up();
    caught_up.map_err(|_| "the ledger cannot be read now: try again later".to_owned())?;
    let asked = node.views.approvals.read(|approvals| {
        let id: EventId = approval.parse().ok()?;
        let asked = approvals.find(id)?;
        (asked.requester == Actor::Agent(agent.clone())).then(|| asked.clone())
    });
    let asked = asked.ok_or_else(|| "no such draft of yours".to_owned())?;
    Ok(shown(node, &asked))
}

fn shown(node: &Node, asked: &Approval) -> Value {
    let draft = node
        .views
        .drafts
        .read(|drafts| drafts.find(asked.subject.id).cloned());
    let draft = draft.as_ref();
    json!({
        "approval": asked.approval,
        "state": asked.state(node.appender.now()),
        "tool": draft.map(|draft| &draft.tool),
        "deadline": asked.deadline,
        "approvers_needed": asked.approvers_needed,
        "approved": asked.approved(),
        "released": draft.is_some_and(|draft| draft.released),
        "ended": draft.is_some_and(|draft| draft.ended),
    })
}
