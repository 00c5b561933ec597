//! The ledger from outside: what was answered is there, and stays what it was.
#![allow(clippy::unwrap_used)]

use ledger::clock::Clock;
use ledger::query::{Filter, Positions, find};
use ledger::verify::{Check, Trust, entries_at, verify};
use ledger::{
    AppendError, Appender, Content, ContentError, Index, OpenError, Options, Projection, Reader,
    Submission,
};
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::traffic::RuleCount;
use schemas::{Actor, Data, DataClass, Event, Hash, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const ORIGIN: &str = "example.com/daicho";

/// A clock that stands where it is put.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicI64::new(
        "2026-11-22T00:00:00.000000Z"
            .parse::<Timestamp>()
            .unwrap()
            .micros(),
    )))
}

fn create() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), ORIGIN, &*clock()).unwrap();
    dir
}

fn open(dir: &Path) -> (Appender, Reader) {
    ledger::open(
        dir,
        Options {
            clock: clock(),
            file_bytes: 4_000,
            ..Options::default()
        },
    )
    .unwrap()
}

fn event(appender: &Appender, name: &str) -> Event {
    let data = AgentRegistered {
        agent: name.parse().unwrap(),
        role: "cfo".parse().unwrap(),
        data_class: DataClass::Internal,
        token_sha256: Hash::ZERO,
        token_until: None,
        model: None,
        person: None,
    };
    Event::new(appender.new_id(), "user:s001".parse().unwrap(), data)
}

fn with_content(event: Event, text: &str) -> Submission {
    let name = "request".parse().unwrap();
    let media = "text/plain".parse().unwrap();
    Submission {
        event,
        content: vec![Content {
            name,
            media,
            bytes: text.as_bytes().to_vec(),
        }],
        person: None,
    }
}

