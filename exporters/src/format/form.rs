use super::ocsf::{self, Version};
use super::rfc5424::Header;
use super::{EntryView, Withhold, collector, fields, json};
use schemas::Hash;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Under 8,096, where a receiver of the common kind in its default state cuts.
pub const DEFAULT_MAX_OCTETS: usize = 8_000;

/// RFC 5425 §4.3.1 obliges receivers to take this much; a reduced message always fits.
pub const MIN_MAX_OCTETS: usize = 2_048;

/// As much as the largest receivers take.
pub const MAX_MAX_OCTETS: usize = 65_536;

/// What rsyslog takes of a message where nobody has set `maxMessageSize`: the rest is cut, and over
/// RELP answered for all the same.
pub const UNSET_RECEIVER_OCTETS: usize = 8_096;

/// In which words an entry is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The entry's own body.
    Json,
    /// Open Cybersecurity Schema Framework.
    Ocsf(Version),
    /// ArcSight's Common Event Format, version 0.
    Cef,
    /// QRadar's Log Event Extended Format, version 2.0.
    Leef,
}

impl Format {
    pub fn word(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ocsf(_) => "ocsf",
            Format::Cef => "cef",
            Format::Leef => "leef",
        }
    }

    /// Another where the same word has other bytes.
    fn shape(self) -> &'static str {
        match self {
            Format::Json => "json/v2",
            Format::Ocsf(Version::V1_8) => "ocsf/v1",
            Format::Ocsf(Version::V1_9) => "ocsf-1.9/v1",
            Format::Cef => "cef/v2",
            Format::Leef => "leef/v2",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error(
        "hostname must be 1 to 255 printable ASCII characters without spaces; give the host's full name, or leave it out"
    )]
    Hostname,
    #[error(
        "max_octets is {0}; it must be from {MIN_MAX_OCTETS} (what every receiver takes) to {MAX_MAX_OCTETS}"
    )]
    MaxOctets(usize),
    #[error("enterprise_number must not be 0; 32473 is for documentation only, register your own")]
    EnterpriseNumber,
    #[error(
        "the log's origin takes {0} octets in a syslog message; at most 512 fit beside the rest"
    )]
    Chain(usize),
}

/// All that shapes the bytes besides the entry. Two equal forms write equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    format: Format,
    around: Around,
    withhold: Withhold,
}

/// What stands around an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Around {
    /// Nothing: a file's line or a request holds it.
    Line,
    /// A syslog message of at most so many octets.
    Syslog(Header, usize),
    /// An event of Splunk's HTTP Event Collector.
    Collector(collector::Event),
}

impl Form {
    /// A syslog message of at most `max_octets`, told in `format`.
    pub fn syslog(format: Format, header: Header, max_octets: usize) -> Result<Form, FormError> {
        match (MIN_MAX_OCTETS..=MAX_MAX_OCTETS).contains(&max_octets) {
            false => Err(FormError::MaxOctets(max_octets)),
            true => Ok(Form {
                format,
                around: Around::Syslog(header, max_octets),
                withhold: Withhold::default(),
            }),
        }
    }

    /// One line without its end, of any length.
    pub fn line(format: Format) -> Form {
        Form {
            format,
            around: Around::Line,
            withhold: Withhold::default(),
        }
    }

    /// An event of Splunk's collector, of any length.
    pub fn collector(format: Format, host: Option<String>) -> Form {
        Form {
            format,
            around: Around::Collector(collector::Event { host }),
            withhold: Withhold::default(),
        }
    }

