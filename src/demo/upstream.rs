//! A provider that follows a script: what the demo talks to, and what tests look behind.
//!
//! It answers as the Messages API does, and as OpenAI's APIs do ([`openai`]); the word at the
//! end of the model's name chooses how:
//!
//! | model ends with | answer |
//! |---|---|
//! | anything else | text that repeats the end of the last user message, and `end_turn` |
//! | `tool` | a `tool_use` of `get_weather`; text once a `tool_result` has come |
//! | `thinking` | a thinking block with its signature, a redacted one, and text |
//! | `secret` | text that holds a provider key, split over two deltas |
//! | `400`, `401`, `429`, `500`, `529` | that error, with `request-id` and `retry-after` |
//! | `fails` | a stream that says `overloaded_error` after its first delta |
//! | `break` | a body that breaks off in the middle |
//! | `hang` | a stream that begins and never goes on, until the client leaves |
//! | `silent` | no head at all, until the client leaves |
//! | `redirect` | 307 to elsewhere |
//! | `gzip`, `deflate` | the usual answer, compressed although nobody asked for that |
//! | `br` | an answer in a coding that only its name says |
//!
//! A stream if `"stream": true`, else one JSON message.

mod openai;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use flate2::Compression;
use flate2::bufread::{GzEncoder, ZlibEncoder};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the provider received, byte for byte.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "the demo shows bodies; tests look at all of it")]
pub struct Received {
    pub method: Method,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Watch = Box<dyn Fn(&Received) + Send + Sync>;

/// The script's memory.
#[derive(Default)]
pub struct Scripted {
    received: Mutex<Vec<Received>>,
    answered: AtomicUsize,
    left: Arc<AtomicUsize>,
    watch: Option<Watch>,
}

/// Requests that are remembered; a demo may run for days.
const REMEMBERED: usize = 1_000;

/// A key that opens nothing, in the form that real ones have.
pub const SECRET: &str =
    "sk-ant-api03-Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0Fg_Ae2Ko7Wi4Ql9Xz1Cv6Bn3Mt8Sy5Du0EhAA-pQ7rT2vK9aAA";

impl Scripted {
    #[cfg(test)]
    /// Calls `watch` when a request has arrived, before it is answered.
    pub fn watched(watch: impl Fn(&Received) + Send + Sync + 'static) -> Scripted {
        Scripted {
            watch: Some(Box::new(watch)),
            ..Scripted::default()
        }
    }

    /// Everything received so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[cfg(test)]
    /// Streams that their client left before the end.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    fn remember(&self, received: Received) {
        if let Some(watch) = &self.watch {
            watch(&received);
        }
        let mut all = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == REMEMBERED {
            all.remove(0);
        }
        all.push(received);
    }
}

pub fn routes(scripted: Arc<Scripted>) -> Router {
    Router::new()
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/v1/models", get(models))
        .route("/v1/listed/{path}", any(listed))
        .merge(openai::routes())
        .with_state(scripted)
}

async fn receive(scripted: &Scripted, request: Request) -> Value {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20)
        .await
        .unwrap_or_default();
    let value = serde_json::from_slice(&body).unwrap_or_default();
    let path_and_query = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    scripted.remember(Received {
        method: parts.method,
        path_and_query,
        headers: parts.headers,
        body,
    });
    value
}

async fn count_tokens(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    let body = receive(&scripted, request).await;
    if let Some(error) = error(&body) {
        return error;
    }
    Json(json!({ "input_tokens": tokens(&body) })).into_response()
}

/// A path that only an operator knows of: its answers are lines, as the results of a batch.
async fn listed(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    let body = receive(&scripted, request).await;
    let line = |message: Value| format!("{}\n", json!({ "custom_id": "a", "result": message }));
    let lines: String = [0, 1].map(|number| line(message(&body, number))).concat();
    ([("content-type", "application/x-jsonl")], lines).into_response()
}

async fn models(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    receive(&scripted, request).await;
    let model = |id: &str| json!({ "type": "model", "id": id, "display_name": id, "created_at": "2026-01-01T00:00:00Z" });
    let data = [model("claude-scripted"), model("claude-scripted-tool")];
    let body = json!({ "data": data, "has_more": false, "first_id": data[0]["id"], "last_id": data[1]["id"] });
    Json(body).into_response()
}

