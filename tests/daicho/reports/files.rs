//! What a report leaves on the disk: nothing of anybody's is written over, nothing is issued that
//! could not be written, and an authority says when it was signed.

use super::{this_month, verify, with, wrong};
use crate::timestamp::honest;
use crate::timestamp::tsa::{Door, Tsa};
use crate::world::{Ledger, Ran, cannot_run, drill, has, overwrite, walk, with_content};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn a_file_that_is_there_is_not_written_over_and_then_nothing_is_issued() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let page = ledger.beside("m.html");
    let report = [
        "report",
        "monthly",
        "--month",
        &month,
        "-o",
        page.to_str().unwrap(),
    ];
    for name in [
        "m.json",
        "m.html",
        "m.html.tlog-proof",
        "m.json.tlog-proof.tsr",
    ] {
        let mine = ledger.beside(name);
        std::fs::write(&mine, b"mine").unwrap();
        let before = ledger.state();
        ledger
            .run(&report)
            .refused(&[name, "is there already", "--force"]);
        assert_eq!(ledger.state(), before, "{name}");
        assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
        std::fs::remove_file(&mine).unwrap();
    }
    let nowhere = ledger.beside("no/where.html");
    let nowhere = nowhere.to_str().unwrap();
    ledger
        .run(&["report", "monthly", "--month", &month, "-o", nowhere])
        .refused(&["where.html cannot be written"]);
    assert_eq!(ledger.events("report.issued"), [Value::Null; 0]);
    let parent = ledger.dir.parent().unwrap();
    let left = || {
        let files = walk(parent).into_iter();
        let beside = files.filter(|path| path.parent() == Some(parent));
        beside.collect::<Vec<_>>()
    };
    assert!(
        left().is_empty(),
        "{:?} is left of what was refused",
        left()
    );
    ledger.run(&report).ok();
    assert_eq!(left().len(), 4);
    let first = std::fs::read(&page).unwrap();
    ledger.append(&[drill("restore")]);
    ledger.run(&[&report[..], &["--force"]].concat()).ok();
    assert_ne!(std::fs::read(&page).unwrap(), first);
    assert_eq!(left().len(), 4);
    assert_eq!(verify(&ledger, &page, &[]).code, 0);
}

/// Something goes wrong once the log has it, or the command is killed: the same command writes what was
/// recorded, and issues nothing anew.
#[test]
fn a_report_that_was_recorded_and_not_written_is_written_by_the_same_command() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let page = ledger.beside("m.html");
    let page_at = page.to_str().unwrap();
    let report = ["report", "monthly", "--month", &month, "-o", page_at];
    let parent = ledger.dir.parent().unwrap();
    let parts = || {
        let files = walk(parent).into_iter();
        files
            .filter(|path| path.to_str().unwrap().ends_with(".part"))
            .count()
    };
    let in_the_way = ledger.beside("m.html.tlog-proof.new");
    for served in [false, true] {
        let issued = ledger.events("report.issued").len();
        let server = served.then(|| ledger.serve());
        std::fs::create_dir(&in_the_way).unwrap();
        ledger
            .run(&report)
            .refused(&["m.html.tlog-proof", "the same command writes it"]);
        assert_eq!(ledger.events("report.issued").len(), issued + 2);
        assert!(!page.exists() && parts() == 2, "{}", parts());
        std::fs::remove_dir(&in_the_way).unwrap();
        // Another report of the same name is not what was recorded.
        let other = ["report", "access", "--month", &month, "-o", page_at];
        ledger.run(&other).ok();
        assert_eq!(ledger.events("report.issued").len(), issued + 4);
        for made in ["m.html", "m.json", "m.html.tlog-proof", "m.json.tlog-proof"] {
            std::fs::remove_file(ledger.beside(made)).unwrap();
        }
        let ran = ledger.run(&report);
        assert!(ran.err.contains("an earlier run had recorded"), "{ran:?}");
        ran.ok();
        assert_eq!(ledger.events("report.issued").len(), issued + 4);
        assert_eq!(parts(), 0);
        for made in ["m.html", "m.json"] {
            let told = verify(&ledger, &ledger.beside(made), &[]).lines().remove(0);
            assert_eq!(
                (&told["signature"], &told["figures"]),
                (&json!("holds"), &json!("same"))
            );
        }
        for made in ["m.html", "m.json", "m.html.tlog-proof", "m.json.tlog-proof"] {
            std::fs::remove_file(ledger.beside(made)).unwrap();
        }
        if let Some(server) = server {
            assert_eq!(server.stop(), 0);
        }
    }
}

