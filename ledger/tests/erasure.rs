//! The erasure of one person's content, in a real ledger: it goes and nothing else does, nothing goes
//! that is held or has to be kept, and none without a certificate that the log bears out.
#![allow(clippy::unwrap_used)]

use ledger::buckets::Spared;
use ledger::clock::Clock;
use ledger::verify::{Check, Report, Trust, verify};
use ledger::{
    AppendError, Appender, Buckets, Content, ContentError, Disposal, EraseError, Erasing,
    OpenError, Options, Placement, Projection, Reader, Receipt, Submission, line,
};
use proptest::prelude::*;
use schemas::kinds::agents::AgentRegistered;
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::records::{
    ErasureCompleted, ErasureRequested, HoldReleased, HoldScope, SubjectKey, TimeSource,
};
use schemas::kinds::rules::PolicyAdopted;
use schemas::kinds::traffic::ToolReturned;
use schemas::{Actor, Class, Data, DataClass, Envelope, Event, EventId, Hash, Name, Timestamp};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const JANUARY: &str = "2026-01-10T00:00:00.000000Z";
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
    "service:test".parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

fn open(dir: &Path, hands: &Arc<Hands>) -> (Appender, Reader) {
    let options = Options {
        clock: hands.clone(),
        ..Options::default()
    };
    ledger::open(dir, options).unwrap()
}

/// A long text of which a part is the same for everybody, so that it is worth to be shared.
fn text(own: &str) -> String {
    let mut dice = 7_u64;
    let mut shared = String::new();
    while shared.len() < 6_000 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        shared.push_str(&format!("{:x} ", dice >> 20));
    }
    format!("{shared}{own}")
}

