//! Senders over TCP: logger, bytes of any kind, a ledger that cannot record.

use super::{NAME, USER, ingested, is_sealed, lines, listening, metric, recorded};
use crate::world::{cannot_run, has, wait_for, walk};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

fn logger(port: u16, args: &[&str], text: &str) {
    let mut command = Command::new("logger");
    command.args([
        "--tcp",
        "--server",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "-t",
        "vpn",
    ]);
    let status = command.args(args).arg(text).status().unwrap();
    assert!(status.success());
}

#[test]
fn what_logger_sends_in_each_form_is_sealed_as_it_came() {
    if !has("logger", "--version") {
        return cannot_run("ingest", "there is no logger(1) (package bsdutils)");
    }
    let (ledger, port) = listening("network", "");
    let server = ledger.serve();
    let text = |n: u32| format!("login {n} of {USER} ({NAME}) from 203.0.113.7");
    logger(port, &["--rfc5424=notq,nohost"], &text(1));
    logger(port, &["--rfc3164"], &text(2));
    logger(port, &["--rfc5424", "--octet-count"], &text(3));
    wait_for("three lines", || recorded(&server) == 3);
    assert_eq!(metric(&server, "daicho_ingest_waits"), 0);
    assert_eq!(server.stop(), 0);

    let lines = lines(&ledger);
    // Three connections, and nobody says which is heard first.
    for n in 1..=3 {
        let mut of = lines.iter().map(|line| String::from_utf8_lossy(line));
        assert!(
            of.any(|line| line.starts_with('<') && line.ends_with(&text(n))),
            "{n}"
        );
    }
    let mut forms = BTreeMap::new();
    for (data, _) in ingested(&ledger) {
        assert!(
            data["first"].is_string() && data["source"] == "fw",
            "{data}"
        );
        for form in data["forms"].as_array().unwrap() {
            let sum = forms
                .entry(form["form"].as_str().unwrap().to_owned())
                .or_insert(0);
            *sum += form["lines"].as_u64().unwrap();
        }
    }
    let expected = [("rfc3164".to_owned(), 1), ("rfc5424".to_owned(), 2)];
    assert_eq!(forms, BTreeMap::from(expected));
    let entry = &ledger.events("log.ingested")[0];
    assert_eq!(
        (&entry["class"], &entry["actor"]),
        (&json!("network"), &json!("service:ingest"))
    );
    is_sealed(&ledger, &[NAME, USER, "203.0.113.7"]);
    ledger.verify();
}

#[test]
fn bytes_of_any_kind_are_kept_and_a_stop_records_what_has_come() {
    let (ledger, port) = listening("auth", "");
    let server = ledger.serve();
    let mut one = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let endless = vec![b'x'; 300 << 10];
    let stream = [
        b"8 <1>a\nb\n <13>Nov 30 09:00:00 pc \xff\xfe\0\r\n\n".as_slice(),
        &endless,
    ]
    .concat();
    one.write_all(&stream).unwrap();
    // Each is one entry at least: the other connections do not wait for this one.
    let mut two = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let xml = "<Event xmlns='x'><System><TimeCreated SystemTime='2026-11-30T00:00:00Z'/>\
               <Channel>Security</Channel><Computer>pc-kirishima</Computer></System></Event>";
    let json =
        r#"{"EventTime":"2026-11-30 09:00:01","Hostname":"dc01","Channel":"桐島","EventID":4624}"#;
    writeln!(two, "{xml}\n{json}").unwrap();
    drop(two);
    let idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"<13>half a line").unwrap();
    wait_for("all connections", || {
        metric(&server, "daicho_ingest_connections") == 3
    });
    wait_for("whole lines and pieces", || recorded(&server) == 7);
    // Sent and gone, perhaps before anybody has looked who is there.
    let mut late = TcpStream::connect(("127.0.0.1", port)).unwrap();
    late.write_all(b"<13>the last\n").unwrap();
    drop(late);
    assert_eq!(server.stop(), 0);
    drop((one, idle, half));

    let lines = lines(&ledger);
    let of = |wanted: &[u8]| lines.iter().filter(|line| *line == wanted).count();
    assert_eq!(of(b"<13>Nov 30 09:00:00 pc \xff\xfe\0\r"), 1);
    assert_eq!(
        (of(b""), of(b"<1>a\nb\n "), of(b"<13>half a line")),
        (1, 1, 1)
    );
    assert_eq!((of(xml.as_bytes()), of(json.as_bytes())), (1, 1));
    let pieces: Vec<u8> = lines
        .iter()
        .filter(|line| line.starts_with(b"xx"))
        .flatten()
        .copied()
        .collect();
    assert_eq!(pieces, endless);
    let all = ingested(&ledger);
    let sum = |field: &str| {
        all.iter()
            .filter_map(|(data, _)| data[field].as_u64())
            .sum::<u64>()
    };
    assert_eq!((sum("lines"), sum("pieces")), (10, 4));
    assert_eq!(of(b"<13>the last"), 1);
    let channels: Vec<&Value> = all
        .iter()
        .filter_map(|(data, _)| data.get("channels"))
        .collect();
    assert_eq!(channels, [&json!(["Security"])]);
    is_sealed(&ledger, &["桐島", "pc-kirishima"]);
    ledger.verify();
}

/// The key of the bucket is gone: nothing can be recorded, so nothing more is read, and whoever
/// sends has to wait. With the key everything goes on, and no line is missing.
#[test]
fn a_ledger_that_cannot_record_makes_senders_wait_and_loses_nothing() {
    const LINES: usize = 200_000;
    let (ledger, port) = listening("network", "");
    let server = ledger.serve();
    let mut first = TcpStream::connect(("127.0.0.1", port)).unwrap();
    writeln!(first, "<13>the first").unwrap();
    wait_for("the first line", || recorded(&server) == 1);
    drop(first);
    assert_eq!(server.stop(), 0);
    let key = walk(&ledger.dir.join("keys/content/network")).remove(0);
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();

    let server = ledger.serve();
    let sending = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        for n in 0..LINES {
            writeln!(
                stream,
                "<13>1 2026-11-30T00:00:00Z fw filter - - - {n:06} {}",
                "x".repeat(200)
            )
            .unwrap();
        }
    });
    wait_for("the ledger waits", || {
        metric(&server, "daicho_ingest_waits") == 1
    });
    assert_eq!((recorded(&server), key.exists()), (0, false));
    assert!(!sending.is_finished(), "50 MB have gone into some buffer");
    std::fs::write(&key, kept).unwrap();
    sending.join().unwrap();
    wait_for("all lines", || recorded(&server) == LINES as u64);
    assert_eq!(server.stop(), 0);
    let lines = lines(&ledger);
    assert_eq!(lines.len(), LINES + 1);
    for (n, line) in lines[1..].iter().enumerate() {
        assert!(line.starts_with(
            format!("<13>1 2026-11-30T00:00:00Z fw filter - - - {n:06} x").as_bytes()
        ));
    }
    ledger.verify();
}
