//! Who may speak: agents and their tokens, as a projection of the log.
//!
//! A token is shown once, when it is issued; the log holds its SHA-256 only. That is enough
//! to recognise it: a token has 256 bits of randomness, so its digest cannot be searched.

mod failures;
mod token;

pub use failures::Failures;
pub use token::{NoRandomness, Token, issue_token};

use ledger::{Entry, Projection};
use schemas::kinds::agents::{AgentReason, AgentRegistered, AgentUpdated};
use schemas::kinds::people::AuthFailure;
use schemas::{Data, DataClass, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One role agent, as the log leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    pub name: Name,
    pub role: Name,
    pub data_class: DataClass,
    pub model: Option<Label>,
    /// Whose mail and calendar it reads.
    pub person: Option<Name>,
    pub standing: Standing,
    pub registered: Timestamp,
    /// Requests that it made, blocked ones included.
    pub calls: u64,
    /// The ledger's time of the newest of them.
    pub last_call: Option<Timestamp>,
    /// Sessions begun and not ended, with the requests made in each.
    pub sessions: BTreeMap<Label, u64>,
    token_sha256: Hash,
    /// From then on its token opens nothing.
    pub token_until: Option<Timestamp>,
    /// Its token is known to others: it stays out until it has a new one.
    leaked: bool,
}

/// Whether an agent may speak. Retired is for ever: a name comes back only by registering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Active,
    Suspended,
    Retired,
}

/// Why a change to an agent makes no sense now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    #[error("agent {0} is registered already; choose another name, or give it a new token")]
    Registered(Name),
    #[error("no agent {0} is registered")]
    Unknown(Name),
    #[error("agent {0} is retired; register it again to bring it back")]
    Retired(Name),
    #[error("agent {0} is suspended already")]
    Suspended(Name),
    #[error("agent {0} is not suspended")]
    Active(Name),
    #[error("the token of agent {0} has leaked; give it a new one before it is released")]
    Leaked(Name),
}

/// Every agent that was ever registered.
#[derive(Default, Serialize, Deserialize)]
pub struct Agents {
    agents: BTreeMap<Name, Agent>,
    /// Mostly of one agent each.
    tokens: BTreeMap<Hash, BTreeSet<Name>>,
}

impl Agents {
    /// The agent that holds a token, if it may speak; else why not, and whose token it is
    /// where that is known.
    pub fn holder(
        &self,
        token: &Token,
        now: Timestamp,
    ) -> Result<&Agent, (AuthFailure, Option<&Agent>)> {
        let mut names = self.tokens.get(&token.digest()).into_iter().flatten();
        let agent = names.next().and_then(|name| self.agents.get(name));
        match agent {
            None => Err((AuthFailure::Unknown, None)),
            Some(_) if names.next().is_some() => Err((AuthFailure::Shared, None)),
            Some(agent) => match agent.standing {
                Standing::Active if agent.token_until.is_some_and(|until| until <= now) => {
                    Err((AuthFailure::Expired, Some(agent)))
                }
                Standing::Active => Ok(agent),
                Standing::Suspended => Err((AuthFailure::Suspended, Some(agent))),
                Standing::Retired => Err((AuthFailure::Retired, Some(agent))),
            },
        }
    }

