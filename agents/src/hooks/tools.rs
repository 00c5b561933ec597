//! What a client's tools may do: `[tools]` in daicho.toml.

use super::outward;
use crate::approvals::MAX_APPROVERS;
use crate::pattern::fits;
use schemas::kinds::hooks::HookVerdict;
use schemas::{DataClass, Hash, Label, Name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The rules in force. The first that fits decides; then what the program knows as outward;
/// of everything else nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolPolicy {
    /// What becomes of uses that the program knows as outward (outward.rs).
    pub outward: HookVerdict,
    /// How many people must approve such a draft; absent: as many as `[approvals]` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvers: Option<u64>,
    pub rule: Vec<ToolRule>,
}

/// A use to which every condition applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolRule {
    /// Its name; `*` stands for anything.
    pub tool: Label,
    /// Any text in its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<Label>,
    /// Only where the arguments hold what the masking rules would mask.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
    /// Only where the data is of this class: by `[classes]`, as the agent's class and role and the
    /// tool itself have it. What the conversation has used before, a hook does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<DataClass>,
    pub then: HookVerdict,
    /// How many people must approve the draft; absent: as many as `[approvals]` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<u64>,
}

/// What a rule may ask of the data that a use is about.
pub(super) trait UsedData {
    /// Would the masking rules mask anything in it?
    fn is_personal(&self) -> bool;
    fn is_of(&self, class: DataClass) -> bool;
}

/// What is said of a use, by which rule, and how many have to approve it where it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruled {
    pub verdict: HookVerdict,
    pub by: Option<Name>,
    pub approvers: Option<u64>,
}

/// Rules that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolPolicyError {
    #[error("{at} asks for {approvers} approvers; it can be 1 to {MAX_APPROVERS}")]
    Approvers { at: String, approvers: u64 },
    #[error("{at} asks for approvers, and what it says is never held for any: `{then}`")]
    NeverHeld { at: String, then: String },
}

impl Default for ToolPolicy {
    fn default() -> ToolPolicy {
        ToolPolicy {
            outward: HookVerdict::Draft,
            approvers: None,
            rule: Vec::new(),
        }
    }
}

impl ToolPolicy {
    /// SHA-256 over the JSON of the settings and the version of the program's own list.
    pub fn digest(&self) -> Hash {
        // Words and strings in a fixed order: writing them cannot fail.
        let settings = serde_json::to_vec(self).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(format!("daicho/tools/v{}\n", outward::VERSION));
        hash.update(settings);
        Hash(hash.finalize().into())
    }

    /// Whether every rule can be followed.
    pub fn check(&self) -> Result<(), ToolPolicyError> {
        let rules = self.rule.iter().map(|rule| (rule.then, rule.approvers));
        let all = [(self.outward, self.approvers)].into_iter().chain(rules);
        for (number, (then, approvers)) in all.enumerate() {
            let Some(approvers) = approvers else {
                continue;
            };
            let at = match number {
                0 => "[tools]".to_owned(),
                number => format!("[[tools.rule]] {number}"),
            };
            if !(1..=MAX_APPROVERS).contains(&approvers) {
                return Err(ToolPolicyError::Approvers { at, approvers });
            }
            // A tool server's proxy holds these too: nobody sits before it.
            use HookVerdict::{Ask, Defer, Draft};
            if !matches!(then, Draft | Ask | Defer) {
                let then = then.to_string();
                return Err(ToolPolicyError::NeverHeld { at, then });
            }
        }
        Ok(())
    }

    /// What is said of a use, and by which rule. Of its `data` is asked what a rule asks.
    pub(super) fn rule(
        &self,
        (tool, input): (&str, &Value),
        directory: Option<&str>,
        data: &impl UsedData,
    ) -> Ruled {
        for (number, rule) in (1..).zip(&self.rule) {
            let argument = rule.argument.as_ref();
            if fits(rule.tool.as_str(), tool)
                && argument.is_none_or(|pattern| any_text(input, &|t| fits(pattern.as_str(), t)))
                && rule.class.is_none_or(|class| data.is_of(class))
                && (!rule.personal || data.is_personal())
            {
                return Ruled {
                    verdict: rule.then,
                    by: format!("rule-{number}").parse().ok(),
                    approvers: rule.approvers,
                };
            }
        }
        match outward::outward(tool, input, directory) {
            Some(kind) => Ruled {
                verdict: self.outward,
                by: format!("outward-{kind}").parse().ok(),
                approvers: self.approvers,
            },
            None => Ruled {
                verdict: HookVerdict::Pass,
                by: None,
                approvers: None,
            },
        }
    }
}

