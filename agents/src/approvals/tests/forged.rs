//! Grants that somebody wrote past the rules.

use super::*;

#[test]
fn a_grant_slipped_into_the_log_approves_nothing() {
    let world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let stated = statement(&world.approvals, id(1), &approver, Verdict::Approve, now).unwrap();
    let (public, signed) = signature::sign(&stated, &key(1).0, None).unwrap();
    let planned = decide(&world.approvals, stated, &public, signed, now).unwrap();
    let Data::ApprovalGranted(sound) = &planned.event.data else {
        panic!("an approval grants");
    };

    let mut forged = Vec::new();
    let mut forge = |change: &dyn Fn(&mut schemas::kinds::acting::ApprovalGranted)| {
        let mut granted = sound.clone();
        change(&mut granted);
        let mut event = planned.event.clone();
        event.data = granted.into();
        forged.push(event);
    };
    forge(&|g| g.approver = actor("user:1043"));
    forge(&|g| g.arguments_sha256 = Hash([0; 32]));
    forge(&|g| g.base_sha256 = None);
    forge(&|g| g.origin = "another.example/log".parse().unwrap());
    forge(&|g| g.statement_sha256 = Hash([0; 32]));
    forge(&|g| g.approver_key = key(2).1.label().clone());
    forge(&|g| g.policy = Hash([0; 32]));
    forge(&|g| g.deadline = Timestamp::from_micros(g.deadline.micros() + 1));
    forge(&|g| g.approvers_needed = 2);
    forge(&|g| {
        let flipped = if g.signature.as_str().contains('M') {
            g.signature.as_str().replacen('M', "N", 1)
        } else {
            g.signature.as_str().replacen('A', "B", 1)
        };
        g.signature = SignatureText::new(flipped).unwrap();
    });
    let mut by_another = planned.event.clone();
    by_another.actor = actor("service:daicho");
    forged.push(by_another);
    // A denial's signature does not grant, and a grant's does not deny.
    let denied = SignedDecision::of(&planned.event.data).unwrap();
    let mut turned = denied.statement.clone();
    turned.verdict = Verdict::Deny;
    let mut event = planned.event.clone();
    event.data = turned.signed(&public, denied.signature);
    forged.push(event);

    for event in forged {
        let mut world = World::new(1);
        world.take(event);
        assert!(world.granted().is_err());
        let approval = world.approvals.find(id(1)).unwrap();
        assert!(approval.decisions.is_empty());
        assert_eq!(approval.refused.len(), 1);
    }
    let mut world = World::new(1);
    world.take(planned.event);
    world.granted().unwrap();
}
