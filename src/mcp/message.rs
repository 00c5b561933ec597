//! JSON-RPC 2.0 as MCP speaks it. A message on standard input or output is a line.

use serde_json::{Value, json};
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// A longer message is none.
pub const MOST_BYTES: u64 = 64 << 20;

/// Of the errors that JSON-RPC leaves to its servers.
pub const SERVER_ERROR: i32 = -32_000;

/// Requests that are to rules and records like calls of a tool of this name: they carry what somebody
/// wrote to the server, or bring what it holds.
const LIKE_CALLS: [(&str, &str); 4] = [
    ("resources/read", "resources_read"),
    ("resources/subscribe", "resources_subscribe"),
    ("prompts/get", "prompts_get"),
    ("completion/complete", "completion_complete"),
];

/// What a server asks its client, where the answer is like a call: it carries what a person typed, or what
/// a model wrote.
const ANSWERED_LIKE_CALLS: [(&str, &str); 2] = [
    ("elicitation/create", "elicitation_answer"),
    ("sampling/createMessage", "sampling_answer"),
];

/// What a client sends.
pub enum Message {
    Call(Call),
    Other(Value),
    /// What is not passed on, and the answer to it.
    Unsound(Value),
}

/// A call of a tool, or what is like one, that wants an answer. Holds what people wrote: no `Debug`.
#[derive(Clone)]
pub struct Call {
    pub id: Value,
    /// As the server is sent it.
    pub message: Value,
    tool: String,
    arguments: Arguments,
    /// Ties what is told of this call together: clients use an id again.
    tool_use: String,
}

/// Where a call has its arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    /// Beside the tool's name.
    OfTool,
    /// All that this member holds: of what is only like a call.
    Params,
    Result,
    Error,
}

impl Arguments {
    fn member(self) -> Option<&'static str> {
        match self {
            Arguments::OfTool => None,
            Arguments::Params => Some("params"),
            Arguments::Result => Some("result"),
            Arguments::Error => Some("error"),
        }
    }
}

impl Message {
    /// Where a reader may see two things in a text, the server is sent what was seen here: all
    /// is written anew.
    pub fn of_client(text: &[u8]) -> Message {
        let Ok(message) = serde_json::from_slice::<Value>(text) else {
            return Message::Unsound(error(&Value::Null, -32_700, "the message is no JSON"));
        };
        let is_call =
            |message: &Value| message["method"] == "tools/call" || like_a_call(message).is_some();
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
        let like = like_a_call(&message);
        let tool = like.or_else(|| message["params"]["name"].as_str());
        let arguments = match like {
            Some(_) => Arguments::Params,
            None => Arguments::OfTool,
        };
        let tool = tool.map(str::to_owned);
        let sound = id.is_string() || id.is_i64() || id.is_u64();
        match tool {
            Some(tool) if sound => match tool_use() {
                Some(tool_use) => Message::Call(Call {
                    id,
                    message,
                    tool,
                    arguments,
                    tool_use,
                }),
                None => Message::Unsound(error(&id, -32_603, "the system gives no randomness")),
            },
            Some(_) => Message::Unsound(error(&Value::Null, -32_600, "a call needs an id")),
            None => Message::Unsound(error(&id, -32_602, "a call needs a tool's name")),
        }
    }
}

impl Message {
    fn whole(&self) -> &Value {
        match self {
            Message::Call(call) => &call.message,
            Message::Other(message) | Message::Unsound(message) => message,
        }
    }

    /// The id under which it wants an answer.
    pub fn asks(&self) -> Option<&Value> {
        asks(self.whole())
    }

    pub fn method(&self) -> Option<&str> {
        self.whole()["method"].as_str()
    }

    /// What reports of its progress are to be marked with.
    pub fn progress(&self) -> Option<&Value> {
        self.whole()
            .get("params")?
            .get("_meta")?
            .get("progressToken")
    }

    /// The id of the request that it takes back.
    pub fn takes_back(&self) -> Option<&Value> {
        takes_back(self.whole())
    }

    pub fn is_batch(&self) -> bool {
        self.whole().is_array()
    }
}

fn like_a_call(message: &Value) -> Option<&'static str> {
    tool_of(&LIKE_CALLS, message)
}

