//! How long content is kept, as an officer sees it: rules that two people put in force, holds, and
//! an end that neither a wrong clock nor one person alone brings about.

mod certificates;
mod ends;
mod protection;
mod rules;

use crate::world::{Ledger, Ran, Server, cannot_run, daicho, drill, has, run, with_content};
use ledger::clock::Clock;
use ledger::{Options, Submission};
use schemas::kinds::defence::DrillCompleted;
use schemas::{Event, Timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub const JANUARY: &str = "2026-01-10 12:00:00";
/// Three days after January's content of class `api` is due.
pub const MARCH: &str = "2026-03-06 12:00:00";

pub fn there(test: &str) -> bool {
    let there = has("ssh-keygen", "-?") && has("faketime", "--version");
    if !there {
        cannot_run(test, "ssh-keygen or faketime is not there");
    }
    there
}

/// Runs a command on a host whose clock says something else.
#[track_caller]
pub fn at(ledger: &Ledger, time: &str, args: &[&str]) -> Ran {
    at_with(ledger, time, args, b"")
}

#[track_caller]
pub fn at_with(ledger: &Ledger, time: &str, args: &[&str], input: &[u8]) -> Ran {
    let mut command = Command::new("faketime");
    command.args([time, env!("CARGO_BIN_EXE_daicho"), "--data"]);
    command.arg(&ledger.dir).args(args).env("TZ", "UTC");
    crate::world::clean(&mut command);
    run(command, input)
}

fn settings(ledger: &Ledger, retention: &str) {
    let text = format!("[retention]\n{retention}\n");
    std::fs::write(ledger.dir.join("daicho.toml"), text).unwrap();
}

pub fn of_class(class: &str, session: &str, text: &str) -> Value {
    let mut event = with_content(drill("failover"), text);
    event["class"] = json!(class);
    event["session"] = json!(session);
    event
}

/// Without a wrapper between: the server is stopped by its own process id.
pub fn serve(ledger: &Ledger, library: &Path, time: &str) -> Server {
    let mut command = daicho(&ledger.dir);
    command.env("LD_PRELOAD", library).env("TZ", "UTC");
    command.env("FAKETIME", format!("@{time}"));
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Server::start(&ledger.dir, command)
}

fn entries(ledger: &Ledger, kind: &str) -> Vec<Value> {
    ledger.run(&["--json", "events", "--kind", kind]).lines()
}

/// A ledger of January with some content of class `api`, and people who may approve.
pub fn january() -> (Ledger, Vec<String>) {
    let ledger = Ledger::none();
    at(
        &ledger,
        JANUARY,
        &["init", "--origin", "example.com/daicho"],
    )
    .ok();
    settings(&ledger, "cooling = 'P1D'");
    let keys = ["s002", "s003"].map(|user| {
        let key = crate::world::ssh_key(&ledger.beside(user));
        let public = format!("{key}.pub");
        at(
            &ledger,
            JANUARY,
            &["users", "activate", user, "--key", &public],
        )
        .ok();
        key
    });
    let events: String = ["one", "two"]
        .map(|text| format!("{}\n", of_class("api", "s-1", text)))
        .concat();
    at_with(&ledger, JANUARY, &["append"], events.as_bytes()).ok();
    (ledger, keys.to_vec())
}

pub fn approve(ledger: &Ledger, time: &str, approval: &str, keys: &[String]) -> Vec<String> {
    let users = ["user:s002", "user:s003"];
    let told = users.iter().zip(keys).map(|(user, key)| {
        let args = ["approvals", "approve", approval, "--by", user, "--key", key];
        at(ledger, time, &args).ok()
    });
    told.collect()
}

fn stage(ledger: &Ledger, time: &str, bucket: &str) -> Value {
    let rows = at(ledger, time, &["--json", "retention", "plan"]).lines();
    let row = rows.into_iter().find(|row| row["bucket"] == bucket);
    row.unwrap_or_default()
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// What a served ledger is like for so many hours: an entry every five minutes.
pub fn pass(ledger: &Ledger, hours: i64) {
    let reader = ledger::Reader::open(&ledger.dir).unwrap();
    let hands = Arc::new(Hands(AtomicI64::new(reader.head().at.micros())));
    let options = Options {
        clock: hands.clone(),
        ..Options::default()
    };
    let (appender, _) = ledger::open(&ledger.dir, options).unwrap();
    for _ in 0..hours * 12 {
        hands.0.fetch_add(300_000_000, Ordering::SeqCst);
        let data = DrillCompleted {
            drill: "heartbeat".parse().unwrap(),
            passed: true,
            duration_seconds: 1,
        };
        let event = Event::new(appender.new_id(), "service:test".parse().unwrap(), data);
        appender.append(vec![Submission::from(event)]).unwrap();
    }
}
