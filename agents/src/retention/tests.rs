use super::matter::{Decided, HoldAct, HoldTerms, Matter};
use super::plan::{Facts, Stage, Stamped, Step, Trusted};
use super::seen::SeenTime;
use super::*;
use crate::approvals::signature::{self, ApproverKey};
use crate::approvals::statement::Verdict;
use crate::approvals::view::Approvals;
use crate::approvals::{decide, statement};
use ledger::{Buckets, Submission, Tally};
use schemas::kinds::ledger::{CheckpointTimestamped, LedgerCreated};
use schemas::kinds::people::{DeactivationReason, UserActivated, UserDeactivated};
use schemas::kinds::records::{
    HoldPlaced, HoldReleased, HoldScope, RetentionExpired, RetentionExtended, TimeSource,
};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Actor, BucketId, ContentRef, Data, Event, EventId, Hash, Timestamp};

const DAY: i64 = 86_400_000_000;

fn id(n: u64) -> EventId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    EventId::derived(Hash(bytes))
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

/// A log in memory: three approvers, and content of January that is due on the third of March.
struct World {
    buckets: Buckets,
    approvals: Approvals,
    seen: SeenTime,
    policy: RetentionPolicy,
    trusted: Trusted,
    now: Timestamp,
    size: u64,
}

fn bucket() -> BucketId {
    "api/2026-01".parse().unwrap()
}

impl World {
    fn new() -> World {
        let mut world = World {
            buckets: Buckets::default(),
            approvals: Approvals::default(),
            seen: SeenTime::default(),
            policy: RetentionPolicy::default(),
            trusted: Trusted::Log,
            now: "2026-01-10T00:00:00.000000Z".parse().unwrap(),
            size: 0,
        };
        world.fact(LedgerCreated {
            origin: "example.com/daicho".parse().unwrap(),
            vkey: "vkey".parse().unwrap(),
        });
        world.fact(PolicyAdopted {
            policy: "retention".parse().unwrap(),
            digest: Hash([1; 32]),
            previous: None,
            approvals: Vec::new(),
            periods: Some(default_periods()),
            must_keep: None,
        });
        for (user, seed) in [("s002", 2), ("s003", 3), ("s004", 4)] {
            world.fact(UserActivated {
                user: user.parse().unwrap(),
                approver_key: Some(key(seed).1.label().clone()),
            });
        }
        let content = ContentRef {
            name: "request".parse().unwrap(),
            media: "text/plain".parse().unwrap(),
            bucket: bucket(),
            sealed: Hash([7; 32]),
            sealed_bytes: 10,
            plain_bytes: 10,
            subject: None,
        };
        let event = world.event(UserActivated {
            user: "s009".parse().unwrap(),
            approver_key: None,
        });
        world.take(event, &[content]);
        world.turn_to("2026-03-05T00:00:00.000000Z");
        world
    }

    fn event(&self, data: impl Into<Data>) -> Event {
        Event::new(id(self.size), "service:operator".parse().unwrap(), data)
    }

    fn fact(&mut self, data: impl Into<Data>) {
        let event = self.event(data);
        self.take(event, &[]);
    }

    fn take(&mut self, event: Event, content: &[ContentRef]) {
        self.buckets.take(self.size, self.now, &event, content);
        self.approvals.take(self.size, self.now, &event);
        self.seen.take(self.now, &event);
        self.size += 1;
    }

    /// The clock is set, by whomever.
    fn turn_to(&mut self, time: &str) {
        self.now = time.parse().unwrap();
    }

    /// Time passes as it does on a server: an entry every five minutes.
    fn pass(&mut self, days: i64) {
        let end = self.now.micros() + days * DAY;
        while self.now.micros() < end {
            self.now = Timestamp::from_micros(self.now.micros() + 300_000_000);
            let event = self.event(UserDeactivated {
                user: "nobody".parse().unwrap(),
                reason: DeactivationReason::Left,
            });
            self.take(event, &[]);
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            buckets: &self.buckets,
            approvals: &self.approvals,
            seen: &self.seen,
            policy: &self.policy,
            trusted: self.trusted,
            now: self.now,
        }
    }

    fn stage(&self) -> Stage {
        self.facts().rows()[0].state
    }

    fn matter(&self) -> Matter {
        let rule = self.buckets.may_end(&bucket(), self.now).unwrap();
        Matter::end(
            &bucket(),
            rule,
            &tally(),
            self.facts().may_be_asked(&bucket()),
        )
    }

