//! A ledger of January 2026 under rules of thirty days, whose clock a test turns.

use ledger::buckets::Spared;
use ledger::clock::Clock;
use ledger::verify::{Check, Report, Trust, verify};
use ledger::{
    Agreed, Appender, Buckets, Content, ContentError, Disposal, EraseError, Erasing, ExpireError,
    HoldError, Options, PersonKeys, Placement, Projection, Reader, Receipt, Submission, line,
};
use schemas::kinds::people::AuthSucceeded;
use schemas::kinds::records::{ErasureRequested, HoldReleased, HoldScope, SubjectKey, TimeSource};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Actor, BucketId, Data, Envelope, Event, EventId, Hash, Name, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

pub const JANUARY: &str = "2026-01-10T00:00:00.000000Z";
/// Two days before January's content of class `api` is due.
pub const EARLY: &str = "2026-03-01T00:00:00.000000Z";
pub const LATE: &str = "2026-03-10T00:00:00.000000Z";

pub struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub struct World {
    pub dir: TempDir,
    pub hands: Arc<Hands>,
    pub appender: Appender,
    pub reader: Reader,
}

pub fn actor() -> Actor {
    "service:test".parse().unwrap()
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

/// January's of class `api`.
pub fn bucket() -> BucketId {
    "api/2026-01".parse().unwrap()
}

/// A long text of which a part is the same for everybody, so that it is worth to be shared.
pub fn text(own: &str) -> String {
    let mut dice = 7_u64;
    let mut shared = String::new();
    while shared.len() < 6_000 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        shared.push_str(&format!("{:x} ", dice >> 20));
    }
    format!("{shared}{own}")
}

pub fn of_session(session: &str) -> HoldScope {
    HoldScope {
        session: Some(session.parse().unwrap()),
        ..HoldScope::default()
    }
}

pub fn of_person(person: &str) -> HoldScope {
    HoldScope {
        person: Some(name(person)),
        ..HoldScope::default()
    }
}

pub fn of_bucket(bucket: &BucketId) -> HoldScope {
    HoldScope {
        bucket: Some(bucket.clone()),
        ..HoldScope::default()
    }
}

pub fn packs(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("content/api/2026-01")).map_or(0, Iterator::count)
}

pub fn report(dir: &Path) -> Report {
    verify(dir, &Trust::default(), |_| {}).unwrap()
}

pub fn checks(report: &Report) -> Vec<Check> {
    report.findings.iter().map(|found| found.check).collect()
}

fn options(hands: &Arc<Hands>) -> Options {
    Options {
        clock: hands.clone(),
        ..Options::default()
    }
}

impl World {
    pub fn new() -> World {
        World::with(|options| options)
    }

    pub fn with(change: impl FnOnce(Options) -> Options) -> World {
        let dir = TempDir::new().unwrap();
        let january: Timestamp = JANUARY.parse().unwrap();
        let hands = Arc::new(Hands(AtomicI64::new(january.micros())));
        ledger::create(dir.path(), "example.com/daicho", &*hands).unwrap();
        let (appender, reader) = ledger::open(dir.path(), change(options(&hands))).unwrap();
        let world = World {
            dir,
            hands,
            appender,
            reader,
        };
        world.rules(&[]);
        world
    }

    pub fn rules(&self, must_keep: &[&str]) {
        let period = |class: &str| (class.parse().unwrap(), "P30D".parse().unwrap());
        let duty = |class: &&str| (class.parse().unwrap(), "a law".parse().unwrap());
        self.write(PolicyAdopted {
            policy: name("retention"),
            digest: Hash::ZERO,
            previous: None,
            approvals: Vec::new(),
            periods: Some(["api", "auth"].map(period).into()),
            must_keep: (!must_keep.is_empty()).then(|| must_keep.iter().map(duty).collect()),
        });
    }

    pub fn write(&self, data: impl Into<Data>) -> u64 {
        let event = Event::new(self.appender.new_id(), actor(), data);
        self.appender.append(vec![event.into()]).unwrap()[0].seq
    }

