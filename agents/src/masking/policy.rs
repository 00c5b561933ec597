//! The choices that the company leaves open, as `[masking]` in daicho.toml has them.

use super::normal;
use super::rule_set::RULE_SET;
use super::silence::Silence;
use schemas::Hash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// More words than this, those of all periods among them, are a dictionary, and slow every call.
const MOST_KEYWORDS: usize = 1000;

/// The rules in force. The default is the company's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What of a mailbox's local part goes.
    pub email: EmailMask,
    /// The operator's own words for inside information: code names of projects, of targets.
    /// A text that holds one is blocked.
    pub insider_keywords: Vec<String>,
    /// Lets the card numbers pass that payment providers publish for tests.
    pub allow_test_cards: bool,
    /// What becomes of what no rule can read: images, sounds, files by id or address. A PDF
    /// whose text holds something that would be masked is blocked in any case.
    pub media: MediaRule,
    /// So many persons with contact data in one payload are a list that must not leave: 10
    /// unless told. A thread of mail with six signatures passes, a page of customers does not.
    pub customer_list_at: usize,
    /// Periods before disclosures in which further words block.
    pub silence: Vec<Silence>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            email: EmailMask::default(),
            insider_keywords: Vec::new(),
            allow_test_cards: false,
            media: MediaRule::default(),
            customer_list_at: 10,
            silence: Vec::new(),
        }
    }
}

/// What becomes of media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaRule {
    /// Sent, and counted; a class of data may still forbid it.
    #[default]
    Allow,
    Block,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmailMask {
    /// All of it: names live there.
    #[default]
    LocalPart,
    /// Its last four characters, as the paper says.
    LastFour,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "insider keyword {position} has fewer than two characters: it would block nearly every text"
    )]
    KeywordTooShort { position: usize },
    #[error("`customer_list_at` is 0: it would block every text")]
    NoListIsShort,
    #[error("{count} insider keywords; at most {MOST_KEYWORDS} are allowed")]
    TooManyKeywords { count: usize },
    #[error("the keywords for inside information are too long all together")]
    TooManyWords,
    #[error("the period of silence `{name}` has no keywords")]
    SilentOnNothing { name: String },
    #[error("the period of silence `{name}` ends before it begins")]
    EndsBeforeItBegins { name: String },
    #[error("the name of the period of silence `{name}` is longer than 56 characters")]
    SilenceNameTooLong { name: String },
    #[error("two periods of silence are called `{name}`")]
    SilencesOfOneName { name: String },
}

impl Policy {
    /// SHA-256 over the canonical JSON of the settings and the version of the rules.
    pub fn digest(&self) -> Hash {
        // Fields of fixed order, strings and booleans: writing them cannot fail.
        let settings = serde_json::to_vec(self).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(format!("daicho/masking/v{}\n", RULE_SET.0));
        hash.update(settings);
        Hash(hash.finalize().into())
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let count = self.keywords().count();
        if count > MOST_KEYWORDS {
            return Err(PolicyError::TooManyKeywords { count });
        }
        if self.customer_list_at == 0 {
            return Err(PolicyError::NoListIsShort);
        }
        for (n, silence) in self.silence.iter().enumerate() {
            silence.check()?;
            if self.silence[..n].iter().any(|s| s.name == silence.name) {
                let name = silence.name.as_str().to_owned();
                return Err(PolicyError::SilencesOfOneName { name });
            }
        }
        // As the rules read it: what they do not see is no word, and would be found everywhere.
        let short = |word: &String| {
            let chars: Vec<char> = word.trim().chars().collect();
            normal::spelled(&chars).trim().chars().count() < 2
        };
        match self.keywords().position(short) {
            Some(position) => Err(PolicyError::KeywordTooShort { position }),
            None => Ok(()),
        }
    }

    /// Those for inside information and those of every period, in this order.
    fn keywords(&self) -> impl Iterator<Item = &String> {
        let silences = self.silence.iter().flat_map(|silence| &silence.keywords);
        self.insider_keywords.iter().chain(silences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_changes_the_digest() {
        let base = Policy::default();
        let others = [
            Policy {
                email: EmailMask::LastFour,
                ..base.clone()
            },
            Policy {
                insider_keywords: vec!["隼".into()],
                ..base.clone()
            },
            Policy {
                allow_test_cards: true,
                ..base.clone()
            },
            Policy {
                media: MediaRule::Block,
                ..base.clone()
            },
            Policy {
                customer_list_at: 20,
                ..base.clone()
            },
            toml::from_str("[[silence]]\nname = 'q3'\nuntil = '2026-11-13'\nkeywords = ['決算']")
                .expect("sound"),
        ];
        for other in others {
            assert_ne!(other.digest(), base.digest());
        }
        assert_eq!(base.digest(), Policy::default().digest());
    }

    #[test]
    fn unknown_settings_and_useless_keywords_are_refused() {
        assert!(toml::from_str::<Policy>("emial = \"last-four\"").is_err());
        let read: Policy = toml::from_str("email = \"last-four\"").expect("sound");
        assert_eq!(read.email, EmailMask::LastFour);
        let short = Policy {
            insider_keywords: vec!["隼".into()],
            ..Policy::default()
        };
        assert_eq!(
            short.check(),
            Err(PolicyError::KeywordTooShort { position: 0 })
        );
    }
}
