//! State that follows from the log: folded entry by entry, kept in a disposable index.

use crate::entry::Entry;
use crate::reader::{ReadError, Reader};
use schemas::Hash;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What can be known from the log alone.
///
/// A fold is pure: no clock, disk, network or randomness. So deleting every index and
/// folding again gives the same state, byte for byte (keep maps sorted).
pub trait Projection: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Key of its snapshot.
    const NAME: &'static str;
    /// Raised when the fold or the shape of the state changes: older snapshots are dropped.
    const VERSION: u32;

    fn fold(&mut self, entry: &Entry);
}

/// A projection and how far it has come.
struct Folded<P> {
    state: P,
    cursor: u64,
}

/// Read access to a projection that an [`Index`] keeps current.
pub struct View<P> {
    folded: Arc<RwLock<Folded<P>>>,
}

impl<P> Clone for View<P> {
    fn clone(&self) -> View<P> {
        View {
            folded: Arc::clone(&self.folded),
        }
    }
}

impl<P: Projection> View<P> {
    pub fn read<T>(&self, look: impl FnOnce(&P) -> T) -> T {
        look(
            &self
                .folded
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .state,
        )
    }

    /// How many entries are folded in.
    pub fn cursor(&self) -> u64 {
        self.folded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .cursor
    }
}

/// What an index knows of one projection without knowing its type.
trait Kept: Send + Sync {
    fn name(&self) -> &'static str;
    fn cursor(&self) -> u64;
    fn fold(&self, entry: &Entry);
    fn snapshot(&self) -> Result<(u32, u64, Vec<u8>), IndexError>;
}

impl<P: Projection> Kept for View<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn cursor(&self) -> u64 {
        View::cursor(self)
    }

    fn fold(&self, entry: &Entry) {
        let mut folded = self.folded.write().unwrap_or_else(PoisonError::into_inner);
        if folded.cursor == entry.seq() {
            folded.state.fold(entry);
            folded.cursor += 1;
        }
    }

    fn snapshot(&self) -> Result<(u32, u64, Vec<u8>), IndexError> {
        let folded = self.folded.read().unwrap_or_else(PoisonError::into_inner);
        Ok((P::VERSION, folded.cursor, written(&folded.state)?))
    }
}

fn written<P: Projection>(state: &P) -> Result<Vec<u8>, IndexError> {
    let mut bytes = Vec::new();
    let unfit = |e: ciborium::ser::Error<_>| IndexError::Snapshot {
        name: P::NAME,
        reason: e.to_string(),
    };
    ciborium::into_writer(state, &mut bytes).map_err(unfit)?;
    Ok(bytes)
}

