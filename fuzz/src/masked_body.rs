use crate::masking::MASKER;
use agents::capture::Capture;
use agents::masking::{Dialect, MaskedBody};
use serde_json::Value;

/// A body that is read leaves as JSON of the same structure: the same keys in the same order,
/// the same numbers, other strings at most. Masked again it leaves as it is.
pub fn check(bytes: &[u8]) -> bool {
    let read = [
        Dialect::Anthropic,
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
    ]
    .map(|dialect| body(bytes, dialect));
    read.contains(&true)
}

fn body(bytes: &[u8], dialect: Dialect) -> bool {
    let Some(masked) = mask(bytes, dialect) else {
        return false;
    };
    let came: Option<Value> = serde_json::from_slice(bytes).ok();
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    let Some(payload) = masked.payload else {
        assert!(!masked.blocks.is_empty());
        if came.is_some() {
            parsed(&masked.stored);
        }
        return true;
    };
    assert!(masked.blocks.is_empty());
    assert_eq!(masked.stored, bytes, "nothing was prohibited");
    assert!(!masked.masks.is_empty() || payload == bytes);
    if let Some(came) = came {
        assert!(alike(&came, &parsed(&payload)));
    }
    let again = mask(&payload, dialect).expect("a body that was masked");
    let text = String::from_utf8_lossy(bytes);
    assert!(again.payload.as_deref() == Some(&*payload), "from {text}");
    true
}

fn mask(bytes: &[u8], dialect: Dialect) -> Option<MaskedBody> {
    MASKER.body(&Capture::new(bytes.to_vec()), dialect).ok()
}

fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(_), Value::String(_)) => true,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
        }
        (a, b) => a == b,
    }
}
