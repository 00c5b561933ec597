//! One person asks to be forgotten: two people sign, what is theirs goes, and nothing else does.

mod agents;
mod api;
mod later;
mod persons;
mod returned;
mod unread;
mod unsigned;

use crate::format::second_verifier;
use crate::world::{Ledger, Ran, cannot_run, drill, has, walk, with_content};
use serde_json::{Value, json};

/// A handle that stands nowhere in the clear.
const PERSON: &str = "c-4711";

fn there() -> bool {
    let there = has("ssh-keygen", "-?");
    if !there {
        cannot_run("erasure", "ssh-keygen is not there");
    }
    there
}

fn of(person: Option<&str>, class: &str, text: &str) -> Value {
    let mut event = with_content(drill("failover"), text);
    event["class"] = json!(class);
    if let Some(person) = person {
        event["person"] = json!(person);
    }
    event
}

/// A ledger with content of two people and of nobody; its approvers' keys, and where the person's is.
fn ledger() -> (Ledger, Vec<String>, Vec<u64>) {
    let ledger = Ledger::new();
    let keys = ["s002", "s003"].map(|user| ledger.approver(user)).into();
    let shared = "同じ規程の写し。".repeat(700);
    let appended = ledger.append(&[
        of(Some(PERSON), "operation", &format!("{shared}一人目")),
        of(Some("c-9999"), "operation", &format!("{shared}二人目")),
        of(None, "operation", &format!("{shared}会社")),
        of(Some(PERSON), "auth", "短い"),
    ]);
    let seqs = appended.iter().map(|told| told["seq"].as_u64().unwrap());
    let seqs = seqs.collect();
    (ledger, keys, seqs)
}

fn request(ledger: &Ledger, more: &[&str]) -> Ran {
    let args = ["--json", "erasure", "request", "--case", "2026-17"];
    let why = ["--basis", "appi-35", "--reason", "本人の請求"];
    ledger.run(&[&args[..], &why, more].concat())
}

fn asked(ledger: &Ledger, person: &str) -> (String, String) {
    let told = request(ledger, &["--person", person]).lines();
    let text = |field: &str| told[0][field].as_str().unwrap().to_owned();
    (text("erasure"), text("approval"))
}

fn decide(ledger: &Ledger, approval: &str, user: &str, key: &str) -> Ran {
    let by = format!("user:{user}");
    ledger.run(&["approvals", "approve", approval, "--by", &by, "--key", key])
}

fn approve(ledger: &Ledger, approval: &str, keys: &[String]) -> String {
    decide(ledger, approval, "s002", &keys[0]).ok();
    decide(ledger, approval, "s003", &keys[1]).ok()
}

fn show(ledger: &Ledger, seq: u64) -> Ran {
    ledger.run(&["show", &seq.to_string(), "--content"])
}

/// Sound, and for a verifier that was written from the format too.
fn sound(ledger: &Ledger) {
    let report = ledger.verify();
    if let Some(second) = second_verifier(&ledger.dir, &[]) {
        assert_eq!(second.lines()[0]["root"], report["root"]);
    }
}

