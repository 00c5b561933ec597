//! Forwarding over HTTP, to a server of this file's own that answers as it is told: the real
//! collectors of Splunk cannot be had here, so what is theirs alone (indexing, their limits) is
//! played by the letter of their documentation.
#![allow(clippy::unwrap_used)]

mod common;

use common::pki::Authority;
use common::{Ledger, ORIGIN, wait_for, wait_for_error};
use exporters::forward::Destination;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use schemas::Data;
use schemas::kinds::ledger::DegradedReason;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What came.
#[derive(Clone)]
struct Request {
    path: String,
    head: String,
    body: String,
}

impl Request {
    fn lines(&self) -> Vec<String> {
        self.body.lines().map(str::to_owned).collect()
    }
}

/// What the server does with it.
enum Act {
    /// Keeps the lines and answers 200.
    Take(String),
    /// Keeps the lines, and hangs up without a word.
    TakeAndCut,
    Answer(u16, &'static str, &'static str),
    Cut,
}

type Script = Box<dyn Fn(&Request) -> Act + Send + Sync>;

struct Server {
    port: u16,
    lines: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<Request>>>,
    down: Arc<AtomicBool>,
}

impl Server {
    fn start(tls: Option<Arc<ServerConfig>>, script: Script) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            lines: Arc::default(),
            requests: Arc::default(),
            down: Arc::default(),
        };
        let (lines, requests, down) = (
            Arc::clone(&server.lines),
            Arc::clone(&server.requests),
            Arc::clone(&server.down),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if down.load(Ordering::Relaxed) {
                    return;
                }
                let keep = |request: &Request| {
                    requests.lock().unwrap().push(request.clone());
                    let act = script(request);
                    if let Act::Take(_) | Act::TakeAndCut = act {
                        lines.lock().unwrap().extend(request.lines());
                    }
                    act
                };
                match &tls {
                    None => talk(stream, keep),
                    Some(config) => {
                        let session = ServerConnection::new(Arc::clone(config)).unwrap();
                        talk(StreamOwned::new(session, stream), keep);
                    }
                }
            }
        });
        server
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.down.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One connection at a time: requests until someone hangs up.
fn talk(stream: impl Read + Write, mut act: impl FnMut(&Request) -> Act) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match stream.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let request = Request {
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            body: String::from_utf8(body).unwrap(),
            head,
        };
        let (status, more, text) = match act(&request) {
            Act::Take(text) => (200, "", text),
            Act::Answer(status, more, text) => (status, more, text.to_owned()),
            Act::Cut | Act::TakeAndCut => return,
        };
        let answer = format!(
            "HTTP/1.1 {status} x\r\n{more}content-length: {}\r\n\r\n{text}",
            text.len()
        );
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn http(port: u16, more: &str) -> Destination {
    let toml =
        format!("name = 'hq'\ntransport = 'http'\nurl = 'http://127.0.0.1:{port}/in'\n{more}");
    toml::from_str(&toml).unwrap()
}

fn seq(line: &str) -> u64 {
    let line: Value = serde_json::from_str(line).unwrap();
    line["entry"]["seq"].as_u64().unwrap()
}

/// Every position up to `last` is there, in order where it is first there, and each copy is
/// the same bytes. Gives how many copies there are.
fn whole(lines: &[String], last: u64) -> Option<usize> {
    let mut first: Vec<&String> = Vec::new();
    for line in lines {
        let seq = seq(line) as usize;
        match first.get(seq) {
            Some(before) => assert_eq!(*before, line, "a copy differs"),
            None => {
                assert_eq!(seq, first.len(), "a position was passed over");
                first.push(line);
            }
        }
    }
    (first.len() as u64 == last + 1).then(|| lines.len() - first.len())
}

#[test]
fn every_entry_arrives_through_cuts_and_busy_answers() {
    let turn = AtomicU64::new(0);
    let server = Server::start(
        None,
        Box::new(move |_| match turn.fetch_add(1, Ordering::Relaxed) % 8 {
            0 => Act::Answer(503, "retry-after: 1\r\n", "busy"),
            1 => Act::TakeAndCut,
            2 => Act::Answer(429, "", ""),
            3 => Act::Cut,
            4 => Act::Answer(500, "", "oops"),
            _ => Act::Take(String::new()),
        }),
    );
    let ledger = Ledger::with(6_000);
    let forwarder = ledger.follow(http(server.port, ""));
    let copies = wait_for("every position", || whole(&server.lines(), 6_000));
    wait_for("the cursor", || {
        (forwarder.status().confirmed == 6_001).then_some(())
    });
    let status = forwarder.status();
    assert!(
        copies > 0 && status.resent as usize >= copies,
        "{copies} {status:?}"
    );
    assert_eq!(status.lag_entries, 0);
    let request = &server.requests()[0];
    assert!(request.head.contains("content-type: application/x-ndjson"));
    assert_eq!(request.path, "/in");
    // Nothing was degraded: the receiver's troubles are not the entries'.
    assert_eq!(ledger.reader.size(), 6_001);
    eprintln!("{} requests, {copies} copies", server.requests().len());
}

