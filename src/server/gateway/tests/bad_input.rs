use super::*;
use schemas::kinds::agents::{AgentReason, AgentRetired, AgentSuspended};
use schemas::kinds::traffic::{RefusalReason, RequestRefused};

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_are_named_and_counted_and_nothing_of_them_is_kept() {
    let world = world().await;
    let bad: [(&[u8], &str); 6] = [
        (b"{\"model\": ", "malformed"),
        (b"", "empty"),
        (b"[1, 2]", "no object"),
        (b"\"text\"", "no object"),
        (b"{\"model\":\"\xff\xfe\"}", "no UTF-8"),
        (b"{} trailing", "more than one"),
    ];
    for (body, what) in bad {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let answer = world.post(path, body.to_vec()).send().await.unwrap();
            assert_eq!(answer.headers()["x-should-retry"], "false");
            let (status, kind, message) = error_of(answer).await;
            assert_eq!(
                (status, kind.as_str()),
                (400, "invalid_request_error"),
                "{what}"
            );
            assert!(message.contains("nothing was sent"), "{message}");
        }
    }
    let packed = world
        .post("/v1/messages", "{}")
        .header("content-encoding", "gzip");
    assert_eq!(error_of(packed.send().await.unwrap()).await.0, 415);
    for query in [
        "?q=%E5%B1",
        "?note=%4",
        &format!("?q={}", "x".repeat(4 << 10)),
    ] {
        let answer = world
            .post(&format!("/v1/messages{query}"), "{}")
            .send()
            .await
            .unwrap();
        let (status, _, message) = error_of(answer).await;
        assert_eq!(status, 400);
        assert!(message.contains("query"), "{message}");
    }
    assert_eq!(world.hits(), 0);
    // Once a second of a kind, and none is left uncounted.
    world.gateway.settle(true);
    let told = refusals(&world.entries());
    let of = |reason| -> u64 {
        let of = told.iter().filter(|refused| refused.reason == reason);
        of.map(|refused| refused.count).sum()
    };
    use RefusalReason::{Encoded, Malformed, Query};
    assert_eq!([of(Malformed), of(Encoded), of(Query)], [12, 1, 3]);
    assert_eq!(told.iter().map(|refused| refused.count).sum::<u64>(), 16);
    assert!(
        told.iter()
            .all(|refused| refused.door.as_str() == "anthropic")
    );
    assert!(told.len() < 16, "an entry for each: {}", told.len());
    assert!(
        world.entries()[2..]
            .iter()
            .all(|entry| entry.content().is_empty() && entry.actor().to_string() == "agent:cfo")
    );
    world.gateway.settle(true);
    assert_eq!(refusals(&world.entries()), told, "counted twice");
}