#[test]
fn one_persons_content_goes_when_two_people_have_signed() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    request(&ledger, &["--person", "c-1"]).refused(&["no content that is this person's alone"]);
    request(&ledger, &["--person", "Yamada"]).refused(&["no staff number and no tag"]);
    // What stands in the clear, and for ever, is nobody's data: with no server to ask, too.
    for (case, basis) in [("090-1234-5678", "appi-35"), ("2026-17", "090-1234-5678")] {
        let args = ["erasure", "request", "--person", PERSON, "--reason", "請求"];
        let clear = ["--case", case, "--basis", basis];
        ledger
            .run(&[&args[..], &clear].concat())
            .refused(&["keeps out of the log"]);
    }
    let nobody = request(&ledger, &[]);
    assert_eq!(nobody.code, 2, "{nobody:?}");
    assert_eq!(ledger.events("erasure.requested"), [] as [Value; 0]);

    let (erasure, approval) = asked(&ledger, PERSON);
    let requested = ledger.events("erasure.requested").remove(0);
    assert_eq!(requested["data"]["keys"].as_array().unwrap().len(), 2);
    let waits = ledger.run(&["approvals", "list"]).ok();
    let about = "the erasure of one person's content (2 of its keys), case 2026-17";
    assert!(waits.contains(about), "{waits}");
    let shown = ledger.run(&["approvals", "show", &approval]).ok();
    for part in [r#""act":"erase""#, PERSON, "本人の請求", "0 of 2"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    decide(&ledger, &approval, "s002", &keys[0]).ok();
    ledger.run(&["retention", "run"]).ok();
    let listed = ledger.run(&["erasure", "list"]).ok();
    assert!(listed.contains("waits for a decision"), "{listed}");
    assert!(show(&ledger, seqs[0]).ok().contains("一人目"));

    let told = decide(&ledger, &approval, "s003", &keys[1]).ok();
    assert_eq!(told.matches("certificate at").count(), 2, "{told}");
    for gone in [seqs[0], seqs[3]] {
        show(&ledger, gone).refused(&["it was erased", "erasure list"]);
    }
    assert!(show(&ledger, seqs[1]).ok().contains("二人目"));
    assert!(show(&ledger, seqs[2]).ok().contains("会社"));
    let completed = ledger.events("erasure.completed");
    let certificate = &completed[0]["data"];
    assert_eq!(certificate["erasure"], json!(erasure));
    assert_eq!(certificate["approvers"], json!(["user:s002", "user:s003"]));
    assert_eq!(
        (&certificate["entries"], &certificate["contents"]),
        (&json!(1), &json!(1))
    );
    sound(&ledger);
    let counted = crate::reports::recounted(&ledger, "retention", "");
    for family in [
        "count() of key  each  where bucket state",
        "sum(contents) of entry erasure.completed each  where subject",
    ] {
        assert!(counted[family] > 0, "{family}: {counted:?}");
    }

    // Whose it was stands in no line, in no name of a file and in no key; the log tells what became.
    for path in walk(&ledger.dir) {
        let name = path.strip_prefix(&ledger.dir).unwrap();
        if name.starts_with("index") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let held = bytes
            .windows(PERSON.len())
            .any(|at| at == PERSON.as_bytes());
        assert!(
            !held && !name.display().to_string().contains(PERSON),
            "{}",
            path.display()
        );
    }
    assert_eq!(ledger.run(&["erasure", "list"]).ok(), "");
    let all = ledger.run(&["--json", "erasure", "list", "--all"]).lines();
    assert!(
        all.len() == 2 && all.iter().all(|key| key["erased"].is_u64()),
        "{all:?}"
    );
    request(&ledger, &["--person", PERSON]).refused(&["no content that is this person's alone"]);
    ledger.run(&["rebuild"]).ok();

    // A bundle proves the entry still, with the sealed bytes; what was sealed nobody can release.
    let zip = ledger.beside("evidence.zip");
    let from = seqs[0].to_string();
    let bundle = |more: &[&str]| {
        let args = [
            "bundle",
            "-o",
            zip.to_str().unwrap(),
            "--from",
            &from,
            "--to",
            &from,
        ];
        ledger.run(&[&args, more].concat())
    };
    bundle(&["--release", &format!("{from}:note")]).refused(&["it was erased"]);
    bundle(&[]).ok();
    ledger.run(&["verify-bundle", zip.to_str().unwrap()]).ok();

    let report = ledger
        .run(&["report", "retention", "--format", "json"])
        .ok();
    let report: Value = serde_json::from_str(&report).unwrap();
    let text = report.to_string();
    assert!(
        text.contains(&erasure) && text.contains("appi-35"),
        "{text}"
    );
    let page = ledger.run(&["report", "retention"]);
    assert!(page.ok().contains(&erasure));
}

