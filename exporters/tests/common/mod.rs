//! What the tests of exporting share: a ledger to export, and waiting without sleeping blind.
#![allow(dead_code, reason = "each test binary uses its part")]

#[path = "../../../tests/daicho/world/cannot_run.rs"]
pub mod cannot_run;
pub mod pki;
pub mod rsyslog;
pub mod syslog_ng;

pub use cannot_run::cannot_run;
use exporters::forward::{CursorError, Destination, Forwarder, StartError, Status};
use ledger::clock::SystemClock;
use ledger::{Appender, Options, Reader};
use schemas::kinds::traffic::PromptSubmitted;
use schemas::{Event, Hash};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const ORIGIN: &str = "ledger.example/daicho";

/// A ledger in a directory of its own.
pub struct Ledger {
    pub dir: TempDir,
    pub appender: Appender,
    pub reader: Reader,
}

impl Ledger {
    /// Holds entry 0 and `events` prompts.
    pub fn with(events: u64) -> Ledger {
        let dir = TempDir::new().unwrap();
        ledger::create(dir.path(), ORIGIN, &SystemClock).unwrap();
        let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
        let ledger = Ledger {
            dir,
            appender,
            reader,
        };
        ledger.append(events);
        ledger
    }

    pub fn append(&self, events: u64) {
        let mut left = events;
        while left > 0 {
            let batch = left.min(1_000);
            let submissions = (0..batch).map(|_| self.prompt().into()).collect();
            self.appender.append(submissions).unwrap();
            left -= batch;
        }
    }

    pub fn prompt(&self) -> Event {
        let id = self.appender.new_id();
        let data = PromptSubmitted {
            call: id,
            provider: "anthropic".parse().unwrap(),
            operation: "messages".parse().unwrap(),
            path: None,
            model: Some("模型 \"]\\ \u{1f600}".parse().unwrap()),
            streaming: true,
            messages: 3,
            body_bytes: 2_048,
        };
        Event::new(id, "agent:cfo".parse().unwrap(), data)
    }

    pub fn leaf(&self, seq: u64) -> Hash {
        self.reader.leaf(seq).unwrap()
    }

    pub fn follow(&self, destination: Destination) -> Forwarder {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match self.start(destination.clone()) {
                // A receiver that another test starts at this moment is a copy of this process
                // until it is itself, and holds every lock that this process held.
                Err(StartError::Cursor(CursorError::Busy { .. })) if Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                started => return started.unwrap(),
            }
        }
    }

    /// As the server starts one: what it concludes is recorded.
    pub fn start(&self, destination: Destination) -> Result<Forwarder, StartError> {
        let appender = self.appender.clone();
        let record = Box::new(move |degraded| {
            let actor = "service:export".parse().unwrap();
            let event = Event::new(appender.new_id(), actor, degraded);
            appender.append(vec![event.into()]).unwrap();
        });
        Forwarder::start(destination, self.reader.clone(), self.dir.path(), record)
    }

    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }
}

pub fn destination(toml: &str) -> Destination {
    destination_named("hq", toml)
}

pub fn destination_named(name: &str, toml: &str) -> Destination {
    toml::from_str(&format!(
        "name = '{name}'\nhostname = 'ledger.example'\n{toml}"
    ))
    .unwrap()
}

/// Until `condition` gives something; a test that waits in vain says for what.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_at_most(Duration::from_secs(120), what, condition)
}

pub fn wait_at_most<T>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Until the destination has a fault to show.
pub fn wait_for_error(forwarder: &Forwarder, part: &str) -> Status {
    let mut last = None;
    wait_for(part, || {
        let status = forwarder.status();
        let error = status.last_error.clone()?;
        if last.as_ref() != Some(&error) {
            eprintln!("status: {error}");
            last = Some(error.clone());
        }
        error.contains(part).then_some(status)
    })
}
