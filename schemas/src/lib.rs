//! The words of daicho: what can happen, who can do it, and how it is written down.
//!
//! This crate does no I/O and holds no clock. It is the authority for event kinds
//! ([`Data`]), the envelope that every entry's body is ([`Envelope`]), ids, actors,
//! classes and the small values that bodies are made of.

mod values;

mod actor;
mod bucket;
mod class;
mod time;

mod data;
mod envelope;
mod event;
pub mod kinds;

pub use actor::Actor;
pub use bucket::{BucketId, ContentRef, DataSubject};
pub use class::{Class, DataClass};
pub use data::{Data, Family};
pub use envelope::{Envelope, EnvelopeError, FORMAT_VERSION, MAX_BODY_BYTES, Unplaced, json_fault};
pub use event::{Event, EventId};
pub use time::{Month, Period, Timestamp};
pub use values::{Hash, Label, Name, ValueError};

/// What each kind is to the Open Cybersecurity Schema Framework 1.8: a JSON object of
/// `kind: [name, class_uid, activity_id, {attribute: value}]`. `$x` in a value is the field `x`
/// of the event's data; the reader (`exporters::format`) has the rest of that language.
pub const OCSF: &str = include_str!("../ocsf.json");
