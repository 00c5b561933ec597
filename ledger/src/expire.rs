//! The end of a bucket's content: its key is destroyed and its files are removed. Interrupted
//! anywhere it has not begun, or the next start completes it.
//!
//! ```text
//! marker durable → retention.expired durable → key overwritten and removed → packs removed → marker removed
//! ```
//! The marker, `<month>.ending` beside the bucket's key, holds the id of the event. A start
//! that finds one asks the log: what it records is completed, what it does not is forgotten.

use crate::append::{AppendError, Appender, Receipt};
use crate::disk::{self, Disk, remove_if_there};
use crate::layout::Layout;
use schemas::kinds::records::RetentionExpired;
use schemas::{Actor, BucketId, Event, EventId};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ExpireError {
    #[error("bucket {bucket} still takes content: it can end when its month is over")]
    Open { bucket: BucketId },
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("{path} cannot be written or removed; the next start completes what was recorded")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl Appender {
    /// Records that a bucket has ended, then destroys its key and removes its files. What the
    /// rules ask for before (approvals, holds, due dates) is the caller's.
    ///
    /// A medium may keep old copies of what is overwritten (flash, journals, snapshots, backups):
    /// a key of which copies were made has to be destroyed there too.
    pub fn expire(&self, actor: Actor, expired: RetentionExpired) -> Result<Receipt, ExpireError> {
        let bucket = expired.bucket.clone();
        if bucket.month >= self.now().month() {
            return Err(ExpireError::Open { bucket });
        }
        let event = Event::new(self.new_id(), actor, expired);
        let (layout, disk) = (self.layout(), self.disk());
        begin(layout, disk, &bucket, event.id)?;
        let receipt = match self.append(vec![event.into()]) {
            Ok(receipts) => receipts[0],
            // Nothing tells whether it is on the disk: the next start asks the log.
            Err(error @ AppendError::Stopped { .. }) => return Err(error.into()),
            Err(error) => {
                forget(layout, disk, &bucket)?;
                return Err(error.into());
            }
        };
        self.forget_content(&bucket);
        shred(layout, disk, &bucket)?;
        Ok(receipt)
    }
}

/// Completes what an earlier run has recorded, and forgets what it has not.
pub(crate) fn complete(
    layout: &Layout,
    disk: &dyn Disk,
    mut is_recorded: impl FnMut(&EventId) -> io::Result<bool>,
) -> Result<(), ExpireError> {
    for (bucket, path) in markers(layout)? {
        let text = std::fs::read_to_string(&path).map_err(io_at(&path))?;
        match text.trim_end().parse() {
            Ok(id) if is_recorded(&id).map_err(io_at(&path))? => shred(layout, disk, &bucket)?,
            _ => forget(layout, disk, &bucket)?,
        }
    }
    Ok(())
}

fn begin(
    layout: &Layout,
    disk: &dyn Disk,
    bucket: &BucketId,
    id: EventId,
) -> Result<(), ExpireError> {
    let path = layout.bucket_ending(bucket);
    let dir = parent(&path);
    let write = || {
        disk.create_dir(dir)?;
        disk::replace(disk, &path, format!("{id}\n").as_bytes(), true)?;
        disk.sync_dir(dir)
    };
    write().map_err(io_at(&path))
}

fn forget(layout: &Layout, disk: &dyn Disk, bucket: &BucketId) -> Result<(), ExpireError> {
    let path = layout.bucket_ending(bucket);
    let remove = || {
        remove_if_there(disk, &path)?;
        disk.sync_dir(parent(&path))
    };
    remove().map_err(io_at(&path))
}

/// The key first: from then on nothing can be read, whatever is left of the packs.
fn shred(layout: &Layout, disk: &dyn Disk, bucket: &BucketId) -> Result<(), ExpireError> {
    let key = layout.bucket_key(bucket);
    let destroy = || {
        match disk.overwrite(&key, &[0; 32]) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => remove_if_there(disk, &key)?,
        }
        disk.sync_dir(parent(&key))
    };
    destroy().map_err(io_at(&key))?;
    let packs = layout.bucket(bucket);
    let remove = || {
        let items = match std::fs::read_dir(&packs) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            items => items?,
        };
        for item in items {
            disk.remove(&item?.path())?;
        }
        disk.sync_dir(&packs)
    };
    remove().map_err(io_at(&packs))?;
    forget(layout, disk, bucket)
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

fn entries(dir: &Path) -> Result<Vec<PathBuf>, ExpireError> {
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

fn parent(path: &Path) -> &Path {
    path.parent().expect("a key lies in a directory")
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ExpireError + use<> {
    let path = path.display().to_string();
    move |source| ExpireError::Io { path, source }
}
