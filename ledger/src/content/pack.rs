//! Pack files: sealed bytes one after the other, so that one fdatasync covers a batch.
//!
//! ```text
//! pack   = "daicho/pack/v1 " bucket " " number[8 digits] LF *frame
//! frame  = length base beside boxed
//! length = of boxed, LEB128
//! base, beside = 00               none
//!              | 01 digest[32]    that content
//!              | n, LEB128        the one n - 1 frames before, in this pack
//! ```
//! No digest stands there: it is that of what is read, SHA-256(base digest ‖ beside digest ‖
//! boxed), and so holds for all that a content is packed against.

use super::walk::{MOST_HEAD_BYTES, Walk};
use super::{ContentError, create_dirs, io_at, varint};
use crate::disk::{Disk, DiskFile};
use crate::layout::Layout;
use crate::os;
use schemas::{BucketId, Hash};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest box.
pub const MOST_BOX_BYTES: usize = u32::MAX as usize;

/// What a content is packed against, by digest: zeros where there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Against {
    /// What it is an edit of.
    pub base: Hash,
    /// What its new bytes are compressed with, instead of the base.
    pub beside: Hash,
}

impl Against {
    pub const NOTHING: Against = Against {
        base: Hash::ZERO,
        beside: Hash::ZERO,
    };

    pub const BYTES: usize = 64;

    pub fn to_bytes(self) -> [u8; Against::BYTES] {
        let mut bytes = [0; Against::BYTES];
        bytes[..32].copy_from_slice(&self.base.0);
        bytes[32..].copy_from_slice(&self.beside.0);
        bytes
    }
}

/// What one content is sealed to.
pub struct Frame {
    /// What entries name it by.
    pub digest: Hash,
    pub against: Against,
    pub boxed: Vec<u8>,
    /// What it is packed against and was not in a pack yet: that is written first.
    pub before: Vec<Arc<Frame>>,
}

impl Frame {
    pub fn new(against: Against, boxed: Vec<u8>, before: Vec<Arc<Frame>>) -> Frame {
        Frame {
            digest: digest(&against, &boxed),
            against,
            boxed,
            before,
        }
    }
}

/// SHA-256 of the sealed bytes.
pub fn digest(against: &Against, boxed: &[u8]) -> Hash {
    let digest = Sha256::new().chain_update(against.to_bytes());
    Hash(digest.chain_update(boxed).finalize().into())
}

/// The length of the sealed bytes.
pub fn sealed_bytes(boxed_len: usize) -> u64 {
    (Against::BYTES + boxed_len) as u64
}

pub fn pack_header(bucket: &BucketId, number: u32) -> String {
    format!("daicho/pack/v1 {bucket} {number:08}\n")
}

pub fn pack_path(layout: &Layout, bucket: &BucketId, number: u32) -> PathBuf {
    layout.bucket(bucket).join(format!("{number:08}.pack"))
}

/// The number that a pack's file name states.
pub fn pack_number(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".pack")?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Where a content lies, and what it is packed against.
#[derive(Clone, Copy)]
pub struct Place {
    pub against: Against,
    number: u32,
    /// How many frames stand before it in its pack.
    index: u32,
    offset: u64,
    len: u32,
}

impl Place {
    pub fn sealed_bytes(&self) -> u64 {
        sealed_bytes(self.len as usize)
    }

    /// Is it likely that another content is like this one?
    pub fn may_go_on(&self) -> bool {
        self.against != Against::NOTHING || self.len >= 1 << 10
    }

    pub fn read(&self, layout: &Layout, bucket: &BucketId) -> Result<Vec<u8>, ContentError> {
        let path = pack_path(layout, bucket, self.number);
        let file = File::open(&path).map_err(io_at(&path))?;
        let mut boxed = vec![0; self.len as usize];
        os::read_exact_at(&file, &mut boxed, self.offset).map_err(io_at(&path))?;
        Ok(boxed)
    }
}

/// What is known of one bucket's packs: digest → place.
#[derive(Default)]
pub struct BucketPacks {
    places: HashMap<Hash, Place>,
    /// The newest pack, and how far it has been read. Those before it do not grow any more.
    newest: Option<(u32, Walk)>,
}

impl BucketPacks {
    pub fn get(&self, digest: &Hash) -> Option<Place> {
        self.places.get(digest).copied()
    }

    /// Reads the frames that were added since the last time.
    pub fn load(&mut self, layout: &Layout, bucket: &BucketId) -> Result<(), ContentError> {
        for (number, path) in packs(layout, bucket)? {
            if self
                .newest
                .as_ref()
                .is_some_and(|(newest, _)| number < *newest)
            {
                continue;
            }
            let places = &mut self.places;
            let walk = BucketPacks::walk(&mut self.newest, bucket, number);
            // What stops it is torn by a crash, or being written.
            walk.on(&path, |frame| {
                places.entry(frame.digest).or_insert(Place {
                    against: frame.against,
                    number,
                    index: frame.index,
                    offset: frame.boxed_offset,
                    len: frame.boxed_len,
                });
            })
            .map_err(io_at(&path))?;
        }
        Ok(())
    }

    /// Contents that no other is packed against, the newest first.
    pub fn leaves(&self) -> Vec<(Hash, Place)> {
        let used = self.places.values().map(|place| place.against);
        let used: HashSet<Hash> = used.flat_map(|a| [a.base, a.beside]).collect();
        let mut leaves: Vec<_> = self
            .places
            .iter()
            .filter(|(digest, _)| !used.contains(digest))
            .map(|(digest, place)| (*digest, *place))
            .collect();
        leaves.sort_by_key(|(_, place)| std::cmp::Reverse((place.number, place.offset)));
        leaves
    }

