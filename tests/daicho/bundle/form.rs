//! The one form of a bundle, and what is recorded of it before it is written.

use super::{Sample, members};
use crate::world::{Ledger, cannot_run, has, run};
use serde_json::json;
use std::path::Path;
use std::process::Command;

#[test]
fn a_bundle_has_one_form_and_is_never_written_over() {
    let sample = Sample::new();
    let (one, two) = (
        sample.bundle("1.zip", &["--to", "9"]),
        sample.bundle("2.zip", &["--to", "9"]),
    );
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    let again = ["bundle", "-o", one.to_str().unwrap()];
    sample.ledger.run(&again).refused(&["1.zip exists already"]);
    let out = sample.ledger.beside("3.zip");
    let out = out.to_str().unwrap();
    let kept = sample.kept.to_str().unwrap();
    let stranger = Ledger::new();
    let strange = stranger.dir.join("checkpoint");
    for (args, parts) in [
        (
            &["--session", "nobody"][..],
            &["no entry below 41 has all that was asked for"][..],
        ),
        (&["--to", "99"], &["--to 99", "below 41"]),
        (&["--release", "5"], &["\"5\" is not SEQ:NAME"]),
        (
            &["--release", "5:letter"],
            &["entry 5 has no content \"letter\""],
        ),
        (
            &["--from", "9", "--release", "5:note"],
            &["entry 5 is not among"],
        ),
        (
            &["--checkpoint", one.to_str().unwrap()],
            &["1.zip is no checkpoint of this log"],
        ),
        (
            &["--checkpoint", strange.to_str().unwrap()],
            &["is no checkpoint of this log"],
        ),
        (
            &["--to", "14", "--checkpoint", kept],
            &["--to 14", "below 11"],
        ),
        (
            &["--from", "14", "--checkpoint", kept],
            &["no entry below 11"],
        ),
    ] {
        let before = sample.ledger.state();
        sample
            .ledger
            .run(&[&["bundle", "-o", out], args].concat())
            .refused(parts);
        assert!(
            !Path::new(out).exists() && sample.ledger.state() == before,
            "{args:?}"
        );
    }
    // A span of time is a range, and so is everything.
    for (name, args, said) in [
        (
            "time.zip",
            &["--since", "2020-01-01T00:00:00Z"][..],
            "41 entries (0-40)",
        ),
        ("kind.zip", &["--kind", "ledger.created"], "1 entries (0)"),
        (
            "actor.zip",
            &["--actor", "user:s009"],
            "5 entries (0, 10, 20, 30, 40)",
        ),
        (
            "some.zip",
            &["--from", "3", "--to", "9"],
            "8 entries (0, 3-9)",
        ),
    ] {
        let told = sample
            .ask(name, &sample.bundle(name, args))
            .ask_daicho()
            .ok();
        assert!(told.contains(&format!("PROVEN       {said}")), "{told}");
    }
    // A zip as any other program has it, and proofs as C2SP has them.
    let mut unzip = Command::new("python3");
    unzip.args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*z.namelist())"]).arg(&one);
    let names = members(&one).into_keys().collect::<Vec<_>>().join(" ");
    match has("python3", "--version") {
        true => assert_eq!(run(unzip, b"").ok().trim(), names),
        false => cannot_run("bundle", "no python3"),
    }
    let head = sample.head();
    let under = ["--checkpoint", head.to_str().unwrap()];
    let members = members(&sample.bundle("now.zip", &under));
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    for (seq, line) in (0..).zip(text("entries").lines()) {
        let path: Vec<&str> = line.split('\t').skip(2).collect();
        let proof = format!(
            "c2sp.org/tlog-proof@v1\nindex {seq}\n{}\n\n{}",
            path.join("\n"),
            text("checkpoint")
        );
        let proven = sample.ledger.run(&["prove", &format!("{seq}")]).ok();
        assert_eq!(proof, proven);
    }
}

#[test]
fn what_is_released_is_recorded_first() {
    let sample = Sample::new();
    let revealed = |ledger: &Ledger| {
        let rows = ledger
            .run(&["events", "--kind", "content.revealed", "--json"])
            .lines();
        rows.into_iter()
            .map(|row| row["data"].clone())
            .collect::<Vec<_>>()
    };
    let bundle = sample.bundle(
        "own.zip",
        &["--to", "9", "--release", "5:note", "--release", "6:note"],
    );
    let expected =
        |position: u64| json!({ "position": position, "name": "note", "purpose": "bundle" });
    assert_eq!(revealed(&sample.ledger), [expected(5), expected(6)]);
    assert_eq!(
        members(&bundle)["released/00000000000000000005/note"],
        "帳簿 0 4".as_bytes()
    );
    let server = sample.ledger.serve();
    sample.bundle("beside.zip", &["--to", "9", "--release", "7:note"]);
    drop(server);
    assert_eq!(revealed(&sample.ledger)[2..], [expected(7)]);
}
