//! Content: what is large, private, and must be able to end. Kept beside the log in
//! buckets of one class and one month, sealed under the bucket's own key.

mod pack;
mod seal;

pub(crate) use pack::{pack_header, pack_number, read_frames};

use crate::append::Content;
use crate::disk::Disk;
use crate::layout::Layout;
use pack::{BucketPacks, OpenPack};
use schemas::{BucketId, ContentRef, Hash};
use seal::BucketKey;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error(
        "the key of bucket {bucket} is not at {path}: its content has ended or the key was lost"
    )]
    NoKey { bucket: BucketId, path: String },
    #[error("the key of bucket {bucket} at {path} is not 32 bytes")]
    WrongKey { bucket: BucketId, path: String },
    #[error("content {digest} is not in bucket {bucket}")]
    Missing { bucket: BucketId, digest: Hash },
    #[error("content {digest} of bucket {bucket} does not open under the bucket's key")]
    Unopenable { bucket: BucketId, digest: Hash },
    #[error("one content of {len_bytes} bytes is longer than 4 GiB")]
    TooLarge { len_bytes: u64 },
    #[error("{path} could not be made durable; the next start tries again")]
    Unsynced {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} cannot be read or written")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Sealed bytes and the promise about them; not yet durable.
pub(crate) struct Sealed {
    pub reference: ContentRef,
    pub bytes: Vec<u8>,
}

/// All content of one ledger.
pub(crate) struct ContentStore {
    layout: Layout,
    disk: Arc<dyn Disk>,
    origin: String,
    keys: Mutex<HashMap<BucketId, Arc<BucketKey>>>,
    packs: Mutex<HashMap<BucketId, BucketPacks>>,
    /// Buckets that this run has settled, and the pack that it has begun in each.
    open: Mutex<HashMap<BucketId, Option<OpenPack>>>,
    /// A pack is closed when it has grown to this.
    pack_bytes: u64,
}

const PACK_BYTES: u64 = 256 << 20;

impl ContentStore {
    pub fn new(layout: Layout, disk: Arc<dyn Disk>, origin: &str) -> ContentStore {
        ContentStore {
            layout,
            disk,
            origin: origin.to_owned(),
            keys: Mutex::default(),
            packs: Mutex::default(),
            open: Mutex::default(),
            pack_bytes: PACK_BYTES,
        }
    }

    /// Compresses and seals. The same bytes in the same bucket give the same sealed bytes.
    /// Makes the bucket's key when it is the first content of the bucket.
    pub fn seal(&self, bucket: &BucketId, content: &Content) -> Result<Sealed, ContentError> {
        let key = self.key(bucket, true)?;
        let bytes = key.seal(&self.origin, bucket, &content.bytes)?;
        Ok(Sealed {
            reference: ContentRef {
                name: content.name.clone(),
                media: content.media.clone(),
                bucket: bucket.clone(),
                sealed: Hash(Sha256::digest(&bytes).into()),
                sealed_bytes: bytes.len() as u64,
                plain_bytes: content.bytes.len() as u64,
            },
            bytes,
        })
    }

