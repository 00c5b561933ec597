//! Where agents meet daicho on their own machine.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where an agent's token is. Not in one of the client's own variables: Claude Code puts no
/// credential of its own into the headers of hooks (seen in 2.1.330).
pub const TOKEN_ENV: &str = "DAICHO_TOKEN";

#[derive(Args)]
pub struct Hook {
    /// Where `daicho serve` is reached
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:7420"
    )]
    pub url: String,
    /// Environment variable that holds the agent's token
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = TOKEN_ENV
    )]
    pub token_env: String,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 25)]
    pub timeout: u64,
    #[command(subcommand)]
    pub action: Option<HookAction>,
}

#[derive(Subcommand)]
pub enum HookAction {
    /// Show, then write the managed settings that put Claude Code on this host behind daicho
    Install(HookInstall),
    /// Print the header that the client's telemetry shows its token in
    Headers,
    /// Print the token, as the client asks for its key of the model (`apiKeyHelper`)
    Token,
}

#[derive(Args)]
pub struct HookInstall {
    /// Take away exactly what was written
    #[arg(long)]
    pub remove: bool,
    /// Write without a question
    #[arg(long)]
    pub yes: bool,
    /// Directory of the managed settings, instead of this system's own
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Have the client send its telemetry (OTLP over HTTP) to this collector instead of daicho
    #[arg(long, value_name = "URL")]
    pub telemetry: Option<String>,
}

#[derive(Args)]
pub struct Mcp {
    /// The server's name in rules and records: its tool `send` is `mcp__NAME__send`
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Where `daicho serve` is reached
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7420")]
    pub url: String,
    /// Environment variable that holds the agent's token
    #[arg(long, value_name = "NAME", default_value = TOKEN_ENV)]
    pub token_env: String,
    /// Seconds that a call may wait for its draft to be decided, before the agent is told its number
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub wait: u64,
    /// Offer `permission_prompt` beside the server's tools, answered by the ledger: for Claude Code's
    /// --permission-prompt-tool mcp__NAME__permission_prompt
    #[arg(long)]
    pub permission_prompt: bool,
    /// The tool server and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<std::ffi::OsString>,
}
