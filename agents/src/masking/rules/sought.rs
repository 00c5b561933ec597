//! Patterns that begin with words, sought together.
//!
//! One automaton over the first words of all of them says in one pass where each can begin; it is
//! tried there, and nowhere else. What is found is what each would find in a search of its own:
//! the words are read out of the patterns, and none is left out.

use super::{address, bank, insider, person, secret, spelt};
use crate::masking::normal::View;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::literal::Extractor;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

/// A pattern in [`ALL`].
pub(in crate::masking) struct Sought {
    pub(super) pattern: fn() -> String,
    regex: OnceLock<Regex>,
    number: OnceLock<usize>,
}

const COUNT: usize = 25;

/// Every pattern that is sought.
static ALL: [&Sought; COUNT] = [
    &secret::ISSUERS,
    &secret::PEM,
    &secret::AUTHORIZATION,
    &secret::LABELLED,
    &secret::PAIRED,
    &secret::PIN,
    &bank::LABELLED,
    &bank::DEPOSIT,
    &bank::BRANCH,
    &insider::SIGNS,
    &address::POSTAL,
    &address::MUNICIPAL,
    &address::STREET_STARTS,
    &address::BUILDING_FIELD,
    &person::company::FORM,
    &person::honorific::HONORIFIC,
    &person::label::LABEL,
    &person::table::INSERT,
    &person::latin::BEFORE,
    &person::latin::CALLED,
    &person::latin::ACTS,
    &person::prose::INTRODUCTION,
    &person::deeds::OFFICE,
    &person::deeds::ACT,
    &person::deeds::DESK,
];

/// Bytes of a text at which each pattern can begin, in order.
pub(in crate::masking) type Begins = [Vec<u32>; COUNT];

/// Bytes of a word that the automaton holds: two kanji.
const LONGEST: usize = 6;
/// Most words of one pattern; of one that has more their ends are left off.
const MOST: usize = 2_000;

struct Words {
    automaton: AhoCorasick,
    /// The patterns that begin with each word.
    of: Vec<Vec<usize>>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut patterns: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (number, sought) in ALL.iter().enumerate() {
        for word in begins((sought.pattern)()) {
            patterns.entry(word).or_default().push(number);
        }
    }
    let (words, of): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("the patterns are constants and tested");
    Words { automaton, of }
});

/// The words in lower case one of which each match begins with, none with another before it.
pub(super) fn begins(pattern: String) -> Vec<Vec<u8>> {
    let pattern = spelt(&pattern);
    let pattern = pattern
        .replace("(?i)", "")
        .replace("(?ix)", "(?x)")
        .replace("(?i:", "(?:");
    let parsed = regex_syntax::parse(&pattern).expect("patterns are constants and tested");
    let found = Extractor::new()
        .limit_literal_len(LONGEST)
        .limit_total(MOST)
        .extract(&parsed);
    let found = found.literals().expect("it begins with words");
    let mut words: Vec<Vec<u8>> = found
        .iter()
        .map(|word| word.as_bytes().to_ascii_lowercase())
        .collect();
    words.sort_unstable();
    words.dedup_by(|word, before| word.starts_with(before));
    words
}

/// Where in a text each pattern can begin.
pub(in crate::masking) fn all(text: &str) -> Begins {
    let words = &*WORDS;
    let mut begins = Begins::default();
    for word in words.automaton.find_overlapping_iter(text) {
        for &number in &words.of[word.pattern()] {
            begins[number].push(word.start() as u32);
        }
    }
    // A word that is longer comes after one that began behind it.
    for places in begins.iter_mut().filter(|places| !places.is_sorted()) {
        places.sort_unstable();
    }
    begins
}

impl Sought {
    pub const fn new(pattern: fn() -> String) -> Sought {
        Sought {
            pattern,
            regex: OnceLock::new(),
            number: OnceLock::new(),
        }
    }

    fn regex(&self) -> &Regex {
        self.regex.get_or_init(|| {
            let compiled = Regex::new(&spelt(&(self.pattern)()));
            compiled.expect("patterns are constants and tested")
        })
    }

    /// Bytes of a view's text at which it can begin: no match begins anywhere else, if the text
    /// [is not read otherwise](View::folds).
    pub fn begins<'v>(&'static self, view: &'v View) -> &'v [u32] {
        let listed = || ALL.iter().position(|sought| std::ptr::eq(*sought, self));
        let number = self
            .number
            .get_or_init(|| listed().expect("every pattern is in the list"));
        &view.begins()[*number]
    }