impl World {
    fn new() -> World {
        let dir = TempDir::new().unwrap();
        let january: Timestamp = JANUARY.parse().unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(january.micros())));
        ledger::create(dir.path(), "example.com/daicho", &*hands).unwrap();
        let (appender, reader) = open(dir.path(), &hands);
        let world = World {
            dir,
            hands,
            appender,
            reader,
        };
        world.rules(&[]);
        world
    }

    fn rules(&self, must_keep: &[&str]) {
        let period = |class: &str| (class.parse().unwrap(), "P30D".parse().unwrap());
        let duty = |class: &&str| (class.parse().unwrap(), "a law".parse().unwrap());
        let rules = PolicyAdopted {
            policy: name("retention"),
            digest: Hash::ZERO,
            previous: None,
            approvals: Vec::new(),
            periods: Some(["api", "auth"].map(period).into()),
            must_keep: (!must_keep.is_empty()).then(|| must_keep.iter().map(duty).collect()),
        };
        let rules = Event::new(self.appender.new_id(), actor(), rules);
        self.appender.append(vec![rules.into()]).unwrap();
    }

    fn submission(&self, class: &str, person: Option<&str>, text: &str) -> Submission {
        let data = AuthSucceeded {
            subject: "user:e1".parse().unwrap(),
            method: name("token"),
        };
        let mut event = Event::new(self.appender.new_id(), actor(), data);
        event.class = class.parse().unwrap();
        Submission {
            event: event.in_session(Some("s-1".parse().unwrap())),
            content: vec![Content {
                name: name("note"),
                media: "text/plain".parse().unwrap(),
                bytes: text.as_bytes().to_vec(),
            }],
            person: person.map(name),
        }
    }

    fn content(&self, class: &str, person: Option<&str>, text: &str) -> u64 {
        let submission = self.submission(class, person, text);
        self.appender.append(vec![submission]).unwrap()[0].seq
    }

    fn read(&self, seq: u64) -> Result<Vec<u8>, ContentError> {
        let entry = self.reader.entry(seq).unwrap();
        self.reader.content(&entry.content()[0])
    }

    fn keys(&self, person: &str) -> Vec<SubjectKey> {
        let mut buckets = Buckets::default();
        for entry in self.reader.entries(0..self.reader.size()) {
            buckets.fold(&entry.unwrap());
        }
        self.reader.keys_of(&buckets, &name(person)).unwrap()
    }

    fn request(&self, erasure: u8, keys: &[SubjectKey]) {
        let requested = ErasureRequested {
            erasure: id(erasure),
            case: name("c-1"),
            basis: name("appi-35"),
            keys: keys.to_vec(),
        };
        let requested = Event::new(self.appender.new_id(), actor(), requested);
        self.appender.append(vec![requested.into()]).unwrap();
    }

    fn erase(&self, erasure: u8, key: &SubjectKey) -> Result<Receipt, EraseError> {
        self.appender.erase(&Erasing {
            erasure: id(erasure),
            key: key.clone(),
            actor: actor(),
            approvals: vec![id(200)],
            approvers: vec!["user:s002".parse().unwrap(), "user:s003".parse().unwrap()],
        })
    }

    fn hold(&self, hold: u8, scope: HoldScope) -> Result<Receipt, ledger::HoldError> {
        self.appender.hold(&Placement {
            actor: actor(),
            hold: id(hold),
            case: name("c-1"),
            scope,
            approvals: Vec::new(),
            approvers: Vec::new(),
            content: Vec::new(),
        })
    }

    fn file_of(&self, key: &SubjectKey) -> std::path::PathBuf {
        let keys = self.dir.path().join("keys/content");
        let bucket = keys.join(key.bucket.to_string());
        bucket.join(format!("{}.key", key.subject))
    }

    fn verify(&self) -> Report {
        verify(self.dir.path(), &Trust::default(), |_| {}).unwrap()
    }

    fn check(&self) {
        let report = self.verify();
        assert!(report.is_clean(), "{:#?}", report.findings);
    }

    fn again(self) -> World {
        let World {
            dir,
            hands,
            appender,
            reader,
        } = self;
        drop((appender, reader));
        let (appender, reader) = open(dir.path(), &hands);
        World {
            dir,
            hands,
            appender,
            reader,
        }
    }

    /// Writes an entry as nobody but whoever has the log's key could.
    fn forge(self, data: impl Into<Data>) -> Vec<Check> {
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
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        report.findings.iter().map(|found| found.check).collect()
    }
}

fn whole_bucket(key: &SubjectKey) -> HoldScope {
    HoldScope {
        bucket: Some(key.bucket.clone()),
        ..HoldScope::default()
    }
}

