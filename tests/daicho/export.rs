//! Receivers of the log, seen from the command line: what they get through kills, and what
//! `export check` and `verify --checkpoint` make of what they stored.

use crate::common::wait_at_most;
use crate::retention::{JANUARY, at, there};
use crate::world::{Dice, Ledger, ORIGIN, daicho, drill, overwrite, run, wait_for, walk};
use schemas::Timestamp;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Adds a receiver to the ledger's configuration.
fn receiver(ledger: &Ledger, table: &str) {
    let path = ledger.dir.join("daicho.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    overwrite(&path, format!("{config}\n[[export]]\n{table}").as_bytes());
}

fn files(ledger: &Ledger, name: &str) {
    let table = format!("name = '{name}'\ntransport = 'file'\ndirectory = '{name}'\n");
    receiver(ledger, &table);
}

/// What the files of a receiver hold, oldest first.
fn written(ledger: &Ledger, name: &str) -> Vec<u8> {
    let paths = walk(&ledger.dir.join(name));
    paths
        .iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn beside(ledger: &Ledger, name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = ledger.beside(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

fn events(count: usize) -> String {
    let lines = (0..count).map(|n| format!("{}\n", drill(&format!("drill-{n}"))));
    lines.collect()
}

/// Everything is on the receiver's disk.
fn wait_until_written(server: &crate::world::Server) {
    wait_for("the receiver has everything", || {
        let status = &server.json("/api/v1/export")[0];
        status["confirmed"].as_u64() == Some(server.size())
    });
}

#[test]
fn files_of_a_server_that_is_killed_hold_every_entry_once_and_whole() {
    const KILLS: u64 = 15;
    let mut dice = Dice::thrown("export");
    let ledger = Ledger::new();
    files(&ledger, "shipper");
    for _ in 0..KILLS {
        let server = ledger.serve();
        let (load, until) = (events(100), dice.below(12));
        for _ in 0..=until {
            let sent = server.post("application/x-ndjson", load.clone()).send();
            assert!(sent.unwrap().status().is_success());
        }
        server.kill();
    }
    let server = ledger.serve();
    wait_until_written(&server);
    let status = server.json("/api/v1/export");
    assert_eq!(server.stop(), 0);
    let stored = beside(&ledger, "stored", &written(&ledger, "shipper"));
    let args = ["export", "check", &stored, "--ledger", "--json"];
    let report = &ledger.run(&args).lines()[0];
    let chain = &report["chains"][crate::world::ORIGIN];
    assert_eq!(chain["entries"], chain["ledger_entries"], "{report}");
    assert_eq!(chain["duplicates"], 0, "{report}");
    assert_eq!(report["other"], 0, "{report}");
    assert_eq!(status[0]["resent"], 0, "{status}");
    crate::world::say(&format!(
        "export: {KILLS} kills, {} lines, none torn, none twice",
        chain["entries"]
    ));
}

/// The counts of a chain's faults.
fn faults(report: &Value) -> [u64; 4] {
    let chain = &report["chains"][crate::world::ORIGIN];
    ["gaps", "truncated", "altered", "forged"].map(|what| chain[what]["count"].as_u64().unwrap())
}

#[test]
fn what_a_receiver_stored_is_judged_by_its_own_bytes() {
    let ledger = Ledger::new();
    files(&ledger, "shipper");
    receiver(
        &ledger,
        "name = 'lines'\ntransport = 'file'\ndirectory = 'lines'\nformat = 'rfc5424'\n",
    );
    let server = ledger.serve();
    server
        .post("application/x-ndjson", events(50))
        .send()
        .unwrap();
    wait_for("both receivers have everything", || {
        let rows = server.json("/api/v1/export");
        let rows = rows.as_array().unwrap();
        rows.iter()
            .all(|row| row["confirmed"].as_u64() == Some(server.size()))
    });
    let lag = &server.json("/api/v1/export")[0];
    assert_eq!(
        (&lag["lag_entries"], &lag["lag_seconds"]),
        (&0.into(), &0.into())
    );
    let told = ledger.run(&["export", "status"]).ok();
    for word in ["shipper", "lines", "position", "lag_seconds", "resent"] {
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(server.stop(), 0);
    // At rest the cursors say the same.
    let resting = ledger.run(&["--json", "export", "status"]);
    assert!(resting.err.contains("no server runs"), "{resting:?}");
    for row in resting.lines() {
        assert_eq!(row["confirmed"], row["position"], "{row}");
        assert_eq!(
            (&row["connected"], &row["lag_entries"]),
            (&false.into(), &0.into())
        );
    }

    let vkey = ledger.run(&["key", "show"]).ok();
    let vkey = vkey
        .split_whitespace()
        .find(|word| word.contains('+'))
        .unwrap();
    for (name, cut) in [("shipper", "\"sig\":\""), ("lines", "sig=\"")] {
        let whole = String::from_utf8(written(&ledger, name)).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let check = |text: String, code: i32| {
            let file = beside(&ledger, "stored", text.as_bytes());
            let ran = ledger.run(&["export", "check", &file, "--vkey", vkey, "--json"]);
            assert_eq!(ran.code, code, "{ran:?}");
            serde_json::from_str::<Value>(&ran.out).unwrap()
        };
        assert_eq!(faults(&check(whole.clone(), 0)), [0; 4]);
        let copies = check([&lines[..], &lines[20..30]].concat().join("\n"), 0);
        assert_eq!(copies["chains"][crate::world::ORIGIN]["duplicates"], 10);
        let gap = check([&lines[..20], &lines[25..]].concat().join("\n"), 1);
        assert_eq!(faults(&gap), [1, 0, 0, 0]);
        let altered = check(whole.replace("drill-7\"", "drill-8\""), 1);
        assert_eq!(faults(&altered)[2], 1, "{altered}");
        let forged = check(whole.replacen(cut, &format!("{cut}AAAA"), 1), 1);
        assert!(
            faults(&forged) != [0; 4] || forged["torn"]["count"] == 1,
            "{forged}"
        );
        // What lacks at either end shows where the ledger is; elsewhere that it begins late is told.
        let (head, tail) = (lines[5..].join("\n"), lines[..lines.len() - 5].join("\n"));
        for text in [&head, &tail] {
            check(text.clone(), 0);
        }
        let last = lines.len() - 1;
        for (text, gaps, shown) in [
            (&head, 1, "gap        0 to 4".to_owned()),
            (
                &tail,
                0,
                format!(
                    "tail       {} to {last} are not there yet, or lost",
                    last - 4
                ),
            ),
        ] {
            let file = beside(&ledger, "stored", text.as_bytes());
            let by_ledger = ["export", "check", &file, "--ledger"];
            let ran = ledger.run(&by_ledger);
            assert!(ran.code == 1 && ran.out.contains(&shown), "{ran:?}");
            let ran = ledger.run(&[&by_ledger[..], &["--json"]].concat());
            let report: Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!(faults(&report), [gaps, 0, 0, 0]);
            let told = ledger.run(&["export", "check", &file, "--vkey", vkey]).ok();
            assert_eq!(told.contains("begins     at 5:"), gaps == 1, "{told}");
        }
        let torn = check(whole[..whole.len() - 40].to_owned(), 1);
        assert!(
            faults(&torn) != [0; 4] || torn["torn"]["count"] == 1,
            "{torn}"
        );
    }
    let nothing = beside(&ledger, "stored", b"<13>1 - - - - - - hello\n");
    ledger
        .run(&["export", "check", &nothing])
        .refused(&["no message of daicho"]);
}

#[test]
fn the_siem_s_file_finds_a_ledger_that_was_rolled_back_or_written_anew() {
    let ledger = Ledger::new();
    files(&ledger, "shipper");
    for format in ["rfc5424", "ocsf"] {
        let table = format!(
            "name = '{format}'\ntransport = 'file'\ndirectory = '{format}'\nformat = '{format}'\n"
        );
        receiver(&ledger, &table);
    }
    let server = ledger.serve();
    let few = server.post("application/x-ndjson", events(500)).send();
    assert!(few.unwrap().status().is_success());
    assert_eq!(server.stop(), 0);
    // The copy that somebody will put in its place.
    let younger = ledger.copy();
    let server = ledger.serve();
    // A checkpoint goes out with every 10,000 entries.
    for _ in 0..11 {
        server
            .post("application/x-ndjson", events(1_000))
            .send()
            .unwrap();
    }
    wait_for("a checkpoint is in the log", || {
        server
            .text("/metrics")
            .contains("kind=\"ledger.checkpoint\"")
    });
    wait_for("all receivers have everything", || {
        let rows = server.json("/api/v1/export");
        let all = |row: &Value| row["confirmed"].as_u64() == Some(server.size());
        rows.as_array().unwrap().iter().all(all)
    });
    assert_eq!(server.stop(), 0);
    // It was the entries that made it due, not the time.
    let first = &ledger.events("ledger.checkpoint")[0];
    let created = &ledger.events("ledger.created")[0];
    let size = first["data"]["size"].as_u64();
    assert!(size >= Some(10_000), "{first}");
    let [begun, beaten] = [created, first].map(|entry| {
        let at: Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
        at.micros()
    });
    assert!(beaten - begun < 60_000_000, "{created} {first}");
    let receivers = ["shipper", "rfc5424", "ocsf"];
    let stored = receivers.map(|name| beside(&ledger, name, &written(&ledger, name)));
    for stored in &stored {
        let verified = ledger.run(&["verify", "--checkpoint", stored]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    // Sound in itself, with the right name and key: only who holds what was sent since can know.
    let found = |what: &str| {
        younger.verify();
        for stored in &stored {
            let verified = younger.run(&["verify", "--checkpoint", stored, "--json"]);
            assert_eq!(verified.code, 1, "{what}: {verified:?}");
            let report: Value = serde_json::from_str(&verified.out).unwrap();
            assert_ne!(
                report["findings"],
                serde_json::json!([]),
                "{what}: {report}"
            );
        }
    };
    found("rolled back");
    // Grown again beyond what the SIEM has seen.
    let other: String = (0..12_000)
        .map(|n| format!("{}\n", drill(&format!("other-{n}"))))
        .collect();
    younger.run_with(&["append"], other.as_bytes()).ok();
    found("written anew");
}

/// A heartbeat is due by the log's newest, whoever wrote it: not by the life of a process.
#[test]
fn a_server_that_never_lives_for_a_minute_has_a_heartbeat() {
    if !there("export") {
        return;
    }
    let ledger = Ledger::none();
    at(&ledger, JANUARY, &["init", "--origin", ORIGIN]).ok();
    let beats = || ledger.events("ledger.checkpoint").len();
    let server = ledger.serve();
    wait_at_most(Duration::from_secs(30), "what is due", || {
        (beats() == 1).then_some(())
    });
    assert_eq!(server.stop(), 0);
    // And is not due again because somebody starts anew.
    for _ in 0..3 {
        let server = ledger.serve();
        let size = server.size();
        let sent = server.post("application/x-ndjson", events(1)).send();
        assert!(sent.unwrap().status().is_success());
        wait_for("the event", || server.size() > size);
        assert_eq!(server.stop(), 0);
    }
    assert_eq!(beats(), 1);
}

/// Each receiver is told by its own list; what one is not told stands nowhere in its bytes.
#[test]
fn a_receiver_is_not_told_what_is_withheld_from_it_and_another_is() {
    let ledger = Ledger::new();
    for format in ["json", "rfc5424", "ocsf", "cef", "leef"] {
        for (name, withhold) in [
            ("all", ""),
            ("less", "withhold = ['data.drill', 'session']\n"),
        ] {
            let name = format!("{name}-{format}");
            receiver(
                &ledger,
                &format!(
                    "name = '{name}'\ntransport = 'file'\ndirectory = '{name}'\nformat = '{format}'\n{withhold}"
                ),
            );
        }
    }
    let server = ledger.serve();
    let mut event = drill("a-name-of-a-drill");
    event["session"] = "a name of a session".into();
    let sent = server
        .post("application/x-ndjson", format!("{event}\n"))
        .send();
    assert!(sent.unwrap().status().is_success());
    wait_for("all receivers have everything", || {
        let rows = server.json("/api/v1/export");
        let all = |row: &Value| row["confirmed"].as_u64() == Some(server.size());
        rows.as_array().unwrap().iter().all(all)
    });
    assert_eq!(server.stop(), 0);
    for format in ["json", "rfc5424", "ocsf", "cef", "leef"] {
        for text in ["a-name-of-a-drill", "a name of a session"] {
            let holds = |name: &str| {
                let stored = written(&ledger, &format!("{name}-{format}"));
                String::from_utf8(stored).unwrap().contains(text)
            };
            assert!(holds("all") && !holds("less"), "{format}: {text}");
        }
    }
    // What is left out is no fault to whoever checks, and says that it is.
    for format in ["json", "rfc5424"] {
        let stored = beside(
            &ledger,
            "stored",
            &written(&ledger, &format!("less-{format}")),
        );
        let report = &ledger
            .run(&["export", "check", &stored, "--ledger", "--json"])
            .lines()[0];
        assert_eq!(
            report["chains"][crate::world::ORIGIN]["reduced"],
            1,
            "{report}"
        );
    }
}

#[test]
fn our_certificate_is_made_and_named_for_a_receiver_that_pins_it() {
    let ledger = Ledger::new();
    let peer = "transport = 'tls'\nhost = '127.0.0.1'\nport = 9\n";
    let client = "client_certificate_file = 'pki/us.pem'\nclient_key_file = 'pki/us.key'\n";
    receiver(
        &ledger,
        &format!("name = 'hq'\nhostname = 'ledger.example'\n{peer}{client}"),
    );
    receiver(&ledger, &format!("name = 'plain'\n{peer}"));
    files(&ledger, "shipper");
    let certificate = |more: &[&str]| ledger.run(&[&["export", "certificate"], more].concat());
    certificate(&["hq"]).refused(&["pki/us.pem", "--create"]);
    for name in ["plain", "shipper"] {
        certificate(&[name]).refused(&["client_certificate_file"]);
    }
    let told = certificate(&["hq", "--create"]).ok();
    for hash in ["sha256", "sha1"] {
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["x509", "-noout", "-fingerprint", &format!("-{hash}"), "-in"]);
        let shown = run(
            {
                openssl.arg(ledger.dir.join("pki/us.pem"));
                openssl
            },
            b"",
        )
        .ok();
        let fingerprint = shown.trim().split_once('=').unwrap().1.to_owned();
        let label = hash.replace("sha", "sha-");
        assert!(
            told.contains(&format!("{label}:{fingerprint}")),
            "{told} {shown}"
        );
    }
    let key = ledger.dir.join("pki/us.key");
    let before = std::fs::read(&key).unwrap();
    certificate(&["hq", "--create"]).refused(&["is there already"]);
    assert_eq!(std::fs::read(&key).unwrap(), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let json = &certificate(&["hq", "--json"]).lines()[0];
    assert!(told.contains(json["sha256"].as_str().unwrap()), "{json}");
}

#[test]
fn a_receiver_can_be_tried_and_given_a_part_again() {
    let ledger = Ledger::new();
    ledger.append(&[drill("one"), drill("two")]);
    files(&ledger, "shipper");
    receiver(
        &ledger,
        "name = 'gone'\ntransport = 'relp'\nhost = '127.0.0.1'\nport = 9\n",
    );
    let told = ledger.run(&["export", "test", "shipper"]).ok();
    assert!(
        told.contains("sent       1 entry") && told.contains("written to"),
        "{told}"
    );
    let replayed = ledger.run(&[
        "--json", "export", "replay", "shipper", "--from", "1", "--to", "2",
    ]);
    assert_eq!(replayed.lines()[0]["sent"], 2);
    let replay = |from, to| {
        let mut command = daicho(&ledger.dir);
        command.args(["export", "replay", "shipper", "--from", from, "--to", to]);
        run(command, b"")
    };
    replay("1", "99").refused(&["no entry 99"]);
    replay("2", "1").refused(&["--from and --to"]);
    ledger
        .run(&["export", "test", "gone"])
        .refused(&["127.0.0.1:9"]);
    ledger
        .run(&["export", "test", "none"])
        .refused(&["shipper, gone"]);
}
