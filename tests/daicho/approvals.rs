//! What waits for people: until when, for how many of them, what they see of it, how they hear.

#[cfg(unix)]
mod agent;
#[cfg(unix)]
mod told;

use crate::world::{Ledger, Ran, Server, cannot_run, has, wait_for};
use serde_json::{Value, json};

const FAR: &str = "2099-01-01T00:00:00.000000Z";

/// A ledger under these settings, with an agent and some approvers, not served yet.
struct Office {
    ledger: Ledger,
    token: String,
    keys: Vec<String>,
}

impl Office {
    fn new(settings: &str, approvers: &[&str]) -> Office {
        let ledger = Ledger::new();
        std::fs::write(ledger.dir.join("daicho.toml"), settings).unwrap();
        let token = ledger.register("dev");
        let keys = approvers.iter().map(|user| ledger.approver(user)).collect();
        Office {
            ledger,
            token,
            keys,
        }
    }

    /// Has the agent ask to use a tool; gives the verdict and its reason.
    fn asks(&self, server: &Server, tool: &str, input: Value) -> (String, String) {
        let told = json!({
            "session_id": "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11", "cwd": "/home/dev/shop",
            "hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": input,
            "tool_use_id": format!("toolu_{}", self.ledger.logs().len()),
        });
        let request = server.client.post(server.url("/hooks/claude-code"));
        let answer = request.bearer_auth(&self.token).body(told.to_string());
        let answer: Value = answer.send().unwrap().json().unwrap();
        let output = &answer["hookSpecificOutput"];
        let text = |field: &str| output[field].as_str().unwrap_or_default().to_owned();
        (text("permissionDecision"), text("permissionDecisionReason"))
    }

    fn waiting(&self) -> Vec<Value> {
        let listed = ["--json", "approvals", "list", "--state", "requested"];
        self.ledger.run(&listed).lines()
    }

    fn entries(&self, kind: &str) -> Vec<Value> {
        let listed = ["--json", "events", "--kind", kind];
        self.ledger.run(&listed).lines()
    }

    /// The digest of the rules that decisions are made under.
    fn policy(&self) -> String {
        let adopted = self.entries("policy.adopted");
        let approvals = |entry: &&Value| entry["data"]["policy"] == "approvals";
        let adopted = adopted.iter().find(approvals).unwrap();
        adopted["data"]["digest"].as_str().unwrap().to_owned()
    }

    fn decide(&self, verb: &str, approval: &str, user: &str, key: &str) -> Ran {
        let by = format!("user:{user}");
        let args = ["approvals", verb, approval, "--by", &by, "--key", key];
        self.ledger.run(&args)
    }
}

fn id(row: &Value) -> String {
    row["approval"].as_str().unwrap().to_owned()
}

/// An agent's request as somebody else's program would append it.
fn requested(number: u8, policy: &str, deadline: &str) -> Value {
    json!({
        "kind": "approval.requested", "actor": "agent:dev",
        "data": {
            "approval": format!("0198d2f0-0000-7000-8000-0000000000{number:02}"),
            "subject": { "kind": "action", "id": format!("0198d2f0-0000-7000-8000-0000000001{number:02}") },
            "arguments_sha256": "11".repeat(32), "requester": "agent:dev", "policy": policy,
            "deadline": deadline, "approvers_needed": 1,
        },
    })
}

#[test]
fn other_bytes_than_would_be_signed_are_not_shown() {
    let ledger = crate::world::Ledger::new();
    let mut asked = requested(1, &"00".repeat(32), FAR);
    asked["content"] = json!([{ "name": "arguments", "media": "application/json", "text": "{\"harmless\":true}" }]);
    ledger.append(&[asked.clone()]);
    let show = || {
        ledger.run(&[
            "approvals",
            "show",
            asked["data"]["approval"].as_str().unwrap(),
        ])
    };
    show().refused(&["not what would be signed", "deny it"]);
}

