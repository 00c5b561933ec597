//! Official MCP servers behind `daicho mcp` and `/mcp/{server}`, called by the official clients.

mod http;
mod ledger;

use crate::world::{World, cannot_run, has, hook_event, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const CARD: &str = "5555-5555-5555-4444";

const FILES: &str = "server-filesystem/dist/index.js";
const EVERYTHING: &str = "server-everything/dist/index.js";

fn tools(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/.tools")
        .join(path)
}

/// What the tests need besides daicho, or why it is not there.
fn lacks() -> Option<&'static str> {
    if !has("node", "--version") {
        return Some("node is not there");
    }
    let there = |name: &str| {
        tools("node_modules/@modelcontextprotocol")
            .join(name)
            .exists()
    };
    (!there(FILES) || !there(EVERYTHING)).then_some("tests/install-sdks was not run")
}

impl World {
    /// A client that makes these calls, but for what it speaks to.
    fn caller(&self, client: &str, calls: &Value) -> Command {
        let (program, script) = match client {
            "python" => (tools("venv/bin/python"), "mcp_client.py"),
            _ => (PathBuf::from("node"), "mcp-client.mjs"),
        };
        let mut command = Command::new(program);
        command
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests/sdk")
                    .join(script),
            )
            .arg(calls.to_string())
            .env("AGENT_TOKEN", &self.token)
            .current_dir(&self.ledger.dir);
        command
    }

    /// `client` and its arguments up to COMMAND, then daicho before a server.
    fn client(&self, client: &str, calls: &Value, more: &[&str], server: &str) -> Command {
        let mut command = self.caller(client, calls);
        command
            .arg(env!("CARGO_BIN_EXE_daicho"))
            .args(["mcp", "--name", "files", "--url", &self.server.url("")])
            .args(["--token-env", "AGENT_TOKEN"])
            .args(more)
            .args(["--", "node"])
            .arg(server_path(server));
        command
    }
}

fn server_path(server: &str) -> PathBuf {
    tools("node_modules/@modelcontextprotocol").join(server)
}

#[track_caller]
fn seen(command: Command) -> Vec<(bool, String)> {
    let ran = run(command, b"");
    assert_eq!(ran.code, 0, "{ran:?}");
    let seen = |line: Value| {
        let text = line["text"].as_str().unwrap().to_owned();
        (line["failed"] == true, text)
    };
    ran.lines().into_iter().map(seen).collect()
}

#[test]
fn each_call_is_recorded_before_and_after_and_what_must_not_go_does_not() {
    if let Some(why) = lacks() {
        return cannot_run("mcp", why);
    }
    for client in ["python", "node"] {
        let world = World::new();
        let calls = json!([
            ["echo", { "message": "好天" }],
            ["echo", { "message": "担当は山田太郎さんです。" }],
            ["echo", { "message": format!("カード番号は {CARD}") }],
            ["get-sum", { "a": 2, "b": 40 }],
        ]);
        let seen = seen(world.client(client, &calls, &[], EVERYTHING));
        assert!(!seen[0].0 && seen[0].1.contains("好天"), "{seen:?}");
        assert!(seen[1].1.contains("担当はY.T.さんです。"), "{seen:?}");
        assert!(seen[2].0 && seen[2].1.contains("card"), "{seen:?}");
        assert!(
            !seen[2].1.contains("5555") && seen[3].1.contains("42"),
            "{seen:?}"
        );

        let told = world.events("hook.reported");
        let of = |event: &str| {
            let told = told.iter().filter(|told| told["data"]["event"] == event);
            told.map(|told| &told["data"]).collect::<Vec<_>>()
        };
        let (before, after) = (of("pre_tool_use"), of("post_tool_use"));
        assert_eq!((before.len(), after.len()), (4, 3), "{told:?}");
        assert!(told.iter().all(|told| told["data"]["client"] == "mcp"));
        assert_eq!(before[0]["tool"], "mcp__files__echo");
        assert_eq!(before[2]["verdict"], "deny");
        let ids = |told: &[&Value]| -> Vec<Value> {
            told.iter().map(|data| data["tool_use"].clone()).collect()
        };
        let mut ran = ids(&before);
        ran.remove(2);
        assert_eq!(ran, ids(&after));
        assert_eq!(world.events("session.ended").len(), 1);
        world.nowhere(CARD);
        assert_eq!(world.server.stop(), 0);
        world.ledger.verify();
    }
}

