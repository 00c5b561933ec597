//! Agents, people, and what people decide.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Agents {
    List,
    /// Let an agent speak; prints its token, once
    Register {
        agent: String,
        /// What it is for; its own handle unless given
        #[arg(long)]
        role: Option<String>,
        /// internal, mail, ec, personal, generated
        #[arg(long, visible_alias = "class", default_value = "internal")]
        data_class: String,
        /// Whose mail and calendar it reads: staff number or handle; their consent decides
        #[arg(long)]
        person: Option<String>,
        #[arg(long)]
        model: Option<String>,
        /// How long its token opens the door, as P90D; without end unless given
        #[arg(long, value_name = "PERIOD")]
        valid: Option<schemas::Period>,
    },
    /// Change what is known of an agent
    Set {
        agent: String,
        #[arg(long)]
        role: Option<String>,
        #[arg(long, visible_alias = "class")]
        data_class: Option<String>,
        #[arg(long)]
        person: Option<String>,
    },
    /// Give an agent a new token; the old one ends
    Token {
        agent: String,
        /// How long it opens the door, as P90D; without end unless given
        #[arg(long, value_name = "PERIOD")]
        valid: Option<schemas::Period>,
    },
    /// Stop an agent for now
    Suspend {
        agent: String,
        /// requested, incident, inactive, token_leaked, replaced, cleared
        #[arg(long, default_value = "requested")]
        reason: String,
    },
    /// Let a suspended agent speak again
    Release {
        agent: String,
        #[arg(long, default_value = "cleared")]
        reason: String,
    },
    /// Stop an agent for ever
    Retire {
        agent: String,
        #[arg(long, default_value = "requested")]
        reason: String,
    },
}

#[derive(Subcommand)]
pub enum Users {
    List,
    /// Let a user act; with a key, approve
    Activate {
        /// Staff number or handle, never a name
        user: String,
        /// OpenSSH public key (Ed25519) that the user signs decisions with
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// End it
    Deactivate {
        user: String,
        /// left, moved, requested, incident
        #[arg(long, default_value = "requested")]
        reason: String,
    },
}

#[derive(Subcommand)]
pub enum Approvals {
    /// List approvals, oldest first; what waits with a masked preview, and what changed since the
    /// last draft of the same agent and tool
    List {
        /// Only this state: requested, granted, denied, expired
        #[arg(long)]
        state: Option<String>,
    },
    /// Show one, with what would be approved in full, and the difference to the last draft
    Show { approval: String },
    /// Approve, signed with your own SSH Ed25519 key
    #[command(visible_alias = "grant")]
    Approve(Decide),
    /// Deny, signed with your own SSH Ed25519 key
    Deny(Decide),
    /// Write the decisions as files that `ssh-keygen -Y verify` checks
    Evidence {
        approval: String,
        #[arg(long, short, value_name = "DIR")]
        output: PathBuf,
    },
}

#[derive(Args)]
pub struct Decide {
    pub approval: String,
    /// Who decides, as user:s002
    #[arg(long, value_name = "USER")]
    pub by: String,
    /// The decider's OpenSSH private key (Ed25519, or Ed25519 in FIDO hardware); its passphrase is
    /// asked for, or taken from DAICHO_KEY_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Have the ssh-agent sign with the key that is registered for the decider, which is what
    /// happens without --key wherever there is an agent
    #[arg(long, conflicts_with = "key")]
    pub agent: bool,
    /// Why; sealed, not in the log
    #[arg(long)]
    pub reason: Option<String>,
}