/// It died between the page and its evidence: the one that is there stays, the other is written.
#[test]
fn of_a_report_that_was_written_by_half_the_same_command_writes_the_rest() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let page = ledger.beside("m.html");
    let page_at = page.to_str().unwrap();
    let report = ["report", "monthly", "--month", &month, "-o", page_at];
    let in_the_way = ledger.beside("m.json.tlog-proof.new");
    std::fs::create_dir(&in_the_way).unwrap();
    ledger
        .run(&report)
        .refused(&["m.json.tlog-proof", "the same command writes it"]);
    let (written, proof) = (std::fs::read(&page).unwrap(), "m.html.tlog-proof");
    let proof = std::fs::read(ledger.beside(proof)).unwrap();
    assert!(!ledger.beside("m.json").exists());
    std::fs::remove_dir(&in_the_way).unwrap();
    // What has the name and is something else is not taken for its other half.
    overwrite(&page, b"mine");
    ledger.run(&report).refused(&["is there already"]);
    overwrite(&page, &written);
    ledger.run(&report).ok();
    assert_eq!(ledger.events("report.issued").len(), 2);
    assert_eq!(std::fs::read(&page).unwrap(), written);
    assert_eq!(
        std::fs::read(ledger.beside("m.html.tlog-proof")).unwrap(),
        proof
    );
    for made in ["m.html", "m.json"] {
        let told = verify(&ledger, &ledger.beside(made), &[]).lines().remove(0);
        assert_eq!(
            (&told["signature"], &told["figures"]),
            (&json!("holds"), &json!("same"))
        );
    }
    let parent = ledger.dir.parent().unwrap();
    let part = |path: &std::path::PathBuf| path.to_str().unwrap().ends_with(".part");
    assert!(!walk(parent).iter().any(part));
}

/// Without it a report that was cut off, or is fetched, would have no time stamp for ever.
#[test]
fn a_report_that_is_completed_or_fetched_by_hand_is_stamped() {
    if !has("openssl", "version") {
        return cannot_run("reports", "openssl is not installed");
    }
    let (ledger, tsa) = (Ledger::new(), Arc::new(Tsa::new()));
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let door = Door::open(honest(&tsa));
    let ca = tsa.ca();
    ledger.configure(|text| {
        let settings = format!(
            "[timestamp]\nurl = '{}'\nca_file = '{}'",
            door.url,
            ca.display()
        );
        text.replace("[timestamp]", &settings)
    });
    let stamped = |file: &Path| {
        let told = verify(&ledger, file, &[]).lines().remove(0);
        (told["signature"].clone(), told["time_stamp"].clone())
    };
    let (page, evidence) = (ledger.beside("m.html"), ledger.beside("m.json"));
    let page_at = page.to_str().unwrap();
    let report = ["report", "monthly", "--month", &month, "-o", page_at];
    for served in [false, true] {
        let server = served.then(|| ledger.serve());
        let in_the_way = ledger.beside("m.html.tlog-proof.new");
        std::fs::create_dir(&in_the_way).unwrap();
        ledger.run(&report).refused(&["the same command writes it"]);
        std::fs::remove_dir(&in_the_way).unwrap();
        ledger.run(&report).ok();
        for file in [&page, &evidence] {
            assert_eq!(stamped(file), (json!("holds"), json!("holds")));
            let proof = with(file, ".tlog-proof");
            std::fs::remove_file(with(&proof, ".tsr")).unwrap();
            std::fs::remove_file(proof).unwrap();
            std::fs::remove_file(file).unwrap();
        }
        if let Some(server) = server {
            assert_eq!(server.stop(), 0);
        }
    }
    let issued = ledger.events("report.issued");
    assert_eq!(issued.len(), 4);
    let fetched = ledger.beside("f.html");
    let seq = issued[0]["seq"].to_string();
    let fetch = [
        "report",
        "fetch",
        &seq,
        "--force",
        "-o",
        fetched.to_str().unwrap(),
    ];
    ledger.run(&fetch).ok();
    assert_eq!(stamped(&fetched), (json!("holds"), json!("holds")));
    // One that does not answer keeps nothing back, and is told.
    door.change(Box::new(|_| (503, Vec::new())));
    let ran = ledger.run(&fetch);
    assert!(ran.err.contains("warning: no time stamp"), "{ran:?}");
    ran.ok();
    assert_eq!(stamped(&fetched), (json!("holds"), json!("absent")));
}

