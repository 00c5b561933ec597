//! A provider request, masked in place: the strings that hold what people wrote are edited
//! inside the bytes that came; keys, order, white space, numbers and everything untouched
//! stay byte for byte, so that caches that live on equal prefixes keep living.
//!
//! What is not touched is a short list (blocks that the provider signed, ids, names of tools,
//! media), not what is: a field that nobody knew yet is masked (fields.rs). A value that is
//! split over strings which read on is sought in the whole of them (runs.rs). What is in an
//! image no rule can read; a PDF's text is read (media.rs).

mod fields;
mod media;
mod runs;
mod strings;
#[cfg(test)]
mod tests;

pub use media::Media;

use super::json::{self, Fault, Kind};
use super::memo::Noted;
use super::policy::MediaRule;
use super::rules::customer_list::CustomerList;
use super::rules::person::Known;
use super::{Masker, counts, rule_name};
use crate::capture::Capture;
use fields::{Mode, label, modes};
use schemas::Label;
use schemas::kinds::traffic::{MaskTag, RuleCount};
use std::collections::BTreeMap;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Anthropic,
    OpenAiChat,
    OpenAiResponses,
}

/// A request that was masked, or that must not leave.
///
/// Holds raw text in `stored`: neither `Debug` nor `Serialize`.
pub struct MaskedBody {
    /// The bytes that may leave; `None` when something prohibited is in them.
    pub payload: Option<Vec<u8>>,
    /// What came, with prohibited values cut out: what may be sealed. The same bytes where nothing was.
    pub stored: Vec<u8>,
    /// Replacements per rule, sorted.
    pub masks: Vec<RuleCount>,
    /// Prohibited values per rule, and the persons of a customer list, sorted; empty unless blocked.
    pub blocks: Vec<RuleCount>,
    /// The distinct masked values as keyed tags, sorted.
    pub tags: Vec<MaskTag>,
    /// What no rule can read: images, sounds, files, and those named by id or address. Counted
    /// whether it leaves or not; named as the rule that it would be blocked by.
    pub media: Vec<RuleCount>,
}

impl MaskedBody {
    /// Of a request that has no body.
    pub fn empty() -> MaskedBody {
        MaskedBody {
            payload: Some(Vec::new()),
            stored: Vec::new(),
            masks: Vec::new(),
            blocks: Vec::new(),
            tags: Vec::new(),
            media: Vec::new(),
        }
    }

    /// Blocks a request that carries what no rule can read, as some classes of data demand.
    pub fn block_media(&mut self) {
        if !self.media.is_empty() {
            self.payload = None;
            self.blocks.extend(self.media.iter().cloned());
            self.blocks
                .sort_by(|a, b| a.rule.as_str().cmp(b.rule.as_str()));
        }
    }
}

/// Why a body could not be masked; it must not leave then. Never holds what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is not UTF-8 (byte {offset})")]
    NotUtf8 { offset: usize },
    #[error("the body is not JSON (byte {offset})")]
    NotJson { offset: usize },
    #[error("the body is nested deeper than any request needs")]
    TooDeep,
    /// Two `type` keys in one object: which one the provider believes is its choice, not ours.
    #[error("an object of the body has two keys `type` (byte {offset})")]
    DuplicateType { offset: usize },
}

impl Masker {
    /// Masks the strings of a provider request where they stand.
    pub fn body(&self, capture: &Capture, dialect: Dialect) -> Result<MaskedBody, BodyError> {
        self.json(capture, Some(dialect))
    }

    /// The same of JSON that is no request: but for names and ids of its form all is text.
    pub fn told(&self, capture: &Capture) -> Result<MaskedBody, BodyError> {
        self.json(capture, None)
    }

