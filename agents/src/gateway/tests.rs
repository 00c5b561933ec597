use super::answer::Answer;
use super::request::{Summary, new_tool_results, tools_used};
use super::*;
use crate::capture::Capture;
use crate::masking::Dialect;
use crate::masking::{Masker, Policy, TagKey};
use ledger::clock::SystemClock;
use ledger::{Appender, Index, Options, Reader, Submission};
use proptest::prelude::*;
use schemas::kinds::traffic::{FailedOutcome, MaskTag, ModelFailed};
use schemas::{Data, EventId, Hash, Label, Timestamp};
use sha2::{Digest, Sha256};
use std::sync::mpsc;

mod openai;
mod splits;

const KEY: &str =
    "sk-ant-api03-Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0Fg_Ae2Ko7Wi4Ql9Xz1Cv6Bn3Mt8Sy5Du0EhAA-pQ7rT2vK9aAA";

fn masker() -> Masker {
    Masker::new(Policy::default(), TagKey::new([1; 32])).unwrap()
}

fn id(n: u8) -> EventId {
    EventId::new(Timestamp::from_micros(1_800_000_000_000_000), [n; 10])
}

fn call(n: u8) -> Call {
    let agent = "cfo".parse().unwrap();
    Call::new(
        id(n),
        agent,
        Some("session-1"),
        Operation::Messages,
        Label::lossy("api.test:443"),
    )
}

fn capture(text: &str) -> Capture {
    Capture::new(text.as_bytes().to_vec())
}

struct Ledger {
    dir: tempfile::TempDir,
    appender: Appender,
    reader: Reader,
}

fn ledger() -> Ledger {
    let dir = tempfile::tempdir().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    Ledger {
        dir,
        appender,
        reader,
    }
}

impl Ledger {
    fn record(&self, call: Call, body: &str) -> Recorded {
        let admission = call.admit(&capture(body), &masker()).unwrap();
        let (sender, receiver) = mpsc::channel();
        admission.record(&self.appender, move |result| sender.send(result).unwrap());
        receiver.recv().unwrap().unwrap()
    }

    fn clear(&self, n: u8, body: &str) -> (Vec<u8>, Recorder) {
        match self.record(call(n), body) {
            Recorded::Cleared(cleared) => cleared.into_parts(),
            Recorded::Refused(_) => panic!("refused"),
        }
    }

    fn open_calls(&self) -> (usize, Vec<Submission>) {
        let mut index = Index::in_memory(self.reader.clone());
        let view = index.add::<OpenCalls>();
        index.catch_up().unwrap();
        view.read(|open| (open.count(), close_open_calls(open)))
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.reader
            .entries(1..u64::MAX)
            .map(|entry| entry.unwrap().kind())
            .collect()
    }

    fn content(&self, seq: u64, name: &str) -> Vec<u8> {
        let entry = self.reader.entry(seq).unwrap();
        let reference = entry
            .content()
            .iter()
            .find(|c| c.name.as_str() == name)
            .unwrap();
        self.reader.content(reference).unwrap()
    }
}

/// A recorder without a ledger: what it says is pure.
fn recorder() -> Recorder {
    Recorder::new(call(1))
}

#[test]
fn what_leaves_is_what_was_recorded() {
    let ledger = ledger();
    let body = r#"{ "model":"claude-test" ,"stream":true, "messages":[{"role":"user","content":"山田太郎"}]}"#;
    let (payload, _) = ledger.clear(1, body);
    assert_ne!(payload, body.as_bytes());
    assert_eq!(ledger.kinds(), ["prompt.submitted", "payload.masked"]);
    assert_eq!(ledger.content(1, "request"), body.as_bytes());
    assert_eq!(ledger.content(2, "payload"), payload);
    let entry = ledger.reader.entry(1).unwrap();
    let Data::PromptSubmitted(prompt) = entry.data() else {
        panic!()
    };
    assert_eq!(
        (prompt.streaming, prompt.messages, entry.id()),
        (true, 1, prompt.call)
    );
    assert_eq!(entry.session().unwrap().as_str(), "session-1");
    let Data::PayloadMasked(masked) = ledger.reader.entry(2).unwrap().data().clone() else {
        panic!()
    };
    assert_eq!(masked.payload_sha256, Hash(Sha256::digest(&payload).into()));
    assert_eq!(masked.masks.iter().map(|m| m.count).sum::<u64>(), 1);
}

