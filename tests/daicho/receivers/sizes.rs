//! Long messages, and receivers that take, cut, split or refuse them.

use super::{Told, long};
use crate::common::pki::Authority;
use crate::common::rsyslog::{Rsyslog, TlsSide};
use crate::common::syslog_ng::SyslogNg;
use crate::world::{ORIGIN, wait_for};
use exporters::format::rfc5424::Header;
use exporters::format::{EntryView, Form, Format};
use ledger::Reader;
use serde_json::{Value, json};

/// rsyslog as it is where nobody has set a size.
const UNSET: &str = r#"
global(workDirectory="{dir}" net.enableDNS="off")
module(load="{module}")
ruleset(name="in") { action(type="omfile" file="{dir}/stored" template="RSYSLOG_SyslogProtocol23Format") }
input(type="{module}" address="127.0.0.1" port="{port}" ruleset="in")
"#;

fn table(transport: &str, port: u16, more: &str) -> String {
    format!("name = 'hq'\ntransport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\n{more}")
}

/// Three messages just below 64 KiB among short ones.
fn long_among_short(told: &Told) {
    for _ in 0..3 {
        told.add(5);
        told.post(&[long(64_700)]);
    }
    told.add(5);
}

const LARGEST: &str = "max_octets = 65536";

#[test]
fn messages_of_64_kib_arrive_whole_over_every_transport() {
    for transport in ["tcp", "tls", "relp", "relp-tls"] {
        let authority = Authority::new();
        let shown = authority.issue("receiver.example");
        let side = || TlsSide {
            driver: "ossl",
            ca: shown_ca(&authority),
            certificate: &shown.certificate,
            key: &shown.key,
            permitted_peer: Some("ledger.example"),
        };
        let started = match transport {
            "tcp" => Rsyslog::start(None),
            "tls" => Rsyslog::start(Some(side())),
            "relp" => Rsyslog::relp(None, ""),
            _ => Rsyslog::relp(Some(side()), ""),
        };
        let Some(rsyslog) = started else { return };
        let us = authority.issue("ledger.example");
        let secured = format!(
            "ca_file = '{}'\nserver_name = 'receiver.example'\nclient_certificate_file = '{}'\nclient_key_file = '{}'\n",
            authority.certificate().display(),
            us.certificate.display(),
            us.key.display()
        );
        let secured = if transport.ends_with("tls") {
            secured
        } else {
            String::new()
        };
        let told = Told::to(&[table(
            transport,
            rsyslog.port,
            &format!("{secured}{LARGEST}"),
        )]);
        long_among_short(&told);
        let row = told.arrives("hq");
        let chain = told.stores_all(|| rsyslog.stored_now());
        assert_eq!(
            (&chain["reduced"], &row["reduced"]),
            (&0.into(), &0.into()),
            "{row} {chain}"
        );
        // That they are of a length which not every receiver takes is told all the same.
        told.counts("hq", "over_8096", 3);
    }
}

fn shown_ca(authority: &Authority) -> &'static std::path::Path {
    Box::leak(authority.certificate().into_boxed_path())
}

#[test]
fn syslog_ng_as_it_is_takes_64_kib_too() {
    let plain = "@version: 3.35\noptions { keep-hostname(yes); use-dns(no); stats-freq(0); };\nsource s { syslog(ip(\"127.0.0.1\") port({port}) transport(\"tcp\") flags(store-raw-message)); };\ndestination d { file(\"{dir}/stored\" template(\"${RAWMSG}\\n\")); };\nlog { source(s); destination(d); flags(flow-control); };\n";
    let Some(receiver) = SyslogNg::start(plain) else {
        return;
    };
    let told = Told::to(&[table("tcp", receiver.port, LARGEST)]);
    long_among_short(&told);
    told.arrives("hq");
    let chain = told.stores_all(|| receiver.stored());
    assert_eq!(chain["reduced"], 0, "{chain}");
    told.counts("hq", "over_8096", 3);
}

