//! What a client's telemetry tells of its agent: the third witness beside the gateway and the
//! hooks. Read from OTLP over HTTP in its JSON form (`ExportLogsServiceRequest` of
//! opentelemetry-proto 1), one log record an entry. A record that comes again is the same entry.
//!
//! Only Claude Code's own events are taken (`claude_code.…`); what they mean is its
//! documentation's, "Monitoring usage".

use crate::capture::Capture;
use crate::gateway::ids::{word, word_or_digest};
use crate::hooks::Client;
use crate::masking::{BodyError, MaskedBody, Masker};
use crate::once::{name, once, sha256};
use ledger::{Content, Submission};
use schemas::kinds::hooks::TelemetryReported;
use schemas::kinds::traffic::RefusalReason;
use schemas::{Actor, Event, Label, Name};
use serde_json::Value;

/// Why a body is no export of logs. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the body is not a JSON object with `resourceLogs` (OTLP over HTTP, http/json)")]
    Form,
    #[error("more than {MOST_RECORDS} log records at once")]
    TooMany,
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl TelemetryError {
    /// As the log says it.
    pub fn reason(&self) -> RefusalReason {
        match self {
            TelemetryError::TooMany => RefusalReason::TooLong,
            TelemetryError::Form | TelemetryError::Body(_) => RefusalReason::Malformed,
        }
    }
}

/// Records of one export; Claude Code sends 512 at most.
const MOST_RECORDS: usize = 4_096;

/// One export, looked at by the rules for texts.
pub struct Export {
    /// In the client's order.
    pub submissions: Vec<Submission>,
    /// Sessions that they tell of, each once.
    pub sessions: Vec<Label>,
    /// Records of no client that is known here.
    pub rejected: usize,
}

impl Export {
    pub fn read(agent: &Name, body: &Capture, masker: &Masker) -> Result<Export, TelemetryError> {
        let export: Value = serde_json::from_slice(body.raw()).map_err(|_| TelemetryError::Form)?;
        let resources = export["resourceLogs"].as_array();
        let records = resources.ok_or(TelemetryError::Form)?.iter();
        let scopes = records.flat_map(|resource| list(&resource["scopeLogs"]));
        let records: Vec<&Value> = scopes
            .flat_map(|scope| list(&scope["logRecords"]))
            .collect();
        if records.len() > MOST_RECORDS {
            return Err(TelemetryError::TooMany);
        }
        let mut read = Export {
            submissions: Vec::with_capacity(records.len()),
            sessions: Vec::new(),
            rejected: 0,
        };
        for record in records {
            match told(agent, record, masker)? {
                None => read.rejected += 1,
                Some(told) => {
                    if let Some(session) = &told.event.session
                        && !read.sessions.contains(session)
                    {
                        read.sessions.push(session.clone());
                    }
                    read.submissions.push(told);
                }
            }
        }
        Ok(read)
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The value of one attribute of a record.
fn attribute<'r>(record: &'r Value, key: &str) -> Option<&'r Value> {
    list(&record["attributes"])
        .find(|attribute| attribute["key"] == key)
        .map(|attribute| &attribute["value"])
}

/// A 64-bit number is a text in JSON (Protocol Buffers' mapping); some exporters write a number.
fn number(value: &Value) -> Option<u64> {
    let forms = ["intValue", "doubleValue", "stringValue"];
    let value = forms.iter().find_map(|form| value.get(form))?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn told(
    agent: &Name,
    record: &Value,
    masker: &Masker,
) -> Result<Option<Submission>, TelemetryError> {
    let named = record["body"]["stringValue"].as_str();
    let named = named.or(record["eventName"].as_str());
    let Some(event) = named.and_then(|named| named.strip_prefix("claude_code.")) else {
        return Ok(None);
    };
    let text = |key: &str| attribute(record, key)?.get("stringValue")?.as_str();
    let linked = |key: &str| Some(word_or_digest(&masker.cut(text(key)?).0));
    // A word that is somebody's name is left out: the log holds it for ever.
    let session = text("session.id").and_then(word);
    let session = session.filter(|session| masker.text(session.as_str()).spans.is_empty());
    let body = Capture::new(record.to_string().into_bytes());
    let MaskedBody { stored, blocks, .. } = masker.told(&body)?;
    let reported = TelemetryReported {
        client: name(Client::ClaudeCode.word()),
        event: word_or_digest(&masker.cut(event).0),
        sequence: attribute(record, "event.sequence").and_then(number),
        prompt: linked("prompt.id"),
        tool: linked("tool_name"),
        tool_use: linked("tool_use_id"),
        body_bytes: body.len_bytes(),
        found: blocks,
        masking: masker.policy(),
    };
    let id = once("telemetry.reported", &[agent, &sha256(body.raw())]);
    Ok(Some(Submission {
        event: Event::new(id, Actor::Agent(agent.clone()), reported).in_session(session),
        content: vec![Content {
            name: name("record"),
            media: Label::lossy("application/json"),
            bytes: stored,
        }],
        person: None,
    }))
}
