use super::*;
use crate::report::Head;
use crate::report::window::Window;
use schemas::{ContentRef, Data, Event, EventId, Hash, Timestamp};
use serde_json::{Value, json};
use std::slice::from_ref;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const HASH: &str = "abababababababababababababababababababababababababababababababab";

/// The verdicts on what happened, in November 2026 unless a step says another day.
fn verdicts(steps: &[(&str, &str, Value)]) -> BTreeMap<String, Verdict> {
    let report = judged(steps, Verification::NotRun);
    let rows = report.sections[0].tables[0].rows.iter();
    let verdict = |row: &Vec<Cell>| match (&row[0], &row[5]) {
        (Cell::Name(id), Cell::Verdict(verdict)) => (id.clone(), *verdict),
        other => panic!("{other:?}"),
    };
    rows.map(verdict).collect()
}

fn judged(steps: &[(&str, &str, Value)], verification: Verification) -> Report {
    let basis = Basis {
        organisation: "株式会社サンプル商事".to_owned(),
        log: "ledger.example.co.jp/daicho".to_owned(),
        head: Head {
            size: steps.len() as u64,
            root: Hash([9; 32]),
            at: at("2026-12-01T00:00:00.000000Z"),
        },
        verification,
        period: Some(Window::parse("2026-11", Default::default()).unwrap()),
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: "daicho 0.0.0".to_owned(),
    };
    let mut facts = Facts::new(&basis).unwrap();
    for (position, (day, kind, data)) in steps.iter().enumerate() {
        let time = at(&format!("{day}T09:00:00.000000Z"));
        let mut content: Vec<ContentRef> = Vec::new();
        let mut data = data.clone();
        if let Some(bucket) = data.as_object_mut().unwrap().remove("content") {
            let reference = json!({
                "name": "note", "media": "text/plain", "bucket": bucket, "sealed": HASH,
                "sealed_bytes": 9, "plain_bytes": 5,
            });
            content.push(serde_json::from_value(reference).unwrap());
        }
        let data = Data::parse(kind, &data.to_string()).unwrap();
        let id = EventId::new(time, [position as u8; 10]);
        let event = Event::new(id, "user:s001".parse().unwrap(), data);
        facts.take(position as u64, time, &event, &content);
    }
    report(&facts, &Known::default(), basis).unwrap()
}

#[track_caller]
fn is(control: &str, verdict: Verdict, steps: &[(&str, &str, Value)]) {
    assert_eq!(
        verdicts(steps).get(control),
        Some(&verdict),
        "{control}: {steps:?}"
    );
}

use Verdict::{Met, NotEvidenced, NotMet};

#[test]
fn a_grant_of_an_approval_that_nobody_asked_for_breaks_the_rule_of_decisions() {
    let approval = EventId::new(at("2026-11-01T00:00:00.000000Z"), [7; 10]);
    let granted = json!({
        "origin": "ledger.example.co.jp/daicho", "approval": approval,
        "subject": { "kind": "action", "id": approval }, "arguments_sha256": HASH,
        "policy": HASH, "requester": "agent:cfo", "deadline": "2026-12-01T00:00:00.000000Z",
        "approver": "user:s001", "approver_key": "ssh-ed25519 AAAA", "approvers_needed": 1, "statement_sha256": HASH,
        "signature": "AAAA",
    });
    is("R4.1", NotEvidenced, &[]);
    is(
        "R4.1",
        NotMet,
        &[("2026-11-02", "approval.granted", granted.clone())],
    );
    is(
        "R4.1",
        NotEvidenced,
        &[("2026-10-02", "approval.granted", granted)],
    );
}

