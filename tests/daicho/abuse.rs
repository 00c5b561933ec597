//! Clients that send too much, too slowly or twice, tokens that are not one agent's, and an end
//! in the middle of everything: refused or bounded, recorded, and nothing lost.

use crate::world::{Ledger, World, before, cannot_run, has, hook_event, serve_gateway, wait_for};
#[cfg(unix)]
use crate::world::{Server, clean};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::process::Command;
use std::time::Duration;

/// A provider that begins every answer and ends none.
fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                let _ = stream.read(&mut buffer);
                let event = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = write!(stream, "{head}{:x}\r\n{event}\r\n", event.len());
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
    });
    format!("http://{address}")
}

fn post(world: &World, path: &str, token: &str, length: u64, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&world.server.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    stream
}

#[test]
fn a_kill_in_the_middle_of_200_streams_leaves_200_unknown_outcomes() {
    let world = World::before(&endless());
    let body = json!({ "model": "m", "stream": true, "max_tokens": 9,
                       "messages": [{ "role": "user", "content": "明日の会議" }] });
    let body = body.to_string();
    let path = "/anthropic/v1/messages";
    let mut streams: Vec<TcpStream> = (0..200)
        .map(|_| {
            post(
                &world,
                path,
                &world.token,
                body.len() as u64,
                body.as_bytes(),
            )
        })
        .collect();
    for stream in &mut streams {
        let mut came = Vec::new();
        while !came.ends_with(b"\n\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            came.push(byte[0]);
        }
        assert!(came.starts_with(b"HTTP/1.1 200"));
    }
    let World { ledger, server, .. } = world;
    server.kill();
    let kinds = ["model.failed", "model.responded"];
    assert!(kinds.iter().all(|kind| ledger.events(kind).is_empty()));
    let server = serve_gateway(&ledger.dir);
    let calls = |kind: &str| -> Vec<String> {
        let mut calls: Vec<String> = ledger
            .events(kind)
            .iter()
            .map(|e| e["data"]["call"].to_string())
            .collect();
        calls.sort();
        calls
    };
    let ended = ledger.events("model.failed");
    assert!(
        ended
            .iter()
            .all(|ended| ended["data"]["outcome"] == "unknown")
    );
    assert_eq!(calls("model.failed").len(), 200);
    assert_eq!(calls("model.failed"), calls("prompt.submitted"));
    // Once: the next start has nothing to end.
    server.kill();
    let size = ledger.verify()["entries"].clone();
    serve_gateway(&ledger.dir).kill();
    assert_eq!(ledger.verify()["entries"], size);
}

/// The most memory that a process ever had, in KiB.
#[cfg(target_os = "linux")]
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn bodies_of_100_mb_are_refused_at_every_door_recorded_and_held_by_none() {
    let world = World::before(&endless());
    let doors = [
        ("/anthropic/v1/messages", &world.token),
        ("/openai/v1/chat/completions", &world.token),
        ("/openai/v1/responses", &world.token),
        ("/hooks/claude-code", &world.token),
        ("/otlp/v1/logs", &world.token),
        ("/mcp", &world.token),
        ("/api/v1/events", &world.server.token),
    ];
    let start = peak(world.server.pid());
    for (path, token) in doors {
        let mut stream = post(&world, path, token, 100 << 20, b"{\"x\":\"");
        // It may close before it has read all of it: then no more can be sent.
        let block = vec![b'a'; 1 << 20];
        let _ = stream.set_write_timeout(Some(Duration::from_secs(30)));
        for _ in 0..99 {
            if stream.write_all(&block).is_err() {
                break;
            }
        }
        let mut said = String::new();
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let _ = stream.read_to_string(&mut said);
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 413"),
            "{path}: {said}"
        );
    }
    // One body at a time is held, to its limit of 32 MB and while it grows to there.
    let grown = peak(world.server.pid()) - start;
    assert!(grown < 200 << 10, "{grown} KiB");
    // Of the agent's: at which doors, and of each how many. The last is the operator's.
    let doors = [
        ("anthropic", 1),
        ("hooks", 1),
        ("mcp", 1),
        ("openai", 2),
        ("telemetry", 1),
    ];
    wait_for("the refusals", || {
        world.refused("too_long") == doors.map(|(door, count)| (door.to_owned(), count)).into()
    });
    let refused = world.events("request.refused");
    assert!(refused.iter().all(|entry| entry["content"].is_null()));
    assert_eq!(world.server.text("/healthz"), "alive\n");
}

