use crate::cli::{Cli, Events};
use crate::commands::read;
use crate::intake::moment;
use crate::outcome::{Done, Failure, Outcome};
use crate::views::Views;
use anyhow::Context;
use ledger::Entry;
use ledger::query::{Filter, find};
use schemas::Data;
use std::io::Write;

pub fn run(cli: &Cli, args: &Events) -> Done {
    let filter = filter(args)?;
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let mut out = std::io::stdout().lock();
    for seq in find(&reader, &views.positions, &filter)? {
        let entry = reader.entry(seq)?;
        if cli.json {
            out.write_all(entry.body())?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", line(&entry))?;
        }
    }
    views.save();
    Ok(Outcome::Well)
}

/// One entry in one line for people.
pub fn line(entry: &Entry) -> String {
    let session = entry
        .session()
        .map(|session| format!("  {session}"))
        .unwrap_or_default();
    format!(
        "{:>8}  {}  {:<20} {:<18}{session}",
        entry.seq(),
        entry.at(),
        entry.kind(),
        entry.actor().to_string()
    )
    .trim_end()
    .to_owned()
}

fn filter(args: &Events) -> Result<Filter, Failure> {
    for kind in &args.kind {
        if !Data::KINDS.contains(&kind.as_str()) {
            return Err(Failure::msg(
                format!("{kind:?} is not a kind"),
                format!("kinds are: {}", Data::KINDS.join(" ")),
            ));
        }
    }
    Ok(Filter {
        kinds: args.kind.clone(),
        actor: args
            .actor
            .as_ref()
            .map(|a| a.parse())
            .transpose()
            .context("--actor")?,
        session: args
            .session
            .as_ref()
            .map(|s| s.parse())
            .transpose()
            .context("--session")?,
        class: args
            .class
            .as_ref()
            .map(|c| c.parse())
            .transpose()
            .context("--class")?,
        since: args
            .since
            .as_deref()
            .map(moment)
            .transpose()
            .context("--since")?,
        until: args
            .until
            .as_deref()
            .map(moment)
            .transpose()
            .context("--until")?,
        from: args.from,
        newest_first: args.newest,
        limit: args.limit,
    })
}
