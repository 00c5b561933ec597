//! How many calls may be in flight, and how many bytes they may hold in memory, together and of one
//! agent. Who finds no room is refused, not kept waiting: clients try again by themselves.
//!
//! A body takes its room as it comes, and gives it back once the provider has it. What comes back
//! takes room too; no answer is cut for want of room, for it has been paid for, and is bounded by
//! itself. What an agent holds beyond its share by that keeps its own next call out, and nobody else's.

use super::Gateway;
use super::body::{BODY_LIMIT, NotRead, Reading};
use super::fault::Fault;
use agents::limits::Asking;
use axum::body::Body;
use axum::http::HeaderMap;
use schemas::kinds::traffic::{LimitKind, LimitReached};
use schemas::{Actor, Hash, Name};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// `[gateway]` in daicho.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Calls in flight. Mostly one holds some KiB, and waits for a provider.
    pub calls: u64,
    /// Of bodies and answers together, as they came. While the rules are at work a body is in memory
    /// about four times: as it came, as it is kept, as it leaves, and sealed.
    pub held_mib: u64,
    /// What one agent may have of either.
    pub agent_percent: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    #[error("[gateway] calls must be 1 to 65536, agent_percent 1 to 100, held_mib at most 1048576")]
    OutOfRange,
    #[error(
        "[gateway] lets one agent hold {share} MiB, and a body of {} MiB, which is allowed, would \
         never pass: raise held_mib or agent_percent",
        BODY_LIMIT >> 20
    )]
    TooNarrow { share: u64 },
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity {
            calls: 1_024,
            held_mib: 256,
            agent_percent: 50,
        }
    }
}

impl Capacity {
    pub fn check(&self) -> Result<(), CapacityError> {
        let sound = (1..=65_536).contains(&self.calls)
            && (1..=100).contains(&self.agent_percent)
            && self.held_mib <= 1 << 20;
        if !sound {
            return Err(CapacityError::OutOfRange);
        }
        let share = self.share(self.bytes());
        if share < BODY_LIMIT as u64 {
            return Err(CapacityError::TooNarrow { share: share >> 20 });
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.held_mib << 20
    }

    fn share(&self, of: u64) -> u64 {
        (of * self.agent_percent / 100).max(1)
    }

    /// SHA-256 over the JSON of the settings.
    fn digest(&self) -> Hash {
        // Numbers under names: writing them cannot fail.
        Hash(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into())
    }
}

pub(super) struct Room {
    capacity: Capacity,
    taken: Mutex<Taken>,
    /// When a refusal was last recorded, of whom, and for which limit.
    told: Mutex<Told>,
    emptied: Notify,
}

/// Refusals of one agent and limit are recorded this far apart.
const PACE: Duration = Duration::from_secs(1);

type Told = HashMap<(Name, LimitKind, bool), Instant>;

/// By the agents that have calls in flight.
type Taken = BTreeMap<Name, Load>;

#[derive(Default, Clone, Copy)]
struct Load {
    calls: u64,
    bytes: u64,
}

/// One call's room, given back when it is dropped.
pub(in crate::server) struct Held {
    room: Arc<Room>,
    agent: Name,
    bytes: AtomicU64,
}

/// There is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    limit: LimitKind,
    /// Whether the agent's own share is taken, or the whole.
    own: bool,
    allowed: u64,
    used: u64,
}

