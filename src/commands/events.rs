use crate::cli::{self, Cli, Events};
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
    let filter = Filter {
        newest_first: args.newest,
        limit: args.limit,
        ..filter(&args.filter)?
    };
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

/// What is typed, as what is meant.
pub fn filter(args: &cli::Filter) -> Result<Filter, Failure> {
    for kind in &args.kind {
        if !Data::KINDS.contains(&kind.as_str()) {
            return Err(Failure::msg(
                format!("{kind:?} is not a kind"),
                format!("kinds are: {}", Data::KINDS.join(" ")),
            ));
        }
    }
    fn parsed<T>(what: &'static str, text: &Option<String>) -> anyhow::Result<Option<T>>
    where
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        text.as_ref()
            .map(|text| text.parse())
            .transpose()
            .context(what)
    }
    let at = |what: &'static str, text: &Option<String>| {
        text.as_deref().map(moment).transpose().context(what)
    };
    Ok(Filter {
        kinds: args.kind.clone(),
        actor: parsed("--actor", &args.actor)?,
        session: parsed("--session", &args.session)?,
        class: parsed("--class", &args.class)?,
        since: at("--since", &args.since)?,
        until: at("--until", &args.until)?,
        from: args.from,
        to: args.to,
        newest_first: false,
        limit: None,
    })
}
