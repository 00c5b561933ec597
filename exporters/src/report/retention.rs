//! What is kept, how long, and when it is due: `report retention`.

mod html;

use super::{Basis, Language, Positions, ReportError};
use roaring::RoaringTreemap;
use schemas::kinds::records::{HoldPlaced, RetentionExpired, RetentionExtended};
use schemas::{
    BucketId, Class, ContentRef, Data, Event, EventId, Hash, Label, Month, Name, Period, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The projection behind the report: what each class holds, by position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Retention {
    /// Entries folded so far.
    size: u64,
    classes: BTreeMap<Class, ClassTally>,
    holds: BTreeMap<EventId, OpenHold>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct ClassTally {
    events: RoaringTreemap,
    oldest: Option<Moment>,
    newest: Option<Moment>,
    buckets: BTreeMap<Month, BucketTally>,
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
    extended: Option<Extension>,
    expired: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Extension {
    position: u64,
    due: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OpenHold {
    case: Name,
    scope: Vec<Label>,
    placed: Moment,
}

impl ledger::Projection for Retention {
    const NAME: &'static str = "retention";
    const VERSION: u32 = 1;

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
        match &event.data {
            Data::RetentionExtended(RetentionExtended { bucket, due, .. }) => {
                let due = *due;
                self.bucket(bucket).extended = Some(Extension { position: seq, due });
            }
            Data::RetentionExpired(RetentionExpired { bucket, .. }) => {
                self.bucket(bucket).expired = Some(now);
            }
            Data::HoldPlaced(HoldPlaced {
                hold, case, scope, ..
            }) => {
                let (case, scope) = (case.clone(), scope.clone());
                let open = OpenHold {
                    case,
                    scope,
                    placed: now,
                };
                self.holds.insert(*hold, open);
            }
            Data::HoldReleased(released) => {
                self.holds.remove(&released.hold);
            }
            _ => {}
        }
    }

    fn bucket(&mut self, id: &BucketId) -> &mut BucketTally {
        let class = self.classes.entry(id.class.clone()).or_default();
        class.buckets.entry(id.month).or_default()
    }
}

/// How long each class is kept. A class without a period is reported as such, not guessed.
pub type Periods = BTreeMap<Class, Period>;

/// The company's rules before anyone changes them. `change` lives until the project's end
/// and its archive's, which is a decision of people: until then for ever.
pub fn default_periods() -> Periods {
    BTreeMap::from([
        (Class::operation(), Period::Months(12)),
        (Class::auth(), Period::Months(12)),
        (Class::api(), Period::Days(30)),
        (Class::change(), Period::Forever),
        (Class::network(), Period::Months(12)),
        (Class::ledger(), Period::Forever),
    ])
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
    /// Its time has come, and it is still there.
    Due,
    /// Its key was destroyed and its files removed.
    Expired,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct HoldRow {
    hold: EventId,
    case: Name,
    scope: Vec<Label>,
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
                    bucket_row(id, bucket, period, basis.generated)
                })
                .collect();
            classes.push(class_row(class, period, tally, &rows));
            buckets.extend(rows);
        }
        let holds = retention.holds.iter().map(|(&hold, open)| HoldRow {
            hold,
            case: open.case.clone(),
            scope: open.scope.clone(),
            placed: open.placed,
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
    period: Option<Period>,
    generated: Timestamp,
) -> BucketRow {
    // Without a rule nothing falls due: what nobody decided is not deleted.
    let ruled = period.and_then(|period| bucket.month.end().after(period));
    let due = match &tally.extended {
        Some(extension) => extension.due,
        None => ruled,
    };
    let state = match (tally.expired, due) {
        (Some(_), _) => BucketState::Expired,
        (None, Some(due)) if due <= generated => BucketState::Due,
        (None, _) => BucketState::Kept,
    };
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
        extended_by: tally.extended.as_ref().map(|extension| extension.position),
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