async fn messages(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    let body = receive(&scripted, request).await;
    if let Some(error) = error(&body) {
        return error;
    }
    let stream = |message: &Value| stream(message, word(&body));
    say(&scripted, &body, "request-id", message, stream).await
}

/// The answer that `message` makes, number by number; in `stream`'s form if it was asked for.
async fn say(
    scripted: &Scripted,
    body: &Value,
    request_id: &'static str,
    message: impl Fn(&Value, usize) -> Value,
    stream: impl Fn(&Value) -> String,
) -> Response {
    let leaving = Leaving(Arc::clone(&scripted.left));
    if word(body) == "silent" {
        let _leaving = leaving;
        return std::future::pending().await;
    }
    let number = scripted.answered.fetch_add(1, Ordering::SeqCst);
    let message = message(body, number);
    let streaming = body["stream"] == Value::Bool(true);
    let (media, bytes) = if streaming {
        ("text/event-stream; charset=utf-8", stream(&message))
    } else {
        ("application/json", message.to_string())
    };
    let head = [
        ("content-type", media.to_owned()),
        (request_id, format!("req_scripted_{number}")),
    ];
    match word(body) {
        "break" => {
            let half = bytes.as_bytes()[..bytes.len() / 2].to_vec();
            let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            (head, in_pieces(half, vec![broken])).into_response()
        }
        "hang" => {
            let begun = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(
                bytes[..400].to_owned(),
            ))]);
            let never = futures_util::stream::poll_fn(move |_| {
                let _here = &leaving;
                std::task::Poll::<Option<Result<Bytes, Infallible>>>::Pending
            });
            let body = Body::from_stream(begun.chain(never));
            (head, body).into_response()
        }
        coding @ ("gzip" | "deflate" | "br") => {
            let packed = match coding {
                "br" => b"\x0b".to_vec(),
                coding => packed(coding, bytes.as_bytes()),
            };
            (head, [("content-encoding", coding)], packed).into_response()
        }
        _ if streaming => (head, in_pieces(bytes.into_bytes(), Vec::new())).into_response(),
        _ => (head, bytes).into_response(),
    }
}

/// Says that a client has gone, when it is dropped.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Pieces that respect neither events nor characters, as networks do not.
fn in_pieces(bytes: Vec<u8>, end: Vec<io::Result<Bytes>>) -> Body {
    let pieces: Vec<_> = bytes
        .chunks(113)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let pieces = futures_util::stream::iter(pieces.into_iter().chain(end));
    Body::from_stream(pieces.then(|piece| async {
        tokio::task::yield_now().await; // lets what came before go out
        piece
    }))
}

/// In one of two codings. Into memory: reading cannot fail.
fn packed(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let (mut packed, fast) = (Vec::new(), Compression::fast());
    let _ = match coding {
        "gzip" => GzEncoder::new(bytes, fast).read_to_end(&mut packed),
        _ => ZlibEncoder::new(bytes, fast).read_to_end(&mut packed),
    };
    packed
}

/// The last word of the model's name.
fn word(body: &Value) -> &str {
    body["model"]
        .as_str()
        .unwrap_or_default()
        .rsplit('-')
        .next()
        .unwrap_or_default()
}

/// As the provider says it, in this shape.
fn failing(
    body: &Value,
    request_id: &'static str,
    shape: impl Fn(&str, &str) -> String,
) -> Option<Response> {
    let (status, kind, message) = match word(body) {
        "400" => (
            400,
            "invalid_request_error",
            "messages: text content blocks must be non-empty",
        ),
        "401" => (401, "authentication_error", "invalid x-api-key"),
        "429" => (
            429,
            "rate_limit_error",
            "This request would exceed your rate limit",
        ),
        "500" => (500, "api_error", "Internal server error"),
        "529" => (529, "overloaded_error", "Overloaded"),
        "redirect" => {
            return Some(
                (
                    StatusCode::TEMPORARY_REDIRECT,
                    [("location", "https://example.com/")],
                )
                    .into_response(),
            );
        }
        _ => return None,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let head = [
        ("content-type", "application/json"),
        (request_id, "req_scripted_error"),
        ("retry-after", "0"),
    ];
    Some((status, head, shape(kind, message)).into_response())
}

fn error(body: &Value) -> Option<Response> {
    // Odd white space on purpose: it must come through.
    failing(body, "request-id", |kind, message| {
        format!(
            "{{\"type\": \"error\",  \"error\": {{\"type\": \"{kind}\", \"message\": \"{message}\"}}, \"request_id\": \"req_scripted_error\"}}"
        )
    })
}

fn tokens(body: &Value) -> u64 {
    body["messages"].to_string().chars().count() as u64 / 3 + 1
}

/// The texts of the last message, and whether it brought a tool's result.
fn asked(body: &Value) -> (String, bool) {
    let content = &body["messages"]
        .as_array()
        .and_then(|m| m.last())
        .unwrap_or(&Value::Null)["content"];
    let blocks = match content {
        Value::String(text) => return (text.clone(), false),
        Value::Array(blocks) => blocks.as_slice(),
        _ => &[],
    };
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["text"].as_str())
        .collect();
    (
        texts.join("\n"),
        blocks.iter().any(|block| block["type"] == "tool_result"),
    )
}

