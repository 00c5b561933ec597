//! Issues on the first working day of each month what the schedule says, into a directory, and
//! hands it on by webhook. Each has a thread of its own; nothing waits for either.

mod deliver;
mod issue;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use deliver::deliver;
pub use issue::run;

use super::Node;
use super::notify::webhook::Webhook;
use crate::config;
use crate::config::TimestampConfig;
use crate::outcome::Failure;
use crate::reports::schedule::{Due, actor, due};
use crate::reports::{IssuedReports, Issuer};
use crate::timestamp::Client;
use exporters::report::window::Offset;
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two looks at the calendar. The time is looked at, never slept away: a clock that was
/// set, or a host that slept, is late by no more than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What operators see of the schedule, since the start.
#[derive(Clone, Copy, Default)]
pub struct Status {
    pub issued: u64,
    /// Attempts to issue that failed.
    pub failed: u64,
    pub delivered: u64,
    /// Attempts to hand on that failed.
    pub undelivered: u64,
    /// Months that nobody goes on trying to hand on.
    pub given_up: u64,
}

/// How this server makes reports.
pub struct Reports {
    pub config: config::Report,
    client: Option<Client>,
    webhook: Option<Webhook>,
    status: Mutex<Status>,
    /// Held while documents are written: none is handed on before its signature lies beside it.
    writing: Mutex<()>,
}

impl Reports {
    pub fn open(
        config: config::Report,
        timestamp: &TimestampConfig,
        data: &Path,
    ) -> Result<Reports, Failure> {
        let webhook = match &config.schedule {
            Some(schedule) => {
                let timeout = Duration::from_secs(schedule.timeout_seconds.max(1));
                Webhook::open(schedule.address(), data, timeout)?
            }
            None => None,
        };
        Ok(Reports {
            client: Client::open(timestamp, data)?,
            webhook,
            config,
            status: Mutex::default(),
            writing: Mutex::default(),
        })
    }

    /// Absent where nothing is scheduled.
    pub fn status(&self) -> Option<Status> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        self.config.schedule.as_ref().map(|_| *status)
    }

    fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, one_more: impl Fn(&mut Status)) {
        one_more(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Node {
    /// Who issues reports of this ledger.
    pub fn issuer<'n>(&'n self, by: Actor, wanted: &'n (dyn Fn() -> bool + Sync)) -> Issuer<'n> {
        Issuer {
            appender: &self.appender,
            reader: &self.reader,
            views: &self.views,
            config: &self.reports.config,
            client: self.reports.client.as_ref(),
            by,
            wanted,
        }
    }
}

/// The schedule as one thread follows it.
struct Desk<'n> {
    node: &'n Node,
    schedule: &'n config::Schedule,
    dir: PathBuf,
    founded: Timestamp,
}

impl<'n> Desk<'n> {
    fn of(node: &'n Node) -> Option<Desk<'n>> {
        let schedule = node.reports.config.schedule.as_ref()?;
        let founded = match node.reader.entry(0) {
            Ok(entry) => entry.at(),
            Err(error) => {
                tracing::error!(%error, "no report is scheduled");
                return None;
            }
        };
        Some(Desk {
            node,
            schedule,
            dir: node.reader.layout().dir().join(&schedule.directory),
            founded,
        })
    }

    /// The company's clock, as it was adopted.
    fn offset(&self) -> Offset {
        self.node.reports.config.utc_offset
    }

    fn due(&self, issued: &IssuedReports) -> Vec<Due> {
        let times = (self.founded, self.node.now());
        due(self.schedule, self.offset(), issued, times)
    }

    fn event(&self, data: impl Into<Data>) -> ledger::Submission {
        Event::new(self.node.appender.new_id(), actor(), data).into()
    }

    fn alarm(&self, severity: Severity) {
        let alert = AlertRaised {
            alert: self.node.appender.new_id(),
            detector: "report-schedule".parse().expect("a literal name is sound"),
            severity,
            positions: Vec::new(),
            subject: None,
        };
        if let Err(error) = self.node.appender.append(vec![self.event(alert)]) {
            tracing::error!(%error, "the alert could not be recorded");
        }
    }
}
