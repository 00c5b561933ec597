use super::rule::NotGranted;
use super::statement::StatementFault;
use super::view::Row;
use super::*;
use crate::once::sha256;
use schemas::kinds::acting::{ActionReleased, SubjectKind};
use schemas::kinds::ledger::LedgerCreated;
use schemas::kinds::people::{DeactivationReason, UserActivated, UserDeactivated};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, Label, Name};

mod forged;
mod persons;
mod signatures;
mod withdrawn;

/// A log in memory: positions and times without a ledger.
struct World {
    approvals: Approvals,
    events: Vec<(Timestamp, Event)>,
    now: Timestamp,
}

const PATCH: [u8; 32] = [7; 32];
const BASE: Hash = Hash([8; 32]);
const POLICY: Hash = Hash([9; 32]);

fn actor(text: &str) -> Actor {
    text.parse().unwrap()
}

fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

fn key(seed: u8) -> (Vec<u8>, ApproverKey) {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
    let key = ssh_key::PrivateKey::from(pair);
    let file = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    (
        file.as_bytes().to_vec(),
        ApproverKey::parse(&public).unwrap(),
    )
}

impl World {
    /// Three approvers with keys 1 to 3, and a request of an agent for two hours.
    fn new(approvers_needed: u64) -> World {
        let mut world = World {
            approvals: Approvals::default(),
            events: Vec::new(),
            now: "2026-11-22T00:00:00.000000Z".parse().unwrap(),
        };
        let origin: Label = "ledger.example/main".parse().unwrap();
        let vkey = origin.clone();
        world.append("service:ledger", LedgerCreated { origin, vkey });
        for (user, seed) in [("1042", 1), ("1043", 2), ("1044", 3)] {
            world.activate(user, Some(key(seed).1.label().clone()));
        }
        let asked = world.asked(approvers_needed);
        let planned = request(&world.approvals, id(1), asked, world.now).unwrap();
        world.take(planned.event);
        world
    }

    fn asked(&self, approvers_needed: u64) -> Request {
        Request {
            subject: Subject {
                kind: SubjectKind::Patch,
                id: id(2),
                name: None,
            },
            arguments_sha256: Hash(PATCH),
            base_sha256: Some(BASE),
            requester: actor("agent:fixer"),
            policy: POLICY,
            deadline: self.later(7_200),
            approvers_needed,
        }
    }

    fn later(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.now.micros() + seconds * 1_000_000)
    }

    fn activate(&mut self, user: &str, approver_key: Option<Label>) {
        let user: Name = user.parse().unwrap();
        self.append("user:admin", UserActivated { user, approver_key });
    }

    fn append(&mut self, by: &str, data: impl Into<Data>) {
        let id = EventId::derived(Hash([self.events.len() as u8 + 100; 32]));
        self.take(Event::new(id, actor(by), data));
    }

    fn take(&mut self, event: Event) {
        let seq = self.events.len() as u64;
        self.approvals.take(seq, self.now, &event);
        self.events.push((self.now, event));
        self.check();
    }

    /// A view that is rebuilt from the log, or read back from disk, answers the same.
    fn check(&self) {
        let mut rebuilt = Approvals::default();
        for (seq, (at, event)) in self.events.iter().enumerate() {
            rebuilt.take(seq as u64, *at, event);
        }
        let live = serde_json::to_string(&self.approvals).unwrap();
        assert_eq!(live, serde_json::to_string(&rebuilt).unwrap());
        let read: Approvals = serde_json::from_str(&live).unwrap();
        assert_eq!(live, serde_json::to_string(&read).unwrap());
    }

    fn decide(&mut self, approver: &str, seed: u8, verdict: Verdict) -> Result<(), Refused> {
        let now = self.now;
        let statement = statement(&self.approvals, id(1), &actor(approver), verdict, now)?;
        let (public, signed) = signature::sign(&statement, &key(seed).0, None).unwrap();
        let planned = decide(&self.approvals, statement, &public, signed, now)?;
        self.take(planned.event);
        Ok(())
    }

    fn granted(&self) -> Result<(), NotGranted> {
        let (patch, base) = (Hash(PATCH), Some(BASE));
        let found = self
            .approvals
            .is_granted(id(1), id(2), patch, base, self.now);
        found.map(|_| ())
    }

    fn row(&self) -> Row {
        self.approvals.rows(None, self.now).remove(0)
    }
}