/// The whole ledger is sound after every step.
fn check(dir: &Path) {
    let report = verify(dir, &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let dir = create();
    let mut leaves = Vec::new();
    for round in 0..4 {
        let (appender, reader) = open(dir.path());
        for i in 0..20 {
            let submission = with_content(
                event(&appender, &format!("a{round}-{i}")),
                &format!("secret {round} {i}"),
            );
            let receipt = appender.append(vec![submission]).unwrap()[0];
            assert_eq!(receipt.seq, leaves.len() as u64 + 1);
            leaves.push(receipt.leaf);
        }
        for (i, leaf) in leaves.iter().enumerate() {
            let entry = reader.entry(i as u64 + 1).unwrap();
            assert_eq!(entry.leaf(), *leaf);
            let plain = reader.content(&entry.content()[0]).unwrap();
            assert!(String::from_utf8(plain).unwrap().starts_with("secret "));
        }
        drop((appender, reader));
        check(dir.path());
    }
    assert!(
        std::fs::read_dir(dir.path().join("log")).unwrap().count() > 3,
        "full files are followed by new ones"
    );
    let reader = Reader::open(dir.path()).unwrap();
    let proof = reader.prove(7).unwrap();
    proof
        .check(reader.entry(7).unwrap().body(), &reader.key_in_force())
        .unwrap();
    assert!(
        proof
            .check(reader.entry(8).unwrap().body(), &reader.key_in_force())
            .is_err()
    );
}

#[test]
fn full_files_are_read_only() {
    let dir = create();
    let (appender, _) = open(dir.path());
    for i in 0..40 {
        appender
            .append(vec![event(&appender, &format!("a{i}")).into()])
            .unwrap();
    }
    drop(appender);
    let mut files: Vec<_> = std::fs::read_dir(dir.path().join("log"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    let (last, sealed) = files.split_last().unwrap();
    assert!(sealed.len() > 2);
    assert!(
        sealed
            .iter()
            .all(|f| f.metadata().unwrap().permissions().readonly())
    );
    assert!(!last.metadata().unwrap().permissions().readonly());
}

#[test]
fn the_same_id_is_recorded_once_and_another_event_under_it_is_a_conflict() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    let first = with_content(event(&appender, "a"), "text");
    let receipt = appender.append(vec![first.clone()]).unwrap()[0];
    assert!(receipt.new);
    let again = appender.append(vec![first.clone(), first.clone()]).unwrap();
    assert_eq!(
        (again[0].seq, again[0].new, again[1].new),
        (receipt.seq, false, false)
    );
    assert_eq!(reader.size(), 2);

    let mut other = first.clone();
    other.event.actor = "user:s002".parse().unwrap();
    assert!(matches!(
        appender.append(vec![other]),
        Err(AppendError::Conflict { seq: 1, .. })
    ));
    let mut other = first.clone();
    other.content[0].bytes = b"tixt".to_vec();
    let fresh: Submission = event(&appender, "b").into();
    assert!(matches!(
        appender.append(vec![fresh, other]),
        Err(AppendError::Conflict { .. })
    ));
    assert_eq!(reader.size(), 2, "a refused batch leaves nothing");

    let twice = with_content(event(&appender, "c"), "text");
    let mut differs = twice.clone();
    differs.content[0].bytes = b"tixt".to_vec();
    assert!(matches!(
        appender.append(vec![twice.clone(), differs]),
        Err(AppendError::ConflictInBatch { .. })
    ));
    let receipts = appender.append(vec![twice.clone(), twice]).unwrap();
    assert_eq!(
        (receipts[0].new, receipts[1].new, receipts[0].seq),
        (true, false, receipts[1].seq)
    );
    drop((appender, reader));
    check(dir.path());
    let (appender, _) = open(dir.path());
    assert!(
        !appender.append(vec![first]).unwrap()[0].new,
        "ids are known again after a restart"
    );
}

#[test]
fn an_event_too_large_for_an_entry_is_refused_alone() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    let rule = RuleCount {
        rule: "r".repeat(64).parse().unwrap(),
        count: u64::MAX,
    };
    let data = schemas::kinds::traffic::PayloadBlocked {
        call: appender.new_id(),
        destination: "example.com".parse().unwrap(),
        policy: Hash::ZERO,
        instead_of: None,
        class: None,
        reasons: vec![rule; 800],
    };
    let large = Event::new(appender.new_id(), "agent:cfo".parse().unwrap(), data);
    assert!(matches!(
        appender.append(vec![large.into()]),
        Err(AppendError::Unfit { .. })
    ));
    assert_eq!(reader.size(), 1);
}

#[test]
fn a_second_writer_is_refused_with_the_first_ones_process_id() {
    let dir = create();
    let (appender, _reader) = open(dir.path());
    let Err(error) = ledger::open(dir.path(), Options::default()) else {
        panic!("two writers")
    };
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    drop(appender);
    assert!(ledger::open(dir.path(), Options::default()).is_ok());
}

#[test]
fn a_torn_tail_is_left_where_it_lies_and_accounted_for() {
    let dir = create();
    for round in 0..3 {
        let (appender, reader) = open(dir.path());
        appender
            .append(vec![event(&appender, &format!("a{round}")).into()])
            .unwrap();
        let size = reader.size();
        drop((appender, reader));
        let file = newest_log(dir.path());
        let before = std::fs::read(&file).unwrap();
        let torn = [&before[..], br#"{"v":1,"seq":99,"at":"2026"#].concat();
        std::fs::write(&file, &torn).unwrap();
        let (appender, reader) = open(dir.path());
        assert_eq!(
            std::fs::read(&file).unwrap(),
            torn,
            "a write-once file is never truncated"
        );
        assert_eq!(reader.size(), size + 1);
        let Data::LedgerRecovered(recovered) = reader.entry(size).unwrap().data().clone() else {
            panic!()
        };
        assert_eq!(
            (recovered.offset, recovered.tail_bytes),
            (before.len() as u64, 26)
        );
        drop((appender, reader));
        check(dir.path());
    }
}

/// A part of a commit that never reached the disk is read as NUL.
#[test]
fn a_hole_ends_the_file_where_no_checkpoint_covers_it_and_is_damage_where_one_does() {
    let dir = create();
    let file = newest_log(dir.path());
    let (appender, reader) = open(dir.path());
    let covered = reader.checkpoint().to_string();
    let whole = std::fs::read(&file).unwrap().len();
    let names = ["a", "b", "c"].map(|name| event(&appender, name).into());
    appender.append(names.to_vec()).unwrap();
    let size = reader.size();
    drop((appender, reader));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[whole + 20..whole + 60].fill(0);
    std::fs::write(&file, &bytes).unwrap();

    let refused = ledger::open(dir.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Damaged { seq: 1, .. })));
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    assert_eq!(report.findings[0].seq, Some(1), "{report:#?}");

    std::fs::write(dir.path().join("checkpoint"), &covered).unwrap();
    check(dir.path());
    let (appender, reader) = open(dir.path());
    let Data::LedgerRecovered(recovered) = reader.entry(1).unwrap().data().clone() else {
        panic!()
    };
    let tail = (bytes.len() - whole) as u64;
    assert_eq!(
        (recovered.offset, recovered.tail_bytes),
        (whole as u64, tail)
    );
    let again = appender.append(names.to_vec()).unwrap();
    assert!(again.iter().all(|receipt| receipt.new) && reader.size() == size + 1);
    drop((appender, reader));
    check(dir.path());
    // What stands in the tail is as fixed as an entry.
    for at in whole..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        assert_eq!(report.findings.len(), 1, "{report:#?}");
    }
}

