//! What is kept, how long, and when it is due: `report retention`.

mod document;
mod of_buckets;
mod seen;
mod words;

pub use document::{NAME, report};

use super::facts::Moment;
use ledger::buckets::{self, Buckets};
use roaring::RoaringTreemap;
use schemas::kinds::records::ProtectionChecked;
use schemas::{BucketId, Class, ContentRef, Data, Event, Month, Name, Timestamp};
use seen::Seen;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The projection behind the report: what each class holds, by position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// Entries folded so far, and the month of the newest.
    size: u64,
    month: Option<Month>,
    classes: BTreeMap<Class, ClassTally>,
    /// Rules, holds and erasures.
    buckets: Buckets,
    /// The certificates of erasures, by position.
    erased: BTreeMap<u64, Erased>,
    /// The newest look at how the files are protected.
    protection: Option<(Moment, ProtectionChecked)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Erased {
    contents: u64,
    method: Name,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct ClassTally {
    events: RoaringTreemap,
    oldest: Option<Moment>,
    newest: Option<Moment>,
    buckets: BTreeMap<Month, BucketTally>,
}

impl From<buckets::Moment> for Moment {
    fn from(moment: buckets::Moment) -> Moment {
        let (position, at) = (moment.seq, moment.at);
        Moment { position, at }
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct BucketTally {
    /// The first entry with content here.
    opened: Option<Moment>,
    /// Entries with content here.
    entries: RoaringTreemap,
    /// Equal content inside a bucket is stored once, so it is counted once.
    contents: u64,
    /// What was counted, while the bucket can still get more: nothing is sealed into a bucket
    /// whose month, and the one after, are over.
    sealed: Seen,
    sealed_bytes: u64,
    expired: Option<Moment>,
}

impl ledger::Projection for Retention {
    const NAME: &'static str = "retention";
    const VERSION: u32 = 7;

    fn fold(&mut self, entry: &ledger::Entry) {
        self.take(entry.seq(), entry.at(), entry.event(), entry.content());
    }
}

impl Retention {
    /// Takes in the entry at the next position.
    fn take(&mut self, seq: u64, at: Timestamp, event: &Event, content: &[ContentRef]) {
        let now = Moment { position: seq, at };
        self.size = seq + 1;
        self.reach(at.month());
        let tally = self.classes.entry(event.class.clone()).or_default();
        tally.events.insert(seq);
        tally.oldest.get_or_insert(now);
        tally.newest = Some(now);
        for item in content {
            let bucket = self.bucket(&item.bucket);
            bucket.opened.get_or_insert(now);
            bucket.entries.insert(seq);
            if bucket.sealed.insert(&item.sealed) {
                bucket.contents += 1;
                bucket.sealed_bytes = bucket.sealed_bytes.saturating_add(item.sealed_bytes);
            }
        }
        match &event.data {
            Data::RetentionExpired(expired) => self.bucket(&expired.bucket).expired = Some(now),
            Data::ErasureCompleted(completed) => {
                let (contents, method) = (completed.contents, completed.method.clone());
                self.erased.insert(seq, Erased { contents, method });
            }
            Data::ProtectionChecked(checked) => self.protection = Some((now, checked.clone())),
            _ => {}
        }
        self.buckets.take(seq, at, event, content);
    }

    /// The log has come to this month: buckets that get nothing more forget what was counted, or
    /// memory would grow with all that was ever sealed.
    fn reach(&mut self, month: Month) {
        if self.month.is_some_and(|reached| reached >= month) {
            return;
        }
        self.month = Some(month);
        let buckets = self.classes.values_mut();
        let buckets = buckets.flat_map(|class| &mut class.buckets);
        for (_, bucket) in buckets.filter(|(of, _)| of.end().month() < month) {
            bucket.sealed = Seen::default();
        }
    }

    fn bucket(&mut self, id: &BucketId) -> &mut BucketTally {
        let class = self.classes.entry(id.class.clone()).or_default();
        class.buckets.entry(id.month).or_default()
    }
}

/// A bucket and what may become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BucketState {
    /// Its month is not over.
    Open,
    /// Its month is over: it gets nothing more.
    Sealed,
    /// A hold keeps it, due or not.
    Held,
    /// Its time has come, and it is still there.
    Due,
    /// Its key was destroyed and its files removed.
    Expired,
}

/// The company's own classes first, in its order; configured ones after them by name.
fn rank(class: &Class) -> usize {
    let built_in = Class::BUILT_IN.iter().position(|b| *b == class.as_str());
    built_in.unwrap_or(Class::BUILT_IN.len())
}

impl Retention {
    fn state(&self, id: &BucketId, tally: &BucketTally, now: Timestamp) -> BucketState {
        // Without a rule nothing falls due: what nobody decided is not deleted.
        let due = self.due(id);
        match tally.expired {
            Some(_) => BucketState::Expired,
            _ if !self.buckets.held_by(id).is_empty() => BucketState::Held,
            None if due.is_some_and(|due| due <= now) => BucketState::Due,
            None if now < id.month.end() => BucketState::Open,
            None => BucketState::Sealed,
        }
    }

    fn due(&self, id: &BucketId) -> Option<Timestamp> {
        self.buckets.get(id).and_then(|found| found.due)
    }
}

#[cfg(test)]
mod tests;
