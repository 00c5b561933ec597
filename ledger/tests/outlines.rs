//! Outlines spare a start the reading of full files, and can do no more than that: whatever is
//! done to them, a start knows what the log says, or stops.
#![allow(clippy::unwrap_used)]

use ledger::clock::SystemClock;
use ledger::note::SignerKey;
use ledger::tile::Resource;
use ledger::tree::{Tree, check_inclusion, leaf_hash};
use ledger::verify::{Check, Trust, verify};
use ledger::{
    AppendError, Appender, Head, HeldKey, OpenError, Options, ReadError, Reader, Submission,
};
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
        return EventId::derived(leaf_hash(&number.to_be_bytes()));
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

/// Numbers of an outline's head, by their place.
fn number(outline: &[u8], at: usize) -> u64 {
    let at = 18 + at * 8;
    u64::from_le_bytes(outline[at..at + 8].try_into().unwrap())
}

/// Where an outline's head ends, and where its front does.
fn parts(outline: &[u8]) -> [usize; 2] {
    let head = 18 + 7 * 8 + 2 * 32 + 2 * 16;
    let (first, count) = (number(outline, 2), number(outline, 3));
    let after = first + count;
    let tiles = after / 256 - first / 256 + after % 256;
    let stretches = after.div_ceil(256) - first / 256;
    let front = tiles * 32 + stretches * 8 + count.div_ceil(4) * 8;
    [head, head + front as usize]
}

/// With the digest that it should have: not an accident, a forger.
fn forge(path: &Path, change: impl FnOnce(&mut [u8])) {
    let mut bytes = std::fs::read(path).unwrap();
    let [head, front] = parts(&bytes);
    change(&mut bytes[head..front]);
    let digest = Sha256::digest(&bytes[..front]);
    bytes[front..front + 32].copy_from_slice(&digest);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_forged_outline_stops_the_start_and_signs_nothing() {
    let dir = sample();
    let outlines = files(dir.path(), "index/outlines");
    // The leaves that fill no tile yet: those of the last outline are what the tree goes on from.
    forge(outlines.last().unwrap(), |front| front[40] ^= 1);
    let checkpoint = std::fs::read(dir.path().join("checkpoint")).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::OtherRoot { .. })));
    assert_eq!(
        std::fs::read(dir.path().join("checkpoint")).unwrap(),
        checkpoint
    );
}

const MANY: u64 = 720;

/// A closed log of some forty files, over three tiles of the tree.
fn wide() -> TempDir {
    let dir = TempDir::new().unwrap();
    ledger::create(dir.path(), "example.com/daicho", &SystemClock).unwrap();
    let (appender, _) = open(dir.path()).unwrap();
    for batch in 0..MANY / 18 {
        let events = (batch * 18..(batch + 1) * 18).map(|number| event(number, "cfo"));
        appender.append(events.collect()).unwrap();
    }
    drop(appender);
    assert!(files(dir.path(), "index/outlines").len() > 30);
    dir
}

/// The tree over the lines as they lie on disk, all of it in memory.
fn in_memory(dir: &Path) -> Tree {
    let mut tree = Tree::default();
    for path in files(dir, "log") {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            tree.push(leaf_hash(line.split('\t').next().unwrap().as_bytes()));
        }
    }
    tree
}

/// Whatever a reader says of the tree is what the leaves in memory say, byte for byte.
fn agrees(reader: &Reader, tree: &Tree) {
    let size = tree.size();
    assert_eq!((reader.size(), reader.head().root), (size, tree.root()));
    let edges = [
        0,
        1,
        18,
        19,
        255,
        256,
        257,
        300,
        511,
        512,
        513,
        700,
        size - 1,
    ];
    for of in edges.into_iter().chain([size]) {
        assert_eq!(reader.root_at(of).unwrap(), tree.root_at(of).unwrap());
        for at in edges.iter().filter(|at| **at < of) {
            let (ours, theirs) = (
                reader.inclusion_proof(*at, of),
                tree.inclusion_proof(*at, of),
            );
            assert_eq!(ours.unwrap(), theirs.unwrap(), "{at} in {of}");
            let ours = reader.consistency_proof(*at, of).unwrap();
            assert_eq!(
                ours,
                tree.consistency_proof(*at, of).unwrap(),
                "{at} in {of}"
            );
        }
    }
    for (level, index, width) in [(0, 0, 256), (0, 1, 256), (0, 2, 209), (0, 2, 1), (1, 0, 2)] {
        let tile = Resource::Tile {
            level,
            index,
            width,
        };
        let hashes = tree.tile(level, index, width).unwrap();
        let hashes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        assert_eq!(reader.resource(tile).unwrap(), Some(hashes));
    }
    for seq in 0..size {
        assert_eq!(reader.leaf(seq).ok(), tree.leaf(seq), "{seq}");
        assert_eq!(Some(reader.entry(seq).unwrap().leaf()), tree.leaf(seq));
    }
    let all = reader.entries(0..u64::MAX).map(|entry| entry.unwrap());
    let all: Vec<_> = all.map(|entry| (entry.seq(), Some(entry.leaf()))).collect();
    let expected: Vec<_> = (0..size).map(|seq| (seq, tree.leaf(seq))).collect();
    assert_eq!(all, expected);
}

