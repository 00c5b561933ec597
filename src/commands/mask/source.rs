//! The text of a file, in whatever encoding it is kept, or why it has none that can be read.

use agents::masking::pdf::{self, PdfError, PdfText};
use encoding_rs::{EUC_JP, Encoding, ISO_2022_JP, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};
use std::path::Path;

pub struct Text {
    pub text: String,
    /// As the file was written: `UTF-8`, `Shift_JIS`, …
    pub encoding: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is {0}, whose text is not looked at")]
    NoText(&'static str),
    #[error("holds no text that can be read: {0}")]
    Pdf(#[from] PdfError),
    #[error("is not text in UTF-8, UTF-16, Shift_JIS, EUC-JP or ISO-2022-JP")]
    UnknownEncoding,
}

pub fn read(path: &Path) -> Result<Text, Unread> {
    text_of(&std::fs::read(path)?)
}

/// What a file begins with whose text, if it has any, lies in a form of its own.
const FORMS: [(&[u8], &str); 8] = [
    (
        b"PK\x03\x04",
        "a zip archive (as .docx, .xlsx and .pptx are)",
    ),
    (
        b"\xD0\xCF\x11\xE0",
        "an old Office file (.doc, .xls, .ppt, .msg)",
    ),
    (b"\x1F\x8B", "a gzip archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"\x89PNG", "an image"),
    (b"\xFF\xD8\xFF", "an image"),
    (b"GIF8", "an image"),
    (b"SQLite format 3\0", "a database"),
];

/// The text of a file's bytes.
pub fn text_of(bytes: &[u8]) -> Result<Text, Unread> {
    if bytes.starts_with(b"%PDF-") {
        return match pdf::text(bytes)? {
            PdfText { text, whole: true } => Ok(Text {
                text,
                encoding: "PDF",
            }),
            _ => Err(Unread::NoText(
                "a PDF with pages that are images, or without its end",
            )),
        };
    }
    if let Some((_, form)) = FORMS.iter().find(|(head, _)| bytes.starts_with(head)) {
        return Err(Unread::NoText(form));
    }
    match Encoding::for_bom(bytes) {
        // Its mark stays: what nothing is found in leaves as it came.
        Some((encoding, _)) if encoding == UTF_8 => {
            return decoded(UTF_8, bytes).ok_or(Unread::UnknownEncoding);
        }
        Some((encoding, mark)) => {
            return decoded(encoding, &bytes[mark..]).ok_or(Unread::UnknownEncoding);
        }
        None => {}
    }
    if let Some(encoding) = wide(bytes) {
        return decoded(encoding, bytes).ok_or(Unread::UnknownEncoding);
    }
    if bytes.contains(&0) {
        return Err(Unread::NoText("binary"));
    }
    // ISO-2022-JP is ASCII to whoever does not know its escapes: mail is kept so.
    let shifts = bytes
        .windows(3)
        .any(|w| matches!(w, [0x1B, b'$', b'@' | b'B'] | [0x1B, b'(', b'I' | b'J']));
    if shifts && let Some(text) = decoded(ISO_2022_JP, bytes) {
        return Ok(text);
    }
    if let Some(text) = decoded(UTF_8, bytes) {
        return Ok(text);
    }
    // Each reads much of the other's without a fault, as half-width kana and rare kanji.
    [SHIFT_JIS, EUC_JP]
        .into_iter()
        .filter_map(|encoding| decoded(encoding, bytes))
        .max_by_key(|text| likeness(&text.text))
        .ok_or(Unread::UnknownEncoding)
}

fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Option<Text> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    Some(Text {
        text: text.into_owned(),
        encoding: encoding.name(),
    })
}

/// UTF-16 without a mark: every line break, space and digit of it has a NUL on one side. What
/// is UTF-8 as well has to be NULs by half: a single one makes no UTF-16.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let nuls = |parity: usize| {
        let half = bytes.iter().skip(parity).step_by(2);
        half.filter(|byte| **byte == 0).count()
    };
    let encoding = match (nuls(0), nuls(1)) {
        (0, some) if some > 0 => UTF_16LE,
        (some, 0) if some > 0 => UTF_16BE,
        _ => return None,
    };
    let half = nuls(0) + nuls(1) > bytes.len() / 3;
    (bytes.len().is_multiple_of(2) && (half || std::str::from_utf8(bytes).is_err()))
        .then_some(encoding)
}

/// How much a text looks like Japanese that somebody wrote: hiragana is in all of it.
fn likeness(text: &str) -> i64 {
    text.chars()
        .map(|c| match c {
            '\u{3041}'..='\u{3096}' => 2,
            '\u{FF61}'..='\u{FF9F}' => -1,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTER: &str = "いつもお世話になっております。山田です。\n電話 03-5555-0142\nｶﾅも";

    #[test]
    fn a_letter_is_read_in_every_encoding_that_offices_keep() {
        let utf16 = |to: fn(u16) -> [u8; 2]| LETTER.encode_utf16().flat_map(to).collect();
        let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        let (le, be): (Vec<u8>, Vec<u8>) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
        for (bytes, encoding) in [
            (LETTER.into(), "UTF-8"),
            (SHIFT_JIS.encode(LETTER).0.into_owned(), "Shift_JIS"),
            (EUC_JP.encode(LETTER).0.into_owned(), "EUC-JP"),
            (le.clone(), "UTF-16LE"),
            (be.clone(), "UTF-16BE"),
            (marked(b"\xFF\xFE", le), "UTF-16LE"),
            (marked(b"\xFE\xFF", be), "UTF-16BE"),
        ] {
            let read = text_of(&bytes).unwrap_or_else(|e| panic!("{encoding}: {e}"));
            assert_eq!((read.text.as_str(), read.encoding), (LETTER, encoding));
        }
        let marked = format!("\u{FEFF}{LETTER}");
        assert_eq!(text_of(marked.as_bytes()).expect("UTF-8").text, marked);
        let jis = b"From: x\n\x1B$B;3ED\x1B(B\n";
        let read = text_of(jis).expect("ISO-2022-JP");
        assert_eq!(read.text, "From: x\n山田\n");
    }

    #[test]
    fn what_holds_no_text_is_said_to() {
        for bytes in [
            b"%PDF-1.7\n".as_slice(),
            b"PK\x03\x04...",
            b"\x89PNG\r\n",
            b"\x7FELF\x02\x01\0\0\0\x03",
            b"\xFF\x81\xFF\x80",
            b"plain\0text",
        ] {
            assert!(text_of(bytes).is_err());
        }
        assert_eq!(text_of(b"").expect("no text is text").text, "");
    }
}
