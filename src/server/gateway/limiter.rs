//! Limits at the door: what was used is what the log says, read to its end before each call
//! that is limited, and beside it the calls that the log does not hold yet.

use super::fault::Fault;
use super::{Gateway, Side};
use crate::mcp::message::is_name;
use agents::limits::{Asking, LimitPolicy, Models};
use schemas::kinds::traffic::LimitReached;
use schemas::{Actor, Event, EventId, Label, Name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls that were let in and that the log does not hold yet, by whose they are.
#[derive(Default)]
pub(super) struct Coming(Mutex<BTreeMap<Actor, u64>>);

/// One of them.
pub(super) struct Place {
    coming: Arc<Coming>,
    of: Vec<Actor>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut coming = self.coming.0.lock().unwrap_or_else(PoisonError::into_inner);
        for of in &self.of {
            match coming.get_mut(of) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(coming.remove(of)),
            }
        }
    }
}

/// A call that is within its limits, as far as they are known before its body is.
pub(super) struct Within {
    pub models: Option<Models>,
    /// Absent where nothing is limited.
    pub place: Option<Place>,
}

impl Side {
    /// Whether an agent's call is within its limits. A refusal is recorded first.
    pub(super) async fn within(&self, asking: &Asking) -> Result<Within, Fault> {
        let policy = self.gateway.rules.limits();
        if policy.is_empty() {
            return Ok(Within {
                models: None,
                place: None,
            });
        }
        let (agent, asking) = (&asking.agent, asking.clone());
        let models = policy.models(&asking);
        let gateway = Arc::clone(&self.gateway);
        // It reads the log's newest entries.
        let looked = tokio::task::spawn_blocking(move || gateway.take_place(&policy, &asking));
        match looked.await.map_err(|_| Fault::internal())?? {
            Ok(place) => Ok(Within {
                models,
                place: Some(place),
            }),
            Err(reached) => Err(self.gateway.limited(agent, *reached).await),
        }
    }

    /// Whether an agent may ask this provider anything.
    pub(super) async fn may_go(&self, asking: &Asking) -> Result<(), Fault> {
        match self.gateway.rules.limits().destination(asking) {
            Ok(()) => Ok(()),
            Err(reached) => Err(self.gateway.limited(&asking.agent, *reached).await),
        }
    }

    pub(super) fn asking(&self, call: EventId, agent: &Name) -> Asking {
        let to = (self.provider().name(), self.upstream.destination().clone());
        self.gateway.asking(call, agent, to)
    }
}

impl Gateway {
    fn asking(
        &self,
        call: EventId,
        agent: &Name,
        (provider, destination): (Name, Label),
    ) -> Asking {
        let agents = &self.views.agents;
        Asking {
            call,
            provider,
            destination,
            agent: agent.clone(),
            person: agents.read(|agents| agents.agent(agent)?.person.clone()),
        }
    }

    /// Whether an agent may use a tool server, by the name that it has here or that its proxy gives
    /// it. A refusal is recorded first.
    pub(in crate::server) async fn may_use(&self, agent: &Name, server: &str) -> Result<(), Fault> {
        let policy = self.rules.limits();
        if policy.is_empty() {
            return Ok(());
        }
        let asking = self.asking_tool_server(agent, server);
        match policy.tool_server(&asking) {
            Ok(()) => Ok(()),
            Err(reached) => Err(self.limited(agent, *reached).await),
        }
    }

    pub(super) fn asking_tool_server(&self, agent: &Name, server: &str) -> Asking {
        let mcp = "mcp".parse().expect("a literal name is sound");
        // A name that somebody gives can say anything; what is no word of the log is none there.
        let plain = is_name(server) && self.masker().text(server).spans.is_empty();
        let to = (mcp, Label::lossy(if plain { server } else { "?" }));
        self.asking(self.appender.new_id(), agent, to)
    }

    /// What a client tells of its agent goes nowhere else: `what` says which door it came to.
    pub(super) fn asking_to_tell(&self, call: EventId, agent: &Name, what: &str) -> Asking {
        let door = what.parse().expect("a literal name is sound");
        self.asking(call, agent, (door, Label::lossy("daicho")))
    }

    fn take_place(
        &self,
        policy: &LimitPolicy,
        asking: &Asking,
    ) -> Result<Result<Place, Box<LimitReached>>, Fault> {
        // One after the other: between a look and a place nobody else takes one.
        let mut coming = self.coming.0.lock().unwrap_or_else(PoisonError::into_inner);
        let caught_up = self.views.catch_up();
        caught_up.map_err(|error| Fault::behind(&error))?;
        let now = self.appender.now();
        let ahead = |of: &Actor| coming.get(of).copied().unwrap_or(0);
        let amounts = |spent: &_| policy.amounts(asking, spent, ahead, now);
        let allowed = policy.destination(asking);
        let allowed = allowed.and_then(|()| self.views.spent.read(amounts));
        Ok(allowed.map(|()| {
            let person = asking.person.clone().map(Actor::User);
            let of: Vec<Actor> = [Actor::Agent(asking.agent.clone())]
                .into_iter()
                .chain(person)
                .collect();
            for of in &of {
                *coming.entry(of.clone()).or_default() += 1;
            }
            Place {
                coming: Arc::clone(&self.coming),
                of,
            }
        }))
    }

    /// Records a refusal before it is answered.
    pub(super) async fn limited(&self, agent: &Name, reached: LimitReached) -> Fault {
        let fault = Fault::limited(&reached).recorded_as(reached.call);
        let event = Event::new(reached.call, Actor::Agent(agent.clone()), reached);
        match self.append(move || vec![event.into()]).await {
            Ok(()) => fault,
            Err(error) => Fault::unrecorded(&error),
        }
    }
}
