//! Bodies, read whole as far as they are allowed to go and as long as their senders may take.

use super::room::{Full, Held};
use agents::capture::Capture;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use schemas::kinds::traffic::RefusalReason;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// What the provider takes at most; more would be refused there.
pub(super) const BODY_LIMIT: usize = 32 << 20;

/// A body too long is read on to here and thrown away, so that its sender hears the answer
/// instead of a broken connection.
const DRAIN_LIMIT: usize = 2 * BODY_LIMIT;

/// Between two pieces of a body that is being sent to us.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// From its first piece to its last: whoever drips a body holds a place among the calls.
const BODY_DEADLINE: Duration = Duration::from_secs(600);

/// So much is taken for a body at least, unless it says that it is shorter.
const STEP: usize = 64 << 10;

pub(super) fn captured(mut bytes: Zeroizing<Vec<u8>>) -> Capture {
    Capture::new(std::mem::take(&mut *bytes))
}

/// What a client tells of its agent comes at once, or is not waited for.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// So much of it takes no room: mostly that is all of it, and an agent without room goes on telling.
const SMALL: usize = 64 << 10;

/// Why there is no body.
pub(super) enum NotRead {
    Unread(RefusalReason),
    Full(Full),
}

/// A body on its way, read as far as it is allowed to go.
pub(super) struct Reading<'h> {
    pieces: BodyDataStream,
    /// What the sender says that it is.
    length: usize,
    /// Wiped in any case, not just forgotten.
    bytes: Zeroizing<Vec<u8>>,
    seen: usize,
    /// For each piece.
    patience: Duration,
    /// For all of them.
    deadline: Instant,
    room: Option<&'h Held>,
    /// So much of the room is taken, or is not asked for.
    taken: usize,
    /// There was none: the rest is read on and thrown away, for the reason of a body too long.
    full: Option<Full>,
}

impl<'h> Reading<'h> {
    pub fn usual(headers: &HeaderMap, body: Body) -> Reading<'h> {
        Reading::new(headers, body, BODY_PATIENCE, BODY_DEADLINE)
    }

    /// What a client tells of its agent.
    pub fn told(headers: &HeaderMap, body: Body) -> Reading<'h> {
        Reading {
            taken: SMALL,
            ..Reading::new(headers, body, TOLD_WITHIN, TOLD_WITHIN)
        }
    }

    pub fn new(headers: &HeaderMap, body: Body, patience: Duration, all: Duration) -> Reading<'h> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Reading {
            pieces: body.into_data_stream(),
            length: length.unwrap_or(0),
            bytes: Zeroizing::default(),
            seen: 0,
            patience,
            deadline: Instant::now() + all,
            room: None,
            taken: 0,
            full: None,
        }
    }

    /// Nothing is kept but what there is room for.
    pub fn into_room(self, held: &'h Held) -> Reading<'h> {
        Reading {
            room: Some(held),
            ..self
        }
    }

    pub async fn whole(mut self) -> Result<Zeroizing<Vec<u8>>, NotRead> {
        self.read().await.map_err(NotRead::Unread)?;
        if self.seen > BODY_LIMIT {
            return Err(NotRead::Unread(RefusalReason::TooLong));
        }
        match self.full {
            Some(full) => Err(NotRead::Full(full)),
            None => Ok(self.bytes),
        }
    }

    /// To the end, or as far as anything is read.
    async fn read(&mut self) -> Result<(), RefusalReason> {
        while self.seen <= DRAIN_LIMIT {
            let until = self.deadline.min(Instant::now() + self.patience);
            match timeout_at(until, self.pieces.next()).await {
                Err(_) => return Err(RefusalReason::TooSlow),
                Ok(Some(Err(_))) => return Err(RefusalReason::BrokenOff),
                Ok(None) => break,
                Ok(Some(Ok(piece))) => {
                    self.seen += piece.len();
                    if self.seen.max(self.length) <= BODY_LIMIT && self.fits() {
                        self.bytes.extend_from_slice(&piece);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what has come so far fits in: more is taken as it comes, not as it is announced, for a
    /// head alone costs its sender nothing.
    fn fits(&mut self) -> bool {
        let capacity = self.bytes.capacity();
        if self.full.is_none() && self.seen <= capacity {
            return true;
        }
        let wanted = (2 * self.seen).clamp(STEP, BODY_LIMIT);
        let capacity = match self.length < self.seen {
            true => wanted,
            false => wanted.min(self.length),
        };
        let fits = self.has_room(capacity);
        if fits {
            self.widen(capacity);
        }
        fits
    }

    /// Whether there is room for a body of this size. Once there was none, what had been read of it
    /// is not held either.
    fn has_room(&mut self, size: usize) -> bool {
        if self.full.is_some() {
            return false;
        }
        let Some(room) = self.room.filter(|_| size > self.taken) else {
            return true;
        };
        match room.hold((size - self.taken) as u64) {
            Ok(()) => self.taken = size,
            Err(full) => {
                self.full = Some(full);
                self.bytes = Zeroizing::default();
                room.let_go();
            }
        }
        self.full.is_none()
    }

    /// Makes room; what was read is moved, and wiped where it was.
    fn widen(&mut self, capacity: usize) {
        if capacity > self.bytes.capacity() {
            let mut wider = Zeroizing::new(Vec::with_capacity(capacity));
            wider.extend_from_slice(&self.bytes);
            self.bytes = wider;
        }
    }
}
