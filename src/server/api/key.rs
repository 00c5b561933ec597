use super::fault::Fault;
use super::operator::Operator;
use crate::door::Door;
use crate::keyring::{RotateError, Rotated, Rotation};
use crate::server::Node;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use ledger::AppendError;

/// Puts another signing key in force, while everything goes on.
pub async fn rotate(
    State(node): State<Node>,
    _: Operator,
    body: Bytes,
) -> Result<Json<Rotated>, Fault> {
    let wish: Rotation = serde_json::from_slice(&body).map_err(|error| {
        let fault = schemas::json_fault(&error);
        let help = "send {\"reason\":\"scheduled\",\"place\":\"as-now\"}";
        Fault::new(StatusCode::BAD_REQUEST, fault, help)
    })?;
    let rotated = tokio::task::spawn_blocking(move || {
        let operator = Door::Here(node.appender.clone()).operator();
        node.keyring.rotate(&node.appender, operator, &wish)
    });
    match rotated.await {
        Ok(Ok(rotated)) => Ok(Json(rotated)),
        Ok(Err(error)) => Err(refused(error)),
        Err(_) => {
            let help = "`daicho key show` says which key is in force";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Fault::new(status, "the rotation did not end", help))
        }
    }
}

fn refused(error: RotateError) -> Fault {
    let status = match &error {
        RotateError::WhichPlace | RotateError::Append(AppendError::Refused { .. }) => {
            StatusCode::CONFLICT
        }
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let help = error.remedy();
    Fault::new(status, anyhow::Error::new(error), help)
}
