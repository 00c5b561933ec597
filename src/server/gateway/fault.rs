use super::patience::Late;
use super::upstream::Upstream;
use agents::gateway::{AdmitError, Provider, Refusal};
use agents::hooks::HookError;
use agents::limits;
use agents::telemetry::TelemetryError;
use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ledger::{AppendError, IndexError};
use schemas::kinds::people::AuthFailure;
use schemas::kinds::traffic::{LimitKind, LimitReached};
use schemas::{Actor, EventId, Name};
use serde_json::{Value, json};

/// An answer of the gateway's own, in the provider's shape: the clients know how to show it.
///
/// The message says what is wrong and what to do. It never quotes the request.
pub struct Fault {
    status: StatusCode,
    kind: &'static str,
    message: String,
    /// Clients try again by themselves after 408, 409, 429 and 5xx; here that would be in vain.
    final_: bool,
    /// Seconds after which it would no longer be.
    retry_after: Option<u64>,
}

/// Tells the official clients whether to try again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Where the provider's answers name themselves.
fn request_id(provider: Provider) -> HeaderName {
    HeaderName::from_static(match provider {
        Provider::Anthropic => "request-id",
        Provider::OpenAi => "x-request-id",
    })
}

/// Anthropic's own word for it.
fn overloaded() -> StatusCode {
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// An error as the provider writes it.
pub(super) fn body(kind: &str, message: &str, id: Option<EventId>, provider: Provider) -> Value {
    match provider {
        Provider::Anthropic => {
            let mut body =
                json!({ "type": "error", "error": { "type": kind, "message": message } });
            if let Some(id) = id {
                body["request_id"] = json!(id.to_string());
            }
            body
        }
        Provider::OpenAi => {
            let code = match kind {
                "authentication_error" => Some("invalid_api_key"),
                "rate_limit_error" => Some("rate_limit_exceeded"),
                "billing_error" => Some("insufficient_quota"),
                _ => None,
            };
            json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
        }
    }
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Fault {
        Fault {
            status,
            kind,
            message: message.into(),
            final_: false,
            retry_after: None,
        }
    }

    fn last(mut self) -> Fault {
        self.final_ = true;
        self
    }

    fn invalid(message: impl Into<String>) -> Fault {
        Fault::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).last()
    }

    /// Says where the record of this refusal is.
    pub fn recorded_as(mut self, call: EventId) -> Fault {
        let record = format!("; the record of this refusal is call {call}");
        self.message.push_str(&record);
        self
    }

    pub fn into_response(self, id: EventId, provider: Provider) -> Response {
        let body = body(self.kind, &self.message, Some(id), provider);
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            headers.insert(request_id(provider), id);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.final_ {
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        response
    }

    /// For those who speak in another shape.
    pub fn told(self) -> (StatusCode, String) {
        (self.status, self.message)
    }

    pub fn unauthenticated(reason: AuthFailure) -> Fault {
        let message = match reason {
            AuthFailure::Missing => {
                "no agent token: send the token that daicho issued as `x-api-key` or as \
                 `Authorization: Bearer`"
            }
            _ => {
                "the agent token is not known here: use the one that daicho issued for this agent \
                 (not a provider's key), or ask the operator for a new one"
            }
        };
        Fault::new(StatusCode::UNAUTHORIZED, "authentication_error", message).last()
    }

    pub fn barred(agent: &Name, reason: AuthFailure) -> Fault {
        let standing = match reason {
            AuthFailure::Suspended => "agent {} is suspended",
            AuthFailure::Expired => "the token of agent {} has ended",
            _ => "agent {} is retired",
        };
        let standing = standing.replace("{}", agent.as_str());
        let message = format!("{standing}; ask the operator of this gateway");
        Fault::new(StatusCode::FORBIDDEN, "permission_error", message).last()
    }

    pub fn refused(refusal: &Refusal) -> Fault {
        Fault::new(StatusCode::FORBIDDEN, "permission_error", refusal.message()).last()
    }

    /// A rate passes by itself, and clients wait for it; a budget is not waited for; what is not
    /// allowed stays so.
    pub fn limited(reached: &LimitReached) -> Fault {
        use LimitKind::*;
        let (status, kind) = match reached.limit {
            RequestsPerMinute => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
            TokensPerDay | TokensPerMonth | CostPerDay | CostPerMonth => {
                (StatusCode::TOO_MANY_REQUESTS, "billing_error")
            }
            CallsInFlight | HeldBytes => match &reached.of {
                Actor::Service(_) => (overloaded(), "overloaded_error"),
                _ => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
            },
            Models | Upstreams | ToolServers | Price | Uncounted => {
                (StatusCode::FORBIDDEN, "permission_error")
            }
        };
        Fault {
            retry_after: reached.retry_after_seconds,
            final_: !matches!(reached.limit, RequestsPerMinute | CallsInFlight | HeldBytes),
            ..Fault::new(status, kind, limits::explain(reached))
        }
    }

    /// Who may speak and what may leave is what the log says, to its end.
    pub fn behind(error: &IndexError) -> Fault {
        tracing::error!(%error, "a call was refused: the log cannot be read to its end");
        let message = "what is allowed cannot be read from the ledger, so nothing was sent: \
                       try again later, and tell the operator of this gateway if it lasts";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    pub fn prohibited() -> Fault {
        let message = "refused before anything left: the address or a header holds data that may \
                       never be sent; remove it and ask again";
        Fault::new(StatusCode::FORBIDDEN, "permission_error", message).last()
    }

    pub fn unsound(error: &AdmitError) -> Fault {
        Fault::invalid(match error {
            AdmitError::Background => {
                format!("{error}, so nothing was sent: ask without `background`")
            }
            AdmitError::Limit(reached) => return Fault::limited(reached),
            AdmitError::Body(_) | AdmitError::NotAnObject => format!(
                "{error}; what cannot be read cannot be checked, so nothing was sent: send one \
                 JSON object in UTF-8, as the provider's API describes it"
            ),
        })
    }

    pub fn encoded() -> Fault {
        Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request_error",
            "the body is compressed, so it cannot be checked: send it without content-encoding",
        )
        .last()
    }

    pub fn unsound_query() -> Fault {
        Fault::invalid(
            "the address cannot be checked for private data: send a path without escapes, and a \
             query of UTF-8, below 4 KiB in all; put what you have to say into the body",
        )
    }

    pub fn too_large(limit: usize) -> Fault {
        let message = format!(
            "the body is longer than {} MB: send fewer or shorter messages",
            limit >> 20
        );
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message).last()
    }

    pub fn body_stalled() -> Fault {
        let message = "the body did not arrive in time; nothing was sent: send it again";
        Fault::new(StatusCode::REQUEST_TIMEOUT, "timeout_error", message)
    }

    pub fn body_broke() -> Fault {
        Fault::invalid("the body broke off; nothing was sent: send it again")
    }

    /// The reason goes to the operator's log: it can hold paths.
    pub fn unrecorded(error: &AppendError) -> Fault {
        tracing::error!(%error, "a call was refused: the ledger cannot record it");
        let message = "the ledger cannot record this call, so nothing was sent: try again later, \
                       and tell the operator of this gateway if it lasts";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    /// The rules came to no end with what was to be sent.
    pub(super) fn unlooked(late: Late) -> Fault {
        if late == Late::Panicked {
            return Fault::internal();
        }
        tracing::error!("a call was refused: the masking rules did not end in time");
        let message = "the masking rules did not end in time, so nothing was sent: send less in \
                       one request, or try again later";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    /// They came to no end with what came back.
    pub fn unscanned() -> Fault {
        let message = "the answer came but could not be looked at in time, so it is withheld, and \
                       recorded as failed: tell the operator of this gateway";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message).last()
    }

    /// They came to no end with what a client told.
    pub fn unread() -> Fault {
        let message = "what was told could not be looked at in time: send less at a time, or try \
                       again later";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    pub fn withheld(error: &AppendError) -> Fault {
        tracing::error!(%error, "an answer was withheld: the ledger cannot record it");
        let message = "the answer came but cannot be recorded, so it is withheld: tell the \
                       operator of this gateway";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message).last()
    }

    pub fn unreachable(error: &reqwest::Error, upstream: &Upstream) -> Fault {
        let to = upstream.destination();
        let message = if error.is_connect() {
            format!("the provider at {to} cannot be reached; nothing was sent: try again later")
        } else if error.is_timeout() {
            return Fault::new(
                StatusCode::GATEWAY_TIMEOUT,
                "timeout_error",
                format!("the provider at {to} gave no answer in time"),
            );
        } else {
            return Fault::broke(upstream);
        };
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message)
    }

    pub fn broke(upstream: &Upstream) -> Fault {
        let message = format!(
            "the answer of the provider at {} broke off",
            upstream.destination()
        );
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message)
    }

    pub fn long_list(upstream: &Upstream, limit: usize) -> Fault {
        let message = format!(
            "the provider at {} answered with more than {} MiB where a list of models was asked \
             for, so it is withheld: the operator should check the upstream address",
            upstream.destination(),
            limit >> 20
        );
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message).last()
    }

    pub fn too_long(upstream: &Upstream) -> Fault {
        let message = format!(
            "the answer of the provider at {} is longer than can be recorded",
            upstream.destination()
        );
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message).last()
    }

    pub fn packed(upstream: &Upstream) -> Fault {
        let message = format!(
            "the provider at {} answered in a coding that was not asked for and cannot be read \
             here, so the answer is withheld",
            upstream.destination()
        );
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message).last()
    }

    pub fn redirected(upstream: &Upstream) -> Fault {
        let message = format!(
            "the provider at {} answered with a redirect, which is never followed: the operator \
             should check the upstream address",
            upstream.destination()
        );
        Fault::new(StatusCode::BAD_GATEWAY, "api_error", message).last()
    }

    pub fn not_found(provider: Provider) -> Fault {
        let message = match provider {
            Provider::Anthropic => "no such path: set the client's base URL to …/anthropic",
            Provider::OpenAi => "no such path: set the client's base URL to …/openai/v1",
        };
        Fault::new(StatusCode::NOT_FOUND, "not_found_error", message).last()
    }

    /// A path of the provider's that is on no list. Says what to do instead.
    pub fn unlisted(path: &str, provider: Provider) -> Fault {
        let of = |what: &str| path.split('/').any(|part| part == what);
        let message = if of("batches") {
            "batches are not passed: their answers come later, past the record of what came back; \
             send each request by itself"
        } else if of("files") || of("uploads") {
            "files are not passed: they would leave as they are, past the rules that mask a \
             message; put the text into a message, or a PDF in base64"
        } else {
            match provider {
                Provider::Anthropic => {
                    "this gateway passes messages, count_tokens and models; other paths of the \
                     provider are refused because nobody has said what they carry (the operator \
                     may list one in daicho.toml, [anthropic] paths)"
                }
                Provider::OpenAi => {
                    "this gateway passes chat/completions, responses and models; other paths of \
                     the provider are refused because nobody has said what they carry (the \
                     operator may list one in daicho.toml, [openai] paths)"
                }
            }
        };
        Fault::new(StatusCode::FORBIDDEN, "permission_error", message).last()
    }

    pub fn no_hook() -> Fault {
        let message = "no such hook: Claude Code's is /hooks/claude-code";
        Fault::new(StatusCode::NOT_FOUND, "not_found_error", message).last()
    }

    pub fn no_call(error: &HookError) -> Fault {
        Fault::invalid(format!(
            "{error}; what cannot be read cannot be checked: send the hook's JSON as it is"
        ))
    }

    pub fn no_export(error: &TelemetryError) -> Fault {
        Fault::invalid(format!(
            "{error}; nothing of it was recorded: have the client send OTLP as http/json, \
             uncompressed (OTEL_EXPORTER_OTLP_PROTOCOL=http/json)"
        ))
    }

    pub fn untold(why: &str) -> Fault {
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", why)
    }

    pub fn wrong_method() -> Fault {
        let message = "this path exists, but not for this method";
        Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            message,
        )
        .last()
    }

    pub fn internal() -> Fault {
        let message = "the gateway failed on this call; tell the operator, with the request id";
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message).last()
    }
}
