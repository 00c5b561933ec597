//! The rules in force: adopted by an event that carries their digest, so that every decision
//! names the rules it was made under.
//!
//! What `daicho.toml` says is in force once it is adopted. The first time that happens by
//! itself; a change is shown by `daicho policy` and adopted by `daicho policy adopt`, and until
//! then everything goes on under what was adopted, whose text is sealed content of its event.

mod diff;
mod in_force;
mod text;

pub use diff::diff;
pub use in_force::{InForce, Under};
pub use text::{POLICIES, Text, sound};

use crate::config::Config;
use crate::door::Door;
use crate::outcome::Failure;
use crate::roster;
use agents::masking::Masker;
use agents::retention::RetentionPolicy;
use ledger::buckets;
use ledger::{Content, Entry, Projection, Reader, Submission};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every adoption of each policy, the newest last.
#[derive(Default, Serialize, Deserialize)]
pub struct Policies {
    adopted: BTreeMap<Name, Vec<Adoption>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    pub digest: Hash,
    pub position: u64,
    pub at: Timestamp,
}

/// What payloads are masked by: the policy, and the roster beside it.
#[derive(Clone, Copy)]
pub struct Version {
    pub masking: Adoption,
    pub roster: Option<Adoption>,
}

impl Version {
    fn digest(&self) -> Hash {
        let roster = self.roster.map(|adopted| adopted.digest);
        Masker::version(
            self.masking.digest,
            roster.filter(|&tag| tag != roster::NONE),
        )
    }

    /// Where it came into force.
    fn position(&self) -> u64 {
        let roster = self.roster.map_or(0, |adopted| adopted.position);
        self.masking.position.max(roster)
    }
}

impl Projection for Policies {
    const NAME: &'static str = "policies";
    const VERSION: u32 = 2;

    fn fold(&mut self, entry: &Entry) {
        if let Data::PolicyAdopted(adopted) = entry.data() {
            let adoption = Adoption {
                digest: adopted.digest,
                position: entry.seq(),
                at: entry.at(),
            };
            let all = self.adopted.entry(adopted.policy.clone()).or_default();
            all.push(adoption);
        }
    }
}

impl Policies {
    pub fn in_force(&self, policy: &str) -> Option<Adoption> {
        self.all(policy).last().copied()
    }

    /// What was in force just before a time.
    pub fn before(&self, policy: &str, time: Timestamp) -> Option<Adoption> {
        let mut earlier = self.all(policy).iter().rev();
        earlier.find(|adoption| adoption.at < time).copied()
    }

    /// The masking rules in force, with the roster beside them.
    pub fn masking(&self) -> Option<Version> {
        Some(Version {
            masking: self.in_force("masking")?,
            roster: self.in_force(roster::POLICY),
        })
    }

    /// The newest masking rules of exactly this digest.
    fn version(&self, digest: Hash) -> Option<Version> {
        let rosters = || self.all(roster::POLICY).iter().rev().copied().map(Some);
        let masking = self.all("masking").iter().rev();
        let mut versions = masking.flat_map(|&masking| {
            let all = rosters().chain([None]);
            all.map(move |roster| Version { masking, roster })
        });
        versions.find(|version| version.digest() == digest)
    }

    /// Every adoption of a policy, the oldest first.
    pub fn all(&self, policy: &str) -> &[Adoption] {
        let policy: Option<Name> = policy.parse().ok();
        policy
            .and_then(|policy| self.adopted.get(&policy))
            .map_or(&[], Vec::as_slice)
    }
}

/// The configuration as it is in force, and what is to be said of it.
pub struct Settled {
    pub config: Config,
    /// First adoptions; and those of the same settings whose meaning this program changed.
    pub batch: Vec<Submission>,
    /// Policies that `daicho.toml` would change.
    pub pending: Vec<&'static str>,
}

/// Replaces the policies of a configuration by those in force, and adopts what needs nobody's
/// decision.
pub fn settle(
    policies: &Policies,
    reader: &Reader,
    mut config: Config,
    door: &Door,
) -> Result<Settled, Failure> {
    let (mut batch, mut pending) = (Vec::new(), Vec::new());
    for policy in POLICIES {
        let wanted = Text::of(&config, policy)?;
        let Some(adopted) = policies.in_force(policy) else {
            batch.push(adoption(door, &wanted, None, Vec::new())?);
            continue;
        };
        if adopted.digest == wanted.digest {
            continue;
        }
        config.put(policy, &read(reader, policy, adopted)?)?;
        let kept = Text::of(&config, policy)?;
        if kept.digest != adopted.digest {
            batch.push(adoption(door, &kept, Some(adopted.digest), Vec::new())?);
        }
        if kept.digest != wanted.digest {
            pending.push(policy);
        }
    }
    // A policy that cannot be used is not adopted.
    if !batch.is_empty() {
        sound(&config)?;
    }
    Ok(Settled {
        config,
        batch,
        pending,
    })
}

impl Settled {
    /// Says loudly, and without a value, that a change waits.
    pub fn tell(&self) {
        if let Some(waiting) = waiting(&self.pending) {
            eprintln!("warning: {waiting}");
        }
    }
}

