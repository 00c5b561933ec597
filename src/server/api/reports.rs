//! Reports that were issued, and the making of one: the same as `daicho report`.

use super::fault::Fault;
use super::operator::Operator;
use crate::door::Door;
use crate::outcome::Failure;
use crate::reports::{ALWAYS, Issue, IssuedReport, Wish, again, issued_report, sign};
use crate::server::Node;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::AppendError;
use serde::Deserialize;
use serde_json::{Value, json};

/// Entries in one answer, unless asked for fewer.
const PAGE: usize = 1_000;

/// Every document that was issued, the oldest first.
pub async fn list(State(node): State<Node>) -> Json<Vec<IssuedReport>> {
    Json(node.views.issued.read(|issued| issued.all().to_vec()))
}

/// Verifies the log, makes a report, records and signs it.
pub async fn issue(
    State(node): State<Node>,
    _: Operator,
    body: Bytes,
) -> Result<(StatusCode, Json<Issue>), Fault> {
    let wish: Wish = serde_json::from_slice(&body).map_err(|error| {
        let help = "send {\"report\":\"monthly\",\"month\":\"2026-11\",\"formats\":[\"html\"],\"languages\":[\"ja\"]}";
        Fault::new(StatusCode::BAD_REQUEST, schemas::json_fault(&error), help)
    })?;
    if let Some(why) = node.withheld() {
        let help = "try again later; `daicho witness status` says which witness does not answer";
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, why, help));
    }
    let issued = work(move || {
        let by = Door::Here(node.appender.clone()).operator();
        let issuer = node.issuer(by, ALWAYS);
        let id = |form, language| {
            wish.id(form, language)
                .unwrap_or_else(|| node.appender.new_id())
        };
        issuer.issue(&wish, &wish.documents(), id)
    });
    let issued = issued.await?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// The document that an entry records, as it was issued.
pub async fn one(
    State(node): State<Node>,
    _: Operator,
    Path(seq): Path<u64>,
) -> Result<Response, Fault> {
    let issued = find(&node, seq)?;
    let media = issued
        .media
        .as_str()
        .replace("; lang=", "; charset=utf-8; lang=");
    let digest = format!("\"{}\"", issued.sha256);
    let bytes = work(move || again(&node.reader, &issued, &node.reports.config)).await?;
    Ok((
        [(header::CONTENT_TYPE, media), (header::ETAG, digest)],
        bytes,
    )
        .into_response())
}

/// Its detached signature.
pub async fn proof(State(node): State<Node>, Path(seq): Path<u64>) -> Result<Response, Fault> {
    find(&node, seq)?;
    let proof = work(move || sign::proof(&node.reader, seq)).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// From this position on.
    #[serde(default)]
    from: u64,
    limit: Option<usize>,
}

/// One figure, and the entries behind it.
pub async fn figure(
    State(node): State<Node>,
    _: Operator,
    Path((seq, id)): Path<(u64, String)>,
    Query(part): Query<Part>,
) -> Result<Json<Value>, Fault> {
    let issued = find(&node, seq)?;
    let limit = part.limit.unwrap_or(PAGE).min(PAGE);
    let told = work(move || {
        let report = issued_report(&node.reader, &issued)?;
        let Some(figure) = report.figure(&id) else {
            return Ok(None);
        };
        let mut positions = figure.positions.iter().filter(|&seq| seq >= part.from);
        let mut entries = Vec::new();
        for seq in positions.by_ref().take(limit) {
            let entry = node.reader.entry(seq)?;
            let (at, kind, actor) = (entry.at(), entry.kind(), entry.actor());
            entries.push(json!({ "seq": seq, "at": at, "kind": kind, "actor": actor }));
        }
        let count = figure.positions.len();
        Ok(Some(json!({
            "figure": figure, "entries_behind": count, "entries": entries, "next": positions.next(),
        })))
    });
    let missing = || {
        let help = "figures' ids are in the report's JSON";
        let fault = "the report has no figure of this id";
        Fault::new(StatusCode::NOT_FOUND, fault, help)
    };
    told.await?.map(Json).ok_or_else(missing)
}

fn find(node: &Node, seq: u64) -> Result<IssuedReport, Fault> {
    let found = node.views.issued.read(|issued| issued.at(seq).cloned());
    found.ok_or_else(|| {
        let help = "see /api/v1/reports";
        let fault = format!("entry {seq} issues no report");
        Fault::new(StatusCode::NOT_FOUND, fault, help)
    })
}

/// Away from the threads that answer: a report reads the whole log.
async fn work<T: Send + 'static>(
    make: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(make).await {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(failure)) => {
            let help = failure
                .help
                .unwrap_or_else(|| "see `daicho report --help`".to_owned());
            let fault = format!("{:#}", failure.fault);
            let status = match failure.fault.downcast_ref::<AppendError>() {
                Some(AppendError::Conflict { .. } | AppendError::Unfit { .. }) | None => {
                    StatusCode::CONFLICT
                }
                Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Err(Fault::new(status, fault, help))
        }
        Err(_) => Err(Fault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the report was not made to its end",
            "see /api/v1/reports whether it was issued",
        )),
    }
}
