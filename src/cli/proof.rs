//! What proves the log, and to whom.

use super::Filter;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub struct Verify {
    /// A checkpoint kept elsewhere, or what a SIEM stored in daicho's JSON or OCSF (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// Certificates (PEM) of the authority whose time stamps must hold
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Option<PathBuf>,
    /// C2SP tlog-policy whose quorum must have cosigned the checkpoints given, or else
    /// checkpoint.cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Args)]
pub struct Prove {
    pub seq: u64,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Args)]
pub struct Bundle {
    /// The zip to write; an existing file is never written over
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub filter: Filter,
    /// A checkpoint that the auditor has kept: the bundle proves the entries by it, instead of by
    /// the one for which the most witnesses and authorities stand
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Content to give away in the clear, as 41:request; that it is revealed is recorded first
    /// (repeatable)
    #[arg(long, value_name = "SEQ:NAME")]
    pub release: Vec<String>,
}

#[derive(Args)]
pub struct VerifyBundle {
    #[arg(value_name = "FILE")]
    pub bundle: PathBuf,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
    /// A checkpoint kept elsewhere, or what a SIEM stored: the bundle's is among them (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Key of a witness that must have cosigned (repeatable)
    #[arg(long, value_name = "VKEY")]
    pub witness: Vec<String>,
    /// C2SP tlog-policy whose quorum must have cosigned
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Certificates (PEM) of the authority whose time stamp must hold
    #[arg(long, value_name = "FILE")]
    pub tsa_ca: Option<PathBuf>,
}

#[derive(Args)]
pub struct Timestamp {
    /// File of a query for an authority that this host does not reach: written, with the
    /// checkpoint that it is about in FILE.checkpoint; with --response read again
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// The authority's answer (.tsr) to that query: verified and kept
    #[arg(long, value_name = "FILE", requires = "request")]
    pub response: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Witness {
    /// Make a witness's state file with a new key; prints the verifier key for policies
    Init {
        /// The witness's name for ever, as witness.example.com/w1
        #[arg(long)]
        name: String,
        #[arg(value_name = "FILE")]
        state: PathBuf,
    },
    /// Let a witness know a log, by its verifier key; or the next key of a log that it knows
    AddLog {
        #[arg(value_name = "FILE")]
        state: PathBuf,
        #[arg(long)]
        vkey: String,
    },
    /// Run a C2SP tlog-witness from its state file
    Serve {
        #[arg(value_name = "FILE")]
        state: PathBuf,
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7380")]
        listen: String,
    },
    /// What the running server knows of its witnesses; exit 1 while the quorum is missed
    Status,
}