fn message(body: &Value, number: usize) -> Value {
    let (asked, with_result) = asked(body);
    let tail: Vec<char> = asked.chars().collect();
    let tail: String = tail[tail.len().saturating_sub(120)..].iter().collect();
    let text = |text: String| json!({ "type": "text", "text": text });
    let tool = word(body) == "tool" && !with_result;
    let content = match word(body) {
        "tool" if tool => json!([
            text("天気を調べます。".to_owned()),
            { "type": "tool_use", "id": format!("toolu_{number:04}"), "name": "get_weather",
              "input": { "city": "東京", "unit": "celsius" } },
        ]),
        "tool" => json!([text("東京の天気は晴れ、気温は21度です。".to_owned())]),
        "secret" => json!([text(format!("鍵は {SECRET} です。"))]),
        "thinking" => json!([
            { "type": "thinking", "thinking": "会議は十時から。参加者は三名。",
              "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds9Q=" },
            { "type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP" },
            text("承知しました。".to_owned()),
        ]),
        _ => json!([text(format!(
            "承知しました。ご依頼の内容は「{tail}」ですね。確認のうえ、対応いたします。"
        ))]),
    };
    json!({
        "id": format!("msg_scripted_{number:04}"), "type": "message", "role": "assistant",
        "model": body["model"], "content": content,
        "stop_reason": if tool { "tool_use" } else { "end_turn" }, "stop_sequence": null,
        "usage": { "input_tokens": tokens(body), "output_tokens": content.to_string().chars().count() / 3,
                   "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0 },
    })
}

/// The message as the events of a stream; strings in small deltas.
fn stream(message: &Value, word: &str) -> String {
    let mut out = String::new();
    let mut event = |data: Value| {
        let kind = data["type"].as_str().unwrap_or_default();
        out.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    let mut head = message.clone();
    head["content"] = json!([]);
    head["stop_reason"] = Value::Null;
    head["usage"]["output_tokens"] = json!(1);
    event(json!({ "type": "message_start", "message": head }));
    event(json!({ "type": "ping" }));
    for (index, block) in message["content"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let said = |field: &str| block[field].as_str().unwrap_or_default().to_owned();
        let mut start = block.clone();
        // What grows, in which field of which delta.
        let grows = match block["type"].as_str() {
            Some("text") => vec![("text_delta", "text", said("text"))],
            Some("thinking") => vec![
                ("thinking_delta", "thinking", said("thinking")),
                ("signature_delta", "signature", said("signature")),
            ],
            Some("redacted_thinking") => Vec::new(),
            _ => {
                start["input"] = json!({});
                let input = block["input"].to_string();
                vec![("input_json_delta", "partial_json", input)]
            }
        };
        for (_, field, _) in grows
            .iter()
            .filter(|(_, field, _)| *field != "partial_json")
        {
            start[*field] = json!("");
        }
        event(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        for (kind, field, grown) in grows {
            let chars: Vec<char> = grown.chars().collect();
            let length = match (kind, word) {
                ("signature_delta", _) => chars.len().max(1),
                (_, "secret") => 20,
                _ => 7,
            };
            for part in chars.chunks(length) {
                let part: String = part.iter().collect();
                event(
                    json!({ "type": "content_block_delta", "index": index, "delta": { "type": kind, field: part } }),
                );
                if word == "fails" {
                    event(
                        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
                    );
                    return out;
                }
            }
        }
        event(json!({ "type": "content_block_stop", "index": index }));
    }
    let delta = json!({ "stop_reason": message["stop_reason"], "stop_sequence": null });
    event(
        json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": message["usage"]["output_tokens"] } }),
    );
    event(json!({ "type": "message_stop" }));
    out
}
