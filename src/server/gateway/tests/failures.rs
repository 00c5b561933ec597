use super::*;
use schemas::kinds::traffic::FailedOutcome;

const HOUR: i64 = 3_600_000_000;

pub fn outcome(entry: &Entry) -> FailedOutcome {
    match entry.data() {
        Data::ModelFailed(failed) => failed.outcome,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_write_refuses_and_sends_nothing() {
    let world = world().await;
    world.clock.0.store(-HOUR, Ordering::SeqCst);
    for streaming in [false, true] {
        let (status, kind, message) = error_of(world.message(ask("plain", streaming)).await).await;
        assert_eq!((status, kind.as_str()), (503, "api_error"));
        assert!(message.contains("nothing was sent"), "{message}");
    }
    assert_eq!((world.hits(), world.kinds().len()), (0, 0));
    world.clock.0.store(0, Ordering::SeqCst);
    assert_eq!(world.message(ask("plain", false)).await.status(), 200);
    world.check();
}

/// A provider that never stops.
async fn endless() -> String {
    let answer = || async {
        let event = format!("data: {}\n\n", "x".repeat(60_000));
        let events = futures_util::stream::repeat(event);
        let body = Body::from_stream(events.map(Ok::<_, std::convert::Infallible>));
        ([("content-type", "text/event-stream")], body)
    };
    format!("http://{}", serve(Router::new().fallback(answer)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up_and_never_sees_a_clean_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let patience = Patience {
        reader: Duration::from_millis(200),
        ..Patience::USUAL
    };
    let rest = (endless().await, LimitPolicy::default(), patience);
    let world = world_with(dir, clock, Arc::default(), rest).await;
    let address = world.base.trim_start_matches("http://");
    let address = address.trim_end_matches("/anthropic");
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let (asked, token) = (ask("plain", true), world.token.reveal());
    let request = format!(
        "POST /anthropic/v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: {token}\r\n\
         content-length: {}\r\n\r\n{asked}",
        asked.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let ended = world.wait_for("model.failed", 1);
    assert_eq!(outcome(&ended), FailedOutcome::ClientGone);
    world.gateway.idle().await;
    // It reads at last, what had been on its way.
    let mut seen = Vec::new();
    let _ = client.read_to_end(&mut seen).await;
    assert!(seen.starts_with(b"HTTP/1.1 200") && !seen.ends_with(b"\r\n0\r\n\r\n"));
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_recorded_never_looks_whole() {
    let world = world_watched(|_, clock| {
        Scripted::watched(move |_| clock.0.store(-HOUR, Ordering::SeqCst))
    })
    .await;
    let (status, kind, message) = error_of(world.message(ask("plain", false)).await).await;
    assert_eq!((status, kind.as_str()), (503, "api_error"));
    assert!(message.contains("withheld"), "{message}");
    world.clock.0.store(0, Ordering::SeqCst);
    let answer = world.message(ask("plain", true)).await;
    assert_eq!(answer.status(), 200);
    assert!(
        answer.bytes().await.is_err(),
        "the stream is cut, not ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_provider_pass_unchanged() {
    let world = world().await;
    for (count, word) in ["400", "401", "429", "500", "529"].into_iter().enumerate() {
        for streaming in [false, true] {
            let direct = world
                .http
                .post(format!("{}/v1/messages", world.upstream_base));
            let direct = direct.body(ask(word, streaming)).send().await.unwrap();
            let through = world.message(ask(word, streaming)).await;
            assert_eq!(through.status(), direct.status());
            for name in ["request-id", "retry-after", "content-type"] {
                assert_eq!(through.headers()[name], direct.headers()[name]);
            }
            assert_eq!(
                through.bytes().await.unwrap(),
                direct.bytes().await.unwrap()
            );
        }
        let entry = world.wait_for("model.failed", 2 * count + 2);
        let Data::ModelFailed(failed) = entry.data() else {
            panic!()
        };
        assert_eq!(outcome(&entry), FailedOutcome::UpstreamError);
        assert_eq!(failed.status.unwrap().to_string(), word);
        assert!(
            world
                .content(&entry, "response")
                .starts_with(b"{\"type\": \"error\",  ")
        );
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_never_looks_whole() {
    let world = world().await;
    let answer = world.message(ask("break", true)).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    assert_eq!(
        outcome(&world.wait_for("model.failed", 1)),
        FailedOutcome::UpstreamBroke
    );
    let (status, kind, _) = error_of(world.message(ask("break", false)).await).await;
    assert_eq!((status, kind.as_str()), (502, "api_error"));
    let entry = world.wait_for("model.failed", 2);
    assert_eq!(outcome(&entry), FailedOutcome::UpstreamBroke);
    assert!(world.content(&entry, "response").starts_with(b"{\""));
    let answer = world.message(ask("fails", true)).await;
    assert!(answer.text().await.unwrap().contains("overloaded_error"));
    assert_eq!(
        outcome(&world.wait_for("model.failed", 3)),
        FailedOutcome::UpstreamError
    );
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there_is_said_to_be_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let world = world_before(dir, clock, Arc::default(), format!("http://{closed}")).await;
    let (status, kind, message) = error_of(world.message(ask("plain", true)).await).await;
    assert_eq!((status, kind.as_str()), (502, "api_error"));
    assert!(message.contains(&closed.to_string()) && message.contains("nothing was sent"));
    assert_eq!(
        outcome(&world.wait_for("model.failed", 1)),
        FailedOutcome::Unreachable
    );
    world.check();
}

/// A provider that leads elsewhere, and says that it does so in a stream.
async fn leading_away() -> String {
    let answer = || async {
        let head = [
            ("content-type", "text/event-stream"),
            ("location", "https://example.com/"),
        ];
        (StatusCode::TEMPORARY_REDIRECT, head, "data: {}\n\n")
    };
    format!("http://{}", serve(Router::new().fallback(answer)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed_nor_passed() {
    let (dir, clock) = (tempfile::tempdir(), OffClock(AtomicI64::new(0)));
    let clock = Arc::new(clock);
    let streams = world_before(dir.unwrap(), clock, Arc::default(), leading_away().await).await;
    for (world, asked) in [
        (world().await, ask("redirect", false)),
        (streams, ask("plain", true)),
    ] {
        let answer = world.message(asked).await;
        assert!(!answer.headers().contains_key("location"));
        assert_eq!(error_of(answer).await.0, 502);
        assert_eq!(
            outcome(&world.wait_for("model.failed", 1)),
            FailedOutcome::UpstreamError
        );
        world.check();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_answer_that_nobody_asked_for_is_unpacked_or_withheld() {
    let world = world().await;
    let plain = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (0..9).fold(text, |text, n| text.replace(&format!("_000{n}"), ""))
    };
    let packed = [false, true].map(|streaming| [("gzip", streaming), ("deflate", streaming)]);
    for (count, (coding, streaming)) in packed.into_iter().flatten().enumerate() {
        let asked = ask("plain", streaming);
        let readable = world.message(asked.clone()).await.bytes().await.unwrap();
        let answer = world.message(ask(coding, streaming)).await;
        assert!(!answer.headers().contains_key("content-encoding"));
        let answer = answer.bytes().await.unwrap();
        let named = format!("-{coding}");
        assert_eq!(plain(&answer), plain(&readable).replace("-plain", &named));
        let entry = world.wait_for("model.responded", 2 * count + 2);
        assert_eq!(world.content(&entry, "response"), answer);
    }
    let (status, kind, message) = error_of(world.message(ask("br", false)).await).await;
    assert_eq!((status, kind.as_str()), (502, "api_error"));
    assert!(message.contains("coding"), "{message}");
    let entry = world.wait_for("model.failed", 1);
    assert_eq!(outcome(&entry), FailedOutcome::UpstreamBroke);
    world.check();
}