    fn step(&self) -> Step {
        let rule = self.buckets.may_end(&bucket(), self.now).unwrap();
        self.facts().step(&bucket(), rule, &tally())
    }

    fn ask(&mut self, matter: &Matter) -> EventId {
        let deadline = Timestamp::from_micros(self.now.micros() + 60 * DAY);
        let approval = id(1_000_000 + self.size);
        let asked: Submission = matter
            .ask(
                &self.approvals,
                approval,
                "service:retention".parse().unwrap(),
                Hash::ZERO,
                deadline,
                self.now,
            )
            .unwrap();
        self.take(asked.event, &[]);
        approval
    }

    fn decide(&mut self, approval: EventId, user: &str, seed: u8, verdict: Verdict) {
        let user: Actor = format!("user:{user}").parse().unwrap();
        let stated = statement(&self.approvals, approval, &user, verdict, self.now).unwrap();
        let (public, signed) = signature::sign(&stated, &key(seed).0, None).unwrap();
        let planned = decide(&self.approvals, stated, &public, signed, self.now).unwrap();
        self.take(planned.event, &[]);
    }

    fn both_approve(&mut self, approval: EventId) {
        self.decide(approval, "s002", 2, Verdict::Approve);
        self.decide(approval, "s003", 3, Verdict::Approve);
    }

    fn place(&mut self, hold: u64, approvals: Vec<EventId>) {
        self.fact(HoldPlaced {
            hold: id(hold),
            case: "c-1".parse().unwrap(),
            scope: HoldScope::default(),
            buckets: vec![bucket()],
            approvals,
            approvers: Vec::new(),
        });
    }

    fn release(&mut self, hold: u64) {
        self.fact(HoldReleased {
            hold: id(hold),
            case: "c-1".parse().unwrap(),
            approvals: Vec::new(),
            approvers: Vec::new(),
        });
    }
}

fn tally() -> Tally {
    Tally {
        entries: 1,
        contents: 1,
        sealed_bytes: 10,
        content_sha256: Hash([5; 32]),
    }
}

#[test]
fn a_bucket_is_asked_for_signed_for_cooled_and_then_ends() {
    let mut world = World::new();
    world.turn_to("2026-02-20T00:00:00.000000Z");
    assert_eq!(world.stage(), Stage::Kept);
    world.turn_to("2026-03-05T00:00:00.000000Z");
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
    let approval = world.ask(&world.matter());
    assert_eq!((world.stage(), world.step()), (Stage::Asked, Step::Wait));
    world.pass(31);
    assert_eq!(world.step(), Step::Wait, "nobody has signed");
    world.decide(approval, "s002", 2, Verdict::Approve);
    assert_eq!(world.step(), Step::Wait, "one is not two");
    world.decide(approval, "s003", 3, Verdict::Approve);
    assert_eq!(world.stage(), Stage::Ready);
    let Step::End {
        approval: by,
        approvers,
        time,
        token,
    } = world.step()
    else {
        panic!("{:?}", world.step());
    };
    assert_eq!((by, time, token), (approval, TimeSource::Log, None));
    assert_eq!(approvers.len(), 2);
    // Once: an approval that was used is none for anything else.
    world.fact(RetentionExpired {
        bucket: bucket(),
        due: world.now,
        period: "P30D".parse().unwrap(),
        entries: 1,
        contents: 1,
        sealed_bytes: 10,
        content_sha256: Hash([5; 32]),
        method: "key-destroyed".parse().unwrap(),
        time,
        token,
        approvals: vec![approval],
        approvers,
    });
    assert_eq!(world.stage(), Stage::Ended);
    let used = world.approvals.find(approval).unwrap().used;
    assert_eq!(used, Some(world.size - 1));
}

#[test]
fn a_clock_set_forward_alone_ends_nothing() {
    let mut world = World::new();
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    assert_eq!((world.stage(), world.step()), (Stage::Cooling, Step::Wait));
    // Past the cooling time and before the deadline, with entries behind the jump.
    world.turn_to("2026-04-10T00:00:00.000000Z");
    assert_eq!((world.stage(), world.step()), (Stage::Cooling, Step::Wait));
    world.pass(1);
    assert_eq!((world.stage(), world.step()), (Stage::Cooling, Step::Wait));
    world.pass(17);
    assert_eq!(world.step(), Step::Wait, "eighteen days were seen");
}