/// What the answer to a server's question is to rules and records: a call of this tool, if any.
pub fn answered_like(question: &Value) -> Option<&'static str> {
    tool_of(&ANSWERED_LIKE_CALLS, question)
}

fn tool_of(like: &[(&str, &'static str)], message: &Value) -> Option<&'static str> {
    let method = message["method"].as_str()?;
    let found = like.iter().find(|(one, _)| *one == method);
    found.map(|(_, tool)| *tool)
}

fn tool_use() -> Option<String> {
    Some(format!("mcpu_{}", random()?))
}

/// A fresh session's own name.
pub fn session() -> Option<String> {
    Some(format!("mcp-{}", random()?))
}

/// `None` where the system gives no randomness.
fn random() -> Option<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(hex::encode(random))
}

impl Call {
    /// The answer to what a server asked, if it is like a call. `None` where the system gives no randomness.
    pub fn answering(tool: &'static str, message: Value) -> Option<Call> {
        let arguments = match message.get("error") {
            Some(_) => Arguments::Error,
            None => Arguments::Result,
        };
        // Nothing beside what was looked at.
        let (id, member) = (message["id"].clone(), arguments.member()?);
        Some(Call {
            message: json!({ "jsonrpc": "2.0", "id": id, member: message[member] }),
            id,
            tool: tool.to_owned(),
            arguments,
            tool_use: tool_use()?,
        })
    }

    pub fn with(mut self, mut arguments: Value) -> Call {
        match self.arguments.member() {
            None => self.message["params"]["arguments"] = arguments,
            Some(member) => {
                let all = &mut self.message[member];
                if let Some(meta) = all.get_mut("_meta") {
                    arguments["_meta"] = meta.take();
                }
                *all = arguments;
            }
        }
        self
    }

    fn arguments(&self) -> Value {
        let Some(member) = self.arguments.member() else {
            return self.message["params"]["arguments"].clone();
        };
        let mut arguments = self.message[member].clone();
        // Of the transport: what is granted for the same again must not differ by it.
        if let Some(fields) = arguments.as_object_mut() {
            fields.remove("_meta");
        }
        arguments
    }

    /// The tool's name, as the server has it.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// What daicho is told before it runs, as a client's hook tells it.
    pub fn told(&self, server: &str) -> Value {
        json!({
            "tool_name": format!("mcp__{server}__{}", self.tool),
            "tool_use_id": self.tool_use,
            "tool_input": self.arguments(),
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
        self.result(reason, true)
    }

    /// A result of one text.
    pub fn done(&self, text: &str) -> Value {
        self.result(text, false)
    }

    fn result(&self, text: &str, failed: bool) -> Value {
        if self.arguments != Arguments::OfTool {
            // Its result has no place for that.
            return error(&self.id, SERVER_ERROR, text);
        }
        json!({ "jsonrpc": "2.0", "id": self.id, "result": {
            "content": [{ "type": "text", "text": text }], "isError": failed,
        }})
    }

    /// The same call, answered under another id.
    pub fn under(mut self, id: &Value) -> Call {
        self.id = id.clone();
        self
    }

    /// Is a promise enough for now?
    pub fn wants_task(&self) -> bool {
        self.message["params"]["task"].is_object()
    }

    /// Are both one use of a tool?
    pub fn is(&self, other: &Call) -> bool {
        self.tool_use == other.tool_use
    }

    /// Not even looked at.
    pub fn refused(&self, why: &str) -> Value {
        error(&self.id, SERVER_ERROR, why)
    }
}

pub fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The id of the call that a notification takes back.
pub fn takes_back(message: &Value) -> Option<&Value> {
    (message["method"] == "notifications/cancelled").then(|| &message["params"]["requestId"])
}

/// Says what is to be done, and is not also the outcome of something: a reader who takes it for
/// an answer must not find one in it.
fn is_call(message: &Value) -> bool {
    let outcome = message.get("result").or(message.get("error"));
    message["method"].is_string() && outcome.is_none()
}

/// The id of what a message answers.
pub fn answers(message: &Value) -> Option<&Value> {
    (!is_call(message)).then(|| message.get("id"))?
}

/// The id under which a message wants an answer.
pub fn asks(message: &Value) -> Option<&Value> {
    is_call(message).then_some(())?;
    message.get("id").filter(|id| !id.is_null())
}

/// The task that an answer promises, if it holds nothing else (2025-11-25, tasks).
pub fn promises_task(answer: &Value) -> Option<&str> {
    let result = answer["result"].as_object()?;
    let alone = result.keys().all(|key| key == "task" || key == "_meta");
    let task = result.get("task").filter(|_| alone)?;
    task["taskId"].as_str()
}

/// The task whose result a request asks for.
pub fn asks_for_task(message: &Value) -> Option<&str> {
    let asks = message["method"] == "tasks/result";
    let task = asks.then(|| &message["params"]["taskId"])?;
    task.as_str()
}

/// A message, or all that a batch holds.
pub fn each(message: &Value) -> &[Value] {
    match message {
        Value::Array(batch) => batch,
        one => std::slice::from_ref(one),
    }
}

/// As Claude Code names servers, so that one rule holds for both.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(plain) && !name.contains("__")
}

/// The next line that is not empty, without its end; `None` at the end of all.
pub async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        if from.take(MOST_BYTES).read_until(b'\n', &mut line).await? == 0 {
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
    fn what_is_like_a_call_is_told_as_one_and_answered_in_its_own_form() {
        let read = |params: Value| {
            let message = json!({ "id": 1, "method": "resources/read", "params": params });
            match Message::of_client(message.to_string().as_bytes()) {
                Message::Call(call) => call,
                Message::Other(_) | Message::Unsound(_) => panic!("passed unseen"),
            }
        };
        let call = read(json!({ "uri": "file:///a", "_meta": { "progressToken": 7 } }));
        let told = call.told("files");
        assert_eq!(told["tool_name"], "mcp__files__resources_read");
        assert_eq!(told["tool_input"], json!({ "uri": "file:///a" }));
        assert_eq!(call.failed("no")["error"]["message"], "no");
        let masked = call.with(json!({ "uri": "file:///b" }));
        let sent = json!({ "uri": "file:///b", "_meta": { "progressToken": 7 } });
        assert_eq!(masked.message["params"], sent);
        let batch = r#"[{"id":1,"method":"prompts/get","params":{"name":"x"}}]"#;
        assert_eq!(answer(batch)[0]["error"]["code"], -32_600);
        // A prompt's name is no tool's.
        let prompt = r#"{"id":1,"method":"prompts/get","params":{"name":"x","arguments":{}}}"#;
        match Message::of_client(prompt.as_bytes()) {
            Message::Call(call) => assert_eq!(call.tool(), "prompts_get"),
            Message::Other(_) | Message::Unsound(_) => panic!("passed unseen"),
        }
    }

    #[test]
    fn an_answer_to_a_question_holds_nothing_beside_what_is_looked_at() {
        let both = json!({ "id": "q", "error": { "message": "a" }, "result": "b", "more": "c" });
        let call = Call::answering("sampling_answer", both).unwrap();
        assert_eq!(call.told("s")["tool_input"], json!({ "message": "a" }));
        let sent = json!({ "jsonrpc": "2.0", "id": "q", "error": { "message": "z" } });
        assert_eq!(call.with(json!({ "message": "z" })).message, sent);
    }

    #[test]
    fn an_answer_that_holds_more_than_a_task_is_a_result() {
        let task = json!({ "result": { "task": { "taskId": "t" }, "_meta": {} } });
        assert_eq!(promises_task(&task), Some("t"));
        let more = json!({ "result": { "task": { "taskId": "t" }, "content": [] } });
        assert_eq!(promises_task(&more), None);
        let asked = json!({ "id": 1, "method": "tasks/result", "params": { "taskId": "t" } });
        assert_eq!(asks_for_task(&asked), Some("t"));
    }

    #[test]
    fn only_what_answers_a_call_ends_it() {
        assert_eq!(answers(&json!({ "id": 1, "result": {} })), Some(&json!(1)));
        assert_eq!(answers(&json!({ "id": 1, "method": "ping" })), None);
        for both in [
            json!({ "id": 1, "method": null, "result": {} }),
            json!({ "id": 1, "method": "ping", "error": {} }),
        ] {
            assert_eq!(answers(&both), Some(&json!(1)));
            assert_eq!(asks(&both), None);
        }
        assert_eq!(
            answers(&json!({ "method": "notifications/progress" })),
            None
        );
    }
}
