//! The right command in the wrong place or time: keys of another ledger, a port in use, a
//! second writer, a damaged index, a clock that ran back.

use super::{is_refused, too_long};
use crate::world::{
    Ledger, ORIGIN, Server, World, cannot_run, clean, daicho, drill, hook_event, ndjson, overwrite,
    provider, run, walk, with_content,
};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn keys_and_files_of_another_ledger_are_told_apart() {
    let (ledger, other) = (Ledger::new(), Ledger::named("example.org/other"));
    ledger.append(&[drill("restore")]);
    let append =
        |ledger: &Ledger| ledger.run_with(&["append"], drill("restore").to_string().as_bytes());
    let foreign = |file: &str| {
        let copy = ledger.copy();
        overwrite(
            &copy.dir.join(file),
            &std::fs::read(other.dir.join(file)).unwrap(),
        );
        copy
    };

    let copy = foreign("keys/ledger.key");
    let before = copy.state();
    append(&copy).refused(&["keys/ledger.key", "example.org/other", "example.com/daicho"]);
    assert_eq!(copy.state(), before);
    copy.verify();

    // The same origin, another key: the origin alone would not tell them apart.
    let twin = Ledger::new();
    let copy = ledger.copy();
    overwrite(
        &copy.dir.join("keys/ledger.key"),
        &std::fs::read(twin.dir.join("keys/ledger.key")).unwrap(),
    );
    let keys = [&ledger, &twin].map(|l| l.run(&["key", "show"]).ok().trim().to_owned());
    append(&copy).refused(&["keys/ledger.key", &keys[0], &keys[1]]);

    let copy = foreign("checkpoint");
    append(&copy).refused(&["checkpoint", "not a checkpoint of this log"]);
    assert_eq!(copy.run(&["verify"]).code, 1);

    let copy = foreign("log/00000000000000000000.ndjson");
    append(&copy).refused(&["example.org/other"]);
    assert_eq!(copy.run(&["verify"]).code, 1);

    let copy = ledger.copy();
    std::fs::remove_file(copy.dir.join("keys/ledger.key")).unwrap();
    let before = copy.state();
    append(&copy).refused(&["keys/ledger.key", "restore"]);
    assert_eq!(
        copy.run(&["events"]).ok().lines().count(),
        2,
        "reading needs no key"
    );
    copy.verify();
    for garbage in ["", "nonsense", "PRIVATE+KEY+a+b+c"] {
        overwrite(&copy.dir.join("keys/ledger.key"), garbage.as_bytes());
        append(&copy).refused(&["keys/ledger.key", "not readable as one"]);
    }
    std::fs::remove_file(copy.dir.join("keys/ledger.key")).unwrap();
    assert_eq!(copy.state(), before);

    // An empty token would be the one of everybody who sends none.
    let copy = ledger.copy();
    let token = copy.dir.join("keys/operator.token");
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    overwrite(&token, b"\n");
    copy.run(&serve)
        .refused(&["operator.token", "holds no token", "`daicho init` again"]);
    std::fs::remove_file(&token).unwrap();
    copy.run(&serve)
        .refused(&["operator.token", "`daicho init` again"]);
    copy.run(&["init", "--origin", "example.org/other"])
        .refused(&["already holds a ledger"]);
    copy.run(&["init", "--origin", ORIGIN]).ok();
    assert_eq!(copy.serve().stop(), 0, "as the remedy says");
    let copy = ledger.copy();
    std::fs::write(
        copy.dir.join("daicho.toml"),
        "[server]\nlissten = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    copy.run(&["serve"]).refused(&["daicho.toml", "lissten"]);
}

#[test]
fn a_port_in_use_and_a_second_writer_are_named() {
    let ledger = Ledger::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let before = ledger.state();
    ledger.run(&["serve", "--listen", &address]).refused(&[
        &address,
        "cannot be listened on",
        "--listen",
    ]);
    assert_eq!(ledger.state(), before);

    let server = ledger.serve();
    let pid = server.pid().to_string();
    ledger.run(&["serve", "--listen", "127.0.0.1:0"]).refused(&[
        "process ",
        &pid,
        "stop that process",
    ]);
    // A command goes through the server that holds the ledger …
    let size = server.size();
    let receipts = ledger.append(&[drill("restore")]);
    assert_eq!(receipts[0]["seq"], size);
    let refused = ledger.run_with(&["append"], ndjson(&[drill("a"), too_long()]).as_bytes());
    refused.refused(&["65535"]);
    // … also when it is more than one request can hold …
    let large = with_content(drill("restore"), &"x".repeat(9 << 20));
    assert_eq!(ledger.append(&vec![large; 4]).len(), 4);
    // … and is refused when there is no way to it.
    let file = ledger.dir.join("serve.address");
    let said = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let event = drill("restore").to_string();
    ledger
        .run_with(&["append"], event.as_bytes())
        .refused(&["process ", &pid]);
    std::fs::write(&file, &address).unwrap();
    drop(taken);
    ledger
        .run_with(&["append"], event.as_bytes())
        .refused(&[&address, "does not answer"]);
    std::fs::write(&file, said).unwrap();
    assert_eq!(server.stop(), 0);
    assert_eq!(ledger.verify()["entries"], size + 5);
}

#[test]
fn a_damaged_index_is_built_again_and_said_so() {
    let ledger = Ledger::new();
    ledger.append(&vec![drill("restore"); 3_000]);
    let listed = |ledger: &Ledger| ledger.run(&["events", "--newest", "--limit", "3"]);
    let first = listed(&ledger);
    let again = listed(&ledger);
    // An index that is kept is used: nothing is built again without a reason.
    assert_eq!(
        (again.code, &again.out, again.err.as_str()),
        (0, &first.out, "")
    );
    let rebuilt = ledger.run(&["rebuild"]).ok();

    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [(&str, Damage); 4] = [
        ("emptied", |_| Vec::new()),
        ("overwritten", |_| b"garbage".to_vec()),
        ("cut", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("bits flipped", |bytes| {
            bytes.iter().map(|b| b ^ 0x10).collect()
        }),
    ];
    for (name, damage) in damages {
        let copy = ledger.copy();
        let mut files = 0;
        for file in walk(&copy.dir.join("index")) {
            let bytes = damage(&std::fs::read(&file).unwrap());
            overwrite(&file, &bytes);
            files += 1;
        }
        assert!(files > 0);
        let ran = listed(&copy);
        assert_eq!((ran.code, &ran.out), (0, &first.out), "{name}: {ran:?}");
        assert!(
            ran.err.contains("built again from the log"),
            "{name}: {ran:?}"
        );
        assert!(!ran.err.contains("panicked"), "{name}: {ran:?}");
        let after = listed(&copy);
        assert_eq!((&after.out, after.err.as_str()), (&first.out, ""), "{name}");
        assert_eq!(copy.run(&["rebuild"]).ok(), rebuilt, "{name}");
        copy.verify();
    }
}

/// libfaketime, which makes a process believe in another time.
pub fn faketime() -> Option<PathBuf> {
    let dirs = std::fs::read_dir("/usr/lib").ok()?.flatten();
    dirs.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
}

/// A server whose clock is off by what a file says.
fn serve_by(library: &Path, file: &Path, ledger: &Ledger) -> Server {
    let mut command = daicho(&ledger.dir);
    clean(&mut command);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file);
    command
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Server::start(&ledger.dir, command)
}

/// A tool server that counts what it runs. Gives its address.
fn counting(ran: &Arc<AtomicU64>) -> String {
    let ran = Arc::clone(ran);
    let answer = move |body: String| async move {
        let asked: Value = serde_json::from_str(&body).unwrap();
        if asked["id"].is_null() {
            return (StatusCode::ACCEPTED, axum::Json(Value::Null));
        }
        let result = match asked["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                "serverInfo": { "name": "counting", "version": "1" },
            }),
            Some("tools/call") => {
                ran.fetch_add(1, Ordering::SeqCst);
                json!({ "content": [{ "type": "text", "text": "done" }] })
            }
            _ => json!({}),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
        (StatusCode::OK, axum::Json(answer))
    };
    provider(axum::Router::new().route("/mcp", axum::routing::post(answer)))
}

