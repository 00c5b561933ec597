use crate::clock::Clock;
use crate::disk::{self, Disk, LocalDisk};
use crate::entry::Entry;
use crate::key_file::{HeldKey, KeyFile, KeyFileError, NoSecrets, Unlock};
use crate::layout::{Layout, LogFiles};
use crate::note::{SignerKey, VerifierKey};
use crate::publish;
use crate::signer::{SignError, Signer};
use crate::{Checkpoint, line, signature, tree};
use schemas::kinds::ledger::LedgerCreated;
use schemas::{Actor, Envelope, Event, EventId, Hash, Label};
use std::io;
use std::path::Path;
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("{path} already holds a ledger")]
    Exists { path: String },
    #[error(
        "{origin} cannot be an origin: 1 to 200 characters without white space or +, as example.co.jp/daicho"
    )]
    WrongOrigin { origin: String },
    #[error("{path} cannot be written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the system gives no randomness for a key")]
    NoRandomness,
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Makes a new ledger: its key, and entry 0 that names its origin and the key.
///
/// Interrupted anywhere, it has not begun: entry 0 comes last, and `create` may run again.
pub fn create(dir: &Path, origin: &str, clock: &dyn Clock) -> Result<VerifierKey, CreateError> {
    create_under(dir, origin, None, clock)
}

/// Makes a new ledger that a given key signs, which may be kept elsewhere; its name is the
/// origin.
pub fn create_under(
    dir: &Path,
    origin: &str,
    key: Option<HeldKey>,
    clock: &dyn Clock,
) -> Result<VerifierKey, CreateError> {
    let layout = Layout::new(dir);
    let io_at = |path: &Path| {
        let path = path.display().to_string();
        move |source| CreateError::Io { path, source }
    };
    for path in [layout.log(), layout.content(), layout.keys()] {
        LocalDisk.create_dir(&path).map_err(io_at(&path))?;
    }
    let LogFiles { files, .. } = layout.log_files().map_err(io_at(&layout.log()))?;
    if !files.is_empty() {
        return Err(CreateError::Exists {
            path: dir.display().to_string(),
        });
    }
    let wrong_origin = || CreateError::WrongOrigin {
        origin: Label::lossy(origin).to_string(),
    };
    if origin.chars().count() > 200 {
        return Err(wrong_origin());
    }
    let unreadable = |fault: &dyn std::error::Error| {
        let source = io::Error::new(io::ErrorKind::InvalidData, fault.to_string());
        io_at(&layout.log_key())(source)
    };
    let key: Arc<dyn Signer> = match (key, KeyFile::read(&layout.log_key())) {
        // The only trace of a log that was here.
        (Some(key), Ok(there)) if there.verifier() != key.file.verifier() => {
            return Err(CreateError::Exists {
                path: layout.log_key().display().to_string(),
            });
        }
        (Some(key), _) => {
            key.file
                .write(&layout.log_key())
                .map_err(io_at(&layout.log_key()))?;
            key.signer
        }
        // Left by a run that was interrupted before entry 0.
        (None, Ok(file)) => NoSecrets
            .unlock(&file)
            .map_err(|fault| unreadable(&fault))?,
        (None, Err(KeyFileError::Io(error))) if error.kind() == io::ErrorKind::NotFound => {
            Arc::new(new_key(&layout, origin)?)
        }
        (None, Err(fault)) => return Err(unreadable(&fault)),
    };
    if key.verifier().name() != origin {
        return Err(CreateError::Exists {
            path: layout.log_key().display().to_string(),
        });
    }
    // A promise of more than entry 0: the log that kept it is gone, and its last trace must not
    // be overwritten by a new one of the same name.
    let promised = std::fs::read(layout.checkpoint()).ok();
    let promised = promised.and_then(|note| Checkpoint::open(&note, key.verifier()).ok());
    if promised.is_some_and(|checkpoint| checkpoint.size > 1) {
        return Err(CreateError::Exists {
            path: layout.checkpoint().display().to_string(),
        });
    }
    let entry = first_entry(&*key, clock)?.map_err(|_| wrong_origin())?;
    // Before entry 0: what it needs, also what an interrupted run has left in the cache only.
    for path in [&layout.keys(), dir] {
        LocalDisk.sync_dir(path).map_err(io_at(path))?;
    }
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        match LocalDisk.sync_dir(parent) {
            // Made by somebody else, with the directory in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(io_at(parent))?,
        }
    }

    let mut bytes = Vec::new();
    line::write(entry.body(), entry.signature(), &mut bytes);
    let (path, fresh) = (layout.log_file(0), layout.log().join("new"));
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: 1,
        root: entry.leaf(),
    };
    let note = checkpoint.signed_by(&*key)?;
    let write = || {
        disk::remove_if_there(&LocalDisk, &fresh)?;
        let mut file = LocalDisk.create(&fresh, false)?;
        file.append(&bytes)?;
        file.sync_all()?;
        publish::replace(&layout, &LocalDisk, &note)?;
        LocalDisk.rename(&fresh, &path)?;
        LocalDisk.sync_dir(&layout.log())
    };
    write().map_err(io_at(&path))?;
    Ok(key.verifier().clone())
}

fn new_key(layout: &Layout, origin: &str) -> Result<SignerKey, CreateError> {
    let key = SignerKey::generate(origin).ok_or(CreateError::NoRandomness)?;
    let key = key.map_err(|_| CreateError::WrongOrigin {
        origin: Label::lossy(origin).to_string(),
    })?;
    let path = layout.log_key();
    let written = KeyFile::plain(&key).write(&path);
    written.map_err(|source| CreateError::Io {
        path: path.display().to_string(),
        source,
    })?;
    Ok(key)
}

fn first_entry(
    key: &dyn Signer,
    clock: &dyn Clock,
) -> Result<Result<Entry, schemas::EnvelopeError>, SignError> {
    let at = clock.now();
    let label = |text: &str| Label::lossy(text);
    let data = LedgerCreated {
        origin: label(key.verifier().name()),
        vkey: label(&key.verifier().to_string()),
    };
    // Derived from the key: a repeated attempt makes the same event.
    let id = EventId::derived(tree::leaf_hash(key.verifier().to_string().as_bytes()));
    let actor = Actor::Service("ledger".parse().expect("a literal name is sound"));
    let event = Event::new(id, actor, data);
    let envelope = Envelope {
        seq: 0,
        at,
        event,
        content: Vec::new(),
        prev: Hash::ZERO,
    };
    let body = match envelope.to_body() {
        Ok(body) => body,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let signature = signature::sign(key, &tree::leaf_hash(&body))?;
    Ok(Entry::from_durable(&body, signature))
}
