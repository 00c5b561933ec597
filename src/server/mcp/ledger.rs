//! `/mcp`: the ledger as tools, for agents that ask for approval, look something up or report.
//!
//! Every request stands for itself: there is no session, no stream, and nothing to end. What an
//! agent may see is what the ledger API shows; of drafts, its own.

mod approval;
mod events;
mod finding;
mod permission;

use super::fault::Fault;
use super::headers::VERSIONS;
use super::{readable, unread};
use crate::mcp::message::{self, asks, error};
use crate::server::Node;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, Schema, schema_for};
use schemas::Name;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// As a refusal names it.
const OWN: &str = "daicho";

const INSTRUCTIONS: &str = "The audit ledger that your work is recorded in. Ask for approval of \
                            what reaches outside before you do it, and look events up.";

struct Tool {
    name: &'static str,
    description: &'static str,
    takes: fn() -> Schema,
    /// Appends nothing.
    only_reads: bool,
}

/// No name holds a word that is outward (`hooks/outward.rs`): behind another daicho a request
/// for approval would itself be held.
const TOOLS: [Tool; 6] = [
    Tool {
        name: "request_approval",
        description: "Ask that somebody else approves one use of a tool with exactly these \
                      arguments, before you do it. Answers with the approval's id and how it \
                      stands; asking again for the same changes nothing.",
        takes: takes::<approval::Wanted>,
        only_reads: false,
    },
    Tool {
        name: "permission_prompt",
        description: "For Claude Code's --permission-prompt-tool, not for models: whether a use \
                      of a tool may happen now. What no rule lets go is held for somebody's \
                      decision.",
        takes: takes::<permission::Prompted>,
        only_reads: false,
    },
    Tool {
        name: "draft_status",
        description: "How a draft of yours stands: requested, granted, denied or expired, and \
                      whether it was let go.",
        takes: takes::<approval::Asked>,
        only_reads: true,
    },
    Tool {
        name: "search_events",
        description: "Entries of the ledger by kind, actor, session, class or time. They hold \
                      what was recorded of an event, not the texts, which are sealed.",
        takes: takes::<crate::server::api::Wanted>,
        only_reads: true,
    },
    Tool {
        name: "verify_entries",
        description: "Checks a range of entries: each hash, link and signature, and that the \
                      newest signed checkpoint covers them.",
        takes: takes::<events::Range>,
        only_reads: true,
    },
    Tool {
        name: "report_finding",
        description: "Report a weakness in a project's files. The same one is one finding, \
                      however often it is reported.",
        takes: takes::<finding::Reported>,
        only_reads: false,
    },
];

fn takes<T: JsonSchema>() -> Schema {
    let mut schema = schema_for!(T);
    // The type's name here, which says nothing.
    schema.remove("title");
    schema
}

pub async fn say(State(node): State<Node>, request: Request) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    let agent = node.gateway.caller(&parts).await?;
    readable(&node, &agent, OWN, &parts.headers).await?;
    let body = node.gateway.read_message(&agent, OWN, &parts.headers, body);
    let (held, body) = body.await?;
    let Ok(message) = serde_json::from_slice::<Value>(&body) else {
        unread(&node, &agent, OWN).await?;
        let answer = error(&Value::Null, -32_700, "the message is no JSON");
        return Ok(Fault::answer(StatusCode::BAD_REQUEST, answer));
    };
    if message.is_array() {
        unread(&node, &agent, OWN).await?;
        return Err(Fault::batch());
    }
    let Some(id) = asks(&message).cloned() else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let params = &message["params"];
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => Ok(greeting(params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": TOOLS.iter().map(Tool::shown).collect::<Vec<_>>() })),
        "tools/call" => called(node, agent, params).await,
        _ => Err((-32_601, "no such method: this server has tools only")),
    };
    drop(held);
    Ok(Json(match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, why)) => message::error(&id, code, why),
    })
    .into_response())
}

fn greeting(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str();
    let [.., newest] = VERSIONS;
    let version = wanted
        .filter(|wanted| VERSIONS.contains(wanted))
        .unwrap_or(newest);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "daicho", "version": env!("CARGO_PKG_VERSION") },
        "instructions": INSTRUCTIONS,
    })
}

impl Tool {
    fn shown(&self) -> Value {
        let hints = json!({ "readOnlyHint": self.only_reads, "destructiveHint": false, "openWorldHint": false });
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": (self.takes)(),
            "annotations": hints,
        })
    }
}

/// What a tool cannot do is its result: the model reads it, and can go on.
async fn called(node: Node, agent: Name, params: &Value) -> Result<Value, (i32, &'static str)> {
    let arguments = params["arguments"].clone();
    if params["name"] == "permission_prompt" {
        // One block of text and nothing beside it, which is what its client reads.
        let text = permission::prompt(node, agent, arguments).await.to_string();
        return Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": false }));
    }
    let done = match params["name"].as_str().unwrap_or_default() {
        "request_approval" => approval::request(node, agent, arguments).await,
        "draft_status" => blocking(move || approval::status(&node, &agent, arguments)).await,
        "search_events" => events::search(node, arguments).await,
        "verify_entries" => blocking(move || events::verify(&node, arguments)).await,
        "report_finding" => blocking(move || finding::report(&node, agent, arguments)).await,
        _ => return Err((-32_602, "no such tool: see tools/list")),
    };
    let (failed, text, structured) = match done {
        Ok(value) => (false, value.to_string(), Some(value)),
        Err(why) => (true, why, None),
    };
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": failed });
    if let Some(value) = structured {
        result["structuredContent"] = value;
    }
    Ok(result)
}

/// What a tool answers: an object, or what was wrong and what to do.
type Answer = Result<Value, String>;

async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("it did not end: tell the operator of daicho".to_owned()))
}

/// Arguments as a tool takes them. The fault names fields, not what they held.
fn given<T: DeserializeOwned>(arguments: Value) -> Result<T, String> {
    let object = match arguments {
        Value::Null => json!({}),
        given => given,
    };
    serde_json::from_value(object).map_err(|error| {
        let fault = schemas::json_fault(&error);
        // A value has no columns.
        let fault = fault.split(", at ").next().unwrap_or(&fault);
        format!("the arguments do not fit: {fault}")
    })
}
