//! What comes back after its erasure.

use super::{PERSON, approve, asked, found_by_both, ledger, request, show, sound, there};
use crate::world::{Ledger, walk};
use std::path::PathBuf;

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
