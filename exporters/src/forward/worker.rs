//! The thread of one destination: connect, send, notice the break, wait, begin again.

use super::backoff::Backoff;
use super::cursor::Cursor;
use super::window::{Place, Window};
use super::{Destination, Shared};
use crate::format::EntryView;
use crate::transport::{self, Connection, Route, TransportError};
use ledger::{ReadError, Reader};
use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Frames handed to the kernel at once; a mark of the window is this coarse.
const BATCH_BYTES: usize = 64 << 10;

/// How long an idle connection goes without a look at its read side and at the stop flag.
const TICK: Duration = Duration::from_millis(200);

/// A connection that lived this long was a good one: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(10);

/// What ended one connection.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the log could not be read for export")]
    Read(#[from] ReadError),
}

/// What a destination's thread owns.
pub(super) struct Worker {
    pub destination: Destination,
    pub route: Route,
    pub chain: String,
    pub reader: Reader,
    pub cursor: Cursor,
    pub shared: Arc<Shared>,
    /// Entries below have been sent once since the start.
    pub furthest: u64,
    pub connected_at: Option<Instant>,
}

impl Worker {
    pub fn run(mut self) {
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
