//! Receivers over TLS that are not who they should be, or do not take us for who we are.

use super::Told;
use crate::common::pki::{Authority, Identity};
use crate::common::rsyslog::{Rsyslog, TlsSide};
use crate::world::Ledger;
use std::path::Path;

const TRANSPORTS: [&str; 2] = ["tls", "relp-tls"];

/// A receiver with this certificate that lets in `ledger.example` alone. rsyslog's driver for OpenSSL does not hang up on
/// another name of its authority but reads nothing of it, which shows as `stuck` has it.
fn receiver(transport: &str, authority: &Authority, shown: &Identity) -> Option<Rsyslog> {
    let side = TlsSide {
        driver: "gtls",
        ca: &authority.certificate(),
        certificate: &shown.certificate,
        key: &shown.key,
        permitted_peer: Some("ledger.example"),
    };
    match transport {
        "tls" => Rsyslog::start(Some(side)),
        _ => Rsyslog::relp(Some(side), ""),
    }
}

fn table(name: &str, transport: &str, port: u16, ca: &Path, more: &str) -> String {
    format!(
        "name = '{name}'\ntransport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\nca_file = '{}'\n{more}",
        ca.display()
    )
}

fn client(who: &Identity) -> String {
    format!(
        "client_certificate_file = '{}'\nclient_key_file = '{}'",
        who.certificate.display(),
        who.key.display()
    )
}

#[test]
fn nothing_goes_to_whom_nobody_vouches_for_nor_as_somebody_else() {
    for transport in TRANSPORTS {
        let (authority, strangers) = (Authority::new(), Authority::new());
        let shown = authority.issue("receiver.example");
        let Some(rsyslog) = receiver(transport, &authority, &shown) else {
            return;
        };
        let (us, other) = (
            authority.issue("ledger.example"),
            authority.issue("other.example"),
        );
        let ours = client(&us);
        let at = |name: &str, ca: &Path, more: &str| table(name, transport, rsyslog.port, ca, more);
        let ca = authority.certificate();
        let named = "server_name = 'receiver.example'\n";
        let ledger = Ledger::new();
        // Who has our name by another authority, in the place where ours will be.
        let changing = strangers.issue_to("ledger.example", &ledger.dir);
        let told = Told::by(
            ledger,
            &[
                at(
                    "name",
                    &ca,
                    &format!("server_name = 'siem.example'\n{ours}"),
                ),
                at(
                    "authority",
                    &strangers.certificate(),
                    &format!("{named}{ours}"),
                ),
                at("client", &ca, &format!("{named}{}", client(&other))),
                at("nobody", &ca, named),
                at("changing", &ca, &format!("{named}{}", client(&changing))),
            ],
        );
        told.add(20);
        told.shows(
            "name",
            "untrusted",
            "the receiver's certificate is not accepted for siem.example",
        );
        told.shows("authority", "untrusted", "check ca_file and server_name");
        for name in ["client", "nobody", "changing"] {
            told.shows(
                name,
                "refused",
                "check the client certificate and what the receiver permits",
            );
        }
        for name in ["name", "authority", "client", "nobody", "changing"] {
            let (_, row) = told.status(name);
            assert_eq!(
                (&row["sent"], &row["confirmed"]),
                (&0.into(), &0.into()),
                "{row}"
            );
            told.counts(name, "lag_entries", 21);
            assert_eq!(told.metric("connected", name), Some(0));
        }
        assert!(rsyslog.stored_now().is_empty());
        // Replaced where it lies: the next handshake reads it, and nobody restarts anything.
        authority.issue_to("ledger.example", &told.ledger.dir);
        told.arrives("changing");
        told.stores_all(|| rsyslog.stored_now());
        // So is whom we trust.
        std::fs::copy(&ca, strangers.certificate()).unwrap();
        told.arrives("authority");
    }
}

#[test]
fn a_certificate_that_expires_is_told_and_replaced_without_a_restart() {
    for transport in TRANSPORTS {
        let authority = Authority::new();
        let dir = tempfile::tempdir().unwrap();
        let shown = authority.issue_to("receiver.example", dir.path());
        let Some(mut rsyslog) = receiver(transport, &authority, &shown) else {
            return;
        };
        let ledger = Ledger::new();
        let us = authority.issue_to("ledger.example", &ledger.dir);
        let more = format!("server_name = 'receiver.example'\n{}", client(&us));
        let hq = table(
            "hq",
            transport,
            rsyslog.port,
            &authority.certificate(),
            &more,
        );
        let told = Told::by(ledger, &[hq]);
        told.add(10);
        told.arrives("hq");
        // Ours: what is connected stays so, and the next handshake is refused.
        authority.issue_expired_to("ledger.example", &told.ledger.dir);
        rsyslog.kill();
        rsyslog.start_again();
        told.add(10);
        told.shows("hq", "refused", "the receiver");
        assert_eq!(told.metric("connected", "hq"), Some(0));
        authority.issue_to("ledger.example", &told.ledger.dir);
        told.arrives("hq");
        // The receiver's.
        authority.issue_expired_to("receiver.example", dir.path());
        rsyslog.kill();
        rsyslog.start_again();
        told.add(10);
        told.shows("hq", "untrusted", "expired");
        authority.issue_to("receiver.example", dir.path());
        rsyslog.kill();
        rsyslog.start_again();
        told.arrives("hq");
        told.stores_all(|| rsyslog.stored_now());
        if transport == "tls" {
            // Without answers each break sends the window again.
            told.counts("hq", "resent", 1);
        }
        let (_, row) = told.status("hq");
        assert_eq!(
            row.get("last_error"),
            None,
            "what is over is counted, not shouted: {row}"
        );
        for fault in ["refused", "untrusted"] {
            assert!(row["faults"][fault].as_u64() >= Some(1), "{row}");
        }
    }
}