#[test]
fn where_an_authority_is_configured_its_word_counts_and_no_other() {
    let mut world = World::new();
    world.trusted = Trusted::Authority(None);
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    world.pass(31);
    assert_eq!(world.step(), Step::Wait, "it has said nothing");
    let stamped = |world: &World, days: i64| Stamped {
        time: Timestamp::from_micros(world.now.micros() - days * DAY),
        token: Hash([9; 32]),
    };
    world.trusted = Trusted::Authority(Some(stamped(&world, 2)));
    assert_eq!(world.step(), Step::Wait, "before the cooling time was over");
    world.trusted = Trusted::Authority(Some(stamped(&world, 0)));
    let Step::End { time, token, .. } = world.step() else {
        panic!("{:?}", world.step());
    };
    assert_eq!((time, token), (TimeSource::Authority, Some(Hash([9; 32]))));
}

#[test]
fn who_has_left_has_not_signed_and_a_denial_stands() {
    let mut world = World::new();
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    world.pass(31);
    assert_eq!(world.stage(), Stage::Ready);
    world.fact(UserDeactivated {
        user: "s003".parse().unwrap(),
        reason: DeactivationReason::Left,
    });
    assert_eq!((world.stage(), world.step()), (Stage::Asked, Step::Wait));
    world.decide(approval, "s004", 4, Verdict::Deny);
    assert_eq!((world.stage(), world.step()), (Stage::Denied, Step::Wait));
    // It is asked anew when the request is over.
    world.turn_to("2026-06-05T00:00:00.000000Z");
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
}

#[test]
fn nobody_agrees_to_an_end_before_it_is_due() {
    let mut world = World::new();
    let matter = world.matter();
    world.turn_to("2026-02-20T00:00:00.000000Z");
    let approval = world.ask(&matter);
    world.both_approve(approval);
    world.pass(31);
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
    // Nor to one that was put off since.
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    let (bucket, period) = (bucket(), "P60D".parse().unwrap());
    let due = ledger::buckets::due(&bucket, period);
    world.fact(RetentionExtended {
        bucket,
        period,
        due,
    });
    world.pass(31);
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
}

#[test]
fn an_approval_is_for_exactly_what_the_bucket_holds() {
    let mut world = World::new();
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    world.pass(31);
    let rule = world.buckets.may_end(&bucket(), world.now).unwrap();
    let more = Tally {
        entries: 2,
        ..tally()
    };
    assert_eq!(world.facts().step(&bucket(), rule, &more), Step::Ask);
    let (period, due) = rule;
    let other = (period, Timestamp::from_micros(due.micros() + 1));
    assert_eq!(world.facts().step(&bucket(), other, &tally()), Step::Ask);
}

#[test]
fn whoever_agreed_before_a_hold_is_asked_again_after_it() {
    let mut world = World::new();
    let approval = world.ask(&world.matter());
    world.both_approve(approval);
    world.pass(31);
    assert_eq!(world.stage(), Stage::Ready);
    world.place(900, Vec::new());
    assert_eq!(world.stage(), Stage::Held);
    assert_eq!(world.facts().rows()[0].held_by[0].hold, id(900));
    world.pass(1);
    world.release(900);
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
}

#[test]
fn a_log_that_was_once_stamped_says_so() {
    let mut world = World::new();
    assert!(!world.seen.was_stamped());
    world.fact(CheckpointTimestamped {
        size: 1,
        token: Hash([9; 32]),
        time: world.now,
    });
    world.pass(1);
    assert!(world.seen.was_stamped());
}

#[test]
fn two_people_are_asked_whatever_the_request_says() {
    let mut world = World::new();
    let matter = world.matter();
    let approval = id(77);
    let mut asked = matter
        .ask(
            &world.approvals,
            approval,
            "service:retention".parse().unwrap(),
            Hash::ZERO,
            Timestamp::from_micros(world.now.micros() + 60 * DAY),
            world.now,
        )
        .unwrap();
    if let Data::ApprovalRequested(request) = &mut asked.event.data {
        request.approvers_needed = 1;
    }
    world.take(asked.event, &[]);
    world.decide(approval, "s002", 2, Verdict::Approve);
    world.pass(31);
    assert_eq!((world.stage(), world.step()), (Stage::Due, Step::Ask));
}

