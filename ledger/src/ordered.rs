//! Work done on every core, its results taken in the order in which it was given.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// What was given and not taken yet. It is for whoever gives to keep this small: what waits
/// here waits in memory.
pub struct Ordered<T> {
    given: VecDeque<Receiver<thread::Result<T>>>,
}

impl<T: Send + 'static> Ordered<T> {
    pub fn new() -> Ordered<T> {
        Ordered {
            given: VecDeque::new(),
        }
    }

    pub fn give(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        let (sender, receiver) = sync_channel(1);
        rayon::spawn(move || {
            // Nobody is there to take it when the one who gave has failed meanwhile.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        });
        self.given.push_back(receiver);
    }

    /// Enough is given to keep every core busy while the oldest is taken.
    pub fn is_full(&self) -> bool {
        self.given.len() > 2 * rayon::current_num_threads()
    }

    /// The oldest result; `None` when all are taken. Waits for it.
    pub fn take(&mut self) -> Option<T> {
        let result = self.given.pop_front()?.recv();
        match result.expect("whoever does the work sends what came of it") {
            Ok(result) => Some(result),
            Err(panic) => resume_unwind(panic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_in_which_the_work_was_given() {
        let mut ordered = Ordered::new();
        for n in 0..100_u64 {
            // The earlier ones take longer.
            ordered.give(move || {
                (0..(100 - n) * 1_000).for_each(|i| {
                    std::hint::black_box(i);
                });
                n
            });
        }
        let taken: Vec<u64> = std::iter::from_fn(|| ordered.take()).collect();
        assert!(taken.into_iter().eq(0..100));
    }

    #[test]
    fn a_panic_reaches_who_takes() {
        let mut ordered = Ordered::new();
        ordered.give(|| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(|| ordered.take())).is_err());
    }
}
