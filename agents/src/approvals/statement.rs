//! What an approver signs: a short text that a person can read before signing.
//!
//! ```text
//! daicho approval v2
//! origin: ledger.example/main
//! approval: 0198d2f0-0000-7000-8000-000000000001
//! decision: approve
//! subject: patch 0198d2f0-0000-7000-8000-000000000002
//! name: -
//! arguments-sha256: <64 hex>
//! base-sha256: <64 hex>
//! policy-sha256: <64 hex>
//! requester: agent:fixer
//! approver: user:1042
//! deadline: 2026-11-23T00:00:00.000000Z
//! approvers-needed: 2
//! ```
//! UTF-8, these thirteen lines in this order, each ended by LF; `-` where there is nothing to
//! say. How many are needed is what was asked, and stays so; how many have approved before this one
//! is not for the statement to say, for two may sign at once: the fold of the log counts them. No
//! value can hold a line end, so no value can pose as another line. Every value is a field of
//! `approval.granted` or `approval.denied`, and the decision is the entry's kind:
//! whoever holds the entry can write the signed bytes again.

use super::signature::ApproverKey;
use schemas::kinds::acting::{
    ApprovalDenied, ApprovalGranted, SignatureText, Subject, SubjectKind,
};
use schemas::{Actor, Data, EventId, Hash, Label, Timestamp};
use std::fmt::Display;

const FIRST_LINE: &str = "daicho approval v2";
const NOTHING: &str = "-";

/// Which way an approver decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approve,
    Deny,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Approve => "approve",
            Verdict::Deny => "deny",
        }
    }
}

/// One approver's decision on one action with exactly these arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub origin: Label,
    pub approval: EventId,
    pub verdict: Verdict,
    pub subject: Subject,
    pub arguments_sha256: Hash,
    pub base_sha256: Option<Hash>,
    pub policy: Hash,
    pub requester: Actor,
    pub approver: Actor,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
}

/// Why a text is not a statement. Lines are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the statement must be `{expected}`")]
pub struct StatementFault {
    pub line: usize,
    pub expected: &'static str,
}

impl Statement {
    /// The bytes that the signature covers.
    pub fn text(&self) -> String {
        let base = self.base_sha256.map(|hash| hash.to_string());
        let name = self.subject.name.as_ref().map(|name| name.as_str());
        format!(
            "{FIRST_LINE}\norigin: {}\napproval: {}\ndecision: {}\nsubject: {} {}\nname: {}\n\
             arguments-sha256: {}\nbase-sha256: {}\npolicy-sha256: {}\nrequester: {}\n\
             approver: {}\ndeadline: {}\napprovers-needed: {}\n",
            self.origin,
            self.approval,
            self.verdict.as_str(),
            self.subject.kind,
            self.subject.id,
            name.unwrap_or(NOTHING),
            self.arguments_sha256,
            base.as_deref().unwrap_or(NOTHING),
            self.policy,
            self.requester,
            self.approver,
            self.deadline,
            self.approvers_needed,
        )
    }

    pub fn sha256(&self) -> Hash {
        crate::once::sha256(self.text().as_bytes())
    }

