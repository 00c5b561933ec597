//! A bucket ends when it is due and nothing holds it.

use crate::world::{EARLY, LATE, World, actor, bucket, id, of_bucket, of_session, packs};
use ledger::buckets::Kept;
use ledger::verify::Check;
use ledger::{AppendError, ExpireError, HoldError, NO_KEY};
use schemas::kinds::records::{HoldPlaced, HoldReleased, HoldScope, RetentionExpired, TimeSource};
use schemas::{Data, Event, Hash};

/// Three entries of two contents, in January.
pub fn sample() -> World {
    let world = World::new();
    world.in_session("s-1", "one");
    world.in_session("s-2", "two");
    world.in_session("s-3", "one");
    world
}

#[test]
fn a_bucket_ends_when_it_is_due_and_its_certificate_says_what_it_held() {
    let world = sample();
    let early = world.end(&bucket()).unwrap_err();
    assert!(matches!(early, ExpireError::Open { .. }), "{early}");
    world.turn_to(EARLY);
    let early = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(early, ExpireError::Kept(Kept::NotDue { .. })),
        "{early}"
    );
    world.check();
    assert_eq!(packs(world.dir.path()), 1);

    world.turn_to(LATE);
    // Another name of the key's bytes: what becomes of them when the key is gone.
    let (key, kept) = (
        world.dir.path().join("keys/content/api/2026-01.key"),
        world.dir.path().join("kept"),
    );
    std::fs::hard_link(key, &kept).unwrap();
    let receipt = world.end(&bucket()).unwrap();
    let zeros = std::fs::read(&kept).unwrap();
    assert!(!zeros.is_empty() && zeros.iter().all(|byte| *byte == 0));
    let entry = world.reader.entry(receipt.seq).unwrap();
    let Data::RetentionExpired(expired) = entry.data() else {
        panic!("{entry:?}");
    };
    assert_eq!((expired.entries, expired.contents), (3, 2));
    assert_eq!(expired.due.to_string(), "2026-03-03T00:00:00.000000Z");
    assert_eq!(expired.period.to_string(), "P30D");
    assert_eq!(expired.approvers.len(), 2);
    assert_ne!(expired.content_sha256, Hash::ZERO);
    world.check();
    assert_eq!(packs(world.dir.path()), 0);
    let keys = world.dir.path().join("keys/content/api");
    assert_eq!(std::fs::read_dir(keys).unwrap().count(), 0);
    let again = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(again, ExpireError::Kept(Kept::Ended { .. })),
        "{again}"
    );
    let content = world.reader.entry(2).unwrap().content()[0].clone();
    assert!(world.reader.content(&content).is_err());
}

#[test]
fn nothing_under_hold_ends_by_any_path() {
    let world = sample();
    world.turn_to(LATE);
    world.hold(1, of_session("s-2")).unwrap();
    world.hold(2, of_bucket(&bucket())).unwrap();
    let held = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(&held, ExpireError::Kept(Kept::Held { holds, .. }) if *holds == [id(1), id(2)]),
        "{held}"
    );
    world.release(1).unwrap();
    let held = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(&held, ExpireError::Kept(Kept::Held { holds, .. }) if *holds == [id(2)]),
        "{held}"
    );
    // Neither an end nor a release is written as if it were any other event.
    let expired = RetentionExpired {
        bucket: bucket(),
        due: EARLY.parse().unwrap(),
        period: "P30D".parse().unwrap(),
        entries: 3,
        contents: 2,
        sealed_bytes: 0,
        content_sha256: Hash::ZERO,
        method: "by-hand".parse().unwrap(),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    let released = HoldReleased {
        hold: id(2),
        case: "c-1".parse().unwrap(),
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    for data in [Data::from(expired), Data::from(released)] {
        let event = Event::new(world.appender.new_id(), actor(), data);
        let refused = world.appender.append(vec![event.into()]).unwrap_err();
        assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    }
    assert!(world.end(&bucket()).is_err());
    assert_eq!(packs(world.dir.path()), 1);
    world.check();
    world.release(2).unwrap();
    let twice = world.release(2).unwrap_err();
    assert!(matches!(twice, HoldError::NotInForce { .. }), "{twice}");
    world.end(&bucket()).unwrap();
    world.check();
}

#[test]
fn a_hold_covers_what_there_was_and_what_comes_and_one_on_nothing_says_so() {
    let world = sample();
    let none = world.reader.in_scope(&of_session("s-9")).unwrap();
    assert!(none.is_empty());
    let empty = world.hold(1, HoldScope::default()).unwrap_err();
    assert!(matches!(empty, HoldError::Empty), "{empty}");
    let receipt = world.hold(1, of_session("s-2")).unwrap();
    let entry = world.reader.entry(receipt.seq).unwrap();
    let Data::HoldPlaced(HoldPlaced { buckets, .. }) = entry.data() else {
        panic!("{entry:?}");
    };
    assert_eq!(*buckets, [bucket()]);
    let again = world.hold(1, of_session("s-3")).unwrap_err();
    assert!(matches!(again, HoldError::Placed { .. }), "{again}");
    world.turn_to(LATE);
    world.in_session("s-2", "march");
    world.turn_to("2026-06-01T00:00:00.000000Z");
    let march = world.end(&"api/2026-03".parse().unwrap());
    let march = march.unwrap_err();
    assert!(
        matches!(march, ExpireError::Kept(Kept::Held { .. })),
        "{march}"
    );
}

/// The certificate says what was there to destroy, and no more.
#[test]
fn a_bucket_whose_key_was_gone_ends_without_saying_that_it_was_destroyed() {
    for there in [true, false] {
        let world = sample();
        world.turn_to(LATE);
        if !there {
            std::fs::remove_file(world.bucket_key()).unwrap();
        }
        let receipt = world.end(&bucket()).unwrap();
        let entry = world.reader.entry(receipt.seq).unwrap();
        let Data::RetentionExpired(expired) = entry.data() else {
            panic!("{entry:?}");
        };
        assert_eq!(expired.method.as_str() == NO_KEY, !there);
        world.check();
    }
}

#[test]
fn content_that_is_gone_without_a_certificate_is_unauthorised_loss() {
    let world = sample();
    let dir = world.dir.path().join("content/api/2026-01");
    std::fs::remove_dir_all(dir).unwrap();
    let report = world.verify();
    assert_eq!(report.findings.len(), 2, "{:#?}", report.findings);
    for finding in report.findings {
        assert_eq!(finding.check, Check::Content);
        assert!(finding.found.contains("unauthorised loss"), "{finding}");
    }
}
