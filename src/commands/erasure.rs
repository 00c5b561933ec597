//! The erasure of one person's content.

use crate::cli::{Cli, Erasure, ErasureRequest};
use crate::commands::{consent, read};
use crate::desk::Desk;
use crate::outcome::{Done, Failure, Outcome, say};
use crate::retention::erasure::{Row, rows};
use crate::retention::{decide_by, policy_digest};
use crate::views::Views;
use agents::retention::matter::{ErasureAct, ErasureTerms, Matter};
use anyhow::Context;
use ledger::Buckets;
use ledger::buckets;
use schemas::kinds::records::{ErasureRequested, SubjectKey};
use schemas::{Actor, Name};
use serde::Deserialize;
use std::path::Path;

pub fn run(cli: &Cli, args: &Erasure) -> Done {
    match args {
        Erasure::Request(args) => request(cli, args),
        Erasure::List { all } => list(cli, *all),
    }
}

fn request(cli: &Cli, args: &ErasureRequest) -> Done {
    if args.reason.trim().is_empty() {
        let fault = "an erasure needs a reason";
        return Err(Failure::msg(fault, "say why with --reason"));
    }
    let (case, basis): (Name, Name) = (
        args.case.parse().context("--case")?,
        args.basis.parse().context("--basis")?,
    );
    let mut desk = Desk::open(&cli.data)?;
    let buckets = desk.views.buckets.read(Buckets::clone);
    let person = args.person.as_deref();
    let person = person.map(|person| consent::person(person, &desk.config));
    let person = person.transpose()?;
    let keys = match (&person, &args.keys) {
        (Some(person), _) => desk.reader.keys_of(&buckets, person).map_err(|error| {
            let help = "restore keys/content from a backup: without a bucket's key nobody knows whose content is there";
            Failure::new(error, help)
        })?,
        (None, Some(file)) => told_keys(file, &buckets)?,
        (None, None) => return Err(Failure::msg("nobody is named", "give --person, or --keys")),
    };
    if keys.is_empty() {
        let fault = "this log has no content that is this person's alone and is not erased";
        return Err(Failure::msg(
            fault,
            "see the spelling; agents are a person's where `agents register --person` named them",
        ));
    }
    let requester: Actor = match &args.by {
        Some(by) => by.parse().context("--by")?,
        None => desk.door.operator(),
    };
    let (erasure, approval, now) = (desk.door.new_id(), desk.door.new_id(), desk.now());
    let terms = ErasureTerms {
        act: ErasureAct::Erase,
        erasure,
        case: case.clone(),
        basis: basis.clone(),
        person,
        keys: keys.clone(),
        reason: args.reason.clone(),
    };
    let requested = ErasureRequested {
        erasure,
        case,
        basis,
        keys: keys.clone(),
    };
    let requested = desk.door.event(requester.clone(), requested);
    let (policy, deadline) = (
        policy_digest(&desk.views),
        decide_by(&desk.config.approvals, now),
    );
    let asked = desk.views.approvals.read(|approvals| {
        Matter::erasure(&terms).ask(approvals, approval, requester, policy, deadline, now)
    })?;
    let seq = desk.append(vec![requested, asked])?[0].seq;
    if cli.json {
        say!(
            "{}",
            serde_json::json!({ "erasure": erasure, "approval": approval, "keys": keys, "seq": seq })
        );
        return Ok(Outcome::Well);
    }
    say!("erasure   {erasure}, recorded at {seq}");
    let buckets = desk.views.buckets.read(Buckets::clone);
    for key in &keys {
        let entries = buckets.owned(key).map_or(0, |owned| owned.entries);
        say!(
            "          {:<22} {entries} entries{}",
            key.bucket.to_string(),
            match buckets.may_erase(erasure, key) {
                Ok(()) => String::new(),
                Err(spared) => format!("; not now: {spared}"),
            }
        );
    }
    say!("approval  {approval}");
    say!("Two people decide until {deadline}: daicho approvals show {approval}");
    Ok(Outcome::Well)
}

/// Keys as other systems were told of them: those that this log knows, and has not destroyed.
fn told_keys(file: &Path, buckets: &Buckets) -> Result<Vec<SubjectKey>, Failure> {
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
        let key = SubjectKey { bucket, subject };
        let left = |owned: &buckets::Owned| owned.erased.is_none();
        if buckets.owned(&key).is_some_and(left) && !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn list(cli: &Cli, all: bool) -> Done {
    let reader = read(&cli.data)?;
    let views = Views::open(reader.clone())?;
    let mut told = None;
    for row in rows(&views, reader.head().at, all) {
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
        let became = match (row.erased, row.kept) {
            (Some(seq), _) => format!("erased, certificate at {seq}"),
            (None, Some(kept)) => format!("not erased: {kept}"),
            (None, None) => "not erased yet".to_owned(),
        };
        say!("    {:<22} {became}", row.bucket.to_string());
    }
    views.save();
    Ok(Outcome::Well)
}
