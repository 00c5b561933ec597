//! A destination as the configuration names it, parsed into one that cannot be half right.

use crate::format::rfc5424::{
    DEFAULT_MAX_OCTETS, DOCUMENTATION_ENTERPRISE_NUMBER, Form, FormError,
};
use crate::transport::{Protocol, Route, Tls};
use schemas::Name;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// As much as both ends' socket buffers hold where they are largest by default (4 MiB out,
/// 6 MiB in), and more: with 16 MiB nothing was lost in 600,000 messages over four kills of
/// the receiver, with 1 MiB 47,954 were.
pub const DEFAULT_REWIND_BYTES: u64 = 16 << 20;

/// A window that is known to lose is not a setting.
pub const MIN_REWIND_BYTES: u64 = 4 << 20;

/// RELP's window where none is given: as the reference sender has it.
pub const DEFAULT_WINDOW: usize = 128;

/// More brings no speed, and as many duplicates after a break.
pub const MAX_WINDOW: usize = 4_096;

/// One receiver of the whole log.
///
/// ```toml
/// name = "hq"                          # also names its cursor: export/hq.cursor
/// transport = "relp-tls"               # or "relp", "tls", "tcp"
/// host = "siem.example.co.jp"
/// port = 6514
/// ca_file = "pki/hq-ca.pem"            # absent: the public authorities
/// server_name = "siem.example.co.jp"   # absent: host
/// client_certificate_file = "pki/ledger.pem"
/// client_key_file = "pki/ledger.key"
/// hostname = "ledger.example.co.jp"    # HOSTNAME of the messages; absent: "-"
/// enterprise_number = 32473            # for documentation only: set your own
/// max_octets = 8000
/// window = 128                         # RELP: messages without an answer
/// rewind_bytes = 16777216              # tls and tcp: sent again after every break
/// ```
/// Files are relative to the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Destination {
    name: Name,
    route: Route,
    form: Form,
    enterprise_number: u32,
    rewind_bytes: u64,
}

/// What is wrong with a destination, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error(
        "destination {0}: udp loses messages without telling anyone, so daicho does not offer it; use relp-tls or tls, or relp or tcp on the same machine"
    )]
    Udp(Name),
    #[error("destination {0}: transport must be \"relp-tls\", \"relp\", \"tls\" or \"tcp\"")]
    Transport(Name),
    #[error("destination {0}: {1} is for transport = {2}; set that, or leave it out")]
    OtherTransport(Name, &'static str, &'static str),
    #[error("destination {0}: window is {1}; it must be from 1 to {MAX_WINDOW}")]
    Window(Name, usize),
    #[error(
        "destination {0}: client_certificate_file and client_key_file belong together; give both or neither"
    )]
    HalfAClient(Name),
    #[error("destination {0}: host must be a name or an address, and port not 0")]
    Host(Name),
    #[error(
        "destination {0}: rewind_bytes is {1}; below {MIN_REWIND_BYTES} a receiver's restart is known to lose messages"
    )]
    RewindBytes(Name, u64),
    #[error("destination {0}: {1}")]
    Form(Name, FormError),
}

impl Destination {
    pub fn name(&self) -> &Name {
        &self.name
    }

    pub fn form(&self) -> &Form {
        &self.form
    }

    pub fn rewind_bytes(&self) -> u64 {
        self.rewind_bytes
    }

    /// Whether the messages carry the number that no one owns. Fit for a trial only.
    pub fn has_documentation_number(&self) -> bool {
        self.enterprise_number == DOCUMENTATION_ENTERPRISE_NUMBER
    }

    /// The way there, with files under `data_dir` unless they are absolute.
    pub fn route(&self, data_dir: &Path) -> Route {
        let mut route = self.route.clone();
        if let Some(tls) = &mut route.tls {
            tls.authority = tls.authority.as_ref().map(|file| data_dir.join(file));
            tls.client = tls
                .client
                .as_ref()
                .map(|(chain, key)| (data_dir.join(chain), data_dir.join(key)));
        }
        route
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Name,
    /// A text, so that what is not offered can be refused with its reason.
    transport: String,
    host: String,
    port: u16,
    ca_file: Option<PathBuf>,
    server_name: Option<String>,
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    hostname: Option<String>,
    #[serde(default = "documentation_number")]
    enterprise_number: u32,
    #[serde(default = "max_octets")]
    max_octets: usize,
    window: Option<usize>,
    rewind_bytes: Option<u64>,
}

fn documentation_number() -> u32 {
    DOCUMENTATION_ENTERPRISE_NUMBER
}

fn max_octets() -> usize {
    DEFAULT_MAX_OCTETS
}

impl TryFrom<Written> for Destination {
    type Error = DestinationError;

