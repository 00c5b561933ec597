//! The erasure of one person's content.

use crate::cli::{Cli, Erasure, ErasureRequest};
use crate::commands::{consent, read};
use crate::count::counted;
use crate::desk::Desk;
use crate::masking::Guard;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::retention::erasure::{Row, Wish, ask, rows};
use crate::retention::{Records, decide_by};
use crate::views::Views;
use anyhow::Context;
use ledger::Buckets;
use schemas::kinds::records::SubjectKey;
use serde::Deserialize;
use std::path::Path;

pub fn run(cli: &Cli, args: &Erasure) -> Done {
    match args {
        Erasure::Request(args) => request(cli, args),
        Erasure::List { all } => list(cli, *all),
    }
}

fn request(cli: &Cli, args: &ErasureRequest) -> Done {
    let mut desk = Desk::open(&cli.data)?;
    let person = args.person.as_deref();
    let person = person.map(|person| consent::person(person, &desk.config));
    let wish = Wish {
        erasure: None,
        person: person.transpose()?,
        keys: match &args.keys {
            Some(file) => told_keys(file)?,
            None => Vec::new(),
        },
        case: args.case.parse().context("--case")?,
        basis: args.basis.parse().context("--basis")?,
        reason: args.reason.clone(),
        by: args
            .by
            .as_deref()
            .map(str::parse)
            .transpose()
            .context("--by")?,
        leave_unread: args.leave_unread,
    };
    let guard = Guard::of_this_host(desk.masker()?);
    let requester = args.by.as_deref();
    consent::in_clear(
        &guard,
        [&*args.case, &*args.basis].into_iter().chain(requester),
    )?;
    let records = Records {
        reader: &desk.reader,
        views: &desk.views,
        authority: None,
        now: desk.now(),
    };
    let by = wish.by.clone().unwrap_or_else(|| desk.door.operator());
    let deadline = decide_by(&desk.config.approvals, records.now);
    let (mut asked, batch) = ask(&records, &wish, by, desk.door.new_id(), deadline)?;
    asked.seq = desk.append(batch)?[0].seq;
    if cli.json {
        say!("{}", serde_json::to_string(&asked)?);
        return Ok(Outcome::Well);
    }
    let erasure = asked.erasure;
    say!("erasure   {erasure}, recorded at {}", asked.seq);
    let buckets = desk.views.buckets.read(Buckets::clone);
    for key in &asked.keys {
        let entries = buckets.owned(key).map_or(0, |owned| owned.entries);
        say!(
            "          {:<22} {}{}",
            key.bucket.to_string(),
            counted(entries, "entry"),
            match buckets.may_erase(erasure, key) {
                Ok(()) => String::new(),
                Err(spared) => format!("; not now: {spared}"),
            }
        );
    }
    for SubjectKey { bucket, subject } in &asked.unread {
        say!("NOT REACHED {bucket} {subject}: nobody can tell whose it is");
    }
    if wish.person.is_some() {
        say!("          and what comes for this person until it is carried out");
    }
    say!("approval  {}", asked.approval);
    say!(
        "Two people decide until {deadline}: daicho approvals show {}",
        asked.approval
    );
    Ok(Outcome::Well)
}

/// Keys as other systems were told of them.
fn told_keys(file: &Path) -> Result<Vec<SubjectKey>, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Line {
        Entry { data: Key },
        Key(Key),
    }
    #[derive(Deserialize)]
    struct Key {
        bucket: schemas::BucketId,
        subject: schemas::DataSubject,
    }
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let mut keys = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let value = serde_json::from_str(line).unwrap_or(serde_json::Value::Null);
        // `daicho erasure list --json` tells of keys that live, too: of what is held or was denied.
        if value.get("erased").is_some_and(serde_json::Value::is_null) {
            continue;
        }
        // The parser's message may quote the text.
        let Ok(Line::Entry { data: key } | Line::Key(key)) = serde_json::from_value(value) else {
            let fault = format!(
                "line {} of {} names no bucket and subject",
                i + 1,
                file.display()
            );
            let help = "give lines of `daicho events --kind erasure.completed --json`; nothing was recorded";
            return Err(Failure::msg(fault, help));
        };
        let Key { bucket, subject } = key;
        keys.push(SubjectKey { bucket, subject });
    }
    Ok(keys)
}

fn list(cli: &Cli, all: bool) -> Done {
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let mut told = None;
    for row in rows(&views, &reader, reader.head().at, all) {
        if cli.json {
            say!("{}", serde_json::to_string(&row)?);
            continue;
        }
        let Row {
            case, basis, state, ..
        } = &row;
        if told.replace(row.erasure) != Some(row.erasure) {
            let (id, at) = (row.erasure, row.requested.seq);
            say!("{id}  case {case}, {basis}  {state}, requested at {at}");
        }
        say!("    {:<22} {}", row.bucket.to_string(), row.outcome());
    }
    let now = reader.head().at;
    let records = Records {
        reader: &reader,
        views: &views,
        authority: None,
        now,
    };
    // Whoever has no keys cannot tell what the requests are about.
    if let Ok(Some(approval)) = records.hold_asked_for() {
        eprintln!(
            "note: a hold waits for a decision (approval {approval}): nothing is erased meanwhile"
        );
    }
    views.save();
    Ok(Outcome::Well)
}
