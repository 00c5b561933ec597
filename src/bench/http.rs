//! The same over HTTP: one event per request, and NDJSON.

use super::append::{event, remove};
use super::figures::{Figures, Run};
use crate::config::{Config, write_default};
use crate::intake;
use crate::outcome::Failure;
use crate::server::{self, Node};
use anyhow::Context;
use ledger::{Appender, Layout};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("append over HTTP on loopback");
    for (connections, batch) in [(1, 1), (16, 1), (64, 1), (16, 64), (16, 256)] {
        let name = format!("http-{connections}-{batch}");
        let dir = scratch.join(&name);
        ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
        let layout = Layout::new(&dir);
        write_default(&layout)?;
        let token = std::fs::read_to_string(crate::door::operator_token_file(&layout))?;
        let node = Node::open(&dir, Config::default(), None)?;
        let appender = node.appender.clone();
        let runtime = tokio::runtime::Runtime::new()?;
        let run = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}/api/v1/events", listener.local_addr()?);
            let server =
                tokio::spawn(async move { axum::serve(listener, server::app(node)).await });
            let run = load(&url, token.trim(), connections, batch, seconds, &appender).await;
            server.abort();
            run
        })?;
        let what = if batch == 1 {
            format!("{connections} connections, one by one")
        } else {
            format!("{connections} connections, NDJSON of {batch}")
        };
        figures.run(&what, run);
        drop((runtime, appender)); // the ledger closes before its directory goes
        remove(&dir);
    }
    Ok(())
}

async fn load(
    url: &str,
    token: &str,
    connections: usize,
    batch: u64,
    seconds: u64,
    appender: &Appender,
) -> anyhow::Result<Run> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (client, url, token, appender) = (
                client.clone(),
                url.to_owned(),
                token.to_owned(),
                appender.clone(),
            );
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let events: Vec<String> = (0..batch)
                        .map(|_| intake::to_json(&event(&appender)).to_string())
                        .collect();
                    let media = if batch == 1 {
                        "application/json"
                    } else {
                        "application/x-ndjson"
                    };
                    let request = client
                        .post(&url)
                        .bearer_auth(&token)
                        .header("content-type", media);
                    let asked = Instant::now();
                    let answer = request
                        .body(events.join("\n"))
                        .send()
                        .await?
                        .error_for_status()?;
                    answer.bytes().await?;
                    latencies.push(asked.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.context("a producer ended")??);
    }
    Ok(Run {
        events: latencies.len() as u64 * batch,
        took: start.elapsed(),
        latencies,
    })
}