#[test]
fn the_retention_report_shows_what_was_read_back_of_the_files() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let report = |more: &[&str]| -> Value {
        let args = ["report", "retention", "--format", "json"];
        serde_json::from_str(&ledger.run(&[&args[..], more].concat()).ok()).unwrap()
    };
    let size = ledger.verify()["entries"].to_string();
    let table = |report: &Value| {
        let sections = report["sections"].as_array().unwrap();
        let of = |section: &&Value| section["id"] == "protection";
        sections.iter().find(of).unwrap()["tables"][0]["rows"].clone()
    };
    let first = report(&[]);
    let rows = table(&first);
    // No log file is full: nothing is proven, and nothing claimed.
    assert_eq!(rows[0][1]["text"]["en"], "not proven");
    let read = ledger.events("protection.checked");
    assert_eq!(read.len(), 1);
    assert_eq!(rows[0][2]["entry"]["position"], read[0]["seq"]);
    assert_eq!(rows[0][3]["figure"]["value"], 0);
    // Before anybody had looked.
    assert_eq!(table(&report(&["--head", &size])), json!([]));
    // What others say of it is not taken.
    let told =
        json!({ "kind": "protection.checked", "actor": "user:s001", "data": read[0]["data"] });
    ledger
        .run_with(&["append"], told.to_string().as_bytes())
        .refused(&["is written by the ledger itself"]);

    // A full file: its mode as it is, and as somebody changed it.
    let log = ledger.logs().pop().unwrap();
    let full = std::fs::metadata(&log).unwrap();
    assert!(!full.permissions().readonly());
    fill(&ledger);
    let rows = table(&report(&[]));
    assert_eq!(rows[0][1]["text"]["en"], "L0, read-only");
    let figures = |row: &Value| [3, 4, 5, 6].map(|n| row[n]["figure"]["value"].as_u64().unwrap());
    assert_eq!(figures(&rows[0]), [1, 1, 0, 0]);
    let mut mode = std::fs::metadata(&log).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    mode.set_readonly(false);
    std::fs::set_permissions(&log, mode).unwrap();
    let rows = table(&report(&[]));
    assert_eq!(rows[0][1]["text"]["en"], "some can be written to");
    assert_eq!(figures(&rows[0]), [1, 0, 0, 0]);
}

/// A retention report as JSON in the place of the one before.
fn retention_into(ledger: &Ledger, file: &Path, more: &[&str]) -> Ran {
    let path = file.to_str().unwrap();
    let args = [
        "report",
        "retention",
        "--format",
        "json",
        "--force",
        "-o",
        path,
    ];
    ledger.run(&[&args[..], more].concat())
}

