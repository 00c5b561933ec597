use super::{AppendError, Prepared, Receipt, Request, stopped, stopped_by};
use crate::checkpoint::CHECKPOINT_REACH;
use crate::content::{ContentStore, Sealed};
use crate::note::SignerKey;
use crate::open::{CLOCK_TOLERANCE_MICROS, Options};
use crate::publish::Publisher;
use crate::reader::{LogFile, Shared};
use crate::tree::leaf_hash;
use crate::{Checkpoint, line, os, signature};
use rayon::prelude::*;
use schemas::{ContentRef, Data, Envelope, EnvelopeError, Event, EventId, Hash, Timestamp};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
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
    /// A failed write or sync is final: what is on disk is not known until the next start.
    stopped: Option<AppendError>,
}

struct ActiveFile {
    path: PathBuf,
    file: File,
    len: u64,
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
        let reopen = |last: &LogFile| {
            // Asked by its mode: who may do anything would be let to write to a sealed file.
            if std::fs::metadata(&last.path)?.permissions().readonly() {
                return Ok(None);
            }
            Ok(Some(ActiveFile {
                path: last.path.clone(),
                file: active_options().open(&last.path)?,
                len: last.end,
            }))
        };
        let file = match state.files.last() {
            Some(last) => reopen(last).map_err(|source| crate::OpenError::Io {
                path: last.path.display().to_string(),
                source,
            })?,
            None => None,
        };
        // Left by a commit that nobody was told about, before its file had a name.
        let unnamed = shared.layout.log().join("new");
        match std::fs::remove_file(&unnamed) {
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
            stopped: None,
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
            if let Err(error) = self.commit(&plan) {
                tracing::error!(%error, "the ledger stops writing");
                *self
                    .shared
                    .stopped
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                self.stopped = Some(error);
            }
            for (done, answer) in plan.answers {
                done(match &self.stopped {
                    Some(stopped) if answer.is_ok() => Err(stopped.clone()),
                    _ => answer,
                });
            }
        }
    }

    /// Gives a request its places in the log, in memory only.
    fn plan(&mut self, request: Request, plan: &mut Plan) {
        let Request { prepared, done } = request;
        let answer = match &self.stopped {
            Some(stopped) => Err(stopped.clone()),
            None => self.place(prepared, plan),
        };
        plan.answers.push((done, answer));
    }

    fn place(
        &mut self,
        prepared: Vec<Prepared>,
        plan: &mut Plan,
    ) -> Result<Vec<Receipt>, AppendError> {
        let now = self.options.clock.now();
        if now.micros() < self.newest.micros() - CLOCK_TOLERANCE_MICROS {
            return Err(AppendError::ClockBehind {
                now,
                newest: self.newest,
            });
        }
        let at = now.max(self.newest);

        // Conflicts first: a batch is appended whole or not at all.
        let base = self
            .shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tree
            .size();
        let mut fresh: HashMap<EventId, &Prepared> = HashMap::new();
        let mut known: HashMap<EventId, Receipt> = HashMap::new();
        let next = base + plan.drafted.len() as u64;
        let end = next + prepared.len() as u64;
        for item in &prepared {
            let id = item.event.id;
            if let Some(&seq) = self.ids.get(&id) {
                known.insert(id, self.recorded(item, seq, base, plan)?);
                continue;
            }
            check_reach(&item.event, next, end)?;
            if let Some(first) = fresh.insert(id, item)
                && !same(
                    &self.shared.content,
                    &first.event,
                    &first.references(),
                    item,
                )
            {
                return Err(AppendError::ConflictInBatch { id });
            }
        }

        let mut receipts = Vec::with_capacity(prepared.len());
        for item in prepared {
            let id = item.event.id;
            if let Some(receipt) = known.get(&id) {
                receipts.push(*receipt);
                continue;
            }
            let seq = base + plan.drafted.len() as u64;
            let content = item.references();
            let envelope = Envelope {
                seq,
                at,
                event: item.event,
                content,
                prev: self.prev,
            };
            let body = envelope
                .to_body()
                .expect("a longer body of the same event was made when it was prepared");
            let leaf = leaf_hash(&body);
            plan.bytes += body.len() + item.sealed.iter().map(|s| s.bytes.len()).sum::<usize>();
            plan.drafted.push(Drafted { body, leaf });
            plan.sealed.extend(item.sealed);
            (self.prev, self.newest) = (leaf, at);
            let receipt = Receipt {
                seq,
                id,
                leaf,
                at,
                new: true,
            };
            known.insert(
                id,
                Receipt {
                    new: false,
                    ..receipt
                },
            );
            receipts.push(receipt);
        }
        self.ids.extend(
            receipts
                .iter()
                .filter(|receipt| receipt.new)
                .map(|receipt| (receipt.id, receipt.seq)),
        );
        Ok(receipts)
    }

    /// The receipt of an id that is recorded already, if it means the same event and content.
    fn recorded(
        &self,
        item: &Prepared,
        seq: u64,
        base: u64,
        plan: &Plan,
    ) -> Result<Receipt, AppendError> {
        let id = item.event.id;
        let conflict = || AppendError::Conflict { id, seq };
        let body = if seq < base {
            let reader = crate::Reader {
                shared: Arc::clone(&self.shared),
            };
            // Unreadable now is not another event: the producer may try again.
            let unreadable = |error: crate::ReadError| stopped(&error.to_string());
            reader.entry(seq).map_err(unreadable)?.body().to_vec()
        } else {
            plan.drafted
                .get((seq - base) as usize)
                .ok_or_else(conflict)?
                .body
                .clone()
        };
        let recorded = Envelope::from_body(&body).map_err(|_| conflict())?;
        if !same(
            &self.shared.content,
            &recorded.event,
            &recorded.content,
            item,
        ) {
            return Err(conflict());
        }
        Ok(Receipt {
            seq,
            id,
            leaf: leaf_hash(&body),
            at: recorded.at,
            new: false,
        })
    }

    fn commit(&mut self, plan: &Plan) -> Result<(), AppendError> {
        if plan.drafted.is_empty() || self.stopped.is_some() {
            return Ok(());
        }
        self.shared
            .content
            .store(plan.sealed.iter())
            .map_err(|error| AppendError::Stopped {
                cause: match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}").into(),
                    None => error.to_string().into(),
                },
            })?;

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

    /// Writes the lines and makes them durable. Gives where they begin and, for a new file,
    /// what readers need of it.
    fn write(&mut self, base: u64, lines: &[u8]) -> Result<(u64, Option<LogFile>), AppendError> {
        if let Some(active) = &mut self.file {
            active
                .file
                .write_all(lines)
                .map_err(|e| stopped_by("writing", &active.path, &e))?;
            active
                .file
                .sync_data()
                .map_err(|e| stopped_by("syncing", &active.path, &e))?;
            let start = active.len;
            active.len += lines.len() as u64;
            return Ok((start, None));
        }
        // A file gets its name only when its first commit is durable in it, so every file in
        // the log begins with a whole entry.
        let (path, unnamed) = (
            self.shared.layout.log_file(base),
            self.shared.layout.log().join("new"),
        );
        let create = || {
            let mut file = active_options().create_new(true).open(&unnamed)?;
            file.write_all(lines)?;
            file.sync_all()?;
            if path.exists() {
                return Err(std::io::ErrorKind::AlreadyExists.into());
            }
            std::fs::rename(&unnamed, &path)?;
            os::sync_dir(&self.shared.layout.log())?;
            Ok((file, Arc::new(File::open(&path)?)))
        };
        let (file, reading) = create().map_err(|e| stopped_by("beginning", &path, &e))?;
        self.file = Some(ActiveFile {
            path: path.clone(),
            file,
            len: lines.len() as u64,
        });
        Ok((
            0,
            Some(LogFile {
                first_seq: base,
                path,
                file: reading,
                offsets: Vec::new(),
                end: 0,
            }),
        ))
    }

    /// Derives the leaf hashes again from what the file holds: one flipped bit in memory
    /// must not be signed for ever.
    fn check_durable(
        &self,
        start: u64,
        lines: &[u8],
        plan: &Plan,
        offsets: &[u64],
    ) -> Result<(), AppendError> {
        let active = self.file.as_ref().expect("just written");
        let mut bytes = vec![0; lines.len()];
        os::read_exact_at(&active.file, &mut bytes, start)
            .map_err(|e| stopped_by("reading back", &active.path, &e))?;
        for (drafted, offset) in plan.drafted.iter().zip(offsets) {
            let offset = *offset as usize;
            let body = &bytes[offset..offset + drafted.body.len()];
            if leaf_hash(body) != drafted.leaf {
                let fault = std::io::Error::other("the file does not hold what was written");
                return Err(stopped_by("reading back", &active.path, &fault));
            }
        }
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

    /// Ends the file in use: read-only from here on.
    fn seal(&mut self) -> Result<(), AppendError> {
        let Some(active) = self.file.take() else {
            return Ok(());
        };
        let seal = || {
            active.file.sync_data()?;
            os::set_readonly(&active.path)?;
            active.file.sync_all()
        };
        seal().map_err(|e| stopped_by("sealing", &active.path, &e))
    }
}

/// The file in use is read back through the same handle: a process that has run out of
/// handles must not stop the ledger.
fn active_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    options
}

/// A checkpoint of entries to come cannot be kept, and one of long ago no verifier that streams
/// can hold against the tree.
fn check_reach(event: &Event, next: u64, end: u64) -> Result<(), AppendError> {
    match &event.data {
        Data::LedgerCheckpoint(checkpoint)
            if checkpoint.size > next || end - checkpoint.size > CHECKPOINT_REACH =>
        {
            let reason = EnvelopeError::WrongData {
                kind: event.data.kind(),
                reason: format!("size {} is not just before {next}", checkpoint.size),
            };
            Err(AppendError::Unfit {
                id: event.id,
                reason: Arc::new(reason),
            })
        }
        _ => Ok(()),
    }
}

/// Is this item the event that was recorded, with the same content?
fn same(store: &ContentStore, event: &Event, content: &[ContentRef], item: &Prepared) -> bool {
    *event == item.event
        && content.len() == item.sealed.len()
        && content
            .iter()
            .zip(&item.sealed)
            .all(|(was, is)| store.same(was, is))
}
