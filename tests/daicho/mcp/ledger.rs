//! `/mcp`: the ledger's own tools, called by the official clients.

use super::http::{node, table};
use super::{CARD, FILES, lacks};
use crate::world::{World, cannot_run, has, overwrite, run};
use reqwest::blocking::RequestBuilder;
use serde_json::{Value, json};

impl World {
    /// What one call of a tool of the ledger came to: its object, or why not.
    #[track_caller]
    fn ask(&self, client: &str, tool: &str, arguments: &Value) -> Result<Value, String> {
        let seen = self.over_http(client, &json!([[tool, arguments]]), "/mcp");
        let (failed, text) = seen.into_iter().next().unwrap();
        match failed {
            true => Err(text),
            false => Ok(serde_json::from_str(&text).unwrap()),
        }
    }
}

#[test]
fn an_approval_that_was_asked_for_first_lets_exactly_that_call_go() {
    if let Some(why) = lacks().or((!has("ssh-keygen", "-?")).then_some("ssh-keygen is not there")) {
        return cannot_run("mcp approvals", why);
    }
    let place = tempfile::tempdir().unwrap();
    let shared = place.path().display().to_string();
    let rule = "\n[[tools.rule]]\ntool = \"mcp__files__write_file\"\nthen = \"draft\"\n\
                [[tools.rule]]\ntool = \"mcp__files__move_file\"\nthen = \"deny\"\n";
    let world = World::with(&(rule.to_owned() + &table("files", &node(FILES, &[&shared]))));
    let key = world.ledger.approver("s002");
    for client in ["python", "node"] {
        let target = format!("{shared}/{client}.txt");
        let arguments = json!({ "path": target, "content": "山田太郎さんへ" });
        let wanted = json!({ "tool": "mcp__files__write_file", "arguments": arguments });
        let asked = world.ask(client, "request_approval", &wanted).unwrap();
        assert_eq!(asked["state"], "requested", "{asked}");
        let approval = asked["approval"].as_str().unwrap().to_owned();
        let status = || {
            let asked = json!({ "approval": approval });
            world.ask(client, "draft_status", &asked).unwrap()
        };
        assert_eq!(status()["state"], "requested");
        world.approve(&approval, &key);
        let granted = status();
        assert_eq!(granted["state"], "granted", "{granted}");
        assert_eq!(granted["released"], false);
        // To ask again lets nothing go.
        let again = world.ask(client, "request_approval", &wanted).unwrap();
        assert_eq!(
            (&again["state"], &again["approval"]),
            (&json!("granted"), &asked["approval"])
        );

        let write = json!([["write_file", arguments]]);
        let done = world.over_http(client, &write, "/mcp/files");
        assert!(!done[0].0, "{done:?}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "山田太郎さんへ");
        let over = status();
        assert!(over["released"] == true && over["ended"] == true, "{over}");
    }
    assert_eq!(world.events("action.executed").len(), 2);

    // Claude Code's permission prompt, by the official clients.
    let input = json!({ "command": "git push origin main" });
    let prompt = json!({ "tool_name": "Bash", "input": input, "tool_use_id": "toolu_1" });
    for client in ["python", "node"] {
        let no = world.ask(client, "permission_prompt", &prompt).unwrap();
        assert_eq!(no["behavior"], "deny", "{no}");
    }
    let drafted = world.events("action.drafted");
    assert_eq!(drafted.len(), 3);

    // What no approval would let go is not asked for, nor what may never be handled.
    let denied = json!({ "tool": "mcp__files__move_file", "arguments": {} });
    assert!(world.ask("node", "request_approval", &denied).is_err());
    let card = json!({ "tool": "mcp__mail__send", "arguments": { "text": CARD } });
    let why = world.ask("node", "request_approval", &card).unwrap_err();
    assert!(why.contains("card") && !why.contains("5555"), "{why}");
    assert_eq!(world.events("action.drafted"), drafted);
    world.nowhere(CARD);
}

#[test]
fn an_agent_finds_verifies_and_reports_and_hears_what_was_wrong() {
    if let Some(why) = lacks() {
        return cannot_run("mcp tools of the ledger", why);
    }
    let mut world = World::new();
    for client in ["python", "node"] {
        let finding = json!({
            "project": client, "rule": "sql-injection", "path": "shop/orders.py", "line": 12,
            "snippet": "query = 'SELECT ' + name", "severity": "high", "cwe": ["CWE-89"],
            "message": format!("joined with what users type, such as {CARD}"),
        });
        let first = world.ask(client, "report_finding", &finding).unwrap();
        assert_eq!(first["state"], "new", "{first}");
        let again = world.ask(client, "report_finding", &finding).unwrap();
        assert_eq!(
            (&again["state"], &again["finding"]),
            (&json!("known"), &first["finding"])
        );
        let rows = world
            .ledger
            .run(&["--json", "findings", "--project", client])
            .lines();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["scanner"], "agent:dev");

        let found = json!({ "kind": "finding.reported", "newest": true, "limit": 1 });
        let found = world.ask(client, "search_events", &found).unwrap();
        let entry = &found["entries"][0]["entry"];
        assert_eq!(entry["data"]["finding"], first["finding"], "{found}");
        let range = json!({ "from": 0, "to": found["size"] });
        let verified = world.ask(client, "verify_entries", &range).unwrap();
        assert!(
            verified["verified"] == true && verified["covered"] == found["size"],
            "{verified}"
        );

        let email = json!({
            "project": "shop", "rule": "taro@example.com", "path": "a", "severity": "low",
            "message": "x",
        });
        let wrong = [
            (
                "search_events",
                json!({ "kind": "finding.invented" }),
                "is not a kind",
            ),
            ("search_events", json!({ "sql": "x" }), "unknown field"),
            (
                "verify_entries",
                json!({ "from": 5, "to": 900_000 }),
                "the ledger holds",
            ),
            (
                "draft_status",
                json!({ "approval": "7" }),
                "no such draft of yours",
            ),
            ("report_finding", email, "rule email"),
        ];
        let calls = wrong
            .each_ref()
            .map(|(tool, arguments, _)| json!([tool, arguments]));
        let seen = world.over_http(client, &json!(calls), "/mcp");
        for ((failed, why), (_, _, part)) in seen.into_iter().zip(wrong) {
            assert!(
                failed && why.contains(part) && !why.contains("taro"),
                "{why}"
            );
        }
    }
    let other = world.ledger.register("other");
    let held = json!({ "tool": "mcp__mail__send", "arguments": { "to": "x" } });
    let held = world.ask("node", "request_approval", &held).unwrap();
    world.token = other;
    let asked = json!({ "approval": held["approval"] });
    assert!(world.ask("node", "draft_status", &asked).is_err());
    world.token = "dca_x".to_owned();
    let mut command = world.caller("node", &json!([]));
    command.arg(world.server.url("/mcp"));
    assert_ne!(run(command, b"").code, 0);
}

