//! What a start needs to know of a full log file, so that it need not read the file.
//!
//! ```text
//! outline = "daicho/outline/v3" LF ‖ head ‖ leaf[32] × count ‖ line bytes[4] × count ‖ filter
//!           ‖ (destroyed key[16] ‖ entry in the file[4]) × certificates
//!           ‖ SHA-256 of all this ‖ (id[16] ‖ entry in the file[4]) × count, sorted ‖ SHA-256 of the ids
//! ```
//! Numbers are little endian. Derived and disposable: one that is missing, damaged or not of the
//! file as it is now is passed over, and the file is read. The leaf hashes are held against the
//! signed checkpoint as those of a file that is read are, so an outline can make a start fail
//! and never make it sign.

use crate::destroyed::Destroyed;
use crate::ids::{Filter, Taken};
use crate::layout::Layout;
use schemas::{EventId, Hash, Timestamp};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const MAGIC: &[u8; 18] = b"daicho/outline/v3\n";
const HEAD_BYTES: usize = MAGIC.len() + 6 * 8 + 32 + 2 * 16;
const ID_BYTES: usize = 16 + 4;
const DESTROYED_BYTES: usize = 16 + 4;

/// A full log file as its outline has it.
pub struct Outline {
    /// Leaf hash of the entry before the first.
    pub prev: Hash,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub leaves: Vec<Hash>,
    pub offsets: Vec<u64>,
    pub end: u64,
    /// Keys that its entries say are destroyed, with the position of each certificate.
    pub destroyed: Vec<(u64, Destroyed)>,
    pub ids: OutlinedIds,
}

/// The ids of an outlined file: a filter in memory, the ids themselves on disk.
pub struct OutlinedIds {
    pub path: PathBuf,
    pub first_seq: u64,
    filter: Filter,
    /// The lowest and the highest of those that are ordered by time.
    range: [[u8; 16]; 2],
    /// Where the ids begin in the file.
    offset: u64,
    count: u64,
}

/// What of a file's metadata changes when its bytes do, short of somebody who wants to hide it.
/// `verify` reads every byte; this only decides what a start reads.
fn stamp(metadata: &Metadata) -> Option<(u64, u64)> {
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), u64::try_from(modified.as_nanos()).ok()?))
}

/// A full log file as its writer knows it.
pub struct FullFile<'a> {
    pub path: &'a Path,
    pub first_seq: u64,
    pub prev: Hash,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub leaves: &'a [Hash],
    pub offsets: &'a [u64],
    pub end: u64,
    pub destroyed: &'a [(u64, Destroyed)],
    pub ids: &'a Taken,
}

/// Writes the outline of a file that nothing is written to any more.
pub fn write(layout: &Layout, file: &FullFile<'_>) -> io::Result<OutlinedIds> {
    let (len, modified) = stamp(&std::fs::metadata(file.path)?)
        .filter(|(len, _)| *len == file.end)
        .ok_or_else(|| io::Error::other("the log file is not as it was written"))?;
    if file.ids.len() != file.leaves.len() {
        return Err(io::Error::other("each entry has one id"));
    }
    let local = |(id, seq): (&EventId, &u64)| (*id, seq.wrapping_sub(file.first_seq) as u32);
    let mut ids: Vec<(EventId, u32)> = file.ids.iter().map(local).collect();
    ids.sort_unstable();
    let filter = Filter::of(ids.iter().map(|(id, _)| id));
    let mut ordered = ids.iter().filter(|(id, _)| id.is_ordered_by_time());
    let lowest = ordered.next().map_or([0xff; 16], |(id, _)| *id.as_bytes());
    let highest = ordered.next_back().map_or(lowest, |(id, _)| *id.as_bytes());
    let range = [lowest, highest];

    let count = file.leaves.len();
    let mut front = Vec::with_capacity(HEAD_BYTES + count * 36 + filter.bytes().len() + 32);
    front.extend(MAGIC);
    let times = [file.first_at, file.last_at].map(|at| at.micros() as u64);
    let certificates = file.destroyed.len() as u64;
    for number in [
        len,
        modified,
        count as u64,
        times[0],
        times[1],
        certificates,
    ] {
        front.extend(number.to_le_bytes());
    }
    front.extend(file.prev.0);
    range.iter().for_each(|id| front.extend(id));
    file.leaves.iter().for_each(|leaf| front.extend(leaf.0));
    let ends = file.offsets.iter().skip(1).chain([&file.end]);
    for (start, end) in file.offsets.iter().zip(ends) {
        front.extend(((end - start) as u32).to_le_bytes());
    }
    front.extend(filter.bytes());
    for (seq, key) in file.destroyed {
        front.extend(key.0);
        front.extend((seq.wrapping_sub(file.first_seq) as u32).to_le_bytes());
    }
    front.extend(Sha256::digest(&front));
    let offset = front.len() as u64;
    let mut back = Vec::with_capacity(count * ID_BYTES + 32);
    for (id, local) in &ids {
        back.extend(id.as_bytes());
        back.extend(local.to_le_bytes());
    }
    back.extend(Sha256::digest(&back));

    // Neither synced nor behind the seam of what a ledger writes: nothing depends on it.
    let path = layout.outline(file.first_seq);
    let fresh = path.with_extension("new");
    std::fs::create_dir_all(layout.outlines())?;
    let mut out = File::create(&fresh)?;
    out.write_all(&front)?;
    out.write_all(&back)?;
    drop(out);
    std::fs::rename(&fresh, &path)?;
    Ok(OutlinedIds {
        path,
        first_seq: file.first_seq,
        filter,
        range,
        offset,
        count: ids.len() as u64,
    })
}

