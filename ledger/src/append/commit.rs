mod file;
mod place;

use super::outliner::Outliner;
use super::{AppendError, Receipt, Request, stopped, stopped_by, stopped_with};
use crate::content::Sealed;
use crate::history::KeyHistory;
use crate::ids::Ids;
use crate::key_file::{HeldKey, KeyFiles};
use crate::open::Options;
use crate::publish::Publisher;
use crate::reader::{LogFile, Shared};
use crate::{Checkpoint, line, signature};
use file::ActiveFile;
use schemas::{Hash, Timestamp};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One fdatasync of more than this takes disproportionately long on a growing file.
const COMMIT_BYTES: usize = 256 << 10;

/// Handing fewer signatures than this to another thread costs more than it saves.
const SIGNED_TOGETHER: usize = 16;

/// The one thread that writes.
pub struct Committer {
    shared: Arc<Shared>,
    key: HeldKey,
    ids: Ids,
    options: Options,
    publisher: Publisher,
    outliner: Outliner,
    /// The file in use; `None` when the next commit begins a new one.
    file: Option<ActiveFile>,
    newest: Timestamp,
    prev: Hash,
}

/// An entry on its way to the disk.
struct Drafted {
    body: Vec<u8>,
    leaf: Hash,
}

/// What a commit will do: entries to write, and what each request is told afterwards.
#[derive(Default)]
struct Plan {
    drafted: Vec<Drafted>,
    sealed: Vec<Sealed>,
    answers: Vec<(super::Done, Result<Vec<Receipt>, AppendError>)>,
    /// The key that the last entry puts in force: a rotation ends its commit, so that the
    /// commit's checkpoint is the first thing that the new key signs.
    successor: Option<Box<HeldKey>>,
    bytes: usize,
}

