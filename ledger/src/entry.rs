use crate::tree::leaf_hash;
use schemas::{
    Actor, Class, ContentRef, Data, Envelope, EnvelopeError, Event, EventId, Hash, Label, Timestamp,
};

/// One event in its place: durable, hashed, signed. Only this crate can make one.
#[derive(Debug, Clone)]
pub struct Entry {
    envelope: Envelope,
    body: Box<[u8]>,
    leaf: Hash,
    signature: [u8; 64],
}

impl Entry {
    /// From the bytes of a body that was read from the log.
    pub(crate) fn from_durable(body: &[u8], signature: [u8; 64]) -> Result<Entry, EnvelopeError> {
        Entry::hashed(body, leaf_hash(body), signature)
    }

    /// The same where its leaf hash is at hand.
    pub(crate) fn hashed(
        body: &[u8],
        leaf: Hash,
        signature: [u8; 64],
    ) -> Result<Entry, EnvelopeError> {
        Ok(Entry {
            envelope: Envelope::from_body(body)?,
            body: body.into(),
            leaf,
            signature,
        })
    }

    pub fn seq(&self) -> u64 {
        self.envelope.seq
    }

    pub fn at(&self) -> Timestamp {
        self.envelope.at
    }

    pub fn prev(&self) -> Hash {
        self.envelope.prev
    }

    pub fn event(&self) -> &Event {
        &self.envelope.event
    }

    pub fn id(&self) -> EventId {
        self.envelope.event.id
    }

    pub fn kind(&self) -> &'static str {
        self.envelope.event.data.kind()
    }

    pub fn class(&self) -> &Class {
        &self.envelope.event.class
    }

    pub fn actor(&self) -> &Actor {
        &self.envelope.event.actor
    }

    pub fn session(&self) -> Option<&Label> {
        self.envelope.event.session.as_ref()
    }

    pub fn data(&self) -> &Data {
        &self.envelope.event.data
    }

    pub fn content(&self) -> &[ContentRef] {
        &self.envelope.content
    }

    /// The exact bytes that are hashed: one line of JSON, without line end.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// RFC 6962 leaf hash of the body.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}
