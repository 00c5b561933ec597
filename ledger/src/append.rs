//! The one way in: batches from any number of producers, one committer.
//!
//! Commit order: content durable → log lines durable (one fdatasync for the batch) → tree →
//! checkpoint signed → answered. What was answered survives a kill and a power loss.

mod commit;
mod guard;
mod outliner;
mod prepare;
mod write;

use crate::buckets::Buckets;
use crate::clock::Clock;
use crate::content::{Ahead, ContentError};
use crate::disk::Disk;
use crate::fresh_id::fresh_id;
use crate::ids::Ids;
use crate::key_file::HeldKey;
use crate::layout::Layout;
use crate::lock::WriterLock;
use crate::open::Options;
use crate::projection::Projection;
use crate::publish::Publisher;
use crate::reader::{ReadError, Reader, Shared};
use commit::Committer;
pub use guard::Agreed;
pub(crate) use guard::Guard;
use outliner::Outliner;
use prepare::{Prepared, Whose};
use schemas::kinds::ledger::{KeyRotated, LedgerCheckpoint, RotationReason};
use schemas::{
    Actor, BucketId, Class, Data, EnvelopeError, Event, EventId, Hash, Label, Month, Name,
    Timestamp,
};
use std::collections::HashMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, ThreadId};

/// Content that goes with an event: sealed in the bucket of the event's class and month.
#[derive(Clone)]
pub struct Content {
    /// What it is to its event: `request`, `payload`, `patch` …
    pub name: Name,
    pub media: Label,
    pub bytes: Vec<u8>,
}

/// What a producer hands over: an event, and its content.
#[derive(Clone)]
pub struct Submission {
    pub event: Event,
    pub content: Vec<Content>,
    /// Whose the content is, so that it can be erased alone: a staff number or another handle, never
    /// a name. Absent, it is of whoever the actor acts for, where the kind says so
    /// (`Data::is_its_actors`), and else of no one person.
    pub person: Option<Name>,
}

impl From<Event> for Submission {
    fn from(event: Event) -> Submission {
        Submission {
            event,
            content: Vec::new(),
            person: None,
        }
    }
}

/// The ledger's answer: the event is durable, at this position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub seq: u64,
    pub id: EventId,
    pub leaf: Hash,
    pub at: Timestamp,
    /// False when the same event had been recorded before; `seq` is where.
    pub new: bool,
}

/// Why a batch was not appended. Nothing of it is in the log, except after `Stopped`, when
/// that is not known until the next start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    #[error("event {id} cannot be an entry")]
    Unfit {
        id: EventId,
        #[source]
        reason: Arc<EnvelopeError>,
    },
    #[error("id {id} already stands for another event, at {seq}")]
    Conflict { id: EventId, seq: u64 },
    #[error("the batch holds id {id} twice with different events")]
    ConflictInBatch { id: EventId },
    #[error("the host's clock ran back: it says {now}, the newest entry {newest}")]
    ClockBehind { now: Timestamp, newest: Timestamp },
    #[error("content cannot be sealed")]
    Content(#[source] Arc<ContentError>),
    #[error("the ledger has stopped writing: {cause}")]
    Stopped { cause: Arc<str> },
    /// Who writes for us said no, in words and with a remedy of its own.
    #[error("{fault}")]
    Refused { fault: Arc<str>, help: Arc<str> },
}

impl AppendError {
    pub(crate) fn refused(fault: &str, help: &str) -> AppendError {
        AppendError::Refused {
            fault: fault.into(),
            help: help.into(),
        }
    }

    /// True when the same batch may be tried again later, unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            AppendError::Content(reason) => !matches!(**reason, ContentError::TooLarge { .. }),
            AppendError::ClockBehind { .. } | AppendError::Stopped { .. } => true,
            _ => false,
        }
    }
}

/// For whom somebody acts, if for anybody. `ledger` does not know it of agents; whoever opens it says,
/// or why that cannot be said now.
pub type ActsFor = dyn Fn(&Actor) -> Result<Option<Name>, String> + Send + Sync;

/// Persons that agents were given, by the agents' names.
type Given = HashMap<Name, Name>;

/// For whom an agent acts from this event on.
pub(crate) fn person_given(data: &Data) -> Option<(&Name, &Name)> {
    match data {
        Data::AgentRegistered(fact) => Some((&fact.agent, fact.person.as_ref()?)),
        Data::AgentUpdated(fact) => Some((&fact.agent, fact.person.as_ref()?)),
        _ => None,
    }
}

