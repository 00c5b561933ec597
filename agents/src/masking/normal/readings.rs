//! Readings besides the plain one: escapes undone, base64 opened, letters and lines drawn together.

use super::spelling::normalise;
use super::{Glyph, glyph};
use crate::masking::chars;
use base64::Engine;

/// Escapes inside escapes are undone this often; deeper ones are not plain to a model either.
const MAX_DECODES: usize = 3;

/// Shorter base64 is ordinary words (`password`, `Yokohama`): four kanji make sixteen characters.
const MIN_BASE64: usize = 16;

type Reread = Option<(Vec<Glyph>, Vec<u32>)>;

/// Escapes of JSON, URLs and HTML undone, base64 of text opened.
pub(super) fn decoded(original: &[char]) -> Reread {
    let mut run = 0;
    let cause = original.iter().any(|&c| {
        run = if is_base64(c) { run + 1 } else { 0 };
        matches!(c, '\\' | '%' | '&') || run >= MIN_BASE64 - 2
    });
    if !cause {
        return None;
    }
    let mut glyphs: Vec<Glyph> = original.iter().enumerate().map(glyph).collect();
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
    Some((normalise(glyphs.into_iter()), altered))
}

fn decode_once(glyphs: &[Glyph]) -> (Vec<Glyph>, Vec<u32>) {
    let (mut out, mut copied) = (Vec::new(), 0);
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
                out.extend_from_slice(&glyphs[copied..i]);
                out.extend(chars.iter().map(|&c| Glyph { c, from, to }));
                altered.extend(from..to);
                i += length;
                copied = i;
            }
            None => i += 1,
        }
    }
    out.extend_from_slice(&glyphs[copied..]);
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
pub(super) fn drawn_together(plain: &[Glyph]) -> Reread {
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
pub(super) fn joined(plain: &[Glyph]) -> Reread {
    let kind = |c: char| match c {
        '0'..='9' => 1,
        'a'..='z' | 'A'..='Z' => 2,
        c if chars::is_han(c) => 3,
        c if chars::is_kana(c) => 4,
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
