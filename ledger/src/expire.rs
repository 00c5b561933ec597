//! The end of a bucket's content: its key is destroyed and its files are removed. Interrupted
//! anywhere it has not begun, or the next start completes it.
//!
//! ```text
//! marker durable → retention.expired durable → key overwritten and removed → packs removed → marker removed
//! ```
//! The marker, `<month>.ending` beside the bucket's key, holds the id of the event. A start
//! that finds one asks the log: what it records is completed, what it does not is forgotten.

use crate::append::{Agreed, AppendError, Appender, Guard, Receipt};
use crate::buckets::{Buckets, Kept};
use crate::disk::{self, Disk, remove_if_there};
use crate::erase::NO_KEY;
use crate::hold::HoldError;
use crate::layout::Layout;
use crate::marker;
use crate::projection::Projection;
use crate::reader::{ReadError, Reader};
use schemas::kinds::records::{ErasureCompleted, RetentionExpired, SubjectKey, TimeSource};
use schemas::{Actor, BucketId, Event, EventId, Hash};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    #[error("bucket {bucket} still takes content: it can end when its month is over")]
    Open { bucket: BucketId },
    #[error(transparent)]
    Kept(#[from] Kept),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the log could not be read for what keeps the bucket")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(
        "{path} cannot be written or removed; the next run or start completes what was recorded"
    )]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// On whose word a bucket ends. What its certificate says beside this follows from the log.
#[derive(Debug, Clone)]
pub struct Disposal {
    pub bucket: BucketId,
    pub actor: Actor,
    pub time: TimeSource,
    pub token: Option<Hash>,
    pub approvals: Vec<EventId>,
    pub approvers: Vec<Actor>,
    pub agreed: Agreed,
}

/// How a bucket's content ends: its key is overwritten and removed, and so are its files.
const METHOD: &str = "key-destroyed";

/// What the entries of a log say that a bucket holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub entries: u64,
    /// Distinct contents.
    pub contents: u64,
    pub sealed_bytes: u64,
    /// SHA-256 over the digests of all sealed contents (32 bytes each), in ascending order.
    pub content_sha256: Hash,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} entries, {} contents of {} bytes, digest {}",
            self.entries, self.contents, self.sealed_bytes, self.content_sha256
        )
    }
}

impl From<&RetentionExpired> for Tally {
    fn from(stated: &RetentionExpired) -> Tally {
        Tally {
            entries: stated.entries,
            contents: stated.contents,
            sealed_bytes: stated.sealed_bytes,
            content_sha256: stated.content_sha256,
        }
    }
}

impl From<&ErasureCompleted> for Tally {
    fn from(stated: &ErasureCompleted) -> Tally {
        Tally {
            entries: stated.entries,
            contents: stated.contents,
            sealed_bytes: stated.sealed_bytes,
            content_sha256: stated.content_sha256,
        }
    }
}

impl Tally {
    /// From digest and length of each sealed content.
    pub(crate) fn of(entries: u64, contents: &BTreeMap<Hash, u64>) -> Tally {
        let digests = contents
            .keys()
            .fold(Sha256::new(), |all, digest| all.chain_update(digest.0));
        Tally {
            entries,
            contents: contents.len() as u64,
            sealed_bytes: contents
                .values()
                .fold(0, |sum, len| sum.saturating_add(*len)),
            content_sha256: Hash(digests.finalize().into()),
        }
    }
}

impl Reader {
    /// What a bucket holds, from the entries that have content in it.
    pub fn tally(&self, buckets: &Buckets, bucket: &BucketId) -> Result<Tally, ReadError> {
        let mut contents = BTreeMap::new();
        let Some(found) = buckets.get(bucket) else {
            return Ok(Tally::of(0, &contents));
        };
        for entry in self.entries(found.first..found.last + 1) {
            for reference in entry?.content().iter().filter(|c| c.bucket == *bucket) {
                contents
                    .entry(reference.sealed)
                    .or_insert(reference.sealed_bytes);
            }
        }
        Ok(Tally::of(found.entries, &contents))
    }

