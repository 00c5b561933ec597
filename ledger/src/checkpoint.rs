use crate::note::{self, Note, NoteError, SignerKey, VerifierKey};
use crate::signer::{SignError, Signer};
use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::Hash;

/// A signed promise: the first `size` entries hash to `root`, for ever (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    #[error("the checkpoint is of {found}, not of {expected}")]
    OtherLog { expected: String, found: String },
}

/// How far before its own position the size of a `ledger.checkpoint` entry may lie.
pub(crate) const CHECKPOINT_REACH: u64 = 65_536;

/// Go's integers are signed; sizes beyond this could be read in two ways.
const MAX_SIZE: u64 = i64::MAX as u64;

impl Checkpoint {
    /// The note's text: origin, size and root on a line each.
    pub fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        )
    }

    pub fn sign(&self, key: &SignerKey) -> String {
        key.sign_note(&self.to_text())
    }

    /// The same by whoever signs for the log.
    pub(crate) fn signed_by(&self, signer: &dyn Signer) -> Result<String, SignError> {
        let text = self.to_text();
        let signature = signer.sign(text.as_bytes())?;
        Ok(note::signed_text(&text, signer.verifier(), &signature))
    }

    /// Reads a checkpoint whose signature by `key` holds.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        let checkpoint = Checkpoint::parse(Note::parse(note)?.verify(key)?)?;
        if checkpoint.origin != key.name() {
            let expected = key.name().to_owned();
            return Err(CheckpointError::OtherLog {
                expected,
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    /// Reads a checkpoint's text. Who calls this has checked a signature, or says so.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(malformed("the last line has no end"))?
            .split('\n');
        let origin = lines
            .next()
            .filter(|l| !l.is_empty())
            .ok_or(malformed("no origin"))?;
        let digits = lines.next().ok_or(malformed("no size"))?;
        let size: u64 = digits
            .parse()
            .map_err(|_| malformed("the size is not a number"))?;
        if size.to_string() != digits || size > MAX_SIZE {
            return Err(malformed(
                "the size is not in its one form, or above 2^63-1",
            ));
        }
        let root = lines.next().ok_or(malformed("no root"))?;
        let root = STANDARD.decode(root).ok().and_then(|r| r.try_into().ok());
        let root = Hash(root.ok_or(malformed("the root is not 32 bytes of canonical base64"))?);
        if lines.any(str::is_empty) {
            return Err(malformed("an empty extension line"));
        }
        Ok(Checkpoint {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_is_written(origin in "[^\\p{Cc}]{1,30}", size: u64, root: [u8; 32], text in "[a-z]{0,3}\n[0-9+-]{0,21}\n[A-Za-z0-9+/]{42,43}={0,2}\n.{0,3}\n?") {
            let checkpoint = Checkpoint { origin, size, root: Hash(root) };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()).is_ok(), size <= MAX_SIZE);
            if let Ok(read) = Checkpoint::parse(&text) {
                prop_assert!(text.starts_with(&read.to_text()));
            }
        }
    }

    /// The note that a second implementation made from the same key and tree.
    #[test]
    fn a_checkpoint_agrees_with_the_golden_vector_and_opens_only_under_its_key() {
        let key = SignerKey::from_seed("example.com/daicho", &[7; 32]).expect("a sound name");
        let root = STANDARD
            .decode("+lAdkdKvGCSBInW09Qt1gE+1YDSZU5i7a1Azj5+SLu8=")
            .expect("base64");
        let checkpoint = Checkpoint {
            origin: "example.com/daicho".to_owned(),
            size: 1000,
            root: Hash(root.try_into().expect("32 bytes")),
        };
        let note = checkpoint.sign(&key);
        assert!(note.ends_with("— example.com/daicho 85hhw1XqT3jkCP6bNKjbG36OMgNJ1sQVUzsIGszCeUt3gwE8LGf4eu6YFnzv9ByV2zDHKHTDbPoEnuGAFHt+f7bPNgc=\n"));
        assert_eq!(
            Checkpoint::open(note.as_bytes(), key.verifier()),
            Ok(checkpoint)
        );
        let other = SignerKey::from_seed("example.com/daicho", &[8; 32]).expect("a sound name");
        assert!(Checkpoint::open(note.as_bytes(), other.verifier()).is_err());
    }

    #[test]
    fn numbers_and_roots_have_one_form() {
        let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert!(Checkpoint::parse(&format!("o\n0\n{root}\n")).is_ok());
        assert!(Checkpoint::parse(&format!("o\n0\n{root}\nextension\n")).is_ok());
        for bad in [
            format!("o\n00\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n-1\n{root}\n"),
            format!("o\n9223372036854775808\n{root}\n"),
            format!("\n0\n{root}\n"),
            format!("o\n0\n{root}"),
            "o\n0\n47DEQpj8\n".to_owned(),
            "o\n0\n".to_owned(),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
        }
    }
}