/// What was refused unread.
pub fn refusals(entries: &[Entry]) -> Vec<RequestRefused> {
    let refused = entries.iter().filter_map(|entry| match entry.data() {
        Data::RequestRefused(refused) => Some(refused.clone()),
        _ => None,
    });
    refused.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let world = world().await;
    let sized = |bytes: usize| {
        let body = r#"{"model":"claude-plain","messages":[]}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let at_limit = sized(BODY_LIMIT);
    assert_eq!(at_limit.len(), BODY_LIMIT);
    let (status, kind, message) = error_of(world.message(at_limit.clone() + " ").await).await;
    assert_eq!((status, kind.as_str()), (413, "request_too_large"));
    assert!(message.contains("32 MB"), "{message}");
    assert_eq!((world.hits(), world.kinds()), (0, vec!["request.refused"]));
    assert_eq!(refusals(&world.entries())[0].reason, RefusalReason::TooLong);
    assert_eq!(world.message(at_limit).await.status(), 200);
}

/// One byte, and again after a while, for ever.
fn dripping(every: Duration) -> Body {
    let drops = futures_util::stream::repeat(()).then(move |()| async move {
        tokio::time::sleep(every).await;
        Ok::<_, std::convert::Infallible>("x")
    });
    Body::from_stream(drops)
}

#[tokio::test]
async fn a_body_that_drips_or_stalls_is_not_waited_for() {
    let (brief, long) = (Duration::from_millis(50), Duration::from_secs(600));
    for (every, patience, all) in [(brief / 10, long, brief), (long, brief, long)] {
        let reading = Reading::new(&HeaderMap::new(), dripping(every), patience, all);
        let Err(NotRead::Unread(reason)) = reading.whole().await else {
            panic!("it was waited for");
        };
        let (status, message) = refused::unread(reason).told();
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{message}");
        assert_eq!(reason, RefusalReason::TooSlow);
    }
    let whole = Reading::new(&HeaderMap::new(), Body::from("xy"), brief, brief);
    assert_eq!(whole.whole().await.ok().unwrap().as_slice(), b"xy");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let world = world().await;
    let refused = [
        ("/v1/messages/batches", "by itself"),
        ("/v1/files", "put the text into a message"),
        ("/v1/complete", "[anthropic] paths"),
        ("/v1/organizations", "[anthropic] paths"),
        ("/v1/%E5%B1%B1", "[anthropic] paths"),
    ];
    for (path, reason) in refused {
        let answer = world.post(path, "{}").send().await.unwrap();
        assert_eq!(answer.headers()["x-should-retry"], "false");
        let (status, kind, message) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (403, "permission_error"), "{path}");
        assert!(message.contains(reason), "{message}");
    }
    // Nor by another method, nor of the other provider.
    let (batch, files) = ("/v1/messages/batches/msgbatch_1", "/v1/files/file_1");
    let (get, delete) = (reqwest::Method::GET, reqwest::Method::DELETE);
    for (method, path) in [
        (&get, format!("{batch}/results")),
        (&get, batch.to_owned()),
        (&delete, batch.to_owned()),
        (&get, format!("{files}/content")),
        (&delete, files.to_owned()),
    ] {
        let url = format!("{}{path}", world.base);
        let request = world.http.request(method.clone(), url);
        let answer = request.bearer_auth(world.token.reveal()).send().await;
        assert_eq!(error_of(answer.unwrap()).await.0, 403, "{method} {path}");
    }
    for path in ["/v1/files", "/v1/batches", "/v1/uploads"] {
        let request = world.http.post(format!("{}{path}", world.openai));
        let answer = request.bearer_auth(world.token.reveal()).body("{}").send();
        assert_eq!(answer.await.unwrap().status(), 403, "{path}");
    }
    let denied: Vec<_> = world.entries()[2..]
        .iter()
        .map(|entry| match entry.data() {
            Data::AccessDenied(denied) => denied.resource.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let named = [
        "POST /v1/messages/batches",
        "POST /v1/files",
        "POST /v1/complete",
        "POST /v1/organizations",
        "an unlisted path",
        "GET /v1/messages/batches/msgbatch_1/results",
        "GET /v1/messages/batches/msgbatch_1",
        "DELETE /v1/messages/batches/msgbatch_1",
        "GET /v1/files/file_1/content",
        "DELETE /v1/files/file_1",
        "POST /v1/files",
        "POST /v1/batches",
        "POST /v1/uploads",
    ];
    assert_eq!(denied, named);
    let open = world.http.post(format!("{}/v1/files", world.base));
    assert_eq!(error_of(open.send().await.unwrap()).await.0, 401);
    let nothing = world.post("/nothing", "{}").send().await.unwrap();
    let (status, kind, _) = error_of(nothing).await;
    assert_eq!((status, kind.as_str()), (404, "not_found_error"));
    let get = world
        .http
        .get(format!("{}/v1/messages", world.base))
        .send()
        .await
        .unwrap();
    assert_eq!(error_of(get).await.0, 405);
    assert_eq!((world.hits(), world.kinds().len()), (0, named.len() + 1));
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_of_an_active_agent_opens_the_door() {
    let world = world().await;
    let post = || {
        world
            .http
            .post(format!("{}/v1/messages", world.base))
            .body(ask("plain", false))
    };
    let good = world.token.reveal();
    let other = issue_token().unwrap();
    let refused = [
        post(),
        post().bearer_auth("dct_wrong"),
        post().header("x-api-key", "sk-ant-something"),
        post().header("authorization", format!("Basic {good}")),
        post().bearer_auth(good).header("x-api-key", other.reveal()),
        post()
            .header("x-api-key", good)
            .header("x-api-key", other.reveal()),
        post().header("x-api-key", &b"\xff\xfe"[..]),
        post().header("x-api-key", ""),
    ];
    for request in refused {
        let (status, kind, message) = error_of(request.send().await.unwrap()).await;
        assert_eq!((status, kind.as_str()), (401, "authentication_error"));
        assert!(!message.contains("wrong") && !message.contains(good));
    }
    assert_eq!(world.hits(), 0);
    let failed: Vec<_> = world
        .entries()
        .into_iter()
        .filter(|e| e.kind() == "auth.failed")
        .collect();
    // Two reasons from one address; a new minute may have begun in between.
    assert!((2..=4).contains(&failed.len()), "{}", failed.len());
    let Data::AuthFailed(first) = failed[0].data() else {
        panic!()
    };
    assert_eq!(
        (
            first.reason.to_string(),
            first.source.as_ref().unwrap().as_str()
        ),
        ("missing".into(), "127.0.0.1")
    );
    assert_eq!(
        post()
            .bearer_auth(good)
            .header("x-api-key", good)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );

    let reason = AgentReason::Requested;
    world.append(AgentSuspended {
        agent: "cfo".parse().unwrap(),
        reason,
    });
    let (status, kind, message) = error_of(post().bearer_auth(good).send().await.unwrap()).await;
    assert_eq!((status, kind.as_str()), (403, "permission_error"));
    assert!(message.contains("cfo is suspended"), "{message}");
    world.append(AgentRetired {
        agent: "cfo".parse().unwrap(),
        reason,
    });
    let (status, _, message) = error_of(post().bearer_auth(good).send().await.unwrap()).await;
    assert!(status == 403 && message.contains("retired"), "{message}");
    let Data::AuthFailed(last) = world
        .wait_for("auth.failed", failed.len() + 2)
        .data()
        .clone()
    else {
        panic!()
    };
    assert_eq!(last.subject.unwrap().to_string(), "agent:cfo");
    assert_eq!(world.hits(), 1);
    world.check();
}

#[test]
fn an_upstream_must_be_an_address_that_keeps_the_key_safe() {
    let new = |base: &str| {
        Upstream::new(
            Provider::Anthropic,
            base,
            ProviderKey::new(PROVIDER_KEY).unwrap(),
            KeyHeader::XApiKey,
        )
    };
    let sound = new("https://api.anthropic.com").unwrap();
    assert_eq!(sound.destination().as_str(), "api.anthropic.com:443");
    for bad in [
        "http://api.anthropic.com",
        "https://user@example.com",
        "ftp://127.0.0.1",
        "example.com",
        "https://example.com?a=b",
        "",
    ] {
        assert!(new(bad).is_err(), "{bad}");
    }
    let at = |text: &str| sound.url(&text.parse().unwrap());
    assert_eq!(
        at("/v1/messages?beta=true").unwrap(),
        "https://api.anthropic.com/v1/messages?beta=true"
    );
    assert_eq!(
        at("/v1/messages?a=%41+b").unwrap(),
        "https://api.anthropic.com/v1/messages?a=%41+b"
    );
    assert_eq!(at("/v1/%41"), None);
    for bad in ["", " ", "a b", "鍵", "line\nbreak"] {
        assert!(ProviderKey::new(bad).is_err());
    }
}
