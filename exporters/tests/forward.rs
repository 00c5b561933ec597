//! Forwarding against receivers that misbehave in ways that a real one can hardly be made to.
#![allow(clippy::unwrap_used)]

mod common;

use common::pki::Authority;
use common::{Ledger, cannot_run, destination, wait_for, wait_for_error};
use exporters::forward::StartError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let toml = format!("transport = 'tcp'\nhost = '127.0.0.1'\nport = {port}");
    (listener, toml)
}

/// The next message of an octet-counted stream.
fn read_frame(stream: &mut impl Read) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).unwrap();
    message
}

#[test]
fn a_receiver_that_takes_nothing_holds_up_neither_an_append_nor_a_stop() {
    let (_never_accepts, toml) = listener();
    let ledger = Ledger::with(0);
    let forwarder = ledger.follow(destination(&toml));
    // More than both kernels' buffers take: the forwarder is inside a write.
    ledger.append(20_000);
    wait_for("the socket to be full", || {
        let before = forwarder.status();
        std::thread::park_timeout(Duration::from_millis(300));
        let stands = before.connected && before.position == forwarder.status().position;
        (stands && before.lag_entries > 0 && before.lag_since.is_some()).then_some(())
    });
    let began = Instant::now();
    forwarder.stop();
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(ledger.reader.size(), 20_001);
}

/// An append under way is waited for, but none for ever: where one never ends a receiver is told all the same.
#[test]
fn an_append_without_end_stops_no_receiver() {
    let (listener, toml) = listener();
    let ledger = Ledger::with(3_000);
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let one = vec![ledger.prompt().into()];
    ledger.appender.append_then(one, move |_| {
        let _ = ended.recv();
    });
    assert_eq!(
        ledger.reader.wait_beyond(3_001, Duration::from_secs(60)),
        3_002
    );
    let _forwarder = ledger.follow(destination(&toml));
    let (mut stream, _) = listener.accept().unwrap();
    for _ in 0..3_002 {
        read_frame(&mut stream);
    }
    assert!(ledger.reader.is_appending(), "all that time it was");
    drop(end);
}

#[test]
fn a_resent_frame_is_byte_identical() {
    let (listener, toml) = listener();
    let ledger = Ledger::with(50);
    let forwarder = ledger.follow(destination(&toml));
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().unwrap();
        let frames: Vec<_> = (0..51).map(|_| read_frame(&mut stream)).collect();
        runs.push(frames);
        // Closing with nothing left unread is the polite way to go, and still a break.
    }
    wait_for("the resend to be counted", || {
        (forwarder.status().resent == 51).then_some(())
    });
    // A later process too: the epoch is kept with the cursor.
    forwarder.stop();
    let forwarder = ledger.follow(destination(&toml));
    let (mut stream, _) = listener.accept().unwrap();
    runs.push((0..51).map(|_| read_frame(&mut stream)).collect());
    forwarder.stop();
    let mut rest = Vec::new();
    assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0, "a clean end");
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
}

/// The cursor moves behind enough bytes and enough time (30 s, which this test lasts), and a break sends again from there.
#[test]
fn a_break_sends_the_window_again_and_no_more() {
    const REWIND: usize = 4 << 20;
    const BATCH: usize = 66 << 10;
    const LAST: usize = 9_000;
    let (listener, toml) = listener();
    let ledger = Ledger::with(LAST as u64);
    let forwarder = ledger.follow(destination(&format!("{toml}\nrewind_bytes = {REWIND}")));
    let octets = |frames: &[Vec<u8>]| -> usize {
        let framed = |frame: &Vec<u8>| frame.len().to_string().len() + 1 + frame.len();
        frames.iter().map(framed).sum()
    };
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let first: Vec<_> = (0..=LAST).map(|_| read_frame(&mut stream)).collect();
    assert!(octets(&first) > 7 << 20, "{}", octets(&first));
    assert_eq!(
        forwarder.status().confirmed,
        0,
        "all of it was a moment ago"
    );
    let confirmed = wait_for("what is behind the window", || {
        let confirmed = usize::try_from(forwarder.status().confirmed).unwrap();
        (octets(&first[confirmed..]) < REWIND + BATCH).then_some(confirmed)
    });
    drop(stream);
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let again: Vec<_> = (confirmed..=LAST)
        .map(|_| read_frame(&mut stream))
        .collect();
    assert!(confirmed > 0 && again == first[confirmed..]);
    assert!(octets(&again) >= REWIND, "{}", octets(&again));
    wait_for("the resend to be counted", || {
        let status = forwarder.status();
        (status.resent as usize == again.len()).then_some(())
    });
}

