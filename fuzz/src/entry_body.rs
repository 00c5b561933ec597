use schemas::{Envelope, MAX_BODY_BYTES};

/// A body that is read has one form: it is written as the same bytes, and any reader of JSON
/// sees the same keys in the same order.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(envelope) = Envelope::from_body(bytes) else {
        return false;
    };
    assert!(bytes.len() <= MAX_BODY_BYTES);
    assert_eq!(envelope.to_body().expect("a body that was read"), bytes);
    let json: serde_json::Value = serde_json::from_slice(bytes).expect("a body is JSON");
    assert_eq!(serde_json::to_vec(&json).expect("JSON"), bytes);
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let all = [
        "v", "seq", "at", "id", "kind", "class", "actor", "session", "occurred", "data", "content",
        "prev",
    ];
    let mut due = all.iter();
    assert!(keys.iter().all(|key| due.any(|all| all == key)), "{keys:?}");
    assert_eq!(json["seq"].as_u64(), Some(envelope.seq));
    true
}
