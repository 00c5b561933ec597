//! `daicho.toml`: parsed into types that cannot be half right.

pub mod ingest;
mod mcp;
mod schedule;

pub use ingest::{IngestConfig, IngestTls};
pub use mcp::{McpAt, McpName, McpServer};
pub use schedule::Schedule;

use crate::door::operator_token_file;
use crate::outcome::Failure;
use crate::server::gateway::{self, Capacity, KeyHeader, ProviderKey, UpstreamError};
use crate::server::notify::webhook::Configured;
use agents::classes::ClassPolicy;
use agents::gateway::Provider;
use agents::hooks::ToolPolicy;
use agents::limits::LimitPolicy;
use agents::masking::Policy;
use agents::retention::RetentionPolicy;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exporters::forward::Destination;
use exporters::report::Rules;
use exporters::report::transfers::Vendors;
use exporters::report::window::{Hours, Offset};
use ledger::Layout;
use ledger::buckets::default_periods;
use schemas::{Hash, Period};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    /// How much the gateway holds at a time.
    pub gateway: Capacity,
    pub anthropic: Upstream,
    pub openai: Upstream,
    /// How long each class is kept.
    pub retention: RetentionPolicy,
    pub masking: Policy,
    /// What may leave of which class of data.
    pub classes: ClassPolicy,
    /// How much may be used, which models, where.
    pub limits: LimitPolicy,
    /// What agents' tools may do.
    pub tools: ToolPolicy,
    /// Tool servers that agents reach at `/mcp/{name}`.
    pub mcp: BTreeMap<McpName, McpServer>,
    /// Who receives what leaves.
    pub vendors: Vendors,
    pub approvals: Approvals,
    /// Who is told that something waits for a decision.
    pub notify: NotifyConfig,
    pub report: Report,
    pub witness: WitnessConfig,
    pub key: KeyConfig,
    pub protection: Protection,
    pub timestamp: TimestampConfig,
    /// Receivers of the whole log.
    pub export: Vec<Destination>,
    /// Other systems whose logs are kept here.
    pub ingest: Vec<IngestConfig>,
}

/// How drafts and patches are decided on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    /// After it an undecided request is over.
    pub deadline: Period,
    pub approvers_needed: u64,
}

impl Approvals {
    /// SHA-256 over the JSON of the settings.
    pub fn digest(&self) -> Hash {
        // Words and a number in a fixed order: writing them cannot fail.
        Hash(Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into())
    }
}

impl Default for Approvals {
    fn default() -> Approvals {
        Approvals {
            deadline: Period::Days(7),
            approvers_needed: 1,
        }
    }
}

/// How approvers are told. No policy: it changes no decision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// Where a JSON object is posted to.
    pub webhook: Option<String>,
    /// A file that holds that address instead, in the data directory unless absolute: with many
    /// services whoever knows it may post.
    pub webhook_file: Option<PathBuf>,
    /// A program and its arguments, which gets the same object on its standard input.
    pub command: Vec<String>,
    pub summary: Summary,
    /// Before a request is given up.
    pub attempts: u64,
    /// Of one attempt.
    pub timeout_seconds: u64,
}

/// What of a draft goes out with a notification.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Summary {
    /// Nothing that is sealed.
    None,
    /// One masked line.
    Masked,
}

impl NotifyConfig {
    pub fn address(&self) -> Configured<'_> {
        Configured {
            section: "notify",
            webhook: self.webhook.as_deref(),
            webhook_file: self.webhook_file.as_deref(),
        }
    }
}

