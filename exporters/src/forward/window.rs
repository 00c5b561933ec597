//! What was written but may never have been read.
//!
//! ```text
//!  confirmed            position
//!      │◀─ rewind window ──▶│
//! ─────┴────────────────────┴──────▶ log
//!  read by the receiver,    not yet written
//!  or its kernel is larger
//!  than the window
//! ```
//! Without acknowledgements there is one thing to go by: sockets are finite. When this many
//! bytes have been accepted *after* a message, the message has left both kernels' buffers,
//! so the receiver's program has read it. What that program then does with it (a queue in
//! memory, a full disk) nobody on this side can see: plain TCP and TLS cannot promise it.

use schemas::Hash;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A receiver that reads at once may still hold what it read in memory for a while.
const REWIND_TIME: Duration = Duration::from_secs(30);

/// A place between two entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Position of the entry after it.
    pub position: u64,
    /// Leaf hash of the entry before it; zeros at the beginning.
    pub leaf: Hash,
}

#[derive(Debug)]
struct Mark {
    end: Place,
    /// Bytes of this connection up to here.
    written: u64,
    at: Instant,
}

/// The marks of one connection that are not confirmed yet.
#[derive(Debug)]
pub(super) struct Window {
    rewind_bytes: u64,
    written: u64,
    marks: VecDeque<Mark>,
}

impl Window {
    pub fn new(rewind_bytes: u64) -> Window {
        Window {
            rewind_bytes,
            written: 0,
            marks: VecDeque::new(),
        }
    }

    /// `bytes` more were accepted, up to `end`.
    pub fn wrote(&mut self, bytes: usize, end: Place, at: Instant) {
        self.written += bytes as u64;
        self.marks.push_back(Mark {
            end,
            written: self.written,
            at,
        });
    }

    /// The last place before which everything has left the window, if there is a new one.
    pub fn confirm(&mut self, now: Instant) -> Option<Place> {
        let mut confirmed = None;
        while let Some(mark) = self.marks.front() {
            let behind = self.written - mark.written >= self.rewind_bytes;
            let old = now.saturating_duration_since(mark.at) >= REWIND_TIME;
            if !(behind && old) {
                break;
            }
            confirmed = Some(mark.end);
            self.marks.pop_front();
        }
        confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(position: u64) -> Place {
        Place {
            position,
            leaf: Hash::ZERO,
        }
    }

    #[test]
    fn a_place_is_confirmed_only_behind_enough_bytes_and_enough_time() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut window = Window::new(100);
        window.wrote(40, place(1), start);
        window.wrote(60, place(2), start + second);
        assert_eq!(window.confirm(start + 60 * second), None, "60 bytes behind");
        window.wrote(40, place(3), start + 20 * second);
        assert_eq!(window.confirm(start + 29 * second), None, "29 seconds old");
        assert_eq!(window.confirm(start + 30 * second), Some(place(1)));
        assert_eq!(window.confirm(start + 90 * second), None, "40 bytes behind");
        window.wrote(100, place(4), start + 40 * second);
        assert_eq!(window.confirm(start + 90 * second), Some(place(3)));
    }
}