#[test]
fn each_request_stands_for_itself() {
    let world = World::new();
    let ask = |body: &str| world.post_to("/mcp", body);
    let status = |request: RequestBuilder| request.send().unwrap().status().as_u16();
    let ping = r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#;
    let answer: Value = ask(ping).send().unwrap().json().unwrap();
    assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": "a", "result": {} }));
    let unknown: Value = ask(&ping.replace("ping", "resources/list"))
        .send()
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(unknown["error"]["code"], -32_601);
    assert_eq!(
        status(ask(
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
        )),
        202
    );
    assert_eq!(status(ask(&format!("[{ping}]"))), 400);
    assert_eq!(status(ask("{")), 400);
    assert_eq!(
        status(ask(ping).header("origin", "http://evil.example")),
        403
    );
    assert_eq!(
        status(ask(ping).header("mcp-protocol-version", "1999-01-01")),
        400
    );
    let at = world.server.url("/mcp");
    let client = &world.server.client;
    assert_eq!(status(client.get(&at).bearer_auth(&world.token)), 405);
    assert_eq!(status(client.delete(&at).bearer_auth(&world.token)), 405);
    assert_eq!(status(ask(ping).bearer_auth("dca_x")), 401);
}

#[test]
fn verify_entries_names_the_entry_that_was_changed() {
    if let Some(why) = lacks() {
        return cannot_run("mcp verify", why);
    }
    let world = World::new();
    let log = &world.ledger.logs()[0];
    let text = std::fs::read_to_string(log).unwrap();
    let seq = text
        .lines()
        .position(|line| line.contains("agent.registered"))
        .unwrap();
    // In place: the server holds the file open.
    let at = text.find("agent.registered").unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(log).unwrap();
    let mut file = std::io::BufWriter::new(file);
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(at as u64)).unwrap();
    std::io::Write::write_all(&mut file, b"b").unwrap();
    std::io::Write::flush(&mut file).unwrap();
    let range = json!({ "from": 0, "to": seq + 1 });
    let found = world.ask("node", "verify_entries", &range).unwrap();
    assert_eq!(found["verified"], false);
    assert_eq!(found["faults"][0]["seq"], seq, "{found}");
    overwrite(log, text.as_bytes());
}
