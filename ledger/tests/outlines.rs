//! Outlines spare a start the reading of full files, and can do no more than that: whatever is
//! done to them, a start knows what the log says, or stops.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::note::SignerKey;
use ledger::verify::{Check, Trust, verify};
use ledger::{AppendError, Appender, Head, HeldKey, OpenError, Options, Reader, Submission};
use schemas::kinds::agents::{AgentReason, AgentRetired};
use schemas::kinds::ledger::RotationReason;
use schemas::{Event, EventId, Timestamp};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn open(dir: &Path) -> Result<(Appender, Reader), OpenError> {
    let options = Options {
        file_bytes: 4_000,
        ..Options::default()
    };
    ledger::open(dir, options)
}

/// Ids of both versions, the same in every call.
fn id(number: u64) -> EventId {
    if number.is_multiple_of(3) {
        return EventId::derived(ledger::tree::leaf_hash(&number.to_be_bytes()));
    }
    let mut random = [7; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    EventId::new(Timestamp::from_micros(number as i64 * 1_000), random)
}

fn event(number: u64, agent: &str) -> Submission {
    let data = AgentRetired {
        agent: agent.parse().unwrap(),
        reason: AgentReason::Requested,
    };
    Event::new(id(number), "user:s001".parse().unwrap(), data).into()
}

const EVENTS: u64 = 70;

/// A closed log of several full files, each with its outline.
fn sample() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, _) = open(dir.path()).unwrap();
    for number in 0..EVENTS {
        appender.append(vec![event(number, "cfo")]).unwrap();
    }
    drop(appender);
    let full = files(dir.path(), "log").len() - 1;
    assert!(full > 4);
    assert_eq!(files(dir.path(), "index/outlines").len(), full);
    dir
}

fn files(dir: &Path, below: &str) -> Vec<PathBuf> {
    let items = std::fs::read_dir(dir.join(below)).unwrap();
    let mut found: Vec<_> = items.map(|item| item.unwrap().path()).collect();
    found.sort();
    found
}

fn make_writable(path: &Path) {
    #[allow(clippy::permissions_set_readonly_false)]
    let writable = |mut permissions: std::fs::Permissions| {
        permissions.set_readonly(false);
        permissions
    };
    let permissions = writable(path.metadata().unwrap().permissions());
    std::fs::set_permissions(path, permissions).unwrap();
}

/// What a start knows: the head, and that every id is taken.
fn known(dir: &Path) -> Head {
    let (appender, reader) = open(dir).unwrap();
    for number in 0..EVENTS {
        let receipt = appender.append(vec![event(number, "cfo")]).unwrap()[0];
        assert!(!receipt.new, "{number}");
        assert_eq!(reader.entry(receipt.seq).unwrap().id(), id(number));
        let other = appender.append(vec![event(number, "cto")]);
        assert!(matches!(other, Err(AppendError::Conflict { .. })));
    }
    assert_eq!(reader.root_at(reader.size()).unwrap(), reader.head().root);
    reader.head()
}

#[test]
fn a_start_from_outlines_knows_what_a_start_from_the_files_knows() {
    let dir = sample();
    let outlined = known(dir.path());
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.head(), outlined);
    let proof = reader.prove(3).unwrap();
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    assert_eq!(Reader::open(dir.path()).unwrap().head(), outlined);
    assert_eq!(
        Reader::open(dir.path()).unwrap().prove(3).unwrap().path,
        proof.path
    );
    assert_eq!(known(dir.path()), outlined);
    assert!(
        verify(dir.path(), &Trust::default(), |_| {})
            .unwrap()
            .is_clean()
    );
}