fn newest_log(dir: &Path) -> std::path::PathBuf {
    std::fs::read_dir(dir.join("log"))
        .unwrap()
        .map(|f| f.unwrap().path())
        .max()
        .unwrap()
}

#[test]
fn anything_else_wrong_stops_the_start_with_its_place() {
    let dir = create();
    {
        let (appender, _) = open(dir.path());
        for i in 0..5 {
            appender
                .append(vec![event(&appender, &format!("a{i}")).into()])
                .unwrap();
        }
    }
    let file = newest_log(dir.path());
    let sound = std::fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = sound.split_inclusive(|b| *b == b'\n').collect();
    let refused = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        match ledger::open(
            dir.path(),
            Options {
                clock: clock(),
                ..Options::default()
            },
        ) {
            Err(error) => error,
            Ok(_) => panic!("opened a damaged log"),
        }
    };
    let mut flipped = sound.clone();
    flipped[lines[0].len() + 30] ^= 1;
    assert!(matches!(
        refused(&flipped),
        OpenError::Damaged { seq: 1 | 2, .. }
    ));
    let mut last = sound.clone();
    let end = last.len() - 40;
    last[end] = if last[end] == b'A' { b'B' } else { b'A' };
    assert!(matches!(
        refused(&last[..end - 200]),
        OpenError::Lost {
            promised: 6,
            found: 5
        }
    ));
    assert!(matches!(
        refused(&[&lines[..3].concat()[..], &lines[4..].concat()].concat()),
        OpenError::Damaged { seq: 3, .. }
    ));
    std::fs::write(&file, &sound).unwrap();
    check(dir.path());
    std::fs::remove_file(dir.path().join("keys/ledger.key")).unwrap();
    assert!(matches!(
        ledger::open(dir.path(), Options::default()),
        Err(OpenError::NoKey { .. })
    ));
    assert!(
        Reader::open(dir.path()).is_ok(),
        "reading works without the key"
    );
}

#[test]
fn time_never_runs_back() {
    let dir = create();
    let clock = clock();
    let (appender, reader) = ledger::open(
        dir.path(),
        Options {
            clock: clock.clone(),
            file_bytes: 4_000,
            ..Options::default()
        },
    )
    .unwrap();
    clock.0.fetch_sub(5_000_000, Ordering::SeqCst);
    appender.append(vec![event(&appender, "a").into()]).unwrap();
    assert_eq!(
        reader.entry(1).unwrap().at(),
        reader.entry(0).unwrap().at(),
        "a small step back is held"
    );
    clock.0.fetch_sub(3_600_000_000, Ordering::SeqCst);
    let error = appender
        .append(vec![event(&appender, "b").into()])
        .unwrap_err();
    assert!(matches!(error, AppendError::ClockBehind { .. }) && error.is_retryable());
    drop((appender, reader));
    let early = Options {
        clock,
        ..Options::default()
    };
    assert!(matches!(
        ledger::open(dir.path(), early),
        Err(OpenError::ClockBehind { .. })
    ));
}

