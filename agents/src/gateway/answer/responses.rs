//! The Responses API: a stream says everything several times (in deltas, in whole parts, in
//! whole items, in the whole response); what is said once more is kept once.

use super::{Answer, Facts, ToolUse, owned, without};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};

/// What a stream's events amount to; `answer` holds what was no event.
pub(super) fn assemble(events: Vec<Value>, answer: Answer) -> Answer {
    let mut assembly = Assembly {
        answer,
        ..Assembly::default()
    };
    // `[DONE]` ends no stream here: some servers add it, and some cut a response before it.
    assembly.answer.stopped = false;
    for event in events {
        assembly.add(event);
    }
    assembly.finish()
}

#[derive(Default)]
struct Assembly {
    answer: Answer,
    /// The newest response that an event held.
    response: Value,
    /// Items that were done, by their place in the output.
    items: BTreeMap<u64, Value>,
    /// Text by what it grows.
    grown: BTreeMap<String, String>,
    /// Whatever else was said.
    asides: Vec<Value>,
}

impl Assembly {
    fn add(&mut self, mut event: Value) {
        let kind = owned(&event, "type").unwrap_or_default();
        if let Some(response) = event.get_mut("response").map(Value::take) {
            let before = std::mem::replace(&mut self.response, response);
            self.asides.push(before);
        }
        match kind.as_str() {
            "response.completed" | "response.incomplete" => self.answer.stopped = true,
            "response.failed" | "response.cancelled" => self.answer.failed = true,
            "response.output_item.done" => {
                let index = event.get("output_index").and_then(Value::as_u64);
                let item = event.get_mut("item").map(Value::take).unwrap_or_default();
                let before = self.items.insert(index.unwrap_or(0), item);
                self.asides.extend(before);
            }
            "error" => {
                self.answer.failed = true;
                self.answer.others.push(event.take());
            }
            _ => {}
        }
        if let Some(Value::String(part)) = event.get_mut("delta").map(Value::take) {
            let place = |key: &str| event.get(key).map(Value::to_string).unwrap_or_default();
            let grows = [
                "output_index",
                "item_id",
                "content_index",
                "summary_index",
                "type",
            ];
            let grown = self.grown.entry(grows.map(place).join(" ")).or_default();
            grown.push_str(&part);
        }
        self.asides.push(event);
    }

    fn finish(self) -> Answer {
        let Assembly {
            mut answer,
            mut response,
            items,
            grown,
            mut asides,
        } = self;
        let whole = answer.stopped || answer.failed;
        if whole && response.is_object() {
            asides.extend(items.into_values());
        } else if !items.is_empty() {
            let items: Vec<Value> = items.into_values().collect();
            match response.as_object_mut() {
                Some(fields) => drop(fields.insert("output".to_owned(), Value::Array(items))),
                None => response = json!({ "output": items }),
            }
        }
        let mut known = HashSet::new();
        strings(&response, &mut known);
        let deltas = grown.into_values().map(Value::String);
        let new: Vec<Value> = deltas
            .chain(asides)
            .filter_map(|said| new_in(said, &known))
            .collect();
        drop(known);
        answer.others.extend(new);
        answer.tools = tools_in(&response);
        answer.message = response;
        answer
    }
}

fn strings<'a>(value: &'a Value, found: &mut HashSet<&'a str>) {
    match value {
        Value::String(text) => drop(found.insert(text)),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

/// What a value says that is not known: its other strings, where they stand.
fn new_in(value: Value, known: &HashSet<&str>) -> Option<Value> {
    match value {
        Value::String(text) => {
            (!text.is_empty() && !known.contains(text.as_str())).then_some(Value::String(text))
        }
        Value::Array(values) => {
            let new: Vec<_> = values
                .into_iter()
                .filter_map(|v| new_in(v, known))
                .collect();
            (!new.is_empty()).then_some(Value::Array(new))
        }
        Value::Object(fields) => {
            let said = |(field, _): &(String, Value)| {
                !["type", "status", "obfuscation", "logprobs"].contains(&field.as_str())
            };
            let new = |(field, value)| Some((field, new_in(value, known)?));
            let new: Map<String, Value> = fields.into_iter().filter(said).filter_map(new).collect();
            (!new.is_empty()).then_some(Value::Object(new))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

pub(super) fn says_failed(response: &Value) -> bool {
    let status = response.get("status").and_then(Value::as_str);
    matches!(status, Some("failed" | "cancelled"))
}

/// Items of the output that ask for a tool: of the caller's, or of the provider's own.
pub(super) fn tools_in(response: &Value) -> Vec<ToolUse> {
    let items = response.get("output").and_then(Value::as_array);
    let tool = |item: &Value| {
        let own = item.get("type")?.as_str()?.strip_suffix("_call")?;
        let name = owned(item, "name").unwrap_or_else(|| own.to_owned());
        let id = owned(item, "call_id").or_else(|| owned(item, "id"));
        let arguments = ARGUMENTS.iter().find_map(|key| item.get(*key));
        Some(ToolUse {
            id: id.unwrap_or_default(),
            name: match owned(item, "server_label") {
                Some(server) => format!("mcp__{server}__{name}"),
                None => name,
            },
            arguments: match arguments {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
        })
    };
    items.into_iter().flatten().filter_map(tool).collect()
}

/// Where an item says what its tool is to do.
const ARGUMENTS: &[&str] = &[
    "arguments",
    "input",
    "action",
    "actions",
    "operation",
    "code",
    "queries",
];

pub(super) fn facts(response: &Value) -> Facts {
    let usage = response.get("usage");
    let tokens = |key: &str| usage?.get(key)?.as_u64();
    let cached = usage
        .and_then(|usage| usage.get("input_tokens_details")?.get("cached_tokens"))
        .and_then(Value::as_u64);
    let why = response
        .get("incomplete_details")
        .and_then(|details| owned(details, "reason"));
    Facts {
        model: owned(response, "model"),
        id: owned(response, "id"),
        stop_reason: why.or_else(|| owned(response, "status")),
        input_tokens: without(tokens("input_tokens"), cached),
        output_tokens: tokens("output_tokens"),
        cache_read_tokens: cached,
        cache_creation_tokens: None,
    }
}
