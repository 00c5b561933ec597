//! Bad input gets a clear error, naming what, where and what to do, and changes nothing.

mod commands;
pub mod places;

use crate::world::{Ledger, Server, drill, ndjson, with_content};
use reqwest::blocking::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

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
pub fn is_refused(request: RequestBuilder, status: u16, parts: &[&str]) {
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
    let recorded: Value = recorded.send().unwrap().json().unwrap();
    let stands = format!("stands for another event, at {}", recorded["seq"]);
    let size = server.size();

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
    is_refused(one(other.to_string().into()), 409, &["019ab000", &stands]);
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
    // A connection whose request was not read to its end serves no other.
    let large = one(large.into()).header("connection", "close");
    is_refused(large, 413, &["33554432 bytes"]);
    who_may(&server);

    for (path, status, part) in [
        ("/api/v1/events/999", 404, "no entry 999: the log holds "),
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

    assert_eq!(server.size(), size, "something was appended");
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
