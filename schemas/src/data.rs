use crate::class::Class;
use crate::envelope::{EnvelopeError, json_fault};
use crate::kinds::{
    acting, agents, defence, hooks, ledger, people, records, rules, scanner, secrets, traffic,
};
use serde::{Serialize, Serializer};

/// Only what has the form of a kind is repeated: anything else may be private text.
fn shown(kind: &str) -> &str {
    let word = |w: &str| (1..=24).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase());
    match kind.split_once('.') {
        Some((family, fact)) if word(family) && word(fact) => kind,
        _ => "what stands there",
    }
}

/// One table of all kinds: word, struct, family, and the class its events have by default.
macro_rules! kinds {
    ($($family:ident { $($word:literal $module:ident::$name:ident $class:ident,)* })*) => {
        /// The data of one event, of exactly one kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Data { $($($name($module::$name),)*)* }

        /// What kinds are about, as the documentation groups them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Family { $($family,)* }

        $($(
            impl From<$module::$name> for Data {
                fn from(data: $module::$name) -> Data { Data::$name(data) }
            }
        )*)*

        impl Data {
            /// Every kind's word, in the order of the documentation.
            pub const KINDS: &[&str] = &[$($($word,)*)*];

            pub fn kind(&self) -> &'static str {
                match self { $($(Data::$name(_) => $word,)*)* }
            }

            pub fn family(&self) -> Family {
                match self { $($(Data::$name(_) => Family::$family,)*)* }
            }

            pub fn default_class(&self) -> Class {
                match self { $($(Data::$name(_) => Class::$class(),)*)* }
            }

            /// Is its content of whoever acts: what they wrote, were answered, or wanted done? Other
            /// content is the company's, or of nobody in particular.
            pub fn is_its_actors(&self) -> bool {
                self.family() == Family::Traffic || matches!(self, Data::ActionDrafted(_))
            }

            /// Reads the data of a kind from its JSON.
            pub fn parse(kind: &str, json: &str) -> Result<Data, EnvelopeError> {
                match kind {
                    $($($word => serde_json::from_str(json).map(Data::$name).map_err(|e| {
                        EnvelopeError::WrongData { kind: $word, reason: json_fault(&e) }
                    }),)*)*
                    other => Err(EnvelopeError::UnknownKind(shown(other).to_owned())),
                }
            }

            /// The JSON Schema of a kind's data (draft 2020-12), generated from its type.
            pub fn json_schema(kind: &str) -> Option<schemars::Schema> {
                match kind {
                    $($($word => Some(schemars::schema_for!($module::$name)),)*)*
                    _ => None,
                }
            }
        }

        impl Serialize for Data {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $($(Data::$name(data) => data.serialize(serializer),)*)* }
            }
        }
    };
}