    /// Reads a statement and insists on its one form.
    pub fn parse(text: &str) -> Result<Statement, StatementFault> {
        let mut lines = Lines { text, line: 0 };
        if lines.next(FIRST_LINE)? != FIRST_LINE {
            return Err(lines.fault(FIRST_LINE));
        }
        let origin = lines.value("origin: ", "origin: <the log's name>")?;
        let approval = lines.value("approval: ", "approval: <id>")?;
        let verdict = match lines.rest("decision: ", "decision: approve, or deny")? {
            "approve" => Verdict::Approve,
            "deny" => Verdict::Deny,
            _ => return Err(lines.fault("decision: approve, or deny")),
        };
        let subject_line = "subject: <kind> <id>";
        let (kind, id) = lines
            .rest("subject: ", subject_line)?
            .split_once(' ')
            .ok_or(lines.fault(subject_line))?;
        let kind = SubjectKind::ALL.iter().find(|k| k.to_string() == kind);
        let kind = *kind.ok_or(lines.fault(subject_line))?;
        let id = id.parse().map_err(|_| lines.fault(subject_line))?;
        let name = lines.optional("name: ", "name: <name>, or -")?;
        let statement = Statement {
            origin,
            approval,
            verdict,
            subject: Subject { kind, id, name },
            arguments_sha256: lines.value("arguments-sha256: ", "arguments-sha256: <64 hex>")?,
            base_sha256: lines.optional("base-sha256: ", "base-sha256: <64 hex>, or -")?,
            policy: lines.value("policy-sha256: ", "policy-sha256: <64 hex>")?,
            requester: lines.value("requester: ", "requester: <actor>")?,
            approver: lines.value("approver: ", "approver: <actor>")?,
            deadline: lines.value("deadline: ", "deadline: <time>")?,
            approvers_needed: lines.value("approvers-needed: ", "approvers-needed: <number>")?,
        };
        match lines.text {
            "" => Ok(statement),
            _ => Err(StatementFault {
                line: lines.line + 1,
                expected: "the end",
            }),
        }
    }

    /// The statement that an entry's signature must cover; `None` for other kinds.
    pub fn of(data: &Data) -> Option<Statement> {
        SignedDecision::of(data).map(|signed| signed.statement)
    }

    /// The entry's data, once the approver has signed.
    pub(super) fn signed(self, key: &ApproverKey, signature: SignatureText) -> Data {
        let statement_sha256 = self.sha256();
        let approver_key = key.label().clone();
        match self.verdict {
            Verdict::Approve => ApprovalGranted {
                origin: self.origin,
                approval: self.approval,
                subject: self.subject,
                arguments_sha256: self.arguments_sha256,
                base_sha256: self.base_sha256,
                policy: self.policy,
                requester: self.requester,
                deadline: self.deadline,
                approvers_needed: self.approvers_needed,
                approver: self.approver,
                approver_key,
                statement_sha256,
                signature,
            }
            .into(),
            Verdict::Deny => ApprovalDenied {
                origin: self.origin,
                approval: self.approval,
                subject: self.subject,
                arguments_sha256: self.arguments_sha256,
                base_sha256: self.base_sha256,
                policy: self.policy,
                requester: self.requester,
                deadline: self.deadline,
                approvers_needed: self.approvers_needed,
                approver: self.approver,
                approver_key,
                statement_sha256,
                signature,
            }
            .into(),
        }
    }
}

/// What a grant and a denial have in common: a statement, and the signature under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDecision {
    pub statement: Statement,
    /// What the entry claims; it must be the digest of the statement's text.
    pub statement_sha256: Hash,
    pub approver_key: Label,
    pub signature: SignatureText,
}

impl SignedDecision {
    pub fn of(data: &Data) -> Option<SignedDecision> {
        macro_rules! signed {
            ($data:ident, $verdict:ident) => {
                SignedDecision {
                    statement: Statement {
                        origin: $data.origin.clone(),
                        approval: $data.approval,
                        verdict: Verdict::$verdict,
                        subject: $data.subject.clone(),
                        arguments_sha256: $data.arguments_sha256,
                        base_sha256: $data.base_sha256,
                        policy: $data.policy,
                        requester: $data.requester.clone(),
                        approver: $data.approver.clone(),
                        deadline: $data.deadline,
                        approvers_needed: $data.approvers_needed,
                    },
                    statement_sha256: $data.statement_sha256,
                    approver_key: $data.approver_key.clone(),
                    signature: $data.signature.clone(),
                }
            };
        }
        match data {
            Data::ApprovalGranted(granted) => Some(signed!(granted, Approve)),
            Data::ApprovalDenied(denied) => Some(signed!(denied, Deny)),
            _ => None,
        }
    }
}

/// The lines still to be read, and the number of the one read last.
struct Lines<'t> {
    text: &'t str,
    line: usize,
}