    fn walk<'a>(
        newest: &'a mut Option<(u32, Walk)>,
        bucket: &BucketId,
        number: u32,
    ) -> &'a mut Walk {
        if newest.as_ref().is_none_or(|(known, _)| *known != number) {
            *newest = Some((number, Walk::new(&pack_header(bucket, number))));
        }
        &mut newest.as_mut().expect("set above").1
    }
}

/// A bucket's packs in order.
pub fn packs(layout: &Layout, bucket: &BucketId) -> Result<Vec<(u32, PathBuf)>, ContentError> {
    let dir = layout.bucket(bucket);
    let items = match std::fs::read_dir(&dir) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_at(&dir)(error)),
    };
    let mut packs = Vec::new();
    for item in items {
        let path = item.map_err(io_at(&dir))?.path();
        packs.extend(pack_number(&path).map(|number| (number, path)));
    }
    packs.sort();
    Ok(packs)
}

/// The pack that a bucket's next content goes into. Every start begins a new one: what a
/// crash left half-written is never written behind.
pub struct OpenPack {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    number: u32,
    file: Box<dyn DiskFile>,
    len: u64,
    /// Holds bytes that are not known to be durable.
    unsynced: bool,
}

/// Makes durable what an earlier run may have left in the cache only, before an entry relies
/// on it. Read-only packs are: they were synced first. The others, which a crash or a failed
/// sync left behind, are written once more.
pub fn settle(
    layout: &Layout,
    disk: &Arc<dyn Disk>,
    bucket: &BucketId,
) -> Result<(), ContentError> {
    create_dirs(&**disk, layout.dir(), &layout.bucket(bucket))?;
    for (_, path) in packs(layout, bucket)? {
        let sync = || {
            if !std::fs::metadata(&path)?.permissions().readonly() {
                disk.rewrite(&path, 0)?;
                let _ = disk.set_readonly(&path);
            }
            Ok(())
        };
        sync().map_err(io_at(&path))?;
    }
    Ok(())
}

/// Is every pack of a bucket read-only? Of one that cannot be asked nothing is to be done.
pub fn are_closed(layout: &Layout, bucket: &BucketId) -> bool {
    let is_closed = |path: &PathBuf| {
        let metadata = std::fs::metadata(path);
        metadata.is_ok_and(|metadata| metadata.permissions().readonly())
    };
    packs(layout, bucket).is_ok_and(|packs| packs.iter().all(|(_, path)| is_closed(path)))
}

impl OpenPack {
    /// Begins a bucket's next pack; the bucket is settled.
    pub fn create(
        layout: &Layout,
        disk: &Arc<dyn Disk>,
        bucket: &BucketId,
    ) -> Result<OpenPack, ContentError> {
        let dir = layout.bucket(bucket);
        let number = packs(layout, bucket)?
            .last()
            .map_or(1, |(number, _)| number + 1);
        let path = pack_path(layout, bucket, number);
        let mut file = disk.create(&path, false).map_err(io_at(&path))?;
        let header = pack_header(bucket, number);
        file.append(header.as_bytes()).map_err(io_at(&path))?;
        disk.sync_dir(&dir).map_err(io_at(&dir))?;
        Ok(OpenPack {
            disk: Arc::clone(disk),
            path,
            number,
            file,
            len: header.len() as u64,
            unsynced: true,
        })
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Writes a content, and makes it known.
    pub fn append(
        &mut self,
        bucket: &BucketId,
        known: &mut BucketPacks,
        frame: &Frame,
    ) -> Result<(), ContentError> {
        let against = [frame.against.base, frame.against.beside];
        let places = against.map(|digest| known.get(&digest));
        let walk = BucketPacks::walk(&mut known.newest, bucket, self.number);
        let index = walk.frames();
        let len = u32::try_from(frame.boxed.len()).expect("sealing checked the length");
        let mut bytes = Vec::with_capacity(MOST_HEAD_BYTES + frame.boxed.len());
        varint::write(len.into(), &mut bytes);
        for (digest, place) in against.iter().zip(places) {
            match place {
                _ if *digest == Hash::ZERO => bytes.push(0),
                Some(place) if place.number == self.number => {
                    varint::write(u64::from(index - place.index) + 1, &mut bytes);
                }
                _ => {
                    bytes.push(1);
                    bytes.extend_from_slice(&digest.0);
                }
            }
        }
        let head = bytes.len() as u64;
        bytes.extend_from_slice(&frame.boxed);
        self.unsynced = true;
        self.file.append(&bytes).map_err(io_at(&self.path))?;
        let place = Place {
            against: frame.against,
            number: self.number,
            index,
            offset: self.len + head,
            len,
        };
        self.len += bytes.len() as u64;
        walk.wrote(frame.digest, self.len);
        known.places.insert(frame.digest, place);
        Ok(())
    }

    /// No more is written to it, and what was is durable.
    pub fn close(mut self) -> Result<(), ContentError> {
        self.sync()
    }

    pub fn sync(&mut self) -> Result<(), ContentError> {
        if self.unsynced {
            self.file.sync_data().map_err(io_at(&self.path))?;
            self.unsynced = false;
        }
        Ok(())
    }
}

impl Drop for OpenPack {
    /// A pack that no more is written to is read-only, once it is durable; not doing it harms
    /// nothing.
    fn drop(&mut self) {
        if !self.unsynced {
            let _ = self.disk.set_readonly(&self.path);
        }
    }
}
