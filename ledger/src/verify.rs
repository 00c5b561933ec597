//! Proof that a log is what it claims, from its files and a public key alone: no write
//! access, no secret, no network. Streams: only the digests of content grow with the log.

mod again;
mod chain;
mod checkpoints;
mod contents;
mod entries;
mod keys;
mod lines;
mod stretch;
mod tokens;

pub use again::entries_at;

use crate::layout::Layout;
use crate::note::VerifierKey;
use crate::timestamp::Authority;
use crate::tree::Frontier;
pub use chain::{Chain, follow_chain};
use checkpoints::Promises;
use contents::Contents;
pub use keys::KeyInForce;
use keys::Keys;
use schemas::{Hash, Timestamp};
use serde::Serialize;
use std::io;
use std::path::Path;
pub use stretch::{Unsound, faults};
use tokens::Tokens;

/// What the auditor brings: everything else is taken from the log and checked.
#[derive(Default)]
pub struct Trust {
    /// A key of the log's as it was published elsewhere: the founding one, or a later one.
    pub vkey: Option<VerifierKey>,
    /// Checkpoints kept elsewhere: where each is from, and the signed note.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// Whose time stamps are to be trusted.
    pub authority: Option<Authority>,
}

/// Which check found something wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A log or content file has the wrong name, or should not be there.
    FileName,
    /// A line is not `body TAB signature LF`.
    Line,
    /// A body is not in this format's one form.
    Body,
    /// An entry is not at the position that it states.
    Seq,
    /// `prev` is not the hash of the entry before.
    Chain,
    /// Time runs back.
    Time,
    /// The signature does not hold under the key in force there.
    Signature,
    /// The expected key is none of the log's, or an entry names no sound next key.
    Key,
    /// Bytes between entries that no `ledger.recovered` accounts for.
    Tail,
    /// A checkpoint is missing, unreadable or not signed by the key in force at its size.
    Checkpoint,
    /// A checkpoint's root is not that of the entries.
    Root,
    /// A checkpoint promises more entries than there are.
    Size,
    /// Sealed content is missing or is not what its entry commits to.
    Content,
    /// A bucket was ended before it was due or under a hold, one person's content was erased that had
    /// to be kept or that nobody requested, or the certificate is not of it.
    Retention,
    /// A key is there that a certificate says is destroyed: a person's by an `erasure.completed`, a
    /// bucket's by a `retention.expired`.
    Erasure,
    /// A time stamp is missing, unsound, or of something else.
    Token,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: Check,
    /// Position of the entry concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub file: String,
    /// Byte in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    pub expected: String,
    pub found: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.seq {
            Some(seq) => write!(f, "entry {seq}: {} (", self.check)?,
            None => write!(f, "{} (", self.check)?,
        }
        match self.offset {
            Some(offset) => write!(f, "{} at byte {offset})", self.file)?,
            None => write!(f, "{})", self.file)?,
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// A checkpoint that was held against the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedCheckpoint {
    pub source: String,
    pub size: u64,
    pub kept: bool,
}

/// A time stamp that was held against its checkpoint: the first `size` entries existed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedToken {
    pub source: String,
    pub size: u64,
    pub time: Timestamp,
    /// Who signed it, as its certificate says.
    pub authority: String,
    /// True when the certificate comes from the authority that the auditor gave.
    pub authority_checked: bool,
    /// The log keeps the checkpoint that was stamped.
    pub kept: bool,
}

