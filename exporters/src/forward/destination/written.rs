//! The table as it is written, and what it means.

use super::{
    DEFAULT_FILE_BYTES, DEFAULT_REWIND_BYTES, DEFAULT_WINDOW, Destination, DestinationError,
    MAX_WINDOW, MIN_FILE_BYTES, MIN_REWIND_BYTES,
};
use crate::format::ocsf::Version;
use crate::format::rfc5424::{DOCUMENTATION_ENTERPRISE_NUMBER, Header};
use crate::format::{DEFAULT_MAX_OCTETS, Form, Format, Withhold};
use crate::transport::{Collector, Endpoint, Files, Local, Peer, Protocol, Route, Tls, Url};
use schemas::Name;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    name: Name,
    /// A text, so that what is not offered can be refused with its reason.
    transport: String,
    host: Option<String>,
    port: Option<u16>,
    ca_file: Option<PathBuf>,
    server_name: Option<String>,
    server_fingerprint: Option<String>,
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    socket: Option<PathBuf>,
    directory: Option<PathBuf>,
    file_bytes: Option<u64>,
    url: Option<String>,
    token_file: Option<PathBuf>,
    acks: Option<bool>,
    format: Option<String>,
    ocsf_version: Option<String>,
    #[serde(default)]
    withhold: Vec<String>,
    hostname: Option<String>,
    enterprise_number: Option<u32>,
    max_octets: Option<usize>,
    window: Option<usize>,
    rewind_bytes: Option<u64>,
}

/// Where an authority belongs.
const PATH: &str = "a receiver without server_fingerprint, which is known by that alone";

/// What `transport` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Peer { secured: bool, answers: bool },
    Local,
    File,
    Http,
    Splunk,
}

impl TryFrom<Written> for Destination {
    type Error = DestinationError;

    fn try_from(written: Written) -> Result<Destination, DestinationError> {
        let name = written.name.clone();
        let transport = written.transport()?;
        if let Some((field, proper)) = written.stray(transport) {
            return Err(DestinationError::Stray(name, field, proper));
        }
        let form = written.form(transport)?;
        let rewind_bytes = written.rewind_bytes.unwrap_or(DEFAULT_REWIND_BYTES);
        if rewind_bytes < MIN_REWIND_BYTES {
            return Err(DestinationError::RewindBytes(name, rewind_bytes));
        }
        let route = match transport {
            Transport::Peer { secured, answers } => written.peer(secured, answers)?,
            // Elsewhere there is none, and a receiver that can never be reached is no setting.
            Transport::Local if cfg!(not(unix)) => return Err(DestinationError::Local(name)),
            Transport::Local => match written.socket {
                Some(socket) => Route::Local(Local { socket }),
                None => return Err(DestinationError::Missing(name, "socket")),
            },
            Transport::File => written.files()?,
            Transport::Http => written.endpoint(None)?,
            Transport::Splunk => {
                let acks = written.acks.unwrap_or(false);
                written.endpoint(Some(Collector { acks }))?
            }
        };
        Ok(Destination {
            name,
            route,
            form,
            rewind_bytes,
        })
    }
}

impl Written {
    fn transport(&self) -> Result<Transport, DestinationError> {
        let peer = |secured, answers| Ok(Transport::Peer { secured, answers });
        match self.transport.as_str() {
            "relp-tls" => peer(true, true),
            "relp" => peer(false, true),
            "tls" => peer(true, false),
            "tcp" => peer(false, false),
            "local" => Ok(Transport::Local),
            "file" => Ok(Transport::File),
            "http" => Ok(Transport::Http),
            "splunk-hec" => Ok(Transport::Splunk),
            "udp" => Err(DestinationError::Udp(self.name.clone())),
            _ => Err(DestinationError::Transport(self.name.clone())),
        }
    }

