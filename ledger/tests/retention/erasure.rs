//! One person's content goes, and nothing else does.

use crate::world::{LATE, World, actor, id, name, of_bucket, spared, text};
use ledger::buckets::Spared;
use ledger::{AppendError, ContentError};
use proptest::prelude::*;
use schemas::kinds::records::ErasureCompleted;
use schemas::{Data, Event, Hash};

#[test]
fn one_persons_content_goes_and_nothing_else_does() {
    let world = World::new();
    let one = world.content("api", Some("s001"), &text("one"));
    let other = world.content("api", Some("s009"), &text("other"));
    let nobodys = world.content("api", None, &text("nobody's"));
    let elsewhere = world.content("auth", Some("s001"), "elsewhere");
    let again = world.content("api", Some("s001"), &text("one, and on"));
    let keys = world.keys("s001");
    let [api, auth] = &keys[..] else {
        panic!("{keys:?}");
    };
    assert_eq!(api.bucket.to_string(), "api/2026-01");
    assert!(world.keys("s002").is_empty());
    let early = spared(world.erase(1, api).unwrap_err());
    assert!(matches!(early, Spared::NotRequested { .. }), "{early}");
    world.request(1, std::slice::from_ref(api));
    // Another name of the key's bytes: what becomes of them when the key is gone.
    let kept = world.dir.path().join("kept");
    std::fs::hard_link(world.file_of(api), &kept).unwrap();
    let receipt = world.erase(1, api).unwrap();
    let zeros = std::fs::read(&kept).unwrap();
    assert!(!zeros.is_empty() && zeros.iter().all(|byte| *byte == 0));
    let entry = world.reader.entry(receipt.seq).unwrap();
    let Data::ErasureCompleted(completed) = entry.data() else {
        panic!("{entry:?}");
    };
    assert_eq!((completed.entries, completed.contents), (2, 2));
    assert_eq!(
        (&completed.bucket, completed.subject),
        (&api.bucket, api.subject)
    );
    assert_eq!(completed.approvers.len(), 2);

    let world = world.again();
    for gone in [one, again] {
        let error = world.read(gone).unwrap_err();
        assert!(matches!(error, ContentError::Erased { .. }), "{error}");
        // What was sealed is there, and shows what the entry commits to.
        let reference = world.reader.entry(gone).unwrap().content()[0].clone();
        assert!(world.reader.sealed(&reference).is_ok());
    }
    assert_eq!(world.read(other).unwrap(), text("other").as_bytes());
    assert_eq!(world.read(nobodys).unwrap(), text("nobody's").as_bytes());
    assert_eq!(world.read(elsewhere).unwrap(), b"elsewhere");
    assert!(!world.file_of(api).exists() && world.file_of(auth).exists());
    world.check();

    // What comes next is theirs again, under a key that the request does not name.
    let next = world.content("api", Some("s001"), &text("one"));
    assert_eq!(world.read(next).unwrap(), text("one").as_bytes());
    assert!(!world.keys("s001").contains(api));
    let twice = spared(world.erase(1, api).unwrap_err());
    assert!(matches!(twice, Spared::Erased { .. }), "{twice}");
    world.check();
    // A bucket ends with everybody's keys in it.
    world.turn_to(LATE);
    world.end(&api.bucket).unwrap();
    let left = std::fs::read_dir(world.file_of(api).parent().unwrap()).unwrap();
    assert_eq!(left.count(), 0);
    world.check();
}

/// Whoever sends an event again that was recorded is told so, also when what it held is erased.
#[test]
fn an_event_whose_content_is_erased_is_known_when_it_comes_again() {
    let world = World::new();
    let sent = world.submission("api", Some("s001"), "one");
    let first = world.appender.append(vec![sent.clone()]).unwrap();
    let keys = world.keys("s001");
    world.request(1, &keys);
    world.erase(1, &keys[0]).unwrap();
    let again = world.appender.append(vec![sent]).unwrap();
    assert_eq!((again[0].seq, again[0].new), (first[0].seq, false));
    world.check();
}

#[test]
fn nothing_under_hold_or_duty_is_erased_by_any_path() {
    let world = World::new();
    world.content("api", Some("s001"), "one");
    let keys = world.keys("s001");
    world.request(1, &keys);
    world.hold(1, of_bucket(&keys[0].bucket)).unwrap();
    let held = spared(world.erase(1, &keys[0]).unwrap_err());
    assert!(matches!(&held, Spared::Held { holds, .. } if *holds == [id(1)]));
    let completed = ErasureCompleted {
        erasure: id(1),
        bucket: keys[0].bucket.clone(),
        subject: keys[0].subject,
        entries: 1,
        contents: 1,
        sealed_bytes: 0,
        content_sha256: Hash::ZERO,
        method: name("by-hand"),
        approvals: Vec::new(),
        approvers: Vec::new(),
    };
    let event = Event::new(world.appender.new_id(), actor(), completed);
    let refused = world.appender.append(vec![event.into()]).unwrap_err();
    assert!(matches!(refused, AppendError::Unfit { .. }), "{refused}");
    assert!(world.file_of(&keys[0]).exists());
    world.release(1).unwrap();
    world.rules(&["api"]);
    let duty = spared(world.erase(1, &keys[0]).unwrap_err());
    assert!(matches!(&duty, Spared::Duty { duty, .. } if duty.as_str() == "a law"));
    assert!(world.file_of(&keys[0]).exists());
    world.rules(&["auth"]);
    world.erase(1, &keys[0]).unwrap();
    assert!(!world.file_of(&keys[0]).exists());
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Contents that share most of their bytes, of several people and of nobody, over restarts: whoever
    /// is erased is gone, and everybody else is there to the byte.
    #[test]
    fn erasing_anyone_leaves_everybody_else(
        steps in prop::collection::vec((0_u8..4, 0_u8..6, prop::bool::weighted(0.2)), 1..30),
        order in prop::collection::vec(1_u8..4, 1..4),
    ) {
        let mut world = World::new();
        let person = |n: u8| (n > 0).then(|| format!("s00{n}"));
        let mut written = Vec::new();
        let mut grown = vec![String::new(); 4];
        for (who, what, restart) in steps {
            let own = &mut grown[usize::from(who)];
            own.push_str(&format!("turn {what}. "));
            // Some go on from what was, some are the same for everybody.
            let content = if what < 4 { text(own) } else { text("equal") };
            let seq = world.content("api", person(who).as_deref(), &content);
            written.push((who, seq, content));
            if restart {
                world = world.again();
            }
        }
        let mut erased = Vec::new();
        for (i, who) in order.into_iter().enumerate() {
            let keys = world.keys(&person(who).unwrap());
            world.request(i as u8, &keys);
            for key in &keys {
                world.erase(i as u8, key).unwrap();
            }
            erased.push(who);
            if i == 0 {
                world = world.again();
            }
            for (who, seq, content) in &written {
                let read = world.read(*seq);
                if erased.contains(who) {
                    prop_assert!(read.is_err());
                } else {
                    prop_assert_eq!(read.unwrap(), content.as_bytes());
                }
            }
            let report = world.verify();
            prop_assert!(report.is_clean(), "{:#?}", report.findings);
        }
    }
}
