use crate::line::MAX_LINE_BYTES;
use crate::tree::leaf_hash;
use schemas::Hash;
use std::ops::Range;

/// An entry in an outline: leaf[32] ‖ line bytes[4], little endian.
pub const ROW_BYTES: usize = 32 + 4;

/// What entries that follow one another hash to, and where their lines lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Where the first line begins.
    pub start: u64,
    pub leaves: Vec<Hash>,
    /// Where each line ends, its LF included.
    pub ends: Vec<u64>,
}

impl Rows {
    pub fn begun(start: u64) -> Rows {
        Rows {
            start,
            leaves: Vec::new(),
            ends: Vec::new(),
        }
    }

    pub fn push(&mut self, leaf: Hash, end: u64) {
        self.leaves.push(leaf);
        self.ends.push(end);
    }

    /// The leaf hash of an entry by its place among these, and its line without the LF.
    pub fn get(&self, at: usize) -> Option<(Hash, Range<u64>)> {
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let (start, end) = (before.copied().unwrap_or(self.start), self.ends.get(at)?);
        Some((*self.leaves.get(at)?, start..end.checked_sub(1)?))
    }

    pub fn part(&self, range: Range<usize>) -> Option<Rows> {
        let before = range.start.checked_sub(1);
        let before = before.and_then(|before| self.ends.get(before)).copied();
        Some(Rows {
            start: before.unwrap_or(self.start),
            leaves: self.leaves.get(range.clone())?.to_vec(),
            ends: self.ends.get(range)?.to_vec(),
        })
    }

    /// Those of the entries after these.
    pub fn append(&mut self, next: Rows) {
        self.leaves.extend(next.leaves);
        self.ends.extend(next.ends);
    }

    /// From the bytes of lines, the first of which begins at `start`.
    pub fn of_lines(start: u64, bytes: &[u8]) -> Rows {
        let (mut rows, mut begin) = (Rows::begun(start), 0);
        for end in memchr::memchr_iter(b'\n', bytes) {
            rows.push(leaf_hash(body(&bytes[begin..end])), start + end as u64 + 1);
            begin = end + 1;
        }
        rows
    }

    /// What [`Rows::of_outline`] reads.
    pub fn write(&self, out: &mut Vec<u8>) {
        let starts = [self.start].into_iter().chain(self.ends.iter().copied());
        for ((leaf, end), start) in self.leaves.iter().zip(&self.ends).zip(starts) {
            out.extend(leaf.0);
            out.extend(((end - start) as u32).to_le_bytes());
        }
    }

    /// From an outline. `None` where no lines of such lengths can lie there.
    pub fn of_outline(start: u64, end: u64, bytes: &[u8]) -> Option<Rows> {
        let (mut rows, mut at) = (Rows::begun(start), start);
        for row in bytes.as_chunks::<{ ROW_BYTES }>().0 {
            let len = u32::from_le_bytes(*row.last_chunk()?);
            if len == 0 || len as usize > MAX_LINE_BYTES {
                return None;
            }
            at += u64::from(len);
            rows.push(Hash(*row.first_chunk()?), at);
        }
        Some(rows).filter(|_| at == end)
    }
}

/// What of a line is hashed: a TAB ends it.
fn body(line: &[u8]) -> &[u8] {
    &line[..memchr::memchr(b'\t', line).unwrap_or(line.len())]
}
