//! Keys that follow each other: who signs what, what an auditor with any of them can prove, and
//! what a crash in the middle leaves.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use ledger::clock::SystemClock;
use ledger::note::{SignerKey, VerifierKey};
use ledger::verify::{Check, Finding, Report, Trust, verify};
use ledger::{
    AppendError, Appender, Checkpoint, HeldKey, KeyFile, OpenError, Options, Reader, SignError,
    Signer,
};
use schemas::Event;
use schemas::kinds::agents::{AgentReason, AgentRetired};
use schemas::kinds::ledger::{KeyRotated, LedgerCheckpoint, RotationReason};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const ORIGIN: &str = "example.com/daicho";

fn create() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), ORIGIN, &SystemClock).unwrap();
    dir
}

fn open(dir: &Path) -> (Appender, Reader) {
    let options = Options {
        file_bytes: 3_000,
        ..Options::default()
    };
    ledger::open(dir, options).unwrap()
}

fn key(seed: u8) -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
}

fn retire(appender: &Appender) -> Event {
    let data = AgentRetired {
        agent: "cfo".parse().unwrap(),
        reason: AgentReason::Requested,
    };
    Event::new(appender.new_id(), "user:s001".parse().unwrap(), data)
}

fn append(appender: &Appender, count: usize) {
    for _ in 0..count {
        appender.append(vec![retire(appender).into()]).unwrap();
    }
}

/// Puts a key in force; gives the position of the entry that names it.
fn rotate(appender: &Appender, seed: u8) -> u64 {
    let actor = "user:s001".parse().unwrap();
    let next = HeldKey::plain(key(seed));
    let rotated = appender.rotate(actor, RotationReason::Scheduled, next);
    rotated.unwrap().seq
}

fn report(dir: &Path, trust: &Trust) -> Report {
    verify(dir, trust, |_| {}).unwrap()
}

#[track_caller]
fn check(dir: &Path) {
    let report = report(dir, &Trust::default());
    assert!(report.is_clean(), "{:#?}", report.findings);
}

fn under(vkey: &VerifierKey) -> Trust {
    Trust {
        vkey: Some(vkey.clone()),
        ..Trust::default()
    }
}

fn checks(findings: &[Finding]) -> Vec<Check> {
    findings.iter().map(|finding| finding.check).collect()
}

/// Where each checkpoint is from, and the note.
type Notes = Vec<(String, Vec<u8>)>;

/// Three keys over several files, with a checkpoint of each kept elsewhere and one in the log
/// that is of the time before a rotation and was recorded after it.
fn rotated() -> (TempDir, Vec<VerifierKey>, Notes) {
    let dir = create();
    let mut kept = Vec::new();
    let (appender, reader) = open(dir.path());
    let mut keep = |reader: &Reader| {
        let note = reader.checkpoint().as_bytes().to_vec();
        kept.push((format!("siem {}", reader.size()), note));
    };
    append(&appender, 9);
    let before = appender.checkpoint_event();
    keep(&reader);
    let first = rotate(&appender, 2);
    keep(&reader);
    appender.append(vec![before]).unwrap();
    appender.append(vec![appender.checkpoint_event()]).unwrap();
    append(&appender, 9);
    keep(&reader);
    let second = rotate(&appender, 3);
    keep(&reader);
    drop((appender, reader));
    let (appender, reader) = open(dir.path());
    append(&appender, 9);
    keep(&reader);
    let keys: Vec<(u64, VerifierKey)> = reader
        .keys()
        .iter()
        .map(|(first, key)| (first, key.clone()))
        .collect();
    let firsts: Vec<u64> = keys.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0, first + 1, second + 1]);
    let keys: Vec<VerifierKey> = keys.into_iter().map(|(_, key)| key).collect();
    assert_eq!(
        keys[1..],
        [key(2).verifier().clone(), key(3).verifier().clone()]
    );
    (dir, keys, kept)
}

