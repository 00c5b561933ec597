//! The host's clock jumps while receivers are told.

use super::Told;
use crate::bad_input::is_refused;
use crate::bad_input::places::faketime;
use crate::common::rsyslog::Rsyslog;
use crate::common::wait_at_most;
use crate::world::{Ledger, Server, cannot_run, daicho, drill, wait_for};
use std::path::Path;
use std::time::Duration;

/// More than two heartbeats, on a busy machine.
const HEARTBEATS: Duration = Duration::from_secs(240);

const DAY: u64 = 86_400;

/// What the host's clock says from now on, against the true time.
fn set(hands: &Path, offset: &str) {
    // At once: a clock that is read while it is set says one or the other.
    let new = hands.with_extension("new");
    std::fs::write(&new, format!("{offset}\n")).unwrap();
    std::fs::rename(new, hands).unwrap();
}

/// Days forward and days back, with the receiver there and away: what is due is sent, attempts go on, no figure is out of
/// this world, and the heartbeat goes on beating. A receiver that answers, and one that never does.
#[test]
fn a_clock_that_jumps_stops_no_receiver_and_no_heartbeat() {
    let Some(library) = faketime() else {
        return cannot_run("receivers", "no libfaketime (package faketime)");
    };
    let (Some(mut rsyslog), Some(mut plain)) = (Rsyslog::relp(None, ""), Rsyslog::start(None))
    else {
        return;
    };
    rsyslog.answer_after_writing();
    let ledger = Ledger::new();
    let (relp, tcp) = (rsyslog.port, plain.port);
    ledger.configure(|text| {
        let table = |name: &str, transport: &str, port: u16| {
            format!(
                "\n[[export]]\nname = '{name}'\ntransport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\n"
            )
        };
        text + &table("hq", "relp", relp) + &table("plain", "tcp", tcp) + "format = 'ocsf'\n"
    });
    let hands = ledger.beside("hands");
    set(&hands, "+0d");
    let mut command = daicho(&ledger.dir);
    command
        .env("LD_PRELOAD", &library)
        .env("FAKETIME_TIMESTAMP_FILE", &hands)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let server = Server::start(&ledger.dir, command);
    let told = Told { ledger, server };
    let arrives = || {
        for name in ["hq", "plain"] {
            let row = told.arrives(name);
            assert_eq!(row["lag_seconds"], 0, "{row}");
        }
    };
    told.add(20);
    arrives();
    set(&hands, "+3d");
    told.add(20);
    arrives();

    // Away while the clock jumps: attempts go on by no clock that anybody sets.
    rsyslog.kill();
    plain.terminate();
    told.add(20);
    for name in ["hq", "plain"] {
        told.shows(name, "unreachable", "check that the receiver runs");
    }
    set(&hands, "+5d");
    told.counts("hq", "lag_seconds", DAY);
    // Behind the log's newest entry nothing is recorded any more. What is recorded is told.
    set(&hands, "-9d");
    let post = || {
        told.server
            .post("application/json", drill("late").to_string())
    };
    is_refused(post(), 503, &["clock ran back"]);
    wait_for("a lag that is none of days", || {
        let row = told.status("hq").1;
        row["lag_seconds"].as_u64() < Some(DAY) && row["lag_entries"].as_u64() >= Some(20)
    });
    let attempts = |name: &str| told.status(name).1["faults"]["unreachable"].as_u64();
    let before = ["hq", "plain"].map(attempts);
    wait_for("further attempts", || {
        ["hq", "plain"]
            .map(attempts)
            .iter()
            .zip(before)
            .all(|(now, before)| *now > before)
    });
    rsyslog.start_again();
    plain.start_again();
    arrives();

    set(&hands, "+5d");
    assert_eq!(post().send().unwrap().status(), 200);
    arrives();
    // And idle again, the heartbeat: at both.
    let beats = |stored: Vec<u8>| {
        let text = String::from_utf8_lossy(&stored).into_owned();
        text.contains(" ledger.checkpoint [daicho@")
    };
    wait_at_most(HEARTBEATS, "a heartbeat at both receivers", || {
        (beats(rsyslog.stored_now()) && beats(plain.stored_now())).then_some(())
    });
    told.stores_all(|| rsyslog.stored_now());
    told.stores_all(|| plain.stored_now());
    // What either of them wrote is a witness as it stands, in the ledger's words or in OCSF's.
    for (name, stored) in [
        ("relp", rsyslog.stored_now()),
        ("plain", plain.stored_now()),
    ] {
        let file = told.ledger.beside(name);
        std::fs::write(&file, stored).unwrap();
        let file = file.display().to_string();
        let verified = told.ledger.run(&["verify", "--checkpoint", &file]).ok();
        assert!(verified.contains(": kept"), "{name}: {verified}");
    }
    assert_eq!(told.server.stop(), 0);
    told.ledger.verify();
}
