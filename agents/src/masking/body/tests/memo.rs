//! A conversation is sent whole at each turn: what is looked at is counted, not timed.

use super::*;

/// What a user says, what an assistant answers, what a tool gives. Names are learnt on the way, so
/// that what is known differs from string to string.
fn turn(n: usize) -> [Value; 3] {
    let surname = ["山田", "佐伯", "長谷川", "三宅", "中村"][n % 5];
    let rows =
        json!({"rows": [{"id": 1000 + n, "name": format!("{surname} 真由"), "amount": 1200}]});
    let said = format!("{n:03} 番目の依頼です。{surname}さんに 03-5555-0142 までご連絡ください。");
    [
        json!({"role": "user", "content": [{"type": "text", "text": said}]}),
        json!({"role": "assistant", "content": [
            {"type": "text", "text": format!("{n:03} 番目：{surname}さんの件を調べます。")},
            {"type": "tool_use", "id": format!("toolu_{n:03}"), "name": "read",
             "input": {"path": format!("orders/{n:03}.json")}},
        ]}),
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": format!("toolu_{n:03}"), "content": rows.to_string()},
        ]}),
    ]
}

/// The strings of a body as they stand there, keys too, in bytes.
fn strings_bytes(value: &Value) -> u64 {
    match value {
        Value::String(_) => value.to_string().len() as u64,
        Value::Array(list) => list.iter().map(strings_bytes).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() as u64 + 2 + strings_bytes(value))
            .sum(),
        _ => 0,
    }
}

#[test]
fn turn_200_looks_at_its_own_text_and_at_nothing_before() {
    const TURNS: usize = 200;
    let masker = masker();
    let mut messages: Vec<Value> = Vec::new();
    let (mut whole, mut before) = (0, None);
    for n in 0..TURNS {
        let new = turn(n);
        messages.extend(new.clone());
        let request = json!({"model": "m", "messages": messages});
        let body = serde_json::to_vec(&request).expect("JSON");
        whole += body.len() as u64;
        let analysed = masker.effort().analysed_bytes();
        let remembered = masker.effort().remembered_bytes();
        let masked = masker.body(&Capture::new(body), Dialect::Anthropic);
        assert!(masked.expect("a body").payload.is_some());
        let analysed = masker.effort().analysed_bytes() - analysed;
        let remembered = masker.effort().remembered_bytes() - remembered;

        // Once the strings of the form itself are known, each turn costs what the one before cost.
        let own: u64 = new.iter().map(strings_bytes).sum();
        assert!(analysed > own / 2, "turn {n} looked at {analysed} of {own}");
        assert!(n < 10 || analysed <= own, "turn {n}: {analysed}, own {own}");
        if let Some(before) = before.replace(remembered) {
            assert!(remembered > before, "turn {n} remembers {remembered}");
        }
    }
    let looked_at = masker.effort().analysed_bytes();
    assert!(
        looked_at * 50 < whole,
        "{looked_at} of {whole} bytes that were sent"
    );
}

/// What no policy or key of its own made is not taken from another's memory.
#[test]
fn a_string_is_looked_at_again_where_other_names_are_known() {
    let masker = masker();
    let looked_at = |messages: &[&str]| {
        let messages: Vec<Value> = messages
            .iter()
            .map(|text| json!({"role": "user", "content": text}))
            .collect();
        let body = serde_json::to_vec(&json!({"messages": messages})).expect("JSON");
        let before = masker.effort().analysed_bytes();
        let masked = masker.body(&Capture::new(body), Dialect::Anthropic);
        let payload = masked.expect("a body").payload.expect("allowed");
        let analysed = masker.effort().analysed_bytes() - before;
        (analysed, String::from_utf8(payload).expect("UTF-8"))
    };
    let later = "綾小路が来週の会議に出ると言っていました。";
    let (first, _) = looked_at(&["こんにちは、お元気ですか。", later]);
    let (again, _) = looked_at(&["こんにちは、お元気ですか。", later]);
    assert!(first > 0 && again == 0, "{first}, {again}");
    let (other, payload) = looked_at(&["綾小路様はお元気ですか。", later]);
    assert!(other > later.len() as u64, "{other}");
    assert!(!payload.contains("綾小路"), "{payload}");
}