#[test]
fn a_deadline_that_passes_is_recorded_also_one_that_passed_while_nobody_served() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("approvals", "ssh-keygen is not there");
    }
    let office = Office::new("", &["s002"]);
    let policy = office.policy();
    office.ledger.append(&[
        requested(1, &policy, "2026-01-01T00:00:00.000000Z"),
        requested(2, &policy, FAR),
    ]);
    let server = office.ledger.serve();
    wait_for("the end of what passed earlier", || {
        office.entries("approval.expired").len() == 1
    });
    let soon = chrono::Utc::now() + chrono::Duration::milliseconds(1_500);
    let soon = soon.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    office.ledger.append(&[requested(3, &policy, &soon)]);
    wait_for("the end of what passes now", || {
        office.entries("approval.expired").len() == 2
    });
    let expired = office.entries("approval.expired");
    assert_eq!(
        expired[0]["data"]["deadline"],
        "2026-01-01T00:00:00.000000Z"
    );
    assert_eq!(expired[1]["data"]["deadline"], soon.as_str());
    assert_eq!(expired[1]["actor"], "service:approvals");

    let late = office.decide("approve", &id(&expired[1]["data"]), "s002", &office.keys[0]);
    late.refused(&["the deadline of approval"]);
    assert_eq!(office.waiting().len(), 1);
    assert_eq!(server.stop(), 0);
    // Nothing is said twice, not by another server either.
    let server = office.ledger.serve();
    let open = id(&office.waiting()[0]);
    office.decide("deny", &open, "s002", &office.keys[0]).ok();
    assert_eq!(server.stop(), 0);
    assert_eq!(office.entries("approval.expired").len(), 2);
    office.ledger.verify();
}

#[test]
fn a_rule_may_ask_for_two_people_and_who_has_left_is_none_of_them() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("approvals", "ssh-keygen is not there");
    }
    let settings = "[[tools.rule]]\ntool = 'mcp__bank__*'\nthen = 'draft'\napprovers = 2\n";
    let office = Office::new(settings, &["s002", "s003", "s004"]);
    let server = office.ledger.serve();
    let pay = || {
        office.asks(
            &server,
            "mcp__bank__pay",
            json!({ "invoice": "R-7", "yen": 4800 }),
        )
    };
    let (verdict, reason) = pay();
    assert!(
        verdict == "deny" && reason.contains("2 others decide"),
        "{reason}"
    );
    let approval = id(&office.waiting()[0]);
    let told = office
        .decide("grant", &approval, "s002", &office.keys[0])
        .ok();
    assert!(told.contains("1 of 2 have approved"), "{told}");
    let (verdict, reason) = pay();
    assert!(
        verdict == "deny" && reason.contains("(1 of 2 have approved)"),
        "{reason}"
    );
    let again = office.decide("approve", &approval, "s002", &office.keys[0]);
    again.refused(&["has decided on approval"]);
    let listed = office.ledger.run(&["approvals", "list"]).ok();
    assert!(listed.contains("1 of 2"), "{listed}");

    office
        .ledger
        .run(&["users", "deactivate", "s002", "--reason", "left"])
        .ok();
    let shown = office.ledger.run(&["approvals", "show", &approval]).ok();
    assert!(
        shown.contains("0 of 2") && shown.contains("withdrawn     user:s002"),
        "{shown}"
    );
    let told = office
        .decide("approve", &approval, "s003", &office.keys[1])
        .ok();
    assert!(told.contains("1 of 2 have approved"), "{told}");
    assert_eq!(pay().0, "deny");
    let told = office
        .decide("approve", &approval, "s004", &office.keys[2])
        .ok();
    assert!(told.contains("2 of 2 have approved"), "{told}");
    assert_eq!(pay().0, "allow");
    assert_eq!(pay().0, "deny", "once");
    assert_eq!(office.entries("approval.granted").len(), 3);

    let other = id(&office.waiting()[0]);
    office
        .decide("approve", &other, "s003", &office.keys[1])
        .ok();
    office.decide("deny", &other, "s004", &office.keys[2]).ok();
    let (verdict, reason) = pay();
    assert!(
        verdict == "deny" && reason.contains("was denied"),
        "{reason}"
    );
    assert_eq!(server.stop(), 0);
    office.ledger.verify();
}

#[test]
fn whom_an_agent_works_for_may_deny_what_it_asks_and_not_approve_it() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("approvals", "ssh-keygen is not there");
    }
    let office = Office::new("", &["s002", "s003"]);
    let assign = |person: &str| {
        let args = ["agents", "set", "dev", "--person", person];
        office.ledger.run(&args).ok();
    };
    assign("s002");
    let server = office.ledger.serve();
    let push = |to: &str| {
        let command = format!("git push origin {to}");
        office.asks(&server, "Bash", json!({ "command": command }))
    };
    assert_eq!(push("main").0, "deny");
    let main = id(&office.waiting()[0]);
    let own = office.decide("approve", &main, "s002", &office.keys[0]);
    own.refused(&["works for user:s002", "ask someone else", "you may deny it"]);
    // In other hands it is still what it was asked for.
    assign("s003");
    for (user, key) in ["s002", "s003"].iter().zip(&office.keys) {
        let own = office.decide("approve", &main, user, key);
        own.refused(&["you may deny it"]);
    }
    assert_eq!(office.entries("approval.granted").len(), 0);
    assert_eq!(push("main").0, "deny");
    office.decide("deny", &main, "s002", &office.keys[0]).ok();
    assert!(push("main").1.contains("was denied"));

    assert_eq!(push("docs").0, "deny");
    let docs = id(&office.waiting()[0]);
    office
        .decide("approve", &docs, "s002", &office.keys[0])
        .ok();
    assert_eq!(push("docs").0, "allow");
    assert_eq!(server.stop(), 0);
    office.ledger.verify();
}