kinds! {
    Agents {
        "agent.registered" agents::AgentRegistered auth,
        "agent.updated" agents::AgentUpdated auth,
        "agent.suspended" agents::AgentSuspended auth,
        "agent.released" agents::AgentReleased auth,
        "agent.retired" agents::AgentRetired auth,
        "session.started" agents::SessionStarted operation,
        "session.ended" agents::SessionEnded operation,
    }
    Traffic {
        "prompt.submitted" traffic::PromptSubmitted operation,
        "payload.masked" traffic::PayloadMasked operation,
        "payload.blocked" traffic::PayloadBlocked operation,
        "model.responded" traffic::ModelResponded operation,
        "model.failed" traffic::ModelFailed operation,
        "limit.reached" traffic::LimitReached operation,
        "request.refused" traffic::RequestRefused operation,
        "tool.called" traffic::ToolCalled operation,
        "tool.returned" traffic::ToolReturned operation,
        "hook.reported" hooks::HookReported operation,
        "telemetry.reported" hooks::TelemetryReported operation,
        "transcript.imported" hooks::TranscriptImported operation,
    }
    Acting {
        "action.drafted" acting::ActionDrafted operation,
        "approval.requested" acting::ApprovalRequested operation,
        "approval.granted" acting::ApprovalGranted operation,
        "approval.denied" acting::ApprovalDenied operation,
        "approval.expired" acting::ApprovalExpired operation,
        "approval.notified" acting::ApprovalNotified operation,
        "action.released" acting::ActionReleased operation,
        "action.executed" acting::ActionExecuted operation,
        "action.failed" acting::ActionFailed operation,
    }
    Scanner {
        "scan.started" scanner::ScanStarted change,
        "scan.completed" scanner::ScanCompleted change,
        "file.covered" scanner::FileCovered change,
        "finding.reported" scanner::FindingReported change,
        "finding.verified" scanner::FindingVerified change,
        "finding.refuted" scanner::FindingRefuted change,
        "finding.rated" scanner::FindingRated change,
        "finding.merged" scanner::FindingMerged change,
        "finding.suppressed" scanner::FindingSuppressed change,
        "finding.closed" scanner::FindingClosed change,
        "finding.reopened" scanner::FindingReopened change,
        "patch.proposed" scanner::PatchProposed change,
        "patch.checked" scanner::PatchChecked change,
        "patch.approved" scanner::PatchApproved change,
        "patch.rejected" scanner::PatchRejected change,
        "patch.applied" scanner::PatchApplied change,
        "disclosure.opened" scanner::DisclosureOpened change,
        "disclosure.closed" scanner::DisclosureClosed change,
    }
    Defence {
        "alert.raised" defence::AlertRaised operation,
        "incident.opened" defence::IncidentOpened operation,
        "incident.escalated" defence::IncidentEscalated operation,
        "incident.contained" defence::IncidentContained operation,
        "incident.closed" defence::IncidentClosed operation,
        "guardrail.changed" defence::GuardrailChanged change,
        "drill.completed" defence::DrillCompleted operation,
    }
    People {
        "user.applied" people::UserApplied auth,
        "user.approved" people::UserApproved auth,
        "user.trained" people::UserTrained auth,
        "user.pledged" people::UserPledged auth,
        "user.activated" people::UserActivated auth,
        "user.deactivated" people::UserDeactivated auth,
        "auth.succeeded" people::AuthSucceeded auth,
        "auth.failed" people::AuthFailed auth,
        "access.denied" people::AccessDenied auth,
        "consent.given" people::ConsentGiven auth,
        "consent.withdrawn" people::ConsentWithdrawn auth,
    }
    Secrets {
        "secret.registered" secrets::SecretRegistered auth,
        "secret.rotated" secrets::SecretRotated auth,
        "secret.leaked" secrets::SecretLeaked auth,
        "secret.revoked" secrets::SecretRevoked auth,
    }
    Rules {
        "policy.adopted" rules::PolicyAdopted change,
        "vendor.reviewed" rules::VendorReviewed change,
        "risk.assessed" rules::RiskAssessed change,
        "phase.requested" rules::PhaseRequested change,
        "phase.approved" rules::PhaseApproved change,
        "rule.violated" rules::RuleViolated operation,
    }
    Records {
        "hold.placed" records::HoldPlaced ledger,
        "hold.released" records::HoldReleased ledger,
        "retention.extended" records::RetentionExtended ledger,
        "retention.expired" records::RetentionExpired ledger,
        "erasure.requested" records::ErasureRequested ledger,
        "erasure.extended" records::ErasureExtended ledger,
        "erasure.completed" records::ErasureCompleted ledger,
        "erasure.refused" records::ErasureRefused ledger,
        "content.revealed" records::ContentRevealed auth,
        "report.issued" records::ReportIssued ledger,
        "report.delivered" records::ReportDelivered ledger,
        "protection.checked" records::ProtectionChecked ledger,
        "backup.completed" records::BackupCompleted ledger,
        "log.ingested" records::LogIngested network,
    }
    Ledger {
        "ledger.created" ledger::LedgerCreated ledger,
        "ledger.checkpoint" ledger::LedgerCheckpoint ledger,
        "key.rotated" ledger::KeyRotated ledger,
        "witness.cosigned" ledger::WitnessCosigned ledger,
        "checkpoint.timestamped" ledger::CheckpointTimestamped ledger,
        "export.delivered" ledger::ExportDelivered ledger,
        "export.degraded" ledger::ExportDegraded ledger,
        "export.gap" ledger::ExportGap ledger,
        "ledger.recovered" ledger::LedgerRecovered ledger,
    }
}
