use super::*;
use axum::body::Bytes;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_unrecorded() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let found = Arc::clone(&seen);
    let world = world_watched(move |dir, _| {
        Scripted::watched(move |received| {
            found.lock().unwrap().push(recorded_before(&dir, received))
        })
    })
    .await;
    for streaming in [false, true] {
        let asked = ask("plain", streaming).replace("明日", "山田太郎様、明日");
        let answer = world.message(asked.clone()).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        world
            .post("/v1/messages/count_tokens", asked)
            .send()
            .await
            .unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [true; 4]);
    world.check();
}

/// Does the ledger on disk already hold what has just arrived at the provider?
fn recorded_before(dir: &Path, received: &Received) -> bool {
    let reader = Reader::open(dir).unwrap();
    let size = reader.size();
    let newest: Vec<_> = reader.entries(size - 2..size).map(Result::unwrap).collect();
    let Data::PayloadMasked(masked) = newest[1].data() else {
        return false;
    };
    assert_eq!(newest[0].id(), masked.call);
    newest[0].kind() == "prompt.submitted"
        && String::from_utf8(content(&reader, &newest[0], "request"))
            .unwrap()
            .contains("山田太郎")
        && content(&reader, &newest[1], "payload") == received.body
        && !String::from_utf8_lossy(&received.body).contains("山田太郎")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_sends_the_same_bytes() {
    let world = world().await;
    let odd = "{\"messages\" : [ {\"content\":\"\\u4f1a\\u8b70 \\/ 1.0\",\"role\":\"user\"} ],\n\t\"new_field\":[1.50e0, {}], \"model\":\"claude-plain\"}\n";
    for path in ["/v1/messages", "/v1/messages/count_tokens?beta=true"] {
        world.post(path, odd).send().await.unwrap();
        let received = world.upstream.received().pop().unwrap();
        assert_eq!(received.body, odd.as_bytes());
        assert_eq!(received.path_and_query, path);
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_cross_as_they_should() {
    let world = world().await;
    let request = world.post("/v1/messages?beta=true", ask("plain", false));
    let request = request
        .header("anthropic-beta", "a-1,b-2")
        .header("anthropic-beta", "c-3")
        .header("x-claude-code-session-id", "0b9c7f4e-session")
        .header("x-stainless-lang", "js")
        .header("user-agent", "Test/1")
        .header("accept-encoding", "gzip, deflate")
        .header("cookie", "private=1")
        .header("x-forwarded-for", "192.0.2.1");
    let answer = request.send().await.unwrap();
    assert_eq!(
        answer.headers()["request-id"],
        "req_scripted_0",
        "the provider's own"
    );
    let call = answer.headers()["daicho-call"].to_str().unwrap().to_owned();
    let headers = world.upstream.received().pop().unwrap().headers;
    assert_eq!(headers["x-api-key"], PROVIDER_KEY);
    assert_eq!(headers["accept-encoding"], "identity");
    assert_eq!(headers["user-agent"], "Test/1");
    assert_eq!(headers["anthropic-version"], "2026-10-21");
    let betas: Vec<_> = headers.get_all("anthropic-beta").iter().collect();
    assert_eq!(betas, ["a-1,b-2", "c-3"]);
    assert_eq!(headers["x-stainless-lang"], "js");
    for gone in ["authorization", "cookie", "x-forwarded-for"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
    assert!(!format!("{headers:?}").contains(world.token.reveal()));
    let entry = world.wait_for("prompt.submitted", 1);
    assert_eq!(entry.session().unwrap().as_str(), "0b9c7f4e-session");
    assert_eq!(
        (entry.actor().to_string(), entry.id().to_string()),
        ("agent:cfo".to_owned(), call)
    );
    // None of ours where none came.
    let bare = world.http.post(format!("{}/v1/messages", world.base));
    let bare = bare
        .bearer_auth(world.token.reveal())
        .body(ask("plain", false));
    assert_eq!(bare.send().await.unwrap().status(), 200);
    let bare = world.upstream.received().pop().unwrap().headers;
    assert!(
        !bare
            .keys()
            .any(|name| name.as_str().starts_with("anthropic-"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_addresses_pass_the_rules() {
    let world = world().await;
    // As clients send them: nothing is found, nothing is missing.
    let usual = [
        ("user-agent", "claude-cli/2.1.330 (external, cli)"),
        (
            "anthropic-beta",
            "claude-code-20250219,interleaved-thinking-2025-05-14",
        ),
        ("x-stainless-runtime-version", "v24.4.1"),
        ("x-stainless-os", "MacOS"),
        (
            "x-claude-code-session-id",
            "0b9c7f4e-1d2a-4b3c-9e8f-7a6b5c4d3e2f",
        ),
        (
            "x-client-request-id",
            "8a7b6c5d-4e3f-4a1b-8c9d-0e1f2a3b4c5d",
        ),
    ];
    let with = |request: reqwest::RequestBuilder, headers: &[(&'static str, &str)]| {
        headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value.to_string())
        })
    };
    let asked = || world.post("/v1/messages?beta=true", ask("plain", false));
    assert_eq!(with(asked(), &usual).send().await.unwrap().status(), 200);
    let received = world.upstream.received().pop().unwrap().headers;
    for (name, value) in usual {
        assert_eq!(received[name], value);
    }
    // Something personal: the header stays here.
    let personal = [
        ("user-agent", "Reports (hanako.sato@example.jp)"),
        ("x-stainless-lang", "js"),
    ];
    assert_eq!(with(asked(), &personal).send().await.unwrap().status(), 200);
    let received = world.upstream.received().pop().unwrap().headers;
    assert!(!received.contains_key("user-agent"));
    assert_eq!(received["x-stainless-lang"], "js");
    // 山田太郎 in Shift_JIS, which the rules do not read.
    let other = b"\x8e\x52\x93\x63\x91\xbe\x98\x59".as_slice();
    let other = asked().header("x-stainless-os", other);
    assert_eq!(other.send().await.unwrap().status(), 200);
    let received = world.upstream.received().pop().unwrap().headers;
    assert!(!received.contains_key("x-stainless-os"));
    // Something prohibited, in a header or in the address: nothing leaves.
    let hits = world.hits();
    for name in ["user-agent", "anthropic-beta", "x-claude-code-session-id"] {
        let answer = with(asked(), &[(name, SECRET)]).send().await.unwrap();
        assert_eq!(error_of(answer).await.0, 403, "{name}");
    }
    // However it is written there; what is somebody's is no address either.
    let escaped: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let queries = [
        SECRET,
        &escaped,
        "%E5%B1%B1%E7%94%B0%E5%A4%AA%E9%83%8E%E6%A7%98",
        "%E9%9B%BB%E8%A9%B1+090-1234-5678",
    ];
    for query in queries {
        let address = format!("/v1/messages?beta={query}");
        let answer = world.post(&address, ask("plain", false)).send().await;
        assert_eq!(error_of(answer.unwrap()).await.0, 403, "{query}");
    }
    for address in [
        format!("/v1/models/{SECRET}"),
        format!("/v1/models?after_id={SECRET}"),
        format!("/v1/models?after_id={escaped}"),
    ] {
        let get = world.http.get(format!("{}{address}", world.base));
        let answer = get.bearer_auth(world.token.reveal()).send().await.unwrap();
        assert_eq!(error_of(answer).await.0, 403);
    }
    assert_eq!(world.hits(), hits);
    assert_eq!(
        world
            .kinds()
            .iter()
            .filter(|k| **k == "payload.blocked")
            .count(),
        3 + queries.len()
    );
    assert_eq!(
        world.kinds()[world.kinds().len() - 3..],
        ["rule.violated"; 3]
    );
    // What says nothing of anybody passes as it was written.
    for query in ["?note=a+b", "?q=%E5%B1%B1&beta=%74rue", "?a[]=b;c*(d)~!@$|"] {
        let path = format!("/v1/messages{query}");
        let answer = world.post(&path, ask("plain", false)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{query}");
        let received = world.upstream.received().pop().unwrap();
        assert_eq!(received.path_and_query, path);
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_unchanged_and_is_recorded_whole() {
    let world = world().await;
    let direct = world
        .http
        .post(format!("{}/v1/messages", world.upstream_base));
    let direct = direct
        .body(ask("tool", true))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let answer = world.message(ask("tool", true)).await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let through = answer.bytes().await.unwrap();
    // The script numbers its answers; all else is equal.
    let plain = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .unwrap()
            .replace("0001", "0000")
    };
    assert_eq!(plain(&through), plain(&direct));
    // A clean end means recorded: no waiting here.
    assert_eq!(
        world.kinds(),
        [
            "prompt.submitted",
            "payload.masked",
            "model.responded",
            "tool.called"
        ]
    );
    let entry = world.wait_for("model.responded", 1);
    assert_eq!(world.content(&entry, "response"), through);
    let Data::ModelResponded(responded) = entry.data() else {
        panic!()
    };
    assert_eq!(responded.stop_reason.as_ref().unwrap().as_str(), "tool_use");
    assert!(
        responded.input_tokens.unwrap() > 0
            && responded.duration_micros >= responded.first_byte_micros
    );
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_passes_unchanged_in_both_directions() {
    let world = world().await;
    for streaming in [false, true] {
        let direct = world
            .http
            .post(format!("{}/v1/messages", world.upstream_base));
        let direct = direct
            .body(ask("thinking", streaming))
            .send()
            .await
            .unwrap();
        let direct = direct.text().await.unwrap();
        for part in ["signature", "redacted_thinking"] {
            assert!(direct.contains(part), "{direct}");
        }
        let through = world.message(ask("thinking", streaming)).await;
        let through = through.text().await.unwrap();
        // The script numbers its answers; all else is equal.
        let plain = |text: &str| {
            (0..9).fold(text.to_owned(), |text, n| {
                text.replace(&format!("_000{n}"), "")
            })
        };
        assert_eq!(plain(&through), plain(&direct));
        let entry = world.wait_for("model.responded", 1 + usize::from(streaming) * 3);
        assert_eq!(world.content(&entry, "response"), through.as_bytes());
        // And back, with all that the client got, beside something that is masked.
        let whole = world
            .message(ask("thinking", false))
            .await
            .text()
            .await
            .unwrap();
        let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
        let said = whole["content"].to_string();
        let asked = format!(
            r#"{{"model":"claude-plain","max_tokens":10,"messages":[{{"role":"user","content":"明日の会議は"}}, {{"role":"assistant","content":{said}}} ,{{"role":"user","content":"山田太郎様も"}}]}}"#
        );
        assert_eq!(world.message(asked.clone()).await.status(), 200);
        let received = world.upstream.received().pop().unwrap();
        let left = String::from_utf8(received.body.to_vec()).unwrap();
        assert!(left.contains(&said));
        assert_eq!(left, asked.replace("山田太郎", "Y.T."));
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_pass_while_the_provider_still_speaks() {
    let world = world().await;
    let mut answer = world.message(ask("hang", true)).await;
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: message_start"));
    drop(answer);
    let entry = world.wait_for("model.failed", 1);
    let Data::ModelFailed(failed) = entry.data() else {
        panic!()
    };
    assert_eq!(failed.outcome.to_string(), "client_gone");
    assert!(
        world.content(&entry, "response").starts_with(&first),
        "what came is kept"
    );
    world.gateway.idle().await;
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_head_cancels_the_call() {
    let world = world().await;
    let request = world.post("/v1/messages", ask("silent", true));
    let client = tokio::spawn(request.send());
    while world.hits() == 0 {
        tokio::task::yield_now().await;
    }
    client.abort();
    assert!(client.await.is_err());
    let entry = world.wait_for("model.failed", 1);
    let Data::ModelFailed(failed) = entry.data() else {
        panic!()
    };
    assert_eq!(
        (failed.outcome.to_string(), failed.status),
        ("client_gone".to_owned(), None)
    );
    while world.upstream.left() == 0 {
        tokio::task::yield_now().await;
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_answers_403_and_nothing_is_sent() {
    let world = world().await;
    for streaming in [false, true] {
        let asked = ask("plain", streaming).replace("明日", &format!("鍵は {SECRET} です。明日"));
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            let answer = world.post(path, asked.clone()).send().await.unwrap();
            assert_eq!(answer.headers()["x-should-retry"], "false");
            let (status, kind, message) = error_of(answer).await;
            assert_eq!((status, kind.as_str()), (403, "permission_error"));
            assert!(
                message.contains('×') && !message.contains("sk-ant"),
                "{message}"
            );
        }
    }
    assert_eq!(world.hits(), 0);
    assert_eq!(
        world.kinds(),
        ["prompt.submitted", "payload.blocked"].repeat(4)
    );
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_an_answer_is_passed_and_not_kept() {
    let world = world().await;
    for streaming in [false, true] {
        let answer = world.message(ask("secret", streaming)).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
    let last = [
        "prompt.submitted",
        "payload.masked",
        "model.responded",
        "rule.violated",
    ];
    assert_eq!(world.kinds(), last.repeat(2));
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_path_is_masked_and_recorded_like_a_call() {
    let world = world().await;
    let batch = r#"{"requests":[{"custom_id":"a","params":{"messages":[{"role":"user","content":"山田太郎様、明日"}]}}]}"#;
    let answer = world.post("/v1/listed/batches", batch).send().await;
    let lines = answer.unwrap().bytes().await.unwrap();
    let received = world.upstream.received().pop().unwrap();
    let left = String::from_utf8(received.body.to_vec()).unwrap();
    assert_eq!(left, batch.replace("山田太郎", "Y.T."));
    let get = world.http.get(format!("{}/v1/listed/results", world.base));
    let get = get.bearer_auth(world.token.reveal()).send().await.unwrap();
    assert_eq!(get.bytes().await.unwrap(), lines);
    let received = world.upstream.received().pop().unwrap();
    assert_eq!((received.method.as_str(), received.body.len()), ("GET", 0));
    let kinds = ["prompt.submitted", "payload.masked", "model.responded"];
    assert_eq!(world.kinds(), kinds.repeat(2));
    let entry = world.wait_for("prompt.submitted", 2);
    let Data::PromptSubmitted(prompt) = entry.data() else {
        panic!()
    };
    assert_eq!(prompt.operation.as_str(), "other");
    assert_eq!(
        prompt.path.as_ref().unwrap().as_str(),
        "GET /v1/listed/results"
    );
    let responded = world.wait_for("model.responded", 2);
    assert_eq!(world.content(&responded, "response"), lines);

    let hits = world.hits();
    let secret = world.post("/v1/listed/batches", batch.replace("明日", SECRET));
    assert_eq!(error_of(secret.send().await.unwrap()).await.0, 403);
    let upload = world.post("/v1/listed/files", "--boundary\r\n");
    let (status, _, message) = error_of(upload.send().await.unwrap()).await;
    assert!(status == 400 && message.contains("not JSON"), "{message}");
    let out = world.post("/v1/listed/../files", "{}").send().await;
    assert_eq!(error_of(out.unwrap()).await.0, 403);
    assert_eq!(world.hits(), hits);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_line_of_a_batch_s_results_is_passed_and_not_kept() {
    let world = world().await;
    let asked = world.post("/v1/listed/results", ask("secret", false));
    let lines = asked.send().await.unwrap().text().await.unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert!(lines.lines().all(|line| line.contains(SECRET)));
    let violated = world.wait_for("rule.violated", 1);
    let Data::RuleViolated(violated) = violated.data() else {
        panic!()
    };
    assert_eq!(violated.count, 2);
    let responded = world.wait_for("model.responded", 1);
    let kept = String::from_utf8(world.content(&responded, "response")).unwrap();
    assert_eq!(kept.matches("custom_id").count(), 2, "{kept}");
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_hello_answer() {
    let world = world().await;
    let get = |path: &str| world.http.get(format!("{}{path}", world.base));
    let answer = get("/v1/models?limit=1000")
        .header("x-api-key", world.token.reveal())
        .send()
        .await
        .unwrap();
    let list: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(list["data"][0]["id"], "claude-scripted");
    let received = world.upstream.received().pop().unwrap();
    assert_eq!(received.path_and_query, "/v1/models?limit=1000");
    assert_eq!(received.headers["x-api-key"], PROVIDER_KEY);
    assert_eq!(get("/v1/models").send().await.unwrap().status(), 401);
    let hello = format!("{}/api/hello", world.base);
    assert_eq!(world.http.head(&hello).send().await.unwrap().status(), 200);
    assert_eq!(world.http.get(&hello).send().await.unwrap().status(), 200);
    assert_eq!(world.hits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_models_that_does_not_end_is_not_read_to_the_end_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let endless = || async {
        let piece = Bytes::from(vec![b' '; 64 << 10]);
        let pieces = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(piece));
        Body::from_stream(pieces)
    };
    let provider = Router::new().route("/v1/models", get(endless));
    let base = format!("http://{}", serve(provider).await);
    let world = world_before(dir, clock, Arc::default(), base).await;
    let models = world.http.get(format!("{}/v1/models", world.base));
    let models = models.bearer_auth(world.token.reveal()).send().await;
    let (status, kind, message) = error_of(models.unwrap()).await;
    assert_eq!((status, kind.as_str()), (502, "api_error"));
    assert!(message.contains("list of models"), "{message}");
    world.gateway.idle().await;
    assert_eq!(world.gateway.load(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_policy_cannot_be_made_again_goes_on_under_the_one_in_force_and_says_so() {
    let world = world().await;
    let session = "0b9c7f4e-session";
    let gone = PayloadBlocked {
        call: world.appender.new_id(),
        destination: Label::lossy("api.test:443"),
        // Of rules that no program has any more.
        policy: Hash([9; 32]),
        instead_of: None,
        class: None,
        reasons: Vec::new(),
    };
    let event = Event::new(world.appender.new_id(), "agent:cfo".parse().unwrap(), gone)
        .in_session(Some(session.parse().unwrap()));
    world.appender.append(vec![event.into()]).unwrap();
    for instead_of in [Some(Hash([9; 32])), None] {
        world.views.catch_up().unwrap();
        let request = world.post("/v1/messages", ask("plain", false));
        let request = request.header("x-claude-code-session-id", session);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let entries = world.entries();
        let newest = entries.iter().rev().find_map(|entry| match entry.data() {
            Data::PayloadMasked(masked) => Some(masked.clone()),
            _ => None,
        });
        let newest = newest.unwrap();
        assert_eq!(newest.policy, masker().policy());
        assert_eq!(newest.instead_of, instead_of, "said once, at the change");
    }
    world.check();
}
