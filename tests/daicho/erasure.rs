//! One person asks to be forgotten: two people sign, what is theirs goes, and nothing else does.

mod api;
mod later;
mod persons;
mod unread;

use crate::format::second_verifier;
use crate::world::{Ledger, Ran, cannot_run, drill, has, wait_for, walk, with_content};
use agents::approvals::view::Approvals;
use agents::retention::matter::{ErasureAct, ErasureTerms, Matter};
use ledger::{Agreed, Erasing, Options};
use schemas::kinds::records::{ErasureRequested, SubjectKey};
use schemas::{Actor, Data, Event, EventId, Hash, Name, Timestamp};
use serde_json::{Value, json};
use std::path::PathBuf;

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

/// From an old copy of `keys/`, by hand: the log says that it is destroyed, and it opens nothing.
#[test]
fn a_key_that_is_put_back_opens_nothing_is_found_and_is_destroyed() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let content_keys = ledger.dir.join("keys/content");
    let before: Vec<(PathBuf, Vec<u8>)> = walk(&content_keys)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    let (_, approval) = asked(&ledger, PERSON);
    approve(&ledger, &approval, &keys);
    let gone: Vec<_> = before.iter().filter(|(path, _)| !path.exists()).collect();
    assert_eq!(gone.len(), 2, "a key in each of two buckets");
    let completed = ledger.events("erasure.completed");
    let kept = ledger.beside("kept.ndjson");
    let lines: String = completed.iter().map(|entry| format!("{entry}\n")).collect();
    std::fs::write(&kept, lines).unwrap();

    let (path, bytes) = gone[0];
    std::fs::write(path, bytes).unwrap();
    let subject = path.file_stem().unwrap().to_str().unwrap();
    let of_it = completed.iter().find(|c| c["data"]["subject"] == subject);
    let seq = of_it.unwrap()["seq"].as_u64().unwrap();
    for theirs in [seqs[0], seqs[3]] {
        show(&ledger, theirs).refused(&["it was erased", "erasure list"]);
    }
    found_by_both(&ledger, "erasure", seq);
    // It is no reason to have it erased again, by whatever names it.
    request(&ledger, &["--person", PERSON]).refused(&["no content that is this person's alone"]);
    let told = kept.to_str().unwrap();
    request(&ledger, &["--keys", told]).refused(&["no content that is this person's alone"]);
    // A backup does not take it along, and is sound.
    let vault = ledger.beside("vault");
    let backup = ["backup", vault.to_str().unwrap(), "--with-keys"];
    let copied = ledger.run(&backup);
    assert!(
        copied.err.contains("is erased, and so is its key there"),
        "{copied:?}"
    );
    copied.ok();
    let name = path.strip_prefix(&ledger.dir).unwrap();
    assert!(path.exists() && !vault.join(name).exists());
    // A copy that was cut off has left it under another name; the next one clears that too.
    let cut_off = vault.join(name).with_extension("key.new");
    std::fs::write(&cut_off, bytes).unwrap();
    std::fs::write(path.with_extension("key.new"), bytes).unwrap();
    ledger.run(&backup).ok();
    assert!(!cut_off.exists());

    ledger.run(&["retention", "run"]).ok();
    assert!(!path.exists() && !path.with_extension("key.new").exists());
    sound(&ledger);
    sound(&{
        let restored = Ledger::none();
        restored.run(&["restore", vault.to_str().unwrap()]).ok();
        restored
    });
}

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

/// Backups bring people back: what is restored forgets whom its log says is erased, and whom somebody
/// who kept the certificates says.
#[test]
fn an_erasure_is_replayed_on_what_is_restored() {
    if !there() {
        return;
    }
    let (ledger, keys, seqs) = ledger();
    let (old, vault) = (ledger.beside("old"), ledger.beside("vault"));
    let backup =
        |to: &std::path::Path| ledger.run(&["backup", to.to_str().unwrap(), "--with-keys"]);
    backup(&old).ok();
    backup(&vault).ok();
    let (_, approval) = asked(&ledger, PERSON);
    approve(&ledger, &approval, &keys);
    let kept = ledger
        .run(&["--json", "events", "--kind", "erasure.completed"])
        .ok();

    // The next backup destroys the keys that the last one brought there.
    let told = backup(&vault);
    assert!(
        told.err.contains("is erased, and so is its key there"),
        "{told:?}"
    );
    told.ok();
    let restored = Ledger::none();
    restored.run(&["restore", vault.to_str().unwrap()]).ok();
    show(&restored, seqs[0]).refused(&["it was erased"]);
    sound(&restored);
    // A copy of the log with the keys as they were.
    let resurrected = Ledger::none();
    for path in walk(&old.join("keys/content")) {
        let to = vault.join(path.strip_prefix(&old).unwrap());
        std::fs::copy(&path, to).unwrap();
    }
    let told = resurrected.run(&["restore", vault.to_str().unwrap()]);
    assert!(
        told.err.contains("is erased, and was not restored"),
        "{told:?}"
    );
    show(&resurrected, seqs[0]).refused(&["it was erased"]);
    sound(&resurrected);

    // A backup from before it: the log has lost the erasure, and others have kept it.
    let older = Ledger::none();
    older.run(&["restore", old.to_str().unwrap()]).ok();
    assert!(show(&older, seqs[0]).ok().contains("一人目"));
    let file = older.beside("kept.ndjson");
    std::fs::write(&file, "{}\n").unwrap();
    let path = file.to_str().unwrap();
    request(&older, &["--keys", path]).refused(&["line 1", "names no bucket"]);
    std::fs::write(&file, &kept).unwrap();
    let told = request(&older, &["--keys", path]).lines();
    let told = approve(&older, told[0]["approval"].as_str().unwrap(), &keys);
    assert_eq!(told.matches("certificate at").count(), 2, "{told}");
    show(&older, seqs[0]).refused(&["it was erased"]);
    assert!(show(&older, seqs[1]).ok().contains("二人目"));
    sound(&older);
}
