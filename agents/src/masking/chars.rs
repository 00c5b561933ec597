//! Classes of characters that the rules ask for.

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