/// A model's text and a person's form, which the server asks its client for.
#[test]
fn what_answers_a_servers_question_is_decided_masked_and_recorded_like_a_call() {
    if let Some(why) = lacks() {
        return cannot_run("mcp questions", why);
    }
    let world = World::new();
    let calls = json!([
        ["trigger-sampling-request", { "prompt": "q" }],
        ["trigger-elicitation-request", {}],
    ]);
    let answered = |said: &str| {
        let mut client = world.client("python", &calls, &[], EVERYTHING);
        seen({
            client.env("SAID", said);
            client
        })
    };
    for (_, text) in answered("担当は山田太郎さん") {
        assert!(text.contains("担当はY.T.さん"), "{text}");
    }
    for (failed, text) in answered(&format!("カード番号は {CARD}")) {
        assert!(failed && text.contains("card"), "{text}");
        assert!(!text.contains("5555"), "{text}");
    }
    let of = |event: &str| {
        let told = world.events("hook.reported").into_iter();
        let told = told.filter(|told| told["data"]["event"] == event);
        let tools = told.map(|told| told["data"]["tool"].as_str().unwrap().to_owned());
        let answers = tools.filter(|tool| !tool.contains("trigger"));
        answers.collect::<Vec<_>>()
    };
    let like = [
        "mcp__files__sampling_answer",
        "mcp__files__elicitation_answer",
    ];
    assert_eq!(of("pre_tool_use"), [like, like].concat());
    assert_eq!(of("post_tool_use"), like);
    world.nowhere(CARD);
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

#[test]
fn a_draft_runs_once_it_is_granted() {
    if let Some(why) = lacks().or((!has("ssh-keygen", "-?")).then_some("ssh-keygen is not there")) {
        return cannot_run("mcp drafts", why);
    }
    let world =
        World::with("\n[[tools.rule]]\ntool = \"mcp__files__write_file\"\nthen = \"draft\"\n");
    let shared = world.ledger.beside("shared");
    std::fs::create_dir(&shared).unwrap();
    let shared = shared.display().to_string();
    let target = format!("{shared}/notice.txt");
    let write = |text: &str| json!([["write_file", { "path": target, "content": text }]]);
    let client = |calls: &Value, more: &[&str]| {
        let mut command = world.client("python", calls, more, FILES);
        command.arg(&shared);
        command
    };
    // The agent hears the number and goes on.
    let held = seen(client(&write("山田太郎さんへ"), &[]));
    let approval = world.waiting().unwrap();
    assert!(held[0].0 && held[0].1.contains(&approval), "{held:?}");
    assert!(!Path::new(&target).exists());

    let key = world.ledger.approver("s002");
    world.approve(&approval, &key);
    // Exactly what was granted, unmasked; and once.
    let done = seen(client(&write("山田太郎さんへ"), &[]));
    assert!(!done[0].0, "{done:?}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "山田太郎さんへ");
    assert!(seen(client(&write("山田太郎さんへ"), &[]))[0].0);

    // One that waits runs when it is granted.
    let other = write("別の知らせ");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| seen(client(&other, &["--wait", "60"])));
        let before = world.waiting();
        crate::world::wait_for("the draft", || world.waiting() != before);
        world.approve(&world.waiting().unwrap(), &key);
        let done = waits.join().unwrap();
        assert!(!done[0].0, "{done:?}");
    });
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "別の知らせ");
    assert_eq!(world.events("action.released").len(), 2);
    assert_eq!(world.events("action.executed").len(), 2);
}