    pub fn withholding(mut self, withhold: Withhold) -> Form {
        self.withhold = withhold;
        self
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn header(&self) -> Option<&Header> {
        match &self.around {
            Around::Syslog(header, _) => Some(header),
            Around::Line | Around::Collector(_) => None,
        }
    }

    /// Whether messages about this log can always be made to fit.
    pub fn check_chain(&self, chain: &str) -> Result<(), FormError> {
        self.header().map_or(Ok(()), |h| h.check_chain(chain))
    }

    /// Whether an entry's message names the event before it.
    pub fn names_before(&self) -> bool {
        self.format == Format::Ocsf(Version::V1_9)
    }

    /// A name for these bytes' shape: when it changes, so does the epoch.
    pub fn digest(&self) -> Hash {
        let mut digest = Sha256::new();
        let mut syslog = false;
        match &self.around {
            Around::Line => {}
            Around::Syslog(header, max_octets) => {
                digest.update(b"daicho/rfc5424/v2\n");
                let (host, number) = (header.host(), header.enterprise_number());
                digest.update(format!("{host}\n{number}\n{max_octets}\n"));
                syslog = true;
            }
            Around::Collector(event) => {
                let host = event.host.as_deref().unwrap_or("-");
                digest.update(format!("daicho/collector/v1\n{host}\n"));
            }
        }
        if !syslog || self.format != Format::Json {
            digest.update(format!("daicho/{}\n", self.format.shape()));
        }
        for path in self.withhold.paths() {
            digest.update(format!("without {path}\n"));
        }
        Hash(digest.finalize().into())
    }

    /// One message, without framing. Never longer than `max_octets`; for no entry nothing.
    pub fn message(&self, entry: &EntryView, epoch: u64) -> Vec<u8> {
        let whole = self.whole(entry, epoch);
        whole.unwrap_or_else(|| self.reduced(entry, epoch))
    }

    /// The message with all that may be told here; `None` if that is longer than `max_octets`.
    pub fn whole(&self, entry: &EntryView, epoch: u64) -> Option<Vec<u8>> {
        let (told, withheld) = self.told(entry, false);
        let (header, max_octets) = match &self.around {
            Around::Line => return Some(told.into_owned().into_bytes()),
            Around::Collector(event) => return Some(event.around(entry, self.format, &told)),
            Around::Syslog(header, max_octets) => (header, max_octets),
        };
        let message = header.message(entry, epoch, (self.format, &told, withheld));
        (message.len() <= *max_octets).then_some(message)
    }

    /// The message without `data` and `content`, for a receiver that cannot take them.
    pub fn reduced(&self, entry: &EntryView, epoch: u64) -> Vec<u8> {
        let (told, _) = self.told(entry, true);
        let (header, max_octets) = match &self.around {
            Around::Line => return told.into_owned().into_bytes(),
            Around::Collector(event) => return event.around(entry, self.format, &told),
            Around::Syslog(header, max_octets) => (header, max_octets),
        };
        let message = header.message(entry, epoch, (self.format, &told, true));
        if message.len() <= *max_octets {
            return message;
        }
        // The name of a session is the one thing in a frame that can be long.
        let frame = json::frame(entry, false);
        let frame = json::ascii(&frame);
        header.message(entry, epoch, (Format::Json, &frame, true))
    }

    /// What is said of the entry, and whether it leaves out what may not be told here.
    fn told<'a>(&self, entry: &'a EntryView, reduced: bool) -> (Cow<'a, str>, bool) {
        let whole = String::from_utf8_lossy(entry.body);
        let whole = match reduced && self.format == Format::Json {
            true => Cow::Owned(json::frame(entry, true)),
            false => whole,
        };
        if self.format == Format::Json && self.withhold.is_empty() {
            return (self.as_json(entry, whole, reduced), false);
        }
        // The log's own bodies are JSON.
        let mut body: Value = serde_json::from_str(&whole).unwrap_or_default();
        let withheld = match self.format {
            Format::Json => self.withhold.remove_from(&mut body),
            _ => self.withhold.blank_in(&mut body),
        };
        let told = match self.format {
            Format::Json => self.as_json(entry, Cow::Owned(body.to_string()), reduced || withheld),
            Format::Ocsf(version) => {
                let told = ocsf::Told {
                    version,
                    reduced,
                    withheld,
                };
                let event = ocsf::event(entry, &body, told).to_string();
                Cow::Owned(json::ascii(&event).into_owned())
            }
            Format::Cef => Cow::Owned(fields::cef(entry, &body, reduced)),
            Format::Leef => Cow::Owned(fields::leef(entry, &body, reduced)),
        };
        (told, withheld)
    }

    /// MSG of a syslog message stays within ASCII, for receivers that rewrite the rest.
    fn as_json<'a>(&self, entry: &EntryView, body: Cow<'a, str>, reduced: bool) -> Cow<'a, str> {
        match (self.header(), body) {
            (None, body) => Cow::Owned(json::line(entry, &body, reduced)),
            (Some(_), Cow::Borrowed(body)) => json::ascii(body),
            (Some(_), Cow::Owned(body)) => Cow::Owned(json::ascii(&body).into_owned()),
        }
    }
}
