//! What leaves, and by which rules.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub struct Mask {
    /// The text; standard input unless given. With --check any number of files and directories
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show the text with what is found marked, and why: rule, evidence, replacement
    #[arg(long, conflicts_with_all = ["check", "ndjson"])]
    pub explain: bool,
    /// Look through files before they go into a knowledge base: how many finds of which rule
    /// at which lines, never the values. Exit 0: none; 1: something would be masked or
    /// blocked; 2: not every file could be read
    #[arg(long, conflicts_with = "ndjson", requires = "files")]
    pub check: bool,
    /// As daicho.toml in --data says, adopted or not, and without the roster: to try a change
    #[arg(long)]
    pub configured: bool,
    /// Read {"id","text"} lines, write {"id","verdict","masked","spans"} lines
    #[arg(long, conflicts_with = "files")]
    pub ndjson: bool,
}

#[derive(Args)]
pub struct Policy {
    #[command(subcommand)]
    pub action: Option<PolicyAction>,
}

#[derive(Subcommand)]
pub enum PolicyAction {
    /// Show the change, and put it in force: for new sessions at once, also in a running server
    ///
    /// A change of [retention] takes two approvers: the first call asks for them, and the one
    /// after their approval puts it in force.
    Adopt,
}

#[derive(Subcommand)]
pub enum Roster {
    /// Take in a list, in the place of the one of this name; it is kept sealed
    Load {
        /// CSV in UTF-8 with a head: name, kana (or reading), romaji, phone, email. Surname first,
        /// a space, given name. Phones and mailboxes are found by their form and not kept
        file: PathBuf,
        /// What the list is called, as employees
        #[arg(long)]
        name: String,
    },
    /// Say which lists there are, and how many people each has
    List,
    /// Destroy a list: the key of everything that was loaded before ends
    Remove {
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Every list, also one that cannot be read any more
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
}

#[derive(Subcommand)]
pub enum Consent {
    /// Record a person's consent
    Give {
        #[command(flatten)]
        of: ConsentOf,
        /// Until this time (RFC 3339, or YYYY-MM-DD in UTC), instead of until it is withdrawn
        #[arg(long)]
        until: Option<String>,
    },
    /// Record that it is withdrawn; it holds for no call from now on
    Withdraw {
        #[command(flatten)]
        of: ConsentOf,
    },
    /// List every consent that is not withdrawn
    List,
}

#[derive(Args)]
pub struct ConsentOf {
    /// Staff number or keyed tag, never a name
    pub person: String,
    /// Role of the agents that may send the data
    #[arg(long, value_name = "ROLE")]
    pub purpose: String,
    /// internal, mail, ec, personal, generated
    #[arg(long, default_value = "mail")]
    pub class: String,
}