impl Default for NotifyConfig {
    fn default() -> NotifyConfig {
        NotifyConfig {
            webhook: None,
            webhook_file: None,
            command: Vec::new(),
            summary: Summary::None,
            attempts: 8,
            timeout_seconds: 10,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// The company whose reports these are.
    pub organisation: String,
    /// The company's clock: whose months a report's are.
    pub utc_offset: Offset,
    /// When people work: what is outside is told.
    pub hours: Option<Hours>,
    /// A font with Japanese for PDF, in the data directory unless absolute.
    pub font: Option<PathBuf>,
    /// What the server issues by itself. Absent: nothing.
    pub schedule: Option<Schedule>,
}

impl Report {
    /// What of it is a policy.
    pub fn rules(&self) -> Rules {
        Rules {
            organisation: self.organisation.clone(),
            utc_offset: self.utc_offset,
            hours: self.hours,
        }
    }

    pub fn put(&mut self, rules: Rules) {
        let Rules {
            organisation,
            utc_offset,
            hours,
        } = rules;
        self.organisation = organisation;
        self.utc_offset = utc_offset;
        self.hours = hours;
    }
}

impl Default for Report {
    fn default() -> Report {
        Report {
            organisation: "-".to_owned(),
            utc_offset: Offset::default(),
            hours: None,
            font: None,
            schedule: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: String,
    /// How long a stop waits for what is being answered.
    pub grace_seconds: u64,
}

impl Server {
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}

/// Who cosigns this log, and what happens when too few do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WitnessConfig {
    /// C2SP tlog-policy file, in the data directory unless absolute. Absent: no witnesses.
    pub policy: Option<PathBuf>,
    pub on_missed_quorum: MissedQuorum,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
}

/// How this host gets at the signing key, where `keys/ledger.key` is not plain. Paths are in the
/// data directory unless absolute.
#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyConfig {
    /// A file that holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The library of a PKCS #11 token's maker.
    pub module: Option<PathBuf>,
    /// A file that holds the token's PIN.
    pub pin_file: Option<PathBuf>,
}

/// How full files are kept from being written to, beside their modes.
#[derive(Default, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Protection {
    /// The server sets the system's immutable flag.
    pub immutable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissedQuorum {
    /// Record on, and raise an alert.
    GoOn,
    /// Acknowledge nothing until the quorum is there.
    Stop,
}

impl Default for WitnessConfig {
    fn default() -> WitnessConfig {
        WitnessConfig {
            policy: None,
            on_missed_quorum: MissedQuorum::GoOn,
            interval_seconds: 10,
            timeout_seconds: 5,
        }
    }
}

/// Who says when checkpoints existed (RFC 3161), and how often it is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimestampConfig {
    /// Where the authority answers over HTTP. Absent: nobody is asked but by hand.
    pub url: Option<String>,
    /// Its root certificates in PEM, in the data directory unless absolute.
    pub ca_file: Option<PathBuf>,
    /// The policy to ask for, as 1.2.3.4. Absent: the authority's own choice.
    pub policy: Option<String>,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
}

impl Default for TimestampConfig {
    fn default() -> TimestampConfig {
        TimestampConfig {
            url: None,
            ca_file: None,
            policy: None,
            interval_seconds: 3_600,
            timeout_seconds: 10,
        }
    }
}

/// A provider that calls go to. What is absent is as the provider itself has it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    pub base_url: Option<String>,
    /// Environment variable that holds the provider's key.
    pub key_env: Option<String>,
    /// A file that holds it instead, readable by its owner only.
    pub key_file: Option<PathBuf>,
    /// How the provider wants its key.
    pub key_header: Option<KeyHeader>,
    /// Further paths of the provider that pass, each request recorded.
    pub paths: Vec<String>,
}

impl Upstream {
    /// The provider's key, or why there is none. A key that is there and unusable is a fault.
    pub fn key(&self, provider: Provider) -> Result<Result<ProviderKey, String>, Failure> {
        let usual = match provider {
            Provider::Anthropic => "ANTHROPIC_API_KEY",
            Provider::OpenAi => "OPENAI_API_KEY",
        };
        let key = match &self.key_file {
            Some(path) => ProviderKey::from_file(path),
            None => ProviderKey::from_env(self.key_env.as_deref().unwrap_or(usual)),
        };
        match key {
            Ok(key) => Ok(Ok(key)),
            Err(error @ UpstreamError::NoKey(_)) => Ok(Err(error.to_string())),
            Err(error) => {
                let section = provider.as_str();
                let help = format!("see [{section}] key_env and key_file in daicho.toml");
                Err(Failure::new(error, help))
            }
        }
    }

