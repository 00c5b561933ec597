//! Keys that a bundle's entries say are destroyed: told by all three, and nothing of it is shown.

use super::forge::{Forged, Forger};
use super::judges::{Python, Question, all_say, ask_page};
use super::{keep, members};
use crate::world::{Ledger, drill, with_content};
use exporters::bundle::zip;
use ledger::{Agreed, Buckets, Erasing, Options, Projection};
use schemas::kinds::records::{ErasureCompleted, ErasureRequested};
use schemas::{ContentRef, Data, DataSubject, Envelope, Event, EventId, Hash};
use serde_json::json;
use std::path::PathBuf;

/// Erases what a person has, as whoever holds the ledger can.
fn erase(of: &Ledger, person: &str) {
    let (appender, reader) = ledger::open(&of.dir, Options::default()).unwrap();
    let mut buckets = Buckets::default();
    for entry in reader.entries(0..reader.size()) {
        buckets.fold(&entry.unwrap());
    }
    let keys = reader
        .keys_of(&buckets, &person.parse().unwrap())
        .unwrap()
        .theirs;
    let (erasure, actor) = (appender.new_id(), "service:operator".parse().unwrap());
    let requested = ErasureRequested {
        erasure,
        case: "2026-17".parse().unwrap(),
        basis: "appi-35".parse().unwrap(),
        keys: keys.clone(),
        unread: Vec::new(),
        later: false,
        reached: None,
    };
    let requested = Event::new(appender.new_id(), actor, requested);
    appender.append(vec![requested.into()]).unwrap();
    for key in keys {
        let erasing = Erasing {
            erasure,
            key,
            actor: "service:retention".parse().unwrap(),
            approvals: Vec::new(),
            approvers: Vec::new(),
            agreed: Agreed::WHATEVER_COMES,
        };
        appender.erase(&erasing).unwrap();
    }
}

fn asks(bundle: PathBuf, name: &str) -> Question {
    Question {
        name: name.to_owned(),
        bundle,
        ..Question::default()
    }
}

#[test]
fn what_is_destroyed_is_told_by_all_three_and_what_shows_it_is_wrong() {
    let ledger = Ledger::new();
    let mut theirs = with_content(drill("restore"), "一人目");
    theirs["person"] = json!("c-4711");
    let appended = ledger.append(&[theirs, with_content(drill("restore"), "会社")]);
    let [theirs, nobodys] = [0, 1].map(|at| appended[at]["seq"].to_string());
    let bundle = |name: &str, more: &[&str]| {
        let path = ledger.beside(name);
        let args = ["bundle", "-o", path.to_str().unwrap(), "--from", &theirs];
        ledger.run(&[&args, more].concat()).ok();
        path
    };
    let release = |seq: &str| format!("{seq}:note");
    let before = bundle("before.zip", &["--release", &release(&theirs)]);
    erase(&ledger, "c-4711");
    let after = bundle("after.zip", &["--release", &release(&nobodys)]);
    let (shown, mut both) = (members(&before), members(&after));
    both.extend(
        shown
            .into_iter()
            .filter(|(name, _)| name.starts_with("sealed/") || name.starts_with("released/")),
    );
    let both = keep(
        &ledger,
        "what was released before",
        &zip::write(&both).unwrap(),
    );

    let told = asks(after.clone(), "with a certificate");
    let python = Python::with_cryptography().map(|python| told.ask_python(&python).out);
    let page = ask_page(std::slice::from_ref(&told)).map(|shown| shown[0].to_string());
    let all = [Some(told.ask_daicho().out), python, page];
    for said in all.into_iter().flatten() {
        for part in ["is destroyed", "of a key that was destroyed"] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
    }

    let forged = Forged {
        twist: sealed_afterwards,
        ..Forged::of(Forger::Seed(1))
    };
    let forged = |name: &str, positions: &[u64]| {
        let members = forged.bundle(&members(&after), positions);
        keep(&ledger, name, &zip::write(&members).unwrap())
    };
    let late = forged("sealed afterwards", &[0, 2, 3]);
    let alone = forged("without the certificate", &[0, 3]);
    all_say(&[
        (asks(before, "before it"), 0),
        (told, 0),
        (asks(both, "with what was released before"), 1),
        (asks(late, "content under a key that is destroyed"), 1),
        (asks(alone, "without the certificate"), 0),
    ]);
}

/// A log whose entry 3 has content under a key that its entry 2 says is destroyed.
fn sealed_afterwards(seq: u64, body: String) -> String {
    let mut envelope = Envelope::from_body(body.as_bytes()).unwrap();
    let subject = DataSubject([7; 16]);
    match seq {
        2 => {
            envelope.event.data = Data::ErasureCompleted(ErasureCompleted {
                erasure: EventId::derived(Hash([1; 32])),
                bucket: "operation/2026-11".parse().unwrap(),
                subject,
                entries: 1,
                contents: 1,
                sealed_bytes: 1,
                content_sha256: Hash::ZERO,
                method: "subject-key-destroyed".parse().unwrap(),
                approvals: Vec::new(),
                approvers: Vec::new(),
            });
        }
        3 => envelope.content.push(ContentRef {
            name: "note".parse().unwrap(),
            media: "text/plain".parse().unwrap(),
            bucket: "operation/2026-11".parse().unwrap(),
            sealed: Hash([2; 32]),
            sealed_bytes: 1,
            plain_bytes: 1,
            subject: Some(subject),
        }),
        _ => {}
    }
    String::from_utf8(envelope.to_body().unwrap()).unwrap()
}
