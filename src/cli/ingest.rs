//! What others wrote.

use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Import {
    /// Transcripts of Claude Code's sessions (JSON Lines): each line an event that says it was
    /// imported, sealed like everything else. A line that comes again is recorded once; exit 1 if
    /// a line is none of a transcript: it is named, and kept as text
    Transcript {
        /// As ~/.claude/projects/PROJECT/SESSION.jsonl
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Whose sessions they are
        #[arg(long)]
        agent: String,
        /// Who says that they are
        #[arg(long, value_name = "ACTOR", default_value = "service:operator")]
        by: String,
    },
}

#[derive(Subcommand)]
pub enum Ingest {
    /// A repository's history: every commit that can be reached, as git keeps it
    Git {
        #[arg(long, value_name = "PATH", default_value = ".")]
        repo: PathBuf,
        /// Its [[ingest]] in daicho.toml; class `change` if there is none
        #[arg(long, value_name = "NAME", default_value = "git")]
        source: String,
        /// From all branches and tags, not from HEAD alone
        #[arg(long)]
        all: bool,
    },
    /// Files of lines, which may have grown since the last time
    File {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Their [[ingest]] in daicho.toml
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Whose lines these are, so that they can be erased alone: a staff number or another handle
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
    /// The provider's usage export: CSV or JSON
    Usage {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Its [[ingest]] in daicho.toml; class `api` if there is none
        #[arg(long, value_name = "NAME", default_value = "usage")]
        source: String,
        /// Whose lines these are, so that they can be erased alone: a staff number or another handle
        #[arg(long, value_name = "ID")]
        person: Option<String>,
    },
}
