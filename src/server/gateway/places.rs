use super::room::{Capacity, Full};
use schemas::Name;
use schemas::kinds::traffic::LimitKind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Places for work of one kind: so many together, and of one agent its share of them.
pub(super) struct Places {
    most: usize,
    all: Arc<Semaphore>,
    share: usize,
    /// What each agent that ever took a place has left of its share.
    own: Mutex<BTreeMap<Name, Arc<Semaphore>>>,
    emptied: Notify,
}

/// One of them, given back when it is dropped.
pub(super) struct Place {
    of: Arc<Places>,
    permits: Option<[OwnedSemaphorePermit; 2]>,
}

impl Places {
    pub fn of(most: u64, capacity: &Capacity) -> Arc<Places> {
        let sized = |places: u64| usize::try_from(places).map_or(MOST, |places| places.min(MOST));
        let (most, share) = (sized(most), sized(capacity.share(most)));
        Arc::new(Places {
            most,
            all: Arc::new(Semaphore::new(most)),
            share,
            own: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// A place, if there is one.
    pub fn take(self: &Arc<Places>, agent: &Name) -> Result<Place, Full> {
        let own = self.share_of(agent).try_acquire_owned();
        let own = own.map_err(|_| self.full(true))?;
        let one = Arc::clone(&self.all).try_acquire_owned();
        Ok(self.place([own, one.map_err(|_| self.full(false))?]))
    }

    /// A place, once there is one. An agent waits for its own share first: however much it asks for,
    /// no more than that stands before the others.
    pub async fn wait(self: &Arc<Places>, agent: &Name, patience: Duration) -> Result<Place, Full> {
        let until = Instant::now() + patience;
        let own = timeout_at(until, self.share_of(agent).acquire_owned()).await;
        let own = own.ok().and_then(Result::ok).ok_or(self.full(true))?;
        let one = timeout_at(until, Arc::clone(&self.all).acquire_owned()).await;
        let one = one.ok().and_then(Result::ok).ok_or(self.full(false))?;
        Ok(self.place([own, one]))
    }

    pub fn taken(&self) -> u64 {
        self.most.saturating_sub(self.all.available_permits()) as u64
    }

    /// Waits until none is taken.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.taken() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn share_of(&self, agent: &Name) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let share = own.entry(agent.clone());
        Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(self.share))))
    }

    fn place(self: &Arc<Places>, permits: [OwnedSemaphorePermit; 2]) -> Place {
        Place {
            of: Arc::clone(self),
            permits: Some(permits),
        }
    }

    fn full(&self, own: bool) -> Full {
        let allowed = if own { self.share } else { self.most } as u64;
        Full {
            limit: LimitKind::CallsInFlight,
            own,
            allowed,
            used: allowed,
        }
    }
}

/// What a semaphore counts; no configuration has more.
const MOST: usize = Semaphore::MAX_PERMITS;

impl Drop for Place {
    fn drop(&mut self) {
        // Given back before anybody is told that none is taken.
        self.permits = None;
        if self.of.taken() == 0 {
            self.of.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: u64) -> Arc<Places> {
        Places::of(most, &Capacity::default())
    }

    fn name(name: &str) -> Name {
        name.parse().expect("a literal name is sound")
    }

    fn full(own: bool, allowed: u64) -> Full {
        Full {
            limit: LimitKind::CallsInFlight,
            own,
            allowed,
            used: allowed,
        }
    }

    #[test]
    fn one_agent_has_its_share_of_the_places_and_all_together_have_the_whole() {
        let places = places(4);
        let (a, b, c) = (name("a"), name("b"), name("c"));
        let held = [places.take(&a), places.take(&a)];
        assert_eq!(places.take(&a).err(), Some(full(true, 2)));
        let others = [places.take(&b), places.take(&b)];
        assert_eq!(places.take(&c).err(), Some(full(false, 4)));
        assert_eq!(places.taken(), 4);
        drop(held);
        assert!(places.take(&c).is_ok());
        drop(others);
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_its_own_share_stands_before_nobody() {
        let places = places(4);
        let (a, b) = (name("a"), name("b"));
        let held = [places.take(&a), places.take(&a)];
        let waits = [(); 9].map(|()| {
            let (places, a) = (Arc::clone(&places), a.clone());
            tokio::spawn(async move { places.wait(&a, Duration::from_secs(60)).await })
        });
        tokio::task::yield_now().await;
        // Of the other half each is free.
        let others = [places.take(&b), places.take(&b)];
        assert!(others.iter().all(Result::is_ok));
        let none = places.wait(&b, Duration::ZERO).await;
        assert_eq!(none.err(), Some(full(true, 2)));
        let none = places.wait(&name("c"), Duration::ZERO).await;
        assert_eq!(none.err(), Some(full(false, 4)));
        drop(held);
        for waits in waits {
            assert!(waits.await.is_ok_and(|place| place.is_ok()));
        }
        drop(others);
        places.empty().await;
    }
}
