//! Receivers that are not reached, or are something else.

use super::Told;
use crate::common::rsyslog::Rsyslog;
use crate::world::{cannot_run, provider, run, wait_for};
use axum::Router;
use axum::http::StatusCode;
use serde_json::json;
use std::io::Write;
use std::net::TcpListener;

/// Says the same to whoever connects.
fn one_that_says(words: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(words.as_bytes());
            open.push(stream);
        }
    });
    port
}

fn answers_with(status: StatusCode) -> String {
    provider(Router::new().fallback(async move || (status, "not you, not now")))
}

#[test]
fn what_keeps_a_receiver_from_being_reached_is_told() {
    // Bound and not listening: nobody else gets this port while the test runs.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    silent.bind(&any.into()).unwrap();
    let free = silent.local_addr().unwrap().as_socket().unwrap().port();
    let web = one_that_says("HTTP/1.1 400 Bad Request\r\n\r\n");
    let (mute, closed) = (one_that_says(""), one_that_says("1 rsp 13 500 no thanks\n"));
    let own = "host = '127.0.0.1'";
    let (barred, busy, lost, choosy) = (
        answers_with(StatusCode::UNAUTHORIZED),
        answers_with(StatusCode::SERVICE_UNAVAILABLE),
        answers_with(StatusCode::NOT_FOUND),
        answers_with(StatusCode::BAD_REQUEST),
    );
    let cases = [
        (
            "unresolved",
            "transport = 'tls'\nhost = 'no-such-host.invalid'\nport = 6514".to_owned(),
            "the name leads to no address",
        ),
        (
            "unreachable",
            format!("transport = 'relp'\n{own}\nport = {free}"),
            "check that the receiver runs",
        ),
        (
            "spoke",
            format!("transport = 'tcp'\n{own}\nport = {web}"),
            "check host and port",
        ),
        (
            "not_relp",
            format!("transport = 'relp'\n{own}\nport = {web}"),
            "this is no RELP receiver",
        ),
        (
            "handshake",
            format!("transport = 'tls'\n{own}\nport = {web}"),
            "check that this port speaks TLS",
        ),
        (
            "silent",
            format!("transport = 'tls'\n{own}\nport = {mute}"),
            "no answer to the TLS handshake",
        ),
        (
            "rejected",
            format!("transport = 'relp'\n{own}\nport = {closed}"),
            "the receiver refuses with \"500 no thanks\"",
        ),
        (
            "unfit",
            format!("transport = 'http'\nurl = '{choosy}/in'"),
            "the receiver takes this entry never (400 not you, not now)",
        ),
        (
            "file",
            format!("transport = 'relp-tls'\n{own}\nport = {web}\nca_file = 'pki/none.pem'"),
            "the authority's certificate cannot be read",
        ),
        (
            "forbidden",
            format!("transport = 'http'\nurl = '{barred}/in'"),
            "check token_file",
        ),
        (
            "busy",
            format!("transport = 'http'\nurl = '{busy}/in'"),
            "the receiver is busy (503 not you, not now)",
        ),
        (
            "not_http",
            format!("transport = 'http'\nurl = '{lost}/in'"),
            "check url and transport",
        ),
        (
            "no_syslog",
            "transport = 'local'\nsocket = 'none/log'".to_owned(),
            "check that a syslog service runs there",
        ),
        (
            "disk",
            "transport = 'file'\ndirectory = 'daicho.toml/out'".to_owned(),
            "check the place",
        ),
    ];
    // A destination is named as its fault is, with the signs that a name has.
    let name = |fault: &str| fault.replace('_', "-");
    let tables = cases
        .iter()
        .map(|(fault, table, _)| format!("name = '{}'\n{table}", name(fault)));
    let told = Told::to(&tables.collect::<Vec<_>>());
    told.add(10);
    for (fault, _, words) in &cases {
        let row = told.shows(&name(fault), fault, words);
        // Where nothing is known to have arrived all of it waits, and appends do not.
        assert_eq!(row["confirmed"], 0, "{row}");
        if *fault != "spoke" {
            // A connection is there for as long as it takes to be told no by a server of HTTP.
            let answers = ["forbidden", "busy", "not_http", "unfit"].contains(fault);
            assert!(answers || row["connected"] == false, "{row}");
            assert_eq!(row["sent"], 0, "{row}");
            told.counts(&name(fault), "lag_entries", 11);
        }
    }
    // With no server the command still says from where it would go on.
    let Told { ledger, server } = told;
    assert_eq!(server.stop(), 0);
    let rest = ledger.run(&["--json", "export", "status"]).lines();
    assert_eq!(rest.len(), cases.len());
    assert!(rest.iter().all(|row| row["confirmed"] == 0));
}

