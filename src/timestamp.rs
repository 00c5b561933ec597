//! The client of a time-stamping authority (RFC 3161 §3.4, over HTTP): asks, and believes
//! nothing that it has not verified.

use crate::config::TimestampConfig;
use crate::outcome::Failure;
use anyhow::{Context, Result, bail};
use ledger::Reader;
use ledger::timestamp::{Authority, Query, Token, keep, pairs};
use schemas::kinds::ledger::CheckpointTimestamped;
use schemas::{Hash, Timestamp};
use sha2::{Digest, Sha256};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

/// No answer of an authority is longer.
const MAX_ANSWER: u64 = 256 << 10;

/// What is configured of an authority, in usable form.
pub struct Client {
    url: Option<String>,
    pub authority: Authority,
    policy: Option<String>,
    http: reqwest::blocking::Client,
}

/// Root certificates in a PEM file.
pub fn read_authority(path: &Path) -> Result<Authority, Failure> {
    let pem = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Authority::from_pem(&pem).map_err(|error| {
        let fault = anyhow::Error::new(error).context(path.display().to_string());
        Failure::new(fault, "give the authority's root certificates in PEM")
    })
}

impl Client {
    /// `None` where no authority is configured.
    pub fn open(config: &TimestampConfig, data: &Path) -> Result<Option<Client>, Failure> {
        let help = "correct [timestamp] in daicho.toml";
        let Some(ca_file) = &config.ca_file else {
            return match config.url {
                Some(_) => Err(Failure::msg("[timestamp] has a url and no ca_file", help)),
                None => Ok(None),
            };
        };
        let http = reqwest::blocking::Client::builder()
            .timeout(Duration::from_secs(config.timeout_seconds.max(1)))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client for the time-stamping authority")?;
        let client = Client {
            url: config.url.clone(),
            authority: read_authority(&data.join(ca_file))?,
            policy: config.policy.clone(),
            http,
        };
        client
            .query(b"")
            .map_err(|error| Failure::new(error, help))?;
        Ok(Some(client))
    }

    /// Somebody is there to be asked without a hand.
    pub fn has_url(&self) -> bool {
        self.url.is_some()
    }

    pub fn query(&self, note: &[u8]) -> Result<Query> {
        Ok(Query::new(note, self.policy.as_deref())?)
    }

    /// Asks for a time stamp of a signed note. The error says in words what operators are shown.
    pub fn ask(&self, note: &[u8]) -> Result<(Vec<u8>, Token)> {
        let url = self.url.as_ref().context("[timestamp] names no url")?;
        let query = self.query(note)?;
        let answer = self
            .http
            .post(url)
            .header("content-type", "application/timestamp-query")
            .body(query.to_der())
            .send()
            .map_err(|error| anyhow::Error::new(error.without_url()).context("no answer"))?;
        if !answer.status().is_success() {
            bail!("it answered {}", answer.status().as_u16());
        }
        let mut response = Vec::new();
        answer
            .take(MAX_ANSWER + 1)
            .read_to_end(&mut response)
            .context("the answer broke off")?;
        if response.len() as u64 > MAX_ANSWER {
            bail!("the answer is longer than {MAX_ANSWER} bytes");
        }
        let token = query.answered_by(&response, note, &self.authority)?;
        Ok((response, token))
    }
}

/// What is to be stamped: what witnesses have cosigned, where that says more than the newest
/// time stamp, and else the newest checkpoint. One note so carries the word of both, which is
/// what an evidence bundle has room for.
pub fn due(reader: &Reader) -> Result<Vec<u8>> {
    let stamped = pairs(reader.layout())?
        .whole
        .pop()
        .map_or(0, |pair| pair.size);
    let cosigned = match std::fs::read(reader.layout().cosigned()) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        note => Some(note.context("checkpoint.cosigned cannot be read")?),
    };
    let more = |note: &Vec<u8>| reader.keys().open(note).is_ok_and(|it| it.size > stamped);
    let newest = || reader.checkpoint().to_string().into_bytes();
    Ok(cosigned.filter(more).unwrap_or_else(newest))
}

/// Keeps a verified time stamp beside the log. Gives what is to be recorded of it, and false
/// where nothing is, because the same checkpoint has one already.
pub fn take_in(
    reader: &Reader,
    note: &[u8],
    response: &[u8],
    token: &Token,
    now: Timestamp,
) -> Result<(CheckpointTimestamped, bool)> {
    let checkpoint = reader.keys().open(note)?;
    if let Some(newest) = checkpoint.size.checked_sub(1) {
        token.is_not_before(reader.entry(newest)?.at())?;
    }
    token.is_not_after(now)?;
    let kept = keep(reader, checkpoint.size, note, response);
    let dir = reader.layout().tokens();
    let kept = kept.with_context(|| format!("{} cannot be written", dir.display()))?;
    let timestamped = CheckpointTimestamped {
        size: checkpoint.size,
        token: Hash(Sha256::digest(response).into()),
        time: token.time,
    };
    Ok((timestamped, kept))
}
