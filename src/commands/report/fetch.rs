//! `daicho report list` and `fetch`: what was issued, and the same document again.

use crate::cli::{Cli, ReportFetch};
use crate::commands::{read, read_covering};
use crate::config::Config;
use crate::count::counted;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::reports::{IssuedReport, IssuedReports, Places, again, sign};
use crate::timestamp::Client;
use ledger::clock::{Clock, SystemClock};
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
            "{:>8}  {}  {:<10} {period:<16} {:<26} {}, by {}",
            one.seq,
            one.at,
            one.report.as_str(),
            one.media.as_str(),
            counted(one.head, "entry"),
            one.actor
        );
    }
    Ok(Outcome::Well)
}

pub fn run(cli: &Cli, args: &ReportFetch) -> Done {
    let reader = read_covering(&cli.data, args.seq)?;
    let all = issued(&reader)?;
    let Some(one) = all.at(args.seq) else {
        let fault = format!("entry {} issues no report", args.seq);
        return Err(Failure::msg(
            fault,
            "`daicho report list` has their positions",
        ));
    };
    let paths: Vec<_> = args.output.iter().cloned().collect();
    let places = Places::take(&paths, args.force).map_err(|fault| {
        let help = "choose another -o; --force replaces what is there";
        Failure::new(fault, help)
    })?;
    match args.output {
        Some(_) => put(cli, &reader, one, (&places, 0))?,
        None => {
            let config = Config::load(&Layout::new(&cli.data))?.report;
            std::io::stdout().write_all(&again(&reader, one, &config)?)?;
        }
    }
    Ok(Outcome::Well)
}

/// Makes a document that was issued again, where its name was taken. Its signature is a new one, of
/// a newer checkpoint, so an authority is asked about it now: it existed now at the latest.
pub fn put(
    cli: &Cli,
    reader: &Reader,
    one: &IssuedReport,
    (places, nth): (&Places, usize),
) -> Result<(), Failure> {
    let config = Config::load(&Layout::new(&cli.data))?;
    let client = Client::open(&config.timestamp, &cli.data)?;
    let bytes = again(reader, one, &config.report)?;
    let proof = sign::proof(reader, one.seq)?;
    let now = SystemClock.now().max(reader.head().at);
    let token = sign::stamp(client.as_ref(), reader, (one.seq, &proof), now);
    let token = token.unwrap_or_else(|note| {
        eprintln!("warning: {note}");
        None
    });
    Ok(places.fill(nth, &bytes, &proof, token.as_deref())?)
}
