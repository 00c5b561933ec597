use super::zip::{self, ZipError};
use super::{
    CHECKPOINT, COSIGNED, Chosen, ENTRIES, MANIFEST, Manifest, OLDER_PROOFS, PAPERS, STAMPED,
    TOKEN, content_member,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::checkpoint::CheckpointError;
use ledger::note::Note;
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
    /// An older note that the auditor has kept: what compares it shall be there.
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
    let mut entries = Vec::new();
    for &seq in &wanted.positions {
        let entry = reader.entry(seq)?;
        line::write(entry.body(), entry.signature(), &mut entries);
        entries.pop(); // the LF: the path is in the line too
        entries.extend(format!("\t{}\n", base64(&reader.inclusion_proof(seq, size)?)).bytes());
    }
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::from([
        (
            MANIFEST.to_owned(),
            manifest.expect("plain values are JSON"),
        ),
        (ENTRIES.to_owned(), entries),
        (
            CHECKPOINT.to_owned(),
            wanted.checkpoint.clone().into_bytes(),
        ),
    ]);
    members.extend(PAPERS.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    if let Some(note) = &wanted.cosigned {
        members.insert(COSIGNED.to_owned(), note.clone());
    }
    if let Some(Stamped { note, token }) = &wanted.stamped {
        members.insert(STAMPED.to_owned(), note.clone());
        members.insert(TOKEN.to_owned(), token.clone());
    }
    let older = older_proofs(reader, wanted, size)?;
    if !older.is_empty() {
        members.insert(OLDER_PROOFS.to_owned(), older.into_bytes());
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

/// Of the last entries of older checkpoints, as far as they are not here with theirs.
fn older_proofs(reader: &Reader, wanted: &Wanted, size: u64) -> Result<String, WriteError> {
    let stamped = wanted.stamped.as_ref().map(|stamped| &stamped.note);
    let notes = [wanted.cosigned.as_ref(), wanted.kept.as_ref(), stamped];
    let sizes = notes
        .into_iter()
        .flatten()
        .map(|note| size_of(reader, note));
    let mut lines = String::new();
    for old in sizes.collect::<Result<BTreeSet<_>, _>>()? {
        let beyond = || WriteError::OtherLog { size: old };
        let last = old.checked_sub(1).ok_or_else(beyond)?;
        if old > size {
            return Err(beyond());
        }
        if old < size && !wanted.positions.contains(&last) {
            let leaf = base64(&[reader.leaf(last).ok_or_else(beyond)?]);
            let path = base64(&reader.inclusion_proof(last, size)?);
            lines += &format!("{last}\t{leaf}\t{path}\n");
        }
    }
    Ok(lines)
}

/// Hashes with one space between them.
fn base64(path: &[Hash]) -> String {
    let hashes: Vec<_> = path.iter().map(|hash| STANDARD.encode(hash.0)).collect();
    hashes.join(" ")
}
