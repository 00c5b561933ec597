//! Agents work for people: whoever has an agent ask is not the second pair of eyes.

use super::*;
use schemas::DataClass;
use schemas::kinds::agents::{AgentRegistered, AgentUpdated};

impl World {
    /// The agent that asks exists, and works for somebody.
    fn register(&mut self, person: Option<&str>) {
        let registered = AgentRegistered {
            agent: "fixer".parse().unwrap(),
            role: "fixer".parse().unwrap(),
            data_class: DataClass::Internal,
            token_sha256: Hash([1; 32]),
            token_until: None,
            model: None,
            person: person.map(|person| person.parse().unwrap()),
        };
        self.append("service:operator", registered);
    }

    fn assign(&mut self, person: Option<&str>) {
        let updated = AgentUpdated {
            agent: "fixer".parse().unwrap(),
            role: None,
            data_class: None,
            token_sha256: None,
            token_until: None,
            model: None,
            person: person.map(|person| person.parse().unwrap()),
        };
        self.append("service:operator", updated);
    }

    /// A request beside the first one, which was made before the agent worked for anybody.
    fn ask(&mut self, approval: u8, requester: &str, asked_by: &str) {
        let mut asked = self.asked(1);
        asked.requester = actor(requester);
        let mut planned = request(&self.approvals, id(approval), asked, self.now).unwrap();
        planned.event.actor = actor(asked_by);
        self.take(planned.event);
    }

    fn may(&self, approval: u8, approver: &str, verdict: Verdict) -> Result<(), Refused> {
        let approver = actor(approver);
        statement(&self.approvals, id(approval), &approver, verdict, self.now).map(|_| ())
    }

    #[track_caller]
    fn is_behind(&self, approval: u8, approver: &str) {
        let told = self.may(approval, approver, Verdict::Approve);
        let refused = matches!(told, Err(Refused::ApproverIsBehindAgent { .. }));
        assert!(refused, "{approver}: {told:?}");
    }
}

#[test]
fn the_person_an_agent_works_for_denies_what_it_asks_and_does_not_approve_it() {
    let mut world = World::new(1);
    world.register(Some("1042"));
    world.ask(3, "agent:fixer", "agent:fixer");
    // In the agent's name, and by the agent in another's name.
    world.ask(4, "agent:fixer", "service:hooks");
    world.ask(5, "service:hooks", "agent:fixer");
    for approval in [3, 4, 5] {
        world.is_behind(approval, "user:1042");
        world.may(approval, "user:1043", Verdict::Approve).unwrap();
        world.may(approval, "user:1042", Verdict::Deny).unwrap();
    }
    let told = world.may(3, "user:1042", Verdict::Approve).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("ask someone else") && told.contains("you may deny"),
        "{told}"
    );
    // Somebody else's agent is nothing to them.
    world.ask(6, "agent:other", "agent:other");
    world.may(6, "user:1042", Verdict::Approve).unwrap();
}

#[test]
fn a_grant_of_that_person_in_the_log_counts_for_nothing_and_a_denial_does() {
    let mut world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let planned = |world: &World, verdict| {
        let stated = statement(&world.approvals, id(1), &approver, verdict, now).unwrap();
        let (public, signed) = signature::sign(&stated, &key(1).0, None).unwrap();
        decide(&world.approvals, stated, &public, signed, now).unwrap()
    };
    // Signed while nothing spoke against it, and written after.
    let [granted, denied] =
        [Verdict::Approve, Verdict::Deny].map(|verdict| planned(&world, verdict));
    world.register(Some("1042"));
    world.take(granted.event);
    assert!(world.granted().is_err());
    assert_eq!(world.row().progress(), "0 of 1");
    let refused = &world.approvals.find(id(1)).unwrap().refused;
    assert!(refused[0].1.contains("works for user:1042"), "{refused:?}");
    world.take(denied.event);
    assert_eq!(world.row().state, State::Denied);
}

#[test]
fn their_key_under_another_name_does_not_approve_either() {
    let mut world = World::new(1);
    world.register(Some("1042"));
    world.activate("1044", Some(key(1).1.label().clone()));
    world.is_behind(1, "user:1044");
    world.may(1, "user:1044", Verdict::Deny).unwrap();
    world.may(1, "user:1043", Verdict::Approve).unwrap();
    // Of two who are needed, they are none.
    let mut world = World::new(2);
    world.register(Some("1042"));
    world.decide("user:1043", 2, Verdict::Approve).unwrap();
    world.is_behind(1, "user:1042");
    world.decide("user:1044", 3, Verdict::Approve).unwrap();
    world.granted().unwrap();
}

#[test]
fn an_agent_that_changes_hands_leaves_both_hands_out() {
    let mut world = World::new(1);
    world.register(Some("1042"));
    world.ask(3, "agent:fixer", "agent:fixer");
    world.assign(Some("1043"));
    world.is_behind(3, "user:1042");
    world.is_behind(3, "user:1043");
    world.may(3, "user:1044", Verdict::Approve).unwrap();
    // What says nothing of a person changes none; who works for nobody now did when it asked.
    world.assign(None);
    world.is_behind(3, "user:1043");
    world.register(None);
    world.is_behind(3, "user:1042");
    world.may(3, "user:1043", Verdict::Approve).unwrap();
    world.ask(4, "agent:fixer", "agent:fixer");
    world.may(4, "user:1042", Verdict::Approve).unwrap();
}
