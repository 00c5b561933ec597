//! Tampering: whatever is changed in any file of a log is found, and named by its place.
#![allow(clippy::unwrap_used)]

use ledger::verify::{Check, Report, Trust, verify};
use ledger::{Content, Options, Submission};
use schemas::kinds::agents::AgentRegistered;
use schemas::{DataClass, Event, Hash};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A small log of several files, with content in packs, closed cleanly.
fn sample() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(
        dir.path(),
        "example.com/daicho",
        &ledger::clock::SystemClock,
    )
    .unwrap();
    for round in 0..2 {
        let options = Options {
            file_bytes: 3_000,
            ..Options::default()
        };
        let (appender, _) = ledger::open(dir.path(), options).unwrap();
        for i in 0..10 {
            let data = AgentRegistered {
                agent: format!("agent-{round}-{i}").parse().unwrap(),
                role: "cfo".parse().unwrap(),
                data_class: DataClass::Internal,
                token_sha256: Hash::ZERO,
                token_until: None,
                model: None,
                person: None,
            };
            let content = Content {
                name: "request".parse().unwrap(),
                media: "text/plain".parse().unwrap(),
                bytes: format!("content {round} {i}").into_bytes(),
            };
            let event = Event::new(appender.new_id(), "user:s001".parse().unwrap(), data);
            appender
                .append(vec![Submission {
                    event,
                    content: vec![content],
                    person: None,
                }])
                .unwrap();
            if i == 5 {
                appender.append(vec![appender.checkpoint_event()]).unwrap();
            }
        }
    }
    dir
}

fn files(dir: &Path, below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.join(below)];
    while let Some(next) = dirs.pop() {
        for item in std::fs::read_dir(&next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                dirs.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

fn shown(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir)
        .unwrap()
        .to_string_lossy()
        .replace('\\', "/")
}

fn write(path: &Path, bytes: &[u8]) {
    #[allow(clippy::permissions_set_readonly_false)]
    if let Ok(metadata) = path.metadata() {
        let mut permissions = metadata.permissions();
        permissions.set_readonly(false);
        std::fs::set_permissions(path, permissions).unwrap();
    }
    std::fs::write(path, bytes).unwrap();
}

fn report(dir: &Path) -> Report {
    verify(dir, &Trust::default(), |_| {}).unwrap()
}

/// Verifies after `change`, puts everything back, and verifies again.
fn with_changed(dir: &Path, path: &Path, bytes: &[u8]) -> Report {
    let sound = std::fs::read(path).unwrap();
    write(path, bytes);
    let report = report(dir);
    write(path, &sound);
    report
}

fn names(report: &Report, file: &str) -> bool {
    report.findings.iter().any(|finding| finding.file == file)
}

#[test]
fn a_flipped_bit_anywhere_is_located() {
    let dir = sample();
    let dir = dir.path();
    assert!(report(dir).is_clean(), "{:#?}", report(dir));
    for path in files(dir, "log") {
        let sound = std::fs::read(&path).unwrap();
        let file = shown(dir, &path);
        for at in (0..sound.len()).step_by(7) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            let report = with_changed(dir, &path, &bytes);
            assert!(
                names(&report, &file),
                "{file} at {at}: {:#?}",
                report.findings
            );
            let first = report.findings.iter().find(|f| f.file == file).unwrap();
            let line_start = sound[..at]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |end| end + 1) as u64;
            assert!(
                first
                    .offset
                    .is_none_or(|o| o <= at as u64 || o == line_start),
                "{file} at {at}: {first}"
            );
        }
    }
    for path in files(dir, "content") {
        let sound = std::fs::read(&path).unwrap();
        for at in (0..sound.len()).step_by(5) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            let report = with_changed(dir, &path, &bytes);
            let hit = report
                .findings
                .iter()
                .any(|f| f.file.starts_with("content/"));
            assert!(hit, "{} at {at}", path.display());
        }
    }
    let path = dir.join("checkpoint");
    let sound = std::fs::read(&path).unwrap();
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        assert!(
            names(&with_changed(dir, &path, &bytes), "checkpoint"),
            "checkpoint at {at}"
        );
    }
    assert!(report(dir).is_clean());
}

#[test]
fn dropped_doubled_and_swapped_entries_are_named_by_position() {
    let dir = sample();
    let dir = dir.path();
    let mut position = 0;
    for path in files(dir, "log") {
        let sound = std::fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = sound.split_inclusive(|b| *b == b'\n').collect();
        for i in 0..lines.len() {
            let seq = position + i as u64;
            let at = |report: &Report, check| {
                report
                    .findings
                    .iter()
                    .any(|f| f.check == check && f.seq.is_some_and(|s| s == seq || s == seq + 1))
            };
            let mut without = lines.clone();
            without.remove(i);
            let report = with_changed(dir, &path, &without.concat());
            let last_of_all = report.findings.iter().any(|f| f.check == Check::Size);
            let located =
                at(&report, Check::Seq) || names(&report, &shown(dir, &path)) || last_of_all;
            assert!(
                located || report.findings.iter().any(|f| f.check == Check::FileName),
                "drop {seq}: {report:#?}"
            );

            let mut doubled = lines.clone();
            doubled.insert(i, lines[i]);
            let report = with_changed(dir, &path, &doubled.concat());
            assert!(
                at(&report, Check::Seq) || at(&report, Check::Chain),
                "double {seq}: {report:#?}"
            );

            if i + 1 < lines.len() {
                let mut swapped = lines.clone();
                swapped.swap(i, i + 1);
                let report = with_changed(dir, &path, &swapped.concat());
                assert!(
                    at(&report, Check::Seq) && at(&report, Check::Chain),
                    "swap {seq}: {report:#?}"
                );
            }
        }
        position += lines.len() as u64;
    }
    assert!(report(dir).is_clean());
}

