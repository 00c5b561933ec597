//! A name that is known is known from there on: its bare mentions are masked too.
//!
//! Within a document in both directions, between documents forward only: what was sent before
//! keeps its bytes.

use super::shape::{self, Name, Part};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::{Reading, View};
use crate::masking::tags::squeeze;
use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A body with more names than this is a table; the rest are found by their own evidence.
const MOST: usize = 20_000;

/// Names that begin alike are tried one by one.
const MOST_ALIKE: usize = 100;

/// Each costs a search of every later document.
const MOST_GUARDED: usize = 200;

/// A name as it is written, and the initials of its words.
type Spelling = (Box<str>, Vec<char>);

/// The names of the documents so far.
///
/// Found by their first two characters: an automaton would be built anew for each name that is
/// learnt, and in a long conversation that costs more than all the rules.
#[derive(Default)]
pub(in crate::masking) struct Known {
    /// Spellings that begin so, the longest first, each with its initials, one per word.
    names: FxHashMap<(char, char), Vec<Spelling>>,
    firsts: FxHashSet<char>,
    count: usize,
    /// Digest of all that was learnt, in order: equal digests, equal names.
    digest: [u8; 32],
    /// What the documents taught since somebody asked.
    lessons: Vec<Lesson>,
    /// Surnames that bare are words (森, 下山): alone between marks they are names.
    guarded: BTreeMap<String, char>,
}

/// A name that was not known before, and where it stood: scalars of the document.
pub(in crate::masking) struct Lesson {
    pub start: usize,
    pub end: usize,
    pub spelling: String,
    /// Each word with its place and its initial.
    pub words: Vec<(usize, usize, String, char)>,
}

impl Known {
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// What was taught since the last call.
    pub fn lessons(&mut self) -> Vec<Lesson> {
        std::mem::take(&mut self.lessons)
    }

    pub fn note(&mut self, lessons: impl IntoIterator<Item = Lesson>) {
        self.lessons.extend(lessons);
    }

    fn add(&mut self, view: &View, name: &Name) {
        let words: Vec<(&str, char)> = name
            .parts
            .iter()
            .map(|part| (view.slice(part.start, part.end), part.initial))
            .collect();
        let spelling = view.slice(name.start, name.end);
        if self.learn(spelling, &words) {
            let (start, end) = view.span(name.start, name.end);
            let place = |part: &Part| {
                let (start, end) = view.span(part.start, part.end);
                let word = view.slice(part.start, part.end).to_string();
                (start, end, word, part.initial)
            };
            self.lessons.push(Lesson {
                start,
                end,
                spelling: spelling.to_string(),
                words: name.parts.iter().map(place).collect(),
            });
        }
    }

    /// Learns a name; false if there was nothing new about it.
    pub fn learn(&mut self, spelling: &str, words: &[(&str, char)]) -> bool {
        let before = self.digest;
        if self.count >= MOST {
            return false;
        }
        let initials: Vec<char> = words.iter().map(|(_, initial)| *initial).collect();
        if words.len() > 1 {
            self.put(squeeze(spelling), spelling, &initials);
            self.put(spelling.replace('\n', " "), spelling, &initials);
        }
        for (n, &(word, initial)) in words.iter().enumerate() {
            if is_telling(word, n == 0) {
                self.put(word.to_string(), word, &[initial]);
            } else if n == 0
                && word.chars().all(is_han)
                && self.guarded.len() < MOST_GUARDED
                && self.guarded.get(word) != Some(&initial)
            {
                self.guarded.insert(word.to_string(), initial);
                self.changed("guarded", word, &[initial]);
            }
        }
        self.digest != before
    }

    fn changed(&mut self, what: &str, spelling: &str, initials: &[char]) {
        let initials: String = initials.iter().collect();
        let mut hash = Sha256::new();
        hash.update(self.digest);
        for text in [what, spelling, &initials] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        self.digest = hash.finalize().into();
    }

    fn put(&mut self, key: String, original: &str, initials: &[char]) {
        // Latin words keep their case: `May` and `may` are not the same word.
        let key = if original.is_ascii() {
            original.to_string()
        } else {
            key
        };
        let mut chars = key.chars();
        let (Some(first), Some(second)) = (chars.next(), chars.next()) else {
            return;
        };
        let alike = self.names.entry((first, second)).or_default();
        if alike.len() < MOST_ALIKE && !alike.iter().any(|(name, _)| **name == *key) {
            let at = alike.partition_point(|(name, _)| name.len() >= key.len());
            alike.insert(at, (key.as_str().into(), initials.to_vec()));
            self.firsts.insert(first);
            self.count += 1;
            self.changed("name", &key, initials);
        }
    }

