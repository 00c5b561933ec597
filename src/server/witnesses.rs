//! This log's side of witnessing: asks the policy's witnesses to cosign the newest
//! checkpoint, keeps what they gave, and knows whether they make a quorum.

mod ask;

use super::Node;
use super::work::TICK;
use crate::config::{MissedQuorum, WitnessConfig};
use crate::files;
use crate::outcome::Failure;
use anyhow::Context;
use ask::{Cosigned, ask};
use ledger::note::Note;
use ledger::witness::Policy;
use ledger::{Reader, Submission};
use schemas::kinds::defence::AlertRaised;
use schemas::kinds::ledger::WitnessCosigned;
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Data, Event, Hash, Label, Timestamp};
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// Nobody has been asked yet.
    Pending,
    Met,
    Missed,
}

#[derive(Clone, Serialize)]
pub struct WitnessStatus {
    pub name: String,
    /// The size that the witness cosigned last.
    pub size: u64,
    pub error: Option<String>,
}

/// What operators see.
#[derive(Clone, Serialize)]
pub struct Status {
    pub quorum: Quorum,
    /// The size of the newest checkpoint that a quorum cosigned.
    pub size: u64,
    pub witnesses: Vec<WitnessStatus>,
}

pub struct Witnesses {
    policy: Policy,
    config: WitnessConfig,
    client: reqwest::blocking::Client,
    status: Mutex<Status>,
}

impl Witnesses {
    /// `None` where no policy is configured.
    pub fn open(
        config: WitnessConfig,
        data: &Path,
        reader: &Reader,
    ) -> Result<Option<Witnesses>, Failure> {
        let Some(path) = &config.policy else {
            return Ok(None);
        };
        let path = data.join(path);
        let help = "correct [witness] policy in daicho.toml";
        let policy = crate::commands::read_policy(&path, help)?;
        if !policy.logs.is_empty()
            && !policy
                .logs
                .iter()
                .any(|log| reader.keys().first_of(&log.key).is_some())
        {
            let fault = format!("{} is a policy for other logs", path.display());
            return Err(Failure::msg(
                fault,
                "give its log line this log's key: `daicho key show`",
            ));
        }
        let client = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(config.timeout_seconds.max(1)))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client for the witnesses")?;
        let row = |name: &String| WitnessStatus {
            name: name.clone(),
            size: 0,
            error: None,
        };
        let status = Status {
            quorum: Quorum::Pending,
            size: 0,
            witnesses: policy.witnesses.iter().map(|w| row(&w.name)).collect(),
        };
        Ok(Some(Witnesses {
            policy,
            config,
            client,
            status: Mutex::new(status),
        }))
    }

    pub fn status(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    /// Nothing may be acknowledged: a quorum is required and is not there. It is not before
    /// the first round either: a server that starts has yet to find its witnesses.
    pub fn stops(&self) -> bool {
        let stop = self.config.on_missed_quorum == MissedQuorum::Stop;
        stop && self.status().quorum != Quorum::Met
    }

    /// One round over all witnesses at the newest checkpoint. Gives the size of it.
    fn round(&self, node: &Node) -> anyhow::Result<u64> {
        let note = node.reader.checkpoint();
        let checkpoint = node.reader.keys().open(note.as_bytes())?;
        let before = self.status();
        let answers: Vec<Result<Cosigned, String>> = std::thread::scope(|scope| {
            let asked: Vec<_> = self
                .policy
                .witnesses
                .iter()
                .zip(&before.witnesses)
                .map(|(witness, row)| {
                    let (note, size, old) = (&note, checkpoint.size, row.size);
                    scope.spawn(move || ask(&self.client, &node.reader, witness, note, size, old))
                })
                .collect();
            let ended = |_| Err("asking ended in a panic".to_owned());
            asked
                .into_iter()
                .map(|a| a.join().unwrap_or_else(ended))
                .collect()
        });

        let lines: String = answers.iter().flatten().map(|c| c.line.as_str()).collect();
        let cosigned = format!("{note}{lines}");
        let met = self.policy.has_quorum(&Note::parse(cosigned.as_bytes())?);
        if met {
            // Before it is said that there is a quorum, somebody else could be shown it.
            let path = node.reader.layout().cosigned();
            files::replace(&path, cosigned.as_bytes(), false)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            self.record(node, &checkpoint, &answers)?;
        }
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, answer) in status.witnesses.iter_mut().zip(&answers) {
            row.error = answer.as_ref().err().cloned();
            if answer.is_ok() {
                row.size = checkpoint.size;
            }
        }
        if met {
            status.quorum = Quorum::Met;
            status.size = checkpoint.size;
        } else {
            status.quorum = Quorum::Missed;
        }
        Ok(checkpoint.size)
    }

    fn record(
        &self,
        node: &Node,
        checkpoint: &ledger::Checkpoint,
        answers: &[Result<Cosigned, String>],
    ) -> Result<(), ledger::AppendError> {
        let rows = self.policy.witnesses.iter().zip(answers);
        let batch = rows.filter_map(|(witness, answer)| {
            let cosigned = answer.as_ref().ok()?;
            let signature = cosigned.line.trim_end().rsplit(' ').next()?;
            let seconds = i64::try_from(cosigned.seconds).unwrap_or(i64::MAX);
            Some(event(
                node,
                WitnessCosigned {
                    witness: Label::lossy(&witness.name),
                    size: checkpoint.size,
                    root: Hash(checkpoint.root.0),
                    signature: Label::lossy(signature),
                    cosigned: Timestamp::from_micros(seconds.saturating_mul(1_000_000)),
                },
            ))
        });
        node.appender.append(batch.collect()).map(|_| ())
    }
}

fn event(node: &Node, data: impl Into<Data>) -> Submission {
    let actor = Actor::Service("witnesses".parse().expect("a literal name is sound"));
    Event::new(node.appender.new_id(), actor, data).into()
}

/// Asks at most once an interval, and only when there is something to cosign.
pub fn run(node: &Node, stop: &AtomicBool) {
    let Some(witnesses) = &node.witnesses else {
        return;
    };
    let interval = Duration::from_secs(witnesses.config.interval_seconds.max(1));
    let mut next = Instant::now();
    let (mut looked, mut alarmed) = (0, false);
    let mut due = true;
    while !stop.load(Ordering::Relaxed) {
        let size = node.reader.size();
        if size > looked {
            due |= super::news(&node.reader, looked..size).is_some();
            looked = size;
        }
        if !due || Instant::now() < next {
            std::thread::sleep(TICK);
            continue;
        }
        next = Instant::now() + interval;
        match witnesses.round(node) {
            Ok(size) => (due, looked) = (false, looked.max(size)),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the witnesses were not asked");
                let mut status = witnesses
                    .status
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                status.quorum = Quorum::Missed;
            }
        }
        let missed = witnesses.status().quorum == Quorum::Missed;
        due |= missed;
        if missed && !alarmed {
            tracing::error!("the quorum of witnesses is missed; see `daicho witness status`");
            let alert = AlertRaised {
                alert: node.appender.new_id(),
                detector: "witness-quorum".parse().expect("a literal name is sound"),
                severity: Severity::High,
                positions: Vec::new(),
                subject: None,
            };
            if let Err(error) = node.appender.append(vec![event(node, alert)]) {
                tracing::error!(%error, "the alert could not be recorded");
            }
        }
        alarmed = missed; // once per outage
    }
}
