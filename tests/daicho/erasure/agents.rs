//! What agents did for a person.

use super::{PERSON, approve, asked, request, show, sound, there};
use crate::world::{Ledger, drill, wait_for, with_content};
use serde_json::{Value, json};

/// One file of events: the agent that the first line registers is its person's from then on.
#[test]
fn an_agent_that_the_same_file_registers_writes_under_its_persons_key() {
    if !there() {
        return;
    }
    let ledger = Ledger::new();
    let register = json!({ "kind": "agent.registered", "actor": "user:s001", "data": {
        "agent": "desk", "role": "clerk", "data_class": "internal", "person": PERSON,
        "token_sha256": "1".repeat(64) } });
    let mut written = with_content(drill("x"), "本文");
    written["kind"] = json!("tool.returned");
    written["actor"] = json!("agent:desk");
    written["data"] = json!({ "call": "018f0000-0000-7000-8000-000000000001", "tool_use": "t",
        "result_sha256": "0".repeat(64), "is_error": false });
    // More than one call to the ledger takes.
    let many = std::iter::repeat_n(drill("restore"), 300);
    let file: Vec<Value> = [register, written.clone()]
        .into_iter()
        .chain(many)
        .chain([written.clone()])
        .collect();
    let appended = ledger.append(&file);
    for at in [1, appended.len() - 1] {
        let seq = appended[at]["seq"].to_string();
        let entry = ledger.run(&["--json", "show", &seq]).ok();
        assert!(entry.contains("\"subject\""), "{entry}");
    }
    let told = request(&ledger, &["--person", PERSON]).lines().remove(0);
    assert_eq!(told["keys"].as_array().unwrap().len(), 1);

    // Lines of a file that is somebody's.
    let lines = ledger.beside("badge.log");
    std::fs::write(&lines, "<13>Nov 22 09:00:00 host door: opened\n").unwrap();
    let lines = lines.to_str().unwrap();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'badge'\nclass = 'auth'\n"));
    let take = ["ingest", "file", lines, "--source", "badge", "--person"];
    ledger
        .run(&[&take[..], &["Yamada"]].concat())
        .refused(&["no staff number and no tag"]);
    ledger.run(&[&take[..], &["c-12"]].concat()).ok();
    let told = request(&ledger, &["--person", "c-12"]).lines().remove(0);
    assert_eq!(told["keys"].as_array().unwrap().len(), 1);
}

/// An agent's traffic is of whom it was registered for; a running server erases it.
#[test]
fn a_running_server_erases_what_an_agent_did_for_a_person() {
    if !there() {
        return;
    }
    let ledger = Ledger::new();
    let keys: Vec<String> = ["s002", "s003"].map(|user| ledger.approver(user)).into();
    let register = ["agents", "register", "desk", "--person", "s001"];
    ledger.run(&register).ok();
    ledger.run(&["agents", "register", "shared"]).ok();
    let server = ledger.serve();
    let imported = |agent: &str, text: &str| {
        let mut event = with_content(drill("x"), text);
        event["kind"] = json!("tool.returned");
        event["actor"] = json!(format!("agent:{agent}"));
        event["data"] = json!({ "call": "018f0000-0000-7000-8000-000000000001", "tool_use": "t",
            "result_sha256": "0".repeat(64), "is_error": false });
        event
    };
    let appended = ledger.append(&[imported("desk", "ours"), imported("shared", "all")]);
    let seqs: Vec<u64> = appended
        .iter()
        .map(|a| a["seq"].as_u64().unwrap())
        .collect();
    let (_, approval) = asked(&ledger, "s001");
    approve(&ledger, &approval, &keys);
    wait_for("the erasure", || {
        ledger.events("erasure.completed").len() == 1
    });
    let listed = server.json("/api/v1/erasures");
    let rows = listed.as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["state"]), (1, &json!("granted")));
    assert!(
        rows[0]["erased"].is_u64() && rows[0]["approval"] == json!(approval),
        "{listed}"
    );
    show(&ledger, seqs[0]).refused(&["it was erased"]);
    assert!(show(&ledger, seqs[1]).ok().contains("all"));
    // The server has forgotten the key: what comes next is under another.
    let next = ledger.append(&[imported("desk", "ours")]);
    assert!(
        show(&ledger, next[0]["seq"].as_u64().unwrap())
            .ok()
            .contains("ours")
    );
    assert_eq!(server.stop(), 0);
    sound(&ledger);
}
