//! Outlines of full files, written beside the appending and never in its way.

use crate::ids::Taken;
use crate::outline::{self, FullFile, OutlinedIds};
use crate::reader::{Reader, Shared};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

/// Files that are outlined after the appending has ended. The others are the next start's.
const LAST: usize = 16;

/// A thread that outlines one file after the other.
pub struct Outliner {
    files: Option<Sender<(u64, Arc<Taken>)>>,
    done: Receiver<OutlinedIds>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Outliner {
    pub fn start(shared: Arc<Shared>) -> io::Result<Outliner> {
        let (files, waiting) = channel::<(u64, Arc<Taken>)>();
        let (finished, done) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("outliner".to_owned())
            .spawn(move || {
                let reader = Reader { shared };
                let mut last = 0;
                for (first_seq, ids) in waiting {
                    if stopped.load(Ordering::Relaxed) {
                        last += 1;
                        if last > LAST {
                            return;
                        }
                    }
                    match outline(&reader, first_seq, &ids) {
                        Ok(outlined) => drop(finished.send(outlined)),
                        // The next start reads the file then.
                        Err(error) => tracing::debug!(first_seq, %error, "no outline was written"),
                    }
                }
            })?;
        Ok(Outliner {
            files: Some(files),
            done,
            stop,
            thread: Some(thread),
        })
    }

    /// Has a full file outlined.
    pub fn outline(&self, first_seq: u64, ids: Arc<Taken>) {
        if let Some(files) = &self.files {
            let _ = files.send((first_seq, ids));
        }
    }

    /// What was outlined since this was last asked.
    pub fn done(&self) -> impl Iterator<Item = OutlinedIds> {
        self.done.try_iter()
    }
}

impl Drop for Outliner {
    /// Waits for what can be done in a moment.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.files.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A file in which the key was rotated has no outline: every start reads such a line, and checks
/// who signed it.
fn outline(reader: &Reader, first_seq: u64, ids: &Taken) -> io::Result<OutlinedIds> {
    let (path, offsets, end, prev, leaves, destroyed) = {
        let state = reader
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let file = state.files.iter().find(|file| file.first_seq == first_seq);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let count = file.offsets.len() as u64;
        let leaves = (first_seq..first_seq + count).map_while(|seq| state.tree.leaf(seq));
        let leaves: Vec<_> = leaves.collect();
        let prev = first_seq
            .checked_sub(1)
            .and_then(|seq| state.tree.leaf(seq));
        let within = |(seq, _): &&(u64, _)| (first_seq..first_seq + count).contains(seq);
        let destroyed: Vec<_> = state.destroyed.iter().filter(within).copied().collect();
        (
            file.path.clone(),
            file.offsets.clone(),
            file.end,
            prev.unwrap_or_default(),
            leaves,
            destroyed,
        )
    };
    let after = first_seq + leaves.len() as u64;
    if reader
        .keys()
        .iter()
        .any(|(first, _)| first > first_seq && first <= after)
    {
        return Err(io::Error::other("the key was rotated in it"));
    }
    let at = |seq| reader.entry(seq).map(|e| e.at()).map_err(io::Error::other);
    let full = FullFile {
        path: &path,
        first_seq,
        prev,
        first_at: at(first_seq)?,
        last_at: at(first_seq + leaves.len() as u64 - 1)?,
        leaves: &leaves,
        offsets: &offsets,
        end,
        destroyed: &destroyed,
        ids,
    };
    outline::write(reader.layout(), &full)
}
