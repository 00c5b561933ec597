//! What operators and their monitors ask.

use super::Node;
use super::ingest;
use super::listen::Fault;
use super::notify;
use super::reports;
use super::witnesses::Quorum;
use crate::config::Config;
use crate::policies::{self, Policies};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use exporters::forward::Status;
use schemas::Timestamp;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready means that an event would be recorded.
async fn ready(State(node): State<Node>) -> Response {
    if let (None, Some(why)) = (node.appender.stopped(), node.withheld()) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    }
    match node.appender.stopped() {
        None => format!("ready\n{}", waiting(&node)).into_response(),
        Some(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// A line about a change of policy that waits for `daicho policy adopt`.
fn waiting(node: &Node) -> String {
    let Ok(config) = Config::load(node.reader.layout()) else {
        return "note: daicho.toml cannot be read; what was adopted goes on\n".to_owned();
    };
    let pending = |policies: &Policies| policies::pending(policies, &config);
    let waiting = policies::waiting(&node.views.policies.read(pending));
    waiting.map_or(String::new(), |waiting| format!("note: {waiting}\n"))
}

/// Prometheus text format. Counts only: nothing that an event says.
async fn metrics(State(node): State<Node>) -> String {
    let size = node.reader.size();
    let lag = size.saturating_sub(node.views.reached());
    let writing = u8::from(node.appender.stopped().is_none());
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let _ = write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
        );
    };
    gauge("daicho_entries", "Entries in the log.", size);
    gauge(
        "daicho_projection_lag_entries",
        "Entries that projections have not folded in yet.",
        lag,
    );
    gauge(
        "daicho_ledger_writing",
        "1 while the ledger can record.",
        writing.into(),
    );
    let (calls, held) = node.gateway.load();
    gauge("daicho_gateway_calls", "Calls in flight.", calls);
    gauge(
        "daicho_gateway_held_bytes",
        "Bytes of bodies and answers that are held in memory.",
        held,
    );
    let effort = node.gateway.effort();
    gauge(
        "daicho_masking_analysed_bytes",
        "Bytes of strings in bodies that the masking rules looked at.",
        effort.analysed_bytes(),
    );
    gauge(
        "daicho_masking_remembered_bytes",
        "Bytes of strings in bodies that had been looked at before.",
        effort.remembered_bytes(),
    );
    if let Some(witnesses) = &node.witnesses {
        let status = witnesses.status();
        gauge(
            "daicho_witness_quorum",
            "1 while the newest round of witnesses made a quorum.",
            u64::from(status.quorum == Quorum::Met),
        );
        gauge(
            "daicho_witness_cosigned_size",
            "Size of the newest checkpoint that a quorum cosigned.",
            status.size,
        );
    }
    if let Some(timestamps) = &node.timestamps {
        let status = timestamps.status();
        let (size, time) = status.newest.unwrap_or_default();
        gauge(
            "daicho_timestamp_up",
            "1 while the authority's last answer held.",
            u64::from(status.error.is_none()),
        );
        gauge(
            "daicho_timestamp_size",
            "Entries that the newest time stamp covers.",
            size,
        );
        gauge(
            "daicho_timestamp_seconds",
            "The authority's time in it, as seconds since 1970.",
            u64::try_from(time.micros() / 1_000_000).unwrap_or_default(),
        );
    }
    text += &connections(&node);
    text += &notifications(&node);
    text += &scheduled(&node);
    text += &ingested(&node);
    type Figure = fn(&Status, Timestamp) -> u64;
    let rows: [(&str, &str, Figure); 11] = [
        (
            "daicho_export_position",
            "The next entry for the receiver.",
            |s, _| s.position,
        ),
        (
            "daicho_export_confirmed",
            "Entries below are answered for, or have left the rewind window.",
            |s, _| s.confirmed,
        ),
        (
            "daicho_export_lag_entries",
            "Entries not handed to the receiver yet.",
            |s, _| s.lag_entries,
        ),
        (
            "daicho_export_lag_seconds",
            "How long the oldest of them has been waiting.",
            |s, now| s.lag_seconds(now),
        ),
        (
            "daicho_export_connected",
            "1 while the receiver is connected.",
            |s, _| s.connected.into(),
        ),
        (
            "daicho_export_sent",
            "Entries sent, those sent again included.",
            |s, _| s.sent,
        ),
        (
            "daicho_export_resent",
            "Entries sent again after a break.",
            |s, _| s.resent,
        ),
        (
            "daicho_export_reduced",
            "Entries that went out without their data, for want of room or because the receiver broke at them.",
            |s, _| s.reduced,
        ),
        (
            "daicho_export_over_8096",
            "Messages of syslog that a receiver whose size nobody has set cuts, although it may answer for them.",
            |s, _| s.over_8096,
        ),
        (
            "daicho_export_unanswered",
            "Entries handed over that the receiver has not answered for; 0 where it never answers.",
            |s, _| s.unanswered.unwrap_or_default(),
        ),
        (
            "daicho_export_unanswered_seconds",
            "For how long it has answered for none of them.",
            |s, _| s.unanswered_seconds.unwrap_or_default(),
        ),
    ];
    let now = node.now();
    let statuses: Vec<_> = node.forwarders.iter().map(|f| f.status()).collect();
    for (name, help, value) in rows {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for status in &statuses {
            let (destination, value) = (&status.destination, value(status, now));
            let _ = writeln!(text, "{name}{{destination=\"{destination}\"}} {value}");
        }
    }
    text += "# HELP daicho_export_faults What ended a connection or kept one from being made.\n";
    text += "# TYPE daicho_export_faults gauge\n";
    for status in &statuses {
        let destination = &status.destination;
        for (fault, count) in &status.faults {
            let labels = format!("destination=\"{destination}\",fault=\"{fault}\"");
            let _ = writeln!(text, "daicho_export_faults{{{labels}}} {count}");
        }
    }
    let _ = write!(
        text,
        "# HELP daicho_kind_entries Entries by kind.\n# TYPE daicho_kind_entries gauge\n"
    );
    node.views.positions.read(|positions| {
        for (kind, count) in positions.kind_counts() {
            let _ = writeln!(text, "daicho_kind_entries{{kind=\"{kind}\"}} {count}");
        }
    });
    text
}

