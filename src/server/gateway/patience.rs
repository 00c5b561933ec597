//! How long a call waits for whom, and what becomes of work that nobody waits for any more.

use crate::server::listen;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// A stream that says nothing for so long gets a ping of ours: proxies give up after a minute,
    /// Claude Code after three.
    pub ping: Duration,
    /// For the rules to look at what an agent sends or tells: the largest takes them some seconds.
    pub rules: Duration,
    /// For them to look at what came back.
    pub answers: Duration,
    /// A client that has taken nothing for so long is no reader any more.
    pub reader: Duration,
}

impl Patience {
    pub const USUAL: Patience = Patience {
        ping: Duration::from_secs(15),
        rules: Duration::from_secs(60),
        answers: Duration::from_secs(60),
        reader: listen::READER,
    };
}

/// Whether work is still waited for. Of the two who ask, the work before it does what lasts and
/// who waits for it, the first decides; and work that is late has lost, whoever noticed.
pub(super) struct Turn {
    until: Instant,
    taken: AtomicBool,
}

impl Turn {
    fn until(until: Instant) -> Turn {
        Turn {
            until,
            taken: AtomicBool::new(false),
        }
    }

    /// Asked by the work.
    pub fn take(&self) -> bool {
        !self.is_late() && self.take_anyhow()
    }

    fn take_anyhow(&self) -> bool {
        !self.taken.swap(true, Ordering::SeqCst)
    }

    fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Work that came to nothing, and will not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    TooSlow,
    Panicked,
}

/// Does work of the rules off the runtime's own threads: a text may be 32 MB. A thread cannot be
/// stopped, so `work` asks for its turn before it does anything that lasts, and holds until its end
/// what it was given to hold.
pub(super) async fn in_time<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce(&Turn) -> T + Send + 'static,
) -> Result<T, Late> {
    let until = Instant::now() + patience;
    let turn = Arc::new(Turn::until(until));
    let own = Arc::clone(&turn);
    let run = move || (!own.is_taken() && !own.is_late()).then(|| work(&own));
    let mut working = tokio::task::spawn_blocking(run);
    let worked = match timeout_at(until.into(), &mut working).await {
        Ok(worked) => worked,
        Err(_) if turn.take_anyhow() => return Err(Late::TooSlow),
        Err(_) => working.await,
    };
    match worked {
        Ok(Some(done)) if turn.is_taken() || !turn.is_late() => Ok(done),
        Ok(_) => Err(Late::TooSlow),
        Err(_) => Err(Late::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_came_to_nothing_whether_it_had_its_turn_or_not() {
        let long = Duration::from_secs(60);
        let fails = |_: &Turn| -> u8 { panic!("a rule fails") };
        assert_eq!(in_time(long, fails).await, Err(Late::Panicked));
        let fails = |turn: &Turn| -> u8 {
            assert!(!turn.take(), "a rule fails in its turn");
            1
        };
        assert_eq!(in_time(long, fails).await, Err(Late::Panicked));
        assert_eq!(in_time(long, |turn| turn.take()).await, Ok(true));
        assert_eq!(in_time(Duration::ZERO, |_| 1).await, Err(Late::TooSlow));
    }
}
