//! Reading packs, frame by frame.

use super::pack::{Against, sealed_bytes};
use super::varint;
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A number, and twice a number and a digest.
pub const MOST_HEAD_BYTES: usize = 9 + 2 * (9 + 32);

/// Every box ends in the cipher's tag.
const LEAST_BOX_BYTES: u64 = 16;

/// One frame as it is met in a pack.
pub struct Met {
    /// Where the frame begins.
    pub offset: u64,
    pub digest: Hash,
    pub against: Against,
    pub index: u32,
    pub boxed_offset: u64,
    pub boxed_len: u32,
}

impl Met {
    /// As an entry states it.
    pub fn sealed_bytes(&self) -> u64 {
        sealed_bytes(self.boxed_len as usize)
    }

    pub fn end(&self) -> u64 {
        self.boxed_offset + u64::from(self.boxed_len)
    }
}

/// Why the rest of a pack cannot be read as frames.
pub struct PackFault {
    pub offset: u64,
    pub tail_bytes: u64,
}

/// A reading of one pack, frame by frame; it can be gone on with when the pack has grown.
pub struct Walk {
    offset: u64,
    /// Of the frames so far, which later ones name by their distance.
    digests: Vec<Hash>,
}

impl Walk {
    pub fn new(header: &str) -> Walk {
        Walk {
            offset: header.len() as u64,
            digests: Vec::new(),
        }
    }

    /// How many there were.
    pub fn frames(&self) -> u32 {
        self.digests.len() as u32
    }

    /// Passes over a frame that was just written.
    pub fn wrote(&mut self, digest: Hash, end: u64) {
        self.digests.push(digest);
        self.offset = end;
    }

    /// Reads on to the end. Gives the fault that ends it early, if any.
    pub fn on(&mut self, path: &Path, mut each: impl FnMut(&Met)) -> io::Result<Option<PackFault>> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        if self.offset >= end {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        while self.offset < end {
            let mut head = [0; MOST_HEAD_BYTES];
            let head = &mut head[..MOST_HEAD_BYTES.min((end - self.offset) as usize)];
            reader.read_exact(head)?;
            let Some(met) = self.meet(head).filter(|met| met.end() <= end) else {
                return Ok(Some(PackFault {
                    offset: self.offset,
                    tail_bytes: end - self.offset,
                }));
            };
            let read = self.offset + head.len() as u64;
            reader.seek_relative(met.boxed_offset as i64 - read as i64)?;
            let met = Met {
                digest: digest_of(&mut reader, &met.against, met.boxed_len)?,
                ..met
            };
            each(&met);
            self.wrote(met.digest, met.end());
        }
        Ok(None)
    }

    /// A frame whose box is not read yet.
    fn meet(&self, head: &[u8]) -> Option<Met> {
        let mut rest = head;
        let len = varint::take(&mut rest).filter(|len| *len >= LEAST_BOX_BYTES)?;
        let mut named = || match varint::take(&mut rest)? {
            0 => Some(Hash::ZERO),
            1 => {
                let digest = rest.split_off(..32)?;
                let digest = Hash(*digest.first_chunk()?);
                (digest != Hash::ZERO).then_some(digest)
            }
            n => {
                let back = usize::try_from(n - 1).ok()?;
                Some(self.digests[self.digests.len().checked_sub(back)?])
            }
        };
        let against = Against {
            base: named()?,
            beside: named()?,
        };
        Some(Met {
            offset: self.offset,
            digest: Hash::ZERO,
            against,
            index: self.frames(),
            boxed_offset: self.offset + (head.len() - rest.len()) as u64,
            boxed_len: u32::try_from(len).ok()?,
        })
    }
}

/// The digest of a content whose box comes next; memory does not grow with it.
fn digest_of(reader: &mut impl Read, against: &Against, len: u32) -> io::Result<Hash> {
    let (mut digest, mut left) = (Sha256::new().chain_update(against.to_bytes()), len as usize);
    let mut buffer = [0; 1 << 13];
    while left > 0 {
        let part = &mut buffer[..left.min(1 << 13)];
        reader.read_exact(part)?;
        digest.update(&*part);
        left -= part.len();
    }
    Ok(Hash(digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::pack::{BucketPacks, digest, pack_header, pack_path};
    use crate::layout::Layout;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pack_of_any_bytes_is_read_to_its_end_or_its_fault(
            frames in prop::collection::vec((0..9_u8, prop::collection::vec(any::<u8>(), 16..90)), 0..6),
            rest in prop::collection::vec(any::<u8>(), 0..90),
            cut: prop::sample::Index,
        ) {
            let dir = tempfile::TempDir::new().expect("a directory");
            let (layout, bucket) = (Layout::new(dir.path()), "auth/2026-11".parse().expect("a bucket"));
            let header = pack_header(&bucket, 1);
            let mut bytes = header.clone().into_bytes();
            for (i, (base, boxed)) in frames.iter().enumerate() {
                varint::write(boxed.len() as u64, &mut bytes);
                for named in [*base, base / 2] {
                    match named {
                        1 => { bytes.push(1); bytes.extend([9; 32]); }
                        n => bytes.push(if usize::from(n) <= i + 1 { n } else { 0 }),
                    }
                }
                bytes.extend(boxed);
            }
            let whole = bytes.len();
            bytes.extend(&rest);
            let kept = cut.index(bytes.len() + 1);
            let path = pack_path(&layout, &bucket, 1);
            std::fs::create_dir_all(layout.bucket(&bucket)).expect("creates");
            std::fs::write(&path, &bytes[..kept]).expect("writes");

            let (mut met, mut end) = (0, header.len() as u64);
            let mut walk = Walk::new(&header);
            let fault = walk.on(&path, |frame| { met += 1; end = frame.end(); }).expect("reads");
            if kept >= whole {
                prop_assert!(met >= frames.len());
            }
            let tail = fault.map_or(0, |fault| fault.tail_bytes);
            prop_assert_eq!(end + tail, (kept as u64).max(header.len() as u64));
            let mut known = BucketPacks::default();
            known.load(&layout, &bucket).expect("loads");
            for (of, place) in known.leaves() {
                let boxed = place.read(&layout, &bucket).expect("reads");
                prop_assert_eq!(of, digest(&place.against, &boxed));
            }
            // What is written later is read as what was there at once.
            std::fs::write(&path, &bytes).expect("writes");
            known.load(&layout, &bucket).expect("loads");
            let mut at_once = BucketPacks::default();
            at_once.load(&layout, &bucket).expect("loads");
            let names = |known: &BucketPacks| -> Vec<_> {
                known.leaves().into_iter().map(|(digest, _)| digest).collect()
            };
            prop_assert_eq!(names(&known), names(&at_once));
        }
    }
}
