use super::OpenError;
use crate::entry::Entry;
use crate::history::{KeyHistory, may_rotate};
use crate::layout::Layout;
use crate::reader::LogFile;
use crate::scan::{LogLines, Piece, skim};
use crate::tree::{Tree, leaf_hash};
use schemas::kinds::ledger::LedgerRecovered;
use schemas::{Data, EventId, Hash, Label, Timestamp};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Walks the files in order and follows the chain.
pub(super) struct Walk {
    pub keys: KeyHistory,
    pub tree: Tree,
    pub files: Vec<LogFile>,
    pub ids: HashMap<EventId, u64>,
    pub at: Timestamp,
    prev: Hash,
    pub torn: Option<LedgerRecovered>,
}

impl Walk {
    pub fn under(keys: KeyHistory) -> Walk {
        Walk {
            keys,
            tree: Tree::default(),
            files: Vec::new(),
            ids: HashMap::new(),
            at: Timestamp::default(),
            prev: Hash::ZERO,
            torn: None,
        }
    }

    /// Walks the file that begins at `first_seq`. In the last file a hole ends the entries,
    /// unless the checkpoint on disk covers them: then they were durable.
    pub fn file(
        &mut self,
        layout: &Layout,
        first_seq: u64,
        path: PathBuf,
        next: Option<&Path>,
        covered: u64,
    ) -> Result<(), OpenError> {
        let io = |source| OpenError::Io {
            path: path.display().to_string(),
            source,
        };
        let shown = layout.shown(&path);
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
        let mut file = LogFile {
            first_seq,
            file: Arc::new(File::open(&path).map_err(io)?),
            path: path.clone(),
            offsets: Vec::new(),
            end: 0,
        };
        let mut lines = LogLines::open_before(&path, &shown, next).map_err(io)?;
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
            // Whoever could put in a key of their own could sign the checkpoint that all else
            // rests on, so this signature is always checked.
            if may_rotate(line) {
                let unfit = |_| damaged(seq, offset, "it does not name the next key soundly");
                let entry = Entry::from_durable(body, signature)
                    .map_err(|_| damaged(seq, offset, "the body is not one of this format"))?;
                self.keys.follow(&entry).map_err(unfit)?;
            }
            if self.ids.insert(skimmed.id, seq).is_some() {
                return Err(damaged(seq, offset, "its id was used before"));
            }
            self.tree.push(leaf);
            (self.at, self.prev) = (skimmed.at, leaf);
            file.offsets.push(offset);
            file.end = offset + line.len() as u64 + 1;
            seq += 1;
        }
        if file.offsets.is_empty() {
            // A file gets its name only when its first commit is durable in it.
            return Err(damaged(seq, 0, "the file holds no whole entry"));
        }
        self.files.push(file);
        Ok(())
    }
}
