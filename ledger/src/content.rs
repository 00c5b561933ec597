//! Content: what is large, private, and must be able to end. Kept beside the log in
//! buckets of one class and one month, sealed under the bucket's own key.

mod pack;
mod seal;

pub(crate) use pack::{pack_header, pack_number, read_frames};

use crate::append::Content;
use crate::layout::Layout;
use crate::os;
use pack::{BucketPacks, OpenPack};
use schemas::{BucketId, ContentRef, Hash};
use seal::BucketKey;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
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
    origin: String,
    keys: Mutex<HashMap<BucketId, Arc<BucketKey>>>,
    packs: Mutex<HashMap<BucketId, BucketPacks>>,
    open: Mutex<HashMap<BucketId, OpenPack>>,
}

impl ContentStore {
    pub fn new(layout: Layout, origin: &str) -> ContentStore {
        ContentStore {
            layout,
            origin: origin.to_owned(),
            keys: Mutex::default(),
            packs: Mutex::default(),
            open: Mutex::default(),
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
        let mut touched: Vec<&BucketId> = Vec::new();
        let mut written = Vec::new();
        for item in sealed {
            let reference = &item.reference;
            if self.find(&reference.bucket, &reference.sealed)?.is_some() {
                continue;
            }
            let pack = match open.get_mut(&reference.bucket) {
                Some(pack) if !pack.is_full() => pack,
                _ => {
                    let next = OpenPack::create(&self.layout, &reference.bucket)?;
                    open.insert(reference.bucket.clone(), next);
                    open.get_mut(&reference.bucket).expect("just inserted")
                }
            };
            let place = pack.append(&reference.sealed, &item.bytes)?;
            // Found by the next of the same bytes in this batch already; a failed sync stops
            // the writer, so that nobody relies on it.
            self.packs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(reference.bucket.clone())
                .or_default()
                .insert(reference.sealed, place);
            if !touched.contains(&&reference.bucket) {
                touched.push(&reference.bucket);
            }
            written.push(reference.sealed);
        }
        for bucket in touched {
            open.get_mut(bucket)
                .expect("touched packs are open")
                .sync()?;
        }
        Ok(())
    }

    pub fn read(&self, reference: &ContentRef) -> Result<Vec<u8>, ContentError> {
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
        self.key(bucket, false)?
            .open(&self.origin, bucket, &sealed, digest, reference.plain_bytes)
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

    fn key(&self, bucket: &BucketId, make: bool) -> Result<Arc<BucketKey>, ContentError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(bucket) {
            return Ok(Arc::clone(key));
        }
        let path = self.layout.bucket_key(bucket);
        let key = Arc::new(BucketKey::load(bucket, &path, make)?);
        keys.insert(bucket.clone(), Arc::clone(&key));
        Ok(key)
    }
}

pub(crate) fn io_at(path: &std::path::Path) -> impl FnOnce(io::Error) -> ContentError + use<> {
    let path = path.display().to_string();
    move |source| ContentError::Io { path, source }
}

/// Creates a directory and its parents below `root`, durably.
pub(crate) fn create_dirs(root: &std::path::Path, dir: PathBuf) -> Result<(), ContentError> {
    if dir.is_dir() {
        return Ok(());
    }
    os::create_private_dir(&dir).map_err(io_at(&dir))?;
    let mut parent = dir.as_path();
    while let Some(above) = parent.parent().filter(|above| above.starts_with(root)) {
        os::sync_dir(above).map_err(io_at(above))?;
        parent = above;
    }
    Ok(())
}
