use super::zip::{self, ZipError};
use super::{
    CHECKPOINT, Chosen, ENTRIES, MANIFEST, Manifest, PAPERS, PROOFS, ROLES, TOKEN, content_member,
    older_member,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::checkpoint::CheckpointError;
use ledger::note::Note;
use ledger::proof::Proof;
use ledger::{Checkpoint, ContentError, ReadError, Reader, line};
use schemas::{Hash, Name};
use std::collections::{BTreeMap, BTreeSet};

/// What shall be in a bundle.
#[derive(Default)]
pub struct Wanted {
    pub chosen: Chosen,
    /// The chosen entries and all that introduce a key, all under the checkpoint.
    pub positions: BTreeSet<u64>,
    /// The signed note that every proof shall lead to.
    pub checkpoint: String,
    /// An older note that witnesses have cosigned.
    pub cosigned: Option<Vec<u8>>,
    /// An older note that the auditor has kept.
    pub kept: Option<Vec<u8>>,
    pub stamped: Option<Stamped>,
    pub released: Vec<Released>,
}

/// An older note and the token of a time stamping authority over its bytes.
pub struct Stamped {
    pub note: Vec<u8>,
    pub token: Vec<u8>,
}

/// Content that is given away in the clear. Who makes one has recorded it.
pub struct Released {
    pub seq: u64,
    pub name: Name,
    pub plain: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the sealed bytes of {name} of entry {seq} cannot be read")]
    Content {
        seq: u64,
        name: Name,
        #[source]
        source: ContentError,
    },
    #[error("entry {seq} has no content {name:?}", name = name.as_str())]
    NoContent { seq: u64, name: Name },
    #[error("it is not a checkpoint")]
    NoCheckpoint(#[from] CheckpointError),
    #[error(
        "the checkpoint of size {size} is not of this log, which has another root or fewer entries"
    )]
    OtherLog { size: u64 },
    #[error(transparent)]
    Zip(#[from] ZipError),
}

/// The bytes of a bundle: the same for the same wish.
pub fn write(reader: &Reader, wanted: &Wanted) -> Result<Vec<u8>, WriteError> {
    let size = size_of(reader, wanted.checkpoint.as_bytes())?;
    let manifest = serde_json::to_vec(&Manifest::of(wanted.chosen.clone()));
    let (mut entries, mut proofs) = (Vec::new(), String::new());
    for &seq in &wanted.positions {
        let entry = reader.entry(seq)?;
        line::write(entry.body(), entry.signature(), &mut entries);
        let path = reader.inclusion_proof(seq, size)?;
        proofs += Proof {
            seq,
            path,
            checkpoint: String::new(),
        }
        .to_text()
        .trim_start_matches(super::PROOF_HEADER);
    }
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        (
            MANIFEST.to_owned(),
            manifest.expect("plain values are JSON"),
        ),
        (ENTRIES.to_owned(), entries),
        (PROOFS.to_owned(), proofs.into_bytes()),
        (
            CHECKPOINT.to_owned(),
            wanted.checkpoint.clone().into_bytes(),
        ),
    ]);
    members.extend(PAPERS.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    let stamped = wanted.stamped.as_ref();
    let notes = [
        wanted.cosigned.as_ref(),
        wanted.kept.as_ref(),
        stamped.map(|stamped| &stamped.note),
    ];
    for (role, note) in ROLES.into_iter().zip(notes) {
        let Some(note) = note else { continue };
        let old = size_of(reader, note)?;
        let beyond = |_| WriteError::OtherLog { size: old };
        let proof = reader.consistency_proof(old, size).map_err(beyond)?;
        members.insert(older_member(role, "checkpoint"), note.clone());
        members.insert(
            older_member(role, "consistency"),
            hashes(&proof).into_bytes(),
        );
    }
    if let Some(stamped) = stamped {
        members.insert(TOKEN.to_owned(), stamped.token.clone());
    }
    for Released { seq, name, plain } in &wanted.released {
        let entry = reader.entry(*seq)?;
        let missing = || WriteError::NoContent {
            seq: *seq,
            name: name.clone(),
        };
        let mut named = entry
            .content()
            .iter()
            .filter(|reference| reference.name == *name);
        let reference = named.next().ok_or_else(missing)?;
        let sealed = reader.sealed(reference);
        let sealed = sealed.map_err(|source| WriteError::Content {
            seq: *seq,
            name: name.clone(),
            source,
        })?;
        members.insert(content_member("sealed", *seq, name.as_str()), sealed);
        members.insert(
            content_member("released", *seq, name.as_str()),
            plain.clone(),
        );
    }
    Ok(zip::write(&members)?)
}

/// The size of a note, if this log has its root there. Whose signature it carries is for the
/// reader of the bundle to check.
fn size_of(reader: &Reader, note: &[u8]) -> Result<u64, WriteError> {
    let text = Note::parse(note)
        .map_err(CheckpointError::from)?
        .unverified_text();
    let checkpoint = Checkpoint::parse(text)?;
    let size = checkpoint.size;
    let root = reader.root_at(size).ok();
    if checkpoint.origin != reader.origin() || root != Some(checkpoint.root) {
        return Err(WriteError::OtherLog { size });
    }
    Ok(size)
}

fn hashes(path: &[Hash]) -> String {
    path.iter()
        .map(|hash| format!("{}\n", STANDARD.encode(hash.0)))
        .collect()
}