/// Policies in force that a configuration would change.
pub fn pending(policies: &Policies, config: &Config) -> Vec<&'static str> {
    let changes = |policy: &&'static str| {
        let wanted = Text::of(config, policy).map(|text| text.digest);
        let in_force = policies.in_force(policy).map(|adopted| adopted.digest);
        in_force.is_some_and(|in_force| wanted.is_ok_and(|wanted| wanted != in_force))
    };
    POLICIES.into_iter().filter(changes).collect()
}

/// What operators are told where `daicho.toml` is not what is in force.
pub fn waiting(pending: &[&str]) -> Option<String> {
    (!pending.is_empty()).then(|| {
        format!(
            "daicho.toml changes {}, which is not adopted: what was adopted goes on; \
             `daicho policy` shows the change, `daicho policy adopt` puts it in force",
            pending.join(", ")
        )
    })
}

/// The event that puts a policy in force.
pub fn adoption(
    door: &Door,
    text: &Text,
    previous: Option<Hash>,
    approvals: Vec<EventId>,
) -> Result<Submission, Failure> {
    // In clear: every due date, and what may be erased, follows from the log alone.
    let rules: Option<RetentionPolicy> = match text.policy {
        buckets::POLICY => Some(serde_json::from_str(&text.json)?),
        _ => None,
    };
    let (periods, must_keep) = rules.map(|rules| (rules.periods, rules.must_keep)).unzip();
    let data = PolicyAdopted {
        policy: text.policy.parse()?,
        digest: text.digest,
        previous,
        approvals,
        periods,
        must_keep: must_keep.filter(|duties| !duties.is_empty()),
    };
    let mut submission = door.event(door.operator(), data);
    submission.content.push(Content {
        name: CONTENT.parse()?,
        media: Label::lossy("application/json"),
        bytes: text.json.clone().into_bytes(),
    });
    Ok(submission)
}

/// Name of the content that holds a policy's text.
pub const CONTENT: &str = "policy";

/// The text of an adopted policy, from the sealed content of its event.
pub fn read(reader: &Reader, policy: &str, adoption: Adoption) -> Result<String, Failure> {
    let entry = reader.entry(adoption.position)?;
    let reference = entry.content().iter().find(|c| c.name.as_str() == CONTENT);
    let text = match reference {
        Some(reference) => reader.content(reference).map_err(anyhow::Error::new),
        None => Err(anyhow::anyhow!("the event has no content `policy`")),
    };
    let text = text.and_then(|bytes| Ok(String::from_utf8(bytes)?));
    text.map_err(|error| {
        let at = adoption.position;
        let fault = error.context(format!(
            "the {policy} policy adopted at {at} cannot be read"
        ));
        Failure::new(fault, "`daicho policy adopt` adopts what daicho.toml says")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use ledger::clock::SystemClock;
    use ledger::{Index, Options};

    /// A ledger whose masking policy has this text and this digest.
    fn settled(digest: Hash, json: &str, config: Config) -> Result<Settled, Failure> {
        let dir = tempfile::tempdir().unwrap();
        ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
        let (appender, reader) = ledger::open(dir.path(), Options::default()).unwrap();
        let mut index = Index::in_memory(reader.clone());
        let policies = index.add::<Policies>();
        let door = Door::Here(appender.clone());
        let text = Text {
            policy: "masking",
            digest,
            json: json.to_owned(),
        };
        appender
            .append(vec![adoption(&door, &text, None, Vec::new()).unwrap()])
            .unwrap();
        index.catch_up().unwrap();
        policies.read(|policies| settle(policies, &reader, config, &door))
    }

    /// Digest and predecessor of each masking policy that would be adopted.
    fn adopted(settled: &Settled) -> Vec<(Hash, Option<Hash>)> {
        let masking = |s: &Submission| match &s.event.data {
            Data::PolicyAdopted(fact) if fact.policy.as_str() == "masking" => {
                Some((fact.digest, fact.previous))
            }
            _ => None,
        };
        settled.batch.iter().filter_map(masking).collect()
    }

    #[test]
    fn equal_settings_under_a_program_of_other_rules_are_adopted_anew_and_a_change_waits() {
        let old = Hash([9; 32]);
        let in_force = Text::of(&Config::default(), "masking").unwrap();
        let same = settled(old, &in_force.json, Config::default()).unwrap();
        assert_eq!(adopted(&same), [(in_force.digest, Some(old))]);
        assert_eq!(same.pending, [""; 0]);
        assert_eq!(
            same.batch.len(),
            POLICIES.len(),
            "the others for the first time"
        );

        let mut changed = Config::default();
        changed.masking.allow_test_cards = true;
        let both = settled(old, &in_force.json, changed).unwrap();
        assert_eq!(adopted(&both), [(in_force.digest, Some(old))]);
        assert_eq!(both.pending, ["masking"]);
        assert!(!both.config.masking.allow_test_cards, "not in force");
        assert!(waiting(&both.pending).unwrap().contains("masking"));
    }

    #[test]
    fn a_policy_that_cannot_be_read_stops_the_start_with_a_remedy() {
        let failure = settled(
            Hash([9; 32]),
            "{\"of\":\"another program\"}",
            Config::default(),
        );
        let failure = failure.err().unwrap();
        assert!(failure.help.unwrap().contains("`daicho policy adopt`"));
        assert!(!format!("{:#}", failure.fault).contains("another"));
    }
}
