//! One spelling for the many of one character: widths, marks, dashes, digits, variants.

use super::places::{Glyph, Spelled};
use crate::masking::lexicon::fold;
use std::sync::LazyLock;

/// A text in one spelling.
pub(super) fn spell(original: &[char]) -> Spelled {
    let mut spelling = Spelling::of(original.len());
    spelling.read(original, 0, 1);
    spelling.done()
}

/// A text that was read in another way before, in one spelling.
pub(super) fn respell(text: &Spelled) -> Spelled {
    let mut spelling = Spelling::of(text.chars.len());
    for (chars, from, to) in text.stretches() {
        spelling.read(chars, from, to);
    }
    spelling.done()
}

/// A text that is being spelled, and what in it depends on what comes later.
struct Spelling {
    out: Spelled,
    /// Where something stands that is a dash, or is one between digits.
    dashes: Vec<usize>,
    kanji_digits: usize,
}

impl Spelling {
    fn of(length: usize) -> Spelling {
        Spelling {
            out: Spelled::with_capacity(length),
            dashes: Vec::new(),
            kanji_digits: 0,
        }
    }

    /// Characters side by side, the first of which stands for `from..to`.
    fn read(&mut self, chars: &[char], from: u32, to: u32) {
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            let (from, to) = (from + at as u32, to + at as u32);
            let plain = chars[at..].iter().take_while(|c| is_plain(**c)).count();
            if plain > 0 {
                self.out.extend(&chars[at..at + plain], from, to);
            } else {
                self.put(Glyph { c, from, to });
            }
            at += plain.max(1);
        }
    }

    fn put(&mut self, glyph: Glyph) {
        if is_invisible(glyph.c) {
            return;
        }
        let mapped = width(glyph.c);
        if let Some(&last) = self.out.chars.last()
            && let Some(composed) = compose(last, mapped)
        {
            return self.out.stretch(composed, glyph.to);
        }
        let c = fold(mapped);
        if is_dash(c) || matches!(c, 'ー' | '~' | '〜') {
            self.dashes.push(self.out.chars.len());
        }
        self.kanji_digits += usize::from(kanji_digit(c).is_some());
        self.out.push(Glyph { c, ..glyph });
    }

    fn done(mut self) -> Spelled {
        let chars = &mut self.out.chars;
        let is_number =
            |c: Option<&char>| c.is_some_and(|&c| c.is_ascii_digit() || kanji_digit(c).is_some());
        for at in self.dashes {
            // Between digits only, or カード loses its vowel.
            let before = at.checked_sub(1).and_then(|before| chars.get(before));
            if is_dash(chars[at]) || is_number(before) && is_number(chars.get(at + 1)) {
                chars[at] = '-';
            }
        }
        if self.kanji_digits >= FEWEST_PARTS {
            kanji_digits(chars);
        }
        self.out
    }
}

/// Spelled as it is, whatever stands around it: most characters are.
fn is_plain(c: char) -> bool {
    static PLAIN: LazyLock<Vec<bool>> = LazyLock::new(|| {
        let plain = |c: char| {
            let marks = matches!(c, '\u{3099}' | '\u{309A}' | '゛' | '゜');
            let dash = is_dash(c) || matches!(c, 'ー' | '~' | '〜');
            let itself = width(c) == c && fold(c) == c && !is_invisible(c);
            itself && !marks && !dash && kanji_digit(c).is_none()
        };
        let all = 0..=u32::from(u16::MAX);
        all.map(|c| char::from_u32(c).is_some_and(plain)).collect()
    });
    PLAIN.get(c as usize).copied().unwrap_or(false)
}

/// Seven is the shortest number with a form of its own: a postal code.
const FEWEST_KANJI_DIGITS: usize = 7;

/// Fewer with dashes between them are a range (二-三) as often as a house number.
const FEWEST_PARTS: usize = 3;

/// Positional kanji digits (〇九〇-一二三四-五六七八) in runs as long as a number, or of as many parts
/// as a house number (一九-七-一二).
fn kanji_digits(chars: &mut [char]) {
    let mut i = 0;
    while i < chars.len() {
        let mut end = i;
        let (mut digits, mut parts) = (0, 0);
        while end < chars.len()
            && (kanji_digit(chars[end]).is_some() || (end > i && chars[end] == '-'))
        {
            let digit = chars[end] != '-';
            digits += usize::from(digit);
            parts += usize::from(digit && (end == i || chars[end - 1] == '-'));
            end += 1;
        }
        if digits >= FEWEST_KANJI_DIGITS || parts >= FEWEST_PARTS {
            for c in &mut chars[i..end] {
                *c = kanji_digit(*c).unwrap_or(*c);
            }
        }
        i = end.max(i + 1);
    }
}

fn kanji_digit(c: char) -> Option<char> {
    Some(match c {
        '〇' => '0',
        '一' => '1',
        '二' => '2',
        '三' => '3',
        '四' => '4',
        '五' => '5',
        '六' => '6',
        '七' => '7',
        '八' => '8',
        '九' => '9',
        _ => return None,
    })
}

fn is_invisible(c: char) -> bool {
    c >= '\u{AD}'
        && matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{FEFF}' | '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E01EF}')
}

pub(super) fn is_dash(c: char) -> bool {
    matches!(
        c,
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' | '⁃' | '－'
    )
}

/// Full width to ASCII, half-width kana to full, circled digits and odd spaces to plain ones.
pub(super) fn width(c: char) -> char {
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
