//! What is appended: once, durable, by one writer, and never earlier than what is there.

use crate::{check, clock, create, event, open, with_content};
use ledger::{AppendError, OpenError, Options, Reader, Submission};
use schemas::kinds::traffic::RuleCount;
use schemas::{Event, Hash};
use std::sync::atomic::Ordering;

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
