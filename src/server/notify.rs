//! Tells approvers that something waits for them, by webhook and by command. Each has a thread of
//! its own; nothing waits for either.

mod command;
pub mod webhook;

use super::Node;
use super::work::pause;
use crate::approvals;
use crate::config::{NotifyConfig, Summary};
use crate::outcome::Failure;
use agents::approvals::notify::{Message, notified, untold};
use command::Command;
use schemas::kinds::acting::{NotifyChannel, NotifyOutcome};
use schemas::{Actor, EventId};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use webhook::Webhook;

/// Between two looks at what waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// After the first failure; each further wait is four times the one before.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// How approvers are told, and how that goes.
pub struct Notify {
    webhook: Option<Webhook>,
    command: Option<Command>,
    summary: Summary,
    attempts: u64,
    status: Mutex<HashMap<NotifyChannel, Status>>,
}

/// What operators see of a channel, since the start.
#[derive(Clone, Copy, Default)]
pub struct Status {
    pub delivered: u64,
    /// Attempts, not requests.
    pub failed: u64,
    /// Requests that nobody goes on trying to tell of.
    pub given_up: u64,
}

/// One attempt came to nothing.
pub enum NotSent {
    /// The server ends: that is nobody's fault, and the next one tells.
    Stopped,
    /// Holds nothing of what was sent, and no address.
    Failed(String),
}

pub trait Channel {
    fn send(&self, message: &[u8], stop: &AtomicBool) -> Result<(), NotSent>;
}

impl Notify {
    pub fn open(config: NotifyConfig, data: &Path) -> Result<Notify, Failure> {
        let timeout = Duration::from_secs(config.timeout_seconds.max(1));
        let mut status = HashMap::new();
        let webhook = Webhook::open(config.address(), data, timeout)?;
        let command = Command::open(&config.command, timeout);
        if webhook.is_some() {
            status.insert(NotifyChannel::Webhook, Status::default());
        }
        if command.is_some() {
            status.insert(NotifyChannel::Command, Status::default());
        }
        Ok(Notify {
            webhook,
            command,
            summary: config.summary,
            attempts: config.attempts.max(1),
            status: Mutex::new(status),
        })
    }

    /// By channel that is configured.
    pub fn status(&self) -> Vec<(NotifyChannel, Status)> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> = status.iter().map(|(c, s)| (*c, *s)).collect();
        rows.sort_by_key(|(channel, _)| *channel);
        rows
    }

    fn count(&self, channel: NotifyChannel, one_more: impl Fn(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        one_more(status.entry(channel).or_default());
    }
}

pub fn by_webhook(node: &Node, stop: &AtomicBool) {
    if let Some(webhook) = &node.notify.webhook {
        run(node, stop, NotifyChannel::Webhook, webhook);
    }
}

pub fn by_command(node: &Node, stop: &AtomicBool) {
    if let Some(command) = &node.notify.command {
        run(node, stop, NotifyChannel::Command, command);
    }
}

/// Attempts so far, and when the next one is due.
struct Tries {
    made: u64,
    next: Instant,
}

fn run(node: &Node, stop: &AtomicBool, channel: NotifyChannel, by: &impl Channel) {
    let notify = &node.notify;
    let mut tries: HashMap<EventId, Tries> = HashMap::new();
    // Told, or given up: the view may not know yet what the log does.
    let mut over: HashSet<EventId> = HashSet::new();
    while !stop.load(Ordering::Relaxed) {
        let waiting: Vec<EventId> = node.views.approvals.read(|approvals| {
            let untold = untold(approvals, channel, node.now());
            untold.map(|asked| asked.approval).collect()
        });
        tries.retain(|approval, _| waiting.contains(approval));
        over.retain(|approval| waiting.contains(approval));
        for approval in waiting {
            let so_far = tries.entry(approval).or_insert_with(|| Tries {
                made: 0,
                next: Instant::now(),
            });
            if over.contains(&approval) || Instant::now() < so_far.next {
                continue;
            }
            let sent = match message(node, approval) {
                Ok(Some(message)) => by.send(&message, stop),
                // Decided meanwhile.
                Ok(None) => continue,
                Err(why) => Err(NotSent::Failed(why)),
            };
            so_far.made += 1;
            let outcome = match sent {
                Ok(()) => NotifyOutcome::Delivered,
                Err(NotSent::Stopped) => return,
                Err(NotSent::Failed(why)) => {
                    notify.count(channel, |status| status.failed += 1);
                    tracing::warn!(%approval, %channel, attempt = so_far.made, why, "approvers were not told");
                    if so_far.made < notify.attempts {
                        so_far.next = Instant::now() + wait_after(so_far.made);
                        continue;
                    }
                    NotifyOutcome::GivenUp
                }
            };
            over.insert(approval);
            record(node, approval, channel, outcome, so_far.made);
        }
        pause(stop, LOOK_AGAIN);
    }
}

pub fn wait_after(attempts: u64) -> Duration {
    let times = 4_u32.saturating_pow(u32::try_from(attempts - 1).unwrap_or(u32::MAX));
    FIRST_RETRY.saturating_mul(times).min(LONGEST_RETRY)
}

fn actor() -> Actor {
    Actor::Service("approvals".parse().expect("a literal name is sound"))
}

/// What is sent. `None` once nobody has to be told; an error where it cannot be recorded that
/// something sealed leaves.
fn message(node: &Node, approval: EventId) -> Result<Option<Vec<u8>>, String> {
    let asked = node.views.approvals.read(|approvals| {
        let asked = approvals.find(approval)?.clone();
        Some((asked, approvals.origin()?.clone()))
    });
    let Some((asked, origin)) = asked else {
        return Ok(None);
    };
    let tool = approvals::tool(&node.views, asked.subject.id);
    let mut message = Message::of(&asked, origin, tool);
    if node.notify.summary == Summary::Masked {
        let shown = approvals::summary(
            asked.subject.id,
            (&node.views, &node.reader),
            &node.gateway.masker(),
            &actor(),
            |batch| node.appender.append(batch).map(drop),
        );
        message.summary = shown.map_err(|error| error.to_string())?;
    }
    serde_json::to_vec(&message)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn record(
    node: &Node,
    approval: EventId,
    channel: NotifyChannel,
    outcome: NotifyOutcome,
    attempts: u64,
) {
    node.notify.count(channel, |status| match outcome {
        NotifyOutcome::Delivered => status.delivered += 1,
        NotifyOutcome::GivenUp => status.given_up += 1,
    });
    if outcome == NotifyOutcome::GivenUp {
        tracing::error!(
            %approval, %channel, attempts,
            "approvers could not be told; see [notify] in daicho.toml. The next start tries again"
        );
    }
    let told = node.views.approvals.read(|approvals| {
        let asked = approvals.find(approval)?;
        Some(notified(asked, channel, outcome, attempts, actor()))
    });
    if let Some(told) = told
        && let Err(error) = node.appender.append(vec![told])
    {
        tracing::error!(%error, %approval, "that approvers were told could not be recorded");
    }
}
