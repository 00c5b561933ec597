//! Issues on the first working day of each month what the schedule says, into a directory, and
//! hands it on by webhook. Each has a thread of its own; nothing waits for either.

use super::Node;
use super::notify::webhook::Webhook;
use super::notify::{Channel, NotSent, wait_after};
use super::work::pause;
use crate::config;
use crate::config::TimestampConfig;
use crate::outcome::Failure;
use crate::reports::schedule::{self, Attached, Due, Message, actor, done, due, name, once};
use crate::reports::{
    ALWAYS, Document, Issue, IssuedReport, IssuedReports, Issuer, Places, Soundness, again, sign,
    taken,
};
use crate::timestamp::Client;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::report::window::Offset;
use ledger::AppendError;
use schemas::kinds::acting::{NotifyChannel, NotifyOutcome};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::records::ReportDelivered;
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Hash, Month, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at the calendar. The time is looked at, never slept away: a clock that was
/// set, or a host that slept, is late by no more than this.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// After the first failure to issue; each further wait is twice the one before.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(3_600);

/// A webhook that is set up today is not told of what was issued long ago.
const NEWS_MICROS: i64 = 31 * 24 * 3_600 * 1_000_000;

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

    /// Makes, records and writes what is due of one report.
    fn issue(&self, due: &Due, wanted: &(dyn Fn() -> bool + Sync)) -> Result<Soundness, Failure> {
        let id = |form, language| due.id(form, language);
        self.issue_by(due, wanted, |issuer| {
            issuer.issue(&due.wish(), &due.documents, id)
        })
    }

    /// Writes what is issued. Who fails may have recorded it: then the names stay taken, and the next
    /// look writes what the log has.
    fn issue_by(
        &self,
        due: &Due,
        wanted: &(dyn Fn() -> bool + Sync),
        issue: impl FnOnce(&Issuer) -> Result<Issue, Failure>,
    ) -> Result<Soundness, Failure> {
        let _writing = self.node.reports.write();
        std::fs::create_dir_all(&self.dir)
            .with_context(|| format!("{} cannot be made", self.dir.display()))?;
        let paths: Vec<PathBuf> = due.names().iter().map(|name| self.dir.join(name)).collect();
        let mut places = Places::take(&paths, false)?;
        let issued = issue(&self.node.issuer(actor(), wanted));
        if issued.is_ok() || self.may_be_recorded(due) {
            places.are_recorded();
        }
        let issue = issued?;
        for (nth, document) in issue.documents.iter().enumerate() {
            let token = document.token();
            places.fill(nth, &document.bytes, &document.proof, token.as_deref())?;
        }
        Ok(issue.soundness)
    }

    fn may_be_recorded(&self, due: &Due) -> bool {
        let unknown = self.node.appender.stopped().is_some() || self.node.views.catch_up().is_err();
        let names = due.names();
        let mut names = names.iter().filter_map(|name| name.to_str());
        unknown || names.any(|name| self.recorded(name).is_some())
    }

    /// What was recorded and could not be written, or was not when an earlier server died, is
    /// written now, and stamped now. One that fails keeps no other from being written.
    fn complete(&self) -> Result<(), Failure> {
        let _writing = self.node.reports.write();
        let mut failed = None;
        let items = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            items => items?,
        };
        for item in items {
            let part = item?.path();
            let name = part.file_name().and_then(|name| name.to_str());
            let Some((name, _)) = name.and_then(taken) else {
                continue;
            };
            if let Err(failure) = self.complete_one(name, &part) {
                let (part, fault) = (part.display(), failure.fault);
                let told = format!(
                    "{name} is recorded and cannot be written; remove {part} to give it up"
                );
                failed = failed.or(Some(Failure::new(fault.context(told), "see the log")));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn complete_one(&self, name: &str, part: &Path) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let recorded = self.recorded(name).filter(|_| !path.exists());
        if let Some(issued) = recorded {
            let bytes = again(&self.node.reader, &issued, &self.node.reports.config)?;
            let proof = sign::proof(&self.node.reader, issued.seq)?;
            let places = Places::take(std::slice::from_ref(&path), true)?;
            // The authority says when the signature existed: now at the latest.
            let issuer = self.node.issuer(actor(), ALWAYS);
            let token = issuer.stamp(&proof, issued.seq, &mut Vec::new());
            places.fill(0, &bytes, &proof, token.as_deref())?;
            tracing::info!(name, "a report that was cut off is written");
        }
        std::fs::remove_file(part)?;
        Ok(())
    }

    /// The document of this name, if the log has issued it.
    fn recorded(&self, wanted: &str) -> Option<IssuedReport> {
        let offset = self.offset();
        self.node.views.issued.read(|issued| {
            let mine = issued.all().iter().filter(|one| one.actor == actor());
            let mut named = mine.filter(|one| {
                let month = schedule::month_of(one, offset);
                let of = one.form();
                of.is_some_and(|of| name(one.report.as_str(), month, of) == wanted)
            });
            named.next().cloned()
        })
    }

    /// A report whose documents are there and were not handed on.
    fn undelivered(&self) -> Vec<(String, Month)> {
        let (node, offset) = (self.node, self.offset());
        let since = node.now().micros().saturating_sub(NEWS_MICROS);
        node.views.issued.read(|issued| {
            let due = self.due(issued);
            let mut all: Vec<(String, Month)> = Vec::new();
            let news = issued.all().iter().rev();
            for one in news.take_while(|one| one.at.micros() >= since) {
                if one.actor != actor() {
                    continue;
                }
                let of = (one.report.to_string(), schedule::month_of(one, offset));
                let whole = !due
                    .iter()
                    .any(|due| (&due.report, due.month) == (&of.0, of.1));
                let delivered = || {
                    let mut tried = issued.tried(&of.0, of.1);
                    tried.any(|outcome| outcome == NotifyOutcome::Delivered)
                };
                if whole && !all.contains(&of) && !delivered() {
                    all.push(of);
                }
            }
            all
        })
    }

    fn message(&self, report: &str, month: Month) -> Result<Vec<u8>, Failure> {
        let node = self.node;
        let _writing = node.reports.write();
        let offset = self.offset();
        let issued: Vec<IssuedReport> = node
            .views
            .issued
            .read(|issued| done(issued, report, month, offset).cloned().collect());
        let soundness = Soundness::of(&node.reader, issued.iter());
        let documents = issued.into_iter().filter_map(|one| {
            let of = one.form()?;
            Some((name(report, month, of), of, one))
        });
        let documents = documents.map(|(name, (format, language), one)| {
            let path = self.dir.join(&name);
            // As it lies there, if that is what was issued: else made again.
            let kept = std::fs::read(&path).ok();
            let kept = kept.filter(|bytes| Hash(Sha256::digest(bytes).into()) == one.sha256);
            let bytes = match kept {
                Some(bytes) => bytes,
                None => again(&node.reader, &one, &node.reports.config)?,
            };
            let beside = |more| crate::reports::beside(&path, more);
            let proof = match std::fs::read_to_string(beside(crate::reports::PROOF)) {
                Ok(proof) => proof,
                Err(_) => sign::proof(&node.reader, one.seq)?,
            };
            let token = std::fs::read(beside(crate::reports::TOKEN)).ok();
            Ok(Attached {
                name,
                document: Document {
                    format,
                    language,
                    media: one.media.as_str().to_owned(),
                    seq: one.seq,
                    sha256: one.sha256,
                    bytes,
                    proof,
                    token: token.map(|token| STANDARD.encode(token)),
                },
            })
        });
        let message = Message {
            event: "report.issued",
            origin: node.reader.origin(),
            report,
            month,
            soundness,
            documents: documents.collect::<Result<_, Failure>>()?,
        };
        Ok(serde_json::to_vec(&message)?)
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

/// Whether somebody else has issued it: the log took theirs, and so refuses ours.
fn was_issued_elsewhere(failure: &Failure) -> bool {
    matches!(
        failure.fault.downcast_ref::<AppendError>(),
        Some(AppendError::Conflict { .. })
    )
}

pub fn run(node: &Node, stop: &AtomicBool) {
    let Some(desk) = Desk::of(node) else { return };
    let (mut next, mut retry, mut alarmed) = (Instant::now(), FIRST_RETRY, false);
    let mut begun = false;
    while !stop.load(Ordering::Relaxed) {
        if Instant::now() >= next {
            match look(&desk, &mut begun, stop) {
                Ok(()) => (retry, alarmed) = (FIRST_RETRY, false),
                Err(failure) => {
                    node.reports.count(|status| status.failed += 1);
                    let why = format!("{:#}", failure.fault);
                    tracing::error!(why, "a scheduled report was not issued; it is tried again");
                    if !alarmed {
                        desk.alarm(Severity::Medium);
                    }
                    alarmed = true; // once per outage
                    begun = false;
                    next = Instant::now() + retry;
                    retry = (retry * 2).min(LONGEST_RETRY);
                }
            }
        }
        pause(stop, LOOK_AGAIN);
    }
}

fn look(desk: &Desk, begun: &mut bool, stop: &AtomicBool) -> Result<(), Failure> {
    let node = desk.node;
    node.views.catch_up()?;
    // What cannot be completed keeps nothing from being issued.
    let completed = if *begun { Ok(()) } else { desk.complete() };
    let mut left = false;
    for due in node.views.issued.read(|issued| desk.due(issued)) {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        match desk.issue(&due, &|| !stop.load(Ordering::Relaxed)) {
            Ok(soundness) => {
                node.reports.count(|status| status.issued += 1);
                tracing::info!(report = due.report, month = %due.month, "issued by the schedule");
                if soundness == Soundness::Unsound {
                    tracing::error!("the log did not verify; the report says so: daicho verify");
                    desk.alarm(Severity::High);
                }
            }
            // What it was about to issue the next start finds due.
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
            // Its documents may be nowhere: they are looked for.
            Err(failure) if was_issued_elsewhere(&failure) => left = true,
            Err(failure) => return Err(failure),
        }
        node.views.catch_up()?;
    }
    *begun = completed.is_ok() && !left;
    completed
}

/// Attempts so far, and when the next one is due.
struct Tries {
    made: u64,
    next: Instant,
}

pub fn deliver(node: &Node, stop: &AtomicBool) {
    let (Some(webhook), Some(desk)) = (&node.reports.webhook, Desk::of(node)) else {
        return;
    };
    let attempts = desk.schedule.attempts.max(1);
    let mut tries: HashMap<(String, Month), Tries> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        for of in desk.undelivered() {
            let so_far = tries.entry(of.clone()).or_insert_with(|| Tries {
                made: 0,
                next: Instant::now(),
            });
            // Told, or given up: the view may not know yet what the log does.
            if so_far.made >= attempts || Instant::now() < so_far.next {
                continue;
            }
            let sent = match desk.message(&of.0, of.1) {
                Ok(message) => webhook.send(&message, stop),
                Err(failure) => Err(NotSent::Failed(format!("{:#}", failure.fault))),
            };
            so_far.made += 1;
            let (made, (report, month)) = (so_far.made, &of);
            let outcome = match sent {
                Ok(()) => NotifyOutcome::Delivered,
                Err(NotSent::Stopped) => return,
                Err(NotSent::Failed(why)) => {
                    node.reports.count(|status| status.undelivered += 1);
                    tracing::warn!(report, %month, attempt = made, why, "a report was not handed on");
                    if made < attempts {
                        so_far.next = Instant::now() + wait_after(made);
                        continue;
                    }
                    NotifyOutcome::GivenUp
                }
            };
            so_far.made = attempts;
            record(&desk, report, *month, outcome, made);
        }
        pause(stop, LOOK_AGAIN);
    }
}

fn record(desk: &Desk, report: &str, month: Month, outcome: NotifyOutcome, attempts: u64) {
    let node = desk.node;
    node.reports.count(|status| match outcome {
        NotifyOutcome::Delivered => status.delivered += 1,
        NotifyOutcome::GivenUp => status.given_up += 1,
    });
    if outcome == NotifyOutcome::GivenUp {
        tracing::error!(
            report, %month, attempts,
            "a report could not be handed on; see [report.schedule] in daicho.toml. The next start tries again"
        );
    }
    let Ok(named) = report.parse() else { return };
    let before = node
        .views
        .issued
        .read(|issued| issued.tried(report, month).count());
    let id = once("report.delivered", &format!("{report}\n{month}\n{before}"));
    let fact = ReportDelivered {
        report: named,
        month,
        channel: NotifyChannel::Webhook,
        outcome,
        attempts,
    };
    let event = Event::new(id, actor(), fact);
    if let Err(error) = node.appender.append(vec![event.into()]) {
        tracing::error!(%error, report, "that a report was handed on could not be recorded");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::{Config, Schedule, write_default};
    use ledger::Layout;
    use ledger::clock::{Clock, SystemClock};
    use tempfile::TempDir;

    struct Then(Timestamp);

    impl Clock for Then {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    /// A ledger that is old enough for a month to be due.
    fn node() -> (TempDir, Node) {
        const DAYS: i64 = 100 * 24 * 3_600 * 1_000_000;
        let dir = TempDir::new().unwrap();
        let then = Timestamp::from_micros(SystemClock.now().micros() - DAYS);
        ledger::create(dir.path(), "example.com/daicho", &Then(then)).unwrap();
        write_default(&Layout::new(dir.path())).unwrap();
        let mut config = Config::default();
        config.report.schedule = Some(Schedule {
            formats: vec![crate::reports::Form::Json],
            ..Schedule::default()
        });
        let node = Node::open(dir.path(), config, Default::default()).unwrap();
        (dir, node)
    }

    fn issued(node: &Node) -> usize {
        node.views.catch_up().unwrap();
        node.views.issued.read(|issued| issued.all().len())
    }

    #[test]
    fn a_stop_ends_the_verification_under_way_and_nothing_is_issued() {
        let (_dir, node) = node();
        let desk = Desk::of(&node).unwrap();
        node.views.catch_up().unwrap();
        let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
        let asked = std::sync::atomic::AtomicU64::new(0);
        let stopped = desk.issue(&due, &|| {
            asked.fetch_add(1, Ordering::Relaxed);
            false
        });
        let fault = format!("{:#}", stopped.unwrap_err().fault);
        assert!(fault.contains("stopped before its end"), "{fault}");
        assert_eq!(asked.into_inner(), 1, "not asked again, once it is stopped");
        assert_eq!(issued(&node), 0);
        assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 0);
        let soundness = desk.issue(&due, ALWAYS).unwrap();
        assert_eq!(soundness, Soundness::Sound);
        assert_eq!(issued(&node), 1);
    }

    /// The signature, say, cannot be had when the report is recorded already.
    #[test]
    fn a_report_whose_issuer_failed_after_it_was_recorded_is_written_at_the_next_look() {
        let (_dir, node) = node();
        let desk = Desk::of(&node).unwrap();
        node.views.catch_up().unwrap();
        let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
        let document = desk.dir.join(&due.names()[0]);
        let failed = desk.issue_by(&due, ALWAYS, |issuer| {
            let id = |form, language| due.id(form, language);
            issuer.issue(&due.wish(), &due.documents, id)?;
            Err(Failure::msg("no checkpoint covers it", "try again"))
        });
        assert!(failed.is_err() && !document.exists());
        assert_eq!(issued(&node), 1);
        let (mut begun, stop) = (false, AtomicBool::new(false));
        look(&desk, &mut begun, &stop).unwrap();
        let of_it = Hash(Sha256::digest(std::fs::read(&document).unwrap()).into());
        let recorded = node.views.issued.read(|issued| issued.all()[0].sha256);
        assert_eq!((issued(&node), of_it), (1, recorded));
        assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 2);
        // One that failed before leaves nothing.
        std::fs::remove_file(&document).unwrap();
        std::fs::remove_file(crate::reports::beside(&document, crate::reports::PROOF)).unwrap();
        let other = Due {
            month: "2001-01".parse().unwrap(),
            ..due
        };
        let failed = desk.issue_by(&other, ALWAYS, |_| Err(Failure::msg("not now", "later")));
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 0);
    }

    /// What says so has ended: nothing was found unsound, and nothing is called verified.
    #[test]
    fn a_receiver_is_told_sound_unsound_or_that_nobody_knows() {
        let (_dir, node) = node();
        let desk = Desk::of(&node).unwrap();
        node.views.catch_up().unwrap();
        let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
        desk.issue(&due, ALWAYS).unwrap();
        node.views.catch_up().unwrap();
        let told = || {
            let message = desk.message(&due.report, due.month).unwrap();
            let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
            message["soundness"].clone()
        };
        assert_eq!(told(), serde_json::json!({ "state": "sound" }));
        let unread = node.views.issued.read(|issued| issued.all()[0].clone());
        // An entry that has no such content.
        let unread = IssuedReport { seq: 0, ..unread };
        let soundness = Soundness::of(&node.reader, std::iter::once(&unread));
        let Soundness::Unknown { reason } = soundness else {
            panic!("{soundness:?}");
        };
        assert!(reason.contains("cannot be read"), "{reason}");
    }

    #[test]
    fn a_document_that_could_not_be_written_is_at_the_next_look() {
        let (_dir, node) = node();
        let desk = Desk::of(&node).unwrap();
        node.views.catch_up().unwrap();
        let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
        let document = desk.dir.join(&due.names()[0]);
        // Its signature cannot be written where a directory has the name that it is written under.
        let in_the_way = crate::reports::beside(&document, ".tlog-proof.new");
        std::fs::create_dir_all(&in_the_way).unwrap();
        let (mut begun, stop) = (false, AtomicBool::new(false));
        assert!(look(&desk, &mut begun, &stop).is_err());
        assert_eq!((issued(&node), document.exists()), (1, false));
        begun = false;
        assert!(
            look(&desk, &mut begun, &stop).is_err(),
            "as long as it is there"
        );
        std::fs::remove_dir(&in_the_way).unwrap();
        begun = false;
        look(&desk, &mut begun, &stop).unwrap();
        assert!(begun && document.exists());
        let bytes = std::fs::read(&document).unwrap();
        let of_it = Hash(Sha256::digest(&bytes).into());
        let recorded = node.views.issued.read(|issued| issued.all()[0].sha256);
        assert_eq!((issued(&node), of_it), (1, recorded));
        let left = std::fs::read_dir(&desk.dir).unwrap().count();
        assert_eq!(left, 2, "the document and its signature");
    }
}
