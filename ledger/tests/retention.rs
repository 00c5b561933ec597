//! The end of a bucket and holds on it, in a real ledger: nothing ends early, held, or without a
//! certificate that the log bears out.
#![allow(clippy::unwrap_used)]

use ledger::buckets::Kept;
use ledger::clock::Clock;
use ledger::verify::{Check, Report, Trust, verify};
use ledger::{
    AppendError, Appender, Content, ContentError, Disposal, ExpireError, HoldError, Options,
    Placement, Reader, Submission, line,
};
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::records::{HoldPlaced, HoldReleased, HoldScope, RetentionExpired, TimeSource};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Actor, BucketId, Data, Envelope, Event, EventId, Hash, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const JANUARY: &str = "2026-01-10T00:00:00.000000Z";
/// Two days before January's content of class `api` is due.
const EARLY: &str = "2026-03-01T00:00:00.000000Z";
const LATE: &str = "2026-03-10T00:00:00.000000Z";

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct World {
    dir: TempDir,
    hands: Arc<Hands>,
    appender: Appender,
    reader: Reader,
}

fn actor() -> Actor {
    "user:s001".parse().unwrap()
}

fn bucket() -> BucketId {
    "api/2026-01".parse().unwrap()
}

fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

impl World {
    /// A ledger of January with three entries of two contents, under a rule of thirty days.
    fn new() -> World {
        let dir = TempDir::new().unwrap();
        let january: Timestamp = JANUARY.parse().unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(january.micros())));
        ledger::create(dir.path(), "example.com/daicho", &*hands).unwrap();
        let options = Options {
            clock: hands.clone(),
            ..Options::default()
        };
        let (appender, reader) = ledger::open(dir.path(), options).unwrap();
        let world = World {
            dir,
            hands,
            appender,
            reader,
        };
        let rules = PolicyAdopted {
            policy: "retention".parse().unwrap(),
            digest: Hash::ZERO,
            previous: None,
            approvals: Vec::new(),
            periods: Some([("api".parse().unwrap(), "P30D".parse().unwrap())].into()),
            must_keep: None,
        };
        let rules = Event::new(world.appender.new_id(), actor(), rules);
        world.appender.append(vec![rules.into()]).unwrap();
        world.content("s-1", "one");
        world.content("s-2", "two");
        world.content("s-3", "one");
        world
    }

    fn content(&self, session: &str, text: &str) {
        let data = AuthSucceeded {
            subject: "user:e1".parse().unwrap(),
            method: "token".parse().unwrap(),
        };
        let mut event = Event::new(self.appender.new_id(), actor(), data);
        event.class = "api".parse().unwrap();
        let event = event.in_session(Some(session.parse().unwrap()));
        let content = vec![Content {
            name: "note".parse().unwrap(),
            media: "text/plain".parse().unwrap(),
            bytes: text.as_bytes().to_vec(),
        }];
        self.appender
            .append(vec![Submission {
                event,
                content,
                person: None,
            }])
            .unwrap();
    }

    fn turn_to(&self, time: &str) {
        let time: Timestamp = time.parse().unwrap();
        self.hands.0.fetch_max(time.micros(), Ordering::SeqCst);
    }

    fn end(&self) -> Result<ledger::Receipt, ExpireError> {
        self.appender.expire(Disposal {
            bucket: bucket(),
            actor: actor(),
            time: TimeSource::Log,
            token: None,
            approvals: vec![id(1)],
            approvers: vec!["user:s002".parse().unwrap(), "user:s003".parse().unwrap()],
        })
    }

    fn hold(&self, hold: u8, scope: HoldScope) -> Result<ledger::Receipt, HoldError> {
        self.appender.hold(&Placement {
            actor: actor(),
            hold: id(hold),
            case: "c-1".parse().unwrap(),
            scope,
            approvals: Vec::new(),
            approvers: Vec::new(),
            content: Vec::new(),
        })
    }

    fn release(&self, hold: u8) -> Result<ledger::Receipt, HoldError> {
        let released = HoldReleased {
            hold: id(hold),
            case: "c-1".parse().unwrap(),
            approvals: Vec::new(),
            approvers: Vec::new(),
        };
        self.appender.release(actor(), released, Vec::new())
    }

    fn verify(&self) -> Report {
        verify(self.dir.path(), &Trust::default(), |_| {}).unwrap()
    }

    fn check(&self) {
        let report = self.verify();
        assert!(report.is_clean(), "{:#?}", report.findings);
    }

    /// Writes an entry as nobody but whoever has the log's key could.
    fn forge(self, data: impl Into<Data>) -> Report {
        let head = self.reader.head();
        let prev = self.reader.leaf(head.size - 1).unwrap();
        let World { dir, appender, .. } = self;
        drop(appender);
        let envelope = Envelope {
            seq: head.size,
            at: head.at,
            event: Event::new(id(99), actor(), data),
            content: Vec::new(),
            prev,
        };
        let body = envelope.to_body().unwrap();
        let leaf = ledger::tree::leaf_hash(&body);
        let signer = std::fs::read_to_string(dir.path().join("keys/ledger.key")).unwrap();
        let signer = ledger::note::SignerKey::parse(&signer).unwrap();
        let message = [b"daicho/entry/v1\nexample.com/daicho\n", &leaf.0[..]].concat();
        let signature = ledger::Signer::sign(&signer, &message).unwrap();
        let mut log = std::fs::read_dir(dir.path().join("log")).unwrap();
        let path = log.next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        line::write(&body, &signature, &mut bytes);
        std::fs::write(&path, bytes).unwrap();
        verify(dir.path(), &Trust::default(), |_| {}).unwrap()
    }
}

