//! The host's own syslog: rsyslog at a socket of its own, through its death and return.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::rsyslog::Rsyslog;
use common::{Ledger, ORIGIN, destination, wait_for, wait_for_error};
use exporters::check::{Chain, Trust, check};
use exporters::forward::Destination;

/// As daicho.toml says of `local`; the port shows that it is up.
const RECEIVER: &str = r#"
global(workDirectory="{dir}" maxMessageSize="128k" net.enableDNS="off")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
ruleset(name="none") { stop }
ruleset(name="in") {
  action(type="omfile" file="{dir}/stored" template="RSYSLOG_SyslogProtocol23Format")
}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="none")
input(type="imuxsock" socket="{dir}/log" useSpecialParser="off" parseHostname="on" ruleset="in")
"#;

fn local(rsyslog: &Rsyslog) -> Destination {
    let socket = rsyslog.file("log");
    destination(&format!(
        "transport = 'local'\nsocket = '{}'",
        socket.display()
    ))
}

/// Once all entries are there: what the receiver stored, by the ledger at hand.
fn judged(ledger: &Ledger, rsyslog: &Rsyslog) -> Chain {
    let trust = || Trust {
        vkey: Some(ledger.reader.key_in_force()),
        ledger: Some(ledger.reader.clone()),
    };
    wait_for("every entry", || {
        let mut report = check(&rsyslog.stored_now()[..], &trust()).unwrap();
        let clean = report.is_clean();
        let chain = report.chains.remove(ORIGIN)?;
        (clean && chain.entries == ledger.reader.size()).then_some(chain)
    })
}

#[test]
fn every_entry_arrives_and_once() {
    let Some(rsyslog) = Rsyslog::configured(RECEIVER) else {
        return;
    };
    let ledger = Ledger::with(3_000);
    let forwarder = ledger.follow(local(&rsyslog));
    let chain = judged(&ledger, &rsyslog);
    assert_eq!((chain.first, chain.duplicates), (0, 0));
    let status = forwarder.status();
    assert_eq!((status.sent, status.resent), (ledger.reader.size(), 0));
    assert_eq!(status.confirmed, 0, "a datagram has no answer");
}

#[test]
fn a_syslog_that_dies_has_everything_once_it_returns() {
    let Some(mut rsyslog) = Rsyslog::configured(RECEIVER) else {
        return;
    };
    let ledger = Ledger::with(5_000);
    let forwarder = ledger.follow(local(&rsyslog));
    wait_for("the stream to be under way", || {
        (rsyslog.stored_now().len() > 100_000).then_some(())
    });
    rsyslog.kill();
    ledger.append(2_000);
    wait_for_error(&forwarder, "log");
    rsyslog.start_again();
    let chain = judged(&ledger, &rsyslog);
    assert!(chain.duplicates > 0, "what was sent before is sent again");
    // Idle when it restarts: that shows at the next message.
    rsyslog.terminate();
    rsyslog.start_again();
    ledger.append(1);
    judged(&ledger, &rsyslog);
}

#[test]
fn a_host_without_a_syslog_is_named() {
    let ledger = Ledger::with(1);
    let forwarder = ledger.follow(destination("transport = 'local'\nsocket = 'none/log'"));
    let status = wait_for_error(&forwarder, "check that a syslog service runs");
    assert!(!status.connected);
}