    /// Writes what is not there yet and makes it durable: one fdatasync per pack touched.
    pub fn store<'a>(&self, sealed: impl Iterator<Item = &'a Sealed>) -> Result<(), ContentError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for item in sealed {
            let reference = &item.reference;
            let bucket = &reference.bucket;
            if !open.contains_key(bucket) {
                pack::settle(&self.layout, &self.disk, bucket)?;
                let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
                packs
                    .entry(bucket.clone())
                    .or_default()
                    .load(&self.layout, bucket)?;
                open.insert(bucket.clone(), None);
            }
            if self.holds(item)? {
                continue;
            }
            let pack = open.get_mut(bucket).expect("settled above");
            if let Some(full) = pack.take_if(|pack| pack.len() >= self.pack_bytes) {
                full.close()?;
            }
            let pack = match pack {
                Some(pack) => pack,
                None => pack.insert(OpenPack::create(&self.layout, &self.disk, bucket)?),
            };
            let place = pack.append(&reference.sealed, &item.bytes)?;
            // Found by the next of the same bytes in this batch already; a failed sync stops
            // the writer, so that nobody relies on it.
            self.packs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(bucket.clone())
                .or_default()
                .insert(reference.sealed, place);
        }
        open.values_mut().flatten().try_for_each(OpenPack::sync)
    }

    /// Are these very bytes in a pack? A frame that states their digest does not make it so:
    /// a crash may have kept its header and lost what follows.
    fn holds(&self, item: &Sealed) -> Result<bool, ContentError> {
        let bucket = &item.reference.bucket;
        // This process alone writes here: what it does not know of is not there.
        let place = {
            let packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
            packs
                .get(bucket)
                .and_then(|packs| packs.get(&item.reference.sealed))
        };
        let Some(place) = place else { return Ok(false) };
        match place.read(&self.layout, bucket) {
            Ok(bytes) => Ok(bytes == item.bytes),
            Err(ContentError::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::UnexpectedEof
                ) =>
            {
                Ok(false)
            }
            // Written again because it could not be read, it would stand there twice.
            Err(error) => Err(error),
        }
    }

    /// Is what was recorded as `was` the same as what is about to be? Equal sealed bytes say
    /// so; others are opened, for another month or another release of the compressor gives
    /// the same content other bytes. When the older has ended, its form and length are all
    /// that is left to go by.
    pub fn same(&self, was: &ContentRef, is: &Sealed) -> bool {
        let new = &is.reference;
        if (&was.name, &was.media, was.plain_bytes) != (&new.name, &new.media, new.plain_bytes) {
            return false;
        }
        if was.sealed == new.sealed {
            return true;
        }
        match (self.read(was), self.open(new, &is.bytes)) {
            (Ok(was), Ok(is)) => was == is,
            _ => was.bucket != new.bucket,
        }
    }

    pub fn read(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        self.open(reference, &self.sealed(reference)?)
    }

    /// The sealed bytes, if they are still the ones that the reference commits to.
    pub fn sealed(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
        let (bucket, digest) = (&reference.bucket, reference.sealed);
        let place = self
            .find(bucket, &digest)?
            .ok_or_else(|| ContentError::Missing {
                bucket: bucket.clone(),
                digest,
            })?;
        let sealed = place.read(&self.layout, bucket)?;
        if Hash(Sha256::digest(&sealed).into()) != digest {
            return Err(ContentError::Missing {
                bucket: bucket.clone(),
                digest,
            });
        }
        Ok(sealed)
    }

    fn open(&self, reference: &ContentRef, sealed: &[u8]) -> Result<Vec<u8>, ContentError> {
        let (bucket, digest) = (&reference.bucket, reference.sealed);
        self.key(bucket, false)?
            .open(&self.origin, bucket, sealed, digest, reference.plain_bytes)
    }

    /// Where the sealed bytes lie. Looks again on disk once, for readers of a live log.
    fn find(&self, bucket: &BucketId, digest: &Hash) -> Result<Option<pack::Place>, ContentError> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = packs.entry(bucket.clone()).or_default();
        if let Some(place) = known.get(digest) {
            return Ok(Some(place));
        }
        known.load(&self.layout, bucket)?;
        Ok(known.get(digest))
    }

    /// A bucket has ended.
    pub fn forget(&self, bucket: &BucketId) {
        fn drop_from<T>(map: &Mutex<HashMap<BucketId, T>>, bucket: &BucketId) {
            let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
            map.remove(bucket);
        }
        drop_from(&self.open, bucket);
        drop_from(&self.packs, bucket);
        drop_from(&self.keys, bucket);
    }

    fn key(&self, bucket: &BucketId, make: bool) -> Result<Arc<BucketKey>, ContentError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(bucket) {
            return Ok(Arc::clone(key));
        }
        let path = self.layout.bucket_key(bucket);
        if make {
            // The key's directories, also those that a killed run has left unsynced.
            let dir = path.parent().expect("a key lies in a directory");
            create_dirs(&*self.disk, self.layout.dir(), dir)?;
        }
        let key = Arc::new(BucketKey::load(bucket, &path, make.then_some(&*self.disk))?);
        keys.insert(bucket.clone(), Arc::clone(&key));
        Ok(key)
    }
}

