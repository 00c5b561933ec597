//! Certificates that whoever holds the log's key could write, and that the log does not bear out.

use super::{Hands, january, there};
use crate::format::second_verifier;
use crate::world::{Ledger, overwrite};
use ledger::note::SignerKey;
use ledger::tree::leaf_hash;
use ledger::verify::{Check, Trust};
use ledger::{Agreed, Appender, Checkpoint, Disposal, Options, Placement, line};
use schemas::kinds::records::{HoldReleased, HoldScope, RetentionExpired, TimeSource};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, Envelope, Event, Hash, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// Whoever has the keys of a ledger can end what is due past this program, but not unseen.
#[test]
fn what_two_people_have_not_signed_for_is_found_by_whoever_verifies() {
    if !there("retention") {
        return;
    }
    let (ledger, _) = january();
    let with = |act: fn(&Appender)| {
        let copy = ledger.copy();
        let reader = ledger::Reader::open(&copy.dir).unwrap();
        let march: Timestamp = "2026-03-06T12:00:00.000000Z".parse().unwrap();
        assert!(march > reader.head().at);
        let options = Options {
            clock: Arc::new(Hands(AtomicI64::new(march.micros()))),
            ..Options::default()
        };
        let (appender, _) = ledger::open(&copy.dir, options).unwrap();
        act(&appender);
        drop(appender);
        let ran = copy.run(&["verify"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.out
    };
    let end = |appender: &Appender| {
        let disposal = Disposal {
            bucket: "api/2026-01".parse().unwrap(),
            actor: "user:s009".parse().unwrap(),
            time: TimeSource::Log,
            token: None,
            approvals: Vec::new(),
            approvers: vec!["user:s002".parse().unwrap(), "user:s003".parse().unwrap()],
            agreed: Agreed::WHATEVER_COMES,
        };
        appender.expire(disposal).unwrap();
    };
    let told = with(end);
    assert!(told.contains("the end of a bucket without them"), "{told}");
    let hold = |appender: &Appender| {
        let placement = Placement {
            actor: "user:s009".parse().unwrap(),
            hold: appender.new_id(),
            case: "c-1".parse().unwrap(),
            scope: HoldScope {
                class: Some("api".parse().unwrap()),
                ..HoldScope::default()
            },
            approvals: Vec::new(),
            approvers: Vec::new(),
            content: Vec::new(),
        };
        appender.hold(&placement).unwrap();
        let released = HoldReleased {
            hold: placement.hold,
            case: placement.case,
            approvals: Vec::new(),
            approvers: Vec::new(),
        };
        appender
            .release(placement.actor, released, Vec::new())
            .unwrap();
    };
    let told = with(hold);
    for act in ["a hold without them", "the release of a hold without them"] {
        assert!(told.contains(act), "{told}");
    }
    let adopt = |appender: &Appender| {
        let rules = PolicyAdopted {
            policy: "retention".parse().unwrap(),
            digest: Hash::ZERO,
            previous: None,
            approvals: Vec::new(),
            periods: Some([("api".parse().unwrap(), "P1D".parse().unwrap())].into()),
            must_keep: None,
        };
        let actor = "user:s009".parse().unwrap();
        let event = Event::new(appender.new_id(), actor, rules);
        appender.append(vec![event.into()]).unwrap();
    };
    let told = with(adopt);
    assert!(
        told.contains("a change of retention without them"),
        "{told}"
    );
}

/// Signs an entry at the log's end as nobody but whoever holds its key could: instead of the last
/// one, or after it.
fn forge(ledger: &Ledger, instead: bool, data: RetentionExpired) {
    let key = std::fs::read_to_string(ledger.dir.join("keys/ledger.key")).unwrap();
    let key = SignerKey::parse(&key).unwrap();
    let path = ledger.logs().pop().unwrap();
    let text = std::fs::read(&path).unwrap();
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    let last = lines.last().unwrap();
    let (body, _) = line::split(&last[..last.len() - 1]).unwrap();
    let mut envelope = Envelope::from_body(body).unwrap();
    if instead {
        lines.pop();
    } else {
        envelope.seq += 1;
        envelope.prev = leaf_hash(body);
        envelope.content = Vec::new();
        let actor = "service:retention".parse().unwrap();
        envelope.event = Event::new(ledger::fresh_id(envelope.at), actor, data.clone());
    }
    envelope.event.data = data.into();
    let body = envelope.to_body().unwrap();
    let prefix = format!("daicho/entry/v1\n{}\n", key.verifier().name());
    let message = [prefix.as_bytes(), &leaf_hash(&body).0].concat();
    let mut forged = Vec::new();
    let signature = ledger::Signer::sign(&key, &message).unwrap();
    line::write(&body, &signature, &mut forged);
    lines.push(forged);
    overwrite(&path, &lines.concat());
    let head = ledger::Reader::open(&ledger.dir).unwrap().head();
    let checkpoint = Checkpoint {
        origin: key.verifier().name().to_owned(),
        size: head.size,
        root: head.root,
    };
    std::fs::write(ledger.dir.join("checkpoint"), checkpoint.sign(&key)).unwrap();
}

#[test]
fn a_certificate_that_the_log_does_not_bear_out_is_found_by_two_verifiers() {
    if !there("retention") {
        return;
    }
    let (ledger, _) = january();
    let march = |ledger: &Ledger, act: &dyn Fn(&Appender)| {
        let march: Timestamp = "2026-03-06T12:00:00.000000Z".parse().unwrap();
        let options = Options {
            clock: Arc::new(Hands(AtomicI64::new(march.micros()))),
            ..Options::default()
        };
        act(&ledger::open(&ledger.dir, options).unwrap().0);
    };
    let ended = ledger.copy();
    march(&ended, &|appender| {
        let disposal = Disposal {
            bucket: "api/2026-01".parse().unwrap(),
            actor: "service:retention".parse().unwrap(),
            time: TimeSource::Log,
            token: None,
            approvals: Vec::new(),
            approvers: Vec::new(),
            agreed: Agreed::WHATEVER_COMES,
        };
        appender.expire(disposal).unwrap();
    });
    let held = ledger.copy();
    march(&held, &|appender| {
        let placement = Placement {
            actor: "service:retention".parse().unwrap(),
            hold: appender.new_id(),
            case: "c-1".parse().unwrap(),
            scope: HoldScope {
                session: Some("s-1".parse().unwrap()),
                ..HoldScope::default()
            },
            approvals: Vec::new(),
            approvers: Vec::new(),
            content: Vec::new(),
        };
        appender.hold(&placement).unwrap();
    });
    let reader = ledger::Reader::open(&ended.dir).unwrap();
    let last = reader.entry(reader.size() - 1).unwrap();
    let Data::RetentionExpired(sound) = last.data().clone() else {
        panic!("{last:?}");
    };
    drop(reader);
    // Whether people have signed is another question, which only ours asks.
    let found = |copy: &Ledger| {
        let report = ledger::verify::verify(&copy.dir, &Trust::default(), |_| {}).unwrap();
        let ours: Vec<_> = report.findings.iter().map(|f| (f.check, f.seq)).collect();
        if let Some(second) = second_verifier(&copy.dir, &[]) {
            let told: Value = serde_json::from_str(&second.out).unwrap();
            let theirs = told["findings"].as_array().unwrap();
            let same = |((check, seq), finding): (&(Check, Option<u64>), &Value)| {
                finding["check"] == check.to_string() && finding["seq"] == json!(seq)
            };
            assert_eq!(ours.len(), theirs.len(), "{ours:?} {told}");
            assert!(ours.iter().zip(theirs).all(same), "{ours:?} {told}");
        }
        ours
    };
    assert_eq!(found(&ended), []);
    assert_eq!(found(&held), []);
    let seq = last.seq();
    let changes: [fn(&mut RetentionExpired); 8] = [
        |_| {},
        |e| e.entries += 1,
        |e| e.contents += 1,
        |e| e.sealed_bytes -= 1,
        |e| e.content_sha256 = Hash::ZERO,
        |e| e.due = "2026-03-02T00:00:00.000000Z".parse().unwrap(),
        |e| e.period = "P29D".parse().unwrap(),
        |e| e.period = "forever".parse().unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let copy = ended.copy();
        let mut wrong = sound.clone();
        change(&mut wrong);
        forge(&copy, true, wrong);
        let wanted: &[_] = match number {
            0 => &[],
            _ => &[(Check::Retention, Some(seq))],
        };
        assert_eq!(found(&copy), wanted, "{number}");
    }
    // Under a hold; before it was due, each with the key that nobody destroyed; and twice.
    forge(&held, false, sound.clone());
    let with_key = |seq| [Check::Retention, Check::Erasure].map(|check| (check, Some(seq)));
    assert_eq!(found(&held), with_key(seq + 1));
    let early = ledger.copy();
    let january = ledger::Reader::open(&early.dir).unwrap().size();
    forge(&early, false, sound.clone());
    assert_eq!(found(&early), with_key(january));
    forge(&ended, false, sound);
    assert_eq!(found(&ended), [(Check::Retention, Some(seq + 1))]);
}
