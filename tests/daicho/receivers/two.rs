//! Two processes at one ledger, or two ledgers that were one: a receiver hears of each entry from one of them.

use super::Told;
use crate::common::rsyslog::Rsyslog;
use crate::world::{Ledger, ORIGIN, Server, drill, wait_for};
use serde_json::Value;
use std::fs::File;

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// rsyslog that answers for what is written, and the table that leads to it.
fn receiver() -> Option<(Rsyslog, String)> {
    let mut rsyslog = Rsyslog::relp(None, "")?;
    rsyslog.answer_after_writing();
    let table = format!(
        "name = 'hq'\ntransport = 'relp'\nhost = '127.0.0.1'\nport = {}",
        rsyslog.port
    );
    Some((rsyslog, table))
}

fn cursor(ledger: &Ledger) -> Value {
    let text = std::fs::read(ledger.dir.join("export/hq.cursor")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The receiver has everything, and so many copies.
#[track_caller]
fn has_all_and(told: &Told, rsyslog: &Rsyslog, copies: u64) {
    told.arrives("hq");
    let chain = told.stores_all(|| rsyslog.stored_now());
    assert_eq!(chain["duplicates"], copies, "{chain}");
}

#[test]
fn a_second_process_neither_sends_for_the_first_nor_moves_its_cursor() {
    let Some((rsyslog, table)) = receiver() else {
        return;
    };
    let told = Told::to(&[table]);
    told.add(300);
    has_all_and(&told, &rsyslog, 0);
    let pid = told.server.pid().to_string();
    told.ledger
        .run(&SERVE)
        .refused(&["process ", &pid, "stop that process"]);
    // Whoever asks for a copy gets that copy, from a connection of its own.
    told.ledger.run(&["export", "test", "hq"]).ok();
    let part = ["export", "replay", "hq", "--from", "0", "--to", "99"];
    told.ledger.run(&part).ok();
    has_all_and(&told, &rsyslog, 101);
    told.add(50);
    has_all_and(&told, &rsyslog, 101);
    let row = told.status("hq").1;
    assert_eq!(
        (&row["connections"], &row["resent"]),
        (&1.into(), &0.into()),
        "{row}"
    );
    assert_eq!(row["sent"], row["position"], "each once: {row}");
    wait_for("the cursor is on the disk", || {
        cursor(&told.ledger)["position"].as_u64() >= row["position"].as_u64()
    });

    // Nobody serves, and commands do as they are told: from where it stands the next server goes on.
    let Told { ledger, server } = told;
    assert_eq!(server.stop(), 0);
    let at = cursor(&ledger);
    ledger.append(&vec![drill("meanwhile"); 40]);
    let last = at["position"].as_u64().unwrap() + 39;
    let (from, to) = ((last - 9).to_string(), last.to_string());
    let part = ["export", "replay", "hq", "--from", &from, "--to", &to];
    ledger.run(&part).ok();
    ledger.run(&["export", "status"]).ok();
    assert_eq!(cursor(&ledger), at);

    // Somebody else holds the cursor, by whatever door: nothing is sent beside them.
    let held = File::create(ledger.dir.join("export/hq.lock")).unwrap();
    held.lock().unwrap();
    let stored = rsyslog.stored_now();
    ledger.run(&SERVE).refused(&[
        "export/hq.cursor",
        "another forwarder follows this destination",
    ]);
    assert_eq!(cursor(&ledger), at);
    assert_eq!(rsyslog.stored_now(), stored);
    drop(held);
    let server = ledger.serve();
    let told = Told { ledger, server };
    // The ten that were asked for came before they were due.
    has_all_and(&told, &rsyslog, 111);
    assert_eq!(told.status("hq").1["resent"], 0);
}

/// A copy that goes on beside its original says other things at the same positions, as the same log: no lock is between
/// them, and whoever has what both told finds it.
#[test]
fn a_copy_that_goes_on_beside_its_original_is_found_at_the_receiver() {
    let Some((rsyslog, table)) = receiver() else {
        return;
    };
    let told = Told::to(&[table]);
    told.add(100);
    has_all_and(&told, &rsyslog, 0);
    let vkey = told.ledger.run(&["key", "show"]).ok();
    let vkey = vkey.split_whitespace().find(|word| word.contains('+'));
    let vkey = vkey.unwrap().to_owned();
    let Told { ledger, server } = told;
    assert_eq!(server.stop(), 0);
    let copy = ledger.copy();
    let feed = |server: &Server, name: &str| {
        let events: Vec<_> = (0..30).map(|n| drill(&format!("{name}-{n}"))).collect();
        let body = crate::world::ndjson(&events);
        let answer = server.post("application/x-ndjson", body).send().unwrap();
        assert!(answer.status().is_success());
        wait_for("the receiver has everything", || {
            let row = &server.json("/api/v1/export")[0];
            row["confirmed"].as_u64() == Some(server.size())
        });
    };
    let (original, other) = (ledger.serve(), copy.serve());
    feed(&original, "original");
    feed(&other, "copy");
    assert_eq!((original.stop(), other.stop()), (0, 0));
    let stored = ledger.beside("stored");
    let judged = |trust: &[&str]| {
        let file = stored.display().to_string();
        let ran = ledger.run(&[&["export", "check", file.as_str(), "--json"][..], trust].concat());
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        (
            ran.code,
            report["chains"][ORIGIN]["forged"]["count"].clone(),
        )
    };
    wait_for("both are written", || {
        std::fs::write(&stored, rsyslog.stored_now()).unwrap();
        // Each is signed by the log's key: what differs is what the receiver was told before.
        let (code, forged) = judged(&["--vkey", &vkey]);
        code == 1 && forged.as_u64() >= Some(30)
    });
    let (code, forged) = judged(&["--ledger"]);
    assert!(code == 1 && forged.as_u64() >= Some(30), "{forged}");
}
