//! Idempotency keys that nobody has used.

use schemas::{EventId, Timestamp};
use std::cell::RefCell;

/// Asking the system costs a microsecond, so each thread asks for many at a time.
const ASKED_FOR: usize = 64;

thread_local! {
    static LEFT: RefCell<Vec<[u8; 10]>> = const { RefCell::new(Vec::new()) };
}

/// A UUID v7 of `now`, its other bits random.
pub fn fresh_id(now: Timestamp) -> EventId {
    let random = LEFT.with_borrow_mut(|left| {
        if left.is_empty() {
            let mut bytes = [[0; 10]; ASKED_FOR];
            // Without randomness ids could repeat; then the append is a conflict, not a loss.
            let _ = getrandom::fill(bytes.as_flattened_mut());
            left.extend(bytes);
        }
        left.pop().unwrap_or_default()
    });
    EventId::new(now, random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_one_microsecond_differ_within_a_thread_and_between_threads() {
        let many = || (0..1_000).map(|_| fresh_id(Timestamp::default())).collect();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(many)).collect();
        let ids: Vec<Vec<EventId>> = threads
            .into_iter()
            .map(|t| t.join().expect("ids"))
            .collect();
        let distinct: HashSet<_> = ids.iter().flatten().collect();
        assert_eq!(distinct.len(), 4_000);
    }
}
