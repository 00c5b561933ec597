//! Text as the rules see it: one spelling for the many of one value, each character knowing
//! the Unicode scalars of the original that it stands for.
//!
//! A [`View`] is one reading of a document. The first is the plain one; more are made only
//! where the text gives cause: escapes and base64 decoded, letters spaced out drawn together,
//! a value broken over a line joined. What a further view finds counts only where it touches
//! what that view changed, so that no reading can shout down the plain one elsewhere.

mod places;
mod readings;
mod spelling;

use super::chars::{is_han, is_kana};
use super::lexicon::lexicon;
use super::rules::sought;
use places::{Places, Spelled};
use readings::{decoded, drawn_together, joined};
use spelling::{is_dash, spell, width};
use std::cell::OnceCell;
use std::ops::Range;

/// Bank accounts have six; every other number has more.
const FEWEST_DIGITS: usize = 6;

pub(super) struct View<'a> {
    pub original: &'a [char],
    pub chars: Vec<char>,
    places: Places,
    pub text: String,
    bytes: Bytes,
    /// Characters outside of ASCII.
    wide: Vec<Range<usize>>,
    pub kind: Reading,
    /// Lengths of the surnames that begin at each character.
    surnames: OnceCell<Vec<u16>>,
    numbers: OnceCell<Vec<Range<usize>>>,
    begins: OnceCell<sought::Begins>,
    folds: OnceCell<bool>,
    /// Where an honorific stands, as its rule says.
    pub honored: OnceCell<Vec<bool>>,
    /// Scalars of the original that this view reads otherwise than the plain one.
    altered: Vec<u32>,
}

/// How a view reads the document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Plain,
    /// Escapes undone, base64 opened.
    Decoded,
    /// Letters spaced out drawn together.
    DrawnTogether,
    /// Values broken over a line made whole.
    Joined,
}

/// From characters to bytes and back. In ASCII both are the same.
#[derive(Default)]
struct Bytes {
    /// Byte of each character, and the end.
    of_char: Vec<u32>,
    /// Character that holds the first byte of each block.
    blocks: Vec<u32>,
}

impl Bytes {
    const BLOCK: usize = 64;

    fn of(chars: &[char]) -> Bytes {
        let mut bytes = Bytes {
            of_char: Vec::with_capacity(chars.len() + 1),
            blocks: Vec::with_capacity(chars.len() * 3 / Bytes::BLOCK + 2),
        };
        let (mut at, mut block) = (0, 0);
        for (n, c) in chars.iter().enumerate() {
            bytes.of_char.push(at as u32);
            at += c.len_utf8();
            if block < at {
                block += Bytes::BLOCK;
                bytes.blocks.push(n as u32);
            }
        }
        bytes.blocks.push(chars.len() as u32);
        bytes.of_char.push(at as u32);
        bytes
    }

    fn of_char(&self, at: usize) -> usize {
        self.of_char.get(at).map_or(at, |byte| *byte as usize)
    }

    fn holds(&self, byte: usize) -> usize {
        let Some(first) = self.blocks.get(byte / Bytes::BLOCK) else {
            return byte;
        };
        let from = *first as usize + 1;
        let further = self.of_char[from.min(self.of_char.len())..].iter();
        *first as usize + further.take_while(|next| **next as usize <= byte).count()
    }
}

