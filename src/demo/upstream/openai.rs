//! OpenAI's APIs, by the same script.

use super::{SECRET, Scripted, failing, receive, say, word};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::Arc;

const REQUEST_ID: &str = "x-request-id";

pub fn routes() -> Router<Arc<Scripted>> {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/responses", post(responses))
}

async fn chat(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    let body = receive(&scripted, request).await;
    if let Some(error) = error(&body) {
        return error;
    }
    let usage = body["stream_options"]["include_usage"] == true;
    let stream = |completion: &Value| chunks(completion, word(&body), usage);
    say(&scripted, &body, REQUEST_ID, completion, stream).await
}

async fn responses(State(scripted): State<Arc<Scripted>>, request: Request) -> Response {
    let body = receive(&scripted, request).await;
    if let Some(error) = error(&body) {
        return error;
    }
    let stream = |response: &Value| events(response, word(&body));
    say(&scripted, &body, REQUEST_ID, response, stream).await
}

fn error(body: &Value) -> Option<Response> {
    failing(body, REQUEST_ID, |kind, message| {
        format!(
            "{{\"error\":  {{\"message\": \"{message}\", \"type\": \"{kind}\", \"param\": null, \"code\": null}}}}"
        )
    })
}

/// What the script says: text, or the arguments of `get_weather`.
enum Said {
    Text(String),
    Tool(String),
}

fn said(body: &Value, asked: &Value, with_result: bool) -> Said {
    match word(body) {
        "tool" if !with_result => {
            Said::Tool(json!({ "city": "東京", "unit": "celsius" }).to_string())
        }
        "tool" => Said::Text("東京の天気は晴れ、気温は21度です。".to_owned()),
        "secret" => Said::Text(format!("鍵は {SECRET} です。")),
        _ => {
            let asked: Vec<char> = asked.as_str().unwrap_or_default().chars().collect();
            let tail: String = asked[asked.len().saturating_sub(120)..].iter().collect();
            Said::Text(format!("承知しました。ご依頼の内容は「{tail}」ですね。"))
        }
    }
}

fn tokens(value: &Value) -> u64 {
    value.to_string().chars().count() as u64 / 3 + 1
}

fn last(list: &Value) -> &Value {
    let last = list.as_array().and_then(|list| list.last());
    last.unwrap_or(&Value::Null)
}

fn completion(body: &Value, number: usize) -> Value {
    let newest = last(&body["messages"]);
    let (message, reason) = match said(body, &newest["content"], newest["role"] == "tool") {
        Said::Text(text) => (
            json!({ "role": "assistant", "content": text, "refusal": null }),
            "stop",
        ),
        Said::Tool(arguments) => {
            let function = json!({ "name": "get_weather", "arguments": arguments });
            let call = json!({ "id": format!("call_{number:04}"), "type": "function", "function": function });
            let message = json!({ "role": "assistant", "content": null, "tool_calls": [call] });
            (message, "tool_calls")
        }
    };
    let (asked, answered) = (tokens(&body["messages"]), tokens(&message));
    json!({
        "id": format!("chatcmpl-scripted{number:04}"), "object": "chat.completion", "created": 1_790_000_000,
        "model": body["model"], "system_fingerprint": "fp_scripted",
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": reason }],
        "usage": { "prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered,
                   "prompt_tokens_details": { "cached_tokens": 1 } },
    })
}

fn chunks(completion: &Value, word: &str, usage: bool) -> String {
    let mut out = String::new();
    let mut chunk = |choices: Value, usage: Value| {
        let mut chunk = completion.clone();
        chunk["object"] = json!("chat.completion.chunk");
        chunk["choices"] = choices;
        chunk["usage"] = usage;
        chunk["obfuscation"] = json!("k7Xw2Lk9V");
        out.push_str(&format!("data: {chunk}\n\n"));
    };
    let choice = |delta: Value, reason: Value| json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
    let message = &completion["choices"][0]["message"];
    chunk(
        choice(json!({ "role": "assistant", "content": "" }), Value::Null),
        Value::Null,
    );
    for part in parts(message["content"].as_str().unwrap_or_default(), word) {
        chunk(choice(json!({ "content": part }), Value::Null), Value::Null);
        if word == "fails" {
            let error = json!({ "error": { "message": "Overloaded", "type": "server_error" } });
            out.push_str(&format!("data: {error}\n\n"));
            return out;
        }
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let mut begun = call.clone();
        begun["index"] = json!(0);
        begun["function"]["arguments"] = json!("");
        chunk(
            choice(json!({ "tool_calls": [begun] }), Value::Null),
            Value::Null,
        );
        for part in parts(
            call["function"]["arguments"].as_str().unwrap_or_default(),
            word,
        ) {
            let more = json!({ "index": 0, "function": { "arguments": part } });
            chunk(
                choice(json!({ "tool_calls": [more] }), Value::Null),
                Value::Null,
            );
        }
    }
    let reason = &completion["choices"][0]["finish_reason"];
    chunk(choice(json!({}), reason.clone()), Value::Null);
    if usage {
        chunk(json!([]), completion["usage"].clone());
    }
    out.push_str("data: [DONE]\n\n");
    out
}

