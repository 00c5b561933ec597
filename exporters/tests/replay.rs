//! A part of the log sent once more, beside the destination's own thread.
#![allow(clippy::unwrap_used)]

mod common;

use common::rsyslog::Rsyslog;
use common::{Ledger, destination};
use exporters::check::{self, Trust};
use exporters::forward::{ReplayError, replay};

#[test]
fn a_gap_is_closed_by_the_bytes_that_were_sent_before() {
    for transport in ["relp", "tcp"] {
        let started = match transport {
            "relp" => Rsyslog::relp(None, ""),
            _ => Rsyslog::start(None),
        };
        let Some(rsyslog) = started else {
            return;
        };
        let ledger = Ledger::with(400);
        let hq = destination(&format!(
            "transport = '{transport}'\nhost = '127.0.0.1'\nport = {}",
            rsyslog.port
        ));
        // The receiver never had the beginning, and has lost a part since.
        let again = |range| replay(&hq, &ledger.reader, ledger.data_dir(), range);
        again(200..300).unwrap();
        let sent = again(0..401).unwrap();
        let answers = (transport == "relp").then_some(401);
        assert_eq!((sent.sent, sent.answered), (401, answers));
        assert_eq!(sent.answer.as_deref(), answers.map(|_| "200 OK"));
        common::wait_for("all of it", || (rsyslog.count() >= 501).then_some(()));
        let received = rsyslog.received();
        assert_eq!(received[0].seq(), 200);
        assert_eq!(
            received[100 + 250],
            received[50],
            "a copy is the same bytes"
        );
        let beyond = again(400..402);
        assert!(matches!(
            beyond,
            Err(ReplayError::Beyond {
                last: 401,
                size: 401
            })
        ));
        // The cursor has not moved: the thread begins where it would have.
        let forwarder = ledger.follow(hq.clone());
        common::wait_for("the thread", || {
            (forwarder.status().sent == 401).then_some(())
        });
        let trust = Trust {
            vkey: None,
            ledger: Some(ledger.reader.clone()),
        };
        let copies = common::wait_for("all copies", || {
            let report = check::check(&rsyslog.stored()[..], &trust).unwrap();
            let chain = report.chains.into_values().next()?;
            (chain.entries == 401 && chain.is_clean()).then_some(chain.duplicates)
        });
        assert!(copies >= 100, "{copies}");
    }
}

#[test]
fn nobody_there_is_an_error_and_not_a_wait() {
    let ledger = Ledger::with(3);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let hq = destination(&format!(
        "transport = 'relp'\nhost = '127.0.0.1'\nport = {port}"
    ));
    let broken = replay(&hq, &ledger.reader, ledger.data_dir(), 0..1);
    assert!(matches!(broken, Err(ReplayError::Broken { sent: 0, .. })));
}

/// The files that the thread writes to are left alone.
#[test]
fn files_get_others_beside_them() {
    let ledger = Ledger::with(20);
    let hq = toml::from_str("name = 'hq'\ntransport = 'file'\ndirectory = 'out'").unwrap();
    let sent = replay(&hq, &ledger.reader, ledger.data_dir(), 5..9).unwrap();
    assert_eq!((sent.sent, sent.answered), (4, Some(4)));
    let names: Vec<_> = std::fs::read_dir(ledger.data_dir().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.len() == 1 && names[0].starts_with("hq.again-"),
        "{names:?}"
    );
    assert!(names[0].ends_with("-1-00000000000000000005.ndjson"));
    assert!(sent.answer.unwrap().ends_with(&names[0]));
    assert_eq!(ledger.follow(hq).status().confirmed, 0);
}