/// What a verification saw. Clean only if nothing at all is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub origin: String,
    /// The key in force after the last entry.
    pub vkey: String,
    /// All keys of the log, oldest first.
    pub keys: Vec<KeyInForce>,
    /// True when the key was given by the auditor, false when it is the one that the log names.
    pub key_given: bool,
    pub entries: u64,
    pub root: Hash,
    pub newest: Timestamp,
    pub files: u64,
    pub contents: u64,
    pub checkpoints: Vec<CheckedCheckpoint>,
    pub tokens: Vec<CheckedToken>,
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub findings_omitted: u64,
    /// What an auditor should know and is not wrong.
    pub notes: Vec<String>,
    /// Positions of everything that tells who approved what, and what was done on it: whether it
    /// was is for whoever knows approvals.
    #[serde(skip)]
    pub decisions: Vec<u64>,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What could not be verified at all. Anything wrong *in* the log is a finding instead.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{path} holds no ledger")]
    NoLedger { path: String },
    #[error("{path} cannot be read")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    /// Whoever asked for it wants it no more.
    #[error("the verification was stopped before its end")]
    Stopped,
}

/// A log of nothing but wrong lines must not fill the memory with findings.
const MAX_FINDINGS: usize = 10_000;

/// What is collected on the way.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    omitted: u64,
    notes: Vec<String>,
}

impl Found {
    fn push(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }
}

/// How far a verification has come, in bytes of log and content.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> VerifyError + use<> {
    let path = path.display().to_string();
    move |source| VerifyError::Io { path, source }
}

/// Checks everything below a data directory.
pub fn verify(
    dir: &Path,
    trust: &Trust,
    mut progress: impl FnMut(Progress),
) -> Result<Report, VerifyError> {
    verify_while(dir, trust, |come| {
        progress(come);
        true
    })
}

/// The same, as long as this says to go on: it is asked some thousand times a gigabyte.
pub fn verify_while(
    dir: &Path,
    trust: &Trust,
    mut go_on: impl FnMut(Progress) -> bool,
) -> Result<Report, VerifyError> {
    let layout = Layout::new(dir);
    if !layout.log().is_dir() {
        return Err(VerifyError::NoLedger {
            path: dir.display().to_string(),
        });
    }
    let mut found = Found::default();
    let founding = entries::founding_key(&layout, trust, &mut found)?;
    let mut keys = Keys::founded(founding, trust);
    let mut notes = trust.checkpoints.clone();
    let mut tokens = Tokens::collect(&layout, &mut notes, &mut found)?;
    let mut promises = Promises::collect(&layout, notes, &mut keys, &mut found)?;
    let mut contents = Contents::default();
    let total = entries::total_bytes(&layout)? + contents::total_bytes(&layout)?;
    let mut done = 0;
    let mut step = |bytes: u64| {
        done += bytes;
        match go_on(Progress { done, total }) {
            true => Ok(()),
            false => Err(VerifyError::Stopped),
        }
    };

    let walked = entries::walk(
        &layout,
        &mut keys,
        &mut promises,
        &mut contents,
        &mut tokens,
        &mut found,
        &mut step,
    )?;
    let checkpoints = promises.conclude(&walked.frontier, &keys, &mut found);
    let authority = trust.authority.as_ref();
    let tokens = tokens.conclude(&layout, authority, &checkpoints, &mut found)?;
    let decisions = std::mem::take(&mut contents.decisions);
    let blobs = contents.check(&layout, &mut found, &mut step)?;

    if trust.vkey.is_none() {
        let note = "the key is the one that the log names itself; --vkey holds it against one kept elsewhere";
        found.notes.push(note.to_owned());
    }
    let key = keys.newest().or(keys.at(0)).cloned();
    let keys = keys.conclude(layout.shown(&layout.log_file(0)), &mut found);
    Ok(Report {
        origin: key
            .as_ref()
            .map(|key| key.name().to_owned())
            .unwrap_or_default(),
        vkey: key.as_ref().map(ToString::to_string).unwrap_or_default(),
        keys,
        key_given: trust.vkey.is_some(),
        entries: walked.frontier.size(),
        root: walked.frontier.root(),
        newest: walked.newest,
        files: walked.files,
        contents: blobs,
        checkpoints,
        tokens,
        findings: found.findings,
        findings_omitted: found.omitted,
        notes: found.notes,
        decisions,
    })
}

/// What the walk over all entries ends with.
struct Walked {
    frontier: Frontier,
    newest: Timestamp,
    files: u64,
}
