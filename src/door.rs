//! The way in for commands: the ledger itself, or the server that holds it.

use crate::commands::open_failed;
use crate::intake::{self, ReceiptJson};
use crate::outcome::Failure;
use anyhow::{Context, anyhow};
use ledger::clock::{Clock, SystemClock};
use ledger::{AppendError, Appender, Layout, OpenError, Options, Receipt, Submission};
use schemas::{Actor, Data, Event, EventId, Timestamp};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where a running server says how to reach it, beside the log.
pub fn address_file(layout: &Layout) -> PathBuf {
    layout.dir().join("serve.address")
}

/// The token of whoever operates this host; made by `init`, readable by its owner only.
pub fn operator_token_file(layout: &Layout) -> PathBuf {
    layout.keys().join("operator.token")
}

pub enum Door {
    Here(Box<Appender>),
    Server {
        address: String,
        token: Zeroizing<String>,
        client: reqwest::blocking::Client,
    },
}

impl Door {
    /// Opens the ledger for writing. Where `daicho serve` holds it, goes through its API.
    pub fn open(data: &Path) -> Result<Door, Failure> {
        match ledger::open(data, Options::default()) {
            Ok((appender, _)) => Ok(Door::Here(Box::new(appender))),
            Err(held @ OpenError::Locked(_)) => Door::to_server(data).map_err(|cause| {
                let help = held.remedy();
                Failure::new(anyhow::Error::new(held).context(format!("{cause:#}")), help)
            }),
            Err(error) => Err(open_failed(error)),
        }
    }

    fn to_server(data: &Path) -> anyhow::Result<Door> {
        let layout = Layout::new(data);
        let address = std::fs::read_to_string(address_file(&layout))
            .context("the holder offers no address")?;
        let token = operator_token_file(&layout);
        let token = std::fs::read_to_string(&token)
            .with_context(|| format!("{} cannot be read", token.display()))?;
        let client = reqwest::blocking::Client::builder().no_proxy().build()?;
        Ok(Door::Server {
            address,
            token: Zeroizing::new(token.trim().to_owned()),
            client,
        })
    }

    /// Appends a batch, whole or not at all.
    pub fn append(&self, batch: Vec<Submission>) -> Result<Vec<Receipt>, Failure> {
        match self {
            Door::Here(appender) => appender.append(batch).map_err(append_failed),
            Door::Server {
                address,
                token,
                client,
            } => {
                let lines: String = batch
                    .iter()
                    .map(|s| format!("{}\n", intake::to_json(s)))
                    .collect();
                let answer = client
                    .post(format!("http://{address}/api/v1/events"))
                    .bearer_auth(token.as_str())
                    .header("content-type", "application/x-ndjson")
                    .body(lines)
                    .send()
                    .with_context(|| format!("the server at {address} does not answer"))?;
                if !answer.status().is_success() {
                    let answer: serde_json::Value = answer.json().unwrap_or_default();
                    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
                    return Err(Failure::new(anyhow!("{}", text("error")), text("help")));
                }
                let receipts: Vec<ReceiptJson> =
                    answer.json().context("the server's answer is not one")?;
                Ok(receipts.into_iter().map(Into::into).collect())
            }
        }
    }

    /// Names the rule that keeps a text out of `data`, if one does.
    pub fn guard(&self) -> Result<impl Fn(&str) -> Option<String> + use<>, Failure> {
        Ok(|_: &str| None)
    }

    pub fn now(&self) -> Timestamp {
        match self {
            Door::Here(appender) => appender.now(),
            Door::Server { .. } => SystemClock.now(),
        }
    }

    pub fn new_id(&self) -> EventId {
        match self {
            Door::Here(appender) => appender.new_id(),
            Door::Server { .. } => {
                let mut random = [0; 10];
                // Without randomness ids could repeat; then the append is a conflict.
                let _ = getrandom::fill(&mut random);
                EventId::new(self.now(), random)
            }
        }
    }

    /// Who acts when a command is typed on this host and no user is named.
    pub fn operator(&self) -> Actor {
        Actor::Service("operator".parse().expect("a literal name is sound"))
    }

    pub fn event(&self, actor: Actor, data: impl Into<Data>) -> Submission {
        Event::new(self.new_id(), actor, data).into()
    }
}

pub fn append_failed(error: AppendError) -> Failure {
    let help = append_remedy(&error);
    Failure::new(error, help)
}

pub fn append_remedy(error: &AppendError) -> &'static str {
    match error {
        AppendError::Unfit { .. } => {
            "put what is large into content; a body has at most 65,535 bytes"
        }
        AppendError::Conflict { .. } | AppendError::ConflictInBatch { .. } => {
            "an id stands for one event for ever: give the other event an id of its own"
        }
        AppendError::ClockBehind { .. } => "set the host's clock right and try again",
        AppendError::Content(_) => "check that the data directory is writable and has space",
        AppendError::Stopped { .. } => {
            "free space or repair the disk, then restart; what was acknowledged is safe"
        }
    }
}
