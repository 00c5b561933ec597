//! Which rules a call is under: its session's masks, the classes and the limits in force now.

use super::{Policies, Version, read};
use crate::config::Approvals;
use crate::outcome::Failure;
use crate::roster;
use crate::views::Views;
use agents::approvals::view::POLICY;
use agents::classes::{Asked, ClassPolicy, Consents};
use agents::gateway::{Call, Sessions};
use agents::hooks::ToolPolicy;
use agents::limits::LimitPolicy;
use agents::masking::{Effort, Masker, TagKey};
use agents::registry::Agents;
use ledger::{Reader, View};
use schemas::{Hash, Name, Timestamp};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the log says is in force, read again when it says something new.
///
/// A session keeps the masking policy that it began with: masks of the same values must stay
/// the same. What may leave at all (classes, consents) is decided by what is in force at each
/// call: a consent that was withdrawn holds for no session.
pub struct InForce {
    reader: Reader,
    policies: View<Policies>,
    sessions: View<Sessions>,
    consents: View<Consents>,
    agents: View<Agents>,
    key: TagKey,
    /// What all maskers did, those of earlier versions too.
    effort: Arc<Effort>,
    held: Mutex<Held>,
}

/// What was made of policies' texts.
struct Held {
    /// The newest masker that could be made.
    masker: Arc<Masker>,
    /// Maskers of sessions that began earlier.
    earlier: HashMap<Hash, Arc<Masker>>,
    classes: Arc<ClassPolicy>,
    limits: Arc<LimitPolicy>,
    tools: Arc<ToolPolicy>,
    approvals: Arc<Approvals>,
    /// Adoptions that this program could not use: each is tried, and told of, once.
    unfit: Vec<u64>,
}

/// Versions beside the newest that are kept ready.
const MOST_EARLIER: usize = 4;

/// The rules of one call, with the periods of silence that hold when it comes.
pub struct Under {
    pub masker: Masker,
    pub call: Call,
}

impl InForce {
    /// `masker`, `classes` and `limits` are what the configuration in force gives at the start.
    pub fn new(
        reader: Reader,
        views: &Views,
        key: TagKey,
        masker: Arc<Masker>,
        classes: ClassPolicy,
        limits: LimitPolicy,
    ) -> InForce {
        InForce {
            reader,
            policies: views.policies.clone(),
            sessions: views.sessions.clone(),
            consents: views.consents.clone(),
            agents: views.agents.clone(),
            key,
            effort: Arc::clone(masker.effort()),
            held: Mutex::new(Held {
                masker,
                earlier: HashMap::new(),
                classes: Arc::new(classes),
                limits: Arc::new(limits),
                tools: Arc::default(),
                approvals: Arc::default(),
                unfit: Vec::new(),
            }),
        }
    }

    /// The masking rules that are in force for what belongs to no session.
    pub fn masker(&self, now: Timestamp) -> Masker {
        self.newest_masker().at(now)
    }

    fn newest_masker(&self) -> Arc<Masker> {
        let adopted = self.policies.read(Policies::masking);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(adopted) = adopted
            && adopted.digest() != held.masker.policy()
            && !held.unfit.contains(&adopted.position())
        {
            match self.make(adopted) {
                Ok(Some(masker)) => {
                    // What a roster held is forgotten; a session's rules are read again.
                    held.masker = masker;
                    held.earlier.clear();
                }
                Ok(None) => held.unfit(adopted.position(), "this program's rules are others"),
                Err(failure) => held.unfit(adopted.position(), &format!("{:#}", failure.fault)),
            }
        }
        Arc::clone(&held.masker)
    }

    /// What masking took since the program began.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// The rules that a call is under.
    pub fn under(&self, call: Call, now: Timestamp) -> Under {
        let newest = self.newest_masker();
        let began = call
            .session()
            .and_then(|session| self.sessions.read(|s| s.policy(&call.agent, session)));
        let (masker, instead_of) = match began {
            Some(began) if began != newest.policy() => match self.earlier(began) {
                Some(masker) => (masker, None),
                None => (newest, Some(began)),
            },
            _ => (newest, None),
        };
        let asked = self.asked(&call.agent, now);
        let call = call.instead_of(instead_of);
        let call = match asked {
            Some(asked) => call.of_class(asked),
            None => call,
        };
        Under {
            masker: masker.at(now),
            call,
        }
    }

