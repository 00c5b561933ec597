//! How many calls may be in flight, and how many bytes they and what clients tell may hold in memory,
//! together and of one agent. Who finds no room is refused, not kept waiting: clients try again by
//! themselves.
//!
//! A body takes its room as it comes, and gives it back once the provider has it. What comes back
//! takes room too, until it has gone out; no answer is cut for want of room, for it has been paid for,
//! and is bounded by itself. What an agent holds beyond its share by that keeps its own next call out,
//! and nobody else's.

use super::Gateway;
use super::body::{BODY_LIMIT, NotRead, Reading, captured};
use super::fault::Fault;
use super::places::{Place, Places};
use super::refused;
use crate::server::listen::CONNECTIONS;
use agents::capture::Capture;
use agents::limits::Asking;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use schemas::kinds::traffic::{LimitKind, LimitReached, RefusalReason};
use schemas::{Actor, Event, Hash, Name};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// `[gateway]` in daicho.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Calls in flight. Mostly one holds some KiB, and waits for a provider.
    pub calls: u64,
    /// Of bodies, answers and what clients tell together, as they came. While the rules are at work a body is in memory
    /// about four times: as it came, as it is kept, as it leaves, and sealed.
    pub held_mib: u64,
    /// What one agent may have of either, and of the places where hooks and telemetry are at work.
    pub agent_percent: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum CapacityError {
    #[error("[gateway] calls must be at least 1, agent_percent 1 to 100, held_mib at most 1048576")]
    OutOfRange,
    #[error(
        "[gateway] calls is {calls}, and the server takes {CONNECTIONS} connections at a time: a \
         call needs one, and so does whoever is told that there is no place; lower calls to {} or \
         less",
        CONNECTIONS - 1
    )]
    TooManyCalls { calls: u64 },
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
        let sound =
            self.calls > 0 && (1..=100).contains(&self.agent_percent) && self.held_mib <= 1 << 20;
        if !sound {
            return Err(CapacityError::OutOfRange);
        }
        if self.calls >= CONNECTIONS as u64 {
            return Err(CapacityError::TooManyCalls { calls: self.calls });
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

    /// One agent's share of what there is so much of.
    pub(super) fn share(&self, of: u64) -> u64 {
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
    calls: Arc<Places>,
    taken: Mutex<Taken>,
}

/// Bytes, by the agents that hold any.
type Taken = BTreeMap<Name, u64>;

/// What one call, or one thing that a client tells, holds; given back when it is dropped.
pub(in crate::server) struct Held {
    room: Arc<Room>,
    agent: Name,
    bytes: AtomicU64,
    /// Given back last: where no call is in flight, no call holds anything.
    _place: Option<Place>,
}

/// There is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub limit: LimitKind,
    /// Whether the agent's own share is taken, or the whole.
    pub own: bool,
    pub allowed: u64,
    pub used: u64,
}

impl Room {
    pub fn of(capacity: Capacity) -> Room {
        Room {
            capacity,
            calls: Places::of(capacity.calls, &capacity),
            taken: Mutex::default(),
        }
    }

    /// A place among the calls in flight.
    pub fn enter(self: &Arc<Room>, agent: &Name) -> Result<Held, Full> {
        let place = self.calls.take(agent)?;
        self.fits(&self.taken(), agent, 0)?;
        Ok(self.held(agent, Some(place)))
    }

    /// For what is no call: it takes room for bytes as calls do, and none of their places.
    pub fn without_place(self: &Arc<Room>, agent: &Name) -> Held {
        self.held(agent, None)
    }

    fn held(self: &Arc<Room>, agent: &Name, place: Option<Place>) -> Held {
        Held {
            room: Arc::clone(self),
            agent: agent.clone(),
            bytes: AtomicU64::new(0),
            _place: place,
        }
    }

