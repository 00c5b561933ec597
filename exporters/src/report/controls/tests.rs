mod each;
mod matrix;

use super::*;
use crate::report::tests::{HASH, Step, at, basis, folded};
use schemas::EventId;
use serde_json::{Value, json};
use std::slice::from_ref;

/// The verdicts on what happened, in November 2026 unless a step says another day.
fn verdicts(steps: &[Step]) -> BTreeMap<String, Verdict> {
    read(&judged(steps, Verification::NotRun))
}

fn read(report: &Report) -> BTreeMap<String, Verdict> {
    let rows = report.sections[0].tables[0].rows.iter();
    let verdict = |row: &Vec<Cell>| match (&row[0], &row[5]) {
        (Cell::Name(id), Cell::Verdict(verdict)) => (id.clone(), *verdict),
        other => panic!("{other:?}"),
    };
    rows.map(verdict).collect()
}

fn judged(steps: &[Step], verification: Verification) -> Report {
    of(steps, verification, &Known::default())
}

fn of(steps: &[Step], verification: Verification, known: &Known) -> Report {
    let basis = Basis {
        verification,
        ..basis(steps.len())
    };
    report(&folded(&basis, steps), known, basis).unwrap()
}

#[track_caller]
fn is(control: &str, verdict: Verdict, steps: &[Step]) {
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
