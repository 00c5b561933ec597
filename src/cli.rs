//! The command line as it is typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A tamper-evident audit and compliance ledger for AI agents.
///
/// Exit codes: 0 all is well; 1 the check found something wrong; 2 it could not be done.
#[derive(Parser)]
#[command(name = "daicho", version, max_term_width = 100)]
pub struct Cli {
    /// Data directory of the ledger
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "./daicho-data"
    )]
    pub data: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a new ledger: its key, its first entry, its configuration
    Init(Init),
    /// Run the gateway, the ledger's API and its console
    Serve(Serve),
    /// Append events: one JSON object per line, from FILE or standard input
    Append(Append),
    /// List entries
    Events(Events),
    /// Show one entry
    Show(Show),
    /// Check every body, link, signature, hash, checkpoint and content of a ledger
    Verify(Verify),
    /// Write a C2SP tlog-proof that an entry is in the log
    Prove(Prove),
    /// The log's key
    #[command(subcommand)]
    Key(Key),
    /// Build every index again from the log
    Rebuild,
    /// Write a report from the log, and record that it was issued
    #[command(subcommand)]
    Report(Report),
    /// The receivers of the log
    #[command(subcommand)]
    Export(Export),
    /// Print this machine's figures: appends, HTTP, verification
    Bench(Bench),
}

#[derive(Args)]
pub struct Init {
    /// The log's name for ever, as example.co.jp/daicho
    #[arg(long)]
    pub origin: String,
}

#[derive(Args)]
pub struct Serve {
    /// Address to listen on, instead of the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct Append {
    /// NDJSON file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Events {
    /// Only these kinds (repeatable)
    #[arg(long)]
    pub kind: Vec<String>,
    /// Only this actor, as agent:cfo
    #[arg(long)]
    pub actor: Option<String>,
    #[arg(long)]
    pub session: Option<String>,
    /// Only this retention class
    #[arg(long)]
    pub class: Option<String>,
    /// From this time on (RFC 3339, or YYYY-MM-DD in UTC)
    #[arg(long)]
    pub since: Option<String>,
    /// Before this time
    #[arg(long)]
    pub until: Option<String>,
    /// From this position on
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// At most so many
    #[arg(long)]
    pub limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    pub newest: bool,
}

#[derive(Args)]
pub struct Show {
    pub seq: u64,
    /// Open the sealed content too; that it was opened is recorded first
    #[arg(long)]
    pub content: bool,
}

#[derive(Args)]
pub struct Verify {
    /// A checkpoint kept elsewhere (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
}

#[derive(Args)]
pub struct Prove {
    pub seq: u64,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Key {
    /// Print the log's origin and its verifier key
    Show,
}

#[derive(Args)]
pub struct Bench {
    /// One second per figure instead of four
    #[arg(long)]
    pub quick: bool,
    /// Where the scratch ledgers go: the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub scratch: PathBuf,
}

#[derive(Subcommand)]
pub enum Report {
    /// What is kept, how long, and until when
    Retention(RetentionReport),
}

#[derive(Args)]
pub struct RetentionReport {
    /// html, or json with the positions behind each figure (--json means json)
    #[arg(long, value_enum, default_value_t = ReportFormat::Html)]
    pub format: ReportFormat,
    #[arg(long, value_enum, default_value_t = ReportLanguage::Ja)]
    pub language: ReportLanguage,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A checkpoint kept elsewhere, to verify against (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Html,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportLanguage {
    Ja,
    En,
}

#[derive(Subcommand)]
pub enum Export {
    /// How far each receiver is, as the running server knows it
    Status,
}
