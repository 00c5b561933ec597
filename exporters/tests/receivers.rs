//! The receivers' configurations that are shipped, in the receivers that they are for: what
//! `export check` says of what they stored after kills.
#![allow(clippy::unwrap_used)]

mod common;

use common::pki::Authority;
use common::rsyslog::Rsyslog;
use common::syslog_ng::SyslogNg;
use common::{Ledger, ORIGIN, destination, wait_for};
use exporters::check::{self, Chain, Trust};

const RSYSLOG: &str = include_str!("../receivers/rsyslog.conf");
const SYSLOG_NG: &str = include_str!("../receivers/syslog-ng.conf");

/// The shipped text with what is of this test in the place of what an operator puts in.
fn with(shipped: &str, own: &[(&str, String)]) -> String {
    own.iter().fold(shipped.to_owned(), |text, (theirs, ours)| {
        assert!(
            text.contains(theirs),
            "{theirs} is not in the configuration"
        );
        text.replace(theirs, ours)
    })
}

/// Once every entry is there: what the check says of the whole, and how many lines are torn.
fn judged(ledger: &Ledger, stored: impl Fn() -> Vec<u8>) -> (Chain, u64) {
    let trust = Trust {
        vkey: None,
        ledger: Some(ledger.reader.clone()),
    };
    wait_for("every entry to be stored", || {
        let mut report = check::check(&stored()[..], &trust).unwrap();
        let chain = report.chains.remove(ORIGIN)?;
        let all = chain.entries == ledger.reader.size() && chain.gaps.count == 0;
        all.then_some((chain, report.torn.count))
    })
}

fn secured(transport: &str, port: u16, authority: &Authority) -> String {
    let client = authority.issue("ledger.example");
    format!(
        "transport = '{transport}'\nhost = '127.0.0.1'\nport = {port}\nca_file = '{}'\nserver_name = 'siem.example'\nclient_certificate_file = '{}'\nclient_key_file = '{}'",
        authority.certificate().display(),
        client.certificate.display(),
        client.key.display()
    )
}

/// The shipped configuration of rsyslog, on this machine.
fn shipped_rsyslog(authority: &Authority) -> String {
    let siem = authority.issue("siem.example");
    with(
        RSYSLOG,
        &[
            ("/var/spool/rsyslog", "{dir}".to_owned()),
            ("/var/log/daicho/daicho.log", "{dir}/stored".to_owned()),
            (
                "port=\"20514\"",
                "address=\"127.0.0.1\" port=\"{port}\"".to_owned(),
            ),
            (
                "/etc/rsyslog.d/pki/ca.pem",
                authority.certificate().display().to_string(),
            ),
            (
                "/etc/rsyslog.d/pki/siem.pem",
                siem.certificate.display().to_string(),
            ),
            (
                "/etc/rsyslog.d/pki/siem.key",
                siem.key.display().to_string(),
            ),
            ("ledger.example.co.jp", "ledger.example".to_owned()),
        ],
    )
}

#[test]
fn rsyslog_as_shipped_keeps_what_it_answered_for_through_kills() {
    let authority = Authority::new();
    let configuration = shipped_rsyslog(&authority);
    let Some(mut rsyslog) = Rsyslog::configured(&configuration) else {
        return;
    };
    let ledger = Ledger::with(1_000);
    let forwarder = ledger.follow(destination(&secured("relp-tls", rsyslog.port, &authority)));
    for answered in [200, 600] {
        wait_for("answers", || {
            (forwarder.status().confirmed >= answered).then_some(())
        });
        rsyslog.kill();
        rsyslog.start_again();
    }
    ledger.append(200);
    let (chain, torn) = judged(&ledger, || rsyslog.stored_now());
    assert!(chain.is_clean() && torn <= 2, "{chain:?}, {torn} torn");
    eprintln!(
        "rsyslog: {} entries, {} copies, {torn} torn",
        chain.entries, chain.duplicates
    );
}

/// The shipped receiver hands on what it answered for, by an action, instead of writing it to a file.
fn handing_on(authority: &Authority, action: &str) -> String {
    let module = |text: String| format!("module(load=\"omrelp\")\n{text}");
    let to_file = "type=\"omfile\"\n    file=\"{dir}/stored\"\n    fileCreateMode=\"0640\"";
    let action = format!("{action}\n    action.resumeInterval=\"1\"");
    module(with(&shipped_rsyslog(authority), &[(to_file, action)]))
}

