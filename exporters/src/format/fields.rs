//! Two formats of named values on one line.
//!
//! ```text
//! CEF:0|daicho|daicho|1|auth.failed|Login failed|5|rt=1795305600000 externalId=… cat=auth suser=service:desk …
//! LEEF:2.0|daicho|daicho|1|auth.failed|^|devTime=1795305600000^sev=5^cat=auth^usrName=service:desk^…
//! ```
//! Field names are theirs where they have one, and `daicho` with the name of the data's field
//! where they have none: `daichoInputTokens`. Lists and what is inside them are JSON. Where all
//! of the data is left out there is `daichoReduced=1`, and in `daichoBody` the octets of the whole.

use super::{EntryView, Severity, ocsf};
use serde_json::Value;
use std::fmt::Write;

/// The version of these words. A change of a field's meaning is a new one.
const VERSION: &str = "1";

/// Between LEEF's fields. A tab, the usual one, is rewritten by syslog receivers.
const DELIMITER: char = '^';

pub(super) fn cef(entry: &EntryView, body: &Value, reduced: bool) -> String {
    let kind = entry.event.data.kind();
    let severity = Severity::of(&entry.event.data).cef();
    let mut out = format!(
        "CEF:0|daicho|daicho|{VERSION}|{kind}|{}|{severity}|",
        ocsf::name(kind)
    );
    let mut put = |name: &str, value: &str| {
        let space = if out.ends_with('|') { "" } else { " " };
        let _ = write!(out, "{space}{name}={}", escaped(value));
    };
    put("rt", &millis(entry));
    put("externalId", &entry.event.id.to_string());
    put("cat", entry.event.class.as_str());
    put("suser", &entry.event.actor.to_string());
    for (label, name, value) in [
        ("seq", "cn1", entry.seq.to_string()),
        ("chain", "cs1", entry.chain.to_owned()),
        ("hash", "cs2", entry.leaf.to_string()),
        ("prev", "cs3", entry.prev.to_string()),
    ] {
        put(name, &value);
        put(&format!("{name}Label"), label);
    }
    if let Some(session) = body.get("session").and_then(Value::as_str) {
        put("cs4", session);
        put("cs4Label", "session");
    }
    match reduced {
        true => left_out(entry, &mut put),
        false => own(body, &mut put),
    }
    out
}

pub(super) fn leef(entry: &EntryView, body: &Value, reduced: bool) -> String {
    let kind = entry.event.data.kind();
    let severity = Severity::of(&entry.event.data).cef();
    let mut out = format!("LEEF:2.0|daicho|daicho|{VERSION}|{kind}|{DELIMITER}|");
    let mut put = |name: &str, value: &str| {
        if !out.ends_with('|') {
            out.push(DELIMITER);
        }
        // The format has no escape: what would end the field becomes another character.
        let plain = |c: char| {
            if c == DELIMITER || c.is_control() {
                ' '
            } else {
                c
            }
        };
        out.push_str(name);
        out.push('=');
        out.extend(value.chars().map(plain));
    };
    put("devTime", &millis(entry));
    put("sev", &severity.to_string());
    put("cat", entry.event.class.as_str());
    put("usrName", &entry.event.actor.to_string());
    put("name", ocsf::name(kind));
    put("daichoId", &entry.event.id.to_string());
    put("daichoSeq", &entry.seq.to_string());
    put("daichoChain", entry.chain);
    put("daichoHash", &entry.leaf.to_string());
    put("daichoPrev", &entry.prev.to_string());
    if let Some(session) = body.get("session").and_then(Value::as_str) {
        put("daichoSession", session);
    }
    match reduced {
        true => left_out(entry, &mut put),
        false => own(body, &mut put),
    }
    out
}

fn millis(entry: &EntryView) -> String {
    (entry.at.micros() / 1_000).to_string()
}

fn left_out(entry: &EntryView, put: &mut impl FnMut(&str, &str)) {
    put("daichoReduced", "1");
    put("daichoBody", &entry.body.len().to_string());
}

/// The data's own fields.
fn own(body: &Value, put: &mut impl FnMut(&str, &str)) {
    if let Some(data) = body.get("data") {
        flatten("daicho", data, put);
    }
}

fn flatten(name: &str, value: &Value, put: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(&joined(name, key), value, put);
            }
        }
        Value::String(text) => put(name, text),
        other => put(name, &other.to_string()),
    }
}

/// `daicho` and `input_tokens` are `daichoInputTokens`: names hold letters and digits only.
fn joined(name: &str, key: &str) -> String {
    let mut out = name.to_owned();
    for word in key.split('_') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        out.extend(letters);
    }
    out
}

/// In a CEF value `\` and `=` stand behind a backslash; there are no line ends in ours.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' | '=' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}
