//! The one writer under stress: panics, late answers, months, full and sealed files.
#![allow(clippy::unwrap_used)]

use ledger::clock::Clock;
use ledger::note::SignerKey;
use ledger::verify::{Trust, verify};
use ledger::{AppendError, Appender, Content, HeldKey, Options, Reader, Submission};
use schemas::kinds::agents::{AgentReason, AgentRetired};
use schemas::kinds::ledger::{KeyRotated, RotationReason};
use schemas::kinds::records::RetentionExtended;
use schemas::{Event, Label, Period, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;

/// A clock that stands where it is put, or panics in the committer.
#[derive(Default)]
struct TestClock {
    micros: AtomicI64,
    broken: AtomicBool,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let committer = std::thread::current().name() == Some("committer");
        assert!(!committer || !self.broken.load(Ordering::SeqCst), "broken");
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

fn ledger() -> (TempDir, Arc<TestClock>) {
    let (dir, clock) = (TempDir::new().unwrap(), Arc::new(TestClock::default()));
    let start: Timestamp = "2026-11-30T23:59:00.000000Z".parse().unwrap();
    clock.micros.store(start.micros(), Ordering::SeqCst);
    ledger::create(dir.path(), "example.com/daicho", &*clock).unwrap();
    (dir, clock)
}

fn open(dir: &Path, clock: &Arc<TestClock>, file_bytes: u64) -> (Appender, Reader) {
    let clock: Arc<dyn Clock> = clock.clone();
    let options = Options {
        clock,
        file_bytes,
        ..Options::default()
    };
    ledger::open(dir, options).unwrap()
}

fn submission(appender: &Appender, content: Option<&str>) -> Submission {
    let data = AgentRetired {
        agent: "cfo".parse().unwrap(),
        reason: AgentReason::Requested,
    };
    let content = content.map(|text| Content {
        name: "request".parse().unwrap(),
        media: "text/plain".parse().unwrap(),
        bytes: text.into(),
    });
    Submission {
        event: Event::new(appender.new_id(), "user:s001".parse().unwrap(), data),
        content: content.into_iter().collect(),
        person: None,
    }
}

fn check(dir: &Path) {
    let report = verify(dir, &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("log")).unwrap();
    let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

fn is_readonly(path: &Path) -> bool {
    path.metadata().unwrap().permissions().readonly()
}

#[test]
fn a_panic_in_the_committer_answers_everybody_and_lets_the_next_writer_in() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 4_000);
    appender.append(vec![submission(&appender, None)]).unwrap();
    clock.broken.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let answer = appender.append(vec![submission(&appender, None)]);
                assert!(matches!(answer, Err(AppendError::Stopped { .. })));
            });
        }
    });
    clock.broken.store(false, Ordering::SeqCst);
    let answer = appender.append(vec![submission(&appender, None)]);
    assert!(matches!(answer, Err(AppendError::Stopped { .. })));
    assert!(
        appender.stopped().is_some(),
        "who watches the ledger is told"
    );
    assert_eq!(reader.size(), 2);
    drop((appender, reader));
    let (appender, _) = open(dir.path(), &clock, 4_000);
    appender.append(vec![submission(&appender, None)]).unwrap();
    drop(appender);
    check(dir.path());
}

#[test]
fn requests_that_wait_when_the_appender_is_dropped_are_answered() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 4_000);
    let (sender, receiver) = channel();
    for _ in 0..200 {
        let sender = sender.clone();
        appender.append_then(vec![submission(&appender, None)], move |answer| {
            sender.send(answer.unwrap()[0].seq).unwrap();
        });
    }
    drop((appender, sender));
    let answered: Vec<u64> = receiver.iter().collect();
    assert_eq!(answered, (1..=200).collect::<Vec<_>>());
    assert_eq!(reader.size(), 201);
    check(dir.path());
}

#[test]
fn the_last_appender_may_be_dropped_by_an_answer() {
    let (dir, clock) = ledger();
    let (appender, _) = open(dir.path(), &clock, 4_000);
    let (held, (sender, receiver)) = (appender.clone(), channel());
    let batch = vec![submission(&appender, None)];
    let (go, wait) = channel::<()>();
    appender.append_then(batch, move |answer| {
        let _ = wait.recv();
        drop(held);
        let _ = sender.send(answer.is_ok());
    });
    drop(appender);
    go.send(()).unwrap();
    assert!(receiver.recv_timeout(Duration::from_secs(30)).unwrap());
}

