use crate::{Actor, EventId, Hash, Label, Name, Timestamp};

facts! {
    /// An outward action stopped as a draft. Content `arguments`: what it would do.
    ActionDrafted {
        action: EventId,
        tool: Label,
        arguments_sha256: Hash,
        policy: Option<Hash>,
    }
    /// Someone must decide on exactly this digest until the deadline.
    ApprovalRequested {
        approval: EventId,
        subject: Subject,
        /// Digest of the canonical arguments, or of the patch.
        arguments_sha256: Hash,
        /// What the arguments apply to: for a patch the digest of its base, for an erasure that of its keys.
        base_sha256: Option<Hash>,
        requester: Actor,
        policy: Hash,
        deadline: Timestamp,
        approvers_needed: u64,
    }
    /// Signed by the approver's own key over the statement, whose every line is a field of
    /// this entry: it can be written again, and checked, from the entry alone.
    ApprovalGranted {
        /// The log's own name (`ledger.created`), so that no other log can take the decision.
        origin: Label,
        approval: EventId,
        subject: Subject,
        arguments_sha256: Hash,
        base_sha256: Option<Hash>,
        policy: Hash,
        requester: Actor,
        deadline: Timestamp,
        /// As asked.
        approvers_needed: u64,
        approver: Actor,
        /// OpenSSH public key, `ssh-ed25519 AAAA…`.
        approver_key: Label,
        /// SHA-256 of the statement whose text the signature covers; it follows from these fields.
        statement_sha256: Hash,
        /// OpenSSH signature (PROTOCOL.sshsig), base64 without armour.
        signature: SignatureText,
    }
    /// As a grant, with the opposite word in the statement.
    ApprovalDenied {
        origin: Label,
        approval: EventId,
        subject: Subject,
        arguments_sha256: Hash,
        base_sha256: Option<Hash>,
        policy: Hash,
        requester: Actor,
        deadline: Timestamp,
        approvers_needed: u64,
        approver: Actor,
        approver_key: Label,
        statement_sha256: Hash,
        signature: SignatureText,
    }
    ApprovalExpired { approval: EventId, deadline: Timestamp, }
    /// Approvers were told that it waits for them, or could not be and nobody goes on trying.
    ApprovalNotified { approval: EventId, channel: NotifyChannel, outcome: NotifyOutcome, attempts: u64, }
    /// A granted action was let go, once: the event's id follows from the approval.
    ActionReleased {
        action: EventId,
        approval: EventId,
        arguments_sha256: Hash,
        tool_use: Option<Label>,
        /// The call that asked, as `hook.reported` names it: the same asked twice at once is two
        /// calls, of which the log takes one.
        hook: Option<EventId>,
    }
    ActionExecuted { action: EventId, approval: EventId, arguments_sha256: Hash, result_sha256: Option<Hash>, }
    ActionFailed { action: EventId, approval: Option<EventId>, reason: ActionFailure, }
    /// What an approval is about.
    Subject { kind: SubjectKind, id: EventId, name: Option<Name>, }
}

words! {
    NotifyChannel { Webhook, Command, }
    NotifyOutcome {
        /// The other side took it.
        Delivered,
        GivenUp,
    }
    SubjectKind { Action, Patch, Policy, Retention, Hold, Erasure, Phase, }
    ActionFailure { ToolFailed, ApprovalMissing, ArgumentsChanged, DeadlinePassed, Unknown, }
}

/// A signature's text: longer than a label, still bounded.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct SignatureText(#[schemars(length(min = 1, max = 1024))] String);

impl SignatureText {
    /// Base64 text of 1 to 1,024 bytes.
    pub fn new(text: String) -> Option<SignatureText> {
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        ((1..=1024).contains(&text.len()) && text.bytes().all(base64))
            .then_some(SignatureText(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SignatureText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        SignatureText::new(text).ok_or_else(|| {
            serde::de::Error::custom("a signature must be 1 to 1024 bytes of base64")
        })
    }
}