    /// What one person's key seals, from the entries that have content under it.
    pub fn tally_of(&self, buckets: &Buckets, key: &SubjectKey) -> Result<Tally, ReadError> {
        let mut contents = BTreeMap::new();
        let Some(owned) = buckets.owned(key) else {
            return Ok(Tally::of(0, &contents));
        };
        // Others' entries lie between theirs: those are not parsed.
        let named = format!("\"subject\":\"{}\"", key.subject);
        let finder = memchr::memmem::Finder::new(&named);
        for seq in owned.first..owned.last + 1 {
            if finder.find(&self.line(seq)?.0).is_none() {
                continue;
            }
            let entry = self.entry(seq)?;
            let theirs = entry.content().iter();
            for reference in theirs.filter(|c| c.subject == Some(key.subject)) {
                contents
                    .entry(reference.sealed)
                    .or_insert(reference.sealed_bytes);
            }
        }
        Ok(Tally::of(owned.entries, &contents))
    }
}

impl Appender {
    /// Records that a bucket has ended, then destroys its key and removes its files; if its rule
    /// and every hold allow it. Both are asked of the log itself, and once more where places are
    /// given: there is no other way to write a `retention.expired`, and none past a hold. Whether
    /// the host's clock is to be believed, and who has to approve, is the caller's to know.
    ///
    /// A medium may keep old copies of what is overwritten (flash, journals, snapshots, backups):
    /// a key of which copies were made has to be destroyed there too.
    pub fn expire(&self, disposal: Disposal) -> Result<Receipt, ExpireError> {
        let Disposal { bucket, .. } = &disposal;
        let bucket = bucket.clone();
        if bucket.month >= self.now().month() {
            return Err(ExpireError::Open { bucket });
        }
        let _one_at_a_time = self.ending();
        let (buckets, reached) = self.buckets()?;
        let (period, due) = buckets.may_end(&bucket, self.now())?;
        let holds = self.reader().holds_on_owners(&buckets, &bucket)?;
        if !holds.is_empty() {
            return Err(Kept::Held { bucket, holds }.into());
        }
        let tally = self.reader().tally(&buckets, &bucket)?;
        // What cannot be looked for is taken to be there: it is destroyed, or the end fails.
        let is_there = self.layout().bucket_key(&bucket).try_exists();
        let method = match is_there {
            Ok(false) => NO_KEY,
            _ => METHOD,
        };
        let expired = RetentionExpired {
            bucket: bucket.clone(),
            due,
            period,
            entries: tally.entries,
            contents: tally.contents,
            sealed_bytes: tally.sealed_bytes,
            content_sha256: tally.content_sha256,
            method: method.parse().expect("a literal name is sound"),
            time: disposal.time,
            token: disposal.token,
            approvals: disposal.approvals,
            approvers: disposal.approvers,
        };
        let event = Event::new(self.new_id(), disposal.actor, expired);
        let id = event.id;
        let asked = bucket.clone();
        let guard = Guard::new(buckets, reached, move |buckets, now| {
            let help = "see `daicho retention plan`";
            let refused = |fault: &str| AppendError::refused(fault, help);
            let may_end = buckets.may_end(&asked, now);
            let rule = may_end.map_err(|kept| refused(&kept.to_string()))?;
            if rule != (period, due) {
                return Err(refused("the bucket has another rule meanwhile"));
            }
            // Only a commit from the turn of the month could still be on its way.
            let entries = buckets.get(&asked).map(|bucket| bucket.entries);
            if entries != Some(tally.entries) {
                return Err(refused("the bucket has taken content meanwhile"));
            }
            Ok(())
        });
        let guard = guard.resting_on(disposal.agreed);
        let (layout, disk) = (self.layout(), self.disk());
        marker::put(disk, &layout.bucket_ending(&bucket), id)?;
        let receipt = match self.append_guarded(event.into(), guard) {
            Ok(receipt) => receipt,
            // Nothing tells whether it is on the disk: the next start asks the log.
            Err(error @ AppendError::Stopped { .. }) => return Err(error.into()),
            Err(error) => {
                marker::remove(disk, &layout.bucket_ending(&bucket))?;
                return Err(error.into());
            }
        };
        self.forget_content(&bucket);
        shred(layout, disk, &bucket)?;
        Ok(receipt)
    }
}

