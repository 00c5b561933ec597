//! Bodies, read whole as far as they are allowed to go and as long as their senders may take.

use super::fault::Fault;
use agents::capture::Capture;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
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

/// Reads a body whole, as far as it is allowed to go.
pub(super) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Capture, Fault> {
    Ok(captured(read_bytes(headers, body).await?))
}

pub(super) fn captured(mut bytes: Zeroizing<Vec<u8>>) -> Capture {
    Capture::new(std::mem::take(&mut *bytes))
}

pub(in crate::server) async fn read_bytes(
    headers: &HeaderMap,
    body: Body,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    read_within(headers, body, BODY_PATIENCE, BODY_DEADLINE).await
}

/// `patience` is for each piece, `all` for all of them.
pub(super) async fn read_within(
    headers: &HeaderMap,
    body: Body,
    patience: Duration,
    all: Duration,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    Reading::new(headers, body, patience, all).whole().await
}

/// Where many small bodies come and few large ones: what a client tells of its agent. Each is read
/// before anybody does any work on it, so that one that drips holds up nothing but itself.
pub(super) struct Intake {
    /// Of those that are large.
    places: Semaphore,
}

/// Any number of connections may hold so much.
const SMALL: usize = 64 << 10;

/// Such a body comes at once, or is not waited for.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

impl Intake {
    /// For so many large bodies at a time.
    pub const fn of(large: usize) -> Intake {
        Intake {
            places: Semaphore::const_new(large),
        }
    }

    /// A body, and its place, to be kept as long as it is.
    pub async fn read(
        &'static self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Capture, Option<SemaphorePermit<'static>>), Fault> {
        let mut reading = Reading::new(headers, body, TOLD_WITHIN, TOLD_WITHIN);
        let place = if reading.ends_within(SMALL).await? {
            None
        } else {
            let place = timeout_at(reading.deadline, self.places.acquire()).await;
            let place = place.map_err(|_| Fault::body_stalled())?;
            Some(place.map_err(|_| Fault::internal())?)
        };
        Ok((captured(reading.whole().await?), place))
    }
}

struct Reading {
    pieces: BodyDataStream,
    /// What the sender says that it is.
    length: usize,
    /// Wiped in any case, not just forgotten.
    bytes: Zeroizing<Vec<u8>>,
    seen: usize,
    patience: Duration,
    deadline: Instant,
}

impl Reading {
    fn new(headers: &HeaderMap, body: Body, patience: Duration, all: Duration) -> Reading {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Reading {
            pieces: body.into_data_stream(),
            length: length.unwrap_or(0),
            bytes: Zeroizing::default(),
            seen: 0,
            patience,
            deadline: Instant::now() + all,
        }
    }

    async fn whole(mut self) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.ends_within(DRAIN_LIMIT).await?;
        match self.seen > BODY_LIMIT {
            true => Err(Fault::too_large(BODY_LIMIT)),
            false => Ok(self.bytes),
        }
    }

    /// Reads to the end, or until more than so many bytes have come.
    async fn ends_within(&mut self, size: usize) -> Result<bool, Fault> {
        self.widen(self.length.min(size).min(BODY_LIMIT));
        while self.seen <= size {
            let until = self.deadline.min(Instant::now() + self.patience);
            match timeout_at(until, self.pieces.next()).await {
                Err(_) => return Err(Fault::body_stalled()),
                Ok(Some(Err(_))) => return Err(Fault::body_broke()),
                Ok(None) => return Ok(true),
                Ok(Some(Ok(piece))) => {
                    self.seen += piece.len();
                    if self.seen <= BODY_LIMIT {
                        self.bytes.extend_from_slice(&piece);
                    }
                }
            }
        }
        Ok(false)
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