#[test]
fn what_is_kept_for_the_retention_report_changes_nothing_in_it() {
    let ledger = Ledger::new();
    let content = |text: &str| with_content(drill("restore"), text);
    ledger.append(&[content("one"), content("two"), content("one")]);
    let file = ledger.beside("r.json");
    let report = |more: &[&str]| {
        retention_into(&ledger, &file, more).ok();
        std::fs::read(&file).unwrap()
    };
    // A report that says "verified" has nothing from beside the log, and leaves nothing there for
    // one that nobody has verified.
    report(&[]);
    assert!(!ledger.dir.join("index/retention").exists());
    report(&["--unverified"]);
    assert!(ledger.dir.join("index/retention").is_dir());
    ledger.append(&[content("three"), content("two")]);
    // From what was kept and what is new; `report verify` folds the whole log.
    let kept = report(&["--unverified"]);
    let told = verify(&ledger, &file, &[]).lines().remove(0);
    assert_eq!(told["figures"], "same", "{told}");
    let read: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(read["basis"]["verification"]["outcome"], "not_run");
    let head = read["basis"]["head"]["size"].to_string();
    // Nothing kept, or something that is none.
    std::fs::remove_dir_all(ledger.dir.join("index")).unwrap();
    let again = ["--unverified", "--head", &head];
    assert_eq!(report(&again), kept);
    for file in walk(&ledger.dir.join("index/retention")) {
        overwrite(&file, b"damaged");
    }
    assert_eq!(report(&again), kept);
}

