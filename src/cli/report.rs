//! `daicho report`.

use crate::reports::Form;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Report {
    /// What is kept, how long, and until when: the state at the log's head
    Retention(RetentionReport),
    /// What left in a period, to whom, on which terms, by class of data (APPI art. 28)
    Transfers(PeriodReport),
    /// The month for the security department: use, masks, blocks, approvals, findings, incidents
    Monthly(PeriodReport),
    /// Who asked for what, who decided, and how long that took
    Approvals(PeriodReport),
    /// Changes of who may do what, failures, and sealed content that was opened
    Access(PeriodReport),
    /// Alerts, incidents by severity, and times
    Incidents(PeriodReport),
    /// Risks, controls, what the log shows for each, and how that answers outside rules
    Controls(PeriodReport),
    /// List the documents that were issued, and where the log records them
    List,
    /// Make a document that was issued again from the log: the same bytes, with a signature
    Fetch(ReportFetch),
    /// Check a report's file: its digest is recorded, the log gives the same figures at the
    /// report's head, and the signature, if there is one, holds and the log keeps what it signs;
    /// exit 1 if not, 2 if the figures cannot be compared
    Verify(ReportVerify),
    /// List the entries behind one figure of a report's file
    Explain(ReportExplain),
}

#[derive(Args)]
pub struct RetentionReport {
    /// Go on from the newest retention report over a verified log: only entries since then are
    /// read and checked, and the report says so; quick for a long log
    #[arg(long = "continue", conflicts_with_all = ["unverified", "head", "checkpoint", "vkey"])]
    pub continued: bool,
    #[command(flatten)]
    pub common: ReportCommon,
}

#[derive(Args)]
pub struct PeriodReport {
    /// A calendar month, as 2026-11, or several, as 2026-10..2026-12; in UTC unless [report]
    /// utc_offset says otherwise
    #[arg(long, value_name = "MONTH")]
    pub month: String,
    #[command(flatten)]
    pub common: ReportCommon,
}

#[derive(Args)]
pub struct ReportCommon {
    /// json has the query and every position behind each figure (--json means json); pdf is
    /// PDF/A-3b with that JSON inside, and needs the program daicho-pdf
    #[arg(long, value_enum, default_value_t = Form::Html)]
    pub format: Form,
    #[arg(long, value_enum, default_value_t = ReportLanguage::Ja)]
    pub language: ReportLanguage,
    /// File to write, instead of standard output; with its signature in FILE.tlog-proof, that
    /// one's time stamp (where [timestamp] names an authority) in FILE.tlog-proof.tsr, and the
    /// evidence of an HTML page beside it as .json
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace files that are there; else nothing is issued
    #[arg(long)]
    pub force: bool,
    /// Make the report of the first SIZE entries: with the same program, key and checkpoints the
    /// same bytes
    #[arg(long, value_name = "SIZE")]
    pub head: Option<u64>,
    /// A checkpoint kept elsewhere, to verify against (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// Do not verify the log first: quick for a long log, and the report says that nobody has
    #[arg(long, conflicts_with_all = ["checkpoint", "vkey"])]
    pub unverified: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportLanguage {
    Ja,
    En,
}

#[derive(Args)]
pub struct ReportVerify {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The signature, instead of FILE.tlog-proof; its time stamp lies beside it as .tsr
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// A checkpoint kept elsewhere, to verify against (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    pub checkpoint: Vec<PathBuf>,
    /// Root certificates of the time-stamping authority, in PEM; else those of [timestamp]
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Option<PathBuf>,
    /// Check the signature under --vkey alone, without a ledger: figures are not computed again
    #[arg(long, requires = "vkey")]
    pub offline: bool,
}

#[derive(Args)]
pub struct ReportFetch {
    /// Position of the report.issued
    #[arg(value_name = "SEQ")]
    pub seq: u64,
    /// File to write, instead of standard output; with its signature in FILE.tlog-proof, that
    /// one's time stamp (where [timestamp] names an authority) in FILE.tlog-proof.tsr
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace files that are there; the signature is made anew, and so is its time stamp
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct ReportExplain {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The figure's id, as use.model.claude-sonnet-4-5.calls: in the JSON, the CSV, and the
    /// page's last table
    #[arg(long, value_name = "ID")]
    pub figure: String,
}
