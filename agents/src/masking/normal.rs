//! Text as the rules see it: one spelling for the many of one value, each character knowing
//! the Unicode scalars of the original that it stands for.
//!
//! A [`View`] is one reading of a document. The first is the plain one; more are made only
//! where the text gives cause: escapes and base64 decoded, letters spaced out drawn together,
//! a value broken over a line joined. What a further view finds counts only where it touches
//! what that view changed, so that no reading can shout down the plain one elsewhere.

use super::lexicon::{fold, lexicon};
use base64::Engine;
use std::cell::OnceCell;

/// Escapes inside escapes are undone this often; deeper ones are not plain to a model either.
const MAX_DECODES: usize = 3;

/// Shorter base64 is ordinary words (`password`, `Yokohama`): four kanji make sixteen characters.
const MIN_BASE64: usize = 16;

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
                .map(|i| lexicon().surnames_at(&self.chars[i..]))
                .collect()
        });
        surnames.get(at).copied().unwrap_or(0)
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
    let stream: Vec<Glyph> = original
        .iter()
        .enumerate()
        .map(|(i, &c)| Glyph {
            c,
            from: i as u32,
            to: i as u32 + 1,
        })
        .collect();
    let plain = normalise(&stream);
    let mut views = Vec::with_capacity(2);
    for (kind, reading) in [
        (Reading::Decoded, decoded(&stream)),
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
            out.extend([Glyph { c: '\n', from: at, to: at }; 2]);
        }
        let end = (i + REACH).min(glyphs.len());
        out.extend_from_slice(&glyphs[start..end.max(start)]);
        kept = end.max(start);
    }
    out
}

fn normalise(stream: &[Glyph]) -> Vec<Glyph> {
    let mut out: Vec<Glyph> = Vec::with_capacity(stream.len());
    for glyph in stream {
        if is_invisible(glyph.c) {
            continue;
        }
        let mapped = width(glyph.c);
        if let Some(last) = out.last_mut()
            && let Some(composed) = compose(last.c, mapped)
        {
            last.c = composed;
            last.to = glyph.to;
            continue;
        }
        out.push(Glyph {
            c: fold(mapped),
            ..*glyph
        });
    }
    let is_number =
        |g: Option<&Glyph>| g.is_some_and(|g| g.c.is_ascii_digit() || kanji_digit(g.c).is_some());
    for i in 0..out.len() {
        if is_dash(out[i].c) {
            out[i].c = '-';
        } else if matches!(out[i].c, 'ー' | '~' | '〜') {
            // Between digits only, or カード loses its vowel.
            let before = i.checked_sub(1).and_then(|p| out.get(p));
            if is_number(before) && is_number(out.get(i + 1)) {
                out[i].c = '-';
            }
        }
    }
    kanji_digits(&mut out);
    out
}

/// Positional kanji digits (〇九〇-一二三四-五六七八) in runs as long as a number.
fn kanji_digits(glyphs: &mut [Glyph]) {
    let mut i = 0;
    while i < glyphs.len() {
        let mut end = i;
        let mut digits = 0;
        while end < glyphs.len()
            && (kanji_digit(glyphs[end].c).is_some() || (end > i && glyphs[end].c == '-'))
        {
            digits += usize::from(glyphs[end].c != '-');
            end += 1;
        }
        // Seven is the shortest number with a form of its own: a postal code.
        if digits >= 7 {
            for glyph in &mut glyphs[i..end] {
                glyph.c = kanji_digit(glyph.c).unwrap_or(glyph.c);
            }
        }
        i = end.max(i + 1);
    }
}

fn kanji_digit(c: char) -> Option<char> {
    if c < '〇' {
        return None;
    }
    let digits = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let value = digits.iter().position(|&d| d == c)?;
    char::from_digit(value as u32, 10)
}

fn is_invisible(c: char) -> bool {
    c >= '\u{AD}' && matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' | '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E01EF}')
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' | '⁃' | '－'
    )
}

/// Full width to ASCII, half-width kana to full, circled digits and odd spaces to plain ones.
fn width(c: char) -> char {
    const KANA: &str = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜";
    if c.is_ascii() || matches!(c, '\u{3041}'..='\u{9FFF}') {
        return c;
    }
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' | '\u{00A0}' | '\u{2002}'..='\u{200A}' | '\u{202F}' | '\u{205F}' => ' ',
        // All of them are three bytes long.
        '\u{FF61}'..='\u{FF9F}' => KANA[(c as usize - 0xFF61) * 3..]
            .chars()
            .next()
            .unwrap_or(c),
        '⓪' => '0',
        '①'..='⑨' => char::from_u32(c as u32 - 0x2460 + '1' as u32).unwrap_or(c),
        '\u{1D7CE}'..='\u{1D7FF}' => char::from_digit((c as u32 - 0x1D7CE) % 10, 10).unwrap_or(c),
        '₀'..='₉' => char::from_digit(c as u32 - '₀' as u32, 10).unwrap_or(c),
        '٠'..='٩' => char::from_digit(c as u32 - '٠' as u32, 10).unwrap_or(c),
        '¥' => '\\',
        '￥' => '\\',
        '﹫' => '@',
        _ => c,
    }
}

