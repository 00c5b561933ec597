//! How often a peer may try to decide. Nobody knows who it is before its signature was looked at, and
//! looking costs a look at the log.

use axum::extract::ConnectInfo;
use axum::http::Extensions;
use schemas::Timestamp;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// In a minute, by one peer, that come to nothing. People do not mistake themselves as often, and
/// those behind one address are not many.
pub(super) const MOST: u32 = 30;

/// What is kept, whatever comes: peers beyond these share what one has.
const PEERS: usize = 4096;

/// Tries of this minute that came to nothing, or have come to nothing yet.
#[derive(Default)]
pub struct Tries(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    number: i64,
    of: HashMap<Option<IpAddr>, u32>,
}

impl Tries {
    /// Takes one of the peer's tries: whether it had one left.
    pub(super) fn take(&self, peer: Option<IpAddr>, now: Timestamp) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.micros() / 60_000_000;
        if minute.number != number {
            *minute = Minute {
                number,
                of: HashMap::new(),
            };
        }
        let peer = minute.whose(peer);
        let taken = minute.of.entry(peer).or_default();
        *taken += u32::from(*taken < MOST + 1);
        *taken <= MOST
    }

    /// Something came of it.
    pub(super) fn give_back(&self, peer: Option<IpAddr>) {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = minute.whose(peer);
        if let Some(taken) = minute.of.get_mut(&peer) {
            *taken = taken.saturating_sub(1);
        }
    }
}

impl Minute {
    fn whose(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        peer.filter(|_| self.of.len() < PEERS || self.of.contains_key(&peer))
    }
}

/// Whose connection it is: an address, or of IPv6 the network that one site has at the least (RFC
/// 6177), for its addresses are as many as somebody likes.
pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(address) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(site(address.ip()))
}

fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn from(address: &str) -> Option<IpAddr> {
        Some(site(address.parse().unwrap()))
    }

    #[test]
    fn a_peer_has_so_many_tries_a_minute_and_takes_nobody_elses() {
        let tries = Tries::default();
        let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
        for _ in 0..MOST {
            assert!(tries.take(one, at(0)));
        }
        assert!(!tries.take(one, at(1)) && !tries.take(one, at(59)));
        assert!(tries.take(other, at(59)));
        assert!(tries.take(one, at(60)), "the next minute is another");
    }

    #[test]
    fn what_came_to_something_costs_nothing() {
        let (tries, peer) = (Tries::default(), from("192.0.2.1"));
        for _ in 0..10 * MOST {
            assert!(tries.take(peer, at(0)));
            tries.give_back(peer);
        }
    }

    #[test]
    fn one_site_is_one_peer_and_many_sites_take_no_memory() {
        let tries = Tries::default();
        for host in 0..MOST {
            assert!(tries.take(from(&format!("2001:db8::{host:x}")), at(0)));
        }
        assert!(!tries.take(from("2001:db8::ffff"), at(0)));
        assert!(tries.take(from("2001:db8:0:1::1"), at(0)));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        let far = |n: u32| from(&format!("{}", std::net::Ipv4Addr::from_bits(n)));
        let let_in = (0..3 * PEERS as u32).filter(|n| tries.take(far(*n), at(0)));
        let let_in = let_in.count();
        assert!(let_in < PEERS + MOST as usize, "{let_in}");
        assert!(tries.0.lock().unwrap().of.len() <= PEERS + 1);
    }
}
