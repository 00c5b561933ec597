//! One event has one body: whatever the published schemas allow is written and read back the
//! same, and nothing else is read.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::string::string_regex;
use schemas::{
    Actor, ContentRef, Data, Envelope, Event, EventId, Hash, MAX_BODY_BYTES, Timestamp, Unplaced,
};
use serde_json::{Value, json};

/// Values of a kind's schema, as JSON.
fn from_schema(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    if let Some(place) = schema["$ref"].as_str() {
        let name = place.strip_prefix("#/$defs/").unwrap();
        return from_schema(&root["$defs"][name], root);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array() {
            let choices: Vec<_> = choices.iter().map(|c| from_schema(c, root)).collect();
            return proptest::strategy::Union::new(choices).boxed();
        }
    }
    if let Some(word) = schema.get("const") {
        return Just(word.clone()).boxed();
    }
    if let Some(words) = schema["enum"].as_array() {
        return proptest::sample::select(words.clone()).boxed();
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.clone()],
        Value::Array(kinds) => kinds
            .iter()
            .map(|k| k.as_str().unwrap().to_owned())
            .collect(),
        _ => panic!("a schema without type: {schema}"),
    };
    let choices: Vec<_> = kinds.iter().map(|k| of_type(k, schema, root)).collect();
    proptest::strategy::Union::new(choices).boxed()
}

fn of_type(kind: &str, schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    match kind {
        "null" => Just(Value::Null).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "integer" => match schema["maximum"].as_u64() {
            Some(most) => (0..=most).prop_map(Value::from).boxed(),
            None => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]
                .prop_map(Value::from)
                .boxed(),
        },
        "string" => text(schema).prop_map(Value::from).boxed(),
        "array" => {
            let item = from_schema(&schema["items"], root);
            prop::collection::vec(item, 0..4)
                .prop_map(Value::from)
                .boxed()
        }
        "object" => object(schema, root),
        other => panic!("no values of type {other}"),
    }
}

fn object(schema: &Value, root: &Value) -> BoxedStrategy<Value> {
    let none = serde_json::Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&none);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().map(|n| n.as_str().unwrap()).collect())
        .unwrap_or_default();
    let mut object = Just(serde_json::Map::new()).boxed();
    for (name, field) in fields {
        let value = from_schema(field, root);
        let (name, needed) = (name.clone(), required.contains(&name.as_str()));
        object = (object, value, any::<bool>())
            .prop_map(move |(mut object, value, present)| {
                if (needed || present) && !value.is_null() {
                    object.insert(name.clone(), value);
                }
                object
            })
            .boxed();
    }
    object.prop_map(Value::from).boxed()
}

