mod walk;

use crate::append::{self, Appender};
use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, LocalDisk};
use crate::entry::Entry;
use crate::history::KeyHistory;
use crate::ids::Ids;
use crate::key_file::{HeldKey, KeyFile, KeyFileError, KeyFiles, NoSecrets, Unlock, UnlockError};
use crate::layout::{Layout, LogFiles};
use crate::lock::{LockError, WriterLock};
use crate::note::{Note, VerifierKey};
use crate::reader::{Head, ReadError, Reader, State};
use crate::scan::{LogLines, Piece};
use crate::signer::SignError;
use crate::{Checkpoint, erase, expire, leftover, signature};
use schemas::kinds::ledger::LedgerRecovered;
use schemas::{Data, EventId, Timestamp};
use std::io;
use std::path::Path;
use std::sync::Arc;
use walk::Walk;

/// Why a ledger cannot be opened. Nothing was changed on disk.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} holds no ledger")]
    NoLedger { path: String },
    #[error(transparent)]
    Locked(#[from] LockError),
    #[error("the signing key is not at {path}")]
    NoKey { path: String },
    #[error("the signing key at {path} is not readable as one")]
    WrongKey { path: String },
    #[error("the signing key at {path} cannot be used")]
    LockedKey {
        path: String,
        #[source]
        source: UnlockError,
    },
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the key at {path} is {found}; this log is signed by {expected}")]
    OtherLedger {
        path: String,
        expected: String,
        found: String,
    },
    #[error("entry {seq} in {file} at byte {offset} is not sound: {check}")]
    Damaged {
        seq: u64,
        file: String,
        offset: u64,
        check: &'static str,
    },
    #[error("the checkpoint promises {promised} entries; this log holds {found}")]
    Lost { promised: u64, found: u64 },
    #[error("the checkpoint of size {size} does not match the log: its root is another")]
    OtherRoot { size: u64 },
    #[error("{path} is not a checkpoint of this log: {reason}")]
    WrongCheckpoint { path: String, reason: String },
    #[error("the host's clock ({now}) is before the newest entry ({newest})")]
    ClockBehind { now: Timestamp, newest: Timestamp },
    #[error("{path} cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("a key that is not to be there any more is")]
    Expire(#[from] expire::ExpireError),
    #[error("the ledger did not take its first entry after opening")]
    Append(#[from] append::AppendError),
}

impl OpenError {
    /// What the operator can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            OpenError::NoLedger { .. } => {
                "run `daicho init` there, or name the right directory with --data"
            }
            OpenError::Locked(LockError::Held { .. }) => {
                "stop that process, or use its HTTP address"
            }
            OpenError::Locked(LockError::Io { .. })
            | OpenError::Io { .. }
            | OpenError::Expire(_) => {
                "check that the path exists, has space, and belongs to this user"
            }
            OpenError::NoKey { .. } => {
                "restore keys/ledger.key from its backup; reading and verifying work without it"
            }
            OpenError::WrongKey { .. } => "restore keys/ledger.key from its backup",
            OpenError::LockedKey { source, .. } => source.remedy(),
            OpenError::Sign(_) => {
                "attach the token and see [key] in daicho.toml; reading and verifying work without it"
            }
            OpenError::OtherLedger { .. } => {
                "this directory mixes two ledgers, or a log from before a rotation with the key from after it: restore what belongs together"
            }
            OpenError::Damaged { .. } | OpenError::OtherRoot { .. } => {
                "run `daicho verify`, keep this copy as evidence, and restore the file from a backup"
            }
            OpenError::Lost { .. } => "restore the missing log files from a backup before writing",
            OpenError::WrongCheckpoint { .. } => {
                "keep it as evidence and restore the file `checkpoint` from a backup"
            }
            OpenError::ClockBehind { .. } => {
                "set the clock right; time in the ledger never runs back"
            }
            OpenError::Append(_) => "see the cause; nothing else was written",
        }
    }
}

