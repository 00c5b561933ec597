//! Certificates that whoever has the log's key could write, and that the log does not bear out.

use crate::ends::sample;
use crate::world::{EARLY, LATE, World, bucket, checks, id, name, of_bucket, of_session};
use ledger::verify::{Check, Report};
use schemas::kinds::records::{ErasureCompleted, ErasureExtended, RetentionExpired, TimeSource};
use schemas::{Class, Hash};

/// What a sound certificate would say of the sample, with something changed.
fn of_bucket_end(world: &World, change: impl FnOnce(&mut RetentionExpired)) -> RetentionExpired {
    let tally = world.reader.tally(&world.buckets(), &bucket()).unwrap();
    let mut expired = RetentionExpired {
        bucket: bucket(),
        due: "2026-03-03T00:00:00.000000Z".parse().unwrap(),
        period: "P30D".parse().unwrap(),
        entries: tally.entries,
        contents: tally.contents,
        sealed_bytes: tally.sealed_bytes,
        content_sha256: tally.content_sha256,
        method: "key-destroyed".parse().unwrap(),
        time: TimeSource::Log,
        token: None,
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    change(&mut expired);
    expired
}

#[test]
fn an_end_that_the_log_does_not_bear_out_is_a_finding() {
    let at = |time: &str| {
        let world = sample();
        world.turn_to(time);
        world.in_session("s-4", "later");
        world
    };
    let world = at(LATE);
    let sound = of_bucket_end(&world, |_| {});
    // The certificate is sound, and the key that nobody destroyed is there.
    assert_eq!(checks(&world.forge(sound)), [Check::Erasure]);
    let found = |report| but_for_the_key(&report);
    let world = at(EARLY);
    let early = of_bucket_end(&world, |_| {});
    assert_eq!(found(world.forge(early)), [Check::Retention]);
    let world = at(LATE);
    world.hold(1, of_session("s-1")).unwrap();
    let held = of_bucket_end(&world, |_| {});
    assert_eq!(found(world.forge(held)), [Check::Retention]);
    let changes: [fn(&mut RetentionExpired); 6] = [
        |e| e.entries += 1,
        |e| e.contents -= 1,
        |e| e.sealed_bytes += 1,
        |e| e.content_sha256 = Hash::ZERO,
        |e| e.due = LATE.parse().unwrap(),
        |e| e.period = "P29D".parse().unwrap(),
    ];
    for change in changes {
        let world = at(LATE);
        let wrong = of_bucket_end(&world, change);
        assert_eq!(found(world.forge(wrong)), [Check::Retention]);
    }
    let world = at(LATE);
    let nowhere = of_bucket_end(&world, |e| e.bucket = "api/2025-01".parse().unwrap());
    assert!(
        found(world.forge(nowhere))
            .iter()
            .all(|c| *c == Check::Retention)
    );
}

/// What a sound certificate would say, with something changed.
fn of_erasure(world: &World, change: impl FnOnce(&mut ErasureCompleted)) -> ErasureCompleted {
    let keys = world.keys("s001");
    let tally = world.reader.tally_of(&world.buckets(), &keys[0]).unwrap();
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

/// Whoever forges a certificate leaves the key where it is, which is another finding.
fn but_for_the_key(report: &Report) -> Vec<Check> {
    let mut found = checks(report);
    found.retain(|check| *check != Check::Erasure);
    found
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
    let sound = |world: &World| of_erasure(world, |_| {});
    let world = asked();
    let data = sound(&world);
    // The certificate is sound, and the key that nobody destroyed is there.
    assert_eq!(checks(&world.forge(data)), [Check::Erasure]);
    let forge = |world: World, data: ErasureCompleted| but_for_the_key(&world.forge(data));
    let world = asked();
    world.hold(1, of_bucket(&bucket())).unwrap();
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
        let data = of_erasure(&world, change);
        let found = forge(world, data);
        let only = found.iter().all(|check| *check == Check::Retention);
        assert!(only && !found.is_empty(), "{found:?}");
    }
}

/// What came after a request is reached only if it asks for that, and only until something was done.
#[test]
fn an_extension_that_the_request_does_not_bear_out_is_a_finding() {
    let extended = |world: &World| ErasureExtended {
        erasure: id(1),
        keys: world.keys("s001").split_off(1),
        unread: Vec::new(),
    };
    let asked = |later: bool| {
        let world = World::new();
        world.content("api", Some("s001"), "one");
        world.ask(1, &world.keys("s001"), later);
        world.content("auth", Some("s001"), "two");
        world
    };
    let world = asked(true);
    let data = extended(&world);
    assert_eq!(checks(&world.forge(data)), []);
    let world = asked(false);
    let data = extended(&world);
    assert_eq!(checks(&world.forge(data)), [Check::Retention]);
    let world = asked(true);
    let data = extended(&world);
    world.erase(1, &world.keys("s001")[0]).unwrap();
    assert_eq!(checks(&world.forge(data)), [Check::Retention]);
    // What was there when it was requested is in the request, or is not asked for.
    let world = World::new();
    world.content("api", Some("s001"), "one");
    world.content("auth", Some("s001"), "two");
    world.ask(1, &world.keys("s001")[..1], true);
    let data = extended(&world);
    assert_eq!(checks(&world.forge(data)), [Check::Retention]);
}
