//! A backlog drained into rsyslog, and rsyslog's own forwarding of the same messages beside it.
//!
//! `cargo bench -p daicho-exporters --bench drain`; `DRAIN_ENTRIES=1000000` for another length than 200,000,
//! `-- appends` for nothing but what an append takes meanwhile.
//! Prints entries a second until the receiver's file holds them all, the most memory that this
//! process held meanwhile, and how long an append takes while it drains. HTTP goes to a server of
//! this file that writes what comes and answers.
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::pki::Authority;
use common::rsyslog::Rsyslog;
use common::{Ledger, destination_named, wait_at_most};
use schemas::kinds::scanner::{Coverage, FileCovered};
use schemas::{Event, EventId, Hash, Label};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a million entries on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);

const WINDOWS: [usize; 2] = [128, 1_024];

fn main() {
    let entries = std::env::var("DRAIN_ENTRIES").map_or(200_000, |n| n.parse().unwrap());
    let only_appends = std::env::args().any(|argument| argument == "appends");
    let authority = Authority::new();
    // 1,229 octets: the longest path that is there beside a session's name.
    for (size, path, session) in [("shortest", 1, 0), ("1.2 KiB", 240, 167)] {
        let ledger = backlog(entries, path, session);
        let all = entries + 1;
        if only_appends {
            disturbed(&ledger);
            continue;
        }
        for window in WINDOWS {
            let (name, more) = (format!("relp{window}"), format!("window = {window}"));
            let there = receiver("imrelp");
            let Some(ours) = drained(&ledger, &name, ("relp", &more), &there, all) else {
                return;
            };
            let peer = forwarded(&ours, &omrelp(window), &there).unwrap();
            report(&format!("{size}, relp, window {window}"), &ours, Some(peer));
        }
        let there = receiver("imtcp");
        let ours = drained(&ledger, "tcp", ("tcp", ""), &there, all).unwrap();
        let peer = forwarded(&ours, &omfwd(""), &there).unwrap();
        report(&format!("{size}, tcp"), &ours, Some(peer));
        let there = secured(&authority);
        let more = format!(
            "ca_file = '{}'\nserver_name = 'receiver.example'",
            authority.certificate().display()
        );
        let ours = drained(&ledger, "tls", ("tls", &more), &there, all).unwrap();
        let peer = forwarded(&ours, &omfwd(&trusting(&authority)), &there).unwrap();
        report(&format!("{size}, tls"), &ours, Some(peer));
        report(&format!("{size}, http"), &posted(&ledger, all), None);
        disturbed(&ledger);
    }
}

/// What was drained, and what the receiver made of it.
struct Drained {
    stored: PathBuf,
    lines: u64,
    bytes: u64,
    took: Duration,
    peak_kib: Option<u64>,
    _receiver: Receiver,
}

/// Whose directory is kept with it.
#[allow(dead_code, reason = "they are held, not asked")]
enum Receiver {
    Rsyslog(Rsyslog),
    Http(TempDir),
}

fn backlog(entries: u64, path: usize, session: usize) -> Ledger {
    let ledger = Ledger::with(0);
    let session = (session > 0).then(|| Label::lossy(&"s".repeat(session)));
    let scan = EventId::derived(Hash([0x5a; 32]));
    let mut left = entries;
    while left > 0 {
        let batch = left.min(1_000);
        let event = |_| {
            let data = FileCovered {
                scan,
                path: Label::lossy(&"f".repeat(path)),
                file_sha256: None,
                coverage: Coverage::Scanned,
            };
            let event = Event::new(ledger.appender.new_id(), "agent:cfo".parse().unwrap(), data);
            event.in_session(session.clone()).into()
        };
        ledger
            .appender
            .append((0..batch).map(event).collect())
            .unwrap();
        left -= batch;
    }
    ledger
}

fn to(
    rsyslog: &Rsyslog,
    name: &str,
    transport: &str,
    more: &str,
) -> exporters::forward::Destination {
    let port = rsyslog.port;
    let toml = format!("transport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\n{more}");
    destination_named(name, &toml)
}

