//! How long content lives.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Retention {
    /// Every bucket: its rule, when it is due, what holds it, how far its end has come
    Plan,
    /// Do what may be done now: ask two people about what is due, end what they have agreed to
    ///
    /// A bucket ends when it is due, nothing holds it, two people have signed for exactly it, the
    /// cooling time after the request is over, and the time can be trusted: a time stamp of the
    /// authority in [timestamp] says so, or, where none is configured, the log has seen the
    /// cooling time pass entry by entry. A running server does this once a day.
    Run,
    /// Keep a bucket longer than its rule says; never shorter
    Extend {
        /// As operation/2026-11
        bucket: String,
        /// From the end of its month on: P30D, P12M, P3Y or forever
        period: String,
    },
}

#[derive(Subcommand)]
pub enum Hold {
    /// Ask two people to place a hold on what fits everything that is given, now and later
    Place(HoldPlace),
    /// Ask two people to release a hold
    Release(HoldRelease),
    /// List holds in force, and the buckets that they cover
    List {
        /// The released ones too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct HoldPlace {
    /// Number of the case: a-z 0-9 . _ -
    #[arg(long)]
    pub case: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// As operation/2026-11
    #[arg(long)]
    pub bucket: Option<String>,
    #[arg(long)]
    pub session: Option<String>,
    /// As agent:cfo
    #[arg(long)]
    pub actor: Option<String>,
    /// Staff number or handle: what this user did, agents registered with --person, and what was recorded as theirs
    #[arg(long)]
    pub person: Option<String>,
    #[arg(long)]
    pub kind: Option<String>,
    /// Retention class
    #[arg(long)]
    pub class: Option<String>,
    /// From this time on (RFC 3339, or YYYY-MM-DD in UTC)
    #[arg(long)]
    pub since: Option<String>,
    /// Before this time
    #[arg(long)]
    pub until: Option<String>,
    /// Also where nothing fits yet: for what is still to come
    #[arg(long)]
    pub future: bool,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
}

#[derive(Args)]
pub struct HoldRelease {
    pub hold: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
}

#[derive(Subcommand)]
pub enum Erasure {
    /// Ask two people to erase one person's content, and nobody else's
    ///
    /// What is a person's is sealed under a key of its own in each bucket: prompts, payloads, answers,
    /// uses of tools, drafts and imported transcripts of a user, or of an agent that was registered
    /// with --person; and what was appended with "person". The keys are destroyed when both have
    /// signed, with those that came until then: what comes later is new. Not where a hold is in force,
    /// as long as it is, nor of a class that [retention] must_keep names: that is recorded, with the
    /// reason. Where nobody can tell whose a key is, for its file is gone or does not open, nothing is
    /// recorded unless --leave-unread says so.
    Request(ErasureRequest),
    /// List requests, and what became of each bucket
    List {
        /// Those that are done, too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct ErasureRequest {
    /// Staff number or other handle of the person, never a name
    #[arg(long, required_unless_present = "keys")]
    pub person: Option<String>,
    /// In place of the person: erasures that this log has lost, after an older backup was restored.
    /// JSON lines with bucket and subject, as `daicho events --kind erasure.completed --json`, the SIEM
    /// and `daicho erasure list --json` have them
    #[arg(long, conflicts_with = "person")]
    pub keys: Option<PathBuf>,
    /// Number of the case: a-z 0-9 . _ -
    #[arg(long)]
    pub case: String,
    /// The law or agreement that the request rests on, as appi-35 or gdpr-17: a-z 0-9 . _ -
    #[arg(long)]
    pub basis: String,
    /// Why; kept sealed
    #[arg(long)]
    pub reason: String,
    /// Who asks, as user:ID, and so cannot approve; else the operator of this host
    #[arg(long)]
    pub by: Option<String>,
    /// Go on without keys of which nobody can tell whose they are; the request names them
    #[arg(long, conflicts_with = "keys")]
    pub leave_unread: bool,
}
