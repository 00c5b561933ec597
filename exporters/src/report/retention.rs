//! What is kept, how long, and when it is due: `report retention`.

mod html;

use super::{Basis, Language, Positions, ReportError};
use ledger::buckets::{self, Buckets, Periods};
use roaring::RoaringTreemap;
use schemas::kinds::records::RetentionExpired;
use schemas::{
    BucketId, Class, ContentRef, Data, Event, EventId, Hash, Month, Name, Period, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The projection behind the report: what each class holds, by position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// Entries folded so far.
    size: u64,
    classes: BTreeMap<Class, ClassTally>,
    /// Rules and holds.
    buckets: Buckets,
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

/// The time of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Moment {
    position: u64,
    at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct BucketTally {
    /// Entries with content here.
    entries: RoaringTreemap,
    /// Equal content inside a bucket is stored once, so it is counted once.
    sealed: BTreeSet<Hash>,
    sealed_bytes: u64,
    expired: Option<Moment>,
}

impl ledger::Projection for Retention {
    const NAME: &'static str = "retention";
    const VERSION: u32 = 2;

    fn fold(&mut self, entry: &ledger::Entry) {
        self.take(entry.seq(), entry.at(), entry.event(), entry.content());
    }
}

impl Retention {
    /// Takes in the entry at the next position.
    fn take(&mut self, seq: u64, at: Timestamp, event: &Event, content: &[ContentRef]) {
        let now = Moment { position: seq, at };
        self.size = seq + 1;
        let tally = self.classes.entry(event.class.clone()).or_default();
        tally.events.insert(seq);
        tally.oldest.get_or_insert(now);
        tally.newest = Some(now);
        for item in content {
            let bucket = self.bucket(&item.bucket);
            bucket.entries.insert(seq);
            if bucket.sealed.insert(item.sealed) {
                bucket.sealed_bytes = bucket.sealed_bytes.saturating_add(item.sealed_bytes);
            }
        }
        if let Data::RetentionExpired(RetentionExpired { bucket, .. }) = &event.data {
            self.bucket(bucket).expired = Some(now);
        }
        self.buckets.take(seq, at, event, content);
    }

    fn bucket(&mut self, id: &BucketId) -> &mut BucketTally {
        let class = self.classes.entry(id.class.clone()).or_default();
        class.buckets.entry(id.month).or_default()
    }
}

/// The report. Everything in it follows from the log up to `basis.head` and from `basis`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RetentionReport {
    report: &'static str,
    version: u32,
    basis: Basis,
    classes: Vec<ClassRow>,
    buckets: Vec<BucketRow>,
    holds: Vec<HoldRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ClassRow {
    class: Class,
    /// Absent when no rule names the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<Period>,
    events: u64,
    positions: Positions,
    oldest: Option<Moment>,
    newest: Option<Moment>,
    /// Of the buckets that are still there.
    contents: u64,
    sealed_bytes: u64,
    content_positions: Positions,
    /// The first moment at which a bucket that is still there may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_due: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct BucketRow {
    bucket: BucketId,
    state: BucketState,
    /// Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    contents: u64,
    sealed_bytes: u64,
    positions: Positions,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_by: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum BucketState {
    Kept,
    /// A hold keeps it, due or not.
    Held,
    /// Its time has come, and it is still there.
    Due,
    /// Its key was destroyed and its files removed.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct HoldRow {
    hold: EventId,
    case: Name,
    scope: String,
    placed: Moment,
}

impl RetentionReport {
    /// The report's name in `report.issued` and in file names.
    pub const NAME: &'static str = "retention";

    pub fn new(
        retention: &Retention,
        periods: &Periods,
        basis: Basis,
    ) -> Result<RetentionReport, ReportError> {
        basis.check(retention.size)?;
        let empty = ClassTally::default();
        let mut named: Vec<&Class> = periods.keys().chain(retention.classes.keys()).collect();
        named.sort_by_key(|class| (rank(class), *class));
        named.dedup();
        let mut classes = Vec::new();
        let mut buckets = Vec::new();
        for class in named {
            let tally = retention.classes.get(class).unwrap_or(&empty);
            let period = periods.get(class).copied();
            let rows: Vec<BucketRow> = tally
                .buckets
                .iter()
                .map(|(&month, bucket)| {
                    let id = BucketId {
                        class: class.clone(),
                        month,
                    };
                    bucket_row(id, bucket, &retention.buckets, basis.generated)
                })
                .collect();
            classes.push(class_row(class, period, tally, &rows));
            buckets.extend(rows);
        }
        let in_force = retention.buckets.holds();
        let in_force = in_force.filter(|(_, hold)| hold.released.is_none());
        let holds = in_force.map(|(hold, open)| HoldRow {
            hold,
            case: open.case.clone(),
            scope: open.scope.to_string(),
            placed: open.placed.into(),
        });
        Ok(RetentionReport {
            report: RetentionReport::NAME,
            version: 1,
            classes,
            buckets,
            holds: holds.collect(),
            basis,
        })
    }

    /// How many entries the figures are of.
    pub fn head_size(&self) -> u64 {
        self.basis.head.size
    }

    /// The evidence: every figure with all its positions.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("the report is plain values");
        json.push('\n');
        json
    }

    /// The document that people read, print and sign.
    pub fn to_html(&self, language: Language) -> String {
        html::page(self, language).into_string()
    }
}

/// The company's own classes first, in its order; configured ones after them by name.
fn rank(class: &Class) -> usize {
    let built_in = Class::BUILT_IN.iter().position(|b| *b == class.as_str());
    built_in.unwrap_or(Class::BUILT_IN.len())
}

fn bucket_row(
    bucket: BucketId,
    tally: &BucketTally,
    buckets: &Buckets,
    generated: Timestamp,
) -> BucketRow {
    let found = buckets.get(&bucket);
    // Without a rule nothing falls due: what nobody decided is not deleted.
    let due = found.and_then(|found| found.due);
    let state = match (tally.expired, due) {
        (Some(_), _) => BucketState::Expired,
        _ if !buckets.held_by(&bucket).is_empty() => BucketState::Held,
        (None, Some(due)) if due <= generated => BucketState::Due,
        (None, _) => BucketState::Kept,
    };
    let extended_by = found.and_then(|found| found.extended);
    BucketRow {
        bucket,
        state,
        due,
        entries: tally.entries.len(),
        first: tally.entries.min(),
        last: tally.entries.max(),
        contents: tally.sealed.len() as u64,
        sealed_bytes: tally.sealed_bytes,
        positions: Positions::from(&tally.entries),
        extended_by,
        expired: tally.expired,
    }
}

fn class_row(
    class: &Class,
    period: Option<Period>,
    tally: &ClassTally,
    rows: &[BucketRow],
) -> ClassRow {
    let there = || rows.iter().filter(|row| row.state != BucketState::Expired);
    let with_content = tally.buckets.values().filter(|b| b.expired.is_none());
    let content_positions = with_content.fold(RoaringTreemap::new(), |mut all, bucket| {
        all |= &bucket.entries;
        all
    });
    ClassRow {
        class: class.clone(),
        period,
        events: tally.events.len(),
        positions: Positions::from(&tally.events),
        oldest: tally.oldest,
        newest: tally.newest,
        contents: there().map(|row| row.contents).sum(),
        sealed_bytes: there().map(|row| row.sealed_bytes).sum(),
        content_positions: Positions::from(&content_positions),
        next_due: there().filter_map(|row| row.due).min(),
    }
}

#[cfg(test)]
mod tests;
