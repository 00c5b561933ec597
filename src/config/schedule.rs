use crate::outcome::Failure;
use crate::reports::Form;
use crate::server::notify::webhook::Configured;
use exporters::report::window::ClosedDays;
use exporters::report::{KINDS, Language};
use serde::Deserialize;
use std::path::PathBuf;

/// What the server issues by itself, on the first working day after each month. No policy: it
/// changes no figure.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Where documents are put, in the data directory unless absolute.
    pub directory: PathBuf,
    pub reports: Vec<String>,
    pub formats: Vec<Form>,
    pub languages: Vec<Language>,
    /// Days on which the company is closed beside weekends and Japan's holidays.
    pub closed_days: ClosedDays,
    /// Where the documents are posted to, or a file that holds that address.
    pub webhook: Option<String>,
    pub webhook_file: Option<PathBuf>,
    /// Before one month's report is given up, until the next start.
    pub attempts: u64,
    /// Of one attempt.
    pub timeout_seconds: u64,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule {
            directory: PathBuf::from("reports"),
            reports: vec!["monthly".to_owned()],
            formats: vec![Form::Html, Form::Json],
            languages: vec![Language::Japanese],
            closed_days: ClosedDays::default(),
            webhook: None,
            webhook_file: None,
            attempts: 8,
            timeout_seconds: 30,
        }
    }
}

impl Schedule {
    pub fn address(&self) -> Configured<'_> {
        Configured {
            section: "report.schedule",
            webhook: self.webhook.as_deref(),
            webhook_file: self.webhook_file.as_deref(),
        }
    }

    /// Whether it can be followed.
    pub fn check(&self) -> Result<(), Failure> {
        let help = "correct [report.schedule] in daicho.toml";
        if !self
            .reports
            .iter()
            .all(|name| KINDS.contains(&name.as_str()))
        {
            let fault = format!("[report.schedule] reports has a name that is none of {KINDS:?}");
            return Err(Failure::msg(fault, help));
        }
        for (empty, what) in [
            (self.reports.is_empty(), "reports"),
            (self.formats.is_empty(), "formats"),
            (self.languages.is_empty(), "languages"),
        ] {
            if empty {
                return Err(Failure::msg(
                    format!("[report.schedule] {what} is empty"),
                    help,
                ));
            }
        }
        Ok(())
    }
}