    /// The first match that begins at `from` or behind it.
    pub fn find_at(&'static self, view: &View, from: usize) -> Option<Range<usize>> {
        let text = Input::new(&view.text);
        if view.folds() {
            let hit = self.regex().search(&text.range(from..))?;
            return Some(hit.range());
        }
        let begins = self.begins(view);
        let first = begins.partition_point(|at| (*at as usize) < from);
        // What begins nowhere is never compiled.
        let hit = begins[first..].iter().find_map(|at| {
            let here = text.clone().range(*at as usize..);
            self.regex().search(&here.anchored(Anchored::Yes))
        })?;
        Some(hit.range())
    }

    /// Every match, none over another.
    pub fn find_iter(&'static self, view: &View) -> impl Iterator<Item = Range<usize>> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let hit = self.find_at(view, from)?;
            from = hit.end;
            Some(hit)
        })
    }

    pub fn is_match(&'static self, view: &View) -> bool {
        self.find_at(view, 0).is_some()
    }

    /// The first match that begins at `from` or behind it, with its groups.
    pub fn captures_at(&'static self, view: &View, from: usize) -> Option<Caught> {
        let hit = self.find_at(view, from)?;
        let mut captures = self.regex().create_captures();
        let here = Input::new(&view.text).range(hit.start..);
        self.regex()
            .search_captures(&here.anchored(Anchored::Yes), &mut captures);
        Some(Caught {
            whole: hit,
            captures,
        })
    }

    /// Every match with its groups, none over another.
    pub fn captures_iter(&'static self, view: &View) -> impl Iterator<Item = Caught> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let hit = self.captures_at(view, from)?;
            from = hit.whole.end;
            Some(hit)
        })
    }
}

/// A match and its groups, as bytes of the text.
pub(in crate::masking) struct Caught {
    pub whole: Range<usize>,
    captures: Captures,
}

impl Caught {
    pub fn get(&self, group: usize) -> Option<Range<usize>> {
        self.captures.get_group(group).map(|span| span.range())
    }

    pub fn name(&self, group: &str) -> Option<Range<usize>> {
        let span = self.captures.get_group_by_name(group)?;
        Some(span.range())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::normal::views;
    use proptest::prelude::*;
    use regex::Regex;

    #[test]
    fn every_pattern_begins_with_words() {
        for sought in ALL {
            let words = begins((sought.pattern)());
            assert!(!words.is_empty() && words.iter().all(|word| !word.is_empty()));
            assert!(words.len() < MOST);
        }
    }

    /// What texts are put together from: the words that patterns begin with, and what they go on with.
    fn piece() -> impl Strategy<Value = String> + Clone {
        const MORE: &str = ": =|は|です。| |\n|\t|/|(|\"|1234567|0123|-|->|山田|Taro|Yamada|san|KEY|ſ|\u{212A}|の|者|名|先|\
            支店|本店|Abcdef1!xyz|PRIVATE KEY-----|into t (name)|values|される|電話|者は|を検討|not yet been";
        let word = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let begins = ALL.iter().flat_map(|sought| begins((sought.pattern)()));
        let mut pieces: Vec<String> = begins.map(|found| word(&found)).collect();
        pieces.retain(|piece| !piece.contains('\u{FFFD}'));
        let upper: Vec<String> = pieces.iter().map(|piece| piece.to_uppercase()).collect();
        let more: Vec<String> = MORE.split('|').map(str::to_owned).collect();
        let of = prop::sample::select::<String>;
        prop_oneof![of(pieces), of(upper), of(more)]
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_search_of_its_own_finds(
            pieces in prop::collection::vec(piece(), 1..40)
        ) {
            static ALONE: LazyLock<Vec<Regex>> = LazyLock::new(|| {
                let compiled = |sought: &&Sought| Regex::new(&spelt(&(sought.pattern)()));
                let regexes: Result<_, _> = ALL.iter().map(compiled).collect();
                regexes.expect("they compile")
            });
            let chars: Vec<char> = pieces.concat().chars().collect();
            for view in views(&chars) {
                for (sought, regex) in ALL.iter().zip(&*ALONE) {
                    let alone: Vec<_> = regex.find_iter(&view.text).map(|hit| hit.range()).collect();
                    let together: Vec<_> = sought.find_iter(&view).collect();
                    prop_assert_eq!(alone, together, "{}", (sought.pattern)());
                }
            }
        }
    }
}
