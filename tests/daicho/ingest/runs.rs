//! What a command takes in: git history, files, usage exports.

use super::{NAME, USER, contents, is_sealed};
use crate::world::{Ledger, Ran, daicho, wait_for};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

fn git(repo: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(repo).args(args);
    for (name, value) in [
        ("GIT_AUTHOR_NAME", NAME),
        ("GIT_AUTHOR_EMAIL", "kirishima.soichiro@example.com"),
        ("GIT_COMMITTER_NAME", NAME),
        ("GIT_COMMITTER_EMAIL", "kirishima.soichiro@example.com"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ] {
        command.env(name, value);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(repo: &Path, message: &str) -> String {
    git(repo, &["commit", "-q", "--allow-empty", "-m", message]);
    git(repo, &["rev-parse", "HEAD"])
}

#[track_caller]
fn told(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok()).unwrap()
}

/// The commits in the ledger, in order, each held against its id by git itself.
fn commits(ledger: &Ledger, repo: &Path) -> Vec<String> {
    let content = contents(ledger);
    let (mut rest, mut ids) = (&content[..], Vec::new());
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let head = std::str::from_utf8(&rest[..end]).unwrap().to_owned();
        let words: Vec<&str> = head.split(' ').collect();
        assert_eq!(words[1], "commit");
        let len: usize = words[2].parse().unwrap();
        let body = &rest[end + 1..end + 1 + len];
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(repo)
            .args(["hash-object", "-t", "commit", "--stdin"]);
        assert_eq!(crate::world::run(command, body).ok().trim(), words[0]);
        ids.push(words[0].to_owned());
        rest = &rest[end + 2 + len..];
    }
    ids
}

#[test]
fn a_repository_s_history_is_taken_in_once_whatever_happens_to_it() {
    let ledger = Ledger::new();
    let repo = ledger.beside("shop");
    std::fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    let repo_arg = repo.display().to_string();
    let ingest = |more: &[&str]| {
        let args = ["--json", "ingest", "git", "--repo", &repo_arg];
        ledger.run(&[&args[..], more].concat())
    };
    ingest(&[]).refused(&["git has failed", "HEAD"]);
    let mut expected: Vec<String> = (0..3)
        .map(|n| commit(&repo, &format!("変更 {n}")))
        .collect();
    git(&repo, &["checkout", "-q", "-b", "side"]);
    let side = commit(&repo, "side");
    git(&repo, &["checkout", "-q", "main"]);
    let first = told(ingest(&[]));
    assert_eq!((&first["commits"], &first["known"]), (&json!(3), &json!(0)));
    assert_eq!(commits(&ledger, &repo), expected);

    let entries = ledger.verify()["entries"].clone();
    let again = told(ingest(&[]));
    assert_eq!((&again["commits"], &again["known"]), (&json!(0), &json!(3)));
    assert_eq!(ledger.verify()["entries"], entries);

    // A merge brings what was beside; with --all also what nobody has merged. Beside a server too.
    let server = ledger.serve();
    git(&repo, &["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    expected.extend([side, git(&repo, &["rev-parse", "HEAD"])]);
    assert_eq!(told(ingest(&[]))["commits"], 2);
    git(&repo, &["checkout", "-q", "-b", "open"]);
    let open = commit(&repo, "open");
    git(&repo, &["checkout", "-q", "main"]);
    assert_eq!(told(ingest(&[]))["commits"], 0);
    assert_eq!(told(ingest(&["--all"]))["commits"], 1);
    expected.push(open);
    assert_eq!(server.stop(), 0);
    assert_eq!(commits(&ledger, &repo), expected);

    // Rewritten and forgotten: what was there stays here, and what is new comes in.
    git(&repo, &["branch", "-q", "-D", "open"]);
    git(
        &repo,
        &[
            "commit",
            "-q",
            "--amend",
            "--allow-empty",
            "-m",
            "rewritten",
        ],
    );
    git(&repo, &["reflog", "expire", "--expire=now", "--all"]);
    git(&repo, &["gc", "-q", "--prune=now"]);
    // What is not here is not asked for elsewhere: the repository would name the program.
    let ran = ledger.beside("ran");
    let uploadpack = format!("touch '{}'; git-upload-pack", ran.display());
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", repo_arg.as_str()),
        ("remote.origin.uploadpack", &uploadpack),
        ("protocol.file.allow", "always"),
    ] {
        git(&repo, &["config", key, value]);
    }
    let rewritten = told(ingest(&[]));
    assert!(!ran.exists());
    assert!(
        rewritten["notes"][0]
            .as_str()
            .unwrap()
            .contains("rewritten"),
        "{rewritten}"
    );
    assert_eq!(told(ingest(&[]))["commits"], 0);
    let kept = contents(&ledger);
    for id in &expected {
        let there = kept
            .windows(40)
            .filter(|window| *window == id.as_bytes())
            .count();
        assert!(there >= 1, "{id}");
    }

    let entry = &ledger.events("log.ingested")[0];
    assert_eq!(
        (&entry["class"], &entry["data"]["hosts"]),
        (&json!("change"), &json!(1))
    );
    assert_eq!(
        entry["data"]["forms"],
        json!([{ "form": "commit", "lines": 3 }])
    );
    assert!(entry["data"]["first"].is_string());
    is_sealed(&ledger, &[NAME, USER, "変更"]);
    ledger.verify();
}

#[test]
fn a_repository_hides_no_commit_behind_a_graft() {
    let ledger = Ledger::new();
    let repo = ledger.beside("shop");
    std::fs::create_dir(&repo).unwrap();
    git(&repo, &["init", "-q", "-b", "main"]);
    let all: Vec<String> = (0..3)
        .map(|n| commit(&repo, &format!("変更 {n}")))
        .collect();
    std::fs::write(repo.join(".git/info/grafts"), format!("{}\n", all[1])).unwrap();
    assert_eq!(git(&repo, &["rev-list", "HEAD"]).lines().count(), 2);
    let repo_arg = repo.display().to_string();
    let ingested = told(ledger.run(&["--json", "ingest", "git", "--repo", &repo_arg]));
    assert_eq!(ingested["commits"], 3);
    assert_eq!(commits(&ledger, &repo), all);
}

#[test]
fn a_file_is_taken_in_once_where_it_was_left_and_byte_for_byte() {
    let ledger = Ledger::new();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'proxy'\nclass = 'network'\n"));
    let path = ledger.beside("proxy.log");
    let ingest = |path: &Path| {
        let path = path.display().to_string();
        ledger.run(&["--json", "ingest", "file", "--source", "proxy", &path])
    };
    let line = |n: usize| {
        format!(
            "2026-11-30T00:00:{:02}Z {n} {USER} \u{e000}{}\n",
            n % 60,
            "y".repeat(n % 300)
        )
    };
    let mut bytes: Vec<u8> = (0..20_000).map(line).collect::<String>().into_bytes();
    bytes.extend_from_slice(b"\xff\xfe no end");
    std::fs::write(&path, &bytes).unwrap();
    let first = told(ingest(&path));
    assert_eq!(
        (&first["lines"], &first["bytes"]),
        (&json!(20_001), &json!(bytes.len()))
    );
    assert!(first["entries"].as_u64().unwrap() > 2, "{first}");
    assert!(contents(&ledger) == bytes, "byte for byte");
    let state = ledger.state();
    assert_eq!(told(ingest(&path))["known"], bytes.len());
    assert_eq!(ledger.state(), state);

    // It has grown, under another name, beside a server.
    let server = ledger.serve();
    let more = b" here\n2026-11-30 more\n";
    bytes.extend_from_slice(more);
    let renamed = ledger.beside("proxy.log.1");
    std::fs::write(&renamed, &bytes).unwrap();
    assert_eq!(told(ingest(&renamed))["bytes"], more.len());
    assert!(contents(&ledger) == bytes);
    assert_eq!(server.stop(), 0);
    // Begun anew under the old one.
    std::fs::write(&path, b"another\n").unwrap();
    let anew = told(ingest(&path));
    assert_eq!((&anew["bytes"], &anew["known"]), (&json!(8), &json!(0)));
    bytes.extend_from_slice(b"another\n");
    assert!(contents(&ledger) == bytes);
    std::fs::write(&path, b"").unwrap();
    assert_eq!(told(ingest(&path))["entries"], 0);
    is_sealed(&ledger, &[USER]);
    ledger.verify();
}

/// The log alone says how far a file has come, so neither a kill nor a second run beside the first
/// leaves a byte out or takes one in twice.
#[test]
fn a_run_that_is_killed_or_not_alone_leaves_nothing_out_and_doubles_nothing() {
    let ledger = Ledger::new();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'proxy'\nclass = 'network'\n"));
    let path = ledger.beside("proxy.log");
    let line = |n: usize| format!("2026-11-30T00:00:00Z {n} {}\n", "z".repeat(n % 400));
    let bytes: Vec<u8> = (0..40_000).map(line).collect::<String>().into_bytes();
    std::fs::write(&path, &bytes).unwrap();
    let server = ledger.serve();
    let start = || {
        let mut command = daicho(&ledger.dir);
        command
            .args(["ingest", "file", "--source", "proxy"])
            .arg(&path);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let entries = || ledger.events("log.ingested").len();
    for least in [1, 3] {
        let mut run = start();
        wait_for("some entries", || {
            entries() >= least || run.try_wait().unwrap().is_some()
        });
        let _ = run.kill();
        run.wait().unwrap();
    }
    let mut both = [start(), start()];
    for run in &mut both {
        assert!(run.wait().unwrap().success());
    }
    assert!(contents(&ledger) == bytes, "every byte, once, in its place");
    assert!(entries() > 5);
    assert_eq!(server.stop(), 0);
    ledger.verify();
}

#[test]
fn usage_exports_go_into_api_and_what_nobody_can_place_is_refused() {
    let ledger = Ledger::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = ledger.beside(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let csv = write(
        "usage.csv",
        b"\xef\xbb\xbfusage_date_utc,model,api_key,tokens\n2026-11-29,claude-x,k1,1200\n",
    );
    let json_ = write(
        "usage.json",
        b"{\"data\":[{\"start_time\":\"2026-11-29T00:00:00Z\"}]}",
    );
    let binary = write("usage.xlsx", b"PK\x03\x04\0\0\0\0");
    let ran = ledger.run(&["--json", "ingest", "usage", &csv, &json_]);
    assert_eq!(ran.ok().lines().count(), 2);
    let entries = ledger.events("log.ingested");
    assert!(entries.iter().all(|entry| entry["class"] == "api"));
    assert_eq!(entries[0]["data"]["first"], "2026-11-29T00:00:00.000000Z");
    assert_eq!(
        entries[1]["data"]["forms"],
        json!([{ "form": "json", "lines": 1 }])
    );

    let before = ledger.state();
    ledger
        .run(&["ingest", "usage", &binary])
        .refused(&["usage.xlsx is neither CSV nor JSON"]);
    ledger
        .run(&["ingest", "usage", "/nowhere/u.csv"])
        .refused(&["/nowhere/u.csv"]);
    ledger
        .run(&["ingest", "file", "--source", "proxy", &csv])
        .refused(&["no [[ingest]] of source proxy"]);
    ledger
        .run(&["ingest", "git", "--repo", "/nowhere"])
        .refused(&["git has failed"]);
    assert_eq!(ledger.state(), before);

    // A port that is in use, and half a table, stop the start before anything is written.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = '{}'", taken.local_addr().unwrap());
    for (more, part) in [
        (listen.as_str(), "cannot be listened on"),
        (
            "listen = '127.0.0.1:0'\ncertificate_file = '/nowhere/c'\nkey_file = '/nowhere/k'",
            "/nowhere/k",
        ),
        ("key_file = '/nowhere/k'", "go together"),
    ] {
        ledger.configure(|text| {
            format!("{text}\n[[ingest]]\nsource = 'fw'\nclass = 'network'\n{more}\n")
        });
        let before = ledger.state();
        ledger
            .run(&["serve", "--listen", "127.0.0.1:0"])
            .refused(&[part]);
        assert_eq!(ledger.state(), before);
        ledger.configure(|text| {
            text.split("\n[[ingest]]\nsource = 'fw'")
                .next()
                .unwrap()
                .to_owned()
        });
    }
}
