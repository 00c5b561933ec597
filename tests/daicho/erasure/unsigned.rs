//! What nobody has signed for is found, by either verifier.

use super::{PERSON, approve, asked, decide, found_by_both, ledger, sound, there};
use crate::world::Ledger;
use agents::approvals::view::Approvals;
use agents::retention::matter::{ErasureAct, ErasureTerms, Matter};
use ledger::{Agreed, Erasing, Options};
use schemas::kinds::records::{ErasureRequested, SubjectKey};
use schemas::{Actor, Data, Event, EventId, Hash, Name, Timestamp};
use serde_json::{Value, json};

/// Whoever holds the ledger's key can write what this program would not: `verify` asks for signatures.
#[test]
fn an_erasure_that_two_people_had_not_signed_for_is_found() {
    if !there() {
        return;
    }
    let (ledger, keys, _) = ledger();
    let (erasure, approval) = asked(&ledger, PERSON);
    let key = ledger.events("erasure.requested")[0]["data"]["keys"][0].clone();
    let by_hand = |ledger: &Ledger| {
        let (appender, _) = ledger::open(&ledger.dir, Options::default()).unwrap();
        appender
            .erase(&Erasing {
                erasure: erasure.parse().unwrap(),
                key: serde_json::from_value(key.clone()).unwrap(),
                actor: "service:retention".parse().unwrap(),
                approvals: vec![approval.parse().unwrap()],
                approvers: ["s002", "s003"]
                    .map(|u| format!("user:{u}").parse().unwrap())
                    .into(),
                agreed: Agreed::WHATEVER_COMES,
            })
            .unwrap()
            .seq
    };
    decide(&ledger, &approval, "s002", &keys[0]).ok();
    let alone = ledger.copy();
    let seq = by_hand(&alone);
    let verified = alone.run(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert_eq!((verified.code, findings.len()), (1, 1), "{report}");
    assert_eq!(
        (&findings[0]["check"], &findings[0]["seq"]),
        (&json!("retention"), &json!(seq))
    );
    // With both signatures it is what they signed for.
    decide(&ledger, &approval, "s003", &keys[1]).ok();
    assert_eq!(ledger.events("erasure.completed").len(), 2);
    sound(&ledger);
}

/// Approvers sign for keys; a request that names others carries their names, and not their will.
#[test]
fn keys_that_nobody_signed_for_are_found_and_shown_to_nobody_as_signed() {
    if !there() {
        return;
    }
    let (ledger, keys, _) = ledger();
    let (wanted, _) = asked(&ledger, PERSON);
    let theirs = ledger.events("erasure.requested")[0]["data"]["keys"].clone();
    let (other, _) = asked(&ledger, "c-9999");
    let others = ledger.events("erasure.requested")[1]["data"]["keys"].clone();
    assert!(wanted != other && theirs != others);
    let policies = ledger.events("policy.adopted");
    let rules = policies
        .iter()
        .rev()
        .find(|p| p["data"]["policy"] == "approvals");
    let rules: Hash = rules.unwrap()["data"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    // Whoever holds the log's key writes a request that names one person's keys, and has people decide
    // on another's.
    let keys_of = |value: &Value| serde_json::from_value::<Vec<SubjectKey>>(value.clone()).unwrap();
    let forge = |erasure: EventId, show: &Value, bind: &Value, name: &Value| {
        let (appender, reader) = ledger::open(&ledger.dir, Options::default()).unwrap();
        let (case, basis): (Name, Name) = ("2026-18".parse().unwrap(), "appi-35".parse().unwrap());
        let terms = |keys: &Value| ErasureTerms {
            act: ErasureAct::Erase,
            erasure,
            case: case.clone(),
            basis: basis.clone(),
            person: None,
            keys: keys_of(keys),
            later: false,
            reached: None,
            unread: Vec::new(),
            reason: "請求".to_owned(),
        };
        let requested = ErasureRequested {
            erasure,
            case: case.clone(),
            basis: basis.clone(),
            keys: keys_of(name),
            unread: Vec::new(),
            later: false,
            reached: None,
        };
        let by: Actor = "service:operator".parse().unwrap();
        let now = appender.now();
        let deadline = Timestamp::from_micros(now.micros() + 3_600_000_000);
        let ask = |terms: &ErasureTerms| {
            let (approvals, id) = (Approvals::default(), appender.new_id());
            let by = by.clone();
            Matter::erasure(terms).ask(&approvals, id, by, rules, deadline, now)
        };
        let (mut shown, bound) = (ask(&terms(show)).unwrap(), ask(&terms(bind)).unwrap());
        let (Data::ApprovalRequested(asked), Data::ApprovalRequested(other)) =
            (&mut shown.event.data, bound.event.data)
        else {
            panic!("they are requests")
        };
        asked.base_sha256 = other.base_sha256;
        let approval = asked.approval;
        let requested = Event::new(appender.new_id(), by, requested);
        appender.append(vec![requested.into(), shown]).unwrap();
        drop((appender, reader));
        approval.to_string()
    };

    // What is shown is not what verifiers would go by: nobody is led to sign it.
    let trap = forge(EventId::derived(Hash([1; 32])), &theirs, &others, &others);
    ledger
        .run(&["approvals", "show", &trap])
        .refused(&["is not what would be signed"]);

    let erasure = EventId::derived(Hash([2; 32]));
    let approval = forge(erasure, &theirs, &theirs, &others);
    let told = approve(&ledger, &approval, &keys);
    assert!(!told.contains("certificate"), "{told}");
    sound(&ledger);
    let (appender, _) = ledger::open(&ledger.dir, Options::default()).unwrap();
    let done = appender.erase(&Erasing {
        erasure,
        key: keys_of(&others).remove(0),
        actor: "service:retention".parse().unwrap(),
        approvals: vec![approval.parse().unwrap()],
        approvers: ["s002", "s003"]
            .map(|u| format!("user:{u}").parse().unwrap())
            .into(),
        agreed: Agreed::WHATEVER_COMES,
    });
    let seq = done.unwrap().seq;
    drop(appender);
    found_by_both(&ledger, "retention", seq);
}
