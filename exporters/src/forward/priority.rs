//! Who goes first where there are too few processors: whoever records, before whoever tells.
//!
//! A scheduler lets a thread that runs go on for milliseconds, nice or not, before one that wakes
//! up. So an exporter also steps aside by itself: it yields every few entries, and while an append
//! wants a processor it waits, but for no more than half of the time. Whoever appends without end
//! halves the speed of a receiver's news, and stops none of it.

use std::thread;
use std::time::{Duration, Instant};

/// Added to nice(2): a tenth of the share of a thread that is not nice, where both want all.
/// More would have a busy machine starve its SIEM.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// After so many entries an exporter yields, whatever it knows of appends.
const AT_ONCE: u64 = 8;

/// An append is waited for this long at a time: several times what one takes that is alone.
const LONGEST: Duration = Duration::from_millis(1);

/// How long a waiting thread sleeps before it looks again. To be woken would be work for who appends.
const LOOK: Duration = Duration::from_micros(20);

/// Of this thread and those that it starts. On Linux alone nice(2) means a thread, not the process.
pub(super) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(fault) = rustix::process::nice(NICE) {
        tracing::debug!("exporters run at no lower priority: {fault}");
    }
}

/// What one thread has done for appends so far.
pub(super) struct Courtesy {
    entries: u64,
    turn: Turn,
}

impl Courtesy {
    pub fn new() -> Courtesy {
        Courtesy {
            entries: 0,
            turn: Turn {
                works_until: Instant::now(),
            },
        }
    }

    /// To be called before every entry.
    pub fn step_aside(&mut self, appending: impl Fn() -> bool) {
        self.entries += 1;
        if appending() && self.turn.may_wait(Instant::now()) {
            let began = Instant::now();
            while appending() && began.elapsed() < LONGEST {
                thread::sleep(LOOK);
            }
            self.turn.waited(began, Instant::now());
        } else if self.entries.is_multiple_of(AT_ONCE) {
            thread::yield_now();
        }
    }
}

/// Behind each wait there is as long a time without one.
struct Turn {
    works_until: Instant,
}

impl Turn {
    fn may_wait(&self, now: Instant) -> bool {
        now >= self.works_until
    }

    fn waited(&mut self, from: Instant, to: Instant) {
        self.works_until = to + to.saturating_duration_since(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_without_end_are_waited_for_no_more_than_half_of_the_time() {
        let start = Instant::now();
        let mut turn = Turn { works_until: start };
        let (mut now, mut waited) = (start, Duration::ZERO);
        let work = Duration::from_micros(15);
        for round in 0..10_000_u32 {
            let wait = LONGEST * (round % 7 + 1) / 7;
            if turn.may_wait(now) {
                turn.waited(now, now + wait);
                (now, waited) = (now + wait, waited + wait);
            } else {
                now += work;
            }
            assert!(waited <= (now - start) / 2 + LONGEST, "{round}");
        }
        assert!(waited > (now - start) / 3, "they are waited for");
    }
}
