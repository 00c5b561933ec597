//! Where lines break: Japanese anywhere but where it must not, words at their spaces, and what is
//! longer than a line anywhere.

use crate::font::Typeface;

/// JIS X 4051: these do not begin a line …
const NO_START: &str =
    "、。，．・：；？！ー）」』】〉》〕］｝’”々ぁぃぅぇぉっゃゅょァィゥェォッャュョ%)]}.,:;!?";
/// … and these do not end one.
const NO_END: &str = "（「『【〈《〔［｛‘“([{";

/// What sums of the same advances differ by, in another order.
const ROUNDING: f32 = 0.01;

/// A text in lines of at most this width, in points.
pub fn wrap(text: &str, width: f32, size: f32, typeface: &Typeface) -> Vec<String> {
    let chars: Vec<char> = typeface.fit(text).chars().collect();
    let (mut lines, mut start) = (Vec::new(), 0);
    while start < chars.len() {
        let (mut used, mut end, mut break_at) = (0.0, start, None);
        while let Some(&c) = chars.get(end) {
            used += typeface.glyph(c).1 * size;
            // One character at least: a column narrower than it would never end.
            if used > width + ROUNDING && end > start {
                break;
            }
            end += 1;
            if let Some(&next) = chars.get(end)
                && may_break(c, next)
            {
                break_at = Some(end);
            }
        }
        if end < chars.len() {
            end = break_at.unwrap_or(end);
        }
        let line: String = chars.get(start..end).unwrap_or_default().iter().collect();
        lines.push(line.trim().to_owned());
        start = end;
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn may_break(before: char, after: char) -> bool {
    // 位置, the word before each position, would stand with half of it on either line.
    let within = (before, after) == ('位', '置');
    if within || NO_START.contains(after) || NO_END.contains(before) {
        return false;
    }
    // Half of a number, or of a time, is another.
    if ",:".contains(before) && after.is_ascii_digit() {
        return false;
    }
    let wide = |c: char| c as u32 >= 0x2e80;
    before == ' ' || "/-:,".contains(before) || wide(before) || wide(after)
}

/// How wide a column has to be for a text.
#[derive(Default)]
pub struct Need {
    /// Of its widest number: half of one is another.
    pub number: f32,
    /// Of the widest piece that should stay whole.
    pub piece: f32,
}

impl Need {
    pub fn of(text: &str, size: f32, typeface: &Typeface) -> Need {
        let chars: Vec<char> = text.chars().collect();
        let (mut need, mut start) = (Need::default(), 0);
        for (index, &c) in chars.iter().enumerate() {
            let next = chars.get(index + 1);
            if next.is_some_and(|&next| !may_break(c, next)) {
                continue;
            }
            let piece: String = chars
                .get(start..=index)
                .unwrap_or_default()
                .iter()
                .collect();
            let width = typeface.width(piece.trim_end(), size);
            need.piece = need.piece.max(width);
            if is_number(&piece) {
                need.number = need.number.max(width);
            }
            start = index + 1;
        }
        need
    }

    pub fn and(self, other: Need) -> Need {
        Need {
            number: self.number.max(other.number),
            piece: self.piece.max(other.piece),
        }
    }
}

fn is_number(piece: &str) -> bool {
    piece.contains(|c: char| c.is_ascii_digit()) && !piece.contains(char::is_alphabetic)
}
