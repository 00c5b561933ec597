//! Each system call that writes fails once, or is the last before a kill: what was said is
//! true, the rest is whole or absent, and the same command again brings it about.

use crate::bad_input::places::faketime;
use crate::retention::{MARCH, approve, at, january, pass, there};
use crate::timestamp::configure;
use crate::timestamp::tsa::{HONEST, Tsa};
use crate::world::{
    Ledger, ORIGIN, Ran, cannot_run, drill, has, ndjson, run, say, walk, with_content,
};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

/// The calls that change what is on the disk, or make it durable.
const CALLS: [&str; 14] = [
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
    "chmod",
    "fchmod",
    "fchmodat",
];

/// How a call goes wrong.
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

/// A command that is to survive its faults.
struct Struck<'a> {
    args: &'a [&'a str],
    input: &'a str,
    /// Stands in the trace where the command begins to work: loading a program is the system's
    /// business.
    begin: &'a str,
    /// The host's clock, where it matters.
    time: Option<&'a str>,
}

impl<'a> Struck<'a> {
    /// One that opens a ledger.
    fn of(args: &'a [&'a str], input: &'a str) -> Struck<'a> {
        Struck {
            args,
            input,
            begin: "/lock\"",
            time: None,
        }
    }
}

/// Runs a command once under strace, then once for each place and fault, each on a copy of
/// `ledger`, and hands over what came of it.
fn strike(ledger: &Ledger, struck: &Struck<'_>, survives: impl Fn(&Ledger, &str, &Ran)) {
    let Struck { args, input, .. } = struck;
    let test = format!("faults of {}", args[..2.min(args.len())].join(" "));
    if !has("strace", "-V") {
        return cannot_run(&test, "no strace");
    }
    let traced = |ledger: &Ledger, options: &[&str]| {
        let mut command = Command::new("strace");
        let trace = ledger.beside("trace");
        command.args(["-f", "-qq", "-o"]).arg(trace).args(options);
        if let (Some(time), Some(library)) = (struck.time, faketime()) {
            let library = format!("LD_PRELOAD={}", library.display());
            let time = format!("FAKETIME=@{time}");
            command.args(["-E", &library, "-E", &time, "-E", "TZ=UTC"]);
        }
        command
            .arg(env!("CARGO_BIN_EXE_daicho"))
            .arg("--data")
            .arg(&ledger.dir);
        crate::world::clean(&mut command);
        run(
            {
                command.args(*args);
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
        for when in places(&trace, call, struck.begin) {
            for fault in FAULTS {
                let copy = ledger.copy();
                let inject = format!("inject={call}:{fault}:when={when}");
                let ran = traced(&copy, &["-e", &format!("trace={call}"), "-e", &inject]);
                if struck.time.is_some() {
                    clear_dead_clocks();
                }
                // The index's store panics where it cannot sync what it closes: said, and survived.
                let of_index = ran.err.contains("/sled-0.34");
                let panicked = ran.err.contains("panicked") && !of_index;
                assert!(!panicked && ran.code != 101, "{inject}: {ran:?}");
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

/// A killed process leaves its false clock in shared memory, where a later one of its number, anybody's,
/// stumbles over it.
fn clear_dead_clocks() {
    for item in std::fs::read_dir("/dev/shm")
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = item.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("faketime_shm_");
        let number = number.or(name.strip_prefix("sem.faketime_sem_"));
        let number = number.and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| !Path::new(&format!("/proc/{number}")).exists()) {
            let _ = std::fs::remove_file(item.path());
        }
    }
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
            // What wakes a thread (one, to an eventfd) is on no disk.
            if i >= begin && !rest.contains(r#", "\1\0\0\0\0\0\0\0", 8"#) {
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
    let input = ndjson(&events());
    let append = Struck::of(&["append", "--json"], &input);
    // With a bucket and its key, and without: both are made by the first content.
    let ledger = Ledger::new();
    strike(&ledger, &append, append_survives);
    ledger.append(&[with_content(drill("restore"), "before")]);
    strike(&ledger, &append, append_survives);
}

#[test]
fn each_system_call_of_an_append_that_seals_a_file_may_fail_or_be_the_last() {
    let ledger = Ledger::new();
    ledger.append(&[with_content(drill("restore"), "before")]);
    // A torn tail ends the file: the next start seals it and begins another.
    let full = ledger.logs().remove(0);
    let mut file = std::fs::File::options().append(true).open(&full).unwrap();
    std::io::Write::write_all(&mut file, b"{\"v\":1,\"seq\":").unwrap();
    drop(file);
    let input = ndjson(&events());
    let append = Struck::of(&["append", "--json"], &input);
    strike(&ledger, &append, |ledger, inject, ran| {
        append_survives(ledger, inject, ran);
        let logs = ledger.logs();
        assert!(logs.len() > 1, "{inject}: {logs:?}");
        // Where that fails the file is full all the same, and `doctor` says that it is writable.
        let modes = std::fs::metadata(&logs[0]).unwrap().permissions();
        let told = ledger.run(&["doctor"]).out;
        let said = told.contains("is full and not read-only");
        assert_ne!(modes.readonly(), said, "{inject}: {told}");
        assert!(modes.readonly() || inject.contains("chmod"), "{inject}");
        assert_eq!(ledger.events("ledger.recovered").len(), 1, "{inject}");
    });
}

#[test]
fn each_system_call_of_a_rotation_may_fail_or_be_the_last() {
    let ledger = Ledger::new();
    ledger.append(&events());
    let keys = |ledger: &Ledger| ledger.run(&["key", "history", "--json"]).lines();
    let rotate = ["key", "rotate", "--json"];
    strike(&ledger, &Struck::of(&rotate, ""), |ledger, inject, ran| {
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
        let secrets: Vec<String> = walk(&ledger.dir.join("keys"))
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
    let struck = Struck {
        begin: "mkdir(",
        ..Struck::of(&init, "")
    };
    strike(&nothing, &struck, |ledger, inject, ran| {
        let again = ledger.run(&init);
        // The last thing that can fail is the answer: all else was done by then.
        let done = again.err.contains("already holds a ledger");
        assert!(again.code == 0 || done, "{inject}: {ran:?} {again:?}");
        ledger.append(&[drill("restore")]);
        ledger.verify();
        assert_eq!(ledger.serve().stop(), 0, "{inject}");
    });
}

#[test]
fn each_system_call_of_the_end_of_a_bucket_may_fail_or_be_the_last() {
    if !there("faults of retention run") {
        return;
    }
    if faketime().is_none() {
        return cannot_run("faults of retention run", "no libfaketime");
    }
    // Asked for, granted by two, its cooling time seen to pass: the next run ends it.
    let (ledger, keys) = january();
    let asked = at(&ledger, MARCH, &["--json", "retention", "run"]).lines();
    let approval = asked[0]["approval"].as_str().unwrap();
    approve(&ledger, MARCH, approval, &keys);
    at(&ledger, MARCH, &["retention", "run"]).ok();
    pass(&ledger, 25);
    let later = "2026-03-07 14:00:00";
    let before = ledger.verify()["entries"].as_u64().unwrap();
    let args = ["retention", "run", "--json"];
    let struck = Struck {
        time: Some(later),
        ..Struck::of(&args, "")
    };
    strike(&ledger, &struck, |ledger, inject, ran| {
        // One that was told of, or is in the log, is not done a second time.
        let again = at(ledger, later, &["retention", "run"]);
        assert_eq!(again.code, 0, "{inject}: {again:?} after {ran:?}");
        assert_eq!(ledger.events("retention.expired").len(), 1, "{inject}");
        let entries = ledger.verify()["entries"].as_u64().unwrap();
        assert_eq!(entries, before + 1, "{inject}");
        for place in ["content/api", "keys/content/api"] {
            let left = walk(&ledger.dir.join(place));
            assert!(left.is_empty(), "{inject}: {left:?}");
        }
        ledger.append(&[drill("goes-on")]);
    });
}

#[test]
fn each_system_call_of_a_time_stamp_that_is_kept_may_fail_or_be_the_last() {
    if !has("openssl", "version") {
        return cannot_run("faults of timestamp", "openssl is not there");
    }
    let (ledger, tsa) = (Ledger::new(), Tsa::new());
    ledger.append(&events());
    configure(&ledger, &tsa, "http://127.0.0.1:9");
    let [query, answer] = ["query", "answer"].map(|name| ledger.beside(name));
    let [query, answer] = [&query, &answer].map(|path| path.to_str().unwrap());
    ledger.run(&["timestamp", "--request", query]).ok();
    let reply = tsa.reply(HONEST, &std::fs::read(query).unwrap(), None);
    std::fs::write(answer, reply).unwrap();
    let args = ["timestamp", "--request", query, "--response", answer];
    let ca = tsa.ca();
    strike(&ledger, &Struck::of(&args, ""), |ledger, inject, ran| {
        // The response is the last of the pair: what it stands beside is whole.
        let again = ledger.run(&args);
        let kept = again.err.contains("has a time stamp already");
        assert!(again.code == 0 || kept, "{inject}: {again:?} after {ran:?}");
        let tokens = walk(&ledger.dir.join("tokens"));
        let count = |ending| {
            tokens
                .iter()
                .filter(|path| path.extension().unwrap() == ending)
                .count()
        };
        assert_eq!(
            (count("tsr"), count("checkpoint")),
            (1, 1),
            "{inject}: {tokens:?}"
        );
        let verify = ledger.run(&["verify", "--tsa-ca", ca.to_str().unwrap()]);
        assert_eq!(verify.code, 0, "{inject}: {verify:?}");
        assert!(
            ledger.events("checkpoint.timestamped").len() <= 1,
            "{inject}"
        );
        let told = ran.out.contains("recorded as checkpoint.timestamped");
        assert!(!told || kept, "{inject}: {ran:?} {again:?}");
    });
}