#[test]
fn an_append_shows_to_who_has_time_until_it_is_answered() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 64 << 20);
    let over = || {
        while reader.is_appending() {
            std::thread::yield_now();
        }
    };
    assert!(!reader.is_appending());
    let (watching, (sender, receiver)) = (reader.clone(), channel());
    let (go, wait) = channel::<()>();
    appender.append_then(vec![submission(&appender, None)], move |_| {
        let _ = wait.recv();
        let _ = sender.send(watching.is_appending());
    });
    assert_eq!(reader.wait_beyond(1, Duration::from_secs(30)), 2);
    assert!(reader.is_appending(), "it is in the log, and not answered");
    go.send(()).unwrap();
    assert!(receiver.recv_timeout(Duration::from_secs(30)).unwrap());
    over();
    // Nor does one stay that is refused before it comes to the log, or that nobody hears of.
    let twice = submission(&appender, None);
    let mut other = submission(&appender, Some("else"));
    other.event.id = twice.event.id;
    appender.append(vec![twice, other]).unwrap_err();
    over();
    let rotated = KeyRotated {
        vkey: Label::lossy("by no rotation"),
        reason: RotationReason::Scheduled,
    };
    let rotated = Event::new(appender.new_id(), "user:s001".parse().unwrap(), rotated);
    appender.append(vec![rotated.into()]).unwrap_err();
    over();
    clock.broken.store(true, Ordering::SeqCst);
    appender
        .append(vec![submission(&appender, None)])
        .unwrap_err();
    over();
}

/// More than one commit takes: it is written while the next is planned.
fn full(appender: &Appender) -> Vec<Submission> {
    (0..1_500).map(|_| submission(appender, None)).collect()
}

#[test]
fn the_last_appender_may_be_dropped_by_the_answer_of_a_full_commit() {
    let (dir, clock) = ledger();
    let (appender, _) = open(dir.path(), &clock, 64 << 20);
    let (held, (sender, receiver)) = (appender.clone(), channel());
    let (go, wait) = channel::<()>();
    appender.append_then(full(&appender), move |answer| {
        let _ = wait.recv();
        drop(held);
        let _ = sender.send(answer.is_ok());
    });
    drop(appender);
    go.send(()).unwrap();
    assert!(receiver.recv_timeout(Duration::from_secs(30)).unwrap());
    check(dir.path());
}

#[test]
fn a_panic_while_a_full_commit_is_answered_stops_the_writing_and_lets_the_next_writer_in() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 64 << 20);
    let (sender, receiver) = channel::<()>();
    appender.append_then(full(&appender), move |_| {
        let _dropped_as_it_ends = sender;
        panic!("an answer that fails");
    });
    let _ = receiver.recv();
    // Who watches the ledger is told, though nobody appends.
    for _ in 0..3_000 {
        if appender.stopped().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(appender.stopped().is_some());
    let answer = appender.append(full(&appender));
    assert!(matches!(answer, Err(AppendError::Stopped { .. })));
    let answer = appender.append(vec![submission(&appender, None)]);
    assert!(matches!(answer, Err(AppendError::Stopped { .. })));
    drop((appender, reader));
    let (appender, _) = open(dir.path(), &clock, 64 << 20);
    appender.append(vec![submission(&appender, None)]).unwrap();
    drop(appender);
    check(dir.path());
}

/// What is planned while a commit is written must know what is in it: ids, files that end, keys
/// that change.
#[test]
fn full_commits_overlap_and_the_log_is_as_if_they_did_not() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 300_000);
    let answered = std::thread::scope(|scope| {
        let produce = || {
            let mut answered = Vec::new();
            for _ in 0..6 {
                let batch = full(&appender);
                // Twice at once: the second meets the first in the plan or under way.
                let (sender, receiver) = channel();
                appender.append_then(batch.clone(), move |answer| sender.send(answer).unwrap());
                let again = appender.append(batch).unwrap();
                let first = receiver.recv().unwrap().unwrap();
                assert!(first.iter().all(|receipt| receipt.new));
                for (first, again) in first.iter().zip(&again) {
                    assert_eq!((first.seq, first.leaf), (again.seq, again.leaf));
                    assert!(!again.new);
                }
                answered.extend(first);
            }
            answered
        };
        let producers: Vec<_> = (0..3).map(|_| scope.spawn(produce)).collect();
        for seed in 1..=5 {
            let key = SignerKey::from_seed("example.com/daicho", &[seed; 32]);
            let successor = HeldKey::plain(key.unwrap());
            let actor = "user:s001".parse().unwrap();
            appender
                .rotate(actor, RotationReason::Scheduled, successor)
                .unwrap();
        }
        let all = producers.into_iter().flat_map(|p| p.join().unwrap());
        all.collect::<Vec<_>>()
    });
    for receipt in &answered {
        let entry = reader.entry(receipt.seq).unwrap();
        assert_eq!((entry.id(), entry.leaf()), (receipt.id, receipt.leaf));
    }
    assert_eq!(reader.size(), 1 + 3 * 6 * 1_500 + 5);
    drop(appender);
    assert!(logs(dir.path()).len() > 10, "files ended on the way");
    check(dir.path());
    let (appender, _) = open(dir.path(), &clock, 300_000);
    appender.append(vec![submission(&appender, None)]).unwrap();
}