#[test]
fn a_ledger_that_cannot_write_lets_nothing_through_at_any_door() {
    let Some(library) = faketime() else {
        return cannot_run("doors", "no libfaketime (package faketime)");
    };
    let ran = Arc::new(AtomicU64::new(0));
    let tools = counting(&ran);
    let ledger = Ledger::new();
    ledger.configure(|text| text + &format!("\n[mcp.x]\nurl = \"{tools}/mcp\"\n"));
    let token = ledger.register("dev");
    let file = ledger.beside("offset");
    std::fs::write(&file, "+2d\n").unwrap();
    let server = serve_by(&library, &file, &ledger);
    let world = World {
        ledger,
        server,
        token,
    };
    let hook = |event: &str| {
        let used = json!({ "tool_name": "Read", "tool_use_id": "toolu_1",
                           "tool_input": { "file_path": "notes.txt" } });
        world.hook(&world.token, hook_event(event, &used).to_string())
    };
    let export = |id: &str| {
        let attribute =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let record = json!({ "body": { "stringValue": "claude_code.tool_result" },
            "attributes": [attribute("session.id", "s-1"), attribute("tool_use_id", id)] });
        let told = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
        let sent = world.server.client.post(world.server.url("/otlp/v1/logs"));
        let sent = sent.bearer_auth(&world.token).body(told.to_string());
        sent.send().unwrap().status().as_u16()
    };
    let mcp = |session: &str, message: Value| {
        let request = world.post_to("/mcp/x", &message.to_string());
        let request = match session {
            "" => request,
            session => request.header("mcp-session-id", session),
        };
        request.send().unwrap()
    };
    let call = |session: &str, id: u64| {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
                              "params": { "name": "read", "arguments": {} } });
        mcp(session, message).text().unwrap()
    };
    let begun = mcp(
        "",
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } }),
    );
    let session = begun.headers()["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(begun.text().unwrap().contains("counting"));
    mcp(
        &session,
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    );

    let decision = |answer: &Value| answer["hookSpecificOutput"]["permissionDecision"].clone();
    let (status, answer) = hook("PreToolUse");
    assert!(status == 200 && decision(&answer) != "deny", "{answer}");
    assert_eq!((hook("PostToolUse").0, export("toolu_1")), (200, 200));
    let said = call(&session, 1);
    assert!(said.contains("done"), "{said}");
    assert_eq!(ran.load(Ordering::SeqCst), 1);

    std::fs::write(&file, "-1d\n").unwrap();
    let size = world.server.size();
    let (status, answer) = hook("PreToolUse");
    assert_eq!(
        (status, decision(&answer)),
        (200, json!("deny")),
        "{answer}"
    );
    assert_eq!((hook("PostToolUse").0, export("toolu_2")), (503, 503));
    let said = call(&session, 2);
    assert!(!said.contains("done"), "{said}");
    assert_eq!(
        ran.load(Ordering::SeqCst),
        1,
        "it was run, and nothing says so"
    );
    assert_eq!(world.server.size(), size);

    // A clock that is right again is enough, at all of them.
    std::fs::write(&file, "+2d\n").unwrap();
    let (status, answer) = hook("PreToolUse");
    assert!(status == 200 && decision(&answer) != "deny", "{answer}");
    assert_eq!((hook("PostToolUse").0, export("toolu_2")), (200, 200));
    assert!(call(&session, 3).contains("done"));
    assert_eq!(ran.load(Ordering::SeqCst), 2);
    world.server.stop();
    world.ledger.verify();
}

