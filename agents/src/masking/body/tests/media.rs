use super::*;
use crate::masking::pdf::tests::document;
use crate::masking::{Masker, MediaRule, Policy, TagKey};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe";

fn with(kind: &str, media: &str, bytes: &[u8]) -> String {
    let data = BASE64_STANDARD.encode(bytes);
    format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"{kind}","source":{{"type":"base64","media_type":"{media}","data":"{data}"}}}}]}}]}}"#
    )
}

#[test]
fn what_no_rule_reads_is_counted_by_kind_and_left_as_it_is() {
    for (bytes, rule) in [
        (PNG, "media-image"),
        (b"\xFF\xD8\xFF\xE0\0\x10JFIF", "media-image"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "media-image"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "media-audio"),
        (b"PK\x03\x04\x14\0\x06\0\xff\xfe", "media-file"),
    ] {
        let json = with("image", "image/png", bytes);
        assert_eq!(payload(&json), json);
        assert_eq!(media(&masked(&json).media), [rule]);
    }
    for json in [
        r#"{"messages":[{"content":[{"type":"image","source":{"type":"url","url":"https://example.jp/a.png"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.jp/a.png"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"input_image","image_url":"https://example.jp/a.png"}]}]}"#,
    ] {
        assert_eq!(payload(json), json);
        assert_eq!(media(&masked(json).media), ["media-elsewhere"]);
    }
    let url = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(PNG));
    let json = format!(
        r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}]}}"#
    );
    assert_eq!(payload(&json), json);
    assert_eq!(media(&masked(&json).media), ["media-image"]);
    assert!(
        masked(r#"{"messages":[{"content":"text only"}]}"#)
            .media
            .is_empty()
    );
}

#[test]
fn a_policy_may_forbid_media() {
    let policy = Policy {
        media: MediaRule::Block,
        ..Policy::default()
    };
    let masker = Masker::new(policy, TagKey::new([1; 32])).expect("sound");
    let look = |json: &str| {
        masker
            .body(&Capture::new(json.as_bytes().to_vec()), Dialect::Anthropic)
            .unwrap_or_else(|e| panic!("{e}"))
    };
    let body = look(&with("image", "image/png", PNG));
    assert!(body.payload.is_none());
    assert_eq!(media(&body.blocks), ["media-image"]);
    assert!(look(r#"{"messages":[]}"#).payload.is_some());
}

#[test]
fn a_pdf_is_blocked_by_what_its_text_holds() {
    let look = |lines: &[&str]| {
        masked(&with(
            "document",
            "application/pdf",
            &document("daicho", lines),
        ))
    };
    let clean = look(&["会議は3階です。"]);
    assert!(clean.payload.is_some());
    assert_eq!(media(&clean.media), ["media-pdf"]);
    let personal = look(&["担当は山田太郎様です。", "hanako.sato@example.jp"]);
    assert!(personal.payload.is_none());
    assert_eq!(media(&personal.blocks), ["email", "person"]);
    let stored = String::from_utf8(personal.stored).expect("UTF-8");
    assert!(!stored.contains("[CUT"), "what is personal may be sealed");
    let secret = look(&["カードは 4111-1111-1111-1111 です"]);
    assert_eq!(media(&secret.blocks), ["card"]);
    assert!(String::from_utf8_lossy(&secret.stored).contains("[CUT:CARD]"));
}

#[test]
fn a_text_document_is_masked_as_text_and_text_in_base64_blocks() {
    let plain = r#"{"messages":[{"content":[{"type":"document","title":"山田様の件","source":{"type":"text","media_type":"text/plain","data":"担当は山田太郎様です"}}]}]}"#;
    assert_eq!(
        payload(plain),
        plain
            .replace("山田様", "Y.様")
            .replace("山田太郎様", "Y.T.様")
    );
    assert!(masked(plain).media.is_empty());
    let hidden = with("document", "text/plain", "担当は山田太郎様です".as_bytes());
    assert!(masked(&hidden).payload.is_none());
    // A media type says nothing about what the bytes are.
    let hidden = with("image", "image/png", "担当は山田太郎様です".as_bytes());
    assert!(masked(&hidden).payload.is_none());
}
