//! Approvals, as JSON. What is sealed is shown to the operator's token only, and recorded first.

use super::fault::Fault;
use super::operator::Operator;
use crate::approvals::{Line, Whole, lines};
use crate::server::Node;
use crate::server::approvals::{shown, whole};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};

/// Every approval, oldest request first; with the operator's token, previews of what waits.
pub async fn list(State(node): State<Node>, headers: HeaderMap) -> Result<Json<Vec<Line>>, Fault> {
    if !headers.contains_key(header::AUTHORIZATION) {
        let now = node.now();
        return Ok(Json(lines(&node.views, None, now)));
    }
    Operator::shown(&node, &headers)?;
    let listed = tokio::task::spawn_blocking(move || shown(&node, None));
    Ok(Json(listed.await.map_err(|_| broken())??))
}

/// One, with what would be done in full and what changed since the last of its kind.
pub async fn one(
    State(node): State<Node>,
    _: Operator,
    Path(approval): Path<String>,
) -> Result<Json<Whole>, Fault> {
    let unknown = || {
        let help = "see /api/v1/approvals";
        Fault::new(
            StatusCode::NOT_FOUND,
            "this log knows no such approval",
            help,
        )
    };
    let approval = approval.parse().map_err(|_| unknown())?;
    let found = tokio::task::spawn_blocking(move || whole(&node, approval));
    let found = found.await.map_err(|_| broken())??;
    found.map(Json).ok_or_else(unknown)
}

fn broken() -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(status, "the list was not made to its end", "try again")
}
