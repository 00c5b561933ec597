mod certificate;

use crate::cli::{Cli, Export, ExportCheck};
use crate::commands::open_failed;
use crate::commands::verify;
use crate::config::Config;
use crate::count::counted;
use crate::door::{self, Door, append_failed};
use crate::outcome::{Done, Failure, Outcome, say};
use anyhow::Context;
use exporters::check::{self, Chain, Place, Report, Trust, Vouched};
use exporters::forward::{self, Destination, ReplayError};
use ledger::clock::{Clock, SystemClock};
use ledger::{Layout, Reader};
use schemas::Data;
use schemas::kinds::ledger::{ExportDelivered, ExportGap};
use std::fs::File;
use std::io::{BufReader, Read};

pub fn run(cli: &Cli, args: &Export) -> Done {
    match args {
        Export::Status => status(cli),
        Export::Test(args) => replay(cli, &args.destination, 0, 0),
        Export::Replay(args) => replay(cli, &args.destination, args.from, args.to),
        Export::Check(args) => check(cli, args),
        Export::Certificate(args) => certificate::run(cli, args),
    }
}

fn status(cli: &Cli) -> Done {
    let rows = match told(&Layout::new(&cli.data))? {
        Some(rows) => rows,
        None => {
            let rows = at_rest(cli)?;
            eprintln!(
                "note: no server runs, so nothing is forwarded: from where `confirmed` says it would go on"
            );
            rows
        }
    };
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
            "lag_seconds",
            "lag_since",
            "unanswered",
            "unanswered_seconds",
            "sent",
            "resent",
            "reduced",
            "over_8096",
            "connections",
        ] {
            if !row[key].is_null() {
                say!("  {key:<18} {}", text(key));
            }
        }
        if let Some(faults) = row["faults"].as_object() {
            let told: Vec<_> = faults
                .iter()
                .map(|(word, n)| format!("{word} {n}"))
                .collect();
            say!("  {:<18} {}", "faults", told.join(", "));
        }
        if !row["last_error"].is_null() {
            say!("  {:<18} {}", "last_error", text("last_error"));
        }
    }
    Ok(Outcome::Well)
}

/// What the server says of its receivers; `None` where none runs.
fn told(layout: &Layout) -> Result<Option<Vec<serde_json::Value>>, Failure> {
    let Ok(address) = std::fs::read_to_string(door::address_file(layout)) else {
        return Ok(None);
    };
    let client = reqwest::blocking::Client::builder().no_proxy().build()?;
    let answer = client.get(format!("http://{address}/api/v1/export")).send();
    match answer.and_then(|answer| answer.json()) {
        // A server that was killed leaves its address behind.
        Err(error) if error.is_connect() => Ok(None),
        answer => Ok(Some(answer.with_context(|| {
            format!("the server at {address} does not answer")
        })?)),
    }
}

/// The same rows as a server's, by the cursors.
fn at_rest(cli: &Cli) -> Result<Vec<serde_json::Value>, Failure> {
    let config = Config::load(&Layout::new(&cli.data))?;
    let reader = Reader::open(&cli.data).map_err(open_failed)?;
    // By the log's time, as a server has it: a clock that ran back is none to measure by.
    let now = SystemClock.now().max(reader.head().at);
    let row = |destination| {
        let status = forward::at_rest(destination, &reader, &cli.data)
            .map_err(|error| Failure::new(error, "start `daicho serve`, which says more"))?;
        // How much of its window a receiver without answers has, only a server that sends knows.
        Ok(match destination.is_answered() {
            true => {
                let mut row = serde_json::to_value(&status)?;
                row["lag_seconds"] = status.lag_seconds(now).into();
                row
            }
            false => serde_json::json!({
                "destination": status.destination,
                "connected": false,
                "confirmed": status.confirmed,
            }),
        })
    };
    config.export.iter().map(row).collect()
}

fn destination<'a>(config: &'a Config, name: &str) -> Result<&'a Destination, Failure> {
    let mut destinations = config.export.iter();
    destinations
        .find(|d| d.name().as_str() == name)
        .ok_or_else(|| {
            let names: Vec<_> = config.export.iter().map(|d| d.name().as_str()).collect();
            Failure::msg(
                "daicho.toml has no receiver of this name",
                format!("it names: {}", names.join(", ")),
            )
        })
}

fn replay(cli: &Cli, name: &str, from: u64, to: u64) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let destination = destination(&config, name)?;
    let reader = Reader::open(&cli.data).map_err(open_failed)?;
    let range = from..to.saturating_add(1);
    let replayed = forward::replay(destination, &reader, &cli.data, range);
    let replayed = replayed.map_err(|error| {
        let help = match &error {
            ReplayError::Beyond { .. } => "give --from and --to within the ledger",
            ReplayError::Cursor(_) | ReplayError::Form(_) => "correct it in daicho.toml",
            ReplayError::Read(_) => "see `daicho verify`",
            ReplayError::Broken { .. } | ReplayError::Unanswered { .. } => {
                "see what the receiver's own log says; nothing was skipped, so send it again"
            }
        };
        Failure::new(error, help)
    })?;
    if cli.json {
        say!("{}", serde_json::to_string(&replayed)?);
        return Ok(Outcome::Well);
    }
    let sent = counted(replayed.sent, "entry");
    say!("sent       {sent}, {from} to {to}");
    match (replayed.answered, replayed.answer) {
        (Some(answered), Some(answer)) => say!("answered   {answered}: {answer}"),
        (Some(answered), None) => say!("answered   {answered}"),
        (None, _) => say!(
            "answered   nothing: this transport has no answers; the receiver took the bytes and did not hang up"
        ),
    }
    Ok(Outcome::Well)
}

