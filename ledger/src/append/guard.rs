//! What must still be so where an entry is given its place.

use super::AppendError;
use crate::buckets::Buckets;
use schemas::{Data, Timestamp};

pub(super) type Check = Box<dyn FnOnce(&Buckets, Timestamp) -> Result<(), AppendError> + Send>;

/// A question about the buckets that is asked where places are given: between the answer and the
/// entry nothing can come.
pub(crate) struct Guard {
    /// What the first `reached` entries say.
    pub(super) buckets: Buckets,
    pub(super) reached: u64,
    pub(super) check: Check,
    pub(super) agreed: Agreed,
}

impl Guard {
    pub fn new(
        buckets: Buckets,
        reached: u64,
        check: impl FnOnce(&Buckets, Timestamp) -> Result<(), AppendError> + Send + 'static,
    ) -> Guard {
        Guard {
            buckets,
            reached,
            check: Box::new(check),
            agreed: Agreed::WHATEVER_COMES,
        }
    }

    /// It rests on what people have agreed to as well.
    pub fn resting_on(self, agreed: Agreed) -> Guard {
        Guard { agreed, ..self }
    }
}

/// From how much of the log a caller knows that people agree, and what would have to come since for it
/// to have to look again. `ledger` does not know what that is.
#[derive(Debug, Clone, Copy)]
pub struct Agreed {
    /// The first so many entries.
    pub seen: u64,
    pub shaken_by: fn(&Data) -> bool,
}

impl Agreed {
    /// Nobody was asked.
    pub const WHATEVER_COMES: Agreed = Agreed {
        seen: u64::MAX,
        shaken_by: |_| false,
    };

    pub(super) fn stands(&self, seq: u64, data: &Data) -> Result<(), AppendError> {
        if seq < self.seen || !(self.shaken_by)(data) {
            return Ok(());
        }
        let kind = data.kind();
        let fault = format!("position {seq}, {kind}, came after it was asked who agrees");
        let help = "nothing was done; whether people still agree is asked anew at the next look";
        Err(AppendError::refused(&fault, help))
    }
}
