//! The table as it is written, and what it means.

use super::{
    DEFAULT_FILE_BYTES, DEFAULT_REWIND_BYTES, DEFAULT_WINDOW, Destination, DestinationError,
    MAX_WINDOW, MIN_FILE_BYTES, MIN_REWIND_BYTES,
};
use crate::format::rfc5424::{DOCUMENTATION_ENTERPRISE_NUMBER, Header};
use crate::format::{DEFAULT_MAX_OCTETS, Form, Format, Withhold};
use crate::transport::{Files, Peer, Protocol, Route, Tls};
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
    client_certificate_file: Option<PathBuf>,
    client_key_file: Option<PathBuf>,
    directory: Option<PathBuf>,
    file_bytes: Option<u64>,
    format: Option<String>,
    #[serde(default)]
    withhold: Vec<String>,
    hostname: Option<String>,
    enterprise_number: Option<u32>,
    max_octets: Option<usize>,
    window: Option<usize>,
    rewind_bytes: Option<u64>,
}

/// What `transport` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Peer { secured: bool, answers: bool },
    File,
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
            Transport::File => written.files()?,
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
            "file" => Ok(Transport::File),
            "udp" => Err(DestinationError::Udp(self.name.clone())),
            _ => Err(DestinationError::Transport(self.name.clone())),
        }
    }

    /// A field that this transport has no use for, and where it belongs. Someone who names a
    /// certificate believes that the connection is protected.
    fn stray(&self, transport: Transport) -> Option<(&'static str, &'static str)> {
        const SECURED: &str = "transport = \"tls\" or \"relp-tls\"";
        const ANSWERS: &str = "transport = \"relp-tls\" or \"relp\"";
        const SILENT: &str = "transport = \"tls\" or \"tcp\"";
        const FILE: &str = "transport = \"file\"";
        const PEER: &str = "a receiver over the network";
        const SYSLOG: &str = "syslog messages (with transport = \"file\": format = \"rfc5424\")";
        let (peer, secured, answers) = match transport {
            Transport::Peer { secured, answers } => (true, secured, answers),
            Transport::File => (false, false, false),
        };
        let syslog = peer || self.format.as_deref() == Some("rfc5424");
        let client = self.client_certificate_file.is_some() || self.client_key_file.is_some();
        let fields = [
            (self.host.is_some(), peer, "host", PEER),
            (self.port.is_some(), peer, "port", PEER),
            (self.ca_file.is_some(), secured, "ca_file", SECURED),
            (self.server_name.is_some(), secured, "server_name", SECURED),
            (client, secured, "client_certificate_file", SECURED),
            (self.window.is_some(), answers, "window", ANSWERS),
            (
                self.rewind_bytes.is_some(),
                peer && !answers,
                "rewind_bytes",
                SILENT,
            ),
            (self.directory.is_some(), !peer, "directory", FILE),
            (self.file_bytes.is_some(), !peer, "file_bytes", FILE),
            (self.hostname.is_some(), syslog, "hostname", SYSLOG),
            (
                self.enterprise_number.is_some(),
                syslog,
                "enterprise_number",
                SYSLOG,
            ),
            (self.max_octets.is_some(), syslog, "max_octets", SYSLOG),
        ];
        let stray = fields
            .into_iter()
            .find(|(given, proper, ..)| *given && !proper);
        stray.map(|(_, _, field, proper)| (field, proper))
    }

    fn form(&self, transport: Transport) -> Result<Form, DestinationError> {
        let name = || self.name.clone();
        let file = transport == Transport::File;
        let (format, syslog) = match self.format.as_deref() {
            None | Some("json") => (Format::Json, !file),
            Some("ocsf") => (Format::Ocsf, !file),
            Some("cef") => (Format::Cef, !file),
            Some("leef") => (Format::Leef, !file),
            Some("rfc5424") if file => (Format::Json, true),
            Some(_) => return Err(DestinationError::Format(name())),
        };
        let form = match syslog {
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

    fn peer(self, secured: bool, answers: bool) -> Result<Route, DestinationError> {
        let name = self.name;
        let client = match (self.client_certificate_file, self.client_key_file) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            _ => return Err(DestinationError::HalfAClient(name)),
        };
        let tls = secured.then_some(Tls {
            authority: self.ca_file,
            server_name: self.server_name,
            client,
        });
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