impl World {
    /// Requests that could not be read for this reason, by door.
    fn refused(&self, reason: &str) -> BTreeMap<String, u64> {
        let mut doors = BTreeMap::new();
        for entry in self.events("request.refused") {
            let data = &entry["data"];
            if data["reason"] == reason {
                let door = data["door"].as_str().unwrap().to_owned();
                *doors.entry(door).or_default() += data["count"].as_u64().unwrap();
            }
        }
        doors
    }
}

#[test]
fn what_cannot_be_read_is_recorded_at_every_door_and_never_an_entry_for_each() {
    let world = World::before(&endless());
    let doors = [
        ("/anthropic/v1/messages", "anthropic"),
        ("/openai/v1/responses", "openai"),
        ("/hooks/claude-code", "hooks"),
        ("/otlp/v1/logs", "telemetry"),
        ("/mcp", "mcp"),
    ];
    // What a client wrote there is nobody's business, and stands nowhere.
    let body = "{\"model\": 山田太郎";
    for (path, _) in doors {
        for _ in 0..20 {
            let length = body.len() as u64;
            let mut stream = post(&world, path, &world.token, length, body.as_bytes());
            let mut said = [0; 12];
            stream.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"HTTP/1.1 400", "{path}");
        }
        // Its sender goes away in the middle.
        drop(post(&world, path, &world.token, 1_000, body.as_bytes()));
    }
    let all = |count: u64| BTreeMap::from(doors.map(|(_, door)| (door.to_owned(), count)));
    wait_for("all of them", || world.refused("malformed") == all(20));
    wait_for("those that broke off", || {
        world.refused("broken_off") == all(1)
    });
    let entries = world.events("request.refused").len();
    assert!(entries < 50, "{entries} entries for 105 requests");
    world.nowhere("山田太郎");
    let metrics = world.server.text("/metrics");
    assert!(metrics.contains("daicho_kind_entries{kind=\"request.refused\"}"));
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}

#[test]
fn what_finds_no_room_is_counted_until_the_stop_and_no_call_is_named_that_nobody_finds() {
    let narrow = |text: String| text.replace("calls = 1024", "calls = 2");
    let ledger = Ledger::new();
    ledger.configure(|text| narrow(before(&text, &endless())));
    let token = ledger.register("dev");
    let server = serve_gateway(&ledger.dir);
    let world = World {
        ledger,
        server,
        token,
    };
    let body = json!({ "model": "m", "stream": true, "max_tokens": 9,
                       "messages": [{ "role": "user", "content": "明日の会議" }] });
    let ask = || {
        let url = world.server.url("/anthropic/v1/messages");
        let sent = world.server.client.post(url).bearer_auth(&world.token);
        sent.body(body.to_string()).send().unwrap()
    };
    let streams = ask();
    assert_eq!(streams.status(), 200);
    let mut named = Vec::new();
    for _ in 0..20 {
        let answer = ask();
        assert_eq!(answer.status(), 429);
        let message = answer.text().unwrap();
        if let Some((_, call)) = message.split_once("this refusal is call ") {
            named.push(call[..36].to_owned());
        }
    }
    drop(streams);
    let World { ledger, server, .. } = world;
    assert_eq!(server.stop(), 0);
    let reached = ledger.events("limit.reached");
    let recorded: Vec<&str> = reached
        .iter()
        .map(|one| one["data"]["call"].as_str().unwrap())
        .collect();
    assert_eq!(named, recorded);
    let followed = ledger.events("request.refused");
    assert!(
        followed
            .iter()
            .all(|one| one["data"]["reason"] == "no_room")
    );
    let counts = followed.iter().map(|one| one["data"]["count"].as_u64());
    let counts: u64 = counts.flatten().sum();
    assert_eq!(reached.len() as u64 + counts, 20);
    ledger.verify();
}

#[test]
fn a_flood_of_headers_and_heads_without_end_stop_nobody() {
    let world = World::before(&endless());
    let flood = format!(
        "GET /healthz HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(5_000)
    );
    let mut refused = TcpStream::connect(&world.server.address).unwrap();
    let _ = refused.write_all(flood.as_bytes());
    let mut said = String::new();
    let _ = refused.read_to_string(&mut said);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431"),
        "{said}"
    );
    wait_for("the count of it", || {
        let metrics = world.server.text("/metrics");
        metrics.contains("daicho_connection_faults{fault=\"head_too_large\"} 1")
    });
    // Many that begin and never end; `listen` closes them, and does not wait for them here.
    let slow: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect(&world.server.address).unwrap();
            stream
                .write_all(b"POST /anthropic/v1/messages HTTP/1.1\r\nx:")
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(world.server.text("/healthz"), "alive\n");
    assert_eq!(world.server.stop(), 0, "nor does a stop wait for them");
    drop(slow);
}