#[test]
fn an_auditor_with_any_key_of_the_history_verifies_the_whole_log() {
    let (dir, keys, kept) = rotated();
    check(dir.path());
    for key in &keys {
        let trust = Trust {
            checkpoints: kept.clone(),
            ..under(key)
        };
        let report = report(dir.path(), &trust);
        assert!(report.is_clean(), "{:#?}", report.findings);
        assert_eq!(report.checkpoints.len(), kept.len() + 1);
        assert_eq!(report.vkey, keys[2].to_string());
        assert!(report.keys.iter().all(|key| key.signed));
    }
    let stranger = report(dir.path(), &under(key(9).verifier()));
    assert_eq!(checks(&stranger.findings), [Check::Key]);
    // Each checkpoint opens under the key in force at its size, and under no other.
    let reader = Reader::open(dir.path()).unwrap();
    for (source, note) in &kept {
        let size = reader.keys().open(note).unwrap().size;
        let opens: Vec<bool> = keys
            .iter()
            .map(|key| Checkpoint::open(note, key).is_ok())
            .collect();
        let in_force = keys.iter().map(|key| key == reader.keys().at(size));
        assert_eq!(opens, in_force.collect::<Vec<_>>(), "{source}");
    }
}

#[test]
fn the_first_thing_that_a_new_key_signs_is_the_checkpoint_that_covers_its_rotation() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    append(&appender, 3);
    let seq = rotate(&appender, 2);
    let note = reader.checkpoint();
    let checkpoint = Checkpoint::open(note.as_bytes(), key(2).verifier()).unwrap();
    assert_eq!(checkpoint.size, seq + 1);
    assert_eq!(reader.key_in_force(), *key(2).verifier());
    drop((appender, reader));
    assert!(report(dir.path(), &under(key(2).verifier())).is_clean());

    // Without it the key is only named, which anybody can do with a key that was published.
    let founding = Reader::open(dir.path()).unwrap().keys().founding().clone();
    std::fs::remove_file(dir.path().join("checkpoint")).unwrap();
    let named = report(dir.path(), &under(key(2).verifier()));
    assert_eq!(checks(&named.findings), [Check::Checkpoint, Check::Key]);
    assert_eq!(named.findings[1].seq, Some(seq));
    let followed = report(dir.path(), &under(&founding));
    assert_eq!(checks(&followed.findings), [Check::Checkpoint]);
}

#[test]
fn the_old_key_is_gone_and_signs_nothing_after_the_rotation() {
    let dir = create();
    let old = KeyFile::read(&dir.path().join("keys/ledger.key")).unwrap();
    let old = old.secret(None).unwrap();
    let (appender, reader) = open(dir.path());
    append(&appender, 3);
    rotate(&appender, 2);
    append(&appender, 3);
    let head = reader.head();
    drop((appender, reader));
    let kept = KeyFile::read(&dir.path().join("keys/ledger.key")).unwrap();
    assert_eq!(kept.verifier(), key(2).verifier());
    assert!(!dir.path().join("keys/ledger.next.key").exists());

    // Who has stolen it promises in vain, with the true root even.
    let origin = ORIGIN.to_owned();
    let (size, root) = (head.size, head.root);
    let forged = Checkpoint { origin, size, root }.sign(&old).into_bytes();
    let trust = Trust {
        checkpoints: vec![("thief".to_owned(), forged.clone())],
        ..Trust::default()
    };
    let found = report(dir.path(), &trust);
    assert_eq!(checks(&found.findings), [Check::Checkpoint]);
    std::fs::write(dir.path().join("checkpoint"), forged).unwrap();
    let refused = ledger::open(dir.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::WrongCheckpoint { .. })));
}

#[test]
fn a_key_that_the_old_one_did_not_name_gets_no_place() {
    let (dir, ..) = rotated();
    // The rotation's own signature, with one bit of it changed.
    let file = std::fs::read_dir(dir.path().join("log"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .find(|path| {
            std::fs::read_to_string(path)
                .unwrap()
                .contains("key.rotated")
        })
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("key.rotated"))
        .unwrap();
    let tab = line.find('\t').unwrap();
    let other = if line.as_bytes()[tab + 1] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}\t{other}{}", &line[..tab], &line[tab + 2..]);
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    std::fs::set_permissions(&file, permissions).unwrap();
    std::fs::write(&file, text.replace(line, &forged)).unwrap();
    let found = report(dir.path(), &Trust::default());
    // Nothing that the key behind it signed is taken for signed.
    let unsigned = found
        .findings
        .iter()
        .filter(|f| f.check == Check::Signature);
    let unsigned: Vec<u64> = unsigned.filter_map(|f| f.seq).collect();
    assert_eq!(unsigned, (unsigned[0]..found.entries).collect::<Vec<_>>());
    assert_eq!(found.keys.len(), 1);
    let refused = ledger::open(dir.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::Damaged { .. })));

    std::fs::write(&file, &text).unwrap();
}