type Done = Box<dyn FnOnce(Result<Vec<Receipt>, AppendError>) + Send>;

pub(crate) struct Request {
    prepared: Vec<Prepared>,
    /// The key that `prepared`, a `key.rotated` alone, puts in force.
    successor: Option<Box<HeldKey>>,
    /// What must still be so where places are given.
    guard: Option<Box<Guard>>,
    done: Done,
}

/// Requests that wait for the committer. Full, it makes producers wait.
const QUEUE: usize = 1_024;

/// The right to append. Cloned freely; search for it and you have every writer.
#[derive(Clone)]
pub struct Appender {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    queue: Mutex<Option<SyncSender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The threads that answer: the committer's, and its writer's.
    answering: [ThreadId; 2],
    /// What the first so many entries say of every bucket; folded when it is asked for.
    buckets: Mutex<(Buckets, u64)>,
    /// Held by whoever ends or erases content: a marker is one file.
    ending: Mutex<()>,
    acts_for: OnceLock<Box<ActsFor>>,
}

impl Drop for Inner {
    /// Waits for what is queued, publishes the last checkpoint, gives the lock back.
    fn drop(&mut self) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last appender can be held by an answer, and so be dropped by a thread that the
        // committer waits for, or is: it ends after that.
        let answers = |id| self.answering.contains(&id);
        if let Some(thread) = thread.filter(|_| !answers(std::thread::current().id())) {
            let _ = thread.join();
        }
    }
}

impl Appender {
    pub(crate) fn start(
        shared: Arc<Shared>,
        key: HeldKey,
        ids: Ids,
        lock: WriterLock,
        options: Options,
        new_file: bool,
    ) -> Result<Appender, crate::OpenError> {
        let (sender, receiver): (_, Receiver<Request>) = sync_channel(QUEUE);
        let clock = Arc::clone(&options.clock);
        let disk = Arc::clone(&options.disk);
        let no_thread = |source| crate::OpenError::Io {
            path: "a new thread".to_owned(),
            source,
        };
        let publisher = Publisher::start(shared.layout.clone(), Arc::clone(&options.disk))
            .map_err(no_thread)?;
        let outliner = Outliner::start(Arc::clone(&shared)).map_err(no_thread)?;
        let beside = (publisher, outliner);
        let committer = Committer::new(Arc::clone(&shared), key, ids, options, beside, new_file)?;
        let (watched, writer) = (Arc::clone(&shared), committer.writer_id());
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || {
                // A panic in here ends the writing as a failed disk does: whoever asks is told.
                let ended = AssertUnwindSafe(|| committer.run(&receiver));
                if std::panic::catch_unwind(ended).is_err() {
                    watched.stop(stopped("the committer has ended"));
                }
                drop(lock); // after the last checkpoint is published
            })
            .map_err(no_thread)?;
        let answering = [thread.thread().id(), writer];
        let (queue, thread) = (Mutex::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(Appender {
            inner: Arc::new(Inner {
                shared,
                clock,
                disk,
                queue,
                thread,
                answering,
                buckets: Mutex::default(),
                ending: Mutex::default(),
                acts_for: OnceLock::new(),
            }),
        })
    }

    /// Says from here on for whom an agent acts; said once. A user acts for themselves.
    pub fn acting_for(
        &self,
        acts_for: impl Fn(&Actor) -> Result<Option<Name>, String> + Send + Sync + 'static,
    ) {
        let _ = self.inner.acts_for.set(Box::new(acts_for));
    }

    /// Content under another key than its person's could never be erased alone: where it cannot be
    /// said whose it is, it is refused.
    fn person_of(&self, actor: &Actor) -> Result<Option<Name>, AppendError> {
        match (actor, self.inner.acts_for.get()) {
            (Actor::User(user), _) => Ok(Some(user.clone())),
            (Actor::Agent(_), Some(acts_for)) => acts_for(actor).map_err(|why| {
                let fault = format!("for whom {actor} acts cannot be read from the log: {why}");
                AppendError::refused(&fault, "run `daicho verify`")
            }),
            (Actor::Agent(_), None) | (Actor::Service(_), _) => Ok(None),
        }
    }