#[test]
fn a_batch_that_is_too_large_is_halved_and_an_entry_that_is_goes_reduced() {
    let server = Server::start(
        None,
        Box::new(|request| match request.body.len() > 3_000 {
            true => Act::Answer(413, "", "too large"),
            false => Act::Take(String::new()),
        }),
    );
    let ledger = Ledger::with(50);
    let mut large = ledger.prompt();
    let Data::PromptSubmitted(data) = &mut large.data else {
        panic!("a prompt");
    };
    data.model = Some("x".repeat(256).parse().unwrap());
    let mut positions = schemas::kinds::secrets::SecretLeaked {
        secret: "provider-key".parse().unwrap(),
        positions: (0..900).collect(),
    };
    positions.positions.sort_unstable();
    let id = ledger.appender.new_id();
    let leaked = schemas::Event::new(id, "agent:cfo".parse().unwrap(), positions);
    ledger
        .appender
        .append(vec![large.into(), leaked.into()])
        .unwrap();
    ledger.append(50);
    let _forwarder = ledger.follow(http(server.port, ""));
    // 103 entries, and the one that says that one of them went reduced.
    wait_for("every position", || whole(&server.lines(), 103));
    let reduced: Vec<_> = server
        .lines()
        .into_iter()
        .filter(|l| l.contains("\"reduced\":true"))
        .collect();
    assert_eq!(reduced.iter().map(|l| seq(l)).collect::<Vec<_>>(), [52]);
    let told = ledger.reader.entry(103).unwrap();
    let Data::ExportDegraded(degraded) = &told.event().data else {
        panic!("another kind");
    };
    assert_eq!(
        (degraded.position, degraded.reason),
        (52, DegradedReason::TooLarge)
    );
}

#[test]
fn the_one_entry_that_is_refused_is_found_and_goes_reduced() {
    let server = Server::start(
        None,
        Box::new(|request| match request.body.contains("drill-of-old") {
            true => Act::Answer(400, "", "{\"text\":\"Invalid data format\",\"code\":6}"),
            false => Act::Take(String::new()),
        }),
    );
    let ledger = Ledger::with(300);
    let drill = schemas::kinds::defence::DrillCompleted {
        drill: "drill-of-old".parse().unwrap(),
        passed: true,
        duration_seconds: 5,
    };
    let id = ledger.appender.new_id();
    let drill = schemas::Event::new(id, "user:s001".parse().unwrap(), drill);
    ledger.appender.append(vec![drill.into()]).unwrap();
    ledger.append(300);
    let forwarder = ledger.follow(http(server.port, ""));
    wait_for_error(&forwarder, "Invalid data format");
    wait_for("every position", || whole(&server.lines(), 602));
    let lines = server.lines();
    assert!(
        lines
            .iter()
            .all(|line| line.contains("\"reduced\"") == (seq(line) == 301))
    );
}

