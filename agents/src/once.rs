use schemas::{EventId, Hash};
use sha2::{Digest, Sha256};
use std::fmt::Display;

/// The id of an act that may happen only once: SHA-256 over the act's word and what it
/// concerns, one a line. The log refuses a second event with this id, so nothing else has to
/// check that it has not happened yet. The parts are ids and handles: none holds a line end.
pub(crate) fn once(act: &'static str, parts: &[&dyn Display]) -> EventId {
    let mut hash = Sha256::new();
    hash.update(format!("daicho/{act}/v1\n"));
    for part in parts {
        hash.update(format!("{part}\n"));
    }
    EventId::derived(Hash(hash.finalize().into()))
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// A handle that stands in the source.
pub(crate) fn name(literal: &'static str) -> schemas::Name {
    literal.parse().expect("a literal name is sound")
}
