//! Ids that follow from a call's id, so that each of its events can happen only once.

use schemas::{EventId, Hash, Label};
use sha2::{Digest, Sha256};

/// Which event of a call it is.
pub(super) enum Part<'a> {
    Payload,
    /// `model.responded` or `model.failed`: a call ends once.
    End,
    ToolCalled(usize),
    ToolReturned(usize),
    Violated(&'a str),
}

pub(super) fn part_id(call: EventId, part: &Part) -> EventId {
    let part = match part {
        Part::Payload => "payload".to_owned(),
        Part::End => "end".to_owned(),
        Part::ToolCalled(index) => format!("tool.called/{index}"),
        Part::ToolReturned(index) => format!("tool.returned/{index}"),
        Part::Violated(rule) => format!("violated/{rule}"),
    };
    let digest = Sha256::new()
        .chain_update(b"daicho/call/v1\n")
        .chain_update(call.as_bytes())
        .chain_update(part.as_bytes());
    EventId::derived(Hash(digest.finalize().into()))
}

/// A machine's word from outside (a tool's name, an id, a model), if it looks like one. What
/// people write must not slip into the log through it.
pub(crate) fn word(text: &str) -> Option<Label> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/@".contains(&b);
    ((1..=128).contains(&text.len()) && text.bytes().all(plain)).then(|| Label::lossy(text))
}

/// The same, where something must stand: the digest of what is no such word.
pub(crate) fn word_or_digest(text: &str) -> Label {
    word(text).unwrap_or_else(|| {
        let digest = Hash(Sha256::digest(text.as_bytes()).into()).to_string();
        Label::lossy(&format!("sha256:{}", &digest[..32]))
    })
}