#[test]
fn a_damaged_outline_is_passed_over_wherever_the_damage_is() {
    let dir = sample();
    let head = known(dir.path());
    let outlines = files(dir.path(), "index/outlines");
    let (path, other) = (&outlines[2], std::fs::read(&outlines[3]).unwrap());
    let sound = std::fs::read(path).unwrap();
    let flipped = (0..sound.len()).step_by(23).map(|at| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let cut = (0..sound.len())
        .step_by(211)
        .map(|len| sound[..len].to_vec());
    for bytes in flipped.chain(cut).chain([other]) {
        std::fs::write(path, bytes).unwrap();
        assert_eq!(known(dir.path()), head);
        assert_eq!(std::fs::read(path).unwrap().len(), sound.len());
    }
}

/// What follows has the digest that it should have: not an accident, a forger.
#[test]
fn a_forged_outline_stops_the_start_and_signs_nothing() {
    let dir = sample();
    let path = &files(dir.path(), "index/outlines")[2];
    let mut bytes = std::fs::read(path).unwrap();
    let head = 18 + 6 * 8 + 32 + 2 * 16;
    let count = u64::from_le_bytes(bytes[34..42].try_into().unwrap()) as usize;
    bytes[head + 40] ^= 1;
    let front = head + count * 36 + count.div_ceil(4) * 8;
    let digest = Sha256::digest(&bytes[..front]);
    bytes[front..front + 32].copy_from_slice(&digest);
    std::fs::write(path, bytes).unwrap();
    let checkpoint = std::fs::read(dir.path().join("checkpoint")).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::OtherRoot { .. })));
    assert_eq!(
        std::fs::read(dir.path().join("checkpoint")).unwrap(),
        checkpoint
    );
}

#[test]
fn a_full_file_that_was_changed_is_read_and_stops_the_start_with_the_place() {
    for hide in [false, true] {
        let dir = sample();
        let path = &files(dir.path(), "log")[2];
        let modified = path.metadata().unwrap().modified().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        make_writable(path);
        std::fs::write(path, text.replacen("requested", "expirxxed", 1)).unwrap();
        if hide {
            // Who puts even the time back is found by every reading of the entry, and by verify.
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(modified).unwrap();
        }
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        assert!(report.findings.iter().any(|f| {
            f.file
                .ends_with(path.file_name().unwrap().to_str().unwrap())
        }));
        assert!(
            report
                .findings
                .iter()
                .any(|f| f.check == Check::Body || f.check == Check::Chain)
        );
        match (hide, open(dir.path())) {
            (false, Err(OpenError::Damaged { .. } | OpenError::OtherRoot { .. })) => {}
            (true, Ok((_, reader))) => {
                let damaged = (0..reader.size()).filter(|seq| reader.entry(*seq).is_err());
                assert_eq!(damaged.count(), 1);
            }
            (_, other) => panic!("{hide}: {:?}", other.map(|(_, reader)| reader.head())),
        }
    }
}

/// Who signs what is read from the log at every start, never from what was derived of it.
#[test]
fn a_file_in_which_the_key_was_rotated_has_no_outline_and_is_read() {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, _) = open(dir.path()).unwrap();
    for number in 0..EVENTS / 2 {
        appender.append(vec![event(number, "cfo")]).unwrap();
    }
    let next = SignerKey::from_seed("example.com/daicho", &[9; 32]).unwrap();
    let vkey = next.verifier().clone();
    let actor = "user:s001".parse().unwrap();
    let reason = RotationReason::Scheduled;
    let rotated = appender
        .rotate(actor, reason, HeldKey::plain(next))
        .unwrap();
    for number in EVENTS / 2..EVENTS {
        appender.append(vec![event(number, "cfo")]).unwrap();
    }
    drop(appender);
    let full = files(dir.path(), "log").len() - 1;
    assert_eq!(files(dir.path(), "index/outlines").len(), full - 1);

    let (appender, reader) = open(dir.path()).unwrap();
    let keys: Vec<_> = reader
        .keys()
        .iter()
        .map(|(first, key)| (first, key.clone()))
        .collect();
    assert_eq!(
        (keys.len(), &keys[1]),
        (2, &(rotated.seq + 1, vkey.clone()))
    );
    assert_eq!(reader.key_in_force(), vkey);
    appender.append(vec![event(EVENTS, "cfo")]).unwrap();
    drop((appender, reader));
    assert!(
        verify(dir.path(), &Trust::default(), |_| {})
            .unwrap()
            .is_clean()
    );
}