#[test]
fn approvers_see_one_masked_line_and_what_changed_and_the_log_says_that_they_looked() {
    let begun = std::time::Instant::now();
    let office = Office::new("", &[]);
    let server = office.ledger.serve();
    let mail = |body: &str| {
        let input =
            json!({ "to": "山田太郎 <taro@example.co.jp>", "subject": "お見積り", "body": body });
        office.asks(&server, "mcp__mail__send", input).0
    };
    assert_eq!(mail("山田太郎様\nお電話は 03-5555-1234 まで。"), "deny");
    assert_eq!(mail("山田太郎様\n金額は 48,000 円です。"), "deny");

    let listed = office.ledger.run(&["approvals", "list"]).ok();
    for raw in ["山田", "taro", "1234"] {
        assert!(!listed.contains(raw), "{listed}");
    }
    for part in [
        "mcp__mail__send",
        "agent:dev",
        "0 of 1",
        "Y.T.様",
        "changed since the last: body\n      -お電話は 03-5555-**** まで。\n      +金額は 48,000 ",
    ] {
        assert!(listed.contains(part), "no {part} in {listed}");
    }
    // As old as the test is, at most.
    let asked = |line: &&str| line.contains("asked by");
    for line in listed.lines().filter(asked) {
        let (before, _) = line.split_once(" s  action ").unwrap();
        let seconds: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(seconds <= begun.elapsed().as_secs(), "{line}");
    }
    let looked = || {
        let revealed = office.entries("content.revealed");
        let previews = revealed
            .iter()
            .filter(|e| e["data"]["purpose"] == "approval-preview");
        previews.count()
    };
    assert_eq!(looked(), 2);
    let rows = office.waiting();
    assert_eq!((rows.len(), looked()), (2, 2), "recorded once per draft");
    assert!(rows[0]["changed"].is_null());
    assert_eq!(rows[1]["changed"], json!(["body"]));
    let differs = rows[1]["masked_diff"].as_array().unwrap();
    assert_eq!(differs.len(), 2, "{differs:?}");
    assert!(rows[1]["age_seconds"].as_u64().unwrap() <= begun.elapsed().as_secs());

    // Whoever has no token sees that something waits, and nothing of what.
    let bare = server.json("/api/v1/approvals");
    assert_eq!(bare[0]["tool"], "mcp__mail__send");
    assert!(bare[0].get("preview").is_none(), "{bare}");
    let asked = |path: &str| {
        server
            .client
            .get(server.url(path))
            .bearer_auth(&server.token)
    };
    let listed: Value = asked("/api/v1/approvals").send().unwrap().json().unwrap();
    assert_eq!(listed[1]["preview"], rows[1]["preview"]);
    let wrong = server
        .client
        .get(server.url("/api/v1/approvals"))
        .bearer_auth("dco_no");
    assert_eq!(wrong.send().unwrap().status(), 401);
    let whole = format!("/api/v1/approvals/{}", id(&rows[1]));
    assert_eq!(server.get(&whole).status(), 401);
    let shown: Value = asked(&whole).send().unwrap().json().unwrap();
    let diff = shown["diff"].as_str().unwrap();
    let changed = "@@ -1,2 +1,2 @@\n 山田太郎様\n-お電話は 03-5555-1234 まで。";
    assert!(
        diff.starts_with("@@ body @@") && diff.contains(changed),
        "{diff}"
    );
    assert_eq!(
        asked("/api/v1/approvals/none").send().unwrap().status(),
        404
    );

    let page = server.get("/approvals");
    let challenge = page.headers().get("www-authenticate").cloned();
    assert_eq!((page.status().as_u16(), challenge.is_some()), (401, true));
    let page = server
        .client
        .get(server.url("/approvals"))
        .basic_auth("me", Some(&server.token));
    let page = page.send().unwrap();
    assert_eq!(page.headers()["cache-control"], "no-store");
    let page = page.error_for_status().unwrap().text().unwrap();
    assert!(
        page.contains("Y.T.様") && page.contains("changed: body"),
        "{page}"
    );
    assert!(!page.contains("山田") && !page.contains("taro"), "{page}");
    assert!(server.text("/").contains("承認待ち"));

    let shown = office
        .ledger
        .run(&["approvals", "show", &id(&rows[1])])
        .ok();
    assert!(
        shown.contains("taro@example.co.jp") && shown.contains(changed),
        "{shown}"
    );
    assert_eq!(server.stop(), 0);
    office.ledger.verify();
}