/// The outline of a log file, if it is whole and of this file as it is now.
pub fn read(layout: &Layout, first_seq: u64, log_file: &Path) -> Option<Outline> {
    let (len, modified) = stamp(&std::fs::metadata(log_file).ok()?)?;
    let path = layout.outline(first_seq);
    let mut file = File::open(&path).ok()?;
    let mut front = vec![0; HEAD_BYTES];
    file.read_exact(&mut front).ok()?;
    let number = |at: usize| {
        let at = MAGIC.len() + at * 8;
        u64::from_le_bytes(front[at..at + 8].try_into().expect("eight bytes"))
    };
    let count = usize::try_from(number(2)).ok()?;
    let certificates = usize::try_from(number(5)).ok()?;
    let of_this_file = number(0) == len && number(1) == modified;
    // Each entry has a line; so a number that is damaged asks for no memory.
    if !front.starts_with(MAGIC)
        || !of_this_file
        || count == 0
        || count as u64 > len
        || certificates > count
    {
        return None;
    }
    let [first_at, last_at] = [3, 4].map(|at| Timestamp::from_micros(number(at) as i64));
    let (hashes, _) = front[HEAD_BYTES - 64..].as_chunks::<32>();
    let (prev, (range, _)) = (Hash(hashes[0]), hashes[1].as_chunks::<16>());
    let range = [range[0], range[1]];
    let rest = count * 36 + Filter::bytes_for(count) + certificates * DESTROYED_BYTES + 32;
    let whole = (HEAD_BYTES + rest + count * ID_BYTES + 32) as u64;
    if file.metadata().ok()?.len() != whole {
        return None;
    }
    front.resize(HEAD_BYTES + rest, 0);
    file.read_exact(&mut front[HEAD_BYTES..]).ok()?;
    let (front, digest) = front.split_last_chunk::<32>()?;
    if Sha256::digest(front)[..] != digest[..] {
        return None;
    }
    let (leaves, rest) = front[HEAD_BYTES..].split_at(count * 32);
    let (lines, rest) = rest.split_at(count * 4);
    let (filter, destroyed) = rest.split_at(Filter::bytes_for(count));
    let destroyed = destroyed.as_chunks::<DESTROYED_BYTES>().0.iter();
    let destroyed = destroyed.map(|row| {
        let local = u32::from_le_bytes(*row.last_chunk()?);
        let key = Destroyed(*row.first_chunk()?);
        Some((first_seq + u64::from(local), key))
    });
    let destroyed = destroyed.collect::<Option<Vec<_>>>()?;
    let (leaves, lines) = (leaves.as_chunks::<32>().0, lines.as_chunks::<4>().0);
    let mut end = 0;
    let offsets = lines
        .iter()
        .map(|line| {
            let start = end;
            end += u64::from(u32::from_le_bytes(*line));
            start
        })
        .collect();
    Some(Outline {
        prev,
        first_at,
        last_at,
        leaves: leaves.iter().map(|leaf| Hash(*leaf)).collect(),
        offsets,
        end,
        destroyed,
        ids: OutlinedIds {
            path,
            first_seq,
            filter: Filter::from_bytes(filter),
            range,
            offset: front.len() as u64 + 32,
            count: count as u64,
        },
    })
    .filter(|outline| outline.end == len)
}

impl OutlinedIds {
    /// False when the file surely does not hold the id; true for one in 2,000 besides.
    pub fn may_hold(&self, id: &EventId, key: (u64, u64)) -> bool {
        let [lowest, highest] = &self.range;
        let within = (lowest..=highest).contains(&id.as_bytes());
        (within || !id.is_ordered_by_time()) && self.filter.may_hold(key)
    }

    /// The ids, sorted, with their positions; `None` where they are not whole.
    pub fn load(&self) -> Option<Vec<(EventId, u64)>> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = vec![0; self.count as usize * ID_BYTES + 32];
        file.read_exact(&mut bytes).ok()?;
        let (ids, digest) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(ids)[..] != digest[..] {
            return None;
        }
        let ids = ids.as_chunks::<ID_BYTES>().0.iter();
        ids.map(|row| {
            let id = EventId::from_bytes(*row.first_chunk()?)?;
            let local = u32::from_le_bytes(*row.last_chunk()?);
            Some((id, self.first_seq + u64::from(local)))
        })
        .collect()
    }
}