    /// A field that this transport has no use for, and where it belongs. Someone who names a
    /// certificate believes that the connection is protected.
    fn stray(&self, transport: Transport) -> Option<(&'static str, &'static str)> {
        const SECURED: &str = "a receiver over TLS";
        const NAMED: &str = "transport = \"tls\" or \"relp-tls\"";
        const HTTP: &str = "transport = \"splunk-hec\" or \"http\"";
        const SPLUNK: &str = "transport = \"splunk-hec\"";
        const ANSWERS: &str = "transport = \"relp-tls\" or \"relp\"";
        const SILENT: &str = "transport = \"tls\", \"tcp\" or \"local\"";
        const LOCAL: &str = "transport = \"local\"";
        const FILE: &str = "transport = \"file\"";
        const PEER: &str = "syslog over the network";
        const SYSLOG: &str = "syslog messages (with transport = \"file\": format = \"rfc5424\")";
        let (peer, named, answers) = match transport {
            Transport::Peer { secured, answers } => (true, secured, answers),
            _ => (false, false, false),
        };
        let (file, local) = (transport == Transport::File, transport == Transport::Local);
        let splunk = transport == Transport::Splunk;
        let http = splunk || transport == Transport::Http;
        let https = http
            && self
                .url
                .as_deref()
                .is_some_and(|url| url.starts_with("https:"));
        let secured = named || https;
        let pinned = self.server_fingerprint.is_some();
        let syslog = peer || local || (file && self.format.as_deref() == Some("rfc5424"));
        let client = self.client_certificate_file.is_some() || self.client_key_file.is_some();
        let fields = [
            (self.host.is_some(), peer, "host", PEER),
            (self.port.is_some(), peer, "port", PEER),
            (self.ca_file.is_some(), secured, "ca_file", SECURED),
            (self.server_name.is_some(), named, "server_name", NAMED),
            (pinned, secured, "server_fingerprint", SECURED),
            (client, secured, "client_certificate_file", SECURED),
            (self.window.is_some(), answers, "window", ANSWERS),
            (
                self.rewind_bytes.is_some(),
                local || peer && !answers,
                "rewind_bytes",
                SILENT,
            ),
            (self.socket.is_some(), local, "socket", LOCAL),
            (self.directory.is_some(), file, "directory", FILE),
            (self.file_bytes.is_some(), file, "file_bytes", FILE),
            (self.url.is_some(), http, "url", HTTP),
            (self.token_file.is_some(), http, "token_file", HTTP),
            (self.acks.is_some(), splunk, "acks", SPLUNK),
            (
                self.hostname.is_some(),
                syslog || splunk,
                "hostname",
                SYSLOG,
            ),
            (
                self.enterprise_number.is_some(),
                syslog,
                "enterprise_number",
                SYSLOG,
            ),
            (self.max_octets.is_some(), syslog, "max_octets", SYSLOG),
            (
                self.ocsf_version.is_some(),
                self.format.as_deref() == Some("ocsf"),
                "ocsf_version",
                "format = \"ocsf\"",
            ),
        ];
        let stray = fields
            .into_iter()
            .find(|(given, proper, ..)| *given && !proper);
        stray.map(|(_, _, field, proper)| (field, proper))
    }

    fn form(&self, transport: Transport) -> Result<Form, DestinationError> {
        let name = || self.name.clone();
        let file = transport == Transport::File;
        let peer = matches!(transport, Transport::Peer { .. } | Transport::Local);
        let (format, syslog) = match self.format.as_deref() {
            None | Some("json") => (Format::Json, peer),
            Some("ocsf") => (Format::Ocsf(self.ocsf_version()?), peer),
            Some("cef") => (Format::Cef, peer),
            Some("leef") => (Format::Leef, peer),
            Some("rfc5424") if file => (Format::Json, true),
            Some(_) => return Err(DestinationError::Format(name())),
        };
        let form = match syslog {
            false if transport == Transport::Splunk => {
                Ok(Form::collector(format, self.hostname.clone()))
            }
            false => Ok(Form::line(format)),
            true => {
                let number = self.enterprise_number;
                let number = number.unwrap_or(DOCUMENTATION_ENTERPRISE_NUMBER);
                let max_octets = self.max_octets.unwrap_or(DEFAULT_MAX_OCTETS);
                Header::new(self.hostname.clone(), number)
                    .and_then(|header| Form::syslog(format, header, max_octets))
            }
        };
        let form = form.map_err(|fault| DestinationError::Form(name(), fault))?;
        let withhold = Withhold::new(self.withhold.clone())
            .map_err(|fault| DestinationError::Withhold(name(), fault))?;
        Ok(form.withholding(withhold))
    }

