//! Events of every kind, and what each format says of them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use exporters::format::ocsf::Version;
use exporters::format::rfc5424::Header;
use exporters::format::{Before, EntryView, Form, Format, Withhold};
use schemas::{Data, Envelope, Event, EventId, Hash, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// All that syntaxes of this field trip over.
const LABEL: &str = "模型 \u{1f600} a=b \"q\"]|\\c^ 100%\\u00e9 x";

pub const HASH: &str = "4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a";

/// A value of a schema: with all that may be there or only what must, and of each list of
/// words the `nth`.
fn sample(schema: &Value, root: &Value, full: bool, nth: usize) -> Value {
    let deeper = |schema| sample(schema, root, full, nth);
    if let Some(name) = schema["$ref"].as_str() {
        return deeper(root.pointer(name.trim_start_matches('#')).unwrap());
    }
    if let Some(some) = schema["anyOf"].as_array() {
        return deeper(&some[0]);
    }
    if let Some(words) = words(schema) {
        return words[nth % words.len()].clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap(),
        kind => kind.as_str().unwrap(),
    };
    match (kind, schema["pattern"].as_str()) {
        ("object", _) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let Some(fields) = schema["properties"].as_object() else {
                // A map: any name, one form of value.
                let of = schema["patternProperties"].as_object().unwrap();
                return json!({ "handle-1": deeper(of.values().next().unwrap()) });
            };
            let there = |name: &&String| full || required.contains(&json!(name));
            let names = fields.keys().filter(there);
            names
                .map(|name| (name.clone(), deeper(&fields[name])))
                .collect()
        }
        ("array", _) if full => json!([deeper(&schema["items"]), deeper(&schema["items"])]),
        ("array", _) => json!([]),
        ("integer", _) => json!(200 + nth),
        ("boolean", _) => json!(nth.is_multiple_of(2)),
        ("string", None) => json!("QUFBQQ=="),
        ("string", Some(pattern)) => json!(match pattern {
            p if p.starts_with("^[0-9a-f]{64}") => HASH,
            p if p.starts_with("^[0-9a-f]{32}$") => &HASH[..32],
            p if p.starts_with("^[0-9a-f]{8}-") => "019b0000-0000-7000-8000-000000000001",
            p if p.starts_with("^(user") => ["user:s001", "agent:cfo", "service:desk"][nth % 3],
            p if p.starts_with("^[0-9]{4}-(") => "2026-11",
            p if p.starts_with("^[0-9]{4}-") => "2026-11-22T00:00:00.000001Z",
            p if p.starts_with("^(P") => "P1Y",
            p if p.contains('/') => "operation/2026-11",
            p if p.starts_with("^[a-z0-9]") => "handle-1",
            p if p.contains("Cc") => LABEL,
            p => panic!("no sample of {p}"),
        }),
        other => panic!("no sample of {other:?}"),
    }
}

fn words(schema: &Value) -> Option<Vec<Value>> {
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.clone());
    }
    let either = schema["oneOf"].as_array()?;
    let each = either.iter().map(|one| match one.get("const") {
        Some(word) => vec![word.clone()],
        None => words(one).unwrap(),
    });
    Some(each.flatten().collect())
}

/// Of every kind an event with all fields, one with the fewest, and of each word one.
pub fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for kind in Data::KINDS {
        let schema = json!(Data::json_schema(kind).unwrap());
        let id = EventId::new(Timestamp::from_micros(1_795_305_600_000_000), [7; 10]);
        let mut seen: Vec<Value> = Vec::new();
        for (full, nth) in (0..40).flat_map(|nth| [(true, nth), (false, nth)]) {
            let data = sample(&schema, &schema, full, nth);
            // Numbers alone make no case.
            let case = json!(data.to_string().replace(|c: char| c.is_ascii_digit(), ""));
            if seen.contains(&case) {
                continue;
            }
            seen.push(case);
            let data = Data::parse(kind, &data.to_string()).unwrap();
            let mut event = Event::new(id, "agent:cfo".parse().unwrap(), data);
            if full {
                event = event.in_session(Some(LABEL.parse().unwrap()));
                event.occurred = Some("2026-11-21T23:59:59.000001Z".parse().unwrap());
            }
            events.push(event);
        }
    }
    events
}

/// What an event is in each format, for the judge.
pub fn told(event: Event, without: &[&str]) -> Value {
    let envelope = Envelope {
        seq: 4_294_967_296,
        at: "2026-11-22T00:00:00.000001Z".parse().unwrap(),
        event,
        content: vec![],
        prev: Hash([0xab; 32]),
    };
    let body = envelope.to_body().unwrap();
    let before = Before {
        id: EventId::derived(envelope.prev),
        kind: "auth.failed",
    };
    let view = EntryView {
        chain: "ledger.example/\"]\\=|台帳",
        seq: envelope.seq,
        at: envelope.at,
        event: &envelope.event,
        body: &body,
        leaf: Hash(
            Sha256::new_with_prefix([0])
                .chain_update(&body)
                .finalize()
                .into(),
        ),
        prev: envelope.prev,
        signature: &[0x5a; 64],
        before: Some(before),
    };
    let withhold = Withhold::new(without.iter().map(|&path| path.to_owned()).collect()).unwrap();
    let text = |message: Vec<u8>| String::from_utf8(message).unwrap();
    let line = |format| Form::line(format).withholding(withhold.clone());
    let syslog = |format| {
        let header = Header::new(Some("ledger.example".to_owned()), 32_473).unwrap();
        let form = Form::syslog(format, header, 65_536).unwrap();
        text(form.withholding(withhold.clone()).message(&view, 1))
    };
    let whole = |format| text(line(format).message(&view, 1));
    let reduced = |format| text(line(format).reduced(&view, 1));
    let [v1_8, v1_9] = [Version::V1_8, Version::V1_9].map(Format::Ocsf);
    json!({
        "chain": view.chain,
        "hash": view.leaf,
        "sig": BASE64_STANDARD.encode(view.signature),
        "body": text(body.clone()),
        "json": [whole(Format::Json), reduced(Format::Json)],
        "ocsf": [whole(v1_8), reduced(v1_8), whole(v1_9), reduced(v1_9)],
        "before": before.id,
        "cef": [whole(Format::Cef), reduced(Format::Cef)],
        "leef": [whole(Format::Leef), reduced(Format::Leef)],
        // For a reader to which a quote holds a delimiter: the same of a log with a plainer name.
        "plainer": text(line(Format::Leef).message(&EntryView { chain: "ledger.example/|=台帳", ..view }, 1)),
        "syslog": [syslog(Format::Json), syslog(v1_8), syslog(Format::Cef), syslog(Format::Leef)],
        "without": without,
    })
}
