//! A report's evidence (JSON) as a document for people: PDF/A-3b (ISO 19005-3) with that evidence
//! inside as an associated file.
//!
//! A crate and a program of its own, `daicho-pdf`: the ledger does not wait for a PDF engine. The
//! same evidence, language and font give the same bytes.

mod document;
mod evidence;
mod font;
mod lines;
mod sheet;
mod table;
mod write;

pub use font::{FontFault, Typeface};

use exporters::report::Language;

#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("this is no evidence of a report that this program can read: {0}")]
    Evidence(String),
    #[error(transparent)]
    Font(#[from] FontFault),
    /// What the standard does not allow, or the engine cannot do.
    #[error("the document is no PDF/A-3b: {0}")]
    Engine(String),
}

/// The document of a report's JSON.
pub fn render(json: &str, language: Language, typeface: &Typeface) -> Result<Vec<u8>, PdfError> {
    let report = evidence::Report::read(json).map_err(PdfError::Evidence)?;
    let sheets = document::lay_out(&report, json, language, typeface);
    write::write(&report, json, language, typeface, sheets)
}