#[test]
fn a_stranger_is_answered_before_any_of_its_body_is_read() {
    let world = World::before(&endless());
    for path in [
        "/api/v1/events",
        "/api/v1/key/rotate",
        "/api/v1/reports",
        "/api/v1/erasures",
        "/api/v1/retention/run",
        "/anthropic/v1/messages",
        "/openai/v1/responses",
        "/hooks/claude-code",
        "/otlp/v1/logs",
        "/mcp",
    ] {
        // The head alone: whoever waits for the rest holds all of it that comes.
        let mut stream = post(&world, path, "nobody", 30 << 20, b"");
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 401", "{path}");
    }
}

/// Whether nothing has been said on it yet.
fn is_silent(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    matches!(peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn bodies_that_come_slowly_hold_up_no_hook_and_no_telemetry() {
    let world = World::new();
    let export = json!({ "resourceLogs": [] }).to_string();
    let hook = use_of("t1").to_string();
    for (path, body) in [("/hooks/claude-code", hook), ("/otlp/v1/logs", export)] {
        let slow: Vec<TcpStream> = (0..80)
            .map(|_| post(&world, path, &world.token, 1_000, b"{\"x\":\""))
            .collect();
        let mut quick = post(
            &world,
            path,
            &world.token,
            body.len() as u64,
            body.as_bytes(),
        );
        let mut said = [0; 12];
        quick.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 200", "{path}");
        assert!(slow.iter().all(is_silent), "{path}: a slow one went first");
    }
}

#[test]
fn a_stop_ends_within_its_grace_and_records_what_it_cuts_off() {
    let mut world = World::before(&endless());
    assert_eq!(world.server.stop(), 0);
    let short = |text: String| text.replace("grace_seconds = 45", "grace_seconds = 1");
    world.ledger.configure(short);
    world.server = serve_gateway(&world.ledger.dir);
    let body = json!({ "model": "m", "stream": true, "max_tokens": 9,
                       "messages": [{ "role": "user", "content": "明日の会議" }] });
    let body = body.to_string();
    let asked = |_| {
        let path = "/anthropic/v1/messages";
        let length = body.len() as u64;
        post(&world, path, &world.token, length, body.as_bytes())
    };
    let mut streams: Vec<TcpStream> = (0..3).map(asked).collect();
    for stream in &mut streams {
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    let World { ledger, server, .. } = world;
    assert_eq!(server.stop(), 0);
    let ended = ledger.events("model.failed");
    assert_eq!(ended.len(), 3);
    let gone = |ended: &Value| ended["data"]["outcome"] == "client_gone";
    assert!(ended.iter().all(gone), "{ended:?}");
    ledger.verify();
}

#[test]
#[cfg(unix)]
fn a_service_manager_s_limit_of_open_files_is_not_the_limit_of_connections() {
    let ledger = Ledger::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 64 && exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_daicho"));
    command.arg("--data").arg(&ledger.dir);
    clean(&mut command);
    let server = Server::start(&ledger.dir, command);
    let open = |_| TcpStream::connect(&server.address).unwrap();
    let idle: Vec<TcpStream> = (0..200).map(open).collect();
    // On a connection of its own, and so after all of them.
    let mut last = TcpStream::connect(&server.address).unwrap();
    let asked = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    last.write_all(asked).unwrap();
    last.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    last.read_exact(&mut [0; 12]).unwrap();
    drop(idle);
}

fn use_of(id: &str) -> Value {
    hook_event(
        "PreToolUse",
        &json!({ "tool_name": "Bash", "tool_use_id": id, "tool_input": { "command": "git push origin main" } }),
    )
}

fn decision(answer: &Value) -> &str {
    let output = &answer["hookSpecificOutput"];
    output["permissionDecision"].as_str().unwrap_or("none")
}

#[test]
fn one_grant_lets_one_of_two_clients_with_one_token_go_and_no_replay() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("replays", "ssh-keygen is not there");
    }
    let world = World::new();
    let key = world.ledger.approver("s002");
    assert_eq!(decision(&world.tell(&use_of("t0"))), "deny");
    world.approve(&world.waiting().unwrap(), &key);
    // The same call of the same hook, and the same use by another client, at once.
    let sessions = ["7f3c1c8e-0001", "7f3c1c8e-0002"];
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let told = (0..8).map(|i| {
            let mut event = use_of("t1");
            event["session_id"] = sessions[i % 2].into();
            let world = &world;
            scope.spawn(move || world.tell(&event))
        });
        let told: Vec<_> = told.collect();
        told.into_iter().map(|told| told.join().unwrap()).collect()
    });
    let went = answers
        .iter()
        .filter(|answer| decision(answer) == "allow")
        .count();
    assert_eq!(went, 1, "{answers:?}");
    assert_eq!(world.events("action.released").len(), 1);
    // Every one of them is on record, in the session that it came from.
    let told = world.events("hook.reported");
    for session in sessions {
        assert_eq!(
            told.iter()
                .filter(|told| told["session"] == session)
                .count(),
            4
        );
    }
    // What happened once happened once, however often it is told.
    let mut done = use_of("t1");
    done["hook_event_name"] = "PostToolUse".into();
    for _ in 0..3 {
        world.tell(&done);
    }
    assert_eq!(world.events("action.executed").len(), 1);
    world.ledger.verify();
}

