//! Classes of characters that the rules ask for.

/// Whether a character is one of a constant's: its characters are compared as numbers, several at a
/// time, where `str::contains` would search for bytes.
macro_rules! one_of {
    ($set:expr, $c:expr) => {{
        const SET: [char; $crate::masking::chars::count($set)] =
            $crate::masking::chars::spread($set);
        SET.contains(&$c)
    }};
}
pub(super) use one_of;

/// Characters of a constant.
pub(super) const fn count(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        count += (bytes[at] & 0xC0 != 0x80) as usize;
        at += 1;
    }
    count
}

/// The characters of a constant that has so many.
pub(super) const fn spread<const N: usize>(text: &str) -> [char; N] {
    let bytes = text.as_bytes();
    let mut chars = ['\0'; N];
    let (mut at, mut next) = (0, 0);
    while at < bytes.len() {
        let first = bytes[at] as u32;
        let (mut value, length) = match first {
            0..0x80 => (first, 1),
            0x80..0xE0 => (first & 0x1F, 2),
            0xE0..0xF0 => (first & 0x0F, 3),
            _ => (first & 0x07, 4),
        };
        let mut more = 1;
        while more < length {
            value = value << 6 | (bytes[at + more] as u32 & 0x3F);
            more += 1;
        }
        chars[next] = char::from_u32(value).expect("a text is UTF-8");
        next += 1;
        at += length;
    }
    chars
}

pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' | '々' | '〆' | '〇')
}

pub(super) fn is_hiragana(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ' | 'ゝ' | 'ゞ')
}

pub(super) fn is_katakana(c: char) -> bool {
    matches!(c, 'ァ'..='ヺ' | 'ー' | 'ヽ' | 'ヾ')
}

pub(super) fn is_kana(c: char) -> bool {
    is_hiragana(c) || is_katakana(c)
}

/// A letter or digit of the Latin alphabet.
pub(super) fn is_latin(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// What `chars` spell; faster than collecting them where they are ASCII.
pub(super) fn text(chars: &[char]) -> String {
    let mut text = String::with_capacity(chars.len());
    push(&mut text, chars);
    text
}

pub(super) fn push(text: &mut String, chars: &[char]) {
    const BLOCK: usize = 64;
    for block in chars.chunks(BLOCK) {
        if !block.iter().all(char::is_ascii) {
            text.extend(block);
            continue;
        }
        let mut ascii = [0; BLOCK];
        let bytes = ascii.iter_mut().zip(block);
        bytes.for_each(|(byte, c)| *byte = *c as u8);
        let letters = std::str::from_utf8(&ascii[..block.len()]);
        text.push_str(letters.expect("ASCII is UTF-8"));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_set_holds_the_characters_of_its_text() {
        const ALL: &str = "aé山𠮷\n\"";
        let outside = ['b', '川', '\0'];
        assert!(ALL.chars().all(|c| one_of!(ALL, c)));
        assert!(!outside.iter().any(|c| one_of!(ALL, *c)));
    }
}
