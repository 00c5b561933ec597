//! What a growing conversation costs: 200 calls, each with the whole context again.
//!
//! The baseline is the context of the last call, compressed once: nearly all that was ever new.
#![allow(clippy::unwrap_used)]

mod requests;

use ledger::{Content, Options, Submission};
use requests::Conversation;
use schemas::kinds::scanner::{Coverage, FileCovered};
use schemas::{ContentRef, Event};
use std::collections::HashSet;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const TURNS: usize = 200;
const SEED: u64 = 7;

/// The level that content is compressed at.
const LEVEL: i32 = 3;

fn main() {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/bench", &ledger::clock::SystemClock).unwrap();
    let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
    let mut conversation = Conversation::new(SEED);
    let mut took = Vec::new();
    let mut last = Vec::new();
    let mut references: Vec<ContentRef> = Vec::new();
    for _ in 0..TURNS {
        last = conversation.next_request();
        let data = FileCovered {
            scan: appender.new_id(),
            path: "p".parse().unwrap(),
            coverage: Coverage::Scanned,
            file_sha256: None,
        };
        let event = Event::new(appender.new_id(), "agent:cfo".parse().unwrap(), data);
        let content = vec![Content {
            name: "request".parse().unwrap(),
            media: "application/json".parse().unwrap(),
            bytes: last.clone(),
        }];
        let begun = Instant::now();
        let receipts = appender
            .append(vec![Submission { event, content }])
            .unwrap();
        took.push(begun.elapsed());
        references.extend(reader.entry(receipts[0].seq).unwrap().content().to_vec());
    }
    assert_eq!(reader.content(references.last().unwrap()).unwrap(), last);

    let unique = zstd::bulk::compress(&last, LEVEL).unwrap().len();
    // A month may have ended between two calls: every bucket counts.
    let buckets: HashSet<_> = references.iter().map(|r| r.bucket.clone()).collect();
    let stored: u64 = buckets
        .iter()
        .flat_map(|bucket| std::fs::read_dir(dir.path().join(format!("content/{bucket}"))).unwrap())
        .map(|pack| pack.unwrap().metadata().unwrap().len())
        .sum();
    println!("final context        {:>12} bytes", last.len());
    println!("compressed once      {unique:>12} bytes");
    println!("stored               {stored:>12} bytes");
    println!(
        "stored / compressed  {:>12.2}",
        stored as f64 / unique as f64
    );
    for turn in [10, 100, 200] {
        // The middle of ten calls, so that one slow sync does not stand for all.
        let mut near: Vec<Duration> = took[turn - 10..turn].to_vec();
        near.sort();
        println!("call at turn {turn:<4}    {:>12} µs", near[5].as_micros());
    }
}