/// What clients did wrong before they said who they are; of an agent that is known, see the kind
/// `request.refused`.
fn connections(node: &Node) -> String {
    let name = "daicho_connection_faults";
    let mut text = format!(
        "# HELP {name} Connections closed for what their client did, before an agent was known.\n\
         # TYPE {name} gauge\n"
    );
    for fault in Fault::ALL {
        let (word, count) = (fault.word(), node.connections.counted(fault));
        let _ = writeln!(text, "{name}{{fault=\"{word}\"}} {count}");
    }
    text
}

/// What came from other systems, per source that is listened for.
fn ingested(node: &Node) -> String {
    type Figure = fn(&ingest::Status) -> u64;
    let rows: [(&str, &str, Figure); 4] = [
        ("daicho_ingest_lines", "Lines recorded.", |s| {
            s.lines.load(Relaxed)
        }),
        ("daicho_ingest_bytes", "Their bytes.", |s| {
            s.bytes.load(Relaxed)
        }),
        (
            "daicho_ingest_connections",
            "Senders that are connected.",
            |s| s.connections.load(Relaxed) as u64,
        ),
        (
            "daicho_ingest_waits",
            "1 while the ledger cannot take what has come.",
            |s| s.waits.load(Relaxed).into(),
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in rows.iter().filter(|_| !node.listeners.is_empty()) {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for listener in node.listeners.iter() {
            let (source, value) = (&listener.source().name, value(&listener.status));
            let _ = writeln!(text, "{name}{{source=\"{source}\"}} {value}");
        }
    }
    text
}

/// How the schedule of reports goes, if there is one.
fn scheduled(node: &Node) -> String {
    type Figure = fn(&reports::Status) -> u64;
    let rows: [(&str, &str, Figure); 5] = [
        (
            "daicho_report_issued",
            "Reports that the schedule issued.",
            |s| s.issued,
        ),
        (
            "daicho_report_failed_attempts",
            "Attempts to issue one that failed.",
            |s| s.failed,
        ),
        (
            "daicho_report_delivered",
            "Reports that the webhook took.",
            |s| s.delivered,
        ),
        (
            "daicho_report_undelivered_attempts",
            "Attempts to hand one on that failed.",
            |s| s.undelivered,
        ),
        (
            "daicho_report_given_up",
            "Reports that nobody goes on trying to hand on.",
            |s| s.given_up,
        ),
    ];
    let mut text = String::new();
    for (status, (name, help, value)) in node
        .reports
        .status()
        .iter()
        .flat_map(|s| rows.map(|row| (s, row)))
    {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        let _ = writeln!(text, "{name} {}", value(status));
    }
    text
}

/// How approvers are told that something waits for them, per channel that is configured.
fn notifications(node: &Node) -> String {
    type Figure = fn(&notify::Status) -> u64;
    let rows: [(&str, &str, Figure); 3] = [
        (
            "daicho_notify_delivered",
            "Requests that approvers were told of.",
            |s| s.delivered,
        ),
        (
            "daicho_notify_failed_attempts",
            "Attempts to tell them that failed.",
            |s| s.failed,
        ),
        (
            "daicho_notify_given_up",
            "Requests that nobody goes on trying to tell them of.",
            |s| s.given_up,
        ),
    ];
    let status = node.notify.status();
    let mut text = String::new();
    for (name, help, value) in rows.iter().filter(|_| !status.is_empty()) {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (channel, status) in &status {
            let _ = writeln!(text, "{name}{{channel=\"{channel}\"}} {}", value(status));
        }
    }
    text
}
