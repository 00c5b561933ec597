//! The characters of a JSON string, and how they are written.

/// A string's characters and the bytes that each of them was written with.
pub(in crate::masking) struct Decoded {
    pub chars: Vec<char>,
    /// Byte offset of each character in the JSON text, and the end.
    pub places: Vec<usize>,
    /// Characters outside ASCII came as `\u` escapes.
    pub escaped: bool,
}

/// Reads the string whose quotation marks stand at `start` and before `end`.
pub(in crate::masking) fn decode(text: &str, start: usize, end: usize) -> Decoded {
    let body = &text[start + 1..end - 1];
    let mut decoded = Decoded {
        chars: Vec::with_capacity(body.len()),
        places: Vec::with_capacity(body.len() + 1),
        escaped: false,
    };
    let mut raw_wide = false;
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let run = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        let place = start + 1 + at;
        let chars = rest[..run].char_indices();
        decoded.places.extend(chars.map(|(at, _)| place + at));
        decoded.chars.extend(rest[..run].chars());
        raw_wide |= !rest[..run].is_ascii();
        at += run;
        if run == rest.len() {
            break;
        }
        let mut escape = rest[run + 1..].chars();
        let (c, length) = match escape.next() {
            Some('b') => ('\u{8}', 2),
            Some('f') => ('\u{C}', 2),
            Some('n') => ('\n', 2),
            Some('r') => ('\r', 2),
            Some('t') => ('\t', 2),
            Some('u') => {
                let (c, length) = unicode(&rest[run..]);
                decoded.escaped |= !c.is_ascii();
                (c, length)
            }
            Some(c) => (c, 1 + c.len_utf8()),
            None => ('\\', 1),
        };
        decoded.places.push(start + 1 + at);
        decoded.chars.push(c);
        at += length;
    }
    decoded.places.push(end - 1);
    decoded.escaped &= !raw_wide;
    decoded
}

/// One `\uXXXX`, or a pair of surrogates; half of a pair has no character and reads as U+FFFD.
fn unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| -> Option<u32> {
        (text.get(at..at + 2)? == "\\u").then_some(())?;
        u32::from_str_radix(text.get(at + 2..at + 6)?, 16).ok()
    };
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = unit(6)
        && (0xDC00..0xE000).contains(&second)
    {
        let value = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (
            char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER),
            12,
        );
    }
    (
        char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

/// Text as it stands in a JSON string, in the style of its neighbours.
pub(in crate::masking) fn encode(text: &str, escaped: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Masks never hold these; if one did, a string inside the string would break.
            '"' | '\\' => {}
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if escaped && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_surrogate_pair_reads_as_a_replacement_character() {
        for text in [
            "\"\\ud83d\"",
            "\"\\ude00x\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ud83d\\ud83d\\ude00\"",
        ] {
            let decoded = decode(text, 0, text.len());
            assert_eq!(decoded.chars[0], '\u{FFFD}');
            assert_eq!(decoded.places.len(), decoded.chars.len() + 1);
        }
    }

    proptest! {
        #[test]
        fn strings_decode_as_serde_decodes_them(text in any::<String>(), escape in any::<bool>()) {
            let mut json = serde_json::to_string(&text).expect("a string");
            if escape {
                let escaped = |c: char| if c.is_ascii() { c.to_string() } else { encode(&c.to_string(), true) };
                json = json.chars().map(escaped).collect();
            }
            let decoded = decode(&json, 0, json.len());
            prop_assert_eq!(decoded.chars.iter().collect::<String>(), text);
        }
    }
}
