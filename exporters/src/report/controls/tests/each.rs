//! Every control against R1 to R8: what shows it, what breaks it, and what is like neither.

use super::*;
use crate::report::controls::risks;
use crate::report::facts::Moment;
use crate::report::known::{Approval, Decision};
use crate::report::tests::id;

type Entries = Vec<(&'static str, Value)>;

struct Case {
    control: &'static str,
    shown: Entries,
    /// What was in an earlier month shows it too: it stays in force.
    lasts: bool,
    broken: Entries,
    /// Of the same kinds, and neither.
    neither: Entries,
}

fn one(kind: &'static str, data: Value) -> Entries {
    vec![(kind, data)]
}

fn adopted(policy: &str) -> Entries {
    one(
        "policy.adopted",
        json!({ "policy": policy, "digest": HASH, "approvals": [] }),
    )
}

fn failed(reason: &str) -> Entries {
    one(
        "auth.failed",
        json!({ "method": "token", "reason": reason }),
    )
}

fn masked(media: Value) -> Entries {
    let data = json!({
        "call": id(1), "destination": "api.example.com:443", "policy": HASH, "payload_sha256": HASH,
        "body_bytes": 9, "masks": [], "media": media, "tags": [], "tags_omitted": 0,
    });
    one("payload.masked", data)
}

fn blocked(rule: &str) -> Entries {
    let data = json!({
        "call": id(1), "destination": "api.example.com:443", "policy": HASH,
        "reasons": [{ "rule": rule, "count": 1 }],
    });
    one("payload.blocked", data)
}

fn drill(name: &str, passed: bool) -> Entries {
    let data = json!({ "drill": name, "passed": passed, "duration_seconds": 5 });
    one("drill.completed", data)
}

fn reviewed(outcome: &str) -> Entries {
    one(
        "vendor.reviewed",
        json!({ "vendor": "a", "outcome": outcome }),
    )
}

fn violated(rule: &str) -> Entries {
    one("rule.violated", json!({ "rule": rule, "count": 1 }))
}

/// A grant that counts is of the approval of which [`known`] knows.
fn granted() -> Entries {
    let data = json!({
        "origin": "ledger.example.co.jp/daicho", "approval": id(7),
        "subject": { "kind": "action", "id": id(7) }, "arguments_sha256": HASH,
        "policy": HASH, "requester": "agent:cfo", "deadline": "2026-12-01T00:00:00.000000Z",
        "approver": "user:s001", "approver_key": "ssh-ed25519 AAAA", "approvers_needed": 1,
        "statement_sha256": HASH, "signature": "AAAA",
    });
    one("approval.granted", data)
}

fn cases() -> Vec<Case> {
    let secret = |name: &str, kind| {
        let mut data = json!({ "secret": name, "fingerprint_sha256": HASH });
        if kind == "secret.registered" {
            data["kind"] = json!("provider_key");
        }
        (kind, data)
    };
    let agent = json!({
        "agent": "cfo", "role": "cfo", "data_class": "internal", "token_sha256": HASH,
    });
    let hook = json!({ "action": id(2), "tool": "mcp__mail__send", "arguments_sha256": HASH });
    let assessed = |risk: &str| {
        let data = json!({ "risk": risk, "level": "low", "accepted": true });
        one("risk.assessed", data)
    };
    let cosigned = json!({
        "witness": "w1", "size": 1, "root": HASH, "signature": "AAAA",
        "cosigned": "2026-11-02T09:00:00.000000Z",
    });
    let leak = json!({ "secret": "provider", "positions": [0] });
    let case = |control, shown, lasts, broken, neither| Case {
        control,
        shown,
        lasts,
        broken,
        neither,
    };
    let none = Entries::new;
    vec![
        case(
            "R1.1",
            adopted("masking"),
            true,
            one("secret.leaked", leak),
            adopted("tools"),
        ),
        case(
            "R1.2",
            vec![
                secret("a", "secret.registered"),
                secret("a", "secret.rotated"),
            ],
            true,
            none(),
            vec![
                secret("a", "secret.registered"),
                secret("b", "secret.rotated"),
            ],
        ),
        case(
            "R1.3",
            one("agent.registered", agent),
            true,
            failed("shared"),
            failed("unknown"),
        ),
        case("R2.1", masked(json!([])), false, none(), blocked("card")),
        case(
            "R2.2",
            masked(json!([])),
            false,
            masked(json!([{ "rule": "image", "count": 1 }])),
            none(),
        ),
        case("R2.3", adopted("classes"), true, none(), adopted("masking")),
        case(
            "R3.1",
            one("action.drafted", hook),
            false,
            violated("approval.missing"),
            violated("other"),
        ),
        case("R3.2", adopted("tools"), true, none(), adopted("masking")),
        case("R4.1", granted(), false, granted(), none()),
        case(
            "R4.2",
            one("user.activated", json!({ "user": "s001" })),
            true,
            none(),
            one("user.approved", json!({ "user": "s001", "role": "clerk" })),
        ),
        case("R4.3", failed("unknown"), false, none(), none()),
        case(
            "R5.1",
            one(
                "backup.completed",
                json!({ "destination": "/b", "size": 1, "root": HASH }),
            ),
            false,
            none(),
            none(),
        ),
        case(
            "R5.2",
            drill("restore", true),
            false,
            drill("restore", false),
            drill("vendor-outage", true),
        ),
        case(
            "R5.3",
            one("witness.cosigned", cosigned),
            false,
            none(),
            none(),
        ),
        case(
            "R6.1",
            reviewed("accepted"),
            true,
            reviewed("refused"),
            none(),
        ),
        case(
            "R6.2",
            drill("vendor-outage", true),
            false,
            drill("vendor-outage", false),
            drill("restore", true),
        ),
        case(
            "R7.1",
            assessed("copyright"),
            true,
            none(),
            assessed("other"),
        ),
        // Nothing that daicho records shows or breaks these.
        case("R7.2", none(), false, none(), none()),
        case("R8.1", blocked("insider"), false, none(), blocked("card")),
        case("R8.2", none(), false, none(), none()),
    ]
}

/// That of the decisions, only those at these positions count.
fn known(positions: &[u64]) -> Known {
    let moment = |position| Moment {
        position,
        at: at("2026-11-02T09:00:00.000000Z"),
    };
    let decision = |&position: &u64| Decision {
        approver: "user:s001".to_owned(),
        approves: true,
        moment: moment(position),
    };
    Known {
        approvals: vec![Approval {
            approval: id(7),
            subject: "action".to_owned(),
            requester: "agent:cfo".to_owned(),
            requested: moment(0),
            deadline: at("2026-12-01T00:00:00.000000Z"),
            needed: 1,
            state: "granted",
            answered: Some(moment(0)),
            decisions: positions.iter().map(decision).collect(),
            used: None,
        }],
        ..Known::default()
    }
}

/// What happens to a control by these entries. Leaks are known of, for one was recorded long ago:
/// where nothing tells of a breach, a control is not evidenced whatever shows it.
fn verdict(control: &str, day: &str, parts: &[(&Entries, bool)]) -> Verdict {
    let leak = json!({ "secret": "old", "positions": [0] });
    let mut steps = vec![("2026-05-02", "secret.leaked", leak)];
    let mut counting = Vec::new();
    for (entries, counts) in parts {
        for (kind, data) in *entries {
            if *counts {
                counting.push(steps.len() as u64);
            }
            steps.push((day, *kind, data.clone()));
        }
    }
    let report = of(&steps, Verification::NotRun, &known(&counting));
    read(&report)[control]
}

#[test]
fn every_control_is_met_by_what_shows_it_and_not_met_by_what_breaks_it() {
    let (now, before) = ("2026-11-02", "2026-10-02");
    for case in cases() {
        let Case {
            control,
            shown,
            lasts,
            broken,
            neither,
        } = &case;
        let is = |what: &str, day, parts: &[(&Entries, bool)], expected| {
            assert_eq!(verdict(control, day, parts), expected, "{control}: {what}");
        };
        is("none", now, &[], NotEvidenced);
        is("neither", now, &[(neither, false)], NotEvidenced);
        if !shown.is_empty() {
            is("shown", now, &[(shown, true)], Met);
            let earlier = if *lasts { Met } else { NotEvidenced };
            is("shown before", before, &[(shown, true)], earlier);
        }
        if !broken.is_empty() {
            is("broken", now, &[(broken, false)], NotMet);
            is("both", now, &[(shown, true), (broken, false)], NotMet);
        }
    }
}

#[test]
fn no_control_against_a_risk_is_left_out() {
    let cases = cases();
    let risks = risks::all();
    let numbered = risks.iter().filter(|risk| risk.id.starts_with('R'));
    let controls: Vec<_> = numbered.flat_map(|risk| &risk.controls).collect();
    assert_eq!(cases.len(), controls.len());
    for (case, control) in cases.iter().zip(controls) {
        assert_eq!(case.control, control.id);
        let shown = control.shown_by.is_some();
        assert_eq!(!case.shown.is_empty(), shown, "{}", control.id);
        let broken = control.broken_by.is_some();
        assert_eq!(!case.broken.is_empty(), broken, "{}", control.id);
    }
}
