//! The rules in force: adopted by an event that carries their digest, so that every decision
//! names the rules it was made under.

use crate::config::Config;
use crate::door::Door;
use crate::outcome::Failure;
use ledger::{Content, Entry, Projection, Submission};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, Hash, Label, Name};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The newest digest of each policy.
#[derive(Default, Serialize, Deserialize)]
pub struct Policies {
    in_force: BTreeMap<Name, Hash>,
}

impl Projection for Policies {
    const NAME: &'static str = "policies";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        if let Data::PolicyAdopted(adopted) = entry.data() {
            self.in_force.insert(adopted.policy.clone(), adopted.digest);
        }
    }
}

impl Policies {
    pub fn in_force(&self, policy: &str) -> Option<Hash> {
        let policy: Name = policy.parse().ok()?;
        self.in_force.get(&policy).copied()
    }
}

/// The events that put the configuration's rules in force where they differ from what is.
pub fn adopt(
    policies: &Policies,
    config: &Config,
    door: &Door,
) -> Result<Vec<Submission>, Failure> {
    let mut batch = Vec::new();
    for (name, digest, text) in config.policies()? {
        let previous = policies.in_force(name);
        if previous == Some(digest) {
            continue;
        }
        let policy = name.parse()?;
        let data = PolicyAdopted {
            policy,
            digest,
            previous,
            approvals: Vec::new(),
        };
        let mut submission = door.event(door.operator(), data);
        submission.content.push(Content {
            name: "policy".parse()?,
            media: Label::lossy("application/json"),
            bytes: text.into_bytes(),
        });
        batch.push(submission);
    }
    Ok(batch)
}

/// SHA-256 of a policy's JSON.
pub fn digest(json: &str) -> Hash {
    Hash(Sha256::digest(json).into())
}