    /// Whether so many bytes more fit into an agent's share, and into the whole; of each agent its
    /// share at most counts there.
    fn fits(&self, taken: &Taken, agent: &Name, more: u64) -> Result<(), Full> {
        let most = self.capacity.bytes();
        let share = self.capacity.share(most);
        let own = taken.get(agent).copied().unwrap_or_default();
        let together = taken.values().map(|bytes| bytes.min(&share)).sum();
        for (is_own, used, allowed) in [(true, own, share), (false, together, most)] {
            if used.saturating_add(more) > allowed {
                return Err(Full {
                    limit: LimitKind::HeldBytes,
                    own: is_own,
                    allowed,
                    used,
                });
            }
        }
        Ok(())
    }

    /// Calls in flight, and the bytes that are held.
    pub fn load(&self) -> (u64, u64) {
        (self.calls.taken(), self.taken().values().sum())
    }

    /// Waits until no call is in flight.
    pub async fn empty(&self) {
        self.calls.empty().await;
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Room for so many bytes more, if there is any.
    pub(super) fn hold(&self, more: u64) -> Result<(), Full> {
        let mut taken = self.room.taken();
        self.room.fits(&taken, &self.agent, more)?;
        self.count(&mut taken, more);
        Ok(())
    }

    /// They are there already, and room or not they are held.
    pub(super) fn hold_anyhow(&self, more: u64) {
        self.count(&mut self.room.taken(), more);
    }

    fn count(&self, taken: &mut Taken, more: u64) {
        *taken.entry(self.agent.clone()).or_default() += more;
        self.bytes.fetch_add(more, Ordering::Relaxed);
    }

    /// Nothing is held any more; the place among the calls is kept.
    pub(super) fn let_go(&self) {
        let mut taken = self.room.taken();
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        if let Some(own) = taken.get_mut(&self.agent) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                taken.remove(&self.agent);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// An answer in one piece. What it is `held` by is kept until nobody has any of its bytes any more:
/// they have gone out, or their reader has gone.
pub(super) fn answer(bytes: Vec<u8>, held: impl Send + 'static) -> Bytes {
    struct Answer<H> {
        bytes: Vec<u8>,
        _held: H,
    }
    impl<H> AsRef<[u8]> for Answer<H> {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Answer { bytes, _held: held })
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
        self.whole(asking, Reading::usual(headers, body).into_room(held))
            .await
    }

    /// What a client tells of its agent, with the room that it takes.
    pub(super) async fn read_told(
        &self,
        asking: &Asking,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Capture, Held), Fault> {
        let held = self.room.without_place(&asking.agent);
        let reading = Reading::told(headers, body).into_room(&held);
        let body = self.whole(asking, reading).await?;
        Ok((captured(body), held))
    }

    async fn whole(
        &self,
        asking: &Asking,
        reading: Reading<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match reading.whole().await {
            Ok(bytes) => Ok(bytes),
            Err(NotRead::Unread(reason)) => {
                self.refuse(asking, reason).await?;
                Err(refused::unread(reason))
            }
            Err(NotRead::Full(full)) => Err(self.full(asking, full).await),
        }
    }

    /// A place where what a client tells is worked on, once there is one. A refusal is recorded
    /// first.
    pub(super) async fn at_work(
        &self,
        places: &Arc<Places>,
        asking: &Asking,
    ) -> Result<Place, Fault> {
        match places.wait(&asking.agent, self.patience.rules).await {
            Ok(place) => Ok(place),
            Err(full) => Err(self.full(asking, full).await),
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
        let fault = Fault::limited(&reached);
        let event = Event::new(asking.call, Actor::Agent(asking.agent.clone()), reached);
        let record = move || vec![event.into()];
        let recorded = self.refuse_in_full(asking, RefusalReason::NoRoom, record);
        match recorded.await {
            Ok(true) => fault.recorded_as(asking.call),
            Ok(false) => fault,
            Err(unrecorded) => unrecorded,
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
            (2_048, 256, 50),
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

    #[test]
    fn an_answer_is_held_as_long_as_anybody_has_a_piece_of_it() {
        let room = room(8);
        let held = room.enter(&name("a")).expect("there is a place");
        held.hold_anyhow(9);
        let answer = answer(b"an answer".to_vec(), Arc::new(held));
        let piece = answer.slice(3..);
        drop(answer);
        assert_eq!((&piece[..], room.load()), (&b"answer"[..], (1, 9)));
        drop(piece);
        assert_eq!(room.load(), (0, 0));
    }
}
