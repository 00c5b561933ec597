//! Forwarding to a real rsyslog, over TCP and TLS, through its death and return.
#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::pki::{Authority, Identity};
use common::rsyslog::{Received, Rsyslog, TlsSide};
use common::{Ledger, ORIGIN, destination, wait_for, wait_for_error};
use exporters::transport::{self, SelfSigned};
use sha2::{Digest, Sha256};

fn tcp(port: u16) -> exporters::forward::Destination {
    destination(&format!(
        "transport = 'tcp'\nhost = '127.0.0.1'\nport = {port}"
    ))
}

/// The destination's TLS settings, towards a receiver called `receiver.example`.
fn tls(port: u16, authority: &Authority, client: Option<&Identity>, more: &str) -> String {
    let client = client.map_or(String::new(), |client| {
        format!(
            "client_certificate_file = '{}'\nclient_key_file = '{}'\n",
            client.certificate.display(),
            client.key.display()
        )
    });
    let name = match more.contains("server_name") {
        true => "",
        false => "server_name = 'receiver.example'\n",
    };
    format!(
        "transport = 'tls'\nhost = '127.0.0.1'\nport = {port}\nca_file = '{}'\n{name}{client}{more}",
        authority.certificate().display()
    )
}

fn receiver(driver: &str, authority: &Authority, peer: Option<&str>) -> Option<Rsyslog> {
    let identity = authority.issue("receiver.example");
    Rsyslog::start(Some(TlsSide {
        driver,
        ca: &authority.certificate(),
        certificate: &identity.certificate,
        key: &identity.key,
        permitted_peer: peer,
    }))
}

/// What an auditor at the SIEM can do with no more than the message.
fn check_against(ledger: &Ledger, message: &Received) {
    let seq = message.seq();
    let entry = ledger.reader.entry(seq).unwrap();
    let kind = entry.kind();
    let priority = if kind == "ledger.created" { 109 } else { 110 };
    let at = entry.at();
    assert_eq!(
        message.header,
        format!("{priority} {at} ledger.example daicho 1 {kind}")
    );
    assert!(message.json, "position {seq} is not JSON to rsyslog");
    assert_eq!(message.param("chain"), ORIGIN);
    assert_eq!(message.param("id"), entry.id().to_string());
    assert_eq!(message.param("prev"), entry.prev().to_string());
    assert_eq!(
        message.param("sig"),
        BASE64_STANDARD.encode(entry.signature())
    );

    let msg = &message.raw[message.raw.find("] {").unwrap() + 2..];
    assert_eq!(message.param("len"), msg.len().to_string());
    assert_eq!(message.param("sha"), hex::encode(Sha256::digest(msg)));
    let read: serde_json::Value = serde_json::from_str(msg).unwrap();
    let recorded: serde_json::Value = serde_json::from_slice(entry.body()).unwrap();
    assert_eq!(read, recorded);
}

#[test]
fn every_entry_arrives_in_order_as_it_was_recorded() {
    let Some(rsyslog) = Rsyslog::start(None) else {
        return;
    };
    let ledger = Ledger::with(500);
    let forwarder = ledger.follow(tcp(rsyslog.port));
    let checkpoint = ledger.appender.checkpoint_event();
    ledger.appender.append(vec![checkpoint]).unwrap();
    ledger.append(10);
    let received = rsyslog.all_up_to(511);
    received
        .values()
        .for_each(|message| check_against(&ledger, message));
    for seq in 1..=511 {
        assert_eq!(
            received[&seq].param("prev"),
            received[&(seq - 1)].param("hash")
        );
    }
    assert!(
        received[&501]
            .raw
            .contains("\"kind\":\"ledger.checkpoint\"")
    );
    let status = forwarder.status();
    assert_eq!((status.position, status.lag_entries), (512, 0));
    assert_eq!(
        (status.sent, status.resent, status.connections),
        (512, 0, 1)
    );
    // Nothing is confirmed: the window is not full, and TCP has said nothing.
    assert_eq!(status.confirmed, 0);
}