#[test]
fn nothing_found_leaves_every_byte_as_it_came() {
    let body = "{ \"messages\" : [ ],\n \"zeta\":1.0e0, \"model\":\"m\\u0041\" }  ";
    assert_eq!(ledger().clear(1, body).0, body.as_bytes());
}

#[test]
fn a_block_is_recorded_without_the_value_and_says_which_rule() {
    let ledger = ledger();
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"use {KEY} please"}}]}}"#);
    let Recorded::Refused(refusal) = ledger.record(call(1), &body) else {
        panic!("it left")
    };
    assert_eq!(ledger.kinds(), ["prompt.submitted", "payload.blocked"]);
    let kept = String::from_utf8(ledger.content(1, "request")).unwrap();
    assert!(!kept.contains(KEY) && kept.contains("please"));
    let rule = refusal.reasons[0].rule.to_string();
    assert!(refusal.message().contains(&rule) && !refusal.message().contains("sk-ant"));
    assert_eq!(ledger.open_calls().0, 0);
    for entry in ledger.reader.entries(0..u64::MAX) {
        assert!(!String::from_utf8_lossy(entry.unwrap().body()).contains("sk-ant"));
    }
}

#[test]
fn what_is_no_json_object_records_nothing() {
    let ledger = ledger();
    for bad in [
        &b"{\"a\":"[..],
        b"",
        b"[1]",
        b"\xff\xfe",
        b"{\"a\":\"\xff\"}",
        b"null",
        b"{} {}",
    ] {
        let refused = call(1).admit(&Capture::new(bad.to_vec()), &masker());
        assert!(refused.is_err(), "{bad:?}");
    }
    assert_eq!(ledger.reader.size(), 1);
}

#[test]
fn new_tool_results_are_named_once_by_the_digest_of_what_leaves() {
    let body = r#"{"messages":[
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_old","content":"x"}]},
        {"role":"assistant","content":[{"type":"text","text":"y"}]},
        {"role":"user","content":[
            {"type":"text","text":"z"},
            {"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"山田太郎"}]},
            {"type":"tool_result","tool_use_id":"toolu_2","is_error":true}]},
        {"role":"system","content":"be brief"}]}"#;
    let ledger = ledger();
    let (payload, _) = ledger.clear(1, body);
    assert_eq!(ledger.kinds()[2..], ["tool.returned", "tool.returned"]);
    let Data::ToolReturned(first) = ledger.reader.entry(3).unwrap().data().clone() else {
        panic!()
    };
    let payload = String::from_utf8(payload).unwrap();
    let at = payload.find("[{\"type\":\"text\",\"text\":\"Y").unwrap();
    let end = at + payload[at..].find(']').unwrap() + 1;
    assert_eq!(
        first.result_sha256,
        Hash(Sha256::digest(&payload.as_bytes()[at..end]).into())
    );
    assert_eq!(
        (first.tool_use.as_str(), first.is_error),
        ("toolu_1", false)
    );
    let Data::ToolReturned(second) = ledger.reader.entry(4).unwrap().data().clone() else {
        panic!()
    };
    assert_eq!(
        (second.tool_use.as_str(), second.is_error),
        ("toolu_2", true)
    );
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts() {
    let summary = Summary::of(
        r#"{"stream":false,"model":"a","model":"b","stream":true}"#,
        Dialect::Anthropic,
    )
    .unwrap();
    assert_eq!(
        summary,
        Summary {
            model: Some("b".into()),
            streaming: true,
            ..Summary::default()
        }
    );
    let odd = Summary::of(
        r#"{"stream":"yes","model":7,"messages":{}}"#,
        Dialect::Anthropic,
    )
    .unwrap();
    assert_eq!(odd, Summary::default());
}

