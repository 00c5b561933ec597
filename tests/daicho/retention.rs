//! How long content is kept, as an officer sees it: rules that two people put in force, holds, and
//! an end that neither a wrong clock nor one person alone brings about.

mod certificates;
mod protection;

use crate::bad_input::places::faketime;
use crate::format::second_verifier;
use crate::timestamp::tsa::{HONEST, Tsa};
use crate::world::{
    Ledger, Ran, Server, cannot_run, daicho, drill, has, run, wait_for, walk, with_content,
};
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

#[test]
fn content_ends_when_two_people_have_signed_and_time_has_been_seen_to_pass() {
    if !there("retention") {
        return;
    }
    let (ledger, keys) = january();
    assert_eq!(stage(&ledger, JANUARY, "api/2026-01")["state"], "open");
    let told = at(&ledger, MARCH, &["retention", "plan"]).ok();
    assert!(
        told.contains("api/2026-01") && told.contains("due 2026-03-03 (P30D)"),
        "{told}"
    );
    let asked = at(&ledger, MARCH, &["--json", "retention", "run"]).lines();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        (&asked[0]["act"], &asked[0]["bucket"]),
        (&json!("asked"), &json!("api/2026-01"))
    );
    let approval = asked[0]["approval"].as_str().unwrap().to_owned();
    let waits = at(&ledger, MARCH, &["approvals", "list"]).ok();
    let about = "the end of api/2026-01, due 2026-03-03";
    assert!(waits.contains(about), "{waits}");
    let again = at(&ledger, MARCH, &["retention", "run"]);
    assert!(again.err.contains("there was nothing to do"), "{again:?}");
    again.ok();
    let shown = at(&ledger, MARCH, &["approvals", "show", &approval]).ok();
    for part in [
        r#""act":"end""#,
        r#""bucket":"api/2026-01""#,
        r#""contents":2"#,
        "0 of 2",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    // Whoever has no keys sees the same dates.
    let auditor = ledger.copy();
    std::fs::remove_dir_all(auditor.dir.join("keys")).unwrap();
    let row = stage(&auditor, MARCH, "api/2026-01");
    assert_eq!(
        (&row["state"], &row["due"]),
        (&json!("asked"), &json!("2026-03-03T00:00:00.000000Z"))
    );

    // One alone is not enough, and no time makes it so.
    let alone = ledger.copy();
    approve(&alone, MARCH, &approval, &keys[..1]);
    pass(&alone, 30);
    at(&alone, "2026-03-08 12:00:00", &["retention", "run"]).ok();
    assert_eq!(
        stage(&alone, "2026-03-08 12:00:00", "api/2026-01")["state"],
        "asked"
    );

    approve(&ledger, MARCH, &approval, &keys);
    at(&ledger, MARCH, &["retention", "run"]).ok();
    assert_eq!(stage(&ledger, MARCH, "api/2026-01")["state"], "cooling");
    // A clock set forward alone ends nothing.
    let forward = ledger.copy();
    for _ in 0..3 {
        at(&forward, "2026-03-20 12:00:00", &["retention", "run"]).ok();
        at_with(
            &forward,
            "2026-03-20 12:00:00",
            &["append"],
            drill("jump").to_string().as_bytes(),
        )
        .ok();
    }
    let row = stage(&forward, "2026-03-20 12:00:00", "api/2026-01");
    let of = &row["clock"]["log"]["of_seconds"];
    assert_eq!((&row["state"], of), (&json!("cooling"), &json!(86_400)));
    assert_eq!(entries(&forward, "retention.expired"), [] as [Value; 0]);

    // Somebody who signed has left since: their word is none any more.
    let left = ledger.copy();
    pass(&left, 25);
    let later = "2026-03-07 14:00:00";
    at(
        &left,
        later,
        &["users", "deactivate", "s003", "--reason", "left"],
    )
    .ok();
    at(&left, later, &["retention", "run"]).ok();
    assert_eq!(stage(&left, later, "api/2026-01")["state"], "asked");
    assert_eq!(entries(&left, "retention.expired"), [] as [Value; 0]);

    pass(&ledger, 25);
    let backup = ledger.beside("backup");
    let to_backup = ["backup", "--with-keys", backup.to_str().unwrap()];
    at(&ledger, later, &to_backup).ok();
    let without_keys = ledger.beside("without-keys");
    let to_other = ["backup", without_keys.to_str().unwrap()];
    at(&ledger, later, &to_other).ok();
    assert_eq!(stage(&ledger, later, "api/2026-01")["state"], "ready");
    let ended = at(&ledger, later, &["retention", "run"]).ok();
    assert!(
        ended.contains("api/2026-01 has ended, certificate at"),
        "{ended}"
    );
    let certificate = &entries(&ledger, "retention.expired")[0]["data"];
    assert_eq!(certificate["approvers"], json!(["user:s002", "user:s003"]));
    assert_eq!(certificate["approvals"], json!([approval]));
    assert_eq!(
        (&certificate["entries"], &certificate["contents"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&certificate["period"], &certificate["time"]),
        (&json!("P30D"), &json!("log"))
    );
    assert!(walk(&ledger.dir.join("content/api")).is_empty());
    assert!(walk(&ledger.dir.join("keys/content/api")).is_empty());
    ledger.verify();
    if let Some(second) = second_verifier(&ledger.dir, &[]) {
        second.ok();
    }
    let entry = entries(&ledger, "drill.completed")[0]["seq"].to_string();
    at(&ledger, later, &["show", &entry, "--content"]).refused(&["has ended"]);
    at(&ledger, later, &["retention", "run"]).ok();
    assert_eq!(entries(&ledger, "retention.expired").len(), 1);

    // A backup has it until it is brought up again.
    let kept = walk(&backup.join("content/api"));
    let kept = [kept, walk(&backup.join("keys/content/api"))].concat();
    let kept: Vec<_> = kept
        .into_iter()
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .collect();
    assert_eq!(kept.len(), 2, "a pack and its key");
    let copied = at(&ledger, later, &to_backup);
    let note = "api/2026-01 has ended, and so has its content there";
    assert!(copied.code == 0 && copied.err.contains(note), "{copied:?}");
    assert!(kept.iter().all(|(_, path)| !path.exists()));
    // Where nobody can read it, nothing is removed.
    at(&ledger, later, &to_other).ok();
    assert_eq!(walk(&without_keys.join("content/api")).len(), 1);
    // Put back there, it does not come into what is restored.
    for (bytes, path) in kept {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let restored = Ledger::none();
    let told = restored.run(&["restore", backup.to_str().unwrap()]);
    let note = "api/2026-01 has ended, and its content was not restored";
    assert!(told.code == 0 && told.err.contains(note), "{told:?}");
    assert!(walk(&restored.dir.join("content/api")).is_empty());
    assert!(walk(&restored.dir.join("keys/content/api")).is_empty());
    restored.verify();
    // What has ended is in no figure of what is kept, of a log that was restored too.
    let counted = crate::reports::recounted(&restored, "retention", "");
    assert!(
        counted["count() of content  each  where class state"] > 0,
        "{counted:?}"
    );

    // Gone without a certificate is another matter.
    std::fs::remove_dir_all(forward.dir.join("content/api")).unwrap();
    let lost = forward.run(&["verify"]);
    assert!(
        lost.code == 1 && lost.out.contains("unauthorised loss"),
        "{lost:?}"
    );
}

#[test]
fn rules_change_with_two_approvers_longer_for_all_and_shorter_for_what_comes() {
    if !there("retention") {
        return;
    }
    let (ledger, keys) = january();
    let due = |bucket: &str| stage(&ledger, MARCH, bucket)["due"].clone();
    let adopt = || at(&ledger, MARCH, &["policy", "adopt"]);
    let changes = |rules: &str| {
        settings(&ledger, rules);
        let asks = adopt();
        assert!(
            asks.code == 1 && asks.out.contains("retention waits for two people"),
            "{asks:?}"
        );
        let rows = at(
            &ledger,
            MARCH,
            &["--json", "approvals", "list", "--state", "requested"],
        )
        .lines();
        let approval = rows[0]["approval"].as_str().unwrap().to_owned();
        assert_eq!(rows.len(), 1);
        let again = adopt();
        assert!(
            again.code == 1 && again.out.contains(&approval),
            "{again:?}"
        );
        let in_force = at(&ledger, MARCH, &["policy"]);
        assert_eq!(in_force.code, 1, "nothing is in force yet: {in_force:?}");
        approve(&ledger, MARCH, &approval, &keys);
        let adopted = adopt().ok();
        assert!(adopted.contains("retention adopted"), "{adopted}");
        adopted
    };
    assert_eq!(due("api/2026-01"), "2026-03-03T00:00:00.000000Z");
    let told = changes("cooling = 'P1D'\napi = 'P1Y'\nmail = 'P2M'");
    assert!(
        told.contains("kept longer, as recorded by retention.extended: api/2026-01"),
        "{told}"
    );
    assert_eq!(due("api/2026-01"), "2027-02-01T00:00:00.000000Z");
    let extended = entries(&ledger, "retention.extended");
    assert_eq!(extended.len(), 1, "{extended:?}");
    assert_eq!(extended[0]["data"]["bucket"], "api/2026-01");

    let event = of_class("mail", "s-1", "a mail").to_string();
    at_with(&ledger, MARCH, &["append"], event.as_bytes()).ok();
    let told = changes("cooling = 'P1D'\napi = 'P1D'\nmail = 'P1M'");
    assert!(!told.contains("kept longer"), "{told}");
    assert_eq!(due("api/2026-01"), "2027-02-01T00:00:00.000000Z");
    assert_eq!(due("mail/2026-03"), "2026-06-01T00:00:00.000000Z");
    assert_eq!(entries(&ledger, "retention.extended").len(), 1);
    let event = of_class("api", "s-1", "march").to_string();
    at_with(&ledger, MARCH, &["append"], event.as_bytes()).ok();
    assert_eq!(due("api/2026-03"), "2026-04-02T00:00:00.000000Z");

    // A class that has content keeps a rule.
    settings(&ledger, "cooling = 'P1D'");
    let refused = |part: &str| {
        let ran = adopt(); // the change is shown first
        assert!(ran.code == 2 && ran.err.contains(part), "{ran:?}");
    };
    refused("class mail has no period any more");
    settings(&ledger, "cooling = 'forever'\nmail = 'P1M'");
    refused("would keep everything");
    settings(&ledger, "api = 'P1D'\napi = 'P2D'");
    adopt().refused(&["duplicate"]);
    settings(&ledger, "api = 'P-1D'\nmail = 'P1M'");
    adopt().refused(&["is not a configuration"]);
    settings(&ledger, "cooling = 'P1D'\nmail = 'P1M'");

    // Nobody changes the rules by appending an event.
    let adopted = entries(&ledger, "policy.adopted");
    let newest = adopted
        .iter()
        .rfind(|e| e["data"]["policy"] == "retention")
        .unwrap();
    let mut forged =
        json!({ "kind": "policy.adopted", "actor": "user:s009", "data": newest["data"] });
    forged["data"]["previous"] = newest["data"]["digest"].clone();
    forged["data"]["periods"]["api"] = json!("P1D");
    at_with(&ledger, MARCH, &["append"], forged.to_string().as_bytes())
        .refused(&["not changed by an appended event"]);

    at(
        &ledger,
        MARCH,
        &["retention", "extend", "mail/2026-03", "P1Y"],
    )
    .ok();
    assert_eq!(due("mail/2026-03"), "2027-04-01T00:00:00.000000Z");
    let extend = |bucket, period| at(&ledger, MARCH, &["retention", "extend", bucket, period]);
    extend("mail/2026-03", "P1M").refused(&["would not be longer"]);
    extend("api/2026-01", "P1D").refused(&["has passed already"]);
    extend("api/2025-01", "P1D").refused(&["no bucket api/2025-01"]);
    extend("api/2026-01", "1 year").refused(&["PERIOD"]);
    ledger.verify();
}

/// The server has the content's keys in memory, and forgets them too.
#[test]
fn a_served_ledger_asks_and_ends_by_itself() {
    if !there("retention") {
        return;
    }
    let Some(library) = faketime() else {
        return cannot_run("retention", "no libfaketime (package faketime)");
    };
    let (ledger, keys) = january();
    let serve = |time: &str| serve(&ledger, &library, time);
    let server = serve(MARCH);
    wait_for("the question", || {
        entries(&ledger, "approval.requested").len() == 1
    });
    let approval = entries(&ledger, "approval.requested")[0]["data"]["approval"].clone();
    approve(&ledger, MARCH, approval.as_str().unwrap(), &keys);
    let run = server.client.post(server.url("/api/v1/retention/run"));
    assert_eq!(run.send().unwrap().status(), 401);
    at(&ledger, MARCH, &["retention", "run"]).ok();
    let plan: Value = server.json("/api/v1/retention");
    assert_eq!(plan[0]["state"], "cooling");
    assert_eq!(server.stop(), 0);
    pass(&ledger, 25);

    let later = "2026-03-07 14:00:00";
    let before = entries(&ledger, "drill.completed")[0]["seq"].to_string();
    at(&ledger, later, &["show", &before, "--content"]).ok();
    let server = serve(later);
    wait_for("the end", || {
        entries(&ledger, "retention.expired").len() == 1
    });
    wait_for("its files", || {
        walk(&ledger.dir.join("content/api")).is_empty()
    });
    let shown = at(&ledger, later, &["show", &before, "--content"]);
    assert_eq!(shown.code, 2, "{shown:?}");
    let again = at(&ledger, later, &["retention", "run"]);
    assert!(again.err.contains("there was nothing to do"), "{again:?}");
    assert_eq!(server.stop(), 0);
    ledger.verify();
}

#[test]
fn the_authority_s_time_ends_what_the_host_s_does_not() {
    if !there("retention") {
        return;
    }
    if !has("openssl", "version") {
        return cannot_run("retention", "openssl is not there");
    }
    let ledger = Ledger::none();
    let begun = "100 days ago";
    at(&ledger, begun, &["init", "--origin", "example.com/daicho"]).ok();
    let tsa = Tsa::new();
    let ca = tsa.ca();
    let text = format!("[retention]\ncooling = 'P1D'\n[timestamp]\nca_file = {ca:?}\n");
    std::fs::write(ledger.dir.join("daicho.toml"), text).unwrap();
    let event = of_class("api", "s-1", "one").to_string();
    at_with(&ledger, begun, &["append"], event.as_bytes()).ok();
    let keys: Vec<String> = ["s002", "s003"].map(|user| ledger.approver(user)).into();
    let asked = ledger.run(&["--json", "retention", "run"]).lines();
    let bucket = asked[0]["bucket"].as_str().unwrap();
    let approval = asked[0]["approval"].as_str().unwrap();
    for (user, key) in [("user:s002", &keys[0]), ("user:s003", &keys[1])] {
        let args = ["approvals", "approve", approval, "--by", user, "--key", key];
        ledger.run(&args).ok();
    }
    let stamp = |time: &str| {
        let (query, answer) = (ledger.beside("query.tsq"), ledger.beside("answer.tsr"));
        let args = ["timestamp", "--request", query.to_str().unwrap()];
        at(&ledger, time, &args).ok();
        let response = tsa.reply(HONEST, &std::fs::read(&query).unwrap(), Some(time));
        std::fs::write(&answer, response).unwrap();
        let with = [&args[..], &["--response", answer.to_str().unwrap()]].concat();
        at(&ledger, time, &with).ok();
    };
    // Stamped before the cooling time was over, and then not at all.
    stamp("+1 hour");
    pass(&ledger, 30);
    let later = "+2 days";
    at(&ledger, later, &["retention", "run"]).ok();
    let row = stage(&ledger, later, bucket);
    assert_eq!(row["state"], "cooling");
    assert!(row["clock"]["authority"]["stamped"].is_string(), "{row}");
    assert_eq!(entries(&ledger, "retention.expired"), [] as [Value; 0]);

    stamp(later);
    at(&ledger, later, &["retention", "run"]).ok();
    let ended = entries(&ledger, "retention.expired");
    let certificate = &ended[0]["data"];
    assert_eq!(certificate["time"], "authority");
    assert_eq!(certificate["bucket"], bucket);
    let stamps = entries(&ledger, "checkpoint.timestamped");
    let newest = &stamps.last().unwrap()["data"];
    assert_eq!(certificate["token"], newest["token"]);
    ledger.verify();
}

#[test]
fn a_hold_is_asked_for_signed_by_two_and_placed_by_a_running_server() {
    if !there("hold") {
        return;
    }
    let ledger = Ledger::new();
    let keys: Vec<String> = ["s002", "s003"].map(|user| ledger.approver(user)).into();
    ledger.append(&[of_class("api", "s-1", "one"), of_class("api", "s-2", "two")]);
    let server = ledger.serve();
    let place = |more: &[&str]| {
        let args = [
            "--json", "hold", "place", "--case", "2026-17", "--reason", "訴訟",
        ];
        ledger.run(&[&args, more].concat())
    };
    place(&[]).refused(&["has to name what it holds"]);
    place(&["--session", "s-9"]).refused(&["no content in this log fits session s-9"]);
    place(&["--bucket", "api/2020-01"]).refused(&["would hold nothing"]);
    place(&["--kind", "drill"]).refused(&["drill is not a kind"]);
    assert_eq!(entries(&ledger, "approval.requested"), [] as [Value; 0]);

    let asked = place(&["--session", "s-1", "--by", "user:s002"]).lines();
    let (hold, approval) = (
        asked[0]["hold"].as_str().unwrap(),
        asked[0]["approval"].as_str().unwrap(),
    );
    let decide = |approval: &str, user: &str, key: &str| {
        let by = format!("user:{user}");
        ledger.run(&["approvals", "approve", approval, "--by", &by, "--key", key])
    };
    decide(approval, "s002", &keys[0]).refused(&["cannot decide on it"]);
    let plan = ledger.run(&["retention", "plan"]);
    assert!(plan.err.contains("nothing ends meanwhile"), "{plan:?}");
    let runs = ledger.run(&["retention", "run"]);
    runs.refused(&["a hold waits for a decision"]);
    decide(approval, "s003", &keys[1]).ok();
    let third = ledger.approver("s004");
    decide(approval, "s004", &third).ok();
    wait_for("the hold", || entries(&ledger, "hold.placed").len() == 1);
    let placed = &entries(&ledger, "hold.placed")[0];
    assert_eq!(placed["data"]["hold"], hold);
    assert_eq!(
        placed["data"]["approvers"],
        json!(["user:s003", "user:s004"])
    );
    assert_eq!(placed["content"][0]["name"], "reason");
    assert!(!placed.to_string().contains("訴訟"));
    let listed = ledger.run(&["hold", "list"]).ok();
    assert!(
        listed.contains(hold) && listed.contains("session s-1"),
        "{listed}"
    );
    let plan: Value = server.json("/api/v1/retention");
    let held = |row: &&Value| row["bucket"].as_str().unwrap().starts_with("api/");
    assert_eq!(
        plan.as_array().unwrap().iter().find(held).unwrap()["state"],
        "held"
    );

    // What comes later in the same session is held too; nobody releases it with an event.
    let released = json!({ "kind": "hold.released", "actor": "user:s009",
        "data": { "hold": hold, "case": "2026-17", "approvals": [], "approvers": [] } });
    let appended = ledger.run_with(&["append"], released.to_string().as_bytes());
    appended.refused(&["hold.released"]);

    let asked = ["--json", "hold", "release", hold, "--reason", "和解"];
    let asked = ledger.run(&asked).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    decide(approval, "s002", &keys[0]).ok();
    assert_eq!(ledger.run(&["--json", "hold", "list"]).lines().len(), 1);
    decide(approval, "s003", &keys[1]).ok();
    wait_for("the release", || {
        entries(&ledger, "hold.released").len() == 1
    });
    assert_eq!(ledger.run(&["--json", "hold", "list"]).lines().len(), 0);
    let again = ledger.run(&["hold", "release", hold, "--reason", "x"]);
    again.refused(&["was released already"]);
    assert_eq!(server.stop(), 0);
    ledger.verify();
    // Without a server, the second signature places it at once.
    let asked = place(&["--class", "api", "--since", "2026-01-01"]).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    decide(approval, "s002", &keys[0]).ok();
    let waits = ledger.run(&["approvals", "list", "--state", "requested"]);
    let waits = waits.ok();
    assert!(waits.contains("a hold, case 2026-17"), "{waits}");
    let told = decide(approval, "s003", &keys[1]).ok();
    assert!(told.contains("is in force"), "{told}");

    // A list of people ends with a key of its own: not while its bucket is held.
    let list = ledger.beside("people.csv");
    std::fs::write(&list, "name\n山田 太郎\n").unwrap();
    let load = ["roster", "load", "--name", "staff", list.to_str().unwrap()];
    ledger.run(&load).ok();
    let asked = place(&["--class", "change"]).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    decide(approval, "s002", &keys[0]).ok();
    decide(approval, "s003", &keys[1]).ok();
    let removed = ledger.run(&["roster", "remove", "staff"]);
    removed.refused(&["an earlier list lies in bucket change/", "keeps"]);
    assert_eq!(ledger.run(&["--json", "roster", "list"]).lines().len(), 1);
    ledger.verify();
}
