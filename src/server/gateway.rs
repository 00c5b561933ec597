//! The gateway's HTTP face: `/anthropic/…` and `/openai/…`, as the provider's own API, but
//! recorded.
//!
//! | request | what happens |
//! |---|---|
//! | `POST /v1/messages`, `/v1/messages/count_tokens` | masked, recorded, sent, answered, recorded |
//! | `POST /v1/chat/completions`, `/v1/responses` | the same, as OpenAI's API |
//! | `GET /v1/models`, `/v1/models/{id}` | passed on with the gateway's key; carries no prompt, so no event |
//! | `HEAD`, `GET /api/hello` | 200, for everyone |
//! | other paths of the provider that are listed in daicho.toml | like a call: a body must be JSON |
//! | other paths of the provider | 403, recorded: what they carry would not be checked |
//! | anything else | 404 |
//! | what cannot be read: too long, too slow, packed, no JSON object | 4xx, recorded ([`refused`]) |
//!
//! A call runs in a task of its own ([`exchange`]), so that a client that goes away can stop
//! it but cannot keep it from being recorded.

mod address;
mod body;
mod credentials;
mod exchange;
mod fault;
mod headers;
mod hooks;
mod limiter;
mod pace;
mod patience;
mod places;
mod refused;
mod room;
mod telemetry;
mod upstream;

pub(super) use credentials::source;
pub(in crate::server) use fault::Fault;
pub use hooks::{cut, routes as hook_routes, state as draft_state, tell};
pub use refused::settle as settle_refused;
pub use room::Capacity;
pub(in crate::server) use room::Held;
pub use telemetry::{compare as compare_witnesses, routes as telemetry_routes};
pub use upstream::{KeyHeader, ProviderKey, Upstream, UpstreamError, checked_address};

use crate::policies::InForce;
use crate::views::Views;
use agents::gateway::{Beside, Call, Looked, Operation, Provider, unscanned};
use agents::masking::{Effort, Masker};
use agents::registry::Failures;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use body::captured;
use exchange::{Exchange, Outbound};
use ledger::{AppendError, Appender, Submission};
use limiter::{Coming, Within};
use patience::{Patience, in_time};
use places::Places;
use refused::Refusals;
use room::{Room, answer};
use schemas::kinds::people::AccessDenied;
use schemas::kinds::rules::RuleViolated;
use schemas::kinds::traffic::{RefusalReason, RuleCount};
use schemas::{Actor, Event, EventId, Label, Name};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A list of models is some KiB, and one of a thousand some hundreds.
const LIST_LIMIT: usize = 4 << 20;

/// What every call needs: who may speak, what may leave, where it is recorded.
pub struct Gateway {
    appender: Appender,
    rules: Arc<InForce>,
    views: Arc<Views>,
    coming: Arc<Coming>,
    failures: Mutex<Failures>,
    room: Arc<Room>,
    /// Where what clients tell is worked on: mostly it takes some milliseconds, so that the next ones
    /// wait, and a stream of the gateway, or a body still on its way, keeps none of them waiting.
    hooks: Arc<Places>,
    telemetry: Arc<Places>,
    refused: Refusals,
    patience: Patience,
}

/// Each hook at work holds a body and what is made of it.
const HOOKS: u64 = 64;

/// Exports are larger, and no client waits for what becomes of one.
const TELEMETRY: u64 = 8;

/// The gateway as one provider: where its calls go, and in which shape it speaks.
#[derive(Clone)]
pub struct Side {
    gateway: Arc<Gateway>,
    upstream: Arc<Upstream>,
}

impl Gateway {
    /// The masking rules in force for what belongs to no session.
    pub fn masker(&self) -> Masker {
        self.rules.masker(self.appender.now())
    }

    /// What masking took since the program began.
    pub fn effort(&self) -> &Effort {
        self.rules.effort()
    }

    pub fn new(
        appender: Appender,
        rules: InForce,
        views: Arc<Views>,
        capacity: Capacity,
    ) -> Gateway {
        Gateway {
            appender,
            rules: Arc::new(rules),
            views,
            coming: Arc::default(),
            failures: Mutex::default(),
            room: Arc::new(Room::of(capacity)),
            hooks: Places::of(HOOKS, &capacity),
            telemetry: Places::of(TELEMETRY, &capacity),
            refused: Refusals::default(),
            patience: Patience::USUAL,
        }
    }

    /// Calls in flight, and the bytes that they hold.
    pub fn load(&self) -> (u64, u64) {
        self.room.load()
    }

    /// Waits until no call is in flight. Before a stop: a call that is cut off by it ends as
    /// `model.failed` with outcome unknown at the next start.
    pub async fn idle(&self) {
        self.room.empty().await;
    }

