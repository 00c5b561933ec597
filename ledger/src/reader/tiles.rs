//! Leaf hashes and places of lines, where they are not in memory: a tile at a time, which counts if
//! it hashes to what the tree has of it.

use super::{ReadError, Reader, State};
use crate::line;
use crate::log_file::Stretch;
use crate::os;
use crate::rows::Rows;
use crate::tree::{TILE_WIDTH, fold, leaf_hash};
use schemas::Hash;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The entries of one tile, by the files that they are in.
pub(crate) struct Tile {
    index: u64,
    pub leaves: Vec<Hash>,
    parts: Vec<(Stretch, Rows)>,
}

impl Tile {
    fn of(index: u64, parts: Vec<(Stretch, Rows)>) -> Tile {
        let leaves = parts.iter().flat_map(|(_, rows)| &rows.leaves);
        Tile {
            index,
            leaves: leaves.copied().collect(),
            parts,
        }
    }

    /// What of a file's entries is in this tile.
    pub fn of_file(&self, path: &Path) -> Option<&Rows> {
        let part = self.parts.iter().find(|(part, _)| *part.path == *path);
        part.map(|(_, rows)| rows)
    }

    fn line(&self, seq: u64) -> Option<Line> {
        self.parts.iter().find_map(|(part, rows)| {
            let at = seq.checked_sub(part.first_seq)?;
            let (leaf, range) = rows.get(usize::try_from(at).ok()?)?;
            Some(Line::of(seq, leaf, range, &part.file, &part.path))
        })
    }
}

/// Where a line lies, and what it hashes to.
pub(crate) struct Line {
    pub seq: u64,
    pub leaf: Hash,
    pub range: Range<u64>,
    pub file: Arc<File>,
    pub path: Arc<Path>,
}

impl Line {
    fn of(seq: u64, leaf: Hash, range: Range<u64>, file: &Arc<File>, path: &Arc<Path>) -> Line {
        Line {
            seq,
            leaf,
            range,
            file: Arc::clone(file),
            path: Arc::clone(path),
        }
    }

    /// Where it ends shows in the signature alone, which is not hashed.
    fn is(&self, line: &[u8]) -> bool {
        line::split(line).is_ok_and(|(body, _)| leaf_hash(body) == self.leaf)
    }

    /// Its bytes; `None` where they are not what was hashed.
    fn read(&self) -> Result<Option<Vec<u8>>, ReadError> {
        let len = self.range.end.saturating_sub(self.range.start);
        let mut bytes = vec![0; len as usize];
        match os::read_exact_at(&self.file, &mut bytes, self.range.start) {
            Ok(()) => Ok(Some(bytes).filter(|line| self.is(line))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(io_at(self.seq, &self.path, source)),
        }
    }
}

fn io_at(seq: u64, path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        seq,
        path: path.display().to_string(),
        source,
    }
}

/// Tiles that were read last: who reads one entry mostly reads the next.
pub(crate) struct Recent(Vec<Mutex<Option<Arc<Tile>>>>);

/// At 12 KiB each.
const RECENT: usize = 64;

impl Recent {
    pub fn new() -> Recent {
        Recent((0..RECENT).map(|_| Mutex::default()).collect())
    }

    fn slot(&self, index: u64) -> &Mutex<Option<Arc<Tile>>> {
        &self.0[(index % RECENT as u64) as usize]
    }

    fn get(&self, index: u64) -> Option<Arc<Tile>> {
        let slot = self.slot(index).lock();
        let slot = slot.unwrap_or_else(PoisonError::into_inner);
        slot.clone().filter(|tile| tile.index == index)
    }

    fn put(&self, tile: &Arc<Tile>) {
        let slot = self.slot(tile.index).lock();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(tile));
    }
}

/// What the tree has of a tile.
enum Known {
    Root(Hash),
    /// Of one that is not whole yet.
    Leaves(Vec<Hash>),
}

impl Known {
    fn of(state: &State, index: u64) -> Known {
        let root = state.tree.complete(index * TILE_WIDTH, TILE_WIDTH);
        root.map_or_else(|| Known::Leaves(state.tree.tail().to_vec()), Known::Root)
    }

    fn are(&self, tile: &Tile) -> bool {
        let whole = |(part, rows): &(Stretch, Rows)| part.count == rows.leaves.len();
        let leaves = &tile.leaves;
        tile.parts.iter().all(whole)
            && match self {
                Known::Root(root) => leaves.len() as u64 == TILE_WIDTH && fold(leaves) == *root,
                Known::Leaves(tail) => leaves == tail,
            }
    }
}

impl Reader {
    /// The tile of this number, of which the log holds an entry at least.
    pub(crate) fn tile(&self, index: u64) -> Result<Arc<Tile>, ReadError> {
        match self.shared.recent.get(index) {
            Some(tile) => Ok(tile),
            None => self.load(index, false),
        }
    }

