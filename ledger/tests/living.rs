//! Other processes beside a living writer: what they see is whole, and never called broken.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::verify::{Trust, verify};
use ledger::{Content, Options, Reader, Submission};
use schemas::Event;
use schemas::kinds::agents::{AgentReason, AgentRetired};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// Ends the other threads, also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_living_log_is_clean_to_whoever_reads_it_and_can_always_be_started() {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let verifier = scope.spawn(|| {
            let mut rounds = 0;
            while !ended.load(Ordering::SeqCst) {
                let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
                assert!(report.is_clean(), "{:#?}", report.findings);
                rounds += 1;
            }
            rounds
        });
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !ended.load(Ordering::SeqCst) {
                let reader = Reader::open(dir.path()).unwrap();
                let proof = reader.prove(0).unwrap();
                let body = reader.entry(0).unwrap().body().to_vec();
                proof.check(&body, &reader.key_in_force()).unwrap();
                let last = reader.entry(reader.size() - 1).unwrap();
                for content in last.content() {
                    reader.content(content).unwrap();
                }
                rounds += 1;
            }
            rounds
        });
        let end = End(&ended);
        for start in 0..8 {
            let options = Options {
                file_bytes: 5_000,
                ..Options::default()
            };
            // Refused if a reader were to take the lock even for a moment.
            let (appender, _) = ledger::open(dir.path(), options).unwrap();
            for i in 0..60 {
                let data = AgentRetired {
                    agent: format!("agent-{start}-{i}").parse().unwrap(),
                    reason: AgentReason::Requested,
                };
                let event = Event::new(appender.new_id(), "user:s001".parse().unwrap(), data);
                let content = Content {
                    name: "request".parse().unwrap(),
                    media: "text/plain".parse().unwrap(),
                    bytes: vec![i; 3_000],
                };
                let with_content = Submission {
                    event,
                    content: vec![content],
                    person: None,
                };
                let batch = (0..i % 7).map(|_| appender.checkpoint_event());
                let batch = batch.chain([with_content]).collect();
                appender.append(batch).unwrap();
            }
        }
        drop(end);
        assert!(verifier.join().unwrap() > 2 && reader.join().unwrap() > 2);
    });
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean() && report.entries > 1_000);
}
