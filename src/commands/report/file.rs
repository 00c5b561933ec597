//! A report's file, and the log that it speaks of.

use crate::outcome::Failure;
use crate::reports;
use exporters::report::{Format, Head, Language, Stamp};
use ledger::Reader;
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::path::Path;

/// A file of any form, and what it says that it was made from.
pub struct ReportFile {
    pub text: String,
    pub sha256: Hash,
    pub stamp: Stamp,
    pub format: Format,
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
        let text =
            String::from_utf8(bytes).map_err(|_| failed(anyhow::anyhow!("it is no text")))?;
        let (stamp, format) = Stamp::read(&text).map_err(|error| failed(error.into()))?;
        Ok(ReportFile {
            text,
            sha256,
            stamp,
            format,
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
                "the report is of {size} entries, and the log has {held}: entries were lost, or it is of another history"
            );
            return Ok(Some(fault));
        }
        let (own, newest) = (reader.root_at(size)?, reader.entry(size - 1)?.at());
        let same = own == root && newest == at;
        Ok((!same).then(|| {
            format!("the log's first {size} entries have the root {own}, the report says {root}")
        }))
    }

    /// What the log gives for the same basis: the report, and the bytes of the same form.
    pub fn again(
        &self,
        reader: &Reader,
    ) -> Result<(exporters::report::model::Report, String), Failure> {
        let report = reports::make(reader, &self.stamp.report, self.stamp.basis.clone())?;
        let language = self.stamp.language.unwrap_or(Language::Japanese);
        let text = report.write(self.format, language);
        Ok((report, text))
    }
}
