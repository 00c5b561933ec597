use super::*;

const KEY: &str = "ghp_Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0FgAe2K";

/// Bodies that hold two strings which read on.
fn split_bodies(first: &str, second: &str) -> Vec<String> {
    [
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}]}"#,
        r#"{"messages":[{"role":"user","content":"A"},{"role":"user","content":"B"}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"A"}]},{"role":"user","content":"B"}]}"#,
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"A"}]},{"role":"user","content":[{"text":"B","type":"input_text"}]}]}"#,
        r#"{"system":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}"#,
        r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"lines":["A","B"]}}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}]}]}"#,
        r#"{"messages":[{"role":"tool","content":"A"},{"role":"tool","content":"B"}]}"#,
    ]
    .iter()
    .map(|body| body.replace('A', first).replace("\"B\"", &format!("\"{second}\"")))
    .collect()
}

#[test]
fn a_secret_that_is_split_over_two_strings_blocks_wherever_it_is_split() {
    let masker = masker();
    for cut in 1..KEY.len() {
        let (first, second) = KEY.split_at(cut);
        for json in split_bodies(&format!("鍵は {first}"), &format!("{second} です")) {
            let body = masker
                .body(&Capture::new(json.clone().into_bytes()), Dialect::Anthropic)
                .unwrap_or_else(|e| panic!("{e}"));
            assert!(body.payload.is_none(), "{json}");
            assert_eq!(media(&body.blocks), ["secret"], "{json}");
            let stored = String::from_utf8(body.stored).expect("UTF-8");
            for part in [first, second].into_iter().filter(|part| part.len() > 8) {
                assert!(!stored.contains(part), "{stored}");
            }
            assert!(stored.contains("です"));
            assert!(serde_json::from_str::<serde_json::Value>(&stored).is_ok());
        }
    }
}

#[test]
fn a_secret_over_many_strings_blocks() {
    let blocks: Vec<String> = KEY
        .chars()
        .map(|c| format!(r#"{{"type":"text","text":"{c}"}}"#))
        .collect();
    let json = format!(
        r#"{{"messages":[{{"role":"user","content":[{}]}}]}}"#,
        blocks.join(",")
    );
    let body = masked(&json);
    assert!(body.payload.is_none());
    assert_eq!(body.blocks[0].count, 1);
    assert!(!String::from_utf8_lossy(&body.stored).contains(r#""text":"7""#));
}

#[test]
fn a_label_in_one_string_counts_for_the_value_in_the_next() {
    let json = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"パスワードは"},{"type":"text","text":"「Xk29!pqLm」です"}]}]}"#;
    assert!(masked(json).payload.is_none());
    assert!(!String::from_utf8_lossy(&masked(json).stored).contains("Xk29"));
}

#[test]
fn a_card_in_two_blocks_of_what_somebody_says_blocks_and_a_list_of_numbers_does_not() {
    let json = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"カードは 4111-1111-"},{"type":"text","text":"1111-1111 です"}]}]}"#;
    assert!(masked(json).payload.is_none());
    let list = r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","input":{"orders":["41111111","11111111"]}}]}]}"#;
    assert_eq!(payload(list), list);
}

#[test]
fn strings_that_do_not_read_on_are_not_joined() {
    for json in [
        r#"{"messages":[{"role":"user","content":"ghp_Zq7Xw2Lk9Vb4Nm1P"},{"role":"assistant","content":"c8Rt6Yu3Hs5Jd0FgAe2K"}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"ghp_Zq7Xw2Lk9Vb4Nm1P"},{"type":"image","source":{}},{"type":"text","text":"c8Rt6Yu3Hs5Jd0FgAe2K"}]}]}"#,
        r#"{"a":"ghp_Zq7Xw2Lk9Vb4Nm1P","b":"c8Rt6Yu3Hs5Jd0FgAe2K"}"#,
    ] {
        assert_eq!(payload(json), json);
    }
}

#[test]
fn what_blocks_by_itself_counts_once() {
    let json = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"{KEY}"}},{{"type":"text","text":" です"}}]}}]}}"#
    );
    assert_eq!(masked(&json).blocks[0].count, 1);
}
