//! Requests of an agent that could not be read. They are refused, and that is recorded: at once
//! where nothing of the kind was a second ago, and else with all of that second as one.

use super::Gateway;
use super::body::BODY_LIMIT;
use super::fault::Fault;
use super::pace::Pace;
use crate::server::Node;
use crate::server::work::TICK;
use agents::limits::Asking;
use schemas::kinds::traffic::{RefusalReason, RequestRefused};
use schemas::{Actor, Event, EventId, Name};
use std::sync::atomic::{AtomicBool, Ordering};

/// By whom, at which door, and why.
pub(super) type Refusals = Pace<(Name, Name, RefusalReason)>;

impl Gateway {
    /// Records that what an agent sent could not be read. The fault says what is to be said instead
    /// of that, where it cannot be recorded.
    pub(super) async fn refuse(&self, asking: &Asking, reason: RefusalReason) -> Result<(), Fault> {
        let (agent, door) = (asking.agent.clone(), asking.provider.clone());
        let Some(count) = self.refused.due((agent.clone(), door.clone(), reason)) else {
            return Ok(());
        };
        let event = refused(asking.call, (agent, door, reason), count);
        let recorded = self.append(move || vec![event.into()]).await;
        recorded.map_err(|error| Fault::unrecorded(&error))
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

fn refused(id: EventId, (agent, door, reason): (Name, Name, RefusalReason), count: u64) -> Event {
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
