//! `daicho witness`: a witness for other people's logs, and the state of our own.

mod serve;
mod store;

use crate::cli::{Cli, Witness};
use crate::outcome::{Done, Failure, Outcome};
use anyhow::Context;
use std::io::Write;

pub fn run(cli: &Cli, args: &Witness) -> Done {
    match args {
        Witness::Init { name, state } => {
            let key = store::init(state, name)?;
            let mut out = std::io::stdout().lock();
            if cli.json {
                let vkey = key.to_string();
                writeln!(out, "{}", serde_json::json!({ "vkey": vkey }))?;
            } else {
                writeln!(out, "{key}")?;
            }
            Ok(Outcome::Well)
        }
        Witness::AddLog { state, vkey } => {
            store::add_log(state, vkey)?;
            Ok(Outcome::Well)
        }
        Witness::Serve { state, listen } => serve::run(state, listen),
        Witness::Status => status(cli),
    }
}

/// What the running server knows of its witnesses. Exit code 1 while the quorum is missed.
fn status(cli: &Cli) -> Done {
    let layout = ledger::Layout::new(&cli.data);
    let address = std::fs::read_to_string(crate::door::address_file(&layout)).map_err(|error| {
        let error = anyhow::Error::new(error).context("no server runs on this ledger");
        Failure::new(
            error,
            "witnesses are asked while `daicho serve` runs; start it",
        )
    })?;
    let client = reqwest::blocking::Client::builder().no_proxy().build()?;
    let answer = client
        .get(format!("http://{address}/api/v1/witnesses"))
        .send();
    let told: serde_json::Value = answer
        .and_then(|answer| answer.json())
        .with_context(|| format!("the server at {address} does not answer"))?;
    let mut out = std::io::stdout().lock();
    if cli.json {
        writeln!(out, "{told}")?;
    } else if told.is_null() {
        writeln!(out, "no witness is configured; name a policy in [witness]")?;
    } else {
        writeln!(out, "quorum      {}", told["quorum"])?;
        writeln!(out, "size        {}", told["size"])?;
        for witness in told["witnesses"].as_array().into_iter().flatten() {
            let text = |key: &str| witness[key].as_str().unwrap_or("-").to_owned();
            let (name, size) = (text("name"), &witness["size"]);
            writeln!(out, "{name}  size {size}  error {}", text("error"))?;
        }
    }
    let missed = told["quorum"] == serde_json::json!("missed");
    Ok(if missed {
        Outcome::Wrong
    } else {
        Outcome::Well
    })
}
