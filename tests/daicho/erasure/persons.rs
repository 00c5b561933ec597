//! Who may not be erased yet, and on whose word: a held person's content that no line says is theirs, and
//! approvers who have left before everything was done.

use super::{PERSON, approve, asked, decide, ledger, of, request, show, sound, there};
use crate::world::Ledger;
use serde_json::{Value, json};

/// Places a hold, or releases one; gives the hold's id.
fn settled(ledger: &Ledger, keys: &[String], args: &[&str]) -> String {
    let told = ledger
        .run(&[&["--json", "hold"][..], args].concat())
        .lines();
    let text = |field: &str| told[0][field].as_str().unwrap().to_owned();
    approve(ledger, &text("approval"), keys);
    text("hold")
}

#[test]
fn a_hold_on_a_person_keeps_what_was_taken_in_as_theirs_before_and_after() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let place = ["place", "--case", "c-1", "--reason", "訴訟", "--person"];
    let unknown = ledger.run(&[&["hold"][..], &place, &["c-1"]].concat());
    unknown.refused(&["no content in this log fits"]);
    let clear = ["hold", "place", "--future", "--reason", "訴訟"];
    for (case, session) in [("090-1234-5678", "s-1"), ("c-1", "090-1234-5678")] {
        ledger
            .run(&[&clear[..], &["--case", case, "--session", session]].concat())
            .refused(&["keeps out of the log"]);
    }
    let named = ["--case", "c-1", "--person", "yamada.taro"];
    ledger
        .run(&[&clear[..], &named].concat())
        .refused(&["reads like a name"]);
    let waits = ledger.run(&["approvals", "list", "--state", "requested"]);
    assert_eq!(waits.ok(), "", "nobody is asked");
    let hold = settled(&ledger, &keys, &[&place[..], &[PERSON]].concat());
    let placed = &ledger.events("hold.placed")[0]["data"]["buckets"];
    assert_eq!(placed.as_array().unwrap().len(), 2, "{placed}");
    // Of a class that the hold could not know of, with somebody else's beside it.
    let next = ledger.append(&[
        of(Some(PERSON), "api", "保全の後"),
        of(Some("c-9999"), "network", "二人目"),
    ]);
    let [next, other] = [0, 1].map(|at| next[at]["seq"].as_u64().unwrap());

    let (_, approval) = asked(&ledger, PERSON);
    let told = approve(&ledger, &approval, &keys);
    assert_eq!(told.matches(": kept in ").count(), 3, "{told}");
    let refused = ledger.events("erasure.refused");
    assert!(refused.iter().all(|r| r["data"]["holds"] == json!([hold])));
    ledger.run(&["retention", "run"]).ok();
    assert_eq!(ledger.events("erasure.refused").len(), 3, "it is said once");
    let listed = ledger.run(&["erasure", "list"]).ok();
    assert_eq!(
        listed.matches(&format!("is held: {hold}")).count(),
        3,
        "{listed}"
    );
    for kept in [seqs[0], seqs[3], next] {
        show(&ledger, kept).ok();
    }
    sound(&ledger);
    // Another person's content of a bucket that the hold does not name is not held.
    let (_, theirs) = asked(&ledger, "c-9999");
    approve(&ledger, &theirs, &keys);
    show(&ledger, other).refused(&["it was erased"]);

    settled(&ledger, &keys, &["release", &hold, "--reason", "和解"]);
    let told = ledger.run(&["retention", "run"]).ok();
    assert_eq!(told.matches("erased in ").count(), 4, "{told}");
    show(&ledger, next).refused(&["it was erased"]);
    sound(&ledger);
}

/// A part is held and done years later: by then nobody stands by a grant whose signer has left.
#[test]
fn what_is_left_of_an_erasure_is_not_done_on_the_word_of_who_has_left() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let place = [
        "place",
        "--case",
        "c-1",
        "--reason",
        "訴訟",
        "--class",
        "operation",
    ];
    let hold = settled(&ledger, &keys, &place);
    let (_, approval) = asked(&ledger, PERSON);
    let told = approve(&ledger, &approval, &keys);
    assert_eq!(told.matches("erased in auth/").count(), 1, "{told}");
    ledger
        .run(&["users", "deactivate", "s003", "--reason", "left"])
        .ok();
    let fourth = ledger.approver("s004");
    let release = ["--json", "hold", "release", &hold, "--reason", "和解"];
    let released = ledger.run(&release).lines();
    let released = released[0]["approval"].as_str().unwrap();
    decide(&ledger, released, "s002", &keys[0]).ok();
    decide(&ledger, released, "s004", &fourth).ok();
    ledger.run(&["retention", "run"]).ok();
    assert!(show(&ledger, seqs[0]).ok().contains("一人目"));
    assert_eq!(ledger.events("erasure.completed").len(), 1);
    let listed = ledger.run(&["erasure", "list"]).ok();
    assert!(
        listed.contains("by somebody who has lost the key: ask again"),
        "{listed}"
    );
    sound(&ledger);

    let told: Vec<Value> = request(&ledger, &["--person", PERSON]).lines();
    let again = told[0]["approval"].as_str().unwrap();
    decide(&ledger, again, "s002", &keys[0]).ok();
    decide(&ledger, again, "s004", &fourth).ok();
    show(&ledger, seqs[0]).refused(&["it was erased"]);
    assert_eq!(ledger.run(&["erasure", "list"]).ok(), "");
    sound(&ledger);
}