#[test]
fn one_persons_content_goes_and_nothing_else_does() {
    let world = World::new();
    let one = world.content("api", Some("s001"), &text("one"));
    let other = world.content("api", Some("s009"), &text("other"));
    let nobodys = world.content("api", None, &text("nobody's"));
    let elsewhere = world.content("auth", Some("s001"), "elsewhere");
    let again = world.content("api", Some("s001"), &text("one, and on"));
    let keys = world.keys("s001");
    let [api, auth] = &keys[..] else {
        panic!("{keys:?}");
    };
    assert_eq!(api.bucket.to_string(), "api/2026-01");
    assert!(world.keys("s002").is_empty());
    let early = world.erase(1, api).unwrap_err();
    assert!(
        matches!(early, EraseError::Spared(Spared::NotRequested { .. })),
        "{early}"
    );
    world.request(1, std::slice::from_ref(api));
    let receipt = world.erase(1, api).unwrap();
    let entry = world.reader.entry(receipt.seq).unwrap();
    let Data::ErasureCompleted(completed) = entry.data() else {
        panic!("{entry:?}");
    };
    assert_eq!((completed.entries, completed.contents), (2, 2));
    assert_eq!(
        (&completed.bucket, completed.subject),
        (&api.bucket, api.subject)
    );
    assert_eq!(completed.approvers.len(), 2);

    let world = world.again();
    for gone in [one, again] {
        let error = world.read(gone).unwrap_err();
        assert!(matches!(error, ContentError::Erased { .. }), "{error}");
        // What was sealed is there, and shows what the entry commits to.
        let reference = world.reader.entry(gone).unwrap().content()[0].clone();
        assert!(world.reader.sealed(&reference).is_ok());
    }
    assert_eq!(world.read(other).unwrap(), text("other").as_bytes());
    assert_eq!(world.read(nobodys).unwrap(), text("nobody's").as_bytes());
    assert_eq!(world.read(elsewhere).unwrap(), b"elsewhere");
    assert!(!world.file_of(api).exists() && world.file_of(auth).exists());
    world.check();

    // What comes next is theirs again, under a key that the request does not name.
    let next = world.content("api", Some("s001"), &text("one"));
    assert_eq!(world.read(next).unwrap(), text("one").as_bytes());
    assert!(!world.keys("s001").contains(api));
    let twice = world.erase(1, api).unwrap_err();
    assert!(
        matches!(twice, EraseError::Spared(Spared::Erased { .. })),
        "{twice}"
    );
    world.check();
    // A bucket ends with everybody's keys in it.
    world.hands.0.fetch_max(
        LATE.parse::<Timestamp>().unwrap().micros(),
        Ordering::SeqCst,
    );
    let ended = world.appender.expire(Disposal {
        bucket: api.bucket.clone(),
        actor: actor(),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    });
    ended.unwrap();
    let left = std::fs::read_dir(world.file_of(api).parent().unwrap()).unwrap();
    assert_eq!(left.count(), 0);
    world.check();
}

/// Whoever sends an event again that was recorded is told so, also when what it held is erased.
#[test]
fn an_event_whose_content_is_erased_is_known_when_it_comes_again() {
    let world = World::new();
    let sent = world.submission("api", Some("s001"), "one");
    let first = world.appender.append(vec![sent.clone()]).unwrap();
    let keys = world.keys("s001");
    world.request(1, &keys);
    world.erase(1, &keys[0]).unwrap();
    let again = world.appender.append(vec![sent]).unwrap();
    assert_eq!((again[0].seq, again[0].new), (first[0].seq, false));
    world.check();
}

/// A user's own traffic is theirs, an agent's is of whom it acts for, as whoever opened the ledger says.
#[test]
fn content_is_of_whoever_its_actor_acts_for_where_its_kind_says_so() {
    let world = World::new();
    world.appender.acting_for(|actor| {
        Ok(match actor.id().as_str() {
            "cfo" => Some("s007".parse().expect("a name")),
            "lost" => return Err("a line is damaged".to_owned()),
            _ => None,
        })
    });
    let of = |actor: &str, data: Data| {
        let event = Event::new(world.appender.new_id(), actor.parse().unwrap(), data);
        let mut submission = world.submission("api", None, "text");
        submission.event = event;
        let receipts = world.appender.append(vec![submission])?;
        Ok::<_, AppendError>(world.reader.entry(receipts[0].seq).unwrap().content()[0].subject)
    };
    let prompt = || {
        Data::from(schemas::kinds::traffic::ToolReturned {
            call: id(1),
            tool_use: "t".parse().unwrap(),
            result_sha256: Hash::ZERO,
            is_error: false,
        })
    };
    let login = || {
        Data::from(AuthSucceeded {
            subject: "user:e1".parse().unwrap(),
            method: name("token"),
        })
    };
    let cfo = of("agent:cfo", prompt()).unwrap();
    assert!(cfo.is_some());
    let user = of("user:s001", prompt()).unwrap();
    assert!(user.is_some() && user != cfo);
    assert_eq!(of("user:s007", prompt()).unwrap(), cfo);
    assert_eq!(of("agent:desk", prompt()).unwrap(), None);
    assert_eq!(of("service:x", prompt()).unwrap(), None);
    assert_eq!(of("user:s001", login()).unwrap(), None);
    // Whose it is cannot be said: it is not sealed as nobody's.
    let lost = of("agent:lost", prompt());
    assert!(matches!(lost, Err(AppendError::Refused { .. })), "{lost:?}");
    assert_eq!(world.keys("s007").len(), 1);
}