impl Committer {
    pub fn new(
        shared: Arc<Shared>,
        key: HeldKey,
        mut ids: Ids,
        options: Options,
        (publisher, outliner): (Publisher, Outliner),
        new_file: bool,
    ) -> Result<Committer, crate::OpenError> {
        let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
        let size = state.tree.size();
        let prev = size
            .checked_sub(1)
            .and_then(|seq| state.tree.leaf(seq))
            .unwrap_or(Hash::ZERO);
        let file = match state.files.last() {
            Some(last) => {
                ActiveFile::reopen(last, &*options.disk).map_err(|source| crate::OpenError::Io {
                    path: last.path.display().to_string(),
                    source,
                })?
            }
            None => None,
        };
        if let (None, Some(sealed)) = (&file, state.files.last()) {
            ids.end_file(sealed.first_seq, size);
        }
        // Left by a commit that nobody was told about, before its file had a name.
        let unnamed = shared.layout.log().join("new");
        match options.disk.remove(&unnamed) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(crate::OpenError::Io {
                    path: unnamed.display().to_string(),
                    source,
                });
            }
            _ => {}
        }
        let newest = state.at;
        publisher.publish(Arc::clone(&state.note));
        drop(state);
        for (first_seq, held) in ids.held() {
            outliner.outline(first_seq, held);
        }
        let mut committer = Committer {
            shared,
            key,
            ids,
            options,
            publisher,
            outliner,
            file,
            newest,
            prev,
        };
        if new_file {
            committer.seal(size)?;
        }
        Ok(committer)
    }

    pub fn run(mut self, queue: &Receiver<Request>) {
        while let Ok(first) = queue.recv() {
            let mut plan = Plan::default();
            let mut next = Some(first);
            while let Some(request) = next {
                self.plan(request, &mut plan);
                next = if plan.bytes < COMMIT_BYTES && plan.successor.is_none() {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            let failed = self.commit(&mut plan).err();
            let failed = failed.map(|error| self.shared.stop(error));
            for (done, answer) in plan.answers {
                done(match &failed {
                    Some(failed) if answer.is_ok() => Err(failed.clone()),
                    _ => answer,
                });
            }
        }
    }

    /// Gives a request its places in the log, in memory only.
    fn plan(&mut self, request: Request, plan: &mut Plan) {
        let Request {
            prepared,
            successor,
            guard,
            done,
        } = request;
        let ready = match (self.shared.stopped(), &successor, guard) {
            (Some(stopped), _, _) => Err(stopped),
            (None, Some(successor), _) => self.prepare_successor(successor),
            (None, None, Some(guard)) => self.ask(*guard, plan),
            (None, None, None) => Ok(()),
        };
        let answer = ready.and_then(|()| self.place(prepared, plan));
        if answer.is_ok() {
            plan.successor = successor;
        }
        plan.answers.push((done, answer));
    }

    /// Makes the next key durable, before an entry names it: what is in force can be found.
    fn prepare_successor(&self, successor: &HeldKey) -> Result<(), AppendError> {
        let refused = |fault: String, help: &str| AppendError::Refused {
            fault: fault.into(),
            help: help.into(),
        };
        let vkey = successor.file.verifier().to_string();
        self.keys().successor(&vkey).map_err(|fault| {
            let fault = format!("{vkey} cannot be the next key: {fault}");
            refused(fault, "name a new key of this log's origin")
        })?;
        let files = KeyFiles(&self.shared.layout, &*self.options.disk);
        files.write_next(&successor.file).map_err(|error| {
            let path = self.shared.layout.next_log_key();
            let fault = format!(
                "the next key cannot be written to {}: {error}",
                path.display()
            );
            refused(
                fault,
                "free space or see its permissions; the old key stays in force",
            )
        })
    }

    fn keys(&self) -> Arc<KeyHistory> {
        let state = self.shared.state.read();
        Arc::clone(&state.unwrap_or_else(PoisonError::into_inner).keys)
    }

    fn commit(&mut self, plan: &mut Plan) -> Result<(), AppendError> {
        if plan.drafted.is_empty() {
            return Ok(());
        }
        self.shared
            .content
            .store(plan.sealed.iter())
            .map_err(|error| stopped_with(&error))?;

        let signatures = self.sign(&plan.drafted)?;
        let mut lines = Vec::with_capacity(plan.drafted.iter().map(|d| d.body.len() + 96).sum());
        let mut offsets = Vec::with_capacity(plan.drafted.len());
        for (drafted, signature) in plan.drafted.iter().zip(&signatures) {
            offsets.push(lines.len() as u64);
            line::write(&drafted.body, signature, &mut lines);
        }

        let base = self
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tree
            .size();
        if self
            .file
            .as_ref()
            .is_some_and(|file| file.len >= self.options.file_bytes)
        {
            self.seal(base)?;
        }
        let (start, begun) = self.write(base, &lines)?;
        self.check_durable(start, &lines, plan, &offsets)?;
        if let Some(successor) = plan.successor.take() {
            self.succeed(*successor, base + plan.drafted.len() as u64 - 1)?;
        }
        self.extend(plan, begun, start, &offsets, lines.len() as u64)
    }

    /// The entry at `seq`, which is durable, names the next key.
    fn succeed(&mut self, successor: HeldKey, seq: u64) -> Result<(), AppendError> {
        let layout = &self.shared.layout;
        // From here on the old key is nowhere: nothing may be signed with it any more.
        KeyFiles(layout, &*self.options.disk)
            .promote_next()
            .map_err(|error| stopped_by("renaming", &layout.next_log_key(), &error))?;
        let mut keys = KeyHistory::clone(&self.keys());
        keys.rotate(seq, successor.file.verifier().clone());
        let mut state = self
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        state.keys = Arc::new(keys);
        self.key = successor;
        Ok(())
    }

    /// Signs on every core, this thread's among them: it would have to wait otherwise, and be
    /// woken.
    fn sign(&self, drafted: &[Drafted]) -> Result<Vec<[u8; 64]>, AppendError> {
        let (signer, mut signatures) = (&*self.key.signer, vec![[0; 64]; drafted.len()]);
        let failed = OnceLock::new();
        let parts = signatures.chunks_mut(SIGNED_TOGETHER);
        let parts = Mutex::new(drafted.chunks(SIGNED_TOGETHER).zip(parts));
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while failed.get().is_none()
                && let Some((drafted, signatures)) = next()
            {
                for (drafted, signature) in drafted.iter().zip(signatures) {
                    match signature::sign(signer, &drafted.leaf) {
                        Ok(signed) => *signature = signed,
                        Err(error) => drop(failed.set(error)),
                    }
                }
            }
        };
        if drafted.len() <= SIGNED_TOGETHER {
            work();
        } else {
            rayon::in_place_scope(|scope| {
                for _ in 1..rayon::current_num_threads() {
                    scope.spawn(|_| work());
                }
                work();
            });
        }
        match failed.into_inner() {
            Some(error) => Err(stopped(&error.to_string())),
            None => Ok(signatures),
        }
    }

    /// Shows readers what is durable now, under a fresh checkpoint.
    fn extend(
        &mut self,
        plan: &Plan,
        begun: Option<LogFile>,
        start: u64,
        offsets: &[u64],
        len: u64,
    ) -> Result<(), AppendError> {
        let mut state = self
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        state.files.extend(begun);
        for drafted in &plan.drafted {
            state.tree.push(drafted.leaf);
        }
        let file = state.files.last_mut().expect("a commit has a file");
        file.offsets
            .extend(offsets.iter().map(|offset| start + offset));
        file.end = start + len;
        state.at = self.newest;
        let checkpoint = Checkpoint {
            origin: self.shared.origin.to_string(),
            size: state.tree.size(),
            root: state.tree.root(),
        };
        // Without it the entries are there, and not yet under a checkpoint.
        let note = checkpoint.signed_by(&*self.key.signer);
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