    /// Appends without holding up the runtime: to make a batch and to seal it is work, and the
    /// queue may be full.
    async fn append(
        &self,
        batch: impl FnOnce() -> Vec<Submission> + Send + 'static,
    ) -> Result<(), AppendError> {
        let appender = self.appender.clone();
        let (sender, receiver) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            appender.append_then(batch(), move |result| {
                let _ = sender.send(result.map(|_receipts| ()));
            });
        });
        receiver.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Side {
    pub fn new(gateway: Arc<Gateway>, upstream: Arc<Upstream>) -> Side {
        Side { gateway, upstream }
    }

    fn provider(&self) -> Provider {
        self.upstream.provider()
    }

    /// An answer of our own.
    fn say(&self, fault: Fault) -> Response {
        fault.into_response(self.gateway.appender.new_id(), self.provider())
    }

    async fn call(self, operation: Operation, request: Request) -> Response {
        let (id, provider) = (self.gateway.appender.new_id(), self.provider());
        match self.begin(id, operation, request).await {
            Ok(response) => response,
            Err(fault) => fault.into_response(id, provider),
        }
    }

    async fn begin(
        self,
        id: EventId,
        operation: Operation,
        request: Request,
    ) -> Result<Response, Fault> {
        let (parts, body) = request.into_parts();
        let agent = self.gateway.caller(&parts).await?;
        let asking = self.asking(id, &agent);
        let held = self.gateway.enter(&asking).await?;
        let Within { models, place } = self.within(&asking).await?;
        let Some(url) = self.upstream.url(&parts.uri) else {
            self.gateway.refuse(&asking, RefusalReason::Query).await?;
            return Err(Fault::unsound_query());
        };
        let encoding = parts.headers.get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            self.gateway.refuse(&asking, RefusalReason::Encoded).await?;
            return Err(Fault::encoded());
        }
        let outbound = Outbound {
            method: parts.method.clone(),
            url,
            headers: headers::outbound(&parts.headers, self.provider()),
        };
        let body = self.gateway.read(&asking, &held, &parts.headers, body);
        let body = captured(body.await?);

        let session = parts.headers.get(headers::session(self.provider()));
        let session = session.and_then(|session| session.to_str().ok());
        let destination = self.upstream.destination().clone();
        let call = Call::new(id, agent, session, operation, destination);
        let call = call.beside(beside(&parts.uri, &outbound.headers));
        let call = match operation {
            Operation::Other(_) => call.at(parts.method.as_str(), parts.uri.path()),
            _ => call,
        };
        let call = call.of_models(models);
        let (reply, replied) = oneshot::channel();
        let exchange = Exchange::new(self, id, outbound, reply, held);
        tokio::spawn(exchange.run(call, body, place));
        replied.await.map_err(|_| Fault::internal())
    }
}

fn beside(uri: &Uri, headers: &HeaderMap) -> Beside {
    Beside {
        // What cannot be read was refused.
        address: address::said(uri).unwrap_or_default(),
        headers: headers::lines(headers),
    }
}

fn ended() -> AppendError {
    AppendError::Stopped {
        cause: "the ledger is closing".into(),
    }
}

/// 503 in the provider's own shape.
pub fn unavailable(message: &str, provider: Provider) -> Response {
    let body = axum::Json(fault::body("api_error", message, None, provider));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

/// What stands in the gateway's place while no key of this provider is given.
pub fn closed_routes(provider: Provider) -> Router {
    let message = "this gateway has no provider's key; its operator gives one in daicho.toml";
    let closed = move || async move { unavailable(message, provider) };
    Router::new().fallback(closed)
}

/// The paths of one side, to be mounted under `/anthropic` or `/openai`.
///
/// Serve with `into_make_service_with_connect_info::<SocketAddr>()`: failed attempts are
/// recorded with the address that they came from.
pub fn routes(side: Side) -> Router {
    let calls = |operation| {
        post(move |State(side): State<Side>, request: Request| side.call(operation, request))
    };
    let routes = match side.provider() {
        Provider::Anthropic => Router::new()
            .route("/v1/messages", calls(Operation::Messages))
            .route("/v1/messages/count_tokens", calls(Operation::CountTokens))
            .route("/api/hello", get(StatusCode::OK)),
        Provider::OpenAi => Router::new()
            .route("/v1/chat/completions", calls(Operation::ChatCompletions))
            .route("/v1/responses", calls(Operation::Responses)),
    };
    routes
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(models))
        .method_not_allowed_fallback(wrong_method)
        .fallback(other)
        .with_state(side)
}

/// The list of models. No prompt leaves with it, and what names a model in its address passed
/// the rules, so it is no event: clients ask for it at every start, and a ledger of that would
/// say nothing. What the rules find in it is one, and does not leave.
async fn models(State(side): State<Side>, request: Request) -> Response {
    match side.models(request).await {
        Ok(response) => response,
        Err(fault) => side.say(fault),
    }
}

