//! Commands as people and scripts use them: what is printed, what `--json` gives, how they end.

use crate::world::{Ledger, ORIGIN, daicho, drill, overwrite, run, with_content};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::process::Command;

/// A command's path in the help: `daicho`, `daicho key`, `daicho key show` …
fn help_of(path: &[String], all: &mut Vec<(String, String)>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
    crate::world::clean(&mut command);
    command.args(path).arg("--help");
    let text = run(command, b"").ok();
    let listed = text.split("\nCommands:\n").nth(1).unwrap_or_default();
    let names = listed.lines().take_while(|line| !line.trim().is_empty());
    let names: Vec<&str> = names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let whole = [&["daicho".to_owned()], path].concat().join("-");
    let below: Vec<_> = names
        .iter()
        .map(|name| [path, &[name.to_string()]].concat())
        .collect();
    all.push((whole, text));
    for path in below {
        help_of(&path, all);
    }
}

/// What the commands promise to be called. A change is accepted with
/// `INSTA_UPDATE=always cargo test --test daicho help`.
#[test]
fn help_says_what_every_command_takes() {
    let mut all = Vec::new();
    help_of(&[], &mut all);
    assert!(all.len() > 9);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("help");
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, text) in &all {
            insta::assert_snapshot!(name.as_str(), text);
        }
    });
    let version = run(
        {
            let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
            command.arg("--version");
            command
        },
        b"",
    );
    assert_eq!(
        version.ok(),
        format!("daicho {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// Data files inside the program that nobody else wrote or that derive from nobody's.
const OWN: [&str; 13] = [
    "variants.tsv",
    "foreign.tsv",
    "console.css",
    "page.css",
    "daicho.toml",
    "scan.sarif",
    "orders.py.txt",
    "parameters.patch",
    "silence.patch",
    "FORMAT.md",
    "ocsf.json",
    "verify.py",
    "verify.html",
];

#[test]
fn the_notice_of_every_file_by_others_inside_the_program_is_printed() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho"));
    command.arg("licences");
    let said = run(command, b"").ok();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["agents", "exporters", "ledger", "schemas"].map(|crate_| format!("{crate_}/src"));
    let mut included = 0;
    for folder in folders.iter().map(String::as_str).chain(["src"]) {
        for path in crate::world::walk(&root.join(folder)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.contains("NOTICE") || name.contains("LICENSE") {
                let notice = std::fs::read_to_string(&path).unwrap();
                assert!(said.contains(notice.trim_end()), "{}", path.display());
            }
            if !name.ends_with(".rs") {
                continue;
            }
            let code = std::fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            // Neither is in the program: what only tests and the training read.
            let is_test = path.iter().any(|part| part == "tests");
            if is_test || path.ends_with("training.rs") || path.ends_with("tests.rs") {
                continue;
            }
            for macro_ in ["include_str!(\"", "include_bytes!(\""] {
                for rest in code.split(macro_).skip(1) {
                    let file = rest.split('"').next().unwrap().rsplit('/').next().unwrap();
                    let notice = file == "NOTICE" || file.ends_with(".LICENSE");
                    if notice || OWN.contains(&file) {
                        continue;
                    }
                    included += 1;
                    assert!(
                        said.contains(file),
                        "{file} of {} has no notice",
                        path.display()
                    );
                }
            }
        }
    }
    assert!(included >= 9, "{included} files by others were found");
}

#[test]
fn init_names_the_key_that_verifiers_need_and_guards_the_one_they_must_not_have() {
    let parent = tempfile::TempDir::new().unwrap();
    let dir = parent.path().join("deep/data");
    let mut init = daicho(&dir);
    init.args(["init", "--origin", ORIGIN, "--json"]);
    let said = run(init, b"").lines().remove(0);
    let mut key = daicho(&dir);
    key.args(["key", "show", "--json"]);
    assert_eq!(run(key, b"").lines(), std::slice::from_ref(&said));
    assert_eq!(said["origin"], ORIGIN);
    assert!(
        said["vkey"]
            .as_str()
            .unwrap()
            .starts_with("example.com/daicho+")
    );
    #[cfg(unix)]
    for (path, mode) in [
        ("keys", 0o700),
        ("keys/ledger.key", 0o600),
        ("keys/operator.token", 0o600),
        ("log", 0o700),
        ("content", 0o700),
    ] {
        use std::os::unix::fs::PermissionsExt;
        let metadata = dir.join(path).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
    }
    let twice = Ledger::new();
    assert_ne!(
        twice.run(&["key", "show"]).ok().trim(),
        said["vkey"],
        "each ledger has its own key"
    );
}

#[test]
fn append_answers_each_event_and_records_an_id_once() {
    let ledger = Ledger::new();
    let mut event = with_content(drill("restore"), "メモ");
    event["id"] = json!("019ab000-0000-7000-8000-000000000001");
    event["session"] = json!("s-1");
    event["occurred"] = json!("2026-11-22T00:00:00.000000Z");
    let first = ledger.append(&[event.clone(), drill("failover")]);
    assert_eq!(
        first
            .iter()
            .map(|r| r["seq"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(first.iter().all(|r| r["new"] == true));
    let again = ledger.append(&[event.clone(), drill("failover")]);
    assert_eq!(again[0]["new"], false);
    for key in ["seq", "id", "leaf", "at"] {
        assert_eq!(again[0][key], first[0][key]);
    }
    assert_eq!(
        again[1]["seq"], 3,
        "without an id each is an event of its own"
    );
    let said = ledger
        .run_with(&["append"], event.to_string().as_bytes())
        .ok();
    assert_eq!(
        said,
        "       1  019ab000-0000-7000-8000-000000000001  (recorded before)\n"
    );

    let file = ledger.beside("events.ndjson");
    std::fs::write(&file, format!("\n{}\n\n", drill("restore"))).unwrap();
    let receipts = ledger
        .run(&["append", "--json", file.to_str().unwrap()])
        .lines();
    assert_eq!(receipts[0]["seq"], 4);
    assert_eq!(ledger.verify()["entries"], 5);
}

#[test]
fn events_and_show_give_the_very_bytes_that_were_hashed() {
    let ledger = Ledger::new();
    let receipts = ledger.append(&[
        with_content(drill("restore"), "秘密のメモ"),
        drill("failover"),
    ]);
    let bodies = ledger.run(&["events", "--json"]).ok();
    for (receipt, body) in receipts.iter().zip(bodies.lines().skip(1)) {
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(body)
            .finalize();
        assert_eq!(receipt["leaf"], hex::encode(leaf));
    }
    assert!(!bodies.contains("秘密"), "content is sealed, not in bodies");
    let listed = ledger
        .run(&["events", "--kind", "drill.completed", "--newest"])
        .ok();
    let kinds: Vec<&str> = listed
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(kinds, ["drill.completed"; 2]);
    assert!(listed.trim_start().starts_with('2'), "{listed}");
    assert_eq!(ledger.run(&["events", "--kind", "scan.started"]).ok(), "");
    assert_eq!(ledger.run(&["events", "--until", "2020-01-01"]).ok(), "");
    assert_eq!(
        ledger
            .run(&["events", "--since", "2020-01-01", "--limit", "1"])
            .ok()
            .lines()
            .count(),
        1
    );

    let shown = ledger.run(&["show", "1", "--json"]).lines().remove(0);
    assert_eq!(shown["leaf"], receipts[0]["leaf"]);
    assert!(shown["content"].is_null());
    let size = ledger.verify()["entries"].clone();
    let opened = ledger
        .run(&["show", "1", "--content", "--json"])
        .lines()
        .remove(0);
    assert_eq!(
        opened["content"],
        json!([{ "name": "note", "text": "秘密のメモ" }])
    );
    let revealed = ledger
        .run(&["events", "--json", "--kind", "content.revealed"])
        .lines();
    assert_eq!(
        revealed[0]["seq"], size,
        "who opens content leaves an entry"
    );
    assert_eq!(revealed[0]["data"]["position"], 1);
    let people = ledger.run(&["show", "1", "--content"]).ok();
    assert!(
        people.contains("\nleaf       ") && people.ends_with("秘密のメモ\n"),
        "{people}"
    );
    ledger.verify();
}

#[test]
fn verify_says_for_people_and_programs_what_is_wrong_and_where() {
    let ledger = Ledger::new();
    ledger.append(&[drill("a"), drill("b"), drill("c")]);
    let said = ledger.run(&["verify"]).ok();
    assert!(said.contains("\nverified: every entry"), "{said}");
    assert!(
        said.contains("--vkey holds it against one kept elsewhere"),
        "{said}"
    );
    let vkey = ledger.run(&["key", "show"]).ok();
    let given = ledger
        .run(&["verify", "--json", "--vkey", vkey.trim()])
        .lines()
        .remove(0);
    assert_eq!(
        (&given["key_given"], &given["notes"]),
        (&json!(true), &json!([]))
    );

    let copy = ledger.copy();
    let log = copy.logs().remove(0);
    let text = std::fs::read_to_string(&log).unwrap();
    overwrite(
        &log,
        text.replacen("\"drill\":\"b\"", "\"drill\":\"x\"", 1)
            .as_bytes(),
    );
    let ran = copy.run(&["verify"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains(
            "\nWRONG        entry 2: signature (log/00000000000000000000.ndjson at byte "
        ),
        "{ran:?}"
    );
    assert!(ran.out.contains("NOT VERIFIED: "), "{ran:?}");
    let report = copy.run(&["verify", "--json"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report["findings"][0]["check"], "signature");
    assert_eq!(report["findings"][0]["seq"], 2);

    // A checkpoint kept elsewhere finds what the log itself cannot know.
    let kept = ledger.beside("kept");
    std::fs::copy(ledger.dir.join("checkpoint"), &kept).unwrap();
    let kept = kept.to_str().unwrap();
    let said = ledger.run(&["verify", "--checkpoint", kept]).ok();
    assert!(
        said.contains(&format!("checkpoint   {kept} of size 4: kept")),
        "{said}"
    );
    let copy = Ledger::new();
    let ran = copy.run(&["verify", "--checkpoint", kept]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

/// The checkpoint's file lags a server by a moment: whoever asks at once is not sent away.
#[test]
fn what_a_server_has_just_answered_is_proven_at_once() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    for _ in 0..10 {
        ledger.append(&[drill("restore")]);
        let seq = ledger.events("drill.completed").pop().unwrap()["seq"].to_string();
        ledger.run(&["prove", &seq]).ok();
    }
    assert_eq!(server.stop(), 0);
}

#[test]
fn prove_and_rebuild_give_the_same_each_time() {
    let ledger = Ledger::new();
    ledger.append(&vec![drill("restore"); 20]);
    let text = ledger.run(&["prove", "7"]).ok();
    assert!(
        text.starts_with("c2sp.org/tlog-proof@v1\nindex 7\n"),
        "{text}"
    );
    let checkpoint = std::fs::read_to_string(ledger.dir.join("checkpoint")).unwrap();
    assert!(text.ends_with(&format!("\n\n{checkpoint}")), "{text}");
    let file = ledger.beside("7.tlog-proof");
    assert_eq!(
        ledger
            .run(&["prove", "7", "-o", file.to_str().unwrap()])
            .ok(),
        ""
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
    let shown = ledger.run(&["prove", "7", "--json"]).lines().remove(0);
    assert_eq!(
        (&shown["index"], &shown["checkpoint"]),
        (&json!(7), &json!(checkpoint))
    );

    let server = ledger.serve();
    ledger
        .run(&["rebuild"])
        .refused(&["held by another process", "daicho serve"]);
    assert_eq!(server.stop(), 0);
    let rebuilt = ledger.run(&["rebuild", "--json"]).lines();
    let size = ledger.verify()["entries"].clone();
    assert!(
        rebuilt.iter().all(|view| view["cursor"] == size),
        "{rebuilt:?}"
    );
    assert_eq!(ledger.run(&["rebuild", "--json"]).lines(), rebuilt);
}

/// `daicho append | head`, `daicho events | head`: who has seen enough is no fault.
#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let ledger = Ledger::new();
    ledger.append(&vec![drill("restore"); 2_000]);
    let file = ledger.beside("more.ndjson");
    std::fs::write(&file, crate::world::ndjson(&vec![drill("restore"); 2_000])).unwrap();
    for args in [
        &["events"][..],
        &["events", "--json"],
        &["append", file.to_str().unwrap()],
    ] {
        let mut command = daicho(&ledger.dir);
        let pipes = command.args(args).stdout(std::process::Stdio::piped());
        let mut child = pipes.stderr(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(
            (ended.status.code(), said.as_ref()),
            (Some(0), ""),
            "{args:?}"
        );
    }
    ledger.verify();
}
