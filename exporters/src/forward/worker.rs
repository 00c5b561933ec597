//! The thread of one destination: connect, send, notice the break, wait, begin again.

use super::backoff::Backoff;
use super::cursor::Cursor;
use super::entries::Entries;
use super::priority::Courtesy;
use super::suspect::{MOMENT, Suspects};
use super::window::{Place, Window};
use super::{Destination, Record, Shared};
use crate::format::{EntryView, UNSET_RECEIVER_OCTETS};
use crate::transport::{Connection, Route, TransportError};
use ledger::{ReadError, Reader};
use schemas::kinds::ledger::{DegradedReason, ExportDegraded};
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long an idle connection goes without a look at its read side and at the stop flag.
const TICK: Duration = Duration::from_millis(200);

/// A connection that lived this long was a good one: the next attempt comes soon.
const STEADY: Duration = Duration::from_secs(10);

/// The word for a cursor that cannot be written.
const CURSOR: &str = "cursor";

/// A receiver that is busy may ask for so much patience, and no more.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

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

impl Fault {
    /// One word for it, to count by.
    fn word(&self) -> &'static str {
        match self {
            Fault::Transport(fault) => fault.word(),
            Fault::Read(_) => "read",
            Fault::Foreign(_) => "foreign",
        }
    }
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
    pub suspects: Suspects,
    pub record: Record,
}

/// What one connection was sent.
struct Sent {
    /// The connection's first entry, and the one after its last.
    first: u64,
    next: u64,
    /// The newest batch.
    batch: Range<u64>,
    /// Entries that the receiver had answered for when that was last looked at.
    answered: u64,
    window: Window,
}