fn of_session(session: &str) -> HoldScope {
    HoldScope {
        session: Some(session.parse().unwrap()),
        ..HoldScope::default()
    }
}

fn packs(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("content/api/2026-01")).map_or(0, Iterator::count)
}

#[test]
fn a_bucket_ends_when_it_is_due_and_its_certificate_says_what_it_held() {
    let world = World::new();
    let early = world.end().unwrap_err();
    assert!(matches!(early, ExpireError::Open { .. }), "{early}");
    world.turn_to(EARLY);
    let early = world.end().unwrap_err();
    assert!(
        matches!(early, ExpireError::Kept(Kept::NotDue { .. })),
        "{early}"
    );
    world.check();
    assert_eq!(packs(world.dir.path()), 1);

    world.turn_to(LATE);
    let receipt = world.end().unwrap();
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
    let again = world.end().unwrap_err();
    assert!(
        matches!(again, ExpireError::Kept(Kept::Ended { .. })),
        "{again}"
    );
    let content = world.reader.entry(2).unwrap().content()[0].clone();
    assert!(world.reader.content(&content).is_err());
}

/// With an old copy of the data directory: no reader opens it, whoever verifies is told, and whoever
/// ends buckets destroys it once more.
#[test]
fn a_bucket_that_came_back_opens_nothing_is_found_and_is_destroyed() {
    let world = World::new();
    let key = world.dir.path().join("keys/content/api/2026-01.key");
    let pack = world.dir.path().join("content/api/2026-01/00000001.pack");
    let kept = [&key, &pack].map(|path| std::fs::read(path).unwrap());
    let put_back = || {
        std::fs::write(&key, &kept[0]).unwrap();
        std::fs::write(&pack, &kept[1]).unwrap();
    };
    let reference = world.reader.entry(2).unwrap().content()[0].clone();
    assert!(world.reader.content(&reference).is_ok());
    world.turn_to(LATE);
    let certificate = world.end().unwrap();
    put_back();
    let asked = |reader: &Reader| {
        let read = reader.content(&reference);
        assert!(matches!(read, Err(ContentError::Ended { .. })), "{read:?}");
    };
    asked(&world.reader);

    let World {
        dir,
        hands,
        appender,
        reader,
    } = world;
    drop((appender, reader));
    let options = || Options {
        clock: hands.clone(),
        file_bytes: 2_000,
        ..Options::default()
    };
    let (appender, reader) = ledger::open(dir.path(), options()).unwrap();
    asked(&reader);
    for _ in 0..8 {
        appender.append(vec![appender.checkpoint_event()]).unwrap();
    }
    drop((appender, reader));
    let outlines = dir.path().join("index/outlines");
    assert!(std::fs::read_dir(&outlines).unwrap().count() > 0);
    asked(&Reader::open(dir.path()).unwrap());
    std::fs::remove_dir_all(&outlines).unwrap();
    asked(&Reader::open(dir.path()).unwrap());

    let report = || verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let findings = report().findings;
    let [finding] = &findings[..] else {
        panic!("{findings:#?}");
    };
    assert_eq!(
        (finding.check, finding.seq),
        (Check::Erasure, Some(certificate.seq))
    );
    assert_eq!(finding.file, "keys/content/api/2026-01.key");
    let marker = key.with_extension("ending");
    std::fs::write(&marker, format!("{}\n", id(7))).unwrap();
    assert!(!report().is_clean());
    std::fs::write(&marker, format!("{}\n", certificate.id)).unwrap();
    assert!(report().is_clean());
    std::fs::remove_file(&marker).unwrap();

    let (appender, _) = ledger::open(dir.path(), options()).unwrap();
    assert_eq!(appender.finish_ends().unwrap(), [bucket()]);
    assert!(!key.exists() && packs(dir.path()) == 0);
    assert!(report().is_clean());
    assert_eq!(appender.finish_ends().unwrap(), []);
}

