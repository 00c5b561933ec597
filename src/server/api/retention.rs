//! What ends when, and its end.

use super::fault::Fault;
use super::operator::Operator;
use crate::outcome::Failure;
use crate::retention::{Deed, Records};
use crate::server::{Node, retention};
use agents::retention::plan;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

/// Every bucket: its rule, when it is due, what holds it, how far its end has come.
pub async fn plan(State(node): State<Node>) -> Result<Json<Vec<plan::Row>>, Fault> {
    let plan = tokio::task::spawn_blocking(move || {
        let records = Records {
            reader: &node.reader,
            views: &node.views,
            authority: node.authority.as_deref(),
            now: node.now(),
        };
        records.plan()
    });
    told(plan.await)
}

/// Does what may be done now.
pub async fn run(State(node): State<Node>, _: Operator) -> Result<Json<Vec<Deed>>, Fault> {
    told(tokio::task::spawn_blocking(move || retention::run_now(&node)).await)
}

fn told<T>(done: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<Json<T>, Fault> {
    match done {
        Ok(Ok(done)) => Ok(Json(done)),
        Ok(Err(failure)) => {
            let help = "see `daicho retention plan` and `daicho approvals list`";
            let fault = format!("{:#}", failure.fault);
            Err(Fault::new(StatusCode::CONFLICT, fault, help))
        }
        Err(_) => {
            let help = "the next start completes what was begun";
            Err(Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "it did not end",
                help,
            ))
        }
    }
}