    pub fn open(&self, provider: Provider, key: ProviderKey) -> Result<gateway::Upstream, Failure> {
        let (base, header) = match provider {
            Provider::Anthropic => ("https://api.anthropic.com", KeyHeader::XApiKey),
            Provider::OpenAi => ("https://api.openai.com", KeyHeader::Bearer),
        };
        let base = self.base_url.as_deref().unwrap_or(base);
        let header = self.key_header.unwrap_or(header);
        let upstream = gateway::Upstream::new(provider, base, key, header).map_err(|error| {
            let help = format!("correct [{}] in daicho.toml", provider.as_str());
            Failure::new(error, help)
        })?;
        Ok(upstream.passing(self.paths.clone()))
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: "127.0.0.1:7420".to_owned(),
            // With what comes after it less than the 90 s after which systemd kills.
            grace_seconds: 45,
        }
    }
}

impl Config {
    pub fn upstream(&self, provider: Provider) -> &Upstream {
        match provider {
            Provider::Anthropic => &self.anthropic,
            Provider::OpenAi => &self.openai,
        }
    }

    /// The providers' keys; and of those that have none, why.
    pub fn keys(&self) -> Result<(BTreeMap<Provider, ProviderKey>, Vec<String>), Failure> {
        let (mut keys, mut without) = (BTreeMap::new(), Vec::new());
        for provider in Provider::ALL {
            match self.upstream(provider).key(provider)? {
                Ok(key) => drop(keys.insert(provider, key)),
                Err(reason) => without.push(reason),
            }
        }
        Ok((keys, without))
    }

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
        config.complete();
        let capacity = config.gateway.check();
        capacity.map_err(|error| Failure::new(error, "correct [gateway] in daicho.toml"))?;
        ingest::check(&config.ingest, &config.retention.periods)?;
        if let Some(schedule) = &config.report.schedule {
            schedule.check()?;
        }
        Ok(config)
    }

    /// A class that the file leaves out keeps its default period.
    pub fn complete(&mut self) {
        for (class, period) in default_periods() {
            self.retention.periods.entry(class).or_insert(period);
        }
    }
}

/// Writes what a new ledger begins with and does not have yet: its configuration, and the
/// operator's token.
pub fn write_default(layout: &Layout) -> Result<(), Failure> {
    write_new(layout, &KeyConfig::default())
}

pub fn write_new(layout: &Layout, key: &KeyConfig) -> Result<(), Failure> {
    let config = include_str!("config/daicho.toml");
    // The file's own lines tell the rest.
    let settings = toml::to_string(key).context("paths are UTF-8")?;
    let config = config.replace("[key]\n", &format!("[key]\n{settings}"));
    write_private(&layout.config(), config.as_bytes())?;
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).context("the system gives no randomness for a token")?;
    let token = Zeroizing::new(format!("{TOKEN}{}\n", URL_SAFE_NO_PAD.encode(*secret)));
    write_private(&operator_token_file(layout), token.as_bytes())
}

/// False when `init` was interrupted after the ledger's first entry.
pub fn is_complete(layout: &Layout) -> bool {
    layout.config().exists() && operator_token_file(layout).exists()
}

/// A file that is made once, whole or not at all, readable by its owner only.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link fails where another process was first; its file is as good as ours.
        match std::fs::hard_link(&fresh, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(_) => return std::fs::rename(&fresh, path),
            Ok(()) => {}
        }
        std::fs::remove_file(&fresh)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

const TOKEN: &str = "dco_";

/// What 32 bytes are in base64.
const TOKEN_CHARS: usize = 43;

/// SHA-256 of the operator's token.
pub fn operator_digest(layout: &Layout) -> Result<Hash, Failure> {
    let path = operator_token_file(layout);
    let help = "restore it from a backup, or delete it and run `daicho init` again to make another";
    let token = std::fs::read_to_string(&path).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{} cannot be read", path.display()));
        Failure::new(error, help)
    })?;
    // An empty file would let everybody in who sends no token at all.
    let token = token.trim();
    if token.strip_prefix(TOKEN).map(str::len) != Some(TOKEN_CHARS) {
        return Err(Failure::msg(
            format!("{} holds no token", path.display()),
            help,
        ));
    }
    Ok(Hash(Sha256::digest(token).into()))
}
