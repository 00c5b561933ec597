//! The official clients against the gateway: code that we did not write decides what works.

#[path = "../../../../tests/daicho/world/cannot_run.rs"]
mod cannot_run;

use super::*;
use serde_json::Value;
use std::process::Command;

/// Results of a client by scenario; `None` where it is not installed.
fn run(world: &World, base: &str, mut client: Command, installed: bool) -> Option<Value> {
    if !installed {
        cannot_run::cannot_run("sdk", "the client is not there (tests/install-sdks)");
        return None;
    }
    // The clients look for profiles in HOME and for settings in the environment.
    let home = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    client.args([base, world.token.reveal(), SECRET]);
    client
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.path())
        .env("PYTHONUTF8", "1");
    let output = client.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A provider that halts after each event, for longer than the gateway waits before it shows a sign
/// of life: they are in every stream that a client reads here.
async fn halting() -> World {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let upstream = Arc::new(Scripted::default());
    let routes = crate::demo::upstream::routes(Arc::clone(&upstream));
    let routes = routes.layer(axum::middleware::map_response(halts));
    let base = format!("http://{}", serve(routes).await);
    let patience = Patience {
        ping: Duration::from_millis(1),
        ..Patience::USUAL
    };
    let rest = (base, LimitPolicy::default(), patience);
    let world = world_with(dir, clock, upstream, rest).await;
    let asked = ask("plain", true);
    let seen = world.message(asked).await.text().await.unwrap();
    assert!(seen.matches("{\"type\": \"ping\"}").count() > 5, "{seen}");
    world
}