impl<'a> View<'a> {
    fn new(original: &'a [char], spelled: Spelled, kind: Reading, altered: Vec<u32>) -> View<'a> {
        let Spelled { chars, places } = spelled;
        let text = super::chars::text(&chars);
        let ascii = text.len() == chars.len();
        let mut wide: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while !ascii && at < chars.len() {
            let rest = &chars[at..];
            let start = at + rest.iter().take_while(|c| c.is_ascii()).count();
            let rest = &chars[start..];
            at = start + rest.iter().take_while(|c| !c.is_ascii()).count();
            wide.extend((start < at).then_some(start..at));
        }
        View {
            original,
            bytes: if ascii {
                Bytes::default()
            } else {
                Bytes::of(&chars)
            },
            chars,
            places,
            text,
            wide,
            kind,
            surnames: OnceCell::new(),
            numbers: OnceCell::new(),
            begins: OnceCell::new(),
            folds: OnceCell::new(),
            honored: OnceCell::new(),
            altered,
        }
    }

    pub fn len(&self) -> usize {
        self.chars.len()
    }

    pub fn is_ascii(&self) -> bool {
        self.wide.is_empty()
    }

    /// Where characters outside of ASCII are.
    pub fn wide(&self) -> impl Iterator<Item = usize> {
        self.wide.iter().cloned().flatten()
    }

    /// The same, as ranges.
    pub fn wide_runs(&self) -> impl Iterator<Item = Range<usize>> {
        self.wide.iter().cloned()
    }

    /// Index of the character that begins at, or holds, a byte of `text`.
    pub fn at_byte(&self, byte: usize) -> usize {
        self.bytes.holds(byte.min(self.text.len()))
    }

    pub fn byte_of(&self, at: usize) -> usize {
        self.bytes.of_char(at.min(self.len()))
    }

    /// Characters `start..end` of the view.
    pub fn slice(&self, start: usize, end: usize) -> &str {
        &self.text[self.byte_of(start)..self.byte_of(end.max(start))]
    }

    /// Lengths of the surnames that the lexicon knows to begin here, a bit each.
    pub fn surnames_at(&self, at: usize) -> u16 {
        let surnames = self.surnames.get_or_init(|| {
            let mut surnames = vec![0; self.len()];
            for at in self.wide() {
                let text = &self.text[self.byte_of(at)..];
                surnames[at] = lexicon().surnames_at(&self.chars[at..], text);
            }
            surnames
        });
        surnames.get(at).copied().unwrap_or(0)
    }

    /// Byte ranges of digits and the marks inside of numbers, six digits or more in each: no
    /// longer number stands anywhere else.
    pub fn numbers(&self) -> &[Range<usize>] {
        self.numbers.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let is_part =
                |b: &&u8| matches!(b, b'0'..=b'9' | b' ' | b'(' | b')' | b'+' | b'-'..=b'/');
            let mut runs = Vec::new();
            let mut at = 0;
            while let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) {
                let digit = at + digit;
                let start = digit - bytes[at..digit].iter().rev().take_while(is_part).count();
                at = digit + bytes[digit..].iter().take_while(is_part).count();
                let digits = bytes[digit..at].iter().filter(|b| b.is_ascii_digit());
                if digits.count() >= FEWEST_DIGITS {
                    runs.push(start..at);
                }
            }
            runs
        })
    }

    /// Bytes of the text at which each of the patterns that are sought together can begin.
    pub fn begins(&self) -> &sought::Begins {
        self.begins.get_or_init(|| sought::all(&self.text))
    }

    /// Whether a letter outside of ASCII is one of ASCII in another case: ſ is s, and K is k.
    pub fn folds(&self) -> bool {
        let odd = |at: usize| matches!(self.chars[at], 'ſ' | '\u{212A}');
        *self.folds.get_or_init(|| self.wide().any(odd))
    }

    pub fn get(&self, at: usize) -> Option<char> {
        self.chars.get(at).copied()
    }

    pub fn before(&self, at: usize) -> Option<char> {
        at.checked_sub(1).and_then(|i| self.get(i))
    }

    /// The scalars of the original behind `start..end`, with invisible ones between them.
    pub fn span(&self, start: usize, end: usize) -> (usize, usize) {
        if start >= end || end > self.len() {
            return (0, 0);
        }
        let (from, to) = (self.places.of(start).0, self.places.of(end - 1).1);
        (from as usize, to as usize)
    }

    /// The scalars of the original behind one character.
    pub fn source(&self, at: usize) -> &'a [char] {
        let (from, to) = self.places.of(at);
        &self.original[from as usize..to as usize]
    }

    /// Each character stands for exactly one scalar that says the same in another width.
    pub fn is_plain(&self, start: usize, end: usize) -> bool {
        let plain = |(&c, (from, to)): (&char, (u32, u32))| {
            to - from == 1 && {
                let source = self.original[from as usize];
                source == c
                    || width(source) == c
                    || is_dash(source)
                    || (c == '-' && matches!(source, 'ー' | 'ｰ' | '〜' | '～' | '~'))
                    || source.is_whitespace()
            }
        };
        let (from, to) = self.span(start, end);
        let mut chars = self.chars[start..end]
            .iter()
            .zip(self.places.iter(start..end));
        chars.all(plain) && to - from == end - start
    }

    /// Whether a number, a mailbox or a credential can run through what this view reads otherwise:
    /// not where lines of kanji or kana were joined.
    pub fn may_join_ascii(&self) -> bool {
        let japanese = |at: Option<&char>| at.is_some_and(|&c| is_han(c) || is_kana(c));
        self.kind != Reading::Joined
            || self.altered.iter().any(|&at| {
                let at = at as usize;
                let before = at.checked_sub(1).and_then(|i| self.original.get(i));
                !japanese(before) && !japanese(self.original.get(at + 1))
            })
    }

    /// Whether a find of this view at original scalars `start..end` may count.
    pub fn counts(&self, start: usize, end: usize) -> bool {
        let first = self.altered.partition_point(|&at| (at as usize) < start);
        self.kind == Reading::Plain
            || self
                .altered
                .get(first)
                .is_some_and(|&at| (at as usize) < end)
    }
}

