//! Keys that are gone, damaged or left over: nobody is passed over in silence, and nobody else is stopped.

use crate::world::{World, text};
use ledger::verify::Check;
use ledger::{ContentError, KeyFault, NO_KEY, UnreadKey};
use schemas::Data;
use schemas::kinds::records::SubjectKey;
use std::io::Write;
use std::path::Path;

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

fn method(world: &World, seq: u64) -> String {
    let entry = world.reader.entry(seq).unwrap();
    let Data::ErasureCompleted(completed) = entry.data() else {
        panic!("{entry:?}");
    };
    completed.method.to_string()
}

/// Whose it is stands in its file alone: whoever asks for anybody's keys is told of it, and no certificate
/// says that it was destroyed.
#[test]
fn a_key_that_nobody_can_read_is_named_and_not_said_to_be_destroyed() {
    let damage = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[3] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    for (fault, said) in [
        (KeyFault::Unopenable, "unopenable-key-destroyed"),
        (KeyFault::Gone, NO_KEY),
    ] {
        let world = World::new();
        world.content("api", Some("s001"), "one");
        world.content("auth", Some("s001"), "two");
        world.content("api", Some("s002"), "other");
        let [api, auth] = <[SubjectKey; 2]>::try_from(world.keys("s001")).unwrap();
        match fault {
            KeyFault::Unopenable => damage(&world.file_of(&api)),
            KeyFault::Gone => remove(&world.file_of(&api)),
        }
        let world = world.again();
        let unread = UnreadKey {
            key: api.clone(),
            fault,
        };
        for anybody in ["s001", "s002", "s003"] {
            assert_eq!(world.person_keys(anybody).unread, vec![unread.clone()]);
        }
        assert_eq!(world.keys("s001"), vec![auth.clone()]);
        assert_eq!(
            world.reader.unread_keys(&world.buckets()).unwrap(),
            [unread]
        );
        // Somebody who knows that it is theirs may have it done with for good.
        world.request(1, &[api.clone(), auth.clone()]);
        let receipt = world.erase(1, &api).unwrap();
        assert_eq!(method(&world, receipt.seq), said);
        let whole = world.erase(1, &auth).unwrap();
        assert_eq!(method(&world, whole.seq), "subject-key-destroyed");
        assert_eq!(world.person_keys("s002").unread, []);
        assert!(!world.file_of(&api).exists());
        world.check();
    }
    // With the key of its bucket goes what says whose any of them is.
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let key = world.keys("s001").remove(0);
    remove(&world.bucket_key());
    let world = world.again();
    let fault = KeyFault::Unopenable;
    assert_eq!(world.person_keys("s002").unread, [UnreadKey { key, fault }]);
    std::fs::remove_dir_all(world.bucket_key().with_extension("")).unwrap();
    let unread = world.person_keys("s002").unread;
    assert_eq!(unread[0].fault, KeyFault::Gone, "{unread:?}");
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
pub fn change_in_log(dir: &Path, from: &str, to: &str) {
    let path = std::fs::read_dir(dir.join("log")).unwrap().next().unwrap();
    let path = path.unwrap().path();
    let log = std::fs::read_to_string(&path).unwrap();
    let changed = log.replace(from, to);
    assert!(changed != log && changed.len() == log.len());
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all(changed.as_bytes()).unwrap();
}

/// A marker only says where a start has to look; what is recorded is known without it.
#[test]
fn a_damaged_marker_stops_no_start_and_saves_no_key() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let other = world.content("auth", Some("s001"), "two");
    let keys = world.keys("s001");
    let file = world.file_of(&keys[0]);
    let key = std::fs::read(&file).unwrap();
    world.request(1, &keys);
    world.erase(1, &keys[0]).unwrap();
    // As the power left them: one of an erasure that is recorded, one of an end that never was.
    std::fs::write(&file, key).unwrap();
    let damaged = [0xff, 0xfe, 0x00, 0x0a];
    std::fs::write(file.with_extension("erasing"), damaged).unwrap();
    let month = world.dir.path().join("keys/content/auth/2026-01.ending");
    std::fs::write(&month, damaged).unwrap();
    let world = world.again();
    assert!(!month.exists());
    assert_eq!(world.read(other).unwrap(), b"two");
    assert!(world.read(other - 1).is_err());
    world.appender.finish_erasures().unwrap();
    assert!(!file.exists());
    world.check();
}
