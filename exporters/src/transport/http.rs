//! Batches over HTTP: to Splunk's HTTP Event Collector, or to any endpoint that takes lines.
//!
//! ```text
//! POST /services/collector/event          POST <url>
//! Authorization: Splunk <token>           Authorization: Bearer <token>
//! {"time":…,"event":{…}}\n…               content-type: application/x-ndjson
//! ```
//! A batch is answered for when the answer is a success; with acknowledgements
//! (`X-Splunk-Request-Channel`), when the collector says that it is indexed. A batch that is
//! refused for what it holds (400, 413, 422) is halved until the entry is found that cannot be
//! taken; a receiver that is busy (429, 503) is asked again, not before it wants to.

mod acks;

use super::{CONNECT_TIMEOUT, Connection, TICK, Tls, TransportError, tls};
use acks::Acks;
pub use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long one request may take, from the first byte to the last of the answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// As much as collectors take in one request where nobody has changed it, and more than
/// enough for speed. Halved for a receiver that takes less.
const BATCH_BYTES: usize = 512 << 10;

const MIN_BATCH_BYTES: usize = 8 << 10;

/// Answers are shown, not stored.
const MAX_ANSWER_BYTES: usize = 4 << 10;
const MAX_SHOWN_CHARS: usize = 160;

/// An endpoint, and what is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub url: Url,
    /// How both ends are known, where the URL is one of TLS.
    pub tls: Tls,
    /// A file that holds the token, read at every connection.
    pub token: Option<PathBuf>,
    pub collector: Option<Collector>,
}

/// What is Splunk's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collector {
    /// Wait until what was sent is indexed.
    pub acks: bool,
}

pub(super) struct Http {
    client: Client,
    runtime: Runtime,
    url: Url,
    to: String,
    stop: Arc<AtomicBool>,
    acks: Option<Acks>,
    batch_bytes: usize,
    /// Lengths of the messages that are framed and not sent.
    framed: Vec<usize>,
    answered: u64,
    said: String,
}

/// What a request came to.
enum Verdict {
    Taken(Vec<u8>),
    /// The receiver takes something of it never.
    Unfit(StatusCode, String),
}

