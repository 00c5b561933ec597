//! Receivers that are there, and do nothing.

use super::{Told, long};
use crate::common::pki::Authority;
use crate::common::rsyslog::{Rsyslog, TlsSide};
use crate::world::{Disk, Ledger, ORIGIN, Server, cannot_run, drill, say, wait_for, walk};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Longer than any patience that daicho has with a receiver.
const LONG: Duration = Duration::from_secs(240);

#[track_caller]
fn wait_long(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < until, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Takes connections and never reads.
fn one_that_reads_nothing() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Speaks RELP as far as `open`, reads all, and answers for nothing.
fn one_that_answers_nothing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || mute(stream));
        }
    });
    port
}

fn mute(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    // Its offers are three lines.
    for _ in 0..3 {
        stream.read_until(b'\n', &mut Vec::new())?;
    }
    let offers = "200 OK\nrelp_version=0\ncommands=syslog";
    let welcome = format!("1 rsp {} {offers}\n", offers.len());
    stream.get_mut().write_all(welcome.as_bytes())?;
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}

/// One test for all that shows after a while only, so that one while is enough: a receiver that reads nothing, one that
/// answers nothing, and the heartbeat of a log to which nothing happens.
#[test]
fn what_stands_still_shows_while_it_does_and_an_idle_log_has_a_heartbeat() {
    let (_listener, deaf) = one_that_reads_nothing();
    let mute = one_that_answers_nothing();
    let own = "host = '127.0.0.1'";
    let told = Told::to(&[
        format!("name = 'deaf'\ntransport = 'tcp'\n{own}\nport = {deaf}\nmax_octets = 65536"),
        format!("name = 'mute'\ntransport = 'relp'\n{own}\nport = {mute}"),
        "name = 'shipper'\ntransport = 'file'\ndirectory = 'out'".to_owned(),
    ]);
    // More than two kernels' buffers take; the appends are answered all the same.
    for _ in 0..12 {
        told.post(&vec![long(64_000); 20]);
    }
    told.add(5);
    let size = told.server.size();
    for name in ["deaf", "mute"] {
        told.counts(name, "lag_entries", 1);
        told.counts(name, "lag_seconds", 1);
        assert_eq!(
            told.metric("connected", name),
            Some(1),
            "it is there, and that says little"
        );
    }
    // At RELP no answer shows as that, though it is connected and has taken what the window holds.
    told.counts("mute", "unanswered", 1);
    told.counts("mute", "unanswered_seconds", 1);
    assert_eq!(told.status("mute").1["confirmed"], 0);

    // Nothing happens any more, but the heartbeat: in the log, and at the receiver that works.
    let stored = || -> Vec<u8> {
        let files = walk(&told.ledger.dir.join("out"));
        files
            .iter()
            .flat_map(|file| std::fs::read(file).unwrap())
            .collect()
    };
    let beats = || {
        let text = String::from_utf8(stored()).unwrap();
        text.lines()
            .filter(|line| line.contains("\"kind\":\"ledger.checkpoint\""))
            .count()
    };
    wait_long("a heartbeat though nothing happens", || beats() >= 1);
    let beaten = told.server.size();
    assert!(beaten > size);
    let report = told.check(&stored()).1;
    assert_eq!(report["chains"][ORIGIN]["gaps"]["count"], 0, "{report}");
    let file = told.ledger.beside("stored").display().to_string();
    told.ledger.run(&["verify", "--checkpoint", &file]).ok();

    // Neither is waited for for ever: each connection is given up, told of, and made anew.
    let given_up = |name: &str, fault: &str| {
        wait_long(&format!("{name} is given up"), || {
            let row = told.status(name).1;
            row["faults"][fault].as_u64() >= Some(1) && row["connections"].as_u64() >= Some(2)
        });
        let (text, _) = told.status(name);
        let faults = text
            .lines()
            .find(|line| line.trim_start().starts_with("faults "));
        assert!(
            faults.is_some_and(|line| line.contains(&format!("{fault} "))),
            "{text}"
        );
        let start = format!("daicho_export_faults{{destination=\"{name}\",fault=\"{fault}\"}} ");
        assert!(told.figure(&start) >= Some(1));
    };
    given_up("deaf", "unanswered");
    given_up("mute", "unanswered");
    // What was given up was not given away: nothing of it counts as arrived.
    for name in ["deaf", "mute"] {
        assert_eq!(told.status(name).1["confirmed"], 0);
    }
    // Nor is an entry at fault because a receiver is.
    assert!(told.ledger.events("export.degraded").is_empty());
    assert_eq!(told.server.stop(), 0);
}

