//! Chain and tree alone, without form and without signatures: how fast the hashes of a log can
//! be followed. It says nothing about who wrote the log, so nobody is shown it as a verification.

use super::lines::{Chunk, body_of};
use super::{VerifyError, io_at};
use crate::layout::{Layout, LogFiles};
use crate::ordered::Ordered;
use crate::scan::LogLines;
use crate::tree::{Frontier, leaf_hash};
use schemas::Hash;
use std::path::Path;

/// What following the hashes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    pub size: u64,
    pub root: Hash,
    /// The first line that does not name the hash of the line before.
    pub broken_at: Option<u64>,
}

/// Follows the hashes of every line below a data directory.
pub fn follow_chain(dir: &Path) -> Result<Chain, VerifyError> {
    let layout = Layout::new(dir);
    let LogFiles { files, .. } = layout.log_files().map_err(io_at(&layout.log()))?;
    let (mut frontier, mut prev, mut broken_at) = (Frontier::default(), Hash::ZERO, None);
    for (_, path) in &files {
        let mut lines = LogLines::open(path).map_err(io_at(path))?;
        let (mut hashed, mut spare) = (Ordered::new(), Vec::<Chunk>::new());
        let (mut place, mut ended) = (0, false);
        loop {
            if !ended {
                let mut chunk = spare.pop().unwrap_or_default();
                ended = chunk
                    .fill(&mut lines, &mut place, |_| true)
                    .map_err(io_at(path))?;
                hashed.give(move || (hash(&chunk), chunk));
                if !hashed.is_full() {
                    continue;
                }
            }
            let Some((links, chunk)) = hashed.take() else {
                break;
            };
            for (named, leaf) in links {
                if named != Some(prev) {
                    broken_at.get_or_insert(frontier.size());
                }
                prev = leaf;
                frontier.push(leaf);
            }
            spare.push(chunk);
        }
    }
    Ok(Chain {
        size: frontier.size(),
        root: frontier.root(),
        broken_at,
    })
}

/// For each line the hash that it names and the one that it has.
fn hash(chunk: &Chunk) -> Vec<(Option<Hash>, Hash)> {
    let bodies = chunk.lines().map(|(_, line)| body_of(line));
    bodies
        .map(|body| (named_prev(body), leaf_hash(body)))
        .collect()
}

/// `prev` ends every body, so it can be read without reading the rest.
fn named_prev(body: &[u8]) -> Option<Hash> {
    let (start, hash) = body.strip_suffix(br#""}"#)?.split_last_chunk::<64>()?;
    if !start.ends_with(br#","prev":""#) {
        return None;
    }
    std::str::from_utf8(hash).ok()?.parse().ok()
}