fn check(cli: &Cli, args: &ExportCheck) -> Done {
    let unread = || format!("{} cannot be read", args.file.display());
    let file = File::open(&args.file).with_context(unread)?;
    // As long as it is now: what comes while it is read is beyond the ledger that is opened next.
    let length = file.metadata().with_context(unread)?;
    let length = if length.is_file() {
        length.len()
    } else {
        u64::MAX
    };
    let trust = Trust {
        vkey: verify::trust(args.vkey.as_deref(), &[])?.vkey,
        ledger: match args.ledger {
            true => Some(Reader::open(&cli.data).map_err(open_failed)?),
            false => None,
        },
    };
    let stored = BufReader::with_capacity(1 << 20, file.take(length));
    let report = check::check(stored, &trust).with_context(unread)?;
    if report.chains.is_empty() && report.torn.count == 0 {
        return Err(Failure::msg(
            "the file holds no message of daicho",
            "have the receiver store the structured data: in rsyslog the template RSYSLOG_SyslogProtocol23Format",
        ));
    }
    if cli.json {
        say!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    let asked = args.vkey.is_some() || args.ledger;
    let vouched = |chain: &Chain| chain.vouched != Vouched::Nothing;
    if asked && report.is_clean() && !report.chains.values().any(vouched) {
        return Err(Failure::msg(
            "no message in the file is of the log that --vkey or --ledger names: none was checked",
            "compare the chains above with the name in the key",
        ));
    }
    if let Some(name) = &args.record {
        record(cli, name, &report)?;
    }
    Ok(match report.is_clean() {
        true => Outcome::Well,
        false => Outcome::Wrong,
    })
}

/// What a receiver was found to have is news of the log: reports count it, and every receiver of
/// the log is told.
fn record(cli: &Cli, name: &str, report: &Report) -> Result<(), Failure> {
    let config = Config::load(&Layout::new(&cli.data))?;
    let destination = destination(&config, name)?.name().clone();
    let (door, reader) = Door::open(&cli.data)?;
    let Some(chain) = report.chains.get(reader.origin()) else {
        return Ok(());
    };
    let mut found: Vec<Data> = Vec::new();
    for gap in &chain.gaps.first {
        let (destination, first, last) = (destination.clone(), gap.first, gap.last);
        found.push(
            ExportGap {
                destination,
                first,
                last,
            }
            .into(),
        );
    }
    if chain.gaps.count == 0 && chain.entries > 0 {
        let (first, last) = (chain.first, chain.last);
        found.push(
            ExportDelivered {
                destination,
                first,
                last,
            }
            .into(),
        );
    }
    if found.is_empty() {
        return Ok(());
    }
    let event = |data| door.event(door.operator(), data);
    let receipts = door.append(found.into_iter().map(event).collect());
    let receipts = receipts.map_err(append_failed)?;
    if !cli.json {
        let seqs: Vec<_> = receipts.iter().map(|r| r.seq.to_string()).collect();
        say!("recorded   {}", seqs.join(", "));
    }
    Ok(())
}

/// Faults of a kind that a person reads; `--json` has more, and all are counted.
const LISTED: usize = 10;

fn print(report: &Report) {
    for (origin, chain) in &report.chains {
        print_chain(origin, chain);
    }
    for torn in report.torn.first.iter().take(LISTED) {
        say!("torn       line {}: {}", torn.line, torn.why);
    }
    say!(
        "{}, {} of other programs, {} torn",
        counted(report.lines, "line"),
        report.other,
        report.torn.count
    );
}

fn print_chain(origin: &str, chain: &Chain) {
    say!("chain      {origin}");
    let (first, last) = (chain.first, chain.last);
    let entries = counted(chain.entries, "entry");
    match (chain.entries, chain.ledger_entries) {
        (0, _) => say!("  stored     nothing that is sound"),
        (_, None) => say!("  stored     {entries}, {first} to {last}"),
        (_, Some(of)) => {
            say!("  stored     {entries}, {first} to {last}; the ledger has {of}")
        }
    }
    if chain.ledger_entries.is_none() && first > 0 {
        say!(
            "  begins     at {first}: what is before that is not in this file (--ledger counts it as a gap)"
        );
    }
    let vouched = match chain.vouched {
        Vouched::Nothing => {
            "each message agrees with itself and its neighbours; no signature was checked, give --vkey"
        }
        Vouched::Key => "every sound message is signed by the given key or its successors",
        Vouched::Ledger => "every sound message is an entry of the ledger",
    };
    say!("  vouched    {vouched}");
    say!(
        "  copies     {} (not a fault), {} reduced, {} in another format",
        chain.duplicates,
        chain.reduced,
        chain.translated
    );
    if chain.translated > 0 {
        say!("             of those in another format, what the text says is not checked");
    }
    for gap in chain.gaps.first.iter().take(LISTED) {
        say!("  gap        {} to {}", gap.first, gap.last);
    }
    if let Some(tail) = &chain.tail {
        say!(
            "  tail       {} to {} are not there yet, or lost: `daicho export status` says what was sent",
            tail.first,
            tail.last
        );
    }
    for (what, faults) in [
        ("truncated", &chain.truncated),
        ("altered", &chain.altered),
        ("forged", &chain.forged),
    ] {
        for Place { seq, line, why } in faults.first.iter().take(LISTED) {
            say!("  {what:<10} {seq}, line {line}: {why}");
        }
    }
    say!(
        "  faults     {}, {} truncated, {} altered, {} forged",
        counted(chain.gaps.count, "gap"),
        chain.truncated.count,
        chain.altered.count,
        chain.forged.count
    );
}
