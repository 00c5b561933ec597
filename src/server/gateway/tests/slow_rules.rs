//! Rules that come to no end in time, wherever they look.

use super::bad_input::refusals;
use super::failures::outcome;
use super::*;
use crate::config::{Config, write_default};
use crate::server::gateway::hooks::tell;
use crate::server::gateway::patience::Late;
use crate::server::{Node, listen, router};
use agents::hooks::Client;
use ledger::Layout;
use schemas::kinds::hooks::{HookReported, HookVerdict};
use schemas::kinds::traffic::{FailedOutcome, RefusalReason, RequestRefused};
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
    // That it was refused is on record, and nothing of what it said.
    let refused = ["prompt.submitted", "payload.blocked"];
    assert_eq!(world.kinds()[..2], refused);
    let recorded = &world.entries()[2..];
    assert!(recorded.iter().all(|entry| entry.content().is_empty()));
    let Data::PromptSubmitted(prompt) = recorded[0].data() else {
        panic!()
    };
    assert!(prompt.body_bytes > long.len() as u64 && prompt.model.is_none());
    let blocked = blocks(recorded);
    assert_eq!(blocked[0].call, prompt.call);
    assert_eq!(blocked[0].reasons, [unscanned()]);
    // The second stands there too, or is counted.
    assert!((1..=2).contains(&blocked.len()));

    // Nor does the question for the models leave, in whose address anything could stand.
    let token = issue_token().unwrap();
    world.register("cto", &token);
    let models = world.http.get(format!("{}/v1/models", world.base));
    let models = models.bearer_auth(token.reveal()).send().await;
    assert_eq!(error_of(models.unwrap()).await.0, 503);
    assert_eq!(world.hits(), 0);
    let last = world.wait_for("rule.violated", 1);
    assert_eq!(last.actor().to_string(), "agent:cto");
    let Data::RuleViolated(violated) = last.data() else {
        panic!()
    };
    assert_eq!((&violated.rule, violated.count), (&unscanned().rule, 1));
    world.check();
}

fn blocks(entries: &[Entry]) -> Vec<PayloadBlocked> {
    let blocked = entries.iter().filter_map(|entry| match entry.data() {
        Data::PayloadBlocked(blocked) => Some(blocked.clone()),
        _ => None,
    });
    blocked.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_fail_are_on_record_as_those_that_are_late_and_none_is_left_uncounted() {
    let world = world().await;
    for _ in 0..20 {
        let id = world.appender.new_id();
        let call = Call::new(
            id,
            "cfo".parse().unwrap(),
            None,
            Operation::Messages,
            Label::lossy("api.example.com:443"),
        );
        let unscanned = call.unscanned(&agents::capture::Capture::new(b"{}".to_vec()));
        let policy = masker().policy();
        let record = move || unscanned.record(policy);
        let gateway = &world.gateway;
        let asking = gateway.asking_to_tell(id, &call.agent, "anthropic");
        let fault = gateway.unlooked(&asking, Late::Panicked, record).await;
        assert_eq!(fault.told().0, StatusCode::INTERNAL_SERVER_ERROR);
    }
    // The first by itself; what nothing follows is told at the end.
    world.gateway.settle(true);
    let blocked = blocks(&world.entries());
    assert!(blocked.iter().all(|one| one.reasons == [unscanned()]));
    let followed = refusals(&world.entries());
    let unscanned = |one: &RequestRefused| one.reason == RefusalReason::Unscanned;
    assert!(!followed.is_empty() && followed.iter().all(unscanned));
    let followed = followed.iter().map(|one| one.count).sum::<u64>();
    assert_eq!(blocked.len() as u64 + followed, 20);
    world.gateway.settle(true);
    let again = refusals(&world.entries())
        .iter()
        .map(|one| one.count)
        .sum::<u64>();
    assert_eq!(again, followed, "counted twice");
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

/// A server without a provider, whose rules are waited for so long, and agents' tokens.
pub(super) fn node<const N: usize>(
    dir: &Path,
    rules: Duration,
    agents: [&str; N],
) -> (Node, [Token; N]) {
    ledger::create(dir, "example.com/daicho", &SystemClock).unwrap();
    write_default(&Layout::new(dir)).unwrap();
    let mut node = Node::open(dir, Config::default(), Default::default()).unwrap();
    let gateway = Arc::get_mut(&mut node.gateway).expect("nobody else holds it yet");
    gateway.patience.rules = rules;
    let tokens = agents.map(|agent| {
        let token = issue_token().unwrap();
        let registered = AgentRegistered {
            agent: agent.parse().unwrap(),
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
        token
    });
    node.views.catch_up().unwrap();
    (node, tokens)
}

/// Where a server of this process is to be asked.
pub(super) async fn served(node: &Node) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = listen::serve(
        listener,
        router(node.clone()),
        std::future::pending(),
        Duration::ZERO,
        Arc::default(),
    );
    tokio::spawn(serving);
    base
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
    let (node, [token]) = node(dir.path(), Duration::ZERO, ["dev"]);
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

    let url = format!("{}/otlp/v1/logs", served(&node).await);
    let size = node.reader.size();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent = client.post(url).bearer_auth(token.reveal());
    let sent = sent.header("content-type", "application/json");
    let answer = sent.body(r#"{"resourceLogs":[]}"#).send().await.unwrap();
    assert_eq!(answer.status(), 503, "{:?}", answer.text().await);
    assert_eq!(node.reader.size(), size + 1);
    let entry = node.reader.entry(size).unwrap();
    let Data::RequestRefused(refused) = entry.data() else {
        panic!()
    };
    assert_eq!((refused.door.as_str(), refused.count), ("telemetry", 1));
    assert_eq!(refused.reason, RefusalReason::Unscanned);
}
