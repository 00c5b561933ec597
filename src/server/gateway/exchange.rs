//! One call from its body to its recorded end, in a task of its own.
//!
//! Streams hold nothing back: a chunk goes to the client when it comes, and where none comes for
//! a while a sign of life of our own, between two events. Only the end waits:
//! the answer is recorded first, then the stream ends cleanly. A client that saw a clean end
//! knows that its answer is in the ledger; where it cannot be, the stream is cut instead.

use super::fault::Fault;
use super::limiter::Place;
use super::patience::{Late, in_time};
use super::room::{self, Held};
use super::{Gateway, Side, ended, headers};
use crate::policies::Under;
use agents::capture::Capture;
use agents::gateway::{AdmitError, Call, Cleared, End, Recorded, Recorder};
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use ledger::{AppendError, IndexError};
use schemas::EventId;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Where the call goes if it is cleared, and with which headers.
pub(super) struct Outbound {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
}

pub(super) struct Exchange {
    side: Side,
    id: EventId,
    outbound: Option<Outbound>,
    /// Closed when the client has gone before it saw a head.
    reply: oneshot::Sender<Response>,
    held: Arc<Held>,
}

/// Chunks on their way to a client that reads slower than the provider writes.
const CHUNKS: usize = 16;

/// Names the call in every answer that is passed on.
const CALL: HeaderName = HeaderName::from_static("daicho-call");

impl Exchange {
    pub fn new(
        side: Side,
        id: EventId,
        outbound: Outbound,
        reply: oneshot::Sender<Response>,
        held: Held,
    ) -> Exchange {
        Exchange {
            side,
            id,
            outbound: Some(outbound),
            reply,
            held: Arc::new(held),
        }
    }

    /// `place` is kept until the log knows of the call.
    pub async fn run(self, call: Call, body: Capture, place: Option<Place>) {
        let (agent, unscanned) = (call.agent.clone(), call.unscanned(&body));
        // Work that nobody waits for any more is work all the same, until it ends.
        let held = Arc::new((Arc::clone(&self.held), place));
        let gateway = &self.side.gateway;
        let admitted = gateway.admit(call, body, Arc::clone(&held)).await;
        drop(held);
        match admitted {
            Ok(Recorded::Cleared(cleared)) => self.send(*cleared).await,
            Ok(Recorded::Refused(refusal)) => self.fail(Fault::refused(&refusal)),
            Err(NotAdmitted::Unsound(AdmitError::Limit(reached))) => {
                let fault = self.side.gateway.limited(&agent, *reached).await;
                self.fail(fault);
            }
            Err(NotAdmitted::Unsound(error)) => {
                let asking = self.side.asking(self.id, &agent);
                let recorded = match error.reason() {
                    Some(reason) => gateway.refuse(&asking, reason).await,
                    None => Ok(()),
                };
                let unrecorded = recorded.err();
                self.fail(unrecorded.unwrap_or_else(|| Fault::unsound(&error)));
            }
            Err(NotAdmitted::Unrecorded(error)) => self.fail(Fault::unrecorded(&error)),
            Err(NotAdmitted::Behind(error)) => self.fail(Fault::behind(&error)),
            Err(NotAdmitted::Unlooked(late)) => {
                let gateway = Arc::clone(&self.side.gateway);
                let record = move || unscanned.record(gateway.masker().policy());
                let asking = self.side.asking(self.id, &agent);
                let fault = self.side.gateway.unlooked(&asking, late, record).await;
                self.fail(fault);
            }
        }
    }

    fn fail(self, fault: Fault) {
        let provider = self.side.provider();
        let _ = self.reply.send(fault.into_response(self.id, provider));
    }

