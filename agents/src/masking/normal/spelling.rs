//! One spelling for the many of one character: widths, marks, dashes, digits, variants.

use super::Glyph;
use crate::masking::lexicon::fold;

pub(super) fn normalise(stream: impl ExactSizeIterator<Item = Glyph>) -> Vec<Glyph> {
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
            ..glyph
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
