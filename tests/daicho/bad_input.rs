//! Bad input gets a clear error, naming what, where and what to do, and changes nothing.

use crate::world::{
    Ledger, Server, cannot_run, clean, daicho, drill, ndjson, overwrite, run, walk, with_content,
};
use reqwest::blocking::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

/// What stands in events here and must never stand in an error.
const PRIVATE: &str = "Yamada-Taro-4711";

/// An event whose body cannot fit into 65,535 bytes.
fn too_long() -> Value {
    let positions: Vec<u64> = (0..20_000).collect();
    json!({
        "kind": "alert.raised", "actor": "service:detector",
        "data": {
            "alert": "019ab000-0000-7000-8000-000000000001", "detector": "d",
            "severity": "high", "positions": positions,
        },
    })
}

fn with_id(mut event: Value) -> Value {
    event["id"] = json!("019ab000-0000-7000-8000-000000000002");
    event
}

/// Sends a request that must be refused: the status, the fault with all of `parts`, a
/// remedy, nothing private.
#[track_caller]
fn is_refused(request: RequestBuilder, status: u16, parts: &[&str]) {
    let answer = request.send().unwrap();
    let (got, media) = (answer.status(), answer.headers().get(CONTENT_TYPE).cloned());
    let text = answer.text().unwrap();
    assert_eq!(got, status, "{parts:?}: {text}");
    assert!(
        media.is_some_and(|m| m == "application/json"),
        "{parts:?}: {text}"
    );
    let fault: Value = serde_json::from_str(&text).unwrap();
    let (error, help) = (
        fault["error"].as_str().unwrap(),
        fault["help"].as_str().unwrap(),
    );
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in {text}");
    }
    assert!(!help.is_empty(), "no remedy: {text}");
    assert!(!text.contains(PRIVATE), "it says what it must not: {text}");
}