/// The answer is given for what the receiver's own queue has: what lies behind it may be down.
#[test]
fn what_is_down_behind_a_receiver_as_shipped_costs_nothing() {
    for (module, protocol) in [("omfwd", "protocol=\"tcp\""), ("omrelp", "")] {
        let behind = match module {
            "omfwd" => Rsyslog::start(None),
            _ => Rsyslog::relp(None, "maxDataSize=\"128k\""),
        };
        let Some(mut behind) = behind else { return };
        behind.answer_after_writing();
        behind.kill();
        let to = format!(
            "type=\"{module}\" target=\"127.0.0.1\" port=\"{}\" {protocol}",
            behind.port
        );
        let authority = Authority::new();
        let Some(mut relay) = Rsyslog::configured(&handing_on(&authority, &to)) else {
            return;
        };
        let ledger = Ledger::with(500);
        let forwarder = ledger.follow(destination(&secured("relp-tls", relay.port, &authority)));
        let answered = |entries: u64| {
            wait_for("answers", || {
                (forwarder.status().confirmed >= entries).then_some(())
            });
        };
        // Answered for, and nowhere but in the receiver's queue, which its death does not empty.
        answered(ledger.reader.size());
        assert!(behind.stored_now().is_empty(), "{module}");
        relay.kill();
        relay.start_again();
        ledger.append(100);
        answered(ledger.reader.size());
        assert!(behind.stored_now().is_empty(), "{module}");
        behind.start_again();
        if module == "omrelp" {
            // Over RELP it may also go while it is told; over TCP what is on its way then is lost.
            wait_for("the stream", || {
                (behind.stored_now().len() > 100_000).then_some(())
            });
            behind.kill();
            behind.start_again();
        }
        let (chain, torn) = judged(&ledger, || behind.stored_now());
        assert!(
            chain.is_clean() && torn <= 1,
            "{module}: {chain:?}, {torn} torn"
        );
        eprintln!(
            "{module}: {} entries, {} copies, {torn} torn",
            chain.entries, chain.duplicates
        );
    }
}

#[test]
fn syslog_ng_as_shipped_has_every_entry_after_a_kill() {
    let authority = Authority::new();
    let siem = authority.issue("siem.example");
    let configuration = with(
        SYSLOG_NG,
        &[
            ("0.0.0.0", "127.0.0.1".to_owned()),
            ("port(6514)", "port({port})".to_owned()),
            ("/var/log/daicho/daicho.log", "{dir}/stored".to_owned()),
            (
                "/etc/syslog-ng/pki/ca.pem",
                authority.certificate().display().to_string(),
            ),
            (
                "/etc/syslog-ng/pki/siem.pem",
                siem.certificate.display().to_string(),
            ),
            (
                "/etc/syslog-ng/pki/siem.key",
                siem.key.display().to_string(),
            ),
        ],
    );
    let Some(mut receiver) = SyslogNg::start(&configuration) else {
        return;
    };
    let ledger = Ledger::with(5_000);
    let forwarder = ledger.follow(destination(&secured("tls", receiver.port, &authority)));
    wait_for("the stream", || {
        (!receiver.stored().is_empty()).then_some(())
    });
    receiver.kill();
    wait_for("the break", || {
        (forwarder.status().connections >= 1 && !forwarder.status().connected).then_some(())
    });
    receiver.start_again();
    ledger.append(500);
    let (chain, torn) = judged(&ledger, || receiver.stored());
    let faults = [
        chain.truncated.count,
        chain.altered.count,
        chain.forged.count,
    ];
    assert!(faults == [0; 3] && torn <= 1, "{chain:?}, {torn} torn");
    eprintln!(
        "syslog-ng: {} entries, {} copies, {torn} torn",
        chain.entries, chain.duplicates
    );
    // A stranger's certificate is let in by none of them.
    let stranger = Authority::new();
    let refused = destination(&secured("tls", receiver.port, &stranger).replace(
        &stranger.certificate().display().to_string(),
        &authority.certificate().display().to_string(),
    ));
    let other = Ledger::with(3);
    let forwarder = other.follow(refused);
    common::wait_for_error(&forwarder, "the receiver");
    assert_eq!(forwarder.status().sent, 0);
}

