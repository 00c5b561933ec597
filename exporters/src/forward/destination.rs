//! A destination as the configuration names it, parsed into one that cannot be half right.

mod written;

use crate::format::rfc5424::DOCUMENTATION_ENTERPRISE_NUMBER;
use crate::format::{Form, FormError, WithholdError};
use crate::transport::{Protocol, Route};
use schemas::Name;
use serde::Deserialize;
use std::path::Path;
use written::Written;

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

/// How large a file grows before the next begins.
pub const DEFAULT_FILE_BYTES: u64 = 64 << 20;

/// A file holds more than one batch of the longest lines.
pub const MIN_FILE_BYTES: u64 = 1 << 20;

/// One receiver of the whole log.
///
/// ```toml
/// name = "hq"                          # also names its cursor: export/hq.cursor
/// transport = "relp-tls"               # or "relp", "tls", "tcp"
/// host = "siem.example.co.jp"
/// port = 6514
/// ca_file = "pki/hq-ca.pem"            # absent: the public authorities
/// server_name = "siem.example.co.jp"   # absent: host
/// server_fingerprint = "sha-256:AB:…"  # the one certificate, instead of authority and name
/// client_certificate_file = "pki/ledger.pem"
/// client_key_file = "pki/ledger.key"
/// format = "json"                      # what MSG holds; or "ocsf", "cef", "leef"
/// ocsf_version = "1.8"                 # or "1.9" as drafted (1.9.0-dev), with record_integrity
/// withhold = ["session", "data.tags"]  # what this receiver is not told
/// hostname = "ledger.example.co.jp"    # HOSTNAME of the messages; absent: "-"
/// enterprise_number = 32473            # for documentation only: set your own
/// max_octets = 8000
/// window = 128                         # RELP: messages without an answer
/// rewind_bytes = 16777216              # tls, tcp and local: sent again after every break
///
/// name = "host"
/// transport = "local"                  # the syslog of this host; not on Windows
/// socket = "/run/rsyslog/daicho"       # one that drops nothing over a rate, as journald's does
///
/// name = "shipper"
/// transport = "file"
/// directory = "export/shipper"
/// file_bytes = 67108864                # then the next file begins
/// format = "json"                      # one a line; or "ocsf", "cef", "leef", "rfc5424"
///
/// name = "splunk"
/// transport = "splunk-hec"             # or "http": lines to any endpoint
/// url = "https://splunk.example.co.jp:8088"
/// token_file = "keys/hec.token"
/// acks = true                          # wait until it is indexed
/// ```
/// Files are relative to the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Destination {
    name: Name,
    route: Route,
    form: Form,
    rewind_bytes: u64,
}