#[test]
fn splunk_s_acknowledgements_move_the_cursor_and_without_them_all_is_sent_again() {
    let ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ready);
    let number = AtomicU64::new(0);
    let server = Server::start(
        None,
        Box::new(move |request| {
            if request.path.starts_with("/services/collector/ack?channel=") {
                let asked_for: Value = serde_json::from_str(&request.body).unwrap();
                let indexed = asked.load(Ordering::Relaxed);
                let acks: serde_json::Map<_, _> = asked_for["acks"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|number| (number.to_string(), json!(indexed)))
                    .collect();
                let text = json!({"acks": acks}).to_string();
                return Act::Answer(200, "", Box::leak(text.into_boxed_str()));
            }
            let number = number.fetch_add(1, Ordering::Relaxed);
            Act::Take(json!({"text": "Success", "code": 0, "ackId": number}).to_string())
        }),
    );
    let ledger = Ledger::with(200);
    let token = ledger.data_dir().join("hec.token");
    std::fs::write(&token, "11111111-2222-3333-4444-555555555555\n").unwrap();
    let hec: Destination = toml::from_str(&format!(
        "name = 'hq'\ntransport = 'splunk-hec'\nurl = 'http://127.0.0.1:{}'\ntoken_file = 'hec.token'\nacks = true\nformat = 'ocsf'\nhostname = 'ledger.example'",
        server.port
    ))
    .unwrap();
    let forwarder = ledger.follow(hec.clone());
    wait_for("the collector is asked", || {
        let asks = |r: &Request| r.path.starts_with("/services/collector/ack");
        server.requests().iter().any(asks).then_some(())
    });
    assert_eq!(server.lines().len(), 201);
    assert_eq!(forwarder.status().confirmed, 0, "taken in is not indexed");
    forwarder.stop();
    let forwarder = ledger.follow(hec);
    wait_for("all is sent again", || {
        (server.lines().len() == 402).then_some(())
    });
    let lines = server.lines();
    assert_eq!(lines[..201], lines[201..]);
    ready.store(true, Ordering::Relaxed);
    wait_for("the cursor", || {
        (forwarder.status().confirmed == 201).then_some(())
    });

    let request = &server.requests()[0];
    assert_eq!(request.path, "/services/collector/event");
    let head = request.head.to_ascii_lowercase();
    assert!(head.contains("authorization: splunk 11111111-2222-3333-4444-555555555555"));
    assert!(head.contains("x-splunk-request-channel: "));
    let event: Value = serde_json::from_str(&lines[7]).unwrap();
    let entry = ledger.reader.entry(7).unwrap();
    assert_eq!(event["time"], json!(entry.at().micros() as f64 / 1e6));
    assert_eq!(event["host"], "ledger.example");
    assert_eq!(
        (&event["source"], &event["sourcetype"]),
        (&json!(ORIGIN), &json!("daicho:ocsf"))
    );
    assert_eq!(event["event"]["metadata"]["uid"], entry.id().to_string());
}

#[test]
fn a_token_that_is_refused_is_named_and_read_again() {
    let server = Server::start(
        None,
        Box::new(|request| match request.head.contains("Bearer right") {
            true => Act::Take(String::new()),
            false => Act::Answer(401, "", "{\"text\":\"Invalid token\"}"),
        }),
    );
    let ledger = Ledger::with(10);
    let token = ledger.data_dir().join("t");
    std::fs::write(&token, "wrong").unwrap();
    let forwarder = ledger.follow(http(server.port, "token_file = 't'"));
    let status = wait_for_error(&forwarder, "Invalid token");
    let error = status.last_error.unwrap();
    assert!(
        error.contains("token_file") && !error.contains("wrong"),
        "{error}"
    );
    std::fs::write(&token, "right").unwrap();
    wait_for("every position", || whole(&server.lines(), 10));
}

#[test]
fn tls_is_checked_as_elsewhere() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let identity = authority.issue("localhost");
    let chain = vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let server = Server::start(
        Some(Arc::new(config)),
        Box::new(|_| Act::Take(String::new())),
    );
    let ledger = Ledger::with(10);
    let secured = |host: &str, authority: &Authority| -> Destination {
        toml::from_str(&format!(
            "name = 'hq'\ntransport = 'http'\nurl = 'https://{host}:{}/in'\nca_file = '{}'",
            server.port,
            authority.certificate().display()
        ))
        .unwrap()
    };
    for (host, authority) in [("localhost", &stranger), ("127.0.0.1", &authority)] {
        let forwarder = ledger.follow(secured(host, authority));
        let refusal = format!("the receiver's certificate is not accepted for {host}");
        let status = wait_for_error(&forwarder, &refusal);
        let faults: Vec<_> = status.faults.into_keys().collect();
        assert_eq!(faults, ["untrusted"]);
        assert!(server.lines().is_empty());
    }
    let _forwarder = ledger.follow(secured("localhost", &authority));
    wait_for("every position", || whole(&server.lines(), 10));
}

/// A server that never answers holds up neither an append nor a stop.
#[test]
fn a_server_that_is_silent_is_left_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let ledger = Ledger::with(10);
    let forwarder = ledger.follow(http(silent.local_addr().unwrap().port(), ""));
    let _taken = silent.accept().unwrap();
    ledger.append(10);
    forwarder.stop();
    assert_eq!(ledger.reader.size(), 21);
}