#[test]
fn users_agents_vendors_and_secrets_are_judged_by_their_newest_state() {
    let day = "2026-11-02";
    let user = |kind, more: Value| {
        let mut data = json!({ "user": "s001" });
        data.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        (day, kind, data)
    };
    let active = user("user.activated", json!({}));
    let left = user("user.deactivated", json!({ "reason": "left" }));
    is("R4.2", Met, from_ref(&active));
    is("R4.2", NotEvidenced, &[active, left]);

    let agent = (
        day,
        "agent.registered",
        json!({
            "agent": "cfo", "role": "cfo", "data_class": "internal", "token_sha256": HASH,
        }),
    );
    let retired = (
        day,
        "agent.retired",
        json!({ "agent": "cfo", "reason": "replaced" }),
    );
    is("R1.3", Met, from_ref(&agent));
    is("R1.3", NotEvidenced, &[agent, retired]);

    let review = |vendor: &str, outcome: &str| {
        (
            day,
            "vendor.reviewed",
            json!({ "vendor": vendor, "outcome": outcome }),
        )
    };
    is(
        "R6.1",
        Met,
        &[review("a", "refused"), review("a", "accepted")],
    );
    is(
        "R6.1",
        NotMet,
        &[review("a", "accepted"), review("a", "refused")],
    );
    is(
        "R6.1",
        NotMet,
        &[review("a", "accepted"), review("b", "conditional")],
    );
    let old = (
        "2025-01-05",
        "vendor.reviewed",
        json!({ "vendor": "b", "outcome": "refused" }),
    );
    is("R6.1", NotMet, &[old, review("a", "accepted")]);

    let registered = (
        day,
        "secret.registered",
        json!({
            "secret": "provider", "kind": "provider_key", "fingerprint_sha256": HASH,
        }),
    );
    let rotated = (
        day,
        "secret.rotated",
        json!({ "secret": "provider", "fingerprint_sha256": HASH }),
    );
    let other = (
        day,
        "secret.rotated",
        json!({ "secret": "other", "fingerprint_sha256": HASH }),
    );
    is("R1.2", NotEvidenced, from_ref(&registered));
    is("R1.2", NotEvidenced, &[registered.clone(), other]);
    is("R1.2", Met, &[registered, rotated]);
}

#[test]
fn six_months_are_shown_by_a_period_that_says_so_and_no_bucket_that_ends_sooner() {
    let adopt = |periods: Option<Value>| {
        let mut data = json!({ "policy": "retention", "digest": HASH, "approvals": [] });
        if let Some(periods) = periods {
            data["periods"] = periods;
        }
        ("2026-11-02", "policy.adopted", data)
    };
    let of = |period: &str| adopt(Some(json!({ "operation": period })));
    is("L5", NotEvidenced, &[]);
    is("L5", NotEvidenced, &[adopt(None)]);
    is("L5", NotEvidenced, &[adopt(Some(json!({ "api": "P2Y" })))]);
    for (period, verdict) in [
        ("P5M", NotMet),
        ("P183D", NotMet),
        ("P184D", Met),
        ("P6M", Met),
        ("forever", Met),
    ] {
        is("L5", verdict, &[of(period)]);
    }
    // What opened under a short rule ends by it, whatever the rules say later.
    let note = json!({
        "drill": "restore", "passed": true, "duration_seconds": 5, "content": "operation/2026-11",
    });
    let opened = ("2026-11-03", "drill.completed", note);
    is("L5", NotMet, &[of("P30D"), opened.clone(), of("P1Y")]);
    is("L5", Met, &[of("P1Y"), opened, of("P1Y")]);
}

#[test]
fn where_nothing_records_a_breach_a_control_is_not_evidenced() {
    let masking = json!({ "policy": "masking", "digest": HASH, "approvals": [] });
    let adopted = ("2026-11-02", "policy.adopted", masking);
    let leak = |day| {
        (
            day,
            "secret.leaked",
            json!({ "secret": "provider", "positions": [0] }),
        )
    };
    is("R1.1", NotEvidenced, from_ref(&adopted));
    is("R1.1", Met, &[leak("2026-09-02"), adopted.clone()]);
    is("R1.1", NotMet, &[adopted, leak("2026-11-03")]);
}

/// That nobody has looked is no figure of zero faults, and no entry shows that the log is sound.
#[test]
fn what_was_not_verified_has_no_figure_of_faults() {
    let clean = Verification::Clean {
        key_given: true,
        outside_checkpoints: 0,
    };
    let faults = Verification::Faults {
        count: 2,
        positions: [4].into_iter().collect(),
    };
    for (verification, broken, verdict) in [
        (Verification::NotRun, None, NotEvidenced),
        (clean, Some(0), Met),
        (faults, Some(2), NotMet),
    ] {
        let report = judged(&[], verification);
        let figure = |id| report.figure(id).map(|figure| figure.value);
        assert_eq!(figure("controls.L1.broken"), broken);
        assert_eq!(figure("controls.L1.shown"), broken.map(|_| 0));
        let row = &report.sections[0].tables[0].rows[0];
        assert_eq!(row[5], Cell::Verdict(verdict));
    }
}