#[test]
fn a_list_of_tags_always_fits_its_entry() {
    let tag = |i: usize| MaskTag {
        rule: "r".repeat(64).parse().unwrap(),
        tag: Label::lossy(&format!("{i:032x}")),
        count: u64::MAX,
    };
    let tags: Vec<_> = (0..5_000).map(tag).collect();
    let ledger = ledger();
    let submission = call(1).payload_masked(
        b"{}",
        Hash::ZERO,
        None,
        (Vec::new(), Vec::new()),
        tags.clone(),
    );
    ledger.appender.append(vec![submission]).unwrap();
    let Data::PayloadMasked(masked) = ledger.reader.entry(1).unwrap().data().clone() else {
        panic!()
    };
    assert!(masked.tags.len() >= 100);
    assert_eq!(masked.tags.len() as u64 + masked.tags_omitted, 5_000);
    let all: Vec<MaskTag> = serde_json::from_slice(&ledger.content(1, "tags")).unwrap();
    assert_eq!(all, tags);
}

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-test\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1,\"cache_read_input_tokens\":7}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n: keep-alive\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"承知\"}}\r\n\r\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"しました\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"get_weather\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"city\\\": \"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"東京\\\"}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn streamed(chunks: &[&[u8]], end: End) -> Vec<Submission> {
    let mut recorder = recorder();
    recorder.head(200, Some("text/event-stream; charset=utf-8"));
    for chunk in chunks {
        recorder.push(chunk, 1_000).unwrap();
    }
    recorder.end(end, 2_000, &masker())
}