#[test]
fn another_form_is_another_epoch() {
    let (listener, toml) = listener();
    let ledger = Ledger::with(0);
    let mut first_frames = Vec::new();
    for more in [
        "",
        "\nenterprise_number = 61999",
        "\nenterprise_number = 61999",
    ] {
        let _forwarder = ledger.follow(destination(&format!("{toml}{more}")));
        let (mut stream, _) = listener.accept().unwrap();
        first_frames.push(String::from_utf8(read_frame(&mut stream)).unwrap());
    }
    assert!(first_frames[0].contains(" daicho 1 ledger.created [daicho@32473 "));
    assert!(first_frames[1].contains(" daicho 2 ledger.created [daicho@61999 "));
    assert_eq!(first_frames[1], first_frames[2]);
}

#[test]
fn a_receiver_that_talks_or_leaves_is_a_lost_connection() {
    let (listener, toml) = listener();
    let ledger = Ledger::with(0);
    let forwarder = ledger.follow(destination(&toml));
    let (mut stream, _) = listener.accept().unwrap();
    read_frame(&mut stream);
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    let status = wait_for_error(&forwarder, "answered with 26 bytes");
    assert_eq!(
        status.position, 0,
        "what was sent is not known to have arrived"
    );
    // Closed while nothing is being sent: noticed all the same, before the next event.
    let (mut stream, _) = listener.accept().unwrap();
    read_frame(&mut stream);
    drop(stream);
    wait_for_error(&forwarder, "the receiver closed the connection");
}

#[test]
fn a_receiver_that_is_not_there_is_named_and_tried_again() {
    let ledger = Ledger::with(3);
    let (listener, toml) = listener();
    drop(listener);
    let forwarder = ledger.follow(destination(&toml));
    let status = wait_for_error(&forwarder, "127.0.0.1:");
    assert!(
        status
            .last_error
            .unwrap()
            .contains("check that the receiver runs")
    );
    assert_eq!((status.connected, status.lag_entries), (false, 4));
    forwarder.stop();

    let toml = "transport = 'tcp'\nhost = 'no-such-host.invalid'\nport = 514";
    let forwarder = ledger.follow(destination(toml));
    wait_for_error(&forwarder, "the name leads to no address");
}

#[test]
fn an_address_of_version_six_is_reached() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return cannot_run("forward", "this machine has no IPv6");
    };
    let port = listener.local_addr().unwrap().port();
    let ledger = Ledger::with(0);
    let toml = format!("transport = 'tcp'\nhost = '[::1]'\nport = {port}");
    let _forwarder = ledger.follow(destination(&toml));
    let (mut stream, _) = listener.accept().unwrap();
    assert!(read_frame(&mut stream).starts_with(b"<109>1 "));
}

#[test]
fn a_ledger_that_is_not_what_was_sent_is_not_sent() {
    let (_listener, toml) = listener();
    let ledger = Ledger::with(3);
    let cursor = ledger.data_dir().join("export/hq.cursor");
    ledger.follow(destination(&toml)).stop();
    let written = std::fs::read_to_string(&cursor).unwrap();
    let start = || ledger.start(destination(&toml));

    let at = |position: u64, leaf: String| {
        let leaf = format!("\"leaf\":\"{leaf}\"");
        written
            .replace("\"position\":0", &format!("\"position\":{position}"))
            .replace(&format!("\"leaf\":\"{}\"", "0".repeat(64)), &leaf)
    };
    std::fs::write(&cursor, at(2, ledger.leaf(1).to_string())).unwrap();
    assert_eq!(start().unwrap().status().confirmed, 2);
    std::fs::write(&cursor, at(2, ledger.leaf(2).to_string())).unwrap();
    assert!(matches!(
        start(),
        Err(StartError::LedgerDiffers { position: 1, .. })
    ));
    std::fs::write(&cursor, at(9, ledger.leaf(3).to_string())).unwrap();
    let Err(refused) = start() else {
        panic!("a shorter ledger was accepted")
    };
    assert!(
        refused.to_string().contains("up to 9, this ledger holds 4"),
        "{refused}"
    );
}

#[test]
fn a_sender_that_is_stopped_takes_leave_of_tls() {
    let authority = Authority::new();
    let identity = authority.issue("receiver.example");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&identity.key).unwrap(),
        )
        .unwrap();
    let (listener, toml) = listener();
    let toml = format!(
        "{}\nserver_name = 'receiver.example'\nca_file = '{}'",
        toml.replace("'tcp'", "'tls'"),
        authority.certificate().display()
    );
    let ledger = Ledger::with(2);
    let forwarder = ledger.follow(destination(&toml));
    let (stream, _) = listener.accept().unwrap();
    let session = ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    for _ in 0..3 {
        read_frame(&mut stream);
    }
    forwarder.stop();
    // Without close_notify rustls calls this an unexpected end.
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}
