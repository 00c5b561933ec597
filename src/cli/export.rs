//! The receivers of the log.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Export {
    /// How far each receiver is, as the running server knows it, or else by the cursors
    Status,
    /// Send one entry to a receiver, and say what came back
    ///
    /// It is entry 0, which the receiver has or should have: it drops the copy by chain and seq.
    Test(ExportTest),
    /// Send a part of the log once more, beside what is being sent
    ///
    /// For a receiver that has lost something (`export check` names the gaps). The bytes are those
    /// that were sent before; the receiver's position stays as it is. Lines for files go into a
    /// file of their own.
    Replay(ExportReplay),
    /// Check what a receiver stored: gaps, copies, what was cut, altered or forged
    ///
    /// Exit code 1 if anything is wrong. With --ledger everything has to be there from entry 0 on: a
    /// beginning that lacks is a gap, and an end that lacks is told as the tail, which may be on its
    /// way at this moment. Without it the file may be one of several.
    Check(ExportCheck),
    /// Show the fingerprint of our certificate, for a receiver that pins it (RFC 5425)
    Certificate(ExportCertificate),
}

#[derive(Args)]
pub struct ExportTest {
    /// The receiver's name in daicho.toml
    pub destination: String,
}

#[derive(Args)]
pub struct ExportCertificate {
    /// The receiver's name in daicho.toml
    pub destination: String,
    /// Make a key and a certificate that nobody else vouches for, where client_key_file and
    /// client_certificate_file will be
    #[arg(long)]
    pub create: bool,
}

#[derive(Args)]
pub struct ExportReplay {
    /// The receiver's name in daicho.toml
    pub destination: String,
    /// The first entry
    #[arg(long, value_name = "SEQ")]
    pub from: u64,
    /// The last entry
    #[arg(long, value_name = "SEQ")]
    pub to: u64,
}

#[derive(Args)]
pub struct ExportCheck {
    /// The receiver's file: messages with their structured data, or daicho's own lines of JSON
    pub file: PathBuf,
    /// The log's verifier key: every signature is checked
    #[arg(long, value_name = "VKEY")]
    pub vkey: Option<String>,
    /// Compare with the ledger in --data too, from its first entry to its last
    #[arg(long)]
    pub ledger: bool,
    /// Record the outcome, for this receiver of daicho.toml: export.delivered, or an export.gap for
    /// each gap
    #[arg(long, value_name = "DESTINATION", requires = "ledger")]
    pub record: Option<String>,
}
