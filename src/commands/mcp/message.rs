//! JSON-RPC 2.0 as MCP's stdio transport carries it: a message on each line.

use serde_json::{Value, json};
use std::io::{self, BufRead, Read};

/// A longer line is no message.
const MOST_BYTES: u64 = 64 << 20;

/// What a client sends.
pub enum Message {
    Call(Call),
    Other(Value),
    /// What is not passed on, and the answer to it.
    Unsound(Value),
}

/// A call of a tool that wants an answer. Holds what people wrote: no `Debug`.
#[derive(Clone)]
pub struct Call {
    pub id: Value,
    /// As the server is sent it.
    pub message: Value,
    tool: String,
    /// Ties what is told of this call together: clients use an id again.
    tool_use: String,
}

impl Message {
    /// Where a reader may see two things in a line, the server is sent what was seen here: all
    /// is written anew.
    pub fn of_client(line: &[u8]) -> Message {
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return Message::Unsound(error(&Value::Null, -32_700, "the line is no JSON"));
        };
        let is_call = |message: &Value| message["method"] == "tools/call";
        if let Value::Array(batch) = &message
            && batch.iter().any(is_call)
        {
            let why = "calls of tools are taken one by one, not in batches";
            let answers = batch.iter().filter(|message| !message["id"].is_null());
            let answers = answers.map(|message| error(&message["id"], -32_600, why));
            return Message::Unsound(answers.collect());
        }
        if !is_call(&message) {
            return Message::Other(message);
        }
        let id = message["id"].clone();
        let tool = message["params"]["name"].as_str().map(str::to_owned);
        let sound = id.is_string() || id.is_i64() || id.is_u64();
        match tool {
            Some(tool) if sound => match tool_use() {
                Some(tool_use) => Message::Call(Call {
                    id,
                    message,
                    tool,
                    tool_use,
                }),
                None => Message::Unsound(error(&id, -32_603, "the system gives no randomness")),
            },
            Some(_) => Message::Unsound(error(&Value::Null, -32_600, "a call needs an id")),
            None => Message::Unsound(error(&id, -32_602, "a call needs a tool's name")),
        }
    }
}

fn tool_use() -> Option<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(format!("mcpu_{}", hex::encode(random)))
}

impl Call {
    pub fn with(mut self, arguments: Value) -> Call {
        self.message["params"]["arguments"] = arguments;
        self
    }

    /// What daicho is told before it runs, as a client's hook tells it.
    pub fn told(&self, server: &str) -> Value {
        json!({
            "tool_name": format!("mcp__{server}__{}", self.tool),
            "tool_use_id": self.tool_use,
            "tool_input": self.message["params"]["arguments"],
        })
    }

    /// What daicho is told of how it ended, and in which event.
    pub fn told_with(&self, server: &str, answer: &Value) -> (&'static str, Value) {
        let mut told = self.told(server);
        let failed = answer["result"]["isError"] == true || !answer["error"].is_null();
        let (event, field, value) = match (failed, answer.get("error")) {
            (true, Some(error)) => ("PostToolUseFailure", "error", error),
            (true, None) => ("PostToolUseFailure", "tool_response", &answer["result"]),
            (false, _) => ("PostToolUse", "tool_response", &answer["result"]),
        };
        told[field] = value.clone();
        (event, told)
    }

    /// The result of a tool that could not do it: the model reads it, and can go on.
    pub fn failed(&self, reason: &str) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.id, "result": {
            "content": [{ "type": "text", "text": reason }], "isError": true,
        }})
    }

    pub fn unsound(&self, why: &str) -> Value {
        error(&self.id, -32_600, why)
    }
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The id of the call that a notification takes back.
pub fn takes_back(message: &Value) -> Option<&Value> {
    (message["method"] == "notifications/cancelled").then(|| &message["params"]["requestId"])
}

/// The id of what a message answers.
pub fn answers(message: &Value) -> Option<&Value> {
    message.get("method").is_none().then(|| message.get("id"))?
}

/// As Claude Code names servers, so that one rule holds for both.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.contains("__")
}

/// The next line that is not empty, without its end; `None` at the end of all.
pub fn next_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        if from.take(MOST_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() as u64 == MOST_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is longer than 64 MiB",
            ));
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> Value {
        match Message::of_client(line.as_bytes()) {
            Message::Unsound(answer) => answer,
            Message::Call(_) | Message::Other(_) => panic!("passed: {line}"),
        }
    }

    #[test]
    fn a_call_that_two_readers_may_see_differently_does_not_pass() {
        let call = r#"{"id":1,"method":"tools/call","params":{"name":"x"}}"#;
        assert!(matches!(
            Message::of_client(call.as_bytes()),
            Message::Call(_)
        ));
        let codes = |answer: &Value| answer["error"]["code"].clone();
        assert_eq!(codes(&answer("{")), -32_700);
        assert_eq!(
            codes(&answer(&call.replace("\"id\":1", "\"id\":{}"))),
            -32_600
        );
        assert_eq!(codes(&answer(&call.replace("\"id\":1,", ""))), -32_600);
        assert_eq!(codes(&answer(&call.replace("\"x\"", "3"))), -32_602);
        let batch = answer(&format!("[{call},{{\"id\":2,\"method\":\"ping\"}}]"));
        assert_eq!(batch.as_array().map(Vec::len), Some(2));
        let twin = call.replace("\"params\"", "\"method\":\"ping\",\"params\"");
        match Message::of_client(twin.as_bytes()) {
            Message::Other(sent) => assert_eq!(sent.to_string().matches("method").count(), 1),
            Message::Call(_) | Message::Unsound(_) => panic!("a ping"),
        }
    }

    #[test]
    fn only_what_answers_a_call_ends_it() {
        assert_eq!(answers(&json!({ "id": 1, "result": {} })), Some(&json!(1)));
        assert_eq!(answers(&json!({ "id": 1, "method": "ping" })), None);
        assert_eq!(
            answers(&json!({ "method": "notifications/progress" })),
            None
        );
    }
}
