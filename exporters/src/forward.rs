//! Follows the log for one destination: its cursor, its retries, its state.
//!
//! The log is the queue. A destination has one durable cursor and one thread; it holds up no
//! append and no other destination, sends every entry in order, and is tried for ever.
//!
//! **What is promised.** Every entry is sent at least once, in the order of the log, and none
//! is passed over: not by a restart of either side, a break, or a certificate that expired.
//! After every break, graceful or not, the last `rewind_bytes` (16 MiB) and at least the last
//! 30 seconds are sent again, byte for byte the same; receivers drop duplicates by
//! (`chain`, `seq`). **What plain TCP and TLS cannot promise:** that the receiver stored what
//! it read. A receiver that loses its own queue more than a window later loses it unseen;
//! `ledger.checkpoint` entries, sent like any other, are how the SIEM finds that out.

mod backoff;
mod cursor;
mod destination;
mod window;

pub use cursor::CursorError;
pub use destination::{Destination, DestinationError};

use crate::format::EntryView;
use crate::format::rfc5424::FormError;
use crate::transport::{self, Connection, Route, TransportError};
use backoff::Backoff;
use cursor::Cursor;
use ledger::{ReadError, Reader};
use schemas::{Name, Timestamp};
use serde::Serialize;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use window::{Place, Window};

/// Frames handed to the kernel at once; a mark of the window is this coarse.
const BATCH_BYTES: usize = 64 << 10;

/// How long an idle connection goes without a look at its read side and at the stop flag.
const TICK: Duration = Duration::from_millis(200);

/// A connection that lived this long was a good one: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(10);

/// Why following cannot begin. Someone has to decide something first.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(
        "destination {destination} has confirmed entries up to {position}, this ledger holds {size}: the copy has lost {lost}; restore it before sending anything",
        lost = position - size
    )]
    LedgerIsOlder {
        destination: Name,
        position: u64,
        size: u64,
    },
    #[error(
        "destination {destination} was sent another entry at position {position} than this ledger holds; run `daicho verify` and find out which is right before sending anything"
    )]
    LedgerDiffers { destination: Name, position: u64 },
    #[error("no thread for destination {destination}")]
    Thread {
        destination: Name,
        source: std::io::Error,
    },
}

/// How a destination fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub destination: Name,
    pub connected: bool,
    /// The next entry to be handed to the transport. Falls back after a break.
    pub position: u64,
    /// Entries below have left the rewind window: a restart goes on from here.
    pub confirmed: u64,
    /// Entries of the log that are not handed over.
    pub lag_entries: u64,
    /// Ledger time of the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_since: Option<Timestamp>,
    /// Entries handed over since the start, and how many of them once more.
    pub sent: u64,
    pub resent: u64,
    /// Connections made since the start.
    pub connections: u64,
    /// The newest fault, until the connection after it has sent something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// One destination being followed. Dropping it stops it.
