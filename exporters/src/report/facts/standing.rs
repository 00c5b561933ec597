//! What is in force at the period's end: the newest state of users, agents, vendors and secrets.

use super::Moment;
use crate::report::Positions;
use crate::report::model::{Figure, Query, Unit};
use schemas::kinds::rules::ReviewOutcome;
use schemas::{Data, Name};
use std::collections::BTreeMap;

/// By name, the position of the entry behind the state.
#[derive(Default)]
pub struct Standing {
    /// Activated and not deactivated since.
    users: BTreeMap<Name, u64>,
    /// Registered and not retired since.
    agents: BTreeMap<Name, u64>,
    /// The newest review alone.
    vendors: BTreeMap<Name, (u64, ReviewOutcome)>,
    /// Not revoked since it was registered.
    secrets: BTreeMap<Name, Secret>,
}

#[derive(Default)]
struct Secret {
    registered: Option<u64>,
    rotated: Option<u64>,
}

impl Standing {
    pub(super) fn take(&mut self, Moment { position, .. }: Moment, data: &Data) {
        match data {
            Data::UserActivated(fact) => drop(self.users.insert(fact.user.clone(), position)),
            Data::UserDeactivated(fact) => drop(self.users.remove(&fact.user)),
            Data::AgentRegistered(fact) => drop(self.agents.insert(fact.agent.clone(), position)),
            Data::AgentRetired(fact) => drop(self.agents.remove(&fact.agent)),
            Data::VendorReviewed(fact) => {
                let newest = (position, fact.outcome);
                self.vendors.insert(fact.vendor.clone(), newest);
            }
            Data::SecretRegistered(fact) => {
                let secret = self.secrets.entry(fact.secret.clone()).or_default();
                secret.registered = Some(position);
            }
            Data::SecretRotated(fact) => {
                let secret = self.secrets.entry(fact.secret.clone()).or_default();
                secret.rotated = Some(position);
            }
            Data::SecretRevoked(fact) => drop(self.secrets.remove(&fact.secret)),
            _ => {}
        }
    }

    /// Of `user`, `agent`, `vendor` or `secret`: how many are in the query's `state`; `a|b` is
    /// either.
    pub fn figure(&self, id: String, query: &Query) -> Figure {
        let wanted = query.filter.get("state").map_or("", String::as_str);
        let is = |state: &str| wanted.split('|').any(|word| word == state);
        let (value, positions): (usize, Positions) = match query.of {
            "user" => (self.users.len(), self.users.values().copied().collect()),
            "agent" => (self.agents.len(), self.agents.values().copied().collect()),
            "vendor" => {
                let fits = self.vendors.values().filter(|(_, at)| is(&at.to_string()));
                let fits: Vec<u64> = fits.map(|(position, _)| *position).collect();
                (fits.len(), fits.into_iter().collect())
            }
            _ => {
                let both = |secret: &Secret| Some([secret.registered?, secret.rotated?]);
                let both: Vec<[u64; 2]> = self.secrets.values().filter_map(both).collect();
                (both.len(), both.into_iter().flatten().collect())
            }
        };
        Figure {
            id,
            value: value as u64,
            unit: Unit::Count,
            query: query.clone(),
            positions,
        }
    }
}
