//! Trusted time: asks the authority when this log's newest checkpoint existed, now and then,
//! and keeps what it said. Nothing waits for it.

use super::Node;
use super::work::TICK;
use crate::config::TimestampConfig;
use crate::outcome::Failure;
use crate::timestamp::{Client, due, take_in};
use ledger::{Reader, Submission};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Timestamp};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a failure the next attempt comes sooner than the interval, and later each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// What operators see.
#[derive(Clone, Default)]
pub struct Status {
    /// The newest time stamp: how many entries it covers, and when they existed.
    pub newest: Option<(u64, Timestamp)>,
    /// Why the last attempt gave none.
    pub error: Option<String>,
}

pub struct Timestamps {
    client: Client,
    interval: Duration,
    status: Mutex<Status>,
}

impl Timestamps {
    /// `None` where nobody is to be asked.
    pub fn open(
        config: &TimestampConfig,
        data: &Path,
        reader: &Reader,
    ) -> Result<Option<Timestamps>, Failure> {
        let Some(client) = Client::open(config, data)?.filter(Client::has_url) else {
            return Ok(None);
        };
        let newest = ledger::timestamp::newest(reader.layout())?;
        let newest = newest.and_then(|(size, token)| Some((size, token.ok()?.time)));
        Ok(Some(Timestamps {
            client,
            interval: Duration::from_secs(config.interval_seconds.max(1)),
            status: Mutex::new(Status {
                newest,
                error: None,
            }),
        }))
    }

    pub fn status(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    /// One time stamp, at the end of all that there is. Gives how many entries it covers.
    fn stamp(&self, node: &Node, last: bool) -> anyhow::Result<u64> {
        let note = match last {
            true => node.reader.checkpoint().to_string().into_bytes(),
            false => due(&node.reader)?,
        };
        let (response, token) = self.client.ask(&note)?;
        let now = node.appender.now();
        let (timestamped, new) = take_in(&node.reader, &note, &response, &token, now)?;
        let size = timestamped.size;
        if new {
            node.appender.append(vec![event(node, timestamped)])?;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        *status = Status {
            newest: Some((size, token.time)),
            error: None,
        };
        Ok(size)
    }

    fn failed(&self, error: &anyhow::Error) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error = Some(format!("{error:#}"));
    }
}

fn event(node: &Node, data: impl Into<Data>) -> Submission {
    let actor = Actor::Service("timestamps".parse().expect("a literal name is sound"));
    Event::new(node.appender.new_id(), actor, data).into()
}

pub fn run(node: &Node, stop: &AtomicBool) {
    let Some(timestamps) = &node.timestamps else {
        return;
    };
    // A time stamp of more than there is must not silence this.
    let newest = timestamps.status().newest.map_or(0, |(size, _)| size);
    let mut looked = newest.min(node.reader.size());
    let (mut due, mut alarmed) = (false, false);
    let (mut next, mut retry) = (Instant::now(), FIRST_RETRY);
    loop {
        // Once more at the end: what the next start finds is stamped.
        let last = stop.load(Ordering::Relaxed);
        let size = node.reader.size();
        due |= super::news(&node.reader, looked..size).is_some();
        looked = looked.max(size);
        if due && (last || Instant::now() >= next) {
            match timestamps.stamp(node, last) {
                Ok(size) => {
                    (due, looked, alarmed) = (false, size, false);
                    (next, retry) = (Instant::now() + timestamps.interval, FIRST_RETRY);
                }
                Err(error) => {
                    timestamps.failed(&error);
                    if !alarmed {
                        alarm(node, &error);
                    }
                    alarmed = true; // once per outage
                    next = Instant::now() + retry.min(timestamps.interval);
                    retry = (retry * 2).min(timestamps.interval);
                }
            }
        }
        if last {
            return;
        }
        std::thread::sleep(TICK);
    }
}

fn alarm(node: &Node, error: &anyhow::Error) {
    tracing::error!(
        error = format!("{error:#}"),
        "the authority gave no time stamp; see [timestamp] in daicho.toml"
    );
    let alert = AlertRaised {
        alert: node.appender.new_id(),
        detector: "timestamp-authority"
            .parse()
            .expect("a literal name is sound"),
        severity: Severity::Medium,
        positions: Vec::new(),
        subject: None,
    };
    if let Err(error) = node.appender.append(vec![event(node, alert)]) {
        tracing::error!(%error, "the alert could not be recorded");
    }
}
