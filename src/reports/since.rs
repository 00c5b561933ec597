//! Going on from the newest retention report that was issued over a verified log.

use super::issued::{IssuedReport, basis};
use crate::outcome::Failure;
use crate::views::Views;
use exporters::report::{Verification, retention};
use ledger::Reader;
use ledger::verify::faults;
use schemas::Hash;

/// What the log records of that report.
pub struct Since {
    /// Where it is recorded, and how many entries it was of.
    pub report: u64,
    pub size: u64,
    /// Entries that were verified whole.
    pub whole: u64,
    /// What was folded for it.
    pub folded: Hash,
}

pub const NONE: &str = "make one without --continue: it verifies the log whole";

impl Since {
    /// The newest report that says what was folded for it, if the log's tree is still over what it
    /// was of, and none since has found faults.
    pub fn newest(reader: &Reader, views: &Views) -> Result<Since, Failure> {
        let issued = views.issued.read(|issued| issued.all().to_vec());
        let of_retention = |one: &&IssuedReport| one.report.as_str() == retention::NAME;
        for one in issued.iter().rev().filter(of_retention) {
            let basis = basis(reader, one)?;
            let (size, root) = (basis.head.size, basis.head.root);
            let whole = match basis.verification {
                Verification::Clean { .. } => size,
                Verification::Continued { whole, .. } => whole,
                Verification::NotRun => continue,
                // What is known to be unsound is not gone round by an older report.
                Verification::Faults { .. } => {
                    let fault = format!("the report at {} found faults in the log", one.seq);
                    return Err(Failure::msg(fault, "run `daicho verify`"));
                }
            };
            let Some(folded) = basis.folded else { continue };
            if reader.root_at(size)? != root {
                let fault = format!(
                    "the log's first {size} entries are not those of report {}",
                    one.seq
                );
                return Err(Failure::msg(fault, "run `daicho verify`"));
            }
            let report = one.seq;
            return Ok(Since {
                report,
                size,
                whole,
                folded,
            });
        }
        let fault = "no retention report was issued that this one could go on from";
        Err(Failure::msg(fault, NONE))
    }

    /// Checks every entry from there on.
    pub fn check(&self, reader: &Reader, head: u64) -> Result<Verification, Failure> {
        if let Some((seq, unsound)) = faults(reader, self.size..head).next() {
            let fault = anyhow::Error::new(unsound).context(format!("entry {seq} is not sound"));
            return Err(Failure::new(fault, "run `daicho verify`"));
        }
        Ok(Verification::Continued {
            report: self.report,
            since: self.size,
            whole: self.whole,
        })
    }
}
