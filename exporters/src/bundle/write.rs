use super::zip::{self, ZipError};
use super::{CHECKPOINT, ENTRIES, PAPERS, TOKEN, content_member};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::checkpoint::CheckpointError;
use ledger::note::Note;
use ledger::{Checkpoint, ContentError, ReadError, Reader, line};
use schemas::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What shall be in a bundle.
#[derive(Default)]
pub struct Wanted {
    /// The chosen entries and all below the checkpoint's size that introduce a key.
    pub positions: BTreeSet<u64>,
    /// The signed note that every path shall lead to.
    pub checkpoint: Vec<u8>,
    /// The answer of a time stamping authority, over the bytes of the checkpoint.
    pub token: Option<Vec<u8>>,
    pub released: Vec<Released>,
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
    let size = size_of(reader, &wanted.checkpoint)?;
    let mut entries = Vec::new();
    for &seq in &wanted.positions {
        let entry = reader.entry(seq)?;
        line::write(entry.body(), entry.signature(), &mut entries);
        entries.pop(); // the LF: the path is in the line too
        for hash in reader.inclusion_proof(seq, size)? {
            entries.push(b'\t');
            entries.extend(STANDARD.encode(hash.0).bytes());
        }
        entries.push(b'\n');
    }
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        (ENTRIES.to_owned(), entries),
        (CHECKPOINT.to_owned(), wanted.checkpoint.clone()),
    ]);
    members.extend(PAPERS.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    if let Some(token) = &wanted.token {
        members.insert(TOKEN.to_owned(), token.clone());
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
