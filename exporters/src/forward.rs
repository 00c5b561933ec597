//! Follows the log for one destination: its cursor, its retries, its state.
//!
//! The log is the queue. A destination has one durable cursor and one thread; it holds up no
//! append and no other destination, sends every entry in order, and is tried for ever.
//!
//! **What is promised.** Every entry is sent at least once, in the order of the log, and none
//! is passed over: not by a restart of either side, a break, or a certificate that expired.
//! Receivers drop duplicates by (`chain`, `seq`): what is sent again is the same, byte for byte.
//!
//! **RELP** answers each message when it is in the receiver's queue, and the cursor follows the
//! answers: at most the window and what the cursor lags by is sent again after a break. At an
//! entry at which the receiver broke three connections one after another, or refused it three
//! times, the reduced form goes out instead and an `export.degraded` is recorded.
//!
//! **Files** say themselves how far they have come: nothing is written twice, and what a crash
//! tore of a line is cut and written again, the same bytes.
//!
//! **HTTP** is answered batch by batch. One that is refused for what it holds is halved until the
//! entry is found; after three refusals that goes out reduced.
//!
//! **Plain TCP and TLS** have no answers, so the entry that breaks a receiver is looked for (see
//! `suspect`) and goes out reduced too; after every break, graceful or not, the last
//! `rewind_bytes` (16 MiB) and at least the last 30 seconds are sent again. They cannot promise
//! that the receiver stored what it read: one that loses its own queue more than a window later
//! loses it unseen; `ledger.checkpoint` entries, sent like any other, are how the SIEM finds
//! that out.

mod backoff;
mod cursor;
mod destination;
mod entries;
mod priority;
mod replay;
mod suspect;
mod window;
mod worker;

pub use cursor::CursorError;
pub use destination::{Destination, DestinationError};
pub use replay::{ReplayError, Replayed, replay};

use crate::format::FormError;
use cursor::Cursor;
use ledger::{ReadError, Reader};
use schemas::kinds::ledger::ExportDegraded;
use schemas::{Name, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use suspect::Suspects;
use window::Place;
use worker::Worker;

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
    #[error("the last entry that destination {destination} has confirmed cannot be read")]
    Unreadable {
        destination: Name,
        source: ReadError,
    },
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
    /// Entries below are answered for, or have left the rewind window: a restart goes on here.
    pub confirmed: u64,
    /// Entries of the log that are not handed over.
    pub lag_entries: u64,
    /// Ledger time of the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_since: Option<Timestamp>,
    /// Entries handed over that the receiver has not answered for; absent where it never answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<u64>,
    /// For how long it has answered for none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered_seconds: Option<u64>,
    #[serde(skip)]
    unanswered_since: Option<Instant>,
    /// Entries handed over since the start, and how many of them once more.
    pub sent: u64,
    pub resent: u64,
    /// Of those handed over: reduced, because they are longer than `max_octets` or the receiver
    /// broke at them. What is withheld from this receiver anyway is not counted.
    pub reduced: u64,
    /// Of those handed over as syslog: longer than a receiver takes whose size nobody has set. It
    /// may cut them and answer for them all the same, which only `export check` finds.
    pub over_8096: u64,
    /// Connections made since the start.
    pub connections: u64,
    /// What ended a connection, or kept one from being made, since the start: how often, by a word.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<&'static str, u64>,
    /// The newest fault, until the connection after it has sent something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Status {
    /// Nothing was done yet from here on.
    fn at(destination: &Destination, position: u64) -> Status {
        Status {
            destination: destination.name().clone(),
            connected: false,
            position,
            confirmed: position,
            lag_entries: 0,
            lag_since: None,
            unanswered: destination.is_answered().then_some(0),
            unanswered_seconds: None,
            unanswered_since: None,
            sent: 0,
            resent: 0,
            reduced: 0,
            over_8096: 0,
            connections: 0,
            faults: BTreeMap::new(),
            last_error: None,
        }
    }

    /// Held against the log.
    fn behind(mut self, reader: &Reader) -> Status {
        self.lag_entries = reader.size().saturating_sub(self.position);
        if self.lag_entries > 0 {
            self.lag_since = reader.entry(self.position).ok().map(|e| e.at());
        }
        let since = self.unanswered_since.take();
        self.unanswered_seconds = since.map(|since| since.elapsed().as_secs());
        self
    }

    /// How long the oldest entry that is not handed over has been waiting.
    pub fn lag_seconds(&self, now: Timestamp) -> u64 {
        let since = self.lag_since.unwrap_or(now);
        u64::try_from((now.micros() - since.micros()) / 1_000_000).unwrap_or_default()
    }
}

/// How a destination stands that nobody follows, by its cursor.
pub fn at_rest(
    destination: &Destination,
    reader: &Reader,
    data_dir: &Path,
) -> Result<Status, CursorError> {
    let position = cursor::position(data_dir, destination.name())?;
    Ok(Status::at(destination, position).behind(reader))
}

/// Records what a destination could not be given as it is. Called before that is sent.
pub type Record = Box<dyn Fn(ExportDegraded) + Send>;

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
        record: Record,
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
            status: Mutex::new(Status::at(&destination, start.position)),
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
            suspects: Suspects::new(),
            record,
        };
        let thread = thread::Builder::new()
            .name(format!("export-{name}"))
            .spawn(move || {
                priority::give_way();
                worker.run();
            })
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
        let mut status = self.shared.status().clone().behind(&self.reader);
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            status.connected = false;
            status.last_error = Some("its thread has ended: restart daicho".to_owned());
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
    let leaf = reader.leaf(last).map_err(|source| StartError::Unreadable {
        destination: name.clone(),
        source,
    })?;
    match leaf == start.leaf {
        true => Ok(()),
        false => Err(StartError::LedgerDiffers {
            destination: name.clone(),
            position: last,
        }),
    }
}
