//! Signs of life of our own, in streams that a test sends piece by piece.

use super::*;
use axum::body::Bytes;
use std::convert::Infallible;
use tokio::sync::mpsc;

const AFTER: Duration = Duration::from_millis(20);

/// A provider whose one stream consists of what is sent here.
async fn fed() -> (World, mpsc::Sender<&'static str>) {
    let (feed, fed) = mpsc::channel(8);
    let fed = Arc::new(Mutex::new(Some(fed)));
    let answer = move || {
        let mut pieces: mpsc::Receiver<&'static str> = fed.lock().unwrap().take().unwrap();
        let pieces = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
        let pieces = pieces.map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes())));
        let head = [("content-type", "text/event-stream")];
        let response = (head, Body::from_stream(pieces)).into_response();
        async { response }
    };
    let base = serve(Router::new().fallback(post(answer))).await;
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(OffClock(AtomicI64::new(0)));
    let patience = Patience {
        ping: AFTER,
        ..Patience::USUAL
    };
    let rest = (format!("http://{base}"), LimitPolicy::default(), patience);
    (world_with(dir, clock, Arc::default(), rest).await, feed)
}

struct Client {
    answer: reqwest::Response,
    seen: String,
}

impl Client {
    async fn hear(&mut self) {
        let chunk = self.answer.chunk().await.unwrap().unwrap();
        self.seen.push_str(std::str::from_utf8(&chunk).unwrap());
    }

    /// Reads on until something has come.
    async fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            self.hear().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_shows_signs_of_life_between_two_events_and_none_is_recorded() {
    let anthropic = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\",\"content\":[],\"usage\":{}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n",
        "\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    let chat = [
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\r\n\r\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,",
        "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ];
    let responses = [
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n",
        "event: response.completed\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[]}}\n",
        "\n",
    ];
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    for (side, path, ping, [first, half, rest, last]) in [
        ("anthropic", "/v1/messages", ping, anthropic),
        ("openai", "/v1/chat/completions", ": ping\n", chat),
        ("openai", "/v1/responses", ": ping\n", responses),
    ] {
        let (world, feed) = fed().await;
        let base = if side == "openai" {
            &world.openai
        } else {
            &world.base
        };
        let asked = r#"{"model":"m","stream":true,"messages":[],"input":[]}"#;
        let request = world.http.post(format!("{base}{path}")).body(asked);
        let answer = request.bearer_auth(world.token.reveal()).send().await;
        let mut client = Client {
            answer: answer.unwrap(),
            seen: String::new(),
        };
        // Before the first event, and again.
        client.until(&ping.repeat(2)).await;
        feed.send(first).await.unwrap();
        client.until(&format!("{first}{ping}")).await;
        feed.send(half).await.unwrap();
        client.until(half).await;
        // Time enough for signs in the middle of an event, if there were any.
        tokio::time::sleep(10 * AFTER).await;
        feed.send(rest).await.unwrap();
        client.until(&format!("{half}{rest}")).await;
        feed.send(last).await.unwrap();
        drop(feed);
        while let Some(chunk) = client.answer.chunk().await.unwrap() {
            client.seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let said = [first, half, rest, last].concat();
        assert_eq!(client.seen.replace(ping, ""), said);
        let entry = world.wait_for("model.responded", 1);
        assert_eq!(world.content(&entry, "response"), said.as_bytes());
        let Data::ModelResponded(responded) = entry.data() else {
            panic!()
        };
        assert_eq!(responded.body_bytes, said.len() as u64);
        world.check();
    }
}
