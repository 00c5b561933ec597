//! One string of a body: looked at once, remembered, edited where it stands.

use super::super::json::{self, Decoded, Node};
use super::super::memo::{Key, Noted, Seen, Taught};
use super::super::resolve::Hit;
use super::super::rules::customer_list::Recipients;
use super::super::rules::person::{Known, Lesson};
use super::super::rules::{cut, secret};
use super::super::{Masker, SpanKind, normal};
use super::Work;
use super::fields::label;
use std::ops::Range;
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
        let seen = match self.memo.get(&key, string.len()) {
            Some(seen) => {
                seen.taught.iter().for_each(|t| relearn(string, t, known));
                seen
            }
            None => {
                let (seen, again) = self.look_at(string, label, known);
                let seen = Arc::new(seen);
                if again {
                    self.memo.put(key, seen.clone());
                }
                seen
            }
        };
        for note in &seen.noted {
            if let (Some(tag), false) = (&note.tag, note.recipient) {
                work.customers
                    .find(note.kind, node.start, note.start..note.end, tag.as_str());
            }
            work.replace(node.start, note);
        }
    }

    /// What is in a string, and whether it can be remembered: what a name was read from cannot always
    /// be read again by itself. Then the whole string is, next time.
    fn look_at(&self, string: &str, label: Option<&str>, known: &mut Known) -> (Seen, bool) {
        let decoded = json::decode(string, 0, string.len());
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
        known.lessons();
        let mut recipients = Recipients::default();
        let mut noted = Vec::new();
        for hit in self.hits(&document, known) {
            let start = hit.start.max(lead) - lead;
            let end = hit.end.min(lead + decoded.chars.len()).max(lead) - lead;
            if start < end {
                noted.push(Noted {
                    recipient: recipients.names(&decoded.chars, start),
                    ..self.noted_in(&decoded, hit, start, end)
                });
            }
        }
        let lessons = known.lessons().into_iter();
        let taught: Option<Vec<Taught>> = lessons
            .map(|lesson| taught(&document, &decoded, lead, lesson))
            .collect();
        let again = taught.is_some();
        let seen = Seen {
            noted,
            taught: taught.unwrap_or_default(),
            media: None,
        };
        (seen, again)
    }

    /// A find at characters `start..end` of a string.
    fn noted_in(&self, decoded: &Decoded, hit: Hit, start: usize, end: usize) -> Noted {
        let noted = self.noted(hit, start, end);
        Noted {
            bytes: decoded.places[start]..decoded.places[end],
            replacement: json::encode(&noted.replacement, decoded.escaped),
            ..noted
        }
    }

    /// The same of a text that is edited at other places than its own.
    pub(super) fn noted(&self, hit: Hit, start: usize, end: usize) -> Noted {
        Noted {
            start,
            end,
            bytes: 0..0,
            recipient: false,
            kind: hit.kind,
            rule: hit.rule,
            tag: (!hit.kind.is_prohibited()).then(|| self.key.tag(hit.rule, &hit.value)),
            replacement: hit.replacement,
        }
    }

    /// All that decides what is found in a string.
    pub(super) fn fingerprint(&self, look: &str, known: &Known, label: &str, string: &str) -> Key {
        let mut context = [self.digest.0.as_slice(), known.digest()].concat();
        // What was found in a period of silence is not what is found outside of it.
        for period in self.silent.iter() {
            context.extend(period.to_le_bytes());
        }
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
        let seen = self.memo.get(&key, string.len()).unwrap_or_else(|| {
            let decoded = json::decode(string, 0, string.len());
            let noted = |hit: Hit| {
                let (start, end) = (hit.start, hit.end);
                self.noted_in(&decoded, hit, start, end)
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
        seen.noted.iter().for_each(|note| work.replace(start, note));
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
        let string = &text[node.start..node.end];
        let decoded = json::decode(string, 0, string.len());
        let hits = self.prohibited(&decoded.chars);
        let all = |hit: &Hit| hit.start == 0 && hit.end == decoded.chars.len();
        if let Some(hit) = hits.into_iter().find(all) {
            let (start, end) = (hit.start, hit.end);
            work.replace(node.start, &self.noted_in(&decoded, hit, start, end));
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

/// A lesson without its text, if the text can be read from its place again. `lead` characters of
/// the document stand before the string.
fn taught(document: &[char], decoded: &Decoded, lead: usize, lesson: Lesson) -> Option<Taught> {
    let place = |start: usize, end: usize, text: &str| {
        let sound = start < end && normal::spelled(&document[start..end]) == text;
        let (start, end) = (start.checked_sub(lead)?, end.checked_sub(lead)?);
        let inside = sound && end <= decoded.chars.len();
        inside.then(|| decoded.places[start]..decoded.places[end])
    };
    let words = lesson.words.iter();
    let part = |(start, end, word, initial): &(usize, usize, String, char)| {
        Some((place(*start, *end, word)?, *initial))
    };
    Some(Taught {
        bytes: place(lesson.start, lesson.end, &lesson.spelling)?,
        parts: words.map(part).collect::<Option<_>>()?,
    })
}

fn relearn(string: &str, taught: &Taught, known: &mut Known) {
    // What is read is what stands between a quotation mark before and one behind.
    let read = |bytes: &Range<usize>| {
        let piece = json::decode(string, bytes.start - 1, bytes.end + 1);
        normal::spelled(&piece.chars)
    };
    let words: Vec<(String, char)> = taught
        .parts
        .iter()
        .map(|(bytes, initial)| (read(bytes), *initial))
        .collect();
    let words: Vec<(&str, char)> = words.iter().map(|(word, c)| (word.as_str(), *c)).collect();
    known.learn(&read(&taught.bytes), &words);
}
