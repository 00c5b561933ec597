//! Every kind of event in every format, judged by readers that others wrote: the schema of
//! OCSF 1.8 and what 1.9 adds, two parsers of CEF, one of LEEF, one of RFC 5424 (two more read it
//! in `format/rfc5424/tests.rs`).
#![allow(clippy::unwrap_used)]

use exporters::format::ocsf::Version;
use exporters::format::rfc5424::Header;
use exporters::format::{Before, EntryView, Form, Format, Withhold};
use schemas::{Data, Envelope, Event, EventId, Hash, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// All that syntaxes of this field trip over.
const LABEL: &str = "模型 \u{1f600} a=b \"q\"]|\\c^ 100%\\u00e9 x";

const HASH: &str = "4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a4f8a";

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
fn events() -> Vec<Event> {
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
fn told(event: Event, withhold: &[&str]) -> Value {
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
    let withhold = Withhold::new(withhold.iter().map(|&path| path.to_owned()).collect()).unwrap();
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
        "body": text(body.clone()),
        "json": whole(Format::Json),
        "ocsf": [whole(v1_8), reduced(v1_8), whole(v1_9), reduced(v1_9)],
        "before": before.id,
        "cef": whole(Format::Cef),
        "leef": whole(Format::Leef),
        // For a reader to which a quote holds a delimiter: the same of a log with a plainer name.
        "plainer": text(line(Format::Leef).message(&EntryView { chain: "ledger.example/|=台帳", ..view }, 1)),
        "syslog": [syslog(Format::Json), syslog(v1_8), syslog(Format::Cef), syslog(Format::Leef)],
        "withheld": withhold != Withhold::default(),
    })
}

/// Runs the judge over lines; `None`, with a line that says why, where it has not what it needs.
fn judged(lines: &[Value]) -> Option<(bool, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let venv = root.join("tests/.tools/venv/bin/python");
    let tenzir = root.join("tests/.tools/venv-tenzir/bin/tenzir");
    let python = if venv.exists() {
        venv
    } else {
        "python3".into()
    };
    let imports = "import cefp, jsonschema, ocsf_json_schema, pycef, syslog_rfc5424_parser";
    let there = Command::new(&python).args(["-c", imports]).output();
    if !there.is_ok_and(|ran| ran.status.success()) || !tenzir.exists() {
        let missing = "the parsers of tests/requirements.txt or tests/install-judges are not there";
        let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty());
        assert!(!required, "{missing}");
        let _ = writeln!(std::io::stderr(), "skipped: formats: {missing}");
        return None;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for line in lines {
        writeln!(&file, "{line}").unwrap();
    }
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/judge.py");
    let ran = Command::new(python)
        .arg(judge)
        .arg(file.path())
        .arg(tenzir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    Some((ran.status.success(), said.into_owned()))
}

#[test]
fn every_kind_is_valid_to_readers_that_are_not_ours() {
    let mut lines: Vec<_> = events().into_iter().map(|event| told(event, &[])).collect();
    let kinds = Data::KINDS.len();
    assert!(lines.len() >= 2 * kinds, "{} lines", lines.len());
    // A destination that is told less gets valid events too.
    lines.extend(events().into_iter().map(|event| {
        told(
            event,
            &[
                "session",
                "content",
                "data.call",
                "data.path",
                "data.tags",
                "data.finding",
            ],
        )
    }));
    let Some((well, said)) = judged(&lines) else {
        return;
    };
    assert!(well, "{said}");
    eprintln!("{kinds} kinds, {} entries: {said}", lines.len());
}

#[test]
fn the_judge_refuses_what_is_not_valid() {
    let event = events().swap_remove(0);
    let line = told(event, &[]);
    type Change = fn(&mut Value);
    let (v1_8, v1_9) = (0, 2);
    let changes: [(usize, Change); 12] = [
        (v1_8, |event| event["class_uid"] = json!(3002)),
        (v1_8, |event| event["odd"] = json!(1)),
        (v1_8, |event| event["severity_id"] = json!(7)),
        (v1_8, |event| event["type_uid"] = json!(300402)),
        (v1_8, |event| {
            drop(event.as_object_mut().unwrap().remove("time"))
        }),
        (v1_8, |event| event["entity"] = json!({})),
        (v1_8, |event| event["attestation_list"] = json!([])),
        (v1_9, |event| {
            event["attestation_list"][0]["fingerprint"]["algorithm_id"] = json!(21);
        }),
        (v1_9, |event| {
            event["attestation_list"][0]["fingerprint"]["value"] = json!(HASH);
        }),
        (v1_9, |event| {
            event["attestation_list"][0]["prev_event"]["uid"] = json!(HASH);
        }),
        (v1_9, |event| {
            let attestation = event["attestation_list"][0].as_object_mut().unwrap();
            attestation["signatures"][0]["value"] = json!("QUFBQQ==");
        }),
        (v1_9, |event| event["raw_data"] = json!("{}")),
    ];
    for (version, change) in changes {
        let mut line = line.clone();
        let mut event: Value =
            serde_json::from_str(line["ocsf"][version].as_str().unwrap()).unwrap();
        change(&mut event);
        line["ocsf"][version] = json!(event.to_string());
        let Some((well, _)) = judged(&[line]) else {
            return;
        };
        assert!(!well, "{event}");
    }
    for format in ["cef", "leef", "plainer", "json"] {
        let mut line = line.clone();
        line[format] = json!(line[format].as_str().unwrap().replacen(HASH, "0", 1));
        let Some((well, _)) = judged(&[line]) else {
            return;
        };
        assert!(!well, "{format}");
    }
}

#[test]
fn every_kind_has_a_row() {
    let table: Value = serde_json::from_str(schemas::OCSF).unwrap();
    let table = table.as_object().unwrap();
    for kind in Data::KINDS {
        let row = table
            .get(*kind)
            .unwrap_or_else(|| panic!("{kind} is not in schemas/ocsf.json"));
        let name = row[0].as_str().unwrap();
        // Parsers of CEF disagree about escapes in a header.
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '),
            "{name}"
        );
    }
    assert_eq!(table.len(), Data::KINDS.len(), "a row of no kind");
}
