//! One agent's share of the places where what clients tell is worked on.

use super::slow_rules::{node, served};
use super::*;
use crate::server::Node;
use crate::server::gateway::places::Place;
use crate::server::gateway::room::Full;
use schemas::kinds::traffic::{LimitKind, LimitReached};
use serde_json::{Value, json};

/// Every place that one agent can have.
fn all_of(places: &Arc<Places>, agent: &str) -> Vec<Place> {
    let agent = agent.parse().unwrap();
    let taken: Vec<Place> = std::iter::from_fn(|| places.take(&agent).ok()).collect();
    let full: Full = places.take(&agent).err().unwrap();
    assert!(full.own, "the others have the rest");
    taken
}

fn refusals(node: &Node) -> Vec<LimitReached> {
    let entries = node.reader.entries(0..u64::MAX).map(Result::unwrap);
    let reached = entries.filter_map(|entry| match entry.data() {
        Data::LimitReached(reached) => Some(reached.clone()),
        _ => None,
    });
    reached.collect()
}

struct Told {
    base: String,
    http: reqwest::Client,
}

impl Told {
    async fn tell(&self, path: &str, token: &Token, body: String) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.base));
        let request = request.bearer_auth(token.reveal()).body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    async fn hook(&self, token: &Token, event: &str) -> (u16, Value) {
        let hook = json!({ "hook_event_name": event, "tool_name": "Read", "tool_use_id": "toolu_1",
                           "tool_input": { "file_path": "notes.txt" } });
        self.tell("/hooks/claude-code", token, hook.to_string())
            .await
    }
}

fn is_denied(answer: &Value) -> bool {
    answer["hookSpecificOutput"]["permissionDecision"] == "deny"
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_keeps_nobody_elses_hooks_and_telemetry_from_being_heard() {
    let dir = tempfile::tempdir().unwrap();
    let (node, [busy, other]) = node(dir.path(), Duration::from_secs(5), ["busy", "other"]);
    let (base, http) = (served(&node).await, reqwest::Client::builder().no_proxy());
    let http = http.build().unwrap();
    let told = Told { base, http };
    let gateway = &node.gateway;
    let hooks = all_of(&gateway.hooks, "busy");
    let exports = all_of(&gateway.telemetry, "busy");
    assert_eq!((hooks.len(), exports.len()), (32, 4));

    // What is to be decided is refused in the client's own form, anything else by the status.
    let empty = || r#"{"resourceLogs":[]}"#.to_owned();
    let (decided, seen, exported) = tokio::join!(
        told.hook(&busy, "PreToolUse"),
        told.hook(&busy, "PostToolUse"),
        told.tell("/otlp/v1/logs", &busy, empty()),
    );
    assert_eq!((decided.0, is_denied(&decided.1)), (200, true));
    assert_eq!((seen.0, exported.0), (429, 429));
    let reached = refusals(&node);
    for (door, allowed) in [("hooks", 32), ("telemetry", 4)] {
        let of_door = |one: &&LimitReached| one.provider.as_str() == door;
        let reached = reached.iter().find(of_door).unwrap();
        assert_eq!(reached.limit, LimitKind::CallsInFlight);
        assert_eq!(reached.of.to_string(), "agent:busy");
        assert_eq!(
            (reached.allowed, reached.used),
            (Some(allowed), Some(allowed))
        );
    }

    // Another's are heard.
    let (status, answer) = told.hook(&other, "PreToolUse").await;
    assert_eq!((status, is_denied(&answer)), (200, false));
    assert_eq!(told.tell("/otlp/v1/logs", &other, empty()).await.0, 200);
    drop((hooks, exports));
    let (status, answer) = told.hook(&busy, "PreToolUse").await;
    assert_eq!((status, is_denied(&answer)), (200, false));
    assert_eq!(gateway.hooks.taken() + gateway.telemetry.taken(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_at_length_takes_the_room_of_its_agent_and_what_is_short_none() {
    let dir = tempfile::tempdir().unwrap();
    let (node, [busy, other]) = node(dir.path(), Duration::from_secs(60), ["busy", "other"]);
    let (base, http) = (served(&node).await, reqwest::Client::builder().no_proxy());
    let http = http.build().unwrap();
    let told = Told { base, http };
    let held = node.gateway.room.without_place(&"busy".parse().unwrap());
    // All that it may have; answers that are on their way, for example.
    held.hold_anyhow(128 << 20);
    let long = || format!(r#"{{"resourceLogs":[]{}}}"#, " ".repeat(128 << 10));
    assert_eq!(told.tell("/otlp/v1/logs", &busy, long()).await.0, 429);
    let reached = refusals(&node).pop().unwrap();
    assert_eq!(reached.limit, LimitKind::HeldBytes);
    assert_eq!(reached.of.to_string(), "agent:busy");
    assert_eq!(told.hook(&busy, "PostToolUse").await.0, 200);
    assert_eq!(told.tell("/otlp/v1/logs", &other, long()).await.0, 200);
    drop(held);
    assert_eq!(told.tell("/otlp/v1/logs", &busy, long()).await.0, 200);
    assert_eq!(node.gateway.load(), (0, 0));
}
