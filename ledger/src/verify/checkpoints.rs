//! Checkpoints held against the tree, at the size that each promises.

use super::keys::Keys;
use super::{Check, CheckedCheckpoint, Finding, Found, VerifyError, io_at};
use crate::Checkpoint;
use crate::checkpoint::{CHECKPOINT_REACH, CheckpointError};
use crate::layout::Layout;
use crate::note::Note;
use crate::tree::Frontier;
use schemas::Hash;
use schemas::kinds::ledger::LedgerCheckpoint;
use std::collections::VecDeque;

/// The tree is remembered as it was after every so many leaves, and the newest leaves with it:
/// enough to know its root at any size that a checkpoint entry may state.
const STEP: u64 = 1_024;
const STEPS: usize = (CHECKPOINT_REACH / STEP) as usize + 1;

/// All checkpoints to keep, and what of them has been seen.
pub struct Promises {
    /// By the size that each claims, smallest first: which key is to have signed it shows there.
    waiting: VecDeque<Waiting>,
    /// The largest size among them.
    pub largest: u64,
    checked: Vec<CheckedCheckpoint>,
    wrong: Vec<Finding>,
    steps: VecDeque<Frontier>,
    /// The leaves from the oldest step on.
    recent: VecDeque<Hash>,
}

struct Waiting {
    source: String,
    note: Vec<u8>,
    /// What it says, whoever signed it.
    claimed: Checkpoint,
}

impl Promises {
    /// The ledger's own checkpoints, and the notes given.
    pub fn collect(
        layout: &Layout,
        mut notes: Vec<(String, Vec<u8>)>,
        keys: &mut Keys,
        found: &mut Found,
    ) -> Result<Promises, VerifyError> {
        let own = layout.checkpoint();
        match std::fs::read(&own) {
            Ok(note) => notes.push((layout.shown(&own), note)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let expected = "a signed checkpoint of this log".to_owned();
                found.push(finding(
                    layout.shown(&own),
                    Check::Checkpoint,
                    expected,
                    "no such file".to_owned(),
                ));
            }
            Err(error) => return Err(io_at(&own)(error)),
        }
        let cosigned = layout.cosigned();
        match std::fs::read(&cosigned) {
            Ok(note) => notes.push((layout.shown(&cosigned), note)),
            // Not every log has witnesses.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_at(&cosigned)(error)),
        }
        let mut waiting = Vec::new();
        for (source, note) in notes {
            let claimed = Note::parse(&note).map_err(CheckpointError::Note);
            match claimed.and_then(|note| Checkpoint::parse(note.unverified_text())) {
                Ok(claimed) => waiting.push(Waiting {
                    source,
                    note,
                    claimed,
                }),
                Err(error) => found.push(unsigned(source, error.to_string())),
            }
        }
        waiting.sort_by_key(|waiting: &Waiting| waiting.claimed.size);
        let mut promises = Promises {
            largest: waiting.last().map_or(0, |waiting| waiting.claimed.size),
            waiting: waiting.into(),
            checked: Vec::new(),
            wrong: Vec::new(),
            steps: VecDeque::from([Frontier::default()]),
            recent: VecDeque::new(),
        };
        promises.settle(&Frontier::default(), keys);
        Ok(promises)
    }

    /// Called after every entry with the tree so far.
    pub fn pass(&mut self, frontier: &Frontier, leaf: Hash, keys: &mut Keys) {
        self.recent.push_back(leaf);
        if frontier.size().is_multiple_of(STEP) {
            self.steps.push_back(frontier.clone());
            if self.steps.len() > STEPS + 1 {
                self.steps.pop_front();
                self.recent.drain(..STEP as usize);
            }
        }
        self.settle(frontier, keys);
    }

    /// Holds the checkpoints of this size against the tree.
    fn settle(&mut self, frontier: &Frontier, keys: &mut Keys) {
        while self
            .waiting
            .front()
            .is_some_and(|waiting| waiting.claimed.size <= frontier.size())
        {
            let Some(Waiting { source, note, .. }) = self.waiting.pop_front() else {
                break;
            };
            let checkpoint = match keys.open(&note, false) {
                Ok(checkpoint) => checkpoint,
                Err(reason) => {
                    self.wrong.push(unsigned(source, reason));
                    continue;
                }
            };
            let root = frontier.root();
            let kept = checkpoint.size == frontier.size() && checkpoint.root == root;
            if kept {
                keys.has_signed(checkpoint.size);
            } else {
                let expected = format!(
                    "root {} over the first {} entries",
                    checkpoint.root, checkpoint.size
                );
                self.wrong.push(finding(
                    source.clone(),
                    Check::Root,
                    expected,
                    root.to_string(),
                ));
            }
            self.checked.push(CheckedCheckpoint {
                source,
                size: checkpoint.size,
                kept,
            });
        }
    }

