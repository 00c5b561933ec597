//! Whether appends want a processor: a hint for threads that have time, and no more than that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Appending {
    under_way: AtomicUsize,
    /// The commit under way waits for the disk, and for nothing else.
    at_disk: AtomicBool,
}

impl Appending {
    /// An append is under way for as long as the answer lives.
    pub fn begin(self: &Arc<Appending>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    pub fn at_disk<T>(&self, sync: impl FnOnce() -> T) -> T {
        self.at_disk.store(true, Ordering::Relaxed);
        let synced = sync();
        self.at_disk.store(false, Ordering::Relaxed);
        synced
    }

    pub fn wants_processor(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0 && !self.at_disk.load(Ordering::Relaxed)
    }
}

pub(crate) struct UnderWay(Arc<Appending>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_wanted_between_the_beginning_and_the_answer_but_at_the_disk() {
        let appending = Arc::new(Appending::default());
        assert!(!appending.wants_processor());
        let (one, other) = (appending.begin(), appending.begin());
        assert!(appending.wants_processor());
        appending.at_disk(|| assert!(!appending.wants_processor()));
        drop(one);
        assert!(appending.wants_processor());
        drop(other);
        assert!(!appending.wants_processor());
    }
}
