//! What ends when, and its end.

use crate::cli::{Cli, Retention};
use crate::commands::read;
use crate::config::Config;
use crate::count::counted;
use crate::desk::Desk;
use crate::door::{Door, append_failed};
use crate::outcome::{Done, Failure, Outcome, say};
use crate::retention::{Act, Deed, Keeper, Records};
use crate::timestamp::Client;
use crate::views::Views;
use agents::retention::plan::{Clock, Row, Stage};
use anyhow::Context;
use ledger::Layout;
use ledger::buckets::due;
use ledger::clock::{Clock as _, SystemClock};
use schemas::kinds::records::RetentionExtended;
use schemas::{BucketId, Period};

pub fn run(cli: &Cli, args: &Retention) -> Done {
    match args {
        Retention::Plan => plan(cli),
        Retention::Run => run_now(cli),
        Retention::Extend { bucket, period } => extend(cli, bucket, period),
    }
}

fn plan(cli: &Cli) -> Done {
    let config = Config::load(&Layout::new(&cli.data))?;
    let client = Client::open(&config.timestamp, &cli.data)?;
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let records = Records {
        reader: &reader,
        views: &views,
        authority: client.as_ref().map(|client| &client.authority),
        now: SystemClock.now().max(reader.head().at),
    };
    let rows = records.plan()?;
    for row in &rows {
        if cli.json {
            say!("{}", serde_json::to_string(row)?);
        } else {
            print(row);
        }
    }
    if rows.is_empty() {
        eprintln!("note: this log has no sealed content yet");
    }
    if let Some(approval) = records.hold_asked_for()? {
        eprintln!(
            "note: a hold waits for a decision (approval {approval}): nothing ends meanwhile"
        );
    }
    views.save();
    Ok(Outcome::Well)
}

fn print(row: &Row) {
    let due = match (row.due, row.period) {
        (Some(due), Some(period)) => format!("due {} ({period})", day(&due.to_string())),
        (_, Some(_)) => "kept for ever".to_owned(),
        (_, None) => "no rule for its class".to_owned(),
    };
    say!(
        "{:<22} {:<8}  {due:<24}  {} from {} to {}",
        row.bucket.to_string(),
        row.state.to_string(),
        counted(row.entries, "entry"),
        row.first,
        row.last
    );
    for held in &row.held_by {
        say!("    held by {} (case {})", held.hold, held.case);
    }
    if let Some(approval) = row.approval {
        let by: Vec<String> = row.approved_by.iter().map(ToString::to_string).collect();
        let by = match by.is_empty() {
            true => "nobody yet".to_owned(),
            false => by.join(", "),
        };
        say!("    approval {approval}, approved by {by}");
    }
    if let (Stage::Asked | Stage::Cooling, Some(cooled)) = (row.state, row.cooled) {
        let says = match row.clock {
            Some(Clock::Authority { stamped: None }) => {
                "; the authority has stamped nothing yet".to_owned()
            }
            Some(Clock::Authority {
                stamped: Some(stamped),
            }) => format!("; the authority's newest time stamp is of {stamped}"),
            Some(Clock::Log {
                seen_seconds,
                of_seconds,
            }) => format!(
                "; the log has seen {} of {} hours pass (a served ledger sees them all, [timestamp] needs none)",
                seen_seconds / 3_600,
                of_seconds / 3_600
            ),
            None => String::new(),
        };
        say!("    cooling until {cooled}{says}");
    }
    if let Some(seq) = row.ended {
        say!("    ended, certificate at {seq}");
    }
}

/// The day of a moment.
fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}

