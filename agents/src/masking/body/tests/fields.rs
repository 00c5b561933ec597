//! Every field of the providers' requests that can hold text, one by one: a personal value in
//! it is masked, or the field is one that must not be edited; then a secret in it blocks.

use super::*;
use serde_json::{Map, Value, json};

const APIS: [(Dialect, &str); 4] = [
    (Dialect::Anthropic, include_str!("messages.txt")),
    (Dialect::Anthropic, include_str!("messages-beta.txt")),
    (Dialect::OpenAiChat, include_str!("chat.txt")),
    (Dialect::OpenAiResponses, include_str!("responses.txt")),
];

const PERSONAL: &str = "連絡先は hanako.sato@example.jp です";
const MASKED: &str = "連絡先は ****@example.jp です";
const SECRET: &str = "ghp_Zq7Xw2Lk9Vb4Nm1Pc8Rt6Yu3Hs5Jd0FgAe2K";

/// What must happen to a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Masked,
    /// Byte for byte as it came.
    Untouched,
    /// Base64 of something that no rule reads.
    Media,
    /// A secret by its place.
    Blocked,
}

/// What is not masked, by how its path ends; `<a>` an object of that type on the way.
const EXCEPTIONS: &[(&str, Fate)] = &[
    // What the provider signed or encrypted.
    ("<thinking>.thinking", Fate::Untouched),
    (".signature", Fate::Untouched),
    (".encrypted_content", Fate::Untouched),
    (".encrypted_index", Fate::Untouched),
    (".encrypted_stdout", Fate::Untouched),
    ("<redacted_thinking>.data", Fate::Untouched),
    // What names something elsewhere.
    ("id", Fate::Untouched),
    ("_ids[]", Fate::Untouched),
    ("messages[].name", Fate::Masked),
    (".name", Fate::Untouched),
    (".tool_name", Fate::Untouched),
    (".toolset_name", Fate::Untouched),
    (".server_name", Fate::Untouched),
    (".mcp_server_name", Fate::Untouched),
    (".server_label", Fate::Untouched),
    (".namespace", Fate::Untouched),
    (".exclude_tools[]", Fate::Untouched),
    (".clear_tool_inputs[]", Fate::Untouched),
    (".allowed_tools[]", Fate::Untouched),
    (".tool_names[]", Fate::Untouched),
    ("model", Fate::Untouched),
    ("version", Fate::Untouched),
    ("container", Fate::Untouched),
    ("conversation", Fate::Untouched),
    (".fingerprint", Fate::Untouched),
    ("fallback_credit_token", Fate::Untouched),
    ("fallback_credit_token.token", Fate::Untouched),
    (".required[]", Fate::Untouched),
    // Words of which there are a few.
    ("betas[]", Fate::Untouched),
    ("inference_geo", Fate::Untouched),
    (".stop_reason", Fate::Untouched),
    (".size", Fate::Untouched),
    (".voice", Fate::Untouched),
    // The caller's own names for people: they look nothing up.
    ("metadata.user_id", Fate::Masked),
    // What no rule reads.
    ("<base64>.data", Fate::Media),
    (".input_audio.data", Fate::Media),
    (".file_data", Fate::Media),
    ("<image_generation_call>.result", Fate::Media),
    // What opens a server.
    (".authorization_token", Fate::Blocked),
    ("<mcp>.authorization", Fate::Blocked),
    ("<mcp>.headers", Fate::Blocked),
    (".domain_secrets[].value", Fate::Blocked),
];

fn fate(path: &str) -> (Fate, usize) {
    // The provider signed all of it.
    if path.contains("<compaction>.") && !path.starts_with("input[]") {
        return (Fate::Untouched, usize::MAX);
    }
    // Whole words only.
    let ends = |(_, (end, _)): &(usize, &(&str, Fate))| {
        path.strip_suffix(end).is_some_and(|before| {
            before.is_empty()
                || !before.ends_with(char::is_alphanumeric)
                || !end.starts_with(char::is_alphanumeric)
        })
    };
    // The longest end is the closest description.
    EXCEPTIONS
        .iter()
        .enumerate()
        .filter(ends)
        .max_by_key(|(_, (end, _))| end.len())
        .map_or((Fate::Masked, usize::MAX), |(at, &(_, fate))| (fate, at))
}

