//! `/mcp/{server}`: the official clients, and requests that no official client makes.

use super::{CARD, EVERYTHING, FILES, lacks, seen, server_path, tools};
use crate::world::{World, cannot_run, has, run, wait_for};
use reqwest::StatusCode;
use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The everything server over HTTP. Killed when dropped.
struct Remote {
    child: Child,
    url: String,
}

impl Remote {
    fn start() -> Remote {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let mut command = Command::new("node");
        command.arg(server_path(EVERYTHING)).arg("streamableHttp");
        command.env("PORT", port.to_string()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let remote = Remote {
            child: command.spawn().unwrap(),
            url: format!("http://127.0.0.1:{port}/mcp"),
        };
        let there = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_for("the everything server", there);
        remote
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn table(name: &str, settings: &str) -> String {
    format!("\n[mcp.{name}]\n{settings}\n")
}

pub fn node(server: &str, arguments: &[&str]) -> String {
    let path = server_path(server).display().to_string();
    let command = [&["node", &path][..], arguments].concat();
    format!("command = {}", json!(command))
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{
    "protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;

impl World {
    pub fn over_http(&self, client: &str, calls: &Value, path: &str) -> Vec<(bool, String)> {
        let mut command = self.caller(client, calls);
        command.arg(self.server.url(path));
        seen(command)
    }

    fn post(&self, server: &str, body: &str) -> RequestBuilder {
        self.post_to(&format!("/mcp/{server}"), body)
    }

    /// A request as this transport wants it, with this agent's token.
    pub fn post_to(&self, path: &str, body: &str) -> RequestBuilder {
        let request = self.server.client.post(self.server.url(path));
        let request = request.bearer_auth(&self.token);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("content-type", "application/json");
        request.body(body.to_owned())
    }

    #[track_caller]
    fn begin(&self, server: &str) -> String {
        let begun = self.post(server, INITIALIZE).send().unwrap();
        assert_eq!(begun.status(), StatusCode::OK);
        let session = begun.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(answer_in(begun)["result"]["protocolVersion"], "2025-11-25");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let taken = self.post(server, ready).header("mcp-session-id", &session);
        assert_eq!(taken.send().unwrap().status(), StatusCode::ACCEPTED);
        session
    }

    fn call(&self, server: &str, session: &str, tool: &str, arguments: &Value) -> RequestBuilder {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                           "params": { "name": tool, "arguments": arguments } });
        let request = self.post(server, &call.to_string());
        request.header("mcp-session-id", session)
    }

    fn told(&self, event: &str) -> Vec<Value> {
        let mut told = self.events("hook.reported");
        told.retain(|told| told["data"]["event"] == event);
        told
    }
}

/// The answer in a stream, after what the server says by itself.
#[track_caller]
fn answer_in(response: Response) -> Value {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let lines = BufReader::new(response).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    let mut messages = data.map(|data| serde_json::from_str::<Value>(&data).unwrap());
    let answer = messages.find(|message| message["method"].is_null());
    answer.expect("an answer")
}

#[test]
fn official_clients_reach_either_kind_of_server_and_each_call_is_recorded() {
    if let Some(why) = lacks() {
        return cannot_run("mcp over http", why);
    }
    let remote = Remote::start();
    let of_a_url = format!("url = \"{}\"", remote.url);
    for settings in [node(EVERYTHING, &[]), of_a_url] {
        let world = World::with(&table("all", &settings));
        let calls = json!([
            ["echo", { "message": "好天" }],
            ["echo", { "message": "担当は山田太郎さんです。" }],
            ["echo", { "message": format!("カード番号は {CARD}") }],
            ["trigger-long-running-operation", { "duration": 1, "steps": 4 }],
            // The server asks the client before it answers.
            ["trigger-sampling-request", { "prompt": "x", "maxTokens": 5 }],
        ]);
        for (round, client) in ["python", "node"].into_iter().enumerate() {
            let mut command = world.caller(client, &calls);
            command.arg(world.server.url("/mcp/all"));
            let ran = run(command, b"");
            assert_eq!(ran.code, 0, "{client}: {ran:?}");
            let seen = ran.lines();
            let text = |call: usize| seen[call]["text"].as_str().unwrap();
            assert!(text(0).contains("好天"), "{seen:?}");
            assert!(text(1).contains("担当はY.T.さんです。"), "{seen:?}");
            assert!(
                seen[2]["failed"] == true && text(2).contains("card"),
                "{seen:?}"
            );
            assert!(!text(2).contains("5555"), "{seen:?}");
            assert!(seen[3]["progress"].as_u64().unwrap() > 0, "{seen:?}");
            assert!(text(4).contains("sampled"), "{seen:?}");

            let before = world.told("pre_tool_use");
            let after = world.told("post_tool_use");
            let rounds = round + 1;
            // Five calls, of which one is stopped, and the answer to the server's question.
            assert_eq!((before.len(), after.len()), (6 * rounds, 5 * rounds));
            assert_eq!(before[0]["data"]["tool"], "mcp__all__echo");
            // The client ended its session, which is recorded a moment later.
            wait_for("the session's end", || {
                world.events("session.ended").len() == rounds
            });
        }
        world.nowhere(CARD);
        assert_eq!(world.server.stop(), 0);
        world.ledger.verify();
    }
}

#[test]
fn a_draft_over_http_runs_once_it_is_granted() {
    if let Some(why) = lacks().or((!has("ssh-keygen", "-?")).then_some("ssh-keygen is not there")) {
        return cannot_run("mcp drafts over http", why);
    }
    let place = tempfile::tempdir().unwrap();
    let shared = place.path().display().to_string();
    let files = node(FILES, &[&shared]);
    let rule = "\n[[tools.rule]]\ntool = \"mcp__*__write_file\"\nthen = \"draft\"\n";
    let patient = table("patient", &format!("{files}\nwait_seconds = 60"));
    let world = World::with(&(rule.to_owned() + &table("files", &files) + &patient));
    let key = world.ledger.approver("s002");
    let target = format!("{shared}/notice.txt");
    let write = |text: &str| json!([["write_file", { "path": target, "content": text }]]);

    let letter = write("山田太郎さんへ");
    let held = world.over_http("node", &letter, "/mcp/files");
    let approval = world.waiting().unwrap();
    assert!(held[0].0 && held[0].1.contains(&approval), "{held:?}");
    assert!(!Path::new(&target).exists());
    world.approve(&approval, &key);
    // Exactly what was granted, unmasked; and once.
    let done = world.over_http("node", &letter, "/mcp/files");
    assert!(!done[0].0, "{done:?}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "山田太郎さんへ");
    assert!(world.over_http("node", &letter, "/mcp/files")[0].0);

    let other = write("別の知らせ");
    std::thread::scope(|scope| {
        let before = world.waiting();
        let waits = scope.spawn(|| world.over_http("python", &other, "/mcp/patient"));
        wait_for("the draft", || world.waiting() != before);
        world.approve(&world.waiting().unwrap(), &key);
        let done = waits.join().unwrap();
        assert!(!done[0].0, "{done:?}");
    });
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "別の知らせ");
    assert_eq!(world.events("action.released").len(), 2);
    assert_eq!(world.events("action.executed").len(), 2);
}

#[test]
fn strangers_web_pages_and_unsound_requests_are_refused() {
    if let Some(why) = lacks() {
        return cannot_run("mcp refusals", why);
    }
    let world = World::with(&table("all", &node(EVERYTHING, &[])));
    let other = world.ledger.register("other");
    #[track_caller]
    fn refused(request: RequestBuilder, status: u16) {
        let answer = request.send().unwrap();
        let found = answer.status().as_u16();
        let body: Value = answer.json().unwrap();
        assert!(body["error"]["message"].is_string(), "{body}");
        assert_eq!(found, status, "{body}");
    }
    let client = &world.server.client;
    let at = |server: &str| world.server.url(&format!("/mcp/{server}"));
    let own = format!("http://{}", world.server.address);

    // Nobody, and somebody else's key.
    let bare = |token: Option<&str>| {
        let request = client.post(at("all")).body(INITIALIZE);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("content-type", "application/json");
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    refused(bare(None), 401);
    refused(
        bare(Some("dca_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        401,
    );
    assert_eq!(world.events("auth.failed").len(), 2);

    // A page of another site, whatever it knows.
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        refused(world.post("all", INITIALIZE).header("origin", origin), 403);
    }
    let answer = world.post("all", INITIALIZE).header("origin", &own).send();
    assert_eq!(answer.unwrap().status(), StatusCode::OK);

    refused(world.post("none", INITIALIZE), 404);
    refused(
        client.post(at("all")).bearer_auth(&world.token).body("{}"),
        415,
    );
    let plain = client.post(at("all")).bearer_auth(&world.token);
    let plain = plain.header("content-type", "application/json").body("{}");
    refused(plain.header("accept", "application/json"), 406);
    refused(world.post("all", "{"), 400);
    // What there is no session for; a client that asks first falls back to `initialize`.
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    refused(world.post("all", list), 400);

    let session = world.begin("all");
    let within = |body: &str| world.post("all", body).header("mcp-session-id", &session);
    assert_eq!(answer_in(within(list).send().unwrap())["id"], 1);
    refused(
        within(list).header("mcp-protocol-version", "1999-01-01"),
        400,
    );
    refused(within(&format!("[{list}]")), 400);
    refused(within(INITIALIZE), 400);
    refused(
        world.post("all", list).header("mcp-session-id", "mcp-0"),
        404,
    );
    let theirs = client
        .post(at("all"))
        .bearer_auth(&other)
        .body(list.to_owned());
    let theirs = theirs.header("accept", "application/json, text/event-stream");
    let theirs = theirs.header("content-type", "application/json");
    refused(theirs.header("mcp-session-id", &session), 404);

    let listen = |id: &str| {
        let request = client.get(at("all")).bearer_auth(&world.token);
        let request = request.header("accept", "text/event-stream");
        request.header("mcp-session-id", id.to_owned())
    };
    let stream = listen(&session).send().unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let leave = client.delete(at("all")).bearer_auth(&world.token);
    let leave = leave.header("mcp-session-id", &session).send().unwrap();
    assert_eq!(leave.status(), StatusCode::NO_CONTENT);
    // Its streams end with it, and it is found no more.
    assert!(stream.text().is_ok());
    wait_for("the session's end", || {
        within(list).send().unwrap().status() == StatusCode::NOT_FOUND
    });
    refused(listen(&session), 404);
}

#[test]
fn what_reads_a_servers_resources_and_prompts_is_decided_masked_and_recorded_like_a_call() {
    if let Some(why) = lacks() {
        return cannot_run("mcp resources and prompts", why);
    }
    let rule = "\n[[tools.rule]]\ntool = \"mcp__all__completion_complete\"\nthen = \"deny\"\n";
    let world = World::with(&(table("all", &node(EVERYTHING, &[])) + rule));
    let session = world.begin("all");
    let asked = |method: &str, params: Value| {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = world.post("all", &message.to_string());
        answer_in(request.header("mcp-session-id", &session).send().unwrap())
    };
    let prompt = |city: &str| json!({ "name": "args-prompt", "arguments": { "city": city } });
    let got = asked("prompts/get", prompt("担当は山田太郎さん"));
    let got = got["result"]["messages"].to_string();
    assert!(
        got.contains("担当はY.T.さん") && !got.contains("山田"),
        "{got}"
    );
    let refused = asked("prompts/get", prompt(&format!("カード番号は {CARD}")));
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("card") && !why.contains("5555"), "{why}");
    let unknown = asked("resources/read", json!({ "uri": "demo://nowhere" }));
    assert!(unknown["error"].is_object(), "{unknown}");
    let reference = json!({ "type": "ref/prompt", "name": "args-prompt" });
    let wanted = json!({ "ref": reference, "argument": { "name": "city", "value": "T" } });
    assert!(asked("completion/complete", wanted)["error"].is_object());

    let of = |event: &str| -> Vec<String> {
        let tool = |told: &Value| told["data"]["tool"].as_str().unwrap().to_owned();
        world.told(event).iter().map(tool).collect()
    };
    let (prompts, read) = ("mcp__all__prompts_get", "mcp__all__resources_read");
    let before = [prompts, prompts, read, "mcp__all__completion_complete"];
    assert_eq!(of("pre_tool_use"), before);
    assert_eq!(of("post_tool_use"), [prompts]);
    assert_eq!(of("post_tool_use_failure"), [read]);
    world.nowhere(CARD);
}

#[test]
fn a_server_that_dies_leaves_no_call_open_and_its_environment_is_bare() {
    let python = tools("venv/bin/python");
    if let Some(why) = lacks().or((!python.exists()).then_some("tests/run was not run")) {
        return cannot_run("mcp servers that die", why);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/mcp_server.py");
    let command = json!([python, script]);
    let mut remote = Remote::start();
    let rules = table("mortal", &format!("command = {command}"))
        + &table("far", &format!("url = \"{}\"", remote.url))
        + &table("missing", "command = [\"/nowhere/at-all\"]");
    let world = World::with(&rules);
    // Not one variable of ours that it was not promised.
    let variables = json!([
        ["variable", { "name": "AGENT_TOKEN" }],
        ["variable", { "name": "CARGO_MANIFEST_DIR" }],
        ["variable", { "name": "PATH" }],
    ]);
    let seen = world.over_http("python", &variables, "/mcp/mortal");
    assert_eq!((&*seen[0].1, &*seen[1].1), ("absent", "absent"), "{seen:?}");
    assert_ne!(seen[2].1, "absent");

    let answer = world.post("missing", INITIALIZE).send().unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(!answer.text().unwrap().contains("nowhere"));

    for (server, tool, arguments) in [
        ("mortal", "die", json!({})),
        (
            "far",
            "trigger-long-running-operation",
            json!({ "duration": 50, "steps": 1 }),
        ),
    ] {
        let session = world.begin(server);
        let failed = world.told("post_tool_use_failure").len();
        let called = world
            .call(server, &session, tool, &arguments)
            .send()
            .unwrap();
        if server == "far" {
            remote.child.kill().unwrap();
        }
        let answer = answer_in(called);
        assert_eq!(answer["id"], 1, "{answer}");
        let told = answer["result"]["isError"] == true || answer["error"].is_object();
        assert!(told, "{answer}");
        assert_eq!(world.told("post_tool_use_failure").len(), failed + 1);
        let again = world.call(server, &session, tool, &arguments);
        match server {
            // Its session is over; a client begins another.
            "mortal" => wait_for("the session's end", || {
                let answer = again.try_clone().unwrap().send().unwrap();
                answer.status() == StatusCode::NOT_FOUND
            }),
            _ => assert!(answer_in(again.send().unwrap())["error"].is_object()),
        }
    }
}

#[test]
fn a_stop_ends_every_session_and_what_ran_is_recorded() {
    if let Some(why) = lacks() {
        return cannot_run("mcp and a stop", why);
    }
    let world = World::with(&table("all", &node(EVERYTHING, &[])));
    let (session, idle) = (world.begin("all"), world.begin("all"));
    let at = world.server.url("/mcp/all");
    let listen = world.server.client.get(at).bearer_auth(&world.token);
    let listen = listen.header("accept", "text/event-stream");
    let listening = listen.header("mcp-session-id", &idle).send().unwrap();
    let slow = json!({ "duration": 50, "steps": 1 });
    let call = world.call("all", &session, "trigger-long-running-operation", &slow);
    let call = call.send().unwrap();
    assert_eq!(world.server.stop(), 0);
    // The streams end; the call's with an answer.
    assert!(answer_in(call)["result"]["isError"] == true && listening.text().is_ok());
    let of = |kind: &str| world.ledger.events(kind);
    assert_eq!(of("session.started").len(), 2);
    assert_eq!(of("session.ended").len(), 2);
    let failed = |told: &&Value| told["data"]["event"] == "post_tool_use_failure";
    assert_eq!(of("hook.reported").iter().filter(failed).count(), 1);
    world.ledger.verify();
}

#[test]
fn a_result_that_is_asked_for_later_is_recorded_then() {
    if let Some(why) = lacks() {
        return cannot_run("mcp tasks", why);
    }
    let world = World::with(&table("all", &node(EVERYTHING, &[])));
    let session = world.begin("all");
    let ask = |id: u64, method: &str, params: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let request = world.post("all", &body.to_string());
        answer_in(request.header("mcp-session-id", &session).send().unwrap())
    };
    let call = json!({
        "name": "simulate-research-query", "arguments": { "topic": "台帳" }, "task": { "ttl": 60_000 },
    });
    let promised = ask(1, "tools/call", call);
    let task = &promised["result"]["task"]["taskId"];
    assert!(task.is_string(), "{promised}");
    assert_eq!(world.told("post_tool_use").len(), 0);
    let result = ask(2, "tasks/result", json!({ "taskId": task }));
    let text = result["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("台帳"), "{result}");
    let after = world.told("post_tool_use");
    assert_eq!(after.len(), 1);
    let uses = world.told("pre_tool_use");
    assert_eq!(uses[0]["data"]["tool_use"], after[0]["data"]["tool_use"]);
}

#[test]
fn an_agent_uses_the_tool_servers_that_its_limits_allow_and_no_other() {
    let nothing = "command = [\"no-such-program-of-daicho\"]";
    let limits = "\n[limits.agent.dev]\ntool_servers = [\"file*\"]\n";
    let mut world = World::with(&(table("files", nothing) + &table("docs", nothing) + limits));
    let status = |request: RequestBuilder| {
        let answer = request.send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    // It gets as far as the program, which is not there.
    assert_eq!(status(world.post("files", INITIALIZE)).0, 502);
    let (refused, why) = status(world.post("docs", INITIALIZE));
    assert_eq!(refused, 403, "{why}");
    assert!(why.contains("may not use the tool server docs"), "{why}");
    let listen = world.server.client.get(world.server.url("/mcp/docs"));
    let listen = listen.header("accept", "text/event-stream");
    assert_eq!(status(listen.bearer_auth(&world.token)).0, 403);
    let reached = world.events("limit.reached");
    assert_eq!(reached.len(), 2);
    let data = &reached[0]["data"];
    assert_eq!(data["limit"], "tool_servers");
    assert_eq!(data["of"], "agent:dev");
    assert_eq!(
        (&data["provider"], &data["destination"]),
        (&json!("mcp"), &json!("docs"))
    );
    assert!(why.contains(data["call"].as_str().unwrap()), "{why}");
    // Another agent has no such limit.
    world.token = world.ledger.register("other");
    wait_for("the other agent", || {
        status(world.post("docs", INITIALIZE)).0 == 502
    });
    world.ledger.verify();
}