#[test]
fn a_receiver_that_dies_loses_nothing_once_it_returns() {
    const LAST: u64 = 20_000;
    let Some(mut rsyslog) = Rsyslog::start(None) else {
        return;
    };
    let ledger = Ledger::with(10_000);
    let forwarder = ledger.follow(tcp(rsyslog.port));
    for (kill_at, append) in [(3_000, 5_000), (12_000, 5_000)] {
        wait_for("the stream to be under way", || {
            (rsyslog.count() >= kill_at).then_some(())
        });
        rsyslog.kill();
        ledger.append(append);
        wait_for_error(&forwarder, "127.0.0.1");
        rsyslog.start_again();
    }
    // Present, first appearances in order, duplicates the same bytes.
    let received = rsyslog.all_up_to(LAST);
    for seq in (0..=LAST).step_by(997) {
        check_against(&ledger, &received[&seq]);
    }
    let status = wait_for("the forwarder to catch up", || {
        let status = forwarder.status();
        (status.lag_entries == 0 && status.connected).then_some(status)
    });
    assert!(status.connections >= 3 && status.resent > 0);
    eprintln!(
        "{} positions, {} messages received, {} sent, {} of them again",
        received.len(),
        rsyslog.count(),
        status.sent,
        status.resent
    );
}

#[test]
fn a_receiver_that_restarts_while_idle_loses_nothing() {
    let Some(mut rsyslog) = Rsyslog::start(None) else {
        return;
    };
    let ledger = Ledger::with(20);
    let forwarder = ledger.follow(tcp(rsyslog.port));
    rsyslog.all_up_to(20);
    for round in 1..=3 {
        rsyslog.kill();
        // The break is noticed without anything to send.
        wait_for("the break to be seen", || {
            (!forwarder.status().connected).then_some(())
        });
        rsyslog.start_again();
        ledger.append(1);
        rsyslog.all_up_to(20 + round);
    }
}

#[test]
fn both_tls_drivers_take_a_sender_they_know() {
    for driver in ["gtls", "ossl"] {
        let authority = Authority::new();
        let sender = authority.issue("ledger.example");
        let Some(mut rsyslog) = receiver(driver, &authority, Some("ledger.example")) else {
            return;
        };
        let ledger = Ledger::with(300);
        let toml = tls(rsyslog.port, &authority, Some(&sender), "");
        let forwarder = ledger.follow(destination(&toml));
        rsyslog.all_up_to(300);
        rsyslog.kill();
        ledger.append(300);
        wait_for_error(&forwarder, "127.0.0.1");
        rsyslog.start_again();
        let received = rsyslog.all_up_to(600);
        received
            .values()
            .for_each(|message| check_against(&ledger, message));
    }
}

#[test]
fn a_receiver_of_another_authority_or_name_gets_nothing() {
    let authority = Authority::new();
    let Some(rsyslog) = receiver("ossl", &authority, None) else {
        return;
    };
    let ledger = Ledger::with(10);
    let stranger = Authority::new();
    for (trusted, more) in [
        (&stranger, ""),
        (&authority, "server_name = 'other.example'\n"),
        (&authority, "server_name = '127.0.0.1'\n"),
    ] {
        let toml = tls(rsyslog.port, trusted, None, more);
        let forwarder = ledger.follow(destination(&toml));
        let status = wait_for_error(&forwarder, "the receiver's certificate is not accepted");
        assert_eq!((status.sent, status.connections), (0, 0));
    }
    assert_eq!(rsyslog.count(), 0);
    // The same receiver, rightly named, gets all of it.
    let _forwarder = ledger.follow(destination(&tls(rsyslog.port, &authority, None, "")));
    rsyslog.all_up_to(10);
}

