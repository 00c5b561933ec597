//! The projection of approvals: what waits, what was decided, and which decisions count.

use super::signature::{ApproverKey, SignatureFault};
use super::statement::{SignedDecision, Statement, Verdict};
use ledger::{Entry, Projection};
use schemas::kinds::acting::{ApprovalRequested, Subject};
use schemas::{Actor, Data, Event, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name under which `policy.adopted` puts approval rules in force.
pub const POLICY: &str = "approvals";

/// Every approval that the log knows, and the keys of those who may decide.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Approvals {
    origin: Option<Label>,
    policy: Option<Hash>,
    /// From `user.activated`; a deactivated user has no key.
    keys: BTreeMap<Name, Label>,
    approvals: BTreeMap<EventId, Approval>,
}

/// One request and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approval {
    pub approval: EventId,
    pub subject: Subject,
    pub arguments_sha256: Hash,
    pub base_sha256: Option<Hash>,
    pub requester: Actor,
    /// Who wrote the request, which may be another than its requester. May not approve either.
    pub asked_by: Actor,
    pub policy: Hash,
    pub requested: Timestamp,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
    /// Those that count, in the order of the log.
    pub decisions: Vec<Decision>,
    /// `approval.expired` is in the log.
    pub expired: bool,
    /// Positions of decisions in the log that do not count, and why.
    pub refused: Vec<(u64, String)>,
    /// Positions behind this approval.
    pub positions: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub approver: Actor,
    pub key: Label,
    pub verdict: Verdict,
    pub seq: u64,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Requested,
    Granted,
    Denied,
    Expired,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// A line of `daicho approvals list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub approval: EventId,
    pub state: State,
    pub subject: Subject,
    pub requester: Actor,
    pub arguments_sha256: Hash,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_sha256: Option<Hash>,
    pub age_seconds: u64,
    pub deadline: Timestamp,
    pub approvers_needed: u64,
    pub approved_by: Vec<Actor>,
    pub denied_by: Vec<Actor>,
    pub positions: Vec<u64>,
}

/// A decision does not count. The names say on whose side the reason lies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this log does not know approval {approval}; see `daicho approvals list`")]
    RequestUnknown { approval: EventId },
    #[error("approval {approval} is {state} already; ask for a new one")]
    RequestSettled { approval: EventId, state: State },
    #[error("the deadline of approval {approval} was {deadline}; ask for a new one")]
    RequestExpired {
        approval: EventId,
        deadline: Timestamp,
    },
    #[error("approval {approval} was asked under rules that are no longer in force; ask again")]
    RequestUnderOldPolicy { approval: EventId },
    #[error("{approver} asked for this approval and cannot decide on it; ask someone else")]
    ApproverIsRequester { approver: Actor },
    #[error("{approver} is not a user; only a person approves")]
    ApproverNotAPerson { approver: Actor },
    #[error("{approver} has no approver's key in this log; register one with `daicho users`")]
    ApproverUnregistered { approver: Actor },
    #[error("the key is not the one registered for {approver}; sign with that one")]
    ApproverKeyDiffers { approver: Actor },
    #[error("{approver} has decided on approval {approval} already")]
    ApproverRepeats { approval: EventId, approver: Actor },
    #[error("{approver} signs with the key of another user of this approval")]
    ApproverKeyShared { approver: Actor },
    #[error("the entry is written by {writer}, but it states the decision of {approver}")]
    ApproverNotWriter { approver: Actor, writer: Actor },
    #[error("the statement's {field} is not that of approval {approval}")]
    StatementDiffers {
        approval: EventId,
        field: &'static str,
    },
    #[error("this log has no `ledger.created` yet, so no name that a statement can carry")]
    LogWithoutOrigin,
    #[error(transparent)]
    Signature(#[from] SignatureFault),
}

/// What was approved does not cover what is about to be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    #[error("this log does not know approval {approval}; see `daicho approvals list`")]
    Unknown { approval: EventId },
    #[error("approval {approval} is {state}, not granted")]
    Undecided { approval: EventId, state: State },
    #[error("the deadline of approval {approval} was {deadline}; ask for a new one")]
    DeadlinePassed {
        approval: EventId,
        deadline: Timestamp,
    },
    #[error("approval {approval} was given under rules no longer in force; ask again")]
    OldPolicy { approval: EventId },
    #[error("approval {approval} is about another {what}; ask for one about this")]
    Differs {
        approval: EventId,
        what: &'static str,
    },
}

impl Projection for Approvals {
    const NAME: &'static str = "approvals";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &Entry) {
        self.take(entry.seq(), entry.at(), entry.event());
    }
}

