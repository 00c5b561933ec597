//! The ledger API under `/api/v1`.

mod events;
mod fault;

use super::Node;
use axum::Router;
use axum::routing::get;

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/events", get(events::list).post(events::append))
        .route("/events/{seq}", get(events::one))
        .route("/proofs/{seq}", get(events::proof))
        .layer(axum::extract::DefaultBodyLimit::max(events::MAX_BODY_BYTES))
}