    fn json(&self, capture: &Capture, dialect: Option<Dialect>) -> Result<MaskedBody, BodyError> {
        let text = capture.text();
        let text = text.map_err(|offset| BodyError::NotUtf8 { offset })?;
        let bytes = text.as_bytes();
        let nodes = json::read(bytes).map_err(|fault| match fault {
            Fault::At(offset) => BodyError::NotJson { offset },
            Fault::TooDeep => BodyError::TooDeep,
        })?;
        let modes = modes(text, &nodes, dialect)?;
        let mut work = Work::default();
        let mut known = Known::default();
        for (node, &mode) in nodes.iter().zip(&modes) {
            if let Some((start, end)) = node.key {
                self.guard(text, start, end, &mut work);
            }
            match node.kind {
                Kind::String => match mode {
                    Mode::Protocol | Mode::Schema => {
                        self.string(text, node, None, &mut known, &mut work)
                    }
                    Mode::Free => {
                        let label = label(text, &nodes, node);
                        self.string(text, node, label.as_deref(), &mut known, &mut work);
                    }
                    Mode::Address => {
                        self.string(text, node, None, &mut known, &mut work);
                        work.media.push(Media::Elsewhere);
                    }
                    Mode::Reference | Mode::Signed => {
                        self.guard(text, node.start, node.end, &mut work)
                    }
                    Mode::FileId => {
                        self.guard(text, node.start, node.end, &mut work);
                        work.media.push(Media::Elsewhere);
                    }
                    Mode::Sealed => self.sealed(text, node, &mut work),
                    Mode::Media => self.media(text, node, &mut known, &mut work),
                    Mode::Credential => work.credential(node),
                },
                Kind::Number => self.number(text, &nodes, node, &mut work),
                _ => {}
            }
        }
        self.runs(text, &nodes, &modes, &mut work);
        let blocks = counts(work.blocks.into_iter().chain(self.listed(work.customers)));
        let blocked = !blocks.is_empty();
        let mut body = MaskedBody {
            payload: (!blocked).then(|| edited(bytes, &work.masked)),
            stored: edited(bytes, &in_order(work.cut)),
            masks: counts(work.masks.into_iter()),
            blocks,
            tags: work
                .tags
                .into_iter()
                .map(|((rule, tag), count)| MaskTag {
                    rule: rule_name(rule),
                    tag,
                    count,
                })
                .collect(),
            media: counts(work.media.into_iter().map(Media::rule)),
        };
        if self.policy.media == MediaRule::Block {
            body.block_media();
        }
        Ok(body)
    }
}

/// A byte range of the body and what stands there instead.
type Edit = (usize, usize, Vec<u8>);

/// Edits so far.
#[derive(Default)]
struct Work {
    masked: Vec<Edit>,
    cut: Vec<Edit>,
    masks: Vec<&'static str>,
    blocks: Vec<&'static str>,
    tags: BTreeMap<(&'static str, Label), u64>,
    media: Vec<Media>,
    customers: CustomerList,
}

impl Work {
    /// A find in the string that begins at this byte.
    fn replace(&mut self, string: usize, note: &Noted) {
        let bytes = note.replacement.clone().into_bytes();
        let edit = (string + note.bytes.start, string + note.bytes.end, bytes);
        if note.kind.is_prohibited() {
            self.blocks.push(note.rule);
            self.cut.push(edit);
        } else {
            self.masks.push(note.rule);
            self.masked.push(edit);
        }
        if let Some(tag) = &note.tag {
            *self.tags.entry((note.rule, tag.clone())).or_default() += 1;
        }
    }
}

/// What was found in a run of strings comes after what was found in each: by place, and no two
/// over each other.
fn in_order(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| edit.0);
    let mut out: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match out.last_mut() {
            Some(last) if edit.0 < last.1 => last.1 = last.1.max(edit.1),
            _ => out.push(edit),
        }
    }
    out
}

fn edited(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for (start, end, replacement) in edits {
        out.extend_from_slice(&bytes[at..*start]);
        out.extend_from_slice(replacement);
        at = *end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}
