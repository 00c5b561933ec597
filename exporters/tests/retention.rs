//! The retention report of a real ledger.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Ledger, ORIGIN};
use exporters::report::model::Report;
use exporters::report::retention::{self, Retention};
use exporters::report::{Basis, Format, Head, Language, Verification};
use ledger::buckets::default_periods;
use ledger::verify::{Trust, verify};
use ledger::{Content, Index, Submission};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Class, Event, Hash};
use serde_json::Value;

/// Appends prompts of a class, each with this content.
fn append(ledger: &Ledger, class: Class, texts: &[&str]) {
    let submissions = texts.iter().map(|text| {
        let mut event = ledger.prompt();
        event.class = class.clone();
        Submission {
            event,
            content: vec![Content {
                name: "request".parse().unwrap(),
                media: "text/plain".parse().unwrap(),
                bytes: text.as_bytes().to_vec(),
            }],
            person: None,
        }
    });
    ledger.appender.append(submissions.collect()).unwrap();
}

fn report(ledger: &Ledger, retention: &Retention) -> Report {
    let trust = Trust::default();
    let checked = verify(ledger.data_dir(), &trust, |_| {}).unwrap();
    let basis = Basis {
        organisation: "Example".to_owned(),
        log: ORIGIN.to_owned(),
        head: Head::of(&checked),
        verification: Verification::of(&checked, &trust),
        period: None,
        begun: None,
        hours: None,
        rules: None,
        folded: None,
        program: "daicho test".to_owned(),
    };
    retention::report(retention, basis).unwrap()
}

#[test]
fn figures_are_those_of_the_log_and_survive_a_rebuild() {
    let ledger = Ledger::with(4);
    append(
        &ledger,
        Class::operation(),
        &["the same", "the same", "another"],
    );
    append(&ledger, Class::api(), &["brief"]);
    let rules = PolicyAdopted {
        policy: "retention".parse().unwrap(),
        digest: Hash::ZERO,
        previous: None,
        approvals: Vec::new(),
        periods: Some(default_periods()),
        must_keep: None,
    };
    let id = ledger.appender.new_id();
    let rules = Event::new(id, "service:operator".parse().unwrap(), rules);
    ledger.appender.append(vec![rules.into()]).unwrap();
    let mut index = Index::open(ledger.reader.clone()).unwrap();
    let view = index.add::<Retention>();
    index.catch_up().unwrap();
    index.save().unwrap();
    let first = view.read(|retention| report(&ledger, retention));
    let json: Value = serde_json::from_str(&first.to_json()).unwrap();

    let head = ledger.reader.head();
    assert_eq!(json["basis"]["head"]["root"], head.root.to_string());
    assert_eq!(json["basis"]["verification"]["outcome"], "clean");
    let figure = |id: &str| {
        let figure = first.figure(id).unwrap();
        (figure.value, figure.positions.to_string())
    };
    assert_eq!(figure("classes.operation.events"), (7, "1-7".to_owned()));
    let contents = figure("classes.operation.contents");
    assert_eq!(
        contents,
        (2, "5-7".to_owned()),
        "equal content is stored once"
    );
    let refs: Vec<_> = [5, 7]
        .map(|seq| ledger.reader.entry(seq).unwrap().content()[0].sealed_bytes)
        .into();
    assert_eq!(
        figure("classes.operation.sealed_bytes").0,
        refs.iter().sum::<u64>()
    );
    let bucket = &json["sections"][1]["tables"][0]["rows"][0];
    let month = head.at.month();
    let due = month.end().after("P1Y".parse().unwrap()).unwrap();
    assert_eq!(bucket[0]["name"], format!("operation/{month}"));
    assert_eq!(bucket[1]["text"]["en"], "open");
    assert_eq!(bucket[3]["time"], due.to_string());

    // From the index, and from nothing: the same state.
    drop((view, index));
    let mut kept = Index::open(ledger.reader.clone()).unwrap();
    let mut rebuilt = Index::in_memory(ledger.reader.clone());
    for index in [&mut kept, &mut rebuilt] {
        index.add::<Retention>();
        index.catch_up().unwrap();
    }
    assert_eq!(kept.digests().unwrap(), rebuilt.digests().unwrap());
    assert!(kept.notices().is_empty());
}

#[test]
fn a_damaged_log_is_reported_as_one() {
    let ledger = Ledger::with(4);
    let mut index = Index::in_memory(ledger.reader.clone());
    let view = index.add::<Retention>();
    index.catch_up().unwrap();
    let file = std::fs::read_dir(ledger.data_dir().join("log")).unwrap();
    let path = file.map(|f| f.unwrap().path()).next().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("agent:cfo").unwrap() + "agent:".len();
    bytes[at] = b'd';
    std::fs::write(&path, bytes).unwrap();
    let page =
        view.read(|retention| report(&ledger, retention).write(Format::Html, Language::English));
    assert!(page.contains("Faults found") && page.contains("At positions 1"));
    assert!(!page.contains("No alteration"));
}
