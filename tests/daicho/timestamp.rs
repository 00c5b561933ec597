//! Trusted time: OpenSSL stamps our checkpoints and judges what we keep; we judge what it, or
//! somebody who bends it, made.

pub mod tsa;

use crate::format::second_verifier;
use crate::witness;
use crate::world::{Ledger, cannot_run, drill, has, overwrite, run, wait_for};
use ledger::timestamp::{Authority, Query, TokenError};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tsa::{Answer, Door, HONEST, P256, P384, RSA, Signer, Tsa};

fn there(test: &str) -> bool {
    let there = has("openssl", "version") && has("faketime", "--version");
    if !there {
        cannot_run(test, "openssl or faketime is not installed");
    }
    there
}

fn authority(tsa: &Tsa) -> Authority {
    Authority::from_pem(&std::fs::read(tsa.ca()).unwrap()).unwrap()
}

#[test]
fn every_key_and_digest_that_authorities_use_is_read_and_checked() {
    if !there("timestamp") {
        return;
    }
    let tsa = Tsa::without_signer();
    let authority = authority(&tsa);
    let rsa_4096 = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"];
    for (number, (key, digest, ess)) in [
        (RSA, "sha256", "sha1"),
        (RSA, "sha384", "sha256"),
        (rsa_4096, "sha512", "sha512"),
        (P256, "sha256", "sha1"),
        (P256, "sha384", "sha256"),
        (P384, "sha256", "sha256"),
        (P384, "sha384", "sha384"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("signer-{number}");
        let signer = Signer {
            name: &name,
            key,
            digest,
            ess,
            ..HONEST
        };
        tsa.issue(signer, None);
        let query = Query::new(b"a note", None).unwrap();
        assert_eq!(Query::from_der(&query.to_der()).unwrap(), query);
        let response = tsa.reply(signer, &query.to_der(), None);
        let token = query.answered_by(&response, b"a note", &authority);
        let token = token.unwrap_or_else(|error| panic!("{name} {digest} {ess}: {error}"));
        assert!(token.subject.contains(&name), "{token:?}");
        // The same signed by CMS tools, which name the certificate by RFC 5816 only.
        let forged = tsa.forge(signer, &response);
        query.answered_by(&forged, b"a note", &authority).unwrap();
    }
}

#[test]
fn each_wrong_token_is_refused_for_its_own_reason() {
    if !there("timestamp") {
        return;
    }
    let (tsa, foreign) = (Tsa::new(), Tsa::new());
    let authority = authority(&tsa);
    let query = Query::new(b"a note", Some("1.2.3.4.2")).unwrap();
    let response = tsa.reply(HONEST, &query.to_der(), None);
    let read = |response: &[u8]| query.answered_by(response, b"a note", &authority);
    let token = read(&response).unwrap();
    assert_eq!(token.policy, "1.2.3.4.2");

    let untrusted = |error: TokenError, part: &str| {
        let TokenError::Untrusted { reason, .. } = &error else {
            panic!("{error}");
        };
        assert!(reason.contains(part), "{error}");
    };
    let of_others = foreign.reply(HONEST, &query.to_der(), None);
    untrusted(read(&of_others).unwrap_err(), "another authority");

    // Its issuer may stand below the root: the response brings that certificate along.
    tsa.intermediate("below");
    let lower = Signer {
        name: "lower",
        issuer: "below",
        ..HONEST
    };
    tsa.issue(lower, None);
    let whole = tsa.reply(lower, &query.to_der(), None);
    read(&whole).unwrap();
    let alone = read(&tsa.forge(lower, &whole)).unwrap_err();
    untrusted(alone, "another authority");

    // A certificate that has expired since is as good as it was; one that had, is not.
    let old = Signer {
        name: "old",
        ..HONEST
    };
    tsa.issue(old, Some("2020-06-01 00:00:00"));
    let then = tsa.reply(old, &query.to_der(), Some("2020-06-05 00:00:00"));
    let time = read(&then).unwrap().time.to_string();
    assert!(time.starts_with("2020-06-05T00:00:0"), "{time}");
    untrusted(read(&tsa.forge(old, &response)).unwrap_err(), "expired");
    untrusted(
        read(&tsa.forge(HONEST, &then)).unwrap_err(),
        "not valid yet",
    );

    for usage in [
        "critical,serverAuth",
        "timeStamping",
        "critical,timeStamping,serverAuth",
    ] {
        let bent = Signer {
            name: "bent",
            usage,
            ..HONEST
        };
        tsa.issue(bent, None);
        let error = read(&tsa.forge(bent, &response)).unwrap_err();
        assert!(
            matches!(error, TokenError::WrongUsage(_)),
            "{usage}: {error}"
        );
    }

    // Another certificate of the same key, issuer and number in the place of the one that signed.
    let twin = Signer {
        name: "twin",
        ..HONEST
    };
    tsa.issue(twin, None);
    let der = |subject: &str| {
        tsa.certify(twin, subject, 7, None);
        let der = [
            "x509", "-in", "twin.pem", "-outform", "DER", "-out", "twin.der",
        ];
        tsa.openssl(None, &der);
        tsa.read("twin.der")
    };
    let (other, mine) = (der("twim"), der("twin"));
    let mut swapped = tsa.reply(twin, &query.to_der(), None);
    read(&swapped).unwrap();
    let windows = swapped.windows(mine.len());
    let at = windows.into_iter().position(|part| part == mine).unwrap();
    swapped[at..at + other.len()].copy_from_slice(&other);
    assert_eq!(read(&swapped), Err(TokenError::OtherCertificate));

    let again = Query::new(b"a note", Some("1.2.3.4.2")).unwrap();
    let replayed = again.answered_by(&response, b"a note", &authority);
    assert_eq!(replayed.unwrap_err(), TokenError::WrongNonce);
    let other = query.answered_by(&response, b"another", &authority);
    assert_eq!(other.unwrap_err(), TokenError::OtherData);
    let refused = Query::new(b"a note", Some("1.2.3.4.9")).unwrap();
    let refused = read(&tsa.reply(HONEST, &refused.to_der(), None)).unwrap_err();
    assert!(
        refused.to_string().contains("rejection, unacceptedPolicy"),
        "{refused}"
    );
    let elsewhere = Query::new(b"a note", Some("1.2.3.4.1")).unwrap();
    let elsewhere = tsa.reply(HONEST, &elsewhere.to_der(), None);
    assert!(read(&elsewhere).is_err());

    assert!(read(b"").is_err() && read(b"<html>").is_err());
    for cut in [1, 100, response.len() - 1] {
        assert!(
            matches!(read(&response[..cut]), Err(TokenError::Malformed(_))),
            "{cut}"
        );
    }
    let longer = [&response[..], b"\0"].concat();
    assert!(matches!(read(&longer), Err(TokenError::Malformed(_))));
    // Whatever byte is changed, nothing else is ever read from it.
    for at in 0..response.len() {
        let mut flipped = response.clone();
        flipped[at] ^= 1;
        if let Ok(read) = read(&flipped) {
            let said = |t: &ledger::timestamp::Token| (t.time, t.policy.clone(), t.subject.clone());
            assert_eq!(said(&read), said(&token), "byte {at}");
        }
    }
}

/// Names the authority in the ledger's configuration.
pub fn configure(ledger: &Ledger, tsa: &Tsa, url: &str) {
    let config = ledger.dir.join("daicho.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (head, tail) = text.split_once("[timestamp]\n").unwrap();
    let ca = tsa.ca();
    let tail = tail.replacen("interval_seconds = 3600", "interval_seconds = 1", 1);
    let text = format!("{head}[timestamp]\nurl = {url:?}\nca_file = {ca:?}\n{tail}");
    std::fs::write(&config, text).unwrap();
}

pub fn honest(tsa: &Arc<Tsa>) -> Answer {
    let tsa = Arc::clone(tsa);
    Box::new(move |query| (200, tsa.reply(HONEST, query, None)))
}

/// Checkpoints, and what an authority answered.
type Pairs = [(PathBuf, PathBuf)];

/// The pairs that a ledger keeps, oldest first.
fn kept(ledger: &Ledger) -> Vec<(PathBuf, PathBuf)> {
    let files = crate::world::walk(&ledger.dir.join("tokens"));
    let responses = files
        .iter()
        .filter(|path| path.extension().unwrap() == "tsr");
    responses
        .map(|path| (path.with_extension("checkpoint"), path.clone()))
        .collect()
}

/// OpenSSL finds each one sound, without daicho.
#[track_caller]
fn openssl_agrees(ledger: &Ledger, ca: &Path) {
    for (checkpoint, response) in kept(ledger) {
        let mut verify = Command::new("openssl");
        verify.args(["ts", "-verify", "-in"]).arg(&response);
        verify.arg("-data").arg(&checkpoint).arg("-CAfile").arg(ca);
        let ran = run(verify, b"");
        assert!(ran.code == 0, "{}: {ran:?}", response.display());
    }
}

fn stamped(ledger: &Ledger) -> Vec<Value> {
    let events = ["events", "--kind", "checkpoint.timestamped", "--json"];
    ledger.run(&events).lines()
}

#[test]
fn a_server_has_its_checkpoints_stamped_and_an_authority_that_fails_is_an_alert() {
    if !there("timestamp") {
        return;
    }
    let (ledger, tsa) = (Ledger::new(), Arc::new(Tsa::new()));
    let door = Door::open(honest(&tsa));
    configure(&ledger, &tsa, &door.url);
    let server = ledger.serve();
    let count = |kind: &str| {
        let events = server.json(&format!("/api/v1/events?kind={kind}"));
        events["entries"].as_array().unwrap().len()
    };
    let append = || {
        let event = server.post("application/json", drill("restore").to_string());
        assert!(event.send().unwrap().status().is_success());
    };
    let up = |value: u64| {
        let line = format!("daicho_timestamp_up {value}\n");
        server.text("/metrics").contains(&line)
    };
    wait_for("a first time stamp", || {
        count("checkpoint.timestamped") == 1
    });
    append();
    wait_for("a second", || count("checkpoint.timestamped") == 2);
    assert!(server.text("/").contains("time stamp"));
    ledger.run(&["doctor"]).ok();

    // An authority that refuses, lies, or talks of something else: an alert for each outage,
    // and appends go on.
    let lies: Vec<Answer> = vec![
        Box::new(|_| (503, Vec::new())),
        Box::new(|_| (200, b"<html>".to_vec())),
        {
            let other = Query::new(b"another note", None).unwrap();
            let other = tsa.reply(HONEST, &other.to_der(), None);
            Box::new(move |_| (200, other.clone()))
        },
        {
            let tsa = Arc::clone(&tsa);
            let tomorrow = "+1 day";
            Box::new(move |query| (200, tsa.reply(HONEST, query, Some(tomorrow))))
        },
    ];
    for (outage, lie) in lies.into_iter().enumerate() {
        door.change(lie);
        append();
        wait_for("the outage is noticed", || up(0));
        wait_for("an alert", || count("alert.raised") == outage + 1);
        let before = count("checkpoint.timestamped");
        door.change(honest(&tsa));
        wait_for("it is over", || {
            up(1) && count("checkpoint.timestamped") > before
        });
    }
    // At a clean stop what came last is stamped too; and being stamped is no reason for more.
    append();
    assert_eq!(server.stop(), 0);
    let events = stamped(&ledger);
    let report = ledger.verify();
    let size = report["entries"].as_u64().unwrap();
    assert_eq!(events.last().unwrap()["data"]["size"], size - 1);
    assert_eq!(kept(&ledger).len(), events.len());
    openssl_agrees(&ledger, &tsa.ca());
    let server = ledger.serve();
    assert_eq!(server.stop(), 0);
    assert_eq!(ledger.verify()["entries"], size);

    // An entry that waits for long is a fault that `doctor` names; silence is none.
    let tomorrow = || {
        let mut doctor = Command::new("faketime");
        doctor.args(["+1 day", env!("CARGO_BIN_EXE_daicho"), "doctor", "--data"]);
        doctor.arg(&ledger.dir);
        run(doctor, b"")
    };
    tomorrow().ok();
    ledger.append(&[drill("failover")]);
    let ran = tomorrow();
    let named = |l: &str| l.starts_with("WRONG") && l.contains("time stamps");
    assert!(ran.code == 1 && ran.out.lines().any(named), "{ran:?}");

    let ca = tsa.ca();
    let told = ledger
        .run(&["verify", "--tsa-ca", ca.to_str().unwrap()])
        .ok();
    let line = format!("{} entries existed at ", size - 1);
    assert!(
        told.contains(&line) && !told.contains("not checked"),
        "{told}"
    );
    let told = ledger.run(&["verify"]).ok();
    assert!(
        told.contains("CN=tsa,O=Example: authority not checked"),
        "{told}"
    );
    let foreign = Tsa::new();
    let ran = ledger.run(&["verify", "--tsa-ca", foreign.ca().to_str().unwrap()]);
    assert!(
        ran.code == 1 && ran.out.contains("another authority issued it"),
        "{ran:?}"
    );
}

#[test]
fn witnesses_and_the_authority_give_each_other_nothing_to_say() {
    if !there("timestamp") {
        return;
    }
    let (ledger, tsa) = (Ledger::new(), Arc::new(Tsa::new()));
    let (state, vkey) = witness::made(&ledger);
    let (_witness, url) = witness::ours(&state, "127.0.0.1:0");
    witness::configure(&ledger, &vkey, &url, "go-on");
    let door = Door::open(honest(&tsa));
    configure(&ledger, &tsa, &door.url);
    let looked_at = || {
        let server = ledger.serve();
        let quorum = || {
            let metrics = server.text("/metrics");
            metrics.contains("daicho_witness_quorum 1\n")
        };
        wait_for("a quorum", quorum);
        assert_eq!(server.stop(), 0);
        stamped(&ledger).len()
    };
    // A start asks its witnesses, whose answer is an entry; the authority hears of none.
    let first = looked_at();
    assert!(first > 0 && looked_at() == first && looked_at() == first);
    openssl_agrees(&ledger, &tsa.ca());
    ledger.verify();
}

#[test]
fn whatever_is_done_to_a_kept_time_stamp_is_found() {
    if !there("timestamp") {
        return;
    }
    let (ledger, tsa) = (Ledger::new(), Arc::new(Tsa::new()));
    let door = Door::open(honest(&tsa));
    configure(&ledger, &tsa, &door.url);
    for name in ["first", "second"] {
        ledger.append(&[drill(name)]);
        ledger.run(&["timestamp"]).ok();
    }
    ledger.verify();
    if let Some(ran) = second_verifier(&ledger.dir, &[]) {
        ran.ok();
    }
    let pairs = kept(&ledger);
    let mode = std::fs::metadata(&pairs[0].1).unwrap().permissions();
    assert!(pairs.len() == 2 && mode.readonly());

    let found = |change: &dyn Fn(&Pairs), check: &str, parts: &[&str]| {
        let copy = ledger.copy();
        change(&kept(&copy));
        // What is inside a response only OpenSSL and daicho read; which is there, everybody sees.
        if parts.contains(&"\"seq\":2")
            && let Some(ran) = second_verifier(&copy.dir, &[])
        {
            assert!(ran.code == 1 && ran.out.contains("token"), "{ran:?}");
        }
        let ca = tsa.ca();
        let ran = copy.run(&["verify", "--json", "--tsa-ca", ca.to_str().unwrap()]);
        let report: Value = serde_json::from_str(&ran.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let named = |finding: &&Value| {
            let text = finding.to_string();
            finding["check"] == check && parts.iter().all(|part| text.contains(part))
        };
        assert!(
            ran.code == 1 && findings.iter().any(|f| named(&f)),
            "{parts:?}: {findings:#?}"
        );
    };
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    let copy = |from: &Path, to: &Path| overwrite(to, &std::fs::read(from).unwrap());
    found(
        &|p| {
            remove(&p[0].0);
            remove(&p[0].1)
        },
        "token",
        &["no such file", "\"seq\":2"],
    );
    found(
        &|p| remove(&p[0].1),
        "token",
        &["no such file", "\"seq\":2"],
    );
    found(
        &|p| remove(&p[0].0),
        "token",
        &["the checkpoint that it stamps"],
    );
    found(
        &|p| copy(&p[1].1, &p[0].1),
        "token",
        &["the token is for other bytes"],
    );
    found(&|p| copy(&p[1].0, &p[0].0), "token", &["one of size 4"]);
    found(
        &|p| {
            copy(&p[1].0, &p[0].0);
            copy(&p[1].1, &p[0].1)
        },
        "token",
        &["\"seq\":2"],
    );
    let cut = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        overwrite(path, &bytes[..bytes.len() - 1]);
    };
    found(&|p| cut(&p[0].1), "token", &["no TimeStampResp"]);
    found(&|p| cut(&p[0].0), "checkpoint", &["tokens/", ".checkpoint"]);
    found(
        &|p| overwrite(&p[0].1.with_file_name("x.tsr"), b""),
        "file-name",
        &["tokens/x.tsr"],
    );
    found(
        &|p| overwrite(&p[0].1, &vec![0x30; 3 << 20]),
        "token",
        &["no TimeStampResp"],
    );
    for byte in [0, 5, 40, 200, 600] {
        let flip = |path: &Path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[byte] ^= 4;
            overwrite(path, &bytes);
        };
        found(&|p| flip(&p[0].1), "token", &["\"seq\":2"]);
    }
    // Stamped before its entries were recorded, as they say: one of both clocks is wrong.
    let early = |p: &Pairs| {
        let old = Signer {
            name: "old",
            ..HONEST
        };
        tsa.issue(old, Some("2020-06-01 00:00:00"));
        let query = Query::new(&std::fs::read(&p[1].0).unwrap(), None).unwrap();
        let response = tsa.reply(old, &query.to_der(), Some("2020-06-05 00:00:00"));
        overwrite(&p[1].1, &response);
    };
    found(
        &early,
        "token",
        &["the newest entry that it covers was recorded at"],
    );

    // A copy carries them; one that promises more than the copy holds stays behind.
    for end in ["checkpoint", "tsr"] {
        let later = ledger.dir.join("tokens").join(format!("{:020}.{end}", 99));
        std::fs::write(later, b"made while the log was copied").unwrap();
    }
    let copy = ledger.beside("copy");
    ledger.run(&["backup", copy.to_str().unwrap()]).ok();
    let restored = Ledger::none();
    restored.run(&["restore", copy.to_str().unwrap()]).ok();
    assert_eq!(kept(&restored).len(), 2);
    assert_eq!(restored.verify()["tokens"].as_array().unwrap().len(), 2);
    openssl_agrees(&restored, &tsa.ca());
}

#[test]
fn a_query_can_be_carried_to_an_authority_by_hand_and_its_answer_back() {
    if !there("timestamp") {
        return;
    }
    let (ledger, tsa) = (Ledger::new(), Tsa::new());
    ledger
        .run(&["timestamp"])
        .refused(&["no time-stamping authority is configured"]);
    configure(&ledger, &tsa, "http://127.0.0.1:9/");
    ledger
        .run(&["timestamp"])
        .refused(&["gave no time stamp", "no answer"]);
    let (query, answer) = (ledger.beside("q.tsq"), ledger.beside("q.tsr"));
    let (query, answer) = (query.to_str().unwrap(), answer.to_str().unwrap());
    ledger.run(&["timestamp", "--request", query]).ok();
    ledger.append(&[drill("meanwhile")]);
    let response = tsa.reply(HONEST, &std::fs::read(query).unwrap(), None);
    std::fs::write(answer, &response).unwrap();
    let take = ["timestamp", "--request", query, "--response", answer];
    let before = ledger.state();
    std::fs::write(answer, &response[1..]).unwrap();
    ledger.run(&take).refused(&["no TimeStampResp"]);
    assert_eq!(ledger.state(), before);
    std::fs::write(answer, &response).unwrap();
    // Killed between the two files, somebody left a note: it is none of anything.
    let lone = ledger
        .dir
        .join("tokens")
        .join(format!("{:020}.checkpoint", 1));
    std::fs::create_dir_all(lone.parent().unwrap()).unwrap();
    std::fs::write(&lone, b"of an earlier attempt").unwrap();
    let notes = ledger.verify()["notes"].to_string();
    assert!(notes.contains("no authority's answer"), "{notes}");
    // Beside a running server it goes through its door.
    let server = ledger.serve();
    let told = ledger.run(&take).ok();
    assert!(told.contains("time stamp   1 entry existed at "), "{told}");
    assert_eq!(server.stop(), 0);
    ledger.run(&take).refused(&["has a time stamp already"]);
    assert_eq!(stamped(&ledger)[0]["data"]["size"], json!(1));
    openssl_agrees(&ledger, &tsa.ca());
    ledger.verify();
}
