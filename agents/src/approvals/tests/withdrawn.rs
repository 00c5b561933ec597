//! Grants whose signer lost the key.

use super::*;

/// What became of one grant after its signer's key went away.
#[test]
fn a_grant_counts_no_more_once_its_signer_has_lost_the_key() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    world.granted().unwrap();
    let first = world.events.last().unwrap().1.id;
    let own_key = Some(key(1).1.label().clone());
    world.activate("1042", own_key.clone());
    world.granted().unwrap();
    let user: Name = "1042".parse().unwrap();
    let reason = DeactivationReason::Left;
    world.append("user:admin", UserDeactivated { user, reason });
    assert!(matches!(world.granted(), Err(NotGranted::Undecided { .. })));
    let row = world.row();
    assert_eq!(
        (row.state, row.progress()),
        (State::Requested, "0 of 1".into())
    );
    assert_eq!(row.withdrawn, [actor("user:1042")]);
    // Back again, they decide anew; the log has another id for that.
    world.activate("1042", own_key);
    assert!(world.granted().is_err());
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    world.granted().unwrap();
    assert_ne!(world.events.last().unwrap().1.id, first);
    // Another key is another trust: the old one's grant goes with it.
    world.activate("1042", Some(key(5).1.label().clone()));
    assert!(world.granted().is_err());
    world.decide("user:1043", 2, Verdict::Approve).unwrap();
    world.granted().unwrap();
}

#[test]
fn of_two_grants_the_withdrawn_one_leaves_one_of_two() {
    let mut world = World::new(2);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    assert_eq!(world.row().progress(), "1 of 2");
    world.activate("1042", None);
    world.decide("user:1043", 2, Verdict::Approve).unwrap();
    assert_eq!(world.row().progress(), "1 of 2");
    assert!(world.granted().is_err());
    world.decide("user:1044", 3, Verdict::Approve).unwrap();
    assert_eq!(world.row().progress(), "2 of 2");
    world.granted().unwrap();
}

#[test]
fn what_was_done_on_a_grant_stays_granted_and_a_denial_stands() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    let released = ActionReleased {
        action: id(2),
        approval: id(1),
        arguments_sha256: Hash(PATCH),
        tool_use: None,
        hook: None,
    };
    world.append("agent:fixer", released);
    world.activate("1042", None);
    world.granted().unwrap();
    assert!(world.row().withdrawn.is_empty());

    let mut world = World::new(2);
    world.decide("user:1042", 1, Verdict::Deny).unwrap();
    world.activate("1042", None);
    assert_eq!(world.row().state, State::Denied);
}
