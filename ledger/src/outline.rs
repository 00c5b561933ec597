//! What a start needs to know of a full log file, so that it need not read the file, and what
//! readers look up of its entries.
//!
//! ```text
//! outline = front ‖ SHA-256 of the front ‖ row × count ‖ ids ‖ SHA-256 of the ids
//! front = "daicho/outline/v4" LF ‖ head ‖ root[32] of each tile that ends in the file
//!         ‖ leaf[32] of each entry after the last of them ‖ start[8] of each stretch ‖ filter
//!         ‖ (destroyed key[16] ‖ entry in the file[4]) × certificates
//! row = leaf[32] ‖ line bytes[4]
//! ids = (id[16] ‖ entry in the file[4]) × count, sorted
//! ```
//! Numbers are little endian. A tile is 256 leaves of the log's tree and may begin in an earlier
//! file; a stretch is what of a tile lies in this one. A start reads the front, 2.3 bytes an entry.
//!
//! Derived and disposable: one that is missing, damaged or not of the file as it is now is passed
//! over, and the file is read. The roots of tiles are held against the signed checkpoint, so an
//! outline can make a start fail and never make it sign; rows are held against the roots when they
//! are read, and what does not hash to them is made again from the log.

use crate::destroyed::Destroyed;
use crate::ids::{Filter, Taken};
use crate::layout::Layout;
use crate::rows::{ROW_BYTES, Rows};
use crate::tree::TILE_WIDTH;
use schemas::{EventId, Hash, Timestamp};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const MAGIC: &[u8; 18] = b"daicho/outline/v4\n";
/// Length and time of change of the file, first place, count, times of the first and the last
/// entry, certificates.
const NUMBERS: usize = 7;
/// The numbers, the leaf before the first and the last leaf, the range of ids.
const HEAD_BYTES: usize = MAGIC.len() + NUMBERS * 8 + 2 * 32 + 2 * 16;
const ID_BYTES: usize = 16 + 4;
const DESTROYED_BYTES: usize = 16 + 4;

/// A full log file as its outline has it.
pub struct Outline {
    /// Leaf hash of the entry before the first, and of the last.
    pub prev: Hash,
    pub last: Hash,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
    /// Of the tiles that end in the file, and the leaves after them.
    pub roots: Vec<Hash>,
    pub tail: Vec<Hash>,
    /// Where each stretch begins.
    pub starts: Vec<u64>,
    pub end: u64,
    /// Where in the outline the rows begin.
    pub rows_at: u64,
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
    pub rows: &'a Rows,
    /// Of the tiles that end in the file, and the leaves after them.
    pub roots: &'a [Hash],
    pub tail: &'a [Hash],
    pub starts: &'a [u64],
    pub destroyed: &'a [(u64, Destroyed)],
    pub ids: &'a Taken,
}

/// How many tiles end in a file, how many leaves come after them, and over how many tiles it lies.
fn shape(first_seq: u64, count: usize) -> Option<[usize; 3]> {
    let after = first_seq.checked_add(count as u64)?;
    let begun = first_seq / TILE_WIDTH;
    let ended = usize::try_from(after / TILE_WIDTH - begun).ok()?;
    let stretches = usize::try_from(after.div_ceil(TILE_WIDTH) - begun).ok()?;
    Some([ended, (after % TILE_WIDTH) as usize, stretches])
}