    pub fn agent(&self, name: &Name) -> Option<&Agent> {
        self.agents.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// May an agent of this name be registered now?
    pub fn may_register(&self, name: &Name) -> Result<(), RegistryError> {
        match self.agents.get(name) {
            Some(agent) if agent.standing != Standing::Retired => {
                Err(RegistryError::Registered(name.clone()))
            }
            _ => Ok(()),
        }
    }

    /// May it be updated or retired now?
    pub fn may_change(&self, name: &Name) -> Result<&Agent, RegistryError> {
        match self.agents.get(name) {
            None => Err(RegistryError::Unknown(name.clone())),
            Some(agent) if agent.standing == Standing::Retired => {
                Err(RegistryError::Retired(name.clone()))
            }
            Some(agent) => Ok(agent),
        }
    }

    pub fn may_suspend(&self, name: &Name) -> Result<(), RegistryError> {
        match self.may_change(name)?.standing {
            Standing::Suspended => Err(RegistryError::Suspended(name.clone())),
            _ => Ok(()),
        }
    }

    pub fn may_release(&self, name: &Name) -> Result<(), RegistryError> {
        match self.may_change(name)? {
            agent if agent.standing == Standing::Active => Err(RegistryError::Active(name.clone())),
            agent if agent.leaked => Err(RegistryError::Leaked(name.clone())),
            _ => Ok(()),
        }
    }

    fn register(&mut self, fact: &AgentRegistered, at: Timestamp) {
        let agent = Agent {
            name: fact.agent.clone(),
            role: fact.role.clone(),
            data_class: fact.data_class,
            model: fact.model.clone(),
            person: fact.person.clone(),
            standing: Standing::Active,
            registered: at,
            calls: 0,
            last_call: None,
            sessions: BTreeMap::new(),
            token_sha256: fact.token_sha256,
            token_until: fact.token_until,
            leaked: false,
        };
        let old = self.agents.insert(fact.agent.clone(), agent);
        let old = old.map(|old| old.token_sha256);
        self.give(&fact.agent, old, fact.token_sha256);
    }

    /// A token takes another's place.
    fn give(&mut self, agent: &Name, old: Option<Hash>, new: Hash) {
        if let Some(names) = old.and_then(|old| self.tokens.get_mut(&old)) {
            names.remove(agent);
        }
        self.tokens.entry(new).or_default().insert(agent.clone());
    }

    fn update(&mut self, fact: &AgentUpdated) {
        let Some(agent) = self.agents.get_mut(&fact.agent) else {
            return;
        };
        if let Some(role) = &fact.role {
            agent.role = role.clone();
        }
        if let Some(data_class) = fact.data_class {
            agent.data_class = data_class;
        }
        if let Some(model) = &fact.model {
            agent.model = Some(model.clone());
        }
        if let Some(person) = &fact.person {
            agent.person = Some(person.clone());
        }
        if let Some(digest) = fact.token_sha256 {
            let old = std::mem::replace(&mut agent.token_sha256, digest);
            agent.token_until = fact.token_until;
            agent.leaked = false;
            self.give(&fact.agent, Some(old), digest);
        }
    }

    fn stand(&mut self, name: &Name, standing: Standing) {
        if let Some(agent) = self.agents.get_mut(name)
            && agent.standing != Standing::Retired
        {
            agent.standing = standing;
        }
    }
}

impl Projection for Agents {
    const NAME: &'static str = "agents";
    const VERSION: u32 = 3;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::AgentRegistered(fact) => self.register(fact, entry.at()),
            Data::AgentUpdated(fact) => self.update(fact),
            Data::AgentSuspended(fact) => {
                self.stand(&fact.agent, Standing::Suspended);
                if let Some(agent) = self.agents.get_mut(&fact.agent) {
                    agent.leaked |= fact.reason == AgentReason::TokenLeaked;
                }
            }
            Data::AgentReleased(fact) if self.may_release(&fact.agent).is_ok() => {
                self.stand(&fact.agent, Standing::Active);
            }
            Data::AgentRetired(fact) => self.stand(&fact.agent, Standing::Retired),
            Data::SessionStarted(fact) => {
                if let (Some(agent), Some(session)) =
                    (self.agents.get_mut(&fact.agent), entry.session())
                {
                    agent.sessions.entry(session.clone()).or_insert(0);
                }
            }
            Data::SessionEnded(fact) => {
                if let (Some(agent), Some(session)) =
                    (self.agents.get_mut(&fact.agent), entry.session())
                {
                    agent.sessions.remove(session);
                }
            }
            Data::PromptSubmitted(_) => {
                let Some(agent) = self.agents.get_mut(entry.actor().id()) else {
                    return;
                };
                agent.calls += 1;
                agent.last_call = Some(entry.at());
                if let Some(calls) = entry.session().and_then(|s| agent.sessions.get_mut(s)) {
                    *calls += 1;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