fn drained(
    ledger: &Ledger,
    name: &str,
    (transport, more): (&str, &str),
    receiver: &str,
    entries: u64,
) -> Option<Drained> {
    let rsyslog = Rsyslog::configured(receiver)?;
    let stored = rsyslog.file("stored");
    let destination = to(&rsyslog, name, transport, more);
    Some(followed(
        ledger,
        destination,
        stored,
        entries,
        Receiver::Rsyslog(rsyslog),
    ))
}

/// Lines to an HTTP endpoint.
fn posted(ledger: &Ledger, entries: u64) -> Drained {
    let dir = TempDir::new().unwrap();
    let stored = dir.path().join("stored");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let toml = format!(
        "transport = 'http'\nurl = 'http://127.0.0.1:{}/'",
        listener.local_addr().unwrap().port()
    );
    let file = File::create(&stored).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = take(stream, &file);
        }
    });
    // It takes no `hostname`.
    let destination = toml::from_str(&format!("name = 'http'\n{toml}")).unwrap();
    followed(ledger, destination, stored, entries, Receiver::Http(dir))
}

/// Requests of one connection: what is in them is written before the answer.
fn take(stream: TcpStream, mut file: &File) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    let (mut line, mut length, mut body) = (String::new(), 0, Vec::new());
    while requests.read_line(&mut line)? > 0 {
        if let Some(given) = line.to_lowercase().strip_prefix("content-length:") {
            length = given.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            body.resize(length, 0);
            requests.read_exact(&mut body)?;
            file.write_all(&body)?;
            answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
        line.clear();
    }
    Ok(())
}

fn followed(
    ledger: &Ledger,
    destination: exporters::forward::Destination,
    stored: PathBuf,
    entries: u64,
    receiver: Receiver,
) -> Drained {
    // Linux: sets the peak back to what is held now (proc_pid_clear_refs(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let begin = Instant::now();
    let forwarder = ledger.follow(destination);
    let mut lines = Lines::of(&stored);
    wait_at_most(PATIENCE, "the receiver's file", || {
        (lines.count() >= entries).then_some(())
    });
    let took = begin.elapsed();
    drop(forwarder);
    Drained {
        lines: entries,
        bytes: std::fs::metadata(&stored).unwrap().len(),
        stored,
        took,
        peak_kib: peak_kib(),
        _receiver: receiver,
    }
}

/// The same messages from a file by rsyslog's own sender to a receiver of its own.
fn forwarded(ours: &Drained, action: &str, receiver: &str) -> Option<Duration> {
    let rsyslog = Rsyslog::configured(receiver)?;
    let mut stored = Lines::of(&rsyslog.file("stored"));
    let sender = SENDER
        .replace("{messages}", &ours.stored.display().to_string())
        .replace("{action}", action)
        .replace("{to}", &rsyslog.port.to_string());
    let begin = Instant::now();
    let _sender = Rsyslog::configured(&sender)?;
    wait_at_most(PATIENCE, "rsyslog's forwarding", || {
        (stored.count() >= ours.lines).then_some(())
    });
    Some(begin.elapsed())
}

fn report(what: &str, ours: &Drained, peer: Option<Duration>) {
    let rate = |took: Duration| ours.lines as f64 / took.as_secs_f64();
    let beside = peer.map(|peer| {
        let times = peer.as_secs_f64() / ours.took.as_secs_f64();
        format!("; rsyslog's own {:.0}/s: {times:.2} times", rate(peer))
    });
    println!(
        "{what} ({} octets a line): {:.0} entries/s, peak RSS {} MB{}",
        ours.bytes / ours.lines,
        rate(ours.took),
        ours.peak_kib.unwrap_or_default() >> 10,
        beside.unwrap_or_default(),
    );
}