/// What tells a state from any other: equal for whoever folds the same entries.
pub fn digest_of<P: Projection>(state: &P) -> Result<Hash, IndexError> {
    Ok(Hash(Sha256::digest(written(state)?).into()))
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the log could not be read for its projections")]
    Read(#[from] ReadError),
    #[error("the index at {path} could not be used: {reason}")]
    Store { path: String, reason: String },
    #[error("the state of {name} could not be written down: {reason}")]
    Snapshot { name: &'static str, reason: String },
}

/// A snapshot as sled holds it: which state, of which log, and proof that it is whole.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    cursor: u64,
    /// Leaf hash of the last entry folded in: a snapshot of another log is none of ours.
    leaf: Hash,
    sha256: Hash,
    #[serde(with = "bytes")]
    state: Vec<u8>,
}

mod bytes {
    //! A byte string in CBOR, not a list of numbers.
    use serde::{Deserializer, Serializer, de::Visitor};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// Entries between two snapshots while following: what a crash makes us fold again.
const SNAPSHOT_EVERY: u64 = 50_000;

/// Keeps projections current. Its store is sled and can be deleted at any time.
pub struct Index {
    reader: Reader,
    path: PathBuf,
    store: Option<sled::Db>,
    kept: Vec<Box<dyn Kept>>,
    saved: Mutex<u64>,
    /// Held by whoever folds: many who wait for the same entries read them once.
    catching_up: Mutex<()>,
    /// So many entries at least are folded in everywhere.
    folded: AtomicU64,
    notices: Vec<String>,
}

impl Index {
    /// An index that keeps nothing between runs: for readers beside a running server.
    pub fn in_memory(reader: Reader) -> Index {
        Index {
            path: reader.layout().views(),
            reader,
            store: None,
            kept: Vec::new(),
            saved: Mutex::new(0),
            catching_up: Mutex::default(),
            folded: AtomicU64::new(0),
            notices: Vec::new(),
        }
    }

    /// Opens the index, or builds a new one where the old one is damaged, and says so in
    /// [`Index::notices`]. One process can hold it; another gets one in memory.
    pub fn open(reader: Reader) -> Result<Index, IndexError> {
        let path = reader.layout().views();
        Index::open_at(reader, path)
    }

    /// One of its own beside the others, for what is large and rarely asked: nothing else waits
    /// for it to be read.
    pub fn open_apart(reader: Reader, name: &str) -> Result<Index, IndexError> {
        let path = reader.layout().index().join(name);
        Index::open_at(reader, path)
    }

    fn open_at(reader: Reader, path: PathBuf) -> Result<Index, IndexError> {
        let mut index = Index::in_memory(reader);
        index.path = path.clone();
        match open_store(&path) {
            Ok(store) => index.store = Some(store),
            Err(StoreFault::Busy) => {}
            Err(StoreFault::Damaged(reason)) => {
                index.notices.push(format!(
                    "the index was damaged ({reason}) and is built again from the log"
                ));
                let failed = |reason: String| IndexError::Store {
                    path: path.display().to_string(),
                    reason,
                };
                std::fs::remove_dir_all(&path).map_err(|e| failed(e.to_string()))?;
                index.store =
                    Some(open_store(&path).map_err(|_| failed("it cannot be created".to_owned()))?);
            }
        }
        Ok(index)
    }

    /// True when what is folded can be kept for the next start.
    pub fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// What an operator should know about this start.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Adds a projection: from its snapshot if that is sound, else from the beginning.
    pub fn add<P: Projection>(&mut self) -> View<P> {
        match self.load::<P>() {
            Ok(Some(folded)) => self.keep(folded),
            Ok(None) => self.add_anew(),
            Err(reason) => {
                self.notices.push(format!(
                    "the snapshot of {} {reason}; it is built again from the log",
                    P::NAME
                ));
                self.add_anew()
            }
        }
    }

    /// Adds a projection from the beginning, whatever is kept of it.
    pub fn add_anew<P: Projection>(&mut self) -> View<P> {
        self.keep(Folded {
            state: P::default(),
            cursor: 0,
        })
    }

    fn keep<P: Projection>(&mut self, folded: Folded<P>) -> View<P> {
        let view = View {
            folded: Arc::new(RwLock::new(folded)),
        };
        self.kept.push(Box::new(view.clone()));
        // What came from a snapshot is written down already.
        let reached = self.reached();
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = reached;
        self.folded.store(reached, Ordering::Release);
        view
    }

    fn load<P: Projection>(&self) -> Result<Option<Folded<P>>, &'static str> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let Some(bytes) = store.get(P::NAME).map_err(|_| "cannot be read")? else {
            return Ok(None);
        };
        let snapshot: Snapshot = from_cbor(&bytes).map_err(|_| "is damaged")?;
        if snapshot.version != P::VERSION {
            return Ok(None);
        }
        if Hash(Sha256::digest(&snapshot.state).into()) != snapshot.sha256 {
            return Err("is damaged");
        }
        if self.last_leaf(snapshot.cursor).ok() != Some(snapshot.leaf) {
            return Err("is of another log");
        }
        let state = from_cbor(&snapshot.state).map_err(|_| "is damaged")?;
        Ok(Some(Folded {
            state,
            cursor: snapshot.cursor,
        }))
    }

    /// Of the last entry before a cursor.
    fn last_leaf(&self, cursor: u64) -> Result<Hash, ReadError> {
        let last = cursor.checked_sub(1);
        last.map_or(Ok(Hash::ZERO), |last| self.reader.leaf(last))
    }

    /// How many entries every projection has folded in: the log's size less this is the lag.
    pub fn reached(&self) -> u64 {
        let cursors = self.kept.iter().map(|kept| kept.cursor());
        cursors.min().unwrap_or_else(|| self.reader.size())
    }

    /// Whether the log holds nothing that is not folded in: whoever asks before each decision pays for
    /// a comparison.
    pub fn is_current(&self) -> bool {
        self.folded.load(Ordering::Acquire) >= self.reader.size()
    }

    /// Folds in everything that the log holds now. Gives the position reached.
    pub fn catch_up(&self) -> Result<u64, IndexError> {
        let size = self.reader.size();
        match self.folded.load(Ordering::Acquire) >= size {
            true => Ok(size),
            false => self.catch_up_to(size),
        }
    }

    /// Folds in the entries before `size` and no more: for figures of exactly that head.
    pub fn catch_up_to(&self, size: u64) -> Result<u64, IndexError> {
        let catching_up = &self.catching_up;
        let _one = catching_up.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in self.reader.entries(self.reached()..size) {
            let entry = entry?;
            for kept in &self.kept {
                kept.fold(&entry);
            }
        }
        self.folded.fetch_max(size, Ordering::Release);
        let due = {
            let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            size.saturating_sub(*saved) >= SNAPSHOT_EVERY
        };
        if due {
            self.save()?;
        }
        Ok(size)
    }

    /// Writes every projection's state down.
    pub fn save(&self) -> Result<(), IndexError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let failed = |e: sled::Error| IndexError::Store {
            path: self.path.display().to_string(),
            reason: e.to_string(),
        };
        for kept in &self.kept {
            let (version, cursor, state) = kept.snapshot()?;
            let leaf = self.last_leaf(cursor)?;
            let sha256 = Hash(Sha256::digest(&state).into());
            let snapshot = Snapshot {
                version,
                cursor,
                leaf,
                sha256,
                state,
            };
            let mut bytes = Vec::new();
            ciborium::into_writer(&snapshot, &mut bytes).map_err(|e| IndexError::Snapshot {
                name: kept.name(),
                reason: e.to_string(),
            })?;
            store.insert(kept.name(), bytes).map_err(failed)?;
        }
        store.flush().map_err(failed)?;
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = self.reader.size();
        Ok(())
    }

    /// Each projection's name, cursor and the digest of its state: equal after a rebuild.
    pub fn digests(&self) -> Result<Vec<(&'static str, u64, Hash)>, IndexError> {
        let digest = |kept: &dyn Kept| {
            let (_, cursor, state) = kept.snapshot()?;
            Ok((kept.name(), cursor, Hash(Sha256::digest(&state).into())))
        };
        self.kept.iter().map(|kept| digest(kept.as_ref())).collect()
    }
}