/// How a ledger is opened for writing.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// A log file is sealed, and the next begun, when it has grown to this.
    pub file_bytes: u64,
    pub disk: Arc<dyn Disk>,
    /// Makes the signing key sign, wherever it is kept.
    pub unlock: Arc<dyn Unlock>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            clock: Arc::new(SystemClock),
            file_bytes: 64 << 20,
            disk: Arc::new(LocalDisk),
            unlock: Arc::new(NoSecrets),
        }
    }
}

/// A clock may be set back this much (an NTP step) without stopping anybody.
pub(crate) const CLOCK_TOLERANCE_MICROS: i64 = 10_000_000;

/// Opens a ledger for writing. There is one writer; whoever gets the [`Appender`] is it.
pub fn open(dir: &Path, options: Options) -> Result<(Appender, Reader), OpenError> {
    let layout = Layout::new(dir);
    if !layout.log().is_dir() {
        return Err(OpenError::NoLedger {
            path: dir.display().to_string(),
        });
    }
    let lock = WriterLock::take(&layout)?;
    let opened = Opened::scan(layout, Arc::clone(&options.disk))?;
    let found = opened.find_key()?;
    opened.check_promise()?;
    let now = options.clock.now();
    let newest = opened.reader.head().at;
    if now.micros() < newest.micros() - CLOCK_TOLERANCE_MICROS {
        return Err(OpenError::ClockBehind { now, newest });
    }
    let key = opened.unlock(found.file, &*options.unlock)?;
    // Sign only what is durable: the bytes were read from the files, and a crash may have
    // left them in the cache only.
    opened.sync(&*options.disk)?;
    opened.settle_keys(found.is_next, &*options.disk)?;
    let covered = opened.covered();
    let Opened {
        reader,
        mut ids,
        torn,
        ..
    } = opened;
    leftover::clear(reader.layout(), &*options.disk)?;
    let mut is_recorded = |id: &EventId| io::Result::Ok(ids.find(id)?.is_some());
    expire::complete(reader.layout(), &*options.disk, &mut is_recorded)?;
    erase::complete(reader.layout(), &*options.disk, &mut is_recorded)?;
    let Head { size, root, .. } = reader.head();
    let origin = reader.origin().to_owned();
    let checkpoint = Checkpoint { origin, size, root };
    let note = checkpoint.signed_by(&*key.signer)?;
    reader.shared.state_mut().note = note.into();
    check_newest(&reader, covered)?;
    let shared = Arc::clone(&reader.shared);
    shared.content.close_before(now.month());
    let appender = Appender::start(shared, key, ids, lock, options, torn.is_some())?;
    if let Some(torn) = torn {
        appender.append(vec![appender.own_event(torn)])?;
    }
    Ok((appender, reader))
}

/// Entries that no checkpoint on disk covers yet are held by their signatures only.
fn check_newest(reader: &Reader, covered: u64) -> Result<(), OpenError> {
    let keys = reader.keys();
    for seq in covered..reader.size() {
        let holds = reader
            .entry(seq)
            .is_ok_and(|e| signature::holds(keys.at(seq), &e.leaf(), e.signature()));
        if !holds {
            let (file, offset) = reader.place_of(seq).unwrap_or_default();
            return Err(OpenError::Damaged {
                seq,
                file,
                offset,
                check: "its body or signature does not hold",
            });
        }
    }
    Ok(())
}

/// A key file that is there.
fn read_key(path: &Path) -> Result<Option<KeyFile>, OpenError> {
    let shown = path.display().to_string();
    match KeyFile::read(path) {
        Ok(file) => Ok(Some(file)),
        Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(KeyFileError::Io(source)) if source.kind() != io::ErrorKind::InvalidData => {
            Err(OpenError::Io {
                path: shown,
                source,
            })
        }
        Err(_) => Err(OpenError::WrongKey { path: shown }),
    }
}

/// The file of the key in force.
struct FoundKey {
    file: KeyFile,
    /// A rotation got as far as its entry, and no further.
    is_next: bool,
}

