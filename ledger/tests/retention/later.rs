//! What comes for a person after a request was made: until it is carried out it goes with the rest,
//! from then on it is new.

use crate::world::{World, actor, id, spared};
use ledger::buckets::Spared;
use schemas::Data;
use schemas::kinds::records::{ErasureExtended, SubjectKey};

fn extend(world: &World, keys: &[SubjectKey]) -> Result<ledger::Receipt, ledger::EraseError> {
    let extended = ErasureExtended {
        erasure: id(1),
        keys: keys.to_vec(),
        unread: Vec::new(),
    };
    world.appender.extend_erasure(actor(), extended)
}

#[test]
fn keys_that_came_after_the_request_go_with_it_until_it_is_carried_out() {
    let world = World::new();
    let first = world.content("api", Some("s001"), "one");
    let named = world.keys("s001");
    world.ask(1, &named, true);
    let later = world.content("auth", Some("s001"), "two");
    world.content("auth", Some("s009"), "another's");
    let all = world.keys("s001");
    let came = all.iter().find(|key| !named.contains(key)).unwrap();
    // Not by the request alone.
    let early = spared(world.erase(1, came).unwrap_err());
    assert!(matches!(early, Spared::NotRequested { .. }), "{early}");
    let none = spared(extend(&world, &named).unwrap_err());
    assert!(matches!(none, Spared::NotLater { .. }), "{none}");
    extend(&world, std::slice::from_ref(came)).unwrap();
    // Another run, after a crash say, finds what has come since.
    let month = world.content("operation", Some("s001"), "three");
    let rest = world.keys("s001");
    let rest: Vec<_> = rest.into_iter().filter(|key| !all.contains(key)).collect();
    extend(&world, &rest).unwrap();
    for key in named.iter().chain([came]).chain(&rest) {
        let seq = world.erase(1, key).unwrap().seq;
        let entry = world.reader.entry(seq).unwrap();
        let Data::ErasureCompleted(completed) = entry.data() else {
            panic!("{entry:?}");
        };
        assert_eq!(completed.subject, key.subject);
        assert!(!world.file_of(key).exists());
    }
    for gone in [first, later, month] {
        assert!(world.read(gone).is_err());
    }
    // What comes now is theirs, under a key that no request names.
    let next = world.content("auth", Some("s001"), "two");
    let key = world.keys("s001");
    let late = spared(extend(&world, &key).unwrap_err());
    assert!(matches!(late, Spared::NotLater { .. }), "{late}");
    let world = world.again();
    assert_eq!(world.read(next).unwrap(), b"two");
    assert_eq!(world.keys("s009").len(), 1);
    world.check();
}

#[test]
fn a_request_that_does_not_ask_for_it_reaches_nothing_later() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let named = world.keys("s001");
    world.request(1, &named);
    let later = world.content("auth", Some("s001"), "two");
    let came = world.keys("s001").split_off(1);
    let refused = spared(extend(&world, &came).unwrap_err());
    assert!(matches!(refused, Spared::NotLater { .. }), "{refused}");
    world.erase(1, &named[0]).unwrap();
    assert_eq!(world.read(later).unwrap(), b"two");
    let by_hand = ErasureExtended {
        erasure: id(1),
        keys: came,
        unread: Vec::new(),
    };
    let event = schemas::Event::new(world.appender.new_id(), actor(), by_hand);
    let refused = world.appender.append(vec![event.into()]);
    assert!(matches!(refused, Err(ledger::AppendError::Unfit { .. })));
    world.check();
}

/// Content comes under a new key while the request's keys are looked for: neither is it named, nor does it
/// come after the request.
#[test]
fn what_comes_while_keys_are_looked_for_is_later() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let (named, reached) = (world.keys("s001"), world.reader.size());
    let meanwhile = world.content("auth", Some("s001"), "two");
    world.ask_from(1, &named, true, Some(reached));
    let came = world.keys("s001").split_off(1);
    extend(&world, &came).unwrap();
    let none = spared(extend(&world, &named).unwrap_err());
    assert!(matches!(none, Spared::NotLater { .. }), "{none}");
    for key in named.iter().chain(&came) {
        world.erase(1, key).unwrap();
    }
    assert!(world.read(meanwhile).is_err());
    assert_eq!(world.keys("s001"), []);
    world.check();
}
