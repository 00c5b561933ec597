//! Each system call that writes fails once, or is the last before a kill: what was said is
//! true, the rest is whole or absent, and the same command again brings it about.

use crate::world::{Ledger, ORIGIN, Ran, cannot_run, drill, has, ndjson, run, say, with_content};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::process::Command;

/// The calls that change what is on the disk, or make it durable.
const CALLS: [&str; 12] = [
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "link",
    "linkat",
    "unlink",
    "mkdir",
    "ftruncate",
    "openat",
    "fchmod",
];

/// How a call goes wrong.
const FAULTS: [&str; 2] = ["error=EIO", "signal=KILL"];

/// Runs a command once under strace, then once for each place and fault, each on a copy of
/// `ledger`, and hands over what came of it. `begin` stands in the trace where the command
/// begins to work: loading a program is the system's business.
fn strike(
    ledger: &Ledger,
    args: &[&str],
    input: &str,
    begin: &str,
    survives: impl Fn(&Ledger, &str, &Ran),
) {
    let test = format!("faults of {}", args[0]);
    if !has("strace", "-V") {
        return cannot_run(&test, "no strace");
    }
    let traced = |ledger: &Ledger, options: &[&str]| {
        let mut command = Command::new("strace");
        let trace = ledger.beside("trace");
        command.args(["-f", "-qq", "-o"]).arg(trace).args(options);
        command
            .arg(env!("CARGO_BIN_EXE_daicho"))
            .arg("--data")
            .arg(&ledger.dir);
        crate::world::clean(&mut command);
        run(
            {
                command.args(args);
                command
            },
            input.as_bytes(),
        )
    };
    let probe = ledger.copy();
    let ran = traced(&probe, &["-e", &format!("trace={}", CALLS.join(","))]);
    if ran.code != 0 {
        return cannot_run(
            &test,
            &format!("strace may not trace here: {}", ran.err.trim()),
        );
    }
    let trace = std::fs::read_to_string(probe.beside("trace")).unwrap();
    let (mut tried, mut said) = (0, 0);
    for call in CALLS {
        for when in places(&trace, call, begin) {
            for fault in FAULTS {
                let copy = ledger.copy();
                let inject = format!("inject={call}:{fault}:when={when}");
                let ran = traced(&copy, &["-e", &format!("trace={call}"), "-e", &inject]);
                assert!(!ran.err.contains("panicked"), "{inject}: {ran:?}");
                // What cannot be written may be the error itself.
                if ran.code == 2 && !inject.contains("=write:error") {
                    let helps = ran.err.contains("error: ") && ran.err.contains("help:  ");
                    assert!(helps, "{inject}: {ran:?}");
                }
                survives(&copy, &inject, &ran);
                said += u32::from(!ran.out.is_empty());
                tried += 1;
            }
        }
    }
    say(&format!(
        "{test}: {tried} injected, {said} of them with an answer"
    ));
    assert!(tried > 20, "{trace}");
}

/// Which calls of a thread to strike: strace counts them thread by thread.
fn places(trace: &str, call: &str, begin: &str) -> Vec<usize> {
    let begin = trace.lines().position(|line| line.contains(begin));
    let begin = begin.expect("the command begins to work");
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut places = BTreeSet::new();
    for (i, line) in trace.lines().enumerate() {
        let (thread, rest) = line.split_once(' ').unwrap();
        if rest.trim_start().starts_with(&format!("{call}(")) {
            let count = counts.entry(thread).or_default();
            *count += 1;
            if i >= begin {
                places.insert(*count);
            }
        }
    }
    places.into_iter().collect()
}

fn events() -> Vec<Value> {
    let mut dice = crate::world::Dice(1);
    let event = |i| {
        let mut event = with_content(drill("restore"), &format!("content {i}"));
        event["id"] = Value::String(dice.id());
        event
    };
    (0..3).map(event).collect()
}

/// After a fault what was acknowledged is there, and the same events can be sent again.
fn append_survives(ledger: &Ledger, inject: &str, ran: &Ran) {
    let verify = ledger.run(&["verify"]);
    assert_eq!(verify.code, 0, "{inject}: {verify:?} after {ran:?}");
    let before = ledger.verify()["entries"].as_u64().unwrap();
    let again = ledger.append(&events());
    let told = ran
        .out
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for receipt in told {
        let same = |second: &&Value| {
            ["seq", "id", "leaf", "at"]
                .iter()
                .all(|key| second[key] == receipt[key])
        };
        let second = again.iter().find(same);
        let second = second.unwrap_or_else(|| panic!("{inject}: {receipt} {again:?}"));
        assert_eq!(second["new"], false, "{inject}");
    }
    let fresh = again
        .iter()
        .filter(|receipt| receipt["new"] == true)
        .count() as u64;
    let after = ledger.verify()["entries"].as_u64().unwrap();
    // One more where a torn tail is accounted for.
    assert!(
        (before + fresh..=before + fresh + 1).contains(&after),
        "{inject}: {before} {after}"
    );
}

#[test]
fn each_system_call_of_an_append_may_fail_or_be_the_last() {
    // With a bucket and its key, and without: both are made by the first content.
    let ledger = Ledger::new();
    strike(
        &ledger,
        &["append", "--json"],
        &ndjson(&events()),
        "/lock\"",
        append_survives,
    );
    ledger.append(&[with_content(drill("restore"), "before")]);
    strike(
        &ledger,
        &["append", "--json"],
        &ndjson(&events()),
        "/lock\"",
        append_survives,
    );
}

#[test]
fn each_system_call_of_a_rotation_may_fail_or_be_the_last() {
    let ledger = Ledger::new();
    ledger.append(&events());
    let keys = |ledger: &Ledger| ledger.run(&["key", "history", "--json"]).lines();
    let rotate = ["key", "rotate", "--json"];
    strike(&ledger, &rotate, "", "/lock\"", |ledger, inject, ran| {
        // Whichever key is in force now, its secret is there and the log goes on.
        let verify = ledger.run(&["verify"]);
        assert_eq!(verify.code, 0, "{inject}: {verify:?} after {ran:?}");
        ledger.append(&[drill("restore")]);
        let known = keys(ledger);
        if let Ok(told) = serde_json::from_str::<Value>(&ran.out) {
            assert_eq!(known.last().unwrap()["vkey"], told["vkey"], "{inject}");
        }
        assert!(known.len() <= 2, "{inject}: {known:?}");
        ledger.run(&rotate).ok();
        assert_eq!(keys(ledger).len(), known.len() + 1, "{inject}");
        let secrets: Vec<String> = crate::world::walk(&ledger.dir.join("keys"))
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name.contains("ledger") && !name.ends_with(".new"))
            .collect();
        assert_eq!(secrets, ["ledger.key"], "{inject}");
        ledger.verify();
    });
}

#[test]
fn each_system_call_of_an_init_may_fail_or_be_the_last() {
    let nothing = Ledger::none();
    let init = ["init", "--origin", ORIGIN, "--json"];
    strike(&nothing, &init, "", "mkdir(", |ledger, inject, ran| {
        let again = ledger.run(&init);
        // The last thing that can fail is the answer: all else was done by then.
        let done = again.err.contains("already holds a ledger");
        assert!(again.code == 0 || done, "{inject}: {ran:?} {again:?}");
        ledger.append(&[drill("restore")]);
        ledger.verify();
        assert_eq!(ledger.serve().stop(), 0, "{inject}");
    });
}
