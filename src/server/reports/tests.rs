use super::issue::look;
use super::*;
use crate::config::{Config, Schedule, write_default};
use crate::reports::{ALWAYS, IssuedReport, Soundness};
use ledger::Layout;
use ledger::clock::{Clock, SystemClock};
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

struct Then(Timestamp);

impl Clock for Then {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A ledger that is old enough for a month to be due.
fn node() -> (TempDir, Node) {
    const DAYS: i64 = 100 * 24 * 3_600 * 1_000_000;
    let dir = TempDir::new().unwrap();
    let then = Timestamp::from_micros(SystemClock.now().micros() - DAYS);
    ledger::create(dir.path(), "example.com/daicho", &Then(then)).unwrap();
    write_default(&Layout::new(dir.path())).unwrap();
    let mut config = Config::default();
    config.report.schedule = Some(Schedule {
        formats: vec![crate::reports::Form::Json],
        ..Schedule::default()
    });
    let node = Node::open(dir.path(), config, Default::default()).unwrap();
    (dir, node)
}

fn issued(node: &Node) -> usize {
    node.views.catch_up().unwrap();
    node.views.issued.read(|issued| issued.all().len())
}

#[test]
fn a_stop_ends_the_verification_under_way_and_nothing_is_issued() {
    let (_dir, node) = node();
    let desk = Desk::of(&node).unwrap();
    node.views.catch_up().unwrap();
    let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
    let asked = std::sync::atomic::AtomicU64::new(0);
    let stopped = desk.issue(&due, &|| {
        asked.fetch_add(1, Ordering::Relaxed);
        false
    });
    let fault = format!("{:#}", stopped.unwrap_err().fault);
    assert!(fault.contains("stopped before its end"), "{fault}");
    assert_eq!(asked.into_inner(), 1, "not asked again, once it is stopped");
    assert_eq!(issued(&node), 0);
    assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 0);
    let soundness = desk.issue(&due, ALWAYS).unwrap();
    assert_eq!(soundness, Soundness::Sound);
    assert_eq!(issued(&node), 1);
}

/// The signature, say, cannot be had when the report is recorded already.
#[test]
fn a_report_whose_issuer_failed_after_it_was_recorded_is_written_at_the_next_look() {
    let (_dir, node) = node();
    let desk = Desk::of(&node).unwrap();
    node.views.catch_up().unwrap();
    let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
    let document = desk.dir.join(&due.names()[0]);
    let failed = desk.issue_by(&due, ALWAYS, |issuer| {
        let id = |form, language| due.id(form, language);
        issuer.issue(&due.wish(), &due.documents, id)?;
        Err(Failure::msg("no checkpoint covers it", "try again"))
    });
    assert!(failed.is_err() && !document.exists());
    assert_eq!(issued(&node), 1);
    let (mut begun, stop) = (false, AtomicBool::new(false));
    look(&desk, &mut begun, &stop).unwrap();
    let of_it = Hash(Sha256::digest(std::fs::read(&document).unwrap()).into());
    let recorded = node.views.issued.read(|issued| issued.all()[0].sha256);
    assert_eq!((issued(&node), of_it), (1, recorded));
    assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 2);
    // One that failed before leaves nothing.
    std::fs::remove_file(&document).unwrap();
    std::fs::remove_file(crate::reports::beside(&document, crate::reports::PROOF)).unwrap();
    let other = Due {
        month: "2001-01".parse().unwrap(),
        ..due
    };
    let failed = desk.issue_by(&other, ALWAYS, |_| Err(Failure::msg("not now", "later")));
    assert!(failed.is_err());
    assert_eq!(std::fs::read_dir(&desk.dir).unwrap().count(), 0);
}

/// What says so has ended: nothing was found unsound, and nothing is called verified.
#[test]
fn a_receiver_is_told_sound_unsound_or_that_nobody_knows() {
    let (_dir, node) = node();
    let desk = Desk::of(&node).unwrap();
    node.views.catch_up().unwrap();
    let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
    desk.issue(&due, ALWAYS).unwrap();
    node.views.catch_up().unwrap();
    let told = || {
        let message = desk.message(&due.report, due.month).unwrap();
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        message["soundness"].clone()
    };
    assert_eq!(told(), serde_json::json!({ "state": "sound" }));
    let unread = node.views.issued.read(|issued| issued.all()[0].clone());
    // An entry that has no such content.
    let unread = IssuedReport { seq: 0, ..unread };
    let soundness = Soundness::of(&node.reader, std::iter::once(&unread));
    let Soundness::Unknown { reason } = soundness else {
        panic!("{soundness:?}");
    };
    assert!(reason.contains("cannot be read"), "{reason}");
}

#[test]
fn a_document_that_could_not_be_written_is_at_the_next_look() {
    let (_dir, node) = node();
    let desk = Desk::of(&node).unwrap();
    node.views.catch_up().unwrap();
    let due = node.views.issued.read(|issued| desk.due(issued)).remove(0);
    let document = desk.dir.join(&due.names()[0]);
    // Its signature cannot be written where a directory has the name that it is written under.
    let in_the_way = crate::reports::beside(&document, ".tlog-proof.new");
    std::fs::create_dir_all(&in_the_way).unwrap();
    let (mut begun, stop) = (false, AtomicBool::new(false));
    assert!(look(&desk, &mut begun, &stop).is_err());
    assert_eq!((issued(&node), document.exists()), (1, false));
    begun = false;
    assert!(
        look(&desk, &mut begun, &stop).is_err(),
        "as long as it is there"
    );
    std::fs::remove_dir(&in_the_way).unwrap();
    begun = false;
    look(&desk, &mut begun, &stop).unwrap();
    assert!(begun && document.exists());
    let bytes = std::fs::read(&document).unwrap();
    let of_it = Hash(Sha256::digest(&bytes).into());
    let recorded = node.views.issued.read(|issued| issued.all()[0].sha256);
    assert_eq!((issued(&node), of_it), (1, recorded));
    let left = std::fs::read_dir(&desk.dir).unwrap().count();
    assert_eq!(left, 2, "the document and its signature");
}
