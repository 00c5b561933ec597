//! Power is lost after any call: what was acknowledged is there, exactly, whatever part of
//! the rest reached the disk. The disk here remembers what was synced and what was not; one
//! seed reproduces a run (`POWER_SEED=7 cargo test -p daicho-ledger --test power`).
#![allow(clippy::unwrap_used)]

mod crash_disk;

use crash_disk::{CrashDisk, Dice, Fault};
use ledger::clock::Clock;
use ledger::note::SignerKey;
use ledger::verify::{Trust, verify};
use ledger::{
    Agreed, Appender, Buckets, Content, Disposal, Erasing, HeldKey, Options, Projection, Reader,
    Submission,
};
use schemas::kinds::agents::{AgentReason, AgentRetired};
use schemas::kinds::ledger::RotationReason;
use schemas::kinds::records::{ErasureRequested, SubjectKey, TimeSource};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, DataSubject, Event, EventId, Hash, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const BATCHES: u64 = 8;

/// What a batch holds is a matter of its number alone, so that it can be sent again.
fn batch(number: u64) -> Vec<Submission> {
    let mut dice = Dice(number + 1);
    let mut submissions: Vec<Submission> = (0..1 + dice.below(4))
        .map(|i| {
            let data = AgentRetired {
                agent: format!("agent-{number}-{i}").parse().unwrap(),
                reason: AgentReason::Requested,
            };
            let id = EventId::derived(ledger::tree::leaf_hash(&[number as u8, i as u8]));
            let content = (dice.below(2) == 0).then(|| Content {
                name: "request".parse().unwrap(),
                media: "text/plain".parse().unwrap(),
                // Some contents are the same in several entries.
                bytes: text(dice.below(12)),
            });
            Submission {
                event: Event::new(id, "user:s001".parse().unwrap(), data),
                content: content.into_iter().collect(),
                person: (number < BATCHES / 2 && dice.below(3) == 0)
                    .then(|| PERSON.parse().unwrap()),
            }
        })
        .collect();
    if number == 0 {
        submissions.insert(0, rule());
    }
    submissions
}

/// What ends the first month's content in the second.
fn rule() -> Submission {
    let data = PolicyAdopted {
        policy: "retention".parse().unwrap(),
        digest: Hash::ZERO,
        previous: None,
        approvals: Vec::new(),
        periods: Some([("auth".parse().unwrap(), "P30D".parse().unwrap())].into()),
        must_keep: None,
    };
    let id = EventId::derived(Hash([7; 32]));
    Event::new(id, "user:s001".parse().unwrap(), data).into()
}

/// A text that compression cannot make small: one frame is many sectors.
fn text(number: u64) -> Vec<u8> {
    let mut dice = Dice(number * 77 + 1);
    (0..400 * number).map(|_| dice.next() as u8).collect()
}

/// What a ledger was asked and what it answered, over all its starts.
#[derive(Default)]
struct Told {
    /// id → (seq, leaf).
    places: BTreeMap<EventId, (u64, Hash)>,
    /// Every checkpoint that was seen.
    notes: Vec<String>,
    end_asked: bool,
    end_answered: bool,
    /// Keys of the person's content.
    erase_asked: BTreeSet<DataSubject>,
    erased: BTreeSet<DataSubject>,
}

/// Whose content is erased, in the month that ends.
const PERSON: &str = "s009";

/// The half of the batches that come first are of a month that is over when it ends.
const FIRST: &str = "2026-10-31T12:00:00.000000Z";
const SECOND: &str = "2026-12-01T12:00:00.000000Z";
const FIRST_BUCKET: &str = "auth/2026-10";

struct Hands(AtomicI64);

