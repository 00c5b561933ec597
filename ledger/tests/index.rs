//! The index is disposable: whatever is done to it, the answers are those of the log.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::query::{Filter, Positions, find};
use ledger::{Entry, Index, Options, Projection, Reader};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn ledger() -> (TempDir, Reader) {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    for _ in 0..40 {
        appender.append(vec![appender.checkpoint_event()]).unwrap();
    }
    (dir, reader)
}

/// Opens, folds, saves: gives the digest of what is known.
fn digest(reader: &Reader) -> schemas::Hash {
    let mut index = Index::open(reader.clone()).unwrap();
    index.add::<Positions>();
    index.catch_up().unwrap();
    index.save().unwrap();
    index.digests().unwrap()[0].2
}

#[test]
fn a_damaged_index_is_built_again_whatever_the_damage() {
    let (dir, reader) = ledger();
    let index = dir.path().join("index");
    let sound = digest(&reader);
    let kept: Vec<_> = files(&index)
        .into_iter()
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .collect();
    for (bytes, path) in &kept {
        let step = (bytes.len() / 24).max(1);
        for at in (0..bytes.len().min(4_096)).step_by(step.min(170)) {
            for damage in 0..3 {
                std::fs::remove_dir_all(&index).unwrap();
                for (bytes, path) in &kept {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, bytes).unwrap();
                }
                let mut changed = bytes.clone();
                match damage {
                    0 => changed[at] ^= 1 << (at % 8),
                    1 => changed.truncate(at),
                    _ => changed[at..].fill(0xa5),
                }
                std::fs::write(path, changed).unwrap();
                assert_eq!(digest(&reader), sound, "{} at {at}", path.display());
                assert_eq!(digest(&reader), sound, "and once more");
            }
        }
    }
    for (_, path) in &kept {
        std::fs::remove_file(path).unwrap_or_default();
        assert_eq!(digest(&reader), sound, "without {}", path.display());
    }
}

#[test]
fn a_snapshot_of_another_log_is_not_taken_for_one_s_own() {
    let (dir, reader) = ledger();
    let (other, others) = ledger();
    let (own, foreign) = (digest(&reader), digest(&others));
    assert_eq!(own, foreign, "the same kinds at the same positions");
    for path in files(&other.path().join("index")) {
        let below = path.strip_prefix(other.path()).unwrap();
        std::fs::create_dir_all(dir.path().join(below).parent().unwrap()).unwrap();
        std::fs::copy(&path, dir.path().join(below)).unwrap();
    }
    let mut index = Index::open(reader).unwrap();
    assert_eq!(index.add::<Positions>().cursor(), 0);
    assert!(index.notices().iter().any(|n| n.contains("another log")));
}

/// A projection that does not come on while the test holds the gate.
static GATE: Mutex<()> = Mutex::new(());

#[derive(Default, Serialize, Deserialize)]
struct Slow(u64);

impl Projection for Slow {
    const NAME: &'static str = "slow";
    const VERSION: u32 = 1;
    fn fold(&mut self, _: &Entry) {
        drop(GATE.lock().unwrap());
        self.0 += 1;
    }
}

#[test]
fn projections_lag_and_never_block_an_append() {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    let mut index = Index::in_memory(reader.clone());
    let view = index.add::<Slow>();
    std::thread::scope(|scope| {
        let closed = GATE.lock().unwrap();
        let folding = scope.spawn(|| index.catch_up_to(1).unwrap());
        // Each of these is durable while the projection stands still.
        for _ in 0..30 {
            appender.append(vec![appender.checkpoint_event()]).unwrap();
        }
        drop(closed);
        folding.join().unwrap();
    });
    assert_eq!((reader.size(), index.reached()), (31, 1), "a lag of 30");
    index.catch_up().unwrap();
    assert_eq!((index.reached(), view.cursor()), (31, 31));
    assert_eq!(view.read(|slow| slow.0), 31);
}

#[test]
fn filters_of_any_range_end_in_an_answer() {
    let (_dir, reader) = ledger();
    let mut index = Index::in_memory(reader.clone());
    let view = index.add::<Positions>();
    index.catch_up().unwrap();
    for from in [0, 40, 41, 42, u64::MAX] {
        for limit in [None, Some(0), Some(usize::MAX)] {
            for newest_first in [false, true] {
                let filter = Filter {
                    from,
                    limit,
                    newest_first,
                    ..Filter::default()
                };
                let found = find(&reader, &view, &filter).unwrap();
                let all = 41_u64.saturating_sub(from) as usize;
                assert_eq!(found.len(), all.min(limit.unwrap_or(all)));
            }
        }
    }
    assert_eq!(reader.wait_beyond(40, std::time::Duration::MAX), 41);
    assert_eq!(reader.wait_beyond(41, std::time::Duration::ZERO), 41);
}
