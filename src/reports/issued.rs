//! What was issued, as the log has it, and how it is made again.

use super::{Form, make};
use crate::config;
use crate::outcome::Failure;
use crate::pdf;
use anyhow::{Context, anyhow};
use exporters::report::model::Report;
use exporters::report::{Basis, Language};
use ledger::{Entry, Projection, Reader};
use schemas::kinds::acting::{NotifyChannel, NotifyOutcome};
use schemas::kinds::records::ReportDelivered;
use schemas::{Actor, Data, EventId, Hash, Label, Month, Name, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The content of `report.issued` that holds the report's basis.
pub const BASIS: &str = "basis";

/// One document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedReport {
    pub seq: u64,
    pub id: EventId,
    pub at: Timestamp,
    pub actor: Actor,
    pub report: Name,
    /// As `2026-11`, or `2026-11 +09:00`.
    pub period: Option<Label>,
    /// Entries that it is of.
    pub head: u64,
    pub sha256: Hash,
    pub media: Label,
}

impl IssuedReport {
    /// Its month, if it is of one.
    pub fn month(&self) -> Option<Month> {
        self.period
            .as_ref()?
            .as_str()
            .split(' ')
            .next()?
            .parse()
            .ok()
    }

    pub fn form(&self) -> Option<(Form, Language)> {
        Form::of_media(self.media.as_str())
    }
}

/// Every document that was issued, the oldest first, and which of the schedule's were handed on.
#[derive(Default, Serialize, Deserialize)]
pub struct IssuedReports {
    all: Vec<IssuedReport>,
    delivered: Vec<(Name, Month, NotifyOutcome)>,
}

impl Projection for IssuedReports {
    const NAME: &'static str = "issued";
    const VERSION: u32 = 2;

    fn fold(&mut self, entry: &Entry) {
        match entry.data() {
            Data::ReportIssued(fact) => self.all.push(IssuedReport {
                seq: entry.seq(),
                id: entry.id(),
                at: entry.at(),
                actor: entry.actor().clone(),
                report: fact.report.clone(),
                period: fact.period.clone(),
                head: fact.head,
                sha256: fact.report_sha256,
                media: fact.media.clone(),
            }),
            Data::ReportDelivered(fact) => {
                let ReportDelivered {
                    report,
                    month,
                    channel: NotifyChannel::Webhook,
                    outcome,
                    ..
                } = fact
                else {
                    return;
                };
                self.delivered.push((report.clone(), *month, *outcome));
            }
            _ => {}
        }
    }
}

impl IssuedReports {
    pub fn all(&self) -> &[IssuedReport] {
        &self.all
    }

    pub fn at(&self, seq: u64) -> Option<&IssuedReport> {
        let found = self.all.binary_search_by_key(&seq, |one| one.seq).ok()?;
        self.all.get(found)
    }

    pub fn of_id(&self, id: EventId) -> Option<&IssuedReport> {
        self.all.iter().rev().find(|one| one.id == id)
    }

    /// How often somebody tried to hand on a report of a month, each time until the end.
    pub fn tried(&self, report: &str, month: Month) -> impl Iterator<Item = NotifyOutcome> {
        let of = move |(name, of, _): &&(Name, Month, NotifyOutcome)| {
            name.as_str() == report && *of == month
        };
        self.delivered
            .iter()
            .filter(of)
            .map(|(_, _, outcome)| *outcome)
    }
}

/// What an issued report was made from.
pub fn basis(reader: &Reader, issued: &IssuedReport) -> Result<Basis, Failure> {
    let help = "it was issued by an older program, or its content has ended: make it anew";
    let entry = reader.entry(issued.seq)?;
    let reference = entry.content().iter().find(|c| c.name.as_str() == BASIS);
    let basis = match reference {
        Some(reference) => reader.content(reference).map_err(anyhow::Error::new),
        None => Err(anyhow!("the entry has no content `{BASIS}`")),
    };
    basis
        .and_then(|bytes| {
            serde_json::from_slice(&bytes)
                .ok()
                .context("it is no basis")
        })
        .map_err(|error| {
            let fault = error.context(format!("what report {} was made from", issued.seq));
            Failure::new(fault, help)
        })
}

/// An issued report as it was made, figures and positions and all.
pub fn report(reader: &Reader, issued: &IssuedReport) -> Result<Report, Failure> {
    let basis = basis(reader, issued)?;
    make(reader, issued.report.as_str(), basis)
}

/// The bytes that were issued, made again: the same, or a failure.
pub fn again(
    reader: &Reader,
    issued: &IssuedReport,
    config: &config::Report,
) -> Result<Vec<u8>, Failure> {
    let help = "make it anew: `daicho report` issues what this program makes";
    let Some((form, language)) = issued.form() else {
        let fault = "this program does not know the form of that document";
        return Err(Failure::msg(fault, help));
    };
    let report = report(reader, issued)?;
    let bytes = write(&report, form, language, config, reader)?;
    if Hash(Sha256::digest(&bytes).into()) != issued.sha256 {
        let fault = format!(
            "this program, or its font, makes other bytes than those that were issued at {}",
            issued.seq
        );
        return Err(Failure::msg(fault, help));
    }
    Ok(bytes)
}

/// A report in one form and language.
pub fn write(
    report: &Report,
    form: Form,
    language: Language,
    config: &config::Report,
    reader: &Reader,
) -> Result<Vec<u8>, Failure> {
    match form.format() {
        Some(format) => Ok(report.write(format, language).into_bytes()),
        None => pdf::render(&report.to_json(), language, config, reader.layout()),
    }
}