#[test]
fn every_bad_request_is_refused_with_its_reason_and_leaves_no_trace() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    let recorded = server.post("application/json", with_id(drill("restore")).to_string());
    assert_eq!(recorded.send().unwrap().status(), 200);
    let size = server.json("/api/v1/events")["size"].clone();

    let one = |body: Vec<u8>| server.post("application/json", body);
    let many = |body: Vec<u8>| server.post("application/x-ndjson", body);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = with_content(drill("restore"), PRIVATE);
        change(&mut event);
        event
    };
    let sent = |change: &dyn Fn(&mut Value)| one(with(change).to_string().into_bytes());

    is_refused(one(b"".into()), 400, &["line 1", "cut off"]);
    is_refused(
        one(format!("{{\"kind\":\"{PRIVATE}").into()),
        400,
        &["line 1", "cut off"],
    );
    is_refused(one(format!("[{PRIVATE}]").into()), 400, &["not JSON"]);
    is_refused(
        one(b"{\"kind\":\"\xff\xfe\"}".to_vec()),
        400,
        &["not UTF-8 at byte 9"],
    );
    is_refused(
        sent(&|e| e["kind"] = json!("drill.begun")),
        400,
        &["drill.begun is not a kind"],
    );
    is_refused(
        sent(&|e| e["who"] = json!(PRIVATE)),
        400,
        &["unknown field who"],
    );
    is_refused(
        sent(&|e| e["data"]["mood"] = json!(PRIVATE)),
        400,
        &["drill.completed", "unknown field mood"],
    );
    is_refused(
        sent(&|e| drop(e["data"].as_object_mut().unwrap().remove("passed"))),
        400,
        &["missing field passed"],
    );
    is_refused(
        sent(&|e| e["actor"] = json!(PRIVATE)),
        400,
        &["wrong type or form"],
    );
    is_refused(
        sent(&|e| e["id"] = json!("1")),
        400,
        &["wrong type or form"],
    );
    is_refused(
        sent(&|e| e["occurred"] = json!("yesterday")),
        400,
        &["wrong type or form"],
    );
    is_refused(
        sent(&|e| e["content"][0]["text"] = Value::Null),
        400,
        &["either text or base64"],
    );
    is_refused(
        sent(&|e| e["kind"] = json!("ledger.recovered")),
        400,
        &["ledger.recovered"],
    );
    is_refused(
        sent(&|e| *e = too_long()),
        422,
        &["cannot be an entry", "65535"],
    );
    let third = ndjson(&[drill("a"), drill("b")]) + "{\"kind\":1}\n" + &drill("c").to_string();
    is_refused(many(third.into()), 400, &["line 3"]);
    is_refused(many(b"\n\n".to_vec()), 400, &["no event"]);
    is_refused(
        many(ndjson(&[drill("a"), too_long()]).into()),
        422,
        &["65535"],
    );

    let other = with_id(drill("failover"));
    is_refused(
        one(other.to_string().into()),
        409,
        &["019ab000", "stands for another event, at 1"],
    );
    is_refused(
        many(ndjson(&[drill("a"), other.clone()]).into()),
        409,
        &["019ab000"],
    );
    let mut twice = [other, with_id(drill("restore"))];
    for event in &mut twice {
        event["id"] = json!("019ab000-0000-7000-8000-000000000003");
    }
    is_refused(
        many(ndjson(&twice).into()),
        409,
        &["twice with different events"],
    );

    let large = with(&|e| e["content"][0]["text"] = json!("x".repeat(33 << 20))).to_string();
    is_refused(one(large.into()), 413, &["33554432 bytes"]);
    who_may(&server);

    for (path, status, part) in [
        ("/api/v1/events/999", 404, "no entry 999: the log holds 2"),
        ("/api/v1/proofs/999", 404, "no entry 999"),
        ("/api/v1/events/first", 400, "first"),
        ("/api/v1/events?colour=red", 400, "colour"),
        (
            "/api/v1/events?kind=drill.begun",
            400,
            "drill.begun is not a kind",
        ),
        ("/api/v1/events?actor=nobody", 400, "actor"),
        ("/api/v1/events?since=yesterday", 400, "not a time"),
        ("/api/v1/events?limit=-1", 400, "limit"),
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
    ] {
        is_refused(server.client.get(server.url(path)), status, &[part]);
    }
    is_refused(
        server.client.delete(server.url("/api/v1/events")),
        405,
        &["DELETE"],
    );
    for path in [
        "/log/tile/0/000.p/0",
        "/log/tile/0/999",
        "/log/tile/64/000",
        "/log/../keys/ledger.key",
        "/log/%2e%2e/keys/ledger.key",
    ] {
        assert_eq!(server.get(path).status(), 404, "{path}");
    }

    let now = server.json("/api/v1/events");
    assert_eq!(now["size"], size, "something was appended");
    assert_eq!(server.stop(), 0);
    assert_eq!(ledger.verify()["entries"], size);
}

/// Only the operator's token opens, and only under a name of this host.
fn who_may(server: &Server) {
    let post = || {
        server
            .client
            .post(server.url("/api/v1/events"))
            .body(drill("restore").to_string())
    };
    let said = "no operator token";
    is_refused(post(), 401, &[said]);
    is_refused(post().bearer_auth("dco_wrong"), 401, &[said]);
    is_refused(post().bearer_auth(""), 401, &[said]);
    is_refused(
        post().basic_auth("operator", Some(&server.token)),
        401,
        &[said],
    );
    is_refused(
        post().header("authorization", &b"Bearer \xff"[..]),
        401,
        &[said],
    );
    let elsewhere = server
        .client
        .get(server.url("/api/v1/events"))
        .header("host", "evil.example");
    assert_eq!(elsewhere.send().unwrap().status(), 421);
}