#[test]
fn a_name_that_is_no_key_of_this_origin_is_one_finding() {
    let (dir, ..) = rotated();
    // The second rotation, written anew by the key that signs it.
    let named = key(3).verifier().to_string();
    let logs = std::fs::read_dir(dir.path().join("log")).unwrap();
    let (file, text) = logs
        .map(|item| item.unwrap().path())
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .find(|(_, text)| text.contains(&named))
        .unwrap();
    let line = text.lines().find(|line| line.contains(&named)).unwrap();
    let body = line.split('\t').next().unwrap();
    let body = body.replace(&named, &named.replace(ORIGIN, "example.com/others"));
    let leaf = Sha256::new()
        .chain_update([0])
        .chain_update(&body)
        .finalize();
    let message = [format!("daicho/entry/v1\n{ORIGIN}\n").as_bytes(), &leaf].concat();
    let signature = ed25519_dalek::SigningKey::from_bytes(&[2; 32]).sign(&message);
    let signature = BASE64.encode(signature.to_bytes());
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    #[allow(clippy::permissions_set_readonly_false)]
    permissions.set_readonly(false);
    std::fs::set_permissions(&file, permissions).unwrap();
    std::fs::write(&file, text.replace(line, &format!("{body}\t{signature}"))).unwrap();
    let found = report(dir.path(), &Trust::default());
    let about_keys = found.findings.iter().filter(|f| f.check == Check::Key);
    assert_eq!(about_keys.count(), 1, "{:?}", found.findings);
    // What it leaves open is no finding.
    assert!(!checks(&found.findings).contains(&Check::Signature));
}

#[test]
fn only_a_rotation_writes_that_a_key_was_rotated_and_only_to_a_new_key_of_the_origin() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    let founding = reader.key_in_force();
    let data = KeyRotated {
        vkey: key(2).verifier().to_string().parse().unwrap(),
        reason: RotationReason::Leaked,
    };
    let event = Event::new(appender.new_id(), "user:s001".parse().unwrap(), data);
    let refused = appender.append(vec![event.into()]);
    assert!(matches!(refused, Err(AppendError::Unfit { .. })));
    let stranger = SignerKey::from_seed("example.com/others", &[2; 32]).unwrap();
    let own = KeyFile::read(&dir.path().join("keys/ledger.key")).unwrap();
    for unfit in [
        HeldKey::plain(stranger),
        HeldKey::plain(own.secret(None).unwrap()),
    ] {
        let actor = "user:s001".parse().unwrap();
        let refused = appender.rotate(actor, RotationReason::Scheduled, unfit);
        assert!(
            matches!(refused, Err(AppendError::Refused { .. })),
            "{refused:?}"
        );
    }
    append(&appender, 1);
    assert_eq!(reader.key_in_force(), founding);
    drop((appender, reader));
    check(dir.path());
}

