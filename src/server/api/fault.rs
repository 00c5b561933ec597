use super::events::MAX_BODY_BYTES;
use crate::approvals::WholeError;
use crate::door::append_remedy;
use crate::intake::IntakeError;
use axum::Json;
use axum::extract::{OriginalUri, Request};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ledger::{AppendError, ContentError, ReadError};
use schemas::EventId;
use std::borrow::Cow;

/// What went wrong with a request: whose fault, what, and what to do.
pub struct Fault {
    status: StatusCode,
    error: String,
    help: Cow<'static, str>,
    /// The id that stands for another event, and where that is.
    conflict: Option<(EventId, u64)>,
}

impl Fault {
    pub fn new(
        status: StatusCode,
        error: impl std::fmt::Display,
        help: impl Into<Cow<'static, str>>,
    ) -> Fault {
        Fault {
            status,
            error: format!("{error:#}"),
            conflict: None,
            help: help.into(),
        }
    }
}

/// For those who speak in another shape.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.error, self.help)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(serde_json::json!({ "error": self.error, "help": self.help, "conflict": self.conflict })),
        )
            .into_response()
    }
}

/// What the framework refuses is a fault like any other: it has a reason and a remedy.
pub async fn named(request: Request, next: Next) -> Response {
    let whole = request.extensions().get::<OriginalUri>();
    let path = whole.map_or(request.uri(), |uri| uri).path().to_owned();
    let method = request.method().clone();
    let answer = next.run(request).await;
    let (status, headers) = (answer.status(), answer.headers());
    let own = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|media| media == "application/json");
    if own || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let fault = match status {
        StatusCode::NOT_FOUND => Fault::new(
            status,
            format!("there is nothing at {path}"),
            "see the API's description in the README",
        ),
        StatusCode::METHOD_NOT_ALLOWED => Fault::new(
            status,
            format!("{method} is not for {path}"),
            "GET reads; POST is for /api/v1/events, /api/v1/approvals/…, /api/v1/reports and /api/v1/erasures",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(
            status,
            format!("the request is longer than {MAX_BODY_BYTES} bytes"),
            "send fewer events in one request",
        ),
        // Of the path or the query, which the client can see; a body's words are not repeated.
        StatusCode::BAD_REQUEST => {
            let text = axum::body::to_bytes(answer.into_body(), 4_096).await;
            let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
            Fault::new(status, text, "correct the path or the query")
        }
        _ => return answer,
    };
    fault.into_response()
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Fault {
        let status = match &error {
            AppendError::Unfit { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            AppendError::Conflict { .. } | AppendError::ConflictInBatch { .. } => {
                StatusCode::CONFLICT
            }
            AppendError::ClockBehind { .. }
            | AppendError::Content(_)
            | AppendError::Stopped { .. }
            | AppendError::Refused { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let help = append_remedy(&error);
        let conflict = match &error {
            AppendError::Conflict { id, seq } => Some((*id, *seq)),
            _ => None,
        };
        Fault {
            conflict,
            ..Fault::new(status, anyhow::Error::new(error), help)
        }
    }
}

impl From<WholeError> for Fault {
    fn from(error: WholeError) -> Fault {
        match error {
            WholeError::Append(error) => error.into(),
            WholeError::Read(error) => error.into(),
            WholeError::Content(error) => {
                let status = match error {
                    ContentError::NoKey { .. }
                    | ContentError::NoSubjectKey { .. }
                    | ContentError::Ended { .. }
                    | ContentError::Erased { .. } => StatusCode::GONE,
                    _ => StatusCode::INTERNAL_SERVER_ERROR,
                };
                let help = "its retention may have ended, or it was erased; run `daicho verify`";
                Fault::new(status, anyhow::Error::new(error), help)
            }
            WholeError::NotWhatIsAsked => {
                let help = "deny it, and find out who made it";
                Fault::new(StatusCode::CONFLICT, anyhow::Error::new(error), help)
            }
        }
    }
}

impl From<IntakeError> for Fault {
    fn from(error: IntakeError) -> Fault {
        let help = "nothing was appended; an event is {\"kind\",\"actor\",\"data\"} and optionally id, class, session, occurred, content, person";
        Fault::new(StatusCode::BAD_REQUEST, anyhow::Error::new(error), help)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        match error {
            ReadError::Beyond { .. } => Fault::new(
                StatusCode::NOT_FOUND,
                error,
                "positions begin at 0 and end before the size",
            ),
            _ => Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                error,
                "run `daicho verify`",
            ),
        }
    }
}
