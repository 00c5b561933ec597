//! OpenAI's APIs on the wire; the official clients are in `sdk`.

use super::*;
use schemas::kinds::traffic::{FailedOutcome, ModelResponded};
use sha2::{Digest, Sha256};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

fn asking(path: &str, word: &str, streaming: bool) -> String {
    let key = if path == CHAT { "messages" } else { "input" };
    let options = if path == CHAT && streaming {
        r#","stream_options": {"include_usage":true}"#
    } else {
        ""
    };
    format!(
        r#"{{ "model": "gpt-{word}" , "stream":{streaming}{options}, "{key}":[{{"role":"user","content":"明日の会議の案内を"}}] }}"#
    )
}

impl World {
    async fn openai(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.http.post(format!("{}{path}", self.openai));
        let request = request
            .bearer_auth(self.token.reveal())
            .header("content-type", "application/json")
            .header("openai-organization", "org-1")
            .header("session_id", "0b9c7f4e-session")
            .body(body);
        request.send().await.unwrap()
    }
}

async fn error_of(response: reqwest::Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-request-id"));
    let body: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (status, text("type"), text("message"))
}

fn responded(world: &World, count: usize) -> (Entry, ModelResponded) {
    let entry = world.wait_for("model.responded", count);
    let Data::ModelResponded(responded) = entry.data().clone() else {
        panic!()
    };
    (entry, responded)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_masked_sent_and_recorded_whole() {
    let world = world().await;
    for (count, (path, streaming)) in [
        (CHAT, false),
        (CHAT, true),
        (RESPONSES, false),
        (RESPONSES, true),
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.kinds().len();
        let asked = asking(path, "tool", streaming).replace("明日", "山田太郎様、明日");
        let answer = world.openai(path, asked).await;
        assert_eq!(answer.status(), 200);
        let through = answer.bytes().await.unwrap();
        let kinds = [
            "prompt.submitted",
            "payload.masked",
            "model.responded",
            "tool.called",
        ];
        assert_eq!(world.kinds()[before..], kinds, "{path} {streaming}");
        let received = world.upstream.received().pop().unwrap();
        assert_eq!(received.path_and_query, path);
        let authorization = received.headers["authorization"].to_str().unwrap();
        assert_eq!(authorization, format!("Bearer {PROVIDER_KEY}"));
        assert_eq!(received.headers["openai-organization"], "org-1");
        assert!(!String::from_utf8_lossy(&received.body).contains("山田太郎"));

        let entry = world.wait_for("prompt.submitted", count + 1);
        assert_eq!(entry.session().unwrap().as_str(), "0b9c7f4e-session");
        let Data::PromptSubmitted(prompt) = entry.data() else {
            panic!()
        };
        let operation = if path == CHAT {
            "chat.completions"
        } else {
            "responses"
        };
        assert_eq!(
            (prompt.provider.as_str(), prompt.operation.as_str()),
            ("openai", operation)
        );
        assert_eq!((prompt.streaming, prompt.messages), (streaming, 1));
        let (entry, responded) = responded(&world, count + 1);
        assert_eq!(world.content(&entry, "response"), through);
        assert_eq!(responded.model.unwrap().as_str(), "gpt-tool");
        let reason = if path == CHAT {
            "tool_calls"
        } else {
            "completed"
        };
        assert_eq!(responded.stop_reason.unwrap().as_str(), reason);
        assert_eq!(responded.cache_read_tokens, Some(1));
        assert!(responded.input_tokens.unwrap() > 0 && responded.output_tokens.unwrap() > 0);
        let called = world.wait_for("tool.called", count + 1);
        let Data::ToolCalled(called) = called.data() else {
            panic!()
        };
        assert_eq!(called.tool.as_str(), "get_weather");
        assert!(called.tool_use.as_str().starts_with("call_"));
        let arguments = Sha256::digest(r#"{"city":"東京","unit":"celsius"}"#);
        assert_eq!(called.arguments_sha256, Hash(arguments.into()));
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_sends_the_same_bytes_and_streams_pass_unchanged() {
    let world = world().await;
    let odd = "{\"messages\" : [ {\"content\":\"\\u4f1a\\u8b70 \\/ 1.0\",\"role\":\"user\"} ],\n\t\"new_field\":[1.50e0, {}], \"model\":\"gpt-plain\"}\n";
    world.openai(CHAT, odd).await;
    assert_eq!(world.upstream.received().pop().unwrap().body, odd);
    // The script numbers its answers; all else is equal.
    let plain = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (1..9).fold(text, |text, n| text.replace(&format!("scripted000{n}"), ""))
    };
    for path in [CHAT, RESPONSES] {
        let direct = world.http.post(format!("{}{path}", world.upstream_base));
        let direct = direct
            .body(asking(path, "plain", true))
            .send()
            .await
            .unwrap();
        let direct = direct.bytes().await.unwrap();
        let through = world.openai(path, asking(path, "plain", true)).await;
        assert_eq!(plain(&through.bytes().await.unwrap()), plain(&direct));
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_and_a_secret_in_the_answer_are_recorded() {
    let world = world().await;
    for path in [CHAT, RESPONSES] {
        for streaming in [false, true] {
            let before = world.kinds().len();
            let asked =
                asking(path, "plain", streaming).replace("明日", &format!("鍵は {SECRET} "));
            let answer = world.openai(path, asked).await;
            assert_eq!(answer.headers()["x-should-retry"], "false");
            let (status, kind, message) = error_of(answer).await;
            assert_eq!((status, kind.as_str()), (403, "permission_error"));
            assert!(message.contains('×') && !message.contains("sk-ant"));
            assert_eq!(
                world.kinds()[before..],
                ["prompt.submitted", "payload.blocked"]
            );
            assert_eq!(world.hits(), 0);
        }
    }
    for path in [CHAT, RESPONSES] {
        for streaming in [false, true] {
            let before = world.kinds().len();
            let answer = world.openai(path, asking(path, "secret", streaming)).await;
            assert_eq!(answer.status(), 200);
            answer.bytes().await.unwrap();
            let kinds = [
                "prompt.submitted",
                "payload.masked",
                "model.responded",
                "rule.violated",
            ];
            assert_eq!(world.kinds()[before..], kinds, "{path} {streaming}");
        }
    }
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_breaks_redirects_and_absence_are_what_they_are() {
    let world = world().await;
    let outcome = |count: usize| match world.wait_for("model.failed", count).data() {
        Data::ModelFailed(failed) => failed.outcome,
        other => panic!("{other:?}"),
    };
    let mut count = 0;
    for path in [CHAT, RESPONSES] {
        for (word, streaming) in [("400", false), ("429", true), ("500", true)] {
            let direct = world.http.post(format!("{}{path}", world.upstream_base));
            let direct = direct
                .body(asking(path, word, streaming))
                .send()
                .await
                .unwrap();
            let through = world.openai(path, asking(path, word, streaming)).await;
            assert_eq!(through.status(), direct.status());
            for name in ["x-request-id", "retry-after", "content-type"] {
                assert_eq!(through.headers()[name], direct.headers()[name]);
            }
            assert_eq!(
                through.bytes().await.unwrap(),
                direct.bytes().await.unwrap()
            );
            count += 1;
            assert_eq!(outcome(count), FailedOutcome::UpstreamError);
        }
        let answer = world.openai(path, asking(path, "break", true)).await;
        assert!(answer.bytes().await.is_err(), "cut, not ended");
        assert_eq!(outcome(count + 1), FailedOutcome::UpstreamBroke);
        let answer = world.openai(path, asking(path, "break", false)).await;
        let (status, kind, _) = error_of(answer).await;
        assert_eq!((status, kind.as_str()), (502, "api_error"));
        assert_eq!(outcome(count + 2), FailedOutcome::UpstreamBroke);
        let answer = world.openai(path, asking(path, "fails", true)).await;
        assert!(answer.text().await.unwrap().contains("Overloaded"));
        assert_eq!(outcome(count + 3), FailedOutcome::UpstreamError);
        let answer = world.openai(path, asking(path, "redirect", false)).await;
        assert!(!answer.headers().contains_key("location"));
        assert_eq!(error_of(answer).await.0, 502);
        assert_eq!(outcome(count + 4), FailedOutcome::UpstreamError);
        let mut answer = world.openai(path, asking(path, "hang", true)).await;
        answer.chunk().await.unwrap().unwrap();
        drop(answer);
        assert_eq!(outcome(count + 5), FailedOutcome::ClientGone);
        count += 5;
    }
    while world.upstream.left() < 2 {
        tokio::task::yield_now().await;
    }
    world.gateway.idle().await;
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_answer_is_unpacked_or_withheld_and_an_absent_provider_is_said_to_be_absent() {
    let world = world().await;
    let mut count = 0;
    for path in [CHAT, RESPONSES] {
        for streaming in [false, true] {
            let answer = world.openai(path, asking(path, "gzip", streaming)).await;
            assert!(!answer.headers().contains_key("content-encoding"));
            let answer = answer.bytes().await.unwrap();
            count += 1;
            let (entry, responded) = responded(&world, count);
            assert_eq!(world.content(&entry, "response"), answer);
            assert!(responded.output_tokens.unwrap() > 0);
        }
        let answer = world.openai(path, asking(path, "br", false)).await;
        assert_eq!(error_of(answer).await.0, 502);
    }
    world.check();

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let world = world_before(dir, clock, Arc::default(), format!("http://{address}")).await;
    let answer = world.openai(CHAT, asking(CHAT, "plain", true)).await;
    let (status, _, message) = error_of(answer).await;
    assert!(status == 502 && message.contains("nothing was sent"));
    let entry = world.wait_for("model.failed", 1);
    let Data::ModelFailed(failed) = entry.data() else {
        panic!()
    };
    assert_eq!(failed.outcome, FailedOutcome::Unreachable);
    world.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_in_openais_shape() {
    let world = world().await;
    let (status, _, message) = error_of(world.openai("/v1/embeddings", "{}").await).await;
    assert!(
        status == 403 && message.contains("[openai] paths"),
        "{message}"
    );
    let (status, _, message) = error_of(world.openai(CHAT, "[1]").await).await;
    assert!(status == 400 && message.contains("no") && message.contains("object"));
    let later = r#"{"model":"gpt-plain","input":"a","background":true}"#;
    let (status, _, message) = error_of(world.openai(RESPONSES, later).await).await;
    assert!(status == 400 && message.contains("background"), "{message}");
    let get = world.http.get(format!("{}{CHAT}", world.openai));
    assert_eq!(error_of(get.send().await.unwrap()).await.0, 405);
    let open = world
        .http
        .post(format!("{}{CHAT}", world.openai))
        .body("{}");
    let (status, kind, _) = error_of(open.send().await.unwrap()).await;
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    assert_eq!(world.hits(), 0);
    world.check();
}
