//! Any change of any bytes of any file of the record is found.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::verify::{Trust, verify};
use ledger::{Content, Options, Submission};
use proptest::prelude::*;
use schemas::Event;
use schemas::kinds::agents::{AgentReason, AgentRetired};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Change {
    Byte(u8),
    Drop(usize),
    Double(usize),
    Insert(Vec<u8>),
    Cut,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<u8>().prop_map(Change::Byte),
        (1..900_usize).prop_map(Change::Drop),
        (1..900_usize).prop_map(Change::Double),
        prop::collection::vec(any::<u8>(), 1..200).prop_map(Change::Insert),
        Just(Change::Cut),
    ]
}

fn apply(sound: &[u8], at: usize, change: &Change) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let end = |len: usize| (at + len).min(sound.len());
    match change {
        Change::Byte(byte) => bytes[at] = *byte,
        Change::Drop(len) => drop(bytes.drain(at..end(*len))),
        Change::Double(len) => drop(bytes.splice(at..at, sound[at..end(*len)].to_vec())),
        Change::Insert(new) => drop(bytes.splice(at..at, new.clone())),
        Change::Cut => bytes.truncate(at),
    }
    bytes
}

fn sample() -> (TempDir, Vec<PathBuf>) {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    for _ in 0..2 {
        let options = Options {
            file_bytes: 2_000,
            ..Options::default()
        };
        let (appender, _) = ledger::open(dir.path(), options).unwrap();
        for i in 0..6_u8 {
            let data = AgentRetired {
                agent: "cfo".parse().unwrap(),
                reason: AgentReason::Requested,
            };
            let content = Content {
                name: "request".parse().unwrap(),
                media: "text/plain".parse().unwrap(),
                bytes: vec![i; 20],
            };
            let event = Event::new(appender.new_id(), "user:s001".parse().unwrap(), data);
            let content = vec![content];
            let submission = Submission { event, content };
            appender
                .append(vec![submission, appender.checkpoint_event()])
                .unwrap();
        }
    }
    let mut files = vec![dir.path().join("checkpoint")];
    let mut dirs = vec![dir.path().join("log"), dir.path().join("content")];
    while let Some(next) = dirs.pop() {
        for item in std::fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    (dir, files)
}

#[allow(clippy::permissions_set_readonly_false)]
fn write(path: &Path, bytes: &[u8]) {
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(false);
    std::fs::set_permissions(path, permissions).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn any_change_of_any_byte_of_any_file_is_found() {
    let (dir, files) = sample();
    let clean = || {
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        assert!(
            report
                .findings
                .iter()
                .all(|finding| !finding.file.is_empty())
        );
        report.is_clean()
    };
    assert!(clean());
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1_000)
    };
    let cases = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        change(),
    );
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&cases, |(file, at, change)| {
            let path = file.get(&files);
            let sound = std::fs::read(path).unwrap();
            let changed = apply(&sound, at.index(sound.len()), &change);
            write(path, &changed);
            let found = !clean();
            // Opening never panics and changes nothing, whatever it says.
            let _ = ledger::Reader::open(dir.path());
            write(path, &sound);
            // What is only added at the end of all is no entry and no content; it is noted.
            let added = changed.len() > sound.len() && changed.starts_with(&sound);
            prop_assert!(found == (changed != sound) || added, "{}", path.display());
            Ok(())
        })
        .unwrap();
    assert!(clean());
}