#[test]
fn nothing_under_hold_or_duty_is_erased_by_any_path() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let keys = world.keys("s001");
    world.request(1, &keys);
    world.hold(1, whole_bucket(&keys[0])).unwrap();
    let held = world.erase(1, &keys[0]).unwrap_err();
    assert!(
        matches!(&held, EraseError::Spared(Spared::Held { holds, .. }) if *holds == [id(1)]),
        "{held}"
    );
    let completed = ErasureCompleted {
        erasure: id(1),
        bucket: keys[0].bucket.clone(),
        subject: keys[0].subject,
        entries: 1,
        contents: 1,
        sealed_bytes: 0,
        content_sha256: Hash::ZERO,
        method: name("by-hand"),
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    let event = Event::new(world.appender.new_id(), actor(), completed);
    let refused = world.appender.append(vec![event.into()]).unwrap_err();
    assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    assert!(world.file_of(&keys[0]).exists());
    let released = HoldReleased {
        hold: id(1),
        case: name("c-1"),
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    world
        .appender
        .release(actor(), released, Vec::new())
        .unwrap();
    world.rules(&["api"]);
    let duty = world.erase(1, &keys[0]).unwrap_err();
    assert!(
        matches!(&duty, EraseError::Spared(Spared::Duty { duty, .. }) if duty.as_str() == "a law"),
        "{duty}"
    );
    assert!(world.file_of(&keys[0]).exists());
    world.rules(&["auth"]);
    world.erase(1, &keys[0]).unwrap();
    assert!(!world.file_of(&keys[0]).exists());
    world.check();
}

/// A hold, an erasure and the person at work, at once and in any order: whichever comes first is what
/// counts, and nothing that is recorded after the certificate is lost.
#[test]
fn of_a_hold_and_an_erasure_that_race_one_comes_first_and_the_other_knows() {
    let (mut held, mut erased, mut sealed_again) = (0, 0, 0);
    for round in 0..24 {
        let world = World::new();
        world.content("api", Some("s001"), &text("first"));
        let keys = world.keys("s001");
        world.request(1, &keys);
        let (hold, erasure, written) = std::thread::scope(|threads| {
            let place = || world.hold(1, whole_bucket(&keys[0]));
            let erase = || world.erase(1, &keys[0]);
            let write = |n: i32| {
                let submission = world.submission("api", Some("s001"), &text(&n.to_string()));
                let mut tries = 0;
                loop {
                    match world.appender.append(vec![submission.clone()]) {
                        Ok(receipts) => break (receipts[0].seq, n, tries),
                        Err(error) => assert!(error.is_retryable(), "{error}"),
                    }
                    tries += 1;
                }
            };
            let (hold, erasure);
            if round % 2 == 0 {
                hold = threads.spawn(place);
                erasure = threads.spawn(erase);
            } else {
                erasure = threads.spawn(erase);
                hold = threads.spawn(place);
            }
            let written: Vec<_> = (0..6).map(write).collect();
            (hold.join().unwrap(), erasure.join().unwrap(), written)
        });
        let hold = hold.unwrap();
        match erasure {
            Ok(certificate) => {
                erased += 1;
                assert!(certificate.seq < hold.seq);
                for (seq, n, tries) in written {
                    sealed_again += tries;
                    let read = world.read(seq);
                    match seq < certificate.seq {
                        true => assert!(read.is_err()),
                        false => assert_eq!(read.unwrap(), text(&n.to_string()).as_bytes()),
                    }
                }
            }
            Err(EraseError::Spared(Spared::Held { .. }) | EraseError::Append(_)) => {
                held += 1;
                for (seq, n, _) in written {
                    assert_eq!(world.read(seq).unwrap(), text(&n.to_string()).as_bytes());
                }
                assert!(world.file_of(&keys[0]).exists());
            }
            Err(error) => panic!("{error}"),
        }
        world.check();
    }
    println!("erasure: {held} held, {erased} erased, {sealed_again} sealed again");
}

/// What a sound certificate would say, with something changed.
fn certificate(world: &World, change: impl FnOnce(&mut ErasureCompleted)) -> ErasureCompleted {
    let keys = world.keys("s001");
    let mut buckets = Buckets::default();
    for entry in world.reader.entries(0..u64::MAX) {
        buckets.fold(&entry.unwrap());
    }
    let tally = world.reader.tally_of(&buckets, &keys[0]).unwrap();
    let mut completed = ErasureCompleted {
        erasure: id(1),
        bucket: keys[0].bucket.clone(),
        subject: keys[0].subject,
        entries: tally.entries,
        contents: tally.contents,
        sealed_bytes: tally.sealed_bytes,
        content_sha256: tally.content_sha256,
        method: name("subject-key-destroyed"),
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    change(&mut completed);
    completed
}

#[test]
fn an_erasure_that_the_log_does_not_bear_out_is_a_finding() {
    let asked = || {
        let world = World::new();
        world.content("api", Some("s001"), "one");
        world.content("api", Some("s001"), "two");
        world.content("api", Some("s009"), "other");
        world.request(1, &world.keys("s001"));
        world
    };
    let sound = |world: &World| certificate(world, |_| {});
    let world = asked();
    let data = sound(&world);
    // The certificate is sound, and the key that nobody destroyed is there.
    assert_eq!(world.forge(data), [Check::Erasure]);
    let forge = |world: World, data: ErasureCompleted| {
        let mut found = world.forge(data);
        found.retain(|check| *check != Check::Erasure);
        found
    };
    let world = asked();
    world.hold(1, whole_bucket(&world.keys("s001")[0])).unwrap();
    let data = sound(&world);
    assert_eq!(forge(world, data), [Check::Retention]);
    let world = asked();
    world.rules(&["api"]);
    let data = sound(&world);
    assert_eq!(forge(world, data), [Check::Retention]);
    let changes: [fn(&mut ErasureCompleted); 6] = [
        |e| e.entries += 1,
        |e| e.contents -= 1,
        |e| e.sealed_bytes += 1,
        |e| e.content_sha256 = Hash::ZERO,
        |e| e.erasure = id(2),
        |e| e.bucket.class = "auth".parse::<Class>().unwrap(),
    ];
    for change in changes {
        let world = asked();
        let data = certificate(&world, change);
        let found = forge(world, data);
        let only = found.iter().all(|check| *check == Check::Retention);
        assert!(only && !found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_key_that_is_gone_without_a_certificate_is_unauthorised_loss() {
    let world = World::new();
    let seq = world.content("api", Some("s001"), "one");
    world.content("api", Some("s009"), "other");
    let key = world.keys("s001").remove(0);
    std::fs::remove_file(world.file_of(&key)).unwrap();
    // Another for the same person is no replacement.
    let world = world.again();
    let next = world.content("api", Some("s001"), "two");
    assert!(world.read(seq).is_err() && world.read(next).is_ok());
    let report = world.verify();
    let [finding] = &report.findings[..] else {
        panic!("{:#?}", report.findings);
    };
    assert_eq!((finding.check, finding.seq), (Check::Content, Some(seq)));
    assert!(finding.found.contains("unauthorised loss"), "{finding}");
}

/// A backup holds the key still: what is made of it forgets whom its own log says is erased.
#[test]
fn a_copy_that_brings_a_key_back_is_cleared_by_its_own_log() {
    let world = World::new();
    let seq = world.content("api", Some("s001"), "one");
    let key = world.keys("s001").remove(0);
    let kept = std::fs::read(world.file_of(&key)).unwrap();
    world.request(1, std::slice::from_ref(&key));
    world.erase(1, &key).unwrap();
    let path = world.file_of(&key);
    let World {
        dir,
        appender,
        reader,
        ..
    } = world;
    drop((appender, reader));
    std::fs::write(&path, kept).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let reference = reader.entry(seq).unwrap().content()[0].clone();
    assert!(matches!(
        reader.content(&reference),
        Err(ContentError::Erased { .. })
    ));
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    let [finding] = &report.findings[..] else {
        panic!("{report:#?}");
    };
    assert_eq!(
        (finding.check, finding.seq),
        (Check::Erasure, Some(reader.size() - 1))
    );
    assert!(finding.file.ends_with(&format!("{}.key", key.subject)));
    // Neither by a marker that is not of this certificate, nor where there is no key of the log.
    let marker = path.with_extension("erasing");
    let log_key = dir.path().join("keys/ledger.key");
    let kept_away = dir.path().join("ledger.key");
    let found = || {
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        report.findings.iter().map(|f| f.check).collect::<Vec<_>>()
    };
    for other in ["", "begun", &format!("{}\n", id(5))] {
        std::fs::write(&marker, other).unwrap();
        assert_eq!(found(), [Check::Erasure], "{other}");
    }
    std::fs::rename(&log_key, &kept_away).unwrap();
    assert_eq!(found(), [Check::Erasure]);
    std::fs::rename(&kept_away, &log_key).unwrap();
    let certificate = reader.entry(reader.size() - 1).unwrap().id();
    std::fs::write(&marker, format!("{certificate}\n")).unwrap();
    assert_eq!(found(), []);
    assert_eq!(ledger::clear_erased(&reader).unwrap(), [key]);
    assert!(!path.exists() && !marker.exists());
    let reader = Reader::open(dir.path()).unwrap();
    assert!(reader.content(&reference).is_err());
}

/// The log says that it is erased, and that is asked wherever it is read from: by whoever erased it, by
/// a start from outlines and by one from the files.
#[test]
fn a_key_that_came_back_opens_nothing() {
    let world = World::new();
    let (gone, stays) = (
        world.content("api", Some("s001"), &text("one")),
        world.content("api", Some("s002"), &text("two")),
    );
    let key = world.keys("s001").remove(0);
    let kept = std::fs::read(world.file_of(&key)).unwrap();
    assert!(world.read(gone).is_ok());
    world.request(1, std::slice::from_ref(&key));
    world.erase(1, &key).unwrap();
    let path = world.file_of(&key);
    std::fs::write(&path, &kept).unwrap();
    let refused = |read: Result<Vec<u8>, ContentError>| {
        let erased = matches!(read, Err(ContentError::Erased { .. }));
        assert!(erased, "{read:?}");
    };
    refused(world.read(gone));
    assert!(world.read(stays).is_ok());

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
    for _ in 0..8 {
        appender.append(vec![appender.checkpoint_event()]).unwrap();
    }
    drop((appender, reader));
    let outlines = dir.path().join("index/outlines");
    assert!(std::fs::read_dir(&outlines).unwrap().count() > 0);
    let asked = |reader: &Reader| {
        let read = |seq| reader.content(&reader.entry(seq).unwrap().content()[0]);
        refused(read(gone));
        assert!(read(stays).is_ok());
    };
    asked(&Reader::open(dir.path()).unwrap());
    std::fs::remove_dir_all(&outlines).unwrap();
    asked(&Reader::open(dir.path()).unwrap());
    let (appender, reader) = ledger::open(dir.path(), options()).unwrap();
    asked(&reader);
    assert_eq!(appender.finish_erasures().unwrap(), [key]);
    assert!(!path.exists());
    let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// Passed over, it would leave the key to open what the log says is gone.
#[test]
fn a_certificate_that_cannot_be_read_stops_whoever_opens_the_log() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let key = world.keys("s001").remove(0);
    world.request(1, std::slice::from_ref(&key));
    let certificate = world.erase(1, &key).unwrap();
    let World {
        dir,
        appender,
        reader,
        ..
    } = world;
    drop((appender, reader));
    change_in_log(dir.path(), "subject-key-destroyed", "subject key destroyed");
    let Err(OpenError::Damaged { seq, .. }) = Reader::open(dir.path()) else {
        panic!("it was passed over");
    };
    assert_eq!(seq, certificate.seq);
}

/// What an earlier run sealed is only looked for: one damaged line in between keeps nobody from
/// recording.
#[test]
fn a_line_that_cannot_be_read_stops_no_sealing_after_a_start() {
    let world = World::new();
    world.content("api", Some("s001"), &text("one"));
    let second = world.content("api", Some("s001"), &text("two"));
    let world = world.again();
    change_in_log(world.dir.path(), "\"token\"", "\"nekot\"");
    assert!(world.reader.entry(second).is_err());
    let next = world.content("api", Some("s001"), &text("three"));
    assert_eq!(world.read(next).unwrap(), text("three").as_bytes());
}

/// Where it lies, so that whoever has the file open reads the change.
fn change_in_log(dir: &Path, from: &str, to: &str) {
    let path = std::fs::read_dir(dir.join("log")).unwrap().next().unwrap();
    let path = path.unwrap().path();
    let log = std::fs::read_to_string(&path).unwrap();
    let changed = log.replace(from, to);
    assert!(changed != log && changed.len() == log.len());
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all(changed.as_bytes()).unwrap();
}

/// A write that was cut off leaves the key under another name, and nothing else would destroy it.
#[test]
fn what_is_left_of_a_key_that_was_being_written_is_destroyed_at_the_next_start() {
    let world = World::new();
    let seq = world.content("api", Some("s001"), "one");
    let path = world.file_of(&world.keys("s001").remove(0));
    let left = [
        path.with_extension("key.new"),
        path.parent().unwrap().with_extension("key.new"),
        world.dir.path().join("keys/ledger.key.new"),
    ];
    for left in &left {
        std::fs::copy(&path, left).unwrap();
    }
    let others = [
        "keys/of-others.new",
        "keys/tls.key.new",
        "keys/tls/web.key.new",
    ];
    let others = others.map(|name| world.dir.path().join(name));
    std::fs::create_dir_all(others[2].parent().unwrap()).unwrap();
    for other in &others {
        std::fs::write(other, "another's").unwrap();
    }
    let world = world.again();
    assert!(left.iter().all(|left| !left.exists()));
    for other in &others {
        assert_eq!(std::fs::read(other).unwrap(), b"another's");
    }
    assert!(world.read(seq).is_ok());
    world.check();
}

/// One damaged key is nobody's: it opens nothing, and keeps nobody else from sealing or being erased.
#[test]
fn a_damaged_key_of_one_person_stops_nobody_else() {
    let world = World::new();
    let damaged = world.content("api", Some("s001"), "one");
    let other = world.content("api", Some("s002"), "two");
    let path = world.file_of(&world.keys("s001").remove(0));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let world = world.again();
    assert!(matches!(
        world.read(damaged),
        Err(ContentError::WrongKey { .. })
    ));
    assert!(world.read(other).is_ok());
    let again = world.content("api", Some("s001"), "anew");
    world.content("api", Some("s002"), "more");
    assert_eq!(world.read(again).unwrap(), b"anew");
    let keys = world.keys("s002");
    assert_eq!((keys.len(), world.keys("s001").len()), (1, 1));
    world.request(1, &keys);
    world.erase(1, &keys[0]).unwrap();
    assert!(world.read(other).is_err() && world.read(again).is_ok());
    world.check();
}

/// From the registration on, in the same batch and in one that waits behind it.
#[test]
fn what_an_agent_writes_is_its_persons_from_its_registration_on() {
    let world = World::new();
    let registered = |person: &str| {
        let data = AgentRegistered {
            agent: name("desk"),
            role: name("clerk"),
            data_class: DataClass::Internal,
            model: None,
            token_sha256: Hash([1; 32]),
            token_until: None,
            person: Some(name(person)),
        };
        Submission::from(Event::new(world.appender.new_id(), actor(), data))
    };
    let written = |text: &str| {
        let data = ToolReturned {
            call: id(7),
            tool_use: "t".parse().unwrap(),
            result_sha256: Hash([2; 32]),
            is_error: false,
        };
        let desk = "agent:desk".parse().unwrap();
        let mut submission = world.submission("operation", None, text);
        submission.event = Event::new(world.appender.new_id(), desk, data);
        submission
    };
    // Whoever opened the ledger lags behind for ever: only the batch tells.
    world.appender.acting_for(|_| Ok(None));
    let batch = vec![written("before"), registered("s001"), written("after")];
    let receipts = world.appender.append(batch).unwrap();
    let subject = |at: usize| {
        let entry = world.reader.entry(receipts[at].seq).unwrap();
        entry.content()[0].subject
    };
    assert!(subject(0).is_none() && subject(2).is_some());
    assert_eq!(world.keys("s001").len(), 1);

    // Sealed before the registration has its place, and placed after it: refused, and not recorded as
    // nobody's.
    let mut raced = 0;
    for round in 0..50 {
        let person = format!("s1{round:02}");
        let (register, write) = (registered(&person), written(&person));
        let (sender, receiver) = std::sync::mpsc::channel();
        world.appender.append_then(vec![register], |result| {
            result.unwrap();
        });
        world.appender.append_then(vec![write], move |result| {
            let _ = sender.send(result);
        });
        match receiver.recv().unwrap() {
            Err(AppendError::Content(error)) => {
                assert!(matches!(*error, ContentError::Reassigned { .. }), "{error}");
                raced += 1;
            }
            // The registration was durable before it was sealed.
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(raced > 0, "no round in which the second waited");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Contents that share most of their bytes, of several people and of nobody, over restarts: whoever
    /// is erased is gone, and everybody else is there to the byte.
    #[test]
    fn erasing_anyone_leaves_everybody_else(
        steps in prop::collection::vec((0_u8..4, 0_u8..6, prop::bool::weighted(0.2)), 1..30),
        order in prop::collection::vec(1_u8..4, 1..4),
    ) {
        let mut world = World::new();
        let person = |n: u8| (n > 0).then(|| format!("s00{n}"));
        let mut written = Vec::new();
        let mut grown = vec![String::new(); 4];
        for (who, what, restart) in steps {
            let own = &mut grown[usize::from(who)];
            own.push_str(&format!("turn {what}. "));
            // Some go on from what was, some are the same for everybody.
            let content = if what < 4 { text(own) } else { text("equal") };
            let seq = world.content("api", person(who).as_deref(), &content);
            written.push((who, seq, content));
            if restart {
                world = world.again();
            }
        }
        let mut erased = Vec::new();
        for (i, who) in order.into_iter().enumerate() {
            let keys = world.keys(&person(who).unwrap());
            world.request(i as u8, &keys);
            for key in &keys {
                world.erase(i as u8, key).unwrap();
            }
            erased.push(who);
            if i == 0 {
                world = world.again();
            }
            for (who, seq, content) in &written {
                let read = world.read(*seq);
                if erased.contains(who) {
                    prop_assert!(read.is_err());
                } else {
                    prop_assert_eq!(read.unwrap(), content.as_bytes());
                }
            }
            let report = world.verify();
            prop_assert!(report.is_clean(), "{:#?}", report.findings);
        }
    }
}