#[test]
fn a_clock_that_ran_back_stops_writing_and_nothing_else() {
    let Some(library) = faketime() else {
        return cannot_run("clock", "no libfaketime (package faketime)");
    };
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let at = |offset: &str, mut command: Command| {
        command.env("LD_PRELOAD", &library).env("FAKETIME", offset);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    };
    let append = |offset: &str| {
        let mut command = daicho(&ledger.dir);
        command.arg("append");
        run(at(offset, command), drill("restore").to_string().as_bytes())
    };
    let before = ledger.state();
    append("-1d").refused(&["clock", "is before the newest entry", "set the clock right"]);
    assert_eq!(ledger.state(), before);
    // A step that NTP makes is borne: time in the ledger stands still meanwhile.
    append("-2s").ok();
    // An entry from tomorrow, made under a wrong clock, stops today's writers.
    append("+1d").ok();
    append("+0d").refused(&["is before the newest entry"]);
    assert_eq!(
        ledger.run(&["events"]).ok().lines().count(),
        4,
        "reading needs no clock"
    );
    ledger.verify();

    // Under a running server, whose clock is set back between two requests.
    let file = ledger.beside("offset");
    std::fs::write(&file, "+2d\n").unwrap();
    let server = serve_by(&library, &file, &ledger);
    let post = || server.post("application/json", drill("restore").to_string());
    assert_eq!(post().send().unwrap().status(), 200);
    std::fs::write(&file, "-1d\n").unwrap();
    let size = server.size();
    is_refused(post(), 503, &["clock ran back"]);
    assert_eq!(
        server.get("/api/v1/events/4").status(),
        200,
        "reading needs no clock"
    );
    std::fs::write(&file, "+2d\n").unwrap();
    let receipt: Value = post().send().unwrap().json().unwrap();
    assert_eq!(
        receipt["seq"], size,
        "a clock that is right again is enough"
    );
    drop(server);
    assert_eq!(ledger.verify()["entries"], size + 1);
}