fn any_text(value: &Value, holds: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => holds(text),
        Value::Array(values) => values.iter().any(|value| any_text(value, holds)),
        Value::Object(fields) => fields.values().any(|value| any_text(value, holds)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Of one class, and personal or not.
    struct Is(DataClass, bool);

    impl UsedData for Is {
        fn is_personal(&self) -> bool {
            self.1
        }

        fn is_of(&self, class: DataClass) -> bool {
            self.0 == class
        }
    }

    fn rule(policy: &str, tool: &str, input: &Value) -> (HookVerdict, String) {
        let policy: ToolPolicy = toml::from_str(policy).unwrap();
        let is = Is(DataClass::Internal, tool == "mcp__mail__draft");
        let ruled = policy.rule((tool, input), Some("/w"), &is);
        let by = ruled.by.map_or(String::new(), |by| by.to_string());
        (ruled.verdict, by)
    }

    #[test]
    fn the_first_rule_that_fits_decides_then_the_program_s_list() {
        let policy = "[[rule]]\ntool = 'Bash'\nargument = '*git push origin docs*'\nthen = 'allow'\n\
                      [[rule]]\ntool = 'mcp__mail__*'\npersonal = true\nthen = 'deny'\n\
                      [[rule]]\ntool = 'WebFetch'\nargument = 'http://*'\nthen = 'ask'\n";
        let docs = json!({ "command": "cd x && git push origin docs" });
        assert_eq!(
            rule(policy, "Bash", &docs),
            (HookVerdict::Allow, "rule-1".into())
        );
        let main = json!({ "command": "git push origin main" });
        assert_eq!(
            rule(policy, "Bash", &main),
            (HookVerdict::Draft, "outward-push".into())
        );
        assert_eq!(rule("outward = 'ask'", "Bash", &main).0, HookVerdict::Ask);
        let none = json!({});
        assert_eq!(rule(policy, "mcp__mail__draft", &none).1, "rule-2");
        assert_eq!(rule(policy, "mcp__mail__send", &none).1, "outward-mail");
        let plain = json!({ "url": "http://x", "prompt": "y" });
        assert_eq!(rule(policy, "WebFetch", &plain).0, HookVerdict::Ask);
        assert_eq!(
            rule(policy, "Read", &none),
            (HookVerdict::Pass, String::new())
        );
    }

    #[test]
    fn a_rule_says_how_many_must_approve_and_nonsense_is_refused() {
        let policy: ToolPolicy = toml::from_str(
            "approvers = 2\n[[rule]]\ntool = 'mcp__bank__*'\nthen = 'draft'\napprovers = 3\n\
             [[rule]]\ntool = 'Publish'\nthen = 'draft'\n",
        )
        .unwrap();
        policy.check().unwrap();
        let is = Is(DataClass::Internal, false);
        let asks = |tool: &str, input: Value| policy.rule((tool, &input), None, &is).approvers;
        assert_eq!(asks("mcp__bank__pay", json!({})), Some(3));
        assert_eq!(asks("Publish", json!({})), None);
        let push = json!({ "command": "git push origin main" });
        assert_eq!(asks("Bash", push), Some(2));
        for (wrong, fault) in [
            ("approvers = 0", "[tools] asks for 0 approvers"),
            ("approvers = 17", "1 to 16"),
            ("outward = 'deny'\napprovers = 2", "never held"),
            (
                "[[rule]]\ntool = 'x'\nthen = 'allow'\napprovers = 2",
                "[[tools.rule]] 1 asks",
            ),
        ] {
            let policy: ToolPolicy = toml::from_str(wrong).unwrap();
            let told = policy.check().unwrap_err().to_string();
            assert!(told.contains(fault), "{told}");
        }
        // What was adopted before there was this setting has the digest that it had.
        let plain = serde_json::to_string(&ToolPolicy::default()).unwrap();
        assert_eq!(plain, r#"{"outward":"draft","rule":[]}"#);
    }

    #[test]
    fn a_rule_may_be_for_one_class_of_data() {
        let policy: ToolPolicy = toml::from_str(
            "[[rule]]\ntool = '*'\nclass = 'mail'\nthen = 'deny'\n\
             [[rule]]\ntool = 'Bash'\nargument = 'git push*'\nclass = 'generated'\nthen = 'allow'\n",
        )
        .unwrap();
        let push = json!({ "command": "git push origin main" });
        let ruled = |class| {
            let ruled = policy.rule(("Bash", &push), Some("/w"), &Is(class, false));
            (ruled.verdict, ruled.by.unwrap().to_string())
        };
        for class in DataClass::ALL {
            let (verdict, by) = match class {
                DataClass::Mail => (HookVerdict::Deny, "rule-1"),
                DataClass::Generated => (HookVerdict::Allow, "rule-2"),
                DataClass::Internal | DataClass::Ec | DataClass::Personal => {
                    (HookVerdict::Draft, "outward-push")
                }
            };
            assert_eq!(ruled(class), (verdict, by.to_owned()), "{class}");
        }
        let wrong = "[[rule]]\ntool = 'x'\nclass = 'secret'\nthen = 'deny'";
        assert!(toml::from_str::<ToolPolicy>(wrong).is_err());
    }

    #[test]
    fn a_rule_without_a_class_has_the_digest_that_it_had() {
        let text = "[[rule]]\ntool = 'Bash'\nargument = 'npm *'\npersonal = true\nthen = 'draft'\n\
                    approvers = 2";
        let policy: ToolPolicy = toml::from_str(text).unwrap();
        assert_eq!(
            serde_json::to_string(&policy).unwrap(),
            r#"{"outward":"draft","rule":[{"tool":"Bash","argument":"npm *","personal":true,"then":"draft","approvers":2}]}"#
        );
        let classed: ToolPolicy = toml::from_str(&format!("{text}\nclass = 'ec'")).unwrap();
        assert_ne!(policy.digest(), classed.digest());
    }

    #[test]
    fn every_setting_changes_the_digest() {
        let one: ToolPolicy = toml::from_str("[[rule]]\ntool = 'x'\nthen = 'deny'").unwrap();
        let other: ToolPolicy = toml::from_str("outward = 'ask'").unwrap();
        let digests = [ToolPolicy::default(), one, other].map(|policy| policy.digest());
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
        assert!(toml::from_str::<ToolPolicy>("[[rule]]\ntool = 'x'\nthen = 'never'").is_err());
    }
}