impl Appender {
    /// Destroys what is there of buckets whose end is recorded: a key or a file could not be removed
    /// then, or came back with copies. Gives the buckets.
    pub fn finish_ends(&self) -> Result<Vec<BucketId>, ExpireError> {
        let _one_at_a_time = self.ending();
        let (layout, disk) = (self.layout(), self.disk());
        let mut finished = Vec::new();
        // What is not recorded may be on the disk all the same, if the ledger has stopped: its
        // marker stays.
        let (buckets, _) = self.buckets()?;
        for bucket in ended(&buckets).filter(|bucket| is_left(layout, bucket)) {
            self.forget_content(bucket);
            shred(layout, disk, bucket)?;
            finished.push(bucket.clone());
        }
        Ok(finished)
    }
}

/// Removes what a copy still holds of buckets that its own log says have ended; gives them. A
/// restored backup would bring them back otherwise. Nobody may be writing there.
pub fn clear_ended(reader: &Reader) -> Result<Vec<BucketId>, ExpireError> {
    let (layout, mut buckets) = (reader.layout(), Buckets::default());
    for entry in reader.entries(0..reader.size()) {
        buckets.fold(&entry?);
    }
    let mut cleared = Vec::new();
    for id in ended(&buckets).filter(|id| is_left(layout, id)) {
        shred(layout, &disk::LocalDisk, id)?;
        cleared.push(id.clone());
    }
    Ok(cleared)
}

fn ended(buckets: &Buckets) -> impl Iterator<Item = &BucketId> {
    let ended = buckets.all().filter(|(_, bucket)| bucket.ended.is_some());
    ended.map(|(id, _)| id)
}

fn is_left(layout: &Layout, bucket: &BucketId) -> bool {
    let packs = std::fs::read_dir(layout.bucket(bucket)).map_or(0, Iterator::count);
    packs > 0 || layout.bucket_key(bucket).exists() || layout.bucket_ending(bucket).exists()
}

pub(crate) fn complete(
    layout: &Layout,
    disk: &dyn Disk,
    is_recorded: impl FnMut(&EventId) -> io::Result<bool>,
) -> Result<(), ExpireError> {
    let shred = |bucket: &BucketId| shred(layout, disk, bucket);
    marker::settle(disk, markers(layout)?, is_recorded, shred)
}

/// The key first: from then on nothing can be read, whatever is left of the packs.
fn shred(layout: &Layout, disk: &dyn Disk, bucket: &BucketId) -> Result<(), ExpireError> {
    let key = layout.bucket_key(bucket);
    // A copy of packs alone has none.
    disk.create_dir(parent(&key)).map_err(io_at(&key))?;
    destroy(disk, &key).map_err(io_at(&key))?;
    // Single persons' keys lie wrapped under the one that is gone.
    for dir in [layout.subject_keys(bucket), layout.bucket(bucket)] {
        let remove = || {
            let items = match std::fs::read_dir(&dir) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                items => items?,
            };
            for item in items {
                disk.remove(&item?.path())?;
            }
            disk.sync_dir(&dir)
        };
        remove().map_err(io_at(&dir))?;
    }
    marker::remove(disk, &layout.bucket_ending(bucket))
}

/// Overwrites a key where it lies, and removes it.
pub(crate) fn destroy(disk: &dyn Disk, key: &Path) -> io::Result<()> {
    let zeros = std::fs::metadata(key).map_or(0, |file| file.len() as usize);
    match disk.overwrite(key, &vec![0; zeros]) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => remove_if_there(disk, key)?,
    }
    disk.sync_dir(parent(key))
}

/// Buckets that an expiry was begun for.
fn markers(layout: &Layout) -> Result<Vec<(BucketId, PathBuf)>, ExpireError> {
    let mut found = Vec::new();
    for class in entries(&layout.content_keys())? {
        for path in entries(&class)? {
            let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
            let month = name(&path).and_then(|n| Some(n.strip_suffix(".ending")?.to_owned()));
            if let (Some(class), Some(month)) = (name(&class), month)
                && let Ok(bucket) = format!("{class}/{month}").parse()
            {
                found.push((bucket, path));
            }
        }
    }
    Ok(found)
}

pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, ExpireError> {
    let items = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        items => items.map_err(io_at(dir))?,
    };
    items
        .map(|item| item.map(|i| i.path()).map_err(io_at(dir)))
        .collect()
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().expect("a key lies in a directory")
}

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ExpireError + use<> {
    let path = path.display().to_string();
    move |source| ExpireError::Io { path, source }
}
