//! Cutting prohibited values out of an answer before it is stored. The client has the answer
//! already, as it came: here it is kept from being kept.

use super::answer::Answer;
use crate::masking::{Masker, json};
use schemas::Name;
use schemas::kinds::traffic::RuleCount;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Fields of the protocol whose strings are ids, signatures and ciphertext: random by nature,
/// so they look like secrets and are none.
const OPAQUE: &[&str] = &[
    "id",
    "tool_use_id",
    "file_id",
    "type",
    "role",
    "model",
    "signature",
    "data",
    "encrypted_content",
    "encrypted_index",
    "encrypted_stdout",
    "request_id",
    "container",
    "call_id",
    "item_id",
    "previous_response_id",
    "system_fingerprint",
    "obfuscation",
    "partial_image_b64",
];

fn is_text(block: &Value) -> bool {
    let kind = block.get("type").and_then(Value::as_str);
    matches!(kind, Some("text" | "output_text")) && block.get("text").is_some_and(Value::is_string)
}

/// Longer ones label nothing: the first is no key, the second is prose.
const LONGEST_LABEL: usize = 64;
const LONGEST_LABELLED: usize = 600;

/// What was cut, by rule.
pub(super) struct Cuts<'a> {
    masker: &'a Masker,
    pub counts: BTreeMap<Name, u64>,
}

impl<'a> Cuts<'a> {
    pub fn new(masker: &'a Masker) -> Cuts<'a> {
        Cuts {
            masker,
            counts: BTreeMap::new(),
        }
    }

    pub fn answer(&mut self, answer: &mut Answer) {
        self.value(&mut answer.message);
        self.blocks(&mut answer.message);
        for other in &mut answer.others {
            self.value(other);
        }
        if !self.counts.is_empty() {
            let all = std::iter::once(&mut answer.message).chain(&mut answer.others);
            all.for_each(drop_tokens);
        }
    }

    /// Blocks of text that read on: a value may be split over them.
    fn blocks(&mut self, message: &mut Value) {
        if let Some(Value::Array(items)) = message.get_mut("output") {
            items.iter_mut().for_each(|item| self.blocks(item));
        }
        let Some(Value::Array(blocks)) = message.get_mut("content") else {
            return;
        };
        for run in blocks.chunk_by_mut(|a, b| is_text(a) && is_text(b)) {
            let texts = run.iter().filter_map(|block| block.get("text")?.as_str());
            let whole: String = texts.collect();
            // What each held by itself is cut already.
            let Some(mut left) = (run.len() > 1).then(|| self.text(&whole)).flatten() else {
                continue;
            };
            for block in run {
                block["text"] = Value::String(std::mem::take(&mut left));
            }
        }
    }

    /// The JSON text of a tool's arguments, or its plain text, without prohibited values.
    pub fn arguments(&mut self, text: &str) -> String {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) if !json::has_twin_keys(text.as_bytes()) => {
                let before = self.counts.clone();
                self.free("", &mut value);
                if self.counts == before {
                    text.to_owned()
                } else {
                    value.to_string()
                }
            }
            _ => self.text(text).unwrap_or_else(|| text.to_owned()),
        }
    }

    /// What is left of a text, if anything had to go.
    fn text(&mut self, text: &str) -> Option<String> {
        let (left, counts) = self.masker.cut(text);
        if counts.is_empty() {
            return None;
        }
        for RuleCount { rule, count } in counts {
            *self.counts.entry(rule).or_default() += count;
        }
        Some(left)
    }

    /// A value of the protocol. Recursion ends where serde_json's reader does: 128 levels.
    fn value(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(left) = self.text(text) {
                    *text = left;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match key.as_str() {
                        "input" | "arguments" => match value {
                            Value::String(text) => *text = self.arguments(text),
                            value => self.free("", value),
                        },
                        opaque if value.is_string() && OPAQUE.contains(&opaque) => {}
                        _ => self.value(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A value whose form the model chose: any key and any number may be one, and a value is
    /// often recognised by its key only, as in `"my_number": 123456789018`.
    fn free(&mut self, label: &str, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(left) = self.labelled(label, text) {
                    *text = left;
                }
            }
            Value::Number(number) => {
                if let Some(left) = self.labelled(label, &number.to_string()) {
                    *value = Value::String(left);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.free(label, value)),
            Value::Object(fields) => {
                let cut = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                    self.free(&key, &mut value);
                    (self.text(&key).unwrap_or(key), value)
                });
                *fields = cut.collect::<Map<_, _>>();
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// What is left of a value, read together with its key as it stands in a JSON text.
    fn labelled(&mut self, label: &str, value: &str) -> Option<String> {
        if label.is_empty() || label.len() > LONGEST_LABEL || value.len() > LONGEST_LABELLED {
            return self.text(value);
        }
        let lead = format!("\"{label}\": \"");
        let left = self.text(&format!("{lead}{value}\""))?;
        // Where the cut ran over the edges of the value, nothing of the value is kept.
        let inner = left
            .strip_prefix(&lead)
            .and_then(|rest| rest.strip_suffix('"'));
        Some(inner.unwrap_or_default().to_owned())
    }
}

/// Takes away what says a text once more, token by token.
fn drop_tokens(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(drop_tokens),
        Value::Object(fields) => {
            fields.remove("logprobs");
            fields.values_mut().for_each(drop_tokens);
        }
        _ => {}
    }
}