#[test]
fn proofs_tiles_and_entries_are_those_of_the_leaves_in_memory_wherever_they_are_read_from() {
    let dir = wide();
    let tree = in_memory(dir.path());
    agrees(&Reader::open(dir.path()).unwrap(), &tree);
    // Gone while they are in use, and from the beginning.
    let (reader, index) = (Reader::open(dir.path()).unwrap(), dir.path().join("index"));
    std::fs::remove_dir_all(index).unwrap();
    agrees(&reader, &tree);
    agrees(&Reader::open(dir.path()).unwrap(), &tree);
    // Of a log that grows, while its files are outlined, and after.
    let (appender, reader) = open(dir.path()).unwrap();
    agrees(&reader, &tree);
    for number in MANY..MANY + 60 {
        appender.append(vec![event(number, "cfo")]).unwrap();
        let (leaf, tree) = (reader.leaf(number), in_memory(dir.path()));
        assert_eq!(
            (reader.head().root, leaf.ok()),
            (tree.root(), tree.leaf(number))
        );
    }
    agrees(&reader, &in_memory(dir.path()));
    drop(appender);
    agrees(&reader, &in_memory(dir.path()));
    agrees(&Reader::open(dir.path()).unwrap(), &in_memory(dir.path()));
}

#[test]
fn rows_that_are_not_those_of_the_log_are_made_again_from_its_lines() {
    let dir = wide();
    let tree = in_memory(dir.path());
    for path in files(dir.path(), "index/outlines").iter().step_by(13) {
        let sound = std::fs::read(path).unwrap();
        let (rows, count) = (parts(&sound)[1] + 32, number(&sound, 3) as usize);
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = sound.clone();
            change(&mut bytes);
            bytes
        };
        let wrong = [
            // A leaf, a length, two lengths that still add up, two rows in each other's place.
            with(&|bytes| bytes[rows + 3] ^= 4),
            with(&|bytes| bytes[rows + 36 + 33] ^= 1),
            with(&|bytes| {
                bytes[rows + 32] = bytes[rows + 32].wrapping_add(1);
                bytes[rows + 36 + 32] = bytes[rows + 36 + 32].wrapping_sub(1);
            }),
            with(&|bytes| {
                let (first, second) = bytes[rows..rows + 72].split_at_mut(36);
                first.swap_with_slice(second);
            }),
            with(&|bytes| bytes[rows..rows + count * 36].fill(0)),
        ];
        for bytes in wrong {
            std::fs::write(path, bytes).unwrap();
            agrees(&Reader::open(dir.path()).unwrap(), &tree);
        }
        // Cut off under a reader that has begun with it.
        std::fs::write(path, &sound).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        std::fs::write(path, &sound[..rows + 50]).unwrap();
        agrees(&reader, &tree);
        std::fs::write(path, &sound).unwrap();
    }
}

/// Rows and roots as a forger would write them, over a line that the forger has changed: the tree
/// that was signed is another.
#[test]
fn a_changed_entry_with_a_forged_outline_stops_the_start_or_is_not_shown_and_is_never_proven() {
    for forge_root in [false, true] {
        let dir = wide();
        let log = &files(dir.path(), "log")[4];
        let modified = log.metadata().unwrap().modified().unwrap();
        let text = std::fs::read_to_string(log).unwrap();
        let changed = text.replacen("user:s001", "user:s002", 1);
        make_writable(log);
        std::fs::write(log, &changed).unwrap();
        let file = File::options().append(true).open(log).unwrap();
        file.set_modified(modified).unwrap();

        let mut lines = changed.lines().zip(text.lines());
        let at = lines.position(|(is, was)| is != was).unwrap();
        let body = changed.lines().nth(at).unwrap().split('\t').next();
        let leaf = leaf_hash(body.unwrap().as_bytes());
        let outline = &files(dir.path(), "index/outlines")[4];
        let mut bytes = std::fs::read(outline).unwrap();
        let (rows, first) = (parts(&bytes)[1] + 32, number(&bytes, 2));
        bytes[rows + at * 36..rows + at * 36 + 32].copy_from_slice(&leaf.0);
        std::fs::write(outline, bytes).unwrap();
        if forge_root {
            // The outline of the file in which the first tile ends has its root.
            let root = in_memory(dir.path()).tile(1, 0, 1).unwrap()[0];
            let ends = |path: &PathBuf| {
                let bytes = std::fs::read(path).unwrap();
                number(&bytes, 2) + number(&bytes, 3) >= 256
            };
            let outlines = files(dir.path(), "index/outlines");
            let path = outlines.into_iter().find(ends).unwrap();
            forge(&path, |front| front[..32].copy_from_slice(&root.0));
            assert!(matches!(open(dir.path()), Err(OpenError::OtherRoot { .. })));
        }
        let seq = first + at as u64;
        let reader = Reader::open(dir.path()).unwrap();
        let promised = reader.keys().open(reader.checkpoint().as_bytes()).unwrap();
        assert_eq!(reader.head().root == promised.root, !forge_root);
        match (forge_root, reader.prove(seq)) {
            (true, Ok(proof)) => {
                let (size, root) = (promised.size, &promised.root);
                assert!(!check_inclusion(leaf, seq, size, &proof.path, root));
            }
            (
                false,
                Err(ReadError::DamagedTile {
                    first: 0,
                    last: 255,
                }),
            ) => {
                assert!(reader.entry(seq).is_err());
                assert!(reader.entry(300).is_ok());
            }
            (_, other) => panic!("{forge_root}: {other:?}"),
        }
        let report = verify(dir.path(), &Trust::default(), |_| {}).unwrap();
        assert!(!report.is_clean());
    }
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
