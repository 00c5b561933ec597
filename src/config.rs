//! `daicho.toml`: parsed into types that cannot be half right.

use crate::door::operator_token_file;
use crate::outcome::Failure;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exporters::forward::Destination;
use exporters::report::retention::{Periods, default_periods};
use ledger::Layout;
use schemas::Hash;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::Write;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    pub anthropic: Upstream,
    /// How long each class is kept.
    pub retention: Periods,
    pub report: Report,
    /// Receivers of the whole log.
    pub export: Vec<Destination>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The company whose reports these are.
    pub organisation: String,
}

impl Default for Report {
    fn default() -> Report {
        Report {
            organisation: "-".to_owned(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: String,
}

/// A provider that calls go to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    pub base_url: String,
    /// Environment variable that holds the provider's key.
    pub key_env: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            server: Server::default(),
            anthropic: Upstream::default(),
            retention: default_periods(),
            report: Report::default(),
            export: Vec::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: "127.0.0.1:7420".to_owned(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream {
            base_url: "https://api.anthropic.com".to_owned(),
            key_env: "ANTHROPIC_API_KEY".to_owned(),
        }
    }
}

impl Config {
    /// Reads the ledger's configuration; without a file, the defaults.
    pub fn load(layout: &Layout) -> Result<Config, Failure> {
        let path = layout.config();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Config::default());
            }
            Err(error) => {
                let error =
                    anyhow::Error::new(error).context(format!("{} cannot be read", path.display()));
                return Err(Failure::new(error, "check its owner and permissions"));
            }
        };
        let mut config: Config = toml::from_str(&text).map_err(|error| {
            // The message shows the line; the configuration holds no secret.
            let fault = anyhow::anyhow!(
                "{} is not a configuration: {}",
                path.display(),
                error.to_string().trim()
            );
            Failure::new(
                fault,
                "correct the line; every key is described in the file that `daicho init` writes",
            )
        })?;
        for (class, period) in default_periods() {
            config.retention.entry(class).or_insert(period);
        }
        Ok(config)
    }
}

/// Writes the configuration that a new ledger begins with, and the operator's token.
pub fn write_default(layout: &Layout) -> Result<(), Failure> {
    let path = layout.config();
    if !path.exists() {
        std::fs::write(&path, include_str!("config/daicho.toml"))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).context("the system gives no randomness for a token")?;
    let token = Zeroizing::new(format!("dco_{}\n", URL_SAFE_NO_PAD.encode(&*secret)));
    write_private(&operator_token_file(layout), token.as_bytes())
}

/// A secret file that is made once, readable by its owner only.
pub fn write_private(path: &std::path::Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let written = file.write_all(bytes).and_then(|()| file.sync_all());
            written.with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(anyhow::Error::new(error)
            .context(format!("{} cannot be written", path.display()))
            .into()),
    }
}

/// SHA-256 of the operator's token.
pub fn operator_digest(layout: &Layout) -> Result<Hash, Failure> {
    let path = operator_token_file(layout);
    let token = std::fs::read_to_string(&path).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} cannot be read", path.display()));
        Failure::new(
            error,
            "restore it from a backup, or delete it and run `daicho init` again to make another",
        )
    })?;
    Ok(Hash(Sha256::digest(token.trim()).into()))
}
