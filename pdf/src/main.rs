//! `daicho-pdf`: the evidence of a report (JSON) on standard input, PDF/A-3b on standard output.
//! `daicho report … --format pdf` runs it.

use anyhow::Context;
use clap::{Parser, ValueEnum};
use exporters::report::Language;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Writes a report's JSON (standard input) as PDF/A-3b (standard output), the JSON inside.
#[derive(Parser)]
#[command(name = "daicho-pdf", version)]
struct Cli {
    #[arg(long, value_enum, default_value_t = Tongue::Ja)]
    language: Tongue,
    /// A font file with Japanese; without it the first that this system is known to keep
    #[arg(long, value_name = "FILE")]
    font: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tongue {
    Ja,
    En,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "{fault:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let typeface = pdf::Typeface::find(cli.font.as_deref())?;
    let mut json = String::new();
    std::io::stdin()
        .read_to_string(&mut json)
        .context("standard input is no text")?;
    let language = match cli.language {
        Tongue::Ja => Language::Japanese,
        Tongue::En => Language::English,
    };
    let document = pdf::render(&json, language, &typeface)?;
    std::io::stdout().write_all(&document)?;
    Ok(())
}
