use crate::actor::Actor;
use crate::class::Class;
use crate::data::Data;
use crate::time::Timestamp;
use crate::values::{Ascii, Hash, ValueError, text_value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The idempotency key of an event: a UUID of version 7 (time-ordered, the usual one) or
/// version 8 (derived from what may happen only once).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Uuid);

impl EventId {
    /// RFC 9562 §5.7, from the caller's clock and ten random bytes: this crate has neither.
    pub fn new(at: Timestamp, random: [u8; 10]) -> EventId {
        let millis = u64::try_from(at.micros() / 1_000).expect("timestamps begin in 1970");
        EventId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// RFC 9562 §5.8: the one id of an act that may happen only once, from a digest of what
    /// makes it that act. A second attempt has the same id and is recorded once.
    pub fn derived(digest: Hash) -> EventId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.0[..16]);
        EventId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The id with these bytes, if they are one.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<EventId> {
        EventId(Uuid::from_bytes(bytes)).checked()
    }

    /// Whether ids of this version follow one another in time (version 7).
    pub fn is_ordered_by_time(&self) -> bool {
        self.0.get_version_num() == 7
    }

    fn checked(self) -> Option<EventId> {
        // The variant too: to a reader of RFC 9562 another has no version at all.
        let of_rfc = self.0.get_variant() == uuid::Variant::RFC4122;
        (of_rfc && matches!(self.0.get_version_num(), 7 | 8)).then_some(self)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    fn as_text(&self) -> Ascii<36> {
        let mut text = [0; 36];
        self.0.hyphenated().encode_lower(&mut text);
        Ascii(text)
    }
}

impl FromStr for EventId {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let rule = "a UUID of version 7 or 8, hyphenated, in lower case";
        let fault = ValueError::Malformed { what: "id", rule };
        let id = Uuid::try_parse(text).ok().map(EventId);
        let one_form = |id: &EventId| *id.as_text() == *text;
        id.and_then(EventId::checked).filter(one_form).ok_or(fault)
    }
}
text_value!(
    EventId,
    "^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    "UUID v7 or v8"
);

/// What a producer says happened, before the ledger has given it a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub class: Class,
    pub actor: Actor,
    /// The conversation or run that this belongs to, as the agent named it.
    pub session: Option<crate::Label>,
    /// When the producer says it happened.
    pub occurred: Option<Timestamp>,
    pub data: Data,
}

impl Event {
    /// An event in its kind's own class, without session or time of its own.
    pub fn new(id: EventId, actor: Actor, data: impl Into<Data>) -> Event {
        let data = data.into();
        Event {
            id,
            class: data.default_class(),
            actor,
            session: None,
            occurred: None,
            data,
        }
    }

    pub fn in_session(mut self, session: Option<crate::Label>) -> Event {
        self.session = session;
        self
    }
}
