//! Checkpoints of every size, kept inside the log and elsewhere.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::note::SignerKey;
use ledger::verify::{Check, Trust, verify};
use ledger::{AppendError, Appender, Checkpoint, Options, tree};
use schemas::kinds::ledger::LedgerCheckpoint;
use schemas::{Actor, Event, Hash, Label};
use std::path::Path;
use tempfile::TempDir;

fn ledger(entries: u64) -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, _) = ledger::open(dir.path(), Options::default()).unwrap();
    for _ in 1..entries {
        appender.append(vec![appender.checkpoint_event()]).unwrap();
    }
    drop(appender);
    dir
}

fn key(dir: &Path) -> SignerKey {
    SignerKey::parse(&std::fs::read_to_string(dir.join("keys/ledger.key")).unwrap()).unwrap()
}

#[test]
fn a_promise_of_any_size_up_to_the_log_s_own_is_kept_and_one_more_is_not() {
    let dir = ledger(9);
    let reader = ledger::Reader::open(dir.path()).unwrap();
    for size in 0..=10 {
        let root = reader.root_at(size).unwrap_or(Hash::ZERO);
        let origin = reader.origin().to_owned();
        let note = Checkpoint { origin, size, root }.sign(&key(dir.path()));
        let trust = Trust {
            checkpoints: vec![("auditor".to_owned(), note.into_bytes())],
            ..Trust::default()
        };
        let report = verify(dir.path(), &trust, |_| {}).unwrap();
        assert_eq!(report.is_clean(), size <= 9, "{size}: {report:#?}");
    }
    let origin = reader.origin().to_owned();
    let wrong = Checkpoint {
        origin,
        size: 0,
        root: Hash::ZERO,
    };
    let trust = Trust {
        checkpoints: vec![(
            "auditor".to_owned(),
            wrong.sign(&key(dir.path())).into_bytes(),
        )],
        ..Trust::default()
    };
    let report = verify(dir.path(), &trust, |_| {}).unwrap();
    assert_eq!(report.findings[0].check, Check::Root);
    assert_eq!(reader.root_at(0).unwrap(), tree::empty_root());
}

fn checkpoint_of(appender: &Appender, size: u64) -> Event {
    let data = LedgerCheckpoint {
        size,
        root: Hash::ZERO,
        signature: Label::lossy("x"),
    };
    let actor = Actor::Service("ledger".parse().unwrap());
    Event::new(appender.new_id(), actor, data)
}

#[test]
fn a_checkpoint_of_entries_to_come_is_not_taken_into_the_log() {
    let dir = ledger(3);
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    for size in [4, 5, u64::MAX] {
        let answer = appender.append(vec![checkpoint_of(&appender, size).into()]);
        assert!(matches!(answer, Err(AppendError::Unfit { .. })), "{size}");
    }
    assert_eq!(reader.size(), 3);
}

/// Another process reads the checkpoint's file, which may lie behind the log.
#[test]
fn an_entry_beyond_the_checkpoint_is_not_proven_and_not_called_missing() {
    let dir = ledger(5);
    let reader = ledger::Reader::open(dir.path()).unwrap();
    let earlier = Checkpoint {
        origin: reader.origin().to_owned(),
        size: 3,
        root: reader.root_at(3).unwrap(),
    };
    std::fs::write(
        dir.path().join("checkpoint"),
        earlier.sign(&key(dir.path())),
    )
    .unwrap();
    let reader = ledger::Reader::open(dir.path()).unwrap();
    assert!(reader.prove(2).is_ok());
    for seq in [3, 4] {
        let error = reader.prove(seq).unwrap_err().to_string();
        assert!(error.contains("covers 3 entries"), "{error}");
    }
    assert!(
        reader
            .prove(5)
            .unwrap_err()
            .to_string()
            .contains("no entry 5")
    );
    std::fs::remove_file(dir.path().join("checkpoint")).unwrap();
    let reader = ledger::Reader::open(dir.path()).unwrap();
    assert!(reader.prove(2).is_err());
}
