//! What can be known of a request without understanding it: which model, how many messages,
//! and the tool results that are new in it. Everything else is an open list.

use crate::masking::{Dialect, json};
use schemas::Hash;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A JSON object whose values are not looked into. Of a key that stands twice the last one
/// counts, as it does for the provider.
type Object<'a> = BTreeMap<String, &'a RawValue>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub model: Option<String>,
    /// Models that it names beside that one: to fall back on, or for a tool of the provider's.
    pub more_models: Vec<String>,
    pub streaming: bool,
    pub messages: u64,
    /// The answer would be fetched later, by another request.
    pub background: bool,
}

/// One result of a tool: a `tool_result` block, a message of role `tool`, an item `…_output`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToolResult {
    pub tool_use: String,
    /// Digest of the exact JSON text of what it holds; of nothing, where there is none.
    pub sha256: Hash,
    pub is_error: bool,
}

/// Results in one request that become events. The provider's own limit on parallel tool use
/// is far below.
const MOST_RESULTS: usize = 1_000;

impl Summary {
    /// `None` when the body is not a JSON object.
    pub fn of(body: &str, dialect: Dialect) -> Option<Summary> {
        let object: Object = serde_json::from_str(body).ok()?;
        Some(Summary {
            model: value(&object, "model"),
            more_models: ["fallbacks", "tools"]
                .into_iter()
                .flat_map(|key| list(&object, key).unwrap_or_default())
                .filter_map(|item| value(&parse(item)?, "model"))
                .collect(),
            streaming: value(&object, "stream").unwrap_or(false),
            // Whatever a lenient reader may take for yes.
            background: (object.get("background"))
                .is_some_and(|said| !matches!(said.get(), "false" | "null")),
            messages: match dialect {
                Dialect::Anthropic | Dialect::OpenAiChat => messages(&object).len(),
                Dialect::OpenAiResponses if object.contains_key("input") => {
                    list(&object, "input").map_or(1, |items| items.len())
                }
                Dialect::OpenAiResponses => 0,
            } as u64,
        })
    }
}

/// Every model that a body names anywhere, each once: of a path that is only listed nobody knows
/// where it would name one.
pub(super) fn models_named(body: &str) -> BTreeSet<String> {
    json::strings_under(body, "model").into_iter().collect()
}

/// The tool results that came after the model's last word: those before it were new in an
/// earlier call.
pub(super) fn new_tool_results(body: &[u8], dialect: Dialect) -> Vec<ToolResult> {
    let object: Object = serde_json::from_slice(body).unwrap_or_default();
    match dialect {
        Dialect::Anthropic => in_newest_message(&object),
        Dialect::OpenAiChat => after_the_model(messages(&object), "tool_call_id", "content"),
        Dialect::OpenAiResponses => after_the_model(
            list(&object, "input").unwrap_or_default(),
            "call_id",
            "output",
        ),
    }
}

fn after_the_model(items: Vec<&RawValue>, id: &str, holds: &str) -> Vec<ToolResult> {
    let mut results = Vec::new();
    for item in items.into_iter().rev() {
        let Some(item) = parse::<Object>(item) else {
            continue;
        };
        let (role, kind): (String, String) = (
            value(&item, "role").unwrap_or_default(),
            value(&item, "type").unwrap_or_default(),
        );
        if role == "assistant" || kind.ends_with("_call") || kind == "reasoning" {
            break;
        }
        if role == "tool" || kind.ends_with("_output") {
            let content = item.get(holds).map_or("", |content| content.get());
            results.push(ToolResult {
                tool_use: value(&item, id).unwrap_or_default(),
                sha256: Hash(Sha256::digest(content.as_bytes()).into()),
                is_error: false,
            });
        }
    }
    results.reverse();
    results.truncate(MOST_RESULTS);
    results
}

fn in_newest_message(object: &Object) -> Vec<ToolResult> {
    let newest = messages(object).into_iter().rev().find_map(|message| {
        let message: Object = parse(message)?;
        (value::<String>(&message, "role")? == "user").then_some(message)
    });
    let blocks: Vec<&RawValue> = newest
        .and_then(|message| parse(message.get("content")?))
        .unwrap_or_default();
    blocks
        .into_iter()
        .filter_map(tool_result)
        .take(MOST_RESULTS)
        .collect()
}

/// Names of the tools that the conversation shows as used: whose results it may hold.
///
/// Wherever a request can say so: blocks of a message, its `tool_calls`, items of `input`.
pub(super) fn tools_used(body: &[u8]) -> Vec<String> {
    let object: Object = serde_json::from_slice(body).unwrap_or_default();
    let named = |of: &Object<'_>, key: &str| -> Vec<String> {
        let items = list(of, key).unwrap_or_default();
        items.into_iter().filter_map(tool_name).collect()
    };
    let mut tools = named(&object, "input");
    for message in messages(&object).into_iter().filter_map(parse::<Object>) {
        tools.extend(named(&message, "content"));
        tools.extend(named(&message, "tool_calls"));
        tools.extend(
            message
                .get("function_call")
                .and_then(|call| tool_name(call)),
        );
    }
    tools
}

/// The name in anything that has one, or whose function has: what is no use of a tool adds a
/// name that no rule asks for, or one too many.
fn tool_name(item: &RawValue) -> Option<String> {
    let item: Object = parse(item)?;
    let inner = ["function", "custom"]
        .into_iter()
        .find_map(|key| item.get(key));
    let name: String = match inner {
        Some(inner) => value(&parse(inner)?, "name"),
        None => value(&item, "name"),
    }?;
    // A tool that the provider calls itself, in the form that clients give theirs.
    let server: Option<String> =
        value(&item, "server_name").or_else(|| value(&item, "server_label"));
    Some(server.map_or_else(|| name.clone(), |server| format!("mcp__{server}__{name}")))
}

fn tool_result(block: &RawValue) -> Option<ToolResult> {
    let block: Object = parse(block)?;
    if value::<String>(&block, "type")? != "tool_result" {
        return None;
    }
    let content = block.get("content").map_or("", |content| content.get());
    Some(ToolResult {
        tool_use: value(&block, "tool_use_id").unwrap_or_default(),
        sha256: Hash(Sha256::digest(content.as_bytes()).into()),
        is_error: value(&block, "is_error").unwrap_or(false),
    })
}

fn messages<'a>(object: &Object<'a>) -> Vec<&'a RawValue> {
    list(object, "messages").unwrap_or_default()
}

fn list<'a>(object: &Object<'a>, key: &str) -> Option<Vec<&'a RawValue>> {
    parse(object.get(key)?)
}

/// A list or an object. That a long text is none would be an error that spells the text out.
fn parse<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let json = raw.get();
    if json.starts_with('"') {
        return None;
    }
    serde_json::from_str(json).ok()
}

fn value<T: serde::de::DeserializeOwned>(object: &Object, key: &str) -> Option<T> {
    serde_json::from_str(object.get(key)?.get()).ok()
}