/// How long an append takes alone and while a backlog drains: into a receiver that takes no
/// processor time from it, as one on another machine, and into one that wants all it can have.
/// By turns, for a machine is not the same for long.
fn disturbed(ledger: &Ledger) {
    const ROUNDS: usize = 5;
    let time = Duration::from_secs(2);
    let mut cases: [(&str, Vec<(u128, u128)>); 3] = [
        ("alone", Vec::new()),
        (
            "while it drains into a receiver at idle priority",
            Vec::new(),
        ),
        (
            "while it drains into a receiver on the same cores",
            Vec::new(),
        ),
    ];
    for round in 0..ROUNDS {
        for (case, (_, seen)) in cases.iter_mut().enumerate() {
            let whole = receiver("imrelp");
            let rsyslog = match case {
                0 => None,
                1 => Rsyslog::configured_aside(&whole),
                _ => Rsyslog::configured(&whole),
            };
            let forwarder = rsyslog.as_ref().map(|rsyslog| {
                let forwarder =
                    ledger.follow(to(rsyslog, &format!("again-{round}-{case}"), "relp", ""));
                wait_at_most(PATIENCE, "the drain", || {
                    (forwarder.status().confirmed > 0).then_some(())
                });
                forwarder
            });
            seen.push(appends(ledger, time));
            if let Some(forwarder) = forwarder {
                assert!(forwarder.status().lag_entries > 0, "it was over before");
            }
        }
    }
    for (what, seen) in cases {
        let middle = |mut of: Vec<u128>| {
            of.sort_unstable();
            of[of.len() / 2]
        };
        let p50 = middle(seen.iter().map(|(p50, _)| *p50).collect());
        let p99s: Vec<_> = seen.iter().map(|(_, p99)| *p99).collect();
        println!(
            "  an append {what}: p50 {p50} µs, p99 {} µs (of {ROUNDS} rounds: {p99s:?})",
            middle(p99s.clone())
        );
    }
}

/// One producer, one event after the other: p50 and p99 in µs.
fn appends(ledger: &Ledger, time: Duration) -> (u128, u128) {
    let begin = Instant::now();
    let mut took = Vec::new();
    while begin.elapsed() < time {
        let asked = Instant::now();
        ledger.append(1);
        took.push(asked.elapsed().as_micros());
    }
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

/// Counts the lines of a file that grows.
struct Lines {
    path: PathBuf,
    file: Option<File>,
    count: u64,
}

impl Lines {
    fn of(path: &Path) -> Lines {
        Lines {
            path: path.to_owned(),
            file: None,
            count: 0,
        }
    }

    fn count(&mut self) -> u64 {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            let mut buffer = [0; 65_536];
            while let Ok(read @ 1..) = file.read(&mut buffer) {
                self.count += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
            }
        }
        self.count
    }
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn omrelp(window: usize) -> String {
    format!(
        r#"action(type="omrelp" target="127.0.0.1" port="{{to}}" windowSize="{window}" template="line")"#
    )
}

fn omfwd(more: &str) -> String {
    format!(
        r#"action(type="omfwd" target="127.0.0.1" port="{{to}}" protocol="tcp" TCP_Framing="octet-counted" template="line" {more})"#
    )
}

/// What a sender of rsyslog's says of a receiver over TLS: by path and name, as daicho.
fn trusting(authority: &Authority) -> String {
    format!(
        r#"StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="receiver.example" StreamDriver.CAFile="{}""#,
        authority.certificate().display()
    )
}

/// The receiver over TLS, which lets in everyone.
fn secured(authority: &Authority) -> String {
    let shown = authority.issue("receiver.example");
    let globals = format!(
        r#"global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{}" defaultNetstreamDriverCertFile="{}" defaultNetstreamDriverKeyFile="{}")"#,
        authority.certificate().display(),
        shown.certificate.display(),
        shown.key.display(),
    );
    let module = r#"module(load="imtcp""#;
    let mode = r#"streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon""#;
    let whole = receiver("imtcp").replace(module, &format!("{module} {mode}"));
    format!("{globals}\n{whole}")
}

/// rsyslog listening by this module, and writing a file.
fn receiver(input: &str) -> String {
    RECEIVER.replace("{input}", input)
}

const RECEIVER: &str = r#"
global(workDirectory="{dir}" maxMessageSize="128k" net.enableDNS="off")
module(load="{input}")
ruleset(name="in") { action(type="omfile" file="{dir}/stored" template="RSYSLOG_SyslogProtocol23Format") }
input(type="{input}" address="127.0.0.1" port="{port}" ruleset="in")
"#;

/// It listens too, as a receiver in these tests is known to be up by that.
const SENDER: &str = r#"
global(workDirectory="{dir}" maxMessageSize="128k" net.enableDNS="off")
module(load="imfile")
module(load="omrelp")
module(load="imtcp")
template(name="line" type="string" string="%msg%")
ruleset(name="none") { stop }
ruleset(name="out") { {action} }
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="none")
input(type="imfile" file="{messages}" tag="x" ruleset="out")
"#;