/// Every reading of a document that the text gives cause for, the plain one first.
pub(super) fn views(original: &[char]) -> Vec<View<'_>> {
    let plain = spell(original);
    let mut views = Vec::with_capacity(2);
    for (kind, reading) in [
        (Reading::Decoded, decoded(&plain)),
        (Reading::DrawnTogether, drawn_together(&plain)),
        (Reading::Joined, joined(&plain)),
    ] {
        if let Some((text, altered)) = reading {
            let text = around(&text, &altered);
            views.push(View::new(original, text, kind, altered));
        }
    }
    views.insert(0, View::new(original, plain, Reading::Plain, Vec::new()));
    views
}

/// The spelling of a piece of text by itself, as the rules see it.
pub(super) fn spelled(chars: &[char]) -> String {
    spell(chars).chars.into_iter().collect()
}

/// What of a further reading can take part in a find that counts: the parts near what it reads
/// otherwise, with empty lines between them. No rule looks further than `REACH` for its evidence.
fn around(text: &Spelled, altered: &[u32]) -> Spelled {
    const REACH: usize = 400;
    let length = text.chars.len();
    let mut out = Spelled::default();
    let mut next = 0;
    let mut kept = 0;
    let mut i = 0;
    while i < length {
        let (from, to) = text.places.of(i);
        // A character that stands at, or next to, something altered.
        let mut touches = false;
        while altered.get(next).is_some_and(|&at| at < to) {
            touches = true;
            next += 1;
        }
        touches |= altered.get(next) == Some(&to);
        touches |= next > 0 && altered[next - 1] < to && altered[next - 1] >= from;
        if !touches {
            // On to the next that does.
            let Some(&next) = altered.get(next) else {
                break;
            };
            i = text.places.reaching(next, length).max(i + 1);
            continue;
        }
        let start = i.saturating_sub(REACH).max(kept);
        if start > kept && !out.chars.is_empty() {
            let (at, _) = text.places.of(start);
            out.extend(&['\n'], at, at);
            out.extend(&['\n'], at, at);
        }
        let end = (i + REACH).min(length).max(start);
        out.extend_from(text, start..end);
        kept = end;
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        views(&chars).into_iter().map(|v| v.text).collect()
    }

    #[test]
    fn widths_marks_and_invisible_characters_have_one_spelling() {
        assert_eq!(read("Ｔａｒｏ＠ｅｘ．ｊｐ"), ["Taro@ex.jp"]);
        assert_eq!(read("ﾔﾏﾀﾞ ﾊﾟｸ"), ["ヤマダ パク"]);
        assert_eq!(read("か\u{3099}は\u{309A}"), ["がぱ"]);
        assert_eq!(read("山\u{200B}田\u{FE0F}"), ["山田"]);
        assert_eq!(read("髙﨑𠮷"), ["高崎吉"]);
    }

    #[test]
    fn dashes_unify_and_long_vowels_stay() {
        assert_eq!(read("2ー3―4〜5 カード ー"), ["2-3-4-5 カード ー"]);
        assert_eq!(read("〇九〇－一二三四－五六七八"), ["090-1234-5678"]);
        assert_eq!(read("三丁目二番"), ["三丁目二番"]);
        assert_eq!(read("梅田一九ー七−一二"), ["梅田19-7-12"]);
        assert_eq!(read("二-三日"), ["二-三日"]);
    }

    #[test]
    fn escapes_and_base64_give_a_second_view() {
        assert_eq!(read("\\u5c71\\u7530")[1], "山田");
        assert_eq!(read("%E5%B1%B1%20a")[1], "山 a");
        assert_eq!(read("&#23665;&#x7530;&amp;")[1], "山田&");
        assert_eq!(read("5bGx55Sw5aSq6YOO")[1], "山田太郎");
        assert_eq!(read("%255Cu5c71")[1], "山");
        assert_eq!(read("＆＃２３６６５；")[1], "山");
        assert_eq!(read("%E\u{200B}5%B1%B\u{2060}1")[1], "山");
    }

    #[test]
    fn a_view_maps_back_to_scalars_of_the_original() {
        let chars: Vec<char> = "x\u{200B}𠮷田%E5%B1%B1".chars().collect();
        let views = views(&chars);
        assert_eq!(views[0].span(1, 3), (2, 4));
        assert_eq!(views[1].span(3, 4), (4, 13));
        assert!(views[1].counts(4, 13) && !views[1].counts(0, 3));
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        for text in [
            "\\u12",
            "\\ud83d",
            "\\ud83d\\u0041",
            "%E5%B1",
            "%",
            "&#;",
            "&#x110000;",
            "\\u{}",
            "&",
            "\\",
        ] {
            let _ = read(text);
        }
    }
}
