//! Making a commit durable, showing it to readers, and answering who waits for it.

mod file;

use super::{AppendError, Done, Receipt, stopped, stopped_by, stopped_with};
use crate::content::Sealed;
use crate::destroyed::Destroyed;
use crate::disk::Disk;
use crate::history::KeyHistory;
use crate::key_file::KeyFiles;
use crate::log_file::LogFile;
use crate::note::VerifierKey;
use crate::open::Options;
use crate::publish::Publisher;
use crate::reader::Shared;
use crate::signer::Signer;
use crate::{Checkpoint, line};
use file::ActiveFile;
use schemas::{Hash, Timestamp};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{JoinHandle, ThreadId};

/// An entry on its way to the disk.
pub struct Drafted {
    pub body: Vec<u8>,
    pub leaf: Hash,
}

/// The entries of one commit, in their places.
pub struct Batch {
    /// The place of the first.
    pub first: u64,
    pub drafted: Vec<Drafted>,
    pub sealed: Vec<Sealed>,
    /// Keys that the entries say are destroyed, by their places.
    pub destroyed: Vec<(u64, Destroyed)>,
    /// When the newest entry was placed.
    pub at: Timestamp,
    /// Signs the checkpoint over them.
    pub signer: Arc<dyn Signer>,
    /// The key that the last entry puts in force, if it does; `signer` is its then.
    pub successor: Option<VerifierKey>,
    /// What each request is told once the entries are durable.
    pub answers: Vec<(Done, Result<Vec<Receipt>, AppendError>)>,
}

impl Batch {
    pub fn answer(self, written: Result<(), AppendError>) {
        for (done, answer) in self.answers {
            done(match &written {
                Err(failed) if answer.is_ok() => Err(failed.clone()),
                _ => answer,
            });
        }
    }
}

/// What writes; one commit after the other.
pub struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    file_bytes: u64,
    publisher: Publisher,
    /// The file in use; `None` when the next commit begins a new one.
    file: Option<ActiveFile>,
    /// The file that the last commit found full: the place of its first entry, and of the first
    /// that stands in the next file.
    pub full: Option<(u64, u64)>,
}

impl Writer {
    pub fn open(
        shared: Arc<Shared>,
        publisher: Publisher,
        options: &Options,
    ) -> Result<Writer, crate::OpenError> {
        let (disk, file_bytes) = (Arc::clone(&options.disk), options.file_bytes);
        let no_file = |path: &std::path::Path, source| crate::OpenError::Io {
            path: path.display().to_string(),
            source,
        };
        let file = match shared.state().files.last() {
            Some(last) => {
                let reopened = ActiveFile::reopen(last, &*disk);
                reopened.map_err(|source| no_file(&last.path, source))?
            }
            None => None,
        };
        // Left by a commit that nobody was told about, before its file had a name.
        let unnamed = shared.layout.log().join("new");
        crate::disk::remove_if_there(&*disk, &unnamed)
            .map_err(|source| no_file(&unnamed, source))?;
        Ok(Writer {
            shared,
            disk,
            file_bytes,
            publisher,
            file,
            full: None,
        })
    }

    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a commit and answers who waits for it.
    pub fn write(&mut self, batch: Batch, signatures: &[[u8; 64]]) {
        let written = match self.shared.stopped() {
            Some(stopped) => Err(stopped),
            None => {
                let written = self.make_durable(&batch, signatures);
                written.map_err(|error| self.shared.stop(error))
            }
        };
        batch.answer(written);
    }

    fn make_durable(&mut self, batch: &Batch, signatures: &[[u8; 64]]) -> Result<(), AppendError> {
        if batch.drafted.is_empty() {
            return Ok(());
        }
        self.shared
            .content
            .store(batch.sealed.iter())
            .map_err(|error| stopped_with(&error))?;

        let drafted = &batch.drafted;
        let mut lines = Vec::with_capacity(drafted.iter().map(|d| d.body.len() + 96).sum());
        let mut offsets = Vec::with_capacity(drafted.len());
        for (drafted, signature) in drafted.iter().zip(signatures) {
            offsets.push(lines.len() as u64);
            line::write(&drafted.body, signature, &mut lines);
        }
        if self
            .file
            .as_ref()
            .is_some_and(|file| file.len >= self.file_bytes)
        {
            self.seal(batch.first)?;
        }
        let (start, begun) = self.append(batch.first, &lines)?;
        self.check_durable(start, &lines, drafted, &offsets)?;
        if let Some(successor) = &batch.successor {
            self.succeed(successor, batch.first + drafted.len() as u64 - 1)?;
        }
        self.show(batch, begun, start, &offsets, lines.len() as u64)
    }

