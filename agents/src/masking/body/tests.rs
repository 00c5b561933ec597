use super::*;
use crate::masking::Verdict;
use crate::masking::tests::masker;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

mod fields;
mod media;
mod memo;
mod prefix;
mod runs;

fn media(counts: &[RuleCount]) -> Vec<&str> {
    counts.iter().map(|count| count.rule.as_str()).collect()
}

fn masked(json: &str) -> MaskedBody {
    masker()
        .body(&Capture::new(json.as_bytes().to_vec()), Dialect::Anthropic)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn payload(json: &str) -> String {
    String::from_utf8(masked(json).payload.expect("allowed")).expect("UTF-8")
}

fn request(messages: &[String]) -> String {
    let messages: Vec<String> = messages
        .iter()
        .map(|m| {
            format!(
                r#"{{"role":"user","content":{}}}"#,
                serde_json::to_string(m).expect("a string")
            )
        })
        .collect();
    format!(r#"{{"model":"m","messages":[{}"#, messages.join(","))
}

#[test]
fn a_nothing_found_body_is_byte_identical() {
    let json = "{ \"model\" :\"claude\",\"max_tokens\":1e3,\n \"messages\":[{\"role\":\"user\",\"content\":\"\\u4f1a\\u8b70\\/\\n 5\"}] }\n";
    assert_eq!(payload(json), json);
    assert_eq!(masked(json).stored, json.as_bytes());
}

#[test]
fn only_the_value_changes_and_escapes_keep_their_style() {
    assert_eq!(
        payload(r#"{"messages":[{"content":"\u5c71\u7530\u592a\u90ce\u69d8 \u002b 東"}]}"#),
        r#"{"messages":[{"content":"Y.T.\u69d8 \u002b 東"}]}"#
    );
    assert_eq!(
        payload(r#"{"content":"\u6a2a\u6d5c\u5e02\u897f\u533a\u9ad8\u5cf61-2-3"}"#),
        r#"{"content":"\u795e\u5948\u5ddd\u770c"}"#
    );
}

#[test]
fn tool_inputs_are_read_with_their_keys_as_labels() {
    assert_eq!(
        payload(
            r#"{"messages":[{"content":[{"type":"tool_use","id":"山田さん","name":"山田さん","input":{"name":"山田太郎","assignee":"中村","to":["鈴木"]}}]}]}"#
        ),
        r#"{"messages":[{"content":[{"type":"tool_use","id":"山田さん","name":"山田さん","input":{"name":"Y.T.","assignee":"N.","to":["S."]}}]}]}"#
    );
}

#[test]
fn what_the_provider_signed_is_never_edited() {
    let json = r#"{"messages":[{"content":[{"type":"thinking","thinking":"山田さんは","signature":"山田さん"},{"type":"redacted_thinking","data":"山田さん"},{"content":"山田さん","type":"compaction"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgr/"}}]}]}"#;
    assert_eq!(payload(json), json);
}

#[test]
fn prohibited_values_block_and_are_cut_from_what_is_stored() {
    for json in [
        r#"{"messages":[{"content":"カード 4111-1111-1111-1111 です"}]}"#,
        r#"{"messages":[{"content":[{"type":"thinking","thinking":"カード 4111-1111-1111-1111 です"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","input":{"pan":4111111111111111}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","input":{"4111111111111111":1}}]}]}"#,
    ] {
        let body = masked(json);
        assert!(body.payload.is_none());
        assert_eq!(body.blocks.len(), 1);
        let stored = String::from_utf8(body.stored).expect("UTF-8");
        assert!(stored.contains("[CUT:CARD]") && !stored.contains("1111"));
        assert!(serde_json::from_str::<serde_json::Value>(&stored).is_ok());
    }
}

#[test]
fn who_speaks_is_masked_and_what_answers_is_not() {
    let json = r#"{"messages":[{"role":"user","name":"山田太郎","content":""},{"role":"function","name":"山田太郎","content":""}],"metadata":{"user_id":"taro@example.jp"},"tools":[{"name":"山田太郎"}]}"#;
    assert_eq!(
        payload(json),
        json.replacen("山田太郎", "Y.T.", 1)
            .replace("taro@", "****@")
    );
    // Claude Code's name for a session.
    let json = r#"{"metadata":{"user_id":"{\"device_id\":\"5e8f0b9c7d1a2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d\",\"account_uuid\":\"0b9c7f4e-1d2a-4b3c-9e8f-7a6b5c4d3e2f\",\"session_id\":\"8a7b6c5d-4e3f-4a1b-8c9d-0e1f2a3b4c5d\"}"}}"#;
    assert_eq!(payload(json), json);
}

#[test]
fn ciphertext_that_looks_like_a_secret_passes_and_a_secret_in_its_place_does_not() {
    let json = |signature: &str| {
        format!(
            r#"{{"messages":[{{"content":[{{"type":"thinking","thinking":"","signature":"{signature}"}}]}}]}}"#
        )
    };
    let random = "EqoBCkgIARABGAIiQL2hcioZq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd+cioZq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0Fg/A==";
    let text = format!("\"{}\"", random.replace('+', " "));
    assert!(masked(&text).payload.is_none(), "anywhere else it blocks");
    assert_eq!(payload(&json(random)), json(random));
    for secret in [
        "ghp_Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0FgAe2K",
        "password: Xk29!pqLm",
    ] {
        assert!(masked(&json(secret)).payload.is_none());
    }
}

#[test]
fn a_name_spreads_to_later_strings_only() {
    assert_eq!(
        payload(
            r#"{"messages":[{"content":"ピッピが来た"},{"content":"ピッピさん"},{"content":"ピッピが来た"}]}"#
        ),
        r#"{"messages":[{"content":"ピッピが来た"},{"content":"P.さん"},{"content":"P.が来た"}]}"#
    );
}

#[test]
fn one_value_has_one_tag_however_it_was_written() {
    let body = masked(r#"{"a":"090-1234-5678","b":"０９０１２３４５６７８","c":"090-1234-5679"}"#);
    let mut counts: Vec<u64> = body.tags.iter().map(|t| t.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2]);
    assert_eq!(body.masks.iter().map(|m| m.count).sum::<u64>(), 3);
}

#[test]
fn bad_bodies_are_refused_without_their_text() {
    let refused = |bytes: &[u8]| {
        masker()
            .body(&Capture::new(bytes.to_vec()), Dialect::Anthropic)
            .err()
    };
    assert_eq!(
        refused(b"{\"a\":\xff}"),
        Some(BodyError::NotUtf8 { offset: 5 })
    );
    assert_eq!(
        refused(b"{\"a\":x}"),
        Some(BodyError::NotJson { offset: 5 })
    );
    assert_eq!(
        refused("[".repeat(500).as_bytes()),
        Some(BodyError::TooDeep)
    );
    assert!(matches!(
        refused(br#"{"type":"text","type":"compaction"}"#),
        Some(BodyError::DuplicateType { .. })
    ));
    // The provider reads the second, behind its escape.
    assert!(matches!(
        refused(br#"{"type":"redacted_thinking","\u0074ype":"text"}"#),
        Some(BodyError::DuplicateType { .. })
    ));
}

#[test]
fn arguments_stay_json_inside_their_string() {
    let json = r#"{"messages":[{"tool_calls":[{"function":{"name":"f","arguments":"{\"to\":\"hanako@example.jp\",\"note\":\"a\\nyamada@example.jp\",\"name\":\"山田太郎\"}"}}]}]}"#;
    let body = masker()
        .body(&Capture::new(json.as_bytes().to_vec()), Dialect::OpenAiChat)
        .unwrap_or_else(|e| panic!("{e}"));
    let value: serde_json::Value =
        serde_json::from_slice(&body.payload.expect("allowed")).expect("JSON");
    let inner = value["messages"][0]["tool_calls"][0]["function"]["arguments"]
        .as_str()
        .expect("a string");
    let inner: serde_json::Value = serde_json::from_str(inner).expect("JSON inside");
    assert_eq!(inner["to"], "****@example.jp");
    assert_eq!(inner["note"], "a\n****@example.jp");
    assert_eq!(inner["name"], "Y.T.");
}

/// Texts made of what the rules look for, and of what they must leave alone.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("山田太郎"),
        Just("佐藤"),
        Just("様"),
        Just("さん"),
        Just("です。"),
        Just("担当："),
        Just("、"),
        Just("\n"),
        Just(" "),
        Just("090-1234-5678"),
        Just("taro@example.jp"),
        Just("横浜市西区高島1-2-3"),
        Just("石川県"),
        Just("Taro Yamada"),
        Just("Y.T."),
        Just("会議は3階"),
        Just("\\u5c71\\u7530"),
        Just("5bGx55Sw5aSq6YOO"),
        Just("〒100-0001"),
        Just("氏名,年齢"),
        Just("\u{200B}"),
        Just("\"name\":\""),
        Just("ヤマダ タロウ"),
        Just("1"),
        Just("の"),
        Just("東京都"),
    ];
    let mark = prop_oneof![
        Just("、"),
        Just("。"),
        Just("\n"),
        Just("さん、"),
        Just("様\n"),
        Just(" / ")
    ];
    proptest::collection::vec((piece, mark), 0..12).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(piece, mark)| [piece, mark])
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_request_that_grew_keeps_its_masked_prefix(messages in proptest::collection::vec(texts(), 1..5), more in proptest::collection::vec(texts(), 1..4)) {
        let short = request(&messages);
        let long = request(&[messages, more].concat());
        let (a, b) = (masked(&(short + "]}")).payload, masked(&(long + "]}")).payload);
        if let (Some(a), Some(b)) = (a, b) {
            prop_assert!(b.starts_with(&a[..a.len() - 2]));
        }
    }

    #[test]
    fn masking_is_idempotent(pieces in proptest::collection::vec(texts(), 0..4)) {
        // Apart: what is masked beside a letter opens an edge where there was none.
        let text = pieces.join("\n");
        let once = masker().text(&text);
        if once.verdict == Verdict::Allow {
            let twice = masker().text(&once.masked);
            prop_assert_eq!(twice.masked, once.masked);
        }
    }

    #[test]
    fn spans_are_sound_and_masked_is_the_text_with_them_replaced(text in any::<String>(), more in texts()) {
        let text = text + &more;
        let found = masker().text(&text);
        let chars: Vec<char> = text.chars().collect();
        let (mut out, mut at) = (String::new(), 0);
        for span in &found.spans {
            prop_assert!(at <= span.start && span.start < span.end && span.end <= chars.len());
            prop_assert!(!span.replacement.contains(['"', '\\']));
            out.extend(&chars[at..span.start]);
            out.push_str(&span.replacement);
            at = span.end;
        }
        out.extend(&chars[at..]);
        prop_assert_eq!(out, found.masked);
    }

    #[test]
    fn a_masked_body_is_json_with_the_same_shape(text in texts(), other in any::<String>()) {
        let json = serde_json::json!({"messages": [{"content": text}, {"content": other}], "n": 1.5}).to_string();
        let body = masked(&json);
        for bytes in [Some(body.stored), body.payload].into_iter().flatten() {
            let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(value["messages"].as_array().map(Vec::len), Some(2));
        }
    }
}

/// Four times as much may take ten times as long on a busy machine, and would take sixteen times
/// as long if a rule were quadratic. A busy machine is slow for a while, a quadratic rule always.
fn is_linear(what: &str, once: impl Fn() -> Duration, four: impl Fn() -> Duration) {
    let best = |time: &dyn Fn() -> Duration| (0..3).map(|_| time()).min().unwrap_or_default();
    let look = |_| {
        let (once, four) = (best(&once), best(&four));
        let allowed = once * 10 + Duration::from_millis(50);
        (four < allowed).then_some(()).ok_or((once, four))
    };
    let slow: Vec<_> = (0..4).map(look).map_while(Result::err).collect();
    assert!(slow.len() < 4, "{what:?}: {slow:?}");
}

#[test]
fn four_times_the_text_takes_no_more_than_linear_time() {
    let masker = masker();
    let time = |text: &str| {
        let begin = Instant::now();
        let _ = masker.text(text);
        begin.elapsed()
    };
    for unit in [
        "a",
        "0-",
        "山",
        "ア",
        "アア・",
        "ー",
        "\\u",
        "%E5",
        "&#",
        "1 ",
        "(",
        "東京都",
        "山田様",
        "様",
        "4111",
        "\n",
        "Taro ",
        "佐藤、",
        "田中,1\n",
        "桑原に",
        "5bGx55Sw",
        "a@",
        "山\n",
        "名前：",
        "01234567",
        "\r\n",
        "氏名,年\n佐藤健,1\n",
        "桑原家は",
        "山田太郎さん、佐藤花子様、高橋と田中が担当します。",
    ] {
        let (short, long) = (
            unit.repeat(30_000 / unit.len()),
            unit.repeat(120_000 / unit.len()),
        );
        is_linear(unit, || time(&short), || time(&long));
    }
}

#[test]
fn a_body_four_times_as_long_takes_no_more_than_linear_time() {
    let message = |n: usize| json!({"role": "user", "content": format!("{n} 番目の依頼です。山田さんに 03-5555-0142 で確認しました。")});
    let time = |count: usize| {
        let messages: Vec<Value> = (0..count).map(message).collect();
        let body = serde_json::to_vec(&json!({"model": "m", "messages": messages})).expect("JSON");
        let begin = Instant::now();
        // A masker of its own: nothing is remembered.
        let masked = masker().body(&Capture::new(body), Dialect::Anthropic);
        let masks = masked.expect("a body").masks;
        let of = |rule: &str| {
            masks
                .iter()
                .find(|mask| mask.rule.as_str() == rule)
                .map(|mask| mask.count)
        };
        assert_eq!(
            (of("person"), of("phone")),
            (Some(count as u64), Some(count as u64)),
            "{masks:?}"
        );
        begin.elapsed()
    };
    is_linear("a body", || time(400), || time(1600));
}

/// Everything that a caller sees of a body.
type Answer = (
    Option<Vec<u8>>,
    Vec<u8>,
    Vec<RuleCount>,
    Vec<RuleCount>,
    Vec<MaskTag>,
);

fn answer(masker: &Masker, json: &str) -> Answer {
    let body = masker
        .body(&Capture::new(json.as_bytes().to_vec()), Dialect::Anthropic)
        .unwrap_or_else(|e| panic!("{e}"));
    (
        body.payload,
        body.stored,
        body.masks,
        body.blocks,
        body.tags,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Strings come again in the same and in other company, before and after the names that they
    /// are masked by are known.
    #[test]
    fn what_is_remembered_is_what_a_fresh_look_finds(
        pool in proptest::collection::vec(texts(), 2..6),
        bodies in proptest::collection::vec(proptest::collection::vec(0usize..6, 1..6), 2..8),
    ) {
        let remembering = masker();
        for body in bodies {
            let messages: Vec<String> =
                body.iter().map(|&n| pool[n % pool.len()].clone()).collect();
            let json = request(&messages) + r#"],"metadata":{"name":"山田太郎"},"id":"x4111111111111111x"}"#;
            prop_assert!(answer(&remembering, &json) == answer(&masker(), &json));
        }
    }

    /// Any bytes inside a string, in any escape style: the text that is read back has the same
    /// masks as the text by itself, and everything around it is as it was.
    #[test]
    fn any_string_is_rewritten_in_place(text in any::<String>(), known in texts(), style in 0u8..3) {
        let text = text + &known;
        let mut string = String::new();
        for c in text.chars() {
            match (style, c) {
                (_, '"' | '\\') => string.extend(['\\', c]),
                (_, c) if (c as u32) < 0x20 => string += &format!("\\u{:04X}", c as u32),
                (1, c) if !c.is_ascii() => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        string += &format!("\\u{unit:04x}");
                    }
                }
                (2, c) if (c as u32).is_multiple_of(3) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        string += &format!("\\u{unit:04X}");
                    }
                }
                (_, c) => string.push(c),
            }
        }
        let json = format!("{{ \"content\" :\t\"{string}\" ,\n\"n\":1e2}}");
        let alone = masker().text(&text);
        let body = masked(&json);
        prop_assert_eq!(body.payload.is_some(), alone.verdict == Verdict::Allow);
        if let Some(bytes) = body.payload {
            let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(value["content"].as_str(), Some(alone.masked.as_str()));
            let out = String::from_utf8(bytes).expect("UTF-8");
            let kept = out.starts_with("{ \"content\" :\t\"") && out.ends_with("\" ,\n\"n\":1e2}");
            prop_assert!(kept);
            if alone.spans.is_empty() {
                prop_assert_eq!(out, json);
            }
        }
    }
}

#[test]
fn a_name_that_a_remembered_string_teaches_is_known_after_it() {
    let masker = masker();
    let first = r#"{"a":"小林さん"}"#;
    let then = r#"{"a":"小林さん","b":"小林が来た"}"#;
    answer(&masker, first);
    let want = r#"{"a":"K.さん","b":"K.が来た"}"#.as_bytes();
    assert_eq!(answer(&masker, then).0.as_deref(), Some(want));
}
