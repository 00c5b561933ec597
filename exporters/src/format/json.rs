//! The entry's own body: as MSG of a syslog message, or as a line or value of its own:
//!
//! ```text
//! {"chain":"example.com/log","hash":"…","sig":"…","entry":{"v":1,"seq":41,…}}
//! ```
//! `entry` is the body byte for byte: SHA-256 of a zero byte and those bytes is `hash`, the
//! Ed25519 signature over it `sig` (base64). `"reduced":true,"body":1234` stands before `entry`
//! where it leaves something out, with the octets of the whole.

use super::EntryView;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemas::{Actor, Class, EventId, FORMAT_VERSION, Hash, Label, Timestamp};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write;

/// A line of its own, around the body or what is told of it.
pub(super) fn line(entry: &EntryView, body: &str, reduced: bool) -> String {
    let chain = serde_json::to_string(entry.chain).expect("a string is JSON");
    let (hash, sig) = (entry.leaf, BASE64_STANDARD.encode(entry.signature));
    let reduced = match reduced {
        true => format!("\"reduced\":true,\"body\":{},", entry.body.len()),
        false => String::new(),
    };
    format!(r#"{{"chain":{chain},"hash":"{hash}","sig":"{sig}",{reduced}"entry":{body}}}"#)
}

/// The body's frame without `data` and `content`, in the body's order of keys.
#[derive(Serialize)]
struct Frame<'a> {
    v: u8,
    seq: u64,
    at: Timestamp,
    id: EventId,
    kind: &'static str,
    class: &'a Class,
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred: Option<Timestamp>,
    prev: Hash,
}

pub(super) fn frame(entry: &EntryView, with_session: bool) -> String {
    let event = entry.event;
    let frame = Frame {
        v: FORMAT_VERSION,
        seq: entry.seq,
        at: entry.at,
        id: event.id,
        kind: event.data.kind(),
        class: &event.class,
        actor: &event.actor,
        session: event.session.as_ref().filter(|_| with_session),
        occurred: event.occurred,
        prev: entry.prev,
    };
    serde_json::to_string(&frame).expect("strings and numbers are JSON")
}

/// JSON text with everything but printable ASCII as `\uXXXX`. Outside strings JSON has none
/// of that, so this changes no value. The RFC's alternative, a BOM before UTF-8, makes the
/// JSON unreadable to receivers that keep it.
pub(super) fn ascii(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() * 2);
    for c in json.chars() {
        if (' '..='~').contains(&c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
        }
    }
    Cow::Owned(out)
}