    /// The entry at `seq`, which is durable, names the next key.
    fn succeed(&self, successor: &VerifierKey, seq: u64) -> Result<(), AppendError> {
        let layout = &self.shared.layout;
        // From here on the old key is nowhere: nothing may be signed with it any more.
        KeyFiles(layout, &*self.disk)
            .promote_next()
            .map_err(|error| stopped_by("renaming", &layout.next_log_key(), &error))?;
        let mut state = self.shared.state_mut();
        let mut keys = KeyHistory::clone(&state.keys);
        keys.rotate(seq, successor.clone());
        state.keys = Arc::new(keys);
        Ok(())
    }

    /// Shows readers what is durable now, under a fresh checkpoint.
    fn show(
        &self,
        batch: &Batch,
        begun: Option<LogFile>,
        start: u64,
        offsets: &[u64],
        len: u64,
    ) -> Result<(), AppendError> {
        // First: nobody sees a certificate and opens what it says is gone.
        let destroyed = batch.destroyed.iter().map(|(_, key)| *key);
        self.shared.content.are_destroyed(destroyed);
        let mut state = self.shared.state_mut();
        state.files.extend(begun);
        for drafted in &batch.drafted {
            state.tree.push(drafted.leaf);
        }
        let file = state.files.last_mut().expect("a commit has a file");
        let ends = offsets.iter().skip(1).chain([&len]);
        for (drafted, end) in batch.drafted.iter().zip(ends) {
            file.push(drafted.leaf, start + end);
        }
        state.leaf = batch.drafted.last().map_or(state.leaf, |last| last.leaf);
        state.destroyed.extend(&batch.destroyed);
        state.at = batch.at;
        let checkpoint = Checkpoint {
            origin: self.shared.origin.to_string(),
            size: state.tree.size(),
            root: state.tree.root(),
        };
        // Without it the entries are there, and not yet under a checkpoint.
        let note = checkpoint.signed_by(&*batch.signer);
        let note: Arc<str> = note.map_err(|error| stopped(&error.to_string()))?.into();
        state.note = Arc::clone(&note);
        drop(state);
        self.publisher.publish(note);
        *self
            .shared
            .size
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = checkpoint.size;
        self.shared.grown.notify_all();
        Ok(())
    }
}

type Job = (Writer, Batch, Vec<[u8; 64]>);

/// A thread that borrows the writer for one commit at a time, and gives it back.
pub struct WriterThread {
    jobs: Option<SyncSender<Job>>,
    back: Receiver<Writer>,
    id: ThreadId,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    pub fn start(shared: Arc<Shared>) -> io::Result<WriterThread> {
        let (jobs, handed_over) = sync_channel::<Job>(1);
        let (give_back, back) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                for (mut writer, batch, signatures) in handed_over {
                    let write = AssertUnwindSafe(move || {
                        writer.write(batch, &signatures);
                        writer
                    });
                    // A panic in here ends the writing as a failed disk does.
                    let Ok(writer) = catch_unwind(write) else {
                        shared.stop(stopped(super::commit::ENDED));
                        return;
                    };
                    if give_back.send(writer).is_err() {
                        return;
                    }
                }
            })?;
        Ok(WriterThread {
            jobs: Some(jobs),
            back,
            id: thread.thread().id(),
            thread: Some(thread),
        })
    }

    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Where the thread has ended by a panic the batch is dropped, and who waits for it is told so.
    pub fn hand_over(&self, writer: Writer, batch: Batch, signatures: Vec<[u8; 64]>) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send((writer, batch, signatures));
        }
    }

    /// The writer, when its commit is done. `None`: the thread has ended, and the writer with it.
    pub fn wait(&self) -> Option<Writer> {
        self.back.recv().ok()
    }
}

impl Drop for WriterThread {
    /// Waits for the commit under way.
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
