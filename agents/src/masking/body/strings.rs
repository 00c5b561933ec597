//! One string of a body: looked at once, remembered, edited where it stands.

use super::super::json::{self, Node};
use super::super::memo::{Key, Noted, Seen, Taught};
use super::super::resolve::Hit;
use super::super::rules::person::{Known, Lesson};
use super::super::rules::{cut, secret};
use super::super::{Masker, SpanKind, normal};
use super::Work;
use super::fields::label;
use std::sync::Arc;

/// A value this long is prose: its key no longer labels it.
const LONGEST_LABELLED: usize = 200;
/// Fewer digits are no number that any rule knows.
const FEWEST_DIGITS: usize = 6;
/// Longer base64 is no credential in one of the issuers' forms.
const LONGEST_CREDENTIAL: usize = 1024;

impl Masker {
    pub(super) fn string(
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
                let seen = Arc::new(Seen {
                    noted,
                    taught,
                    media: None,
                });
                if again {
                    self.memo.put(key, seen.clone());
                }
                seen
            }
        };
        let finds = seen.noted.iter().filter_map(|note| {
            let tag = note.tag.as_ref()?.as_str();
            Some((note.kind, note.start, note.end, tag))
        });
        work.customers.add(node.start, &decoded.chars, finds);
        for note in &seen.noted {
            work.replace(&decoded, note);
        }
    }

    pub(super) fn noted(&self, hit: Hit, start: usize, end: usize) -> Noted {
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
    pub(super) fn fingerprint(&self, look: &str, known: &Known, label: &str, string: &str) -> Key {
        let context = [self.digest.0.as_slice(), known.digest()].concat();
        self.key.fingerprint([
            look.as_bytes(),
            &context,
            label.as_bytes(),
            string.as_bytes(),
        ])
    }

    /// A string that is never edited in what leaves.
    pub(super) fn guard(&self, text: &str, start: usize, end: usize, work: &mut Work) {
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
                ..Seen::default()
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

    /// Ciphertext looks like a secret now and then: in what may be some, only a credential that
    /// is all of it counts. Text that was put in its place is searched like any other.
    pub(super) fn sealed(&self, text: &str, node: &Node, work: &mut Work) {
        let inner = &text[node.start + 1..node.end - 1];
        let random = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
        if !inner.bytes().all(random) {
            return self.guard(text, node.start, node.end, work);
        }
        if inner.len() > LONGEST_CREDENTIAL {
            return;
        }
        let decoded = json::decode(text, node.start, node.end);
        let hits = self.prohibited(&decoded.chars);
        let all = |hit: &Hit| hit.start == 0 && hit.end == decoded.chars.len();
        if let Some(hit) = hits.into_iter().find(all) {
            let (start, end) = (hit.start, hit.end);
            work.replace(&decoded, &self.noted(hit, start, end));
        }
    }

    /// A card number does not become harmless by losing its quotation marks.
    pub(super) fn number(&self, text: &str, nodes: &[Node], node: &Node, work: &mut Work) {
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

impl Work {
    /// A secret by its place, whatever it looks like.
    pub(super) fn credential(&mut self, node: &Node) {
        if node.end - node.start > 2 {
            self.blocks.push(secret::NAME);
            let word = format!("\"{}\"", cut(SpanKind::Secret)).into_bytes();
            self.cut.push((node.start, node.end, word));
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