/// Base and (semi-)voiced mark to one kana.
fn compose(base: char, mark: char) -> Option<char> {
    let voiced = match mark {
        '\u{3099}' | '゛' => true,
        '\u{309A}' | '゜' => false,
        _ => return None,
    };
    const PAIRS: &str =
        "かがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとどはばひびふぶへべほぼ";
    let hiragana = match base {
        'ァ'..='ヶ' => char::from_u32(base as u32 - 0x60)?,
        _ => base,
    };
    let composed = if voiced {
        if base == 'ウ' {
            return Some('ヴ');
        }
        PAIRS
            .chars()
            .position(|c| c == hiragana)
            .filter(|at| at % 2 == 0)
            .and_then(|at| PAIRS.chars().nth(at + 1))?
    } else {
        match hiragana {
            'は' | 'ひ' | 'ふ' | 'へ' | 'ほ' => char::from_u32(hiragana as u32 + 2)?,
            _ => return None,
        }
    };
    if base == hiragana {
        Some(composed)
    } else {
        char::from_u32(composed as u32 + 0x60)
    }
}

type Reread = Option<(Vec<Glyph>, Vec<u32>)>;

/// Escapes of JSON, URLs and HTML undone, base64 of text opened.
fn decoded(stream: &[Glyph]) -> Reread {
    let mut run = 0;
    let cause = stream.iter().any(|g| {
        run = if is_base64(g.c) { run + 1 } else { 0 };
        matches!(g.c, '\\' | '%' | '&') || run >= MIN_BASE64 - 2
    });
    if !cause {
        return None;
    }
    let mut glyphs = stream.to_vec();
    let mut altered = Vec::new();
    for _ in 0..MAX_DECODES {
        let (next, changed) = decode_once(&glyphs);
        if changed.is_empty() {
            break;
        }
        altered.extend(changed);
        glyphs = next;
    }
    if altered.is_empty() {
        return None;
    }
    altered.sort_unstable();
    altered.dedup();
    Some((normalise(&glyphs), altered))
}

fn decode_once(glyphs: &[Glyph]) -> (Vec<Glyph>, Vec<u32>) {
    let mut out = Vec::with_capacity(glyphs.len());
    let mut altered = Vec::new();
    let mut i = 0;
    while i < glyphs.len() {
        let hit = match glyphs[i].c {
            '\\' => unicode_escape(&glyphs[i..]),
            '%' => percent(&glyphs[i..]),
            '&' => entity(&glyphs[i..]),
            c if is_base64(c) && (i == 0 || !is_base64(glyphs[i - 1].c)) => {
                match base64_token(&glyphs[i..]) {
                    Ok(hit) => Some(hit),
                    Err(length) => {
                        // No text inside: pass over the token whole, so that the scan stays linear.
                        out.extend_from_slice(&glyphs[i..i + length]);
                        i += length;
                        continue;
                    }
                }
            }
            _ => None,
        };
        match hit {
            Some((length, chars)) => {
                let (from, to) = (glyphs[i].from, glyphs[i + length - 1].to);
                out.extend(chars.iter().map(|&c| Glyph { c, from, to }));
                altered.extend(from..to);
                i += length;
            }
            None => {
                out.push(glyphs[i]);
                i += 1;
            }
        }
    }
    (out, altered)
}

type Decoded = Option<(usize, Vec<char>)>;

fn hex(glyphs: &[Glyph], at: usize, digits: usize) -> Option<u32> {
    let mut value = 0;
    for glyph in glyphs.get(at..at + digits)? {
        value = value * 16 + glyph.c.to_digit(16)?;
    }
    Some(value)
}

fn unicode_escape(glyphs: &[Glyph]) -> Decoded {
    match glyphs.get(1)?.c {
        'u' => {
            if glyphs.get(2)?.c == '{' {
                let length = glyphs.iter().take(12).position(|g| g.c == '}')?;
                let value = hex(glyphs, 3, length.checked_sub(3)?)?;
                return Some((length + 1, vec![char::from_u32(value)?]));
            }
            let high = hex(glyphs, 2, 4)?;
            if (0xD800..0xDC00).contains(&high) {
                if glyphs.get(6)?.c != '\\' || glyphs.get(7)?.c != 'u' {
                    return None;
                }
                let low = hex(glyphs, 8, 4)?;
                if !(0xDC00..0xE000).contains(&low) {
                    return None;
                }
                let value = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Some((12, vec![char::from_u32(value)?]));
            }
            Some((6, vec![char::from_u32(high)?]))
        }
        'x' => Some((4, vec![char::from_u32(hex(glyphs, 2, 2)?)?])),
        'n' => Some((2, vec!['\n'])),
        't' => Some((2, vec!['\t'])),
        '"' => Some((2, vec!['"'])),
        '/' => Some((2, vec!['/'])),
        _ => None,
    }
}