    /// The longest known name that stands at `at`: its end and its initials.
    fn name_at(&self, view: &View, at: usize) -> Option<(usize, &[char])> {
        let (first, second) = (view.get(at)?, view.get(at + 1)?);
        if !self.firsts.contains(&first) {
            return None;
        }
        let byte = view.byte_of(at);
        self.names
            .get(&(first, second))?
            .iter()
            .find(|(name, _)| view.text[byte..].starts_with(&**name))
            .map(|(name, initials)| (view.at_byte(byte + name.len()), initials.as_slice()))
    }
}

/// Whether a word of a name, found bare, still says that name.
fn is_telling(word: &str, first: bool) -> bool {
    let length = word.chars().count();
    let lexicon = lexicon();
    if word.is_ascii() {
        return length >= 4;
    }
    if word.chars().all(is_hiragana) {
        return length >= 3 && !first;
    }
    if word.chars().all(is_katakana) {
        return length >= 3;
    }
    length >= 2 && !lexicon.is_word(word)
}

pub(super) fn find(scene: &Scene, known: &mut Known, names: &mut Names) {
    let view = scene.view;
    if view.kind == Reading::Plain {
        for name in names.iter() {
            known.add(view, name);
        }
    }
    guarded(scene, known, names);
    if known.count == 0 {
        return;
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < view.len() {
        let Some((end, initials)) = known.name_at(view, at) else {
            at += 1;
            continue;
        };
        if !names.covers(at, end) && scene.is_open(at, end) && is_mention(view, at, end) {
            found.push((at, end, initials));
        }
        at = end;
    }
    for (start, end, initials) in found {
        let parts = initials
            .iter()
            .map(|&initial| Part {
                start,
                end,
                initial,
            })
            .collect();
        names.add(Name { start, end, parts });
    }
}

/// 「原」, "1. 谷が", （林）: a word that is a known name, alone between marks.
fn guarded(scene: &Scene, known: &Known, names: &mut Names) {
    let view = scene.view;
    for (word, &initial) in &known.guarded {
        for (byte, _) in view.text.match_indices(word.as_str()) {
            let (start, end) = (view.at_byte(byte), view.at_byte(byte + word.len()));
            let bullet = view.before(start) == Some(' ')
                && start >= 2
                && one_of!(".-・*)", view.chars[start - 2]);
            let opened = view
                .before(start)
                .is_none_or(|c| one_of!("\n「(、。・→はと", c))
                || bullet;
            let closed = view
                .get(end)
                .is_none_or(|c| one_of!("」)、。・→がはもにとへ\n:", c));
            if opened && closed && !names.covers(start, end) && scene.is_open(start, end) {
                names.add(Name {
                    start,
                    end,
                    parts: vec![Part {
                        start,
                        end,
                        initial,
                    }],
                });
            }
        }
    }
}

/// The neighbours do not make it a place, a company or a longer word.
fn is_mention(view: &View, start: usize, end: usize) -> bool {
    let text = view.slice(start, end);
    let before = view.before(start);
    let after = view.get(end);
    if text.is_ascii() {
        let joins = |c: Option<char>| {
            c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '/' | '.' | '-'))
        };
        let stop = after == Some('.') && view.get(end + 1).is_none_or(char::is_whitespace);
        return !joins(before) && (!joins(after) || stop);
    }
    let begins = before.is_none_or(|c| !(is_han(c) || is_katakana(c)))
        || shape::begins(view, start) && before.is_some_and(is_han) && text.chars().count() >= 3;
    if !begins || !shape::ends(view, end) {
        return false;
    }
    if lexicon().surname(text).is_some_and(|s| s.place) {
        // 石川から大阪: a place unless the sentence treats it as someone.
        let rest = view.slice(end, (end + 2).min(view.len()));
        let someone = super::honorific::starts_at(view, end)
            || rest.is_empty()
            || rest.starts_with([
                '、', '。', 'が', 'は', 'も', '」', ')', '\n', '→', ',', '"', '\'', '(', '・', ':',
            ])
            || rest.starts_with("です");
        return someone;
    }
    true
}
