//! What a start makes of what it finds.

use crate::{check, clock, create, event, open};
use ledger::verify::{Trust, verify};
use ledger::{OpenError, Options, Reader};
use schemas::Data;
use std::path::Path;

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
