//! Which decisions count, and what they allow: asked before anything is written, and again by
//! every fold of the log.

use super::signature::SignatureFault;
use super::statement::{SignedDecision, Statement, Verdict};
use super::view::{Approval, Approvals, State};
use schemas::{Actor, EventId, Hash, Label, Timestamp};

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
    #[error(
        "an agent that works for {approver}, or for another user with their key, asked for this \
         approval, or did when it asked, so theirs does not count; ask someone else; you may deny it"
    )]
    ApproverIsBehindAgent { approver: Actor },
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

impl Refused {
    /// Nothing shows that it is the approver who decides.
    pub fn is_unproven(&self) -> bool {
        matches!(
            self,
            Refused::ApproverUnregistered { .. }
                | Refused::ApproverKeyDiffers { .. }
                | Refused::Signature(_)
        )
    }
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

impl Approvals {
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
        if self
            .policy_in_force()
            .is_some_and(|policy| policy != found.policy)
        {
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
        let origin = self.origin().ok_or(Refused::LogWithoutOrigin)?;
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
            (
                "number of approvers",
                statement.approvers_needed == found.approvers_needed,
            ),
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
        if self
            .policy_in_force()
            .is_some_and(|policy| policy != found.policy)
        {
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

        let Some(key) = self.key_of(user) else {
            return Err(Refused::ApproverUnregistered { approver });
        };
        // One key under two names is one person: four eyes need two keys.
        let asking = [&found.requester, &found.asked_by];
        let of_requester = asking.iter().any(|asker| match asker {
            Actor::User(user) => self.key_of(user) == Some(key),
            Actor::Agent(_) | Actor::Service(_) => false,
        });
        if of_requester || found.decisions.iter().any(|d| d.key == *key) {
            return Err(Refused::ApproverKeyShared { approver });
        }
        // Who has an agent ask would else be both of the four eyes. What they deny, nobody does.
        let is_behind = |person| person == user || self.key_of(person) == Some(key);
        if statement.verdict == Verdict::Approve && self.persons_behind(found).any(is_behind) {
            return Err(Refused::ApproverIsBehindAgent { approver });
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
}
