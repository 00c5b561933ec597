//! What left for which vendor, by class of data: `report transfers`, the figures that a record
//! of cross-border transfers needs (Act on the Protection of Personal Information, art. 28).

mod document;
mod words;

pub use document::{NAME, report};

use super::facts::Moment;
use super::window::Window;
use super::{Basis, ReportError};
use roaring::RoaringTreemap;
use schemas::kinds::rules::ReviewOutcome;
use schemas::kinds::traffic::{ClassRuling, FailedOutcome, RuleCount};
use schemas::{Data, DataClass, Event, EventId, Hash, Label, Name, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who receives what leaves, by the provider's name in `prompt.submitted`.
pub type Vendors = BTreeMap<Name, Vendor>;

/// What the company knows of a vendor, as `[vendors.<name>]` in daicho.toml says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    pub company: String,
    /// Where the data is handled, as ISO 3166 or in words.
    pub country: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<TransferBasis>,
    /// How long the vendor keeps what it receives.
    #[serde(default)]
    pub retention: String,
    /// The vendor's measures, and where that country's rules on personal data are described.
    #[serde(default)]
    pub measures: String,
}

/// Why the transfer is lawful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferBasis {
    /// The persons consent, told of country, system and measures (enforcement rules art. 17).
    Consent,
    /// The vendor keeps up equivalent measures, which are checked (art. 16, 18).
    EquivalentMeasures,
    /// The country was found to protect personal data as Japan does.
    EquivalentCountry,
    /// The vendor handles the data in Japan.
    Domestic,
}

/// The fold behind the report: what left in its period, and how that ended by the head.
#[derive(Debug)]
pub struct Transfers {
    period: Window,
    /// Entries folded so far.
    size: u64,
    rows: BTreeMap<Row, Tally>,
    /// The newest one before the period's end.
    reviews: BTreeMap<Name, Review>,
    /// Whom a call is for: between its prompt and its payload.
    submitted: BTreeMap<EventId, Name>,
    /// Calls of the period that left, until their end.
    open: BTreeMap<EventId, (Row, u64)>,
}

/// Vendor, and class of data; calls of a log from before classes have none.
type Row = (Name, Option<DataClass>);

#[derive(Debug, Default)]
struct Tally {
    sent: RoaringTreemap,
    sent_bytes: u64,
    unreachable: RoaringTreemap,
    unreachable_bytes: u64,
    masked: RoaringTreemap,
    masks: BTreeMap<Name, Counted>,
    blocked: RoaringTreemap,
    blocks: BTreeMap<Name, Counted>,
    consents: BTreeSet<u64>,
    destinations: BTreeMap<Label, RoaringTreemap>,
}

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    positions: RoaringTreemap,
}

#[derive(Debug)]
struct Review {
    moment: Moment,
    outcome: ReviewOutcome,
}

/// The vendor policy in force at the end of the period: its event, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorPolicy {
    pub position: u64,
    pub digest: Hash,
}

impl Transfers {
    /// Of a report's period. Needs one.
    pub fn new(basis: &Basis) -> Result<Transfers, ReportError> {
        Ok(Transfers {
            period: basis.period.ok_or(ReportError::NoPeriod)?,
            size: 0,
            rows: BTreeMap::new(),
            reviews: BTreeMap::new(),
            submitted: BTreeMap::new(),
            open: BTreeMap::new(),
        })
    }

    pub fn fold(&mut self, entry: &ledger::Entry) {
        self.take(entry.seq(), entry.at(), entry.event());
    }

    /// Takes in the entry at the next position.
    fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        self.size = seq + 1;
        match &event.data {
            Data::PromptSubmitted(fact) => {
                self.submitted.insert(fact.call, fact.provider.clone());
            }
            Data::PayloadMasked(fact) => {
                let row = self.row(fact.call, fact.class.as_ref());
                if !self.period.holds(at) {
                    return;
                }
                let tally = self.rows.entry(row.clone()).or_default();
                tally.sent.insert(seq);
                tally.sent_bytes = tally.sent_bytes.saturating_add(fact.body_bytes);
                if !fact.masks.is_empty() {
                    tally.masked.insert(seq);
                }
                count(&mut tally.masks, &fact.masks, seq);
                let consent = fact.class.as_ref().and_then(|class| class.consent);
                tally.consents.extend(consent);
                let destination = fact.destination.clone();
                tally
                    .destinations
                    .entry(destination)
                    .or_default()
                    .insert(seq);
                self.open.insert(fact.call, (row, fact.body_bytes));
            }
            Data::PayloadBlocked(fact) => {
                let row = self.row(fact.call, fact.class.as_ref());
                if !self.period.holds(at) {
                    return;
                }
                let tally = self.rows.entry(row).or_default();
                tally.blocked.insert(seq);
                count(&mut tally.blocks, &fact.reasons, seq);
            }
            Data::ModelResponded(fact) => self.end(fact.call, None),
            Data::ModelFailed(fact) => {
                let unreachable = fact.outcome == FailedOutcome::Unreachable;
                self.end(fact.call, unreachable.then_some(seq));
            }
            Data::VendorReviewed(fact) if at < self.period.until() => {
                let review = Review {
                    moment: Moment { position: seq, at },
                    outcome: fact.outcome,
                };
                self.reviews.insert(fact.vendor.clone(), review);
            }
            _ => {}
        }
    }

    fn row(&mut self, call: EventId, class: Option<&ClassRuling>) -> Row {
        let unknown = || "unknown".parse().expect("a literal name is sound");
        let vendor = self.submitted.remove(&call).unwrap_or_else(unknown);
        (vendor, class.map(|ruling| ruling.class))
    }

    /// A call ended; `unreachable` is the position that says that nothing left.
    fn end(&mut self, call: EventId, unreachable: Option<u64>) {
        let Some((row, bytes)) = self.open.remove(&call) else {
            return;
        };
        if let Some(seq) = unreachable {
            let tally = self.rows.entry(row).or_default();
            tally.unreachable.insert(seq);
            tally.unreachable_bytes = tally.unreachable_bytes.saturating_add(bytes);
        }
    }
}

fn count(tallies: &mut BTreeMap<Name, Counted>, counts: &[RuleCount], seq: u64) {
    for RuleCount { rule, count } in counts {
        let counted = tallies.entry(rule.clone()).or_default();
        counted.count = counted.count.saturating_add(*count);
        counted.positions.insert(seq);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
