//! Reports: figures from the log, each with the query that it answers and the positions behind it.
//!
//! A report is a pure function of the log up to a head and of facts that its caller gives
//! ([`Basis`]): the same input is the same bytes, and whoever has the log makes it again. Every
//! report has one form ([`model::Report`]), which comes as JSON (the evidence), as one HTML file
//! for people, as CSV and as Markdown. To add a report: one file here, one line in `KINDS`.

pub mod access;
pub mod approvals;
mod basis;
mod chart;
pub mod controls;
mod csv;
pub mod facts;
pub mod incidents;
pub mod known;
mod markdown;
pub mod model;
pub mod monthly;
mod page;
mod positions;
pub mod retention;
mod stamp;
#[cfg(test)]
mod tests;
pub mod transfers;
pub mod window;
pub mod write;

pub use basis::{Adopted, Basis, Head, Rules, Verification};
pub use positions::{Positions, PositionsError, Summary};
pub use stamp::{Stamp, StampError};

use serde::{Deserialize, Serialize};

/// The names of all reports, as `report.issued` has them.
pub const KINDS: [&str; 7] = [
    "retention",
    "transfers",
    "monthly",
    "approvals",
    "access",
    "incidents",
    "controls",
];

/// The language of a report for people. The JSON has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "ja")]
    Japanese,
    #[serde(rename = "en")]
    English,
}

impl Language {
    fn pick<'a>(self, japanese: &'a str, english: &'a str) -> &'a str {
        match self {
            Language::Japanese => japanese,
            Language::English => english,
        }
    }

    /// As in a media type.
    pub fn tag(self) -> &'static str {
        self.pick("ja", "en")
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Html,
    Csv,
    Markdown,
}

impl Format {
    /// Media type, with the language where there is one.
    pub fn media(self, language: Language) -> String {
        let media = match self {
            Format::Json => return "application/json".to_owned(),
            Format::Html => "text/html",
            Format::Csv => "text/csv",
            Format::Markdown => "text/markdown",
        };
        format!("{media}; lang={}", language.tag())
    }
}

impl model::Report {
    /// The report's bytes. All but JSON carry what they were made from ([`Stamp`]).
    pub fn write(&self, format: Format, language: Language) -> String {
        match format {
            Format::Json => self.to_json(),
            Format::Html => page::page(self, language).into_string(),
            Format::Csv => csv::table(self, language),
            Format::Markdown => markdown::page(self, language),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error(
        "the figures are of {folded} entries, the head is of {head}; fold the log up to its head first"
    )]
    OtherHead { folded: u64, head: u64 },
    #[error("this report is of months: name one with --month, as 2026-11")]
    NoPeriod,
}
