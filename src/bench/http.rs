//! The same over HTTP: one event per request, and NDJSON.

use super::append::{event, remove};
use super::figures::{Figures, Run};
use crate::config::{Config, write_default};
use crate::intake;
use crate::outcome::Failure;
use crate::server::{self, Node};
use anyhow::Context;
use ledger::{Appender, Layout};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub fn run(scratch: &Path, seconds: u64, figures: &mut Figures) -> Result<(), Failure> {
    figures.heading("append over HTTP on loopback");
    for (connections, batch) in [(1, 1), (16, 1), (64, 1), (16, 64), (16, 256)] {
        let name = format!("http-{connections}-{batch}");
        let dir = scratch.join(&name);
        ledger::create(&dir, "example.com/bench", &ledger::clock::SystemClock)?;
        let layout = Layout::new(&dir);
        write_default(&layout)?;
        let token = std::fs::read_to_string(crate::door::operator_token_file(&layout))?;
        let node = Node::open(&dir, Config::default(), Default::default())?;
        let appender = node.appender.clone();
        let runtime = tokio::runtime::Runtime::new()?;
        let run = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let for_ever = std::future::pending();
            let routes = server::router(node);
            let serving =
                server::listen::serve(listener, routes, for_ever, Duration::ZERO, Arc::default());
            let server = tokio::spawn(serving);
            let run = load(
                address,
                token.trim(),
                connections,
                batch,
                seconds,
                &appender,
            )
            .await;
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
    address: SocketAddr,
    token: &str,
    connections: usize,
    batch: u64,
    seconds: u64,
    appender: &Appender,
) -> anyhow::Result<Run> {
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let (token, appender) = (token.to_owned(), appender.clone());
            tokio::spawn(async move {
                let mut connection = Connection::to(address).await?;
                let media = if batch == 1 { "json" } else { "x-ndjson" };
                let sample = event(&appender);
                let line = intake::to_json(&sample).to_string();
                let id = sample.event.id.to_string();
                let (before, after) = line.split_once(&id).context("an event has its id")?;
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let ids = (0..batch).map(|_| appender.new_id());
                    let lines: Vec<String> =
                        ids.map(|id| format!("{before}{id}{after}\n")).collect();
                    let body = lines.concat();
                    let request = format!(
                        "POST /api/v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
                         content-type: application/{media}\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let asked = Instant::now();
                    connection.ask(request.as_bytes()).await?;
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

/// A client that costs next to nothing, for it runs on the cores that are measured.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn to(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            answer: Vec::new(),
        })
    }

    /// Sends a request and reads its answer to the end.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            anyhow::ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "hung up");
            let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let text = std::str::from_utf8(&self.answer[..head])?;
            anyhow::ensure!(text.starts_with("HTTP/1.1 200 "), "refused: {text}");
            let length = text.split("\r\n").find_map(|field| {
                let (name, value) = field.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then_some(value)
            });
            let length: usize = length.context("an answer has its length")?.parse()?;
            if self.answer.len() >= head + 4 + length {
                return Ok(());
            }
        }
    }
}
