//! Keys that come back with a copy of `keys/`: the log says that they are destroyed, and that counts.

use crate::ends::sample;
use crate::keys::change_in_log;
use crate::world::{LATE, World, bucket, checks, id, packs, report, text};
use ledger::verify::Check;
use ledger::{ContentError, OpenError, Reader};

/// With an old copy of the data directory: no reader opens it, whoever verifies is told, and whoever
/// ends buckets destroys it once more.
#[test]
fn a_bucket_that_came_back_opens_nothing_is_found_and_is_destroyed() {
    let world = sample();
    let key = world.bucket_key();
    let pack = world.dir.path().join("content/api/2026-01/00000001.pack");
    let kept = [&key, &pack].map(|path| std::fs::read(path).unwrap());
    let reference = world.reader.entry(2).unwrap().content()[0].clone();
    assert!(world.reader.content(&reference).is_ok());
    world.turn_to(LATE);
    let certificate = world.end(&bucket()).unwrap();
    std::fs::write(&key, &kept[0]).unwrap();
    std::fs::write(&pack, &kept[1]).unwrap();
    let world = world.asked_at_every_start(|reader| {
        let read = reader.content(&reference);
        assert!(matches!(read, Err(ContentError::Ended { .. })), "{read:?}");
    });

    let findings = world.verify().findings;
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
    assert!(!world.verify().is_clean());
    std::fs::write(&marker, format!("{}\n", certificate.id)).unwrap();
    assert!(world.verify().is_clean());
    std::fs::remove_file(&marker).unwrap();

    assert_eq!(world.appender.finish_ends().unwrap(), [bucket()]);
    assert!(!key.exists() && packs(world.dir.path()) == 0);
    assert!(world.verify().is_clean());
    assert_eq!(world.appender.finish_ends().unwrap(), []);
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
    let (dir, _) = world.close();
    std::fs::write(&path, kept).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let reference = reader.entry(seq).unwrap().content()[0].clone();
    assert!(matches!(
        reader.content(&reference),
        Err(ContentError::Erased { .. })
    ));
    let report = report(dir.path());
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
    let found = || checks(&crate::world::report(dir.path()));
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

    let world = world.asked_at_every_start(|reader| {
        let read = |seq| reader.content(&reader.entry(seq).unwrap().content()[0]);
        refused(read(gone));
        assert!(read(stays).is_ok());
    });
    assert_eq!(world.appender.finish_erasures().unwrap(), [key]);
    assert!(!path.exists());
    world.check();
}

/// Passed over, it would leave the key to open what the log says is gone.
#[test]
fn a_certificate_that_cannot_be_read_stops_whoever_opens_the_log() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let key = world.keys("s001").remove(0);
    world.request(1, std::slice::from_ref(&key));
    let certificate = world.erase(1, &key).unwrap();
    let (dir, _) = world.close();
    change_in_log(dir.path(), "subject-key-destroyed", "subject key destroyed");
    let Err(OpenError::Damaged { seq, .. }) = Reader::open(dir.path()) else {
        panic!("it was passed over");
    };
    assert_eq!(seq, certificate.seq);
}
