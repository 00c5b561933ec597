use crate::cli::{Cli, Findings};
use crate::commands::{read, word};
use crate::outcome::{Done, Outcome, say};
use crate::views::Views;
use agents::scanner::findings::Filter;
use anyhow::Context;
use ledger::clock::{Clock, SystemClock};

pub fn run(cli: &Cli, args: &Findings) -> Done {
    let filter = Filter {
        min_severity: args
            .severity
            .as_deref()
            .map(word)
            .transpose()
            .context("--severity")?,
        states: args
            .state
            .iter()
            .map(|state| word(state))
            .collect::<Result<_, _>>()
            .context("--state")?,
        project: args
            .project
            .as_deref()
            .map(str::parse)
            .transpose()
            .context("--project")?,
    };
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let rows = views
        .findings
        .read(|findings| findings.rows(&filter, SystemClock.now()));
    let mut live = false;
    for row in rows {
        live |= row.state.is_live();
        if cli.json {
            say!("{}", serde_json::to_string(&row)?);
            continue;
        }
        let line = row.line.map(|line| format!(":{line}")).unwrap_or_default();
        let cwe: Vec<&str> = row.cwe.iter().map(|cwe| cwe.as_str()).collect();
        say!(
            "{}  {:<8} {:<10} {:<10} {}{line}  {} {}",
            row.finding,
            plain(&row.severity),
            plain(&row.confidence),
            plain(&row.state),
            row.path,
            row.rule,
            cwe.join(" ")
        );
        for patch in &row.patches {
            say!("    patch {patch}");
        }
    }
    views.save();
    // A limit was named and something live is above it.
    Ok(if args.severity.is_some() && live {
        Outcome::Wrong
    } else {
        Outcome::Well
    })
}

/// A word as its JSON has it.
fn plain(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
