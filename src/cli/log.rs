//! The log itself: made, written, read, copied.

use super::OnToken;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct Init {
    /// The log's name for ever, as example.co.jp/daicho
    #[arg(long)]
    pub origin: String,
    #[command(flatten)]
    pub on_token: OnToken,
    /// The library of the token's maker, as /usr/lib/softhsm/libsofthsm2.so
    #[arg(long, value_name = "FILE", requires = "token")]
    pub module: Option<PathBuf>,
    /// A file that holds the token's PIN; without it the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "token")]
    pub pin_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Append {
    /// NDJSON file; - is standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
}

#[derive(Args)]
pub struct Events {
    #[command(flatten)]
    pub filter: Filter,
    /// At most so many
    #[arg(long)]
    pub limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    pub newest: bool,
}

/// Which entries are meant; all of them, if nothing is said.
#[derive(Args)]
pub struct Filter {
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
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub from: u64,
    /// Up to this position, and with it
    #[arg(long, value_name = "SEQ")]
    pub to: Option<u64>,
}

#[derive(Args)]
pub struct Show {
    pub seq: u64,
    /// Open the sealed content too; that it was opened is recorded first
    #[arg(long)]
    pub content: bool,
}

#[derive(Args)]
pub struct Backup {
    /// Directory of the copy; each run brings it up to date
    #[arg(value_name = "DEST")]
    pub destination: PathBuf,
    /// Copy the keys too: who has the copy can then read all content and sign for the ledger
    #[arg(long)]
    pub with_keys: bool,
    /// What the log calls the destination, instead of the directory's name
    #[arg(long)]
    pub label: Option<String>,
}

#[derive(Args)]
pub struct Restore {
    /// Directory that `daicho backup` wrote
    #[arg(value_name = "SRC")]
    pub source: PathBuf,
    /// A checkpoint kept elsewhere: says whether entries are missing (repeatable)
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// The log's key as it was published elsewhere
    #[arg(long)]
    pub vkey: Option<String>,
}