/// A real receiver whose process stands still in the middle of a stream over TLS: it is connected, and that it takes
/// nothing shows; when it goes on it gets the rest.
#[test]
fn a_receiver_that_stops_midway_under_tls_shows_and_has_everything_once_it_goes_on() {
    let authority = Authority::new();
    let shown = authority.issue("receiver.example");
    let us = authority.issue("ledger.example");
    let ca = authority.certificate();
    let side = || {
        Some(TlsSide {
            driver: "ossl",
            ca: &ca,
            certificate: &shown.certificate,
            key: &shown.key,
            permitted_peer: Some("ledger.example"),
        })
    };
    let (Some(relp), Some(plain)) = (Rsyslog::relp(side(), ""), Rsyslog::start(side())) else {
        return;
    };
    let table = |transport: &str, port: u16| {
        format!(
            "name = '{transport}'\ntransport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\nmax_octets = 65536\n\
             ca_file = '{}'\nserver_name = 'receiver.example'\nclient_certificate_file = '{}'\nclient_key_file = '{}'",
            ca.display(),
            us.certificate.display(),
            us.key.display()
        )
    };
    let told = Told::to(&[table("relp-tls", relp.port), table("tls", plain.port)]);
    let receivers = [("relp-tls", &relp), ("tls", &plain)];
    told.add(100);
    for (name, rsyslog) in receivers {
        told.arrives(name);
        told.stores_all(|| rsyslog.stored_now());
        rsyslog.signal("-STOP");
    }
    // More than two kernels' buffers take.
    for _ in 0..12 {
        told.post(&vec![long(64_000); 20]);
    }
    for (name, _) in receivers {
        told.counts(name, "lag_entries", 1);
        told.counts(name, "lag_seconds", 1);
        assert_eq!(told.metric("connected", name), Some(1));
    }
    told.counts("relp-tls", "unanswered", 1);
    told.counts("relp-tls", "unanswered_seconds", 1);
    for (name, rsyslog) in receivers {
        rsyslog.signal("-CONT");
        told.arrives(name);
        let chain = told.stores_all(|| rsyslog.stored_now());
        assert_eq!(chain["reduced"], 0, "{chain}");
    }
    assert_eq!(told.server.stop(), 0);
}

/// rsyslog whose file is on a disk of its own. Without a queue: an answer should be for what is written.
const ON_A_DISK: &str = r#"
global(workDirectory="{dir}" maxMessageSize="128k" net.enableDNS="off")
module(load="imrelp")
ruleset(name="in" queue.type="direct") {
  action(type="omfile" file="{disk}/stored" template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1")
}
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="in")
"#;

/// rsyslog answers `200 OK` for what its full disk does not take, whatever its queue: nothing on this side can see that.
/// What finds it is its own file, and what mends it a part sent again.
#[test]
fn what_a_full_disk_swallowed_behind_an_answer_is_found_in_the_file_and_sent_again() {
    let Some(disk) = Disk::new(8) else {
        return cannot_run("receivers", "this user may not mount");
    };
    let whole = ON_A_DISK.replace("{disk}", &disk.at.display().to_string());
    let Some(rsyslog) = Rsyslog::configured(&whole) else {
        return;
    };
    let port = rsyslog.port;
    let told = Told::to(&[format!(
        "name = 'hq'\ntransport = 'relp'\nhost = '127.0.0.1'\nport = {port}"
    )]);
    told.add(50);
    told.arrives("hq");
    let stored = || std::fs::read(disk.at.join("stored")).unwrap_or_default();
    told.stores_all(stored);
    disk.leave(8 << 10);
    told.add(100);
    told.arrives("hq");
    disk.grow(32);
    told.add(20);
    let row = told.arrives("hq");
    assert_eq!(
        row["confirmed"],
        told.server.size(),
        "all of it was answered for: {row}"
    );
    let chain = || {
        let (ran, report) = told.check(&stored());
        (ran.code, report["chains"][ORIGIN].clone())
    };
    let mut found = (0, serde_json::Value::Null);
    wait_for("the last line", || {
        found = chain();
        found.1["last"].as_u64() >= Some(told.server.size() - 1)
    });
    let (code, before) = found;
    assert!(
        code == 1 && before["gaps"]["count"].as_u64() >= Some(1),
        "{before}"
    );
    for gap in before["gaps"]["first"].as_array().unwrap() {
        let (from, to) = (gap["first"].to_string(), gap["last"].to_string());
        told.ledger
            .run(&["export", "replay", "hq", "--from", &from, "--to", &to])
            .ok();
    }
    wait_for("the gaps are closed", || {
        let (_, chain) = chain();
        chain["entries"] == chain["ledger_entries"] && chain["gaps"]["count"] == 0
    });
    say(&format!(
        "a full disk: {} gaps behind answers, found and closed",
        before["gaps"]["count"]
    ));
}

/// A receiver that was there, was away from the configuration, and is back under its name goes on where it was; under
/// another name it gets everything.
#[test]
fn a_name_that_comes_back_goes_on_and_a_new_one_begins() {
    let ledger = Ledger::new();
    let plain = std::fs::read_to_string(ledger.dir.join("daicho.toml")).unwrap();
    let with = |name: &str| {
        format!("{plain}\n[[export]]\nname = '{name}'\ntransport = 'file'\ndirectory = '{name}'\n")
    };
    let lines = |name: &str| {
        let files = walk(&ledger.dir.join(name));
        files
            .iter()
            .map(|file| std::fs::read_to_string(file).unwrap().lines().count() as u64)
            .sum::<u64>()
    };
    let feed = |server: &Server| {
        let body = crate::world::ndjson(&[drill("one"), drill("two")]);
        assert!(
            server
                .post("application/x-ndjson", body)
                .send()
                .unwrap()
                .status()
                .is_success()
        );
    };
    for config in [with("hq"), plain.clone(), with("hq"), with("siem")] {
        std::fs::write(ledger.dir.join("daicho.toml"), &config).unwrap();
        let server = ledger.serve();
        feed(&server);
        if config != plain {
            wait_for("the receiver has everything", || {
                let row = &server.json("/api/v1/export")[0];
                row["confirmed"].as_u64() == Some(server.size())
            });
            let row = &server.json("/api/v1/export")[0];
            let name = row["destination"].as_str().unwrap();
            assert_eq!(
                (row["resent"].as_u64(), lines(name)),
                (Some(0), server.size()),
                "{row}"
            );
        }
        assert_eq!(server.stop(), 0);
    }
}
