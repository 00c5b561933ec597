//! Whose word ends content, erases one person's, changes how long it is kept, or holds it: two people's, each time, as
//! approvals of exactly that ([`matter`]); and when the time for it has come ([`plan`]).
//!
//! ```text
//! due ─ asked (approval.requested) ─ cooling, two people sign ─ time trusted ─ retention.expired
//! ```

pub mod audit;
pub mod matter;
pub mod plan;
pub mod seen;

use ledger::buckets::{Duties, Periods, default_periods};
use schemas::{Class, Period};
use serde::{Deserialize, Serialize};

/// How many people it takes.
pub const APPROVERS: u64 = 2;

/// How long each class is kept, and how long its end can still be stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionPolicy {
    /// From the request to end a bucket to its end, whoever has signed by then.
    #[serde(default = "thirty_days")]
    pub cooling: Period,
    /// Classes that a law or rule asks to keep, and which: nothing of theirs is erased on request.
    #[serde(default, skip_serializing_if = "Duties::is_empty")]
    pub must_keep: Duties,
    /// A class without a period is kept.
    #[serde(flatten)]
    pub periods: Periods,
}

fn thirty_days() -> Period {
    Period::Days(30)
}

impl Default for RetentionPolicy {
    fn default() -> RetentionPolicy {
        RetentionPolicy {
            cooling: thirty_days(),
            must_keep: Duties::new(),
            periods: default_periods(),
        }
    }
}

/// Rules that cannot be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    #[error("cooling = \"forever\" would keep everything; give a period such as P30D")]
    CoolingForever,
    #[error(
        "must_keep names class {class}, which has no period; a class is kept under both or none"
    )]
    DutyWithoutClass { class: Class },
    #[error(
        "class {class} has no period any more, and content of it is still kept; leave its line in"
    )]
    ClassInUse { class: Class },
}

impl RetentionPolicy {
    /// Whether the rules can be used at all.
    pub fn check(&self) -> Result<(), PolicyFault> {
        match self.cooling {
            Period::Forever => return Err(PolicyFault::CoolingForever),
            Period::Days(_) | Period::Months(_) => {}
        }
        let mut duties = self.must_keep.keys();
        match duties.find(|class| !self.periods.contains_key(*class)) {
            Some(class) => Err(PolicyFault::DutyWithoutClass {
                class: class.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Whether they can follow those in force: a class that has buckets keeps a rule. Its buckets
    /// would keep their due dates, but what comes next would be kept by nobody's decision.
    pub fn may_follow(&self, buckets: &ledger::Buckets) -> Result<(), PolicyFault> {
        let living = buckets.all().filter(|(_, bucket)| bucket.ended.is_none());
        for (id, bucket) in living {
            if bucket.period.is_some() && !self.periods.contains_key(&id.class) {
                let class = id.class.clone();
                return Err(PolicyFault::ClassInUse { class });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
