//! Readings besides the plain one: escapes undone, base64 opened, letters and lines drawn together.

use super::places::{Glyph, Spelled};
use super::spelling::respell;
use crate::masking::chars;
use base64::Engine;

/// Escapes inside escapes are undone this often; deeper ones are not plain to a model either.
const MAX_DECODES: usize = 3;

/// Shorter base64 is ordinary words (`password`, `Yokohama`): four kanji make sixteen characters.
const MIN_BASE64: usize = 16;

/// A reading, and the scalars of the original that it reads otherwise.
type Reread = Option<(Spelled, Vec<u32>)>;

/// Escapes of JSON, URLs and HTML undone, base64 of text opened. Each time in one spelling: what is
/// written wide, or with invisible characters inside, is an escape all the same.
pub(super) fn decoded(plain: &Spelled) -> Reread {
    let (text, mut altered) = decode_once(plain)?;
    let mut text = respell(&text);
    for _ in 1..MAX_DECODES {
        let Some((next, changed)) = decode_once(&text) else {
            break;
        };
        altered.extend(changed);
        text = respell(&next);
    }
    altered.sort_unstable();
    altered.dedup();
    Some((text, altered))
}

fn decode_once(text: &Spelled) -> Reread {
    let chars = &text.chars;
    let (mut out, mut copied) = (Spelled::default(), 0);
    let mut altered = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let hit = match chars[i] {
            '\\' => unicode_escape(&chars[i..]),
            '%' => percent(&chars[i..]),
            '&' => entity(&chars[i..]),
            c if is_base64(c) && (i == 0 || !is_base64(chars[i - 1])) => {
                match base64_token(&chars[i..]) {
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
            Some((length, decoded)) => {
                let (from, to) = (text.places.of(i).0, text.places.of(i + length - 1).1);
                out.extend_from(text, copied..i);
                for c in decoded {
                    out.push(Glyph { c, from, to });
                }
                altered.extend(from..to);
                i += length;
                copied = i;
            }
            None => i += 1,
        }
    }
    rest(text, copied, out, altered)
}

/// A reading whole, if it is another one.
fn rest(text: &Spelled, copied: usize, mut out: Spelled, altered: Vec<u32>) -> Reread {
    if altered.is_empty() {
        return None;
    }
    out.extend_from(text, copied..text.chars.len());
    Some((out, altered))
}

type Decoded = Option<(usize, Vec<char>)>;

fn hex(chars: &[char], at: usize, digits: usize) -> Option<u32> {
    let mut value = 0;
    for c in chars.get(at..at + digits)? {
        value = value * 16 + c.to_digit(16)?;
    }
    Some(value)
}

fn unicode_escape(chars: &[char]) -> Decoded {
    match chars.get(1)? {
        'u' => {
            if *chars.get(2)? == '{' {
                let length = chars.iter().take(12).position(|c| *c == '}')?;
                let value = hex(chars, 3, length.checked_sub(3)?)?;
                return Some((length + 1, vec![char::from_u32(value)?]));
            }
            let high = hex(chars, 2, 4)?;
            if (0xD800..0xDC00).contains(&high) {
                if *chars.get(6)? != '\\' || *chars.get(7)? != 'u' {
                    return None;
                }
                let low = hex(chars, 8, 4)?;
                if !(0xDC00..0xE000).contains(&low) {
                    return None;
                }
                let value = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Some((12, vec![char::from_u32(value)?]));
            }
            Some((6, vec![char::from_u32(high)?]))
        }
        'x' => Some((4, vec![char::from_u32(hex(chars, 2, 2)?)?])),
        'n' => Some((2, vec!['\n'])),
        't' => Some((2, vec!['\t'])),
        '"' => Some((2, vec!['"'])),
        '/' => Some((2, vec!['/'])),
        _ => None,
    }
}

/// One UTF-8 character written as %XX.
fn percent(chars: &[char]) -> Decoded {
    let byte = |n: usize| -> Option<u8> {
        let at = n * 3;
        (*chars.get(at)? == '%').then_some(())?;
        u8::try_from(hex(chars, at + 1, 2)?).ok()
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

fn entity(chars: &[char]) -> Decoded {
    let length = chars.iter().take(12).position(|c| *c == ';')?;
    let name: String = chars[1..length].iter().collect();
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
fn base64_token(chars: &[char]) -> Result<(usize, Vec<char>), usize> {
    let body = chars.iter().take_while(|c| is_base64(**c)).count();
    if body < MIN_BASE64 - 2 || body % 4 == 1 {
        return Err(body);
    }
    let rest = chars[body..].iter().take(2);
    let padding = rest.take_while(|c| **c == '=').count();
    if body + padding < MIN_BASE64 || !may_be_text(chars) {
        return Err(body);
    }
    let token: String = chars[..body]
        .iter()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => *c,
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

/// What the first eight characters of base64 spell can begin a text: most words spell what cannot.
fn may_be_text(chars: &[char]) -> bool {
    let value = |c: char| match c {
        'A'..='Z' => c as u64 - 'A' as u64,
        'a'..='z' => c as u64 - 'a' as u64 + 26,
        '0'..='9' => c as u64 - '0' as u64 + 52,
        '+' | '-' => 62,
        _ => 63,
    };
    let bits = chars
        .iter()
        .take(8)
        .fold(0, |bits, c| bits << 6 | value(*c));
    let bytes = bits.to_be_bytes();
    let valid = match std::str::from_utf8(&bytes[2..]) {
        Ok(text) => text,
        Err(fault) if fault.error_len().is_some() => return false,
        Err(fault) => std::str::from_utf8(&bytes[2..2 + fault.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().all(|c| !c.is_control() || c.is_whitespace())
}

/// `0 9 0 - 1 2 3 4` and `山 田 太 郎`: single characters with single spaces between them.
pub(super) fn drawn_together(plain: &Spelled) -> Reread {
    let chars = &plain.chars;
    let spaced = |w: &[char]| w[0] == ' ' && w[2] == ' ' && w[4] == ' ' && w[3] != ' ';
    if !chars.windows(5).skip(1).any(spaced) {
        return None;
    }
    let (mut out, mut copied) = (Spelled::default(), 0);
    let mut altered = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let mut end = i;
        if chars[i] != ' ' && (i == 0 || !chars[i - 1].is_alphanumeric()) {
            while end + 2 < chars.len()
                && chars[end] != '\n'
                && chars[end + 1] == ' '
                && !chars[end + 2].is_whitespace()
            {
                end += 2;
            }
            // The last one must stand alone too: in `a b c d else` it does not.
            if end > i
                && chars
                    .get(end + 1)
                    .is_some_and(|c| c.is_alphanumeric() && !c.is_whitespace())
            {
                end -= 2;
            }
        }
        // At least four characters; fewer are initials and lists.
        if end >= i + 6 {
            for space in (i + 1..end).step_by(2) {
                out.extend_from(plain, copied..space);
                let (from, to) = plain.places.of(space);
                altered.extend(from..to);
                copied = space + 1;
            }
            i = end + 1;
        } else {
            i += 1;
        }
    }
    rest(plain, copied, out, altered)
}

/// A single line break between two characters of one kind taken away.
pub(super) fn joined(plain: &Spelled) -> Reread {
    let chars = &plain.chars;
    let kind = |c: char| match c {
        '0'..='9' => 1,
        'a'..='z' | 'A'..='Z' => 2,
        c if chars::is_han(c) => 3,
        c if chars::is_kana(c) => 4,
        _ => 0,
    };
    let (mut out, mut copied) = (Spelled::default(), 0);
    let mut altered = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let length = match chars[i] {
            '\r' if chars.get(i + 1) == Some(&'\n') => 2,
            '\n' => 1,
            _ => {
                i += 1;
                continue;
            }
        };
        let before = chars[..i].last().map_or(0, |c| kind(*c));
        let after = chars.get(i + length).map_or(0, |c| kind(*c));
        let same = before != 0
            && after != 0
            && (before == after || (before < 3 && after < 3) || (before == 3 && after < 3));
        if same {
            out.extend_from(plain, copied..i);
            altered.extend(plain.places.of(i).0..plain.places.of(i + length - 1).1);
            copied = i + length;
        }
        i += length;
    }
    rest(plain, copied, out, altered)
}