#[test]
fn a_retention_report_goes_on_from_one_over_a_verified_log_and_says_what_was_not_read_again() {
    let ledger = Ledger::new();
    let content = |text: &str| with_content(drill("restore"), text);
    ledger.append(&[content("one"), content("two"), content("one")]);
    let file = ledger.beside("r.json");
    let report = |more: &[&str]| retention_into(&ledger, &file, more);
    let told = || {
        let checked = verify(&ledger, &file, &[]).lines().remove(0);
        assert_eq!(checked["figures"], "same", "{checked}");
        let read: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        read["basis"].clone()
    };
    let refused = |why: &str| {
        let ran = report(&["--continue"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
    };
    refused("no retention report was issued");
    report(&["--unverified"]).ok();
    refused("no retention report was issued");
    report(&[]).ok();
    let whole = told();
    assert_eq!(whole["verification"]["outcome"], "clean");
    let mut since = whole["head"]["size"].as_u64().unwrap();
    for text in ["three", "two"] {
        ledger.append(&[content(text)]);
        report(&["--continue"]).ok();
        let basis = told();
        let verification = &basis["verification"];
        assert_eq!(verification["outcome"], "continued");
        assert_eq!(verification["since"], since);
        assert_eq!(verification["whole"], whole["head"]["size"]);
        since = basis["head"]["size"].as_u64().unwrap();
    }
    // What a report of another head left, in the place of what this one goes on from; nothing.
    let kept = ledger.dir.join("index/retention-verified");
    let aside = ledger.beside("aside");
    std::fs::rename(&kept, &aside).unwrap();
    refused("is not kept as the log has its digest");
    report(&["--unverified"]).ok();
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::rename(ledger.dir.join("index/retention"), &kept).unwrap();
    refused("is not kept as the log has its digest");
    std::fs::remove_dir_all(&kept).unwrap();
    std::fs::rename(&aside, &kept).unwrap();
    report(&["--continue"]).ok();
    assert_eq!(told()["verification"]["since"], since);
    // What a report has found since is not gone round by what an older one had not.
    let mut packs = ledger.packs();
    packs.retain(|pack| pack.to_str().unwrap().contains("operation"));
    let pack = packs.remove(0);
    let whole = std::fs::read(&pack).unwrap();
    let mut bent = whole.clone();
    *bent.last_mut().unwrap() ^= 1;
    overwrite(&pack, &bent);
    assert_eq!(report(&[]).code, 1);
    refused("found faults in the log");
    report(&["--unverified"]).ok();
    refused("found faults in the log");
    overwrite(&pack, &whole);
    report(&[]).ok();
    report(&["--continue"]).ok();
    assert_eq!(told()["verification"]["outcome"], "continued");
}

/// Has the log go on in a second file, as after a torn tail: the first is closed then.
fn fill(ledger: &Ledger) {
    use std::io::Write;
    let log = ledger.logs().pop().unwrap();
    let mut file = std::fs::File::options().append(true).open(&log).unwrap();
    file.write_all(b"{\"v\":1,\"seq\":").unwrap();
    drop(file);
    ledger.append(&[drill("after")]);
    assert_eq!(ledger.logs().len(), 2);
}

#[test]
fn an_authority_says_when_a_report_was_signed_and_openssl_agrees() {
    if !has("openssl", "version") {
        return cannot_run("reports", "openssl is not installed");
    }
    let (ledger, tsa) = (Ledger::new(), Arc::new(Tsa::new()));
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let door = Door::open(honest(&tsa));
    let ca = tsa.ca();
    ledger.configure(|text| {
        let settings = format!(
            "[timestamp]\nurl = '{}'\nca_file = '{}'",
            door.url,
            ca.display()
        );
        text.replace("[timestamp]", &settings)
    });
    // As it was before anything was issued.
    let rolled_back = ledger.copy();
    let write = |name: &str| {
        let file = ledger.beside(name);
        let path = file.to_str().unwrap();
        let args = [
            "report", "controls", "--month", &month, "--format", "csv", "-o", path,
        ];
        (ledger.run(&args), file)
    };
    let (ran, file) = write("c.csv");
    ran.ok();
    let proof = ledger.beside("c.csv.tlog-proof");
    let token = ledger.beside("c.csv.tlog-proof.tsr");
    let told = verify(&ledger, &file, &[]).lines().remove(0);
    assert_eq!(told["time_stamp"], "holds", "{told}");
    // A log that has lost the entry since: its time cannot be asked, and what was stamped stands.
    let told = verify(&rolled_back, &file, &[]);
    assert_eq!(told.code, 1, "{told:?}");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        (&told["signature"], &told["time_stamp"]),
        (&json!("holds"), &json!("holds"))
    );
    let findings = told["findings"].to_string();
    assert!(findings.contains("entries were lost"), "{findings}");
    // The auditor has no daicho: the signature and the token are files, and OpenSSL knows them.
    let judged = Command::new("openssl")
        .args(["ts", "-verify", "-data"])
        .arg(&proof)
        .arg("-in")
        .arg(&token)
        .arg("-CAfile")
        .arg(&ca)
        .output()
        .unwrap();
    assert!(judged.status.success(), "{judged:?}");
    // One who has daicho, and no ledger.
    let key = ledger.run(&["key", "show"]).ok().trim().to_owned();
    let offline = |more: &[&str]| {
        let args = ["--offline", "--vkey", &key];
        verify(&Ledger::none(), &file, &[&args[..], more].concat())
    };
    assert_eq!(offline(&[]).lines()[0]["time_stamp"], "unchecked");
    let roots = ["--tsa-ca", ca.to_str().unwrap()];
    assert_eq!(offline(&roots).lines()[0]["time_stamp"], "holds");
    let stranger = Tsa::new();
    let told = wrong(offline(&["--tsa-ca", stranger.ca().to_str().unwrap()]));
    assert!(told.contains("time stamp does not hold"), "{told}");
    // Of another signature, and one bit.
    let good = std::fs::read(&token).unwrap();
    let (ran, _) = write("d.csv");
    ran.ok();
    overwrite(
        &token,
        &std::fs::read(ledger.beside("d.csv.tlog-proof.tsr")).unwrap(),
    );
    assert!(wrong(verify(&ledger, &file, &[])).contains("for other bytes"));
    let mut bent = good.clone();
    let last = bent.len() - 1;
    bent[last] ^= 1;
    overwrite(&token, &bent);
    assert!(wrong(verify(&ledger, &file, &[])).contains("time stamp does not hold"));
    overwrite(&token, &good);
    assert_eq!(verify(&ledger, &file, &[]).code, 0);
    // An authority that does not answer delays no report, and that there is no token is told.
    door.change(Box::new(|_| (503, Vec::new())));
    let (ran, file) = write("e.csv");
    assert!(
        ran.code == 0 && ran.err.contains("warning: no time stamp"),
        "{ran:?}"
    );
    let told = verify(&ledger, &file, &[]).lines().remove(0);
    assert_eq!(
        (&told["signature"], &told["time_stamp"]),
        (&json!("holds"), &json!("absent"))
    );
}
