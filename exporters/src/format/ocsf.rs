//! Open Cybersecurity Schema Framework, 1.8 or 1.9: an entry as an event of the class that
//! `schemas/ocsf.json` gives its kind.
//!
//! A row of that table is `kind: [name, class_uid, activity_id, {attribute: value}]`. In values
//!
//! | text | is |
//! |---|---|
//! | `$x`, `$x.y`, `$x.*.y` | the field of the event's data, or that field of each in a list; an object that lacks one is left out whole |
//! | `?x` | the same, but that only the attribute is left out |
//! | `$x\|word` | the field, or the word where there is none |
//! | `$_id`, `$_chain` | the event's id, the log's origin |
//! | `{"$case":"x","a":1}` | by the field's value; without a match, left out |
//!
//! What every class has stands here: actor, time, severity, metadata, and in `unmapped.daicho`
//! the entry's place in the chain and its data. The receiver drops copies by `metadata.uid`.
//!
//! 1.9 is 1.8 with the profile `record_integrity`: the chain stands in `attestation_list` (see
//! `attestation`), and the entry's body in `raw_data`, so that the receiver can check it.

mod attestation;

use super::{EntryView, Severity};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemas::Actor;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The version that events are valid against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1_8,
    /// As the schema's repository had it at a5cfc68e (2026-07-22): the version that every kind was
    /// judged by whole. Of the released 1.9.0 no more than one class could be had to judge by.
    V1_9,
}

impl Version {
    fn text(self) -> &'static str {
        match self {
            Version::V1_8 => "1.8.0",
            Version::V1_9 => "1.9.0-dev",
        }
    }
}

/// In which version an entry is told, and what of it is left out.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub version: Version,
    pub reduced: bool,
    pub withheld: bool,
}

/// Classes that must say from where.
const ENDPOINT_CLASSES: [u64; 2] = [6003, 6005];

/// Classes that have an actor only with the profile `host`.
const HOST_CLASSES: [u64; 5] = [2003, 2004, 2005, 6002, 6007];

/// Other, where a list of OCSF's has no word for it.
const OTHER: u64 = 99;

type Row = (String, u64, u64, Map<String, Value>);

static TABLE: LazyLock<HashMap<String, Row>> =
    LazyLock::new(|| serde_json::from_str(schemas::OCSF).expect("the table is tested"));

/// Every kind has a row, says a test; a kind without would be told as a log's event.
fn row(kind: &str) -> &'static Row {
    static OTHER_ROW: LazyLock<Row> =
        LazyLock::new(|| ("Event".to_owned(), 1008, OTHER, Map::new()));
    TABLE.get(kind).unwrap_or(&OTHER_ROW)
}

/// What OCSF calls an event of this kind: the class and what happened.
fn type_uid(class: u64, activity: u64) -> u64 {
    class * 100 + activity
}

/// What people call an event of this kind.
pub(super) fn name(kind: &str) -> &str {
    TABLE.get(kind).map_or(kind, |(name, ..)| name)
}

/// The event. Of `body`, only what may be told is left.
pub(super) fn event(entry: &EntryView, body: &Value, told: Told) -> Value {
    let kind = entry.event.data.kind();
    let source = Source { entry, body };
    let (name, class, activity, attributes) = row(kind);
    let severity = Severity::of(&entry.event.data).ocsf();
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("activity_id", json!(activity));
    put("category_uid", json!(class / 1_000));
    put("class_uid", json!(class));
    put("type_uid", json!(type_uid(*class, *activity)));
    put("severity_id", json!(severity));
    let occurred = entry
        .event
        .occurred
        .filter(|_| body.get("occurred").is_some());
    put("time", millis(occurred.unwrap_or(entry.at)));
    put("message", json!(name));
    put("actor", actor(&entry.event.actor));
    if ENDPOINT_CLASSES.contains(class) {
        // The log knows who, not from where.
        put("src_endpoint", json!({"name": entry.event.actor}));
    }
    for (key, template) in attributes {
        if let Filled::With(value) = source.fill(template) {
            put(key, value);
        }
    }
    if told.version == Version::V1_9 {
        let list = json!([attestation::of(entry)]);
        out.insert("attestation_list".to_owned(), list);
        if !told.reduced && !told.withheld {
            let whole = String::from_utf8_lossy(entry.body);
            out.insert("raw_data".to_owned(), json!(whole));
        }
    }
    let metadata = metadata(entry, body, &out, told);
    out.insert("metadata".to_owned(), metadata);
    let unmapped = json!({"daicho": unmapped(entry, body, told)});
    out.insert("unmapped".to_owned(), unmapped);
    Value::Object(out)
}

fn millis(at: schemas::Timestamp) -> Value {
    json!(at.micros() / 1_000)
}

fn actor(actor: &Actor) -> Value {
    let uid = actor.id();
    let user = match actor {
        Actor::User(_) => json!({"name": actor, "uid": uid, "type_id": 1}),
        Actor::Agent(_) => json!({"name": actor, "uid": uid, "type_id": OTHER, "type": "AI agent"}),
        Actor::Service(_) => json!({"name": actor, "uid": uid, "type_id": 4}),
    };
    json!({"user": user})
}

