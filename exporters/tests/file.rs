//! Files as a destination: what is in them after crashes, rotations and a shipper's hand.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Ledger, ORIGIN, wait_for, wait_for_error};
use exporters::check::{self, Trust};
use exporters::format::{Before, EntryView};
use exporters::forward::{self, Destination, Forwarder};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;

fn files(more: &str) -> Destination {
    let toml = format!("name = 'hq'\ntransport = 'file'\ndirectory = 'out'\n{more}");
    toml::from_str(&toml).unwrap()
}

/// The destination's files, oldest first.
fn there(ledger: &Ledger) -> Vec<PathBuf> {
    let entries = fs::read_dir(ledger.data_dir().join("out"))
        .into_iter()
        .flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn bytes(ledger: &Ledger) -> Vec<u8> {
    there(ledger)
        .iter()
        .flat_map(|path| fs::read(path).unwrap())
        .collect()
}

/// What a destination of this form is sent of the whole ledger.
fn expected(ledger: &Ledger, destination: &Destination) -> Vec<u8> {
    let mut lines = Vec::new();
    for seq in 0..ledger.reader.size() {
        let entry = ledger.reader.entry(seq).unwrap();
        let before = seq.checked_sub(1).map(|seq| ledger.reader.entry(seq));
        let before = before.map(|entry| Before::of(&entry.unwrap()));
        let view = EntryView::of(ORIGIN, &entry, before);
        lines.extend(destination.form().message(&view, 1));
        lines.push(b'\n');
    }
    lines
}

fn wait_until_confirmed(ledger: &Ledger, forwarder: &Forwarder) {
    wait_for("all to be on the disk", || {
        (forwarder.status().confirmed == ledger.reader.size()).then_some(())
    });
}

#[test]
fn every_format_is_one_line_an_entry_in_order() {
    for format in ["json", "rfc5424", "ocsf", "ocsf-1.9", "cef", "leef"] {
        let ledger = Ledger::with(300);
        let destination = files(&match format {
            "ocsf-1.9" => "format = 'ocsf'\nocsf_version = '1.9'".to_owned(),
            format => format!("format = '{format}'"),
        });
        let forwarder = ledger.follow(destination.clone());
        ledger.append(30);
        wait_until_confirmed(&ledger, &forwarder);
        assert_eq!(bytes(&ledger), expected(&ledger, &destination), "{format}");
        if ["json", "rfc5424"].contains(&format) {
            let trust = Trust {
                vkey: None,
                ledger: Some(ledger.reader.clone()),
            };
            let report = check::check(&bytes(&ledger)[..], &trust).unwrap();
            assert!(report.is_clean(), "{report:?}");
            assert_eq!((report.chains[ORIGIN].entries, report.other), (331, 0));
        }
    }
}

/// The chain of OCSF 1.9's record_integrity, by nothing but what was sent, over a restart.
#[test]
fn what_an_ocsf_1_9_event_attests_can_be_checked_where_it_is_stored() {
    let ledger = Ledger::with(20);
    let destination = files("format = 'ocsf'\nocsf_version = '1.9'");
    for more in [0, 20] {
        ledger.append(more);
        let forwarder = ledger.follow(destination.clone());
        wait_until_confirmed(&ledger, &forwarder);
    }
    let stored = bytes(&ledger);
    let events: Vec<Value> = String::from_utf8(stored.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len() as u64, ledger.reader.size());
    let attested = |event: &Value| event["attestation_list"][0].clone();
    for event in &events {
        let leaf = Sha256::new_with_prefix([0]).chain_update(event["raw_data"].as_str().unwrap());
        let value = attested(event)["fingerprint"]["value"].clone();
        assert_eq!(value, hex::encode(leaf.finalize()));
        assert_eq!(attested(event)["chain_uid"], ORIGIN);
    }
    assert_eq!(attested(&events[0]).get("prev_event"), None);
    for pair in events.windows(2) {
        let before = attested(&pair[1])["prev_event"].clone();
        assert_eq!(before["uid"], pair[0]["metadata"]["uid"]);
        assert_eq!(before["type_uid"], pair[0]["type_uid"]);
        assert_eq!(before["fingerprint"], attested(&pair[0])["fingerprint"]);
    }
    // A part of it that is asked for again is the same.
    let replayed = forward::replay(&destination, &ledger.reader, ledger.data_dir(), 5..9).unwrap();
    assert_eq!(replayed.sent, 4);
    let all = bytes(&ledger);
    let again = all.len() - stored.len();
    let lines: Vec<_> = stored.split_inclusive(|byte| *byte == b'\n').collect();
    let part = lines[5..9].concat();
    assert_eq!(again, part.len());
    assert!(all.windows(again).filter(|window| *window == part).count() == 2);
    // What is not told is no proof either.
    let told_less = files("format = 'ocsf'\nocsf_version = '1.9'\nwithhold = ['data.model']");
    let entry = ledger.reader.entry(7).unwrap();
    let view = EntryView::of(ORIGIN, &entry, None);
    let event: Value = serde_json::from_slice(&told_less.form().message(&view, 1)).unwrap();
    assert_eq!(event.get("raw_data"), None);
    assert_eq!(
        attested(&event)["fingerprint"],
        attested(&events[7])["fingerprint"]
    );
}

#[test]
fn files_stay_below_their_size_and_are_named_after_their_first_entry() {
    let ledger = Ledger::with(6_000);
    let destination = files("file_bytes = 1048576");
    let forwarder = ledger.follow(destination.clone());
    wait_until_confirmed(&ledger, &forwarder);
    let paths = there(&ledger);
    assert!(paths.len() >= 3, "{paths:?}");
    let mut first = 0;
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("hq-1-{first:020}.ndjson"));
        let content = fs::read(path).unwrap();
        assert!(content.len() <= 1_048_576);
        first += content.iter().filter(|byte| **byte == b'\n').count();
    }
    assert_eq!(bytes(&ledger), expected(&ledger, &destination));
}

