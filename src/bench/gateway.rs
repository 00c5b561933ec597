//! What the gateway adds to a call, against the same scripted upstream asked directly.

use super::append::remove;
use super::figures::{Figures, Run};
use crate::config::{Config, write_default};
use crate::demo::upstream::{self, Scripted};
use crate::outcome::Failure;
use crate::server::gateway::ProviderKey;
use crate::server::{self, Node};
use agents::gateway::Provider;
use agents::registry::issue_token;
use ledger::Layout;
use schemas::kinds::agents::AgentRegistered;
use schemas::{DataClass, Event};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// What is asked, and until when it is waited for.
const ASKED: [(&str, Asked); 4] = [
    ("4 KiB", Asked::New(4 << 10)),
    ("128 KiB", Asked::New(128 << 10)),
    (
        "128 KiB, only the last message new",
        Asked::Grown(128 << 10),
    ),
    ("4 KiB, to the first token", Asked::Streamed(4 << 10)),
];

#[derive(Clone, Copy)]
enum Asked {
    /// A text that nobody sent before.
    New(usize),
    /// A conversation of so many bytes, each call with one message more; it goes back to its beginning
    /// when it has grown by a sixteenth.
    Grown(usize),
    /// A new text whose answer is streamed, until its first piece.
    Streamed(usize),
}

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("gateway: one call after the other, against the upstream directly");
    let dir = scratch.join("gateway");
    ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
    write_default(&Layout::new(&dir))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (provider, listener) = runtime.block_on(async {
        anyhow::Ok((
            TcpListener::bind("127.0.0.1:0").await?,
            TcpListener::bind("127.0.0.1:0").await?,
        ))
    })?;
    let (direct, through) = (provider.local_addr()?, listener.local_addr()?);
    let mut config = Config::default();
    config.anthropic.base_url = Some(format!("http://{direct}"));
    let keys = [(Provider::Anthropic, ProviderKey::new("bench")?)].into();
    let node = Node::open(&dir, config, keys)?;
    let token = issue_token()?;
    let data = AgentRegistered {
        agent: "bench".parse()?,
        role: "bench".parse()?,
        data_class: DataClass::Internal,
        token_sha256: token.digest(),
        token_until: None,
        model: None,
        person: None,
    };
    let event = Event::new(node.appender.new_id(), "service:operator".parse()?, data);
    node.appender.append(vec![event.into()])?;
    node.views.catch_up()?;

    let routes = upstream::routes(Arc::new(Scripted::default()));
    let for_ever = std::future::pending;
    runtime.spawn(server::listen::serve(
        provider,
        routes,
        for_ever(),
        Duration::ZERO,
        Arc::default(),
    ));
    let serving = server::router(node.clone());
    runtime.spawn(server::listen::serve(
        listener,
        serving,
        for_ever(),
        Duration::ZERO,
        Arc::default(),
    ));
    for (name, asked) in ASKED {
        for (what, url) in [
            ("upstream directly", format!("http://{direct}/v1/messages")),
            (
                "through the gateway",
                format!("http://{through}/anthropic/v1/messages"),
            ),
        ] {
            let run = runtime.block_on(calls(&url, token.reveal(), asked, seconds))?;
            figures.run(&format!("{name}, {what}"), run);
        }
    }
    drop((runtime, node)); // the ledger closes before its directory goes
    remove(&dir);
    Ok(())
}

/// A new last message, in bytes.
const LAST: usize = 400;

/// Where the texts of streamed calls begin.
const STREAMED: usize = 1_000_000;

async fn calls(url: &str, token: &str, asked: Asked, seconds: u64) -> anyhow::Result<Run> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (start, mut latencies) = (Instant::now(), Vec::new());
    let mut conversation = match asked {
        Asked::Grown(bytes) => messages(bytes),
        _ => Vec::new(),
    };
    let (end, begun_with) = (start + Duration::from_secs(seconds), conversation.len());
    while Instant::now() < end {
        let number = latencies.len();
        let body = match asked {
            Asked::New(bytes) => body(&[text(number, bytes)], false),
            // Others than those before it: nothing of them is known.
            Asked::Streamed(bytes) => body(&[text(STREAMED + number, bytes)], true),
            Asked::Grown(bytes) => {
                if (conversation.len() - begun_with) * LAST > bytes / 16 {
                    conversation.truncate(begun_with);
                }
                conversation.push(text(number, LAST));
                body(&conversation, false)
            }
        };
        let request = client
            .post(url)
            .header("x-api-key", token)
            .header("content-type", "application/json")
            .body(body);
        let begun = Instant::now();
        let mut answer = request.send().await?.error_for_status()?;
        let first = answer.chunk().await?.map(|_| begun.elapsed());
        while answer.chunk().await?.is_some() {}
        latencies.push(match (asked, first) {
            (Asked::Streamed(_), Some(first)) => first,
            _ => begun.elapsed(),
        });
    }
    Ok(Run {
        events: latencies.len() as u64,
        took: start.elapsed(),
        latencies,
    })
}

/// Messages of 4 KiB, so many bytes in all.
fn messages(bytes: usize) -> Vec<String> {
    let count = bytes / (4 << 10);
    (0..count).map(|at| text(at * 1_000, 4 << 10)).collect()
}

pub fn body(texts: &[String], stream: bool) -> String {
    let roles = ["user", "assistant"].into_iter().cycle();
    let message =
        |(role, text): (&str, &String)| serde_json::json!({ "role": role, "content": text });
    let messages: Vec<_> = roles.zip(texts).map(message).collect();
    serde_json::json!({
        "model": "claude-scripted", "max_tokens": 64, "messages": messages, "stream": stream,
    })
    .to_string()
}

/// Business Japanese with some people in it; no two are alike.
pub fn text(number: usize, bytes: usize) -> String {
    const SENTENCES: [&str; 6] = [
        "先週の会議で決まった納期の変更について、関係する部署に連絡をお願いします。",
        "見積書は金曜日までに提出し、単価の根拠を別紙に書き添えてください。",
        "倉庫の在庫は月末に数え直し、差が出た品目だけを報告してください。",
        "担当の佐藤健一さんが不在のときは、代わりに高橋部長へ電話してください。",
        "新しい手順書は共有フォルダに置きましたので、各自で確認をお願いします。",
        "問い合わせへの返信は二営業日以内とし、遅れるときは理由を添えてください。",
    ];
    let mut text = format!("依頼番号 {number}。");
    for i in number.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&format!("（{i}）"));
        text.push_str(SENTENCES[i % SENTENCES.len()]);
    }
    text
}
