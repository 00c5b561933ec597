use super::fault::Fault;
use super::operator::Operator;
use crate::intake::{self, ReceiptJson, moment};
use crate::retention;
use crate::server::Node;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ledger::query::{Filter, find};
use ledger::{AppendError, Appender, Entry, Receipt, Submission};
use schemars::JsonSchema;
use schemas::Data;
use serde::Deserialize;

/// One request's events and their content.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// Entries in one answer, unless asked for fewer.
const PAGE: usize = 1_000;

/// Appends one event (JSON) or many (NDJSON), whole or not at all.
pub async fn append(
    State(node): State<Node>,
    _: Operator,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Fault> {
    if let Some(why) = node.withheld() {
        let help = "try again later; `daicho witness status` says which witness does not answer";
        return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, why, help));
    }
    let body = match Bytes::from_request(request, &node).await {
        Ok(body) => body,
        Err(refused) => return Ok(refused.into_response()),
    };
    let lines = headers
        .get(header::CONTENT_TYPE)
        .and_then(|media| media.to_str().ok())
        .is_some_and(|media| media.starts_with("application/x-ndjson"));
    let new_id = || node.appender.new_id();
    let guard = |text: &str| node.guard.rule(text);
    let batch = if lines {
        intake::read_lines(&body, &guard, new_id)?
    } else {
        let text = std::str::from_utf8(&body)
            .map_err(|e| intake::IntakeError::NotUtf8(e.valid_up_to()))?;
        vec![intake::read_event(text, 1, &guard, new_id)?]
    };
    if let Some(unapproved) = retention::unapproved(&node.views, &batch, node.now()) {
        let help = "`daicho policy adopt` asks two people, and then puts it in force";
        return Err(Fault::new(StatusCode::CONFLICT, unapproved, help));
    }
    let receipts: Vec<ReceiptJson> = append_async(&node.appender, batch)
        .await?
        .iter()
        .map(ReceiptJson::from)
        .collect();
    Ok(if lines {
        Json(receipts).into_response()
    } else {
        Json(&receipts[0]).into_response()
    })
}

/// Waits for durability without holding a thread.
pub async fn append_async(
    appender: &Appender,
    batch: Vec<Submission>,
) -> Result<Vec<Receipt>, AppendError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    appender.append_then(batch, move |result| {
        let _ = sender.send(result);
    });
    let closed = AppendError::Stopped {
        cause: "the ledger is closing".into(),
    };
    receiver.await.unwrap_or(Err(closed))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Kinds separated by commas, as `tool.called,approval.granted`.
    kind: Option<String>,
    /// As `agent:cfo` or `user:s001`.
    actor: Option<String>,
    session: Option<String>,
    /// The retention class, as `operation`.
    class: Option<String>,
    /// From this time on: RFC 3339, or a day (UTC).
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
    /// From this position on.
    #[serde(default)]
    from: u64,
    /// How many at most.
    pub limit: Option<usize>,
    /// The newest first.
    #[serde(default)]
    newest: bool,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Fault> {
        let wrong = |error: &dyn std::fmt::Display| {
            Fault::new(StatusCode::BAD_REQUEST, error, "see /api/v1/events")
        };
        let kinds: Vec<String> = self
            .kind
            .iter()
            .flat_map(|k| k.split(','))
            .map(str::to_owned)
            .collect();
        if let Some(unknown) = kinds
            .iter()
            .find(|kind| !Data::KINDS.contains(&kind.as_str()))
        {
            return Err(wrong(&format!(
                "{} is not a kind",
                schemas::Label::lossy(unknown)
            )));
        }
        Ok(Filter {
            kinds,
            actor: self
                .actor
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|e| wrong(&e))?,
            session: self
                .session
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|e| wrong(&e))?,
            class: self
                .class
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|e| wrong(&e))?,
            since: self
                .since
                .as_deref()
                .map(moment)
                .transpose()
                .map_err(|e| wrong(&e))?,
            until: self
                .until
                .as_deref()
                .map(moment)
                .transpose()
                .map_err(|e| wrong(&e))?,
            from: self.from,
            to: None,
            newest_first: self.newest,
            limit: Some(self.limit.unwrap_or(PAGE).min(PAGE)),
        })
    }
}

pub async fn list(
    State(node): State<Node>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    Ok(Json(page(node, wanted).await?).into_response())
}

/// The entries that are wanted, and from where on to ask for the next.
pub async fn page(node: Node, wanted: Wanted) -> Result<serde_json::Value, Fault> {
    let filter = wanted.filter()?;
    let page = tokio::task::spawn_blocking(move || {
        let found = find(&node.reader, &node.views.positions, &filter)?;
        let entries = found
            .iter()
            .map(|seq| node.reader.entry(*seq).map(|e| shown(&e)))
            .collect::<Result<Vec<_>, _>>()?;
        // A full page may have more behind it.
        let next = found
            .last()
            .filter(|_| found.len() == filter.limit.unwrap_or(PAGE) && !filter.newest_first);
        Ok::<_, ledger::ReadError>(serde_json::json!({
            "size": node.views.positions.cursor(), "entries": entries, "next": next.map(|seq| seq + 1),
        }))
    });
    match page.await {
        Ok(page) => Ok(page?),
        Err(_) => Err(Fault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the query did not end",
            "try again",
        )),
    }
}

pub async fn one(State(node): State<Node>, Path(seq): Path<u64>) -> Result<Response, Fault> {
    Ok(Json(shown(&node.reader.entry(seq)?)).into_response())
}

pub async fn proof(State(node): State<Node>, Path(seq): Path<u64>) -> Result<Response, Fault> {
    let proof = node.reader.prove(seq)?;
    Ok((
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        proof.to_text(),
    )
        .into_response())
}

/// An entry as the API shows it: the body that is hashed, and its hash.
fn shown(entry: &Entry) -> serde_json::Value {
    let body: serde_json::Value = serde_json::from_slice(entry.body()).unwrap_or_default();
    serde_json::json!({ "entry": body, "leaf": entry.leaf() })
}
