//! Telemetry as the third witness, sent by OpenTelemetry's own exporter, which is Claude Code's.

use crate::world::{World, cannot_run, has, hook_event, run};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const SESSION: &str = "7f3c1c8e-5a0f-4a6e-9a53-0c2d6a3f0b11";
const CARD: &str = "5555-5555-5555-4444";

impl World {
    /// How each export ended: no code but 0 is a success.
    fn export(&self, token: &str, records: &Value) -> Vec<Value> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/telemetry-client.mjs");
        let mut client = Command::new("node");
        client.arg(script).arg(self.server.url("/otlp/v1/logs"));
        client.args([token, SESSION, &records.to_string()]);
        serde_json::from_str(&run(client, b"").ok()).unwrap()
    }
}

#[test]
fn what_telemetry_alone_tells_of_is_an_alert() {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/node_modules");
    let there = there.join("@opentelemetry/exporter-logs-otlp-http");
    if !has("node", "--version") || !there.exists() {
        return cannot_run("telemetry", "node or OpenTelemetry's exporter is not there");
    }
    let world = World::new();

    world.tell(&hook_event(
        "UserPromptSubmit",
        &json!({ "prompt": "list it", "prompt_id": "p1" }),
    ));
    let used = json!({ "prompt.id": "p1", "tool_use_id": "toolu_1", "tool_name": "Bash" });
    let first = json!([
        ["user_prompt", { "prompt.id": "p1", "prompt": format!("card {CARD}") }],
        ["tool_result", used],
    ]);
    let ended = world.export(&world.token, &first);
    assert_eq!(ended, [json!({ "code": 0, "error": null })]);
    let told = world.events("telemetry.reported");
    assert_eq!(told.len(), 2);
    assert_eq!(told[0]["data"]["found"][0]["count"], 1);
    assert_eq!(told[1]["data"]["tool_use"], "toolu_1");
    assert_eq!(
        world.events("alert.raised"),
        [] as [Value; 0],
        "its answer may come"
    );

    world.tell(&hook_event(
        "UserPromptSubmit",
        &json!({ "prompt": "and now", "prompt_id": "p2" }),
    ));
    let second = json!([
        ["user_prompt", { "prompt.id": "p1" }],
        ["tool_decision", used],
        ["user_prompt", { "prompt.id": "p2" }],
    ]);
    assert_eq!(world.export(&world.token, &second)[0]["code"], 0);
    let raised = world.events("alert.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!(raised[0]["data"]["detector"], "past-the-gateway");
    assert_eq!(raised[0]["data"]["positions"], json!([told[1]["seq"]]));
    let stored = std::fs::read(world.ledger.dir.join("log/00000000000000000000.ndjson"));
    let stored = String::from_utf8(stored.unwrap()).unwrap();
    assert!(!stored.contains("5555"), "in the log");

    // Nobody's token, and another form: refused, and nothing of it recorded.
    let before = world.events("telemetry.reported").len();
    let refused = world.export("dt_nobody", &first);
    assert_eq!(refused[0]["code"], 1, "{refused:?}");
    let post = |body: &str| {
        let url = world.server.url("/otlp/v1/logs");
        let sent = world.server.client.post(url).bearer_auth(&world.token);
        let answer = sent.body(body.to_owned()).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let (status, said) = post("\u{a}\u{1}\u{12}");
    assert!(
        status == 400 && said.contains("OTEL_EXPORTER_OTLP_PROTOCOL=http/json"),
        "{said}"
    );
    let other = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{ "body": { "stringValue": "x" } }] }] }] });
    let (status, said) = post(&other.to_string());
    assert!(
        status == 200 && said.contains("\"rejectedLogRecords\":\"1\""),
        "{said}"
    );
    assert_eq!(world.events("telemetry.reported").len(), before);
    world.ledger.run(&["verify"]).ok();
}

#[test]
fn what_telemetry_tells_after_a_session_or_without_its_hooks_is_an_alert() {
    let world = World::new();
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let export = |session: &str, tool_use: &str| {
        let attributes = [
            text("session.id", session),
            text("prompt.id", "p1"),
            text("tool_use_id", tool_use),
        ];
        let record = json!({ "body": { "stringValue": "claude_code.tool_result" },
            "attributes": attributes });
        let told = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
        let post = world.server.client.post(world.server.url("/otlp/v1/logs"));
        let answer = post.bearer_auth(&world.token).json(&told).send().unwrap();
        assert_eq!(answer.status(), 200);
        let raised = world.events("alert.raised");
        let newest = raised.last().map(|raised| raised["data"].clone());
        (raised.len(), newest.unwrap_or_default())
    };
    let prompt = json!({ "prompt": "list it", "prompt_id": "p1" });
    world.tell(&hook_event("UserPromptSubmit", &prompt));
    world.tell(&hook_event("SessionEnd", &json!({ "reason": "other" })));
    let (raised, newest) = export(SESSION, "toolu_1");
    assert_eq!(
        (raised, &newest["detector"]),
        (1, &json!("past-the-gateway"))
    );
    let told = world.events("telemetry.reported");
    assert_eq!(newest["positions"], json!([told[0]["seq"]]));
    assert_eq!(export(SESSION, "toolu_1").0, 1, "sent again");

    let (raised, newest) = export("of-no-hook", "toolu_1");
    assert_eq!(
        (raised, &newest["detector"]),
        (2, &json!("telemetry-without-hooks"))
    );
    assert_eq!(export("of-no-hook", "toolu_2").0, 2, "told of once");
    assert_eq!(world.server.stop(), 0);
    world.ledger.verify();
}
