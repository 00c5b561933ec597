//! One log file as readers know it: where its entries lie, and what they hash to.
//!
//! In memory is where each *stretch* begins, the entries of one tile of the tree in one file (a byte
//! for 32 entries); of the file in use also what each entry hashes to and where its line ends.
//! Of full files that is read from their outlines, and made again from the lines where there is none
//! or it is wrong. Neither is trusted: a tile counts if it hashes to the root that the tree has of it.

use crate::line::MAX_LINE_BYTES;
use crate::os;
use crate::outline::Outline;
use crate::rows::{ROW_BYTES, Rows};
use crate::tree::TILE_WIDTH;
use schemas::Hash;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub struct LogFile {
    pub first_seq: u64,
    pub path: Arc<Path>,
    file: Arc<File>,
    count: u64,
    /// Where each stretch begins.
    starts: Vec<u64>,
    /// Where the last line ends.
    pub end: u64,
    /// Of the file in use, and of a full one until it is outlined.
    rows: Option<Rows>,
    /// Where its outline is, and where in it the rows begin.
    outlined: Option<(Arc<Path>, u64)>,
}

impl LogFile {
    /// A file whose entries are pushed.
    pub fn begun(first_seq: u64, path: &Path, file: File) -> LogFile {
        LogFile {
            first_seq,
            path: path.into(),
            file: Arc::new(file),
            count: 0,
            starts: Vec::new(),
            end: 0,
            rows: Some(Rows::begun(0)),
            outlined: None,
        }
    }

    pub fn outlined(first_seq: u64, path: &Path, file: File, outline: &Outline) -> LogFile {
        LogFile {
            count: outline.count,
            starts: outline.starts.clone(),
            end: outline.end,
            rows: None,
            outlined: Some((outline.ids.path.as_path().into(), outline.rows_at)),
            ..LogFile::begun(first_seq, path, file)
        }
    }

    /// Takes in the next entry of a file that is begun.
    pub fn push(&mut self, leaf: Hash, end: u64) {
        if self.count == 0 || self.after().is_multiple_of(TILE_WIDTH) {
            self.starts.push(self.end);
        }
        if let Some(rows) = &mut self.rows {
            rows.push(leaf, end);
        }
        self.count += 1;
        self.end = end;
    }

    /// From here on what is not in memory is read.
    pub fn forget_rows(&mut self) {
        self.rows = None;
    }

    pub fn has_outline(&mut self, path: &Path, rows_at: u64) {
        self.outlined = Some((path.into(), rows_at));
        self.forget_rows();
    }

    /// The position after its last entry.
    pub fn after(&self) -> u64 {
        self.first_seq + self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// Leaf hash of an entry and where its line lies, if that is in memory.
    pub fn row(&self, seq: u64) -> Option<(Hash, Range<u64>)> {
        let at = seq.checked_sub(self.first_seq)?;
        self.rows.as_ref()?.get(usize::try_from(at).ok()?)
    }

    /// Rows of all its entries, if they are in memory.
    pub fn rows(&self) -> Option<&Rows> {
        self.rows.as_ref()
    }

    pub fn opened(&self) -> (&Arc<File>, &Arc<Path>) {
        (&self.file, &self.path)
    }

    /// What it holds of the tile of this number.
    pub fn stretch(&self, tile: u64) -> Option<Stretch> {
        let first_seq = self.first_seq.max(tile.checked_mul(TILE_WIDTH)?);
        let after = self.after().min((tile + 1).checked_mul(TILE_WIDTH)?);
        if first_seq >= after {
            return None;
        }
        let at = (tile - self.first_seq / TILE_WIDTH) as usize;
        let local = (first_seq - self.first_seq) as usize..(after - self.first_seq) as usize;
        Some(Stretch {
            first_seq,
            count: (after - first_seq) as usize,
            start: *self.starts.get(at)?,
            end: self.starts.get(at + 1).copied().unwrap_or(self.end),
            file: Arc::clone(&self.file),
            path: Arc::clone(&self.path),
            held: self.rows.as_ref().and_then(|rows| rows.part(local.clone())),
            outlined: self.outlined.as_ref().map(|(path, rows_at)| {
                let at = rows_at + (local.start * ROW_BYTES) as u64;
                (Arc::clone(path), at)
            }),
        })
    }
}

/// The entries of one tile in one file.
pub struct Stretch {
    pub first_seq: u64,
    pub count: usize,
    start: u64,
    end: u64,
    pub file: Arc<File>,
    pub path: Arc<Path>,
    held: Option<Rows>,
    outlined: Option<(Arc<Path>, u64)>,
}

impl Stretch {
    /// What is known of them without their lines; `None` where that is nothing, or not readable.
    pub fn known(&self) -> Option<Rows> {
        if self.held.is_some() {
            return self.held.clone();
        }
        let (path, at) = self.outlined.as_ref()?;
        let mut bytes = vec![0; self.count * ROW_BYTES];
        // Opened anew: it may have been written again, or be gone.
        os::read_exact_at(&File::open(path).ok()?, &mut bytes, *at).ok()?;
        Rows::of_outline(self.start, self.end, &bytes)
    }

    /// The same from their lines: at most 256 of them.
    pub fn read_lines(&self) -> io::Result<Rows> {
        if let Some(held) = &self.held {
            return Ok(held.clone());
        }
        let len = self.end.saturating_sub(self.start);
        let most = self.count as u64 * MAX_LINE_BYTES as u64;
        let mut bytes = vec![0; len.min(most) as usize];
        os::read_exact_at(&self.file, &mut bytes, self.start)?;
        Ok(Rows::of_lines(self.start, &bytes))
    }
}
