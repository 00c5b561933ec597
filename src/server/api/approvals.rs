//! Approvals, as JSON. What is sealed is shown to the operator's token only, and recorded first. Who
//! decides shows no token: the signature under the statement says who it is.

use super::fault::Fault;
use super::operator::Operator;
use super::tries::{MOST, peer};
use crate::approvals::{Decided, Line, Whole, lines, registered};
use crate::server::Node;
use crate::server::approvals::{NotDecided, decided, shown, stated, whole};
use crate::server::gateway::source;
use agents::approvals::rule::Refused;
use agents::approvals::signature::NAMESPACE;
use agents::approvals::statement::Verdict;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use schemas::kinds::people::{AuthFailed, AuthFailure};
use schemas::{Actor, EventId, Label};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;

/// A signed decision, with much room to spare.
const LONGEST: usize = 16 << 10;

/// It is there at once, or is not waited for: nobody knows yet who sends it.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let approval = approval.parse().map_err(|_| unknown())?;
    let found = tokio::task::spawn_blocking(move || whole(&node, approval));
    let found = found.await.map_err(|_| broken())??;
    found.map(Json).ok_or_else(unknown)
}

/// Who would decide, and which way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    by: Actor,
    decision: Verdict,
}

/// The bytes that an approver signs.
pub async fn statement(
    State(node): State<Node>,
    Path(approval): Path<String>,
    Query(Decision { by, decision }): Query<Decision>,
) -> Result<String, Fault> {
    let approval: EventId = approval.parse().map_err(|_| unknown())?;
    let stated = tokio::task::spawn_blocking(move || stated(&node, approval, &by, decision));
    Ok(stated.await.map_err(|_| broken())??.text())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    by: Actor,
    decision: Verdict,
    /// As `ssh-keygen -Y sign` writes it.
    signature: String,
}

/// Takes a decision that its approver has signed.
pub async fn decide(
    State(node): State<Node>,
    Path(approval): Path<String>,
    extensions: Extensions,
    body: Body,
) -> Result<(StatusCode, Json<Decided>), Fault> {
    let peer = peer(&extensions);
    if !node.tries.take(peer, node.now()) {
        let why = format!("{MOST} decisions from this address came to nothing within a minute");
        let help = "nothing was looked at; try again in a minute";
        return Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, why, help));
    }
    let decided = try_to_decide(&node, &approval, source(&extensions), body).await?;
    node.tries.give_back(peer);
    Ok((StatusCode::CREATED, Json(decided)))
}

async fn try_to_decide(
    node: &Node,
    approval: &str,
    source: Option<Label>,
    body: Body,
) -> Result<Decided, Fault> {
    let approval: EventId = approval.parse().map_err(|_| unknown())?;
    let signed = signed(body).await?;
    if let Some(why) = node.withheld() {
        let help = "try again later; `daicho witness status` says which witness does not answer";
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, why, help));
    }
    // Whoever hangs up meanwhile is recorded all the same.
    let looked_at = tokio::spawn(look_at(node.clone(), approval, signed, source));
    looked_at.await.map_err(|_| broken())?
}

/// Decides, and records a signature that opens nothing before that is answered.
async fn look_at(
    node: Node,
    approval: EventId,
    signed: Signed,
    source: Option<Label>,
) -> Result<Decided, Fault> {
    let (at, by) = (node.clone(), signed.by.clone());
    let decided = tokio::task::spawn_blocking(move || {
        let Signed {
            by,
            decision,
            signature,
        } = signed;
        decided(&at, approval, &by, decision, &signature)
    });
    let decided = decided.await.map_err(|_| broken())?;
    if let Err(NotDecided::Refused(refused)) = &decided
        && refused.is_unproven()
    {
        let failed = AuthFailed {
            subject: registered(&node.views, &by).map(|_| by),
            method: "approver-signature"
                .parse()
                .expect("a literal name is sound"),
            reason: AuthFailure::Unknown,
            source,
        };
        node.gateway.note_failure("approvals", failed).await;
    }
    Ok(decided?)
}

async fn signed(body: Body) -> Result<Signed, Fault> {
    let help = "send {\"by\":\"user:s002\",\"decision\":\"approve\",\"signature\":\"-----BEGIN SSH SIGNATURE-----…\"}";
    let Ok(read) = timeout(PATIENCE, to_bytes(body, LONGEST)).await else {
        let why = "the decision did not come in time";
        return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, why, help));
    };
    let body = read.map_err(|_| {
        let why = format!("a decision is no longer than {LONGEST} bytes, and comes whole");
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, why, help)
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Fault::new(StatusCode::BAD_REQUEST, schemas::json_fault(&error), help))
}

impl From<NotDecided> for Fault {
    fn from(error: NotDecided) -> Fault {
        let help = match &error {
            NotDecided::Refused(Refused::RequestUnknown { .. }) => return unknown(),
            NotDecided::Refused(Refused::Signature(_)) => {
                let help = format!(
                    "sign the statement of this decision, as it is, with `ssh-keygen -Y sign -n {NAMESPACE}`"
                );
                return Fault::new(StatusCode::FORBIDDEN, error, help);
            }
            NotDecided::Refused(_) => "nothing was recorded; see /api/v1/approvals",
            NotDecided::Ignored(_) => "see /api/v1/approvals",
            NotDecided::Append(_) | NotDecided::Index(_) => "run `daicho verify`",
        };
        match error {
            NotDecided::Append(error) => error.into(),
            NotDecided::Index(error) => {
                let error = anyhow::Error::new(error);
                Fault::new(StatusCode::SERVICE_UNAVAILABLE, error, help)
            }
            error => Fault::new(StatusCode::CONFLICT, error, help),
        }
    }
}

fn unknown() -> Fault {
    let help = "see /api/v1/approvals";
    let status = StatusCode::NOT_FOUND;
    Fault::new(status, "this log knows no such approval", help)
}

fn broken() -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Fault::new(status, "the list was not made to its end", "try again")
}
