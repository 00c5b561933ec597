//! Which words and numbers of each kind figures are told apart by.

/// What is counted of a kind, beside its actor.
#[derive(Clone, Copy, Default)]
pub struct Shape {
    /// Fields whose words make groups: few different ones, none of a person but their handle.
    pub words: &'static [&'static str],
    /// Numbers that are added up.
    pub sums: &'static [&'static str],
    /// Lists of rules with counts: told apart by rule, and `some` or `none` for the entry.
    pub lists: &'static [&'static str],
}

const fn words(words: &'static [&'static str]) -> Shape {
    Shape {
        words,
        sums: &[],
        lists: &[],
    }
}

/// In the order of a price.
pub const TOKENS: [&str; 4] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_creation_tokens",
];

/// A kind that is not here is counted by its actor alone.
pub fn shape(kind: &str) -> Shape {
    match kind {
        "prompt.submitted" => words(&["provider", "operation"]),
        "payload.masked" => Shape {
            words: &["destination"],
            sums: &["body_bytes"],
            lists: &["masks", "media"],
        },
        "payload.blocked" => Shape {
            words: &["destination"],
            sums: &[],
            lists: &["reasons"],
        },
        "model.responded" => Shape {
            sums: &TOKENS,
            ..Shape::default()
        },
        "model.failed" => Shape {
            words: &["outcome"],
            sums: &TOKENS,
            lists: &[],
        },
        "limit.reached" => words(&["limit"]),
        "request.refused" => Shape {
            words: &["door", "reason"],
            sums: &["count"],
            lists: &[],
        },
        "hook.reported" => Shape {
            words: &["event", "verdict"],
            sums: &[],
            lists: &["found"],
        },
        "approval.requested" | "approval.granted" | "approval.denied" => words(&["subject.kind"]),
        "approval.notified" => words(&["channel", "outcome"]),
        "action.drafted" => words(&["tool"]),
        "action.failed" | "finding.closed" | "finding.suppressed" | "user.deactivated"
        | "secret.revoked" | "key.rotated" => words(&["reason"]),
        "agent.suspended" | "agent.released" | "agent.retired" => words(&["reason"]),
        "scan.completed" => words(&["outcome"]),
        "file.covered" => words(&["coverage"]),
        "finding.reported" => words(&["severity"]),
        "patch.checked" => words(&["check", "outcome"]),
        "alert.raised" => words(&["detector", "severity"]),
        "incident.opened" | "incident.escalated" => words(&["severity"]),
        "guardrail.changed" => words(&["guardrail"]),
        "drill.completed" => words(&["drill", "passed"]),
        "auth.succeeded" => words(&["method"]),
        "auth.failed" => words(&["method", "reason"]),
        "access.denied" => words(&["rule"]),
        "consent.given" | "consent.withdrawn" => words(&["data_class", "purpose"]),
        "secret.registered" => words(&["kind"]),
        "policy.adopted" => words(&["policy"]),
        "vendor.reviewed" => words(&["vendor", "outcome"]),
        "risk.assessed" => words(&["risk", "level", "accepted"]),
        "rule.violated" => Shape {
            words: &["rule"],
            sums: &["count"],
            lists: &[],
        },
        "content.revealed" => words(&["purpose"]),
        "report.issued" => words(&["report"]),
        "backup.completed" | "export.delivered" | "export.gap" => words(&["destination"]),
        "export.degraded" => words(&["destination", "reason"]),
        "witness.cosigned" => words(&["witness"]),
        "log.ingested" => Shape {
            words: &["source"],
            sums: &["lines"],
            lists: &[],
        },
        _ => Shape::default(),
    }
}

/// Kinds that are told one by one, and what of each is shown.
pub const LISTED: &[(&str, &[&str])] = &[
    ("agent.registered", &["agent", "role", "data_class"]),
    ("agent.updated", &["agent", "role", "data_class"]),
    ("agent.suspended", &["agent", "reason"]),
    ("agent.released", &["agent", "reason"]),
    ("agent.retired", &["agent", "reason"]),
    ("user.applied", &["user", "role"]),
    ("user.approved", &["user", "role"]),
    ("user.trained", &["user", "course"]),
    ("user.pledged", &["user"]),
    ("user.activated", &["user"]),
    ("user.deactivated", &["user", "reason"]),
    ("consent.given", &["subject", "data_class", "purpose"]),
    ("consent.withdrawn", &["subject", "data_class", "purpose"]),
    ("secret.registered", &["secret", "kind"]),
    ("secret.rotated", &["secret"]),
    ("secret.leaked", &["secret"]),
    ("secret.revoked", &["secret", "reason"]),
    ("key.rotated", &["reason"]),
    ("policy.adopted", &["policy", "digest"]),
    ("guardrail.changed", &["guardrail"]),
    ("vendor.reviewed", &["vendor", "outcome"]),
    ("backup.completed", &["destination", "size"]),
    ("ledger.recovered", &["file"]),
    ("hold.placed", &["case"]),
    ("hold.released", &["case"]),
    ("retention.extended", &["bucket", "period"]),
    ("retention.expired", &["bucket"]),
    ("erasure.requested", &["case", "basis"]),
    ("erasure.extended", &["erasure"]),
    ("erasure.completed", &["bucket"]),
    ("erasure.refused", &["bucket", "reason"]),
];

/// What stays in force: counted from the beginning of the log too.
pub const LASTING: &[&str] = &[
    "agent.registered",
    "user.activated",
    "policy.adopted",
    "vendor.reviewed",
    "risk.assessed",
];

/// Kinds that no part of this program writes: they are in the log where something else submits
/// them, and where nothing does, that there are none says nothing.
pub const OF_OTHERS: &[&str] = &[
    "user.applied",
    "user.approved",
    "user.trained",
    "user.pledged",
    "secret.registered",
    "secret.rotated",
    "secret.leaked",
    "secret.revoked",
    "incident.opened",
    "incident.escalated",
    "incident.contained",
    "incident.closed",
    "guardrail.changed",
    "drill.completed",
    "vendor.reviewed",
    "risk.assessed",
    "export.delivered",
    "export.gap",
];

/// Everything that changes who may do what.
pub const ACCESS: &[&str] = &[
    "agent.registered",
    "agent.updated",
    "agent.suspended",
    "agent.released",
    "agent.retired",
    "user.applied",
    "user.approved",
    "user.trained",
    "user.pledged",
    "user.activated",
    "user.deactivated",
    "consent.given",
    "consent.withdrawn",
    "secret.registered",
    "secret.rotated",
    "secret.leaked",
    "secret.revoked",
];

#[cfg(test)]
mod tests {
    use super::{ACCESS, LISTED};

    #[test]
    fn what_changes_access_is_told_one_by_one_too() {
        for kind in ACCESS {
            assert!(LISTED.iter().any(|(listed, _)| listed == kind), "{kind}");
        }
    }
}