    /// Appends a batch and waits until it is durable. All of it is appended, or none; a crash
    /// may leave the first part of a batch that nobody was told of, which a repetition completes.
    pub fn append(&self, batch: Vec<Submission>) -> Result<Vec<Receipt>, AppendError> {
        // Until its caller has the answer, not only until that was given.
        let _under_way = self.inner.shared.appending.begin();
        let (sender, receiver) = sync_channel(1);
        self.append_then(batch, move |result| {
            let _ = sender.send(result);
        });
        receiver
            .recv()
            .unwrap_or_else(|_| Err(stopped("the committer has ended")))
    }

    /// Appends a batch and calls `done` from another thread when it is durable, or cannot be.
    /// Sealing happens on the caller's thread. `done` runs on one that writes: it must not
    /// append, for that would wait for itself.
    pub fn append_then(
        &self,
        batch: Vec<Submission>,
        done: impl FnOnce(Result<Vec<Receipt>, AppendError>) + Send + 'static,
    ) {
        let under_way = self.inner.shared.appending.begin();
        let done = move |result| {
            done(result);
            drop(under_way);
        };
        let month = self.now().month();
        let mut given = Given::new();
        let prepared = match batch
            .into_iter()
            .map(|s| not_by_its_own_door(s).and_then(|s| self.prepare(s, month, &mut given)))
            .collect::<Result<Vec<_>, _>>()
        {
            Ok(prepared) => prepared,
            Err(error) => return done(Err(error)),
        };
        if prepared.is_empty() {
            return done(Ok(Vec::new()));
        }
        self.send(Request {
            prepared,
            successor: None,
            guard: None,
            done: Box::new(done),
        });
    }

    /// Appends one event if what it rests on is still so at its place.
    pub(crate) fn append_guarded(
        &self,
        submission: Submission,
        guard: Guard,
    ) -> Result<Receipt, AppendError> {
        let prepared = self.prepare(submission, self.now().month(), &mut Given::new())?;
        self.send_and_wait(prepared, None, Some(Box::new(guard)))
    }

    /// What the log says of every bucket, and how many entries that is from.
    pub(crate) fn buckets(&self) -> Result<(Buckets, u64), ReadError> {
        let folded = &self.inner.buckets;
        let mut folded = folded.lock().unwrap_or_else(PoisonError::into_inner);
        let (reader, (buckets, reached)) = (self.reader(), &mut *folded);
        for entry in reader.entries(*reached..reader.size()) {
            let entry = entry?;
            buckets.fold(&entry);
            *reached = entry.seq() + 1;
        }
        Ok((buckets.clone(), *reached))
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader {
            shared: Arc::clone(&self.inner.shared),
        }
    }

    /// Puts another key in force, and waits until that is durable: its file first, then the
    /// `key.rotated` that the old key signs, then the old key is gone from the disk.
    pub fn rotate(
        &self,
        actor: Actor,
        reason: RotationReason,
        successor: HeldKey,
    ) -> Result<Receipt, AppendError> {
        let data = KeyRotated {
            vkey: Label::lossy(&successor.file.verifier().to_string()),
            reason,
        };
        let event = Event::new(self.new_id(), actor, data);
        let prepared = self.prepare(event.into(), self.now().month(), &mut Given::new())?;
        self.send_and_wait(prepared, Some(Box::new(successor)), None)
    }

    fn send_and_wait(
        &self,
        prepared: Prepared,
        successor: Option<Box<HeldKey>>,
        guard: Option<Box<Guard>>,
    ) -> Result<Receipt, AppendError> {
        let (sender, receiver) = sync_channel(1);
        self.send(Request {
            prepared: vec![prepared],
            successor,
            guard,
            done: Box::new(move |result| {
                let _ = sender.send(result);
            }),
        });
        let ended = || Err(stopped("the committer has ended"));
        let receipts = receiver.recv().unwrap_or_else(|_| ended())?;
        receipts.first().copied().ok_or(stopped("no receipt"))
    }

    fn send(&self, request: Request) {
        let queue = self
            .inner
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match queue.map(|queue| queue.send(request)) {
            Some(Ok(())) => {}
            Some(Err(refused)) => (refused.0.done)(Err(stopped("the committer has ended"))),
            None => {} // only while the last appender is being dropped: nobody waits
        }
    }

