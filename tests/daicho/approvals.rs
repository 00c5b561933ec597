//! What waits for people: until when, for how many of them, what they see of it, how they hear.

use crate::world::{Ledger, Server, cannot_run, daicho, has, run, ssh_key, wait_for};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

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

    fn decide(&self, verb: &str, approval: &str, user: &str, key: &str) -> crate::world::Ran {
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
fn a_deadline_that_passes_is_recorded_also_one_that_passed_while_nobody_served() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("approvals", "ssh-keygen is not there");
    }
    let office = Office::new("", &["s002"]);
    let adopted = office.entries("policy.adopted");
    let policy = adopted
        .iter()
        .find(|entry| entry["data"]["policy"] == "approvals");
    let policy = policy.unwrap()["data"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
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
fn approvers_see_one_masked_line_and_what_changed_and_the_log_says_that_they_looked() {
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
        "changed since the last: body",
    ] {
        assert!(listed.contains(part), "no {part} in {listed}");
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

/// An HTTP server that others wrote: keeps each body as a line of a file, answers as told.
fn receiver(office: &Office, status: u16) -> Option<(Child, u16)> {
    if !has("python3", "-V") {
        return None;
    }
    const SERVER: &str = "\
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        with open(sys.argv[1], 'ab') as kept: kept.write(body + b'\\n')
        self.send_response(int(sys.argv[2])); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
";
    let mut child = Command::new("python3")
        .args(["-c", SERVER])
        .arg(office.ledger.beside("posted"))
        .arg(status.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    Some((child, line.trim().parse().unwrap()))
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().map(serde_json::from_str);
    whole.map_while(Result::ok).collect()
}

#[cfg(unix)]
#[test]
fn approvers_are_told_by_webhook_and_command_once_and_again_where_that_failed() {
    let office = Office::new("", &[]);
    let Some((mut refusing, port)) = receiver(&office, 503) else {
        return cannot_run("approvals", "python3 is not there");
    };
    let kept = office.ledger.beside("kept");
    let config = |port: u16, summary: &str| {
        let settings = format!(
            "[notify]\nwebhook_file = 'approvals.url'\nattempts = 2\nsummary = '{summary}'\n\
             command = ['sh', '-c', 'cat >> \"$0\"; echo >> \"$0\"; env > \"$0.env\"', '{}']\n",
            kept.display()
        );
        std::fs::write(office.ledger.dir.join("daicho.toml"), settings).unwrap();
        let url = format!("http://127.0.0.1:{port}/hooks/s3cret\n");
        std::fs::write(office.ledger.dir.join("approvals.url"), url).unwrap();
    };
    config(port, "none");
    let mut command = daicho(&office.ledger.dir);
    command.env("ANTHROPIC_API_KEY", "sk-invented");
    let server = Server::start(&office.ledger.dir, command);
    let mail = json!({ "to": "山田太郎 <taro@example.co.jp>", "body": "山田太郎様" });
    let (verdict, _) = office.asks(&server, "mcp__mail__send", mail.clone());
    assert_eq!(verdict, "deny");
    let told = || office.entries("approval.notified");
    wait_for("both channels have come to an end", || told().len() == 2);
    let by = |channel: &str| {
        let told = told();
        let of = |entry: &&Value| entry["data"]["channel"] == channel;
        told.iter()
            .rfind(of)
            .map(|entry| entry["data"].clone())
            .unwrap()
    };
    assert_eq!(by("command")["outcome"], "delivered");
    assert_eq!(
        (&by("webhook")["outcome"], &by("webhook")["attempts"]),
        (&json!("given_up"), &json!(2))
    );
    let posted = office.ledger.beside("posted");
    assert_eq!(
        (lines(&posted).len(), lines(&kept).len()),
        (2, 1),
        "as often as was tried"
    );
    let message = &lines(&kept)[0];
    assert_eq!(message["approval"], by("command")["approval"]);
    assert_eq!(
        (&message["tool"], &message["requester"]),
        (&json!("mcp__mail__send"), &json!("agent:dev"))
    );
    assert!(message.get("summary").is_none(), "{message}");
    let surroundings = std::fs::read_to_string(office.ledger.beside("kept.env")).unwrap();
    assert!(!surroundings.contains("sk-invented"), "{surroundings}");

    let metrics = server.text("/metrics");
    for line in [
        "daicho_notify_delivered{channel=\"command\"} 1",
        "daicho_notify_failed_attempts{channel=\"webhook\"} 2",
        "daicho_notify_given_up{channel=\"webhook\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    let doctor = office.ledger.run(&["doctor"]).out;
    let wrong = doctor
        .lines()
        .find(|line| line.contains("approvers"))
        .unwrap();
    assert!(
        wrong.starts_with("WRONG") && wrong.contains("by webhook"),
        "{wrong}"
    );
    assert!(!metrics.contains("s3cret") && !doctor.contains("s3cret"));
    assert_eq!(server.stop(), 0);
    refusing.kill().unwrap();
    refusing.wait().unwrap();

    // Asked while nobody served; and the channel that failed works again.
    std::fs::remove_file(&posted).unwrap();
    let (mut taking, port) = receiver(&office, 204).unwrap();
    config(port, "masked");
    office.ledger.append(&[requested(1, &"22".repeat(32), FAR)]);
    let server = office.ledger.serve();
    wait_for("each is told what it does not know", || told().len() == 5);
    let posted = lines(&posted);
    assert_eq!(
        (posted.len(), lines(&kept).len()),
        (2, 2),
        "the command was told of one already"
    );
    let summary = posted
        .iter()
        .find_map(|message| message["summary"].as_str());
    assert!(summary.unwrap().contains("Y.T.様"), "{posted:?}");
    assert!(
        posted
            .iter()
            .all(|message| !message.to_string().contains("山田"))
    );
    assert_eq!(server.stop(), 0);
    let server = office.ledger.serve();
    assert_eq!(
        office
            .asks(&server, "mcp__mail__send", json!({ "to": "x" }))
            .0,
        "deny"
    );
    wait_for("only what is new is told", || told().len() == 7);
    assert_eq!(server.stop(), 0);
    taking.kill().unwrap();
    taking.wait().unwrap();
    office.ledger.verify();
}

/// OpenSSH's own agent. Killed when dropped.
#[cfg(unix)]
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

#[cfg(unix)]
impl Agent {
    fn start(office: &Office) -> Agent {
        let socket = office.ledger.beside("agent");
        let mut command = Command::new("ssh-agent");
        let child = command
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let agent = Agent {
            child: child.unwrap(),
            socket,
        };
        wait_for("the agent listens", || agent.socket.exists());
        agent
    }

    fn add(&self, args: &[&str]) {
        let mut command = Command::new("ssh-add");
        command.args(args).env("SSH_AUTH_SOCK", &self.socket);
        assert!(command.stderr(Stdio::null()).status().unwrap().success());
    }
}

#[cfg(unix)]
impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn the_ssh_agent_signs_with_the_registered_key_and_no_other() {
    if !has("ssh-agent", "-?") || !has("ssh-keygen", "-?") || !has("ssh-add", "-?") {
        return cannot_run("approvals", "OpenSSH's agent is not there");
    }
    let office = Office::new("", &["s002", "s003"]);
    let adopted = office.entries("policy.adopted");
    let policy = adopted
        .iter()
        .find(|entry| entry["data"]["policy"] == "approvals");
    let policy = policy.unwrap()["data"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = [requested(1, &policy, FAR), requested(2, &policy, FAR)];
    office.ledger.append(&asked);
    let ids: Vec<String> = office.waiting().iter().map(id).collect();
    let agent = Agent::start(&office);
    let decide = |verb: &str, approval: &str, more: &[&str]| {
        let mut command = daicho(&office.ledger.dir);
        command.env("SSH_AUTH_SOCK", &agent.socket);
        command.args(["approvals", verb, approval, "--by", "user:s002"]);
        command.args(more);
        run(command, b"")
    };
    decide("grant", &ids[0], &["--agent"]).refused(&["the ssh-agent did not sign"]);
    let other = ssh_key(&office.ledger.beside("other"));
    agent.add(&[&other]);
    agent.add(&[&office.keys[1]]);
    decide("grant", &ids[0], &[]).refused(&["the ssh-agent did not sign"]);
    agent.add(&[&office.keys[0]]);
    // From here on only the agent has the secret.
    std::fs::remove_file(&office.keys[0]).unwrap();
    decide("grant", &ids[0], &["--agent"]).ok();
    decide("deny", &ids[1], &[]).ok();
    let evidence = office.ledger.beside("evidence").display().to_string();
    let command = ["approvals", "evidence", &ids[0], "--output", &evidence];
    let command = office.ledger.run(&command).ok();
    let judged = Command::new("sh")
        .args(["-c", command.trim()])
        .output()
        .unwrap();
    assert!(
        judged.status.success(),
        "OpenSSH accepts what its agent signed"
    );
    office.ledger.verify();
}

#[test]
fn without_a_key_and_an_agent_nobody_decides() {
    if !has("ssh-keygen", "-?") || cfg!(windows) {
        return cannot_run(
            "approvals",
            "ssh-keygen is not there, or there is an agent always",
        );
    }
    let office = Office::new("", &["s002"]);
    let adopted = office.entries("policy.adopted");
    let policy = adopted
        .iter()
        .find(|entry| entry["data"]["policy"] == "approvals");
    let policy = policy.unwrap()["data"]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    office.ledger.append(&[requested(1, &policy, FAR)]);
    let approval = id(&office.waiting()[0]);
    let decide = ["approvals", "approve", &approval, "--by", "user:s002"];
    office
        .ledger
        .run(&decide)
        .refused(&["there is no key to sign with"]);
}
