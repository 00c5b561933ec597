mod file;
mod place;

use super::{AppendError, Receipt, Request, stopped_with};
use crate::content::Sealed;
use crate::note::SignerKey;
use crate::open::Options;
use crate::publish::Publisher;
use crate::reader::{LogFile, Shared};
use crate::{Checkpoint, line, signature};
use file::ActiveFile;
use rayon::prelude::*;
use schemas::{EventId, Hash, Timestamp};
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

/// One fdatasync of more than this takes disproportionately long on a growing file.
const COMMIT_BYTES: usize = 256 << 10;

/// Below this, handing signatures to other threads costs more than it saves.
const PARALLEL_SIGNATURES: usize = 4;

/// The one thread that writes.
pub struct Committer {
    shared: Arc<Shared>,
    key: SignerKey,
    ids: HashMap<EventId, u64>,
    options: Options,
    publisher: Publisher,
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
    bytes: usize,
}

impl Committer {
    pub fn new(
        shared: Arc<Shared>,
        key: SignerKey,
        ids: HashMap<EventId, u64>,
        options: Options,
        publisher: Publisher,
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
        let mut committer = Committer {
            shared,
            key,
            ids,
            options,
            publisher,
            file,
            newest,
            prev,
        };
        if new_file {
            committer.seal()?;
        }
        Ok(committer)
    }

    pub fn run(mut self, queue: &Receiver<Request>) {
        while let Ok(first) = queue.recv() {
            let mut plan = Plan::default();
            let mut next = Some(first);
            while let Some(request) = next {
                self.plan(request, &mut plan);
                next = if plan.bytes < COMMIT_BYTES {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            let failed = self.commit(&plan).err();
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
        let Request { prepared, done } = request;
        let answer = match self.shared.stopped() {
            Some(stopped) => Err(stopped),
            None => self.place(prepared, plan),
        };
        plan.answers.push((done, answer));
    }

    fn commit(&mut self, plan: &Plan) -> Result<(), AppendError> {
        if plan.drafted.is_empty() {
            return Ok(());
        }
        self.shared
            .content
            .store(plan.sealed.iter())
            .map_err(|error| stopped_with(&error))?;

        let sign = |drafted: &Drafted| signature::sign(&self.key, &drafted.leaf);
        let signatures: Vec<[u8; 64]> = if plan.drafted.len() < PARALLEL_SIGNATURES {
            plan.drafted.iter().map(sign).collect()
        } else {
            plan.drafted.par_iter().map(sign).collect()
        };
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
            self.seal()?;
        }
        let (start, begun) = self.write(base, &lines)?;
        self.check_durable(start, &lines, plan, &offsets)?;
        self.extend(plan, begun, start, &offsets, lines.len() as u64);
        Ok(())
    }

    /// Shows readers what is durable now, under a fresh checkpoint.
    fn extend(
        &mut self,
        plan: &Plan,
        begun: Option<LogFile>,
        start: u64,
        offsets: &[u64],
        len: u64,
    ) {
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
            origin: self.key.verifier().name().to_owned(),
            size: state.tree.size(),
            root: state.tree.root(),
        };
        let note: Arc<str> = checkpoint.sign(&self.key).into();
        state.note = Arc::clone(&note);
        drop(state);
        self.publisher.publish(note);
        *self
            .shared
            .size
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = checkpoint.size;
        self.shared.grown.notify_all();
    }
}
