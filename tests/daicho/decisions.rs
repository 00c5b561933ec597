//! Decisions over HTTP: the statement fetched, signed by OpenSSH, and posted without any token.

use crate::bad_input::is_refused;
use crate::world::{Ledger, World, cannot_run, has, hook_event};
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};
use std::process::Command;

const NAMESPACE: &str = "daicho-approval@v1";

/// An approver with nothing but a shell, OpenSSH and HTTP.
struct Approver<'w> {
    world: &'w World,
    user: &'static str,
    key: String,
}

impl Approver<'_> {
    fn asks(&self, approval: &str, decision: &str) -> RequestBuilder {
        let path = format!("/api/v1/approvals/{approval}/statement");
        let asked = self.world.server.client.get(self.world.server.url(&path));
        asked.query(&[("by", self.user), ("decision", decision)])
    }

    fn statement(&self, approval: &str, decision: &str) -> String {
        let told = self.asks(approval, decision).send().unwrap();
        assert_eq!(told.status(), 200);
        told.text().unwrap()
    }

    fn signs(&self, statement: &str, namespace: &str) -> String {
        let file = self.world.ledger.beside("statement");
        let signature = file.with_extension("sig");
        std::fs::write(&file, statement).unwrap();
        let _ = std::fs::remove_file(&signature);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f", &self.key]);
        assert!(command.arg(&file).status().unwrap().success());
        std::fs::read_to_string(signature).unwrap()
    }

    fn posts(&self, approval: &str, decision: &str, signature: &str) -> RequestBuilder {
        let body = json!({ "by": self.user, "decision": decision, "signature": signature });
        post(self.world, approval, body.to_string())
    }

    fn decides(&self, approval: &str, decision: &str) -> RequestBuilder {
        let statement = self.statement(approval, decision);
        self.posts(approval, decision, &self.signs(&statement, NAMESPACE))
    }
}

fn post(world: &World, approval: &str, body: String) -> RequestBuilder {
    let path = format!("/api/v1/approvals/{approval}");
    world.server.client.post(world.server.url(&path)).body(body)
}

fn use_of(id: &str) -> Value {
    let used = json!({ "tool_name": "Bash", "tool_use_id": id,
                       "tool_input": { "command": "git push origin main" } });
    hook_event("PreToolUse", &used)
}

fn goes(answer: &Value) -> bool {
    answer["hookSpecificOutput"]["permissionDecision"] == "allow"
}

#[test]
fn an_approver_decides_over_http_and_the_signature_is_all_that_opens() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("decisions", "ssh-keygen is not there");
    }
    let world = World::new();
    let approver = |user: &'static str| {
        let (_, name) = user.split_once(':').unwrap();
        let key = world.ledger.approver(name);
        Approver {
            world: &world,
            user,
            key,
        }
    };
    let (second, third) = (approver("user:s002"), approver("user:s003"));
    assert!(!goes(&world.tell(&use_of("t0"))));
    let approval = world.waiting().unwrap();

    // What the statement says is what the log asks.
    let statement = second.statement(&approval, "approve");
    for line in [
        "daicho approval v2",
        &format!("approval: {approval}"),
        "decision: approve",
        "requester: agent:dev",
        "approver: user:s002",
    ] {
        assert!(statement.lines().any(|said| said == line), "{statement}");
    }
    let size = world.server.size();
    let other = "019ab000-0000-7000-8000-000000000001";
    is_refused(second.asks(other, "approve"), 404, &["no such approval"]);
    is_refused(second.asks("x", "approve"), 404, &["no such approval"]);
    is_refused(second.asks(&approval, "maybe"), 400, &["maybe"]);
    let nobody = Approver {
        user: "user:s009",
        key: second.key.clone(),
        world: &world,
    };
    is_refused(
        nobody.asks(&approval, "approve"),
        409,
        &["no approver's key"],
    );
    let agent = Approver {
        user: "agent:dev",
        ..nobody
    };
    is_refused(agent.asks(&approval, "approve"), 409, &["only a person"]);

    // Another's signature, another statement's, another namespace's, none.
    let signed = |by: &Approver, statement: &str| by.signs(statement, NAMESPACE);
    let deny = second.statement(&approval, "deny");
    for signature in [
        signed(&third, &statement),
        signed(&second, &deny),
        signed(&second, &statement.replace("needed: 1", "needed: 2")),
        second.signs(&statement, "file"),
        String::new(),
    ] {
        let posted = second.posts(&approval, "approve", &signature);
        is_refused(posted, 403, &["signature"]);
    }
    let body = json!({ "by": "user:s002", "decision": "approve" });
    is_refused(
        post(&world, &approval, body.to_string()),
        400,
        &["signature"],
    );
    let long = "x".repeat(20_000);
    is_refused(second.posts(&approval, "approve", &long), 413, &["16384"]);
    // Of all these the log says that somebody tried, and in whose name: once in a minute.
    let failed = world.events("auth.failed");
    assert!(matches!(failed.len(), 1 | 2), "{failed:?}");
    assert_eq!(world.server.size(), size + failed.len() as u64);
    let (said, by) = (&failed[0]["data"], &failed[0]["actor"]);
    assert_eq!(by, "service:approvals");
    let expected = json!({ "subject": "user:s002", "method": "approver-signature",
                           "reason": "unknown", "source": "127.0.0.1" });
    assert_eq!(*said, expected);
    assert!(!goes(&world.tell(&use_of("t1"))));

    let decided = second.decides(&approval, "approve").send().unwrap();
    assert_eq!(decided.status(), 201);
    let decided: Value = decided.json().unwrap();
    assert_eq!(decided["verdict"], "granted");
    assert_eq!(
        (&decided["approved"], &decided["needed"]),
        (&json!(1), &json!(1))
    );
    let granted = &world.events("approval.granted")[0];
    assert_eq!(granted["seq"], decided["seq"]);
    assert_eq!(granted["actor"], "user:s002");
    // Once, and settled for everybody.
    let again = second.posts(&approval, "approve", &signed(&second, &statement));
    is_refused(again, 409, &["decided", "already"]);
    is_refused(third.asks(&approval, "deny"), 409, &["granted already"]);
    assert!(goes(&world.tell(&use_of("t2"))));
    assert!(
        !goes(&world.tell(&use_of("t3"))),
        "one grant is for one use"
    );

    let approval = world.waiting().unwrap();
    let denied = third.decides(&approval, "deny").send().unwrap();
    assert_eq!(denied.status(), 201);
    assert_eq!(denied.json::<Value>().unwrap()["verdict"], "denied");
    assert_eq!(world.events("approval.denied").len(), 1);
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

