//! What stands in a body as base64: text that hides there, a PDF whose text can be read, or
//! bytes that no rule can read. None of it is edited; a find blocks.

use super::super::json::{self, Node};
use super::super::memo::{Noted, Seen};
use super::super::pdf::{self, PdfError};
use super::super::rules::person::Known;
use super::super::{Masker, SpanKind};
use super::Work;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use schemas::Name;
use std::borrow::Cow;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What no rule can read. A PDF is one even if its text was: it may hold images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Media {
    Image,
    Pdf,
    Audio,
    /// Bytes in another form: an archive, a spreadsheet.
    File,
    /// By id or address: not even the bytes are here.
    Elsewhere,
}

impl Media {
    /// The rule by which it is counted, and blocked.
    pub fn rule(self) -> &'static str {
        match self {
            Media::Image => "media-image",
            Media::Pdf => "media-pdf",
            Media::Audio => "media-audio",
            Media::File => "media-file",
            Media::Elsewhere => "media-elsewhere",
        }
    }

    /// Whether a rule is one of these.
    pub fn is(rule: &Name) -> bool {
        use Media::{Audio, Elsewhere, File, Image, Pdf};
        let all = [Image, Pdf, Audio, File, Elsewhere];
        all.iter().any(|media| media.rule() == rule.as_str())
    }

    /// By the first bytes; `None` if they are a text's.
    fn of(bytes: &[u8]) -> Option<Media> {
        let starts = |marks: &[&[u8]]| marks.iter().any(|mark| bytes.starts_with(mark));
        let inside = |mark: &[u8], at: usize| bytes.get(at..at + mark.len()) == Some(mark);
        let riff = bytes.starts_with(b"RIFF");
        if bytes[..bytes.len().min(1024)]
            .windows(5)
            .any(|w| w == b"%PDF-")
        {
            Some(Media::Pdf)
        } else if starts(&[
            b"\x89PNG",
            b"\xFF\xD8\xFF",
            b"GIF8",
            b"BM",
            b"II*\0",
            b"MM\0*",
        ]) && std::str::from_utf8(bytes).is_err()
            || (riff && inside(b"WEBP", 8))
            || ["avif", "heic", "heix", "mif1"]
                .iter()
                .any(|brand| inside(brand.as_bytes(), 8) && inside(b"ftyp", 4))
        {
            Some(Media::Image)
        } else if starts(&[
            b"ID3",
            b"OggS",
            b"fLaC",
            b"\xFF\xFB",
            b"\xFF\xF3",
            b"\xFF\xF2",
        ]) && std::str::from_utf8(bytes).is_err()
            || (riff && inside(b"WAVE", 8))
        {
            Some(Media::Audio)
        } else if std::str::from_utf8(bytes).is_ok() {
            None
        } else {
            Some(Media::File)
        }
    }
}

/// Either alphabet is read by one of these, with or without padding.
const ALPHABETS: [GeneralPurpose; 2] = {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    [
        GeneralPurpose::new(&alphabet::STANDARD, lenient),
        GeneralPurpose::new(&alphabet::URL_SAFE, lenient),
    ]
};

/// The bytes of a base64 string, or of the data of a `data:` address.
fn bytes_of(string: &str) -> Option<Zeroizing<Vec<u8>>> {
    let data = match string.split_once(";base64,") {
        Some((head, data)) if head.starts_with("data:") => data,
        _ => string,
    };
    let unbroken: Cow<str> = if data.contains(|c: char| c.is_ascii_whitespace()) {
        data.split_ascii_whitespace().collect()
    } else {
        data.into()
    };
    let decode = |alphabet: &GeneralPurpose| alphabet.decode(unbroken.as_bytes()).ok();
    ALPHABETS.iter().find_map(decode).map(Zeroizing::new)
}

impl Masker {
    pub(super) fn media(&self, text: &str, node: &Node, known: &mut Known, work: &mut Work) {
        let string = &text[node.start..node.end];
        let key = self.fingerprint("media", &Known::default(), "", string);
        let seen = match self.memo.get(&key, string.len()) {
            Some(seen) => seen,
            None => {
                // Megabytes, mostly without an escape: read where they stand.
                let inner = &string[1..string.len() - 1];
                let inner: Cow<str> = if inner.contains('\\') {
                    let decoded = json::decode(text, node.start, node.end);
                    decoded.chars.into_iter().collect()
                } else {
                    inner.into()
                };
                // What is no base64 is no media: the provider would refuse it, and text may hide.
                let Some(bytes) = bytes_of(&inner) else {
                    return self.string(text, node, None, known, work);
                };
                let seen = Arc::new(self.look_into(&bytes));
                self.memo.put(key, seen.clone());
                seen
            }
        };
        // A credential is base64 of nothing.
        if seen.media == Some(Media::File) {
            self.sealed(text, node, work);
        }
        work.media.extend(seen.media);
        for note in &seen.noted {
            work.blocks.push(note.rule);
        }
        if let Some(note) = seen.noted.iter().find(|note| note.kind.is_prohibited()) {
            let word = format!("\"{}\"", note.replacement).into_bytes();
            work.cut.push((node.start, node.end, word));
        }
    }

    fn look_into(&self, bytes: &[u8]) -> Seen {
        let media = Media::of(bytes);
        let text = match media {
            None => std::str::from_utf8(bytes).ok().map(str::to_owned),
            // What cannot be read stays what no rule can read; what is made to keep us busy blocks.
            Some(Media::Pdf) => match pdf::text(bytes) {
                Ok(read) => Some(read.text),
                Err(PdfError::TooLong) => return Seen::too_long(),
                Err(_) => None,
            },
            Some(_) => None,
        };
        let chars: Vec<char> = text.unwrap_or_default().chars().collect();
        let hits = self.hits(&chars, &mut Known::default());
        Seen {
            noted: hits
                .into_iter()
                // Cut whole, if at all.
                .map(|hit| self.noted(hit, 0, 0))
                .collect(),
            media,
            ..Seen::default()
        }
    }
}

impl Seen {
    /// A limit that was reached is never read as "nothing found".
    fn too_long() -> Seen {
        Seen {
            noted: vec![Noted {
                start: 0,
                end: 0,
                bytes: 0..0,
                recipient: false,
                kind: SpanKind::Person,
                rule: Media::Pdf.rule(),
                tag: None,
                replacement: String::new(),
            }],
            media: Some(Media::Pdf),
            ..Seen::default()
        }
    }
}
