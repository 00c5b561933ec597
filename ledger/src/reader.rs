mod entries;
mod tiles;

use crate::append::AppendError;
use crate::appending::Appending;
use crate::buckets::{Bucket, Buckets};
use crate::content::{ContentError, ContentStore, Owners};
use crate::destroyed::Destroyed;
use crate::disk::{Disk, LocalDisk};
use crate::entry::Entry;
use crate::history::KeyHistory;
use crate::layout::Layout;
use crate::line;
use crate::log_file::LogFile;
use crate::note::VerifierKey;
use crate::open::{OpenError, Opened};
use crate::proof::Proof;
use crate::tile::{self, Resource};
use crate::tree::{BeyondTree, Subtrees, TILE_WIDTH, Tiles};
pub use entries::Entries;
use schemas::{BucketId, ContentRef, EnvelopeError, Hash, Timestamp};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use tiles::Recent;

/// What the log is at one moment: all of it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    /// Time of the newest entry.
    pub at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("there is no entry {seq}: the log holds {size}")]
    Beyond { seq: u64, size: u64 },
    #[error("entry {seq} is not under the checkpoint yet: it covers {size} entries")]
    NotCovered { seq: u64, size: u64 },
    #[error("entry {seq} is not what was hashed when it was written; run `daicho verify`")]
    Damaged {
        seq: u64,
        #[source]
        source: Option<EnvelopeError>,
    },
    #[error(
        "one of the entries {first} to {last} is not what was hashed when it was written, so none of them can be shown; run `daicho verify`"
    )]
    DamagedTile { first: u64, last: u64 },
    #[error("entry {seq} cannot be read from {path}")]
    Io {
        seq: u64,
        path: String,
        #[source]
        source: io::Error,
    },
}

impl From<BeyondTree> for ReadError {
    fn from(beyond: BeyondTree) -> ReadError {
        ReadError::Beyond {
            seq: beyond.asked,
            size: beyond.size,
        }
    }
}

/// The log as readers see it; the appender extends it after every commit.
pub(crate) struct State {
    pub tree: Tiles,
    pub files: Vec<LogFile>,
    /// Leaf hash and time of the newest entry.
    pub leaf: Hash,
    pub at: Timestamp,
    /// Who signs what, up to the next entry.
    pub keys: Arc<KeyHistory>,
    /// Keys that the entries say are destroyed, by the position that says it.
    pub destroyed: Vec<(u64, Destroyed)>,
    /// The newest signed checkpoint.
    pub note: Arc<str>,
}

impl State {
    pub fn file_of(&self, seq: u64) -> Option<&LogFile> {
        let at = self.files.partition_point(|file| file.first_seq <= seq);
        self.files.get(at.checked_sub(1)?)
    }

    /// The file that begins there.
    pub fn file_mut(&mut self, first_seq: u64) -> Option<&mut LogFile> {
        let at = self.files.binary_search_by_key(&first_seq, |f| f.first_seq);
        self.files.get_mut(at.ok()?)
    }
}

pub(crate) struct Shared {
    pub layout: Layout,
    pub origin: Box<str>,
    pub state: RwLock<State>,
    pub recent: Recent,
    pub content: ContentStore,
    pub size: Mutex<u64>,
    pub grown: Condvar,
    pub appending: Arc<Appending>,
    /// Why the writer has stopped, once it has. A failed write or sync is final: what is on
    /// disk is not known until the next start.
    pub stopped: Mutex<Option<AppendError>>,
}

impl Shared {
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the writing; the first cause stays.
    pub fn stop(&self, cause: AppendError) -> AppendError {
        tracing::error!(error = %cause, "the ledger stops writing");
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert(cause).clone()
    }

    pub fn stopped(&self) -> Option<AppendError> {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.clone()
    }
}

