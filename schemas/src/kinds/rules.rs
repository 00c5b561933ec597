use crate::{Class, EventId, Hash, Label, Name, Period};
use std::collections::BTreeMap;

facts! {
    /// Rules in force from here on. Content `policy`: the text.
    PolicyAdopted {
        policy: Name,
        digest: Hash,
        previous: Option<Hash>,
        approvals: Vec<EventId>,
        /// Of the policy `retention`: how long each class is kept. In clear, so that every
        /// bucket's due date follows from the log alone.
        periods: Option<BTreeMap<Class, Period>>,
        /// Of the same: classes that a law or rule asks to keep whatever anybody requests, and which.
        must_keep: Option<BTreeMap<Class, Label>>,
    }
    VendorReviewed { vendor: Name, outcome: ReviewOutcome, country: Option<Label>, report_sha256: Option<Hash>, }
    RiskAssessed { risk: Name, level: super::scanner::Severity, accepted: bool, }
    PhaseRequested { phase: Name, criteria_sha256: Hash, }
    PhaseApproved { phase: Name, approval: EventId, }
    RuleViolated { rule: Name, call: Option<EventId>, position: Option<u64>, count: u64, }
}

words! {
    ReviewOutcome { Accepted, Conditional, Refused, }
}
