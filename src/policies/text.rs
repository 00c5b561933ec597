use crate::config::Config;
use crate::masking;
use crate::outcome::Failure;
use anyhow::Context;
use exporters::report::Rules;
use schemas::Hash;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The policies in daicho.toml that an event adopts.
pub const POLICIES: [&str; 8] = [
    "masking",
    "classes",
    agents::approvals::view::POLICY,
    "retention",
    "vendors",
    "limits",
    "tools",
    Rules::POLICY,
];

/// One policy as it is adopted.
pub struct Text {
    pub policy: &'static str,
    pub digest: Hash,
    pub json: String,
}

impl Text {
    /// The policy as a configuration has it.
    pub fn of(config: &Config, policy: &'static str) -> Result<Text, Failure> {
        fn json(value: &impl Serialize) -> serde_json::Result<(String, Hash)> {
            let json = serde_json::to_string(value)?;
            let digest = Hash(Sha256::digest(&json).into());
            Ok((json, digest))
        }
        let (json, digest) = match policy {
            // The rules in the program are part of what it says.
            "masking" => (json(&config.masking)?.0, config.masking.digest()),
            "classes" => json(&config.classes)?,
            "tools" => (json(&config.tools)?.0, config.tools.digest()),
            "retention" => json(&config.retention)?,
            "vendors" => json(&config.vendors)?,
            "limits" => json(&config.limits)?,
            Rules::POLICY => json(&config.report.rules())?,
            _ => json(&config.approvals)?,
        };
        Ok(Text {
            policy,
            digest,
            json,
        })
    }
}

/// Whether every policy of a configuration can be used.
pub fn sound(config: &Config) -> Result<(), Failure> {
    masking::alone(config.masking.clone())?;
    let classes = config.classes.check();
    classes.map_err(|error| Failure::new(error, "correct [classes] in daicho.toml"))?;
    let tools = config.tools.check();
    tools.map_err(|error| Failure::new(error, "correct [tools] in daicho.toml"))?;
    let retention = config.retention.check();
    retention.map_err(|error| Failure::new(error, "correct [retention] in daicho.toml"))?;
    let limits = config.limits.check();
    limits.map_err(|error| Failure::new(error, "correct [limits] in daicho.toml"))
}

impl Config {
    /// Puts a policy's adopted text in the place of what the file says.
    pub fn put(&mut self, policy: &'static str, json: &str) -> Result<(), Failure> {
        let mut put = || {
            match policy {
                "masking" => self.masking = serde_json::from_str(json)?,
                "classes" => self.classes = serde_json::from_str(json)?,
                "tools" => self.tools = serde_json::from_str(json)?,
                "retention" => self.retention = serde_json::from_str(json)?,
                "vendors" => self.vendors = serde_json::from_str(json)?,
                "limits" => self.limits = serde_json::from_str(json)?,
                Rules::POLICY => self.report.put(serde_json::from_str(json)?),
                _ => self.approvals = serde_json::from_str(json)?,
            }
            serde_json::Result::Ok(())
        };
        // The parser's message may quote the text.
        put()
            .ok()
            .with_context(|| format!("this program cannot read the {policy} policy in force"))
            .map_err(|fault| {
                Failure::new(fault, "`daicho policy adopt` adopts what daicho.toml says")
            })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_put_back_as_it_was_adopted() {
        let text = "[masking]\nemail = 'last-four'\n[classes]\nec = 'never'\n[tools]\noutward = 'ask'\n[approvals]\napprovers_needed = 2\n\
                    [retention]\napi = 'P1Y'\n[vendors.anthropic]\ncompany = 'Anthropic PBC'\ncountry = 'US'\n\
                    [limits.each_agent]\ncost_per_day = 12.5\nmodels = ['claude-*']\n\
                    [report]\norganisation = 'Example'\nhours = 'mon-fri 09:00-18:00'\n\
                    [[limits.price]]\nmodel = '*'\ninput = 3\noutput = 15.25\n";
        let mut changed: Config = toml::from_str(text).unwrap();
        changed.complete();
        let mut config = Config::default();
        for policy in POLICIES {
            let wanted = Text::of(&changed, policy).unwrap();
            assert_ne!(Text::of(&config, policy).unwrap().digest, wanted.digest);
            config.put(policy, &wanted.json).unwrap();
            assert_eq!(Text::of(&config, policy).unwrap().digest, wanted.digest);
            assert!(config.put(policy, "1").is_err());
        }
    }
}
