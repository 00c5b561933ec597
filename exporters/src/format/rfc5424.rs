//! RFC 5424 syslog:
//!
//! ```text
//! <110>1 2026-11-22T00:00:00.000001Z ledger.example daicho 1 prompt.submitted
//! [daicho@32473 chain="example.com/log" seq="41" id="…" hash="…" prev="…" len="…" sha="…" sig="…"] {"v":1,"seq":41,…}
//! ```
//! (one line). Identity stands in the structured data, which comes first: relays rewrite
//! HOSTNAME, and what is cut is cut at the end. MSG is the entry's body with everything
//! outside printable ASCII as `\uXXXX`: no BOM, no octet that a receiver would rewrite.
//!
//! | param | what |
//! |---|---|
//! | `chain`, `seq` | origin of the log and position in it: together the key to drop duplicates by |
//! | `id` | the event's id |
//! | `hash`, `prev` | leaf hashes of this entry and of the one before: the chain, at the receiver |
//! | `len`, `sha` | octets and SHA-256 of this message's MSG, to see what was cut on the way |
//! | `sig` | the entry's Ed25519 signature, base64 |
//! | `reduced` | `1` when MSG had to leave out `data` and `content`: then the ledger is asked for the body |
//!
//! `hash` is checked by undoing the `\uXXXX` from `\u007f` upwards: that gives the body, and
//! SHA-256 of a zero byte and the body is `hash`. The meaning of a param never changes.

use super::{EntryView, Severity};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use schemas::{Actor, Class, EventId, FORMAT_VERSION, Hash, Label, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;

/// RFC 5612: for documentation only. An installation sets its own registered number.
pub const DOCUMENTATION_ENTERPRISE_NUMBER: u32 = 32_473;

/// Under 8,096, where a receiver of the common kind in its default state cuts.
pub const DEFAULT_MAX_OCTETS: usize = 8_000;

/// RFC 5425 §4.3.1 obliges receivers to take this much; a reduced message always fits.
pub const MIN_MAX_OCTETS: usize = 2_048;

/// As much as the largest receivers take.
pub const MAX_MAX_OCTETS: usize = 65_536;

/// RFC 5424 §6: the length of HOSTNAME.
const MAX_HOSTNAME: usize = 255;

/// What a reduced message spends beyond chain and host name is below this; measured by
/// `a_reduced_message_fits_the_smallest_receiver`.
const MAX_CHAIN_OCTETS: usize = 512;

/// RFC 5424 table 1.
const LOG_AUDIT: u8 = 13;
const SECURITY: u8 = 10;

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
        "the log's origin takes {0} octets in a syslog message; at most {MAX_CHAIN_OCTETS} fit beside the rest"
    )]
    Chain(usize),
}

/// All that shapes the bytes besides the entry. Two equal forms write equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Form {
    hostname: Option<String>,
    enterprise_number: u32,
    max_octets: usize,
}

impl Form {
    pub fn new(
        hostname: Option<String>,
        enterprise_number: u32,
        max_octets: usize,
    ) -> Result<Form, FormError> {
        let printable = |h: &String| {
            (1..=MAX_HOSTNAME).contains(&h.len()) && h.bytes().all(|b| (33..=126).contains(&b))
        };
        if hostname.as_ref().is_some_and(|h| !printable(h)) {
            return Err(FormError::Hostname);
        }
        if enterprise_number == 0 {
            return Err(FormError::EnterpriseNumber);
        }
        if !(MIN_MAX_OCTETS..=MAX_MAX_OCTETS).contains(&max_octets) {
            return Err(FormError::MaxOctets(max_octets));
        }
        Ok(Form {
            hostname,
            enterprise_number,
            max_octets,
        })
    }

    /// Whether messages about this log can always be made to fit.
    pub fn check_chain(&self, chain: &str) -> Result<(), FormError> {
        let octets = escaped(chain).len();
        match octets <= MAX_CHAIN_OCTETS {
            true => Ok(()),
            false => Err(FormError::Chain(octets)),
        }
    }

