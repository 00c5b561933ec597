//! What was issued is handed on by webhook.

use super::{Desk, LOOK_AGAIN};
use crate::outcome::Failure;
use crate::reports::schedule::{self, Attached, Message, actor, done, name, once};
use crate::reports::{Document, IssuedReport, Soundness, again, sign};
use crate::server::Node;
use crate::server::notify::{Channel, NotSent, wait_after};
use crate::server::work::pause;
use base64::{Engine, engine::general_purpose::STANDARD};
use schemas::kinds::acting::{NotifyChannel, NotifyOutcome};
use schemas::kinds::records::ReportDelivered;
use schemas::{Event, Hash, Month};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A webhook that is set up today is not told of what was issued long ago.
const NEWS_MICROS: i64 = 31 * 24 * 3_600 * 1_000_000;

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

impl Desk<'_> {
    /// A report whose documents are there and were not handed on.
    pub(super) fn undelivered(&self) -> Vec<(String, Month)> {
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

    pub(super) fn message(&self, report: &str, month: Month) -> Result<Vec<u8>, Failure> {
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
}