fn failed(batch: &[Submission]) -> ModelFailed {
    match &batch[0].event.data {
        Data::ModelFailed(failed) => failed.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_recorded_as_the_message_it_was() {
    let batch = streamed(&[STREAM.as_bytes()], End::Whole);
    let Data::ModelResponded(responded) = &batch[0].event.data else {
        panic!()
    };
    assert_eq!(responded.response_id.as_ref().unwrap().as_str(), "msg_1");
    assert_eq!(responded.stop_reason.as_ref().unwrap().as_str(), "tool_use");
    assert_eq!(
        (responded.input_tokens, responded.output_tokens),
        (Some(25), Some(15))
    );
    assert_eq!(
        (responded.cache_read_tokens, responded.tool_calls),
        (Some(7), 1)
    );
    assert_eq!(
        (responded.first_byte_micros, responded.duration_micros),
        (1_000, 2_000)
    );
    assert_eq!(
        batch[0].content[0].bytes,
        STREAM.as_bytes(),
        "the exact bytes are kept"
    );
    let Data::ToolCalled(tool) = &batch[1].event.data else {
        panic!()
    };
    assert_eq!(
        (tool.tool.as_str(), tool.tool_use.as_str()),
        ("get_weather", "toolu_1")
    );
    assert_eq!(
        tool.arguments_sha256,
        Hash(Sha256::digest(r#"{"city": "東京"}"#).into())
    );
    let text = Answer::from_stream(STREAM.as_bytes(), Dialect::Anthropic);
    assert_eq!(text.message["content"][0]["text"], "承知しました");
}

#[test]
fn a_stream_and_a_plain_answer_name_the_same_tool_call() {
    let plain = r#"{"id":"msg_1","model":"claude-test","stop_reason":"tool_use","content":[
        {"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"city": "東京"}}],"usage":{}}"#;
    let mut recorder = recorder();
    recorder.head(200, Some("application/json"));
    recorder.push(plain.as_bytes(), 5).unwrap();
    let batch = recorder.end(End::Whole, 6, &masker());
    assert_eq!(
        batch[1].event,
        streamed(&[STREAM.as_bytes()], End::Whole)[1].event
    );
}

#[test]
fn an_end_that_is_none_is_named() {
    let bytes = STREAM.as_bytes();
    let cut = &bytes[..bytes.len() - 60];
    let outcome = |batch: Vec<Submission>| failed(&batch).outcome;
    assert_eq!(
        outcome(streamed(&[cut], End::Broke)),
        FailedOutcome::UpstreamBroke
    );
    assert_eq!(
        outcome(streamed(&[cut], End::Whole)),
        FailedOutcome::UpstreamBroke
    );
    assert_eq!(
        outcome(streamed(&[cut], End::ClientGone)),
        FailedOutcome::ClientGone
    );
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    assert_eq!(
        outcome(streamed(&[error.as_bytes()], End::Whole)),
        FailedOutcome::UpstreamError
    );
    let whole = streamed(&[bytes], End::ClientGone);
    assert!(
        matches!(whole[0].event.data, Data::ModelResponded(_)),
        "the message was whole"
    );
    let batch = recorder().end(End::Unreachable, 7, &masker());
    assert_eq!(
        (failed(&batch).outcome, batch[0].content.len()),
        (FailedOutcome::Unreachable, 0)
    );
    let broken = streamed(&[cut], End::ClientGone);
    assert!(
        matches!(broken[1].event.data, Data::ToolCalled(_)),
        "the agent may act on it already"
    );
}

#[test]
fn an_error_of_the_provider_is_kept_with_its_status() {
    let mut recorder = recorder();
    recorder.head(429, Some("application/json"));
    recorder
        .push(
            br#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#,
            5,
        )
        .unwrap();
    let batch = recorder.end(End::Whole, 6, &masker());
    let failed = failed(&batch);
    assert_eq!(
        (failed.outcome, failed.status),
        (FailedOutcome::UpstreamError, Some(429))
    );
    assert!(
        batch[0].content[0]
            .bytes
            .starts_with(b"{\"type\":\"error\"")
    );
}

#[test]
fn a_prohibited_value_that_comes_back_is_not_kept() {
    let (first, second) = KEY.split_at(20);
    let stream = STREAM.replace("承知", first).replace("しました", second);
    let stream = stream.replace("東京", KEY);
    let batch = streamed(&[stream.as_bytes()], End::Whole);
    let kept = String::from_utf8(batch[0].content[0].bytes.clone()).unwrap();
    assert!(
        !kept.contains(KEY) && !kept.contains(first) && kept.contains("get_weather"),
        "{kept}"
    );
    let Data::RuleViolated(violated) = &batch.last().unwrap().event.data else {
        panic!()
    };
    assert_eq!((violated.count, violated.call), (2, Some(id(1))));
    let Data::ToolCalled(tool) = &batch[1].event.data else {
        panic!()
    };
    let exact = Hash(Sha256::digest(format!("{{\"city\": \"{KEY}\"}}")).into());
    assert_ne!(
        tool.arguments_sha256, exact,
        "a digest of it would keep it too"
    );
}

#[test]
fn a_prohibited_number_is_known_by_its_key() {
    let plain = r#"{"id":"msg_1","content":[{"type":"tool_use","id":"toolu_1","name":"register",
        "input":{"city":"東京","my_number":123456789018}}]}"#;
    let mut recorder = recorder();
    recorder.head(200, Some("application/json"));
    recorder.push(plain.as_bytes(), 5).unwrap();
    let batch = recorder.end(End::Whole, 6, &masker());
    let kept = String::from_utf8(batch[0].content[0].bytes.clone()).unwrap();
    assert!(
        !kept.contains("123456789018") && kept.contains("東京"),
        "{kept}"
    );
    assert_eq!(batch.last().unwrap().event.data.kind(), "rule.violated");
}

#[test]
fn an_answer_too_long_to_record_stops() {
    let mut recorder = recorder();
    let chunk = vec![b'x'; 16 << 20];
    for _ in 0..4 {
        recorder.push(&chunk, 1).unwrap();
    }
    assert!(recorder.push(b"x", 1).is_err());
}

#[test]
fn a_call_ends_once_and_a_restart_ends_what_was_open() {
    let ledger = ledger();
    let (_, first) = ledger.clear(1, r#"{"messages":[]}"#);
    let _open = ledger.clear(2, r#"{"messages":[]}"#);
    let mut first = first;
    first.head(200, Some("application/json"));
    first.push(b"{}", 1).unwrap();
    ledger
        .appender
        .append(first.end(End::Whole, 2, &masker()))
        .unwrap();
    let (count, close) = ledger.open_calls();
    assert_eq!(count, 1);
    assert_eq!(failed(&close).outcome, FailedOutcome::Unknown);
    assert_eq!(failed(&close).call, id(2));
    assert!(ledger.appender.append(close.clone()).unwrap()[0].new);
    assert!(
        !ledger.appender.append(close).unwrap()[0].new,
        "closing twice records once"
    );
    assert_eq!(ledger.open_calls().0, 0);
    let late = ledger.clear(3, "{}").1.end(End::Broke, 9, &masker());
    ledger.appender.append(late).unwrap();
    let again = call(3).event(
        super::ids::part_id(id(3), &super::ids::Part::End),
        failed(&streamed(&[], End::Broke)),
    );
    assert!(
        ledger.appender.append(vec![again.into()]).is_err(),
        "a call has one end"
    );
    drop(ledger.dir);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_split_of_a_stream_gives_the_same_record(cuts in proptest::collection::vec(0..STREAM.len(), 0..40)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM.as_bytes()[w[0]..w[1]]).collect();
        let (split, whole) = (streamed(&chunks, End::Whole), streamed(&[STREAM.as_bytes()], End::Whole));
        prop_assert_eq!(split.len(), whole.len());
        for (a, b) in split.iter().zip(&whole) {
            prop_assert_eq!(&a.event, &b.event);
        }
        prop_assert_eq!(&split[0].content[0].bytes, &whole[0].content[0].bytes);
    }
}

proptest! {
    #[test]
    fn no_bytes_are_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        Answer::from_stream(&bytes, Dialect::Anthropic);
        Answer::from_body(&bytes, Dialect::Anthropic);
        Summary::of(&String::from_utf8_lossy(&bytes), Dialect::Anthropic);
        new_tool_results(&bytes, Dialect::Anthropic);
    }

    #[test]
    fn no_sequence_of_events_is_a_fault(order in proptest::collection::vec(0..24usize, 0..40), at in 0..STREAM.len()) {
        let lines: Vec<&str> = STREAM.split_inclusive('\n').collect();
        let mut text: String = order.iter().map(|i| lines[i % lines.len()]).collect();
        text.push_str(STREAM.get(at..).unwrap_or_default());
        Answer::from_stream(text.as_bytes(), Dialect::Anthropic);
    }
}

#[test]
fn every_way_to_say_that_a_tool_was_used_is_read() {
    for (body, tool) in [
        (
            r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","name":"mail"}]}]}"#,
            "mail",
        ),
        (
            r#"{"messages":[{"content":[{"type":"mcp_tool_use","server_name":"mail","name":"read"}]}]}"#,
            "mcp__mail__read",
        ),
        (
            r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"mail"}}]}]}"#,
            "mail",
        ),
        (
            r#"{"messages":[{"tool_calls":[{"type":"custom","custom":{"name":"mail"}}]}]}"#,
            "mail",
        ),
        (
            r#"{"messages":[{"function_call":{"name":"mail","arguments":"{}"}}]}"#,
            "mail",
        ),
        (
            r#"{"input":[{"type":"function_call","name":"mail"},{"type":"message","content":"x"}]}"#,
            "mail",
        ),
        (
            r#"{"input":[{"type":"mcp_call","server_label":"mail","name":"read"}]}"#,
            "mcp__mail__read",
        ),
    ] {
        assert_eq!(tools_used(body.as_bytes()), [tool], "{body}");
    }
    let declared = r#"{"tools":[{"name":"mail"}],"messages":[{"content":"mail"}],"input":"mail"}"#;
    assert_eq!(tools_used(declared.as_bytes()), [""; 0]);
}

#[test]
fn where_only_aggregates_may_leave_an_image_stays() {
    use crate::classes::{Asked, ClassPolicy};
    let asked = |data_class| Asked {
        policy: std::sync::Arc::new(ClassPolicy::default()),
        registered: data_class,
        role: "shop".parse().unwrap(),
        consents: std::collections::BTreeMap::new(),
    };
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{png}"}}}}]}}]}}"#
    );
    let ledger = ledger();
    for (n, class, leaves) in [
        (1, schemas::DataClass::Internal, true),
        (2, schemas::DataClass::Ec, false),
    ] {
        let recorded = ledger.record(call(n).of_class(asked(class)), &body);
        assert_eq!(matches!(recorded, Recorded::Cleared(_)), leaves, "{class}");
        if let Recorded::Refused(refusal) = recorded {
            assert!(refusal.message().contains("class.ec ×1, media-image ×1"));
        }
    }
    let Data::PayloadMasked(masked) = ledger.reader.entry(2).unwrap().data().clone() else {
        panic!()
    };
    let media = masked.media.iter().map(|m| (m.rule.as_str(), m.count));
    assert_eq!(media.collect::<Vec<_>>(), [("media-image", 1)]);
}
