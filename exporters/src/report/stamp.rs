//! What a file says that it was made from, so that it can be made again and compared.
//!
//! ```text
//! JSON      its keys report, version, basis
//! others    "daicho-report:" base64(JSON of a stamp), in a meta element, a row, a comment
//! ```

use super::model::Report;
use super::{Basis, Format, Language};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub report: String,
    pub version: u32,
    /// Absent in JSON, which has both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    pub basis: Basis,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    #[error("the file is no report of daicho: it does not say what it was made from")]
    Absent,
    #[error("what the file says it was made from cannot be read")]
    Unreadable,
}

const MARK: &str = "daicho-report:";

impl Stamp {
    pub(super) fn text(report: &Report, language: Language) -> String {
        let stamp = Stamp {
            report: report.report.to_owned(),
            version: report.version,
            language: Some(language),
            basis: report.basis.clone(),
        };
        stamp.to_text()
    }

    /// As it stands in a file that is no JSON.
    pub fn to_text(&self) -> String {
        // Names, numbers and times: writing them cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{MARK}{}", STANDARD.encode(json))
    }

    /// Of a file of any form, and which form that is.
    pub fn read(file: &str) -> Result<(Stamp, Format), StampError> {
        if file.starts_with('{') {
            let stamp = serde_json::from_str(file).map_err(|_| StampError::Unreadable)?;
            return Ok((stamp, Format::Json));
        }
        let stamp = Stamp::find(file)?;
        let format = match file.chars().next() {
            Some('\u{feff}') => Format::Csv,
            Some('<') if file.starts_with("<!DOCTYPE") => Format::Html,
            Some('<') => Format::Markdown,
            _ => return Err(StampError::Absent),
        };
        Ok((stamp, format))
    }

    /// The first one in a text that is no JSON.
    pub fn find(text: &str) -> Result<Stamp, StampError> {
        let (_, after) = text.split_once(MARK).ok_or(StampError::Absent)?;
        let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        let end = after.find(|c| !base64(c)).unwrap_or(after.len());
        let json = after.get(..end).and_then(|text| STANDARD.decode(text).ok());
        let stamp = json.and_then(|json| serde_json::from_slice::<Stamp>(&json).ok());
        let stamp = stamp.filter(|stamp| stamp.language.is_some());
        stamp.ok_or(StampError::Unreadable)
    }
}