#[test]
fn an_id_repeated_in_another_month_is_the_same_only_with_the_same_content() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 4_000);
    let first = submission(&appender, Some("text"));
    appender.append(vec![first.clone()]).unwrap();
    clock.micros.fetch_add(120_000_000, Ordering::SeqCst);
    let again = appender.append(vec![first.clone()]).unwrap()[0];
    assert_eq!((again.seq, again.new), (1, false));
    let mut other = first;
    other.content[0].bytes = b"tixt".to_vec();
    let answer = appender.append(vec![other]);
    assert!(matches!(answer, Err(AppendError::Conflict { seq: 1, .. })));
    assert_eq!(reader.size(), 2);
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let (dir, clock) = ledger();
    let (appender, reader) = open(dir.path(), &clock, 4_000);
    for period in [Period::Days(0), Period::Months(0), Period::Days(u32::MAX)] {
        let data = RetentionExtended {
            bucket: "operation/2026-11".parse().unwrap(),
            period,
            due: None,
        };
        let event = Event::new(appender.new_id(), "user:s001".parse().unwrap(), data);
        let answer = appender.append(vec![event.into()]);
        assert!(
            matches!(answer, Err(AppendError::Unfit { .. })),
            "{period:?}"
        );
    }
    assert_eq!(reader.size(), 1);
}

#[test]
fn a_file_that_is_exactly_full_at_a_start_is_sealed_and_followed() {
    let (dir, clock) = ledger();
    let full = logs(dir.path())[0].metadata().unwrap().len();
    let (appender, reader) = open(dir.path(), &clock, full);
    appender.append(vec![submission(&appender, None)]).unwrap();
    drop((appender, reader));
    let files = logs(dir.path());
    assert_eq!(files.len(), 2);
    assert!(is_readonly(&files[0]) && !is_readonly(&files[1]));
    check(dir.path());

    let mut permissions = files[1].metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&files[1], permissions).unwrap();
    let before = std::fs::read(&files[1]).unwrap();
    let (appender, _) = open(dir.path(), &clock, 1 << 20);
    appender.append(vec![submission(&appender, None)]).unwrap();
    drop(appender);
    assert_eq!(std::fs::read(&files[1]).unwrap(), before, "a sealed file");
    assert_eq!(logs(dir.path()).len(), 3);
    check(dir.path());
}

#[test]
fn a_commit_left_without_a_name_is_removed_and_a_torn_file_is_closed() {
    let (dir, clock) = ledger();
    let torn = logs(dir.path())[0].clone();
    let mut bytes = std::fs::read(&torn).unwrap();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":1,");
    std::fs::write(&torn, &bytes).unwrap();
    // The start after the tear was killed while it began the next file; then once more.
    for _ in 0..2 {
        std::fs::write(dir.path().join("log/new"), b"{\"v\":1,\"seq\":1,\"at\"").unwrap();
        check(dir.path());
        assert_eq!(Reader::open(dir.path()).unwrap().size(), 1);
    }
    let (appender, reader) = open(dir.path(), &clock, 4_000);
    assert_eq!(reader.entry(1).unwrap().kind(), "ledger.recovered");
    assert!(is_readonly(&torn) && !dir.path().join("log/new").exists());
    drop((appender, reader));
    check(dir.path());
}

#[test]
fn creating_goes_on_after_it_was_interrupted_anywhere_before_entry_0() {
    let clock = TestClock::default();
    let dir = TempDir::new().unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    std::fs::write(keys.join("ledger.key.new"), b"PRIVATE+KEY+exam").unwrap();
    let first = ledger::create(dir.path(), "example.com/daicho", &clock).unwrap();
    std::fs::remove_file(&logs(dir.path())[0]).unwrap();
    std::fs::write(dir.path().join("log/new"), b"{\"v\":1").unwrap();
    clock.micros.store(1_000_000, Ordering::SeqCst);
    let second = ledger::create(dir.path(), "example.com/daicho", &clock).unwrap();
    assert_eq!(first, second, "the same key");
    check(dir.path());

    let (appender, _) = open(dir.path(), &Arc::new(clock), 4_000);
    appender.append(vec![submission(&appender, None)]).unwrap();
    drop(appender);
    std::fs::remove_file(&logs(dir.path())[0]).unwrap();
    let again = ledger::create(dir.path(), "example.com/daicho", &TestClock::default());
    assert!(again.is_err(), "a log that was lost is not begun anew");
}