    /// A name for these bytes' shape: when it changes, so does the epoch.
    pub fn digest(&self) -> Hash {
        let mut digest = Sha256::new();
        digest.update(b"daicho/rfc5424/v1\n");
        let host = self.hostname.as_deref().unwrap_or("-");
        digest.update(format!(
            "{host}\n{}\n{}\n",
            self.enterprise_number, self.max_octets
        ));
        Hash(digest.finalize().into())
    }

    /// One message, without framing. Never longer than `max_octets`; for no entry nothing.
    pub fn message(&self, entry: &EntryView, epoch: u64) -> Vec<u8> {
        let body = String::from_utf8_lossy(entry.body);
        let message = self.assemble(entry, epoch, &ascii(&body), false);
        match message.len() <= self.max_octets {
            true => message,
            false => self.reduced(entry, epoch),
        }
    }

    /// The message without `data` and `content`, for a receiver that cannot take them.
    pub fn reduced(&self, entry: &EntryView, epoch: u64) -> Vec<u8> {
        let shorter = |with_session| {
            let msg = reduced(entry, with_session);
            self.assemble(entry, epoch, &ascii(&msg), true)
        };
        // The name of a session is the one thing in a reduced body that can be long.
        let message = shorter(true);
        match message.len() <= self.max_octets {
            true => message,
            false => shorter(false),
        }
    }

    fn assemble(&self, entry: &EntryView, epoch: u64, msg: &str, reduced: bool) -> Vec<u8> {
        let kind = entry.event.data.kind();
        let facility = match kind.starts_with("auth.") {
            true => SECURITY,
            false => LOG_AUDIT,
        };
        let priority = facility * 8 + Severity::of(&entry.event.data).syslog();
        let host = self.hostname.as_deref().unwrap_or("-");
        let mut out = String::with_capacity(msg.len() + 1_024);
        let written = write!(
            out,
            "<{priority}>1 {at} {host} daicho {epoch} {kind} [daicho@{pen} chain=\"{chain}\" \
             seq=\"{seq}\" id=\"{id}\" hash=\"{hash}\" prev=\"{prev}\" len=\"{len}\" \
             sha=\"{sha}\" sig=\"{sig}\"{reduced}] {msg}",
            at = entry.at,
            pen = self.enterprise_number,
            chain = escaped(entry.chain),
            seq = entry.seq,
            id = entry.event.id,
            hash = entry.leaf,
            prev = entry.prev,
            len = msg.len(),
            sha = hex::encode(Sha256::digest(msg)),
            sig = BASE64_STANDARD.encode(entry.signature),
            reduced = if reduced { " reduced=\"1\"" } else { "" },
        );
        written.expect("writing to a String cannot fail");
        out.into_bytes()
    }
}

/// The body's frame without `data` and `content`, in the body's order of keys.
#[derive(Serialize)]
struct Reduced<'a> {
    v: u8,
    seq: u64,
    at: Timestamp,
    id: EventId,
    kind: &'static str,
    class: &'a Class,
    actor: &'a Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred: Option<Timestamp>,
    prev: Hash,
}

fn reduced(entry: &EntryView, with_session: bool) -> String {
    let event = entry.event;
    let reduced = Reduced {
        v: FORMAT_VERSION,
        seq: entry.seq,
        at: entry.at,
        id: event.id,
        kind: event.data.kind(),
        class: &event.class,
        actor: &event.actor,
        session: event.session.as_ref().filter(|_| with_session),
        occurred: event.occurred,
        prev: entry.prev,
    };
    serde_json::to_string(&reduced).expect("strings and numbers are JSON")
}

/// JSON text with everything but printable ASCII as `\uXXXX`. Outside strings JSON has none
/// of that, so this changes no value. The RFC's alternative, a BOM before UTF-8, makes the
/// JSON unreadable to receivers that keep it.
fn ascii(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() * 2);
    for c in json.chars() {
        if (' '..='~').contains(&c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
        }
    }
    Cow::Owned(out)
}

/// RFC 5424 §6.3.3: inside a value `"`, `\` and `]` stand behind a backslash.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['"', '\\', ']']) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 8);
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