impl<'t> Lines<'t> {
    fn fault(&self, expected: &'static str) -> StatementFault {
        StatementFault {
            line: self.line,
            expected,
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<&'t str, StatementFault> {
        self.line += 1;
        let (line, rest) = self.text.split_once('\n').ok_or(self.fault(expected))?;
        self.text = rest;
        Ok(line)
    }

    fn rest(&mut self, key: &str, expected: &'static str) -> Result<&'t str, StatementFault> {
        let line = self.next(expected)?;
        line.strip_prefix(key).ok_or(self.fault(expected))
    }

    /// A value whose own text is the one in the line: another spelling would be other bytes.
    fn value<T: std::str::FromStr + Display>(
        &mut self,
        key: &str,
        expected: &'static str,
    ) -> Result<T, StatementFault> {
        let text = self.rest(key, expected)?;
        let value: T = text.parse().map_err(|_| self.fault(expected))?;
        (value.to_string() == text)
            .then_some(value)
            .ok_or(self.fault(expected))
    }

    fn optional<T: std::str::FromStr + Display>(
        &mut self,
        key: &str,
        expected: &'static str,
    ) -> Result<Option<T>, StatementFault> {
        if self.text.split('\n').next() == Some(&format!("{key}{NOTHING}")) {
            self.next(expected)?;
            return Ok(None);
        }
        self.value(key, expected).map(Some)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn statement() -> Statement {
        let id = |n: u8| EventId::derived(Hash([n; 32]));
        Statement {
            origin: "ledger.example/main".parse().unwrap(),
            approval: id(1),
            verdict: Verdict::Approve,
            subject: Subject {
                kind: SubjectKind::Patch,
                id: id(2),
                name: None,
            },
            arguments_sha256: Hash([3; 32]),
            base_sha256: Some(Hash([4; 32])),
            policy: Hash([5; 32]),
            requester: "agent:fixer".parse().unwrap(),
            approver: "user:1042".parse().unwrap(),
            deadline: "2026-11-23T00:00:00.000000Z".parse().unwrap(),
            approvers_needed: 2,
        }
    }

    #[test]
    fn a_statement_that_does_not_say_how_many_are_needed_is_none() {
        let text = statement().text().replace("approvers-needed: 2\n", "");
        for first in [FIRST_LINE, "daicho approval v1"] {
            let text = text.replace(FIRST_LINE, first);
            assert!(Statement::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_statement_is_a_text_that_a_person_can_read() {
        insta::assert_snapshot!(statement().text());
    }

    #[test]
    fn a_line_changed_added_or_left_out_is_no_statement_or_another_one() {
        let text = statement().text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for gone in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(gone);
            let fault = Statement::parse(&fewer.concat()).unwrap_err();
            assert!(fault.line >= gone, "{fault}");
        }
        for wrong in [
            format!("{text}\n"),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            text.replace("name: -", "name: --"),
            text.replace("patch ", "patch  "),
            text.replace("needed: 2", "needed: 02"),
            text.replace("v2", "v1"),
            text.replace("v2", "v3"),
        ] {
            assert!(Statement::parse(&wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_statement_is_read_back_exactly(
            origin in "[a-z.+/ 日-]{1,40}", name in proptest::option::of("[a-z0-9][a-z0-9._-]{0,20}"),
            bytes in any::<[u8; 32]>(), base in proptest::option::of(any::<[u8; 32]>()),
            deny in any::<bool>(), needed in any::<u64>(), micros in 0i64..4_000_000_000_000_000,
        ) {
            let mut stated = statement();
            stated.origin = origin.parse().unwrap();
            stated.subject.name = name.map(|n| n.parse().unwrap());
            stated.arguments_sha256 = Hash(bytes);
            stated.base_sha256 = base.map(Hash);
            stated.verdict = if deny { Verdict::Deny } else { Verdict::Approve };
            stated.deadline = Timestamp::from_micros(micros);
            stated.approvers_needed = needed;
            prop_assert_eq!(Statement::parse(&stated.text()), Ok(stated));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*", cut in 0usize..700) {
            let _ = Statement::parse(&text);
            let mut sound = statement().text();
            sound.truncate(cut);
            let _ = Statement::parse(&sound);
        }
    }
}
