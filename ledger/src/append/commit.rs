mod place;

use super::outliner::Outliner;
use super::write::{Batch, Drafted, Writer, WriterThread};
use super::{AppendError, Receipt, Request, stopped};
use crate::content::Sealed;
use crate::destroyed::Destroyed;
use crate::history::KeyHistory;
use crate::ids::Ids;
use crate::key_file::{HeldKey, KeyFiles};
use crate::open::Options;
use crate::publish::Publisher;
use crate::reader::Shared;
use crate::signature;
use schemas::{Hash, Name, Timestamp};
use std::collections::HashMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::ThreadId;

/// One fdatasync of more than this takes disproportionately long on a growing file.
const COMMIT_BYTES: usize = 256 << 10;

/// Handing fewer signatures than this to another thread costs more than it saves.
const SIGNED_TOGETHER: usize = 32;

pub(super) const ENDED: &str = "the writer has ended";

/// The one thread that gives places in the log, and signs what stands there.
pub struct Committer {
    shared: Arc<Shared>,
    key: HeldKey,
    ids: Ids,
    options: Options,
    outliner: Outliner,
    /// Absent while the writer's thread has it: a commit is then under way.
    writer: Option<Writer>,
    thread: WriterThread,
    /// Places that were given: those of a commit under way among them, those of a plan not.
    size: u64,
    newest: Timestamp,
    prev: Hash,
    /// Whom agents act for that this run has recorded, and where.
    assigned: HashMap<Name, (u64, Name)>,
}

/// What a commit will do: entries to write, and what each request is told afterwards.
#[derive(Default)]
struct Plan {
    drafted: Vec<Drafted>,
    sealed: Vec<Sealed>,
    /// Keys that the entries say are destroyed.
    destroyed: Vec<(u64, Destroyed)>,
    answers: Vec<(super::Done, Result<Vec<Receipt>, AppendError>)>,
    /// The key that the last entry puts in force: a rotation ends its commit, so that the
    /// commit's checkpoint is the first thing that the new key signs.
    successor: Option<Box<HeldKey>>,
    bytes: usize,
}

impl Plan {
    fn is_full(&self) -> bool {
        self.bytes >= COMMIT_BYTES
    }
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
        let state = shared.state();
        let (size, prev, newest) = (state.tree.size(), state.leaf, state.at);
        publisher.publish(Arc::clone(&state.note));
        let last = state.files.last().map(|file| file.first_seq);
        drop(state);
        let mut writer = Writer::open(Arc::clone(&shared), publisher, &options)?;
        if let (false, Some(sealed)) = (writer.has_file(), last) {
            ids.end_file(sealed, size);
        }
        for (first_seq, held) in ids.held() {
            outliner.outline(first_seq, held);
        }
        if new_file {
            writer.seal(size)?;
        }
        let thread =
            WriterThread::start(Arc::clone(&shared)).map_err(|source| crate::OpenError::Io {
                path: "a new thread".to_owned(),
                source,
            })?;
        let mut committer = Committer {
            shared,
            key,
            ids,
            options,
            outliner,
            writer: None,
            thread,
            size,
            newest,
            prev,
            assigned: HashMap::new(),
        };
        committer.take_back(writer);
        Ok(committer)
    }

    pub fn writer_id(&self) -> ThreadId {
        self.thread.id()
    }

    pub fn run(mut self, queue: &Receiver<Request>) {
        while let Ok(first) = queue.recv() {
            let mut plan = Plan::default();
            let mut next = Some(first);
            while let Some(request) = next {
                self.plan(request, &mut plan);
                next = match plan.is_full() || plan.successor.is_some() {
                    true => None,
                    false => self.next(queue),
                };
            }
            self.commit(plan);
        }
        // What is under way is answered before the lock is given back.
        let _ = self.settle();
    }

    /// What else waits. A plan with room takes what comes while the commit before it is written:
    /// it would have to wait for that in any case.
    fn next(&mut self, queue: &Receiver<Request>) -> Option<Request> {
        let next = queue.try_recv().ok();
        if next.is_some() || self.writer.is_some() {
            return next;
        }
        // A failure is met again where the plan is committed.
        let _ = self.settle();
        queue.try_recv().ok()
    }

    /// Waits until everything that has a place is durable; fails if that cannot be any more.
    fn settle(&mut self) -> Result<(), AppendError> {
        if self.writer.is_none()
            && let Some(writer) = self.thread.wait()
        {
            self.take_back(writer);
        }
        match (self.shared.stopped(), &self.writer) {
            (Some(stopped), _) => Err(stopped),
            (None, Some(_)) => Ok(()),
            (None, None) => Err(stopped(ENDED)),
        }
    }

    fn take_back(&mut self, mut writer: Writer) {
        if let Some((first_seq, next)) = writer.full.take() {
            let ids = self.ids.end_file(first_seq, next);
            self.outliner.outline(first_seq, ids);
        }
        self.writer = Some(writer);
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
    fn prepare_successor(&mut self, successor: &HeldKey) -> Result<(), AppendError> {
        self.settle()?;
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
        Arc::clone(&self.shared.state().keys)
    }

    /// Signs what was planned and has it written. A full commit is written while the next one is
    /// planned and signed; any other at once, for nothing waits: another thread would only have
    /// to be woken.
    fn commit(&mut self, plan: Plan) {
        let (full, signatures) = (plan.is_full(), self.sign(&plan.drafted));
        let (first, last) = (self.size, self.size + plan.drafted.len() as u64);
        let rotated = plan.successor.is_some();
        if let (Some(successor), Ok(_)) = (plan.successor, &signatures) {
            // Whatever comes after it is written after it, or not at all.
            self.key = *successor;
        }
        let batch = Batch {
            first,
            drafted: plan.drafted,
            sealed: plan.sealed,
            destroyed: plan.destroyed,
            at: self.newest,
            signer: Arc::clone(&self.key.signer),
            successor: rotated.then(|| self.key.file.verifier().clone()),
            answers: plan.answers,
        };
        self.size = last;
        let settled = self.settle();
        match (settled.and(signatures), self.writer.take()) {
            // A rotation is over before anything else is planned.
            (Ok(signatures), Some(writer)) if full && !rotated => {
                self.thread.hand_over(writer, batch, signatures);
            }
            (Ok(signatures), Some(mut writer)) => {
                writer.write(batch, &signatures);
                self.take_back(writer);
            }
            (Err(error), writer) => {
                self.writer = writer;
                batch.answer(Err(self.shared.stop(error)));
            }
            (Ok(_), None) => batch.answer(Err(self.shared.stop(stopped(ENDED)))),
        }
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
}