impl Hands {
    fn not_before(&self, time: Timestamp) {
        self.0.fetch_max(time.micros(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Appends until the disk fails, and ends the first month's content. Gives false if it failed.
fn load(dir: &Path, disk: &Arc<CrashDisk>, told: &mut Told, what: &str) -> bool {
    let clock = Arc::new(Hands(AtomicI64::new(0)));
    clock.not_before(FIRST.parse().unwrap());
    let reader = Reader::open(dir).unwrap();
    clock.not_before(reader.entry(reader.size() - 1).unwrap().at());
    let options = Options {
        clock: clock.clone(),
        disk: disk.clone(),
        file_bytes: 3_000,
        ..Options::default()
    };
    let Ok((appender, reader)) = ledger::open(dir, options) else {
        return false;
    };
    let recorded = (0..reader.size()).any(|seq| {
        let entry = reader.entry(seq).unwrap();
        matches!(entry.data(), Data::RetentionExpired(_))
    });
    if recorded {
        told.end_answered = true;
        has_ended(dir, what);
    }
    for (id, bucket) in folded(&reader).all() {
        let erased = bucket.subjects.iter().filter(|(_, o)| o.erased.is_some());
        for (subject, _) in erased {
            told.erased.insert(*subject);
            let key = dir.join("keys/content").join(id.to_string());
            for left in ["key", "erasing"] {
                let left = key.join(format!("{subject}.{left}"));
                assert!(!left.exists(), "{what}: {}", left.display());
            }
        }
    }
    for number in 0..BATCHES {
        if number == BATCHES / 3 && !rotate(&appender) {
            return false;
        }
        if number == BATCHES / 2 {
            clock.not_before(SECOND.parse().unwrap());
        }
        let Ok(receipts) = appender.append(batch(number)) else {
            return false;
        };
        for receipt in receipts {
            let place = (receipt.seq, receipt.leaf);
            let known = *told.places.entry(receipt.id).or_insert(place);
            assert_eq!(known, place, "{what}: {receipt:?}");
        }
        told.notes.push(reader.checkpoint().to_string());
    }
    if !erase(&appender, &reader, told) {
        return false;
    }
    if !told.end_answered {
        told.end_asked = true;
        let ended = appender.expire(Disposal {
            bucket: FIRST_BUCKET.parse().unwrap(),
            actor: "user:s001".parse().unwrap(),
            time: TimeSource::Log,
            token: None,
            approvals: Vec::new(),
            approvers: Vec::new(),
            agreed: Agreed::WHATEVER_COMES,
        });
        told.end_answered = ended.is_ok();
        return ended.is_ok();
    }
    true
}

fn folded(reader: &Reader) -> Buckets {
    let mut buckets = Buckets::default();
    for seq in 0..reader.size() {
        buckets.fold(&reader.entry(seq).unwrap());
    }
    buckets
}

/// Erases what the person has, as long as they have something. False if the disk failed.
fn erase(appender: &Appender, reader: &Reader, told: &mut Told) -> bool {
    let person = PERSON.parse().unwrap();
    let keys: Vec<SubjectKey> = reader.keys_of(&folded(reader), &person).unwrap().theirs;
    if keys.is_empty() {
        return true;
    }
    let requested = ErasureRequested {
        erasure: appender.new_id(),
        case: "c-1".parse().unwrap(),
        basis: "appi-35".parse().unwrap(),
        keys: keys.clone(),
        unread: Vec::new(),
        later: false,
        reached: None,
    };
    let (erasure, actor) = (requested.erasure, "user:s001".parse().unwrap());
    let requested = Event::new(appender.new_id(), actor, requested);
    if appender.append(vec![requested.into()]).is_err() {
        return false;
    }
    for key in keys {
        told.erase_asked.insert(key.subject);
        let subject = key.subject;
        let erased = appender.erase(&Erasing {
            erasure,
            key,
            actor: "user:s001".parse().unwrap(),
            approvals: Vec::new(),
            approvers: Vec::new(),
            agreed: Agreed::WHATEVER_COMES,
        });
        if erased.is_err() {
            return false;
        }
        told.erased.insert(subject);
    }
    true
}

/// Each life of the process puts another key in force. False if the disk failed.
fn rotate(appender: &Appender) -> bool {
    let next = SignerKey::generate("example.com/daicho").unwrap().unwrap();
    let actor = "user:s001".parse().unwrap();
    let next = HeldKey::plain(next);
    let rotated = appender.rotate(actor, RotationReason::Scheduled, next);
    rotated.is_ok()
}

/// Every acknowledged entry is there with its content, every promise that was seen is kept,
/// and what has ended is gone.
fn check(dir: &Path, told: &Told, what: &str) {
    let checkpoints = told
        .notes
        .iter()
        .map(|n| (what.to_owned(), n.clone().into_bytes()));
    let trust = Trust {
        checkpoints: checkpoints.collect(),
        ..Trust::default()
    };
    let report = verify(dir, &trust, |_| {}).unwrap();
    assert!(report.is_clean(), "{what}: {:#?}", report.findings);
    for path in below(&dir.join("keys")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!name.ends_with(".new"), "{what}: {name} is left");
        let subject = name.strip_suffix(".key").and_then(|s| s.parse().ok());
        let erased = subject.is_some_and(|subject| told.erased.contains(&subject));
        assert!(!erased, "{what}: {name} is left");
    }
    let reader = Reader::open(dir).unwrap();
    for (id, (seq, leaf)) in &told.places {
        let entry = reader.entry(*seq).unwrap();
        assert_eq!((entry.id(), entry.leaf()), (*id, *leaf), "{what}");
        for content in entry.content() {
            let read = reader.content(content);
            let is_one_of = |of: &BTreeSet<_>| content.subject.is_some_and(|s| of.contains(&s));
            let may_end = told.end_asked && content.bucket.to_string() == FIRST_BUCKET;
            let may_end = may_end || is_one_of(&told.erase_asked);
            assert!(read.is_ok() || may_end, "{what}: {read:?}");
            assert!(read.is_err() || !is_one_of(&told.erased), "{what}: back");
        }
    }
    if told.end_answered {
        has_ended(dir, what);
    }
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        match path.is_dir() {
            true => paths.extend(below(&path)),
            false => paths.push(path),
        }
    }
    paths
}

/// Nothing of the first month's content can be read, and nothing of it is left.
fn has_ended(dir: &Path, what: &str) {
    let key = dir.join("keys/content").join(FIRST_BUCKET);
    assert!(!key.with_extension("key").exists(), "{what}");
    let packs = std::fs::read_dir(dir.join("content").join(FIRST_BUCKET));
    assert!(packs.map_or(0, |packs| packs.count()) == 0, "{what}");
}

/// One life of a ledger: a fault at call `when`, perhaps a restart under the same system,
/// then the power goes, then a start on what was left. Gives false when the fault came too
/// late to strike.
fn life(seed: u64, when: u64, fault: Fault) -> bool {
    let what = format!("POWER_SEED={seed}, {fault:?} at call {when}");
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("data");
    let clock = Hands(AtomicI64::new(0));
    ledger::create(&dir, "example.com/daicho", &clock).unwrap();
    let mut told = Told::default();
    let mut dice = Dice(seed.wrapping_mul(1_000_003) ^ when);

    let disk = Arc::new(CrashDisk::over(&dir, when, fault));
    load(&dir, &disk, &mut told, &what);
    let struck = disk.struck();
    if fault == Fault::Error {
        // The process is started again; the system, and what it holds in memory, lives on.
        disk.heal();
        assert!(
            load(&dir, &disk, &mut told, &what),
            "{what}: the start after it"
        );
        check(&dir, &told, &what);
    }
    disk.cut_power(&mut dice);
    let healthy = Arc::new(CrashDisk::over(&dir, u64::MAX, Fault::Power));
    assert!(
        load(&dir, &healthy, &mut told, &what),
        "{what}: the start on what was left"
    );
    check(&dir, &told, &what);
    struck
}

#[test]
fn power_lost_or_a_call_failing_anywhere_loses_nothing_acknowledged() {
    let chosen = std::env::var("POWER_SEED").ok().map(|s| s.parse().unwrap());
    let seeds = chosen.map_or(0..2, |seed| seed..seed + 1);
    let mut lives = 0;
    for seed in seeds {
        for fault in [Fault::Power, Fault::Error, Fault::ShortWrite] {
            let mut when = 1;
            while life(seed, when, fault) {
                when += 1;
                lives += 1;
            }
            assert!(when > 40, "too few calls to mean anything: {when}");
        }
    }
    println!("power: {lives} lives");
}

/// Commits that are full are written while the next is planned: the disk may fail under any of them.
#[test]
fn full_commits_that_overlap_lose_nothing_acknowledged() {
    const COMMITS: u64 = 3;
    let full = |commit: u64| -> Vec<Submission> {
        let events = (0..700).map(|i| {
            let data = AgentRetired {
                agent: format!("agent-{commit}-{i}").parse().unwrap(),
                reason: AgentReason::Requested,
            };
            let id = EventId::derived(ledger::tree::leaf_hash(&(commit * 700 + i).to_be_bytes()));
            Event::new(id, "user:s001".parse().unwrap(), data).into()
        });
        events.collect()
    };
    let open = |dir: &Path, disk: &Arc<CrashDisk>| {
        let options = Options {
            clock: Arc::new(Hands(AtomicI64::new(0))),
            disk: disk.clone(),
            file_bytes: 500_000,
            ..Options::default()
        };
        ledger::open(dir, options)
    };
    let mut answered = 0;
    for (fault, when) in (1..).flat_map(|when| [(Fault::Power, when), (Fault::Error, when)]) {
        let what = format!("{fault:?} at call {when}");
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        ledger::create(&dir, "example.com/daicho", &Hands(AtomicI64::new(0))).unwrap();
        let disk = Arc::new(CrashDisk::over(&dir, when, fault));
        let mut told = Told::default();
        if let Ok((appender, reader)) = open(&dir, &disk) {
            let (sender, receiver) = std::sync::mpsc::channel();
            for commit in 0..COMMITS {
                let sender = sender.clone();
                appender.append_then(full(commit), move |answer| drop(sender.send(answer)));
            }
            drop(sender);
            // Behind the last of them, and behind each other.
            let _ = rotate(&appender) && rotate(&appender);
            let mut failed = false;
            for answer in receiver {
                assert!(
                    !failed || answer.is_err(),
                    "{what}: written after a failure"
                );
                failed |= answer.is_err();
                for receipt in answer.into_iter().flatten() {
                    told.places.insert(receipt.id, (receipt.seq, receipt.leaf));
                }
            }
            told.notes.push(reader.checkpoint().to_string());
        }
        let struck = disk.struck();
        disk.cut_power(&mut Dice(when));
        let healthy = Arc::new(CrashDisk::over(&dir, u64::MAX, Fault::Power));
        let (appender, _) = open(&dir, &healthy).unwrap();
        for commit in 0..COMMITS {
            appender.append(full(commit)).unwrap();
        }
        drop(appender);
        check(&dir, &told, &what);
        answered += told.places.len();
        if !struck {
            break;
        }
    }
    assert!(answered > 0);
}

/// A time stamp is written by the same disk as the rest: what was told to be kept is there, and
/// nothing of it is torn.
#[test]
fn a_time_stamp_is_whole_or_not_there_when_the_power_goes() {
    let (note, answer) = (text(3), text(7));
    let mut kept_any = 0;
    for when in 1.. {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        let clock = Hands(AtomicI64::new(0));
        ledger::create(&dir, "example.com/daicho", &clock).unwrap();
        let disk = Arc::new(CrashDisk::over(&dir, when, Fault::Power));
        let options = Options {
            clock: Arc::new(clock),
            disk: disk.clone(),
            ..Options::default()
        };
        let opened = ledger::open(&dir, options);
        let kept = match &opened {
            Ok((_, reader)) => ledger::timestamp::keep(reader, 1, &note, &answer).is_ok(),
            Err(_) => false,
        };
        let struck = disk.struck();
        drop(opened);
        disk.cut_power(&mut Dice(when));
        let read = |name: &str| std::fs::read(dir.join("tokens").join(name)).ok();
        let there = [
            read("00000000000000000001.checkpoint"),
            read("00000000000000000001.tsr"),
        ];
        let whole = [Some(note.clone()), Some(answer.clone())];
        for (there, whole) in there.iter().zip(&whole) {
            assert!(there.is_none() || there == whole, "torn at call {when}");
        }
        assert!(!kept || there == whole, "lost at call {when}");
        assert!(
            there[1].is_none() || there[0].is_some(),
            "an answer to nothing at call {when}"
        );
        kept_any += u32::from(kept);
        if !struck {
            break;
        }
    }
    assert!(kept_any > 0);
}

/// The certificate is durable and then something cannot be removed: it is tried again while the
/// ledger runs, not at its next start only.
#[test]
fn an_end_that_was_recorded_and_failed_is_finished_while_the_ledger_runs() {
    let (mut failed, mut finished) = (0, 0);
    for when in 1.. {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        let clock = Arc::new(Hands(AtomicI64::new(0)));
        clock.not_before(FIRST.parse().unwrap());
        ledger::create(&dir, "example.com/daicho", &*clock).unwrap();
        let disk = Arc::new(CrashDisk::over(&dir, when, Fault::Error));
        let options = Options {
            clock: clock.clone(),
            disk: disk.clone(),
            ..Options::default()
        };
        let Ok((appender, _reader)) = ledger::open(&dir, options) else {
            continue;
        };
        let recorded = (0..3).all(|number| appender.append(batch(number)).is_ok());
        clock.not_before(SECOND.parse().unwrap());
        if !recorded {
            continue;
        }
        assert!(appender.finish_ends().is_ok_and(|none| none.is_empty()) || disk.struck());
        let ended = appender.expire(Disposal {
            bucket: FIRST_BUCKET.parse().unwrap(),
            actor: "user:s001".parse().unwrap(),
            time: TimeSource::Log,
            token: None,
            approvals: Vec::new(),
            approvers: Vec::new(),
            agreed: Agreed::WHATEVER_COMES,
        });
        let marker = dir
            .join("keys/content")
            .join(FIRST_BUCKET)
            .with_extension("ending");
        if ended.is_err() && appender.stopped().is_none() {
            failed += 1;
            let was_left = marker.exists();
            let buckets = appender.finish_ends().unwrap();
            let is_recorded = !buckets.is_empty();
            finished += u32::from(is_recorded);
            if is_recorded {
                assert!(was_left);
                has_ended(&dir, &format!("call {when}"));
                assert!(!marker.exists(), "call {when}");
            }
        }
        if !disk.struck() {
            assert!(ended.is_ok());
            break;
        }
    }
    // The key, its directory, each pack, theirs, and the marker.
    assert!(failed > finished && finished >= 5, "{failed} {finished}");
}
