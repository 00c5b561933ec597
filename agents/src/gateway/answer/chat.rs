//! Chat Completions: chunks whose deltas grow one message for each choice.

use super::{Answer, Facts, ToolUse, owned, without};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Strings that are set, not grown.
const FIXED: &[&str] = &["type", "role", "id"];

/// Random characters that hide the length of a chunk.
const NOISE: &str = "obfuscation";

/// What a stream's chunks amount to; `answer` holds what was no chunk.
pub(super) fn assemble(chunks: Vec<Value>, mut answer: Answer) -> Answer {
    let mut message = Map::new();
    let mut choices: BTreeMap<u64, Value> = BTreeMap::new();
    for chunk in chunks {
        let Value::Object(fields) = chunk else {
            answer.others.push(chunk);
            continue;
        };
        if fields.contains_key("error") {
            answer.failed = true;
            answer.others.push(Value::Object(fields));
            continue;
        }
        for (field, value) in fields {
            match (field.as_str(), value) {
                ("choices", Value::Array(parts)) => {
                    for part in parts {
                        add(&mut choices, part, &mut answer.others);
                    }
                }
                (NOISE, _) => {}
                (_, value) => put(&mut message, field, value, &mut answer.others),
            }
        }
    }
    if !message.is_empty() || !choices.is_empty() {
        let choices = choices.into_values().collect();
        message.insert("choices".to_owned(), Value::Array(choices));
        answer.message = Value::Object(message);
        answer.tools = tools_in(&answer.message, answer.stopped);
    }
    answer
}

/// One chunk's part of a choice; its `delta` grows the choice's `message`.
fn add(choices: &mut BTreeMap<u64, Value>, part: Value, others: &mut Vec<Value>) {
    let Value::Object(part) = part else {
        return others.push(part);
    };
    let index = part.get("index").and_then(Value::as_u64).unwrap_or(0);
    let empty = || Value::Object(Map::new());
    let Value::Object(choice) = choices.entry(index).or_insert_with(empty) else {
        return;
    };
    for (field, value) in part {
        match (field.as_str(), value) {
            ("delta", delta) => {
                let message = choice.entry("message").or_insert_with(empty);
                grow(message, delta);
            }
            ("logprobs", value) => grow(choice.entry("logprobs").or_insert(Value::Null), value),
            (_, value) => put(choice, field, value, others),
        }
    }
}

/// A later value takes the place of an earlier one, which is kept aside if it said otherwise.
fn put(fields: &mut Map<String, Value>, field: String, value: Value, others: &mut Vec<Value>) {
    if value.is_null() && fields.contains_key(&field) {
        return;
    }
    let differs = |before: &Value| !before.is_null() && !before.is_number() && *before != value;
    if let Some(before) = fields.get(&field).filter(|before| differs(before)) {
        others.push(serde_json::json!({ field.as_str(): before }));
    }
    fields.insert(field, value);
}

/// Strings grow, lists of things with an `index` grow by it, other lists get longer.
fn grow(into: &mut Value, more: Value) {
    match (into, more) {
        (_, Value::Null) => {}
        (Value::Object(into), Value::Object(more)) => {
            for (field, value) in more {
                match into.get_mut(&field) {
                    Some(there) if FIXED.contains(&field.as_str()) && *there == value => {}
                    Some(there) => grow(there, value),
                    None => {
                        // A list may hold several parts of one thing already.
                        let mut fresh = match value {
                            Value::Array(_) => Value::Array(Vec::new()),
                            _ => Value::Null,
                        };
                        grow(&mut fresh, value);
                        into.insert(field, fresh);
                    }
                }
            }
        }
        (Value::Array(into), Value::Array(more)) => {
            for item in more {
                let index = item.get("index").and_then(Value::as_u64);
                let same = |there: &&mut Value| {
                    index.is_some() && there.get("index").and_then(Value::as_u64) == index
                };
                match into.iter_mut().find(same) {
                    Some(there) => grow(there, item),
                    None => into.push(item),
                }
            }
        }
        (Value::String(into), Value::String(more)) => into.push_str(&more),
        (into, more) => *into = more,
    }
}

/// The tools that a completion asks for: of each choice that is finished, or of all where the
/// `whole` is.
pub(super) fn tools_in(completion: &Value, whole: bool) -> Vec<ToolUse> {
    let choices = completion.get("choices").and_then(Value::as_array);
    let finished =
        |choice: &&Value| whole || choice.get("finish_reason").is_some_and(Value::is_string);
    let messages = choices
        .into_iter()
        .flatten()
        .filter(finished)
        .filter_map(|choice| choice.get("message"));
    messages.flat_map(calls).collect()
}

fn calls(message: &Value) -> Vec<ToolUse> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let tool = |call: &Value| {
        let (inner, arguments) = match call.get("custom") {
            Some(custom) => (custom, "input"),
            None => (call.get("function")?, "arguments"),
        };
        Some(ToolUse {
            id: owned(call, "id").unwrap_or_default(),
            name: owned(inner, "name").unwrap_or_default(),
            arguments: owned(inner, arguments).unwrap_or_default(),
        })
    };
    // Of before there were several tools to call at once: it has no id.
    let one = message.get("function_call").filter(|call| call.is_object());
    let one = one.map(|call| ToolUse {
        id: String::new(),
        name: owned(call, "name").unwrap_or_default(),
        arguments: owned(call, "arguments").unwrap_or_default(),
    });
    let calls = calls.into_iter().flatten().filter_map(tool);
    calls.chain(one).collect()
}

pub(super) fn facts(completion: &Value) -> Facts {
    let first = completion.get("choices").and_then(|choices| choices.get(0));
    let usage = completion.get("usage");
    let tokens = |key: &str| usage?.get(key)?.as_u64();
    let cached = usage
        .and_then(|usage| usage.get("prompt_tokens_details")?.get("cached_tokens"))
        .and_then(Value::as_u64);
    Facts {
        model: owned(completion, "model"),
        id: owned(completion, "id"),
        stop_reason: first.and_then(|choice| owned(choice, "finish_reason")),
        input_tokens: without(tokens("prompt_tokens"), cached),
        output_tokens: tokens("completion_tokens"),
        cache_read_tokens: cached,
        cache_creation_tokens: None,
    }
}
