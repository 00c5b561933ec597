//! C2SP tlog-policy: which logs, which witnesses, and how many of them make a quorum.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> any|all|<k> <member>…
//! quorum <name>|none
//! # a comment has a line of its own
//! ```

use super::cosignature::CosignerKey;
use crate::note::{KeyError, Note, VerifierKey};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// C2SP tlog-policy asks for at least 32 of each.
const MAX_ITEMS: usize = 256;

const MAX_BYTES: usize = 256 << 10;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("line {line}: more than {MAX_ITEMS} logs, witnesses or groups")]
    TooMany { line: usize },
    #[error("line {line}: a control character; of those a policy has line feeds and tabs only")]
    Control { line: usize },
    #[error("line {line}: a line is log, witness, group or quorum, with its own fields")]
    Malformed { line: usize },
    #[error("line {line}: the key is not sound")]
    Key {
        line: usize,
        #[source]
        source: KeyError,
    },
    #[error("line {line}: this key is in the policy already")]
    DuplicateKey { line: usize },
    #[error("line {line}: this name is taken; `none` always is")]
    DuplicateName { line: usize },
    #[error("line {line}: a member is no witness or group of the lines before")]
    UnknownName { line: usize },
    #[error("line {line}: a witness or group is a member of one group, once")]
    MemberTwice { line: usize },
    #[error("line {line}: a group asks for any, all or a number from 1 to that of its members")]
    Threshold { line: usize },
    #[error("line {line}: a policy has one quorum")]
    SecondQuorum { line: usize },
    #[error("the policy names no quorum; `quorum none` asks for no witness")]
    NoQuorum,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    pub key: VerifierKey,
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    pub name: String,
    pub key: CosignerKey,
    pub url: Option<String>,
}

/// What can be counted: places in the lists of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Witness(usize),
    Group(usize),
}

#[derive(Debug, Clone)]
pub struct Policy {
    pub logs: Vec<PolicyLog>,
    pub witnesses: Vec<PolicyWitness>,
    /// Members stand before their group, so counting ends.
    groups: Vec<(usize, Vec<Part>)>,
    quorum: Option<Part>,
}

impl Policy {
    /// The witnesses whose cosignatures on the note hold, with their times.
    pub fn cosigned(&self, note: &Note<'_>) -> Vec<(&PolicyWitness, u64)> {
        let seen = |w: &PolicyWitness| w.key.cosigned(note).ok().flatten();
        self.witnesses
            .iter()
            .filter_map(|witness| Some((witness, seen(witness)?)))
            .collect()
    }

    /// Do the witnesses on the note make a quorum? A cosignature that does not hold is none.
    /// The log's own signature is another question.
    pub fn has_quorum(&self, note: &Note<'_>) -> bool {
        let Some(quorum) = self.quorum else {
            return true;
        };
        let holds = |w: &PolicyWitness| matches!(w.key.cosigned(note), Ok(Some(_)));
        let witnesses: Vec<bool> = self.witnesses.iter().map(holds).collect();
        let mut groups: Vec<bool> = Vec::new();
        let met = |part: &Part, groups: &[bool]| match part {
            Part::Witness(at) => witnesses[*at],
            Part::Group(at) => groups[*at],
        };
        for (needed, members) in &self.groups {
            let count = members.iter().filter(|part| met(part, &groups)).count();
            groups.push(count >= *needed);
        }
        met(&quorum, &groups)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;
    fn from_str(text: &str) -> Result<Policy, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::TooLong);
        }
        let mut reading = Reading::default();
        for (line, text) in (1..).zip(text.split('\n')) {
            if text.chars().any(|c| c != '\t' && c.is_ascii_control()) {
                return Err(PolicyError::Control { line });
            }
            let fields = text.split([' ', '\t']).filter(|field| !field.is_empty());
            let fields: Vec<&str> = fields.collect();
            let comment = fields.first().is_some_and(|first| first.starts_with('#'));
            if !fields.is_empty() && !comment {
                reading.take(line, &fields)?;
            }
        }
        Ok(Policy {
            quorum: reading.quorum.ok_or(PolicyError::NoQuorum)?,
            logs: reading.logs,
            witnesses: reading.witnesses,
            groups: reading.groups,
        })
    }
}

#[derive(Default)]
struct Reading {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<(usize, Vec<Part>)>,
    quorum: Option<Option<Part>>,
    names: HashMap<String, Part>,
    /// Raw keys: two names for one key would count one witness twice.
    keys: HashSet<[u8; 32]>,
    members: HashSet<Part>,
}