fn parts(text: &str, word: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let parts = chars.chunks(if word == "secret" { 20 } else { 7 });
    parts.map(|part| part.iter().collect()).collect()
}

fn response(body: &Value, number: usize) -> Value {
    let newest = last(&body["input"]);
    let asked = match &body["input"] {
        text @ Value::String(_) => text,
        _ => &newest["content"],
    };
    let item = match said(body, asked, newest["type"] == "function_call_output") {
        Said::Text(text) => json!({
            "id": format!("msg_scripted{number:04}"), "type": "message", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [], "logprobs": [] }],
        }),
        Said::Tool(arguments) => json!({
            "id": format!("fc_scripted{number:04}"), "type": "function_call", "status": "completed",
            "call_id": format!("call_{number:04}"), "name": "get_weather", "arguments": arguments,
        }),
    };
    let (asked, answered) = (tokens(&body["input"]), tokens(&item));
    json!({
        "id": format!("resp_scripted{number:04}"), "object": "response", "created_at": 1_790_000_000,
        "status": "completed", "error": null, "incomplete_details": null, "instructions": body["instructions"],
        "model": body["model"], "output": [item], "parallel_tool_calls": true, "tool_choice": "auto",
        "tools": [], "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "usage": { "input_tokens": asked, "input_tokens_details": { "cached_tokens": 1 }, "output_tokens": answered,
                   "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": asked + answered },
    })
}

fn events(response: &Value, word: &str) -> String {
    let (mut out, mut number) = (String::new(), 0);
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(number);
        number += 1;
        out.push_str(&format!("event: {kind}\ndata: {data}\n\n"));
    };
    let mut begun = response.clone();
    begun["status"] = json!("in_progress");
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    event("response.created", json!({ "response": begun }));
    event("response.in_progress", json!({ "response": begun }));
    let item = &response["output"][0];
    let mut empty = item.clone();
    empty["status"] = json!("in_progress");
    let text = item["content"][0]["text"].as_str();
    let (kind, grown) = match text {
        Some(text) => {
            empty["content"] = json!([]);
            ("response.output_text", text)
        }
        None => {
            empty["arguments"] = json!("");
            (
                "response.function_call_arguments",
                item["arguments"].as_str().unwrap_or_default(),
            )
        }
    };
    event(
        "response.output_item.added",
        json!({ "output_index": 0, "item": empty }),
    );
    let place = |rest: Value| {
        let mut place = json!({ "item_id": item["id"], "output_index": 0 });
        if text.is_some() {
            place["content_index"] = json!(0);
        }
        for (key, value) in rest.as_object().into_iter().flatten() {
            place[key] = value.clone();
        }
        place
    };
    if text.is_some() {
        let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
        event(
            "response.content_part.added",
            place(json!({ "part": part })),
        );
    }
    for part in parts(grown, word) {
        let delta = json!({ "delta": part, "obfuscation": "k7Xw2Lk9V", "logprobs": [] });
        event(&format!("{kind}.delta"), place(delta));
        if word == "fails" {
            event(
                "error",
                json!({ "code": "server_error", "message": "Overloaded", "param": null }),
            );
            return out;
        }
    }
    match text {
        Some(text) => {
            event(
                &format!("{kind}.done"),
                place(json!({ "text": text, "logprobs": [] })),
            );
            event(
                "response.content_part.done",
                place(json!({ "part": item["content"][0] })),
            );
        }
        None => event(
            &format!("{kind}.done"),
            place(json!({ "arguments": grown, "name": "get_weather" })),
        ),
    }
    event(
        "response.output_item.done",
        json!({ "output_index": 0, "item": item }),
    );
    event("response.completed", json!({ "response": response }));
    out
}
