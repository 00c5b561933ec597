use crate::mcp::message;
use crate::outcome::Failure;
use crate::server::gateway;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Why a request goes no further: an HTTP status, and in the body the same as an error of JSON-RPC.
pub struct Fault {
    status: StatusCode,
    /// Of the request, where it could be read.
    id: Option<Value>,
    message: String,
}

impl Fault {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Fault {
        Fault {
            status,
            id: None,
            message: message.into(),
        }
    }

    pub fn answer(status: StatusCode, answer: Value) -> Response {
        (status, Json(answer)).into_response()
    }

    fn bad(id: Option<Value>, message: &str) -> Fault {
        Fault {
            id,
            ..Fault::new(StatusCode::BAD_REQUEST, message)
        }
    }

    pub fn no_session(id: Option<Value>) -> Fault {
        let why = "no session: send `initialize` first, then the `Mcp-Session-Id` of its answer \
                   with everything else";
        Fault::bad(id, why)
    }

    pub fn begun(id: Option<Value>) -> Fault {
        Fault::bad(
            id,
            "this session has begun: send `initialize` without `Mcp-Session-Id`",
        )
    }

    pub fn batch() -> Fault {
        Fault::bad(None, "one message in each request, not a batch")
    }

    pub fn twice(id: &Value) -> Fault {
        let why = "another request with this id is not answered yet";
        Fault::bad(Some(id.clone()), why)
    }

    pub fn no_server() -> Fault {
        let why = "no such tool server: the operator of daicho names them in daicho.toml, [mcp]";
        Fault::new(StatusCode::NOT_FOUND, why)
    }

    /// The client begins another then.
    pub fn over() -> Fault {
        let why = "no such session, or it has ended: send `initialize` to begin another";
        Fault::new(StatusCode::NOT_FOUND, why)
    }

    pub fn stopping() -> Fault {
        let why = "daicho is stopping: begin again in a moment";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    pub fn too_many() -> Fault {
        let why = "too many sessions are at work: end one (`DELETE`), or try again later";
        Fault::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    pub fn unrecorded(failure: &Failure) -> Fault {
        Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{:#}", failure.fault),
        )
    }

    /// What is wrong with the server is for the operator's log.
    pub fn no_start(server: &str, cause: &dyn std::fmt::Display) -> Fault {
        tracing::error!("the tool server {server} cannot be started: {cause}");
        let why =
            format!("the tool server {server} cannot be started: tell the operator of daicho");
        Fault::new(StatusCode::BAD_GATEWAY, why)
    }
}

impl From<gateway::Fault> for Fault {
    fn from(fault: gateway::Fault) -> Fault {
        let (status, message) = fault.told();
        Fault::new(status, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let id = self.id.unwrap_or(Value::Null);
        let body = message::error(&id, message::SERVER_ERROR, &self.message);
        (self.status, Json(body)).into_response()
    }
}