#[test]
fn what_is_held_or_has_to_be_kept_is_refused_and_done_when_that_is_over() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let place = [
        "--json", "hold", "place", "--case", "c-1", "--reason", "訴訟",
    ];
    let held = ledger
        .run(&[&place[..], &["--class", "operation"]].concat())
        .lines();
    let hold = held[0]["hold"].as_str().unwrap();
    approve(&ledger, held[0]["approval"].as_str().unwrap(), &keys);
    ledger.configure(|text| {
        let table = "[retention]\n";
        let kept = "[retention]\nmust_keep = { auth = '金融商品取引法' }\n";
        assert!(text.contains(table), "{text}");
        text.replacen(table, kept, 1)
    });
    let changed = ledger.run(&["policy"]);
    assert!(
        changed
            .out
            .contains("which classes a law or rule asks to keep"),
        "{changed:?}"
    );
    let adopt = ledger.run(&["--json", "policy", "adopt"]);
    let asked_for = ledger
        .run(&["--json", "approvals", "list", "--state", "requested"])
        .lines();
    let policy = asked_for[0]["approval"]
        .as_str()
        .unwrap_or_else(|| panic!("{adopt:?}"));
    approve(&ledger, policy, &keys);
    ledger.run(&["policy", "adopt"]).ok();
    let adopted = ledger.events("policy.adopted");
    let newest = &adopted.last().unwrap()["data"];
    assert_eq!(newest["must_keep"], json!({ "auth": "金融商品取引法" }));

    let (_, approval) = asked(&ledger, PERSON);
    let told = approve(&ledger, &approval, &keys);
    assert_eq!(told.matches(": kept in ").count(), 2, "{told}");
    let refused = ledger.events("erasure.refused");
    let reason = |class: &str| {
        let of = |r: &&Value| r["data"]["bucket"].as_str().unwrap().starts_with(class);
        refused.iter().find(of).unwrap()["data"].clone()
    };
    assert_eq!(reason("operation")["reason"], "held");
    assert_eq!(reason("operation")["holds"], json!([hold]));
    assert_eq!(
        (&reason("auth")["reason"], &reason("auth")["duty"]),
        (&json!("duty"), &json!("金融商品取引法"))
    );
    // It is said once, however often it is looked at.
    ledger.run(&["retention", "run"]).ok();
    assert_eq!(ledger.events("erasure.refused").len(), 2);
    assert!(show(&ledger, seqs[0]).ok().contains("一人目"));
    sound(&ledger);

    let release = ["--json", "hold", "release", hold, "--reason", "和解"];
    let released = ledger.run(&release).lines();
    let told = approve(&ledger, released[0]["approval"].as_str().unwrap(), &keys);
    // The release itself destroys nothing.
    assert!(
        told.contains("is released") && !told.contains("erased"),
        "{told}"
    );
    assert!(show(&ledger, seqs[0]).ok().contains("一人目"));
    let run = ledger.run(&["retention", "run"]).ok();
    assert!(run.contains("erased in operation/"), "{run}");
    show(&ledger, seqs[0]).refused(&["it was erased"]);
    assert!(show(&ledger, seqs[3]).ok().contains("短い"));
    let listed = ledger.run(&["erasure", "list"]).ok();
    assert!(
        listed.contains("not erased: class auth has to be kept: 金融商品取引法"),
        "{listed}"
    );
    sound(&ledger);
}

#[test]
fn a_denied_erasure_is_refused_and_no_event_by_hand_erases() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let (erasure, approval) = asked(&ledger, PERSON);
    let deny = [
        "approvals",
        "deny",
        &approval,
        "--by",
        "user:s002",
        "--key",
        &keys[0],
    ];
    let told = ledger.run(&deny).ok();
    assert!(told.contains("is refused, recorded at"), "{told}");
    let refused = ledger.events("erasure.refused");
    assert_eq!(refused[0]["data"]["reason"], "denied");
    let key = &ledger.events("erasure.requested")[0]["data"]["keys"][0];
    let forged = json!({ "kind": "erasure.completed", "actor": "user:s009", "data": {
        "erasure": erasure, "bucket": key["bucket"], "subject": key["subject"], "entries": 1,
        "contents": 1, "sealed_bytes": 1, "content_sha256": "0".repeat(64), "method": "by-hand",
        "approvals": [], "approvers": [] } });
    let appended = ledger.run_with(&["append"], forged.to_string().as_bytes());
    appended.refused(&["erasure.completed"]);
    ledger.run(&["retention", "run"]).ok();
    assert!(show(&ledger, seqs[0]).ok().contains("一人目"));
    sound(&ledger);
}

/// Both verifiers find exactly this.
#[track_caller]
fn found_by_both(ledger: &Ledger, check: &str, seq: u64) {
    let second = second_verifier(&ledger.dir, &[]);
    for ran in [Some(ledger.run(&["verify", "--json"])), second]
        .into_iter()
        .flatten()
    {
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert_eq!((ran.code, findings.len()), (1, 1), "{report}");
        let (found, at) = (&findings[0]["check"], &findings[0]["seq"]);
        assert_eq!((found, at), (&json!(check), &json!(seq)), "{report}");
    }
}
