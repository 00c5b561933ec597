//! Sends a part of the log once more, beside the destination's own thread and cursor: when the
//! receiver has lost something, and to try a destination out.

use super::Destination;
use super::cursor::{CursorError, epoch_under};
use super::entries::Entries;
use crate::format::{EntryView, FormError};
use crate::transport::TransportError;
use ledger::{ReadError, Reader};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

/// How long a receiver may leave messages without an answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long one that never answers has to hang up on what it was sent.
const REFUSAL: Duration = Duration::from_millis(500);

const TICK: Duration = Duration::from_millis(10);

/// What became of a part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    pub sent: u64,
    /// Of these, those the receiver answered for; absent where it never answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<u64>,
    /// What it said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Why not all of it went out.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the ledger holds {size} entries; there is no entry {last}")]
    Beyond { last: u64, size: u64 },
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("the log could not be read for export")]
    Read(#[from] ReadError),
    #[error("after {answered:?} answers to {sent} entries")]
    Broken {
        sent: u64,
        answered: Option<u64>,
        source: TransportError,
    },
    #[error("the receiver answered for {answered} of {sent} entries and then for none")]
    Unanswered { sent: u64, answered: u64 },
}

/// Sends the entries of `range`, the same bytes as before where they were sent before. Not
/// tried again: whoever asked for it is there to see.
pub fn replay(
    destination: &Destination,
    reader: &Reader,
    data_dir: &Path,
    range: Range<u64>,
) -> Result<Replayed, ReplayError> {
    let (size, last) = (reader.size(), range.end.saturating_sub(1));
    if range.end > size || range.is_empty() {
        return Err(ReplayError::Beyond { last, size });
    }
    let (form, chain) = (destination.form(), reader.origin());
    form.check_chain(chain)?;
    let epoch = epoch_under(data_dir, destination.name(), form.digest())?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut sent = 0;
    let broken = |source, sent, answered| ReplayError::Broken {
        sent,
        answered,
        source,
    };
    let route = destination.route(data_dir).aside();
    let mut connection = route
        .connect(&stop, epoch)
        .and_then(|mut connection| connection.begin(range.start).map(|()| connection))
        .map_err(|fault| broken(fault, 0, None))?;
    let mut frames = Vec::new();
    let mut framed = 0;
    let mut entries = Entries::of(reader, form);
    for seq in range.clone() {
        let (entry, before) = entries.entry(seq)?;
        let message = form.message(&EntryView::of(chain, &entry, before), epoch);
        connection.frame(&message, &mut frames);
        framed += 1;
        let full = frames.len() >= connection.batch_bytes() || framed >= connection.batch();
        if full || seq == last {
            let handed = connection.send(&frames).and_then(|()| connection.listen());
            handed.map_err(|fault| broken(fault, sent, connection.answered()))?;
            sent += framed as u64;
            frames.clear();
            framed = 0;
        }
    }
    let (mut since, mut answered) = (Instant::now(), connection.answered());
    while answered.map_or(since.elapsed() < REFUSAL, |answered| answered < sent) {
        let heard = connection.listen();
        let now = connection.answered();
        if now > answered {
            (since, answered) = (Instant::now(), now);
            continue;
        }
        heard.map_err(|fault| broken(fault, sent, answered))?;
        if since.elapsed() > PATIENCE {
            let answered = answered.unwrap_or_default();
            return Err(ReplayError::Unanswered { sent, answered });
        }
        thread::sleep(TICK);
    }
    connection.close();
    Ok(Replayed {
        sent,
        answered,
        answer: connection.answer(),
    })
}
