//! Forms in which personal data stands, and what becomes of each: a row is a promise.

use agents::capture::Capture;
use agents::masking::{Dialect, EmailMask, Masker, Policy, TagKey, Verdict};

fn masker_of(policy: Policy, key: u8) -> Masker {
    Masker::new(policy, TagKey::new([key; 32])).expect("a sound policy")
}

#[track_caller]
fn becomes(text: &str, masked: &str) {
    let found = masker_of(Policy::default(), 1).text(text);
    assert_eq!(found.masked, masked);
    assert_eq!(found.verdict, Verdict::Allow);
}

#[test]
fn a_name_in_half_width_kana_becomes_initials() {
    becomes("ﾔﾏﾀﾞ ﾀﾛｳ様より", "Y.T.様より");
    becomes("ｻﾞｲｾﾞﾝ ﾊﾟｳﾛ様より", "Z.P.様より");
}

#[test]
fn a_name_that_a_line_break_splits_is_one_name() {
    becomes("担当の山田\n太郎様へ", "担当のY.T.様へ");
    becomes("担当の山田\r\n太郎様へ", "担当のY.\r\nT.様へ");
    // Nobody's name runs over an empty line.
    becomes("担当の山田\n\n太郎様へ", "担当のY.\n\nT.様へ");
}

#[test]
fn a_name_that_no_list_can_read_becomes_the_neutral_mask() {
    becomes("担当：幻灯木様へ", "担当：X.様へ");
    becomes("幻灯木様、幻灯木さん", "X.様、X.さん");
}

#[test]
fn the_author_of_a_commit_is_a_name_and_a_mailbox() {
    becomes(
        "commit 3f8d4fa1b2\nAuthor: Taro Yamada <taro.yamada@example.jp>\nDate:   Mon Nov 30 10:00:00 2026 +0900\n\n    \
         fix: rounding\n\n    Co-authored-by: 佐藤花子 <hanako@example.jp>\n",
        "commit 3f8d4fa1b2\nAuthor: T.Y. <****@example.jp>\nDate:   Mon Nov 30 10:00:00 2026 +0900\n\n    \
         fix: rounding\n\n    Co-authored-by: S.H. <****@example.jp>\n",
    );
}

#[test]
fn a_signature_keeps_the_company_and_loses_the_person() {
    becomes(
        "よろしくお願いいたします。\n\n--\n株式会社青空商事 経理部\n佐伯 真由\nTEL 03-5555-0142\nmayu.saeki@example.jp",
        "よろしくお願いいたします。\n\n--\n株式会社青空商事 経理部\nS.M.\nTEL 03-5555-****\n****@example.jp",
    );
}

#[test]
fn a_name_found_later_in_a_string_is_masked_before_it_too() {
    becomes(
        "綾小路に聞いた件は、綾小路様がご担当です。",
        "A.に聞いた件は、A.様がご担当です。",
    );
}

#[test]
fn a_surname_before_a_comma_is_one_person_with_what_follows() {
    becomes("Name: Yamada, Taro", "Name: Y.T.");
    becomes("To: Yamada, Taro; Suzuki, Hanako", "To: Y.T.; S.H.");
    becomes(
        "From: Yamada, Taro <t@example.jp>",
        "From: Y.T. <****@example.jp>",
    );
}

/// Masks need no secret and no state: two nodes of one company, or two companies, write the same.
#[test]
fn masks_are_equal_under_every_key_and_tags_are_not() {
    let text = "山田太郎様、〒100-0005 東京都千代田区丸の内1-2-3、03-5555-0142、taro@example.jp";
    let body = serde_json::to_vec(&serde_json::json!({"messages": [{"content": text}]}));
    let [one, other] = [1, 2].map(|key| {
        let masker = masker_of(Policy::default(), key);
        let capture = Capture::new(body.as_ref().expect("JSON").clone());
        let masked = masker.body(&capture, Dialect::Anthropic).expect("a body");
        let tags: Vec<String> = masked.tags.iter().map(|t| t.tag.to_string()).collect();
        (masker.text(text).masked, masked.payload, tags)
    });
    assert_eq!((&one.0, &one.1), (&other.0, &other.1));
    assert_eq!(one.0, "Y.T.様、東京都、03-5555-****、****@example.jp");
    assert_eq!((one.2.len(), other.2.len()), (4, 4));
    assert!(one.2.iter().all(|tag| !other.2.contains(tag)));
}

#[test]
fn a_policy_may_mask_the_last_four_of_a_mailbox() {
    let policy = Policy {
        email: EmailMask::LastFour,
        ..Policy::default()
    };
    let masker = masker_of(policy, 1);
    for (text, masked) in [
        ("invoices@example.co.jp へ", "invo****@example.co.jp へ"),
        (
            "ｉｎｖｏｉｃｅｓ＠example.co.jp",
            "ｉｎｖｏ****＠example.co.jp",
        ),
        // What has no more than four is masked whole.
        ("taro@example.jp", "****@example.jp"),
    ] {
        let found = masker.text(text);
        assert_eq!(found.masked, masked);
        assert_eq!(masker.text(masked).masked, masked, "again");
    }
}

#[test]
fn a_prohibited_value_in_a_field_that_is_never_edited_blocks() {
    let key = format!("ghp_{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
    let card = "4111-1111-1111-1111".to_owned();
    let body = |value: &str| {
        [
            serde_json::json!({"type": "thinking", "thinking": value, "signature": "EqoB"}),
            serde_json::json!({"type": "thinking", "thinking": "x", "signature": value}),
            serde_json::json!({"type": "redacted_thinking", "data": value}),
            serde_json::json!({"type": "compaction", "content": value}),
            serde_json::json!({"type": "tool_use", "id": value, "name": "n", "input": {}}),
        ]
        .map(|block| serde_json::json!({"messages": [{"role": "assistant", "content": [block]}]}))
    };
    let masker = masker_of(Policy::default(), 1);
    let mask = |body: &serde_json::Value| {
        let capture = Capture::new(body.to_string().into_bytes());
        masker.body(&capture, Dialect::Anthropic).expect("a body")
    };
    for (value, rule) in [(key, "secret"), (card, "card")] {
        for body in body(&value) {
            let masked = mask(&body);
            assert!(masked.payload.is_none(), "{rule} leaves in {body}");
            assert!(masked.blocks.iter().any(|b| b.rule.as_str() == rule));
            let stored = String::from_utf8(masked.stored).expect("UTF-8");
            assert!(!stored.contains(&value), "{rule} is kept of {body}");
        }
    }
    // What is personal there leaves as the provider signed it.
    for body in body("山田太郎様") {
        let bytes = body.to_string().into_bytes();
        assert_eq!(mask(&body).payload, Some(bytes), "{body}");
    }
}
