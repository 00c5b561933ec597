//! RFC 5424 syslog:
//!
//! ```text
//! <110>1 2026-11-22T00:00:00.000001Z ledger.example daicho 1 prompt.submitted
//! [daicho@32473 chain="example.com/log" seq="41" id="…" hash="…" prev="…" len="…" sha="…" sig="…"] {"v":1,"seq":41,…}
//! ```
//! (one line). Identity stands in the structured data, which comes first: relays rewrite
//! HOSTNAME, and what is cut is cut at the end. MSG is the entry's body with everything
//! outside printable ASCII as `\uXXXX`: no BOM, no octet that a receiver would rewrite. Where
//! the destination has another format, MSG is that.
//!
//! | param | what |
//! |---|---|
//! | `chain`, `seq` | origin of the log and position in it: together the key to drop duplicates by |
//! | `id` | the event's id |
//! | `hash`, `prev` | leaf hashes of this entry and of the one before: the chain, at the receiver |
//! | `len`, `sha` | octets and SHA-256 of this message's MSG, to see what was cut on the way |
//! | `sig` | the entry's Ed25519 signature, base64 |
//! | `format` | `ocsf`, `cef` or `leef` when MSG is not the entry's body |
//! | `reduced` | `1` when MSG leaves something out, for want of room or because this destination is not told: then the ledger is asked for the body |
//! | `body` | beside `reduced`: how many octets that body has; `hash` is over all of them |
//!
//! `hash` is checked by undoing the `\uXXXX` from `\u007f` upwards: that gives the body, and
//! SHA-256 of a zero byte and the body is `hash`. The meaning of a param never changes.

use super::form::{FormError, Format};
use super::{EntryView, Severity};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;

/// RFC 5612: for documentation only. An installation sets its own registered number.
pub const DOCUMENTATION_ENTERPRISE_NUMBER: u32 = 32_473;

/// RFC 5424 §6: the length of HOSTNAME.
const MAX_HOSTNAME: usize = 255;

/// What a reduced message spends beyond chain and host name is below this; measured by
/// `a_reduced_message_fits_the_smallest_receiver`.
const MAX_CHAIN_OCTETS: usize = 512;

/// RFC 5424 table 1.
const LOG_AUDIT: u8 = 13;
const SECURITY: u8 = 10;

/// What a syslog message says beside its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    hostname: Option<String>,
    enterprise_number: u32,
}

impl Header {
    pub fn new(hostname: Option<String>, enterprise_number: u32) -> Result<Header, FormError> {
        let printable = |h: &String| {
            (1..=MAX_HOSTNAME).contains(&h.len()) && h.bytes().all(|b| (33..=126).contains(&b))
        };
        if hostname.as_ref().is_some_and(|h| !printable(h)) {
            return Err(FormError::Hostname);
        }
        if enterprise_number == 0 {
            return Err(FormError::EnterpriseNumber);
        }
        Ok(Header {
            hostname,
            enterprise_number,
        })
    }

    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    pub(super) fn host(&self) -> &str {
        self.hostname().unwrap_or("-")
    }

    pub fn enterprise_number(&self) -> u32 {
        self.enterprise_number
    }

    /// Whether messages about this log can always be made to fit.
    pub(super) fn check_chain(&self, chain: &str) -> Result<(), FormError> {
        let octets = escaped(chain).len();
        match octets <= MAX_CHAIN_OCTETS {
            true => Ok(()),
            false => Err(FormError::Chain(octets)),
        }
    }

    /// One message around MSG, without framing.
    pub(super) fn message(
        &self,
        entry: &EntryView,
        epoch: u64,
        (format, msg, reduced): (Format, &str, bool),
    ) -> Vec<u8> {
        let kind = entry.event.data.kind();
        let facility = match kind.starts_with("auth.") {
            true => SECURITY,
            false => LOG_AUDIT,
        };
        let priority = facility * 8 + Severity::of(&entry.event.data).syslog();
        let mut out = String::with_capacity(msg.len() + 1_024);
        let written = write!(
            out,
            "<{priority}>1 {at} {host} daicho {epoch} {kind} [daicho@{pen} chain=\"{chain}\" \
             seq=\"{seq}\" id=\"{id}\" hash=\"{hash}\" prev=\"{prev}\" len=\"{len}\" \
             sha=\"{sha}\" sig=\"{sig}\"{format}{reduced}] {msg}",
            at = entry.at,
            host = self.host(),
            pen = self.enterprise_number,
            chain = escaped(entry.chain),
            seq = entry.seq,
            id = entry.event.id,
            hash = entry.leaf,
            prev = entry.prev,
            len = msg.len(),
            sha = hex::encode(Sha256::digest(msg)),
            sig = BASE64_STANDARD.encode(entry.signature),
            format = match format {
                Format::Json => String::new(),
                other => format!(" format=\"{}\"", other.word()),
            },
            reduced = match reduced {
                true => format!(" reduced=\"1\" body=\"{}\"", entry.body.len()),
                false => String::new(),
            },
        );
        written.expect("writing to a String cannot fail");
        out.into_bytes()
    }
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
