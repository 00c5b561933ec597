use ledger::{Entry, Projection};
use schemas::{Actor, Data, Hash, Label, Name, Period, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A session that was silent for so long begins anew, under the policy in force.
pub(crate) const SILENCE: Period = Period::Days(30);

/// The masking policy that each session is on: the one it began with.
#[derive(Default, Serialize, Deserialize)]
pub struct Sessions {
    policies: BTreeMap<Name, BTreeMap<Label, Pinned>>,
    /// Those that fell silent are looked for once a day.
    next_look: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Pinned {
    policy: Hash,
    ends: Timestamp,
}

impl Sessions {
    pub fn policy(&self, agent: &Name, session: &Label) -> Option<Hash> {
        let pinned = self.policies.get(agent)?.get(session)?;
        Some(pinned.policy)
    }

    /// Newest call wins: where a session's policy could not be kept, it is on the one that
    /// came instead.
    fn pin(&mut self, agent: &Name, session: &Label, policy: Hash, at: Timestamp) {
        let ends = at.after(SILENCE).unwrap_or(at);
        let sessions = self.policies.entry(agent.clone()).or_default();
        sessions.insert(session.clone(), Pinned { policy, ends });
        if at >= self.next_look {
            self.next_look = at.after(Period::Days(1)).unwrap_or(at);
            for sessions in self.policies.values_mut() {
                sessions.retain(|_, pinned| pinned.ends > at);
            }
            self.policies.retain(|_, sessions| !sessions.is_empty());
        }
    }
}

impl Projection for Sessions {
    const NAME: &'static str = "session-policies";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        let (Actor::Agent(agent), Some(session)) = (entry.actor(), entry.session()) else {
            return;
        };
        match entry.data() {
            Data::PayloadMasked(fact) => self.pin(agent, session, fact.policy, entry.at()),
            Data::PayloadBlocked(fact) => self.pin(agent, session, fact.policy, entry.at()),
            Data::SessionEnded(_) => {
                if let Some(sessions) = self.policies.get_mut(agent) {
                    sessions.remove(session);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_fell_silent_is_forgotten_and_others_are_not() {
        let mut sessions = Sessions::default();
        let (agent, day) = ("cfo".parse().unwrap(), |n: i64| {
            Timestamp::from_micros(1_800_000_000_000_000 + n * 86_400_000_000)
        });
        let (old, young) = (Label::lossy("old"), Label::lossy("young"));
        sessions.pin(&agent, &old, Hash([1; 32]), day(0));
        sessions.pin(&agent, &young, Hash([1; 32]), day(5));
        for n in 6..=30 {
            sessions.pin(&agent, &Label::lossy("other"), Hash([2; 32]), day(n));
        }
        assert_eq!(sessions.policy(&agent, &old), None);
        assert_eq!(sessions.policy(&agent, &young), Some(Hash([1; 32])));
    }
}
