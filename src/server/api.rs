//! The ledger API under `/api/v1`.

mod events;
mod fault;

use super::Node;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use exporters::forward::Status;

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/events", get(events::list).post(events::append))
        .route("/events/{seq}", get(events::one))
        .route("/proofs/{seq}", get(events::proof))
        .route("/export", get(export))
        .route("/witnesses", get(witnesses))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(axum::extract::DefaultBodyLimit::max(events::MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn(fault::named))
}

/// Who cosigned what; null where no witness is configured.
async fn witnesses(State(node): State<Node>) -> Json<Option<super::witnesses::Status>> {
    Json(node.witnesses.as_ref().map(|w| w.status()))
}

/// How far each receiver of the log is.
async fn export(State(node): State<Node>) -> Json<Vec<Status>> {
    Json(
        node.forwarders
            .iter()
            .map(|forwarder| forwarder.status())
            .collect(),
    )
}