/// Writes the outline of a file that nothing is written to any more. Gives its ids, and where in
/// it the rows begin.
pub fn write(layout: &Layout, file: &FullFile<'_>) -> io::Result<(OutlinedIds, u64)> {
    let rows = file.rows;
    let (len, modified) = stamp(&std::fs::metadata(file.path)?)
        .filter(|(len, _)| rows.ends.last() == Some(len))
        .ok_or_else(|| io::Error::other("the log file is not as it was written"))?;
    let count = rows.leaves.len();
    let lengths = [file.roots.len(), file.tail.len(), file.starts.len()];
    if file.ids.len() != count || shape(file.first_seq, count) != Some(lengths) {
        return Err(io::Error::other("each entry has one id and one leaf"));
    }
    let local = |(id, seq): (&EventId, &u64)| (*id, seq.wrapping_sub(file.first_seq) as u32);
    let mut ids: Vec<(EventId, u32)> = file.ids.iter().map(local).collect();
    ids.sort_unstable();
    let filter = Filter::of(ids.iter().map(|(id, _)| id));
    let mut ordered = ids.iter().filter(|(id, _)| id.is_ordered_by_time());
    let lowest = ordered.next().map_or([0xff; 16], |(id, _)| *id.as_bytes());
    let highest = ordered.next_back().map_or(lowest, |(id, _)| *id.as_bytes());
    let range = [lowest, highest];

    let mut front = MAGIC.to_vec();
    let times = [file.first_at, file.last_at].map(|at| at.micros() as u64);
    let (place, certificates) = (file.first_seq, file.destroyed.len() as u64);
    let [first_at, last_at] = times;
    let numbers: [u64; NUMBERS] = [
        len,
        modified,
        place,
        count as u64,
        first_at,
        last_at,
        certificates,
    ];
    let hash = |front: &mut Vec<u8>, hash: &Hash| front.extend(hash.0);
    numbers
        .iter()
        .for_each(|number| front.extend(number.to_le_bytes()));
    hash(&mut front, &file.prev);
    hash(&mut front, rows.leaves.last().unwrap_or(&file.prev));
    range.iter().for_each(|id| front.extend(id));
    let hashes = file.roots.iter().chain(file.tail);
    hashes.for_each(|leaf| hash(&mut front, leaf));
    let starts = file.starts.iter();
    starts.for_each(|start| front.extend(start.to_le_bytes()));
    front.extend(filter.bytes());
    for (seq, key) in file.destroyed {
        front.extend(key.0);
        front.extend((seq.wrapping_sub(file.first_seq) as u32).to_le_bytes());
    }
    front.extend(Sha256::digest(&front));
    let rows_at = front.len() as u64;
    let mut back = Vec::with_capacity(count * (ROW_BYTES + ID_BYTES) + 32);
    rows.write(&mut back);
    let ids_begin = back.len();
    for (id, local) in &ids {
        back.extend(id.as_bytes());
        back.extend(local.to_le_bytes());
    }
    back.extend(Sha256::digest(&back[ids_begin..]));

    // Neither synced nor behind the seam of what a ledger writes: nothing depends on it.
    let path = layout.outline(file.first_seq);
    let fresh = path.with_extension("new");
    std::fs::create_dir_all(layout.outlines())?;
    let mut out = File::create(&fresh)?;
    out.write_all(&front)?;
    out.write_all(&back)?;
    drop(out);
    std::fs::rename(&fresh, &path)?;
    let ids = OutlinedIds {
        path,
        first_seq: file.first_seq,
        filter,
        range,
        offset: rows_at + ids_begin as u64,
        count: count as u64,
    };
    Ok((ids, rows_at))
}

/// The outline of a log file, if its front is whole and of this file as it is now.
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
    let count = usize::try_from(number(3)).ok()?;
    let certificates = usize::try_from(number(6)).ok()?;
    let of_this_file = [number(0), number(1), number(2)] == [len, modified, first_seq];
    // Each entry has a line; so a number that is damaged asks for no memory.
    if !front.starts_with(MAGIC)
        || !of_this_file
        || count == 0
        || count as u64 > len
        || certificates > count
    {
        return None;
    }
    let [first_at, last_at] = [4, 5].map(|at| Timestamp::from_micros(number(at) as i64));
    let (hashes, _) = front[HEAD_BYTES - 96..].as_chunks::<32>();
    let (prev, last, (range, _)) = (
        Hash(hashes[0]),
        Hash(hashes[1]),
        hashes[2].as_chunks::<16>(),
    );
    let range = [range[0], range[1]];
    let [ended, tail, stretches] = shape(first_seq, count)?;
    let parts = [
        (ended + tail) * 32,
        stretches * 8,
        Filter::bytes_for(count),
        certificates * DESTROYED_BYTES,
    ];
    let front_bytes = HEAD_BYTES + parts.iter().sum::<usize>();
    let back_bytes = count * (ROW_BYTES + ID_BYTES) + 32;
    if file.metadata().ok()?.len() != (front_bytes + 32 + back_bytes) as u64 {
        return None;
    }
    front.resize(front_bytes + 32, 0);
    file.read_exact(&mut front[HEAD_BYTES..]).ok()?;
    let (front, digest) = front.split_last_chunk::<32>()?;
    if Sha256::digest(front)[..] != digest[..] {
        return None;
    }
    let (hashes, rest) = front[HEAD_BYTES..].split_at(parts[0]);
    let (starts, rest) = rest.split_at(parts[1]);
    let (filter, destroyed) = rest.split_at(parts[2]);
    let destroyed = destroyed.as_chunks::<DESTROYED_BYTES>().0.iter();
    let destroyed = destroyed.map(|row| {
        let local = u32::from_le_bytes(*row.last_chunk()?);
        let key = Destroyed(*row.first_chunk()?);
        Some((first_seq + u64::from(local), key))
    });
    let destroyed = destroyed.collect::<Option<Vec<_>>>()?;
    let hashes = hashes.as_chunks::<32>().0.iter();
    let mut roots: Vec<Hash> = hashes.map(|hash| Hash(*hash)).collect();
    let tail = roots.split_off(ended);
    let starts = starts.as_chunks::<8>().0.iter();
    let starts: Vec<u64> = starts.map(|start| u64::from_le_bytes(*start)).collect();
    let in_order = starts.first() == Some(&0)
        && starts.is_sorted_by(|a, b| a < b)
        && starts.last().is_some_and(|last| *last < len);
    let rows_at = (front_bytes + 32) as u64;
    Some(Outline {
        prev,
        last,
        first_at,
        last_at,
        count: count as u64,
        roots,
        tail,
        starts,
        end: len,
        rows_at,
        destroyed,
        ids: OutlinedIds {
            path,
            first_seq,
            filter: Filter::from_bytes(filter),
            range,
            offset: rows_at + (count * ROW_BYTES) as u64,
            count: count as u64,
        },
    })
    .filter(|_| in_order)
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
