//! `/mcp/{server}`: a tool server behind daicho, over MCP's streamable HTTP transport
//! (2025-11-25, and back to 2025-03-26 but for batches).
//!
//! | request | what happens |
//! |---|---|
//! | `POST`, `initialize` | a session begins, with a tool server of its own |
//! | `POST`, another request | decided and recorded as [`crate::mcp`] says; answered as a stream |
//! | `POST`, a notification or an answer | passed on, 202 |
//! | `GET` | a stream of what the server says by itself |
//! | `DELETE` | the session ends, and its server with it |
//!
//! An agent shows its token with every request, and finds its own sessions only, with the servers
//! that its limits allow. Streams have no
//! event ids: what a broken connection lost is in the log, and the agent calls again.

mod fault;
mod headers;
mod ledger;
mod remote;
mod session;
mod sessions;
mod streams;

pub use sessions::{Sessions, check};

use super::Node;
use super::gateway::Held;
use crate::mcp::message::Message;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use fault::Fault;
use futures_util::StreamExt;
use schemas::Name;
use schemas::kinds::traffic::RefusalReason;
use serde_json::Value;
use session::Session;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;

pub fn routes() -> Router<Node> {
    let server = post(say).get(listen).delete(end);
    Router::new()
        .route("/mcp", post(ledger::say))
        .route("/mcp/{server}", server)
        .layer(axum::middleware::from_fn(headers::only_own_origin))
}

async fn say(
    State(node): State<Node>,
    Path(server): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (parts, body) = request.into_parts();
    let agent = node.gateway.caller(&parts).await?;
    node.mcp.server(&server)?;
    node.gateway.may_use(&agent, &server).await?;
    readable(&node, &agent, &server, &parts.headers).await?;
    let body = node
        .gateway
        .read_message(&agent, &server, &parts.headers, body);
    let (held, body) = body.await?;
    let message = match Message::of_client(&body) {
        Message::Unsound(answer) => {
            unread(&node, &agent, &server).await?;
            return Ok(Fault::answer(StatusCode::BAD_REQUEST, answer));
        }
        message => message,
    };
    if message.is_batch() {
        unread(&node, &agent, &server).await?;
        return Err(Fault::batch());
    }
    let asks = message.asks().cloned();
    let begins = message.method() == Some("initialize") && asks.is_some();
    let session = match (headers::session(&parts.headers), begins) {
        (None, true) => node.mcp.begin(&node, agent, &server).await?,
        (Some(id), false) => node.mcp.session(id, &agent, &server)?,
        (None, false) => return Err(Fault::no_session(asks)),
        (Some(_), true) => return Err(Fault::begun(asks)),
    };
    let mut response = said(&session, message, asks, held).await?;
    if begins && let Ok(id) = HeaderValue::from_str(session.id()) {
        response.headers_mut().insert(headers::SESSION, id);
    }
    Ok(response)
}

/// Whether a message comes in a form that can be read. One that does not is recorded.
async fn readable(
    node: &Node,
    agent: &Name,
    server: &str,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    if headers::is_readable(headers).is_err() {
        let refused = node
            .gateway
            .refuse_message(agent, server, RefusalReason::Encoded);
        refused.await?;
    }
    headers::is_message(headers)
}

/// Records that a message is none.
async fn unread(node: &Node, agent: &Name, server: &str) -> Result<(), Fault> {
    let refused = node
        .gateway
        .refuse_message(agent, server, RefusalReason::Malformed);
    Ok(refused.await?)
}

async fn said(
    session: &Arc<Session>,
    message: Message,
    asks: Option<Value>,
    held: Held,
) -> Result<Response, Fault> {
    let Some(id) = asks else {
        session.say(message).await;
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let answers = session.streams.expect(&id, message.progress())?;
    let session = Arc::clone(session);
    // A client that goes away takes nothing back by it, and keeps nothing from being recorded.
    tokio::spawn(async move {
        session.say(message).await;
        drop(held);
    });
    Ok(stream(answers))
}

async fn listen(
    State(node): State<Node>,
    Path(server): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (parts, _) = request.into_parts();
    headers::is_listener(&parts.headers)?;
    let agent = node.gateway.caller(&parts).await?;
    node.mcp.server(&server)?;
    node.gateway.may_use(&agent, &server).await?;
    let id = headers::session(&parts.headers).ok_or_else(|| Fault::no_session(None))?;
    let session = node.mcp.session(id, &agent, &server)?;
    Ok(stream(session.streams.listen()?))
}

async fn end(
    State(node): State<Node>,
    Path(server): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let (parts, _) = request.into_parts();
    let agent = node.gateway.caller(&parts).await?;
    node.mcp.server(&server)?;
    let id = headers::session(&parts.headers).ok_or_else(|| Fault::no_session(None))?;
    node.mcp.session(id, &agent, &server)?.leave();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends when nobody can say more on it.
fn stream(mut messages: mpsc::Receiver<Value>) -> Response {
    let messages = futures_util::stream::poll_fn(move |cx| messages.poll_recv(cx));
    let events = messages.map(|message| {
        // JSON as it is written here has no line ends.
        let event = Event::default().event("message").data(message.to_string());
        Ok::<_, Infallible>(event)
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}
