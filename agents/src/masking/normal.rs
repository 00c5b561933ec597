//! Text as the rules see it: one spelling for the many of one value, each character knowing
//! the Unicode scalars of the original that it stands for.
//!
//! A [`View`] is one reading of a document. The first is the plain one; more are made only
//! where the text gives cause: escapes and base64 decoded, letters spaced out drawn together,
//! a value broken over a line joined. What a further view finds counts only where it touches
//! what that view changed, so that no reading can shout down the plain one elsewhere.

mod readings;
mod spelling;

use super::chars::{is_han, is_kana};
use super::lexicon::lexicon;
use readings::{decoded, drawn_together, joined};
use spelling::{is_dash, normalise, width};
use std::cell::OnceCell;
use std::ops::Range;

/// Bank accounts have six; every other number has more.
const FEWEST_DIGITS: usize = 6;

/// One character and the scalars `from..to` of the original that it stands for.
#[derive(Clone, Copy)]
struct Glyph {
    c: char,
    from: u32,
    to: u32,
}

pub(super) struct View<'a> {
    pub original: &'a [char],
    pub chars: Vec<char>,
    pub text: String,
    from: Vec<u32>,
    to: Vec<u32>,
    /// Byte of each character, and the end.
    bytes: Vec<u32>,
    /// Character that holds each byte, and the end.
    of_byte: Vec<u32>,
    pub kind: Reading,
    /// Lengths of the surnames that begin at each character.
    surnames: OnceCell<Vec<u16>>,
    numbers: OnceCell<Vec<Range<usize>>>,
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

impl<'a> View<'a> {
    fn new(original: &'a [char], glyphs: Vec<Glyph>, kind: Reading, altered: Vec<u32>) -> View<'a> {
        let text: String = glyphs.iter().map(|g| g.c).collect();
        let mut bytes = Vec::with_capacity(glyphs.len() + 1);
        let mut of_byte = Vec::with_capacity(text.len() + 1);
        for (i, glyph) in glyphs.iter().enumerate() {
            bytes.push(of_byte.len() as u32);
            of_byte.resize(of_byte.len() + glyph.c.len_utf8(), i as u32);
        }
        bytes.push(of_byte.len() as u32);
        of_byte.push(glyphs.len() as u32);
        View {
            original,
            chars: glyphs.iter().map(|g| g.c).collect(),
            from: glyphs.iter().map(|g| g.from).collect(),
            to: glyphs.iter().map(|g| g.to).collect(),
            text,
            bytes,
            of_byte,
            kind,
            surnames: OnceCell::new(),
            numbers: OnceCell::new(),
            altered,
        }
    }

    pub fn len(&self) -> usize {
        self.chars.len()
    }

    /// Index of the character that begins at, or holds, a byte of `text`.
    pub fn at_byte(&self, byte: usize) -> usize {
        self.of_byte[byte.min(self.text.len())] as usize
    }

    pub fn byte_of(&self, at: usize) -> usize {
        self.bytes[at.min(self.len())] as usize
    }

    /// Characters `start..end` of the view.
    pub fn slice(&self, start: usize, end: usize) -> &str {
        &self.text[self.byte_of(start)..self.byte_of(end.max(start))]
    }

    /// Lengths of the surnames that the lexicon knows to begin here, a bit each.
    pub fn surnames_at(&self, at: usize) -> u16 {
        let surnames = self.surnames.get_or_init(|| {
            (0..self.len())
                .map(|i| match self.chars[i] {
                    c if c.is_ascii() => 0,
                    _ => lexicon().surnames_at(&self.chars[i..]),
                })
                .collect()
        });
        surnames.get(at).copied().unwrap_or(0)
    }

    /// Byte ranges of digits and the marks inside of numbers, six digits or more in each: no
    /// longer number stands anywhere else.
    pub fn numbers(&self) -> &[Range<usize>] {
        self.numbers.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let is_part =
                |b: &u8| matches!(b, b'0'..=b'9' | b' ' | b'(' | b')' | b'+' | b'-'..=b'/');
            let mut runs = Vec::new();
            let mut at = 0;
            while let Some(start) = bytes[at..].iter().position(is_part).map(|n| at + n) {
                let run = bytes[start..].iter().take_while(|b| is_part(b));
                let (mut length, mut digits) = (0, 0);
                for byte in run {
                    length += 1;
                    digits += usize::from(byte.is_ascii_digit());
                }
                at = start + length;
                if digits >= FEWEST_DIGITS {
                    runs.push(start..at);
                }
            }
            runs
        })
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
        (self.from[start] as usize, self.to[end - 1] as usize)
    }

    /// The scalars of the original behind one character.
    pub fn source(&self, at: usize) -> &'a [char] {
        &self.original[self.from[at] as usize..self.to[at] as usize]
    }

    /// Each character stands for exactly one scalar that says the same in another width.
    pub fn is_plain(&self, start: usize, end: usize) -> bool {
        (start..end).all(|i| {
            self.to[i] - self.from[i] == 1 && {
                let source = self.original[self.from[i] as usize];
                source == self.chars[i]
                    || width(source) == self.chars[i]
                    || is_dash(source)
                    || (self.chars[i] == '-' && matches!(source, 'ー' | 'ｰ' | '〜' | '～' | '~'))
                    || source.is_whitespace()
            }
        }) && self.to[end - 1] - self.from[start] == (end - start) as u32
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
    let plain = normalise(original.iter().enumerate().map(glyph));
    let mut views = Vec::with_capacity(2);
    for (kind, reading) in [
        (Reading::Decoded, decoded(original)),
        (Reading::DrawnTogether, drawn_together(&plain)),
        (Reading::Joined, joined(&plain)),
    ] {
        if let Some((glyphs, altered)) = reading {
            let glyphs = around(glyphs, &altered);
            views.push(View::new(original, glyphs, kind, altered));
        }
    }
    views.insert(0, View::new(original, plain, Reading::Plain, Vec::new()));
    views
}

