//! Requests to erase one person's content: the same as `daicho erasure`. Two people decide on one as on
//! every other approval, with what they have signed posted to `/api/v1/events`.

use super::events::append_async;
use super::fault::Fault;
use super::operator::Operator;
use crate::commands::consent::{as_a_name, in_clear};
use crate::door::Door;
use crate::outcome::Failure;
use crate::retention::erasure::{Asked, Row, Wish, ask, rows};
use crate::retention::{Records, decide_by};
use crate::server::Node;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use ledger::{AppendError, Submission};

/// Every request, key by key, and what became of it.
pub async fn list(State(node): State<Node>) -> Result<Json<Vec<Row>>, Fault> {
    let listed =
        tokio::task::spawn_blocking(move || rows(&node.views, &node.reader, node.now(), true));
    listed.await.map(Json).map_err(|_| broken())
}

/// Records a request and asks two people. The same `erasure` again is answered with what was recorded.
pub async fn request(
    State(node): State<Node>,
    _: Operator,
    body: Bytes,
) -> Result<(StatusCode, Json<Asked>), Fault> {
    let wish: Wish = serde_json::from_slice(&body).map_err(|error| {
        let help = "send {\"erasure\":\"<uuid v7>\",\"person\":\"s001\",\"case\":\"2026-18\",\"basis\":\"appi-35\",\"reason\":\"…\",\"by\":\"user:s009\"}";
        Fault::new(StatusCode::BAD_REQUEST, schemas::json_fault(&error), help)
    })?;
    private(&node, &wish)?;
    if let Some(why) = node.withheld() {
        let help = "try again later; `daicho witness status` says which witness does not answer";
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, why, help));
    }
    let (mut asked, batch) = plan(&node, &wish).await?;
    if batch.is_empty() {
        return Ok((StatusCode::OK, Json(asked)));
    }
    match append_async(&node.appender, batch).await {
        Ok(receipts) => {
            asked.seq = receipts[0].seq;
            Ok((StatusCode::CREATED, Json(asked)))
        }
        // The same was sent twice at once, and the other was first.
        Err(AppendError::Conflict { .. }) if wish.erasure.is_some() => {
            let (asked, _) = plan(&node, &wish).await?;
            Ok((StatusCode::OK, Json(asked)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Away from the threads that answer: the files of all keys are read.
async fn plan(node: &Node, wish: &Wish) -> Result<(Asked, Vec<Submission>), Fault> {
    let (node, wish) = (node.clone(), wish.clone());
    let planned = tokio::task::spawn_blocking(move || {
        node.views.catch_up()?;
        let records = Records {
            reader: &node.reader,
            views: &node.views,
            authority: None,
            now: node.now(),
        };
        let operator = || Door::Here(node.appender.clone()).operator();
        let by = wish.by.clone().unwrap_or_else(operator);
        let deadline = decide_by(&node.approvals, records.now);
        ask(&records, &wish, by, node.appender.new_id(), deadline)
    });
    let refused = |failure: Failure| {
        let help = failure
            .help
            .unwrap_or_else(|| "see `daicho erasure request --help`".to_owned());
        let fault = format!("{:#}", failure.fault);
        Fault::new(StatusCode::CONFLICT, fault, help)
    };
    planned.await.map_err(|_| broken())?.map_err(refused)
}

/// Who it is about is sealed, and is no name all the same; case and basis stand in the clear.
fn private(node: &Node, wish: &Wish) -> Result<(), Fault> {
    let by = wish.by.as_ref().map(ToString::to_string);
    let person = wish.person.as_ref().map(as_a_name);
    let clear = [wish.case.as_str(), wish.basis.as_str()];
    let clear = clear
        .into_iter()
        .chain(by.as_deref())
        .chain(person.as_deref());
    match in_clear(&node.guard, clear) {
        Ok(()) => Ok(()),
        Err(failure) => {
            let help =
                "give a staff number or a keyed tag as `person`, numbers as `case` and `basis`";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Fault::new(status, failure.fault.to_string(), help))
        }
    }
}

fn broken() -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(
        status,
        "it was not done to its end",
        "try again, with the same `erasure`",
    )
}