    fn earlier(&self, digest: Hash) -> Option<Arc<Masker>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(masker) = held.earlier.get(&digest) {
            return Some(Arc::clone(masker));
        }
        let adopted = self.policies.read(|p| p.version(digest))?;
        let masker = self.make(adopted).ok().flatten()?;
        held.keep(Arc::clone(&masker));
        Some(masker)
    }

    /// `None` where this program makes another policy of the same text: its rules changed.
    fn make(&self, adopted: Version) -> Result<Option<Arc<Masker>>, Failure> {
        let text = read(&self.reader, "masking", adopted.masking)?;
        let mut masker = Masker::new(serde_json::from_str(&text)?, self.key.clone())?
            .counting(Arc::clone(&self.effort));
        if let Some(adopted) = adopted.roster
            && let Some(roster) = roster::read(&self.reader, adopted, &self.key)?
        {
            masker = masker.with_roster(roster);
        }
        Ok((masker.policy() == adopted.digest()).then(|| Arc::new(masker)))
    }

    fn classes(&self) -> Arc<ClassPolicy> {
        let check = |classes: &ClassPolicy| Ok(classes.check()?);
        self.newest(
            "classes",
            |held| &mut held.classes,
            ClassPolicy::digest,
            check,
        )
    }

    /// How much may be used: like the classes, what is in force now holds for every session.
    pub fn limits(&self) -> Arc<LimitPolicy> {
        let check = |limits: &LimitPolicy| Ok(limits.check()?);
        self.newest(
            "limits",
            |held| &mut held.limits,
            LimitPolicy::digest,
            check,
        )
    }

    /// What tools may do: like the classes, what is in force now holds for every session.
    pub fn tools(&self) -> Arc<ToolPolicy> {
        let check = |tools: &ToolPolicy| Ok(tools.check()?);
        self.newest("tools", |held| &mut held.tools, ToolPolicy::digest, check)
    }

    /// How drafts are decided on.
    pub fn approvals(&self) -> Arc<Approvals> {
        self.newest(
            POLICY,
            |held| &mut held.approvals,
            Approvals::digest,
            |_| Ok(()),
        )
    }

    /// A policy that is settings and nothing else, as the newest adoption has it.
    fn newest<T: DeserializeOwned>(
        &self,
        policy: &str,
        of: fn(&mut Held) -> &mut Arc<T>,
        digest: fn(&T) -> Hash,
        check: fn(&T) -> Result<(), Failure>,
    ) -> Arc<T> {
        let adopted = self.policies.read(|p| p.in_force(policy));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(adopted) = adopted
            && adopted.digest != digest(of(&mut held))
            && !held.unfit.contains(&adopted.position)
        {
            let made = read(&self.reader, policy, adopted).and_then(|text| {
                let settings: T = serde_json::from_str(&text)?;
                check(&settings)?;
                Ok(settings)
            });
            match made {
                Ok(settings) => *of(&mut held) = Arc::new(settings),
                Err(failure) => held.unfit(adopted.position, &format!("{:#}", failure.fault)),
            }
        }
        Arc::clone(of(&mut held))
    }

    /// Of which classes an agent's data is; `None` for one that is not registered, which no call
    /// comes from.
    pub fn asked(&self, agent: &Name, now: Timestamp) -> Option<Asked> {
        let policy = self.classes();
        let (registered, role, person) = self.agents.read(|agents| {
            let agent = agents.agent(agent)?;
            let person = agent.person.clone();
            Some((agent.data_class, agent.role.clone(), person))
        })?;
        let consents = person.map(|person| {
            let in_force = |consents: &Consents| consents.in_force(&person, &role, now);
            self.consents.read(in_force)
        });
        Some(Asked {
            policy,
            registered,
            role,
            consents: consents.unwrap_or_default(),
        })
    }
}

impl Held {
    fn keep(&mut self, masker: Arc<Masker>) {
        if self.earlier.len() >= MOST_EARLIER {
            self.earlier.clear();
        }
        self.earlier.insert(masker.policy(), masker);
    }

    fn unfit(&mut self, position: u64, why: &str) {
        tracing::error!(
            position,
            why,
            "an adopted policy cannot be used; the one before goes on"
        );
        self.unfit.push(position);
    }
}