/// A request with nothing in it but one value at the path.
fn request(path: &str, value: Value) -> String {
    let mut at = value;
    for step in path.split('.').rev() {
        // `content[]<text>`: key, element, type.
        let (step, kind) = match step.split_once('<') {
            Some((step, kind)) => (step, kind.trim_end_matches('>').split('|').next()),
            None => (step, None),
        };
        if let (Some(kind), Value::Object(fields)) = (kind, &mut at) {
            fields.insert("type".into(), kind.into());
        }
        let key = step.trim_end_matches("[]");
        for _ in 0..step.matches("[]").count() {
            at = json!([at]);
        }
        at = Value::Object(Map::from_iter([(key.to_owned(), at)]));
    }
    at.to_string()
}

fn leaf(kind: &str, text: &str) -> Value {
    match kind {
        "text" => json!(text),
        _ => json!({"note": text, "more": [{"deep": [text]}]}),
    }
}

fn fields() -> impl Iterator<Item = (Dialect, &'static str, &'static str)> {
    APIS.iter().flat_map(|&(dialect, list)| {
        list.lines()
            .filter(|line| !line.starts_with('#'))
            .map(move |line| {
                let (path, kind) = line.rsplit_once(' ').expect("path and kind");
                (dialect, path, kind)
            })
    })
}

#[test]
fn every_field_is_masked_or_must_not_be() {
    let masker = masker();
    let mut used = vec![false; EXCEPTIONS.len()];
    for (dialect, path, kind) in fields() {
        let look = |value: Value| {
            let json = request(path, value);
            let body = masker
                .body(&Capture::new(json.clone().into_bytes()), dialect)
                .unwrap_or_else(|e| panic!("{path}: {e}"));
            (json, body)
        };
        let (fate, at) = fate(path);
        if let Some(used) = used.get_mut(at) {
            *used = true;
        }
        let (json, body) = look(leaf(kind, PERSONAL));
        let sent = body.payload.map(|p| String::from_utf8(p).expect("UTF-8"));
        match fate {
            // What is no base64 is no media.
            Fate::Masked | Fate::Media => {
                assert_eq!(sent, Some(json.replace(PERSONAL, MASKED)), "{path}");
            }
            Fate::Untouched => assert_eq!(sent, Some(json), "{path}"),
            Fate::Blocked => assert_eq!(sent, None, "{path}"),
        }
        let (_, body) = look(leaf(kind, SECRET));
        assert!(body.payload.is_none(), "{path} lets a secret pass");
        let stored = String::from_utf8(body.stored).expect("UTF-8");
        assert!(!stored.contains(SECRET), "{path} keeps a secret: {stored}");
        if fate == Fate::Media {
            let bytes = BASE64_STANDARD.encode([0x89, b'P', b'N', b'G', 0xFF, 0xFE, 0, 1]);
            let (json, body) = look(json!(bytes));
            assert_eq!(body.payload, Some(json.into_bytes()), "{path}");
            assert_eq!(media(&body.media), ["media-image"], "{path}");
            for hidden in [PERSONAL, SECRET] {
                let (_, body) = look(json!(BASE64_STANDARD.encode(hidden)));
                assert!(body.payload.is_none(), "{path}");
            }
        }
    }
    for (used, (end, _)) in used.iter().zip(EXCEPTIONS) {
        assert!(used, "no field ends with {end} any more");
    }
}

/// A provider's next release has fields that this program never heard of.
#[test]
fn a_field_that_nobody_knows_is_masked() {
    for (dialect, path, _) in fields() {
        let Some((holder, _)) = path.rsplit_once('.') else {
            continue;
        };
        // In what the provider signed nothing is edited; a server's headers are secrets.
        if holder.contains("<compaction>") || holder.ends_with("headers") {
            continue;
        }
        let json = request(&format!("{holder}.from_next_year"), json!(PERSONAL));
        let body = masker()
            .body(&Capture::new(json.clone().into_bytes()), dialect)
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        let want = json.replace(PERSONAL, MASKED).into_bytes();
        assert_eq!(body.payload, Some(want), "{holder}");
    }
}

/// One body with all fields of an API, as far as they go together.
#[test]
fn the_lists_are_whole() {
    let count = |dialect| fields().filter(|field| field.0 == dialect).count();
    let counts = [
        Dialect::Anthropic,
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
    ]
    .map(count);
    assert_eq!(counts, [764, 52, 426]);
}
