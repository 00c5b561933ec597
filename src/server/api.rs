//! The ledger API under `/api/v1`.

mod approvals;
mod erasures;
mod events;
mod fault;
mod key;
mod lists;
mod operator;
mod reports;
mod retention;
mod tries;

pub use events::{Wanted, page};
pub use tries::Tries;

use super::Node;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/events", get(events::list).post(events::append))
        .route("/events/{seq}", get(events::one))
        .route("/key/rotate", post(key::rotate))
        .route("/proofs/{seq}", get(events::proof))
        .route("/findings", get(lists::findings))
        .route("/approvals", get(approvals::list))
        .route(
            "/approvals/{approval}",
            get(approvals::one).post(approvals::decide),
        )
        .route("/approvals/{approval}/statement", get(approvals::statement))
        .route("/agents", get(lists::agents))
        .route("/retention", get(retention::plan))
        .route("/retention/run", post(retention::run))
        .route("/erasures", get(erasures::list).post(erasures::request))
        .route("/reports", get(reports::list).post(reports::issue))
        .route("/reports/{seq}", get(reports::one))
        .route("/reports/{seq}/proof", get(reports::proof))
        .route("/reports/{seq}/figures/{id}", get(reports::figure))
        .route("/export", get(lists::export))
        .route("/witnesses", get(lists::witnesses))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(axum::extract::DefaultBodyLimit::max(events::MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn(fault::named))
}