    /// Checks a `ledger.checkpoint` entry, given the tree before it.
    pub fn check_entry(
        &self,
        frontier: &Frontier,
        entry: &LedgerCheckpoint,
        keys: &Keys,
        mut wrong: impl FnMut(Check, String, String),
    ) {
        if entry.size > frontier.size() {
            return wrong(
                Check::Size,
                format!("at most {}", frontier.size()),
                entry.size.to_string(),
            );
        }
        let Some(root) = self.root_at(frontier, entry.size) else {
            let oldest = frontier.size().saturating_sub(CHECKPOINT_REACH);
            return wrong(
                Check::Size,
                format!("at least {oldest}"),
                entry.size.to_string(),
            );
        };
        if root != entry.root {
            return wrong(Check::Root, root.to_string(), entry.root.to_string());
        }
        let Some(key) = keys.at(entry.size) else {
            return;
        };
        let checkpoint = Checkpoint {
            origin: key.name().to_owned(),
            size: entry.size,
            root: entry.root,
        };
        let note = format!(
            "{}\n— {} {}\n",
            checkpoint.to_text(),
            key.name(),
            entry.signature
        );
        if Checkpoint::open(note.as_bytes(), key).is_err() {
            let expected =
                "the signature over this checkpoint of the key in force at its size".to_owned();
            wrong(
                Check::Checkpoint,
                expected,
                "one that does not hold".to_owned(),
            );
        }
    }

    /// The root at a size that a checkpoint entry may state.
    fn root_at(&self, frontier: &Frontier, size: u64) -> Option<Hash> {
        let oldest = frontier.size().saturating_sub(CHECKPOINT_REACH);
        if size == frontier.size() {
            return Some(frontier.root());
        }
        let step = self.steps.partition_point(|step| step.size() <= size);
        let mut then = self.steps.get(step.checked_sub(1)?)?.clone();
        let first = self.steps.front()?.size();
        let leaves = (then.size() - first) as usize..(size - first) as usize;
        if size < oldest || leaves.end > self.recent.len() {
            return None;
        }
        self.recent.range(leaves).for_each(|leaf| then.push(*leaf));
        Some(then.root())
    }

    /// What is left promises more than the log holds.
    pub fn conclude(
        mut self,
        frontier: &Frontier,
        keys: &Keys,
        found: &mut Found,
    ) -> Vec<CheckedCheckpoint> {
        self.wrong
            .into_iter()
            .for_each(|finding| found.push(finding));
        for Waiting {
            source,
            note,
            claimed,
        } in self.waiting
        {
            let checkpoint = match keys.open(&note, true) {
                Ok(checkpoint) => checkpoint,
                Err(reason) => {
                    // A key that went missing with the entries cannot be told from a stranger's.
                    let ours = keys
                        .newest()
                        .is_some_and(|key| key.name() == claimed.origin);
                    let older = format!(
                        "{reason}; it promises {} entries, this copy holds {}: the copy may be older than a rotation, which the newest key of the log, if it is given, shows",
                        claimed.size,
                        frontier.size()
                    );
                    found.push(unsigned(source, if ours { older } else { reason }));
                    continue;
                }
            };
            let lost = checkpoint.size - frontier.size();
            found.push(finding(
                source.clone(),
                Check::Size,
                format!("{} entries, as the checkpoint promises", checkpoint.size),
                format!("{}: this copy has lost {lost}", frontier.size()),
            ));
            self.checked.push(CheckedCheckpoint {
                source,
                size: checkpoint.size,
                kept: false,
            });
        }
        self.checked
    }
}

fn unsigned(source: String, reason: String) -> Finding {
    let expected = "a checkpoint signed by the log's key in force at its size".to_owned();
    finding(source, Check::Checkpoint, expected, reason)
}

fn finding(file: String, check: Check, expected: String, found: String) -> Finding {
    Finding {
        check,
        seq: None,
        file,
        offset: None,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, leaf_hash};
    use crate::verify::Trust;

    #[test]
    fn the_root_is_known_at_every_size_that_an_entry_may_state_and_at_no_other() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let layout = Layout::new(dir.path());
        let mut keys = Keys::founded(None, &Trust::default());
        let mut promises = Promises::collect(&layout, Vec::new(), &mut keys, &mut Found::default())
            .expect("nothing to read");
        let (mut tree, mut frontier) = (Tree::default(), Frontier::default());
        for i in 0..140_000_u64 {
            let leaf = leaf_hash(&i.to_be_bytes());
            tree.push(leaf);
            frontier.push(leaf);
            promises.pass(&frontier, leaf, &mut keys);
            let size = i + 1;
            if size < 70 || size % 13_337 == 0 || [65_535, 65_536, 65_537, 66_561].contains(&size) {
                let oldest = size.saturating_sub(CHECKPOINT_REACH);
                for asked in [0, 1, size / 2, size - 1, size, size + 1]
                    .into_iter()
                    .chain(oldest.saturating_sub(2)..oldest + 2)
                {
                    let root = tree.root_at(asked).ok().filter(|_| asked >= oldest);
                    assert_eq!(
                        promises.root_at(&frontier, asked),
                        root,
                        "{asked} of {size}"
                    );
                }
            }
        }
        assert!(
            promises.recent.len() < 70_000,
            "memory does not grow with the log"
        );
    }
}