impl Room {
    pub fn of(capacity: Capacity) -> Room {
        Room {
            capacity,
            taken: Mutex::default(),
            told: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    /// A place among the calls in flight.
    pub fn enter(self: &Arc<Room>, agent: &Name) -> Result<Held, Full> {
        let (limit, most) = (LimitKind::CallsInFlight, self.capacity.calls);
        let mut taken = self.taken();
        let own = taken.get(agent).copied().unwrap_or_default();
        let together = taken.values().map(|load| load.calls).sum();
        self.fits(limit, (own.calls, together), 1, most)?;
        let bytes = (own.bytes, self.shared(&taken));
        self.fits(LimitKind::HeldBytes, bytes, 0, self.capacity.bytes())?;
        taken.entry(agent.clone()).or_default().calls += 1;
        Ok(Held {
            room: Arc::clone(self),
            agent: agent.clone(),
            bytes: AtomicU64::new(0),
        })
    }

    fn fits(
        &self,
        limit: LimitKind,
        (own, together): (u64, u64),
        more: u64,
        most: u64,
    ) -> Result<(), Full> {
        let share = self.capacity.share(most);
        for (is_own, used, allowed) in [(true, own, share), (false, together, most)] {
            if used.saturating_add(more) > allowed {
                return Err(Full {
                    limit,
                    own: is_own,
                    allowed,
                    used,
                });
            }
        }
        Ok(())
    }

    /// Bytes held together, of each agent its share at most.
    fn shared(&self, taken: &Taken) -> u64 {
        let share = self.capacity.share(self.capacity.bytes());
        taken.values().map(|load| load.bytes.min(share)).sum()
    }

    /// Calls in flight, and the bytes that they hold.
    pub fn load(&self) -> (u64, u64) {
        let taken = self.taken();
        let of = |amount: fn(&Load) -> u64| taken.values().map(amount).sum();
        (of(|load| load.calls), of(|load| load.bytes))
    }

    /// Waits until no call is in flight.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Whether a refusal is to be recorded. Of those of one agent and limit one a second is: they cost
    /// a client nothing, and an entry stays for ever.
    fn is_due(&self, asking: &Asking, full: &Full) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        told.retain(|_, at| now.duration_since(*at) < PACE);
        let which = (asking.agent.clone(), full.limit, full.own);
        let is_due = !told.contains_key(&which);
        if is_due {
            told.insert(which, now);
        }
        is_due
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Room for so many bytes more, if there is any.
    pub(super) fn hold(&self, more: u64) -> Result<(), Full> {
        let (limit, most) = (LimitKind::HeldBytes, self.room.capacity.bytes());
        let mut taken = self.room.taken();
        let own = taken.get(&self.agent).copied().unwrap_or_default();
        let used = (own.bytes, self.room.shared(&taken));
        self.room.fits(limit, used, more, most)?;
        self.count(&mut taken, more);
        Ok(())
    }

    /// They are there already, and room or not they are held.
    pub(super) fn hold_anyhow(&self, more: u64) {
        self.count(&mut self.room.taken(), more);
    }

    fn count(&self, taken: &mut Taken, more: u64) {
        taken.entry(self.agent.clone()).or_default().bytes += more;
        self.bytes.fetch_add(more, Ordering::Relaxed);
    }

    /// Nothing is held any more; the place among the calls is kept.
    pub(super) fn let_go(&self) {
        self.give_back(&mut self.room.taken());
    }

    fn give_back(&self, taken: &mut Taken) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        if let Some(own) = taken.get_mut(&self.agent) {
            own.bytes = own.bytes.saturating_sub(bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        self.give_back(&mut taken);
        if let Some(own) = taken.get_mut(&self.agent) {
            own.calls = own.calls.saturating_sub(1);
            if own.calls == 0 {
                taken.remove(&self.agent);
            }
        }
        if taken.is_empty() {
            self.room.emptied.notify_waiters();
        }
    }
}

impl Gateway {
    /// A place among the calls in flight. A refusal is recorded first.
    pub(super) async fn enter(&self, asking: &Asking) -> Result<Held, Fault> {
        match self.room.enter(&asking.agent) {
            Ok(held) => Ok(held),
            Err(full) => Err(self.full(asking, full).await),
        }
    }

    /// A body whole, where there is room for it. A refusal is recorded first.
    pub(super) async fn read(
        &self,
        asking: &Asking,
        held: &Held,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match Reading::usual(headers, body).into_room(held).whole().await {
            Ok(bytes) => Ok(bytes),
            Err(NotRead::Faulty(fault)) => Err(fault),
            Err(NotRead::Full(full)) => Err(self.full(asking, full).await),
        }
    }

    /// What a client says to a tool server, with its room.
    pub(in crate::server) async fn read_message(
        &self,
        agent: &Name,
        server: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Held, Zeroizing<Vec<u8>>), Fault> {
        let asking = self.asking_tool_server(agent, server);
        let held = self.enter(&asking).await?;
        let body = self.read(&asking, &held, headers, body).await?;
        Ok((held, body))
    }

    async fn full(&self, asking: &Asking, full: Full) -> Fault {
        let of = match full.own {
            true => Actor::Agent(asking.agent.clone()),
            false => Actor::Service("gateway".parse().expect("a literal name is sound")),
        };
        let is_due = self.room.is_due(asking, &full);
        let reached = LimitReached {
            call: asking.call,
            provider: asking.provider.clone(),
            limit: full.limit,
            of,
            policy: self.room.capacity.digest(),
            allowed: Some(full.allowed),
            used: Some(full.used),
            model: None,
            destination: asking.destination.clone(),
            retry_after_seconds: Some(1),
        };
        match is_due {
            true => self.limited(&asking.agent, reached).await,
            false => Fault::limited(&reached),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        name.parse().expect("a literal name is sound")
    }

    fn room(calls: u64) -> Arc<Room> {
        Arc::new(Room::of(Capacity {
            calls,
            held_mib: 1,
            agent_percent: 50,
        }))
    }

    #[test]
    fn one_agent_has_its_share_of_the_places_and_all_together_have_the_whole() {
        let room = room(4);
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let held = [room.enter(&a), room.enter(&a)];
        let full = |own, allowed| Full {
            limit: LimitKind::CallsInFlight,
            own,
            allowed,
            used: allowed,
        };
        assert_eq!(room.enter(&a).err(), Some(full(true, 2)));
        let others = [room.enter(&b), room.enter(&b)];
        assert_eq!(room.enter(&c).err(), Some(full(false, 4)));
        drop(held);
        assert!(room.enter(&c).is_ok());
        drop(others);
        assert!(room.taken().is_empty(), "nobody is remembered");
    }

    #[test]
    fn bytes_are_held_to_the_same_shares_and_given_back_whoever_counted_them() {
        let room = room(8);
        let enter = |of: &str| room.enter(&name(of)).expect("there is a place");
        let half = 1 << 19;
        let (a, more, b) = (enter("a"), enter("a"), enter("b"));
        assert_eq!(a.hold(half), Ok(()));
        let full = Full {
            limit: LimitKind::HeldBytes,
            own: true,
            allowed: half,
            used: half,
        };
        assert_eq!(more.hold(1), Err(full));
        // An answer is kept, and what comes next finds that much less.
        b.hold_anyhow(half);
        assert!(matches!(enter("c").hold(1), Err(Full { own: false, .. })));
        // What it holds beyond its share keeps nobody out but itself.
        b.hold_anyhow(9 * half);
        assert!(matches!(
            room.enter(&name("b")),
            Err(Full { own: true, .. })
        ));
        a.let_go();
        assert_eq!(more.hold(half), Ok(()));
        more.let_go();
        assert_eq!(enter("c").hold(half), Ok(()));
        drop((a, more, b));
        assert_eq!(room.load(), (0, 0));
    }

    #[test]
    fn what_could_never_let_the_largest_body_in_is_no_configuration() {
        assert!(Capacity::default().check().is_ok());
        for (calls, held_mib, agent_percent) in [
            (0, 256, 50),
            (9, 256, 0),
            (9, 256, 101),
            (9, 63, 50),
            (9, u64::MAX, 1),
        ] {
            let capacity = Capacity {
                calls,
                held_mib,
                agent_percent,
            };
            assert!(capacity.check().is_err(), "{capacity:?}");
        }
    }
}
