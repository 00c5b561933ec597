//! The command line as it is typed: a file for each subject.

mod export;
mod findings;
mod hook;
mod ingest;
mod key;
mod log;
mod masking;
mod people;
mod proof;
mod report;
mod retention;

pub use export::*;
pub use findings::*;
pub use hook::*;
pub use ingest::*;
pub use key::*;
pub use log::*;
pub use masking::*;
pub use people::*;
pub use proof::*;
pub use report::*;
pub use retention::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Where a ledger is unless told.
pub const DATA: &str = "./daicho-data";

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
        default_value = DATA
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
    /// Play a working day on a fresh ledger: prompts, masks, blocks, approvals, a SIEM, a proof
    Demo(Demo),
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
    /// Write chosen entries, their proofs and two verifiers into one zip for an outside auditor
    Bundle(Bundle),
    /// Check such a zip, and say what it proves and what not
    VerifyBundle(VerifyBundle),
    /// The log's signing key: show it, replace it, protect it
    #[command(subcommand)]
    Key(Key),
    /// Build every index again from the log
    Rebuild,
    /// Tell the server of a hook event of Claude Code (JSON on standard input) and print its answer.
    ///
    /// Exit codes: 0 the answer counts; 2 a prompt or a use of a tool is stopped, because nobody
    /// could decide; 1 another event could not be recorded.
    Hook(Hook),
    /// Stand before an MCP tool server (stdio): calls are decided and recorded before it hears them
    Mcp(Mcp),
    /// Take in what was written before daicho was there
    #[command(subcommand)]
    Import(Import),
    /// Take in other systems' logs as they are: files, a repository's history, usage exports.
    ///
    /// What has been taken in is known by the log: a repetition takes in what is new.
    #[command(subcommand)]
    Ingest(Ingest),
    /// Mask a text as the ledger in --data would now: by the policy in force there, with its roster;
    /// exit 1 if it must not leave at all.
    ///
    /// Without a ledger by the default policy, or that of a daicho.toml in the directory. Nothing is
    /// recorded.
    Mask(Mask),
    /// Record what a scanner found, from its SARIF 2.1.0 report
    Scan(Scan),
    /// List findings; with --severity, exit 1 while a live one is that grave or graver
    Findings(Findings),
    /// Patches for findings
    #[command(subcommand)]
    Patch(Patch),
    /// What waits for a person's decision, and the decisions
    #[command(subcommand)]
    Approvals(Approvals),
    /// Agents and their tokens
    #[command(subcommand)]
    Agents(Agents),
    /// People: who may approve, and with which key
    #[command(subcommand)]
    Users(Users),
    /// Whose data of a class may be sent, and what for
    #[command(subcommand)]
    Consent(Consent),
    /// Policies in force, and what daicho.toml would change in them; exit 1 if it would
    Policy(Policy),
    /// What content ends when, what keeps it, and its end
    #[command(subcommand)]
    Retention(Retention),
    /// Legal holds: what they cover does not end
    #[command(subcommand)]
    Hold(Hold),
    /// Erasure of one person's content on request
    #[command(subcommand)]
    Erasure(Erasure),
    /// Lists of people that are masked wherever they stand
    #[command(subcommand)]
    Roster(Roster),
    /// Write a report from the log, record that it was issued, and check such a file again
    #[command(subcommand)]
    Report(Report),
    /// The receivers of the log
    #[command(subcommand)]
    Export(Export),
    /// Copy the ledger elsewhere: only what is new, verified, and recorded
    Backup(Backup),
    /// Make an empty data directory from a backup, if it is sound and nothing is missing
    Restore(Restore),
    /// Look at permissions, clock, space, keys, time stamps, receivers; exit 1 if something is wrong
    Doctor,
    /// Witnesses: who cosigns this log, and a witness for others' logs
    #[command(subcommand)]
    Witness(Witness),
    /// Have an authority say when the newest checkpoint existed (RFC 3161), and keep its answer
    Timestamp(Timestamp),
    /// Print this machine's figures: appends, HTTP, gateway, lines of other logs, and a log that is read
    Bench(Bench),
    /// Print the notices of the data by others inside this program
    Licences,
}

#[derive(Args)]
pub struct Serve {
    /// Address to listen on, instead of the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct Bench {
    /// One second per figure instead of four
    #[arg(long)]
    pub quick: bool,
    /// Where the scratch ledgers go: the disk that is measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub scratch: PathBuf,
    /// One part alone
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<Benched>,
    /// Entries of the log that is verified, opened, asked and reported on [default: 200000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(4..))]
    pub entries: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Benched {
    Append,
    Http,
    Gateway,
    Streams,
    Hook,
    Mask,
    Ingest,
    Log,
    Report,
}

#[derive(Args)]
pub struct Demo {
    /// End when the day is over, instead of keeping the console open
    #[arg(long)]
    pub once: bool,
}
