use crate::cli::{Cli, Export};
use crate::door;
use crate::outcome::{Done, Failure, Outcome, say};
use anyhow::Context;
use ledger::Layout;

pub fn run(cli: &Cli, args: &Export) -> Done {
    let Export::Status = args;
    let address =
        std::fs::read_to_string(door::address_file(&Layout::new(&cli.data))).map_err(|error| {
            let error = anyhow::Error::new(error).context("no server runs on this ledger");
            Failure::new(
                error,
                "entries are forwarded while `daicho serve` runs; start it",
            )
        })?;
    let client = reqwest::blocking::Client::builder().no_proxy().build()?;
    let answer = client.get(format!("http://{address}/api/v1/export")).send();
    let rows: Vec<serde_json::Value> = answer
        .and_then(|a| a.json())
        .with_context(|| format!("the server at {address} does not answer"))?;
    if rows.is_empty() && !cli.json {
        say!("no receiver is configured; add an [[export]] table to daicho.toml");
    }
    for row in rows {
        if cli.json {
            say!("{row}");
            continue;
        }
        let text = |key: &str| {
            row[key]
                .as_str()
                .map_or_else(|| row[key].to_string(), str::to_owned)
        };
        say!("{}", text("destination"));
        for key in [
            "connected",
            "position",
            "confirmed",
            "lag_entries",
            "lag_since",
            "sent",
            "resent",
            "connections",
            "last_error",
        ] {
            if !row[key].is_null() {
                say!("  {key:<12} {}", text(key));
            }
        }
    }
    Ok(Outcome::Well)
}