/// It hangs up on a message that is longer than it takes, and nobody is told at which.
#[test]
fn syslog_ng_that_hangs_up_at_long_messages_gets_them_reduced() {
    let plain = "@version: 3.35\noptions { keep-hostname(yes); use-dns(no); stats-freq(0); log-msg-size(2048); };\nsource s { syslog(ip(\"127.0.0.1\") port({port}) transport(\"tcp\") flags(store-raw-message)); };\ndestination d { file(\"{dir}/stored\" template(\"${RAWMSG}\\n\")); };\nlog { source(s); destination(d); flags(flow-control); };\n";
    let Some(receiver) = SyslogNg::start(plain) else {
        return;
    };
    let ledger = Ledger::with(300);
    let long = |seed: u64| {
        let leaked = schemas::kinds::secrets::SecretLeaked {
            secret: "provider-key".parse().unwrap(),
            positions: (seed..seed + 700).collect(),
        };
        let id = ledger.appender.new_id();
        let event = schemas::Event::new(id, "agent:cfo".parse().unwrap(), leaked);
        ledger.appender.append(vec![event.into()]).unwrap();
    };
    long(0);
    ledger.append(300);
    long(1);
    let forwarder = ledger.follow(destination(&format!(
        "transport = 'tcp'\nhost = '127.0.0.1'\nport = {}",
        receiver.port
    )));
    // Two entries that cannot be taken, and two that say so.
    wait_for("both to be found", || {
        (ledger.reader.size() == 605).then_some(())
    });
    let (chain, torn) = judged(&ledger, || receiver.stored());
    assert_eq!((chain.reduced, torn), (2, 0), "{chain:?}");
    assert_eq!(
        [
            chain.truncated.count,
            chain.altered.count,
            chain.forged.count
        ],
        [0; 3]
    );
    let positions: Vec<_> = [603, 604]
        .map(
            |seq| match &ledger.reader.entry(seq).unwrap().event().data {
                schemas::Data::ExportDegraded(degraded) => degraded.position,
                other => panic!("{}", other.kind()),
            },
        )
        .into();
    assert_eq!(positions, [301, 602]);
    wait_for("peace", || {
        let status = forwarder.status();
        (status.connected && status.lag_entries == 0).then_some(())
    });
}

/// What pySigma finds wrong with rules: all that it cannot read, and all that its validators see.
const SIGMA: &str = r#"
import sys
from sigma.collection import SigmaCollection
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

def judged(text):
    rules = SigmaCollection.from_yaml(text, collect_errors=True)
    issues = SigmaValidator(validators.values()).validate_rules(rules.rules)
    return rules.rules, [*rules.errors, *(error for rule in rules.rules for error in rule.errors), *issues]

shipped = open(sys.argv[1]).read()
rules, faults = judged(shipped)
assert len(rules) == 3 and not faults, faults
for right, wrong in [("level: high", "level: loud"), ("    lt: 1", "    fewer: 1"), ("condition: selection", "condition: choice"),
                     ("id: 2c7d1c33-0f7d-4d7c-8d0f-3f7c1f5f4a03", "id: 8f0b7a52-7f0e-4c57-8f34-5b7a6f9b9d02")]:
    assert right in shipped
    try:
        faults = judged(shipped.replace(right, wrong))[1]
    except Exception as fault:
        faults = [fault]
    assert faults, wrong
"#;

/// pySigma reads the shipped rules and its validators find nothing wrong with them, as they do with worse ones.
#[test]
fn the_sigma_rules_are_rules() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../tests/.tools/venv/bin/python");
    let ran = std::process::Command::new(&python)
        .args(["-c", SIGMA])
        .arg(root.join("receivers/sigma.yml"))
        .output();
    match ran {
        Ok(ran) => assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        ),
        Err(_) => common::cannot_run("sigma", "pysigma is not there"),
    }
    let text = std::fs::read_to_string(root.join("receivers/sigma.yml")).unwrap();
    for kind in text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
    {
        let ours = kind.contains('.') && kind.len() < 32 && !kind.contains(' ');
        assert!(
            !ours || schemas::Data::KINDS.contains(&kind),
            "{kind} is no kind"
        );
    }
}
