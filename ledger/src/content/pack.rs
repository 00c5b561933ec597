//! Pack files: sealed bytes one after the other, so that one fdatasync covers a batch.
//!
//! ```text
//! pack   = "daicho/pack/v1 " bucket " " number[8 digits] LF *frame
//! frame  = SHA-256(sealed)[32] ‖ uint32 length (big endian) ‖ sealed
//! ```

use super::{ContentError, create_dirs, io_at};
use crate::disk::{Disk, DiskFile};
use crate::layout::Layout;
use crate::os;
use schemas::{BucketId, Hash};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FRAME_HEADER_BYTES: u64 = 36;

pub fn pack_header(bucket: &BucketId, number: u32) -> String {
    format!("daicho/pack/v1 {bucket} {number:08}\n")
}

fn pack_path(layout: &Layout, bucket: &BucketId, number: u32) -> PathBuf {
    layout.bucket(bucket).join(format!("{number:08}.pack"))
}

/// The number that a pack's file name states.
pub fn pack_number(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".pack")?;
    (digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

/// Where sealed bytes lie.
#[derive(Clone, Copy)]
pub struct Place {
    number: u32,
    offset: u64,
    len: u32,
}

impl Place {
    pub fn read(&self, layout: &Layout, bucket: &BucketId) -> Result<Vec<u8>, ContentError> {
        let path = pack_path(layout, bucket, self.number);
        let file = File::open(&path).map_err(io_at(&path))?;
        let mut sealed = vec![0; self.len as usize];
        os::read_exact_at(&file, &mut sealed, self.offset).map_err(io_at(&path))?;
        Ok(sealed)
    }
}

/// What is known of one bucket's packs: digest → place.
#[derive(Default)]
pub struct BucketPacks {
    places: HashMap<Hash, Place>,
    /// How far each pack has been read.
    read: HashMap<u32, u64>,
}

impl BucketPacks {
    pub fn get(&self, digest: &Hash) -> Option<Place> {
        self.places.get(digest).copied()
    }

    pub fn insert(&mut self, digest: Hash, place: Place) {
        self.read
            .insert(place.number, place.offset + u64::from(place.len));
        self.places.insert(digest, place);
    }

    /// Reads the frame headers that were added since the last time.
    pub fn load(&mut self, layout: &Layout, bucket: &BucketId) -> Result<(), ContentError> {
        for (number, path) in packs(layout, bucket)? {
            let mut offset = match self.read.get(&number) {
                Some(offset) => *offset,
                None => pack_header(bucket, number).len() as u64,
            };
            let end = std::fs::metadata(&path).map_err(io_at(&path))?.len();
            if offset >= end {
                continue;
            }
            let file = File::open(&path).map_err(io_at(&path))?;
            while offset + FRAME_HEADER_BYTES <= end {
                let mut header = [0; FRAME_HEADER_BYTES as usize];
                os::read_exact_at(&file, &mut header, offset).map_err(io_at(&path))?;
                let (digest, len) = frame_header(&header);
                let next = offset + FRAME_HEADER_BYTES + u64::from(len);
                if next > end {
                    break; // torn by a crash; a new pack was begun after it
                }
                self.places.insert(
                    digest,
                    Place {
                        number,
                        offset: offset + FRAME_HEADER_BYTES,
                        len,
                    },
                );
                offset = next;
            }
            self.read.insert(number, offset);
        }
        Ok(())
    }
}

fn frame_header(header: &[u8; FRAME_HEADER_BYTES as usize]) -> (Hash, u32) {
    let (digest, len) = header.split_first_chunk::<32>().expect("36 bytes");
    (
        Hash(*digest),
        u32::from_be_bytes(*len.first_chunk().expect("4 bytes")),
    )
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

    pub fn append(&mut self, digest: &Hash, sealed: &[u8]) -> Result<Place, ContentError> {
        let len = u32::try_from(sealed.len()).expect("sealing checked the length");
        let frame = [&digest.0[..], &len.to_be_bytes(), sealed].concat();
        self.unsynced = true;
        self.file.append(&frame).map_err(io_at(&self.path))?;
        let place = Place {
            number: self.number,
            offset: self.len + FRAME_HEADER_BYTES,
            len,
        };
        self.len += frame.len() as u64;
        Ok(place)
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

/// One frame of a pack as a verifier meets it.
pub struct Frame {
    pub offset: u64,
    /// What the frame states.
    pub digest: Hash,
    /// What its bytes are.
    pub actual: Hash,
    pub len: u32,
}

/// Why the rest of a pack cannot be read as frames.
pub struct PackFault {
    pub offset: u64,
    pub tail_bytes: u64,
}

/// Reads a pack as a stream, frame by frame. Gives the fault that ends it early, if any.
pub fn read_frames(
    path: &Path,
    header: &str,
    mut each: impl FnMut(Frame),
) -> io::Result<Option<PackFault>> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    io::copy(
        &mut reader.by_ref().take(header.len() as u64),
        &mut io::sink(),
    )?;
    let mut offset = header.len() as u64;
    while offset < end {
        let fault = PackFault {
            offset,
            tail_bytes: end - offset,
        };
        if offset + FRAME_HEADER_BYTES > end {
            return Ok(Some(fault));
        }
        let mut head = [0; FRAME_HEADER_BYTES as usize];
        reader.read_exact(&mut head)?;
        let (digest, len) = frame_header(&head);
        let next = offset + FRAME_HEADER_BYTES + u64::from(len);
        if next > end {
            return Ok(Some(fault));
        }
        each(Frame {
            offset,
            digest,
            actual: digest_of(&mut reader, len)?,
            len,
        });
        offset = next;
    }
    Ok(None)
}

/// SHA-256 of the next bytes; memory does not grow with them.
fn digest_of(reader: &mut impl Read, len: u32) -> io::Result<Hash> {
    let (mut digest, mut left, mut buffer) = (Sha256::new(), len as usize, vec![0; 1 << 16]);
    while left > 0 {
        let part = &mut buffer[..left.min(1 << 16)];
        reader.read_exact(part)?;
        digest.update(&*part);
        left -= part.len();
    }
    Ok(Hash(digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pack_of_any_bytes_is_read_to_its_end_or_its_fault(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..90), 0..4),
            rest in prop::collection::vec(any::<u8>(), 0..90),
            cut: prop::sample::Index,
        ) {
            let dir = tempfile::TempDir::new().expect("a directory");
            let (layout, bucket) = (Layout::new(dir.path()), "auth/2026-11".parse().expect("a bucket"));
            let header = pack_header(&bucket, 1);
            let mut bytes = header.clone().into_bytes();
            for sealed in &frames {
                bytes.extend(Sha256::digest(sealed));
                bytes.extend((sealed.len() as u32).to_be_bytes());
                bytes.extend(sealed);
            }
            let whole = bytes.len();
            bytes.extend(&rest);
            let kept = cut.index(bytes.len() + 1);
            let path = pack_path(&layout, &bucket, 1);
            std::fs::create_dir_all(layout.bucket(&bucket)).expect("creates");
            std::fs::write(&path, &bytes[..kept]).expect("writes");

            let (mut sound, mut end) = (0, header.len() as u64);
            let fault = read_frames(&path, &header, |frame| {
                sound += usize::from(frame.digest == frame.actual);
                end = frame.offset + FRAME_HEADER_BYTES + u64::from(frame.len);
            }).expect("reads");
            if kept >= whole {
                prop_assert!(sound >= frames.len());
            }
            let tail = fault.map_or(0, |fault| fault.tail_bytes);
            prop_assert_eq!(end + tail, (kept as u64).max(header.len() as u64));
            let mut known = BucketPacks::default();
            known.load(&layout, &bucket).expect("loads");
            for place in known.places.values() {
                prop_assert!(place.read(&layout, &bucket).is_ok());
            }
        }
    }
}