#[test]
fn a_hook_of_a_session_that_nobody_began_is_recorded_and_decided() {
    let world = World::new();
    let mut unknown = use_of("t1");
    unknown["session_id"] = "never-begun".into();
    assert_eq!(decision(&world.tell(&unknown)), "deny");
    // Its end is recorded too, with no call in it.
    let ended =
        json!({ "session_id": "never-begun", "hook_event_name": "SessionEnd", "reason": "other" });
    world.tell(&ended);
    let end = &world.events("session.ended")[0];
    assert_eq!(
        (&end["session"], &end["data"]["calls"]),
        (&json!("never-begun"), &json!(0))
    );
    // A name that is somebody's, or no machine's word, is no session: the log keeps it for ever.
    for strange in ["taro.yamada@example.com", "山田 太郎", &"x".repeat(4_000)] {
        let mut event = use_of("t2");
        event["session_id"] = strange.into();
        assert_eq!(decision(&world.tell(&event)), "deny");
    }
    let told = world.events("hook.reported");
    assert_eq!(told.len(), 5);
    assert!(told[2..].iter().all(|told| told["session"].is_null()));
    world.nowhere("taro.yamada");
}

#[test]
fn tokens_of_two_agents_and_tokens_that_have_ended_open_nothing() {
    let world = World::before(&endless());
    let post = |token: &str| {
        let url = world.server.url("/anthropic/v1/messages");
        let sent = world.server.client.post(url).bearer_auth(token);
        let answer = sent.body("{").send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    assert_eq!(
        post(&world.token).0,
        400,
        "the door is open, the body is not sound"
    );
    let short = ["--json", "agents", "register", "brief", "--valid", "P1D"];
    let short = world.ledger.run(&short).lines();
    let token = short[0]["token"].as_str().unwrap();
    wait_for("the new agent", || post(token).0 == 400);
    let registered = world.ledger.events("agent.registered");
    let over = json!({ "kind": "agent.updated", "actor": "user:s001", "data": {
        "agent": "brief", "token_sha256": registered[1]["data"]["token_sha256"],
        "token_until": "2026-01-01T00:00:00.000000Z" } });
    world.ledger.append(&[over]);
    wait_for("the ended token", || post(token).0 == 403);
    assert!(post(token).1.contains("has ended"));
    let listed = world.ledger.run(&["agents", "list"]).ok();
    assert!(listed.contains("token until"), "{listed}");

    // The digest of an agent's token under another agent's name.
    let mut twin = registered[0].clone();
    for key in ["v", "seq", "at", "prev", "id"] {
        twin.as_object_mut().unwrap().remove(key);
    }
    twin["data"]["agent"] = "twin".into();
    world.ledger.append(&[twin]);
    wait_for("the shared token", || post(&world.token).0 == 401);
    let reasons: Vec<Value> = world
        .events("auth.failed")
        .iter()
        .map(|e| e["data"]["reason"].clone())
        .collect();
    assert!(
        reasons.contains(&json!("expired")) && reasons.contains(&json!("shared")),
        "{reasons:?}"
    );
    // A new one of its own, and the agent speaks again.
    let own = world.ledger.run(&["agents", "token", "dev"]).ok();
    wait_for("its own token", || post(own.trim()).0 == 400);
    assert_eq!(world.server.stop(), 0);
}
