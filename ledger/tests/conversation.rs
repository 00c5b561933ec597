//! What a conversation takes that is sent whole at every turn: what was ever new, and little more.
#![allow(clippy::unwrap_used)]

/// The conversation that the bench replays.
#[path = "../benches/conversation/requests.rs"]
mod requests;

use ledger::{Content, Options, Submission};
use requests::Conversation;
use schemas::Event;
use schemas::kinds::scanner::{Coverage, FileCovered};
use std::path::PathBuf;
use tempfile::TempDir;

const TURNS: usize = 200;

/// zstd's own default, for the measure: the last contexts compressed once, one after the other.
const LEVEL: i32 = 3;

/// Appends the requests of all turns, and gives what the packs hold of them beside the measure.
/// With `compacted`, a summary takes the place of all messages before that turn.
fn stored_beside_new(compacted: Option<usize>) -> (usize, usize) {
    let dir = TempDir::new().unwrap();
    ledger::create(
        dir.path(),
        "example.com/daicho",
        &ledger::clock::SystemClock,
    )
    .unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    let mut agent = Conversation::new(7);
    let mut new = Vec::new();
    let mut last = Vec::new();
    let mut newest = None;
    for turn in 0..TURNS {
        if compacted == Some(turn) {
            new.append(&mut last);
            agent.compact();
        }
        last = agent.next_request();
        let data = FileCovered {
            scan: appender.new_id(),
            path: "p".parse().unwrap(),
            coverage: Coverage::Scanned,
            file_sha256: None,
        };
        let submission = Submission {
            event: Event::new(appender.new_id(), "agent:cfo".parse().unwrap(), data),
            content: vec![Content {
                name: "request".parse().unwrap(),
                media: "application/json".parse().unwrap(),
                bytes: last.clone(),
            }],
            person: None,
        };
        newest = Some(appender.append(vec![submission]).unwrap()[0].seq);
    }
    new.extend(&last);
    let entry = reader.entry(newest.unwrap()).unwrap();
    assert_eq!(reader.content(&entry.content()[0]).unwrap(), last);
    // Of every bucket: a month may have ended between two calls.
    let below = |dir: PathBuf| {
        let items = std::fs::read_dir(dir).unwrap();
        items.map(|item| item.unwrap().path())
    };
    let buckets = below(dir.path().join("content")).flat_map(below);
    let packs = buckets.flat_map(below);
    let stored: u64 = packs.map(|pack| pack.metadata().unwrap().len()).sum();
    let once = zstd::bulk::compress(&new, LEVEL).unwrap().len();
    (stored as usize, once)
}

#[test]
fn two_hundred_turns_take_at_most_1_15_times_what_was_new() {
    for compacted in [None, Some(100)] {
        let (stored, new) = stored_beside_new(compacted);
        println!("compacted {compacted:?}: {stored} bytes of {new}");
        assert!(stored * 100 <= new * 115, "{stored} bytes of {new}");
    }
}