#[test]
fn one_signature_grants_what_needs_one_approver() {
    let mut world = World::new(1);
    assert!(matches!(world.granted(), Err(NotGranted::Undecided { .. })));
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    world.granted().unwrap();
    assert_eq!(world.row().state, State::Granted);
    assert_eq!(world.row().approved_by, [actor("user:1042")]);
}

#[test]
fn four_eyes_need_two_people_with_two_keys() {
    let mut world = World::new(2);
    world.activate("1044", Some(key(1).1.label().clone()));
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    assert!(world.granted().is_err());
    let again = world.decide("user:1042", 1, Verdict::Approve);
    assert!(matches!(again, Err(Refused::ApproverRepeats { .. })));
    let shared = world.decide("user:1044", 1, Verdict::Approve);
    assert!(matches!(shared, Err(Refused::ApproverKeyShared { .. })));
    world.decide("user:1043", 2, Verdict::Approve).unwrap();
    world.granted().unwrap();
}

#[test]
fn one_denial_ends_it() {
    let mut world = World::new(2);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    world.decide("user:1043", 2, Verdict::Deny).unwrap();
    assert_eq!(world.row().state, State::Denied);
    let late = world.decide("user:1044", 3, Verdict::Approve);
    assert!(matches!(late, Err(Refused::RequestSettled { .. })));
    assert!(world.granted().is_err());
}

#[test]
fn the_requester_cannot_approve_under_any_name() {
    let mut world = World::new(1);
    let mut asked = world.asked(1);
    asked.requester = actor("user:1042");
    let planned = request(&world.approvals, id(3), asked, world.now).unwrap();
    world.take(planned.event);
    let decide = |world: &World, approver: &str| {
        let (approver, verdict) = (actor(approver), Verdict::Approve);
        statement(&world.approvals, id(3), &approver, verdict, world.now)
    };
    let own = decide(&world, "user:1042");
    assert!(matches!(own, Err(Refused::ApproverIsRequester { .. })));
    // The same person's key, registered for a colleague.
    world.activate("1043", Some(key(1).1.label().clone()));
    let shared = decide(&world, "user:1043");
    assert!(matches!(shared, Err(Refused::ApproverKeyShared { .. })));
    let agent = decide(&world, "agent:1044");
    assert!(matches!(agent, Err(Refused::ApproverNotAPerson { .. })));
    decide(&world, "user:1044").unwrap();
}

#[test]
fn who_writes_a_request_in_anothers_name_cannot_approve_it() {
    let mut world = World::new(1);
    let asked = world.asked(1);
    let mut planned = request(&world.approvals, id(3), asked, world.now).unwrap();
    planned.event.actor = actor("user:1042");
    world.take(planned.event);
    let (approver, now) = (actor("user:1042"), world.now);
    let own = statement(&world.approvals, id(3), &approver, Verdict::Approve, now);
    assert!(matches!(own, Err(Refused::ApproverIsRequester { .. })));
}

#[test]
fn only_the_key_registered_at_that_time_decides() {
    let mut world = World::new(1);
    let other = world.decide("user:1042", 2, Verdict::Approve);
    assert!(matches!(other, Err(Refused::ApproverKeyDiffers { .. })));
    let unknown = world.decide("user:9999", 1, Verdict::Approve);
    assert!(matches!(unknown, Err(Refused::ApproverUnregistered { .. })));
    let user: Name = "1042".parse().unwrap();
    let reason = DeactivationReason::Left;
    world.append("user:admin", UserDeactivated { user, reason });
    let gone = world.decide("user:1042", 1, Verdict::Approve);
    assert!(matches!(gone, Err(Refused::ApproverUnregistered { .. })));
}

#[test]
fn a_deadline_ends_both_the_deciding_and_the_acting() {
    let mut world = World::new(1);
    let start = world.now;
    world.now = world.later(7_201);
    let late = world.decide("user:1042", 1, Verdict::Approve);
    assert!(matches!(late, Err(Refused::RequestExpired { .. })));
    let planned = expire(&world.approvals, &actor("service:daicho"), world.now);
    assert_eq!(planned.len(), 1);
    planned.into_iter().for_each(|p| world.take(p.event));
    assert!(expire(&world.approvals, &actor("service:daicho"), world.now).is_empty());
    assert_eq!(world.row().state, State::Expired);

    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    assert_eq!(world.now, start);
    world.now = world.later(7_201);
    let late = world.granted();
    assert!(matches!(late, Err(NotGranted::DeadlinePassed { .. })));
}