#[test]
fn every_bad_command_is_refused_with_its_reason_and_changes_nothing() {
    let ledger = Ledger::new();
    ledger.append(&[with_id(drill("restore"))]);
    let before = ledger.state();
    let append = |input: &[u8]| ledger.run_with(&["append"], input);
    append(b"").refused(&["no event"]);
    append(b"{\"kind\":").refused(&["line 1", "cut off"]);
    append(&[drill("a").to_string().as_bytes(), b"\n\xff\n"].concat())
        .refused(&["not UTF-8 at byte"]);
    append(ndjson(&[drill("a"), json!({ "kind": 1 })]).as_bytes()).refused(&["line 2"]);
    append(ndjson(&[drill("a"), too_long()]).as_bytes()).refused(&["65535"]);
    append(with_id(drill("failover")).to_string().as_bytes())
        .refused(&["stands for another event, at 1"]);
    let missing = ledger.beside("missing");
    let missing = missing.to_str().unwrap();
    for (args, parts) in [
        (vec!["append", missing], vec!["missing", "No such file"]),
        (vec!["show", "99"], vec!["no entry 99: the log holds 2"]),
        (vec!["prove", "99"], vec!["no entry 99"]),
        (vec!["events", "--kind", "drill.begun"], vec!["drill.begun"]),
        (vec!["events", "--actor", "nobody"], vec!["--actor"]),
        (
            vec!["events", "--since", "yesterday"],
            vec!["--since", "not a time"],
        ),
        (vec!["verify", "--vkey", "nonsense"], vec!["vkey"]),
        (vec!["verify", "--checkpoint", missing], vec!["missing"]),
        (
            vec!["init", "--origin", "example.com/again"],
            vec!["already holds a ledger"],
        ),
        (vec!["serve", "--listen", "nowhere"], vec!["nowhere"]),
    ] {
        ledger.run(&args).refused(&parts);
    }
    for args in [
        &["nonsense"][..],
        &["show", "first"],
        &["append", "--colour"],
    ] {
        let ran = ledger.run(args);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    assert_eq!(ledger.state(), before);
    // More events than one commit takes: it says how many are appended, and shows which.
    let mut events = vec![drill("restore"); 300];
    events[290] = too_long();
    let ran = append(ndjson(&events).as_bytes());
    assert_eq!((ran.code, ran.out.lines().count()), (2, 256), "{}", ran.err);
    let said = "the first 256 of 300 events are appended, no other: event";
    assert!(
        ran.err.contains(said) && ran.err.contains("\nhelp:  "),
        "{}",
        ran.err
    );
    assert_eq!(ledger.verify()["entries"], 258);
}

#[test]
fn a_directory_without_a_ledger_is_named_and_stays_as_it_was() {
    let ledger = Ledger::new();
    for (name, make) in [("nothing", false), ("empty", true)] {
        let dir = ledger.beside(name);
        if make {
            std::fs::create_dir(&dir).unwrap();
        }
        for args in [
            &["append"][..],
            &["events"],
            &["show", "0"],
            &["verify"],
            &["prove", "0"],
            &["key", "show"],
            &["rebuild"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let mut command = daicho(&dir);
            command.args(args);
            let input = drill("restore").to_string();
            run(command, input.as_bytes()).refused(&["holds no ledger", name]);
        }
        assert_eq!(dir.exists(), make, "{name}");
        assert!(walk(&dir).is_empty(), "{name}: {:?}", walk(&dir));
    }
    for origin in ["", "two words", "a+b", "x\ny"] {
        let dir = ledger.beside("wrong-origin");
        let mut command = daicho(&dir);
        command.args(["init", "--origin", origin]);
        run(command, b"").refused(&["cannot be an origin"]);
        assert!(walk(&dir).is_empty(), "{origin:?}");
    }
}

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

    let copy = ledger.copy();
    std::fs::remove_file(copy.dir.join("keys/operator.token")).unwrap();
    copy.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(&["operator.token"]);
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
    let receipts = ledger.append(&[drill("restore")]);
    assert_eq!(receipts[0]["seq"], 1);
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
    assert_eq!(ledger.verify()["entries"], 6);
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
fn faketime() -> Option<PathBuf> {
    let dirs = std::fs::read_dir("/usr/lib").ok()?.flatten();
    dirs.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
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
    let mut command = daicho(&ledger.dir);
    clean(&mut command);
    command
        .env("LD_PRELOAD", &library)
        .env("FAKETIME_TIMESTAMP_FILE", &file);
    command
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::start(&ledger.dir, command);
    let post = || server.post("application/json", drill("restore").to_string());
    assert_eq!(post().send().unwrap().status(), 200);
    std::fs::write(&file, "-1d\n").unwrap();
    is_refused(post(), 503, &["clock ran back"]);
    assert_eq!(
        server.text("/api/v1/events/4").len(),
        server.text("/api/v1/events/4").len()
    );
    std::fs::write(&file, "+2d\n").unwrap();
    assert_eq!(
        post().send().unwrap().status(),
        200,
        "a clock that is right again is enough"
    );
    drop(server);
    assert_eq!(ledger.verify()["entries"], 6);
}