/// A log as a scan found it: chain and positions checked, signatures only at its end.
pub(crate) struct Opened {
    pub reader: Reader,
    ids: Ids,
    /// A tail that no entry is in, not yet acknowledged by an entry of its own.
    torn: Option<LedgerRecovered>,
    /// The checkpoint on disk, if it could be opened.
    promised: Option<Checkpoint>,
}

impl Opened {
    pub fn scan(layout: Layout, disk: Arc<dyn Disk>) -> Result<Opened, OpenError> {
        let io_at = |path: &Path| {
            let path = path.display().to_string();
            move |source| OpenError::Io { path, source }
        };
        let no_ledger = || OpenError::NoLedger {
            path: layout.dir().display().to_string(),
        };
        if !layout.log().is_dir() {
            return Err(no_ledger());
        }
        let LogFiles { files, .. } = layout.log_files().map_err(io_at(&layout.log()))?;
        let Some((_, first_path)) = files.first() else {
            return Err(no_ledger());
        };
        let key = founding_key(&layout, first_path)?;
        // Before the files: of a log that grows meanwhile, the newer checkpoint would promise
        // entries that this walk did not see.
        let note = read_checkpoint(&layout)?;
        let LogFiles { files, .. } = layout.log_files().map_err(io_at(&layout.log()))?;

        // What it claims: whether it is a checkpoint of this log is found out with the keys.
        let covered = note.as_deref().map_or(0, claimed_size);
        let walk = Walk::over(&layout, KeyHistory::founded(key), files, covered)?;
        let promised = note.as_ref().map(|note| walk.keys.open(note)).transpose();
        let promised = promised.map_err(|error| OpenError::WrongCheckpoint {
            path: layout.checkpoint().display().to_string(),
            reason: error.to_string(),
        })?;
        let note = note.unwrap_or_default();
        let state = State {
            tree: walk.tree,
            files: walk.files,
            leaf: walk.prev,
            at: walk.at,
            keys: Arc::new(walk.keys),
            destroyed: walk.destroyed,
            note: String::from_utf8_lossy(&note).into(),
        };
        Ok(Opened {
            reader: Reader::of(layout, disk, state),
            ids: walk.ids,
            torn: walk.torn,
            promised,
        })
    }

    /// How many entries the checkpoint on disk covers.
    fn covered(&self) -> u64 {
        self.promised.as_ref().map_or(0, |promised| promised.size)
    }

    /// Which of the key files holds the key in force: the log says it.
    fn find_key(&self) -> Result<FoundKey, OpenError> {
        let (in_force, layout) = (&self.reader.key_in_force(), self.reader.layout());
        let is_it = |file: &KeyFile| file.verifier() == in_force;
        let own = read_key(&layout.log_key());
        if !matches!(&own, Ok(Some(file)) if is_it(file))
            && let Some(file) = read_key(&layout.next_log_key())?.filter(is_it)
        {
            return Ok(FoundKey {
                file,
                is_next: true,
            });
        }
        let path = layout.log_key().display().to_string();
        match own? {
            None => Err(OpenError::NoKey { path }),
            Some(file) if is_it(&file) => Ok(FoundKey {
                file,
                is_next: false,
            }),
            Some(file) => Err(OpenError::OtherLedger {
                path,
                expected: in_force.to_string(),
                found: file.verifier().to_string(),
            }),
        }
    }

    fn unlock(&self, file: KeyFile, unlock: &dyn Unlock) -> Result<HeldKey, OpenError> {
        let path = self.reader.layout().log_key().display().to_string();
        let locked = |source| OpenError::LockedKey { path, source };
        let signer = unlock.unlock(&file).and_then(|signer| {
            if signer.verifier() == file.verifier() {
                return Ok(signer);
            }
            let expected = file.verifier().to_string();
            let found = signer.verifier().to_string();
            Err(UnlockError::OtherKey { expected, found })
        });
        let signer = signer.map_err(locked)?;
        Ok(HeldKey { file, signer })
    }