fn metadata(entry: &EntryView, body: &Value, event: &Map<String, Value>, told: Told) -> Value {
    let has = |names: &[&str]| names.iter().any(|name| event.contains_key(*name));
    let mut profiles = Vec::new();
    let class = event.get("class_uid").and_then(Value::as_u64);
    if class.is_some_and(|class| HOST_CLASSES.contains(&class)) {
        profiles.push("host");
    }
    if has(&["ai_model", "message_context"]) {
        profiles.push("ai_operation");
    }
    if has(&["action_id", "disposition_id", "policy"]) {
        profiles.push("security_control");
    }
    if has(&["attestation_list"]) {
        profiles.push("record_integrity");
    }
    // No version of the program: an upgrade must not change what was sent before.
    let mut metadata = json!({
        "version": told.version.text(),
        "product": {"name": "daicho", "vendor_name": "daicho"},
        "profiles": profiles,
        "uid": entry.event.id,
        "event_code": entry.event.data.kind(),
        "sequence": entry.seq,
        "log_name": entry.chain,
        "log_provider": "daicho",
        "logged_time": millis(entry.at),
    });
    // What belongs together: one call, or else one session.
    let together = [body.pointer("/data/call"), body.get("session")];
    if let Some(uid) = together.into_iter().flatten().next() {
        metadata["correlation_uid"] = uid.clone();
    }
    if told.reduced {
        metadata["is_truncated"] = json!(true);
        metadata["untruncated_size"] = json!(entry.body.len());
    }
    metadata
}

fn unmapped(entry: &EntryView, body: &Value, told: Told) -> Value {
    let mut own = json!({"seq": entry.seq});
    if told.version == Version::V1_8 {
        own["hash"] = json!(entry.leaf);
        own["prev"] = json!(entry.prev);
    }
    own["sig"] = json!(BASE64_STANDARD.encode(entry.signature));
    own["class"] = json!(entry.event.class);
    if told.withheld {
        own["withheld"] = json!(true);
    }
    for part in ["session", "data", "content"] {
        let short = part == "session";
        if let Some(value) = body.get(part).filter(|_| short || !told.reduced) {
            own[part] = value.clone();
        }
    }
    own
}

/// What templates are filled from.
struct Source<'a> {
    entry: &'a EntryView<'a>,
    body: &'a Value,
}

enum Filled {
    With(Value),
    /// The attribute is left out.
    Absent,
    /// So is the object that it stands in.
    Lacking,
}

impl Source<'_> {
    fn fill(&self, template: &Value) -> Filled {
        match template {
            Value::String(text) => self.fill_text(text),
            Value::Array(items) => {
                let filled = items.iter().filter_map(|item| match self.fill(item) {
                    Filled::With(value) => Some(value),
                    Filled::Absent | Filled::Lacking => None,
                });
                match filled.collect::<Vec<_>>() {
                    none if none.is_empty() => Filled::Absent,
                    some => Filled::With(Value::Array(some)),
                }
            }
            Value::Object(fields) => match fields.get("$case").and_then(Value::as_str) {
                Some(path) => self.fill_case(path, fields),
                None => self.fill_object(fields),
            },
            other => Filled::With(other.clone()),
        }
    }

    fn fill_object(&self, fields: &Map<String, Value>) -> Filled {
        let mut out = Map::new();
        for (key, template) in fields {
            match self.fill(template) {
                Filled::With(value) => drop(out.insert(key.clone(), value)),
                Filled::Absent => {}
                Filled::Lacking => return Filled::Absent,
            }
        }
        Filled::With(Value::Object(out))
    }

    fn fill_case(&self, path: &str, cases: &Map<String, Value>) -> Filled {
        let word = match self.field(path) {
            Some(Value::String(word)) => word,
            Some(other) => other.to_string(),
            None => return Filled::Absent,
        };
        let found = cases.get(&word).filter(|_| word != "$case");
        found.map_or(Filled::Absent, |value| Filled::With(value.clone()))
    }

    fn fill_text(&self, text: &str) -> Filled {
        if let Some(path) = text.strip_prefix('?') {
            return self.field(path).map_or(Filled::Absent, Filled::With);
        }
        let Some(path) = text.strip_prefix('$') else {
            return Filled::With(text.into());
        };
        match path.split_once('|') {
            Some((path, word)) => {
                let field = self.field(path);
                Filled::With(field.unwrap_or_else(|| word.into()))
            }
            None => self.field(path).map_or(Filled::Lacking, Filled::With),
        }
    }

    fn field(&self, path: &str) -> Option<Value> {
        match path {
            "_id" => Some(json!(self.entry.event.id)),
            "_chain" => Some(json!(self.entry.chain)),
            _ => walk(self.body.get("data")?, path),
        }
    }
}

fn walk(value: &Value, path: &str) -> Option<Value> {
    let (step, rest) = match path.split_once('.') {
        Some((step, rest)) => (step, Some(rest)),
        None => (path, None),
    };
    if step == "*" {
        let items = value.as_array()?.iter();
        let found = items.filter_map(|item| walk(item, rest?));
        let found: Vec<_> = found.collect();
        return (!found.is_empty()).then_some(Value::Array(found));
    }
    let next = value.get(step)?;
    match rest {
        Some(rest) => walk(next, rest),
        None => (next != &json!([])).then(|| next.clone()),
    }
}
