//! What left for which vendor, by class of data: `report transfers`, the figures that a record
//! of cross-border transfers needs (Act on the Protection of Personal Information, art. 28).

mod csv;
mod markdown;

use super::{Basis, Language, Positions, ReportError};
use roaring::RoaringTreemap;
use schemas::kinds::rules::ReviewOutcome;
use schemas::kinds::traffic::{ClassRuling, FailedOutcome, RuleCount};
use schemas::{Data, DataClass, Event, EventId, Hash, Label, Month, Name, Timestamp};
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

/// The projection behind the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Transfers {
    /// Entries folded so far.
    size: u64,
    months: BTreeMap<Month, BTreeMap<Row, Tally>>,
    reviews: BTreeMap<Name, Vec<Review>>,
    /// Whom a call is for: between its prompt and its payload.
    submitted: BTreeMap<EventId, Name>,
    /// Calls that left, until their end.
    open: BTreeMap<EventId, (Month, Row)>,
}

/// Vendor, and class of data; calls of a log from before classes have none.
type Row = (Name, Option<DataClass>);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// Payload bytes of calls that are open, in case they never leave.
    open_bytes: BTreeMap<EventId, u64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Counted {
    count: u64,
    positions: RoaringTreemap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Review {
    position: u64,
    at: Timestamp,
    outcome: ReviewOutcome,
}

impl ledger::Projection for Transfers {
    const NAME: &'static str = "transfers";
    const VERSION: u32 = 1;

    fn fold(&mut self, entry: &ledger::Entry) {
        self.take(entry.seq(), entry.at(), entry.event());
    }
}

impl Transfers {
    /// Takes in the entry at the next position.
    fn take(&mut self, seq: u64, at: Timestamp, event: &Event) {
        self.size = seq + 1;
        match &event.data {
            Data::PromptSubmitted(fact) => {
                self.submitted.insert(fact.call, fact.provider.clone());
            }
            Data::PayloadMasked(fact) => {
                let row = self.row(fact.call, fact.class.as_ref());
                let tally = self.tally(at.month(), &row);
                tally.sent.insert(seq);
                tally.sent_bytes = tally.sent_bytes.saturating_add(fact.body_bytes);
                tally.open_bytes.insert(fact.call, fact.body_bytes);
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
                self.open.insert(fact.call, (at.month(), row));
            }
            Data::PayloadBlocked(fact) => {
                let row = self.row(fact.call, fact.class.as_ref());
                let tally = self.tally(at.month(), &row);
                tally.blocked.insert(seq);
                count(&mut tally.blocks, &fact.reasons, seq);
            }
            Data::ModelResponded(fact) => self.end(fact.call, None),
            Data::ModelFailed(fact) => {
                let unreachable = fact.outcome == FailedOutcome::Unreachable;
                self.end(fact.call, unreachable.then_some(seq));
            }
            Data::VendorReviewed(fact) => {
                let review = Review {
                    position: seq,
                    at,
                    outcome: fact.outcome,
                };
                self.reviews
                    .entry(fact.vendor.clone())
                    .or_default()
                    .push(review);
            }
            _ => {}
        }
    }

    fn row(&mut self, call: EventId, class: Option<&ClassRuling>) -> Row {
        let unknown = || "unknown".parse().expect("a literal name is sound");
        let vendor = self.submitted.remove(&call).unwrap_or_else(unknown);
        (vendor, class.map(|ruling| ruling.class))
    }

    fn tally(&mut self, month: Month, row: &Row) -> &mut Tally {
        let rows = self.months.entry(month).or_default();
        rows.entry(row.clone()).or_default()
    }

    /// A call ended; `unreachable` is the position that says that nothing left.
    fn end(&mut self, call: EventId, unreachable: Option<u64>) {
        let Some((month, row)) = self.open.remove(&call) else {
            return;
        };
        let tally = self.tally(month, &row);
        let bytes = tally.open_bytes.remove(&call).unwrap_or_default();
        if let Some(seq) = unreachable {
            tally.unreachable.insert(seq);
            tally.unreachable_bytes += bytes;
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

/// The report. Everything in it follows from the log up to `basis.head`, from `basis`, and
/// from the text of the vendor policy that it names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransferReport {
    report: &'static str,
    version: u32,
    basis: Basis,
    month: Month,
    /// Where the facts about vendors come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_policy: Option<VendorPolicy>,
    vendors: Vec<VendorRow>,
}

/// The vendor policy in force at the end of the month: its event, and its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VendorPolicy {
    pub position: u64,
    pub digest: Hash,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct VendorRow {
    vendor: Name,
    /// Absent: the company has said nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Vendor>,
    /// The newest one before the month's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<Review>,
    classes: Vec<ClassRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ClassRow {
    /// Absent: of a log from before classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<DataClass>,
    /// Calls whose payload was cleared to leave.
    sent: Figure,
    /// Bytes of their payloads.
    sent_bytes: Figure,
    /// Of those, calls for which the vendor could not be reached, so that nothing left.
    unreachable: Figure,
    unreachable_bytes: Figure,
    /// Calls in whose payload something was masked.
    masked: Figure,
    masks: Vec<RuleFigure>,
    /// Calls that were refused: nothing left.
    blocked: Figure,
    blocks: Vec<RuleFigure>,
    /// Consents that were relied on.
    consents: Figure,
    destinations: Vec<Destination>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Figure {
    figure: u64,
    positions: Positions,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct RuleFigure {
    rule: Name,
    figure: u64,
    positions: Positions,
}

/// Host and port that payloads went to.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Destination {
    destination: Label,
    figure: u64,
    positions: Positions,
}

impl TransferReport {
    /// The report's name in `report.issued` and in file names.
    pub const NAME: &'static str = "transfers";

    pub fn new(
        transfers: &Transfers,
        month: Month,
        vendors: &Vendors,
        vendor_policy: Option<VendorPolicy>,
        basis: Basis,
    ) -> Result<TransferReport, ReportError> {
        basis.check(transfers.size)?;
        let none = BTreeMap::new();
        let rows = transfers.months.get(&month).unwrap_or(&none);
        // A vendor that received nothing is told too.
        let named: BTreeSet<&Name> = rows
            .keys()
            .map(|row| &row.0)
            .chain(vendors.keys())
            .collect();
        let row = |vendor: &Name| {
            let reviews = transfers.reviews.get(vendor).into_iter().flatten().rev();
            let mut reviews = reviews.filter(|review| review.at < month.end());
            let classes = rows.iter().filter(|(row, _)| row.0 == *vendor);
            VendorRow {
                vendor: vendor.clone(),
                facts: vendors.get(vendor).cloned(),
                review: reviews.next().copied(),
                classes: classes
                    .map(|(row, tally)| class_row(row.1, tally))
                    .collect(),
            }
        };
        Ok(TransferReport {
            report: TransferReport::NAME,
            version: 1,
            basis,
            month,
            vendor_policy,
            vendors: named.into_iter().map(row).collect(),
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

    /// The document that people read and keep.
    pub fn to_markdown(&self, language: Language) -> String {
        markdown::page(self, language)
    }

    /// One line for each figure, for a register that is kept in a spreadsheet.
    pub fn to_csv(&self, language: Language) -> String {
        csv::table(self, language)
    }
}

fn class_row(class: Option<DataClass>, tally: &Tally) -> ClassRow {
    let of = |figure, positions: &RoaringTreemap| Figure {
        figure,
        positions: Positions::from(positions),
    };
    let calls = |positions: &RoaringTreemap| of(positions.len(), positions);
    let rules = |counted: &BTreeMap<Name, Counted>| {
        let figure = |(rule, counted): (&Name, &Counted)| RuleFigure {
            rule: rule.clone(),
            figure: counted.count,
            positions: Positions::from(&counted.positions),
        };
        counted.iter().map(figure).collect()
    };
    let destinations = tally.destinations.iter();
    ClassRow {
        class,
        sent: calls(&tally.sent),
        sent_bytes: of(tally.sent_bytes, &tally.sent),
        unreachable: calls(&tally.unreachable),
        unreachable_bytes: of(tally.unreachable_bytes, &tally.unreachable),
        masked: calls(&tally.masked),
        masks: rules(&tally.masks),
        blocked: calls(&tally.blocked),
        blocks: rules(&tally.blocks),
        consents: calls(&tally.consents.iter().copied().collect()),
        destinations: destinations
            .map(|(destination, positions)| Destination {
                destination: destination.clone(),
                figure: positions.len(),
                positions: Positions::from(positions),
            })
            .collect(),
    }
}

impl ClassRow {
    /// What each figure is, the figure, and where it comes from.
    fn figures(&self) -> Vec<(What<'_>, u64, &Positions)> {
        let mut all = vec![
            (What::Sent, self.sent.figure, &self.sent.positions),
            (
                What::SentBytes,
                self.sent_bytes.figure,
                &self.sent_bytes.positions,
            ),
            (
                What::Unreachable,
                self.unreachable.figure,
                &self.unreachable.positions,
            ),
            (
                What::UnreachableBytes,
                self.unreachable_bytes.figure,
                &self.unreachable_bytes.positions,
            ),
            (What::Masked, self.masked.figure, &self.masked.positions),
        ];
        let masks = self.masks.iter();
        all.extend(masks.map(|m| (What::Masks(&m.rule), m.figure, &m.positions)));
        all.push((What::Blocked, self.blocked.figure, &self.blocked.positions));
        let blocks = self.blocks.iter();
        all.extend(blocks.map(|b| (What::Blocks(&b.rule), b.figure, &b.positions)));
        all.push((
            What::Consents,
            self.consents.figure,
            &self.consents.positions,
        ));
        let to = self.destinations.iter();
        all.extend(to.map(|d| (What::To(&d.destination), d.figure, &d.positions)));
        all
    }
}

/// What a figure counts.
#[derive(Clone, Copy)]
enum What<'r> {
    Sent,
    SentBytes,
    Unreachable,
    UnreachableBytes,
    Masked,
    Masks(&'r Name),
    Blocked,
    Blocks(&'r Name),
    Consents,
    To(&'r Label),
}

impl What<'_> {
    fn title(self, language: Language) -> &'static str {
        let (japanese, english) = match self {
            What::Sent => ("送信を認めた呼出し", "calls cleared to leave"),
            What::SentBytes => ("そのバイト数", "their bytes"),
            What::Unreachable => (
                "うち接続できず送信されなかった呼出し",
                "of those, not sent: vendor unreachable",
            ),
            What::UnreachableBytes => ("そのバイト数（未送信）", "their bytes (not sent)"),
            What::Masked => ("マスクを施した呼出し", "calls with masks"),
            What::Masks(_) => ("マスク数", "masks"),
            What::Blocked => ("拒否した呼出し", "calls refused"),
            What::Blocks(_) => ("拒否の理由", "reasons of refusal"),
            What::Consents => ("根拠とした同意", "consents relied on"),
            What::To(_) => ("送信先", "sent to"),
        };
        language.pick(japanese, english)
    }

    /// The rule or host that the figure is of.
    fn of(&self) -> &str {
        match self {
            What::Masks(rule) | What::Blocks(rule) => rule.as_str(),
            What::To(destination) => destination.as_str(),
            _ => "",
        }
    }
}

fn basis_title(basis: Option<TransferBasis>, language: Language) -> &'static str {
    let (japanese, english) = match basis {
        None => ("未登録", "not stated"),
        Some(TransferBasis::Consent) => (
            "本人の同意（法28条1項・規則17条）",
            "consent (APPI art. 28 (1), rules art. 17)",
        ),
        Some(TransferBasis::EquivalentMeasures) => (
            "相当措置を講ずる体制（法28条3項・規則16条・18条）",
            "equivalent measures (APPI art. 28 (3), rules art. 16, 18)",
        ),
        Some(TransferBasis::EquivalentCountry) => (
            "同等水準国（法28条1項・規則15条）",
            "country of equivalent protection (APPI art. 28 (1), rules art. 15)",
        ),
        Some(TransferBasis::Domestic) => ("国内での取扱い", "handled in Japan"),
    };
    language.pick(japanese, english)
}

fn class_title(class: Option<DataClass>, language: Language) -> &'static str {
    let (japanese, english) = match class {
        None => ("区分なし（区分導入前）", "none (from before classes)"),
        Some(DataClass::Internal) => ("社内業務データ", "internal"),
        Some(DataClass::Mail) => ("メール・予定表", "mail and calendar"),
        Some(DataClass::Ec) => ("EC・顧客データ", "shop and customers"),
        Some(DataClass::Personal) => ("個人データ", "personal"),
        Some(DataClass::Generated) => ("生成データ", "generated"),
    };
    language.pick(japanese, english)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
