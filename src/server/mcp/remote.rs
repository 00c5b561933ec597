//! A tool server at a URL: MCP's streamable HTTP transport, from the client's side.
//!
//! Our client's messages go out as they are; what the server says on any stream comes in by one
//! channel. The server's session is kept here, and so is its key: the client knows neither.

use crate::mcp::ToolServer;
use crate::mcp::message::{self, MOST_BYTES, answers, asks};
use crate::server::gateway::{ProviderKey, UpstreamError, checked_address};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use schemas::Label;
use serde_json::Value;
use sse_stream::SseByteStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::headers::{SESSION, VERSION};

const LAST_EVENT: &str = "last-event-id";

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Messages of a server that are read ahead.
const AHEAD: usize = 16;

/// Before a stream is taken up again, where the server names no time.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A stream that gave nothing is taken up again so many times in a row.
const MOST_TRIES: u32 = 5;

pub struct Remote {
    line: Arc<Line>,
    /// What is on its way; ends with this value.
    tasks: Mutex<JoinSet<()>>,
}

struct Line {
    client: Client,
    url: Url,
    key: Option<ProviderKey>,
    said: mpsc::Sender<Value>,
    known: Mutex<Known>,
    gone: watch::Sender<bool>,
}

/// What the server answered to `initialize`.
#[derive(Default)]
struct Known {
    session: Option<HeaderValue>,
    version: Option<HeaderValue>,
}

/// How a stream ended.
enum End {
    /// With the answer that it was opened for.
    Answered,
    Broke(Mark),
}

/// From where a stream can be taken up again.
#[derive(Default)]
struct Mark {
    last: Option<HeaderValue>,
    pause: Option<Duration>,
    /// Messages since it was taken up.
    messages: u64,
}

impl Remote {
    pub fn open(
        url: &str,
        key_env: Option<&str>,
        key_file: Option<&Path>,
    ) -> Result<(Remote, mpsc::Receiver<Value>), UpstreamError> {
        let url =
            checked_address(url).ok_or_else(|| UpstreamError::WrongAddress(Label::lossy(url)))?;
        let key = match (key_env, key_file) {
            (_, Some(path)) => Some(ProviderKey::from_file(path)?),
            (Some(name), None) => Some(ProviderKey::from_env(name)?),
            (None, None) => None,
        };
        let mut client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_PATIENCE)
            .tcp_keepalive(Duration::from_secs(60));
        if url.scheme() == "http" {
            client = client.no_proxy();
        }
        let (said, hear) = mpsc::channel(AHEAD);
        let line = Line {
            client: client.build().map_err(UpstreamError::Client)?,
            url,
            key,
            said,
            known: Mutex::default(),
            gone: watch::channel(false).0,
        };
        let remote = Remote {
            line: Arc::new(line),
            tasks: Mutex::default(),
        };
        Ok((remote, hear))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

impl ToolServer for Remote {
    fn send(&self, message: Value) -> BoxFuture<'_, ()> {
        let line = Arc::clone(&self.line);
        if let Some(id) = asks(&message).cloned() {
            self.spawn(async move { line.ask(&id, &message).await });
            return Box::pin(async {});
        }
        Box::pin(async move {
            if !line.tell(&message).await {
                tracing::warn!("a tool server did not take a notification");
            }
            if message["method"] == "notifications/initialized" {
                self.spawn(async move { line.listen().await });
            }
        })
    }

    fn part(&self, patience: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Once, however often it is left.
            let session = self.line.known().session.take();
            if let Some(session) = session {
                let goodbye = self.line.client.delete(self.line.url.clone());
                let goodbye = self.line.signed(goodbye).header(SESSION, session);
                let patience = patience.max(PAUSE);
                let _ = timeout(patience, goodbye.send()).await;
            }
            self.line.gone.send_replace(true);
        })
    }

    fn gone(&self) -> BoxFuture<'_, ()> {
        let mut gone = self.line.gone.subscribe();
        Box::pin(async move { drop(gone.wait_for(|gone| *gone).await) })
    }
}

impl Line {
    /// Sends a request, and hears its answer out.
    async fn ask(&self, id: &Value, message: &Value) {
        if let Err(why) = self.asked(id, message).await {
            self.hear(message::error(id, message::SERVER_ERROR, &why))
                .await;
        }
    }

    async fn asked(&self, id: &Value, message: &Value) -> Result<(), String> {
        let response = self.post(message).await.map_err(|error| fault(&error))?;
        let begins = message["method"] == "initialize";
        if begins && let Some(session) = response.headers().get(SESSION) {
            self.known().session = Some(session.clone());
        }
        let status = response.status();
        if status == StatusCode::NOT_FOUND && self.known().session.is_some() {
            self.gone.send_replace(true);
            return Err("the tool server has ended its session".to_owned());
        }
        let media = response.headers().get(CONTENT_TYPE);
        let media = media
            .and_then(|media| media.to_str().ok())
            .unwrap_or_default();
        if media.starts_with("text/event-stream") && status.is_success() {
            return self.answered(id, response, begins).await;
        }
        if !media.starts_with("application/json") {
            return Err(format!(
                "the tool server answered with {status}, and no message"
            ));
        }
        let mut answer = whole(response).await?;
        // A request that was not even read is answered without its id.
        if !status.is_success() && answer["id"].is_null() && answer.get("error").is_some() {
            answer["id"] = id.clone();
        }
        let found = message::each(&answer)
            .iter()
            .any(|one| answers(one) == Some(id));
        self.learn(&answer, begins);
        self.hear(answer).await;
        match found {
            true => Ok(()),
            false => Err("the tool server answered something else".to_owned()),
        }
    }

