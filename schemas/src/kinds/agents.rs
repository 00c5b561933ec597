use crate::{DataClass, Hash, Label, Name, Timestamp};

facts! {
    /// A role agent exists and may authenticate with a token of this digest.
    AgentRegistered {
        agent: Name,
        /// What it is for, as `cfo` or `secretary`.
        role: Name,
        data_class: DataClass,
        /// SHA-256 of the token; the token itself is shown once and kept nowhere.
        token_sha256: Hash,
        /// From then on it opens nothing.
        token_until: Option<Timestamp>,
        model: Option<Label>,
        /// Whose mail and calendar it reads: staff number or handle. Their consent decides.
        person: Option<Name>,
    }
    AgentUpdated {
        agent: Name,
        role: Option<Name>,
        data_class: Option<DataClass>,
        token_sha256: Option<Hash>,
        /// Of the new token; absent: it does not end by itself.
        token_until: Option<Timestamp>,
        model: Option<Label>,
        person: Option<Name>,
    }
    AgentSuspended { agent: Name, reason: AgentReason, }
    AgentReleased { agent: Name, reason: AgentReason, }
    AgentRetired { agent: Name, reason: AgentReason, }
    SessionStarted { agent: Name, client: Option<Label>, policy: Option<Hash>, }
    SessionEnded { agent: Name, reason: SessionEnd, calls: u64, }
}

words! {
    AgentReason { Requested, Incident, Inactive, TokenLeaked, Replaced, Cleared, }
    SessionEnd { Finished, Cleared, Expired, Unknown, }
}
