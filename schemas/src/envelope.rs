//! The body of an entry: what is hashed, chained and signed.
//!
//! ```text
//! {"v":1,"seq":41,"at":"…Z","id":"<uuid>","kind":"prompt.submitted","class":"operation",
//!  "actor":"agent:cfo","session":"…","occurred":"…","data":{…},"content":[…],"prev":"<64 hex>"}
//! ```
//! One line of UTF-8, no white space, keys in this order, absent when empty.

use crate::bucket::ContentRef;
use crate::data::Data;
use crate::event::{Event, EventId};
use crate::time::Timestamp;
use crate::values::Hash;
use crate::{Actor, Class, Label};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The `v` of every body. There is no other before the first release.
pub const FORMAT_VERSION: u8 = 1;

/// C2SP tlog-tiles: the length of a bundle's entry is a uint16.
pub const MAX_BODY_BYTES: usize = 65_535;

/// What most bodies fit into.
const LIKELY_BYTES: usize = 1_024;

/// An event in its place: position, time, and the hash of the entry before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub seq: u64,
    /// The ledger's own time. Never runs back.
    pub at: Timestamp,
    pub event: Event,
    pub content: Vec<ContentRef>,
    /// Leaf hash of the entry at `seq - 1`; zeros for entry 0.
    pub prev: Hash,
}

/// Why bytes are not a body. Positions and names only: the bytes may be private.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the body is {len} bytes long; the format allows {MAX_BODY_BYTES}")]
    TooLong { len: usize },
    #[error("the body is not JSON of this format: {0}")]
    Malformed(String),
    #[error("the body has v={0}; this program reads v={FORMAT_VERSION}")]
    UnknownVersion(u8),
    #[error("{0} is not a kind of this format")]
    UnknownKind(String),
    #[error("the data of {kind} is not what the kind allows: {reason}")]
    WrongData { kind: &'static str, reason: String },
    #[error(
        "the body is not in the one form that its values have (key order, white space or escapes)"
    )]
    NotCanonical,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u8,
    seq: u64,
    at: Timestamp,
    id: EventId,
    kind: &'static str,
    class: &'a Class,
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: &'a Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred: &'a Option<Timestamp>,
    data: &'a Data,
    #[serde(skip_serializing_if = "<[ContentRef]>::is_empty")]
    content: &'a [ContentRef],
    prev: Hash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    v: u8,
    seq: u64,
    at: Timestamp,
    id: EventId,
    kind: std::borrow::Cow<'a, str>,
    class: Class,
    actor: Actor,
    session: Option<Label>,
    occurred: Option<Timestamp>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    content: Vec<ContentRef>,
    prev: Hash,
}

impl<'a> Written<'a> {
    fn at(
        (seq, at, prev): (u64, Timestamp, Hash),
        event: &'a Event,
        content: &'a [ContentRef],
    ) -> Written<'a> {
        Written {
            v: FORMAT_VERSION,
            seq,
            at,
            id: event.id,
            kind: event.data.kind(),
            class: &event.class,
            actor: &event.actor,
            session: &event.session,
            occurred: &event.occurred,
            data: &event.data,
            content,
            prev,
        }
    }

    fn body(&self, likely_bytes: usize) -> Result<Vec<u8>, EnvelopeError> {
        let mut body = Vec::with_capacity(likely_bytes);
        serde_json::to_writer(&mut body, self)
            .map_err(|e| EnvelopeError::Malformed(e.to_string()))?;
        if body.len() > MAX_BODY_BYTES {
            return Err(EnvelopeError::TooLong { len: body.len() });
        }
        Ok(body)
    }
}

impl Envelope {
    /// The canonical bytes, without line end.
    pub fn to_body(&self) -> Result<Vec<u8>, EnvelopeError> {
        self.written().body(LIKELY_BYTES)
    }

    fn written(&self) -> Written<'_> {
        Written::at((self.seq, self.at, self.prev), &self.event, &self.content)
    }

    /// Reads a body and insists on its one canonical form: a second spelling of the same
    /// values would be a second entry with the same meaning.
    pub fn from_body(body: &[u8]) -> Result<Envelope, EnvelopeError> {
        let envelope = read(body)?;
        if envelope.written().body(body.len())? != body {
            return Err(EnvelopeError::NotCanonical);
        }
        Ok(envelope)
    }
}

