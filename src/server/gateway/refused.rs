//! Requests of an agent that are refused unread: it could not be, nobody looked at it in time, or
//! there was no room. That is recorded: at once where nothing of the kind was a second ago, and else
//! with all of that second as one.

use super::Gateway;
use super::body::BODY_LIMIT;
use super::fault::Fault;
use super::pace::Pace;
use super::patience::Late;
use crate::server::Node;
use crate::server::work::TICK;
use agents::limits::Asking;
use ledger::Submission;
use schemas::kinds::traffic::{RefusalReason, RequestRefused};
use schemas::{Actor, Event, EventId, Name};
use std::sync::atomic::{AtomicBool, Ordering};

/// By whom, at which door, and why.
pub(super) type Refusals = Pace<Kind>;

type Kind = (Name, Name, RefusalReason);

impl Gateway {
    /// Records that what an agent sent was refused unread. The fault says what is to be said instead
    /// of that, where it cannot be recorded.
    pub(super) async fn refuse(&self, asking: &Asking, reason: RefusalReason) -> Result<(), Fault> {
        let of = kind(asking, reason);
        let Some(count) = self.refused.due(of.clone()) else {
            return Ok(());
        };
        let event = refused(asking.call, of.clone(), count);
        self.record(of, count, move || vec![event.into()]).await
    }

    /// Records a refusal of which more is to be said than that it was. Those that follow it within a
    /// second are counted like any other: says whether this one stands in the log by itself.
    pub(super) async fn refuse_in_full(
        &self,
        asking: &Asking,
        reason: RefusalReason,
        record: impl FnOnce() -> Vec<Submission> + Send + 'static,
    ) -> Result<bool, Fault> {
        let of = kind(asking, reason);
        let Some(count) = self.refused.due(of.clone()) else {
            return Ok(false);
        };
        let before = refused(self.appender.new_id(), of.clone(), count - 1);
        let before = (count > 1).then(|| before.into());
        let batch = move || before.into_iter().chain(record()).collect();
        self.record(of, count, batch).await.map(|()| true)
    }

    /// What the rules came to no end with.
    pub(super) async fn unlooked(
        &self,
        asking: &Asking,
        late: Late,
        record: impl FnOnce() -> Vec<Submission> + Send + 'static,
    ) -> Fault {
        let recorded = self.refuse_in_full(asking, RefusalReason::Unscanned, record);
        match recorded.await {
            Ok(_) => Fault::unlooked(late),
            Err(unrecorded) => unrecorded,
        }
    }

    /// What cannot be recorded now is counted with the next.
    async fn record(
        &self,
        of: Kind,
        count: u64,
        batch: impl FnOnce() -> Vec<Submission> + Send + 'static,
    ) -> Result<(), Fault> {
        self.append(batch).await.map_err(|error| {
            self.refused.owe(of, count);
            Fault::unrecorded(&error)
        })
    }

    /// The same, of a message to a tool server.
    pub(in crate::server) async fn refuse_message(
        &self,
        agent: &Name,
        server: &str,
        reason: RefusalReason,
    ) -> Result<(), Fault> {
        let asking = self.asking_tool_server(agent, server);
        self.refuse(&asking, reason).await
    }

    /// Records what was counted and that nothing has followed: what is a second old, or all of it.
    pub(super) fn settle(&self, all: bool) {
        for (of, count) in self.refused.left(all) {
            let event = refused(self.appender.new_id(), of.clone(), count);
            if let Err(error) = self.appender.append(vec![event.into()]) {
                tracing::error!(%error, count, "refusals could not be recorded");
                self.refused.owe(of, count);
            }
        }
    }
}

fn kind(asking: &Asking, reason: RefusalReason) -> Kind {
    (asking.agent.clone(), asking.provider.clone(), reason)
}

fn refused(id: EventId, (agent, door, reason): Kind, count: u64) -> Event {
    let refused = RequestRefused {
        door,
        reason,
        count,
    };
    Event::new(id, Actor::Agent(agent), refused)
}

/// Records refusals that nothing follows, until the end.
pub fn settle(node: &Node, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        node.gateway.settle(false);
        std::thread::sleep(TICK); // so late a count may be
    }
    node.gateway.settle(true);
}

/// What the sender of a body is told.
pub(super) fn unread(reason: RefusalReason) -> Fault {
    match reason {
        RefusalReason::TooLong => Fault::too_large(BODY_LIMIT),
        RefusalReason::TooSlow => Fault::body_stalled(),
        _ => Fault::body_broke(),
    }
}
