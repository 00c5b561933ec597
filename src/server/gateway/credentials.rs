//! Who is calling: the agent's token, from either header that clients use.

use super::Gateway;
use super::fault::Fault;
use agents::registry::Token;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use schemas::kinds::people::{AuthFailed, AuthFailure};
use schemas::{Actor, Event, Label, Name};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

/// The token that a request presents. Some clients send it in both headers; then both must
/// say the same.
fn presented(headers: &HeaderMap) -> Result<Token, AuthFailure> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let key = headers
        .get_all("x-api-key")
        .iter()
        .map(|value| value.to_str().ok());
    let mut only: Option<Token> = None;
    for text in bearer.chain(key) {
        let token = text
            .and_then(Token::presented)
            .ok_or(AuthFailure::Unknown)?;
        match &only {
            Some(first) if first.digest() != token.digest() => return Err(AuthFailure::Unknown),
            _ => only = Some(token),
        }
    }
    only.ok_or(AuthFailure::Missing)
}

impl Gateway {
    /// The agent that is calling. A failed attempt is recorded before it is answered.
    pub(in crate::server) async fn caller(&self, request: &Parts) -> Result<Name, Fault> {
        let (reason, agent) = match presented(&request.headers) {
            Err(reason) => (reason, None),
            Ok(token) => {
                self.current().await?;
                let now = self.appender.now();
                let found = self
                    .views
                    .agents
                    .read(|agents| match agents.holder(&token, now) {
                        Ok(agent) => Ok(agent.name.clone()),
                        Err((reason, agent)) => {
                            Err((reason, agent.map(|agent| agent.name.clone())))
                        }
                    });
                match found {
                    Ok(agent) => return Ok(agent),
                    Err(failed) => failed,
                }
            }
        };
        let source = source(&request.extensions);
        let failed = AuthFailed {
            subject: agent.clone().map(Actor::Agent),
            method: "agent-token".parse().expect("a literal name is sound"),
            reason,
            source,
        };
        self.note_failure("gateway", failed).await;
        Err(match agent {
            Some(agent) => Fault::barred(&agent, reason),
            None => Fault::unauthenticated(reason),
        })
    }

    /// Has the views know all that the log holds by now: who is suspended, and what was withdrawn or
    /// adopted, holds from the next call on, though nobody else folds it in.
    async fn current(&self) -> Result<(), Fault> {
        if self.views.are_current() {
            return Ok(());
        }
        let views = Arc::clone(&self.views);
        let caught_up = tokio::task::spawn_blocking(move || views.catch_up());
        let caught_up = caught_up.await.map_err(|_| Fault::internal())?;
        caught_up.map_err(|error| Fault::behind(&error)).map(drop)
    }

    /// Records that somebody was not who they would have to be, unless enough of it is recorded.
    pub(in crate::server) async fn note_failure(&self, service: &str, failed: AuthFailed) {
        let noted = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.admit(&failed, self.appender.now())
        };
        let Some(passed_over) = noted else { return };
        if passed_over > 0 {
            tracing::warn!(passed_over, "failed attempts were not recorded one by one");
        }
        let by = Actor::Service(service.parse().expect("a literal name is sound"));
        let event = Event::new(self.appender.new_id(), by, failed);
        if let Err(error) = self.append(move || vec![event.into()]).await {
            tracing::error!(%error, "a failed attempt could not be recorded");
        }
    }
}

/// From where it came, as far as its connection tells.
pub(in crate::server) fn source(extensions: &Extensions) -> Option<Label> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| Label::lossy(&address.ip().to_string()))
}