    pub fn submission(&self, class: &str, person: Option<&str>, text: &str) -> Submission {
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

    pub fn content(&self, class: &str, person: Option<&str>, text: &str) -> u64 {
        let submission = self.submission(class, person, text);
        self.appender.append(vec![submission]).unwrap()[0].seq
    }

    /// Nobody's, of class `api`.
    pub fn in_session(&self, session: &str, text: &str) -> u64 {
        let mut submission = self.submission("api", None, text);
        submission.event.session = Some(session.parse().unwrap());
        self.appender.append(vec![submission]).unwrap()[0].seq
    }

    pub fn read(&self, seq: u64) -> Result<Vec<u8>, ContentError> {
        let entry = self.reader.entry(seq).unwrap();
        self.reader.content(&entry.content()[0])
    }

    pub fn turn_to(&self, time: &str) {
        let time: Timestamp = time.parse().unwrap();
        self.hands.0.fetch_max(time.micros(), Ordering::SeqCst);
    }

    pub fn buckets(&self) -> Buckets {
        let mut buckets = Buckets::default();
        for entry in self.reader.entries(0..self.reader.size()) {
            buckets.fold(&entry.unwrap());
        }
        buckets
    }

    pub fn person_keys(&self, person: &str) -> PersonKeys {
        self.reader.keys_of(&self.buckets(), &name(person)).unwrap()
    }

    pub fn keys(&self, person: &str) -> Vec<SubjectKey> {
        self.person_keys(person).theirs
    }

    pub fn request(&self, erasure: u8, keys: &[SubjectKey]) -> u64 {
        self.ask(erasure, keys, false)
    }

    pub fn ask(&self, erasure: u8, keys: &[SubjectKey], later: bool) -> u64 {
        self.ask_from(erasure, keys, later, None)
    }

    /// … with keys that were looked for in the first `reached` entries.
    pub fn ask_from(
        &self,
        erasure: u8,
        keys: &[SubjectKey],
        later: bool,
        reached: Option<u64>,
    ) -> u64 {
        self.write(ErasureRequested {
            erasure: id(erasure),
            case: name("c-1"),
            basis: name("appi-35"),
            keys: keys.to_vec(),
            unread: Vec::new(),
            later,
            reached,
        })
    }

    pub fn erase(&self, erasure: u8, key: &SubjectKey) -> Result<Receipt, EraseError> {
        self.erase_if(erasure, key, Agreed::WHATEVER_COMES)
    }

    pub fn erase_if(
        &self,
        erasure: u8,
        key: &SubjectKey,
        agreed: Agreed,
    ) -> Result<Receipt, EraseError> {
        self.appender.erase(&Erasing {
            erasure: id(erasure),
            key: key.clone(),
            actor: actor(),
            approvals: vec![id(200)],
            approvers: vec!["user:s002".parse().unwrap(), "user:s003".parse().unwrap()],
            agreed,
        })
    }

    pub fn hold(&self, hold: u8, scope: HoldScope) -> Result<Receipt, HoldError> {
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

    pub fn release(&self, hold: u8) -> Result<Receipt, HoldError> {
        let released = HoldReleased {
            hold: id(hold),
            case: name("c-1"),
            approvals: Vec::new(),
            approvers: Vec::new(),
        };
        self.appender.release(actor(), released, Vec::new())
    }

    pub fn end(&self, bucket: &BucketId) -> Result<Receipt, ExpireError> {
        self.end_if(bucket, Agreed::WHATEVER_COMES)
    }

    pub fn end_if(&self, bucket: &BucketId, agreed: Agreed) -> Result<Receipt, ExpireError> {
        self.appender.expire(Disposal {
            bucket: bucket.clone(),
            actor: actor(),
            time: TimeSource::Log,
            token: None,
            approvals: vec![id(1)],
            approvers: vec!["user:s002".parse().unwrap(), "user:s003".parse().unwrap()],
            agreed,
        })
    }

    pub fn bucket_key(&self) -> PathBuf {
        self.dir.path().join("keys/content/api/2026-01.key")
    }

    pub fn file_of(&self, key: &SubjectKey) -> PathBuf {
        let keys = self.dir.path().join("keys/content");
        let bucket = keys.join(key.bucket.to_string());
        bucket.join(format!("{}.key", key.subject))
    }

    pub fn verify(&self) -> Report {
        report(self.dir.path())
    }

    pub fn check(&self) {
        let report = self.verify();
        assert!(report.is_clean(), "{:#?}", report.findings);
    }

    /// Nobody writes or reads any more.
    pub fn close(self) -> (TempDir, Arc<Hands>) {
        let World {
            dir,
            hands,
            appender,
            reader,
        } = self;
        drop((appender, reader));
        (dir, hands)
    }

    pub fn again(self) -> World {
        let (dir, hands) = self.close();
        let (appender, reader) = ledger::open(dir.path(), options(&hands)).unwrap();
        World {
            dir,
            hands,
            appender,
            reader,
        }
    }

    /// Asks whoever writes, and each way in which a start reads the log: whole, from outlines of full
    /// files, and from those files without them. Ends with a writer as it began.
    pub fn asked_at_every_start(self, ask: impl Fn(&Reader)) -> World {
        ask(&self.reader);
        let (dir, hands) = self.close();
        let small_files = Options {
            file_bytes: 2_000,
            ..options(&hands)
        };
        let (appender, reader) = ledger::open(dir.path(), small_files).unwrap();
        ask(&reader);
        for _ in 0..8 {
            appender.append(vec![appender.checkpoint_event()]).unwrap();
        }
        drop((appender, reader));
        let outlines = dir.path().join("index/outlines");
        assert!(std::fs::read_dir(&outlines).unwrap().count() > 0);
        ask(&Reader::open(dir.path()).unwrap());
        std::fs::remove_dir_all(&outlines).unwrap();
        ask(&Reader::open(dir.path()).unwrap());
        let (appender, reader) = ledger::open(dir.path(), options(&hands)).unwrap();
        ask(&reader);
        World {
            dir,
            hands,
            appender,
            reader,
        }
    }

    /// Writes an entry as nobody but whoever has the log's key could.
    pub fn forge(self, data: impl Into<Data>) -> Report {
        let head = self.reader.head();
        let prev = self.reader.leaf(head.size - 1).unwrap();
        let (dir, _) = self.close();
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
        report(dir.path())
    }
}

#[track_caller]
pub fn spared(error: EraseError) -> Spared {
    match error {
        EraseError::Spared(spared) => spared,
        other => panic!("{other}"),
    }
}