    /// Reads a tile anew: from outlines, where there are any that are right, else from the lines.
    fn load(&self, index: u64, read_lines: bool) -> Result<Arc<Tile>, ReadError> {
        if !read_lines {
            let known = self.read_tile(index, |part| match part.known() {
                Some(rows) => Ok(rows),
                None => part.read_lines(),
            })?;
            if let Some(tile) = known {
                return Ok(tile);
            }
            tracing::debug!(
                tile = index,
                "an outline is not of the log: it is passed over"
            );
        }
        let read = self.read_tile(index, Stretch::read_lines)?;
        read.ok_or_else(|| {
            let first = index * TILE_WIDTH;
            let last = (first + TILE_WIDTH).min(self.size()) - 1;
            ReadError::DamagedTile { first, last }
        })
    }

    /// `None` where what was read is not what the tree is over.
    fn read_tile(
        &self,
        index: u64,
        rows: impl Fn(&Stretch) -> io::Result<Rows>,
    ) -> Result<Option<Arc<Tile>>, ReadError> {
        let (stretches, known) = {
            let state = self.state();
            let first = index.saturating_mul(TILE_WIDTH);
            let at = state.files.partition_point(|file| file.after() <= first);
            let stretches = state.files[at..]
                .iter()
                .map_while(|file| file.stretch(index));
            (stretches.collect::<Vec<_>>(), Known::of(&state, index))
        };
        let mut parts = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            let rows = rows(&stretch);
            let rows = rows.map_err(|source| io_at(stretch.first_seq, &stretch.path, source))?;
            parts.push((stretch, rows));
        }
        let tile = Arc::new(Tile::of(index, parts));
        if !known.are(&tile) {
            return Ok(None);
        }
        if matches!(known, Known::Root(_)) {
            self.shared.recent.put(&tile);
        }
        Ok(Some(tile))
    }

    /// Where the line of an entry lies.
    pub(crate) fn find(&self, seq: u64) -> Result<Line, ReadError> {
        match self.in_memory(seq)? {
            Some(line) => Ok(line),
            None => {
                let tile = self.tile(seq / TILE_WIDTH)?;
                tile.line(seq)
                    .ok_or(ReadError::Damaged { seq, source: None })
            }
        }
    }

    fn in_memory(&self, seq: u64) -> Result<Option<Line>, ReadError> {
        let state = self.state();
        let size = state.tree.size();
        let file = state.file_of(seq).filter(|_| seq < size);
        let file = file.ok_or(ReadError::Beyond { seq, size })?;
        let (opened, path) = file.opened();
        let row = file.row(seq);
        Ok(row.map(|(leaf, range)| Line::of(seq, leaf, range, opened, path)))
    }

    /// The bytes of a line without its LF, which are those that were hashed, and their leaf hash.
    pub(crate) fn line(&self, seq: u64) -> Result<(Vec<u8>, Hash), ReadError> {
        let line = self.find(seq)?;
        if let Some(bytes) = line.read()? {
            return Ok((bytes, line.leaf));
        }
        let damaged = || ReadError::Damaged { seq, source: None };
        if self.in_memory(seq)?.is_some() {
            return Err(damaged());
        }
        // Where it lies is derived, and that may be wrong where the line is not.
        let tile = self.load(seq / TILE_WIDTH, true);
        let line = match tile {
            Ok(tile) => tile.line(seq).ok_or_else(damaged)?,
            Err(ReadError::DamagedTile { .. }) => return Err(damaged()),
            Err(error) => return Err(error),
        };
        let bytes = line.read()?.ok_or_else(damaged)?;
        Ok((bytes, line.leaf))
    }

    /// Leaf hash of an entry.
    pub fn leaf(&self, seq: u64) -> Result<Hash, ReadError> {
        let tail = {
            let state = self.state();
            let at = seq.checked_sub(state.tree.size() - state.tree.tail().len() as u64);
            at.and_then(|at| state.tree.tail().get(usize::try_from(at).ok()?).copied())
        };
        match tail {
            Some(leaf) => Ok(leaf),
            None => Ok(self.find(seq)?.leaf),
        }
    }

    /// The root of a complete subtree.
    pub(super) fn complete(&self, start: u64, count: u64) -> Result<Hash, ReadError> {
        if let Some(root) = self.state().tree.complete(start, count) {
            return Ok(root);
        }
        let (tile, at) = (self.tile(start / TILE_WIDTH)?, start % TILE_WIDTH);
        let leaves = tile.leaves.get(at as usize..(at + count) as usize);
        leaves.map(fold).ok_or(ReadError::Beyond {
            seq: start.saturating_add(count),
            size: self.size(),
        })
    }
}
