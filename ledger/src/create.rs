use crate::clock::Clock;
use crate::disk::{self, Disk, LocalDisk};
use crate::entry::Entry;
use crate::layout::{Layout, LogFiles};
use crate::note::{KeyError, SignerKey, VerifierKey};
use crate::publish;
use crate::{Checkpoint, line, signature, tree};
use schemas::kinds::ledger::LedgerCreated;
use schemas::{Actor, Envelope, Event, EventId, Hash, Label};
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

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
}

/// Makes a new ledger: its key, and entry 0 that names its origin and the key.
///
/// Interrupted anywhere, it has not begun: entry 0 comes last, and `create` may run again.
pub fn create(dir: &Path, origin: &str, clock: &dyn Clock) -> Result<VerifierKey, CreateError> {
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
    let key = match std::fs::read_to_string(layout.log_key()) {
        // Left by a run that was interrupted before entry 0.
        Ok(text) => SignerKey::parse(&Zeroizing::new(text)).map_err(|fault| {
            let source = io::Error::new(io::ErrorKind::InvalidData, fault);
            io_at(&layout.log_key())(source)
        })?,
        Err(_) => new_key(&layout, origin)?,
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
    let entry = first_entry(&key, clock).map_err(|_| wrong_origin())?;
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
    let write = || {
        disk::remove_if_there(&LocalDisk, &fresh)?;
        let mut file = LocalDisk.create(&fresh, false)?;
        file.append(&bytes)?;
        file.sync_all()?;
        publish::replace(&layout, &LocalDisk, &checkpoint.sign(&key))?;
        LocalDisk.rename(&fresh, &path)?;
        LocalDisk.sync_dir(&layout.log())
    };
    write().map_err(io_at(&path))?;
    Ok(key.verifier().clone())
}

fn new_key(layout: &Layout, origin: &str) -> Result<SignerKey, CreateError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|_| CreateError::NoRandomness)?;
    let wrong = |_: KeyError| CreateError::WrongOrigin {
        origin: Label::lossy(origin).to_string(),
    };
    let key = SignerKey::from_seed(origin, &seed).map_err(wrong)?;
    let path = layout.log_key();
    disk::replace(&LocalDisk, &path, key.to_text().as_bytes(), true).map_err(|source| {
        CreateError::Io {
            path: path.display().to_string(),
            source,
        }
    })?;
    Ok(key)
}

fn first_entry(key: &SignerKey, clock: &dyn Clock) -> Result<Entry, schemas::EnvelopeError> {
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
    let body = envelope.to_body()?;
    let signature = signature::sign(key, &tree::leaf_hash(&body));
    Entry::from_durable(&body, signature)
}