impl Reading {
    fn take(&mut self, line: usize, fields: &[&str]) -> Result<(), PolicyError> {
        let url = |url: Option<&&str>| url.map(|url| (*url).to_owned());
        match fields {
            ["log", key, rest @ ..] if rest.len() < 2 => {
                let key: VerifierKey = key
                    .parse()
                    .map_err(|source| PolicyError::Key { line, source })?;
                self.add_key(line, *key.public().as_bytes())?;
                let url = url(rest.first());
                self.logs.push(PolicyLog { key, url });
                room(line, self.logs.len())
            }
            ["witness", name, key, rest @ ..] if rest.len() < 2 => {
                let key: CosignerKey = key
                    .parse()
                    .map_err(|source| PolicyError::Key { line, source })?;
                self.add_key(line, *key.bytes())?;
                self.add_name(line, name, Part::Witness(self.witnesses.len()))?;
                self.witnesses.push(PolicyWitness {
                    name: (*name).to_owned(),
                    key,
                    url: url(rest.first()),
                });
                room(line, self.witnesses.len())
            }
            ["group", name, needed, members @ ..] if !members.is_empty() => {
                room(line, members.len())?;
                let parts = members
                    .iter()
                    .map(|member| self.part(line, member))
                    .collect::<Result<Vec<_>, _>>()?;
                if !parts.iter().all(|part| self.members.insert(*part)) {
                    return Err(PolicyError::MemberTwice { line });
                }
                let needed = match *needed {
                    "any" => 1,
                    "all" => parts.len(),
                    // One form only: `+2` and `02` are no numbers here.
                    count => (1..=parts.len())
                        .find(|n| n.to_string() == count)
                        .ok_or(PolicyError::Threshold { line })?,
                };
                self.add_name(line, name, Part::Group(self.groups.len()))?;
                self.groups.push((needed, parts));
                room(line, self.groups.len())
            }
            ["quorum", name] => {
                if self.quorum.is_some() {
                    return Err(PolicyError::SecondQuorum { line });
                }
                let none = *name == "none";
                self.quorum = Some(if none {
                    None
                } else {
                    Some(self.part(line, name)?)
                });
                Ok(())
            }
            _ => Err(PolicyError::Malformed { line }),
        }
    }

    fn part(&self, line: usize, name: &str) -> Result<Part, PolicyError> {
        let part = self.names.get(name).copied();
        part.ok_or(PolicyError::UnknownName { line })
    }

    fn add_key(&mut self, line: usize, key: [u8; 32]) -> Result<(), PolicyError> {
        let new = self.keys.insert(key);
        new.then_some(()).ok_or(PolicyError::DuplicateKey { line })
    }

    fn add_name(&mut self, line: usize, name: &str, part: Part) -> Result<(), PolicyError> {
        if name == "none" || self.names.insert(name.to_owned(), part).is_some() {
            return Err(PolicyError::DuplicateName { line });
        }
        Ok(())
    }
}

fn room(line: usize, count: usize) -> Result<(), PolicyError> {
    let fits = count <= MAX_ITEMS;
    fits.then_some(()).ok_or(PolicyError::TooMany { line })
}

#[cfg(test)]
mod tests {
    use super::super::Cosigner;
    use super::*;
    use proptest::prelude::*;

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::from_seed(&format!("w.example/{seed}"), &[seed; 32]).expect("a name")
    }

    #[test]
    fn a_quorum_counts_through_groups() {
        let [a, b, c] = [1, 2, 3].map(cosigner);
        let text = format!(
            "# the parent's\nwitness a {} http://a/#1\n\twitness\tb  {} \nwitness #c {}\n\
             group two 2 a b\n \t# either\ngroup top any two #c\nquorum top",
            a.key(),
            b.key(),
            c.key()
        );
        let policy: Policy = text.parse().expect("a policy");
        assert_eq!(policy.witnesses[0].url.as_deref(), Some("http://a/#1"));
        let checkpoint = "o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        for (signers, met) in [
            (vec![&a], false),
            (vec![&a, &a], false),
            (vec![&a, &b], true),
            (vec![&c], true),
        ] {
            let lines: String = signers.iter().map(|s| s.cosign(checkpoint, 5)).collect();
            let note = format!("{checkpoint}\n{lines}");
            let note = Note::parse(note.as_bytes()).expect("a note");
            assert_eq!(policy.has_quorum(&note), met);
        }
        let forged = format!("{checkpoint}\n{}", c.cosign("another text\n", 5));
        assert!(!policy.has_quorum(&Note::parse(forged.as_bytes()).expect("a note")));
    }

    #[test]
    fn each_wrong_policy_is_refused_for_its_own_reason() {
        let (a, b) = (cosigner(1), cosigner(2));
        let two = format!("witness a {}\nwitness b {}\n", a.key(), b.key());
        let line = 3;
        for (more, error) in [
            ("", PolicyError::NoQuorum),
            ("quorum", PolicyError::Malformed { line }),
            ("witnes x y", PolicyError::Malformed { line }),
            ("quorum a # one", PolicyError::Malformed { line }),
            // No white space but space and tab: a Windows line end, a form feed, a wide space.
            ("quorum a\r", PolicyError::Control { line }),
            ("quorum\u{c}a", PolicyError::Control { line }),
            ("# a\u{7f}", PolicyError::Control { line }),
            ("quorum\u{3000}a", PolicyError::Malformed { line }),
            ("quorum c", PolicyError::UnknownName { line }),
            ("group g any c", PolicyError::UnknownName { line }),
            ("group g 3 a b", PolicyError::Threshold { line }),
            ("group g 0 a b", PolicyError::Threshold { line }),
            ("group g 01 a b", PolicyError::Threshold { line }),
            ("group a any b", PolicyError::DuplicateName { line }),
            ("group none any b", PolicyError::DuplicateName { line }),
            ("group g any a a", PolicyError::MemberTwice { line }),
            (
                &format!("witness c {}", a.key()),
                PolicyError::DuplicateKey { line },
            ),
            (
                "quorum none\nquorum none",
                PolicyError::SecondQuorum { line: 4 },
            ),
        ] {
            let parsed = format!("{two}{more}\n").parse::<Policy>();
            assert_eq!(parsed.err(), Some(error), "{more}");
        }
        let key = "witness a b\nquorum none".parse::<Policy>();
        assert!(matches!(key, Err(PolicyError::Key { line: 1, .. })));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "((log|witness|group|quorum|any|none|a|1|\n| |.){0,4} ?){0,30}") {
            let _ = text.parse::<Policy>();
        }
    }
}
