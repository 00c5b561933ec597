//! What growing conversations cost: each call holds the whole context again.
//!
//! The measure is what was ever new, compressed once: the last contexts, one after the other.
#![allow(clippy::unwrap_used)]

mod requests;

use ledger::{Appender, Content, Options, Reader, Submission};
use requests::Conversation;
use schemas::kinds::scanner::{Coverage, FileCovered};
use schemas::{ContentRef, Event};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SEED: u64 = 7;

/// The level that the measure is compressed at: zstd's own default.
const LEVEL: i32 = 3;

/// One call: what is stored of it, by name.
type Call = Vec<(&'static str, Vec<u8>)>;

fn main() {
    println!(
        "{:<34}{:>9}{:>10}{:>9}{:>7}{:>9}{:>9}{:>9}",
        "", "context", "new once", "stored", "ratio", "seal 10", "last", "read"
    );
    for turns in [50, 100, 200, 1_000, 2_000] {
        let calls = conversation(SEED, turns);
        report(&format!("{turns} turns"), &calls, &[turns - 1], None);
    }
    let calls = conversation(SEED, 200);
    report("200 turns, started again at 100", &calls, &[199], Some(100));

    let masked = calls.iter().map(|call| {
        let prompt = call[0].1.clone();
        let payload = String::from_utf8(prompt.clone()).unwrap();
        let payload = MASKS
            .iter()
            .fold(payload, |text, (name, mask)| text.replace(name, mask));
        vec![("request", prompt), ("payload", payload.into_bytes())]
    });
    report(
        "200 turns, masked payload beside",
        &masked.collect::<Vec<_>>(),
        &[199],
        None,
    );

    let (one, two) = (conversation(SEED, 100), conversation(SEED + 1, 100));
    let both = one.into_iter().zip(two).flat_map(|(a, b)| [a, b]);
    report(
        "two agents in turn, 100 each",
        &both.collect::<Vec<_>>(),
        &[198, 199],
        None,
    );

    let mut agent = Conversation::new(SEED);
    let compacted = (0..200).map(|turn| {
        if turn == 100 {
            agent.compact();
        }
        vec![("request", agent.next_request())]
    });
    report(
        "200 turns, compacted at 100",
        &compacted.collect::<Vec<_>>(),
        &[99, 199],
        None,
    );
    println!("\nBytes; µs to compress and seal a call (median of ten); ms to read the last.");
}

/// Names that stand here and there in the conversation, and what leaves in their place.
const MASKS: [(&str, &str); 2] = [("担当者", "T.Y."), ("vendor_vendor", "v***")];

fn conversation(seed: u64, turns: usize) -> Vec<Call> {
    let mut agent = Conversation::new(seed);
    let calls = (0..turns).map(|_| vec![("request", agent.next_request())]);
    calls.collect()
}

/// Stores the calls one after the other. `last` are those whose contexts are all that was new.
fn report(what: &str, calls: &[Call], last: &[usize], restart: Option<usize>) {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/bench", &ledger::clock::SystemClock).unwrap();
    let mut opened = ledger::open(dir.path(), Options::default()).unwrap();
    let (mut took, mut references) = (Vec::new(), Vec::new());
    for (turn, call) in calls.iter().enumerate() {
        if restart == Some(turn) {
            drop(opened);
            opened = ledger::open(dir.path(), Options::default()).unwrap();
        }
        let (appender, reader) = &opened;
        let submission = submission(appender, call);
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let begun = Instant::now();
        appender.append_then(vec![submission], move |done| sender.send(done).unwrap());
        // Sealing is done when it returns; the sync of a shared disk would drown it.
        took.push(begun.elapsed());
        let receipts = receiver.recv().unwrap().unwrap();
        references.push(reader.entry(receipts[0].seq).unwrap().content().to_vec());
    }
    drop(opened);

    let reader = Reader::open(dir.path()).unwrap();
    for (turn, call) in calls.iter().enumerate().step_by(1 + calls.len() / 50) {
        for ((_, bytes), reference) in call.iter().zip(&references[turn]) {
            assert_eq!(reader.content(reference).unwrap(), *bytes);
        }
    }
    let newest = references.last().unwrap().last().unwrap();
    let begun = Instant::now();
    reader.content(newest).unwrap();
    let read = begun.elapsed();

    let contexts = last.iter().flat_map(|turn| &calls[*turn]);
    let new: Vec<u8> = contexts.flat_map(|(_, bytes)| bytes.clone()).collect();
    let once = zstd::bulk::compress(&new, LEVEL).unwrap().len() as u64;
    let stored = stored(dir.path(), references.iter().flatten());
    println!(
        "{what:<34}{:>9}{once:>10}{stored:>9}{:>7.3}{:>9}{:>9}{:>9.1}",
        calls.last().unwrap()[0].1.len(),
        stored as f64 / once as f64,
        median(&took[..10]).as_micros(),
        median(&took[took.len() - 10..]).as_micros(),
        read.as_secs_f64() * 1_000.0,
    );
}

fn submission(appender: &Appender, call: &Call) -> Submission {
    let data = FileCovered {
        scan: appender.new_id(),
        path: "p".parse().unwrap(),
        coverage: Coverage::Scanned,
        file_sha256: None,
    };
    let event = Event::new(appender.new_id(), "agent:cfo".parse().unwrap(), data);
    let content = call.iter().map(|(name, bytes)| Content {
        name: name.parse().unwrap(),
        media: "application/json".parse().unwrap(),
        bytes: bytes.clone(),
    });
    Submission {
        event,
        content: content.collect(),
        person: None,
    }
}

/// The packs of every bucket: a month may have ended between two calls.
fn stored<'a>(dir: &Path, references: impl Iterator<Item = &'a ContentRef>) -> u64 {
    let mut buckets: Vec<_> = references.map(|r| r.bucket.to_string()).collect();
    buckets.sort();
    buckets.dedup();
    buckets
        .iter()
        .flat_map(|bucket| std::fs::read_dir(dir.join("content").join(bucket)).unwrap())
        .map(|pack| pack.unwrap().metadata().unwrap().len())
        .sum()
}

/// The middle one, so that one slow sync does not stand for all.
fn median(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}
