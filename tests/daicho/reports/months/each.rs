//! One of each kind that reports count, so that none is left to chance.

use super::life::{HASH, Life};
use serde_json::{Value, json};

impl Life {
    /// `later` lets time pass.
    pub fn each(&mut self, later: impl Fn()) {
        let operator = "service:operator";
        let agent = json!({ "agent": "temp", "reason": "requested" });
        let mut registered = json!({ "agent": "temp", "role": "cfo", "data_class": "internal" });
        registered["token_sha256"] = json!(HASH);
        self.say(operator, "agent.registered", registered);
        for kind in ["agent.suspended", "agent.released", "agent.retired"] {
            self.say(operator, kind, agent.clone());
        }
        let secret =
            json!({ "secret": "provider", "kind": "provider_key", "fingerprint_sha256": HASH });
        let old = json!({ "secret": "old", "kind": "other", "fingerprint_sha256": HASH });
        let user = json!({ "user": "s009", "role": "clerk" });
        let (action, approval) = (self.new_id(), self.new_id());
        for (kind, data) in [
            ("secret.registered", secret),
            ("secret.registered", old),
            (
                "secret.rotated",
                json!({ "secret": "provider", "fingerprint_sha256": HASH }),
            ),
            (
                "secret.leaked",
                json!({ "secret": "old", "positions": [0] }),
            ),
            (
                "secret.revoked",
                json!({ "secret": "old", "reason": "leaked" }),
            ),
            ("user.applied", user.clone()),
            ("user.approved", user),
            (
                "user.trained",
                json!({ "user": "s009", "course": "basics" }),
            ),
            (
                "user.pledged",
                json!({ "user": "s009", "pledge_sha256": HASH }),
            ),
            ("user.activated", json!({ "user": "s009" })),
            (
                "user.deactivated",
                json!({ "user": "s009", "reason": "left" }),
            ),
            ("user.activated", json!({ "user": "s010" })),
            (
                "consent.withdrawn",
                json!({ "subject": "e1024", "purpose": "cfo", "data_class": "mail" }),
            ),
            (
                "action.released",
                json!({ "action": action, "approval": approval, "arguments_sha256": HASH }),
            ),
            (
                "action.executed",
                json!({ "action": action, "approval": approval, "arguments_sha256": HASH }),
            ),
            (
                "guardrail.changed",
                json!({ "guardrail": "egress", "after": HASH }),
            ),
            (
                "export.delivered",
                json!({ "destination": "hq", "first": 0, "last": 9 }),
            ),
            (
                "export.gap",
                json!({ "destination": "hq", "first": 3, "last": 4 }),
            ),
            (
                "auth.failed",
                json!({ "method": "token", "reason": "shared" }),
            ),
            (
                "access.denied",
                json!({ "subject": "agent:hr", "resource": "/x", "rule": "api" }),
            ),
            (
                "content.revealed",
                json!({ "position": 1, "name": "note", "purpose": "audit" }),
            ),
            (
                "vendor.reviewed",
                json!({ "vendor": "anthropic", "outcome": "accepted" }),
            ),
            (
                "risk.assessed",
                json!({ "risk": "copyright", "level": "low", "accepted": true }),
            ),
            (
                "rule.violated",
                json!({ "rule": "approval.missing", "count": 1 }),
            ),
            ("log.ingested", json!({ "source": "fw", "lines": 7 })),
        ] {
            self.say(operator, kind, data);
        }
        self.unreachable();
        self.findings();
        self.patches();
        self.through(later);
    }

    /// A call that was let go and did not reach its provider.
    fn unreachable(&mut self) {
        let (agent, call) = ("agent:cfo", self.new_id());
        let prompt = json!({
            "call": call, "provider": "anthropic", "operation": "messages", "streaming": true,
            "messages": 1, "body_bytes": 70,
        });
        let payload = json!({
            "call": call, "destination": "api.anthropic.com:443", "policy": HASH, "payload_sha256": HASH,
            "body_bytes": 60, "masks": [], "media": [], "tags": [], "tags_omitted": 0,
            "class": { "class": "mail", "handling": "mask", "policy": HASH },
        });
        let failed = json!({ "call": call, "outcome": "unreachable", "body_bytes": 0 });
        self.append(call, agent, "prompt.submitted", prompt);
        self.say(agent, "payload.masked", payload);
        self.say(agent, "model.failed", failed);
    }

    fn findings(&mut self) {
        for (kind, more) in [
            ("finding.suppressed", json!({ "reason": "used_in_tests" })),
            ("finding.refuted", json!({ "method": "by hand" })),
            (
                "finding.rated",
                json!({ "severity": "medium", "confidence": "low" }),
            ),
        ] {
            let finding = self.found();
            let mut data: Value = more;
            data["finding"] = json!(finding);
            self.say("user:s001", kind, data);
        }
    }

    fn patches(&mut self) {
        let (patch, approval) = (self.new_id(), self.new_id());
        let proposed = json!({
            "patch": patch, "finding": approval, "patch_sha256": HASH, "base_sha256": HASH,
            "paths": ["a.py"], "proposer": "agent:cfo",
        });
        let applied = json!({
            "patch": patch, "approval": approval, "patch_sha256": HASH, "base_sha256": HASH,
            "result_sha256": HASH,
        });
        self.say("agent:cfo", "patch.proposed", proposed);
        self.say("user:s001", "patch.rejected", json!({ "patch": approval }));
        self.say(
            "user:s001",
            "patch.approved",
            json!({ "patch": patch, "approval": approval }),
        );
        self.say("user:s001", "patch.applied", applied);
    }

    /// An incident to its end, and another that nobody ends.
    fn through(&mut self, later: impl Fn()) {
        for ended in [true, false] {
            let incident = self.new_id();
            let opened = json!({ "incident": incident, "severity": "sev3", "alerts": [incident] });
            self.say("service:detector", "incident.opened", opened);
            for (kind, mut data) in [
                (
                    "incident.escalated",
                    json!({ "severity": "sev2", "to": "soc" }),
                ),
                ("incident.contained", json!({ "measure": "isolated" })),
                ("incident.closed", json!({ "cause": "misuse" })),
            ] {
                later();
                data["incident"] = json!(incident);
                if ended || kind == "incident.escalated" {
                    self.say("user:s001", kind, data);
                }
            }
        }
    }
}
