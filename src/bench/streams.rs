//! Many streams at a time through the gateway, and the same from the provider directly.
//!
//! The provider begins each at once and sends a piece every 100 ms, which says when it was sent. The
//! streams begin spread over a second, and all are open together after it. Client and provider run
//! in this process, the gateway in one of its own.

use super::figures::{Figures, Run};
use super::served::Served;
use crate::outcome::Failure;
use crate::server::listen;
use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::json;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

const STREAMS: u64 = 500;

const BETWEEN: Duration = Duration::from_millis(100);

/// In which the streams begin.
const RAMP: Duration = Duration::from_secs(1);

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    let held = Duration::from_secs(2 + 2 * seconds);
    figures.heading(&format!(
        "streams: {STREAMS} at a time, each {} s, a piece every {} ms",
        held.as_secs(),
        BETWEEN.as_millis()
    ));
    crate::handles::use_all();
    let runtime = tokio::runtime::Runtime::new()?;
    let provider = Arc::new(Provider {
        began: Instant::now(),
        pieces: (held.as_millis() / BETWEEN.as_millis()) as u64,
        open: AtomicU64::new(0),
        most: AtomicU64::new(0),
    });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let direct = format!("http://{}", listener.local_addr()?);
    let routes = routes(Arc::clone(&provider));
    let for_ever = std::future::pending();
    runtime.spawn(listen::serve(
        listener,
        routes,
        for_ever,
        Duration::ZERO,
        Arc::default(),
    ));
    let served = Served::start(&scratch.join("streams"), &direct)?;
    let idle = served.memory();
    let through = format!("http://{}/anthropic", served.address);
    for (what, base) in [("directly", direct), ("through the gateway", through)] {
        provider.most.store(0, Ordering::Relaxed);
        let token = served.token.reveal();
        let seen = runtime.block_on(streams(&base, token, &provider))?;
        for (of, latencies) in [("first piece", seen.first), ("each piece", seen.pieces)] {
            let run = Run {
                events: latencies.len() as u64,
                took: seen.took,
                latencies,
            };
            figures.run(&format!("{of}, {what}"), run);
        }
        let most = provider.most.load(Ordering::Relaxed);
        figures.count(&format!("open at a time, {what}"), most, "streams");
        figures.count(&format!("not ended well, {what}"), seen.errors, "streams");
    }
    if let (Some((before, _)), Some((after, peak))) = (idle, served.memory()) {
        figures.count("memory of the gateway before", before, "KiB");
        figures.count("… when all have ended", after, "KiB");
        figures.count("… the most that it held", peak, "KiB");
    }
    Ok(())
}

struct Provider {
    /// What the pieces count from.
    began: Instant,
    /// Of one stream.
    pieces: u64,
    open: AtomicU64,
    most: AtomicU64,
}

/// One stream, while it is open.
struct Open(Arc<Provider>);

impl Open {
    fn new(provider: Arc<Provider>) -> Open {
        let open = provider.open.fetch_add(1, Ordering::Relaxed) + 1;
        provider.most.fetch_max(open, Ordering::Relaxed);
        Open(provider)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn routes(provider: Arc<Provider>) -> Router {
    let answer = move |body: Bytes| {
        drop(body);
        let open = Open::new(Arc::clone(&provider));
        let events = futures_util::stream::unfold((0, open), |(number, open)| async move {
            let pieces = open.0.pieces;
            if number > pieces {
                return None;
            }
            if number > 0 {
                tokio::time::sleep(BETWEEN).await;
            }
            let event = event(number, pieces, open.0.began.elapsed());
            Some((Ok::<_, Infallible>(event), (number + 1, open)))
        });
        let head = [("content-type", "text/event-stream")];
        let response = (head, Body::from_stream(events)).into_response();
        async { response }
    };
    Router::new().route("/v1/messages", post(answer))
}

const SENT: &str = "sent at ";

fn event(number: u64, last: u64, at: Duration) -> Bytes {
    let said = |kind: &str, data: serde_json::Value| format!("event: {kind}\ndata: {data}\n\n");
    let mut text = String::new();
    if number == 0 {
        let message = json!({ "id": "msg_bench", "type": "message", "role": "assistant",
            "model": "claude-bench", "content": [], "stop_reason": null,
            "usage": { "input_tokens": 900, "output_tokens": 1 } });
        let start = json!({ "type": "message_start", "message": message });
        text += &said("message_start", start);
        let block = json!({ "type": "content_block_start", "index": 0,
            "content_block": { "type": "text", "text": "" } });
        text += &said("content_block_start", block);
    }
    let piece = format!("{SENT}{} µs。", at.as_micros());
    let delta = json!({ "type": "content_block_delta", "index": 0,
        "delta": { "type": "text_delta", "text": piece } });
    text += &said("content_block_delta", delta);
    if number == last {
        let stop = json!({ "type": "content_block_stop", "index": 0 });
        text += &said("content_block_stop", stop);
        let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
            "usage": { "output_tokens": last } });
        text += &said("message_delta", delta);
        text += &said("message_stop", json!({ "type": "message_stop" }));
    }
    text.into()
}

/// What the clients saw.
struct Seen {
    /// From the request to the first piece.
    first: Vec<Duration>,
    /// From the provider's hand to the client's.
    pieces: Vec<Duration>,
    errors: u64,
    took: Duration,
}

async fn streams(base: &str, token: &str, provider: &Arc<Provider>) -> anyhow::Result<Seen> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = Instant::now();
    let begin = |number: u64| {
        let after = RAMP.mul_f64(number as f64 / STREAMS as f64);
        let text = super::gateway::text(number as usize, 4 << 10);
        let request = client
            .post(format!("{base}/v1/messages"))
            .header("x-api-key", token)
            .header("content-type", "application/json")
            .body(super::gateway::body(&[text], true));
        let began = provider.began;
        async move {
            tokio::time::sleep(after).await;
            stream(request, began).await
        }
    };
    let tasks: Vec<_> = (0..STREAMS).map(|n| tokio::spawn(begin(n))).collect();
    let mut seen = Seen {
        first: Vec::new(),
        pieces: Vec::new(),
        errors: 0,
        took: Duration::ZERO,
    };
    for task in tasks {
        match task.await.context("a client ended")? {
            Ok((first, pieces)) => {
                seen.first.push(first);
                seen.pieces.extend(pieces);
            }
            Err(_) => seen.errors += 1,
        }
    }
    seen.took = start.elapsed();
    Ok(seen)
}

async fn stream(
    request: reqwest::RequestBuilder,
    began: Instant,
) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let asked = Instant::now();
    let mut answer = request.send().await?.error_for_status()?;
    let (mut first, mut pieces, mut text) = (None, Vec::new(), String::new());
    while let Some(chunk) = answer.chunk().await? {
        let now = began.elapsed();
        // Several pieces may come together, and one in two.
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((said, rest)) = text.split_once("\n\n") {
            if let Some((_, sent)) = said.split_once(SENT) {
                first.get_or_insert_with(|| asked.elapsed());
                let sent = sent.split(' ').next().unwrap_or_default().parse()?;
                pieces.push(now.saturating_sub(Duration::from_micros(sent)));
            }
            let last = said.starts_with("event: message_stop");
            text = rest.to_owned();
            if last {
                let first = first.context("no piece came")?;
                while answer.chunk().await?.is_some() {}
                return Ok((first, pieces));
            }
        }
    }
    anyhow::bail!("the stream broke off")
}
