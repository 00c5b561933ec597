use super::OpenError;
use crate::destroyed::{Destroyed, may_destroy};
use crate::entry::Entry;
use crate::history::{KeyHistory, may_rotate};
use crate::ids::Ids;
use crate::layout::Layout;
use crate::log_file::LogFile;
use crate::ordered::Ordered;
use crate::outline::{self, Outline};
use crate::scan::{LogLines, Piece, skim};
use crate::tree::{Tiles, leaf_hash};
use schemas::kinds::ledger::LedgerRecovered;
use schemas::{Data, Hash, Label, Timestamp};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Walks the files in order and follows the chain.
pub(super) struct Walk {
    pub keys: KeyHistory,
    pub tree: Tiles,
    pub files: Vec<LogFile>,
    pub ids: Ids,
    pub at: Timestamp,
    /// Keys that entries say are destroyed.
    pub destroyed: Vec<(u64, Destroyed)>,
    /// Leaf hash of the newest entry.
    pub prev: Hash,
    pub torn: Option<LedgerRecovered>,
}

impl Walk {
    /// Full files are taken from their outlines, all others are read. The last is always read: it
    /// holds what no checkpoint may cover yet.
    pub fn over(
        layout: &Layout,
        keys: KeyHistory,
        files: Vec<(u64, PathBuf)>,
        covered: u64,
    ) -> Result<Walk, OpenError> {
        let mut walk = Walk {
            keys,
            tree: Tiles::default(),
            files: Vec::new(),
            ids: Ids::new(layout.clone()),
            at: Timestamp::default(),
            destroyed: Vec::new(),
            prev: Hash::ZERO,
            torn: None,
        };
        let last = files.len().saturating_sub(1);
        let mut full = files[..last].iter().cloned();
        let mut outlines = Ordered::new();
        for (i, (first_seq, path)) in files.iter().enumerate() {
            while !outlines.is_full()
                && let Some((first_seq, path)) = full.next()
            {
                let layout = layout.clone();
                outlines.give(move || outline::read(&layout, first_seq, &path));
            }
            match outlines.take().flatten() {
                Some(outline) if walk.fits(*first_seq, &outline) => {
                    walk.outlined(*first_seq, path, outline)?;
                }
                _ => {
                    let next = files.get(i + 1).map(|(_, path)| path.as_path());
                    walk.file(layout, *first_seq, path, next, covered)?;
                    if next.is_some() {
                        walk.ids.end_file(*first_seq, walk.tree.size());
                    }
                }
            }
        }
        Ok(walk)
    }

    /// A torn tail is accounted for by the first entry after it, so that one is read.
    fn fits(&self, first_seq: u64, outline: &Outline) -> bool {
        self.torn.is_none()
            && first_seq == self.tree.size()
            && outline.prev == self.prev
            && outline.first_at >= self.at
    }

    fn outlined(&mut self, first_seq: u64, path: &Path, outline: Outline) -> Result<(), OpenError> {
        let file = File::open(path).map_err(|source| OpenError::Io {
            path: path.display().to_string(),
            source,
        })?;
        self.files
            .push(LogFile::outlined(first_seq, path, file, &outline));
        self.tree.go_on(&outline.roots, &outline.tail);
        (self.at, self.prev) = (outline.last_at, outline.last);
        self.destroyed.extend(outline.destroyed);
        self.ids.push_outlined(outline.ids);
        Ok(())
    }

    /// Walks the file that begins at `first_seq`. In the last file a hole ends the entries,
    /// unless the checkpoint on disk covers them: then they were durable.
    fn file(
        &mut self,
        layout: &Layout,
        first_seq: u64,
        path: &Path,
        next: Option<&Path>,
        covered: u64,
    ) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            path: path.display().to_string(),
            source,
        };
        let shown = layout.shown(path);
        let damaged = |seq, offset, check| OpenError::Damaged {
            seq,
            file: shown.clone(),
            offset,
            check,
        };
        let mut seq = self.tree.size();
        if first_seq != seq {
            return Err(damaged(
                seq,
                0,
                "the file's name is not the position of its first entry",
            ));
        }
        // A tail was left by a crash and the next start has said so: the entry that begins
        // this file must be that statement.
        let unanswered = self.torn.take();
        let mut file = LogFile::begun(first_seq, path, File::open(path).map_err(io)?);
        let mut lines = LogLines::open_before(path, &shown, next).map_err(io)?;
        let durable = |seq| next.is_some() || seq < covered;
        while let Some(piece) = lines.next_of_commit(durable(seq)).map_err(io)? {
            let (offset, line) = match piece {
                Piece::Line { offset, line } => (offset, line),
                Piece::Tail {
                    offset,
                    len,
                    sha256,
                } => {
                    self.torn = Some(LedgerRecovered {
                        file: Label::lossy(&shown),
                        offset,
                        tail_bytes: len,
                        tail_sha256: sha256,
                    });
                    break;
                }
            };
            let (body, signature, skimmed) = skim(line)
                .map_err(|_| damaged(seq, offset, "the line is not an entry of this format"))?;
            if skimmed.seq != seq {
                return Err(damaged(seq, offset, "its seq is not its position"));
            }
            if skimmed.prev != self.prev {
                return Err(damaged(
                    seq,
                    offset,
                    "its prev is not the hash of the entry before it",
                ));
            }
            if skimmed.at < self.at {
                return Err(damaged(seq, offset, "its time runs back"));
            }
            let leaf = leaf_hash(body);
            if let (Some(torn), true) = (&unanswered, seq == first_seq) {
                let entry = Entry::from_durable(body, signature);
                if !entry.is_ok_and(|e| e.data() == &Data::LedgerRecovered(torn.clone())) {
                    return Err(damaged(
                        seq,
                        offset,
                        "the file before it has a torn tail that it does not account for",
                    ));
                }
            }
            let unread = |_| damaged(seq, offset, "the body is not one of this format");
            // Whoever could put in a key of their own could sign the checkpoint that all else
            // rests on, so this signature is always checked.
            if may_rotate(line) {
                let unfit = |_| damaged(seq, offset, "it does not name the next key soundly");
                let entry = Entry::from_durable(body, signature).map_err(unread)?;
                self.keys.follow(&entry).map_err(unfit)?;
            }
            // One that is passed over would leave its key to open what it seals.
            if may_destroy(line) {
                let entry = Entry::from_durable(body, signature).map_err(unread)?;
                let destroyed = Destroyed::by(entry.data());
                self.destroyed.extend(destroyed.map(|key| (seq, key)));
            }
            if self.ids.find(&skimmed.id).map_err(io)?.is_some() {
                return Err(damaged(seq, offset, "its id was used before"));
            }
            self.ids.insert(skimmed.id, seq);
            self.tree.push(leaf);
            (self.at, self.prev) = (skimmed.at, leaf);
            file.push(leaf, offset + line.len() as u64 + 1);
            seq += 1;
        }
        if file.is_empty() {
            // A file gets its name only when its first commit is durable in it.
            return Err(damaged(seq, 0, "the file holds no whole entry"));
        }
        if next.is_some() {
            file.forget_rows();
        }
        self.files.push(file);
        Ok(())
    }
}
