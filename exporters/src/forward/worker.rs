//! The thread of one destination: connect, send, notice the break, wait, begin again.

use super::backoff::Backoff;
use super::cursor::Cursor;
use super::window::{Place, Window};
use super::{Destination, Record, Shared};
use crate::format::EntryView;
use crate::transport::{Connection, Route, TransportError};
use ledger::{ReadError, Reader};
use schemas::kinds::ledger::{DegradedReason, ExportDegraded};
use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Frames handed to the kernel at once; a mark of the window is this coarse.
pub(super) const BATCH_BYTES: usize = 64 << 10;

/// How long an idle connection goes without a look at its read side and at the stop flag.
const TICK: Duration = Duration::from_millis(200);

/// A connection that lived this long was a good one: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(10);

/// A receiver that breaks the connection this often at one entry cannot take it as it is.
const BREAKS: u32 = 3;

/// What ended one connection.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the log could not be read for export")]
    Read(#[from] ReadError),
    #[error(
        "what is there ends at position {0} with another message than this log's; move it away, or name another destination"
    )]
    Foreign(u64),
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
    /// The entry at which connections break, and how many of them did one after another.
    pub breaks_at: (u64, u32),
    pub record: Record,
}

/// What one connection was sent.
struct Sent {
    /// The connection's first entry, and the one after its last.
    first: u64,
    next: u64,
    window: Window,
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
        let epoch = self.cursor.epoch();
        let mut connection = match self.route.connect(&self.shared.stop, epoch) {
            Err(TransportError::Stopped) => return Ok(()),
            connected => connected?,
        };
        let first = self.first(connection.as_ref())?;
        connection.begin(first)?;
        self.connected_at = Some(Instant::now());
        {
            let mut status = self.shared.status();
            status.connected = true;
            status.connections += 1;
        }
        let mut sent = Sent {
            first,
            next: first,
            window: Window::new(self.destination.rewind_bytes()),
        };
        let ended = self.follow(connection.as_mut(), &mut sent);
        self.shared.status().connected = false;
        let stopped = matches!(
            ended,
            Ok(()) | Err(Fault::Transport(TransportError::Stopped))
        );
        if stopped {
            connection.close();
        }
        // Answers that came before the end save as many duplicates.
        self.confirm(connection.as_ref(), &mut sent);
        if stopped {
            return Ok(());
        }
        if let Err(Fault::Transport(fault)) = &ended
            && connection.blames(fault)
        {
            self.count_break(&sent);
        }
        ended
    }

    /// Where to go on: at the cursor, or behind what the receiver shows to hold. That has to be
    /// what would be sent.
    fn first(&mut self, connection: &dyn Connection) -> Result<u64, Fault> {
        let cursor = self.cursor.place().position;
        let Some(held) = connection.held().filter(|held| held.position > cursor) else {
            return Ok(cursor);
        };
        let foreign = || Fault::Foreign(held.position);
        let last = held.position.checked_sub(1).ok_or_else(foreign)?;
        if held.position > self.reader.size() {
            return Err(foreign());
        }
        let entry = self.reader.entry(last)?;
        let view = EntryView::of(&self.chain, &entry);
        let (form, epoch) = (self.destination.form(), self.cursor.epoch());
        if ![form.message(&view, epoch), form.reduced(&view, epoch)].contains(&held.last) {
            return Err(foreign());
        }
        self.advance(Place {
            position: held.position,
            leaf: entry.leaf(),
        });
        self.furthest = self.furthest.max(held.position);
        Ok(held.position)
    }

    fn advance(&mut self, place: Place) {
        self.cursor.advance(place);
        self.shared.status().confirmed = place.position;
    }

    /// Sends from the cursor on, and then whatever the log grows by.
    fn follow(&mut self, connection: &mut dyn Connection, sent: &mut Sent) -> Result<(), Fault> {
        let reader = self.reader.clone();
        let mut batch = Batch::default();
        while !self.shared.stopped() {
            connection.listen()?;
            self.confirm(connection, sent);
            let size = reader.wait_beyond(sent.next, TICK);
            for entry in reader.entries(sent.next..size) {
                let entry = entry?;
                let view = EntryView::of(&self.chain, &entry);
                let (form, epoch) = (self.destination.form(), self.cursor.epoch());
                let message = match self.breaks_at {
                    (seq, BREAKS..) if seq == entry.seq() => form.reduced(&view, epoch),
                    _ => form.message(&view, epoch),
                };
                connection.frame(&message, &mut batch.frames);
                batch.entries += 1;
                sent.next = entry.seq() + 1;
                let full =
                    batch.frames.len() >= BATCH_BYTES || batch.entries >= connection.batch() as u64;
                if full || sent.next == size {
                    let end = Place {
                        position: sent.next,
                        leaf: entry.leaf(),
                    };
                    connection.send(&batch.frames)?;
                    sent.window.wrote(batch.frames.len(), end, Instant::now());
                    self.count(&batch, end);
                    self.confirm(connection, sent);
                    batch.clear();
                    if self.shared.stopped() {
                        return Ok(());
                    }
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

    /// Moves the cursor past what the receiver has answered for, or what has left the window.
    /// A cursor that cannot be written costs duplicates later, and is no reason to stop
    /// sending now.
    fn confirm(&mut self, connection: &dyn Connection, sent: &mut Sent) {
        let now = Instant::now();
        let confirmed = match connection.answered() {
            None => sent.window.confirm(now),
            Some(0) => None,
            Some(answered) => {
                let position = sent.first + answered;
                let leaf = self.reader.leaf(position - 1);
                leaf.map(|leaf| Place { position, leaf })
            }
        };
        if let Some(place) = confirmed {
            self.advance(place);
        }
        if let Err(fault) = self.cursor.flush_if_due(now) {
            self.note(&fault);
        }
    }

    /// A receiver that answers shows at which entry it breaks. When it does so again and
    /// again the entry goes out reduced: not passed over, and nothing waits behind it.
    fn count_break(&mut self, sent: &Sent) {
        let at = self.cursor.place().position;
        if at >= sent.next {
            return;
        }
        let before = match self.breaks_at {
            (seq, breaks) if seq == at => breaks,
            _ => 0,
        };
        self.breaks_at = (at, before.saturating_add(1));
        if self.breaks_at.1 == BREAKS {
            let name = self.destination.name();
            tracing::warn!(destination = %name, seq = at, "the receiver breaks at this entry: it is sent reduced");
            (self.record)(ExportDegraded {
                destination: name.clone(),
                position: at,
                reason: DegradedReason::Refused,
            });
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