#[test]
fn nothing_under_hold_ends_by_any_path() {
    let world = World::new();
    world.turn_to(LATE);
    world.hold(1, of_session("s-2")).unwrap();
    let one = HoldScope {
        bucket: Some(bucket()),
        ..HoldScope::default()
    };
    world.hold(2, one).unwrap();
    let held = world.end().unwrap_err();
    assert!(
        matches!(&held, ExpireError::Kept(Kept::Held { holds, .. }) if *holds == [id(1), id(2)]),
        "{held}"
    );
    world.release(1).unwrap();
    let held = world.end().unwrap_err();
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
    assert!(world.end().is_err());
    assert_eq!(packs(world.dir.path()), 1);
    world.check();
    world.release(2).unwrap();
    let twice = world.release(2).unwrap_err();
    assert!(matches!(twice, HoldError::NotInForce { .. }), "{twice}");
    world.end().unwrap();
    world.check();
}

/// A hold, an end and producers at once, in any order: whichever comes first is what counts.
#[test]
fn of_a_hold_and_an_end_that_race_one_comes_first_and_the_other_knows() {
    let (mut held, mut ended) = (0, 0);
    for round in 0..24 {
        let world = World::new();
        world.turn_to(LATE);
        let (hold, end) = std::thread::scope(|threads| {
            let place = || world.hold(1, of_session("s-1"));
            let (hold, end);
            if round % 2 == 0 {
                hold = threads.spawn(place);
                end = threads.spawn(|| world.end());
            } else {
                end = threads.spawn(|| world.end());
                hold = threads.spawn(place);
            }
            (0..4).for_each(|_| world.content("s-1", "march"));
            (hold.join().unwrap(), end.join().unwrap())
        });
        let receipt = hold.unwrap();
        let entry = world.reader.entry(receipt.seq).unwrap();
        let Data::HoldPlaced(placed) = entry.data() else {
            panic!("{entry:?}");
        };
        let covers = placed.buckets.contains(&bucket());
        match end {
            Ok(end) => {
                ended += 1;
                assert!(end.seq < receipt.seq && !covers, "{placed:?}");
            }
            Err(error) => {
                held += 1;
                assert!(covers, "{error}");
                assert_eq!(packs(world.dir.path()), 1);
            }
        }
        world.check();
    }
    println!("retention: {held} held, {ended} ended");
}

