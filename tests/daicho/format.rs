//! A second verifier, written in another language from ledger/FORMAT.md alone, sees what
//! `daicho verify` sees: on a sound log, and on logs that somebody laid hands on.

use crate::world::{Dice, Ledger, Ran, cannot_run, drill, overwrite, run, say, with_content};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that tests/run prepares, else the host's own, if it has these packages.
fn python(packages: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join("tests/.tools/venv/bin/python");
    [own, PathBuf::from("python3")].into_iter().find(|python| {
        let mut try_it = Command::new(python);
        try_it.arg("-c").arg(format!("import {packages}"));
        try_it.output().is_ok_and(|tried| tried.status.success())
    })
}

pub fn second_verifier(data: &Path, args: &[&str]) -> Option<Ran> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/verify.py");
    let mut command = Command::new(python("cryptography")?);
    command.arg(script).arg(data).args(args);
    Some(run(command, b""))
}

/// Sixty entries in three files, two torn tails that are accounted for, content in packs, and
/// a new key in each file.
fn sample() -> Ledger {
    let ledger = Ledger::new();
    for part in 0..3 {
        let events: Vec<Value> = (0..20)
            .map(|i| match i % 3 {
                0 => {
                    let text = format!("帳簿 {part} {i}").repeat(30);
                    let mut event = with_content(drill("restore"), &text);
                    if i % 2 == 0 {
                        event["person"] = json!(format!("p{}", i % 4));
                    }
                    event
                }
                _ => drill("failover"),
            })
            .collect();
        ledger.append(&events);
        ledger.run(&["key", "rotate"]).ok();
        ledger.append(&[drill("failover")]);
        if part < 2 {
            let newest = ledger.logs().pop().unwrap();
            let mut file = std::fs::OpenOptions::new()
                .append(true)
                .open(newest)
                .unwrap();
            // A commit with a hole in it, then one that was cut off.
            let torn: [&[u8]; 2] = [b"{\"v\":\0\0\0\0\n{\"v\":1,\"seq\":", br#"{"v":1,"seq":"#];
            file.write_all(torn[part]).unwrap();
        }
    }
    assert_eq!(ledger.logs().len(), 3);
    ledger
}

/// Where a report finds something wrong: positions, and files where there is no position.
fn places(report: &Value) -> BTreeSet<String> {
    let place = |finding: &Value| match finding["seq"].as_u64() {
        Some(seq) => format!("entry {seq}"),
        None => finding["file"].as_str().unwrap_or("log").to_owned(),
    };
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(place)
        .collect()
}

#[test]
fn a_verifier_written_from_the_format_agrees_on_sound_and_tampered_logs() {
    let ledger = sample();
    let Some(second) = second_verifier(&ledger.dir, &[]) else {
        return cannot_run("format", "no python3 with the package cryptography");
    };
    let (ours, theirs) = (ledger.verify(), second.lines().remove(0));
    for key in ["origin", "entries", "root", "contents", "findings"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    assert_eq!(ours["contents"], 21, "the sample has content to check");

    let mut dice = Dice::thrown("format");
    let mut agreed = 0;
    for (name, tamper) in tampers() {
        let copy = ledger.copy();
        tamper(&copy, &mut dice);
        let ran = copy.run(&["verify", "--json"]);
        let ours: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{name}: {ran:?}"));
        let second = second_verifier(&copy.dir, &[]).unwrap();
        if second.code == 2 || ours["vkey"] == "" {
            // Without a readable entry 0 there is nothing to hold anything against.
            assert_ne!(second.code, 0, "{name}: {second:?}");
            assert!(places(&ours).contains("entry 0"), "{name}: {ours}");
            continue;
        }
        assert_eq!((ran.code, second.code), (1, 1), "{name}: {ours} {second:?}");
        let theirs: Value = serde_json::from_str(&second.out).unwrap();
        assert_eq!(places(&ours), places(&theirs), "{name}: {ours} {theirs}");
        agreed += 1;
    }
    say(&format!(
        "format: two verifiers agree on {agreed} tampered logs"
    ));
}

#[test]
fn a_reader_written_from_the_format_opens_every_content() {
    let Some(python) = python("cryptography, zstandard") else {
        return cannot_run(
            "format",
            "no python3 with the packages cryptography and zstandard",
        );
    };
    let ledger = Ledger::new();
    let mut told = Vec::new();
    // Two conversations, what was masked beside what it was, a note; each by a run of its own.
    for turn in 0..12_u64 {
        let talk = |of: u64| -> String {
            let lines =
                (0..80 + 5 * turn).map(|line| format!("{of} {line} {}\n", line * line * 7919));
            lines.collect()
        };
        let texts = match turn % 4 {
            0 => vec![talk(1)],
            1 => vec![format!("メモ {turn}")],
            _ => vec![talk(2), talk(2).replace("79", "**")],
        };
        let mut event = drill("restore");
        // One of the conversations is somebody's own.
        if turn % 4 == 2 {
            event["person"] = json!("p1");
        }
        let names = ["request", "payload"];
        let content = texts.iter().zip(names);
        event["content"] = content
            .map(|(text, name)| json!({ "name": name, "media": "text/plain", "text": text }))
            .collect();
        ledger.append(&[event]);
        told.extend(texts.iter().zip(names).map(|(text, name)| {
            let digest = hex::encode(Sha256::digest(text));
            format!("{} {name} {digest}", turn + 1)
        }));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/open.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(&ledger.dir);
    let read = run(command, b"").ok();
    assert_eq!(read.lines().collect::<Vec<_>>(), told);
}

#[test]
fn a_checkpoint_and_a_key_kept_elsewhere_decide_for_both_verifiers() {
    let ledger = sample();
    let (kept, other) = (ledger.beside("kept"), ledger.beside("other"));
    std::fs::copy(ledger.dir.join("checkpoint"), &kept).unwrap();
    let stranger = Ledger::named("example.org/other");
    std::fs::copy(stranger.dir.join("checkpoint"), &other).unwrap();
    let foreign_key = stranger.run(&["key", "show"]).ok();
    // Rolled back: the newest entry is gone, and the log's own checkpoint with it.
    let rolled = ledger.copy();
    let before = Ledger::new();
    let log = rolled.logs().pop().unwrap();
    let bytes = std::fs::read(&log).unwrap();
    let cut = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    overwrite(&log, &bytes[..cut]);
    drop(before);

    let path = |path: &PathBuf| path.display().to_string();
    for (ledger, args, wrong) in [
        (&ledger, vec!["--checkpoint".to_owned(), path(&kept)], None),
        (
            &ledger,
            vec!["--checkpoint".to_owned(), path(&other)],
            Some("checkpoint"),
        ),
        (
            &ledger,
            vec!["--vkey".to_owned(), foreign_key.trim().to_owned()],
            Some("key"),
        ),
        (
            &rolled,
            vec!["--checkpoint".to_owned(), path(&kept)],
            Some("size"),
        ),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Some(second) = second_verifier(&ledger.dir, &args) else {
            return cannot_run("format", "no python3 with the package cryptography");
        };
        let ours = ledger.run(&[&["verify", "--json"], &args[..]].concat());
        assert_eq!(ours.code, second.code, "{ours:?} {second:?}");
        for report in [ours.out, second.out] {
            let report: Value = serde_json::from_str(&report).unwrap();
            let findings = report["findings"].as_array().unwrap();
            assert_eq!(findings.is_empty(), wrong.is_none(), "{report}");
            if let Some(wrong) = wrong {
                assert!(
                    findings.iter().any(|f| f["check"] == wrong),
                    "{wrong}: {report}"
                );
            }
        }
    }
}

type Tamper = Box<dyn Fn(&Ledger, &mut Dice)>;

/// What somebody with write access could do, by name.
fn tampers() -> Vec<(String, Tamper)> {
    let mut all: Vec<(String, Tamper)> = Vec::new();
    let mut add = |name: &str, tamper: Tamper| all.push((name.to_owned(), tamper));
    for part in 0..3 {
        for i in 0..8 {
            let flip = move |ledger: &Ledger, dice: &mut Dice| flip(&ledger.logs()[part], dice);
            add(&format!("bit {i} of log file {part}"), Box::new(flip));
        }
        add(
            "an entry dropped",
            lines_of(part, |lines| drop(lines.remove(9))),
        );
        add(
            "an entry doubled",
            lines_of(part, |lines| lines.insert(9, lines[8].clone())),
        );
        add(
            "two entries swapped",
            lines_of(part, |lines| lines.swap(8, 9)),
        );
        add(
            "a line end lost",
            lines_of(part, |lines| {
                let next = lines.remove(9);
                let line = lines[8].len() - 1;
                lines[8].truncate(line);
                lines[8].extend(next);
            }),
        );
        add(
            "an empty line",
            lines_of(part, |lines| lines.insert(9, b"\n".to_vec())),
        );
    }
    add(
        "the last entry cut off",
        lines_of(2, |lines| drop(lines.pop())),
    );
    add("a tail removed", lines_of(0, |lines| drop(lines.pop())));
    add(
        "a tail changed",
        lines_of(1, |lines| lines.last_mut().unwrap()[3] = b'V'),
    );
    add(
        "a log file removed",
        Box::new(|ledger, _| std::fs::remove_file(&ledger.logs()[1]).unwrap()),
    );
    add(
        "a log file renamed",
        Box::new(|ledger, _| {
            let path = &ledger.logs()[2];
            std::fs::rename(path, path.with_file_name("00000000000000000099.ndjson")).unwrap();
        }),
    );
    add(
        "a file that does not belong",
        Box::new(|ledger, _| {
            std::fs::write(ledger.dir.join("log/notes.txt"), b"x").unwrap();
        }),
    );
    add(
        "the checkpoint removed",
        Box::new(|ledger, _| {
            std::fs::remove_file(ledger.dir.join("checkpoint")).unwrap();
        }),
    );
    add(
        "another log's checkpoint",
        Box::new(|ledger, _| {
            let other = Ledger::new();
            std::fs::copy(other.dir.join("checkpoint"), ledger.dir.join("checkpoint")).unwrap();
        }),
    );
    for i in 0..6 {
        add(
            &format!("bit {i} of the checkpoint"),
            Box::new(|ledger, dice| flip(&ledger.dir.join("checkpoint"), dice)),
        );
        add(
            &format!("bit {i} of a pack"),
            Box::new(|ledger, dice| flip(&ledger.packs()[0], dice)),
        );
    }
    add(
        "a pack removed",
        Box::new(|ledger, _| std::fs::remove_file(&ledger.packs()[0]).unwrap()),
    );
    for (name, depth) in [("a bucket's key removed", 2), ("a person's key removed", 3)] {
        let remove = move |ledger: &Ledger, _: &mut Dice| {
            let keys = ledger.dir.join("keys/content");
            let mut found = crate::world::walk(&keys);
            found.retain(|path| path.strip_prefix(&keys).unwrap().iter().count() == depth);
            std::fs::remove_file(&found[0]).unwrap();
        };
        add(name, Box::new(remove));
    }
    all
}

fn flip(path: &Path, dice: &mut Dice) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = dice.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << dice.below(8);
    overwrite(path, &bytes);
}

/// Does something to the lines of one log file (their line ends with them, the tail last).
fn lines_of(part: usize, change: impl Fn(&mut Vec<Vec<u8>>) + 'static) -> Tamper {
    Box::new(move |ledger, _| {
        let path = &ledger.logs()[part];
        let bytes = std::fs::read(path).unwrap();
        let mut lines = bytes
            .split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        change(&mut lines);
        overwrite(path, &lines.concat());
    })
}