async fn halts(response: Response) -> Response {
    let (head, body) = response.into_parts();
    let pieces = body.into_data_stream().flat_map(|chunk| {
        let pieces: Vec<_> = match chunk {
            Ok(chunk) => {
                let mut pieces = Vec::new();
                let mut rest = chunk;
                while let Some(end) = rest.windows(2).position(|ends| ends == b"\n\n") {
                    pieces.push(Ok(rest.split_to(end + 2)));
                }
                pieces.push(Ok(rest));
                pieces
            }
            Err(error) => vec![Err(error)],
        };
        futures_util::stream::iter(pieces)
    });
    let pieces = pieces.then(|piece| async {
        tokio::time::sleep(Duration::from_millis(4)).await;
        piece
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

fn has(python: &Path, package: &str) -> bool {
    let import = format!("import {package}");
    let found = Command::new(python).args(["-c", &import]).output();
    found.is_ok_and(|found| found.status.success())
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_works() {
    python("venv").await;
}

/// It sends `x-api-key` and the API version of 2023.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_of_the_older_line_works() {
    python("venv-1").await;
}

async fn python(venv: &str) {
    let python = tests().join(".tools").join(venv).join("bin/python");
    let mut client = Command::new(&python);
    client.arg(tests().join("sdk/anthropic_client.py"));
    let world = halting().await;
    if let Some(results) = run(&world, &world.base, client, has(&python, "anthropic")) {
        world.gateway.idle().await; // who left early has left a call to be ended
        check(&world, &results);
        let raised = |scenario: &str| results[scenario]["raised"].as_str().unwrap().to_owned();
        assert_eq!(raised("blocked"), "PermissionDeniedError");
        assert_eq!(raised("error_529"), "OverloadedError");
        assert_eq!(raised("wrong_token"), "AuthenticationError");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_client_works() {
    let mut client = Command::new("node");
    client.arg(tests().join("sdk/anthropic-client.mjs"));
    let world = halting().await;
    if let Some(results) = run(
        &world,
        &world.base,
        client,
        tests()
            .join(".tools/node_modules/@anthropic-ai/sdk")
            .exists(),
    ) {
        world.gateway.idle().await; // who left early has left a call to be ended
        check(&world, &results);
        assert_eq!(results["blocked"]["raised"], "PermissionDeniedError");
        assert_eq!(results["wrong_token"]["raised"], "AuthenticationError");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_python_client_works() {
    let python = tests().join(".tools/venv/bin/python");
    let mut client = Command::new(&python);
    client.arg(tests().join("sdk/openai_client.py"));
    openai(client, has(&python, "openai")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_node_client_works() {
    let mut client = Command::new("node");
    client.arg(tests().join("sdk/openai-client.mjs"));
    openai(client, tests().join(".tools/node_modules/openai").exists()).await;
}

async fn openai(client: Command, installed: bool) {
    let world = halting().await;
    let base = format!("{}/v1", world.openai);
    let Some(results) = run(&world, &base, client, installed) else {
        return;
    };
    world.gateway.idle().await;
    let ok = |scenario: &str| match &results[scenario]["ok"] {
        Value::Null => panic!("{scenario}: {}", results[scenario]),
        found => found.clone(),
    };
    for scenario in ["chat", "chat_stream", "response", "response_stream"] {
        let text = ok(scenario)["text"].as_str().unwrap().to_owned();
        assert!(
            text.starts_with("承知しました") && !text.contains("山田太郎"),
            "{text}"
        );
        assert!(ok(scenario)["output_tokens"].as_u64().unwrap() > 0);
    }
    for scenario in ["chat_tool", "response_tool", "response_tool_stream"] {
        let tool = ok(scenario)["tool"].clone();
        assert_eq!(tool["name"], "get_weather", "{scenario}");
        assert_eq!(tool["arguments"]["city"], "東京");
        assert!(ok(scenario)["second"].as_str().unwrap().contains("21度"));
    }
    assert_eq!(ok("models")[1], "claude-scripted-tool");
    let status = |scenario: &str| results[scenario]["status"].as_u64();
    for scenario in ["chat_blocked", "chat_blocked_stream", "response_blocked"] {
        assert_eq!(status(scenario), Some(403), "{}", results[scenario]);
        assert_eq!(results[scenario]["raised"], "PermissionDeniedError");
        let message = results[scenario]["message"].as_str().unwrap();
        assert!(message.contains("never be sent"), "{message}");
    }
    assert_eq!(results["wrong_token"]["raised"], "AuthenticationError");
    assert_eq!(results["wrong_token"]["code"], "invalid_api_key");
    assert_eq!(results["background"]["raised"], "BadRequestError");
    assert_eq!(results["embeddings"]["raised"], "PermissionDeniedError");
    for (scenario, expected) in [("error_400", 400), ("error_429", 429), ("error_500", 500)] {
        assert_eq!(status(scenario), Some(expected), "{}", results[scenario]);
        assert_eq!(results[scenario]["request_id"], "req_scripted_error");
    }
    assert_eq!(status("broken"), Some(502), "{}", results["broken"]);
    for scenario in ["broken_stream", "failing_stream"] {
        let found = &results[scenario];
        assert!(found["raised"].is_string(), "{scenario}: {found}");
    }
    let count = |kind: &str| world.entries().iter().filter(|e| e.kind() == kind).count();
    assert_eq!(count("payload.blocked"), 3, "a block is not tried again");
    assert_eq!((count("tool.called"), count("tool.returned")), (3, 3));
    assert!(world.upstream.received().iter().all(|received| {
        let body = String::from_utf8_lossy(&received.body);
        !body.contains("山田太郎") && !body.contains(SECRET)
    }));
    world.check();
}

fn check(world: &World, results: &Value) {
    let ok = |scenario: &str| match &results[scenario]["ok"] {
        Value::Null => panic!("{scenario}: {}", results[scenario]),
        found => found.clone(),
    };
    for scenario in ["create", "create_with_auth_token", "beta", "stream"] {
        let text = ok(scenario)["text"].as_str().unwrap().to_owned();
        assert!(
            text.starts_with("承知しました") && !text.contains("山田太郎"),
            "{text}"
        );
        assert_eq!(ok(scenario)["stop_reason"], "end_turn");
    }
    assert_eq!(ok("stream")["joined"], ok("create")["text"]);
    assert!(ok("stream")["parts"].as_u64().unwrap() > 3);
    let events = ok("raw_stream");
    let events: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e.as_str().unwrap())
        .collect();
    assert_eq!(
        (events[0], *events.last().unwrap()),
        ("message_start", "message_stop")
    );
    for scenario in ["tool_use", "tool_use_streamed"] {
        let tool = ok(scenario)["first"]["tools"][0].clone();
        assert_eq!(
            (&tool["name"], &tool["input"]["city"]),
            (&"get_weather".into(), &"東京".into())
        );
    }
    assert!(
        ok("tool_use")["second"]["text"]
            .as_str()
            .unwrap()
            .contains("21度")
    );
    assert!(ok("count_tokens").as_u64().unwrap() > 0);
    assert_eq!(ok("models")[1], "claude-scripted-tool");

    let status = |scenario: &str| results[scenario]["status"].as_u64();
    for scenario in ["blocked", "blocked_stream"] {
        assert_eq!(status(scenario), Some(403), "{}", results[scenario]);
        assert_eq!(results[scenario]["kind"], "permission_error");
        assert!(
            results[scenario]["message"]
                .as_str()
                .unwrap()
                .contains("never be sent")
        );
    }
    assert_eq!(status("wrong_token"), Some(401));
    for (scenario, expected) in [
        ("error_400", 400),
        ("error_401", 401),
        ("error_429", 429),
        ("error_529", 529),
        ("error_529_stream", 529),
    ] {
        assert_eq!(status(scenario), Some(expected), "{}", results[scenario]);
        assert_eq!(results[scenario]["request_id"], "req_scripted_error");
    }
    assert_eq!(status("broken"), Some(502), "{}", results["broken"]);
    for scenario in ["broken_stream", "failing_stream"] {
        assert!(
            results[scenario]["raised"].is_string(),
            "{}",
            results[scenario]
        );
    }

    let count = |kind: &str| world.entries().iter().filter(|e| e.kind() == kind).count();
    assert_eq!(count("payload.blocked"), 2, "a block is not tried again");
    assert_eq!(count("tool.called"), 2);
    assert_eq!(count("tool.returned"), 1);
    assert!(world.upstream.received().iter().all(|received| {
        let body = String::from_utf8_lossy(&received.body);
        !body.contains("山田太郎") && !body.contains(SECRET)
    }));
    world.check();
}
