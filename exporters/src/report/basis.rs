//! What a report is of, and how far it can be relied on.

use super::window::{Hours, Offset, Window};
use super::{Positions, ReportError};
use ledger::verify;
use schemas::{Hash, Timestamp};
use serde::{Deserialize, Serialize};

/// Everything that a report depends on beside the log: with it and the log anyone can make the
/// same report again. No clock is in it; the head is the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The company whose report this is, as it signs.
    pub organisation: String,
    /// The log's origin.
    pub log: String,
    pub head: Head,
    /// Time of the first entry: what was before no figure has. Absent in files of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Timestamp>,
    pub verification: Verification,
    /// Absent: the whole log up to its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Window>,
    /// When people work; absent: nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// Where organisation, hours and clock were adopted; absent in files of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Adopted>,
    /// The digest of what was folded for it, where a later report may go on from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<Hash>,
    /// Name and version of the program, as `daicho 0.1.0`.
    pub program: String,
}

/// The entry that put rules in force, and their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    pub position: u64,
    pub digest: Hash,
}

/// What of its reports a company decides once: the policy `report`, as it is adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub organisation: String,
    pub utc_offset: Offset,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
}

impl Rules {
    /// The policy's name.
    pub const POLICY: &'static str = "report";

    /// Whether a report was made by them, as far as it depends on them.
    pub fn made(&self, basis: &Basis) -> bool {
        let clock = basis.period.is_none_or(|of| of.offset == self.utc_offset);
        let hours = basis.period.and(self.hours);
        basis.organisation == self.organisation && clock && basis.hours == hours
    }
}

/// The state of the log that every figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    /// Time of the newest entry.
    pub at: Timestamp,
}

impl Head {
    /// The head that a verification ended at: figures of it are figures that were checked.
    pub fn of(checked: &verify::Report) -> Head {
        Head {
            size: checked.entries,
            root: checked.root,
            at: checked.newest,
        }
    }
}

impl From<ledger::Head> for Head {
    fn from(head: ledger::Head) -> Head {
        Head {
            size: head.size,
            root: head.root,
            at: head.at,
        }
    }
}

/// What checking the log found. A check that did not run is no clean one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verification {
    /// Every entry up to the head, and every sealed content that is there.
    Clean {
        /// Whether the log's key came from elsewhere than the log.
        key_given: bool,
        /// Checkpoints kept elsewhere that the log was held against.
        outside_checkpoints: u64,
    },
    /// Nothing was wrong with the entries after those that an earlier report was issued over. Those
    /// were not read again, and no sealed content was.
    Continued {
        /// Where that report is recorded, and how many entries it was of.
        report: u64,
        since: u64,
        /// Entries that were verified whole, for the first of the reports that go on from each other.
        whole: u64,
    },
    Faults {
        count: u64,
        /// Of the entries concerned, as far as a fault has one.
        positions: Positions,
    },
    NotRun,
}

impl Verification {
    /// What a verification found, which ran with this trust.
    pub fn of(checked: &verify::Report, trust: &verify::Trust) -> Verification {
        if checked.is_clean() {
            return Verification::Clean {
                key_given: checked.key_given,
                outside_checkpoints: trust.checkpoints.len() as u64,
            };
        }
        Verification::Faults {
            count: checked.findings.len() as u64 + checked.findings_omitted,
            positions: checked.findings.iter().filter_map(|f| f.seq).collect(),
        }
    }
}

impl Basis {
    /// Figures of one prefix under the root of another would prove nothing.
    pub(super) fn check(&self, folded: u64) -> Result<(), ReportError> {
        let head = self.head.size;
        if folded != head {
            return Err(ReportError::OtherHead { folded, head });
        }
        Ok(())
    }

    /// The last moment that the report speaks of.
    pub(super) fn moment(&self) -> Timestamp {
        let end = self.period.as_ref().map(Window::until);
        end.map_or(self.head.at, |end| end.min(self.head.at))
    }
}
