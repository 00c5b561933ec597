//! Wire formats: an entry as the bytes that a receiver stores.
//!
//! A format is pure. The same entry under the same [`Form`] is the same bytes for ever, so
//! that what is sent twice can be recognised as one.

mod collector;
mod fields;
mod form;
pub mod json;
pub mod ocsf;
pub mod rfc5424;
mod withhold;

pub use form::{
    DEFAULT_MAX_OCTETS, Form, FormError, Format, MIN_MAX_OCTETS, UNSET_RECEIVER_OCTETS,
};
pub use withhold::{Withhold, WithholdError};

use schemas::kinds::acting::NotifyOutcome;
use schemas::kinds::defence::IncidentSeverity;
use schemas::kinds::scanner;
use schemas::{Data, Event, EventId, Hash, Timestamp};

/// An entry as formats see it: its place, its event, and the bytes it was hashed from.
///
/// It proves nothing by itself, so that tests can make one; the forwarder only ever makes
/// it of a `ledger::Entry`.
#[derive(Debug, Clone, Copy)]
pub struct EntryView<'a> {
    /// The log's origin.
    pub chain: &'a str,
    pub seq: u64,
    pub at: Timestamp,
    pub event: &'a Event,
    /// The stored line, without line end.
    pub body: &'a [u8],
    /// SHA-256 of a zero byte and the body.
    pub leaf: Hash,
    pub prev: Hash,
    pub signature: &'a [u8; 64],
    /// The event of the entry before, for a form that names it ([`Form::names_before`]).
    pub before: Option<Before>,
}

/// By what a receiver finds the event before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    pub id: EventId,
    pub kind: &'static str,
}

impl Before {
    pub fn of(entry: &ledger::Entry) -> Before {
        Before {
            id: entry.event().id,
            kind: entry.event().data.kind(),
        }
    }
}

impl<'a> EntryView<'a> {
    pub fn of(chain: &'a str, entry: &'a ledger::Entry, before: Option<Before>) -> EntryView<'a> {
        EntryView {
            before,
            chain,
            seq: entry.seq(),
            at: entry.at(),
            event: entry.event(),
            body: entry.body(),
            leaf: entry.leaf(),
            prev: entry.prev(),
            signature: entry.signature(),
        }
    }
}

/// How much a receiver should care, in the steps that syslog, OCSF and CEF can all express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
    /// Someone has to act now.
    Fatal,
}

impl Severity {
    pub fn of(data: &Data) -> Severity {
        match data {
            Data::IncidentOpened(d) => incident(d.severity),
            Data::IncidentEscalated(d) => incident(d.severity),
            // An alert is about something that happened; even the least is worth a look.
            Data::AlertRaised(d) => graded(d.severity).max(Severity::Medium),
            Data::FindingReported(d) => graded(d.severity),
            Data::FindingRated(d) => graded(d.severity),

            Data::SecretLeaked(_) => Severity::Critical,
            // Something that may never be handled stood in it.
            Data::HookReported(d) if !d.found.is_empty() => Severity::High,
            Data::PayloadBlocked(_)
            | Data::RuleViolated(_)
            | Data::FindingVerified(_)
            | Data::ExportGap(_) => Severity::High,
            // Somebody waits for people who do not know.
            Data::ApprovalNotified(d) if d.outcome == NotifyOutcome::GivenUp => Severity::Medium,
            Data::AgentSuspended(_)
            | Data::ApprovalDenied(_)
            | Data::ActionFailed(_)
            | Data::AuthFailed(_)
            | Data::AccessDenied(_)
            | Data::GuardrailChanged(_)
            | Data::KeyRotated(_)
            | Data::RetentionExpired(_)
            | Data::ErasureCompleted(_)
            | Data::ExportDegraded(_)
            | Data::LedgerRecovered(_) => Severity::Medium,
            Data::PayloadMasked(_)
            | Data::LimitReached(_)
            | Data::RequestRefused(_)
            | Data::ModelFailed(_)
            | Data::ToolCalled(_)
            | Data::ActionReleased(_)
            | Data::ActionExecuted(_)
            | Data::PatchApplied(_)
            | Data::UserDeactivated(_)
            | Data::SecretRevoked(_)
            | Data::PolicyAdopted(_)
            | Data::HoldPlaced(_)
            | Data::HoldReleased(_)
            | Data::RetentionExtended(_)
            | Data::ErasureRequested(_)
            | Data::ErasureExtended(_)
            | Data::ErasureRefused(_)
            | Data::ContentRevealed(_)
            | Data::LedgerCreated(_) => Severity::Low,
            // A new kind is told, not shouted, until someone decides otherwise.
            _ => Severity::Informational,
        }
    }

    /// OCSF's severity_id: 1 is informational, 6 fatal.
    pub fn ocsf(self) -> u8 {
        match self {
            Severity::Informational => 1,
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
            Severity::Critical => 5,
            Severity::Fatal => 6,
        }
    }

    /// CEF and LEEF: 0 to 3 are low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
    pub fn cef(self) -> u8 {
        match self {
            Severity::Informational => 1,
            Severity::Low => 3,
            Severity::Medium => 5,
            Severity::High => 7,
            Severity::Critical => 9,
            Severity::Fatal => 10,
        }
    }

    /// RFC 5424 table 2: 6 is informational, 0 an emergency (which daicho never claims).
    pub fn syslog(self) -> u8 {
        match self {
            Severity::Informational => 6,
            Severity::Low => 5,
            Severity::Medium => 4,
            Severity::High => 3,
            Severity::Critical => 2,
            Severity::Fatal => 1,
        }
    }
}

fn graded(severity: scanner::Severity) -> Severity {
    match severity {
        scanner::Severity::Info => Severity::Informational,
        scanner::Severity::Low => Severity::Low,
        scanner::Severity::Medium => Severity::Medium,
        scanner::Severity::High => Severity::High,
        scanner::Severity::Critical => Severity::Critical,
    }
}

fn incident(severity: IncidentSeverity) -> Severity {
    match severity {
        IncidentSeverity::Sev1 => Severity::Fatal,
        IncidentSeverity::Sev2 => Severity::Critical,
        IncidentSeverity::Sev3 => Severity::High,
    }
}