#[test]
fn a_refused_sender_sends_nothing_until_its_certificate_is_renewed() {
    for (driver, refusal) in [
        ("gtls", "it hung up right after the handshake"),
        ("ossl", "the receiver ended TLS"),
    ] {
        let authority = Authority::new();
        let Some(rsyslog) = receiver(driver, &authority, Some("ledger.example")) else {
            return;
        };
        let ledger = Ledger::with(10);
        // In TLS 1.3 this handshake succeeds on our side, and so would hundreds of writes.
        let sender = Authority::new().issue_to("ledger.example", ledger.data_dir());
        let toml = tls(rsyslog.port, &authority, Some(&sender), "");
        let forwarder = ledger.follow(destination(&toml));
        wait_for_error(&forwarder, refusal);
        assert_eq!(rsyslog.count(), 0);
        // Read anew at the next attempt: no restart.
        authority.issue_to("ledger.example", ledger.data_dir());
        rsyslog.all_up_to(10);
        assert!(forwarder.status().connected);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ledger = Ledger::with(0);
    let toml = "transport = 'tls'\nhost = '127.0.0.1'\nport = 6514\nca_file = 'pki/ca.pem'";
    let (listener, port) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    };
    let forwarder = ledger.follow(destination(&toml.replace("6514", &port.to_string())));
    wait_for_error(
        &forwarder,
        "pki/ca.pem: the authority's certificate cannot be read",
    );
    drop(listener);
}

#[test]
fn a_pinned_certificate_needs_neither_authority_nor_name() {
    let authority = Authority::new();
    let identity = authority.issue("receiver.example");
    let Some(rsyslog) = Rsyslog::start(Some(TlsSide {
        driver: "ossl",
        ca: &authority.certificate(),
        certificate: &identity.certificate,
        key: &identity.key,
        permitted_peer: None,
    })) else {
        return;
    };
    let shown = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&identity.certificate)
        .output()
        .expect("openssl runs");
    let shown = String::from_utf8(shown.stdout).unwrap();
    let fingerprint = format!("sha-256:{}", shown.trim().split_once('=').unwrap().1);
    let pinned = |fingerprint: &str| {
        destination(&format!(
            "transport = 'tls'\nhost = '127.0.0.1'\nport = {}\nserver_fingerprint = '{fingerprint}'",
            rsyslog.port
        ))
    };
    let ledger = Ledger::with(10);
    let other = format!("sha-256:{}", ["AB"; 32].join(":"));
    let forwarder = ledger.follow(pinned(&other));
    let status = wait_for_error(&forwarder, &format!("not the pinned one but {fingerprint}"));
    assert_eq!((status.sent, rsyslog.count()), (0, 0));
    drop(forwarder);
    let _forwarder = ledger.follow(pinned(&fingerprint));
    rsyslog.all_up_to(10);
}

/// RFC 5425 §4.2.2, where neither side has an authority: each knows the other's certificate by the
/// hash that receivers of its time know.
#[test]
fn each_side_knows_the_other_by_a_sha_1_fingerprint() {
    let dir = tempfile::TempDir::new().unwrap();
    let made = |name: &str| {
        let SelfSigned { certificate, key } = transport::self_signed(name).unwrap();
        let identity = Identity {
            certificate: dir.path().join(format!("{name}.pem")),
            key: dir.path().join(format!("{name}.key")),
        };
        std::fs::write(&identity.certificate, certificate).unwrap();
        std::fs::write(&identity.key, key).unwrap();
        let names = transport::names(&identity.certificate).unwrap();
        (identity, names.sha1.unwrap().to_string())
    };
    let (siem, siem_sha1) = made("siem.example");
    let (ours, our_sha1) = made("ledger.example");
    let (stranger, _) = made("stranger.example");
    let Some(rsyslog) = Rsyslog::start(Some(TlsSide {
        driver: "gtls",
        ca: &siem.certificate,
        certificate: &siem.certificate,
        key: &siem.key,
        permitted_peer: Some(&our_sha1.replace("sha-1", "SHA1")),
    })) else {
        return;
    };
    let shown_by = |who: &Identity| {
        destination(&format!(
            "transport = 'tls'\nhost = '127.0.0.1'\nport = {}\nserver_fingerprint = '{siem_sha1}'\nclient_certificate_file = '{}'\nclient_key_file = '{}'",
            rsyslog.port,
            who.certificate.display(),
            who.key.display(),
        ))
    };
    let ledger = Ledger::with(10);
    let forwarder = ledger.follow(shown_by(&stranger));
    let status = wait_for_error(&forwarder, "the receiver");
    assert_eq!((status.sent, rsyslog.count()), (0, 0));
    drop(forwarder);
    let _forwarder = ledger.follow(shown_by(&ours));
    rsyslog.all_up_to(10);
}