impl Approval {
    pub fn state(&self, now: Timestamp) -> State {
        let count = |verdict| self.decisions.iter().filter(move |d| d.verdict == verdict);
        if count(Verdict::Deny).next().is_some() {
            State::Denied
        } else if count(Verdict::Approve).count() as u64 >= self.approvers_needed {
            State::Granted
        } else if self.expired || now > self.deadline {
            State::Expired
        } else {
            State::Requested
        }
    }

    fn row(&self, now: Timestamp) -> Row {
        let by = |verdict| {
            let decisions = self.decisions.iter().filter(move |d| d.verdict == verdict);
            decisions.map(|d| d.approver.clone()).collect()
        };
        let age_micros = now.micros().saturating_sub(self.requested.micros());
        Row {
            approval: self.approval,
            state: self.state(now),
            subject: self.subject.clone(),
            requester: self.requester.clone(),
            arguments_sha256: self.arguments_sha256,
            base_sha256: self.base_sha256,
            age_seconds: u64::try_from(age_micros).unwrap_or(0) / 1_000_000,
            deadline: self.deadline,
            approvers_needed: self.approvers_needed,
            approved_by: by(Verdict::Approve),
            denied_by: by(Verdict::Deny),
            positions: self.positions.clone(),
        }
    }
}

impl Approvals {
    pub fn find(&self, approval: EventId) -> Option<&Approval> {
        self.approvals.get(&approval)
    }

    pub fn all(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.values()
    }

    /// Oldest request first; `None` for every state.
    pub fn rows(&self, state: Option<State>, now: Timestamp) -> Vec<Row> {
        let mut rows: Vec<Row> = self.all().map(|approval| approval.row(now)).collect();
        rows.retain(|row| state.is_none_or(|state| row.state == state));
        rows.sort_by_key(|row| row.positions.first().copied());
        rows
    }

    /// The log's own name, which every statement carries.
    pub fn origin(&self) -> Option<&Label> {
        self.origin.as_ref()
    }

    pub fn policy_in_force(&self) -> Option<Hash> {
        self.policy
    }

    /// The key that `user.activated` registered for this user.
    pub fn key_of(&self, user: &Name) -> Option<&Label> {
        self.keys.get(user)
    }

    /// Is exactly this allowed now? Whoever acts asks this last, with what it is about to do.
    pub fn is_granted(
        &self,
        approval: EventId,
        subject: EventId,
        arguments_sha256: Hash,
        base_sha256: Option<Hash>,
        now: Timestamp,
    ) -> Result<&Approval, NotGranted> {
        let found = self.was_granted(approval, subject, arguments_sha256, base_sha256, now)?;
        if self.policy.is_some_and(|policy| policy != found.policy) {
            return Err(NotGranted::OldPolicy { approval });
        }
        Ok(found)
    }

    /// Was exactly this allowed at that time, under the rules of that time?
    pub fn was_granted(
        &self,
        approval: EventId,
        subject: EventId,
        arguments_sha256: Hash,
        base_sha256: Option<Hash>,
        at: Timestamp,
    ) -> Result<&Approval, NotGranted> {
        let found = self.find(approval);
        let found = found.ok_or(NotGranted::Unknown { approval })?;
        let differs = |what| Err(NotGranted::Differs { approval, what });
        if found.subject.id != subject {
            return differs("subject");
        }
        if found.arguments_sha256 != arguments_sha256 {
            return differs("digest of arguments");
        }
        if found.base_sha256 != base_sha256 {
            return differs("base");
        }
        match found.state(at) {
            State::Granted => {}
            state => return Err(NotGranted::Undecided { approval, state }),
        }
        if at > found.deadline {
            let deadline = found.deadline;
            return Err(NotGranted::DeadlinePassed { approval, deadline });
        }
        Ok(found)
    }