impl Worker {
    pub fn run(mut self) {
        let mut backoff = Backoff::new();
        while !self.shared.stopped() {
            self.connected_at = None;
            let before = self.cursor.place();
            let Err(fault) = self.connect_and_follow() else {
                break;
            };
            self.note(fault.word(), &fault);
            self.rewind();
            // One that takes something between its breaks is worth another attempt soon; so is
            // one that is only tried out.
            let steady = self.connected_at.is_some_and(|at| at.elapsed() >= STEADY);
            let tried = self.connected_at.is_some() && self.suspects.are_sought();
            if steady || self.cursor.place() != before || tried {
                backoff.reset();
            }
            self.sleep(backoff.delay().max(asked_for(&fault)));
        }
        self.shared.status().connected = false;
        if let Err(fault) = self.cursor.flush(Instant::now()) {
            self.note(CURSOR, &fault);
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
            batch: first..first,
            answered: 0,
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
        let Err(Fault::Transport(fault)) = &ended else {
            return ended;
        };
        if let TransportError::Unanswered { .. } = fault {
            // A receiver that is stuck breaks at nothing: any entry would be the wrong one.
        } else if connection.blames(fault) {
            let reason = match fault {
                TransportError::Unfit {
                    too_large: true, ..
                } => DegradedReason::TooLarge,
                _ => DegradedReason::Refused,
            };
            self.count_break(&sent, reason);
        } else if connection.answered().is_none()
            && !sent.batch.is_empty()
            && let Some(seq) = self.suspects.broke_behind(sent.batch.clone())
        {
            self.degrade(seq, DegradedReason::Refused);
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
        let (entry, before) = Entries::of(&self.reader, self.destination.form()).entry(last)?;
        let view = EntryView::of(&self.chain, &entry, before);
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
        self.suspects.forget_below(place.position);
        self.shared.status().confirmed = place.position;
    }

    /// Sends from the cursor on, and then whatever the log grows by.
    fn follow(&mut self, connection: &mut dyn Connection, sent: &mut Sent) -> Result<(), Fault> {
        let reader = self.reader.clone();
        let mut entries = Entries::of(&reader, self.destination.form());
        let mut batch = Batch::default();
        let mut courtesy = Courtesy::new();
        while !self.shared.stopped() {
            connection.listen()?;
            self.confirm(connection, sent);
            let size = reader.wait_beyond(sent.next, TICK);
            if size == sent.next {
                // Nothing came for a while, and the receiver has not hung up on what was before.
                connection.listen()?;
                self.suspects.at_peace();
            }
            for seq in sent.next..size {
                courtesy.step_aside(|| reader.is_appending());
                let (entry, before) = entries.entry(seq)?;
                let view = EntryView::of(&self.chain, &entry, before);
                let (form, epoch) = (self.destination.form(), self.cursor.epoch());
                let whole = match self.suspects.is_reduced(entry.seq()) {
                    true => None,
                    false => form.whole(&view, epoch),
                };
                batch.reduced += u64::from(whole.is_none());
                let message = whole.unwrap_or_else(|| form.reduced(&view, epoch));
                let long = form.header().is_some() && message.len() > UNSET_RECEIVER_OCTETS;
                batch.long += u64::from(long);
                connection.frame(&message, &mut batch.frames);
                batch.entries += 1;
                sent.next = entry.seq() + 1;
                let full = batch.frames.len() >= connection.batch_bytes()
                    || batch.entries >= connection.batch() as u64
                    || self.suspects.parts(entry.seq());
                if full || sent.next == size {
                    let end = Place {
                        position: sent.next,
                        leaf: entry.leaf(),
                    };
                    if let Err(fault) = connection.send(&batch.frames) {
                        if fault.comes_late() {
                            // It may be there all the same: the next time is once more.
                            self.furthest = self.furthest.max(sent.next);
                        }
                        return Err(fault.into());
                    }
                    sent.window.wrote(batch.frames.len(), end, Instant::now());
                    sent.batch = sent.next - batch.entries..sent.next;
                    self.count(&batch, end);
                    if self.suspects.waits(sent.next) {
                        connection.linger(MOMENT)?;
                        self.suspects.passed(sent.next);
                    }
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
        status.reduced += batch.reduced;
        status.over_8096 += batch.long;
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
                let leaf = self.reader.leaf(position - 1).ok();
                leaf.map(|leaf| Place { position, leaf })
            }
        };
        if let Some(place) = confirmed {
            self.advance(place);
        }
        self.watch(connection.answered(), sent, now);
        if let Err(fault) = self.cursor.flush_if_due(now) {
            self.note(CURSOR, &fault);
        }
    }

    /// A receiver that answers and does not: that it is connected says nothing then.
    fn watch(&self, answered: Option<u64>, sent: &mut Sent, now: Instant) {
        let Some(answered) = answered else { return };
        let more = answered > std::mem::replace(&mut sent.answered, answered);
        let unanswered = sent.batch.end.saturating_sub(sent.first + answered);
        let mut status = self.shared.status();
        status.unanswered = Some(unanswered);
        status.unanswered_since = match status.unanswered_since {
            _ if unanswered == 0 => None,
            Some(since) if !more => Some(since),
            _ => Some(now),
        };
    }

    /// A receiver that answers shows at which entry it breaks. When it does so again and
    /// again the entry goes out reduced: not passed over, and nothing waits behind it.
    fn count_break(&mut self, sent: &Sent, reason: DegradedReason) {
        let at = self.cursor.place().position;
        if at >= sent.next {
            return;
        }
        if self.suspects.broke_at(at) {
            self.degrade(at, reason);
        }
    }

    fn degrade(&self, seq: u64, reason: DegradedReason) {
        let name = self.destination.name();
        tracing::warn!(destination = %name, seq, "the receiver breaks at this entry: it is sent reduced");
        (self.record)(ExportDegraded {
            destination: name.clone(),
            position: seq,
            reason,
        });
    }

    /// Nothing of the window is known to have arrived: it is sent again.
    fn rewind(&self) {
        let mut status = self.shared.status();
        status.position = self.cursor.place().position;
        status.unanswered = status.unanswered.map(|_| 0);
        status.unanswered_since = None;
    }

    fn note(&self, word: &'static str, fault: &dyn Error) {
        let text = with_causes(fault);
        tracing::warn!(destination = %self.destination.name(), "{text}");
        let mut status = self.shared.status();
        *status.faults.entry(word).or_default() += 1;
        status.last_error = Some(text);
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
    /// Of these, those that leave something out, and those that not every receiver takes.
    reduced: u64,
    long: u64,
}

impl Batch {
    fn clear(&mut self) {
        self.frames.clear();
        (self.entries, self.reduced, self.long) = (0, 0, 0);
    }
}

/// How long a receiver wants to be left alone.
fn asked_for(fault: &Fault) -> Duration {
    let asked = match fault {
        Fault::Transport(TransportError::Busy { retry_after, .. }) => *retry_after,
        _ => None,
    };
    asked.unwrap_or_default().min(LONGEST_ASKED)
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