pub struct Forwarder {
    shared: Arc<Shared>,
    reader: Reader,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: Arc<AtomicBool>,
    status: Mutex<Status>,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        // Plain numbers: whoever panicked left nothing half done.
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Forwarder {
    /// Begins where the destination's cursor stands, in a thread of its own.
    ///
    /// A ledger that is not the one that the receiver holds is refused: sending it would
    /// bury what happened.
    pub fn start(
        destination: Destination,
        reader: Reader,
        data_dir: &Path,
    ) -> Result<Forwarder, StartError> {
        let name = destination.name().clone();
        let chain = reader.origin().to_owned();
        destination.form().check_chain(&chain)?;
        let form = destination.form().digest();
        let cursor = Cursor::open(data_dir, &name, &chain, form, Instant::now())?;
        let start = cursor.place();
        check_history(&name, start, &reader)?;
        if destination.has_documentation_number() {
            tracing::warn!(destination = %name, "enterprise_number 32473 is for documentation; set your own before a SIEM relies on it");
        }
        let shared = Arc::new(Shared {
            stop: Arc::default(),
            status: Mutex::new(Status {
                destination: name.clone(),
                connected: false,
                position: start.position,
                confirmed: start.position,
                lag_entries: 0,
                lag_since: None,
                sent: 0,
                resent: 0,
                connections: 0,
                last_error: None,
            }),
        });
        let worker = Worker {
            route: destination.route(data_dir),
            destination,
            chain,
            reader: reader.clone(),
            cursor,
            shared: Arc::clone(&shared),
            furthest: start.position,
            connected_at: None,
        };
        let thread = thread::Builder::new()
            .name(format!("export-{name}"))
            .spawn(move || worker.run())
            .map_err(|source| StartError::Thread {
                destination: name,
                source,
            })?;
        Ok(Forwarder {
            shared,
            reader,
            thread: Some(thread),
        })
    }

    pub fn status(&self) -> Status {
        let mut status = self.shared.status().clone();
        status.lag_entries = self.reader.size().saturating_sub(status.position);
        if status.lag_entries > 0 {
            status.lag_since = self.reader.entry(status.position).ok().map(|e| e.at());
        }
        status
    }

    /// Stops after what is being written; waits for the cursor to be durable.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// The receiver holds a part of some log: this one has to begin with it.
fn check_history(name: &Name, start: Place, reader: &Reader) -> Result<(), StartError> {
    let (position, size) = (start.position, reader.size());
    if position > size {
        return Err(StartError::LedgerIsOlder {
            destination: name.clone(),
            position,
            size,
        });
    }
    let Some(last) = position.checked_sub(1) else {
        return Ok(());
    };
    match reader.leaf(last) == Some(start.leaf) {
        true => Ok(()),
        false => Err(StartError::LedgerDiffers {
            destination: name.clone(),
            position: last,
        }),
    }
}

/// What ended one connection.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the log could not be read for export")]
    Read(#[from] ReadError),
}

/// What the thread owns.
struct Worker {
    destination: Destination,
    route: Route,
    chain: String,
    reader: Reader,
    cursor: Cursor,
    shared: Arc<Shared>,
    /// Entries below have been sent once since the start.
    furthest: u64,
    connected_at: Option<Instant>,
}

impl Worker {
    fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.shared.stopped() {
            self.connected_at = None;
            let Err(fault) = self.connect_and_follow() else {
                break;
            };
            self.note(&fault);
            self.rewind();
            if self.connected_at.is_some_and(|at| at.elapsed() >= STEADY) {
                backoff.reset();
            }
            self.sleep(backoff.delay());
        }
        self.shared.status().connected = false;
        if let Err(fault) = self.cursor.flush(Instant::now()) {
            self.note(&fault);
        }
    }

    /// `Ok` when it was stopped.
    fn connect_and_follow(&mut self) -> Result<(), Fault> {
        let mut connection = match self.route.connect(&self.shared.stop) {
            Err(TransportError::Stopped) => return Ok(()),
            connected => connected?,
        };
        self.connected_at = Some(Instant::now());
        {
            let mut status = self.shared.status();
            status.connected = true;
            status.connections += 1;
        }
        let ended = self.follow(connection.as_mut());
        self.shared.status().connected = false;
        match ended {
            Ok(()) | Err(Fault::Transport(TransportError::Stopped)) => {
                connection.close();
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Sends from the cursor on, and then whatever the log grows by.
    fn follow(&mut self, connection: &mut dyn Connection) -> Result<(), Fault> {
        let reader = self.reader.clone();
        let mut window = Window::new(self.destination.rewind_bytes());
        let mut next = self.cursor.place().position;
        let mut batch = Batch::default();
        while !self.shared.stopped() {
            connection.listen()?;
            self.confirm(&mut window);
            let size = reader.wait_beyond(next, TICK);
            for entry in reader.entries(next..size) {
                let entry = entry?;
                let view = EntryView::of(&self.chain, &entry);
                let message = self.destination.form().message(&view, self.cursor.epoch());
                transport::frame(&message, &mut batch.frames);
                batch.entries += 1;
                next = entry.seq() + 1;
                if batch.frames.len() >= BATCH_BYTES || next == size {
                    let end = Place {
                        position: next,
                        leaf: entry.leaf(),
                    };
                    connection.send(&batch.frames)?;
                    window.wrote(batch.frames.len(), end, Instant::now());
                    self.count(&batch, end);
                    self.confirm(&mut window);
                    batch.clear();
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, batch: &Batch, end: Place) {
        let new = end
            .position
            .saturating_sub(self.furthest)
            .min(batch.entries);
        self.furthest = self.furthest.max(end.position);
        let mut status = self.shared.status();
        status.position = end.position;
        status.sent += batch.entries;
        status.resent += batch.entries - new;
        status.last_error = None;
    }

    /// Moves the cursor past what has left the window. A cursor that cannot be written costs
    /// duplicates later, and is no reason to stop sending now.
    fn confirm(&mut self, window: &mut Window) {
        let now = Instant::now();
        if let Some(place) = window.confirm(now) {
            self.cursor.advance(place);
            self.shared.status().confirmed = place.position;
        }
        if let Err(fault) = self.cursor.flush_if_due(now) {
            self.note(&fault);
        }
    }

    /// Nothing of the window is known to have arrived: it is sent again.
    fn rewind(&self) {
        self.shared.status().position = self.cursor.place().position;
    }

    fn note(&self, fault: &dyn Error) {
        let text = with_causes(fault);
        tracing::warn!(destination = %self.destination.name(), "{text}");
        self.shared.status().last_error = Some(text);
    }

    /// Woken by [`Forwarder::drop`].
    fn sleep(&self, delay: Duration) {
        let until = Instant::now() + delay;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if self.shared.stopped() {
                return;
            }
            thread::park_timeout(left);
        }
    }
}

/// Framed messages on their way to one write.
#[derive(Default)]
struct Batch {
    frames: Vec<u8>,
    entries: u64,
}

impl Batch {
    fn clear(&mut self) {
        self.frames.clear();
        self.entries = 0;
    }
}

fn with_causes(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