#[test]
fn a_hold_covers_what_there_was_and_what_comes_and_one_on_nothing_says_so() {
    let world = World::new();
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
    world.content("s-2", "march");
    world.turn_to("2026-06-01T00:00:00.000000Z");
    let march = world.appender.expire(Disposal {
        bucket: "api/2026-03".parse().unwrap(),
        actor: actor(),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    });
    let march = march.unwrap_err();
    assert!(
        matches!(march, ExpireError::Kept(Kept::Held { .. })),
        "{march}"
    );
}

/// What a sound certificate would say of the sample, with something changed.
fn certificate(world: &World, change: impl FnOnce(&mut RetentionExpired)) -> RetentionExpired {
    let mut buckets = ledger::Buckets::default();
    for entry in world.reader.entries(0..u64::MAX) {
        ledger::Projection::fold(&mut buckets, &entry.unwrap());
    }
    let tally = world.reader.tally(&buckets, &bucket()).unwrap();
    let mut expired = RetentionExpired {
        bucket: bucket(),
        due: "2026-03-03T00:00:00.000000Z".parse().unwrap(),
        period: "P30D".parse().unwrap(),
        entries: tally.entries,
        contents: tally.contents,
        sealed_bytes: tally.sealed_bytes,
        content_sha256: tally.content_sha256,
        method: "key-destroyed".parse().unwrap(),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    change(&mut expired);
    expired
}

#[test]
fn an_end_that_the_log_does_not_bear_out_is_a_finding() {
    let at = |time: &str| {
        let world = World::new();
        world.turn_to(time);
        world.content("s-4", "later");
        world
    };
    let checks = |report: Report| -> Vec<Check> {
        let checks = report.findings.iter().map(|finding| finding.check);
        checks.collect()
    };
    let world = at(LATE);
    let sound = certificate(&world, |_| {});
    // The certificate is sound, and the key that nobody destroyed is there.
    assert_eq!(checks(world.forge(sound)), [Check::Erasure]);
    let found = |report: Report| {
        let mut found = checks(report);
        found.retain(|check| *check != Check::Erasure);
        found
    };
    let world = at(EARLY);
    let early = certificate(&world, |_| {});
    assert_eq!(found(world.forge(early)), [Check::Retention]);
    let world = at(LATE);
    world.hold(1, of_session("s-1")).unwrap();
    let held = certificate(&world, |_| {});
    assert_eq!(found(world.forge(held)), [Check::Retention]);
    let changes: [fn(&mut RetentionExpired); 6] = [
        |e| e.entries += 1,
        |e| e.contents -= 1,
        |e| e.sealed_bytes += 1,
        |e| e.content_sha256 = Hash::ZERO,
        |e| e.due = LATE.parse().unwrap(),
        |e| e.period = "P29D".parse().unwrap(),
    ];
    for change in changes {
        let world = at(LATE);
        let wrong = certificate(&world, change);
        assert_eq!(found(world.forge(wrong)), [Check::Retention]);
    }
    let world = at(LATE);
    let nowhere = certificate(&world, |e| e.bucket = "api/2025-01".parse().unwrap());
    assert!(
        found(world.forge(nowhere))
            .iter()
            .all(|c| *c == Check::Retention)
    );
}

#[test]
fn content_that_is_gone_without_a_certificate_is_unauthorised_loss() {
    let world = World::new();
    let dir = world.dir.path().join("content/api/2026-01");
    std::fs::remove_dir_all(dir).unwrap();
    let report = world.verify();
    assert_eq!(report.findings.len(), 2, "{:#?}", report.findings);
    for finding in report.findings {
        assert_eq!(finding.check, Check::Content);
        assert!(finding.found.contains("unauthorised loss"), "{finding}");
    }
}
