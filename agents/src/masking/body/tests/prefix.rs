//! Conversations of every dialect that only grow: what was sent stays, byte for byte.

use super::*;

/// One turn as a provider's client writes it, from two texts.
fn turn(dialect: Dialect, kind: usize, said: &str, more: &str) -> String {
    let json = |text: &str| serde_json::to_string(text).expect("a string");
    let (said, inner) = (json(said), json(&format!("{{\"note\": {}}}", json(said))));
    let more = json(more);
    match (dialect, kind % 4) {
        (Dialect::Anthropic, 0) => format!(r#"{{"role":"user","content":{said}}}"#),
        (Dialect::Anthropic, 1) => format!(
            r#"{{"role": "assistant", "content" : [{{"type":"thinking","thinking":{more},"signature":"EqoB"}},{{"type":"text","text":{said}}}]}}"#
        ),
        (Dialect::Anthropic, 2) => format!(
            r#"{{"content":[{{"type":"tool_use","id":"t","name":"n","input":{{"name":{more},"k":[{said}]}}}}],"role":"assistant"}}"#
        ),
        (Dialect::Anthropic, _) => format!(
            r#"{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text","text":{said}}},{{"type":"text","text":{more}}}]}}]}}"#
        ),
        (Dialect::OpenAiChat, 0) => {
            format!(
                r#"{{"role":"user","name":{more},"content":[{{"type":"text","text":{said}}}]}}"#
            )
        }
        (Dialect::OpenAiChat, 1) => format!(
            r#"{{"role":"assistant","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":{inner}}}}}]}}"#
        ),
        (Dialect::OpenAiChat, _) => {
            format!("{{\"role\":\"tool\",\n\t\"tool_call_id\":\"c\", \"content\":{said}}}")
        }
        (Dialect::OpenAiResponses, 0) => format!(
            r#"{{"type":"message","role":"user","content":[{{"type":"input_text","text":{said}}}]}}"#
        ),
        (Dialect::OpenAiResponses, 1) => {
            format!(r#"{{"type":"function_call","call_id":"c","name":"f","arguments":{inner}}}"#)
        }
        (Dialect::OpenAiResponses, _) => {
            format!(r#"{{"type":"function_call_output","call_id":"c","output":{said}}}"#)
        }
    }
}

fn conversation(dialect: Dialect, turns: &[(usize, String, String)]) -> String {
    let turns: Vec<String> = turns
        .iter()
        .map(|(kind, said, more)| turn(dialect, *kind, said, more))
        .collect();
    let list = match dialect {
        Dialect::OpenAiResponses => "input",
        _ => "messages",
    };
    format!(r#"{{"model":"m", "{list}" : [{}"#, turns.join(" ,\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_conversation_that_grew_keeps_its_masked_prefix(
        turns in proptest::collection::vec((0usize..4, texts(), texts()), 1..6),
        grown in 1usize..6,
        dialect in prop_oneof![
            Just(Dialect::Anthropic),
            Just(Dialect::OpenAiChat),
            Just(Dialect::OpenAiResponses)
        ],
    ) {
        let short = conversation(dialect, &turns[..grown.min(turns.len())]) + "]}";
        let long = conversation(dialect, &turns) + "]}";
        let look = |json: &str| {
            let capture = Capture::new(json.as_bytes().to_vec());
            masker().body(&capture, dialect).unwrap_or_else(|e| panic!("{e}")).payload
        };
        if let (Some(a), Some(b)) = (look(&short), look(&long)) {
            prop_assert!(b.starts_with(&a[..a.len() - 2]));
        }
    }
}

/// What JSON allows and few writers write: kept as it came, or refused. Never read in one way
/// and sent in another.
#[test]
fn odd_json_is_kept_or_refused() {
    for kept in [
        r#"{"a":1,"a":2,"messages":[],"messages":[{"content":"x"}]}"#,
        r#"{"n":123456789.000000000000000000000000000000000001e-999,"m":-0.0,"k":1E+400}"#,
        r#"{"content":"\ud83d","b":"\ude00\ud83d","c":"\ud83d\ude00","\ud800":1}"#,
        r#"{"content":"\u0000\u001f\u007f\/\b\f"}"#,
        "\u{FEFF}{}",
    ] {
        let body = masker().body(&Capture::new(kept.as_bytes().to_vec()), Dialect::Anthropic);
        match body {
            Ok(body) => assert_eq!(body.payload.as_deref(), Some(kept.as_bytes())),
            Err(error) => assert!(kept.starts_with('\u{FEFF}'), "{error}"),
        }
    }
    // Both values of a key that stands twice are read: which of them counts is the provider's choice.
    let twice = r#"{"content":"taro@example.jp","content":"hanako@example.jp"}"#;
    assert_eq!(
        payload(twice),
        r#"{"content":"****@example.jp","content":"****@example.jp"}"#
    );
    // Half of a pair beside a value stays half of a pair.
    assert_eq!(
        payload(r#"{"content":"\ud83d taro@example.jp \ude00"}"#),
        r#"{"content":"\ud83d ****@example.jp \ude00"}"#
    );
}
