//! The newest checkpoint as a file, kept current without delaying an append.

use crate::disk::{self, Disk};
use crate::layout::Layout;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Under load the file is at most this old. What lies beyond it is held by chain and
/// signatures, and by every checkpoint that went elsewhere.
const INTERVAL: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Wanted {
    note: Option<Arc<str>>,
    stop: bool,
}

/// A thread that writes the last note it was given.
pub struct Publisher {
    shared: Arc<(Mutex<Wanted>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    pub fn start(layout: Layout, disk: Arc<dyn Disk>) -> io::Result<Publisher> {
        let shared: Arc<(Mutex<Wanted>, Condvar)> = Arc::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || run(&layout, &*disk, &theirs))?;
        Ok(Publisher {
            shared,
            thread: Some(thread),
        })
    }

    pub fn publish(&self, note: Arc<str>) {
        let (wanted, changed) = &*self.shared;
        let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        // One that waits for its time needs no waking to find a newer note then.
        if wanted.note.replace(note).is_none() {
            changed.notify_one();
        }
    }
}

impl Drop for Publisher {
    /// Writes the last note before it ends.
    fn drop(&mut self) {
        let (wanted, changed) = &*self.shared;
        wanted.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(layout: &Layout, disk: &dyn Disk, (wanted, changed): &(Mutex<Wanted>, Condvar)) {
    let mut last: Option<Instant> = None;
    loop {
        let mut guard = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        while guard.note.is_none() && !guard.stop {
            guard = changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(early) = last.and_then(|last| INTERVAL.checked_sub(last.elapsed())) {
            let waited = changed.wait_timeout_while(guard, early, |wanted| !wanted.stop);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let (note, stop) = (guard.note.take(), guard.stop);
        drop(guard);
        if let Some(note) = note {
            // A failure leaves the older checkpoint, which stays true.
            if let Err(error) = replace(layout, disk, &note) {
                tracing::error!(path = %layout.checkpoint().display(), %error, "the checkpoint could not be written");
            }
            last = Some(Instant::now());
        }
        if stop {
            return;
        }
    }
}

/// Replaces the checkpoint file whole, durably.
pub fn replace(layout: &Layout, disk: &dyn Disk, note: &str) -> io::Result<()> {
    disk::replace(disk, &layout.checkpoint(), note.as_bytes(), false)?;
    disk.sync_dir(layout.dir())
}
