//! OpenAI's answers, read for the record.

use super::*;
use serde_json::{Value, json};

fn asked(operation: Operation) -> Recorder {
    let agent = "cfo".parse().unwrap();
    let to = Label::lossy("api.test:443");
    Recorder::new(Call::new(id(1), agent, None, operation, to))
}

fn ended(operation: Operation, media: &str, bytes: &[u8], end: End) -> Vec<Submission> {
    let mut recorder = asked(operation);
    recorder.head(200, Some(media));
    recorder.push(bytes, 5).unwrap();
    recorder.end(end, 6, &masker())
}

fn stream(events: &[Value]) -> String {
    events.iter().map(|e| format!("data: {e}\n\n")).collect()
}

fn delta(delta: Value) -> Value {
    json!({ "id": "c1", "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn chat(deltas: &[Value]) -> String {
    let mut events: Vec<Value> = deltas.iter().cloned().map(delta).collect();
    events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
    stream(&events) + "data: [DONE]\n\n"
}

#[track_caller]
fn none_is_kept(operation: Operation, stream: &str, parts: &[&str]) {
    let batch = ended(
        operation,
        "text/event-stream",
        stream.as_bytes(),
        End::Whole,
    );
    let kept = String::from_utf8(batch[0].content[0].bytes.clone()).unwrap();
    let violated = |s: &Submission| matches!(s.event.data, Data::RuleViolated(_));
    assert!(batch.iter().any(violated), "{stream}");
    for part in parts.iter().filter(|part| part.len() > 6) {
        assert!(!kept.contains(part), "{kept}");
    }
}

const SECRET: &str = "ghp_Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0FgAe2K";

#[test]
fn a_secret_split_at_every_byte_of_a_chat_is_cut() {
    for field in ["content", "refusal", "reasoning_content", "of_next_year"] {
        for at in 0..=SECRET.len() {
            let (a, b) = SECRET.split_at(at);
            let text = chat(&[json!({ field: format!("鍵は {a}") }), json!({ field: b })]);
            none_is_kept(Operation::ChatCompletions, &text, &[a, b]);
        }
    }
    let (a, b) = SECRET.split_at(17);
    let tool = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": arguments } }] });
    let begun = json!({ "tool_calls": [{ "index": 0, "id": "call_1", "function": { "name": "f", "arguments": "" } }] });
    let text = chat(&[
        begun,
        tool(&format!("{{\"key\":\"{a}")),
        tool(&format!("{b}\"}}")),
    ]);
    none_is_kept(Operation::ChatCompletions, &text, &[a, b]);
}

#[test]
fn what_a_text_says_token_by_token_goes_with_what_is_cut() {
    let (a, b) = SECRET.split_at(17);
    let part = |token: &str| {
        json!({ "choices": [{ "index": 0, "delta": { "content": token }, "finish_reason": null,
            "logprobs": { "content": [{ "token": token, "logprob": -0.1, "top_logprobs": [] }] } }] })
    };
    let text = stream(&[part("鍵は "), part(a), part(b)]);
    none_is_kept(Operation::ChatCompletions, &text, &[a, b]);
}

#[test]
fn a_secret_in_a_response_is_cut_from_all_that_repeats_it() {
    for whole in [true, false] {
        for at in 0..=SECRET.len() {
            let (a, b) = SECRET.split_at(at);
            let delta = |part: &str| {
                json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
                        "content_index": 0, "delta": part, "obfuscation": "x7Kq" })
            };
            let text = format!("鍵は {SECRET} です");
            let part = json!({ "type": "output_text", "text": text });
            let item =
                json!({ "id": "msg_1", "type": "message", "role": "assistant", "content": [part] });
            let mut events = vec![
                json!({ "type": "response.created", "response": { "id": "resp_1", "status": "in_progress", "output": [] } }),
                delta("鍵は "),
                delta(a),
                delta(b),
            ];
            if whole {
                events.extend([
                    delta(" です"),
                    json!({ "type": "response.output_text.done", "item_id": "msg_1", "text": text }),
                    json!({ "type": "response.content_part.done", "item_id": "msg_1", "part": part }),
                    json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
                    json!({ "type": "response.completed", "response": { "id": "resp_1", "status": "completed", "output": [item] } }),
                ]);
            }
            none_is_kept(Operation::Responses, &stream(&events), &[SECRET, a, b]);
        }
    }
}

