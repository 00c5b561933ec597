//! Reports: figures from the log, each with the positions behind it.
//!
//! A report is a pure function of a projection and of facts that its caller gives (the
//! verified head, the time, the name of the company): the same input is the same bytes. It
//! comes as JSON, which is the evidence, and as one HTML file for people, which loads nothing
//! and prints on A4.

mod page;
mod positions;
pub mod retention;
pub mod transfers;

pub use positions::Positions;

use ledger::verify;
use schemas::{Hash, Timestamp};
use serde::{Deserialize, Serialize};

/// The language of a report for people. The JSON has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "ja")]
    Japanese,
    #[serde(rename = "en")]
    English,
}

impl Language {
    fn pick<'a>(self, japanese: &'a str, english: &'a str) -> &'a str {
        match self {
            Language::Japanese => japanese,
            Language::English => english,
        }
    }
}

/// What a report is about and how far it can be relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Basis {
    /// The company whose report this is, as it signs.
    pub organisation: String,
    /// The log's origin.
    pub log: String,
    pub head: Head,
    pub verification: Verification,
    pub generated: Timestamp,
    /// Name and version of the program, as `daicho 0.1.0`.
    pub program: String,
}

/// The state of the log that every figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

/// What checking the log up to its head found. A check that did not run is no clean one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verification {
    Clean {
        entries: u64,
        root: Hash,
        contents: u64,
        /// Whether the log's key came from elsewhere than the log.
        key_given: bool,
        /// Checkpoints kept elsewhere that the log was held against.
        outside_checkpoints: u64,
        at: Timestamp,
    },
    Faults {
        count: u64,
        /// Of the entries concerned, as far as a fault has one.
        positions: Positions,
        at: Timestamp,
    },
    NotRun,
}

impl Verification {
    /// What a verification found, which ran with this trust and ended at `at`.
    pub fn of(checked: &verify::Report, trust: &verify::Trust, at: Timestamp) -> Verification {
        if checked.is_clean() {
            return Verification::Clean {
                entries: checked.entries,
                root: checked.root,
                contents: checked.contents,
                key_given: checked.key_given,
                outside_checkpoints: trust.checkpoints.len() as u64,
                at,
            };
        }
        Verification::Faults {
            count: checked.findings.len() as u64 + checked.findings_omitted,
            positions: checked.findings.iter().filter_map(|f| f.seq).collect(),
            at,
        }
    }
}

impl Basis {
    /// Figures of one prefix under the root of another would prove nothing.
    fn check(&self, folded: u64) -> Result<(), ReportError> {
        let head = self.head.size;
        if folded != head {
            return Err(ReportError::OtherHead { folded, head });
        }
        match self.verification {
            Verification::Clean { entries, root, .. }
                if (entries, root) != (head, self.head.root) =>
            {
                Err(ReportError::OtherVerification { entries, head })
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error(
        "the figures are of {folded} entries, the head is of {head}; fold the log up to its head first"
    )]
    OtherHead { folded: u64, head: u64 },
    #[error(
        "the verification covers {entries} entries or another root, the head is of {head}; take the head that the verification ended at"
    )]
    OtherVerification { entries: u64, head: u64 },
}