/// A pattern says what a text looks like; moments and periods also have to exist.
fn text(schema: &Value) -> BoxedStrategy<String> {
    let Some(pattern) = schema["pattern"].as_str() else {
        return string_regex("[A-Za-z0-9+/=]{1,80}").unwrap().boxed();
    };
    if pattern.contains("T[0-9]{2}:") {
        return timestamp().prop_map(|at| at.to_string()).boxed();
    }
    if pattern.contains("[DMY]") {
        return proptest::sample::select(vec!["P30D", "P13M", "P2Y", "forever"])
            .prop_map(str::to_owned)
            .boxed();
    }
    if pattern.contains("-(0[1-9]|1[0-2])$") {
        let months = "(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])";
        let months = if pattern.contains('/') {
            format!("[a-z0-9][a-z0-9._-]{{0,63}}/{months}")
        } else {
            months.to_owned()
        };
        return string_regex(&months).unwrap().boxed();
    }
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
    string_regex(pattern).unwrap().boxed()
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(|micros| Timestamp::from_micros(micros.saturating_abs()))
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn event_id() -> impl Strategy<Value = EventId> {
    prop_oneof![
        (timestamp(), any::<[u8; 10]>()).prop_map(|(at, random)| EventId::new(at, random)),
        hash().prop_map(EventId::derived),
    ]
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    pattern: &str,
) -> impl Strategy<Value = T> + use<T> {
    string_regex(pattern)
        .unwrap()
        .prop_map(|text| text.parse().unwrap())
}

const NAME: &str = "[a-z0-9][a-z0-9._-]{0,63}";
const LABEL: &str = "[^\\p{Cc}]{1,256}";

fn content() -> impl Strategy<Value = ContentRef> {
    let bucket = "[a-z0-9][a-z0-9._-]{0,20}/20[0-9]{2}-(0[1-9]|1[0-2])";
    let lengths = (any::<u64>(), any::<u64>());
    (parsed(NAME), parsed(LABEL), parsed(bucket), hash(), lengths).prop_map(
        |(name, media, bucket, sealed, (sealed_bytes, plain_bytes))| ContentRef {
            name,
            media,
            bucket,
            sealed,
            sealed_bytes,
            plain_bytes,
            subject: None,
        },
    )
}

fn data() -> impl Strategy<Value = Data> {
    proptest::sample::select(Data::KINDS).prop_flat_map(|kind| {
        let schema = Data::json_schema(kind).unwrap().to_value();
        from_schema(&schema, &schema)
            .prop_map(move |value| Data::parse(kind, &value.to_string()).unwrap())
    })
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let actor = parsed::<Actor>("(user|agent|service):[a-z0-9][a-z0-9._-]{0,63}");
    let times = (timestamp(), prop::option::of(timestamp()));
    let event = (data(), event_id(), parsed(NAME), actor, times);
    let session = prop::option::of(parsed(LABEL));
    let contents = prop::collection::vec(content(), 0..4);
    (event, any::<u64>(), session, contents, hash()).prop_map(
        |((data, id, class, actor, (at, occurred)), seq, session, content, prev)| Envelope {
            seq,
            at,
            event: Event {
                id,
                class,
                actor,
                session,
                occurred,
                data,
            },
            content,
            prev,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_value_has_a_body_and_the_body_gives_it_back(envelope in envelope()) {
        let body = envelope.to_body().unwrap();
        prop_assert_eq!(Envelope::from_body(&body).unwrap(), envelope);
        prop_assert!(body.iter().all(|b| *b >= 0x20), "a body is one line without TAB");
    }

    #[test]
    fn a_body_written_before_its_place_is_known_is_the_same_body(envelope in envelope()) {
        let unplaced = Unplaced::of(&envelope.event, &envelope.content).unwrap();
        let body = unplaced.at(envelope.seq, envelope.at, envelope.prev);
        prop_assert_eq!(body, envelope.to_body().unwrap());
    }

    #[test]
    fn no_other_spelling_of_a_body_is_read(envelope in envelope(), at: prop::sample::Index, byte: u8) {
        let body = envelope.to_body().unwrap();
        let at = at.index(body.len());
        let mut changed = body.clone();
        changed[at] = byte;
        if let Ok(other) = Envelope::from_body(&changed) {
            prop_assert_eq!(other.to_body().unwrap(), &changed[..]);
            prop_assert_eq!(other == envelope, changed == body);
        }
        let mut longer = body;
        longer.insert(at, b' ');
        if let Ok(other) = Envelope::from_body(&longer) {
            prop_assert_ne!(other, envelope, "a space in a text is another text");
        }
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), text in "[{}\\[\\]\",:a-z0-9\\\\.eE+-]{0,200}") {
        let _ = Envelope::from_body(&bytes);
        let _ = Envelope::from_body(text.as_bytes());
        for kind in Data::KINDS {
            let _ = Data::parse(kind, &text);
        }
    }

    #[test]
    fn no_error_repeats_what_it_was_given(secret in "[A-Za-z0-9]{4}-[A-Za-z0-9]{24}|[0-9]{12}|山田太郎[a-z]{0,5}", envelope in envelope()) {
        let body = String::from_utf8(envelope.to_body().unwrap()).unwrap();
        let mut value: Value = serde_json::from_str(&body).unwrap();
        let fields: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        let mut wrong = vec![secret.clone(), format!("{{\"{secret}\":1}}")];
        for field in &fields {
            let sound = value[field].clone();
            for other in [json!(secret), json!({ secret.clone(): 1 }), json!([secret])] {
                value[field] = other;
                wrong.push(value.to_string());
            }
            value[field] = sound;
        }
        value[&secret] = json!(1);
        wrong.push(value.to_string());
        for text in wrong {
            if let Err(error) = Envelope::from_body(text.as_bytes()) {
                prop_assert!(!format!("{error} {error:?}").contains(&secret), "{}", error);
            }
        }
    }
}

const BODY: &str = r#"{"v":1,"seq":0,"at":"2026-11-22T00:00:00.000000Z","id":"01a05a43-fc00-7808-8808-080808080808","kind":"drill.completed","class":"operation","actor":"user:s001","data":{"drill":"d","passed":true,"duration_seconds":18446744073709551615},"prev":"0000000000000000000000000000000000000000000000000000000000000000"}"#;

/// Each is the same event to a careless reader, or one that two readers take differently.
#[test]
fn second_spellings_are_refused() {
    assert!(Envelope::from_body(BODY.as_bytes()).is_ok());
    for (sound, other) in [
        (r#""v":1"#, r#""v":1.0"#),
        (r#""v":1"#, r#""v":1,"v":1"#),
        (r#""v":1"#, r#""v":2"#),
        (r#""seq":0"#, r#""seq":-0"#),
        (r#""seq":0"#, r#""seq":0e0"#),
        (r#""seq":0"#, r#""seq":00"#),
        (r#""seq":0"#, r#""seq":18446744073709551616"#),
        (r#""drill":"d""#, r#""drill":"\u0064""#),
        (r#""drill":"d""#, r#""drill":"d","drill":"d""#),
        (r#""drill":"d""#, r#""drill":"d","else":1"#),
        (r#""passed":true"#, r#""passed":true "#),
        ("18446744073709551615", "18446744073709551615.0"),
        ("18446744073709551615", "18446744073709551616"),
        (r#","prev""#, r#","content":[],"prev""#),
        (r#","prev""#, r#","session":null,"prev""#),
        (r#","data""#, r#","session":"a\u007f","data""#),
        (r#""operation","actor":"user:s001""#, r#""operation""#),
        (
            r#""class":"operation","actor":"user:s001""#,
            r#""actor":"user:s001","class":"operation""#,
        ),
    ] {
        let changed = BODY.replacen(sound, other, 1);
        assert_ne!(changed, BODY, "{sound}");
        assert!(Envelope::from_body(changed.as_bytes()).is_err(), "{other}");
    }
    for bad in [
        format!("{BODY} "),
        format!(" {BODY}"),
        format!("\u{feff}{BODY}"),
    ] {
        assert!(Envelope::from_body(bad.as_bytes()).is_err());
    }
}

#[test]
fn nesting_and_length_have_an_end() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let deep = open.repeat(MAX_BODY_BYTES / open.len());
        assert!(Envelope::from_body(deep.as_bytes()).is_err());
        let inside = BODY.replacen(r#""d""#, &deep[..60_000], 1);
        assert!(Envelope::from_body(inside.as_bytes()).is_err());
    }
    let mut envelope = Envelope::from_body(BODY.as_bytes()).unwrap();
    let reference = ContentRef {
        name: "request".parse().unwrap(),
        media: "text/plain".parse().unwrap(),
        bucket: "operation/2026-11".parse().unwrap(),
        sealed: Hash::ZERO,
        sealed_bytes: u64::MAX,
        plain_bytes: u64::MAX,
        subject: None,
    };
    let mut fits = 0;
    while envelope.to_body().is_ok() {
        let body = envelope.to_body().unwrap();
        assert!(body.len() <= MAX_BODY_BYTES);
        fits = envelope.content.len();
        envelope.content.push(reference.clone());
    }
    assert!(fits > 200);
    envelope.content.truncate(fits);
    let body = envelope.to_body().unwrap();
    assert_eq!(Envelope::from_body(&body).unwrap(), envelope);
}
