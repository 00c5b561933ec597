//! The Messages API: events that grow one message's blocks.

use super::{Answer, Facts, ToolUse, owned};
use crate::masking::json;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Object<'a> = BTreeMap<String, &'a RawValue>;

pub(super) fn tools_in(body: &[u8]) -> Vec<ToolUse> {
    let object: Object = serde_json::from_slice(body).unwrap_or_default();
    let blocks: Vec<&RawValue> = object
        .get("content")
        .and_then(|content| serde_json::from_str(content.get()).ok())
        .unwrap_or_default();
    let tool = |block: &RawValue| {
        let block: Object = serde_json::from_str(block.get()).ok()?;
        let text = |key| serde_json::from_str::<String>(block.get(key)?.get()).ok();
        is_tool(&text("type")?).then_some(())?;
        Some(ToolUse {
            id: text("id").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            arguments: block
                .get("input")
                .map_or("", |input| input.get())
                .to_owned(),
        })
    };
    blocks.into_iter().filter_map(tool).collect()
}

/// `tool_use`, `server_tool_use`, `mcp_tool_use`, and the next one.
fn is_tool(kind: &str) -> bool {
    kind.ends_with("tool_use")
}

/// What a stream's events amount to; `answer` holds what was no event.
pub(super) fn assemble(events: Vec<Value>, answer: Answer) -> Answer {
    let mut assembly = Assembly {
        answer,
        ..Assembly::default()
    };
    for event in events {
        assembly.add(event);
    }
    assembly.finish()
}

/// Of a message, or of an answer that is only a count.
pub(super) fn facts(message: &Value) -> Facts {
    let usage = message.get("usage").unwrap_or(message);
    let tokens = |key: &str| usage.get(key)?.as_u64();
    Facts {
        model: owned(message, "model"),
        id: owned(message, "id"),
        stop_reason: owned(message, "stop_reason"),
        input_tokens: tokens("input_tokens"),
        output_tokens: tokens("output_tokens"),
        cache_read_tokens: tokens("cache_read_input_tokens"),
        cache_creation_tokens: tokens("cache_creation_input_tokens"),
    }
}

/// Parts of a streamed message on their way to being one.
#[derive(Default)]
struct Assembly {
    message: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    answer: Answer,
}

#[derive(Default)]
struct Block {
    start: Map<String, Value>,
    /// Text by the field that it grows, as `text` and `thinking`.
    grown: BTreeMap<String, String>,
    arguments: String,
    citations: Vec<Value>,
    /// What deltas of unknown kinds hold besides text.
    others: Vec<Value>,
    stopped: bool,
}

impl Assembly {
    fn add(&mut self, mut event: Value) {
        let index = event.get("index").and_then(Value::as_u64).unwrap_or(0);
        match event.get("type").and_then(Value::as_str) {
            Some("message_start") => {
                if let Some(Value::Object(message)) = event.get_mut("message").map(Value::take) {
                    let before = std::mem::replace(&mut self.message, message);
                    self.lay_aside(before);
                }
            }
            Some("content_block_start") => {
                let block = self.blocks.entry(index).or_default();
                if let Some(Value::Object(start)) = event.get_mut("content_block").map(Value::take)
                {
                    let before = std::mem::replace(&mut block.start, start);
                    self.lay_aside(before);
                }
            }
            Some("content_block_delta") => {
                let delta = event.get_mut("delta").map(Value::take).unwrap_or_default();
                self.blocks.entry(index).or_default().grow(delta);
            }
            Some("content_block_stop") => self.blocks.entry(index).or_default().stopped = true,
            Some("message_delta") => self.delta(event),
            Some("message_stop") => self.answer.stopped = true,
            Some("ping") => {}
            Some("error") => {
                self.answer.failed = true;
                self.answer.others.push(event);
            }
            _ => self.answer.others.push(event),
        }
    }

    /// What a later event says otherwise is kept, so that it is searched like all else.
    fn lay_aside(&mut self, before: Map<String, Value>) {
        if !before.is_empty() {
            self.answer.others.push(Value::Object(before));
        }
    }

    /// `delta` holds fields of the message, `usage` totals so far.
    fn delta(&mut self, mut event: Value) {
        if let Some(Value::Object(delta)) = event.get_mut("delta").map(Value::take) {
            for (field, value) in delta {
                if let Some(before @ Value::String(_)) = self.message.insert(field, value) {
                    self.answer.others.push(before);
                }
            }
        }
        if let Some(Value::Object(usage)) = event.get_mut("usage").map(Value::take) {
            match self.message.get_mut("usage") {
                Some(Value::Object(so_far)) => so_far.extend(usage),
                _ => {
                    self.message
                        .insert("usage".to_owned(), Value::Object(usage));
                }
            }
        }
    }

    fn finish(self) -> Answer {
        let Assembly {
            mut message,
            blocks,
            mut answer,
        } = self;
        let mut content = Vec::with_capacity(blocks.len());
        for block in blocks.into_values() {
            answer.tools.extend(block.tool());
            content.push(block.finish());
        }
        if !message.is_empty() || !content.is_empty() {
            message.insert("content".to_owned(), Value::Array(content));
            answer.message = Value::Object(message);
        }
        answer
    }
}

impl Block {
    fn grow(&mut self, mut delta: Value) {
        let kind = delta
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match kind {
            "input_json_delta" => {
                let part = delta.get("partial_json").and_then(Value::as_str);
                self.arguments.push_str(part.unwrap_or_default());
            }
            "citations_delta" => self
                .citations
                .extend(delta.get_mut("citation").map(Value::take)),
            _ => self.grow_fields(delta),
        }
    }

    /// `text_delta` holds more of `text`, `thinking_delta` of `thinking`, and the next kind of
    /// its own fields: a value may be split over any of them.
    fn grow_fields(&mut self, delta: Value) {
        let Value::Object(fields) = delta else {
            return self.others.push(delta);
        };
        for (field, value) in fields {
            match value {
                Value::String(_) if field == "type" => {}
                Value::String(part) => self.grown.entry(field).or_default().push_str(&part),
                Value::Null => {}
                other => self.others.push(serde_json::json!({ field: other })),
            }
        }
    }

    fn tool(&self) -> Option<ToolUse> {
        let text = |key| self.start.get(key).and_then(Value::as_str);
        (self.stopped && is_tool(text("type")?)).then_some(())?;
        let arguments = match self.arguments.as_str() {
            "" => self
                .start
                .get("input")
                .map(Value::to_string)
                .unwrap_or_default(),
            parts => parts.to_owned(),
        };
        let owned = |key| text(key).unwrap_or_default().to_owned();
        Some(ToolUse {
            id: owned("id"),
            name: owned("name"),
            arguments,
        })
    }

    fn finish(self) -> Value {
        let mut block = self.start;
        for (field, grown) in self.grown {
            let begun = block
                .get(&field)
                .and_then(Value::as_str)
                .unwrap_or_default();
            let whole = format!("{begun}{grown}");
            block.insert(field, Value::String(whole));
        }
        if !self.arguments.is_empty() {
            // A reader keeps one value of a key that stands twice; the text holds both.
            let input = match serde_json::from_str(&self.arguments) {
                Ok(input) if !json::has_twin_keys(self.arguments.as_bytes()) => input,
                _ => Value::String(self.arguments),
            };
            block.insert("input".to_owned(), input);
        }
        for (field, values) in [("citations", self.citations), ("deltas", self.others)] {
            if !values.is_empty() {
                block.insert(field.to_owned(), Value::Array(values));
            }
        }
        Value::Object(block)
    }
}
