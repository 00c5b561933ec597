//! What the views hold, as JSON.

use crate::server::Node;
use agents::registry::Agent;
use agents::scanner::findings::{Filter, Finding};
use axum::Json;
use axum::extract::State;
use exporters::forward::Status;
use serde::Serialize;

/// A receiver of the log, as of now.
#[derive(Serialize)]
pub struct Receiver {
    #[serde(flatten)]
    status: Status,
    lag_seconds: u64,
}

/// How far each receiver of the log is.
pub async fn export(State(node): State<Node>) -> Json<Vec<Receiver>> {
    let now = node.now();
    let forwarders = node.forwarders.iter();
    let receivers = forwarders.map(|forwarder| {
        let status = forwarder.status();
        Receiver {
            lag_seconds: status.lag_seconds(now),
            status,
        }
    });
    Json(receivers.collect())
}

/// Every finding, in the state that it has now.
pub async fn findings(State(node): State<Node>) -> Json<Vec<Finding>> {
    let now = node.appender.now();
    Json(
        node.views
            .findings
            .read(|findings| findings.rows(&Filter::default(), now)),
    )
}

/// Every agent, by name.
pub async fn agents(State(node): State<Node>) -> Json<Vec<Agent>> {
    Json(
        node.views
            .agents
            .read(|agents| agents.iter().cloned().collect()),
    )
}

/// Who cosigned what; null where no witness is configured.
pub async fn witnesses(State(node): State<Node>) -> Json<Option<crate::server::witnesses::Status>> {
    Json(node.witnesses.as_ref().map(|witnesses| witnesses.status()))
}