fn run_now(cli: &Cli) -> Done {
    let desk = Desk::open(&cli.data)?;
    let deeds = match &desk.door {
        Door::Here(appender) => {
            let client = Client::open(&desk.config.timestamp, &cli.data)?;
            let keeper = Keeper {
                appender,
                records: Records {
                    reader: &desk.reader,
                    views: &desk.views,
                    authority: client.as_ref().map(|client| &client.authority),
                    now: desk.now(),
                },
            };
            keeper.run()?
        }
        // Who holds the ledger holds the keys in memory, and must forget them.
        Door::Server { .. } => desk.door.run_retention().map_err(append_failed)?,
    };
    told(cli, &deeds)?;
    if deeds.is_empty() {
        eprintln!(
            "note: there was nothing to do; `daicho retention plan` shows what waits for what"
        );
    }
    Ok(Outcome::Well)
}

/// Says what was done.
pub fn told(cli: &Cli, deeds: &[Deed]) -> Result<(), Failure> {
    for deed in deeds {
        if cli.json {
            say!("{}", serde_json::to_string(deed)?);
            continue;
        }
        let (approval, seq) = (deed.approval, deed.seq);
        let bucket = deed
            .bucket
            .as_ref()
            .map(BucketId::to_string)
            .unwrap_or_default();
        let erasure = deed.erasure.map(|id| id.to_string()).unwrap_or_default();
        let hold = deed.hold.map(|hold| hold.to_string()).unwrap_or_default();
        match deed.act {
            Act::Asked => {
                say!("{bucket} is due: two people decide, approval {approval}, recorded at {seq}");
            }
            Act::Ended => say!("{bucket} has ended, certificate at {seq}"),
            Act::Placed => say!("hold {hold} is in force, recorded at {seq}"),
            Act::Erased => say!("erasure {erasure}: erased in {bucket}, certificate at {seq}"),
            Act::Extended => {
                say!("erasure {erasure}: reaches what came after the request, recorded at {seq}");
            }
            Act::Refused if bucket.is_empty() => {
                say!("erasure {erasure} is refused, recorded at {seq}");
            }
            Act::Over => {
                say!("erasure {erasure}: nothing was left to erase, recorded at {seq}");
            }
            Act::Refused => say!("erasure {erasure}: kept in {bucket}, recorded at {seq}"),
            Act::Released => say!("hold {hold} is released, recorded at {seq}"),
        }
    }
    Ok(())
}

fn extend(cli: &Cli, bucket: &str, period: &str) -> Done {
    let bucket: BucketId = bucket.parse().context("BUCKET")?;
    let period: Period = period.parse().context("PERIOD")?;
    let mut desk = Desk::open(&cli.data)?;
    let found = desk
        .views
        .buckets
        .read(|buckets| buckets.get(&bucket).cloned());
    let help = "see `daicho retention plan`";
    let found =
        found.ok_or_else(|| Failure::msg(format!("this log has no bucket {bucket}"), help))?;
    let until = due(&bucket, period);
    if let Some(seq) = found.ended {
        return Err(Failure::msg(
            format!("bucket {bucket} has ended, as entry {seq} says"),
            help,
        ));
    }
    if until.is_some_and(|until| until <= desk.now()) {
        let until = until.map(|until| until.to_string()).unwrap_or_default();
        let fault = format!("bucket {bucket} would be due on {until}, which has passed already");
        return Err(Failure::msg(fault, "give a longer period"));
    }
    if !found.is_lengthened_by(&bucket, period) {
        let is = found
            .due
            .map_or("kept for ever".to_owned(), |due| format!("due on {due}"));
        let fault = format!("bucket {bucket} is {is}; {period} would not be longer");
        return Err(Failure::msg(
            fault,
            "what exists is never kept shorter; nothing was recorded",
        ));
    }
    let extended = RetentionExtended {
        bucket: bucket.clone(),
        period,
        due: until,
    };
    let event = desk.door.event(desk.door.operator(), extended);
    let seq = desk.append(vec![event])?[0].seq;
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "bucket": bucket, "due": until, "seq": seq })
        );
    } else {
        let until = until.map_or("for ever".to_owned(), |until| format!("until {until}"));
        say!("{bucket} is kept {until}, recorded at {seq}");
    }
    Ok(Outcome::Well)
}
