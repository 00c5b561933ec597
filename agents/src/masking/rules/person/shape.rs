//! What reads as a name: surname, given name, both, in kanji, kana or from elsewhere.

mod read;

pub(in crate::masking) use read::read;

use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::View;

/// Longest name in characters, with the space inside.
pub(in crate::masking) const LONGEST: usize = 24;

pub(in crate::masking) struct Name {
    pub start: usize,
    pub end: usize,
    pub parts: Vec<Part>,
}

/// One of a name's words and the letter that stands for it.
#[derive(Clone, Copy)]
pub(in crate::masking) struct Part {
    pub start: usize,
    pub end: usize,
    pub initial: char,
}

impl Name {
    pub fn initials(&self) -> String {
        self.parts.iter().flat_map(|p| [p.initial, '.']).collect()
    }
}

/// How much the shape alone says, from a guess to surname and given name that both are known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::masking) enum Strength {
    /// Kanji or kana that nothing speaks against.
    Guess,
    /// A known surname of one character, or a given name.
    Single,
    /// A known surname.
    Surname,
    /// A known surname, then what may be a given name.
    Half,
    Pair,
}

/// A pair that nothing around it makes something else.
pub(super) fn is_free(view: &View, name: &Name) -> bool {
    let text = view.slice(name.start, name.end);
    let lexicon = lexicon();
    let kana = text.chars().all(|c| is_hiragana(c) || c == ' ');
    let spaced = text.contains(' ');
    let length = text.chars().count();
    let (Some(surname), Some(given)) = (name.parts.first(), name.parts.get(1)) else {
        return false;
    };
    let short = surname.end - surname.start == 1;
    let tiny = given.end - given.start == 1;
    let words = (
        lexicon.is_word(view.slice(surname.start, surname.end)),
        lexicon.is_word(view.slice(given.start, given.end)),
    );
    let something_else = lexicon.is_trap(text)
        || lexicon.is_word(text)
        || view.get(name.end).is_some_and(|c| c.is_ascii_digit())
        // 森林保全: two common nouns that could each be a name are not one together.
        || words == (true, true)
        // 山田錦, 高松港: the last kanji makes it a thing or a place.
        || (!spaced && tiny && text.ends_with(|c| one_of!(LANDMARKS, c)))
        || (kana && !(spaced && length >= 6))
        // 東京 and 本 一: one character of surname needs a given name that is no other word.
        || (short && !spaced && (length < 3 || words.1))
        || (spaced && short && tiny)
        || (short && view.before(name.start).is_some_and(is_han));
    !something_else
}

const LANDMARKS: &str = "錦港駅橋川山東西南北城池沢谷原本新元前中上下内外岡島浜森林";

/// A surname of one character that hangs on what stands before it is the end of that: 品質保証室.
fn hangs(view: &View, name: &Name) -> bool {
    name.parts.first().is_some_and(|p| p.end - p.start == 1)
        && is_han(view.chars[name.start])
        && (view
            .before(name.start)
            .is_some_and(|c| is_han(c) || is_katakana(c))
            || one_of!("室課部係局班組店", view.chars[name.start]) && name.parts.len() == 1)
}

/// The best name that ends at `end` and begins where a word can.
pub(in crate::masking) fn ending_at(
    view: &View,
    end: usize,
    least: Strength,
) -> Option<(Strength, Name)> {
    let mut best: Option<(Strength, Name)> = None;
    let mut start = end;
    while start > 0 && end - start < LONGEST {
        start -= 1;
        let c = view.chars[start];
        if !(is_han(c) || is_hiragana(c) || is_katakana(c) || matches!(c, ' ' | '・' | '=')) {
            break;
        }
        if matches!(c, ' ' | '・' | '=') || !begins(view, start) {
            continue;
        }
        if let Some((strength, name)) = read(view, start, end)
            && strength >= least
            && !hangs(view, &name)
            && best
                .as_ref()
                .is_none_or(|(s, n)| (strength, end - start) > (*s, n.end - n.start))
        {
            best = Some((strength, name));
        }
    }
    best
}

/// The best name that begins at `start` and ends where a word can.
pub(in crate::masking) fn starting_at(
    view: &View,
    start: usize,
    least: Strength,
) -> Option<(Strength, Name)> {
    if !may_start(view, start, least) {
        return None;
    }
    let mut best: Option<(Strength, Name)> = None;
    for end in start + 1..=view.len().min(start + LONGEST) {
        let c = view.chars[end - 1];
        if !(is_han(c) || is_hiragana(c) || is_katakana(c) || matches!(c, ' ' | '・' | '=')) {
            break;
        }
        if matches!(c, ' ' | '・' | '=') || !ends(view, end) {
            continue;
        }
        if let Some((strength, name)) = read(view, start, end)
            && strength >= least
            && !hangs(view, &name)
            && best
                .as_ref()
                .is_none_or(|(s, n)| (strength, end - start) > (*s, n.end - n.start))
        {
            best = Some((strength, name));
        }
    }
    best
}

/// Cheap reasons why no name that strong begins at `start`: most places have one.
pub(super) fn may_start(view: &View, start: usize, least: Strength) -> bool {
    let Some(first) = view.get(start) else {
        return false;
    };
    if view.surnames_at(start) != 0 || least <= Strength::Single {
        return true;
    }
    // Without a known surname only what stands apart from a known given name is as good.
    let parted = |c: Option<char>| matches!(c, Some(' '));
    if is_han(first) {
        return least <= Strength::Half
            && (parted(view.get(start + 2)) || parted(view.get(start + 3)));
    }
    least < Strength::Pair
        || view.chars[start..view.len().min(start + LONGEST)]
            .iter()
            .take_while(|c| is_hiragana(**c) || is_katakana(**c) || matches!(c, ' ' | '・' | '='))
            .any(|c| matches!(c, ' ' | '・' | '='))
}

/// A word can begin here.
pub(in crate::masking) fn begins(view: &View, at: usize) -> bool {
    let (Some(first), Some(before)) = (view.get(at), view.before(at)) else {
        return true;
    };
    if is_han(first) {
        // After an office or a role a name may follow without a space: 営業部山田, 担当者佐藤.
        return !is_han(before)
            || matches!(
                before,
                '部' | '課'
                    | '室'
                    | '係'
                    | '局'
                    | '店'
                    | '社'
                    | '班'
                    | '者'
                    | '員'
                    | '長'
                    | '役'
                    | '士'
                    | '告'
            );
    }
    if is_katakana(first) {
        return !is_katakana(before);
    }
    !is_hiragana(before)
        || matches!(
            before,
            'は' | 'と' | 'が' | 'の' | 'も' | 'に' | 'や' | 'を' | 'へ'
        )
}

/// A word can end here: before another script, a mark, an honorific or a title.
pub(in crate::masking) fn ends(view: &View, at: usize) -> bool {
    let (Some(last), Some(after)) = (view.before(at), view.get(at)) else {
        return true;
    };
    if is_han(last) {
        return !(is_han(after) || is_katakana(after)) || super::honorific::starts_at(view, at);
    }
    if is_katakana(last) {
        return !is_katakana(after) && (!is_han(after) || super::honorific::starts_at(view, at));
    }
    // Hiragana runs on into words; a name ends before a particle.
    if is_hiragana(after) {
        return one_of!("はがをにのともでへやか", after) || super::honorific::starts_at(view, at);
    }
    !is_han(after) || super::honorific::starts_at(view, at)
}
