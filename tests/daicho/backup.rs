//! Copies of the ledger, and what comes back from them.

use crate::world::{Ledger, daicho, drill, ndjson, overwrite, run, walk, with_content};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

fn events(count: usize) -> Vec<Value> {
    let event = |i: usize| match i % 5 {
        0 => with_content(drill("restore"), &format!("note {i} ").repeat(50)),
        _ => drill("restore"),
    };
    (0..count).map(event).collect()
}

fn backup(ledger: &Ledger, to: &Path, more: &[&str]) -> Value {
    let args = [&["backup", "--json", to.to_str().unwrap()], more].concat();
    ledger.run(&args).lines().remove(0)
}

/// A ledger that is not there yet, for a backup to become.
fn restored(from: &Path, more: &[&str]) -> (Ledger, crate::world::Ran) {
    let ledger = Ledger::none();
    let args = [&["restore", from.to_str().unwrap()], more].concat();
    let ran = ledger.run(&args);
    (ledger, ran)
}

fn keep_checkpoint(ledger: &Ledger) -> PathBuf {
    let kept = ledger.beside("kept-checkpoint");
    std::fs::copy(ledger.dir.join("checkpoint"), &kept).unwrap();
    kept
}

#[test]
fn a_backup_is_recorded_and_comes_back_whole() {
    let ledger = Ledger::new();
    ledger.append(&events(300));
    let to = ledger.beside("copy");
    let first = backup(&ledger, &to, &["--with-keys", "--label", "vault"]);
    let seq = first["recorded"].as_u64().unwrap().to_string();
    let shown = ledger.run(&["show", &seq, "--json"]).lines().remove(0);
    let recorded = shown.to_string();
    for part in [
        "backup.completed",
        "\"vault\"",
        first["root"].as_str().unwrap(),
    ] {
        assert!(recorded.contains(part), "{part}: {recorded}");
    }
    // The second run copies what is new, not the log again.
    let second = backup(&ledger, &to, &["--with-keys"]);
    assert!(second["copied_bytes"].as_u64().unwrap() < 2_000, "{second}");
    assert!(first["copied_bytes"].as_u64().unwrap() > 100_000, "{first}");

    let (copy, ran) = restored(&to, &[]);
    ran.ok();
    assert_eq!(copy.verify()["root"], second["root"]);
    // It is a ledger like any other: it opens content, and goes on.
    copy.run(&["show", "4", "--content"]).ok();
    copy.append(&events(3));
    copy.verify();
    assert!(!copy.beside("data.restoring").exists());
    let again = copy.run(&["restore", to.to_str().unwrap()]);
    again.refused(&["not an empty directory"]);
}

#[test]
fn keys_stay_at_home_unless_they_are_asked_for() {
    let ledger = Ledger::new();
    ledger.append(&events(20));
    let to = ledger.beside("copy");
    backup(&ledger, &to, &[]);
    assert_eq!(walk(&to.join("keys")), Vec::<PathBuf>::new());
    let (copy, ran) = restored(&to, &[]);
    assert!(ran.err.contains("holds no keys"), "{ran:?}");
    ran.ok();
    copy.verify();
    let inside = ledger.dir.join("copy");
    let ran = ledger.run(&["backup", inside.to_str().unwrap()]);
    ran.refused(&["lies in the ledger itself"]);
}

