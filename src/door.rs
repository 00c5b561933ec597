//! The way in for commands: the ledger itself, or the server that holds it.

use crate::commands::open_failed;
use crate::intake::{self, ReceiptJson};
use crate::keyring::{Keyring, RotateError, Rotated, Rotation};
use crate::outcome::Failure;
use crate::reports::{Issue, Wish};
use crate::retention::Deed;
use anyhow::Context;
use ledger::clock::{Clock, SystemClock};
use ledger::{
    AppendError, Appender, ContentError, Entry, Layout, OpenError, Reader, Receipt, Submission,
};
use schemas::kinds::records::ContentRevealed;
use schemas::{Actor, Data, Event, EventId, Name, Timestamp};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a running server says how to reach it, beside the log.
pub fn address_file(layout: &Layout) -> PathBuf {
    layout.dir().join("serve.address")
}

/// The token of whoever operates this host; made by `init`, readable by its owner only.
pub fn operator_token_file(layout: &Layout) -> PathBuf {
    layout.keys().join("operator.token")
}

/// How long an answer may take.
const USUAL: Duration = Duration::from_secs(30);
/// … for which a whole log is read.
const LONG: Duration = Duration::from_secs(6 * 3_600);

pub enum Door {
    Here(Appender),
    Server {
        address: String,
        token: Zeroizing<String>,
        client: reqwest::blocking::Client,
    },
}

impl Door {
    /// Opens the ledger for writing, with a reader of what is in it. Where `daicho serve`
    /// holds it, goes through its API.
    pub fn open(data: &Path) -> Result<(Door, Reader), Failure> {
        Door::open_with(data, &Arc::new(Keyring::of(data)))
    }

    pub fn open_with(data: &Path, keyring: &Arc<Keyring>) -> Result<(Door, Reader), Failure> {
        match ledger::open(data, keyring.options()) {
            Ok((appender, reader)) => Ok((Door::Here(appender), reader)),
            Err(held @ OpenError::Locked(_)) => {
                let door = Door::to_server(data).map_err(|cause| {
                    let help = held.remedy();
                    Failure::new(anyhow::Error::new(held).context(format!("{cause:#}")), help)
                })?;
                Ok((door, Reader::open(data).map_err(open_failed)?))
            }
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
        let token = Zeroizing::new(token.trim().to_owned());
        Ok(Door::Server {
            address,
            token,
            client,
        })
    }

    /// Appends a batch, whole or not at all.
    pub fn append(&self, batch: Vec<Submission>) -> Result<Vec<Receipt>, AppendError> {
        match self {
            Door::Here(appender) => appender.append(batch),
            Door::Server { .. } => {
                let lines: String = batch
                    .iter()
                    .map(|s| format!("{}\n", intake::to_json(s)))
                    .collect();
                let receipts: Vec<ReceiptJson> =
                    self.post("events", "application/x-ndjson", lines)?;
                Ok(receipts.into_iter().map(Into::into).collect())
            }
        }
    }

    /// Puts another key in force; `keyring` is the one that the door was opened with.
    pub fn rotate(&self, keyring: &Keyring, wish: &Rotation) -> Result<Rotated, RotateError> {
        match self {
            Door::Here(appender) => keyring.rotate(appender, self.operator(), wish),
            // Who holds the ledger makes the key too: it knows the passphrase, or the token.
            Door::Server { .. } => {
                let body = serde_json::json!(wish).to_string();
                let rotated = self.post("key/rotate", "application/json", body);
                rotated.map_err(RotateError::Append)
            }
        }
    }

    /// Has the server that holds the ledger do what may be done about retention now.
    pub fn run_retention(&self) -> Result<Vec<Deed>, AppendError> {
        self.post("retention/run", "application/json", String::new())
    }

    /// Has the server that holds the ledger issue a report: it verifies the whole log first.
    pub fn issue_report(&self, wish: &Wish) -> Result<Issue, AppendError> {
        let body = serde_json::json!(wish).to_string();
        self.post_patiently("reports", "application/json", body, LONG)
    }

    /// Sends something to the server that holds the ledger.
    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &'static str,
        body: String,
    ) -> Result<T, AppendError> {
        self.post_patiently(path, media, body, USUAL)
    }

    fn post_patiently<T: DeserializeOwned>(
        &self,
        path: &str,
        media: &'static str,
        body: String,
        patience: Duration,
    ) -> Result<T, AppendError> {
        let Door::Server {
            address,
            token,
            client,
        } = self
        else {
            return Err(refused("no server holds the ledger", "see --help"));
        };
        let request = client
            .post(format!("http://{address}/api/v1/{path}"))
            .bearer_auth(token.as_str())
            .header("content-type", media)
            .timeout(patience)
            .body(body);
        let unanswered = |error: reqwest::Error| {
            let fault = format!("the server at {address} does not answer: {error}");
            refused(
                &fault,
                "see whether `daicho serve` runs; whether this is recorded is not known",
            )
        };
        let answer = request.send().map_err(unanswered)?;
        if answer.status().is_success() {
            return answer.json().map_err(unanswered);
        }
        let told: Told = answer.json().map_err(unanswered)?;
        Err(match told.conflict {
            Some((id, seq)) => AppendError::Conflict { id, seq },
            None => refused(&told.error, &told.help),
        })
    }

    /// Records that an entry's content is about to be shown: nothing is revealed unrecorded.
    pub fn record_reveal(&self, entry: &Entry, purpose: &str) -> Result<(), AppendError> {
        let names = entry
            .content()
            .iter()
            .map(|reference| (entry.seq(), &reference.name));
        self.record_reveals(names, purpose)
    }

    /// The same for single contents, by the position of their entries and their names.
    pub fn record_reveals<'a>(
        &self,
        contents: impl Iterator<Item = (u64, &'a Name)>,
        purpose: &str,
    ) -> Result<(), AppendError> {
        let batch = contents.map(|(position, name)| {
            let data = ContentRevealed {
                position,
                name: name.clone(),
                purpose: purpose.parse().expect("purposes are literal names"),
            };
            self.event(self.operator(), data)
        });
        self.append(batch.collect()).map(|_| ())
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
            Door::Server { .. } => ledger::fresh_id(self.now()),
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

/// What the server says of a batch that it did not append.
#[derive(serde::Deserialize)]
struct Told {
    error: String,
    help: String,
    conflict: Option<(EventId, u64)>,
}

fn refused(fault: &str, help: &str) -> AppendError {
    AppendError::Refused {
        fault: fault.into(),
        help: help.into(),
    }
}

pub fn append_failed(error: AppendError) -> Failure {
    let help = match &error {
        AppendError::Refused { help, .. } => help.to_string(),
        _ => append_remedy(&error).to_owned(),
    };
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
        AppendError::Refused { .. } => "see what the writer of the ledger says",
        AppendError::ClockBehind { .. } => "set the host's clock right and try again",
        AppendError::Content(error) if matches!(**error, ContentError::KeyLost { .. }) => {
            "put the key back from a backup that was made --with-keys; until then nothing is recorded there, and what is there cannot be read"
        }
        AppendError::Content(_) => "check that the data directory is writable and has space",
        AppendError::Stopped { .. } => {
            "free space, repair the disk or attach the token, then restart; what was acknowledged is safe"
        }
    }
}
