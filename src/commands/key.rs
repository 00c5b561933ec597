use crate::cli::{Cli, Key};
use crate::commands::read;
use crate::outcome::{Done, Outcome};
use std::io::Write;

pub fn run(cli: &Cli, args: &Key) -> Done {
    let mut out = std::io::stdout().lock();
    let Key::Show = args;
    let reader = read(&cli.data)?;
    if cli.json {
        writeln!(
            out,
            "{}",
            serde_json::json!({ "origin": reader.origin(), "vkey": reader.key().to_string() })
        )?;
    } else {
        writeln!(out, "{}", reader.key())?;
    }
    Ok(Outcome::Well)
}
