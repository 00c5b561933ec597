//! What comes for a person between the request and its completion goes too; what comes later is new.

use super::{PERSON, approve, asked, decide, ledger, of, request, show, sound, there};
use crate::world::Ledger;
use serde_json::{Value, json};

#[test]
fn what_comes_until_an_erasure_is_carried_out_goes_with_it() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let (erasure, approval) = asked(&ledger, PERSON);
    let append = |person: &str, class: &str, text: &str| {
        let appended = ledger.append(&[of(Some(person), class, text)]);
        appended[0]["seq"].as_u64().unwrap()
    };
    // Under a key that was there, and under one that was not.
    let same = append(PERSON, "operation", "同じ鍵");
    let other = append(PERSON, "api", "別の鍵");
    let theirs = append("c-9999", "network", "二人目");
    let shown = ledger.run(&["approvals", "show", &approval]).ok();
    assert!(shown.contains(r#""later":true"#), "{shown}");
    decide(&ledger, &approval, "s002", &keys[0]).ok();
    let between = append(PERSON, "network", "署名の間");
    let told = decide(&ledger, &approval, "s003", &keys[1]).ok();
    assert_eq!(told.matches("certificate at").count(), 4, "{told}");
    assert!(
        told.contains("reaches what came after the request"),
        "{told}"
    );
    for gone in [seqs[0], seqs[3], same, other, between] {
        show(&ledger, gone).refused(&["it was erased"]);
    }
    assert!(show(&ledger, theirs).ok().contains("二人目"));
    let extended = &ledger.events("erasure.extended")[0]["data"];
    assert_eq!(extended["erasure"], json!(erasure));
    let named: Vec<Value> = ledger.events("erasure.completed");
    let named = named
        .iter()
        .map(|c| c["data"]["bucket"].as_str().unwrap().to_owned());
    let named: Vec<String> = named.collect();
    for class in ["api", "auth", "network", "operation"] {
        let of = |bucket: &&String| bucket.starts_with(class);
        assert_eq!(named.iter().filter(of).count(), 1, "{class}: {named:?}");
    }
    sound(&ledger);
    assert_eq!(ledger.run(&["erasure", "list"]).ok(), "");

    // Done is done: what comes for them now is under keys of its own, and for another request.
    let next = append(PERSON, "api", "完了後");
    ledger.run(&["retention", "run"]).ok();
    assert!(show(&ledger, next).ok().contains("完了後"));
    assert_eq!(ledger.events("erasure.extended").len(), 1);
    let told = request(&ledger, &["--person", PERSON]).lines().remove(0);
    assert_eq!(told["keys"].as_array().unwrap().len(), 1);
    sound(&ledger);
}

/// As long as a hold keeps a part of it, what the person goes on to do is not destroyed day by day.
#[test]
fn a_hold_on_a_part_makes_no_standing_order_of_a_request() {
    if !there() {
        return;
    }
    let (ledger, keys, _) = ledger();
    let place = [
        "--json", "hold", "place", "--case", "c-1", "--reason", "訴訟",
    ];
    let held = ledger.run(&[&place[..], &["--class", "operation"]].concat());
    approve(
        &ledger,
        held.lines()[0]["approval"].as_str().unwrap(),
        &keys,
    );
    let (_, approval) = asked(&ledger, PERSON);
    approve(&ledger, &approval, &keys);
    assert_eq!(ledger.events("erasure.refused").len(), 1);
    let next = ledger.append(&[of(Some(PERSON), "api", "翌日")]);
    ledger.run(&["retention", "run"]).ok();
    assert!(
        show(&ledger, next[0]["seq"].as_u64().unwrap())
            .ok()
            .contains("翌日")
    );
    assert_eq!(ledger.events("erasure.extended"), [] as [Value; 0]);
    sound(&ledger);
}

fn append(ledger: &Ledger, class: &str, text: &str) -> u64 {
    let appended = ledger.append(&[of(Some(PERSON), class, text)]);
    appended[0]["seq"].as_u64().unwrap()
}

/// Two requests for one person: the second is carried out first, and takes all that the first one names.
#[test]
fn what_came_is_erased_though_all_that_was_named_has_gone_by_another_request() {
    if !there() {
        return;
    }
    let (ledger, keys, _) = ledger();
    let (first, approval) = asked(&ledger, PERSON);
    let (second, sooner) = asked(&ledger, PERSON);
    let (third, last) = asked(&ledger, PERSON);
    approve(&ledger, &sooner, &keys);
    let gone = ledger.events("erasure.completed");
    assert!(gone.len() == 2 && gone.iter().all(|c| c["data"]["erasure"] == json!(second)));
    let came = append(&ledger, "api", "二件目の後");
    // It waits for a decision still, whatever has become of what it names.
    let listed = ledger.run(&["erasure", "list"]).ok();
    assert!(
        listed.contains(&first) && listed.contains(&third) && !listed.contains(&second),
        "{listed}"
    );
    let told = approve(&ledger, &approval, &keys);
    assert_eq!(told.matches("certificate at").count(), 1, "{told}");
    show(&ledger, came).refused(&["it was erased"]);
    sound(&ledger);

    // Of the third nothing is left: it is over, and no standing order for what comes next.
    let told = approve(&ledger, &last, &keys);
    assert!(told.contains("nothing was left to erase"), "{told}");
    let refused = ledger.events("erasure.refused");
    let over = &refused[0]["data"];
    assert_eq!(
        (refused.len(), &over["reason"], &over["erasure"]),
        (1, &json!("nothing_left"), &json!(third))
    );
    let next = append(&ledger, "api", "完了後");
    ledger.run(&["retention", "run"]).ok();
    assert!(show(&ledger, next).ok().contains("完了後"));
    assert_eq!(ledger.run(&["erasure", "list"]).ok(), "");
    assert_eq!(ledger.events("erasure.refused").len(), 1);
    sound(&ledger);
}
