//! What is due is issued, and what was issued and not written is written.

use super::{Desk, LOOK_AGAIN};
use crate::outcome::Failure;
use crate::reports::schedule::{self, Due, actor, name};
use crate::reports::{ALWAYS, Issue, IssuedReport, Issuer, Places, Soundness, again, sign, taken};
use crate::server::Node;
use crate::server::work::pause;
use anyhow::Context;
use ledger::AppendError;
use schemas::kinds::scanner::Severity;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After the first failure to issue; each further wait is twice the one before.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LONGEST_RETRY: Duration = Duration::from_secs(3_600);

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

pub(super) fn look(desk: &Desk, begun: &mut bool, stop: &AtomicBool) -> Result<(), Failure> {
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

impl Desk<'_> {
    /// Makes, records and writes what is due of one report.
    pub(super) fn issue(
        &self,
        due: &Due,
        wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Soundness, Failure> {
        let id = |form, language| due.id(form, language);
        self.issue_by(due, wanted, |issuer| {
            issuer.issue(&due.wish(), &due.documents, id)
        })
    }

    /// Writes what is issued. Who fails may have recorded it: then the names stay taken, and the next
    /// look writes what the log has.
    pub(super) fn issue_by(
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
    pub(super) fn complete(&self) -> Result<(), Failure> {
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
    pub(super) fn recorded(&self, wanted: &str) -> Option<IssuedReport> {
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
}

/// Whether somebody else has issued it: the log took theirs, and so refuses ours.
fn was_issued_elsewhere(failure: &Failure) -> bool {
    matches!(
        failure.fault.downcast_ref::<AppendError>(),
        Some(AppendError::Conflict { .. })
    )
}