/// The spelling of a piece of text by itself, as the rules see it.
pub(super) fn spelled(chars: &[char]) -> String {
    let glyphs = normalise(chars.iter().enumerate().map(glyph));
    glyphs.iter().map(|g| g.c).collect()
}

fn glyph((at, &c): (usize, &char)) -> Glyph {
    Glyph {
        c,
        from: at as u32,
        to: at as u32 + 1,
    }
}

/// What of a further reading can take part in a find that counts: the parts near what it reads
/// otherwise, with empty lines between them. No rule looks further than `REACH` for its evidence.
fn around(glyphs: Vec<Glyph>, altered: &[u32]) -> Vec<Glyph> {
    const REACH: usize = 400;
    // Places in `glyphs` that stand at, or next to, something altered.
    let mut out: Vec<Glyph> = Vec::new();
    let mut next = 0;
    let mut kept = 0;
    for (i, glyph) in glyphs.iter().enumerate() {
        let mut touches = false;
        while altered.get(next).is_some_and(|&at| at < glyph.to) {
            touches = true;
            next += 1;
        }
        touches |= altered.get(next) == Some(&glyph.to);
        touches |= next > 0 && altered[next - 1] < glyph.to && altered[next - 1] >= glyph.from;
        if !touches {
            continue;
        }
        let start = i.saturating_sub(REACH).max(kept);
        if start > kept && !out.is_empty() {
            let at = glyphs[start].from;
            out.extend(
                [Glyph {
                    c: '\n',
                    from: at,
                    to: at,
                }; 2],
            );
        }
        let end = (i + REACH).min(glyphs.len());
        out.extend_from_slice(&glyphs[start..end.max(start)]);
        kept = end.max(start);
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
    }

    #[test]
    fn escapes_and_base64_give_a_second_view() {
        assert_eq!(read("\\u5c71\\u7530")[1], "山田");
        assert_eq!(read("%E5%B1%B1%20a")[1], "山 a");
        assert_eq!(read("&#23665;&#x7530;&amp;")[1], "山田&");
        assert_eq!(read("5bGx55Sw5aSq6YOO")[1], "山田太郎");
        assert_eq!(read("%255Cu5c71")[1], "山");
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