#[test]
fn a_permission_is_asked_of_the_ledger_beside_another_server_s_tools() {
    if let Some(why) = lacks().or((!has("ssh-keygen", "-?")).then_some("ssh-keygen is not there")) {
        return cannot_run("mcp permission prompt", why);
    }
    let rule = "\n[[tools.rule]]\ntool = \"Edit\"\nthen = \"allow\"\n";
    let world = World::with(rule);
    let key = world.ledger.approver("s002");
    let edit = json!({ "file_path": "a", "old_string": "b", "new_string": "c" });
    let push = json!({ "command": "git push origin main" });
    let used = |id: &str| {
        let told = json!({ "tool_name": "Bash", "tool_use_id": id, "tool_input": push });
        world.tell(&hook_event("PreToolUse", &told))
    };
    let ask = |tool: &str, input: &Value, id: &str| json!(["permission_prompt", { "tool_name": tool, "input": input, "tool_use_id": id }]);
    for client in ["python", "node"] {
        let id = |number: u8| format!("toolu_{client}_{number}");
        // One grant is spent by the hook of a use; its prompt lives on it too.
        used(&id(1));
        world.approve(&world.waiting().unwrap(), &key);
        used(&id(2));
        let drafted = world.events("action.drafted").len();
        let calls = json!([
            ask("Edit", &edit, &id(0)),
            ask("Bash", &push, &id(2)),
            ask("Bash", &push, &id(2)),
            ["echo", { "message": "好天" }],
        ]);
        let seen = seen(world.client(client, &calls, &["--permission-prompt"], EVERYTHING));
        let told = |call: usize| serde_json::from_str::<Value>(&seen[call].1).unwrap();
        assert_eq!(
            told(0),
            json!({ "behavior": "allow", "updatedInput": edit })
        );
        assert_eq!(
            told(1),
            json!({ "behavior": "allow", "updatedInput": push })
        );
        assert_eq!(told(2)["behavior"], "deny", "once");
        assert!(!seen[3].0 && seen[3].1.contains("好天"), "{seen:?}");
        assert_eq!(world.events("action.drafted").len(), drafted);
        let done = json!({ "tool_name": "Bash", "tool_use_id": id(2), "tool_input": push });
        world.tell(&hook_event("PostToolUse", &done));
    }
    assert_eq!(world.events("action.executed").len(), 2);
    // It is the ledger's tool, not the server's: no call of that is on record.
    let told = world.events("hook.reported");
    let tool = "mcp__files__permission_prompt";
    assert!(told.iter().all(|told| told["data"]["tool"] != tool));
    // Who does not ask for it does not see it.
    let calls = json!([ask("Edit", &edit, "t")]);
    assert_ne!(
        run(world.client("python", &calls, &[], EVERYTHING), b"").code,
        0
    );
}

#[test]
fn an_agent_s_limits_hold_for_a_server_behind_a_proxy_too() {
    let world = World::with("\n[limits.agent.dev]\ntool_servers = [\"files\"]\n");
    let proxy = |name: &str| {
        let mut command = crate::world::daicho(&world.ledger.dir);
        command
            .args(["mcp", "--name", name, "--url", &world.server.url("")])
            .args(["--token-env", "AGENT_TOKEN", "--", "true"])
            .env("AGENT_TOKEN", &world.token);
        run(command, b"")
    };
    proxy("docs").refused(&["may not use the tool server docs"]);
    assert_eq!(proxy("files").code, 0);
    // Nor for what a proxy that was changed, or is older, says of its server.
    let used = |told: Value| {
        let post = world.server.client.post(world.server.url("/hooks/mcp"));
        let answer = post.bearer_auth(&world.token).json(&told).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    for (tool, status) in [("mcp__files__x", 200), ("mcp__docs__x", 403), ("x", 403)] {
        let told = json!({ "hook_event_name": "PreToolUse", "tool_name": tool,
            "tool_use_id": "t", "mcp_server": { "name": "files" }, "tool_input": {} });
        let (said, why) = used(told);
        assert_eq!(said, status, "{tool}: {why}");
    }
    let reached = world.events("limit.reached");
    assert_eq!(reached.len(), 3, "{reached:?}");
    assert_eq!(reached[0]["data"]["limit"], "tool_servers");
    assert_eq!(reached[0]["data"]["destination"], "docs");
    world.ledger.verify();
}

#[test]
fn without_its_ledger_no_tool_runs() {
    if let Some(why) = lacks() {
        return cannot_run("mcp without a ledger", why);
    }
    let world = World::new();
    let calls = json!([["echo", { "message": "x" }]]);
    let command = world.client("python", &calls, &[], EVERYTHING);
    assert_eq!(world.server.stop(), 0);
    assert_ne!(run(command, b"").code, 0);
    let mut command = crate::world::daicho(&world.ledger.dir);
    command
        .args(["mcp", "--name", "a__b", "--", "true"])
        .env("DAICHO_TOKEN", "dca_x");
    run(command, b"").refused(&["no name of a server"]);
}
