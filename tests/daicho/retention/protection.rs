//! The protection of the log's files, as it is set and as it is proven.

use super::{MARCH, approve, at, entries, january, pass, serve, there};
use crate::bad_input::places::faketime;
use crate::world::{Ledger, Server, cannot_run, drill, has, wait_for, walk};
use ledger::is_immutable;
use serde_json::json;
use std::process::Command;

/// The flag of full files, set for real and read back; taken off again, or nobody could remove them.
struct Immutable(Vec<std::path::PathBuf>);

impl Immutable {
    fn set(paths: Vec<std::path::PathBuf>) -> Result<Immutable, String> {
        let held = Immutable(paths);
        for path in &held.0 {
            chattr("+i", path)?;
        }
        Ok(held)
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = chattr("-i", path);
        }
    }
}

fn chattr(flag: &str, path: &std::path::Path) -> Result<(), String> {
    let ran = Command::new("chattr").arg(flag).arg(path).output();
    let ran = ran.map_err(|error| format!("chattr cannot be run: {error}"))?;
    match ran.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
    }
}

#[test]
fn the_flag_that_is_set_is_the_protection_that_is_proven() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    // A torn tail ends the first file: the next start begins another, and the first is full.
    let first = ledger.logs().remove(0);
    let mut file = std::fs::File::options().append(true).open(&first).unwrap();
    std::io::Write::write_all(&mut file, b"{\"v\":1,\"seq\":").unwrap();
    drop(file);
    ledger.append(&[drill("restore")]);
    let level = || {
        ledger
            .run(&["report", "retention", "--format", "json"])
            .ok();
        ledger.events("protection.checked").pop().unwrap()["data"].clone()
    };
    let before = level();
    assert_eq!(
        (&before["level"], &before["log"]["immutable"]),
        (&json!("read_only"), &json!(0))
    );
    match Immutable::set(vec![first.clone()]) {
        Err(why) => cannot_run("immutable", &why),
        Ok(held) => {
            let told = ledger.run(&["doctor"]).out;
            assert!(told.contains("L1, immutable"), "{told}");
            let read = level();
            assert_eq!(
                (&read["level"], &read["log"]["immutable"]),
                (&json!("immutable"), &json!(1)),
                "{read}"
            );
            // Not even root writes to it, or removes it, and the ledger goes on.
            assert!(std::fs::File::options().append(true).open(&first).is_err());
            assert!(std::fs::remove_file(&first).is_err());
            ledger.append(&[drill("goes-on")]);
            drop(held);
            assert_eq!(level()["level"], "read_only");
        }
    }
    ledger.verify();
}

/// Lifts the flag from whatever has it, so that the directory can be removed.
struct Lifted<'a>(&'a Ledger);

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        for path in walk(&self.0.dir) {
            if is_immutable(&path).is_ok_and(|flag| flag) {
                let _ = chattr("-i", &path);
            }
        }
    }
}

#[test]
fn full_files_become_immutable_where_it_is_asked_for_and_the_end_of_a_bucket_lifts_it() {
    if !there("immutable") {
        return;
    }
    let Some(library) = faketime() else {
        return cannot_run("immutable", "no libfaketime (package faketime)");
    };
    let (ledger, keys) = january();
    let _lifted = Lifted(&ledger);
    let probe = ledger.beside("probe");
    std::fs::write(&probe, "x").unwrap();
    if let Err(why) = Immutable::set(vec![probe]) {
        return cannot_run("immutable", &why);
    }
    // The pack's month is over, and a torn tail ends the first log file.
    let (first, pack) = (ledger.logs().remove(0), ledger.packs().remove(0));
    let mut file = std::fs::File::options().append(true).open(&first).unwrap();
    std::io::Write::write_all(&mut file, b"{\"v\":1,\"seq\":").unwrap();
    drop(file);
    let config = ledger.dir.join("daicho.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "[protection]\nimmutable = true\n").unwrap();
    let asked = at(&ledger, MARCH, &["--json", "retention", "run"]).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    let protection = || {
        let told = at(&ledger, MARCH, &["doctor"]).out;
        let line = told.lines().find(|line| line.contains("protection"));
        line.unwrap().to_owned()
    };
    assert!(
        protection().contains("0 of 1 full log files"),
        "{}",
        protection()
    );
    assert!(protection().starts_with("WRONG"), "{}", protection());

    // A server that may not set it goes on without, and `doctor` says so.
    if has("setpriv", "--version") {
        let mut command = Command::new("setpriv");
        command
            .arg("--bounding-set=-linux_immutable")
            .arg(env!("CARGO_BIN_EXE_daicho"));
        command
            .arg("--data")
            .arg(&ledger.dir)
            .env("LD_PRELOAD", &library);
        command
            .env("TZ", "UTC")
            .env("FAKETIME", format!("@{MARCH}"));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        crate::world::clean(&mut command);
        let server = Server::start(&ledger.dir, command);
        assert!(server.get("/readyz").status().is_success());
        assert_eq!(server.stop(), 0);
        assert!(protection().starts_with("WRONG"), "{}", protection());
    }
    let flagged = || is_immutable(&first).unwrap() && is_immutable(&pack).unwrap();
    assert!(!flagged());
    let server = serve(&ledger, &library, MARCH);
    wait_for("the flag", flagged);
    assert!(protection().contains("L1, immutable"), "{}", protection());
    for path in [&first, &pack] {
        assert!(std::fs::File::options().append(true).open(path).is_err());
        assert!(std::fs::remove_file(path).is_err());
    }
    assert!(!is_immutable(&ledger.logs().pop().unwrap()).unwrap());
    let event = server.post("application/json", drill("goes-on").to_string());
    assert!(event.send().unwrap().status().is_success());
    assert_eq!(server.stop(), 0);
    ledger.verify();

    approve(&ledger, MARCH, approval, &keys);
    at(&ledger, MARCH, &["retention", "run"]).ok();
    pass(&ledger, 25);
    let later = "2026-03-07 14:00:00";
    at(&ledger, later, &["retention", "run"]).ok();
    assert_eq!(entries(&ledger, "retention.expired").len(), 1);
    assert!(!pack.exists() && walk(&ledger.dir.join("keys/content/api")).is_empty());
    assert!(is_immutable(&first).unwrap());
    ledger.verify();
}
