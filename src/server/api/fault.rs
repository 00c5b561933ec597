use crate::door::append_remedy;
use crate::intake::IntakeError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ledger::{AppendError, ReadError};

/// What went wrong with a request: whose fault, what, and what to do.
pub struct Fault {
    status: StatusCode,
    error: String,
    help: &'static str,
}

impl Fault {
    pub fn new(status: StatusCode, error: impl std::fmt::Display, help: &'static str) -> Fault {
        Fault {
            status,
            error: format!("{error:#}"),
            help,
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(serde_json::json!({ "error": self.error, "help": self.help })),
        )
            .into_response()
    }
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
            | AppendError::Stopped { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        let help = append_remedy(&error);
        Fault::new(status, anyhow::Error::new(error), help)
    }
}

impl From<IntakeError> for Fault {
    fn from(error: IntakeError) -> Fault {
        let help = "nothing was appended; an event is {\"kind\",\"actor\",\"data\"} and optionally id, class, session, occurred, content";
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
