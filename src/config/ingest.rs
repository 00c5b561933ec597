//! `[[ingest]]`: other systems whose logs are kept here, each under a name and in a class.

use crate::outcome::Failure;
use agents::ingest::Source;
use chrono::FixedOffset;
use schemas::{Class, Name, Period};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub struct IngestConfig {
    pub source: Source,
    /// Where its syslog is listened for. Absent: `daicho ingest` takes it in.
    pub listen: Option<String>,
    /// Absent: plain TCP.
    pub tls: Option<IngestTls>,
}

/// Paths are in the data directory unless absolute.
pub struct IngestTls {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    /// Whose certificates a sender must have. Absent: anybody's who reaches the port.
    pub client_ca_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    source: Name,
    class: Class,
    listen: Option<String>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
    /// Nothing but the network says who sends.
    #[serde(default)]
    any_sender: bool,
    utc_offset: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum WrittenError {
    #[error("certificate_file and key_file go together")]
    HalfTls,
    #[error("client_ca_file needs certificate_file and key_file")]
    ClientsWithoutTls,
    #[error("TLS needs an address to listen on")]
    TlsWithoutListen,
    #[error(
        "it listens where others reach it, and takes lines from anybody: client_ca_file names whose certificates a sender must have, any_sender = true says that the network keeps others out"
    )]
    AnySender,
    #[error("utc_offset is one like +09:00")]
    Offset,
}

impl TryFrom<Written> for IngestConfig {
    type Error = WrittenError;

    fn try_from(written: Written) -> Result<IngestConfig, WrittenError> {
        let tls = match (written.certificate_file, written.key_file) {
            (Some(certificate_file), Some(key_file)) => Some(IngestTls {
                certificate_file,
                key_file,
                client_ca_file: written.client_ca_file,
            }),
            (None, None) if written.client_ca_file.is_some() => {
                return Err(WrittenError::ClientsWithoutTls);
            }
            (None, None) => None,
            _ => return Err(WrittenError::HalfTls),
        };
        if tls.is_some() && written.listen.is_none() {
            return Err(WrittenError::TlsWithoutListen);
        }
        let known = tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        let open = written.listen.as_deref().is_some_and(|at| !is_loopback(at));
        if open && !known && !written.any_sender {
            return Err(WrittenError::AnySender);
        }
        let zone = written.utc_offset.as_deref().unwrap_or("+00:00");
        let zone = zone.parse().map_err(|_| WrittenError::Offset)?;
        Ok(IngestConfig {
            source: Source {
                name: written.source,
                class: written.class,
                zone,
            },
            listen: written.listen,
            tls,
        })
    }
}

/// Whether only this host reaches an address, HOST:PORT.
fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

/// What one table alone cannot say: each source once, and in a class that some rule ends.
pub fn check(sources: &[IngestConfig], periods: &BTreeMap<Class, Period>) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for IngestConfig { source, .. } in sources {
        let Source { name, class, .. } = source;
        if !names.insert(name) {
            return Err(Failure::msg(
                format!("daicho.toml names the source {name} twice"),
                "give each [[ingest]] a source of its own",
            ));
        }
        if !periods.contains_key(class) {
            return Err(Failure::msg(
                format!("[[ingest]] {name} goes into class {class}, which has no period"),
                format!("add {class} to [retention], or name one of its classes"),
            ));
        }
    }
    Ok(())
}

/// The source of this name, or one in a class of its own kind where none is configured.
pub fn source(
    sources: &[IngestConfig],
    name: &str,
    class: Option<Class>,
) -> Result<Source, Failure> {
    let found = sources.iter().find(|one| one.source.name.as_str() == name);
    if let Some(found) = found {
        return Ok(found.source.clone());
    }
    let help = "add [[ingest]] with this source and a class to daicho.toml, as its comments show";
    let Some(class) = class else {
        let name = schemas::Label::lossy(name);
        return Err(Failure::msg(
            format!("daicho.toml has no [[ingest]] of source {name}"),
            help,
        ));
    };
    let name = name.parse::<Name>();
    let name = name.map_err(|error| Failure::new(error, help))?;
    let zone = FixedOffset::east_opt(0).expect("no offset is one");
    Ok(Source { name, class, zone })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn half_a_table_is_refused_with_its_reason() {
        let table = |more: &str| {
            let text = format!("[[ingest]]\nsource = 'fw'\nclass = 'network'\n{more}");
            toml::from_str::<Config>(&text).map(|config| config.ingest)
        };
        let sound = table("listen = '127.0.0.1:6514'\nutc_offset = '+09:00'").unwrap();
        for known in [
            "listen = '[::1]:6514'",
            "listen = 'localhost:6514'",
            "listen = '10.0.0.5:6514'\nany_sender = true",
            "listen = '10.0.0.5:6514'\ncertificate_file = 'c'\nkey_file = 'k'\nclient_ca_file = 'a'",
        ] {
            table(known).unwrap();
        }
        assert_eq!(sound[0].source.zone.local_minus_utc(), 9 * 3_600);
        for (more, part) in [
            ("key_file = 'k'", "go together"),
            ("client_ca_file = 'c'", "needs certificate_file"),
            ("certificate_file = 'c'\nkey_file = 'k'", "an address"),
            ("listen = '0.0.0.0:6514'", "from anybody"),
            ("listen = '[::]:6514'", "from anybody"),
            (
                "listen = 'log.example.com:6514'\ncertificate_file = 'c'\nkey_file = 'k'",
                "from anybody",
            ),
            ("utc_offset = 'JST'", "like +09:00"),
            ("port = 1", "unknown field"),
            ("source = 'Fire Wall'", "duplicate key"),
        ] {
            let error = table(more).err().unwrap().to_string();
            assert!(error.contains(part), "{error}");
        }
        let two = |class: &str| {
            let text = format!("[[ingest]]\nsource = 'fw'\nclass = '{class}'\n");
            let mut config: Config = toml::from_str(&text.repeat(2)).unwrap();
            config.complete();
            check(&config.ingest, &config.retention.periods)
        };
        let said = |done: Result<(), Failure>| done.unwrap_err().fault.to_string();
        assert!(said(two("network")).contains("twice"));
        assert!(said(two("nowhere")).contains("no period"));
    }
}