/// What is wrong with a destination, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    #[error(
        "destination {0}: udp loses messages without telling anyone, so daicho does not offer it; use relp-tls or tls, or relp or tcp on the same machine"
    )]
    Udp(Name),
    #[error(
        "destination {0}: transport must be \"relp-tls\", \"relp\", \"tls\", \"tcp\", \"local\", \"file\", \"splunk-hec\" or \"http\""
    )]
    Transport(Name),
    #[error(
        "destination {0}: this system has no syslog of its own; use relp-tls or tls to one that has, or file"
    )]
    Local(Name),
    #[error("destination {0}: {1} is for {2}; set that, or leave it out")]
    Stray(Name, &'static str, &'static str),
    #[error(
        "destination {0}: url must be http or https with a host, without name and password (the token has a file)"
    )]
    Url(Name),
    #[error("destination {0}: {1} is missing")]
    Missing(Name, &'static str),
    #[error(
        "destination {0}: format must be \"json\", \"ocsf\", \"cef\" or \"leef\"; with transport = \"file\" also \"rfc5424\""
    )]
    Format(Name),
    #[error("destination {0}: ocsf_version must be \"1.8\" or \"1.9\"")]
    OcsfVersion(Name),
    #[error("destination {0}: window is {1}; it must be from 1 to {MAX_WINDOW}")]
    Window(Name, usize),
    #[error(
        "destination {0}: client_certificate_file and client_key_file belong together; give both or neither"
    )]
    HalfAClient(Name),
    #[error(
        "destination {0}: server_fingerprint must be sha-256: and 32 pairs of hex digits with colons between, as `openssl x509 -fingerprint -sha256` prints them (or sha-1: and 20, for a receiver that shows no other)"
    )]
    Fingerprint(Name),
    #[error("destination {0}: host must be a name or an address, and port not 0")]
    Host(Name),
    #[error(
        "destination {0}: rewind_bytes is {1}; below {MIN_REWIND_BYTES} a receiver's restart is known to lose messages"
    )]
    RewindBytes(Name, u64),
    #[error("destination {0}: file_bytes is {1}; it must be {MIN_FILE_BYTES} at least")]
    FileBytes(Name, u64),
    #[error("destination {0}: {1}")]
    Form(Name, FormError),
    #[error("destination {0}: {1}")]
    Withhold(Name, WithholdError),
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

    /// Whether a receiver answers for what it has.
    pub fn is_answered(&self) -> bool {
        match &self.route {
            Route::Peer(peer) => peer.protocol != Protocol::Framed,
            Route::Files(_) | Route::Endpoint(_) => true,
            Route::Local(_) => false,
        }
    }

    /// Whether the messages carry the number that no one owns. Fit for a trial only.
    pub fn has_documentation_number(&self) -> bool {
        let number = self.form.header().map(|h| h.enterprise_number());
        number == Some(DOCUMENTATION_ENTERPRISE_NUMBER)
    }

    /// The way there, with files under `data_dir` unless they are absolute.
    pub fn route(&self, data_dir: &Path) -> Route {
        self.route.under(data_dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::format::rfc5424::Header;

    fn read(more: &str) -> Result<Destination, String> {
        toml::from_str(&format!("name = 'hq'\nhost = 'siem.example'\n{more}"))
            .map_err(|e| e.message().to_owned())
    }

    #[test]
    fn a_short_destination_has_sound_defaults() {
        let hq = read("transport = 'tls'\nport = 6514\nca_file = 'pki/ca.pem'").expect("sound");
        assert_eq!(hq.rewind_bytes(), 16_777_216);
        let header = Header::new(None, 32_473).expect("sound");
        let form = Form::syslog(Format::Json, header, 8_000).expect("sound");
        assert_eq!(hq.form(), &form, "another shape, or another length");
        assert!(hq.has_documentation_number());
        let Route::Peer(peer) = hq.route(Path::new("/data")) else {
            panic!("a peer");
        };
        let tls = peer.tls.expect("tls");
        assert_eq!(tls.authority, Some("/data/pki/ca.pem".into()));
    }

    #[test]
    fn a_file_is_a_directory_and_a_format() {
        let file = |more: &str| -> Result<Destination, String> {
            toml::from_str(&format!("name = 'hq'\ntransport = 'file'\n{more}"))
                .map_err(|e| e.message().to_owned())
        };
        let json = file("directory = 'out'").expect("sound");
        assert_eq!(json.form(), &Form::line(Format::Json));
        let syslog = file("directory = 'out'\nformat = 'rfc5424'\nhostname = 'a.example'");
        assert!(syslog.expect("sound").has_documentation_number());
        let faults: Vec<_> = [
            "",
            "directory = 'out'\nfile_bytes = 4096",
            "directory = 'out'\nhostname = 'a.example'",
            "directory = 'out'\nmax_octets = 8000",
        ]
        .into_iter()
        .map(|more| file(more).expect_err("refused"))
        .collect();
        insta::assert_snapshot!(faults.join("\n"));
    }

    #[test]
    fn an_endpoint_is_a_url_and_a_token() {
        let http = |more: &str| -> Result<Destination, String> {
            toml::from_str(&format!("name = 'hq'\n{more}")).map_err(|e| e.message().to_owned())
        };
        let splunk =
            "transport = 'splunk-hec'\ntoken_file = 't'\nurl = 'https://siem.example:8088'";
        let Route::Endpoint(endpoint) = http(splunk).expect("sound").route(Path::new("/data"))
        else {
            panic!("an endpoint");
        };
        assert_eq!(endpoint.url.path(), "/services/collector/event");
        assert_eq!(endpoint.token, Some("/data/t".into()));
        let faults: Vec<_> = [
            "transport = 'splunk-hec'\nurl = 'https://siem.example'",
            "transport = 'http'",
            "transport = 'http'\nurl = 'ftp://siem.example'",
            "transport = 'http'\nurl = 'https://me:secret@siem.example'",
            "transport = 'http'\nurl = 'http://siem.example'\nca_file = 'ca.pem'",
            "transport = 'http'\nurl = 'http://siem.example'\nacks = true",
            "transport = 'http'\nurl = 'http://siem.example'\nformat = 'rfc5424'",
        ]
        .into_iter()
        .map(|more| http(more).expect_err("refused"))
        .collect();
        insta::assert_snapshot!(faults.join("\n"));
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
            "transport = 'smoke'",
            "transport = 'tcp'\nport = 514\nurl = 'https://siem.example/'",
            "transport = 'tls'",
            "transport = 'tls'\nport = 6514\nserver_fingerprint = 'sha-1:AB'",
            "transport = 'relp'\nport = 2514\nserver_fingerprint = 'sha-1:AB'",
            "transport = 'tcp'\nport = 514\nformat = 'xml'",
            "transport = 'tcp'\nport = 514\nformat = 'ocsf'\nocsf_version = '2.0'",
            "transport = 'tcp'\nport = 514\nocsf_version = '1.9'",
            "transport = 'tcp'\nport = 514\ndirectory = 'x'",
            "transport = 'tcp'\nport = 514\nsocket = '/dev/log'",
            "transport = 'local'\nport = 514",
            "transport = 'tcp'\nport = 514\nwithhold = ['data.tag']",
            "transport = 'tcp'\nport = 514\nwithhold = ['prev']",
            "transport = 'file'\ndirectory = 'x'",
        ]
        .into_iter()
        .map(|more| read(more).expect_err("refused"))
        .collect();
        insta::assert_snapshot!(faults.join("\n"));
    }
}
