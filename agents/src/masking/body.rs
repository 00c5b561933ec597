//! A provider request, masked in place: the strings that hold what people wrote are edited
//! inside the bytes that came; keys, order, white space, numbers and everything untouched
//! stay byte for byte, so that caches that live on equal prefixes keep living.
//!
//! What is not touched is a short list (blocks that the provider signed, ids, names of tools,
//! media), not what is: a field that nobody knew yet is masked.

mod fields;
#[cfg(test)]
mod tests;

use super::json::{self, Decoded, Fault, Kind, Node};
use super::memo::{Key, Noted, Seen, Taught};
use super::resolve::Hit;
use super::rules::person::{Known, Lesson};
use super::{Masker, counts, normal, rule_name};
use crate::capture::Capture;
use fields::{Mode, label, modes};
use schemas::Label;
use schemas::kinds::traffic::{MaskTag, RuleCount};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Anthropic,
    OpenAi,
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
    /// Prohibited values per rule, sorted; empty unless blocked.
    pub blocks: Vec<RuleCount>,
    /// The distinct masked values as keyed tags, sorted.
    pub tags: Vec<MaskTag>,
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

/// A value this long is prose: its key no longer labels it.
const LONGEST_LABELLED: usize = 200;
/// Fewer digits are no number that any rule knows.
const FEWEST_DIGITS: usize = 6;

impl Masker {
    /// Masks the strings of a provider request where they stand.
    pub fn body(&self, capture: &Capture, dialect: Dialect) -> Result<MaskedBody, BodyError> {
        let bytes = capture.raw();
        let text = std::str::from_utf8(bytes).map_err(|e| BodyError::NotUtf8 {
            offset: e.valid_up_to(),
        })?;
        let nodes = json::read(bytes).map_err(|fault| match fault {
            Fault::At(offset) => BodyError::NotJson { offset },
            Fault::TooDeep => BodyError::TooDeep,
        })?;
        let modes = modes(text, &nodes, dialect)?;
        let mut work = Work::default();
        let mut known = Known::default();
        for (node, &mode) in nodes.iter().zip(&modes) {
            if mode == Mode::Opaque {
                continue;
            }
            if let Some((start, end)) = node.key {
                self.guard(text, start, end, &mut work);
            }
            match node.kind {
                Kind::String if mode == Mode::Guarded => {
                    self.guard(text, node.start, node.end, &mut work)
                }
                Kind::String => {
                    let label = (mode == Mode::Free)
                        .then(|| label(text, &nodes, node))
                        .flatten();
                    self.string(text, node, label.as_deref(), &mut known, &mut work);
                }
                Kind::Number => self.number(text, &nodes, node, &mut work),
                _ => {}
            }
        }
        let blocked = !work.blocks.is_empty();
        Ok(MaskedBody {
            payload: (!blocked).then(|| edited(bytes, &work.masked)),
            stored: edited(bytes, &work.cut),
            masks: counts(work.masks.into_iter()),
            blocks: counts(work.blocks.into_iter()),
            tags: work
                .tags
                .into_iter()
                .map(|((rule, tag), count)| MaskTag {
                    rule: rule_name(rule),
                    tag,
                    count,
                })
                .collect(),
        })
    }

    fn string(
        &self,
        text: &str,
        node: &Node,
        label: Option<&str>,
        known: &mut Known,
        work: &mut Work,
    ) {
        let label = label.filter(|_| node.end - node.start <= LONGEST_LABELLED * 12);
        let string = &text[node.start..node.end];
        let key = self.fingerprint("string", known, label.unwrap_or_default(), string);
        let seen = self.memo.get(&key);
        if seen
            .as_ref()
            .is_some_and(|s| s.noted.is_empty() && s.taught.is_empty())
        {
            return;
        }
        let decoded = json::decode(text, node.start, node.end);
        // A key is a label, as it is in a JSON text: `"assignee": "…"`.
        let mut document: Vec<char> = Vec::new();
        if let Some(label) = label.filter(|_| decoded.chars.len() <= LONGEST_LABELLED) {
            document.extend(format!("\"{label}\": \"").chars());
        }
        let lead = document.len();
        document.extend(&decoded.chars);
        if lead > 0 {
            document.push('"');
        }
        let seen = match seen {
            Some(seen) => {
                seen.taught
                    .iter()
                    .for_each(|t| relearn(&document, t, known));
                seen
            }
            None => {
                known.lessons();
                let mut noted = Vec::new();
                for hit in self.hits(&document, known) {
                    let start = hit.start.max(lead) - lead;
                    let end = hit.end.min(lead + decoded.chars.len()).max(lead) - lead;
                    if start < end {
                        noted.push(self.noted(hit, start, end));
                    }
                }
                let lessons = known.lessons();
                let taught: Option<Vec<Taught>> =
                    lessons.into_iter().map(|l| taught(&document, l)).collect();
                // What a name was read from cannot always be read again by itself: then the
                // whole string is, next time.
                let again = taught.is_some();
                let taught = taught.unwrap_or_default();
                let seen = Arc::new(Seen { noted, taught });
                if again {
                    self.memo.put(key, seen.clone());
                }
                seen
            }
        };
        for note in &seen.noted {
            work.replace(&decoded, note);
        }
    }