/// One input at an address of each version: the helper's own look goes to the older.
const BOTH: &str = r#"
global(workDirectory="{dir}" maxMessageSize="128k" net.enableDNS="off")
module(load="imrelp")
ruleset(name="in") { action(type="omfile" file="{dir}/stored" template="RSYSLOG_SyslogProtocol23Format") }
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="in")
input(type="imrelp" address="::1" port="{port}" ruleset="in")
"#;

#[test]
fn a_receiver_at_an_address_of_version_six_has_everything() {
    if TcpListener::bind("[::1]:0").is_err() {
        return cannot_run("receivers", "this machine has no IPv6");
    }
    for host in ["::1", "[::1]"] {
        let Some(rsyslog) = Rsyslog::configured(BOTH) else {
            return;
        };
        let table = format!(
            "name = 'hq'\ntransport = 'relp'\nhost = '{host}'\nport = {}",
            rsyslog.port
        );
        let told = Told::to(&[table]);
        told.add(50);
        let row = told.arrives("hq");
        assert_eq!(
            (row.get("faults"), row.get("last_error")),
            (None, None),
            "{row}"
        );
        told.counts("hq", "confirmed", 51);
        let tested = told.ledger.run(&["export", "test", "hq"]).ok();
        assert!(tested.contains("answered   1: 200 OK"), "{tested}");
        told.stores_all(|| rsyslog.stored_now());
    }
}

#[test]
fn a_part_that_is_sent_again_says_what_came_back() {
    let Some(rsyslog) = Rsyslog::relp(None, "") else {
        return;
    };
    let table = format!(
        "name = 'hq'\ntransport = 'relp'\nhost = '127.0.0.1'\nport = {}",
        rsyslog.port
    );
    let told = Told::to(&[table]);
    told.add(200);
    told.arrives("hq");
    told.stores_all(|| rsyslog.stored_now());
    let whole = rsyslog.stored();
    // A part is lost on the receiver's side, named by its file, and sent again from the ledger.
    let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let holed = [&lines[..100], &lines[120..]].concat().concat();
    let (ran, report) = told.check(&holed);
    let chain = &report["chains"][crate::world::ORIGIN];
    assert_eq!(
        (ran.code, &chain["gaps"]["count"]),
        (1, &1.into()),
        "{report}"
    );
    let gap = &chain["gaps"]["first"][0];
    let (from, to) = (gap["first"].to_string(), gap["last"].to_string());
    assert_eq!((from.as_str(), to.as_str()), ("100", "119"));
    let again = told
        .ledger
        .run(&["export", "replay", "hq", "--from", &from, "--to", &to])
        .ok();
    assert!(
        again.contains("sent       20 entries") && again.contains("answered   20: 200 OK"),
        "{again}"
    );
    let mut grown = Vec::new();
    wait_for("the part", || {
        grown = rsyslog.stored();
        grown.iter().filter(|byte| **byte == b'\n').count() == lines.len() + 20
    });
    // Byte for byte what was sent before.
    assert_eq!(&grown[whole.len()..], lines[100..120].concat());
    let mended = [holed.clone(), grown[whole.len()..].to_vec()].concat();
    let (ran, report) = told.check(&mended);
    assert_eq!(ran.code, 0, "{report}");

    // Whoever checks may have the log say so: reports and rules at the receiver count by that.
    let record = |stored: &[u8]| {
        let file = told.ledger.beside("stored");
        std::fs::write(&file, stored).unwrap();
        let file = file.display().to_string();
        let checked = ["export", "check", &file, "--ledger", "--record", "hq"];
        told.ledger.run(&checked)
    };
    let found = |kind: &str| -> Vec<_> {
        let events = told.ledger.events(kind).into_iter();
        events.map(|event| event["data"].clone()).collect()
    };
    assert_eq!(record(&holed).code, 1);
    let gaps = [json!({"destination": "hq", "first": 100, "last": 119})];
    assert_eq!(found("export.gap"), gaps);
    // What was recorded since has not come there when the file was taken: that is its tail.
    let ran = record(&mended);
    assert!(ran.code == 1 && ran.out.contains("tail       "), "{ran:?}");
    assert_eq!(found("export.gap"), gaps);
    let last = lines.len() - 1;
    let delivered = json!({"destination": "hq", "first": 0, "last": last});
    assert_eq!(found("export.delivered"), [delivered]);
}

#[test]
fn udp_is_refused_and_the_error_says_why() {
    let ledger = crate::world::Ledger::new();
    ledger.configure(|text| {
        text + "\n[[export]]\nname = 'hq'\ntransport = 'udp'\nhost = 'siem.example'\nport = 514\n"
    });
    let mut serve = crate::world::daicho(&ledger.dir);
    serve.args(["serve", "--listen", "127.0.0.1:0"]);
    run(serve, b"").refused(&["udp loses messages without telling anyone", "relp-tls"]);
    ledger
        .run(&["export", "status"])
        .refused(&["udp loses messages"]);
}
