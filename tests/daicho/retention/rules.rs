//! Rules and holds, which two people sign for as well.

use super::{MARCH, approve, at, at_with, entries, january, of_class, settings, stage, there};
use crate::world::{Ledger, wait_for};
use serde_json::{Value, json};

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
