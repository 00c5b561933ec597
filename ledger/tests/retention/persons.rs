//! A hold on a person, and content that is theirs because whoever recorded it said so: a file that was
//! taken in, an event of a service. No line tells whose it is, its key does.

use crate::world::{JANUARY, LATE, World, bucket, id, of_person, spared};
use ledger::ExpireError;
use ledger::buckets::{Kept, Spared};
use schemas::BucketId;
use schemas::Data;
use schemas::kinds::records::{HoldPlaced, HoldScope};

#[test]
fn a_hold_on_a_person_covers_what_their_keys_seal() {
    let world = World::new();
    world.content("api", Some("s001"), "theirs");
    world.content("auth", Some("s009"), "another's");
    let scope = of_person("s001");
    let covered: Vec<BucketId> = world.reader.in_scope(&scope).unwrap().into_iter().collect();
    assert_eq!(covered, [bucket()]);
    assert!(
        world
            .reader
            .in_scope(&of_person("s002"))
            .unwrap()
            .is_empty()
    );
    let placed = world.hold(1, scope).unwrap();
    let entry = world.reader.entry(placed.seq).unwrap();
    let Data::HoldPlaced(HoldPlaced { buckets, .. }) = entry.data() else {
        panic!("{entry:?}");
    };
    assert_eq!(*buckets, [bucket()]);

    let keys = world.keys("s001");
    world.request(1, &keys);
    let held = spared(world.erase(1, &keys[0]).unwrap_err());
    assert!(
        matches!(&held, Spared::Held { holds, .. } if *holds == [id(1)]),
        "{held}"
    );
    world.turn_to(LATE);
    let held = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(held, ExpireError::Kept(Kept::Held { .. })),
        "{held}"
    );
    // Another's is not held for it.
    world.end(&"auth/2026-01".parse().unwrap()).unwrap();
    world.release(1).unwrap();
    world.erase(1, &keys[0]).unwrap();
    world.end(&bucket()).unwrap();
    world.check();
}

#[test]
fn what_comes_for_a_held_person_is_held_though_no_line_says_that_it_is_theirs() {
    let world = World::new();
    world.hold(1, of_person("s001")).unwrap();
    let until = HoldScope {
        until: Some(JANUARY.parse().unwrap()),
        ..of_person("s001")
    };
    world.hold(2, until).unwrap();
    world.content("api", Some("s001"), "theirs");
    world.content("auth", Some("s009"), "another's");
    let (theirs, others) = (world.keys("s001"), world.keys("s009"));
    world.request(1, &[&theirs[..], &others].concat());
    let held = spared(world.erase(1, &theirs[0]).unwrap_err());
    // By the one that covers it, and not by one that ended before.
    assert!(
        matches!(&held, Spared::Held { holds, .. } if *holds == [id(1)]),
        "{held}"
    );
    assert!(world.file_of(&theirs[0]).exists());
    world.erase(1, &others[0]).unwrap();
    world.turn_to(LATE);
    let held = world.end(&bucket()).unwrap_err();
    assert!(
        matches!(&held, ExpireError::Kept(Kept::Held { holds, .. }) if *holds == [id(1)]),
        "{held}"
    );
    world.check();
    world.release(1).unwrap();
    world.erase(1, &theirs[0]).unwrap();
    world.end(&bucket()).unwrap();
    world.check();
}

/// Nobody can tell whose it is, and a copy of the key may still open it.
#[test]
fn what_a_key_that_does_not_open_seals_is_held_for_anybody() {
    let world = World::new();
    world.content("api", Some("s001"), "theirs");
    world.hold(1, of_person("s001")).unwrap();
    world.content("auth", Some("s002"), "another's");
    let key = world.keys("s002").remove(0);
    let whole = std::fs::read(world.file_of(&key)).unwrap();
    let damaged: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
    std::fs::write(world.file_of(&key), damaged).unwrap();
    let world = world.again();
    world.turn_to(LATE);
    let held = world.end(&key.bucket).unwrap_err();
    assert!(
        matches!(&held, ExpireError::Kept(Kept::Held { holds, .. }) if *holds == [id(1)]),
        "{held}"
    );
    std::fs::write(world.file_of(&key), whole).unwrap();
    let world = world.again();
    world.turn_to(LATE);
    world.end(&key.bucket).unwrap();
    world.check();
}