    fn try_from(written: Written) -> Result<Destination, DestinationError> {
        let name = written.name;
        let client = match (written.client_certificate_file, written.client_key_file) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            _ => return Err(DestinationError::HalfAClient(name)),
        };
        let (secured, answers) = match written.transport.as_str() {
            "relp-tls" => (true, true),
            "relp" => (false, true),
            "tls" => (true, false),
            "tcp" => (false, false),
            "udp" => return Err(DestinationError::Udp(name)),
            _ => return Err(DestinationError::Transport(name)),
        };
        // Someone who names a certificate believes that the connection is protected.
        let over_tls = "\"tls\" or \"relp-tls\"";
        let stray = [
            (!secured && written.ca_file.is_some(), "ca_file", over_tls),
            (
                !secured && written.server_name.is_some(),
                "server_name",
                over_tls,
            ),
            (
                !secured && client.is_some(),
                "client_certificate_file",
                over_tls,
            ),
            (
                !answers && written.window.is_some(),
                "window",
                "\"relp-tls\" or \"relp\"",
            ),
            (
                answers && written.rewind_bytes.is_some(),
                "rewind_bytes",
                "\"tls\" or \"tcp\"",
            ),
        ];
        if let Some((_, field, transport)) = stray.into_iter().find(|(stray, ..)| *stray) {
            return Err(DestinationError::OtherTransport(name, field, transport));
        }
        let tls = secured.then_some(Tls {
            authority: written.ca_file,
            server_name: written.server_name,
            client,
        });
        let window = written.window.unwrap_or(DEFAULT_WINDOW);
        if !(1..=MAX_WINDOW).contains(&window) {
            return Err(DestinationError::Window(name, window));
        }
        let protocol = match answers {
            true => Protocol::Relp { window },
            false => Protocol::Framed,
        };
        let rewind_bytes = written.rewind_bytes.unwrap_or(DEFAULT_REWIND_BYTES);
        let host = written.host.trim_start_matches('[').trim_end_matches(']');
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
        if host.is_empty() || host.contains(odd) || written.port == 0 {
            return Err(DestinationError::Host(name));
        }
        if rewind_bytes < MIN_REWIND_BYTES {
            return Err(DestinationError::RewindBytes(name, rewind_bytes));
        }
        let number = written.enterprise_number;
        let form = Form::new(written.hostname, number, written.max_octets)
            .map_err(|fault| DestinationError::Form(name.clone(), fault))?;
        Ok(Destination {
            name,
            route: Route {
                host: host.to_owned(),
                port: written.port,
                tls,
                protocol,
            },
            form,
            enterprise_number: number,
            rewind_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> Result<Destination, String> {
        toml::from_str(&format!("name = 'hq'\nhost = 'siem.example'\n{more}"))
            .map_err(|e| e.message().to_owned())
    }

    #[test]
    fn a_short_destination_has_sound_defaults() {
        let hq = read("transport = 'tls'\nport = 6514\nca_file = 'pki/ca.pem'").expect("sound");
        assert_eq!(hq.rewind_bytes(), 16_777_216);
        assert!(hq.has_documentation_number());
        let tls = hq.route(Path::new("/data")).tls.expect("tls");
        assert_eq!(tls.authority, Some("/data/pki/ca.pem".into()));
    }

    #[test]
    fn udp_is_refused_with_its_reason() {
        insta::assert_snapshot!(read("transport = 'udp'\nport = 514").expect_err("refused"));
    }

    #[test]
    fn a_destination_that_means_two_things_is_refused() {
        let faults: Vec<_> = [
            "transport = 'tcp'\nport = 514\nca_file = 'ca.pem'",
            "transport = 'tls'\nport = 6514\nclient_key_file = 'k.pem'",
            "transport = 'tls'\nport = 0",
            "transport = 'tcp'\nport = 514\nrewind_bytes = 1048576",
            "transport = 'tcp'\nport = 514\nmax_octets = 480",
            "transport = 'tcp'\nport = 514\nenterprise_number = 0",
            "transport = 'tcp'\nport = 514\nhostname = 'two words'",
            "transport = 'tcp'\nport = 514\nca = 'ca.pem'",
            "transport = 'relp'\nport = 2514\nrewind_bytes = 16777216",
            "transport = 'relp'\nport = 2514\nca_file = 'ca.pem'",
            "transport = 'relp'\nport = 2514\nwindow = 0",
            "transport = 'tls'\nport = 6514\nwindow = 128",
            "transport = 'http'\nport = 80",
        ]
        .into_iter()
        .map(|more| read(more).expect_err("refused"))
        .collect();
        insta::assert_snapshot!(faults.join("\n"));
    }
}