    fn ocsf_version(&self) -> Result<Version, DestinationError> {
        match self.ocsf_version.as_deref() {
            None | Some("1.8") => Ok(Version::V1_8),
            Some("1.9") => Ok(Version::V1_9),
            Some(_) => Err(DestinationError::OcsfVersion(self.name.clone())),
        }
    }

    fn tls(&self) -> Result<Tls, DestinationError> {
        let client = match (&self.client_certificate_file, &self.client_key_file) {
            (Some(chain), Some(key)) => Some((chain.clone(), key.clone())),
            (None, None) => None,
            _ => return Err(DestinationError::HalfAClient(self.name.clone())),
        };
        let fingerprint = match &self.server_fingerprint {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|()| DestinationError::Fingerprint(self.name.clone()))?,
            ),
        };
        if fingerprint.is_some() && self.ca_file.is_some() {
            return Err(DestinationError::Stray(self.name.clone(), "ca_file", PATH));
        }
        Ok(Tls {
            authority: self.ca_file.clone(),
            server_name: self.server_name.clone(),
            fingerprint,
            client,
        })
    }

    fn endpoint(self, collector: Option<Collector>) -> Result<Route, DestinationError> {
        let tls = self.tls()?;
        let Some(url) = self.url else {
            return Err(DestinationError::Missing(self.name, "url"));
        };
        if collector.is_some() && self.token_file.is_none() {
            return Err(DestinationError::Missing(self.name, "token_file"));
        }
        let parsed = Url::parse(&url).ok().filter(|url| {
            let plain = url.username().is_empty() && url.password().is_none();
            plain && matches!(url.scheme(), "http" | "https") && url.has_host()
        });
        let Some(mut url) = parsed else {
            return Err(DestinationError::Url(self.name));
        };
        if collector.is_some() && url.path() == "/" {
            url.set_path("/services/collector/event");
        }
        Ok(Route::Endpoint(Endpoint {
            url,
            tls,
            token: self.token_file,
            collector,
        }))
    }

    fn peer(self, secured: bool, answers: bool) -> Result<Route, DestinationError> {
        let tls = self.tls()?;
        let tls = secured.then_some(tls);
        let name = self.name;
        let window = self.window.unwrap_or(DEFAULT_WINDOW);
        if !(1..=MAX_WINDOW).contains(&window) {
            return Err(DestinationError::Window(name, window));
        }
        let protocol = match answers {
            true => Protocol::Relp { window },
            false => Protocol::Framed,
        };
        let missing = |field| DestinationError::Missing(name.clone(), field);
        let host = self.host.ok_or_else(|| missing("host"))?;
        let port = self.port.ok_or_else(|| missing("port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
        if host.is_empty() || host.contains(odd) || port == 0 {
            return Err(DestinationError::Host(name));
        }
        Ok(Route::Peer(Peer {
            host: host.to_owned(),
            port,
            tls,
            protocol,
        }))
    }

    fn files(self) -> Result<Route, DestinationError> {
        let max_bytes = self.file_bytes.unwrap_or(DEFAULT_FILE_BYTES);
        if max_bytes < MIN_FILE_BYTES {
            return Err(DestinationError::FileBytes(self.name, max_bytes));
        }
        match self.directory {
            None => Err(DestinationError::Missing(self.name, "directory")),
            Some(directory) => Ok(Route::Files(Files {
                directory,
                prefix: self.name.to_string(),
                max_bytes,
            })),
        }
    }
}
