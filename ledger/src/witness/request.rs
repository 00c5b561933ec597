//! C2SP tlog-witness, the body of `add-checkpoint`.
//!
//! ```text
//! request = "old " size LF 0*63(base64(hash) LF) LF checkpoint
//! ```

use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::Hash;

/// C2SP tlog-witness: no consistency proof is longer.
const MAX_PROOF: usize = 63;

/// A checkpoint with 100 signatures fits many times; what is longer is no request.
pub const MAX_REQUEST_BYTES: usize = 64 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the witness is believed to have cosigned last.
    pub old: u64,
    pub proof: Vec<Hash>,
    /// The signed note, verbatim.
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an add-checkpoint request: {0}")]
pub struct RequestError(pub(super) &'static str);

impl AddCheckpoint {
    pub fn to_text(&self) -> String {
        let proof: String = self
            .proof
            .iter()
            .map(|hash| STANDARD.encode(hash.0) + "\n")
            .collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    pub fn parse(bytes: &[u8]) -> Result<AddCheckpoint, RequestError> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(RequestError("longer than 65,536 bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RequestError("not UTF-8"))?;
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(RequestError("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .ok_or(RequestError("it does not begin with `old`"))?;
        let old = parse_size(old).ok_or(RequestError("the old size is not in its one form"))?;
        let mut proof = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|h| h.try_into().ok());
            let hash = hash.ok_or(RequestError(
                "a line of the proof is not 32 bytes of base64",
            ))?;
            if proof.len() == MAX_PROOF {
                return Err(RequestError("the proof has more than 63 lines"));
            }
            proof.push(Hash(hash));
        }
        Ok(AddCheckpoint {
            old,
            proof,
            note: note.to_owned(),
        })
    }
}

/// A size in its one form, up to 2^63-1.
pub fn parse_size(digits: &str) -> Option<u64> {
    let size: u64 = digits.parse().ok()?;
    (size.to_string() == digits && i64::try_from(size).is_ok()).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_is_written(old in 0..=i64::MAX as u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..66), note in "[a-z\n]{0,40}") {
            let request = AddCheckpoint { old, proof: proof.into_iter().map(Hash).collect(), note };
            let read = AddCheckpoint::parse(request.to_text().as_bytes());
            prop_assert_eq!(read.is_ok(), request.proof.len() <= MAX_PROOF);
            prop_assert!(read.is_err() || read == Ok(request));
        }

        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "old [0-9]{0,20}\n[A-Za-z0-9+/=\n]{0,200}") {
            let _ = AddCheckpoint::parse(&bytes);
            let _ = AddCheckpoint::parse(text.as_bytes());
        }
    }

    #[test]
    fn sizes_have_one_form() {
        for bad in ["", "01", "+1", "-1", "9223372036854775808", "1 "] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
