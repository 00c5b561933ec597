//! What a scanner found, and its repair.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
pub struct Scan {
    /// The scanned directory
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Report of any scanner that writes SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    pub sarif: PathBuf,
    /// The project's handle: findings of different projects never mix
    #[arg(long, default_value = "main")]
    pub project: String,
    /// The scanner looked at every file, although its report does not list them
    #[arg(long)]
    pub whole_project: bool,
    /// Who takes the report in
    #[arg(long, value_name = "ACTOR", default_value = "service:scanner")]
    pub by: String,
}

#[derive(Args)]
pub struct Findings {
    /// This grave or graver: info, low, medium, high, critical
    #[arg(long)]
    pub severity: Option<String>,
    /// Only these states (repeatable): open, verified, refuted, suppressed, merged, closed, reopened
    #[arg(long)]
    pub state: Vec<String>,
    #[arg(long)]
    pub project: Option<String>,
}

#[derive(Subcommand)]
pub enum Patch {
    /// Propose a unified diff for a finding, and ask for its approval
    Propose(PatchPropose),
    /// Apply an approved patch: once, to exactly the files it was approved for
    Apply(PatchApply),
}

#[derive(Args)]
pub struct PatchPropose {
    pub finding: String,
    #[arg(long, value_name = "FILE")]
    pub diff: PathBuf,
    /// The directory that the diff's paths begin in
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    /// Who proposes, as user:s001; someone else has to approve
    #[arg(long, value_name = "ACTOR")]
    pub by: String,
}

#[derive(Args)]
pub struct PatchApply {
    pub approval: String,
    #[arg(long, default_value = ".")]
    pub dir: PathBuf,
    #[arg(long, value_name = "ACTOR", default_value = "service:operator")]
    pub by: String,
}
