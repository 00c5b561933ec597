//! C2SP tlog-witness without its network: who vouches that a log shows everybody the same,
//! append-only history. A witness cosigns a checkpoint only if it extends the last one that
//! it cosigned.

mod cosignature;
mod policy;
mod request;

pub use cosignature::{Cosigner, CosignerKey};
pub use policy::{Policy, PolicyError, PolicyLog, PolicyWitness};
pub use request::{AddCheckpoint, MAX_REQUEST_BYTES, RequestError, parse_size};

use crate::Checkpoint;
use crate::checkpoint::CheckpointError;
use crate::note::{Note, VerifierKey};
use crate::tree::{check_consistency, empty_root};

/// Why a checkpoint is not cosigned, by what its sender can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Send it in the one form.
    #[error("the request is malformed")]
    Malformed(#[from] RequestError),
    #[error("the checkpoint is malformed")]
    Checkpoint(#[source] CheckpointError),
    #[error("the old size {old} is above the checkpoint's {size}")]
    OldAboveSize { old: u64, size: u64 },
    /// Ask the witness's operator to add the log.
    #[error("the log is not known here")]
    UnknownLog,
    /// Sign it with the log's key.
    #[error("no signature of the log's key is on the checkpoint, or it does not hold")]
    NotTrusted(#[source] CheckpointError),
    /// Ask again with a proof from this size.
    #[error("the last size seen is {latest}")]
    OtherSize { latest: u64 },
    /// Nothing: two histories are under the log's signature.
    #[error("the checkpoint of size {size} does not extend the one of size {old}")]
    Inconsistent { old: u64, size: u64 },
}

/// The log that a request is about, before anything of it is believed.
pub fn claimed_origin(request: &AddCheckpoint) -> Result<String, Refusal> {
    let note = Note::parse(request.note.as_bytes())
        .map_err(|error| Refusal::Checkpoint(CheckpointError::Note(error)))?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).map_err(Refusal::Checkpoint)?;
    Ok(checkpoint.origin)
}

/// May a witness that last cosigned `latest` cosign this? Gives the new latest checkpoint:
/// the caller makes it durable before anybody hears of a cosignature.
pub fn check(
    key: &VerifierKey,
    latest: Option<&Checkpoint>,
    request: &AddCheckpoint,
) -> Result<Checkpoint, Refusal> {
    let new = Checkpoint::open(request.note.as_bytes(), key).map_err(|error| match error {
        CheckpointError::Malformed(_) => Refusal::Checkpoint(error),
        _ => Refusal::NotTrusted(error),
    })?;
    let (old, size) = (request.old, new.size);
    if old > size {
        return Err(Refusal::OldAboveSize { old, size });
    }
    let (known, root) = latest.map_or((0, empty_root()), |last| (last.size, last.root));
    if old != known {
        return Err(Refusal::OtherSize { latest: known });
    }
    if !check_consistency(known, &root, size, &new.root, &request.proof) {
        return Err(Refusal::Inconsistent { old, size });
    }
    Ok(new)
}

/// Puts a witness's answer under a signed checkpoint: `None` unless it is signature lines
/// only and one of them is a cosignature of `key` that holds. Gives that line and its time.
pub fn accept(note: &str, answer: &str, key: &CosignerKey) -> Option<(String, u64)> {
    let (text, _) = note.rsplit_once("\n\n")?;
    let ours = |line: &&str| {
        line.strip_prefix("— ")
            .and_then(|l| l.split_once(' '))
            .is_some_and(|(name, _)| name == key.name())
    };
    for line in answer.lines().filter(ours) {
        let cosigned = format!("{text}\n\n{line}\n");
        let Ok(parsed) = Note::parse(cosigned.as_bytes()) else {
            continue;
        };
        if let Ok(Some(time)) = key.cosigned(&parsed) {
            return Some((format!("{line}\n"), time));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignerKey;
    use crate::tree::{Tree, leaf_hash};

    fn tree(size: u64, salt: u64) -> Tree {
        let mut tree = Tree::default();
        for i in 0..size {
            tree.push(leaf_hash(&(i + salt).to_be_bytes()));
        }
        tree
    }

    fn request(key: &SignerKey, tree: &Tree, old: u64, size: u64) -> AddCheckpoint {
        let checkpoint = Checkpoint {
            origin: key.verifier().name().to_owned(),
            size,
            root: tree.root_at(size).expect("within"),
        };
        AddCheckpoint {
            old,
            proof: tree.consistency_proof(old, size).unwrap_or_default(),
            note: checkpoint.sign(key),
        }
    }

    #[test]
    fn only_what_extends_the_last_checkpoint_is_cosigned() {
        let key = SignerKey::from_seed("example.com/log", &[1; 32]).expect("a name");
        let (log, other) = (tree(20, 0), tree(20, 7));
        let at = |latest: Option<&Checkpoint>, r: &AddCheckpoint| check(key.verifier(), latest, r);
        let seven = at(None, &request(&key, &log, 0, 7)).expect("the first");
        let last = Some(&seven);
        assert_eq!(at(last, &request(&key, &log, 7, 7)), Ok(seven.clone()));
        assert_eq!(
            at(last, &request(&key, &log, 7, 20)).map(|c| c.size),
            Ok(20)
        );

        let (old, size) = (7, 20);
        assert_eq!(
            at(last, &request(&key, &other, old, size)),
            Err(Refusal::Inconsistent { old, size })
        );
        assert_eq!(
            at(last, &request(&key, &other, 7, 7)),
            Err(Refusal::Inconsistent { old: 7, size: 7 })
        );
        assert_eq!(
            at(last, &request(&key, &log, 0, 5)),
            Err(Refusal::OtherSize { latest: 7 })
        );
        assert_eq!(
            at(last, &request(&key, &log, 7, 5)),
            Err(Refusal::OldAboveSize { old: 7, size: 5 })
        );
        let mut padded = request(&key, &log, 0, 7);
        padded.proof.push(empty_root());
        assert_eq!(
            at(None, &padded),
            Err(Refusal::Inconsistent { old: 0, size: 7 })
        );
        let stranger = SignerKey::from_seed("example.com/log", &[2; 32]).expect("a name");
        let theirs = request(&stranger, &log, 7, 20);
        assert!(matches!(at(last, &theirs), Err(Refusal::NotTrusted(_))));
        assert_eq!(claimed_origin(&theirs), Ok("example.com/log".to_owned()));
    }

    #[test]
    fn an_answer_counts_only_with_the_witness_s_own_cosignature() {
        let key = SignerKey::from_seed("example.com/log", &[1; 32]).expect("a name");
        let note = request(&key, &tree(3, 0), 0, 3).note;
        let witness = Cosigner::from_seed("w.example", &[3; 32]).expect("a name");
        let (text, _) = note.rsplit_once("\n\n").expect("a note");
        let line = witness.cosign(&format!("{text}\n"), 9);
        assert_eq!(accept(&note, &line, witness.key()), Some((line.clone(), 9)));
        let mine = Cosigner::from_seed("v.example", &[4; 32]).expect("a name");
        for answer in ["", "\n\n", &mine.cosign(text, 9), &witness.cosign("x\n", 9)] {
            assert_eq!(accept(&note, answer, witness.key()), None, "{answer}");
        }
    }
}