    fn noted(&self, hit: Hit, start: usize, end: usize) -> Noted {
        Noted {
            start,
            end,
            kind: hit.kind,
            rule: hit.rule,
            tag: (!hit.kind.is_prohibited()).then(|| self.key.tag(hit.rule, &hit.value)),
            replacement: hit.replacement,
        }
    }

    /// All that decides what is found in a string.
    fn fingerprint(&self, look: &str, known: &Known, label: &str, string: &str) -> Key {
        let context = [self.digest.0.as_slice(), known.digest()].concat();
        self.key.fingerprint([
            look.as_bytes(),
            &context,
            label.as_bytes(),
            string.as_bytes(),
        ])
    }

    /// A string that is never edited in what leaves.
    fn guard(&self, text: &str, start: usize, end: usize, work: &mut Work) {
        // No prohibited value is shorter; most keys are.
        if end - start < 10 {
            return;
        }
        let string = &text[start..end];
        let key = self.fingerprint("guard", &Known::default(), "", string);
        let seen = self.memo.get(&key).unwrap_or_else(|| {
            let decoded = json::decode(text, start, end);
            let noted = |hit: Hit| {
                let (start, end) = (hit.start, hit.end);
                self.noted(hit, start, end)
            };
            let noted = self
                .prohibited(&decoded.chars)
                .into_iter()
                .map(noted)
                .collect();
            let seen = Arc::new(Seen {
                noted,
                taught: Vec::new(),
            });
            self.memo.put(key, seen.clone());
            seen
        });
        if !seen.noted.is_empty() {
            let decoded = json::decode(text, start, end);
            seen.noted
                .iter()
                .for_each(|note| work.replace(&decoded, note));
        }
    }

    /// A card number does not become harmless by losing its quotation marks.
    fn number(&self, text: &str, nodes: &[Node], node: &Node, work: &mut Work) {
        if node.end - node.start < FEWEST_DIGITS {
            return;
        }
        let label = label(text, nodes, node).unwrap_or_default();
        let document: Vec<char> = format!("\"{label}\": {}", &text[node.start..node.end])
            .chars()
            .collect();
        if let Some(hit) = self.prohibited(&document).first() {
            let word = format!("\"{}\"", hit.replacement).into_bytes();
            work.blocks.push(hit.rule);
            work.cut.push((node.start, node.end, word));
        }
    }
}

/// Edits so far: byte ranges of the body and what stands there instead.
#[derive(Default)]
struct Work {
    masked: Vec<(usize, usize, Vec<u8>)>,
    cut: Vec<(usize, usize, Vec<u8>)>,
    masks: Vec<&'static str>,
    blocks: Vec<&'static str>,
    tags: BTreeMap<(&'static str, Label), u64>,
}

impl Work {
    fn replace(&mut self, decoded: &Decoded, note: &Noted) {
        let mut bytes = Vec::with_capacity(note.replacement.len());
        json::encode(&note.replacement, decoded.escaped, &mut bytes);
        let edit = (decoded.places[note.start], decoded.places[note.end], bytes);
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

/// A lesson without its text, if the text can be read from its place again.
fn taught(document: &[char], lesson: Lesson) -> Option<Taught> {
    let reads = |start: usize, end: usize, text: &str| {
        start < end && normal::spelled(&document[start..end]) == text
    };
    let sound = reads(lesson.start, lesson.end, &lesson.spelling)
        && lesson
            .words
            .iter()
            .all(|(start, end, word, _)| reads(*start, *end, word));
    sound.then(|| Taught {
        start: lesson.start,
        end: lesson.end,
        parts: lesson
            .words
            .into_iter()
            .map(|(start, end, _, initial)| (start, end, initial))
            .collect(),
    })
}

fn relearn(document: &[char], taught: &Taught, known: &mut Known) {
    let words: Vec<(String, char)> = taught
        .parts
        .iter()
        .map(|&(start, end, initial)| (normal::spelled(&document[start..end]), initial))
        .collect();
    let words: Vec<(&str, char)> = words.iter().map(|(word, c)| (word.as_str(), *c)).collect();
    known.learn(
        &normal::spelled(&document[taught.start..taught.end]),
        &words,
    );
}

fn edited(bytes: &[u8], edits: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
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