/// What a body says, in whatever form it says it.
fn read(body: &[u8]) -> Result<Envelope, EnvelopeError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(EnvelopeError::TooLong { len: body.len() });
    }
    let read: Read =
        serde_json::from_slice(body).map_err(|e| EnvelopeError::Malformed(json_fault(&e)))?;
    if read.v != FORMAT_VERSION {
        return Err(EnvelopeError::UnknownVersion(read.v));
    }
    let data = Data::parse(&read.kind, read.data.get())?;
    Ok(Envelope {
        seq: read.seq,
        at: read.at,
        event: Event {
            id: read.id,
            class: read.class,
            actor: read.actor,
            session: read.session,
            occurred: read.occurred,
            data,
        },
        content: read.content,
        prev: read.prev,
    })
}

/// A body but for its place: written where the event comes from, so that giving it a place
/// costs no more than copying it.
pub struct Unplaced {
    /// What stands between the values of `at` and `prev`.
    middle: Vec<u8>,
}

const LONGEST_SEQ: u64 = i64::MAX as u64;
const BEFORE_SEQ: &[u8] = br#"{"v":1,"seq":"#;
const BEFORE_AT: &[u8] = br#","at":""#;
const AFTER_PREV: &[u8] = br#""}"#;

impl Unplaced {
    /// What a type can hold and a body cannot is refused here: it would be an entry that
    /// nobody can read, in a log that nothing is ever taken out of.
    pub fn of(event: &Event, content: &[ContentRef]) -> Result<Unplaced, EnvelopeError> {
        // The longest body that this event can become: it fits at every place.
        let place = (LONGEST_SEQ, Timestamp::default(), Hash::ZERO);
        let mut middle = Written::at(place, event, content).body(LIKELY_BYTES)?;
        // Equal values have one body: where they came back, it need not be written again.
        let read = read(&middle)?;
        if read.event != *event || read.content != content {
            Envelope::from_body(&middle)?;
        }
        let at = BEFORE_SEQ.len() + LONGEST_SEQ.to_string().len() + BEFORE_AT.len();
        let (at_chars, prev_chars) = (place.1.as_text().len(), place.2.as_text().len());
        middle.truncate(middle.len() - AFTER_PREV.len() - prev_chars);
        middle.drain(..at + at_chars);
        Ok(Unplaced { middle })
    }

    /// The body at a place: the bytes of [`Envelope::to_body`].
    pub fn at(&self, seq: u64, at: Timestamp, prev: Hash) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.middle.len() + 160);
        let (at, prev) = (at.as_text(), prev.as_text());
        for part in [
            BEFORE_SEQ,
            seq.to_string().as_bytes(),
            BEFORE_AT,
            at.as_bytes(),
            &self.middle,
            prev.as_bytes(),
            AFTER_PREV,
        ] {
            body.extend_from_slice(part);
        }
        body
    }
}

/// serde's messages can quote values, which may be private. Keeps what went wrong, the name
/// of the field if it is of the form that ours have (a key or a token is not), and the place.
pub fn json_fault(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let field = message.split('`').nth(1).filter(|f| {
        let known = message.starts_with("missing") || message.starts_with("duplicate");
        let ours = f.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        known || (1..=24).contains(&f.len()) && ours
    });
    let what = match (error.classify(), field) {
        (serde_json::error::Category::Syntax, _) => "not JSON".to_owned(),
        (serde_json::error::Category::Eof, _) => "cut off".to_owned(),
        (serde_json::error::Category::Io, _) => "unreadable".to_owned(),
        (_, Some(field)) if message.starts_with("unknown field") => {
            format!("unknown field {field}")
        }
        (_, Some(field)) if message.starts_with("missing field") => {
            format!("missing field {field}")
        }
        (_, Some(field)) if message.starts_with("duplicate field") => {
            format!("field {field} twice")
        }
        _ => "a value of the wrong type or form".to_owned(),
    };
    format!("{what}, at column {}", error.column())
}
