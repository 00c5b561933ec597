//! What the log holds counts from the next decision on, however far behind the views are.

use super::*;
use schemas::kinds::agents::{AgentReason, AgentSuspended, AgentUpdated};
use schemas::kinds::people::{ConsentGiven, ConsentWithdrawn};

fn suspended() -> AgentSuspended {
    AgentSuspended {
        agent: "cfo".parse().unwrap(),
        reason: AgentReason::Requested,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_agent_is_out_at_once_at_every_door() {
    let world = world().await;
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    world.append_unseen(suspended());
    assert!(!world.views.are_current());
    let (status, _, message) = error_of(world.message(ask("plain", false)).await).await;
    assert!(status == 403 && message.contains("suspended"), "{message}");
    assert_eq!(world.hits(), 1);
    world.check();

    let dir = tempfile::tempdir().unwrap();
    let (node, [token]) = slow_rules::node(dir.path(), Duration::from_secs(60), ["cfo"]);
    let base = slow_rules::served(&node).await;
    let by = "user:s001".parse().unwrap();
    let event = Event::new(node.appender.new_id(), by, suspended());
    node.appender.append(vec![event.into()]).unwrap();
    let hook = r#"{"hook_event_name":"PreToolUse","tool_name":"Read","tool_input":{}}"#;
    for (path, body) in [
        ("/hooks/claude-code", hook),
        ("/hooks/mcp", hook),
        ("/otlp/v1/logs", r#"{"resourceLogs":[]}"#),
        ("/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
    ] {
        let request = world.http.post(format!("{base}{path}"));
        let request = request.header("content-type", "application/json");
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.bearer_auth(token.reveal()).body(body).send().await;
        assert_eq!(answer.unwrap().status(), 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_withdrawn_while_a_body_is_on_its_way_does_not_let_it_go() {
    let world = world().await;
    let (subject, purpose) = ("s001".parse::<schemas::Name>().unwrap(), "cfo");
    world.append(AgentUpdated {
        agent: "cfo".parse().unwrap(),
        role: None,
        data_class: Some(DataClass::Mail),
        token_sha256: None,
        token_until: None,
        model: None,
        person: Some(subject.clone()),
    });
    world.append_unseen(ConsentGiven {
        subject: subject.clone(),
        purpose: purpose.parse().unwrap(),
        data_class: DataClass::Mail,
        until: None,
    });
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);

    let asked = ask("plain", false);
    let (begin, rest) = asked.split_at(40);
    let (go, wait) = oneshot::channel();
    let rest = rest.to_owned();
    let rest = async move {
        let _ = wait.await;
        Ok::<_, std::convert::Infallible>(rest)
    };
    let begin = futures_util::stream::iter([Ok(begin.to_owned())]);
    let pieces = begin.chain(futures_util::stream::once(rest));
    let slow = world.message(reqwest::Body::wrap_stream(pieces));
    let withdrawn = async {
        while world.gateway.load().0 == 0 {
            tokio::task::yield_now().await;
        }
        world.append_unseen(ConsentWithdrawn {
            subject,
            purpose: purpose.parse().unwrap(),
            data_class: DataClass::Mail,
        });
        go.send(()).unwrap();
    };
    let (answer, ()) = tokio::join!(slow, withdrawn);
    let (status, kind, _) = error_of(answer).await;
    assert_eq!((status, kind.as_str()), (403, "permission_error"));
    assert_eq!(world.hits(), 1);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_to_its_end_lets_nothing_go() {
    let world = world().await;
    world.append_unseen(suspended());
    let log = world._dir.path().join("log/00000000000000000000.ndjson");
    let mut bytes = std::fs::read(&log).unwrap();
    let kind = b"agent.suspended";
    let mut places = bytes.windows(kind.len());
    let place = places.rposition(|bytes| bytes == kind).unwrap();
    bytes[place] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let (status, kind, message) = error_of(world.message(ask("plain", false)).await).await;
    assert_eq!((status, kind.as_str()), (503, "api_error"));
    assert!(message.contains("nothing was sent"), "{message}");
    assert_eq!(world.hits(), 0);
}
