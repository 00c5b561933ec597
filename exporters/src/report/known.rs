//! What other readers of the log conclude by rules that this crate does not know: which decisions
//! count, in which state a finding is, what a model costs. All as of the end of the report's period.

use super::facts::Moment;
use schemas::{EventId, Hash, Timestamp};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The oldest request first.
    pub approvals: Vec<Approval>,
    pub findings: Vec<Finding>,
    pub prices: Prices,
}

/// A request, and the decisions on it that count.
#[derive(Debug, Clone)]
pub struct Approval {
    pub approval: EventId,
    /// What it is about: `action`, `patch`, `policy`, `retention`, `hold`, `phase`.
    pub subject: String,
    pub requester: String,
    pub requested: Moment,
    pub deadline: Timestamp,
    pub needed: u64,
    /// `requested`, `granted`, `denied`, `expired`.
    pub state: &'static str,
    /// The decision by which it was granted or denied.
    pub answered: Option<Moment>,
    pub decisions: Vec<Decision>,
    /// Where what it allows was done.
    pub used: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct Decision {
    pub approver: String,
    pub approves: bool,
    pub moment: Moment,
}

#[derive(Debug, Clone)]
pub struct Finding {
    pub finding: EventId,
    /// `critical` … `info`.
    pub severity: String,
    /// `open`, `verified`, `refuted`, `suppressed`, `closed`, `reopened`.
    pub state: &'static str,
    /// Somebody still has to do something about it.
    pub live: bool,
    /// Every entry that tells of it.
    pub positions: Vec<u64>,
}

/// What models cost, as the limits that are in force say.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// Where they were adopted, and their digest.
    pub adopted: Option<(u64, Hash)>,
    /// By the model that was asked for; a model without a price is absent.
    pub of: BTreeMap<String, Price>,
}

/// Millionths for a million tokens: input, output, read from a cache, put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(pub [u64; 4]);
