//! How long to wait before the next attempt: longer each time, never for ever.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub fn new() -> Backoff {
        Backoff { next: FIRST }
    }

    pub fn reset(&mut self) {
        self.next = FIRST;
    }

    /// Between half of the delay and all of it, so that many senders do not return to a
    /// restarted receiver in the same moment.
    pub fn delay(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        // Without randomness the delay is whole: late, not wrong.
        let part = getrandom::u32().map_or(1.0, |r| f64::from(r) / f64::from(u32::MAX));
        whole.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::new();
        let mut expected = FIRST;
        let mut early = 0;
        for _ in 0..20 {
            let delay = backoff.delay();
            assert!(delay >= expected / 2 && delay <= expected, "{delay:?}");
            early += u32::from(delay < expected.mul_f64(0.9));
            expected = (expected * 2).min(LONGEST);
        }
        assert!(early > 0, "none of 20 is shorter than it may be at most");
        backoff.reset();
        assert!(backoff.delay() <= FIRST);
    }
}
