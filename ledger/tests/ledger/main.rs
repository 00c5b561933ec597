//! The ledger from outside: what was answered is there, and stays what it was.
#![allow(clippy::unwrap_used)]

mod appending;
mod keys;
mod reading;
mod starts;

use ledger::clock::Clock;
use ledger::verify::{Trust, verify};
use ledger::{Appender, Content, Options, Reader, Submission};
use schemas::kinds::agents::AgentRegistered;
use schemas::{DataClass, Event, Hash, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const ORIGIN: &str = "example.com/daicho";

/// A clock that stands where it is put.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

fn clock() -> Arc<SetClock> {
    Arc::new(SetClock(AtomicI64::new(
        "2026-11-22T00:00:00.000000Z"
            .parse::<Timestamp>()
            .unwrap()
            .micros(),
    )))
}

fn create() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), ORIGIN, &*clock()).unwrap();
    dir
}

fn open(dir: &Path) -> (Appender, Reader) {
    ledger::open(
        dir,
        Options {
            clock: clock(),
            file_bytes: 4_000,
            ..Options::default()
        },
    )
    .unwrap()
}

fn event(appender: &Appender, name: &str) -> Event {
    let data = AgentRegistered {
        agent: name.parse().unwrap(),
        role: "cfo".parse().unwrap(),
        data_class: DataClass::Internal,
        token_sha256: Hash::ZERO,
        token_until: None,
        model: None,
        person: None,
    };
    Event::new(appender.new_id(), "user:s001".parse().unwrap(), data)
}

fn with_content(event: Event, text: &str) -> Submission {
    let name = "request".parse().unwrap();
    let media = "text/plain".parse().unwrap();
    Submission {
        event,
        content: vec![Content {
            name,
            media,
            bytes: text.as_bytes().to_vec(),
        }],
        person: None,
    }
}

/// The whole ledger is sound after every step.
fn check(dir: &Path) {
    let report = verify(dir, &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}
