//! An entry on disk: `body TAB base64(signature) LF`.

use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::MAX_BODY_BYTES;

/// base64 of 64 bytes, with padding.
const SIGNATURE_CHARS: usize = 88;

/// The longest line, line end included.
pub const MAX_LINE_BYTES: usize = MAX_BODY_BYTES + 1 + SIGNATURE_CHARS + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("the line has no TAB between body and signature")]
    NoTab,
    #[error("the signature is not 64 bytes of canonical base64")]
    Signature,
    #[error("the body is longer than 65,535 bytes")]
    TooLong,
}

pub fn write(body: &[u8], signature: &[u8; 64], out: &mut Vec<u8>) {
    out.extend_from_slice(body);
    out.push(b'\t');
    out.extend_from_slice(STANDARD.encode(signature).as_bytes());
    out.push(b'\n');
}

/// Splits a line, given without its LF.
pub fn split(line: &[u8]) -> Result<(&[u8], [u8; 64]), LineError> {
    // JSON escapes control characters, so the first TAB ends the body.
    let tab = memchr::memchr(b'\t', line).ok_or(LineError::NoTab)?;
    let (body, signature) = (&line[..tab], &line[tab + 1..]);
    if body.len() > MAX_BODY_BYTES {
        return Err(LineError::TooLong);
    }
    if signature.len() != SIGNATURE_CHARS {
        return Err(LineError::Signature);
    }
    let mut bytes = [0; 66]; // room for what 88 characters could hold at most
    match STANDARD.decode_slice(signature, &mut bytes) {
        Ok(64) => {}
        _ => return Err(LineError::Signature),
    }
    let bytes = *bytes.first_chunk::<64>().expect("66 bytes");
    Ok((body, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_is_split_into_what_it_was_made_of_and_into_nothing_else(
            body in "[^\t\n]{0,200}", signature in any::<[u8; 32]>(), at: prop::sample::Index, byte: u8
        ) {
            let signature: [u8; 64] = [signature, signature].concat().try_into().expect("64");
            let mut line = Vec::new();
            write(body.as_bytes(), &signature, &mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            prop_assert_eq!(split(&line), Ok((body.as_bytes(), signature)));
            let at = at.index(line.len());
            let sound = std::mem::replace(&mut line[at], byte);
            if sound != byte {
                prop_assert_ne!(split(&line), Ok((body.as_bytes(), signature)));
            }
        }

        #[test]
        fn splitting_never_panics(line in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,9}\t[A-Za-z0-9+/=]{86,90}") {
            let _ = split(&line);
            let _ = split(text.as_bytes());
        }
    }
}