    /// Ends a rotation that a crash cut off: its entry is durable now, or there is none.
    fn settle_keys(&self, is_next: bool, disk: &dyn Disk) -> Result<(), OpenError> {
        let layout = self.reader.layout();
        let files = KeyFiles(layout, disk);
        let settled = if is_next {
            files.promote_next()
        } else {
            files.drop_next()
        };
        settled.map_err(|source| OpenError::Io {
            path: layout.next_log_key().display().to_string(),
            source,
        })
    }

    /// The checkpoint on disk must be a promise that this log keeps.
    fn check_promise(&self) -> Result<(), OpenError> {
        let Some(promised) = &self.promised else {
            let path = self.reader.layout().checkpoint();
            let path = path.display().to_string();
            return Err(OpenError::WrongCheckpoint {
                path,
                reason: "it is missing".to_owned(),
            });
        };
        let (size, reader) = (promised.size, &self.reader);
        let io = |path, source| OpenError::Io { path, source };
        match reader.root_at(size) {
            Ok(root) if root == promised.root => Ok(()),
            Ok(_) => Err(OpenError::OtherRoot { size }),
            Err(ReadError::Io { path, source, .. }) => Err(io(path, source)),
            Err(ReadError::Beyond { .. }) => Err(OpenError::Lost {
                promised: size,
                found: reader.size(),
            }),
            // The leaves that its last tile is of are not those that the tree has.
            Err(_) => Err(OpenError::OtherRoot { size }),
        }
    }

    /// Makes durable what was read: a run that was killed, or that a failed sync has stopped, may
    /// have left its last lines, or the name of a file that it had just begun, in the cache
    /// only. What the checkpoint on disk covers was durable before it was signed.
    fn sync(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        let state = self.reader.state();
        let Some(last) = state.files.last() else {
            return Ok(());
        };
        let sync = || {
            // Sealed files are read-only and were synced when they were sealed.
            if !last.path.metadata()?.permissions().readonly() {
                let doubtful = last.row(self.covered().max(last.first_seq));
                let doubtful = doubtful.map_or(last.end, |(_, line)| line.start);
                disk.rewrite(&last.path, doubtful)?;
            }
            disk.sync_dir(&self.reader.layout().log())
        };
        sync().map_err(|source| OpenError::Io {
            path: last.path.display().to_string(),
            source,
        })
    }
}

/// The key that entry 0 names, if entry 0 is signed by it.
fn founding_key(layout: &Layout, path: &Path) -> Result<VerifierKey, OpenError> {
    let file = layout.shown(path);
    let damaged = |check| OpenError::Damaged {
        seq: 0,
        file: file.clone(),
        offset: 0,
        check,
    };
    let io = |source| OpenError::Io {
        path: path.display().to_string(),
        source,
    };
    let mut lines = LogLines::open(path).map_err(io)?;
    let Some(Piece::Line { line, .. }) = lines.next_piece().map_err(io)? else {
        return Err(damaged("the file has no whole line"));
    };
    let (body, signature) =
        crate::line::split(line).map_err(|_| damaged("the line is not body TAB signature"))?;
    let entry = Entry::from_durable(body, signature)
        .map_err(|_| damaged("the body is not one of this format"))?;
    let Data::LedgerCreated(created) = entry.data() else {
        return Err(damaged("entry 0 is not ledger.created"));
    };
    let key: VerifierKey = created
        .vkey
        .as_str()
        .parse()
        .map_err(|_| damaged("entry 0 names no sound key"))?;
    if key.name() != created.origin.as_str()
        || !signature::holds(&key, &entry.leaf(), entry.signature())
    {
        return Err(damaged("entry 0 is not signed by the key that it names"));
    }
    Ok(key)
}

fn read_checkpoint(layout: &Layout) -> Result<Option<Vec<u8>>, OpenError> {
    let path = layout.checkpoint();
    match std::fs::read(&path) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::Io {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// The size that a note states, signed or not.
fn claimed_size(note: &[u8]) -> u64 {
    let text = Note::parse(note).map(|note| note.unverified_text());
    let claimed = text.ok().and_then(|text| Checkpoint::parse(text).ok());
    claimed.map_or(0, |checkpoint| checkpoint.size)
}