#[test]
fn nobody_ends_a_request_early_and_a_clock_set_back_revives_none() {
    let mut world = World::new(1);
    let (approval, deadline) = (id(1), world.later(7_200));
    let over = ApprovalExpired { approval, deadline };
    world.append("service:approvals", over);
    assert_eq!(world.row().state, State::Requested);
    let start = world.now;
    world.now = world.later(7_201);
    let planned = expire(&world.approvals, &actor("service:approvals"), world.now);
    planned.into_iter().for_each(|p| world.take(p.event));
    world.now = start;
    assert_eq!(world.row().state, State::Expired);
    let late = world.decide("user:1042", 1, Verdict::Approve);
    assert!(matches!(late, Err(Refused::RequestExpired { .. })));
}

#[test]
fn an_approval_covers_one_subject_one_digest_and_one_base() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    let (patch, base, now) = (Hash(PATCH), Some(BASE), world.now);
    for (subject, arguments, base) in [
        (id(3), patch, base),
        (id(2), Hash([1; 32]), base),
        (id(2), patch, None),
        (id(2), patch, Some(Hash([1; 32]))),
    ] {
        let other = world
            .approvals
            .is_granted(id(1), subject, arguments, base, now);
        assert!(matches!(other, Err(NotGranted::Differs { .. })));
    }
}

#[test]
fn new_rules_end_what_was_asked_under_the_old_ones() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    let adopted = |digest| PolicyAdopted {
        policy: "approvals".parse().unwrap(),
        digest,
        previous: None,
        approvals: Vec::new(),
        periods: None,
        must_keep: None,
    };
    world.append("user:admin", adopted(POLICY));
    world.granted().unwrap();
    world.append("user:admin", adopted(Hash([1; 32])));
    let old = world.granted();
    assert!(matches!(old, Err(NotGranted::OldPolicy { .. })));
    let asked = request(&world.approvals, id(3), world.asked(1), world.now);
    assert!(matches!(asked, Err(RequestError::PolicyNotInForce { .. })));
}

#[test]
fn a_request_that_leads_nowhere_is_refused() {
    let world = World::new(1);
    for needed in [0, 17] {
        let asked = request(&world.approvals, id(3), world.asked(needed), world.now);
        assert!(matches!(asked, Err(RequestError::ApproversNeeded)));
    }
    let mut late = world.asked(1);
    late.deadline = world.now;
    let late = request(&world.approvals, id(3), late, world.now);
    assert!(matches!(late, Err(RequestError::DeadlinePassed { .. })));
}

#[test]
fn what_is_signed_says_how_many_are_needed_and_for_another_number_counts_nothing() {
    for needed in [1, 2] {
        let mut world = World::new(needed);
        let by = |world: &World, user: &str| {
            let (verdict, now) = (Verdict::Approve, world.now);
            statement(&world.approvals, id(1), &actor(user), verdict, now).unwrap()
        };
        let stated = by(&world, "user:1042");
        let line = format!("\napprovers-needed: {needed}\n");
        assert!(stated.text().ends_with(&line), "{}", stated.text());
        // Signed for another number, it is another statement.
        let (public, signed) = signature::sign(&stated, &key(1).0, None).unwrap();
        let fewer = Statement {
            approvers_needed: needed + 1,
            ..stated.clone()
        };
        let (_, other) = signature::sign(&fewer, &key(1).0, None).unwrap();
        let refused = decide(&world.approvals, fewer, &public, other, world.now);
        assert!(matches!(refused, Err(Refused::StatementDiffers { .. })));
        let planned = decide(&world.approvals, stated, &public, signed, world.now).unwrap();
        world.take(planned.event);
        assert_eq!(world.row().progress(), format!("1 of {needed}"));
        assert_eq!(world.granted().is_ok(), needed == 1);
    }
}

#[test]
fn an_approver_has_one_decision_in_the_log_whichever_way_it_went() {
    let ids = [Verdict::Approve, Verdict::Deny].map(|verdict| {
        let mut world = World::new(1);
        world.decide("user:1042", 1, verdict).unwrap();
        world.events.last().unwrap().1.id
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn rows_name_the_positions_behind_them() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    world.now = world.later(90);
    let row = world.row();
    assert_eq!(row.positions, [4, 5]);
    assert_eq!(row.age_seconds, 90);
    let waiting = world.approvals.rows(Some(State::Requested), world.now);
    assert!(waiting.is_empty());
}

#[test]
fn the_statement_digest_is_that_of_its_text() {
    let stated = statement::tests::statement();
    assert_eq!(stated.sha256(), sha256(stated.text().as_bytes()));
    let empty = StatementFault {
        line: 1,
        expected: "daicho approval v2",
    };
    assert_eq!(Statement::parse(""), Err(empty));
}
