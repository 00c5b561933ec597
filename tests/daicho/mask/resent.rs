//! A conversation that is sent again whole, seen from outside: what `/metrics` counts.

use crate::privacy::upstream;
use crate::world::{Ledger, Server, before, overwrite, serve_gateway};
use serde_json::{Value, json};

/// Bytes that the rules looked at, and bytes that they remembered.
fn effort(server: &Server) -> [u64; 2] {
    let metrics = server.text("/metrics");
    ["analysed", "remembered"].map(|what| {
        let name = format!("daicho_masking_{what}_bytes ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse().unwrap()
    })
}

#[test]
fn metrics_show_that_only_new_text_of_a_conversation_is_analysed() {
    let ledger = Ledger::new();
    let path = ledger.dir.join("daicho.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    overwrite(&path, before(&config, &upstream()).as_bytes());
    let token = ledger.run(&["agents", "register", "cfo"]).ok();
    let server = serve_gateway(&ledger.dir);
    let say = |messages: &Value| {
        let body = json!({ "model": "m", "max_tokens": 9, "messages": messages });
        let request = server.client.post(server.url("/anthropic/v1/messages"));
        let answer = request.header("x-api-key", token.trim()).json(&body).send();
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    };
    let text = "先月の出荷実績について報告があった。".repeat(400);
    let mut messages = json!([{ "role": "user", "content": text }]);
    say(&messages);
    let [first, _] = effort(&server);
    assert!(first > text.len() as u64, "{first}");

    let more = [
        json!({ "role": "assistant", "content": "承知しました。" }),
        json!({ "role": "user", "content": "続きをお願いします。" }),
    ];
    messages.as_array_mut().unwrap().extend(more);
    say(&messages);
    let [second, remembered] = effort(&server);
    // What was said first, at least, was not looked at again.
    assert!(remembered > text.len() as u64, "{remembered}");
    assert!(second - first < 1_000, "{first}, then {second}");
}
