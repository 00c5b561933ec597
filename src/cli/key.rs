//! The log's signing key.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Key {
    /// Print the verifier key in force, for whoever will verify
    Show,
    /// List every key that the log has had, with the first entry that each signs
    History,
    /// Put a new key in force, signed by the old one, which is then gone; a running server goes on
    Rotate(Rotate),
    /// Put the key file under a passphrase, or change it; ask for it unless a file is named
    Protect(Protect),
    /// Keep the key file plain again, readable by its owner only
    Unprotect,
}

/// A key on a PKCS #11 token; it is made there if it is not there yet.
#[derive(Args)]
pub struct OnToken {
    /// Label of the PKCS #11 token that is to sign
    #[arg(long, value_name = "LABEL", requires = "token_key")]
    pub token: Option<String>,
    /// Label of the Ed25519 key on it; made there if it is not there yet
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub token_key: Option<String>,
}

#[derive(Args)]
pub struct Rotate {
    /// scheduled, leaked, algorithm, custody
    #[arg(long, default_value = "scheduled")]
    pub reason: String,
    #[command(flatten)]
    pub on_token: OnToken,
    /// From a token back to a file of this host
    #[arg(long, conflicts_with = "token")]
    pub file: bool,
}

#[derive(Args)]
pub struct Protect {
    /// A file that holds the new passphrase
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Under Windows' own protection of this user instead
    #[arg(long, conflicts_with = "passphrase_file")]
    pub system: bool,
}
