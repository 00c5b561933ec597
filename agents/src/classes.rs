//! Classes of data: what may leave of which, by the company's rules and the people's consent.
//!
//! A call has the class that its agent was registered with, and every class that a rule gives
//! it: by the agent's role, or by a tool that it has used. All of them must let it pass; the
//! event names the strictest, and the rules' digest.

mod consents;

pub use consents::{Consent, Consents};

use crate::masking::Media;
use schemas::kinds::traffic::{ClassRuling, Handling, RuleCount};
use schemas::{DataClass, Hash, Label, Name};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How each class is handled, as `[classes]` in daicho.toml says. The default is the company's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassPolicy {
    pub internal: Handling,
    pub mail: Handling,
    pub ec: Handling,
    pub personal: Handling,
    pub generated: Handling,
    /// Of these nothing leaves that no rule can read (images, sounds, files), however their text
    /// is handled: nobody has seen what it shows of a person.
    pub no_media: Vec<DataClass>,
    /// Classes beside the one that an agent was registered with.
    pub rule: Vec<ClassRule>,
}

/// A call to which both conditions apply holds data of this class too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    pub class: DataClass,
    /// The agent's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Name>,
    /// A tool that the conversation has used; with `*` at its end, every tool that begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassPolicyError {
    #[error("rule {0} of [classes] names neither a role nor a tool")]
    NoCondition(usize),
}

impl Default for ClassPolicy {
    fn default() -> ClassPolicy {
        ClassPolicy {
            internal: Handling::Mask,
            mail: Handling::Consent,
            ec: Handling::Aggregate,
            personal: Handling::Never,
            generated: Handling::Mask,
            no_media: vec![DataClass::Personal],
            rule: Vec::new(),
        }
    }
}

impl ClassPolicy {
    pub fn check(&self) -> Result<(), ClassPolicyError> {
        let mut conditions = self
            .rule
            .iter()
            .map(|r| r.role.is_some() || r.tool.is_some());
        match conditions.position(|some| !some) {
            Some(rule) => Err(ClassPolicyError::NoCondition(rule + 1)),
            None => Ok(()),
        }
    }

    /// SHA-256 over the JSON of the settings.
    pub fn digest(&self) -> Hash {
        // Words and strings in a fixed order: writing them cannot fail.
        Hash(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into())
    }

    pub fn handling(&self, class: DataClass) -> Handling {
        match class {
            DataClass::Internal => self.internal,
            DataClass::Mail => self.mail,
            DataClass::Ec => self.ec,
            DataClass::Personal => self.personal,
            DataClass::Generated => self.generated,
        }
    }
}

impl ClassRule {
    fn applies(&self, role: &Name, tools: &[String]) -> bool {
        let used = |tool: &Label| match tool.as_str().strip_suffix('*') {
            Some(start) => tools.iter().any(|used| used.starts_with(start)),
            None => tools.iter().any(|used| used == tool.as_str()),
        };
        self.role.as_ref().is_none_or(|wanted| wanted == role)
            && self.tool.as_ref().is_none_or(used)
    }
}

/// What is known of a call before its body is read.
#[derive(Debug, Clone)]
pub struct Asked {
    pub policy: Arc<ClassPolicy>,
    /// The class that its agent was registered with.
    pub registered: DataClass,
    pub role: Name,
    /// By class, the position of the consent that is in force for this agent's person and role.
    pub consents: BTreeMap<DataClass, u64>,
}

/// The ruling, and what stops the call, if something does.
pub struct Ruled {
    pub ruling: ClassRuling,
    pub denied: Option<Denied>,
}

pub struct Denied {
    /// `class.<class>`; for data that is not aggregated also what shows that.
    pub reasons: Vec<RuleCount>,
    pub remedy: String,
}

impl Asked {
    /// Every class that the data is of. `tools` reads which tools were used: it is asked only where
    /// a rule does.
    pub fn classes(&self, tools: impl FnOnce() -> Vec<String>) -> BTreeSet<DataClass> {
        let rules = &self.policy.rule;
        let by_tool = rules.iter().any(|rule| rule.tool.is_some());
        let tools = if by_tool { tools() } else { Vec::new() };
        let ruled = rules.iter().filter(|r| r.applies(&self.role, &tools));
        ruled.map(|r| r.class).chain([self.registered]).collect()
    }

    /// `tools` reads which tools the body shows as used.
    /// `finds` is what may be of single persons: what was masked, and what no rule can read.
    pub fn rule(&self, tools: impl FnOnce() -> Vec<String>, finds: &[RuleCount]) -> Ruled {
        let policy = &self.policy;
        let classes = self.classes(tools).into_iter();
        let classes: BTreeSet<(Handling, DataClass)> = classes
            .map(|class| (policy.handling(class), class))
            .collect();
        let ruling = |(handling, class): (Handling, DataClass)| ClassRuling {
            class,
            handling,
            policy: policy.digest(),
            consent: (handling == Handling::Consent)
                .then(|| self.consents.get(&class).copied())
                .flatten(),
        };
        // The strictest first: what it forbids need not be asked of the others.
        for &(handling, class) in classes.iter().rev() {
            if let Some(denied) = self.denied(handling, class, finds) {
                let ruling = ruling((handling, class));
                return Ruled {
                    ruling,
                    denied: Some(denied),
                };
            }
        }
        let strictest = classes.last().expect("the registered class is one");
        Ruled {
            ruling: ruling(*strictest),
            denied: None,
        }
    }

    fn denied(&self, handling: Handling, class: DataClass, finds: &[RuleCount]) -> Option<Denied> {
        let media = finds.iter().filter(|find| Media::is(&find.rule));
        let media: Vec<RuleCount> = match self.policy.no_media.contains(&class) {
            true => media.cloned().collect(),
            false => Vec::new(),
        };
        let passes = match handling {
            Handling::Mask => true,
            Handling::Aggregate => finds.is_empty(),
            Handling::Consent => self.consents.contains_key(&class),
            Handling::Never => false,
        };
        let remedy = match handling {
            _ if passes && media.is_empty() => return None,
            _ if passes => format!(
                "no image, sound or file goes with data of class {class}: no rule can read what it \
                 shows; send its text instead"
            ),
            Handling::Mask => return None,
            Handling::Aggregate => format!(
                "data of class {class} is sent only aggregated or anonymised, and this request \
                 holds single persons' data, or images and files that may; send counts and sums without \
                 names, addresses, phone numbers and mailboxes, as text"
            ),
            Handling::Consent => format!(
                "data of class {class} is sent only with the consent of the person whose it is, and \
                 none is in force for this agent's role; the operator records one with `daicho \
                 consent give`"
            ),
            Handling::Never => format!(
                "data of class {class} is never sent; do this work without the model, or have \
                 the operator say which class the agent's data is of"
            ),
        };
        let rule = RuleCount {
            rule: format!("class.{class}").parse().expect("classes are names"),
            count: 1,
        };
        let shown = match handling {
            _ if passes => media.as_slice(),
            Handling::Aggregate => finds,
            _ => &[],
        };
        Some(Denied {
            reasons: [&[rule], shown].concat(),
            remedy,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