    /// Everything that can be asked before there is a signature.
    pub fn may_decide(&self, statement: &Statement, now: Timestamp) -> Result<&Label, Refused> {
        let approval = statement.approval;
        let found = self.find(approval);
        let found = found.ok_or(Refused::RequestUnknown { approval })?;
        let origin = self.origin.as_ref().ok_or(Refused::LogWithoutOrigin)?;
        let same = [
            ("origin", *origin == statement.origin),
            ("subject", found.subject == statement.subject),
            (
                "arguments digest",
                found.arguments_sha256 == statement.arguments_sha256,
            ),
            ("base digest", found.base_sha256 == statement.base_sha256),
            ("policy", found.policy == statement.policy),
            ("requester", found.requester == statement.requester),
            ("deadline", found.deadline == statement.deadline),
        ];
        if let Some((field, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(Refused::StatementDiffers { approval, field });
        }

        let approver = statement.approver.clone();
        let Actor::User(user) = &approver else {
            return Err(Refused::ApproverNotAPerson { approver });
        };
        if approver == found.requester || approver == found.asked_by {
            return Err(Refused::ApproverIsRequester { approver });
        }
        if found.decisions.iter().any(|d| d.approver == approver) {
            return Err(Refused::ApproverRepeats { approval, approver });
        }
        if self.policy.is_some_and(|policy| policy != found.policy) {
            return Err(Refused::RequestUnderOldPolicy { approval });
        }
        match found.state(now) {
            State::Requested => {}
            State::Expired => {
                let deadline = found.deadline;
                return Err(Refused::RequestExpired { approval, deadline });
            }
            state => return Err(Refused::RequestSettled { approval, state }),
        }

        let Some(key) = self.keys.get(user) else {
            return Err(Refused::ApproverUnregistered { approver });
        };
        // One key under two names is one person: four eyes need two keys.
        let asking = [&found.requester, &found.asked_by];
        let of_requester = asking.iter().any(|asker| match asker {
            Actor::User(user) => self.keys.get(user) == Some(key),
            Actor::Agent(_) | Actor::Service(_) => false,
        });
        if of_requester || found.decisions.iter().any(|d| d.key == *key) {
            return Err(Refused::ApproverKeyShared { approver });
        }
        Ok(key)
    }

    /// Does this decision count, written by this actor at this time?
    pub fn counts(
        &self,
        signed: &SignedDecision,
        writer: &Actor,
        at: Timestamp,
    ) -> Result<(), Refused> {
        let approver = signed.statement.approver.clone();
        let registered = self.may_decide(&signed.statement, at)?;
        if *writer != approver {
            let writer = writer.clone();
            return Err(Refused::ApproverNotWriter { approver, writer });
        }
        if *registered != signed.approver_key {
            return Err(Refused::ApproverKeyDiffers { approver });
        }
        signed.verify()?;
        Ok(())
    }

    /// Takes in one event at its place in the log.
    pub(crate) fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match &event.data {
            Data::LedgerCreated(created) => {
                self.origin.get_or_insert_with(|| created.origin.clone());
            }
            Data::PolicyAdopted(adopted) if adopted.policy.as_str() == POLICY => {
                self.policy = Some(adopted.digest);
            }
            Data::UserActivated(activated) => {
                // A key that could not sign an approval is no key, and takes the old one away.
                let key = activated.approver_key.as_ref();
                let key = key.and_then(|key| ApproverKey::parse(key.as_str()).ok());
                match key {
                    Some(key) => self
                        .keys
                        .insert(activated.user.clone(), key.label().clone()),
                    None => self.keys.remove(&activated.user),
                };
            }
            Data::UserDeactivated(deactivated) => {
                self.keys.remove(&deactivated.user);
            }
            Data::ApprovalRequested(requested) => self.request(seq, at, event, requested),
            Data::ApprovalGranted(_) | Data::ApprovalDenied(_) => self.decision(seq, at, event),
            Data::ApprovalExpired(expired) => {
                if let Some(approval) = self.approvals.get_mut(&expired.approval) {
                    approval.positions.push(seq);
                    // Nobody can end another's approval early by saying that it is over.
                    approval.expired |= at > approval.deadline;
                }
            }
            _ => {}
        }
    }

    fn request(&mut self, seq: u64, at: Timestamp, event: &Event, asked: &ApprovalRequested) {
        // The first request has the id; a second one with other arguments changes nothing.
        let request = Approval {
            approval: asked.approval,
            subject: asked.subject.clone(),
            arguments_sha256: asked.arguments_sha256,
            base_sha256: asked.base_sha256,
            requester: asked.requester.clone(),
            asked_by: event.actor.clone(),
            policy: asked.policy,
            requested: at,
            deadline: asked.deadline,
            // Zero would be granted before anyone looked.
            approvers_needed: asked.approvers_needed.max(1),
            decisions: Vec::new(),
            expired: false,
            refused: Vec::new(),
            positions: vec![seq],
        };
        self.approvals.entry(asked.approval).or_insert(request);
    }

    fn decision(&mut self, seq: u64, at: Timestamp, event: &Event) {
        let Some(signed) = SignedDecision::of(&event.data) else {
            return;
        };
        let counts = self.counts(&signed, &event.actor, at);
        let Some(approval) = self.approvals.get_mut(&signed.statement.approval) else {
            return;
        };
        approval.positions.push(seq);
        match counts {
            Ok(()) => approval.decisions.push(Decision {
                approver: signed.statement.approver,
                key: signed.approver_key,
                verdict: signed.statement.verdict,
                seq,
                at,
            }),
            Err(reason) => approval.refused.push((seq, reason.to_string())),
        }
    }
}