    /// Takes a stream up again as long as it gives something.
    async fn answered(
        &self,
        id: &Value,
        mut response: Response,
        begins: bool,
    ) -> Result<(), String> {
        let mut mark = Mark::default();
        let mut tries = 0;
        loop {
            match self.stream(Some(id), response, mark, begins).await {
                End::Answered => return Ok(()),
                End::Broke(broke) => mark = broke,
            }
            response = loop {
                tries = if mark.messages > 0 { 1 } else { tries + 1 };
                mark.messages = 0;
                if mark.last.is_none() || tries > MOST_TRIES {
                    return Err("the tool server's answer broke off".to_owned());
                }
                sleep(mark.pause.unwrap_or(PAUSE)).await;
                if let Ok(response) = self.get(&mark).await
                    && response.status().is_success()
                {
                    break response;
                }
            };
        }
    }

    /// What the server says by itself, as long as it has something to say it on.
    async fn listen(&self) {
        let (mut mark, mut tries) = (Mark::default(), 0);
        while tries < MOST_TRIES {
            match self.get(&mark).await {
                Ok(response) if response.status().is_success() => {
                    if let End::Broke(broke) = self.stream(None, response, mark, false).await {
                        mark = broke;
                    } else {
                        return;
                    }
                }
                // It has no such stream, or the session is over.
                Ok(response) if response.status().is_client_error() => return,
                Ok(_) | Err(_) => {}
            }
            tries = if mark.messages > 0 { 0 } else { tries + 1 };
            mark.messages = 0;
            sleep(mark.pause.unwrap_or(PAUSE)).await;
        }
    }

    async fn stream(
        &self,
        id: Option<&Value>,
        response: Response,
        mut mark: Mark,
        begins: bool,
    ) -> End {
        // Counted from message to message: a stream may go on for ever, one message may not.
        let seen = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&seen);
        let bytes = response.bytes_stream().map_err(std::io::Error::other);
        let bytes = bytes.and_then(move |chunk| {
            let sum = count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            let short = sum < MOST_BYTES;
            async move {
                short
                    .then_some(chunk)
                    .ok_or(std::io::ErrorKind::InvalidData.into())
            }
        });
        let mut events = SseByteStream::new(Box::pin(bytes));
        while let Some(Ok(event)) = events.next().await {
            seen.store(0, Ordering::Relaxed);
            if let Some(id) = event.id {
                mark.last = HeaderValue::from_str(&id).ok().filter(|id| !id.is_empty());
            }
            let pause = event.retry.map(Duration::from_millis);
            mark.pause = pause.map(|pause| pause.min(LONGEST_PAUSE)).or(mark.pause);
            let data = event.data.unwrap_or_default();
            if data.is_empty() || event.event.is_some_and(|kind| kind != "message") {
                continue;
            }
            let Ok(message) = serde_json::from_str::<Value>(&data) else {
                tracing::warn!("a tool server sent what is no message; it was left out");
                continue;
            };
            mark.messages += 1;
            let found =
                id.is_some() && message::each(&message).iter().any(|one| answers(one) == id);
            self.learn(&message, begins);
            self.hear(message).await;
            if found {
                return End::Answered;
            }
        }
        End::Broke(mark)
    }

    /// Sends what is not answered.
    async fn tell(&self, message: &Value) -> bool {
        let sent = self.post(message).await;
        sent.is_ok_and(|response| response.status().is_success())
    }

    fn learn(&self, message: &Value, begins: bool) {
        let version = message["result"]["protocolVersion"].as_str();
        if let (true, Some(version)) = (begins, version) {
            self.known().version = HeaderValue::from_str(version).ok();
        }
    }

    async fn hear(&self, message: Value) {
        // Whoever does not listen any more has ended the session.
        let _ = self.said.send(message).await;
    }

    async fn post(&self, message: &Value) -> reqwest::Result<Response> {
        let request = self.client.post(self.url.clone());
        let request = request.header(ACCEPT, "application/json, text/event-stream");
        let request = request.header(CONTENT_TYPE, "application/json");
        self.in_session(request)
            .body(message.to_string())
            .send()
            .await
    }

    async fn get(&self, mark: &Mark) -> reqwest::Result<Response> {
        let mut request = self.client.get(self.url.clone());
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(last) = &mark.last {
            request = request.header(LAST_EVENT, last.clone());
        }
        self.in_session(request).send().await
    }

    fn in_session(&self, mut request: RequestBuilder) -> RequestBuilder {
        {
            let known = self.known();
            if let Some(session) = &known.session {
                request = request.header(SESSION, session.clone());
            }
            if let Some(version) = &known.version {
                request = request.header(VERSION, version.clone());
            }
        }
        self.signed(request)
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.bearer()),
            None => request,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Host and port may be named to the agent's operator, not to the agent.
fn fault(error: &reqwest::Error) -> String {
    match error.is_connect() {
        true => "the tool server cannot be reached".to_owned(),
        false => "the tool server's answer broke off".to_owned(),
    }
}

async fn whole(response: Response) -> Result<Value, String> {
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| fault(&error))?);
        if bytes.len() as u64 > MOST_BYTES {
            return Err("the tool server's answer is longer than 64 MiB".to_owned());
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| "the tool server's answer is no message".to_owned())
}
