//! `/otlp/v1/logs`: what clients' telemetry tells of their agents (OTLP over HTTP, in JSON).
//! Answered once it is durable; a client that is told 503 sends the same again, and what comes
//! twice is recorded once.

use super::fault::Fault;
use super::patience::in_time;
use crate::server::Node;
use crate::server::work::pause;
use agents::gateway::Provider;
use agents::hooks::Witnesses;
use agents::telemetry::{Export, TelemetryError};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use ledger::{AppendError, Submission};
use schemas::kinds::traffic::RefusalReason;
use schemas::{Actor, EventId, Name};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub fn routes() -> Router<Node> {
    Router::new().route("/v1/logs", post(logs))
}

/// A fault is written as this provider writes it; a collector's client reads the status.
const SHAPE: Provider = Provider::Anthropic;

/// As a refusal names where it was.
const DOOR: &str = "telemetry";

/// Records that are appended at once.
const BATCH: usize = 64;

async fn logs(State(node): State<Node>, request: Request) -> Response {
    let id = node.appender.new_id();
    match answered(node, id, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(fault) => fault.into_response(id, SHAPE),
    }
}

async fn answered(node: Node, id: EventId, request: Request) -> Result<Value, Fault> {
    let (parts, body) = request.into_parts();
    let agent = node.gateway.caller(&parts).await?;
    let gateway = &node.gateway;
    let asking = gateway.asking_to_tell(id, &agent, DOOR);
    let (body, held) = gateway.read_told(&asking, &parts.headers, body).await?;
    let place = gateway.at_work(&gateway.telemetry, &asking).await?;
    if let Some(why) = node.withheld() {
        return Err(Fault::untold(why));
    }
    let gateway = Arc::clone(gateway);
    let work = in_time(gateway.patience.rules, move |turn| {
        let masker = node.gateway.masker();
        let export = Export::read(&agent, &body, &masker).map_err(NotTaken::Unread)?;
        if !turn.take() {
            return Err(NotTaken::Late);
        }
        let rejected = export.rejected;
        record(&node, &agent, export).map_err(NotTaken::Unrecorded)?;
        drop((place, held));
        Ok(rejected)
    });
    let (fault, reason) = match work.await {
        Ok(Ok(0)) => return Ok(json!({ "partialSuccess": {} })),
        Ok(Ok(rejected)) => {
            return Ok(json!({ "partialSuccess": {
                // A 64-bit number is a text in JSON.
                "rejectedLogRecords": rejected.to_string(),
                "errorMessage": "only events of Claude Code are taken here",
            }}));
        }
        Ok(Err(NotTaken::Unrecorded(error))) => return Err(Fault::unrecorded(&error)),
        Ok(Err(NotTaken::Unread(error))) => (Fault::no_export(&error), error.reason()),
        Ok(Err(NotTaken::Late)) => (Fault::unread(), RefusalReason::Unscanned),
        Err(late) => {
            tracing::error!(%id, ?late, "an export of telemetry could not be looked at in time");
            (Fault::unread(), RefusalReason::Unscanned)
        }
    };
    gateway.refuse(&asking, reason).await?;
    Err(fault)
}

/// Why an export came to nothing, or to less than all of it.
enum NotTaken {
    Unread(TelemetryError),
    Late,
    Unrecorded(AppendError),
}

/// The records, and then what they show to be missing.
fn record(node: &Node, agent: &Name, export: Export) -> Result<(), AppendError> {
    let mut records = export.submissions.into_iter();
    loop {
        let batch: Vec<Submission> = records.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        append_once(node, batch)?;
    }
    if let Err(error) = node.views.catch_up() {
        // The log has what was told; the next export compares.
        tracing::error!(%error, "telemetry could not be compared");
        return Ok(());
    }
    let agent = Actor::Agent(agent.clone());
    for session in &export.sessions {
        let shown = |uses: &Witnesses| uses.shown(&agent, session);
        let alerts = node.views.tool_uses.read(shown);
        append_once(node, alerts)?;
    }
    Ok(())
}

/// Between two looks for what nobody will tell any more.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Records what is missing where no hook and no export says that anything ended: of clients that were
/// killed, and of telemetry that nothing followed.
pub fn compare(node: &Node, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let overdue = |uses: &Witnesses| uses.overdue(node.now());
        let mut alerts = node.views.tool_uses.read(overdue).into_iter();
        loop {
            let batch: Vec<Submission> = alerts.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            if let Err(error) = append_once(node, batch) {
                tracing::error!(%error, "what is missing of uses of tools could not be recorded");
                break;
            }
        }
        pause(stop, LOOK_AGAIN);
    }
}

/// Leaves out what stands in the log already, recorded under other rules for texts.
fn append_once(node: &Node, mut batch: Vec<Submission>) -> Result<(), AppendError> {
    while !batch.is_empty() {
        match node.appender.append(batch.clone()) {
            Ok(_) => break,
            Err(AppendError::Conflict { id, .. }) => batch.retain(|one| one.event.id != id),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
