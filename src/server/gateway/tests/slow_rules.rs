//! Rules that come to no end in time, wherever they look.

use super::failures::outcome;
use super::*;
use crate::config::{Config, write_default};
use crate::server::gateway::hooks::tell;
use crate::server::{Node, listen, router};
use agents::hooks::Client;
use ledger::Layout;
use schemas::kinds::hooks::{HookReported, HookVerdict};
use schemas::kinds::traffic::FailedOutcome;
use serde_json::json;

async fn hurried(patience: Patience) -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(Scripted::default());
    let routes = crate::demo::upstream::routes(Arc::clone(&upstream));
    let base = format!("http://{}", serve(routes).await);
    let rest = (base, LimitPolicy::default(), patience);
    world_with(dir, clock, upstream, rest).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_do_not_end_in_time_let_nothing_leave() {
    let world = hurried(Patience {
        rules: Duration::ZERO,
        ..Patience::USUAL
    });
    let world = world.await;
    let long = "明日の会議の案内を送ってください。".repeat(20_000);
    for streaming in [false, true] {
        let asked = ask("plain", streaming).replace("明日の会議の案内を", &long);
        let (status, kind, message) = error_of(world.message(asked).await).await;
        assert_eq!((status, kind.as_str()), (503, "api_error"));
        assert!(message.contains("nothing was sent"), "{message}");
    }
    // The rules end later, and what they say is too late.
    while Arc::strong_count(&world.gateway.rules) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!((world.hits(), world.kinds().len()), (0, 0));
    // Nor does the question for the models, in whose address anything could stand.
    let models = world.http.get(format!("{}/v1/models", world.base));
    let models = models.bearer_auth(world.token.reveal()).send().await;
    assert_eq!(error_of(models.unwrap()).await.0, 503);
    assert_eq!(world.hits(), 0);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_looked_at_in_time_is_sealed_as_it_came_and_never_looks_whole() {
    let world = hurried(Patience {
        answers: Duration::ZERO,
        ..Patience::USUAL
    });
    let world = world.await;
    let (status, kind, message) = error_of(world.message(ask("plain", false)).await).await;
    assert_eq!((status, kind.as_str()), (503, "api_error"));
    assert!(message.contains("withheld"), "{message}");
    let mut answer = world.message(ask("plain", true)).await;
    assert_eq!(answer.status(), 200);
    let (mut seen, mut cut) = (Vec::new(), false);
    while !cut {
        match answer.chunk().await {
            Ok(Some(chunk)) => seen.extend_from_slice(&chunk),
            Ok(None) => panic!("the stream ended as if it were whole"),
            Err(_) => cut = true,
        }
    }
    let failed = world.wait_for("model.failed", 2);
    assert_eq!(outcome(&failed), FailedOutcome::Unscanned);
    let Data::ModelFailed(fact) = failed.data() else {
        panic!()
    };
    let kept = world.content(&failed, "unscanned");
    assert!(
        !seen.is_empty() && kept.starts_with(&seen),
        "what the agent saw is kept"
    );
    assert!(kept.ends_with(b"\n\n"), "and what it did not see");
    assert_eq!(fact.status, Some(200));
    assert_eq!(fact.body_bytes, kept.len() as u64);
    assert_eq!(fact.response_sha256, None);
    // The rules end later, and what they say is too late.
    world.gateway.idle().await;
    let kinds = world.kinds();
    assert!(!kinds.contains(&"model.responded"), "{kinds:?}");
    world.check();
}

/// A server without a provider, whose rules end in no time, and an agent's token.
fn node(dir: &Path) -> (Node, Token) {
    ledger::create(dir, "example.com/daicho", &SystemClock).unwrap();
    write_default(&Layout::new(dir)).unwrap();
    let mut node = Node::open(dir, Config::default(), Default::default()).unwrap();
    let gateway = Arc::get_mut(&mut node.gateway).expect("nobody else holds it yet");
    gateway.patience.rules = Duration::ZERO;
    let token = issue_token().unwrap();
    let registered = AgentRegistered {
        agent: "dev".parse().unwrap(),
        role: "dev".parse().unwrap(),
        data_class: DataClass::Internal,
        token_sha256: token.digest(),
        token_until: None,
        model: None,
        person: None,
    };
    let by = "user:s001".parse().unwrap();
    let event = Event::new(node.appender.new_id(), by, registered);
    node.appender.append(vec![event.into()]).unwrap();
    node.views.catch_up().unwrap();
    (node, token)
}

fn told_of(reader: &Reader) -> Vec<HookReported> {
    let entries = reader.entries(0..u64::MAX).map(Result::unwrap);
    let told = entries.filter_map(|entry| match entry.data() {
        Data::HookReported(told) => {
            assert!(entry.content().is_empty(), "none of it is kept");
            Some(told.clone())
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_tells_is_refused_and_its_refusal_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let (node, token) = node(dir.path());
    let hook = |event: &str| {
        json!({ "hook_event_name": event, "tool_name": "Bash", "tool_use_id": "toolu_1",
                "prompt": "山田太郎", "tool_input": { "command": "ls" } })
    };
    let tell =
        |client, event: &str| tell(node.clone(), "dev".parse().unwrap(), client, hook(event));
    let answer = tell(Client::ClaudeCode, "PreToolUse").await.unwrap();
    assert_eq!(answer["hookSpecificOutput"]["permissionDecision"], "deny");
    let answer = tell(Client::ClaudeCode, "UserPromptSubmit").await.unwrap();
    assert_eq!(answer["decision"], "block");
    let answer = tell(Client::Mcp, "PreToolUse").await.unwrap();
    assert_eq!(answer["verdict"], "deny");
    assert!(
        tell(Client::PermissionPrompt, "PermissionRequest")
            .await
            .is_err()
    );
    // It has happened already.
    assert!(tell(Client::ClaudeCode, "PostToolUse").await.is_err());
    let told = told_of(&node.reader);
    let verdicts: Vec<HookVerdict> = told.iter().map(|told| told.verdict).collect();
    use HookVerdict::{Deny, Pass};
    assert_eq!(verdicts, [Deny, Deny, Deny, Deny, Pass]);
    let by = |told: &HookReported| {
        told.by
            .as_ref()
            .is_some_and(|by| by.as_str() == "unscanned")
    };
    assert!(told.iter().all(|told| by(told) && told.tool.is_none()));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/otlp/v1/logs", listener.local_addr().unwrap());
    let serving = listen::serve(
        listener,
        router(node.clone()),
        std::future::pending(),
        Duration::ZERO,
    );
    tokio::spawn(serving);
    let size = node.reader.size();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.post(url).bearer_auth(token.reveal());
    let sent = sent.header("content-type", "application/json");
    let answer = sent.body(r#"{"resourceLogs":[]}"#).send().await.unwrap();
    assert_eq!(answer.status(), 503, "{:?}", answer.text().await);
    assert_eq!(node.reader.size(), size);
}