pub(crate) fn unsynced(path: &std::path::Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.display().to_string();
    move |source| ContentError::Unsynced { path, source }
}

pub(crate) fn io_at(path: &std::path::Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.display().to_string();
    move |source| ContentError::Io { path, source }
}

/// Creates a directory and its parents below `root`, durably. What is there already may be
/// so in the cache only, left by a run that was killed.
pub(crate) fn create_dirs(
    disk: &dyn Disk,
    root: &std::path::Path,
    dir: &std::path::Path,
) -> Result<(), ContentError> {
    disk.create_dir(dir).map_err(io_at(dir))?;
    disk.sync_dir(dir).map_err(unsynced(dir))?;
    let mut parent = dir;
    while let Some(above) = parent.parent().filter(|above| above.starts_with(root)) {
        disk.sync_dir(above).map_err(unsynced(above))?;
        parent = above;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    fn store(dir: &std::path::Path) -> ContentStore {
        let mut store =
            ContentStore::new(Layout::new(dir), Arc::new(LocalDisk), "example.com/daicho");
        store.pack_bytes = 1_000;
        store
    }

    fn sealed(store: &ContentStore, text: &str) -> Sealed {
        let bucket = "operation/2026-11".parse().expect("a bucket");
        let content = Content {
            name: "request".parse().expect("a name"),
            media: "text/plain".parse().expect("a label"),
            bytes: text.as_bytes().to_vec(),
        };
        store.seal(&bucket, &content).expect("seals")
    }

    fn packs(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(dir.join("content/operation/2026-11")).expect("a bucket");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        files
    }

    fn readonly(path: &std::path::Path) -> bool {
        path.metadata().expect("is there").permissions().readonly()
    }

    /// Read-only is what was synced first: a pack is not closed over what is only in the cache.
    #[test]
    fn a_pack_that_fills_up_inside_a_batch_is_durable_before_the_next_begins() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let store = store(dir.path());
        let batch: Vec<_> = (0..60)
            .map(|i| sealed(&store, &format!("content {i}")))
            .collect();
        store.store(batch.iter()).expect("stores");
        let files = packs(dir.path());
        let (last, full) = files.split_last().expect("packs");
        assert!(full.len() > 2 && full.iter().all(|pack| readonly(pack)) && !readonly(last));
        for item in &batch {
            assert!(store.read(&item.reference).is_ok());
        }
    }

    #[test]
    fn what_a_crash_left_of_a_content_does_not_count_as_stored() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let first = store(dir.path());
        let item = sealed(&first, "content");
        first.store([&item].into_iter()).expect("stores");
        std::mem::forget(first); // killed: nothing is closed
        let pack = &packs(dir.path())[0];
        let mut bytes = std::fs::read(pack).expect("reads");
        let end = bytes.len();
        bytes[end - 8..].fill(0); // the length reached the disk, the bytes did not
        std::fs::write(pack, &bytes).expect("writes");
        std::fs::write(pack.with_file_name("00000002.pack"), b"daicho/pa").expect("writes");

        let second = store(dir.path());
        second.store([&item].into_iter()).expect("stores");
        assert_eq!(second.read(&item.reference).expect("opens"), b"content");
        second.store([&item].into_iter()).expect("stores");
        let files = packs(dir.path());
        assert_eq!(files.len(), 3, "written once more, and only once");
        assert!(readonly(&files[0]) && readonly(&files[1]));
        let reader = store(dir.path());
        assert_eq!(reader.read(&item.reference).expect("opens"), b"content");
    }
}
