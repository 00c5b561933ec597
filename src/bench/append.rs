//! Durable, individually signed events in one process.

use super::figures::{Figures, Run};
use crate::outcome::Failure;
use ledger::{AppendError, Appender, Options, Reader, Submission};
use schemas::kinds::scanner::{Coverage, FileCovered};
use schemas::{Actor, Event, EventId, Hash, Label};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub const PRODUCERS: [usize; 4] = [1, 16, 64, 256];

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("append in one process: 1 KiB entries, each signed, one fdatasync per commit");
    for producers in PRODUCERS {
        let (dir, appender, _) = fresh(scratch, &format!("append-{producers}"))?;
        let run = load(producers, 1, seconds, &appender)?;
        figures.run(&format!("{producers} producers, one by one"), run);
        drop(appender);
        remove(&dir);
    }
    let (dir, appender, _) = fresh(scratch, "append-batches")?;
    let run = load(16, 64, seconds, &appender)?;
    figures.run("16 producers, batches of 64", run);
    drop(appender);
    remove(&dir);
    Ok(())
}

pub fn fresh(scratch: &Path, name: &str) -> Result<(PathBuf, Appender, Reader), Failure> {
    let dir = scratch.join(name);
    ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
    let (appender, reader) = ledger::open(&dir, Options::default())?;
    Ok((dir, appender, reader))
}

/// A bench that is over leaves nothing; a leftover harms nobody.
pub fn remove(dir: &Path) {
    let _ = std::fs::remove_dir_all(dir);
}

/// An event whose body is about 1 KiB.
pub fn event(appender: &Appender) -> Submission {
    let actor = Actor::Agent("bench".parse().expect("a literal name is sound"));
    event_of(appender, actor, path())
}

/// The same of an actor's session: a longer path makes up for a shorter name.
pub fn event_of(appender: &Appender, actor: Actor, session: Label) -> Submission {
    static SCAN: LazyLock<EventId> = LazyLock::new(|| EventId::derived(Hash([0x5a; 32])));
    let data = FileCovered {
        scan: *SCAN,
        path: path(),
        file_sha256: Some(Hash([0x5a; 32])),
        coverage: Coverage::Scanned,
    };
    Event::new(appender.new_id(), actor, data)
        .in_session(Some(session))
        .into()
}

fn path() -> Label {
    static PATH: LazyLock<Label> = LazyLock::new(|| Label::lossy(&"src/module/file".repeat(17)));
    PATH.clone()
}

fn load(
    producers: usize,
    batch: u64,
    seconds: u64,
    appender: &Appender,
) -> Result<Run, AppendError> {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let results: Vec<Result<Vec<Duration>, AppendError>> = std::thread::scope(|scope| {
        let produce = || {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let events = (0..batch).map(|_| event(appender)).collect();
                let asked = Instant::now();
                appender.append(events)?;
                latencies.push(asked.elapsed());
            }
            Ok(latencies)
        };
        let threads: Vec<_> = (0..producers).map(|_| scope.spawn(produce)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or_else(|_| Ok(Vec::new())))
            .collect()
    });
    let took = start.elapsed();
    let mut latencies = Vec::new();
    for result in results {
        latencies.extend(result?);
    }
    Ok(Run {
        events: latencies.len() as u64 * batch,
        took,
        latencies,
    })
}