/// One UTF-8 character written as %XX.
fn percent(glyphs: &[Glyph]) -> Decoded {
    let byte = |n: usize| -> Option<u8> {
        let at = n * 3;
        (glyphs.get(at)?.c == '%').then_some(())?;
        u8::try_from(hex(glyphs, at + 1, 2)?).ok()
    };
    let first = byte(0)?;
    let length = match first {
        0x00..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let bytes: Vec<u8> = (0..length).map(byte).collect::<Option<_>>()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    Some((length * 3, text.chars().collect()))
}

fn entity(glyphs: &[Glyph]) -> Decoded {
    let length = glyphs.iter().take(12).position(|g| g.c == ';')?;
    let name: String = glyphs[1..length].iter().map(|g| g.c).collect();
    let c = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "commat" => '@',
        _ => {
            let number = name.strip_prefix('#')?;
            let value = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(value)?
        }
    };
    Some((length + 1, vec![c]))
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')
}

/// The text in a base64 token, or the token's length when there is none.
fn base64_token(glyphs: &[Glyph]) -> Result<(usize, Vec<char>), usize> {
    let body = glyphs.iter().take_while(|g| is_base64(g.c)).count();
    let padding = glyphs[body..]
        .iter()
        .take(2)
        .take_while(|g| g.c == '=')
        .count();
    if body < MIN_BASE64 - 2 || body + padding < MIN_BASE64 || body % 4 == 1 {
        return Err(body);
    }
    let token: String = glyphs[..body]
        .iter()
        .map(|g| match g.c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let text = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(&token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => {
            Ok((body + padding, text.chars().collect()))
        }
        _ => Err(body),
    }
}

/// `0 9 0 - 1 2 3 4` and `山 田 太 郎`: single characters with single spaces between them.
fn drawn_together(plain: &[Glyph]) -> Reread {
    let spaced = |w: &[Glyph]| w[1].c == ' ' && w[3].c == ' ' && w[5].c == ' ' && w[4].c != ' ';
    if !plain.windows(6).any(spaced) {
        return None;
    }
    let mut out = Vec::with_capacity(plain.len());
    let mut altered = Vec::new();
    let mut i = 0;
    while i < plain.len() {
        let mut end = i;
        if plain[i].c != ' ' && (i == 0 || !plain[i - 1].c.is_alphanumeric()) {
            while end + 2 < plain.len()
                && plain[end].c != '\n'
                && plain[end + 1].c == ' '
                && !plain[end + 2].c.is_whitespace()
            {
                end += 2;
            }
            // The last one must stand alone too: in `a b c d else` it does not.
            if end > i
                && plain
                    .get(end + 1)
                    .is_some_and(|g| g.c.is_alphanumeric() && !g.c.is_whitespace())
            {
                end -= 2;
            }
        }
        // At least four characters; fewer are initials and lists.
        if end >= i + 6 {
            for (k, glyph) in plain[i..=end].iter().enumerate() {
                if k % 2 == 0 {
                    out.push(*glyph);
                } else {
                    altered.extend(glyph.from..glyph.to);
                }
            }
            i = end + 1;
        } else {
            out.push(plain[i]);
            i += 1;
        }
    }
    (!altered.is_empty()).then_some((out, altered))
}

/// A single line break between two characters of one kind taken away.
fn joined(plain: &[Glyph]) -> Reread {
    let kind = |c: char| match c {
        '0'..='9' => 1,
        'a'..='z' | 'A'..='Z' => 2,
        c if super::chars::is_han(c) => 3,
        c if super::chars::is_kana(c) => 4,
        _ => 0,
    };
    let meets = |at: usize, after: usize| {
        let before = at.checked_sub(1).map_or(0, |p| kind(plain[p].c));
        before != 0 && plain.get(after).is_some_and(|g| kind(g.c) != 0)
    };
    let cause = (0..plain.len()).any(|i| match plain[i].c {
        '\n' => meets(i, i + 1),
        '\r' => meets(i, i + 2),
        _ => false,
    });
    if !cause {
        return None;
    }
    let mut out = Vec::with_capacity(plain.len());
    let mut altered = Vec::new();
    let mut i = 0;
    while i < plain.len() {
        let length = match plain[i].c {
            '\r' if plain.get(i + 1).is_some_and(|g| g.c == '\n') => 2,
            '\n' => 1,
            _ => 0,
        };
        let before = out.last().map_or(0, |g: &Glyph| kind(g.c));
        let after = plain.get(i + length).map_or(0, |g| kind(g.c));
        let same = before != 0
            && after != 0
            && (before == after || (before < 3 && after < 3) || (before == 3 && after < 3));
        if length > 0 && same {
            altered.extend(plain[i].from..plain[i + length - 1].to);
            i += length;
        } else {
            out.push(plain[i]);
            i += 1;
        }
    }
    (!altered.is_empty()).then_some((out, altered))
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