/// A path that is none of the above.
async fn other(State(side): State<Side>, request: Request) -> Response {
    let path = request.uri().path();
    if side.upstream.passes(path) {
        let operation = Operation::Other(side.provider());
        return side.call(operation, request).await;
    }
    if !path.starts_with("/v1/") {
        return side.say(Fault::not_found(side.provider()));
    }
    let (parts, _) = request.into_parts();
    let fault = match side.gateway.caller(&parts).await {
        Ok(agent) => side.unlisted(&agent, &parts).await,
        Err(fault) => fault,
    };
    side.say(fault)
}

async fn wrong_method(State(side): State<Side>) -> Response {
    side.say(Fault::wrong_method())
}

impl Side {
    /// An agent asked for what does not pass.
    async fn unlisted(&self, agent: &Name, request: &Parts) -> Fault {
        let path = request.uri.path();
        let asked = format!("{} {path}", request.method);
        // A path can say anything; what the rules find in one is no word of the log.
        let (looked, gateway) = (asked.clone(), Arc::clone(&self.gateway));
        let clean = in_time(self.gateway.patience.rules, move |_| {
            gateway.masker().text(&looked).spans.is_empty()
        });
        let plain = self.upstream.url(&request.uri).is_some() && clean.await == Ok(true);
        let denied = AccessDenied {
            subject: Actor::Agent(agent.clone()),
            resource: Label::lossy(if plain { &asked } else { "an unlisted path" }),
            rule: "gateway.paths".parse().expect("a literal name is sound"),
        };
        let gateway = Actor::Service("gateway".parse().expect("a literal name is sound"));
        let event = Event::new(self.gateway.appender.new_id(), gateway, denied);
        match self.gateway.append(move || vec![event.into()]).await {
            Ok(()) => Fault::unlisted(path, self.provider()),
            Err(error) => Fault::unrecorded(&error),
        }
    }

    async fn models(&self, request: Request) -> Result<Response, Fault> {
        let (parts, _) = request.into_parts();
        let agent = self.gateway.caller(&parts).await?;
        let asking = self.asking(self.gateway.appender.new_id(), &agent);
        let held = self.gateway.enter(&asking).await?;
        self.may_go(&asking).await?;
        let Some(url) = self.upstream.url(&parts.uri) else {
            self.gateway.refuse(&asking, RefusalReason::Query).await?;
            return Err(Fault::unsound_query());
        };
        let headers = headers::outbound(&parts.headers, self.provider());
        let (beside, gateway) = (beside(&parts.uri, &headers), Arc::clone(&self.gateway));
        let looked = in_time(self.gateway.patience.rules, move |_| {
            beside.look(&gateway.masker())
        });
        let Looked { blocks, withheld } = match looked.await {
            Ok(looked) => looked,
            Err(late) => {
                let (appender, by) = (self.gateway.appender.clone(), agent.clone());
                let record = move || violations(&appender, &by, vec![unscanned()]);
                return Err(self.gateway.unlooked(&asking, late, record).await);
            }
        };
        if !blocks.is_empty() {
            return Err(self.gateway.violated(&agent, blocks).await);
        }
        let headers = headers::without(headers, &withheld);
        let list = self.upstream.get(url, headers).await;
        let mut list = list.map_err(|error| Fault::unreachable(&error, &self.upstream))?;
        let (status, kept) = (list.status(), headers::inbound(list.headers()));
        if status.is_redirection() {
            return Err(Fault::redirected(&self.upstream));
        }
        let mut body = Vec::new();
        loop {
            let chunk = list.chunk().await;
            match chunk.map_err(|_| Fault::broke(&self.upstream))? {
                None => return Ok((status, kept, answer(body, held)).into_response()),
                Some(chunk) if body.len() + chunk.len() > LIST_LIMIT => {
                    return Err(Fault::long_list(&self.upstream, LIST_LIMIT));
                }
                Some(chunk) => {
                    held.hold_anyhow(chunk.len() as u64);
                    body.extend_from_slice(&chunk);
                }
            }
        }
    }
}

impl Gateway {
    /// A request that is no call, and holds what may never be sent.
    async fn violated(&self, agent: &Name, blocks: Vec<RuleCount>) -> Fault {
        let batch = violations(&self.appender, agent, blocks);
        match self.append(move || batch).await {
            Ok(()) => Fault::prohibited(),
            Err(error) => Fault::unrecorded(&error),
        }
    }
}

/// By a request that is no call.
fn violations(appender: &Appender, agent: &Name, rules: Vec<RuleCount>) -> Vec<Submission> {
    let violated = |RuleCount { rule, count }| {
        let violated = RuleViolated {
            rule,
            call: None,
            position: None,
            count,
        };
        Event::new(appender.new_id(), Actor::Agent(agent.clone()), violated).into()
    };
    rules.into_iter().map(violated).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