#[test]
fn entries_are_read_again_without_opening_the_log_as_a_reader_gives_them() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..20 {
        let event = event(&appender, &format!("agent-{i}"));
        appender.append(vec![event.into()]).unwrap();
    }
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let size = reader.size();
    assert!(report.is_clean() && report.files > 2);
    let choices = [
        vec![],
        vec![0],
        vec![size - 1],
        (0..size).collect(),
        vec![1, 9, 17],
    ];
    for positions in choices {
        let mut given = Vec::new();
        entries_at(dir.path(), &positions, |entry, file, offset| {
            let place = reader.place_of(entry.seq());
            assert_eq!(place, Some((file.to_owned(), offset)));
            assert_eq!(entry.leaf(), reader.entry(entry.seq()).unwrap().leaf());
            given.push(entry.seq());
        })
        .unwrap();
        assert_eq!(given, positions);
    }
    assert!(entries_at(dir.path(), &[3, size], |_, _, _| {}).is_err());
}

/// A fold that remembers everything it saw.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Seen(Vec<String>);

impl Projection for Seen {
    const NAME: &'static str = "seen";
    const VERSION: u32 = 1;
    fn fold(&mut self, entry: &ledger::Entry) {
        self.0
            .push(format!("{} {} {}", entry.seq(), entry.kind(), entry.leaf()));
    }
}

#[test]
fn a_rebuilt_index_answers_the_same() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..30 {
        appender
            .append(vec![event(&appender, &format!("a{i}")).into()])
            .unwrap();
        if i == 20 {
            let mut index = Index::open(reader.clone()).unwrap();
            index.add::<Seen>();
            index.catch_up().unwrap();
            index.save().unwrap();
        }
    }
    let digests = |expect_from: u64| {
        let mut index = Index::open(reader.clone()).unwrap();
        let view = index.add::<Seen>();
        assert_eq!(view.cursor(), expect_from);
        index.add::<Positions>();
        index.catch_up().unwrap();
        (index.digests().unwrap(), index.notices().to_vec())
    };
    let (grown, _) = digests(22);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let (rebuilt, notices) = digests(0);
    assert_eq!(grown, rebuilt);
    assert!(notices.is_empty());
    for file in walk(&dir.path().join("index")) {
        std::fs::write(&file, b"garbage").unwrap();
    }
    let (again, notices) = digests(0);
    assert_eq!(again, rebuilt);
    assert!(notices[0].contains("damaged"), "{notices:?}");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

#[test]
fn filters_find_exactly_what_they_name() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    for i in 0..10 {
        let mut event = event(&appender, &format!("a{i}"));
        event.session = Some(format!("s{}", i % 2).parse().unwrap());
        appender.append(vec![event.into()]).unwrap();
    }
    let mut index = Index::in_memory(reader.clone());
    let view = index.add::<Positions>();
    index.catch_up().unwrap();
    let find = |filter: &Filter| find(&reader, &view, filter).unwrap();
    assert_eq!(find(&Filter::default()).len(), 11);
    assert_eq!(
        find(&Filter {
            kinds: vec!["ledger.created".into()],
            ..Filter::default()
        }),
        [0]
    );
    assert_eq!(
        find(&Filter {
            session: Some("s1".parse().unwrap()),
            limit: Some(2),
            ..Filter::default()
        }),
        [2, 4]
    );
    let actor: Actor = "user:s001".parse().unwrap();
    let newest = Filter {
        actor: Some(actor),
        newest_first: true,
        limit: Some(1),
        ..Filter::default()
    };
    assert_eq!(find(&newest), [10]);
    let future = Filter {
        since: Some("2027-01-01T00:00:00.000000Z".parse().unwrap()),
        ..Filter::default()
    };
    assert!(find(&future).is_empty());
    let past = Filter {
        until: Some("2026-11-22T00:00:00.000000Z".parse().unwrap()),
        ..Filter::default()
    };
    assert!(find(&past).is_empty(), "until is exclusive");
}

