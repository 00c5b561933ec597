//! Events by chance: of the kinds that reports count, in orders that the rules allow.

use super::HOUR;
use crate::world::Dice;
use ledger::{Appender, Content, Submission};
use schemas::{Data, Event, EventId, Timestamp};
use serde_json::{Value, json};

pub struct Life {
    pub dice: Dice,
    appender: Appender,
    /// Calls whose end is still to come, with their actors.
    open: Vec<(EventId, String)>,
    findings: Vec<(EventId, &'static str)>,
    incidents: Vec<(EventId, u8)>,
}

/// Signs nothing: a decision with it does not count.
pub const NO_SIGNATURE: &str = "AAAA";

pub const HASH: &str = "abababababababababababababababababababababababababababababababab";

impl Life {
    pub fn new(dice: Dice, appender: Appender) -> Life {
        Life {
            dice,
            appender,
            open: Vec::new(),
            findings: Vec::new(),
            incidents: Vec::new(),
        }
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.dice.below(words.len() as u64)).unwrap()]
    }

    pub fn append(&mut self, id: EventId, actor: &str, kind: &str, data: Value) {
        let data = Data::parse(kind, &data.to_string()).unwrap_or_else(|e| panic!("{kind}: {e}"));
        let event = Event::new(id, actor.parse().unwrap(), data);
        let mut submission = Submission::from(event);
        if self.dice.below(3) == 0 {
            let name = "note".parse().unwrap();
            let text = format!("content {}", self.dice.below(40));
            submission.content.push(Content {
                name,
                media: "text/plain".parse().unwrap(),
                bytes: text.into_bytes(),
            });
            if self.dice.below(3) == 0 {
                submission.person = Some("e1024".parse().unwrap());
            }
        }
        self.appender.append(vec![submission]).unwrap();
    }

    pub fn new_id(&self) -> EventId {
        self.appender.new_id()
    }

    pub fn say(&mut self, actor: &str, kind: &str, data: Value) {
        let id = self.appender.new_id();
        self.append(id, actor, kind, data);
    }

    pub fn act(&mut self) {
        let agent = self.pick(&["agent:cfo", "agent:desk", "agent:hr"]);
        match self.dice.below(24) {
            0..=6 => self.call(agent),
            7..=9 => self.end(),
            10 => self.tools(agent),
            11 => self.finding(),
            12 => self.incident(),
            13 => self.access(),
            14 => self.request(agent),
            15 => self.rules(),
            _ => self.other(agent),
        }
    }

    fn rule_counts(&mut self, rules: &[&str]) -> Value {
        let mut counts = Vec::new();
        for rule in rules {
            if self.dice.below(2) == 0 {
                counts.push(json!({ "rule": rule, "count": 1 + self.dice.below(5) }));
            }
        }
        json!(counts)
    }

    fn call(&mut self, agent: &str) {
        let call = self.appender.new_id();
        let mut prompt = json!({
            "call": call, "provider": self.pick(&["anthropic", "openai"]),
            "operation": self.pick(&["messages", "messages", "count_tokens"]),
            "streaming": true, "messages": 3, "body_bytes": self.dice.below(9_000),
        });
        if self.dice.below(5) > 0 {
            prompt["model"] = json!(self.pick(&["model-a", "model-b-2", "model c"]));
        }
        self.append(call, agent, "prompt.submitted", prompt);
        let class = (self.dice.below(4) > 0).then(|| {
            let mut class = json!({
                "class": self.pick(&["internal", "mail", "personal"]), "handling": "mask", "policy": HASH,
            });
            if self.dice.below(3) == 0 {
                class["consent"] = json!(self.dice.below(9));
            }
            class
        });
        let mut payload = json!({
            "call": call, "destination": self.pick(&["api.anthropic.com:443", "eu.example:443"]), "policy": HASH,
        });
        if let Some(class) = class {
            payload["class"] = class;
        }
        if self.dice.below(5) == 0 {
            payload["reasons"] =
                json!([{ "rule": self.pick(&["card", "insider", "class.mail"]), "count": 2 }]);
            self.say(agent, "payload.blocked", payload);
            return;
        }
        payload["payload_sha256"] = json!(HASH);
        payload["body_bytes"] = json!(self.dice.below(9_000));
        payload["masks"] = self.rule_counts(&["person", "email", "phone"]);
        payload["media"] = self.rule_counts(&["image"]);
        payload["tags"] = json!([]);
        payload["tags_omitted"] = json!(0);
        self.say(agent, "payload.masked", payload);
        self.open.push((call, agent.to_owned()));
    }

    fn end(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = usize::try_from(self.dice.below(self.open.len() as u64)).unwrap();
        let (call, agent) = self.open.swap_remove(index);
        let mut data = json!({ "call": call, "body_bytes": 10 });
        if self.dice.below(4) > 0 {
            for field in [
                "input_tokens",
                "output_tokens",
                "cache_read_tokens",
                "cache_creation_tokens",
            ] {
                data[field] = json!(self.dice.below(70_000));
            }
        }
        if self.dice.below(4) == 0 {
            data["outcome"] =
                json!(self.pick(&["unreachable", "upstream_broke", "upstream_error"]));
            self.say(&agent, "model.failed", data);
            return;
        }
        for (field, value) in [
            ("status", json!(200)),
            ("tool_calls", json!(0)),
            ("response_sha256", json!(HASH)),
            ("first_byte_micros", json!(5)),
            ("duration_micros", json!(9)),
        ] {
            data[field] = value;
        }
        self.say(&agent, "model.responded", data);
    }

    fn tools(&mut self, agent: &str) {
        let hook = self.appender.new_id();
        let data = json!({
            "hook": hook, "client": "claude-code", "event": "pre_tool_use", "body_bytes": 7,
            "found": self.rule_counts(&["card"]), "verdict": self.pick(&["pass", "deny", "draft"]),
            "masking": HASH, "policy": HASH,
        });
        self.append(hook, agent, "hook.reported", data);
        let tool = self.pick(&["Bash", "mcp__mail__send"]);
        let action = self.appender.new_id();
        self.append(
            action,
            agent,
            "action.drafted",
            json!({
                "action": action, "tool": tool, "arguments_sha256": HASH,
            }),
        );
        let reason = self.pick(&["tool_failed", "approval_missing"]);
        self.say(
            agent,
            "action.failed",
            json!({ "action": action, "reason": reason }),
        );
    }

    pub fn found(&mut self) -> EventId {
        let finding = self.appender.new_id();
        let severity = self.pick(&["low", "high", "critical"]);
        self.append(
            finding,
            "service:scanner",
            "finding.reported",
            json!({
                "finding": finding, "scan": finding, "project": "main", "scanner": "bandit",
                "rule": "B102", "path": "a.py", "cwe": [], "severity": severity,
                "confidence": "high", "fingerprint": HASH,
            }),
        );
        finding
    }

    /// States that follow one another as the rules for findings allow.
    fn finding(&mut self) {
        if self.findings.is_empty() || self.dice.below(3) == 0 {
            let finding = self.found();
            self.findings.push((finding, "open"));
            return;
        }
        let index = usize::try_from(self.dice.below(self.findings.len() as u64)).unwrap();
        let (finding, state) = self.findings[index];
        let (next, kind, data) = match state {
            "open" | "reopened" => (
                "verified",
                "finding.verified",
                json!({ "method": "by hand" }),
            ),
            "verified" => ("closed", "finding.closed", json!({ "reason": "fixed" })),
            _ => ("reopened", "finding.reopened", json!({})),
        };
        let mut data = data;
        data["finding"] = json!(finding);
        self.findings[index].1 = next;
        self.say("user:s001", kind, data);
    }

    fn incident(&mut self) {
        let severity = self.pick(&["sev1", "sev2", "sev3"]);
        if self.incidents.is_empty() || self.dice.below(2) == 0 {
            let alert = self.appender.new_id();
            let detector = self.pick(&["past-the-gateway", "witness-quorum"]);
            let graver = self.pick(&["medium", "high"]);
            self.append(
                alert,
                "service:detector",
                "alert.raised",
                json!({
                    "alert": alert, "detector": detector, "severity": graver, "positions": [0],
                }),
            );
            let incident = self.appender.new_id();
            self.append(
                incident,
                "service:detector",
                "incident.opened",
                json!({
                    "incident": incident, "severity": severity, "alerts": [alert],
                }),
            );
            self.incidents.push((incident, 0));
            return;
        }
        let index = usize::try_from(self.dice.below(self.incidents.len() as u64)).unwrap();
        let (incident, step) = self.incidents[index];
        let (kind, data) = match step {
            0 => (
                "incident.escalated",
                json!({ "incident": incident, "severity": severity, "to": "soc" }),
            ),
            1 => (
                "incident.contained",
                json!({ "incident": incident, "measure": "isolated" }),
            ),
            _ => (
                "incident.closed",
                json!({ "incident": incident, "cause": "misuse" }),
            ),
        };
        self.incidents[index].1 = step + 1;
        self.say("user:s001", kind, data);
    }

    fn access(&mut self) {
        match self.dice.below(6) {
            0 => {
                let agent = self.pick(&["cfo", "desk", "hr"]);
                let person = self.pick(&["e1024", "e2048"]);
                self.say(
                    "service:operator",
                    "agent.updated",
                    json!({ "agent": agent, "person": person }),
                );
            }
            1 => {
                let agent = self.pick(&["cfo", "desk", "hr"]);
                self.say("service:operator", "agent.registered", json!({
                    "agent": agent, "role": "cfo", "data_class": "internal", "token_sha256": HASH,
                }));
            }
            2 => {
                let reason = self.pick(&["unknown", "shared", "expired"]);
                self.say(
                    "service:gateway",
                    "auth.failed",
                    json!({ "method": "token", "reason": reason }),
                );
            }
            3 => {
                let rule = self.pick(&["console", "api"]);
                self.say(
                    "service:gateway",
                    "access.denied",
                    json!({
                        "subject": "agent:hr", "resource": "/x", "rule": rule,
                    }),
                );
            }
            4 => self.say(
                "service:operator",
                "content.revealed",
                json!({
                    "position": 1, "name": "note", "purpose": "audit",
                }),
            ),
            _ => self.say(
                "service:operator",
                "secret.rotated",
                json!({
                    "secret": "provider", "fingerprint_sha256": HASH,
                }),
            ),
        }
    }

    /// A request that nobody answers; some run out.
    fn request(&mut self, agent: &str) {
        let approval = self.appender.new_id();
        let days = 1 + i64::try_from(self.dice.below(60)).unwrap();
        let deadline = Timestamp::from_micros(self.appender.now().micros() + days * 24 * HOUR);
        let subject = self.pick(&["action", "patch"]);
        self.append(
            approval,
            agent,
            "approval.requested",
            json!({
                "approval": approval, "subject": { "kind": subject, "id": approval },
                "arguments_sha256": HASH, "requester": agent, "policy": HASH,
                "deadline": deadline, "approvers_needed": 1,
            }),
        );
        // Somebody slips in decisions that nobody signed, on it or on nothing.
        if self.dice.below(3) == 0 {
            let other = self.appender.new_id();
            let approval = if self.dice.below(2) == 0 {
                approval
            } else {
                other
            };
            let kind = self.pick(&["approval.granted", "approval.denied"]);
            self.say(
                "user:s001",
                kind,
                json!({
                    "origin": "example.com/daicho", "approval": approval,
                    "subject": { "kind": subject, "id": approval }, "arguments_sha256": HASH,
                    "policy": HASH, "requester": agent, "deadline": deadline,
                    "approver": "user:s001", "approver_key": "ssh-ed25519 AAAA", "approvers_needed": 1,
                    "statement_sha256": HASH, "signature": NO_SIGNATURE,
                }),
            );
        }
    }

    fn rules(&mut self) {
        match self.dice.below(3) {
            0 => {
                let outcome = self.pick(&["accepted", "refused"]);
                self.say(
                    "user:s001",
                    "vendor.reviewed",
                    json!({ "vendor": "anthropic", "outcome": outcome }),
                );
            }
            1 => self.say(
                "user:s001",
                "risk.assessed",
                json!({
                    "risk": "copyright", "level": "low", "accepted": true,
                }),
            ),
            _ => {
                let rule = self.pick(&["approval.missing", "gateway.paths"]);
                let count = 1 + self.dice.below(3);
                self.say(
                    "service:gateway",
                    "rule.violated",
                    json!({ "rule": rule, "count": count }),
                );
            }
        }
    }

    fn other(&mut self, agent: &str) {
        match self.dice.below(6) {
            0 => self.say("service:operator", "backup.completed", json!({
                "destination": "nas", "size": 9, "root": HASH,
            })),
            1 => {
                let position = self.dice.below(9);
                self.say("service:export", "export.degraded", json!({
                    "destination": "hq", "position": position, "reason": "too_large",
                }));
            }
            2 => {
                let passed = self.dice.below(2) == 0;
                let drill = self.pick(&["restore", "vendor-outage"]);
                self.say("user:s001", "drill.completed", json!({
                    "drill": drill, "passed": passed, "duration_seconds": 5,
                }));
            }
            3 => {
                let call = self.appender.new_id();
                self.append(call, agent, "limit.reached", json!({
                    "call": call, "provider": "anthropic", "limit": "tokens_per_day", "of": agent,
                    "policy": HASH, "destination": "api.anthropic.com:443",
                }));
                let reason = self.pick(&["too_long", "malformed"]);
                let count = self.dice.below(9) + 1;
                self.say(agent, "request.refused", json!({
                    "door": "anthropic", "reason": reason, "count": count,
                }));
            }
            4 => self.say("service:witness", "scan.completed", json!({
                "scan": self.appender.new_id(), "outcome": "complete", "results": 1, "reported": 1,
                "known": 0, "reopened": 0, "gone": 0, "suppressed": 0, "passed": 0, "covered": 1, "not_run": 0,
            })),
            _ => self.say("user:s001", "consent.given", json!({
                "subject": "e1024", "purpose": "cfo", "data_class": "mail",
            })),
        }
    }
}
