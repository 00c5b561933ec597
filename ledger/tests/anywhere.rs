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
        prop_oneof![Just(0), any::<u8>()].prop_map(Change::Byte),
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
            let submission = Submission {
                event,
                content,
                person: None,
            };
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
    let report = || {
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        let mut findings = report.findings.iter();
        assert!(findings.all(|finding| !finding.file.is_empty()));
        report
    };
    let whole = report();
    assert!(whole.is_clean());
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
            let report = report();
            // Opening never panics and changes nothing, whatever it says.
            let _ = ledger::Reader::open(dir.path());
            write(path, &sound);
            // What is only added, and is neither entry nor content of one, is noted; at the end
            // of a checkpoint it may be one more signature.
            let kept = report.entries == whole.entries && report.contents == whole.contents;
            let noted = report.notes.len() > whole.notes.len();
            let added =
                kept && (noted || path.ends_with("checkpoint") && changed.starts_with(&sound));
            let right = match (changed == sound, report.is_clean()) {
                (same, true) => same || added,
                (same, false) => !same,
            };
            prop_assert!(right, "{}", path.display());
            Ok(())
        })
        .unwrap();
    assert!(report().is_clean());
}

/// Damage that a start does not notice must not be covered up by what it writes.
#[test]
fn a_start_launders_nothing() {
    let (dir, files) = sample();
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(150)
    };
    let cases = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        change(),
    );
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&cases, |(file, at, change)| {
            let copy = TempDir::new().unwrap();
            for path in files.iter().chain([&dir.path().join("keys/ledger.key")]) {
                let to = copy.path().join(path.strip_prefix(dir.path()).unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(path, to).unwrap();
            }
            let path = file.get(&files);
            let sound = std::fs::read(path).unwrap();
            let changed = apply(&sound, at.index(sound.len()), &change);
            if changed == sound || changed.starts_with(&sound) {
                return Ok(());
            }
            write(
                &copy.path().join(path.strip_prefix(dir.path()).unwrap()),
                &changed,
            );
            if let Ok((appender, _)) = ledger::open(copy.path(), Options::default()) {
                let _ = appender.append(vec![appender.checkpoint_event()]);
            }
            let report = verify(copy.path(), &Trust::default(), |_| {}).unwrap();
            prop_assert!(!report.is_clean(), "{}", path.display());
            Ok(())
        })
        .unwrap();
}

/// Nothing that a directory can hold makes a reader panic, or a verifier say that all is well.
#[cfg(unix)]
#[test]
fn what_is_no_file_of_ours_is_found_or_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (dir, files) = sample();
    let logs: Vec<_> = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "ndjson"))
        .collect();
    let unsound = |what: &str| {
        let report = verify(dir.path(), &Trust::default(), |_| {});
        assert!(!report.is_ok_and(|report| report.is_clean()), "{what}");
        let _ = ledger::Reader::open(dir.path());
    };
    let strays: [&[u8]; 6] = [
        b"log/\xff\xfe.ndjson",
        b"log/18446744073709551616.ndjson",
        b"log/18446744073709551615.ndjson",
        b"log/0.ndjson",
        b"content/auth/2026-13",
        b"content/auth/2026-11/1.pack",
    ];
    for stray in strays {
        let path = dir.path().join(std::ffi::OsStr::from_bytes(stray));
        let bucket = path.parent().unwrap();
        if bucket.is_dir() {
            std::fs::write(&path, b"x").unwrap();
            unsound(&path.to_string_lossy());
            std::fs::remove_file(&path).unwrap();
        }
        if bucket.is_dir() && !stray.starts_with(b"content/auth/2026-1") {
            std::fs::create_dir(&path).unwrap();
            unsound(&path.to_string_lossy());
            std::fs::remove_dir(&path).unwrap();
        }
    }
    for log in logs {
        let aside = dir.path().join("aside");
        std::fs::rename(log, &aside).unwrap();
        std::fs::create_dir(log).unwrap();
        unsound("a directory in the place of a file");
        std::fs::remove_dir(log).unwrap();
        std::fs::write(log, b"").unwrap();
        unsound("an empty file");
        std::fs::remove_file(log).unwrap();
        std::os::unix::fs::symlink(log, log).unwrap();
        unsound("a link to itself");
        std::fs::remove_file(log).unwrap();
        std::fs::rename(&aside, log).unwrap();
    }
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
    std::fs::remove_dir_all(dir.path().join("log")).unwrap();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    unsound("no file at all");
}