#[test]
fn a_crash_leaves_either_key_in_force_and_the_next_start_finds_it() {
    // Before the entry: the next key has signed nothing and is removed.
    let dir = create();
    let founding = Reader::open(dir.path()).unwrap().key_in_force();
    let next = dir.path().join("keys/ledger.next.key");
    KeyFile::plain(&key(2)).write(&next).unwrap();
    std::fs::write(
        dir.path().join("keys/ledger.next.key.new"),
        "PRIVATE+KEY+exam",
    )
    .unwrap();
    let (appender, reader) = open(dir.path());
    assert_eq!(reader.key_in_force(), founding);
    assert!(!next.exists());

    // After the entry, before the old key's file is replaced: the next key is in force.
    let old = std::fs::read(dir.path().join("keys/ledger.key")).unwrap();
    rotate(&appender, 2);
    drop((appender, reader));
    std::fs::rename(dir.path().join("keys/ledger.key"), &next).unwrap();
    std::fs::write(dir.path().join("keys/ledger.key"), &old).unwrap();
    let (appender, reader) = open(dir.path());
    assert_eq!(reader.key_in_force(), *key(2).verifier());
    append(&appender, 2);
    drop((appender, reader));
    assert!(!next.exists());
    check(dir.path());

    // Even if the old file is gone, or is no key any more.
    for remains in [None, Some("PRIVATE+KEY+exam")] {
        std::fs::rename(dir.path().join("keys/ledger.key"), &next).unwrap();
        if let Some(remains) = remains {
            std::fs::write(dir.path().join("keys/ledger.key"), remains).unwrap();
        }
        drop(open(dir.path()));
        check(dir.path());
    }

    // A log from before the rotation with the key from after it is told apart from a crash.
    std::fs::write(dir.path().join("keys/ledger.key"), &old).unwrap();
    let refused = ledger::open(dir.path(), Options::default());
    assert!(matches!(refused, Err(OpenError::OtherLedger { .. })));
    assert_eq!(Reader::open(dir.path()).unwrap().size(), 4);
}

/// Signs so often, and then no more.
struct Unplugged {
    key: SignerKey,
    left: AtomicI64,
}

impl Signer for Unplugged {
    fn verifier(&self) -> &VerifierKey {
        self.key.verifier()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            let reason = "it was unplugged".to_owned();
            return Err(SignError { reason });
        }
        Signer::sign(&self.key, message)
    }
}

#[test]
fn a_signer_that_fails_stops_the_writer_and_leaves_nothing_half_signed() {
    for left in 0..4 {
        let dir = create();
        let (appender, reader) = open(dir.path());
        // The checkpoint of its own rotation is the first signature that it gives.
        let left = AtomicI64::new(left);
        let unplugged = HeldKey {
            file: KeyFile::plain(&key(2)),
            signer: Arc::new(Unplugged { key: key(2), left }),
        };
        let actor = "user:s001".parse().unwrap();
        let rotated = appender.rotate(actor, RotationReason::Custody, unplugged);
        let batch = || vec![retire(&appender).into(), retire(&appender).into()];
        let appended = appender.append(batch());
        assert!(
            matches!(appended, Err(AppendError::Stopped { .. })),
            "{rotated:?}"
        );
        let again = appender.append(batch());
        assert!(matches!(again, Err(AppendError::Stopped { .. })));
        drop((appender, reader));
        // The key is found again, and what is there is whole.
        let (appender, reader) = open(dir.path());
        assert_eq!(reader.key_in_force(), *key(2).verifier());
        append(&appender, 1);
        drop((appender, reader));
        check(dir.path());
    }
}

#[test]
fn a_checkpoint_entry_is_of_the_key_in_force_at_its_size_wherever_it_stands() {
    let dir = create();
    let (appender, reader) = open(dir.path());
    append(&appender, 3);
    let seq = rotate(&appender, 2);
    append(&appender, 3);
    let entry = |size: u64, by: &SignerKey| {
        let (origin, root) = (ORIGIN.to_owned(), reader.root_at(size).unwrap());
        let note = Checkpoint { origin, size, root }.sign(by);
        let signature = note.trim_end().rsplit(' ').next().unwrap();
        let data = LedgerCheckpoint {
            size,
            root,
            signature: signature.parse().unwrap(),
        };
        let actor = "service:ledger".parse().unwrap();
        let event = Event::new(appender.new_id(), actor, data);
        appender.append(vec![event.into()]).unwrap()[0].seq
    };
    entry(seq + 1, &key(2));
    let wrong = entry(seq, &key(2));
    drop((appender, reader));
    let found = report(dir.path(), &Trust::default());
    assert_eq!(checks(&found.findings), [Check::Checkpoint]);
    assert_eq!(found.findings[0].seq, Some(wrong));
}
