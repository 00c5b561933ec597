//! A report's file, and the log that it speaks of.

use super::{Form, issued, make};
use crate::config::Config;
use crate::count::counted;
use crate::outcome::Failure;
use exporters::report::model::Report;
use exporters::report::{Format, Head, Language, Stamp};
use ledger::Reader;
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::path::Path;

/// A file of any form, and what it says that it was made from.
pub struct ReportFile {
    pub bytes: Vec<u8>,
    /// Of PDF what can be read of it.
    pub text: String,
    pub sha256: Hash,
    pub stamp: Stamp,
    pub form: Form,
}

/// No report is as long.
const MAX_BYTES: u64 = 1 << 30;

impl ReportFile {
    pub fn read(path: &Path) -> Result<ReportFile, Failure> {
        let help = "give a file that `daicho report` wrote, as it wrote it";
        let failed = |fault: anyhow::Error| {
            Failure::new(
                fault.context(format!("{} cannot be read", path.display())),
                help,
            )
        };
        let meta = std::fs::metadata(path).map_err(|error| failed(error.into()))?;
        if meta.len() > MAX_BYTES {
            return Err(failed(anyhow::anyhow!("it is larger than any report")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(error.into()))?;
        let sha256 = Hash(Sha256::digest(&bytes).into());
        if bytes.starts_with(b"%PDF-") {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let stamp = Stamp::find(&text).map_err(|error| failed(error.into()))?;
            return Ok(ReportFile {
                bytes,
                text,
                sha256,
                stamp,
                form: Form::Pdf,
            });
        }
        let text = String::from_utf8(bytes.clone());
        let text = text.map_err(|_| failed(anyhow::anyhow!("it is no text")))?;
        let (stamp, format) = Stamp::read(&text).map_err(|error| failed(error.into()))?;
        Ok(ReportFile {
            bytes,
            text,
            sha256,
            stamp,
            form: match format {
                Format::Json => Form::Json,
                Format::Html => Form::Html,
                Format::Csv => Form::Csv,
                Format::Markdown => Form::Md,
            },
        })
    }

    /// Another log says nothing about this report, for or against it.
    pub fn of_log(&self, reader: &Reader) -> Result<(), Failure> {
        let (report, log) = (&self.stamp.basis.log, reader.origin());
        if report == log {
            return Ok(());
        }
        let report = schemas::Label::lossy(report);
        let fault = format!(
            "the report is of the log {}, this ledger is {log}",
            report.as_str()
        );
        Err(Failure::msg(
            fault,
            "name the ledger that it is of with --data",
        ))
    }

    /// Why its head is none of this log's, if so.
    pub fn head_fault(&self, reader: &Reader) -> Result<Option<String>, Failure> {
        let Head { size, root, at } = self.stamp.basis.head;
        let held = reader.size();
        if size == 0 || size > held {
            let fault = format!(
                "the report is of {}, and the log has {held}: entries were lost, or it is of another history",
                counted(size, "entry")
            );
            return Ok(Some(fault));
        }
        let (own, newest) = (reader.root_at(size)?, reader.entry(size - 1)?.at());
        let same = own == root && newest == at;
        Ok((!same).then(|| {
            format!("the log's first {size} entries have the root {own}, the report says {root}")
        }))
    }

    /// What the log gives for the same basis.
    pub fn again(&self, reader: &Reader) -> Result<Report, Failure> {
        make(reader, &self.stamp.report, self.stamp.basis.clone())
    }

    /// A report in the form of this file.
    pub fn like(&self, report: &Report, reader: &Reader) -> Result<Vec<u8>, Failure> {
        let language = self.stamp.language.unwrap_or(Language::Japanese);
        let config = Config::load(reader.layout())?.report;
        issued::write(report, self.form, language, &config, reader)
    }
}