impl Drop for Index {
    /// sled panics where it cannot sync what it closes. What that loses is folded again, and whoever
    /// asked has the answer.
    fn drop(&mut self) {
        let store = self.store.take();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(store)));
    }
}

/// Reads CBOR. ciborium refuses byte strings that are longer than its buffer, 4 KiB unless
/// told: a bitmap of positions soon is.
fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ciborium::de::Error<std::io::Error>> {
    ciborium::de::from_reader_with_buffer(bytes, &mut vec![0; bytes.len()])
}

enum StoreFault {
    Busy,
    Damaged(String),
}

/// Present in every store since its first moment: sled can lose all else and open.
const MARK: &str = "daicho index";

fn open_store(path: &Path) -> Result<sled::Db, StoreFault> {
    let existed = path.is_dir();
    // The snapshots are small; sled's default cache is a gigabyte.
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(8 << 20)
        .flush_every_ms(None);
    // sled panics on some damage instead of saying so.
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let store = config.open()?;
        let marked = store.contains_key(MARK)?;
        if !existed {
            store.insert(MARK, b"1")?;
            store.flush()?;
        }
        Ok((store, marked || !existed))
    }));
    match opened {
        Ok(Ok((store, true))) => Ok(store),
        Ok(Ok((_, false))) => Err(StoreFault::Damaged(
            "its store has lost what it held".to_owned(),
        )),
        Ok(Err(sled::Error::Io(error))) if is_busy(&error) => Err(StoreFault::Busy),
        Ok(Err(error)) => Err(StoreFault::Damaged(error.to_string())),
        Err(_) => Err(StoreFault::Damaged("its store does not open".to_owned())),
    }
}

/// sled reports a held lock as an error of its own wording.
fn is_busy(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}