/// The trap of every rsyslog that nobody has set up: 8,096 octets of a longer message, and `200 OK`.
#[test]
fn a_receiver_that_cuts_and_says_200_is_told_of_before_and_found_after() {
    let Some(rsyslog) = Rsyslog::configured(&UNSET.replace("{module}", "imrelp")) else {
        return;
    };
    let told = Told::to(&[table("relp", rsyslog.port, LARGEST)]);
    long_among_short(&told);
    // It has answered for everything: no fault, nothing waits. What shows is that it may have cut some.
    let row = told.arrives("hq");
    assert_eq!(row.get("faults"), None, "{row}");
    assert_eq!(row["confirmed"], told.server.size(), "{row}");
    told.counts("hq", "over_8096", 3);
    let mut report = json!({});
    wait_for("the receiver's lines", || {
        let (ran, now) = told.check(&rsyslog.stored_now());
        report = now["chains"][ORIGIN].clone();
        let lines = report["entries"].as_u64().unwrap_or(0)
            + report["truncated"]["count"].as_u64().unwrap_or(0);
        ran.code == 1 && Some(lines) == report["ledger_entries"].as_u64()
    });
    assert_eq!(report["truncated"]["count"], 3, "{report}");

    // With the size that daicho has by itself nothing is cut: what is longer goes reduced, and says so.
    let Some(rsyslog) = Rsyslog::configured(&UNSET.replace("{module}", "imrelp")) else {
        return;
    };
    let told = Told::to(&[table("relp", rsyslog.port, "")]);
    long_among_short(&told);
    let row = told.arrives("hq");
    let chain = told.stores_all(|| rsyslog.stored_now());
    assert_eq!(
        (&chain["reduced"], &row["over_8096"]),
        (&3.into(), &0.into()),
        "{row} {chain}"
    );
    told.counts("hq", "reduced", 3);
}

/// An event with so many positions, and one more of so many digits.
fn with_positions(count: usize, digits: u32) -> Value {
    let mut positions: Vec<_> = (100_000..100_000 + count as u64).collect();
    positions.push(10_u64.pow(digits - 1));
    json!({
        "kind": "secret.leaked", "actor": "user:s001",
        "data": { "secret": "provider-key", "positions": positions },
    })
}

/// Posts an event whose message has so many octets, or one more than that.
fn post_exactly(told: &Told, octets: usize, one_more: bool) {
    let newest = || {
        let reader = Reader::open(&told.ledger.dir).unwrap();
        let mut backwards = (0..reader.size()).rev();
        let entry = backwards.find_map(|seq| {
            let entry = reader.entry(seq).unwrap();
            (entry.kind() == "secret.leaked").then_some(entry)
        });
        let entry = entry.unwrap();
        let header = Header::new(None, 32_473).unwrap();
        let form = Form::syslog(Format::Json, header, 65_536).unwrap();
        let whole = form.whole(&EntryView::of(ORIGIN, &entry, None), 1);
        whole.map(|message| message.len())
    };
    // Near enough that no length in it gets another digit.
    let count = octets / 7 - 150;
    told.post(&[with_positions(count, 7)]);
    let lacks = octets - newest().expect("it is shorter");
    let (more, digits) = (lacks / 7, 7 + (lacks % 7) as u32);
    if one_more {
        return told.post(&[with_positions(count + more, digits + 1)]);
    }
    told.post(&[with_positions(count + more, digits)]);
    assert_eq!(newest(), Some(octets));
}

