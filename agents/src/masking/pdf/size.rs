//! How much a PDF would unfold to, before a reader unfolds it: a thousand bytes can be a
//! gigabyte. What is packed is found without believing what the file says of itself.

use flate2::read::{DeflateDecoder, ZlibDecoder};
use std::io::Read;

/// One stream: an image of 600 dots per inch is less, text is far less.
const LONGEST_STREAM: usize = 64 << 20;
/// All of them.
const LONGEST_FILE: usize = 512 << 20;
/// Packings within packings.
const DEEPEST: usize = 3;

/// Whether something in the file unfolds further than any document needs.
pub(super) fn is_too_large(bytes: &[u8]) -> bool {
    let mut left = LONGEST_FILE;
    has_other_packing(bytes)
        || streams(bytes).any(|stream| match unfolded(stream, 0) {
            Some(length) if length <= left => {
                left -= length;
                false
            }
            _ => true,
        })
}

/// The bytes after each word `stream`, to the end: where a stream ends, its packing says.
fn streams(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memmem::find_iter(bytes, b"stream")
        .filter(|&at| !bytes[..at].ends_with(b"end"))
        .map(|at| {
            let rest = &bytes[at + 6..];
            let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
            rest.strip_prefix(b"\n").unwrap_or(rest)
        })
}

/// The length of what a stream unfolds to; `None` if that is too much.
fn unfolded(stream: &[u8], depth: usize) -> Option<usize> {
    if depth == DEEPEST {
        return None;
    }
    let mut longest = 0;
    for inner in [
        inflated(ZlibDecoder::new(stream)),
        (depth == 0 && !is_zlib(stream))
            .then(|| inflated(DeflateDecoder::new(stream)))
            .flatten(),
        from_ascii85(stream),
        from_hex(stream),
    ]
    .into_iter()
    .flatten()
    {
        if inner.len() > LONGEST_STREAM {
            return None;
        }
        longest = longest.max(inner.len());
        if is_zlib(&inner) || is_text(&inner) {
            longest = longest.max(unfolded(&inner, depth + 1)?);
        }
    }
    Some(longest)
}

fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [cmf, flg, ..]
        if cmf & 0x0F == 8 && (u16::from(*cmf) << 8 | u16::from(*flg)).is_multiple_of(31))
}

/// Starts like the text forms that packed bytes are written in.
fn is_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(64)];
    head.len() == 64 && head.iter().all(u8::is_ascii_graphic)
}

/// What comes out before the first fault, as readers take it.
fn inflated(decoder: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let _ = decoder
        .take(LONGEST_STREAM as u64 + 1)
        .read_to_end(&mut out);
    (!out.is_empty()).then_some(out)
}

fn from_ascii85(bytes: &[u8]) -> Option<Vec<u8>> {
    let bytes = bytes.trim_ascii_start();
    let bytes = bytes.strip_prefix(b"<~").unwrap_or(bytes);
    let (mut out, mut group, mut count) = (Vec::new(), 0_u32, 0);
    for &byte in bytes {
        match byte {
            b'z' if count == 0 => out.extend([0; 4]),
            b'!'..=b'u' => {
                group = group.wrapping_mul(85).wrapping_add(u32::from(byte - b'!'));
                count += 1;
                if count == 5 {
                    out.extend(group.to_be_bytes());
                    (group, count) = (0, 0);
                }
            }
            byte if byte.is_ascii_whitespace() || byte == 0 => {}
            _ => break,
        }
    }
    (out.len() > 8).then_some(out)
}

fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = bytes
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map_while(|byte| char::from(*byte).to_digit(16).map(|digit| digit as u8))
        .collect();
    (digits.len() > 16).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0))
            .collect()
    })
}

/// Packings of the last century, which this does not unfold, and names that hide what they are.
fn has_other_packing(bytes: &[u8]) -> bool {
    let named = |name: &[u8]| memchr::memmem::find(bytes, name).is_some();
    let hidden = memchr::memchr_iter(b'#', bytes).any(|at| {
        let start = bytes[..at]
            .iter()
            .rev()
            .take(32)
            .position(|byte| *byte == b'/');
        let Some(start) = start.map(|back| at - back) else {
            return false;
        };
        let name = plain(&bytes[start..bytes.len().min(start + 64)]);
        [
            &b"Filter"[..],
            b"FlateDecode",
            b"LZWDecode",
            b"RunLengthDecode",
        ]
        .contains(&name.as_slice())
    });
    named(b"/LZWDecode") || named(b"/RunLengthDecode") || hidden || filter_elsewhere(bytes)
}

/// A name with its escapes undone.
fn plain(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        if byte.is_ascii_whitespace() || b"/<>[]()%".contains(byte) {
            break;
        }
        let escaped = (*byte == b'#')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    out
}

/// `/Filter 9 0 R`: the names stand where only the reader looks.
fn filter_elsewhere(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"/Filter").any(|at| {
        let rest = bytes[at + 7..].trim_ascii_start();
        let rest = rest.strip_prefix(b"[").unwrap_or(rest).trim_ascii_start();
        rest.first().is_some_and(u8::is_ascii_digit)
    })
}
