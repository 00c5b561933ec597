//! Outlines of full files, written beside the appending and never in its way.

use crate::ids::Taken;
use crate::outline::{self, FullFile, OutlinedIds};
use crate::reader::{Reader, Shared};
use crate::rows::Rows;
use crate::tree::TILE_WIDTH;
use schemas::Hash;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
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
                        // The next start reads the file then, and so does who looks up an entry.
                        Err(error) => {
                            tracing::debug!(first_seq, %error, "no outline was written");
                            if let Some(file) = reader.shared.state_mut().file_mut(first_seq) {
                                file.forget_rows();
                            }
                        }
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
    let (path, starts, after, held) = {
        let state = reader.state();
        let file = state.file_of(first_seq);
        let file = file.filter(|file| file.first_seq == first_seq);
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        let starts = file.starts().to_vec();
        (
            file.path.clone(),
            starts,
            file.after(),
            file.rows().cloned(),
        )
    };
    let rotated = |(first, _)| first > first_seq && first <= after;
    if reader.keys().iter().any(rotated) {
        return Err(io::Error::other("the key was rotated in it"));
    }
    let (begun, ended) = (first_seq / TILE_WIDTH, after / TILE_WIDTH);
    let rows = match held {
        Some(rows) => rows,
        None => {
            let mut rows = Rows::begun(0);
            for tile in begun..after.div_ceil(TILE_WIDTH) {
                let tile = reader.tile(tile).map_err(io::Error::other)?;
                let part = tile.of_file(&path).ok_or(io::ErrorKind::NotFound)?;
                rows.append(part.clone());
            }
            rows
        }
    };
    let leaf = |seq| reader.leaf(seq).map_err(io::Error::other);
    let at = |seq| reader.entry(seq).map(|e| e.at()).map_err(io::Error::other);
    let prev = first_seq.checked_sub(1).map(leaf).transpose()?;
    let tail = (ended * TILE_WIDTH..after).map(leaf);
    let tail: Vec<Hash> = tail.collect::<io::Result<_>>()?;
    let state = reader.state();
    let roots = (begun..ended).map(|tile| state.tree.complete(tile * TILE_WIDTH, TILE_WIDTH));
    let roots: Option<Vec<Hash>> = roots.collect();
    let within = |(seq, _): &&(u64, _)| (first_seq..after).contains(seq);
    let destroyed: Vec<_> = state.destroyed.iter().filter(within).copied().collect();
    drop(state);
    let full = FullFile {
        path: &path,
        first_seq,
        prev: prev.unwrap_or_default(),
        first_at: at(first_seq)?,
        last_at: at(after - 1)?,
        rows: &rows,
        roots: &roots.ok_or(io::ErrorKind::NotFound)?,
        tail: &tail,
        starts: &starts,
        destroyed: &destroyed,
        ids,
    };
    let (ids, rows_at) = outline::write(reader.layout(), &full)?;
    if let Some(file) = reader.shared.state_mut().file_mut(first_seq) {
        file.has_outline(&ids.path, rows_at);
    }
    Ok(ids)
}