/// What daicho itself keeps to, and where a receiver that nobody has set up begins to cut.
#[test]
fn a_length_is_kept_to_the_octet() {
    for (more, octets) in [("", 8_000), (LARGEST, 65_536)] {
        let Some(rsyslog) = Rsyslog::relp(None, "") else {
            return;
        };
        let told = Told::to(&[table("relp", rsyslog.port, more)]);
        told.add(12);
        post_exactly(&told, octets, false);
        post_exactly(&told, octets, true);
        told.arrives("hq");
        let chain = told.stores_all(|| rsyslog.stored_now());
        assert_eq!(chain["reduced"], 1, "{octets}: {chain}");
        told.counts("hq", "reduced", 1);
    }
    let Some(rsyslog) = Rsyslog::configured(&UNSET.replace("{module}", "imrelp")) else {
        return;
    };
    let told = Told::to(&[table("relp", rsyslog.port, LARGEST)]);
    told.add(12);
    post_exactly(&told, 8_096, false);
    post_exactly(&told, 8_097, false);
    let row = told.arrives("hq");
    assert_eq!(row["over_8096"], 1, "{row}");
    let mut chain = json!({});
    wait_for("the receiver's lines", || {
        chain = told.check(&rsyslog.stored_now()).1["chains"][ORIGIN].clone();
        chain["truncated"]["count"] == 1
    });
    let longer = told.ledger.events("secret.leaked").pop().unwrap();
    let cut = &chain["truncated"]["first"][0]["seq"];
    assert_eq!(cut, &longer["seq"], "{chain}");
}

/// Over plain frames the same receiver makes nine records of one message, and answers nothing.
#[test]
fn a_receiver_that_splits_is_told_of_before_and_found_after() {
    let Some(rsyslog) = Rsyslog::configured(&UNSET.replace("{module}", "imtcp")) else {
        return;
    };
    let told = Told::to(&[table("tcp", rsyslog.port, LARGEST)]);
    long_among_short(&told);
    told.arrives("hq");
    told.counts("hq", "over_8096", 3);
    let mut report = json!({});
    wait_for("the receiver's lines", || {
        let (ran, now) = told.check(&rsyslog.stored_now());
        report = now;
        let chain = &report["chains"][ORIGIN];
        ran.code == 1
            && chain["last"].as_u64() >= Some(told.server.size() - 1)
            && chain["truncated"]["count"] == 3
    });
    let chain = &report["chains"][ORIGIN];
    assert_eq!(
        chain["gaps"]["count"], 3,
        "each of the three is named: {report}"
    );
    assert!(
        report["other"].as_u64() >= Some(3 * 7),
        "the rest are lines of nobody: {report}"
    );
}

#[test]
fn a_receiver_that_hangs_up_at_an_entry_gets_it_reduced_and_the_log_says_so() {
    let small = "@version: 3.35\noptions { keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(2048); };\nsource s { syslog(ip(\"127.0.0.1\") port({port}) transport(\"tcp\") flags(store-raw-message)); };\ndestination d { file(\"{dir}/stored\" template(\"${RAWMSG}\\n\")); };\nlog { source(s); destination(d); flags(flow-control); };\n";
    let Some(receiver) = SyslogNg::start(small) else {
        return;
    };
    let told = Told::to(&[table("tcp", receiver.port, "")]);
    told.add(30);
    told.post(&[long(6_000)]);
    told.add(30);
    told.shows("hq", "closed", "the receiver closed the connection");
    // Found, told short, and nothing behind it has to wait.
    let chain = told.stores_all(|| receiver.stored());
    assert_eq!(chain["reduced"], 1, "{chain}");
    told.counts("hq", "reduced", 1);
    told.arrives("hq");
    let unfit = told.ledger.events("secret.leaked")[0]["seq"].clone();
    let degraded = told.ledger.events("export.degraded");
    let of = |event: &serde_json::Value| {
        (
            event["data"]["destination"].clone(),
            event["data"]["position"].clone(),
        )
    };
    assert_eq!(
        degraded.iter().map(of).collect::<Vec<_>>(),
        [(json!("hq"), unfit)]
    );
    let (_, row) = told.status("hq");
    assert!(row["faults"]["closed"].as_u64() >= Some(3), "{row}");
}
