//! `daicho`: the program. Commands, configuration, the HTTP server, the demo.

mod approvals;
mod bench;
mod cli;
mod commands;
mod config;
mod copy;
mod count;
mod demo;
mod desk;
mod door;
mod files;
mod handles;
mod intake;
mod keyring;
mod masking;
mod mcp;
mod openssh;
mod outcome;
mod pdf;
mod pkcs11;
mod policies;
mod protection;
mod reports;
mod retention;
mod roster;
mod server;
mod tell;
mod timestamp;
mod views;

use clap::Parser;
use std::io::IsTerminal;
use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("DAICHO_LOG")
                .unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let cli = cli::Cli::parse();
    outcome::exit(commands::run(&cli))
}