impl Http {
    pub fn open(endpoint: &Endpoint, stop: &Arc<AtomicBool>) -> Result<Http, TransportError> {
        let url = endpoint.url.clone();
        let host = url.host_str().unwrap_or_default();
        let to = format!("{host}:{}", url.port_or_known_default().unwrap_or(0));
        let failed = |reason: String| TransportError::Handshake {
            to: to.clone(),
            reason,
        };
        let acks = match endpoint.collector {
            Some(Collector { acks: true }) => Some(Acks::new().map_err(failed)?),
            _ => None,
        };
        let mut headers = HeaderMap::new();
        let media = match endpoint.collector {
            Some(_) => "application/json",
            None => "application/x-ndjson",
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        if let Some(path) = &endpoint.token {
            let scheme = if endpoint.collector.is_some() {
                "Splunk"
            } else {
                "Bearer"
            };
            headers.insert(AUTHORIZATION, authorization(scheme, path)?);
        }
        if let Some(acks) = &acks {
            headers.insert(acks::CHANNEL, acks.channel());
        }
        let mut builder = Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(PATIENCE)
            .default_headers(headers);
        if url.scheme() == "https" {
            builder = builder.use_preconfigured_tls(tls::configured(&endpoint.tls)?);
        }
        let client = builder.build().map_err(|e| failed(e.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Ok(Http {
            client,
            runtime: runtime.map_err(|e| failed(e.to_string()))?,
            url,
            to,
            stop: Arc::clone(stop),
            acks,
            batch_bytes: BATCH_BYTES,
            framed: Vec::new(),
            answered: 0,
            said: String::new(),
        })
    }

    /// Sends messages of these lengths, in smaller parts where the receiver wants that.
    fn post(&mut self, body: &[u8], lengths: &[usize]) -> Result<(), TransportError> {
        let (status, answer) = match self.request(self.url.clone(), body.to_vec())? {
            Verdict::Taken(answer) => return self.taken(&answer, lengths.len() as u64),
            Verdict::Unfit(status, answer) => (status, answer),
        };
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            self.batch_bytes = (body.len() / 2).clamp(MIN_BATCH_BYTES, BATCH_BYTES);
        }
        if lengths.len() < 2 {
            return Err(TransportError::Unfit {
                to: self.to.clone(),
                too_large: status == StatusCode::PAYLOAD_TOO_LARGE,
                answer: format!("{} {answer}", status.as_u16()),
            });
        }
        let (first, second) = lengths.split_at(lengths.len() / 2);
        let (head, tail) = body.split_at(first.iter().sum::<usize>().min(body.len()));
        self.post(head, first)?;
        self.post(tail, second)
    }

    fn taken(&mut self, answer: &[u8], messages: u64) -> Result<(), TransportError> {
        self.said = shown(answer);
        let Some(acks) = &mut self.acks else {
            self.answered += messages;
            return Ok(());
        };
        acks.wait_for(answer, messages)
            .map_err(|reason| TransportError::NotHttp {
                to: self.to.clone(),
                reason,
            })
    }

    fn request(&self, url: Url, body: Vec<u8>) -> Result<Verdict, TransportError> {
        let request = self.client.post(url).body(body);
        self.runtime.block_on(async {
            let answered = async {
                let answer = request.send().await.map_err(|e| self.fault(&e))?;
                self.judge(answer).await
            };
            tokio::select! {
                answered = answered => answered,
                () = stopped(&self.stop) => Err(TransportError::Stopped),
            }
        })
    }

    async fn judge(&self, mut answer: Response) -> Result<Verdict, TransportError> {
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.fault(&e))? {
            if text.len() + chunk.len() > MAX_ANSWER_BYTES {
                break;
            }
            text.extend_from_slice(&chunk);
        }
        let to = self.to.clone();
        let said = shown(&text);
        match status.as_u16() {
            200..=299 => Ok(Verdict::Taken(text)),
            400 | 413 | 422 => Ok(Verdict::Unfit(status, said)),
            401 | 403 => Err(TransportError::Forbidden {
                to,
                answer: format!("{} {said}", status.as_u16()),
            }),
            429 | 503 => Err(TransportError::Busy {
                to,
                answer: format!("{} {said}", status.as_u16()),
                retry_after: retry_after
                    .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                    .map(Duration::from_secs),
            }),
            other => Err(TransportError::NotHttp {
                to,
                reason: format!("{other} {said}"),
            }),
        }
    }

    /// What reqwest says, without the URL, and with what is behind it.
    fn fault(&self, fault: &reqwest::Error) -> TransportError {
        let mut reason = String::new();
        let mut cause = fault.source();
        while let Some(inner) = cause {
            reason = inner.to_string();
            cause = inner.source();
        }
        let to = self.to.clone();
        if let Some(fault) = of_tls(fault) {
            return tls::blame(fault, to, self.url.host_str().unwrap_or_default());
        }
        if fault.is_timeout() {
            let seconds = PATIENCE.as_secs();
            return TransportError::Unanswered { to, seconds };
        }
        let source = io::Error::other(reason);
        match fault.is_connect() {
            true => TransportError::Unreachable { to, source },
            false => TransportError::Broken { to, source },
        }
    }

    fn poll_acks(&mut self) -> Result<(), TransportError> {
        let Some((url, body)) = self.acks.as_mut().and_then(|acks| acks.question(&self.url)) else {
            return Ok(());
        };
        let to = self.to.clone();
        let answer = match self.request(url, body)? {
            Verdict::Taken(answer) => answer,
            Verdict::Unfit(status, said) => {
                let reason = format!("asked for acknowledgements: {} {said}", status.as_u16());
                return Err(TransportError::NotHttp { to, reason });
            }
        };
        if let Some(acks) = &mut self.acks {
            let indexed = acks.answer(&answer);
            self.answered += indexed.map_err(|reason| TransportError::NotHttp { to, reason })?;
        }
        Ok(())
    }
}

/// What TLS found wrong, if that is behind a fault.
fn of_tls<'a>(fault: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = fault.downcast_ref() {
        return Some(found);
    }
    // What an io::Error is made of is not its source, but has one.
    let inner = fault
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match inner {
        Some(inner) => of_tls(inner),
        None => fault.source().and_then(of_tls),
    }
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(TICK).await;
    }
}

/// The header's value, never shown.
fn authorization(scheme: &str, path: &PathBuf) -> Result<HeaderValue, TransportError> {
    let unreadable = |reason: String| TransportError::File {
        what: "the receiver's token",
        path: path.clone(),
        reason,
    };
    let token = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    let mut value = HeaderValue::from_str(&format!("{scheme} {token}"))
        .map_err(|_| unreadable("no token has such characters".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn shown(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim()
        .chars()
        .map(plain)
        .take(MAX_SHOWN_CHARS)
        .collect()
}

impl Connection for Http {
    fn frame(&mut self, message: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(message);
        out.push(b'\n');
        self.framed.push(message.len() + 1);
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), TransportError> {
        let since = Instant::now();
        while self.acks.as_ref().is_some_and(Acks::is_full) {
            self.listen()?;
            if self.stop.load(Ordering::Relaxed) {
                return Err(TransportError::Stopped);
            }
            std::thread::sleep(TICK.min(acks::INTERVAL));
            if since.elapsed() > acks::PATIENCE {
                break;
            }
        }
        let lengths = std::mem::take(&mut self.framed);
        self.post(frames, &lengths)
    }

    fn listen(&mut self) -> Result<(), TransportError> {
        self.poll_acks()?;
        match self.acks.as_ref().is_some_and(Acks::is_late) {
            false => Ok(()),
            true => Err(TransportError::Unanswered {
                to: self.to.clone(),
                seconds: acks::PATIENCE.as_secs(),
            }),
        }
    }

    fn batch(&self) -> usize {
        usize::MAX
    }

    fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    fn answered(&self) -> Option<u64> {
        Some(self.answered)
    }

    fn blames(&self, fault: &TransportError) -> bool {
        matches!(fault, TransportError::Unfit { .. })
    }

    fn answer(&self) -> Option<String> {
        Some(self.said.clone())
    }

    /// What is not acknowledged yet is sent again by the next start.
    fn close(&mut self) {}
}