#[test]
fn who_is_nobody_here_tries_so_many_times_and_leaves_hardly_an_entry() {
    let world = World::new();
    assert!(!goes(&world.tell(&use_of("t0"))));
    let approval = world.waiting().unwrap();
    let size = world.server.size();
    let body = json!({ "by": "user:s009", "decision": "approve", "signature": "x" });
    let tried = || {
        let answer = post(&world, &approval, body.to_string()).send().unwrap();
        (answer.status().as_u16(), answer.json::<Value>().unwrap())
    };
    // A new minute may begin in between.
    let answers: Vec<_> = (0..100).map(|_| tried()).collect();
    let looked_at = answers.iter().filter(|(status, _)| *status == 409).count();
    assert!((30..=60).contains(&looked_at), "{looked_at}");
    let over = answers.iter().find(|(status, _)| *status == 429).unwrap();
    let why = "30 decisions from this address came to nothing within a minute";
    assert_eq!(over.1["error"], why);
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 429).count(),
        answers.len() - looked_at
    );
    let failed = world.events("auth.failed");
    assert_eq!(failed.len(), 1 + usize::from(looked_at > 30));
    assert_eq!(world.server.size(), size + failed.len() as u64);
    assert_eq!(failed[0]["data"]["subject"], Value::Null);
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

const SOURCE: &str = "import subprocess\nsubprocess.call('cat x', shell=True)\n";
const PATCH: &str = "--- a/tool.py\n+++ b/tool.py\n@@ -1,2 +1,2 @@\n import subprocess\n-subprocess.call('cat x', shell=True)\n+subprocess.call(['cat', 'x'])\n";

fn sarif() -> Value {
    let place = json!({ "physicalLocation": {
        "artifactLocation": { "uri": "tool.py" }, "region": { "startLine": 2 } } });
    let result = json!({ "ruleId": "B602", "level": "error",
                         "message": { "text": "shell=True" }, "locations": [place] });
    json!({ "version": "2.1.0",
            "runs": [{ "tool": { "driver": { "name": "bandit" } }, "results": [result] }] })
}

fn proposed(ledger: &Ledger, project: &str) -> String {
    let (report, diff) = (ledger.beside("found.sarif"), ledger.beside("fix.patch"));
    std::fs::write(&report, sarif().to_string()).unwrap();
    std::fs::write(&diff, PATCH).unwrap();
    let (report, diff) = (report.display().to_string(), diff.display().to_string());
    ledger.run(&["scan", project, "--sarif", &report]).ok();
    let finding = &ledger.run(&["--json", "findings"]).lines()[0]["finding"];
    let finding = finding.as_str().unwrap();
    let propose = ["--json", "patch", "propose", finding, "--diff", &diff];
    let propose = [&propose[..], &["--dir", project, "--by", "user:s001"]].concat();
    let proposal = ledger.run(&propose).lines();
    proposal[0]["approval"].as_str().unwrap().to_owned()
}

#[test]
fn a_patch_that_is_approved_over_http_is_approved_in_its_own_history() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("decisions", "ssh-keygen is not there");
    }
    let world = World::new();
    let project = world.ledger.beside("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("tool.py"), SOURCE).unwrap();
    let project = project.display().to_string();
    let key = world.ledger.approver("s002");
    let approval = proposed(&world.ledger, &project);
    let second = Approver {
        world: &world,
        user: "user:s002",
        key,
    };
    let decided = second.decides(&approval, "approve").send().unwrap();
    assert_eq!(decided.status(), 201, "{:?}", decided.text());
    let approved = world.events("patch.approved");
    assert_eq!(approved.len(), 1);
    assert_eq!(approved[0]["data"]["approval"], approval);
    let apply = ["patch", "apply", &approval, "--dir", &project];
    world.ledger.run(&apply).ok();
}
