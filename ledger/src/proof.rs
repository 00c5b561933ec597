//! C2SP tlog-proof: one file that proves one entry, offline.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>           optional: what the application says beside it
//! index <n>
//! <base64 hash>            leaf's sibling first, child of the root last
//!
//! <signed checkpoint>
//! ```

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::VerifierKey;
use crate::tree;
use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::Hash;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// RFC 6962: a path has at most one hash per level of a tree of 2^63 leaves.
const MAX_PATH: usize = 63;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub seq: u64,
    /// Opaque to the proof; daicho puts the entry's own body there where a file is signed by it.
    pub extra: Option<Vec<u8>>,
    pub path: Vec<Hash>,
    /// The signed note, verbatim.
    pub checkpoint: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("not a tlog-proof: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("entry {seq} is not in the tree of size {size}: the path leads to another root")]
    NotIncluded { seq: u64, size: u64 },
}

impl Proof {
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.seq));
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    pub fn parse(text: &str) -> Result<Proof, ProofError> {
        let malformed = ProofError::Malformed;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(malformed("no empty line"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("the first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(|text| STANDARD.decode(text)).transpose();
        let extra = extra.map_err(|_| malformed("its extra data are no canonical base64"))?;
        let digits = lines
            .next()
            .and_then(|l| l.strip_prefix("index "))
            .ok_or(malformed("no index"))?;
        let seq: u64 = digits
            .parse()
            .map_err(|_| malformed("the index is not a number"))?;
        if seq.to_string() != digits {
            return Err(malformed("the index is not in its one form"));
        }
        let mut path = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|h| h.try_into().ok());
            path.push(Hash(
                hash.ok_or(malformed("a hash is not 32 bytes of canonical base64"))?,
            ));
            if path.len() > MAX_PATH {
                return Err(malformed("more than 63 hashes"));
            }
        }
        Ok(Proof {
            seq,
            extra,
            path,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Does this prove that `body` is the entry at `seq`? Gives the checkpoint it rests on.
    pub fn check(&self, body: &[u8], key: &VerifierKey) -> Result<Checkpoint, ProofError> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), key)?;
        let leaf = tree::leaf_hash(body);
        if !tree::check_inclusion(
            leaf,
            self.seq,
            checkpoint.size,
            &self.path,
            &checkpoint.root,
        ) {
            return Err(ProofError::NotIncluded {
                seq: self.seq,
                size: checkpoint.size,
            });
        }
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignerKey;
    use proptest::prelude::*;

    /// Sizes around the edges of tiles and levels.
    const EDGES: [u64; 9] = [1, 2, 255, 256, 257, 511, 65_535, 65_536, 65_537];

    #[test]
    fn a_proof_survives_its_text_at_every_edge_and_proves_one_body_at_one_place() {
        let key = SignerKey::from_seed("example.com/daicho", &[7; 32]).expect("a sound name");
        let mut whole = tree::Tree::default();
        for i in 0..65_537_u64 {
            whole.push(tree::leaf_hash(&i.to_be_bytes()));
        }
        for size in EDGES {
            let root = whole.root_at(size).expect("within");
            let checkpoint = Checkpoint {
                origin: "example.com/daicho".to_owned(),
                size,
                root,
            };
            for seq in [0, size / 2, size - 1] {
                let path = whole.inclusion_proof(seq, size).expect("within");
                let proof = Proof {
                    seq,
                    extra: (size > 2).then(|| seq.to_be_bytes().to_vec()),
                    path,
                    checkpoint: checkpoint.sign(&key),
                };
                let read = Proof::parse(&proof.to_text()).expect("its own text");
                assert_eq!(read, proof);
                let checked = read.check(&seq.to_be_bytes(), key.verifier());
                assert_eq!(checked, Ok(checkpoint.clone()));
                assert!(
                    read.check(&(seq + 1).to_be_bytes(), key.verifier())
                        .is_err()
                );
                let elsewhere = Proof {
                    seq: seq ^ 1,
                    ..read
                };
                assert!(elsewhere.check(&seq.to_be_bytes(), key.verifier()).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}", head in "c2sp.org/tlog-proof@v1\n(extra [A-Za-z0-9=]{0,8}\n)?index [0-9]{0,22}\n([A-Za-z0-9+/=]{0,46}\n){0,4}\n.{0,40}") {
            let _ = Proof::parse(&text);
            if let Ok(proof) = Proof::parse(&head) {
                prop_assert_eq!(Proof::parse(&proof.to_text()), Ok(proof));
            }
            let _ = Checkpoint::parse(&text);
            let _ = Checkpoint::parse(&head);
        }
    }
}
