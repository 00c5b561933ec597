//! A provider's answer, read for the record: the message that its bytes amount to.

mod anthropic;
mod chat;
mod responses;

use super::sse;
use crate::masking::Dialect;
use serde_json::Value;

/// What the bytes of an answer say. Built from whole and from broken ones alike.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    /// The message, or whatever JSON came in its place, or the text that is no JSON.
    pub message: Value,
    /// Events of a stream that are not parts of the message: errors and unknown ones.
    pub others: Vec<Value>,
    /// The model asked for these, to the end of their arguments.
    pub tools: Vec<ToolUse>,
    pub facts: Facts,
    /// A stream said that it was finished.
    pub stopped: bool,
    /// It said that it failed, after its head had said that all is well.
    pub failed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolUse {
    pub id: String,
    pub name: String,
    /// The exact JSON text, as it came.
    pub arguments: String,
}

/// What the provider says of its answer, in one set of words for all providers. Tokens are
/// counted apart: those read from a cache are not among those of the input.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub model: Option<String>,
    pub id: Option<String>,
    pub stop_reason: Option<String>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_tokens: Option<u64>,
    pub cache_creation_tokens: Option<u64>,
}

impl Answer {
    pub fn from_body(body: &[u8], dialect: Dialect) -> Answer {
        let mut answer = Answer::default();
        let Ok(message) = serde_json::from_slice(body) else {
            let text = || Value::String(String::from_utf8_lossy(body).into_owned());
            answer.message = lines(body).unwrap_or_else(text);
            return answer;
        };
        answer.message = message;
        match dialect {
            Dialect::Anthropic => answer.tools = anthropic::tools_in(body),
            Dialect::OpenAiChat => answer.tools = chat::tools_in(&answer.message, true),
            Dialect::OpenAiResponses => {
                answer.tools = responses::tools_in(&answer.message);
                answer.failed = responses::says_failed(&answer.message);
            }
        }
        answer.with_facts(dialect)
    }

    pub fn from_stream(stream: &[u8], dialect: Dialect) -> Answer {
        let mut answer = Answer::default();
        let sse::Events {
            events,
            asides,
            tail,
        } = sse::events(stream);
        let mut said = Vec::with_capacity(events.len());
        for data in events {
            match serde_json::from_slice::<Value>(&data) {
                Ok(event) => said.push(event),
                Err(_) if data == DONE && dialect != Dialect::Anthropic => answer.stopped = true,
                Err(_) => answer.keep(&data),
            }
        }
        for rest in [asides.as_slice(), tail] {
            if !rest.is_empty() {
                answer.keep(rest);
            }
        }
        let answer = match dialect {
            Dialect::Anthropic => anthropic::assemble(said, answer),
            Dialect::OpenAiChat => chat::assemble(said, answer),
            Dialect::OpenAiResponses => responses::assemble(said, answer),
        };
        answer.with_facts(dialect)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.others
            .push(Value::String(String::from_utf8_lossy(bytes).into_owned()));
    }

    fn with_facts(self, dialect: Dialect) -> Answer {
        let facts = match dialect {
            Dialect::Anthropic => anthropic::facts(&self.message),
            Dialect::OpenAiChat => chat::facts(&self.message),
            Dialect::OpenAiResponses => responses::facts(&self.message),
        };
        Answer { facts, ..self }
    }
}

/// The objects of a text that has one on each line, as the results of a batch.
fn lines(body: &[u8]) -> Option<Value> {
    let objects = body.split(|byte| *byte == b'\n');
    let objects = objects.filter(|line| !line.trim_ascii().is_empty());
    let objects = objects.map(|line| serde_json::from_slice(line).ok().filter(Value::is_object));
    let objects = objects.collect::<Option<Vec<_>>>()?;
    (!objects.is_empty()).then_some(Value::Array(objects))
}

/// The last event of OpenAI's streams, which is no JSON.
const DONE: &[u8] = b"[DONE]";

fn owned(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

/// OpenAI's counts: of a total, this part is counted apart.
fn without(total: Option<u64>, part: Option<u64>) -> Option<u64> {
    Some(total?.saturating_sub(part.unwrap_or(0)))
}
