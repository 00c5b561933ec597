//! Content ends when two people have signed and its time has come, by commands, a server or an authority.

use super::{
    JANUARY, MARCH, approve, at, at_with, entries, january, of_class, pass, serve, stage, there,
};
use crate::bad_input::places::faketime;
use crate::format::second_verifier;
use crate::timestamp::tsa::{HONEST, Tsa};
use crate::world::{Ledger, cannot_run, drill, has, wait_for, walk};
use serde_json::{Value, json};

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