#[test]
fn an_older_copy_is_recognised_by_a_newer_checkpoint() {
    let ledger = Ledger::new();
    ledger.append(&events(40));
    let to = ledger.beside("copy");
    let old = backup(&ledger, &to, &["--with-keys"]);
    ledger.append(&events(60));
    let kept = keep_checkpoint(&ledger);
    let lost = ledger.verify()["entries"].as_u64().unwrap() - old["entries"].as_u64().unwrap();
    let (copy, ran) = restored(&to, &["--checkpoint", kept.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains(&format!("has lost {lost}")), "{ran:?}");
    assert!(!copy.dir.exists(), "nothing is written");
    // The other way round: a ledger that was rolled back does not touch its newer backup.
    let older = Ledger::none();
    older.run(&["restore", to.to_str().unwrap()]).ok();
    backup(&ledger, &to, &["--with-keys"]);
    let before = std::fs::read(to.join("checkpoint")).unwrap();
    let ran = older.run(&["backup", to.to_str().unwrap()]);
    ran.refused(&["the backup is newer than this ledger", "this ledger lacks"]);
    assert_eq!(std::fs::read(to.join("checkpoint")).unwrap(), before);
}

#[test]
fn a_copy_older_than_a_rotation_is_recognised_by_a_checkpoint_of_the_new_key() {
    let ledger = Ledger::new();
    ledger.append(&events(10));
    let to = ledger.beside("copy");
    let old = backup(&ledger, &to, &["--with-keys"]);
    ledger.run(&["key", "rotate"]).ok();
    ledger.append(&events(30));
    let kept = keep_checkpoint(&ledger);
    let kept = kept.to_str().unwrap();
    let lost = ledger.verify()["entries"].as_u64().unwrap() - old["entries"].as_u64().unwrap();
    let vkey = ledger.run(&["key", "show"]).ok();
    let newest = ["--vkey", vkey.trim()];

    let (copy, ran) = restored(&to, &["--checkpoint", kept]);
    assert!(ran.err.contains("older than a rotation"), "{ran:?}");
    assert!(ran.code == 1 && !copy.dir.exists(), "{ran:?}");
    let (copy, ran) = restored(&to, &[&["--checkpoint", kept], &newest[..]].concat());
    assert!(ran.err.contains(&format!("has lost {lost}")), "{ran:?}");
    assert!(ran.code == 1 && !copy.dir.exists(), "{ran:?}");

    // Restored all the same: `verify` sees it too.
    let (copy, ran) = restored(&to, &[]);
    ran.ok();
    let verify = |more: &[&str]| {
        let ran = copy.run(&[&["verify", "--checkpoint", kept], more].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.out
    };
    let told = verify(&[]);
    assert!(told.contains("older than a rotation"), "{told}");
    assert!(!told.contains("has lost"), "{told}");
    let told = verify(&newest);
    assert!(told.contains(&format!("has lost {lost}")), "{told}");
    // A longer log of somebody else says nothing of that kind.
    let other = Ledger::named("example.com/other");
    other.append(&events(50));
    let kept = keep_checkpoint(&other);
    let ran = copy.run(&["verify", "--checkpoint", kept.to_str().unwrap()]);
    assert!(ran.code == 1 && !ran.out.contains("rotation"), "{ran:?}");
}

#[test]
fn a_tampered_backup_is_refused_by_both_ways() {
    let ledger = Ledger::new();
    ledger.append(&events(60));
    let to = ledger.beside("copy");
    backup(&ledger, &to, &["--with-keys"]);
    let files = [walk(&to.join("log")), walk(&to.join("content"))].concat();
    assert!(files.len() >= 2);
    for path in files {
        let sound = std::fs::read(&path).unwrap();
        let mut forged = sound.clone();
        let at = sound.len() / 2;
        forged[at] ^= 1;
        overwrite(&path, &forged);
        let (copy, ran) = restored(&to, &[]);
        assert_eq!(ran.code, 1, "{path:?}: {ran:?}");
        assert!(!copy.dir.exists());
        let size = ledger.verify()["entries"].clone();
        let ran = ledger.run(&["backup", to.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{path:?}: {ran:?}");
        assert_eq!(ledger.verify()["entries"], size, "no backup is recorded");
        overwrite(&path, &sound);
    }
    backup(&ledger, &to, &[]);
    // A backup of another ledger is no place for this one's.
    let other = Ledger::new();
    let ran = other.run(&["backup", to.to_str().unwrap()]);
    ran.refused(&["is no backup of this ledger"]);
}

#[test]
fn a_backup_beside_a_server_that_is_written_to_verifies() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    let to = ledger.beside("copy");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for _ in 0..40 {
                let sent = server
                    .post("application/x-ndjson", ndjson(&events(50)))
                    .send();
                assert!(sent.unwrap().status().is_success());
            }
        });
        while !writing.is_finished() {
            backup(&ledger, &to, &["--with-keys"]);
        }
    });
    let last = backup(&ledger, &to, &["--with-keys"]);
    assert_eq!(last["entries"], json!(server.size() - 1));
    assert_eq!(server.stop(), 0);
    let (copy, ran) = restored(&to, &[]);
    ran.ok();
    copy.verify();
}

#[test]
fn a_backup_and_a_restore_that_are_killed_are_gone_on_with() {
    let ledger = Ledger::new();
    ledger.append(&events(1_500));
    let (to, mut dice) = (ledger.beside("copy"), crate::world::Dice::thrown("backup"));
    let mut killed = |data: &Path, args: &[&str]| {
        let mut command = daicho(data);
        command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.below(120)));
        child.kill().unwrap();
        child.wait().unwrap();
    };
    for _ in 0..12 {
        killed(
            &ledger.dir,
            &["backup", "--with-keys", to.to_str().unwrap()],
        );
        if to.join("checkpoint").exists() {
            let mut verify = daicho(&to);
            verify.arg("verify");
            run(verify, b"").ok();
        }
        ledger.append(&events(10));
    }
    backup(&ledger, &to, &["--with-keys"]);
    let copy = Ledger::none();
    for _ in 0..8 {
        killed(&copy.dir, &["restore", to.to_str().unwrap()]);
        if copy.dir.exists() {
            copy.verify();
            break;
        }
    }
    if !copy.dir.exists() {
        copy.run(&["restore", to.to_str().unwrap()]).ok();
    }
    copy.verify();
}
