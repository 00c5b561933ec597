//! A prohibited value in an answer is not kept, wherever the stream splits it.

use super::*;
use serde_json::{Value, json};

const SECRET: &str = "ghp_Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0FgAe2K";

fn event(event: &Value) -> String {
    format!(
        "event: {}\ndata: {event}\n\n",
        event["type"].as_str().unwrap()
    )
}

fn start(index: u64, block: Value) -> String {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: u64, kind: &str, field: &str, part: &str) -> String {
    event(
        &json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, field: part}}),
    )
}

fn message(blocks: &str) -> String {
    let begin = event(&json!({"type": "message_start", "message": {"id": "msg_1", "content": []}}));
    format!("{begin}{blocks}{}", event(&json!({"type": "message_stop"})))
}

/// What is kept of a stream, and how often the rules were violated in it.
fn kept(stream: &str) -> (String, u64) {
    let batch = streamed(&[stream.as_bytes()], End::Whole);
    let kept = String::from_utf8(batch[0].content[0].bytes.clone()).unwrap();
    let violated = batch.iter().map(|submission| match &submission.event.data {
        Data::RuleViolated(violated) => violated.count,
        _ => 0,
    });
    (kept, violated.sum())
}

#[track_caller]
fn none_is_kept(stream: &str, parts: &[&str]) {
    let (kept, violated) = kept(stream);
    assert!(violated >= 1, "{stream}");
    for part in parts.iter().filter(|part| part.len() > 6) {
        assert!(!kept.contains(part), "{kept}");
    }
}

#[test]
fn text_split_at_every_byte_is_cut() {
    let kinds = [
        ("text", "text_delta", "text"),
        ("thinking", "thinking_delta", "thinking"),
        ("compaction", "compaction_delta", "content"),
        ("from_next_year", "next_delta", "more"),
    ];
    for (block, kind, field) in kinds {
        for cut in 0..=SECRET.len() {
            let (first, second) = SECRET.split_at(cut);
            let deltas = delta(0, kind, field, &format!("鍵は {first}"))
                + &delta(0, kind, field, &format!("{second} です"));
            let stream = message(&(start(0, json!({"type": block, field: ""})) + &deltas));
            none_is_kept(&stream, &[SECRET, first, second]);
        }
        let each: String = SECRET
            .chars()
            .map(|c| delta(0, kind, field, &c.to_string()))
            .collect();
        let stream = message(&(start(0, json!({"type": block})) + &each));
        assert!(!kept(&stream).0.contains(r#"":"7""#));
        none_is_kept(&stream, &[SECRET]);
    }
}

#[test]
fn the_start_of_a_block_and_its_first_delta_read_on() {
    let (first, second) = SECRET.split_at(12);
    let block = start(0, json!({"type": "text", "text": first}));
    let stream = message(&(block + &delta(0, "text_delta", "text", second)));
    none_is_kept(&stream, &[SECRET, first, second]);
}

#[test]
fn arguments_split_at_every_byte_are_cut() {
    let input = json!({"command": format!("curl -H 'Authorization: Bearer {SECRET}'"), "pin": 1});
    let plain = input.to_string();
    // As a model may write them: with escapes, and with a key that hides another.
    let escaped = plain.replace("ghp_", "\\u0067hp\\u005f");
    let twice = format!(r#"{{"a":"{SECRET}","a":"harmless"}}"#);
    let broken = &plain[..plain.len() - 5];
    for arguments in [plain.as_str(), &escaped, &twice, broken] {
        for cut in (0..arguments.len()).filter(|cut| arguments.is_char_boundary(*cut)) {
            let (first, second) = arguments.split_at(cut);
            let tool = json!({"type": "tool_use", "id": "toolu_1", "name": "sh", "input": {}});
            let stream = message(
                &(start(0, tool)
                    + &delta(0, "input_json_delta", "partial_json", first)
                    + &delta(0, "input_json_delta", "partial_json", second)
                    + &event(&json!({"type": "content_block_stop", "index": 0}))),
            );
            none_is_kept(&stream, &[SECRET, &SECRET[4..]]);
        }
    }
}

#[test]
fn blocks_of_text_read_on() {
    for cut in 1..SECRET.len() {
        let (first, second) = SECRET.split_at(cut);
        let block = |index, text: &str| start(index, json!({"type": "text", "text": text}));
        let stream = message(&(block(0, first) + &block(1, second)));
        none_is_kept(&stream, &[first, second]);
        let plain = json!({"id": "msg_1", "content": [{"type": "text", "text": first}, {"type": "text", "text": second}]});
        let mut recorder = recorder();
        recorder.head(200, Some("application/json"));
        recorder.push(plain.to_string().as_bytes(), 1).unwrap();
        let batch = recorder.end(End::Whole, 2, &masker());
        let kept = String::from_utf8_lossy(&batch[0].content[0].bytes).into_owned();
        for part in [first, second].iter().filter(|part| part.len() > 6) {
            assert!(!kept.contains(part), "{kept}");
        }
    }
}

#[test]
fn what_a_stream_says_twice_or_aside_is_searched_too() {
    let text = |text: &str| json!({"type": "text", "text": text});
    for stream in [
        message(&(start(0, text(SECRET)) + &start(0, text("harmless")))),
        message(&format!(": {SECRET}\n\n")),
        message(&format!("id: {SECRET}\n\n")),
        message(&format!("data: {SECRET}")),
        message("")
            + &event(&json!({"type": "message_start", "message": {"stop_reason": SECRET}}))
            + &message(""),
        message(&event(&json!({"type": "from_next_year", "said": SECRET}))),
        message(
            &(event(&json!({"type": "message_delta", "delta": {"stop_sequence": SECRET}}))
                + &event(&json!({"type": "message_delta", "delta": {"stop_sequence": null}}))),
        ),
    ] {
        none_is_kept(&stream, &[SECRET]);
    }
}

#[test]
fn no_secret_becomes_a_word_of_the_log() {
    let stream = message("").replace("msg_1", SECRET);
    let batch = streamed(&[stream.as_bytes()], End::Whole);
    let Data::ModelResponded(responded) = &batch[0].event.data else {
        panic!()
    };
    assert!(
        !format!("{responded:?}").contains(SECRET),
        "an id is a secret's only if somebody put it there"
    );
}