#[test]
fn a_value_split_over_parts_of_a_response_is_cut() {
    let (a, b) = SECRET.split_at(17);
    let part = |text: &str| json!({ "type": "output_text", "text": text });
    let item = json!({ "id": "msg_1", "type": "message", "content": [part(a), part(b)] });
    let body = json!({ "id": "resp_1", "status": "completed", "output": [item] }).to_string();
    let batch = ended(
        Operation::Responses,
        "application/json",
        body.as_bytes(),
        End::Whole,
    );
    let kept = String::from_utf8(batch[0].content[0].bytes.clone()).unwrap();
    assert!(!kept.contains(a) && !kept.contains(b), "{kept}");
}

fn tools(batch: &[Submission]) -> Vec<(String, String, Hash)> {
    let tool = |s: &Submission| match &s.event.data {
        Data::ToolCalled(called) => Some((
            called.tool.to_string(),
            called.tool_use.to_string(),
            called.arguments_sha256,
        )),
        _ => None,
    };
    batch.iter().filter_map(tool).collect()
}

fn tool(name: &str, id: &str, arguments: &str) -> (String, String, Hash) {
    let digest = Hash(Sha256::digest(arguments).into());
    (name.to_owned(), id.to_owned(), digest)
}

#[test]
fn every_kind_of_tool_call_is_named() {
    let completion = json!({ "id": "c1", "choices": [
        { "index": 0, "finish_reason": "tool_calls", "message": { "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{\"a\": 1}" } },
            { "id": "call_2", "type": "custom", "custom": { "name": "g", "input": "free text" } } ] } },
        { "index": 1, "finish_reason": "function_call", "message": { "function_call": { "name": "h", "arguments": "{}" } } },
    ] });
    let body = completion.to_string();
    let batch = ended(
        Operation::ChatCompletions,
        "application/json",
        body.as_bytes(),
        End::Whole,
    );
    let none = batch_word("");
    assert_eq!(
        tools(&batch),
        [
            tool("f", "call_1", "{\"a\": 1}"),
            tool("g", "call_2", "free text"),
            tool("h", &none, "{}"),
        ]
    );

    let output = json!([
        { "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\": 1}" },
        { "type": "custom_tool_call", "id": "ct_1", "call_id": "call_2", "name": "g", "input": "free text" },
        { "type": "mcp_call", "id": "mcp_1", "server_label": "mail", "name": "send", "arguments": "{}", "output": "sent" },
        { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search", "query": "天気" } },
        { "type": "reasoning", "id": "rs_1", "summary": [] },
    ]);
    let expected = [
        tool("f", "call_1", "{\"a\": 1}"),
        tool("g", "call_2", "free text"),
        tool("mcp__mail__send", "mcp_1", "{}"),
        tool("web_search", "ws_1", r#"{"type":"search","query":"天気"}"#),
    ];
    let body = json!({ "id": "resp_1", "status": "completed", "output": output }).to_string();
    let batch = ended(
        Operation::Responses,
        "application/json",
        body.as_bytes(),
        End::Whole,
    );
    assert_eq!(tools(&batch), expected);

    // A stream that breaks off has named those that were done.
    let done = |(index, item)| json!({ "type": "response.output_item.done", "output_index": index, "item": item });
    let items = output.as_array().unwrap().iter().enumerate().take(3);
    let broken = stream(&items.map(done).collect::<Vec<_>>());
    let batch = ended(
        Operation::Responses,
        "text/event-stream",
        broken.as_bytes(),
        End::Broke,
    );
    assert_eq!(tools(&batch), expected[..3]);
    assert_eq!(failed(&batch).outcome, FailedOutcome::UpstreamBroke);
}

/// What stands for an empty word.
fn batch_word(text: &str) -> String {
    super::super::ids::word_or_digest(text).to_string()
}

#[test]
fn an_end_is_what_the_stream_says() {
    let outcome = |operation, text: &str, end| {
        let batch = ended(operation, "text/event-stream", text.as_bytes(), end);
        match &batch[0].event.data {
            Data::ModelResponded(_) => None,
            Data::ModelFailed(failed) => Some(failed.outcome),
            other => panic!("{other:?}"),
        }
    };
    let (chats, responses) = (Operation::ChatCompletions, Operation::Responses);
    let whole = chat(&[json!({ "content": "a" })]);
    assert_eq!(outcome(chats, &whole, End::Whole), None);
    assert_eq!(outcome(chats, &whole, End::ClientGone), None);
    let cut = whole.replace("data: [DONE]\n\n", "");
    let broke = Some(FailedOutcome::UpstreamBroke);
    assert_eq!(outcome(chats, &cut, End::Whole), broke);
    let error = stream(&[json!({ "error": { "message": "Overloaded" } })]);
    let failed = Some(FailedOutcome::UpstreamError);
    assert_eq!(outcome(chats, &error, End::Whole), failed);

    let last = |kind: &str| stream(&[json!({ "type": kind, "response": { "status": "x" } })]);
    for kind in ["response.completed", "response.incomplete"] {
        assert_eq!(outcome(responses, &last(kind), End::Whole), None);
    }
    for kind in ["response.failed", "error"] {
        assert_eq!(outcome(responses, &last(kind), End::Whole), failed);
    }
    let text = last("response.created") + "data: [DONE]\n\n";
    assert_eq!(outcome(responses, &text, End::Whole), broke);
    let body = br#"{"id":"resp_1","status":"failed","error":{}}"#;
    let batch = ended(responses, "application/json", body, End::Whole);
    assert_eq!(super::failed(&batch).outcome, FailedOutcome::UpstreamError);
}

#[test]
fn results_after_the_models_last_word_are_new() {
    let chat = r#"{"messages":[
        {"role":"assistant","tool_calls":[]}, {"role":"tool","tool_call_id":"old","content":"a"},
        {"role":"assistant","tool_calls":[]}, {"role":"tool","tool_call_id":"one","content":"b"},
        {"role":"tool","tool_call_id":"two","content":[{"type":"text","text": "c"}]}, {"role":"user","content":"?"}]}"#;
    let named = |body: &str, dialect| -> Vec<_> {
        let results = new_tool_results(body.as_bytes(), dialect);
        results
            .into_iter()
            .map(|r| (r.tool_use, r.sha256))
            .collect()
    };
    let of = |id: &str, text: &str| (id.to_owned(), Hash(Sha256::digest(text).into()));
    assert_eq!(
        named(chat, Dialect::OpenAiChat),
        [
            of("one", "\"b\""),
            of("two", r#"[{"type":"text","text": "c"}]"#)
        ]
    );
    let input = r#"{"input":[ {"type":"function_call_output","call_id":"old","output":"a"},
        {"type":"function_call","call_id":"one","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"one","output":"b"},
        {"type":"custom_tool_call_output","call_id":"two","output":"c"}]}"#;
    assert_eq!(
        named(input, Dialect::OpenAiResponses),
        [of("one", "\"b\""), of("two", "\"c\"")]
    );
    let one = Summary::of(r#"{"input":"text"}"#, Dialect::OpenAiResponses).unwrap();
    assert_eq!((one.messages, one.background), (1, false));
    for (said, background) in [
        ("false", false),
        ("null", false),
        ("1", true),
        ("\"on\"", true),
    ] {
        let body = format!(r#"{{"input":"text","background":{said}}}"#);
        let one = Summary::of(&body, Dialect::OpenAiResponses).unwrap();
        assert_eq!(one.background, background, "{said}");
    }
}

proptest! {
    #[test]
    fn no_answer_and_no_order_of_events_is_a_panic(
        events in prop::collection::vec((0..KINDS.len(), any::<u64>(), ".{0,8}"), 0..12), raw in ".{0,200}",
    ) {
        for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
            Answer::from_body(raw.as_bytes(), dialect);
            Answer::from_stream(raw.as_bytes(), dialect);
            let events: Vec<Value> = events
                .iter()
                .map(|(kind, index, text)| {
                    let mut event: Value = serde_json::from_str(KINDS[*kind]).unwrap();
                    event["delta"] = json!(text);
                    event["output_index"] = json!(index);
                    event
                })
                .collect();
            Answer::from_stream(stream(&events).as_bytes(), dialect);
        }
    }
}

const KINDS: [&str; 7] = [
    r#"{"choices":[{"index":0,"delta":"text"},7]}"#,
    r#"{"choices":[{"index":0,"message":7,"delta":{"tool_calls":[{"index":1},{"index":1,"function":{"arguments":"a"}}]}}]}"#,
    r#"{"choices":[{"delta":{"tool_calls":{"index":1}}}],"usage":7}"#,
    r#"{"type":"response.output_item.done","item":7}"#,
    r#"{"type":"response.completed","response":"text"}"#,
    r#"{"type":"response.output_text.delta","item_id":[]}"#,
    r#"{"type":7,"response":{"output":{"a":1},"usage":[]}}"#,
];
