//! A name that is known is known from there on: its bare mentions are masked too.
//!
//! Within a document in both directions, between documents forward only: what was sent before
//! keeps its bytes.

use super::shape::{self, Name, Part};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::{Reading, View};
use crate::masking::tags::squeeze;
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A body with more names than this is a table; the rest are found by their own evidence.
const MOST: usize = 20_000;

/// Each costs a search of every later document.
const MOST_GUARDED: usize = 200;

/// The names of the documents so far: spelling → initials, one per word.
#[derive(Default)]
pub(in crate::masking) struct Known {
    names: BTreeMap<String, Vec<char>>,
    automaton: Option<(AhoCorasick, Vec<String>)>,
    /// Surnames that bare are words (森, 下山): alone between marks they are names.
    guarded: BTreeMap<String, char>,
}

impl Known {
    fn add(&mut self, view: &View, name: &Name) {
        if self.names.len() >= MOST {
            return;
        }
        let text = view.slice(name.start, name.end);
        let initials: Vec<char> = name.parts.iter().map(|p| p.initial).collect();
        if name.parts.len() > 1 {
            self.put(squeeze(text), text, &initials);
            self.put(text.replace('\n', " "), text, &initials);
        }
        for (n, part) in name.parts.iter().enumerate() {
            let word = view.slice(part.start, part.end);
            if is_telling(word, n == 0) {
                self.put(word.to_string(), word, &[part.initial]);
            } else if n == 0 && word.chars().all(is_han) && self.guarded.len() < MOST_GUARDED {
                self.guarded.insert(word.to_string(), part.initial);
            }
        }
    }

    fn put(&mut self, key: String, original: &str, initials: &[char]) {
        // Latin words keep their case: `May` and `may` are not the same word.
        let key = if original.is_ascii() {
            original.to_string()
        } else {
            key
        };
        if let Entry::Vacant(entry) = self.names.entry(key) {
            entry.insert(initials.to_vec());
            self.automaton = None;
        }
    }

    fn automaton(&mut self) -> Option<&(AhoCorasick, Vec<String>)> {
        if self.automaton.is_none() && !self.names.is_empty() {
            let words: Vec<String> = self.names.keys().cloned().collect();
            let automaton = AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&words)
                .ok()?;
            self.automaton = Some((automaton, words));
        }
        self.automaton.as_ref()
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
    let Some((automaton, words)) = known.automaton() else {
        return;
    };
    let mut found = Vec::new();
    for hit in automaton.find_iter(&view.text) {
        let (start, end) = (view.at_byte(hit.start()), view.at_byte(hit.end()));
        let word = &words[hit.pattern().as_usize()];
        if !names.covers(start, end) && scene.is_open(start, end) && is_mention(view, start, end) {
            found.push((start, end, word.clone()));
        }
    }
    for (start, end, word) in found {
        let Some(initials) = known.names.get(&word) else {
            continue;
        };
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
                && ".-・*)".contains(view.chars[start - 2]);
            let opened = view.before(start).is_none_or(|c| "\n「(、・→".contains(c)) || bullet;
            let closed = view.get(end).is_none_or(|c| "」)、・→がは\n:".contains(c));
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
