//! `daicho report list` and `fetch`: what was issued, and the same document again.

use crate::cli::{Cli, ReportFetch};
use crate::commands::read;
use crate::config::Config;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::reports::{IssuedReports, Places, again, sign};
use ledger::{Layout, Projection, Reader};
use std::io::Write;

pub fn issued(reader: &Reader) -> Result<IssuedReports, Failure> {
    let mut all = IssuedReports::default();
    for entry in reader.entries(0..reader.size()) {
        all.fold(&entry.map_err(|error| Failure::new(error, "run `daicho verify`"))?);
    }
    Ok(all)
}

pub fn list(cli: &Cli) -> Done {
    let reader = read(&cli.data)?;
    for one in issued(&reader)?.all() {
        if cli.json {
            say!("{}", serde_json::to_string(one)?);
            continue;
        }
        let period = one.period.as_ref().map_or("-", |label| label.as_str());
        say!(
            "{:>8}  {}  {:<10} {period:<16} {:<26} {} entries, by {}",
            one.seq,
            one.at,
            one.report.as_str(),
            one.media.as_str(),
            one.head,
            one.actor
        );
    }
    Ok(Outcome::Well)
}

pub fn run(cli: &Cli, args: &ReportFetch) -> Done {
    let reader = read(&cli.data)?;
    let all = issued(&reader)?;
    let Some(one) = all.at(args.seq) else {
        let fault = format!("entry {} issues no report", args.seq);
        return Err(Failure::msg(
            fault,
            "`daicho report list` has their positions",
        ));
    };
    let config = Config::load(&Layout::new(&cli.data))?.report;
    let paths: Vec<_> = args.output.iter().cloned().collect();
    let places = Places::take(&paths, args.force).map_err(|fault| {
        let help = "choose another -o; --force replaces what is there";
        Failure::new(fault, help)
    })?;
    let bytes = again(&reader, one, &config)?;
    match args.output {
        None => std::io::stdout().write_all(&bytes)?,
        Some(_) => places.fill(0, &bytes, &sign::proof(&reader, one.seq)?, None)?,
    }
    Ok(Outcome::Well)
}
