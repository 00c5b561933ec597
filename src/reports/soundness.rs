//! Whether the log that a report is of was found sound.

use super::{IssuedReport, basis};
use crate::outcome::Outcome;
use exporters::report::Verification;
use ledger::Reader;
use serde::{Deserialize, Serialize};

/// What was not looked at, or cannot be told any more, is neither sound nor unsound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Soundness {
    Sound,
    Unsound,
    Unknown { reason: String },
}

impl Soundness {
    /// As the documents themselves say: the worst of them counts.
    pub fn of<'i>(reader: &Reader, documents: impl Iterator<Item = &'i IssuedReport>) -> Soundness {
        let mut unknown = None;
        for one in documents {
            match basis(reader, one).map(|basis| (&basis.verification).into()) {
                Ok(Soundness::Unsound) => return Soundness::Unsound,
                Ok(Soundness::Sound) => {}
                Ok(other) => unknown = Some(other),
                Err(failure) => {
                    let (seq, why) = (one.seq, format!("{:#}", failure.fault));
                    tracing::warn!(seq, why, "what a report says of the log cannot be read");
                    // The fault names places of this host.
                    let reason = format!("what the report at {seq} was made from cannot be read");
                    unknown = Some(Soundness::Unknown { reason });
                }
            }
        }
        unknown.unwrap_or(Soundness::Sound)
    }

    /// Nobody has looked, and the report says so: that is no fault.
    pub fn outcome(&self) -> Outcome {
        match self {
            Soundness::Sound | Soundness::Unknown { .. } => Outcome::Well,
            Soundness::Unsound => Outcome::Wrong,
        }
    }
}

impl From<&Verification> for Soundness {
    fn from(verification: &Verification) -> Soundness {
        match verification {
            Verification::Clean { .. } => Soundness::Sound,
            Verification::Faults { .. } => Soundness::Unsound,
            Verification::Continued { report, .. } => Soundness::Unknown {
                reason: format!(
                    "what the report at {report} was of was not verified again; nothing is wrong \
                     with the entries after it"
                ),
            },
            Verification::NotRun => Soundness::Unknown {
                reason: "the log was not verified for this report".to_owned(),
            },
        }
    }
}
