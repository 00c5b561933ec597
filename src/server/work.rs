//! What a server does besides answering: it keeps the views current and puts checkpoints
//! into the log.

use super::Node;
use ledger::{Entry, ReadError, Reader};
use schemas::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A checkpoint goes into the log this often, also when idle: receivers take it as a
/// heartbeat (two missed are an alarm).
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// … and after so many entries.
const CHECKPOINT_ENTRIES: u64 = 10_000;

/// How long a thread may not notice that it should stop.
pub const TICK: Duration = Duration::from_millis(100);

pub struct Work {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Work {
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

pub fn start(node: &Node) -> Work {
    let stop = Arc::new(AtomicBool::new(false));
    let spawn = |run: fn(&Node, &AtomicBool)| {
        let (node, stop) = (node.clone(), Arc::clone(&stop));
        std::thread::spawn(move || run(&node, &stop))
    };
    let threads = vec![
        spawn(follow),
        spawn(checkpoint),
        spawn(super::gateway::settle_refused),
        spawn(super::gateway::compare_witnesses),
        spawn(super::approvals::run),
        spawn(super::retention::run),
        spawn(super::notify::by_webhook),
        spawn(super::notify::by_command),
        spawn(super::reports::run),
        spawn(super::reports::deliver),
        spawn(super::witnesses::run),
        spawn(super::timestamps::run),
        spawn(super::ingest::run),
        spawn(super::protection::run),
    ];
    Work { stop, threads }
}

/// Waits for so long, or until it should stop.
pub fn pause(stop: &AtomicBool, length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(TICK);
    }
}

/// Since when there is a reason to have the log witnessed or time-stamped: what others said of
/// it is none, or it would grow for ever by being looked at.
pub fn news(reader: &Reader, entries: Range<u64>) -> Option<Timestamp> {
    let said = ["witness.cosigned", "checkpoint.timestamped"];
    let news = |entry: Result<Entry, ReadError>| match entry {
        Ok(entry) => (!said.contains(&entry.data().kind())).then(|| entry.at()),
        // Whoever reads it for its own sake says what is wrong.
        Err(_) => Some(Timestamp::default()),
    };
    reader.entries(entries).find_map(news)
}

/// Views lag the log and never delay it.
fn follow(node: &Node, stop: &AtomicBool) {
    let mut reached = 0;
    while !stop.load(Ordering::Relaxed) {
        if node.reader.wait_beyond(reached, TICK) <= reached {
            continue;
        }
        match node.views.catch_up() {
            Ok(size) => reached = size,
            Err(error) => {
                tracing::error!(%error, "the views stay where they are; run `daicho verify`");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
    node.views.save();
}

fn checkpoint(node: &Node, stop: &AtomicBool) {
    let (mut age, mut next) = newest_checkpoint(&node.reader, node.appender.now());
    let mut since = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let size = node.reader.wait_beyond(next + CHECKPOINT_ENTRIES - 1, TICK);
        if !is_due(age + since.elapsed(), size.saturating_sub(next)) {
            continue;
        }
        if let Err(error) = node.appender.append(vec![node.appender.checkpoint_event()]) {
            tracing::error!(%error, "no checkpoint could be recorded");
        }
        (age, since, next) = (Duration::ZERO, Instant::now(), node.reader.size());
    }
}

/// How old the log's newest checkpoint is, and the position behind it: a server that is restarted
/// all the time has a heartbeat too. Farther back than one is due anyway nobody looks; a log
/// without any has its beginning.
fn newest_checkpoint(reader: &Reader, now: Timestamp) -> (Duration, u64) {
    let size = reader.size();
    let from = size.saturating_sub(CHECKPOINT_ENTRIES);
    let entries = reader.entries(from..size).flatten();
    let (next, at) = entries
        .filter(|entry| entry.kind() == "ledger.checkpoint")
        .last()
        .map(|entry| (entry.seq() + 1, entry.at()))
        .or_else(|| Some((from, reader.entry(from).ok()?.at())))
        .unwrap_or((from, now));
    // A clock that ran back makes none due.
    let micros = u64::try_from(now.micros() - at.micros()).unwrap_or_default();
    (Duration::from_micros(micros), next)
}

/// Whether a checkpoint is due, at this age of the newest and so many entries behind it.
fn is_due(age: Duration, entries: u64) -> bool {
    age >= CHECKPOINT_INTERVAL || entries >= CHECKPOINT_ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What receivers of the log are told to count on.
    #[test]
    fn a_checkpoint_is_due_after_60_seconds_or_10_000_entries() {
        let seconds = Duration::from_secs;
        assert!(!is_due(Duration::ZERO, 0) && !is_due(seconds(59), 9_999));
        assert!(is_due(seconds(60), 0) && is_due(Duration::ZERO, 10_000));
    }
}