#[test]
fn files_that_are_cut_dropped_copied_or_swapped_are_found() {
    let dir = sample();
    let dir = dir.path();
    let logs = files(dir, "log");
    for path in &logs {
        let sound = std::fs::read(path).unwrap();
        for keep in (0..sound.len()).step_by(11) {
            let report = with_changed(dir, path, &sound[..keep]);
            assert!(!report.is_clean(), "{} cut to {keep}", path.display());
        }
        std::fs::remove_file(path).unwrap();
        assert!(!report(dir).is_clean(), "{} dropped", path.display());
        write(path, &sound);
        let copy = dir.join("log/00000000000000000999.ndjson");
        std::fs::write(&copy, &sound).unwrap();
        let found = report(dir);
        assert!(
            found.findings.iter().any(|f| f.check == Check::FileName),
            "{found:#?}"
        );
        std::fs::remove_file(copy).unwrap();
        let stray = dir.join("log/notes.txt");
        std::fs::write(&stray, b"x").unwrap();
        assert!(names(&report(dir), "log/notes.txt"));
        std::fs::remove_file(stray).unwrap();
    }
    let (a, b) = (&logs[0], &logs[1]);
    let (first, second) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    write(a, &second);
    write(b, &first);
    assert!(!report(dir).is_clean());
    write(a, &first);
    write(b, &second);

    let packs = files(dir, "content");
    for path in &packs {
        let sound = std::fs::read(path).unwrap();
        for keep in (0..sound.len()).step_by(13) {
            assert!(
                !with_changed(dir, path, &sound[..keep]).is_clean(),
                "{} cut to {keep}",
                path.display()
            );
        }
        let doubled = [
            &sound[..],
            &sound[sound.iter().position(|b| *b == b'\n').unwrap() + 1..],
        ]
        .concat();
        assert!(names(&with_changed(dir, path, &doubled), &shown(dir, path)));
    }
    let (first, second) = (
        std::fs::read(&packs[0]).unwrap(),
        std::fs::read(&packs[1]).unwrap(),
    );
    write(&packs[0], &second);
    write(&packs[1], &first);
    assert!(names(&report(dir), &shown(dir, &packs[0])));
    write(&packs[0], &first);
    write(&packs[1], &second);
    std::fs::remove_file(dir.join("checkpoint")).unwrap();
    assert!(names(&report(dir), "checkpoint"));
}

#[test]
fn a_checkpoint_kept_elsewhere_finds_rollback_and_another_log() {
    let dir = sample();
    let (rolled_back, kept) = (
        dir.path(),
        std::fs::read(dir.path().join("checkpoint")).unwrap(),
    );
    let older = TempDir::new().unwrap();
    copy(rolled_back, older.path());
    {
        let (appender, _) = ledger::open(rolled_back, Options::default()).unwrap();
        for _ in 0..5 {
            appender.append(vec![appender.checkpoint_event()]).unwrap();
        }
    }
    let newer = std::fs::read(rolled_back.join("checkpoint")).unwrap();
    let held = |dir: &Path, note: &[u8]| {
        let checkpoints = vec![("siem".to_owned(), note.to_vec())];
        verify(
            dir,
            &Trust {
                checkpoints,
                ..Trust::default()
            },
            |_| {},
        )
        .unwrap()
    };
    assert!(
        held(rolled_back, &kept).is_clean(),
        "an older promise still holds"
    );
    assert!(held(rolled_back, &newer).is_clean());
    let report = held(older.path(), &newer);
    let finding = report.findings.iter().find(|f| f.file == "siem").unwrap();
    assert_eq!(finding.check, Check::Size);
    assert!(finding.found.contains("has lost 5"), "{finding}");

    let other = sample();
    let report = held(other.path(), &newer);
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.file == "siem" && f.check == Check::Checkpoint)
    );
    let vkey = ledger::Reader::open(rolled_back).unwrap().key_in_force();
    let trust = Trust {
        vkey: Some(vkey),
        ..Trust::default()
    };
    let report = verify(other.path(), &trust, |_| {}).unwrap();
    // Which of the log's keys the auditor has is not known before its end: the entries are held
    // against the log's own, and the key is the one finding.
    let checks: Vec<Check> = report.findings.iter().map(|f| f.check).collect();
    assert_eq!(checks, [Check::Key]);
}

#[test]
fn a_history_rewritten_with_the_log_s_own_key_is_found_by_a_checkpoint_kept_elsewhere() {
    let dir = sample();
    let kept = std::fs::read(dir.path().join("checkpoint")).unwrap();
    let rewritten = TempDir::new().unwrap();
    std::fs::create_dir(rewritten.path().join("keys")).unwrap();
    std::fs::copy(
        dir.path().join("keys/ledger.key"),
        rewritten.path().join("keys/ledger.key"),
    )
    .unwrap();
    ledger::create(
        rewritten.path(),
        "example.com/daicho",
        &ledger::clock::SystemClock,
    )
    .unwrap();
    {
        let (appender, _) = ledger::open(rewritten.path(), Options::default()).unwrap();
        for _ in 0..40 {
            appender.append(vec![appender.checkpoint_event()]).unwrap();
        }
    }
    assert!(report(rewritten.path()).is_clean(), "alone it looks sound");
    let trust = Trust {
        checkpoints: vec![("siem".to_owned(), kept)],
        ..Trust::default()
    };
    let found = verify(rewritten.path(), &trust, |_| {}).unwrap();
    assert_eq!(found.findings[0].check, Check::Root);
}

fn copy(from: &Path, to: &Path) {
    for path in files(from, ".") {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(path, target).unwrap();
    }
}