#[test]
fn a_hold_is_placed_on_two_signatures_for_its_terms_once() {
    let mut world = World::new();
    let terms = HoldTerms {
        act: HoldAct::Place,
        hold: id(900),
        case: "c-1".parse().unwrap(),
        scope: HoldScope {
            bucket: Some(bucket()),
            ..HoldScope::default()
        },
        reason: "訴訟".to_owned(),
    };
    let matter = Matter::hold(&terms);
    let decided = |world: &World, matter: &Matter| match matter.decided(&world.approvals, world.now)
    {
        Decided::NotAsked => "not asked",
        Decided::Waiting(_) => "waiting",
        Decided::Granted(_) => "granted",
        Decided::Denied(_) => "denied",
    };
    assert_eq!(decided(&world, &matter), "not asked");
    let approval = world.ask(&matter);
    world.decide(approval, "s002", 2, Verdict::Approve);
    assert_eq!(decided(&world, &matter), "waiting");
    world.decide(approval, "s003", 3, Verdict::Approve);
    assert_eq!(decided(&world, &matter), "granted");
    // Nobody came to do it before the deadline: what keeps content is not late.
    let granted = |world: &World| {
        let asked = world.approvals.find(approval).unwrap();
        matter.is_granted_by(asked, world.now)
    };
    assert!(granted(&world));
    let today = world.now;
    world.turn_to("2026-09-01T00:00:00.000000Z");
    assert_eq!(decided(&world, &matter), "not asked");
    assert!(granted(&world));
    world.now = today;
    // Signed for a placement, it releases nothing.
    let release = HoldTerms {
        act: HoldAct::Release,
        ..terms
    };
    assert_eq!(decided(&world, &Matter::hold(&release)), "not asked");
    world.place(900, vec![approval]);
    assert_eq!(decided(&world, &matter), "not asked", "it was used");
    assert!(!granted(&world));
}

#[test]
fn rules_that_cannot_be_used_or_leave_content_without_one_are_refused() {
    let world = World::new();
    let mut policy = RetentionPolicy::default();
    assert_eq!(policy.check(), Ok(()));
    assert_eq!(policy.may_follow(&world.buckets), Ok(()));
    policy.periods.remove(&"api".parse::<Class>().unwrap());
    let class: Class = "api".parse().unwrap();
    let in_use = PolicyFault::ClassInUse { class };
    assert_eq!(policy.may_follow(&world.buckets), Err(in_use));
    policy.periods.remove(&"network".parse::<Class>().unwrap());
    policy.cooling = Period::Forever;
    assert_eq!(policy.check(), Err(PolicyFault::CoolingForever));
}

#[test]
fn settings_are_read_with_classes_of_their_own() {
    let text = "cooling = 'P14D'\napi = 'P1Y'\nmail = 'P6M'\n";
    let policy: RetentionPolicy = toml::from_str(text).unwrap();
    assert_eq!(policy.cooling, "P14D".parse().unwrap());
    let mail: Class = "mail".parse().unwrap();
    assert_eq!(policy.periods[&mail], "P6M".parse().unwrap());
    let json = serde_json::to_string(&policy).unwrap();
    let back: RetentionPolicy = serde_json::from_str(&json).unwrap();
    assert_eq!(back, policy);
    for wrong in [
        "api = 'P0D'",
        "api = '1 year'",
        "api = 'P1Y'\napi = 'P2Y'",
        "Mail = 'P1Y'",
    ] {
        assert!(toml::from_str::<RetentionPolicy>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_changes_who_agrees_or_asks_for_a_hold_is_looked_at_again_and_nothing_else() {
    let shaken_by = matter::agreed(0).shaken_by;
    let parsed =
        |kind: &str, data: serde_json::Value| Data::parse(kind, &data.to_string()).unwrap();
    let asked = |kind: &str| {
        let hash = "ab".repeat(32);
        let id = "019ab000-0000-7000-8000-000000000001";
        let data = serde_json::json!({
            "approval": id, "subject": { "kind": kind, "id": id }, "arguments_sha256": hash,
            "requester": "user:s001", "policy": hash, "deadline": "2027-01-01T00:00:00.000000Z",
            "approvers_needed": 2,
        });
        parsed("approval.requested", data)
    };
    let left = serde_json::json!({ "user": "s002", "reason": "left" });
    assert!(shaken_by(&parsed("user.deactivated", left)));
    let key = serde_json::json!({ "user": "s002" });
    assert!(shaken_by(&parsed("user.activated", key)));
    assert!(shaken_by(&asked("hold")));
    assert!(!shaken_by(&asked("action")));
    let drill = serde_json::json!({ "drill": "restore", "passed": true, "duration_seconds": 5 });
    assert!(!shaken_by(&parsed("drill.completed", drill)));
}