    /// `given` are the persons that the events before it in its batch give to agents.
    fn prepare(
        &self,
        submission: Submission,
        month: Month,
        given: &mut Given,
    ) -> Result<Prepared, AppendError> {
        let Submission {
            event,
            content,
            person,
        } = submission;
        let bucket = BucketId {
            class: event.class.clone(),
            month,
        };
        let asked_at = self.reader().size();
        let is_its_actors = person.is_none() && !content.is_empty() && event.data.is_its_actors();
        let person = match given.get(event.actor.id()) {
            _ if !is_its_actors => person,
            Some(given) if matches!(event.actor, Actor::Agent(_)) => Some(given.clone()),
            _ => self.person_of(&event.actor)?,
        };
        if let Some((agent, person)) = person_given(&event.data) {
            given.insert(agent.clone(), person.clone());
        }
        let whose = Whose {
            person,
            is_its_actors,
            asked_at,
        };
        Prepared::seal(&self.inner.shared, &bucket, event, content, whose)
    }

    /// Compresses and seals what a batch may hold soon as the content of an event of this class, of
    /// whoever this actor acts for. A batch that holds it while the answer lives takes it as it is;
    /// another knows nothing of it.
    pub fn seal_ahead(&self, class: &Class, actor: &Actor, bytes: &[u8]) -> Option<Ahead> {
        let shared = &self.inner.shared;
        let bucket = BucketId {
            class: class.clone(),
            month: self.now().month(),
        };
        // The batch will meet it again, and its producer is told.
        let person = self.person_of(actor).ok()?;
        let content = &shared.content;
        match content.seal_ahead(&bucket, person.as_ref(), bytes, &self.reader()) {
            Ok(tag) => Some(Ahead::new(Arc::clone(shared), tag?)),
            Err(error @ ContentError::Unsynced { .. }) => {
                shared.stop(stopped_with(&error));
                None
            }
            Err(_) => None,
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.shared.layout
    }

    /// One bucket ends, or one person's content, at a time.
    pub(crate) fn ending(&self) -> MutexGuard<'_, ()> {
        let ending = &self.inner.ending;
        ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.inner.disk
    }

    /// A bucket has ended: its key leaves the memory, and where its packs are.
    pub(crate) fn forget_content(&self, bucket: &BucketId) {
        self.inner.shared.content.forget(bucket);
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Why nothing can be appended any more, if that is so.
    pub fn stopped(&self) -> Option<AppendError> {
        self.inner.shared.stopped()
    }

    /// A fresh idempotency key (UUID v7).
    pub fn new_id(&self) -> EventId {
        fresh_id(self.now())
    }

    /// The newest checkpoint as an event, so that every receiver of the log holds one.
    pub fn checkpoint_event(&self) -> Submission {
        let state = self.inner.shared.state();
        let signature = state.note.trim_end().rsplit(' ').next().unwrap_or_default();
        let data = LedgerCheckpoint {
            size: state.tree.size(),
            root: state.tree.root(),
            signature: Label::lossy(signature),
        };
        drop(state);
        self.own_event(data)
    }

    /// An event whose actor is the ledger itself.
    pub(crate) fn own_event(&self, data: impl Into<Data>) -> Submission {
        let actor = Actor::Service("ledger".parse().expect("a literal name is sound"));
        Event::new(self.new_id(), actor, data).into()
    }
}

/// What names another key without putting it in force would end the log; what says that a bucket
/// has ended, or that nothing holds it any more, would let its content vanish unasked.
fn not_by_its_own_door(submission: Submission) -> Result<Submission, AppendError> {
    let event = &submission.event;
    let door = match &event.data {
        Data::KeyRotated(_) => "only a rotation writes it",
        Data::RetentionExpired(_) => "only the end of a bucket writes it",
        Data::HoldPlaced(_) => "only the placing of a hold writes it",
        Data::HoldReleased(_) => "only the release of a hold writes it",
        Data::ErasureExtended(_) | Data::ErasureCompleted(_) => "only an erasure writes it",
        _ => return Ok(submission),
    };
    Err(AppendError::Unfit {
        id: event.id,
        reason: Arc::new(EnvelopeError::WrongData {
            kind: event.data.kind(),
            reason: door.to_owned(),
        }),
    })
}

fn stopped(cause: &str) -> AppendError {
    AppendError::Stopped {
        cause: cause.into(),
    }
}

pub(crate) fn stopped_with(error: &ContentError) -> AppendError {
    match std::error::Error::source(error) {
        Some(source) => stopped(&format!("{error}: {source}")),
        None => stopped(&error.to_string()),
    }
}

pub(crate) fn stopped_by(what: &str, path: &std::path::Path, error: &io::Error) -> AppendError {
    AppendError::Stopped {
        cause: format!("{what} {}: {error}", path.display()).into(),
    }
}