#[test]
fn whoever_has_no_keys_reads_no_content_and_finds_the_log_sound() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    let mut text = "a long conversation ".repeat(400);
    for turn in 0..6 {
        text.push_str(&format!("turn {turn} "));
        let submission = with_content(event(&appender, &format!("a{turn}")), &text);
        appender.append(vec![submission]).unwrap();
    }
    drop((appender, reader));
    let read = |entry: u64| {
        let reader = Reader::open(dir.path()).unwrap();
        let reference = reader.entry(entry).unwrap().content()[0].clone();
        (
            reader.content(&reference),
            reader.sealed(&reference).unwrap(),
        )
    };
    let (plain, sealed) = read(6);
    assert_eq!(plain.unwrap(), text.as_bytes());
    let bucket = Reader::open(dir.path())
        .unwrap()
        .entry(6)
        .unwrap()
        .content()[0]
        .bucket
        .clone();
    // The ledger's own directory has lost something then; an auditor's copy never had it.
    let key = dir.path().join(format!("keys/content/{bucket}.key"));
    std::fs::remove_file(key).unwrap();
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let [lost] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings);
    };
    assert_eq!((lost.check, lost.seq), (Check::Content, Some(1)));
    assert!(lost.found.contains("cannot be read"), "{lost}");
    std::fs::remove_dir_all(dir.path().join("keys")).unwrap();
    check(dir.path());
    for entry in 1..=6 {
        let (plain, _) = read(entry);
        assert!(matches!(plain, Err(ledger::ContentError::NoKey { .. })));
    }
    assert_eq!(read(6).1, sealed, "what the entry commits to needs no key");
}

/// Another key would take new content and leave what is there unreadable, and nobody would know.
#[test]
fn a_bucket_with_content_whose_key_is_gone_never_gets_another() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    appender
        .append(vec![event(&appender, "a0").into()])
        .unwrap();
    let first = with_content(event(&appender, "a1"), "the first content");
    let receipt = appender.append(vec![first]).unwrap()[0];
    let reference = reader.entry(receipt.seq).unwrap().content()[0].clone();
    drop((appender, reader));
    let key = dir
        .path()
        .join(format!("keys/content/{}.key", reference.bucket));
    let kept = std::fs::read(&key).unwrap();

    // Also where the sealed content went with it.
    for gone in [&key, &dir.path().join("content")] {
        match gone.is_dir() {
            true => std::fs::rename(gone, dir.path().join("elsewhere")).unwrap(),
            false => std::fs::remove_file(gone).unwrap(),
        }
        let (appender, reader) = open(dir.path());
        for _ in 0..2 {
            let second = with_content(event(&appender, "a2"), "the second content");
            let refused = appender.append(vec![second]).unwrap_err();
            assert!(refused.is_retryable(), "the key may come back");
            let AppendError::Content(error) = refused else {
                panic!("{refused}");
            };
            let ContentError::KeyLost { bucket, seq, .. } = &*error else {
                panic!("{error}");
            };
            assert_eq!((bucket, *seq), (&reference.bucket, receipt.seq));
            assert!(error.to_string().contains("auth/2026-11"), "{error}");
        }
        assert!(
            appender
                .seal_ahead(
                    &reference.bucket.class,
                    &"user:s001".parse().unwrap(),
                    b"ahead"
                )
                .is_none()
        );
        assert!(!key.exists());
        // Nothing else has stopped: what has no content, and another bucket.
        appender
            .append(vec![event(&appender, "a3").into()])
            .unwrap();
        let mut other = with_content(event(&appender, "a4"), "of another class");
        other.event.class = "api".parse().unwrap();
        appender.append(vec![other]).unwrap();
        drop((appender, reader));
    }

    std::fs::remove_dir_all(dir.path().join("content")).unwrap();
    std::fs::rename(dir.path().join("elsewhere"), dir.path().join("content")).unwrap();
    let (appender, reader) = open(dir.path());
    std::fs::write(&key, kept).unwrap();
    let again = with_content(event(&appender, "a5"), "with the key again");
    appender.append(vec![again]).unwrap();
    assert_eq!(reader.content(&reference).unwrap(), b"the first content");
}