/// The one way out. Whoever only reads holds a `Reader`.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    /// Opens a log for reading only: no lock, no write, no secret. Sees what was whole when
    /// it was opened.
    pub fn open(dir: &Path) -> Result<Reader, OpenError> {
        Ok(Opened::scan(Layout::new(dir), Arc::new(LocalDisk))?.reader)
    }

    pub(crate) fn of(layout: Layout, disk: Arc<dyn Disk>, state: State) -> Reader {
        let origin = state.keys.founding().name();
        let content = ContentStore::new(layout.clone(), disk, origin);
        content.are_destroyed(state.destroyed.iter().map(|(_, key)| *key));
        Reader {
            shared: Arc::new(Shared {
                origin: origin.into(),
                layout,
                content,
                recent: Recent::new(),
                size: Mutex::new(state.tree.size()),
                state: RwLock::new(state),
                grown: Condvar::new(),
                appending: Arc::default(),
                stopped: Mutex::default(),
            }),
        }
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.shared.state()
    }

    pub fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// Where what belongs to this log is written.
    pub(crate) fn disk(&self) -> &dyn Disk {
        self.shared.content.disk()
    }

    /// The log's name, which is also its keys'.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Who signs what: each key with the first position that it signs.
    pub fn keys(&self) -> Arc<KeyHistory> {
        Arc::clone(&self.state().keys)
    }

    /// The key that the next entry and the newest checkpoint are signed with.
    pub fn key_in_force(&self) -> VerifierKey {
        self.state().keys.newest().clone()
    }

    pub fn size(&self) -> u64 {
        self.state().tree.size()
    }

    pub fn head(&self) -> Head {
        let state = self.state();
        Head {
            size: state.tree.size(),
            root: state.tree.root(),
            at: state.at,
        }
    }

    /// The newest checkpoint, a C2SP signed note.
    pub fn checkpoint(&self) -> Arc<str> {
        Arc::clone(&self.state().note)
    }

    pub fn root_at(&self, size: u64) -> Result<Hash, ReadError> {
        self.subtrees().root_at(size)
    }

    pub fn consistency_proof(&self, old: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        self.subtrees().consistency_proof(old, size)
    }

    /// Subtrees never change once they are complete: nothing is locked while a proof is made.
    fn subtrees(&self) -> Subtrees<impl FnMut(u64, u64) -> Result<Hash, ReadError>> {
        Subtrees {
            size: self.size(),
            complete: |start, count| self.complete(start, count),
        }
    }

    /// How many entries the newest checkpoint covers. Another process reads it from its
    /// file, a moment behind the log.
    pub fn covered(&self) -> u64 {
        checkpoint_size(&self.state().note).unwrap_or(0)
    }

    /// The path from the entry at `seq` to the root of the first `size` entries.
    pub fn inclusion_proof(&self, seq: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        self.subtrees().inclusion_proof(seq, size)
    }

    /// Proves entry `seq` under the newest checkpoint.
    pub fn prove(&self, seq: u64) -> Result<Proof, ReadError> {
        let note = self.checkpoint();
        // Another process reads the checkpoint from its file, a moment behind the log.
        let size = checkpoint_size(&note).unwrap_or(0);
        if (size..self.size()).contains(&seq) {
            return Err(ReadError::NotCovered { seq, size });
        }
        Ok(Proof {
            seq,
            extra: None,
            path: self.inclusion_proof(seq, size)?,
            checkpoint: note.to_string(),
        })
    }

    pub fn entry(&self, seq: u64) -> Result<Entry, ReadError> {
        let (bytes, leaf) = self.line(seq)?;
        let damaged = |source| ReadError::Damaged { seq, source };
        let (body, signature) = line::split(&bytes).map_err(|_| damaged(None))?;
        let entry = Entry::hashed(body, leaf, signature).map_err(|e| damaged(Some(e)))?;
        if entry.seq() != seq {
            return Err(damaged(None));
        }
        Ok(entry)
    }

    /// The entries at these positions, in order; ends where the log ends.
    pub fn entries(&self, range: Range<u64>) -> Entries<'_> {
        Entries::of(self, range)
    }

    /// The first entry with content in a bucket. Looks at the entries of its month and after:
    /// where there is none, that is a read of each, and of nothing more.
    pub(crate) fn first_in(&self, bucket: &BucketId) -> Result<Option<u64>, ReadError> {
        let start = bucket.month.start();
        let (mut from, mut to) = (0, self.size());
        while from < to {
            let middle = from + (to - from) / 2;
            if self.entry(middle)?.at() < start {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        let named = format!("\"bucket\":\"{bucket}\"");
        let finder = memchr::memmem::Finder::new(&named);
        for seq in from..self.size() {
            if finder.find(&self.line(seq)?.0).is_none() {
                continue;
            }
            let entry = self.entry(seq)?;
            if entry.content().iter().any(|held| held.bucket == *bucket) {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Under whose key contents of a bucket are, by the newest entries that have any: of as many as
    /// a moment is enough for, and that can be read. Of what it does not tell, nothing is known.
    pub(crate) fn newest_in(&self, bucket: &BucketId) -> Owners {
        const ENTRIES: u64 = 16_384;
        const CONTENTS: usize = 1_024;
        let named = format!("\"bucket\":\"{bucket}\"");
        let finder = memchr::memmem::Finder::new(&named);
        let (mut owners, size) = (Owners::new(), self.size());
        for seq in (size.saturating_sub(ENTRIES)..size).rev() {
            if owners.len() >= CONTENTS {
                break;
            }
            // It only saves trying keys in vain: what is damaged there is for whoever reads it.
            let Ok((line, _)) = self.line(seq) else {
                break;
            };
            if finder.find(&line).is_none() {
                continue;
            }
            let Ok(entry) = self.entry(seq) else {
                break;
            };
            for held in entry.content().iter().filter(|c| c.bucket == *bucket) {
                owners.insert(held.sealed, held.subject);
            }
        }
        owners
    }

    /// Buckets whose content has not ended, and whose key is not there all the same, or that of a
    /// person in them whose content is not erased: nobody can read it any more.
    pub fn without_key(&self, buckets: &Buckets) -> Vec<BucketId> {
        let lost = |(id, bucket): &(&BucketId, &Bucket)| {
            let mut living = bucket.subjects.iter().filter(|(_, o)| o.erased.is_none());
            bucket.ended.is_none()
                && (!self.layout().bucket_key(id).exists()
                    || living.any(|(subject, _)| !self.layout().subject_key(id, subject).exists()))
        };
        let lost = buckets.all().filter(lost);
        lost.map(|(id, _)| id.clone()).collect()
    }

    /// Waits until the log holds more than `size` entries, at most for `timeout`. Gives the size.
    pub fn wait_beyond(&self, size: u64, timeout: Duration) -> u64 {
        let deadline = Instant::now().checked_add(timeout);
        let mut now = self
            .shared
            .size
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *now <= size {
            // A time that no clock can reach is the longest wait that the system takes.
            let left = deadline.map_or(Duration::from_secs(u32::MAX.into()), |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                break;
            }
            now = self
                .shared
                .grown
                .wait_timeout(now, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *now
    }

    /// Whether an append of this process wants a processor at this moment: it is under way, and
    /// does not wait for the disk. A hint for threads that have time.
    pub fn is_appending(&self) -> bool {
        self.shared.appending.wants_processor()
    }

    /// Opens sealed content; needs the bucket's key.
    pub fn content(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        self.shared.content.read(reference)
    }

    /// The sealed bytes that an entry commits to by their SHA-256; needs no key.
    pub fn sealed(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        self.shared.content.sealed(reference)
    }

    /// What a C2SP tlog-tiles client asked for; `None` when the log does not have it.
    pub fn resource(&self, resource: Resource) -> Result<Option<Vec<u8>>, ReadError> {
        match resource {
            Resource::Checkpoint => {
                let note = self.checkpoint();
                Ok((!note.is_empty()).then(|| note.as_bytes().to_vec()))
            }
            Resource::Tile {
                level,
                index,
                width,
            } => {
                let hashes = match level {
                    0 => self.leaves(index, width)?,
                    _ => self
                        .state()
                        .tree
                        .tile(level, index, width)
                        .map(<[_]>::to_vec),
                };
                Ok(hashes.map(|hashes| hashes.iter().flat_map(|h| h.0).collect()))
            }
            Resource::Entries { index, width } => {
                let Some(first) = index.checked_mul(TILE_WIDTH) else {
                    return Ok(None);
                };
                let Some(end) = first
                    .checked_add(u64::from(width))
                    .filter(|end| *end <= self.size())
                else {
                    return Ok(None);
                };
                let mut bodies = Vec::new();
                for seq in first..end {
                    // Caches keep a bundle for ever: a wrong one must not leave the house.
                    let (bytes, _) = self.line(seq)?;
                    let damaged = |_| ReadError::Damaged { seq, source: None };
                    let (body, _) = line::split(&bytes).map_err(damaged)?;
                    bodies.push(body.to_vec());
                }
                Ok(Some(tile::bundle(bodies.iter().map(Vec::as_slice))))
            }
        }
    }

    /// The first `width` leaves of a tile, if the log has them.
    fn leaves(&self, index: u64, width: u16) -> Result<Option<Vec<Hash>>, ReadError> {
        let end = index.checked_mul(TILE_WIDTH);
        let end = end.and_then(|first| first.checked_add(u64::from(width)));
        match end.is_some_and(|end| width > 0 && end <= self.size()) {
            true => {
                let tile = self.tile(index)?;
                Ok(tile.leaves.get(..usize::from(width)).map(<[_]>::to_vec))
            }
            false => Ok(None),
        }
    }

    /// The file and the byte at which an entry's line begins.
    pub fn place_of(&self, seq: u64) -> Option<(String, u64)> {
        let line = self.find(seq).ok()?;
        Some((self.shared.layout.shown(&line.path), line.range.start))
    }
}

fn checkpoint_size(note: &str) -> Option<u64> {
    note.split('\n').nth(1)?.parse().ok()
}