    async fn send(mut self, cleared: Cleared) {
        let withheld = cleared.withheld().to_vec();
        let (payload, mut recorder) = cleared.into_parts();
        let outbound = self.outbound.take();
        let Outbound {
            method,
            url,
            headers,
        } = outbound.expect("a call is sent once");
        let headers = headers::without(headers, &withheld);
        let Side { gateway, upstream } = self.side.clone();
        let left = Instant::now();
        let answer = tokio::select! {
            biased;
            () = self.reply.closed() => {
                let held = Arc::clone(&self.held);
                let closed = gateway.close(recorder, End::ClientGone, left, held);
                closed.await.unwrap_or_else(lost);
                return;
            }
            answer = upstream.send(method, url, headers, payload) => answer,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let end = if error.is_connect() {
                    End::Unreachable
                } else {
                    End::Broke
                };
                let fault = Fault::unreachable(&error, &upstream);
                let closed = gateway.close(recorder, end, left, Arc::clone(&self.held));
                closed.await.unwrap_or_else(lost);
                return self.fail(fault);
            }
        };
        // What is unpacked has lost this header; what has it still, no rule and no auditor can read.
        let coding = answer.headers().get(CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            let fault = Fault::packed(&upstream);
            recorder.head(answer.status().as_u16(), None);
            drop(answer);
            let closed = gateway.close(recorder, End::Broke, left, Arc::clone(&self.held));
            closed.await.unwrap_or_else(lost);
            return self.fail(fault);
        }
        // It is with the provider: what is held from here on is the answer.
        self.held.let_go();
        let media = answer
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        recorder.head(answer.status().as_u16(), media);
        // A redirect is passed in no form: its client would follow it.
        if recorder.is_streaming() && !answer.status().is_redirection() {
            self.pass_stream(answer, recorder, left).await;
        } else {
            self.pass_whole(answer, recorder, left).await;
        }
    }

    /// An answer in one piece is recorded before the client gets any of it.
    async fn pass_whole(
        mut self,
        mut answer: reqwest::Response,
        mut recorder: Recorder,
        left: Instant,
    ) {
        let mut body = Vec::new();
        let (end, fault) = loop {
            let chunk = tokio::select! {
                biased;
                () = self.reply.closed() => break (End::ClientGone, None),
                chunk = answer.chunk() => chunk,
            };
            match chunk {
                Ok(Some(chunk)) if recorder.push(&chunk, micros(left)).is_ok() => {
                    self.held.hold_anyhow(chunk.len() as u64);
                    body.extend_from_slice(&chunk);
                }
                Ok(Some(_)) => break (End::Broke, Some(Fault::too_long(&self.side.upstream))),
                Ok(None) => break (End::Whole, None),
                Err(_) => break (End::Broke, Some(Fault::broke(&self.side.upstream))),
            }
        };
        let held = Arc::clone(&self.held);
        let fault = match self.side.gateway.close(recorder, end, left, held).await {
            Err(not_closed) => Some(not_closed.fault()),
            // Followed by the client, a redirect would take the next prompt past the gateway.
            Ok(()) if answer.status().is_redirection() => {
                Some(Fault::redirected(&self.side.upstream))
            }
            Ok(()) => fault,
        };
        match fault {
            Some(fault) => self.fail(fault),
            None => {
                let body = Body::from(room::answer(body, Arc::clone(&self.held)));
                let response = self.response(&answer, body);
                let _ = self.reply.send(response);
            }
        }
    }

    async fn pass_stream(
        self,
        mut answer: reqwest::Response,
        mut recorder: Recorder,
        left: Instant,
    ) {
        let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(CHUNKS);
        // Whether the stream is not to look whole at its end.
        let cut = Arc::new(AtomicBool::new(true));
        let is_cut = Arc::clone(&cut);
        let chunks = futures_util::stream::poll_fn(move |context| {
            let next = std::task::ready!(receiver.poll_recv(context));
            let broken = || {
                is_cut
                    .swap(false, Ordering::SeqCst)
                    .then(|| Err(io::ErrorKind::UnexpectedEof.into()))
            };
            Poll::Ready(next.or_else(broken))
        });
        let response = self.response(&answer, Body::from_stream(chunks));
        let gateway = self.side.gateway;
        let mut end = if self.reply.send(response).is_ok() {
            None
        } else {
            Some(End::ClientGone)
        };
        let end = loop {
            if let Some(end) = end {
                break end;
            }
            let chunk = tokio::select! {
                biased;
                () = sender.closed() => break End::ClientGone,
                chunk = answer.chunk() => chunk,
                () = tokio::time::sleep(gateway.patience.ping) => {
                    if let Some(ping) = recorder.ping() {
                        // Who does not read does not wait for anything either.
                        let _ = sender.try_send(Ok(Bytes::from_static(ping)));
                    }
                    continue;
                }
            };
            end = match chunk {
                Ok(Some(chunk)) if recorder.push(&chunk, micros(left)).is_err() => Some(End::Broke),
                Ok(Some(chunk)) => {
                    self.held.hold_anyhow(chunk.len() as u64);
                    let sent = timeout(gateway.patience.reader, sender.send(Ok(chunk))).await;
                    (!matches!(sent, Ok(Ok(())))).then_some(End::ClientGone)
                }
                Ok(None) => Some(End::Whole),
                Err(_) => Some(End::Broke),
            };
        };
        drop(answer); // cancels the call upstream, where it is not at its end
        let held = Arc::clone(&self.held);
        let recorded = gateway.close(recorder, end, left, held).await;
        cut.store(end != End::Whole || recorded.is_err(), Ordering::SeqCst);
        drop(sender);
        recorded.unwrap_or_else(lost);
    }

    fn response(&self, answer: &reqwest::Response, body: Body) -> Response {
        let mut kept = headers::inbound(answer.headers());
        if let Ok(id) = HeaderValue::from_str(&self.id.to_string()) {
            kept.insert(CALL, id);
        }
        (answer.status(), kept, body).into_response()
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The end of a call that cannot be recorded now; the next start closes it as unknown.
fn lost(not_closed: NotClosed) {
    if let NotClosed::Unrecorded(error) = not_closed {
        tracing::error!(%error, "the end of a call could not be recorded");
    }
}

enum NotAdmitted {
    Unsound(AdmitError),
    Unrecorded(AppendError),
    /// What is in force by now cannot be known.
    Behind(IndexError),
    /// The rules failed, or took longer than a call waits; nothing of it was recorded or sent, and
    /// nothing will be.
    Unlooked(Late),
}

/// How a call ended is not on record as it was.
enum NotClosed {
    Unrecorded(AppendError),
    /// It stands there as failed: the rules came to no end with its answer.
    Unscanned,
}

impl NotClosed {
    fn fault(&self) -> Fault {
        match self {
            NotClosed::Unrecorded(error) => Fault::withheld(error),
            NotClosed::Unscanned => Fault::unscanned(),
        }
    }
}

impl Gateway {
    /// Masks, seals and records. What is `held` is kept as long as the rules are at work.
    async fn admit(
        &self,
        call: Call,
        body: Capture,
        held: impl Send + 'static,
    ) -> Result<Recorded, NotAdmitted> {
        let (appender, rules) = (self.appender.clone(), Arc::clone(&self.rules));
        let (sender, receiver) = oneshot::channel();
        let views = Arc::clone(&self.views);
        let worked = in_time(self.patience.rules, move |turn| {
            // A body may have been on its way for minutes.
            if let Err(error) = views.catch_up() {
                return drop(sender.send(Err(NotAdmitted::Behind(error))));
            }
            let Under { masker, call } = rules.under(call, appender.now());
            let admitted = call.admit_to(&body, &masker, &appender);
            // From here on it is held by who waits, until the log knows of the call.
            drop(held);
            match admitted {
                Err(error) => drop(sender.send(Err(NotAdmitted::Unsound(error)))),
                Ok(_) if !turn.take() => {}
                Ok(admission) => admission.record(&appender, move |result| {
                    let _ = sender.send(result.map_err(NotAdmitted::Unrecorded));
                }),
            }
        });
        worked.await.map_err(NotAdmitted::Unlooked)?;
        receiver
            .await
            .unwrap_or_else(|_| Err(NotAdmitted::Unrecorded(ended())))
    }

    /// Records how a call ended: what its answer was, or that nobody could look at it in time. What
    /// is `held` is kept as long as the rules are at work, which may be longer.
    async fn close(
        &self,
        recorder: Recorder,
        end: End,
        left: Instant,
        held: impl Send + 'static,
    ) -> Result<(), NotClosed> {
        let (micros, recorder) = (micros(left), Arc::new(recorder));
        let unscanned = Arc::clone(&recorder);
        let (appender, rules) = (self.appender.clone(), Arc::clone(&self.rules));
        let (sender, receiver) = oneshot::channel();
        let worked = in_time(self.patience.answers, move |turn| {
            let batch = recorder.end(end, micros, &rules.masker(appender.now()));
            drop(held);
            if turn.take() {
                appender.append_then(batch, move |result| {
                    let _ = sender.send(result.map(|_receipts| ()));
                });
            }
        });
        if let Err(late) = worked.await {
            tracing::error!(?late, "an answer could not be looked at in time");
            let unscanned = move || vec![unscanned.unscanned(micros)];
            let recorded = self.append(unscanned).await;
            recorded.map_err(NotClosed::Unrecorded)?;
            return Err(NotClosed::Unscanned);
        }
        let recorded = receiver.await.unwrap_or_else(|_| Err(ended()));
        recorded.map_err(NotClosed::Unrecorded)
    }
}
