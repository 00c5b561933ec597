//! Every kind of event in every format, judged by readers that others wrote: the schema of
//! OCSF 1.8 and what 1.9 adds, two parsers of CEF, two readings of LEEF, three of RFC 5424.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "formats/samples.rs"]
mod samples;

use samples::{HASH, events, told};
use schemas::{Data, Event, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

/// What some destination is not told.
const LESS: [&str; 6] = [
    "session",
    "content",
    "data.call",
    "data.path",
    "data.tags",
    "data.finding",
];

/// Runs the judge over lines; `None`, with a line that says why, where it has not what it needs.
fn judged(lines: &[Value]) -> Option<(bool, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let venv = root.join("tests/.tools/venv/bin/python");
    let tenzir = root.join("tests/.tools/venv-tenzir/bin/tenzir");
    let python = if venv.exists() {
        venv
    } else {
        "python3".into()
    };
    let imports = "import cefp, jsonschema, ocsf_json_schema, pycef, syslog_rfc5424_parser";
    let there = Command::new(&python).args(["-c", imports]).output();
    if !there.is_ok_and(|ran| ran.status.success()) || !tenzir.exists() {
        let missing = "the parsers of tests/requirements.txt or tests/install-judges are not there";
        common::cannot_run("formats", missing);
        return None;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for line in lines {
        writeln!(&file, "{line}").unwrap();
    }
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/judge.py");
    let ran = Command::new(python)
        .arg(judge)
        .arg(file.path())
        .arg(tenzir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    Some((ran.status.success(), said.into_owned()))
}

#[test]
fn every_kind_is_valid_to_readers_that_are_not_ours() {
    let mut lines: Vec<_> = events().into_iter().map(|event| told(event, &[])).collect();
    let kinds = Data::KINDS.len();
    assert!(lines.len() >= 2 * kinds, "{} lines", lines.len());
    // A destination that is told less gets valid events too.
    lines.extend(events().into_iter().map(|event| told(event, &LESS)));
    let Some((well, said)) = judged(&lines) else {
        return;
    };
    assert!(well, "{said}");
    eprintln!("{kinds} kinds, {} entries: {said}", lines.len());
}

/// One value of a message after the other is another one, and each is found.
#[test]
fn the_judge_refuses_what_is_not_valid() {
    let full = |event: &Event| event.session.is_some();
    let line = told(events().into_iter().find(full).unwrap(), &[]);
    let mut wrong = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut changed = line.clone();
        change(&mut changed);
        assert!(changed != line, "{what} changes nothing");
        changed["wrong"] = json!(what);
        wrong.push(changed);
    };
    type Change = fn(&mut Value);
    let (v1_8, v1_9) = (0, 2);
    let changes: [(usize, Change); 13] = [
        (v1_8, |event| event["class_uid"] = json!(3002)),
        (v1_8, |event| event["odd"] = json!(1)),
        (v1_8, |event| event["severity_id"] = json!(7)),
        (v1_8, |event| event["type_uid"] = json!(300402)),
        (v1_8, |event| {
            drop(event.as_object_mut().unwrap().remove("time"))
        }),
        (v1_8, |event| event["time"] = json!(1)),
        (v1_8, |event| event["entity"] = json!({})),
        (v1_8, |event| event["attestation_list"] = json!([])),
        (v1_9, |event| {
            event["attestation_list"][0]["fingerprint"]["algorithm_id"] = json!(21);
        }),
        (v1_9, |event| {
            event["attestation_list"][0]["fingerprint"]["value"] = json!(HASH);
        }),
        (v1_9, |event| {
            event["attestation_list"][0]["prev_event"]["uid"] = json!(HASH);
        }),
        (v1_9, |event| {
            let attestation = event["attestation_list"][0].as_object_mut().unwrap();
            attestation["signatures"][0]["value"] = json!("QUFBQQ==");
        }),
        (v1_9, |event| event["raw_data"] = json!("{}")),
    ];
    for (at, (version, change)) in changes.into_iter().enumerate() {
        add(format!("ocsf, change {at}"), &|line| {
            let text = line["ocsf"][version].as_str().unwrap();
            let mut event: Value = serde_json::from_str(text).unwrap();
            change(&mut event);
            line["ocsf"][version] = json!(event.to_string());
        });
    }
    let (whole, reduced) = (0, 1);
    for (format, form, from, to) in [
        ("cef", whole, "CEF:0|daicho|", "CEF:0|another|"),
        ("cef", whole, "daicho|1|", "daicho|2|"),
        ("cef", whole, "|rt=", "0|rt="),
        ("cef", whole, "|rt=179", "|rt=180"),
        ("cef", whole, " externalId=01", " externalId=02"),
        ("cef", whole, " suser=", " suser=x"),
        ("cef", whole, " cs3=ab", " cs3=ac"),
        ("cef", whole, " cs3Label=prev", " cs3Label=next"),
        ("cef", whole, " cs4=", " cs4=x"),
        ("cef", whole, " cs4Label=session", " cs4Label=sessions"),
        ("cef", whole, " cn1=", " cn1=1"),
        ("cef", reduced, " daichoBody=", " daichoBody=1"),
        ("cef", reduced, " daichoReduced=1", ""),
        ("leef", whole, "|daicho|1|", "|daicho|2|"),
        ("leef", whole, "devTime=179", "devTime=180"),
        ("leef", whole, "^sev=", "^sev=1"),
        ("leef", whole, "^name=", "^name=x"),
        ("leef", whole, "^daichoPrev=ab", "^daichoPrev=ac"),
        ("leef", whole, "^daichoSession=", "^daichoSession=x"),
        ("leef", whole, "^daichoSession=", "^odd=1^daichoSession="),
        ("leef", reduced, "^daichoBody=", "^daichoBody=1"),
        ("json", whole, "\"sig\":\"Wl", "\"sig\":\"Xl"),
        ("json", whole, "\"entry\":", "\"odd\":1,\"entry\":"),
        ("json", whole, "\"prev\":\"ab", "\"prev\":\"ac"),
        ("json", reduced, "\"body\":", "\"body\":1"),
        ("json", reduced, "\"reduced\":true,", ""),
    ] {
        add(format!("{format}, {form}: {to}"), &|line| {
            let text = line[format][form].as_str().unwrap();
            line[format][form] = json!(text.replacen(from, to, 1));
        });
    }
    add("what tenzir reads".to_owned(), &|line| {
        let text = line["plainer"].as_str().unwrap();
        line["plainer"] = json!(text.replacen("^daichoPrev=ab", "^daichoPrev=ac", 1));
    });
    let formats = ["json", "ocsf", "cef", "leef"];
    for (at, format) in formats.into_iter().enumerate() {
        for (from, to) in [
            ("<1", "<"),
            (
                ">1 2026-11-22T00:00:00.000001Z",
                ">1 2026-11-22T00:00:00.000002Z",
            ),
            ("Z ledger.example", "Z other.example"),
            (" daicho 1 ", " daicho 2 "),
            (" id=\"01", " id=\"02"),
            (" prev=\"ab", " prev=\"ac"),
            (" sig=\"Wl", " sig=\"Xl"),
            (" len=\"", " len=\"1"),
            ("\"] ", "\" odd=\"1\"] "),
            ("\"] ", "\" reduced=\"1\"] "),
        ] {
            add(format!("syslog, {format}: {to}"), &|line| {
                let text = line["syslog"][at].as_str().unwrap();
                line["syslog"][at] = json!(text.replacen(from, to, 1));
            });
        }
        // Another MSG, of which the params speak the truth.
        add(format!("syslog, {format}: MSG"), &|line| {
            let text = line["syslog"][at].as_str().unwrap();
            let (head, msg) = text.split_once("\"] ").unwrap();
            let digest = |msg: &str| hex::encode(Sha256::digest(msg));
            let other = msg.replacen("agent:cfo", "agent:cfx", 1);
            let head = head.replace(&digest(msg), &digest(&other));
            line["syslog"][at] = json!(format!("{head}\"] {other}"));
        });
    }
    let Some((well, said)) = judged(&wrong) else {
        return;
    };
    assert!(well, "{said}");
    eprintln!("{} wrong messages: {said}", wrong.len());
    // One that nobody expects ends it.
    wrong.truncate(1);
    drop(wrong[0].as_object_mut().unwrap().remove("wrong"));
    let (well, _) = judged(&wrong).unwrap();
    assert!(!well);
}

/// What a message is, by one parser: PRI's two parts, time in microseconds, HOSTNAME to MSGID, params, MSG.
type Read = (u8, u8, i64, Vec<String>, BTreeMap<String, String>, String);

fn by_syslog_rfc5424(message: &str) -> Read {
    let read = syslog_rfc5424::SyslogMessage::from_str(message).unwrap();
    let time =
        read.timestamp.unwrap() * 1_000_000 + i64::from(read.timestamp_nanos.unwrap() / 1_000);
    let Some(syslog_rfc5424::message::ProcId::PID(epoch)) = read.procid else {
        panic!("{:?}", read.procid)
    };
    assert_eq!(read.sd.len(), 1);
    (
        read.facility as u8,
        read.severity as u8,
        time,
        vec![
            read.hostname.unwrap(),
            read.appname.unwrap(),
            epoch.to_string(),
            read.msgid.unwrap(),
        ],
        read.sd.find_sdid("daicho@32473").unwrap().clone(),
        read.msg,
    )
}

fn by_syslog_loose(message: &str) -> Read {
    let read = syslog_loose::parse_message(message, syslog_loose::Variant::RFC5424);
    let [element] = &read.structured_data[..] else {
        panic!("{:?}", read.structured_data)
    };
    assert_eq!(element.id, "daicho@32473");
    (
        read.facility.unwrap() as u8,
        read.severity.unwrap() as u8,
        read.timestamp.unwrap().timestamp_micros(),
        vec![
            read.hostname.unwrap().to_owned(),
            read.appname.unwrap().to_owned(),
            read.procid.unwrap().to_string(),
            read.msgid.unwrap().to_owned(),
        ],
        element
            .params()
            .map(|(name, value)| ((*name).to_owned(), value))
            .collect(),
        read.msg.to_owned(),
    )
}

/// The same by parsers of this language: every kind, every value.
#[test]
fn two_parsers_of_rust_read_every_kind_back() {
    for (event, without) in events().into_iter().flat_map(|event| {
        let less = event.clone();
        [(event, &[][..]), (less, &LESS[..])]
    }) {
        let severity = exporters::format::Severity::of(&event.data).syslog();
        let line = told(event, without);
        let body: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let kind = text(&body["kind"]);
        let facility = if kind.starts_with("auth.") { 10 } else { 13 };
        let at: Timestamp = text(&body["at"]).parse().unwrap();
        for (format, message) in ["json", "ocsf", "cef", "leef"]
            .into_iter()
            .zip(line["syslog"].as_array().unwrap())
        {
            let message = message.as_str().unwrap();
            let msg = &message[message.find("\"] ").unwrap() + 3..];
            let mut params: BTreeMap<_, _> = [
                ("chain", text(&line["chain"])),
                ("seq", body["seq"].to_string()),
                ("id", text(&body["id"])),
                ("hash", text(&line["hash"])),
                ("prev", text(&body["prev"])),
                ("len", msg.len().to_string()),
                ("sha", hex::encode(Sha256::digest(msg))),
                ("sig", text(&line["sig"])),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
            let mut add = |name: &str, value: String| drop(params.insert(name.to_owned(), value));
            if format == "json" {
                let said: Value = serde_json::from_str(msg).unwrap();
                if said != body {
                    assert!(!without.is_empty(), "{message}");
                    add("reduced", "1".to_owned());
                    add("body", text(&line["body"]).len().to_string());
                }
            } else {
                add("format", format.to_owned());
                assert_eq!(line[format][0], msg);
                // That something is withheld the first of them shows.
                if line["syslog"][0]
                    .as_str()
                    .unwrap()
                    .contains("\" reduced=\"1\" body=\"")
                {
                    add("reduced", "1".to_owned());
                    add("body", text(&line["body"]).len().to_string());
                }
            }
            let header = ["ledger.example", "daicho", "1", &kind].map(str::to_owned);
            let want = (
                facility,
                severity,
                at.micros(),
                header.to_vec(),
                params,
                msg.to_owned(),
            );
            assert_eq!(by_syslog_rfc5424(message), want, "{format}");
            assert_eq!(by_syslog_loose(message), want, "{format}");
        }
    }
}

#[test]
fn every_kind_has_a_row() {
    let table: Value = serde_json::from_str(schemas::OCSF).unwrap();
    let table = table.as_object().unwrap();
    for kind in Data::KINDS {
        let row = table
            .get(*kind)
            .unwrap_or_else(|| panic!("{kind} is not in schemas/ocsf.json"));
        let name = row[0].as_str().unwrap();
        // Parsers of CEF disagree about escapes in a header.
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' '),
            "{name}"
        );
    }
    assert_eq!(table.len(), Data::KINDS.len(), "a row of no kind");
}
