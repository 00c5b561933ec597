//! Only what was approved, as it was approved, once.

use super::*;

#[test]
fn an_approved_patch_is_applied_once() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let outcome = world.apply(approval).unwrap();
    assert_eq!(outcome.paths.len(), 4);
    assert!(!outcome.finished_earlier_run);
    world.holds(NEW);
    let again = world.apply(approval);
    assert!(matches!(again, Err(ApplyError::AppliedAlready { .. })));
    // Not even when somebody has put the old files back.
    fs::remove_dir_all(world.directory.path().join("fresh")).unwrap();
    for (path, text) in OLD {
        world.write(path, text);
    }
    let again = world.apply(approval);
    assert!(matches!(again, Err(ApplyError::AppliedAlready { .. })));
    world.holds(OLD);
}

#[test]
fn without_a_grant_nothing_is_written() {
    let mut world = World::new();
    let approval = world.propose(DIFF, 10);
    let early = world.apply(approval);
    assert!(matches!(early, Err(ApplyError::NotGranted(_))));
    world.decide(approval, Verdict::Deny);
    let denied = world.apply(approval);
    let refused = NotGranted::Undecided {
        approval,
        state: view::State::Denied,
    };
    assert!(matches!(denied, Err(ApplyError::NotGranted(r)) if r == refused));
    let unknown = world.apply(id(99));
    assert!(matches!(unknown, Err(ApplyError::NotGranted(_))));
    world.holds(OLD);
}

#[test]
fn whoever_made_the_patch_cannot_approve_it_through_anothers_request() {
    let mut world = World::new();
    let mut planned = world.plan(DIFF, 10).unwrap().submissions;
    if let Data::PatchProposed(proposed) = &mut planned[0].event.data {
        proposed.proposer = actor("user:1042");
    }
    for submission in planned {
        world.take(submission.event);
    }
    let approval = id(12);
    world.decide(approval, Verdict::Approve);
    let own = world.apply(approval);
    assert!(matches!(own, Err(ApplyError::ApprovedByProposer { .. })));
    world.holds(OLD);
}

#[test]
fn a_moved_base_ends_the_approval_even_if_the_hunks_still_fit() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    // Behind the hunk, so that the hunk alone would apply.
    world.write("a.py", "one\ntwo\nthree\n");
    let moved = world.apply(approval);
    assert!(matches!(moved, Err(ApplyError::BaseMoved { .. })));
    // A file that the patch does not touch is not its base.
    world.write("a.py", "one\ntwo\n");
    world.write("other.py", "free\n");
    world.apply(approval).unwrap();
}

#[test]
fn other_bytes_than_those_approved_are_refused() {
    let mut world = World::new();
    let other = DIFF.replace("+2\n", "+3\n");
    let approval = world.approved(&other);
    let swapped = world.apply(approval);
    assert!(matches!(swapped, Err(ApplyError::OtherPatch { .. })));
    world.holds(OLD);
}

#[test]
fn decisions_are_written_into_the_patchs_history_once() {
    let mut world = World::new();
    let approval = world.propose(DIFF, 10);
    let plan = |world: &World| {
        let actor = actor("service:daicho");
        follow_decisions(&world.findings, &world.approvals, &actor, world.now)
    };
    assert!(plan(&world).is_empty());
    world.decide(approval, Verdict::Approve);
    let planned = plan(&world);
    assert_eq!(planned.len(), 1);
    for submission in planned {
        world.take(submission.event);
    }
    assert!(plan(&world).is_empty());
    let patch = world.findings.patches().next().unwrap();
    let state = crate::scanner::findings::PatchState::Approved;
    assert_eq!(patch.state, state);
}