/// The cursor is flushed seldom: a crash leaves it behind what is in the files.
#[test]
fn a_crash_leaves_no_torn_line_and_no_line_twice() {
    let ledger = Ledger::with(200);
    let destination = files("");
    let forwarder = ledger.follow(destination.clone());
    wait_until_confirmed(&ledger, &forwarder);
    forwarder.stop();
    let cursor = ledger.data_dir().join("export/hq.cursor");
    let behind = fs::read(&cursor).unwrap();
    ledger.append(300);
    let forwarder = ledger.follow(destination.clone());
    wait_until_confirmed(&ledger, &forwarder);
    forwarder.stop();
    let whole = expected(&ledger, &destination);
    assert_eq!(bytes(&ledger), whole);
    let file = there(&ledger).pop().unwrap();
    // Torn in the last line, in the middle, right behind a line, and in the first line of all.
    for cut in [whole.len() - 3, whole.len() / 2, whole.len(), 20, 0] {
        fs::write(
            &cursor,
            if cut < 100 {
                b"".to_vec()
            } else {
                behind.clone()
            },
        )
        .unwrap();
        if cut < 100 {
            fs::remove_file(&cursor).unwrap();
        }
        let torn = OpenOptions::new().write(true).open(&file).unwrap();
        torn.set_len(cut as u64).unwrap();
        let forwarder = ledger.follow(destination.clone());
        wait_until_confirmed(&ledger, &forwarder);
        assert_eq!(forwarder.status().resent, 0);
        forwarder.stop();
        assert_eq!(bytes(&ledger), whole, "cut at {cut}");
    }
}

#[test]
fn a_shipper_may_take_files_away() {
    let ledger = Ledger::with(100);
    let destination = files("");
    let forwarder = ledger.follow(destination.clone());
    wait_until_confirmed(&ledger, &forwarder);
    let taken = bytes(&ledger);
    forwarder.stop();
    fs::remove_file(there(&ledger).pop().unwrap()).unwrap();
    ledger.append(50);
    let forwarder = ledger.follow(destination.clone());
    wait_until_confirmed(&ledger, &forwarder);
    let all = [taken, bytes(&ledger)].concat();
    assert_eq!(all, expected(&ledger, &destination));
}

/// The one that is being written to as well, renamed or removed.
#[test]
fn what_is_taken_away_while_it_is_written_loses_nothing() {
    let ledger = Ledger::with(0);
    let destination = files("");
    let forwarder = ledger.follow(destination.clone());
    let taken = tempfile::tempdir().unwrap();
    let mut shipped: Vec<Vec<u8>> = Vec::new();
    for round in 0..40 {
        ledger.append(20);
        // Now with everything on the disk, now in the middle of it.
        if round % 4 == 0 {
            wait_until_confirmed(&ledger, &forwarder);
        }
        for path in there(&ledger) {
            let away = taken.path().join(format!("{round}"));
            let mut file = fs::File::open(&path).unwrap();
            match round % 2 {
                0 => fs::rename(&path, &away).unwrap(),
                _ => fs::remove_file(&path).unwrap(),
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            shipped.push(bytes);
        }
    }
    ledger.append(1);
    wait_until_confirmed(&ledger, &forwarder);
    shipped.push(bytes(&ledger));
    let whole = expected(&ledger, &destination);
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in shipped
        .iter()
        .flat_map(|file| file.split_inclusive(|byte| *byte == b'\n'))
    {
        // What was taken in the middle of a write ends in a part of a line, which comes again whole.
        if line.ends_with(b"\n") && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let lacks = whole
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !lines.contains(line))
        .count();
    assert_eq!(lacks, 0, "of {} lines", ledger.reader.size());
    let faults = forwarder.status().faults;
    assert!(faults.keys().all(|fault| *fault == "taken"), "{faults:?}");
}

#[test]
fn what_is_there_and_not_the_log_s_stops_the_writing_and_is_shown() {
    let ledger = Ledger::with(100);
    let destination = files("");
    let out = ledger.data_dir().join("out");
    fs::create_dir(&out).unwrap();
    let foreign = out.join("hq-1-00000000000000000000.ndjson");
    let mut file = fs::File::create(&foreign).unwrap();
    file.write_all(b"{\"chain\":\"another\"}\n").unwrap();
    let forwarder = ledger.follow(destination.clone());
    wait_for_error(&forwarder, "another message than this log's");
    assert_eq!(forwarder.status().sent, 0);
    fs::remove_file(&foreign).unwrap();
    wait_until_confirmed(&ledger, &forwarder);
    assert_eq!(bytes(&ledger), expected(&ledger, &destination));
}

/// Another form is another epoch, and its bytes are in files of their own.
#[test]
fn another_format_begins_another_file() {
    let ledger = Ledger::with(50);
    let json = ledger.follow(files(""));
    wait_until_confirmed(&ledger, &json);
    json.stop();
    ledger.append(50);
    let cef = ledger.follow(files("format = 'cef'"));
    wait_until_confirmed(&ledger, &cef);
    let names: Vec<_> = there(&ledger)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "hq-1-00000000000000000000.ndjson",
            "hq-2-00000000000000000051.ndjson"
        ]
    );
    assert!(
        fs::read(&there(&ledger)[1])
            .unwrap()
            .starts_with(b"CEF:0|daicho|")
    );
}
