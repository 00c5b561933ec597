//! Reports: figures from the log, each with the positions behind it.
//!
//! A report is a pure function of a projection and of facts that its caller gives (the
//! verified head, the time, the name of the company): the same input is the same bytes. It
//! comes as JSON, which is the evidence, and as one HTML file for people, which loads nothing
//! and prints on A4.

mod page;
mod positions;
pub mod retention;

pub use positions::Positions;

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

/// The signed state of the log that every figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
    pub at: Timestamp,
}

/// What checking the log up to its head found. A check that did not run is no clean one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verification {
    Clean {
        entries: u64,
        at: Timestamp,
    },
    Faults {
        count: u64,
        at: Timestamp,
        positions: Positions,
    },
    NotRun,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error(
        "the figures are of {folded} entries, the head is of {head}; fold the log up to its head first"
    )]
    OtherHead { folded: u64, head: u64 },
}
