use super::rule::NotGranted;
use super::statement::StatementFault;
use super::view::Row;
use super::*;
use crate::once::sha256;
use proptest::prelude::*;
use schemas::kinds::acting::{ActionReleased, SubjectKind};
use schemas::kinds::ledger::LedgerCreated;
use schemas::kinds::people::{DeactivationReason, UserActivated, UserDeactivated};
use schemas::kinds::rules::PolicyAdopted;
use schemas::{Data, Label, Name};
use signature::SignatureFault;
use std::path::Path;
use std::process::{Command, Stdio};

mod persons;

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

fn ssh_keygen(directory: &Path, arguments: &[&str], input: &str) -> bool {
    use std::io::Write;
    let mut child = Command::new("ssh-keygen")
        .current_dir(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ssh-keygen is installed");
    let mut stdin = child.stdin.take().unwrap();
    // It may have stopped reading; the exit status says what it thought.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait().unwrap().success()
}

#[test]
fn ssh_keygen_verifies_a_decision_and_refuses_a_changed_one() {
    let mut world = World::new(1);
    world.decide("user:1042", 1, Verdict::Approve).unwrap();
    let decision = SignedDecision::of(&world.events.last().unwrap().1.data).unwrap();
    let evidence = decision.evidence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("allowed_signers", &evidence.allowed_signers);
    write("statement.sig", &evidence.signature);
    // The command as it is shown, without the shell's redirection.
    let shown = evidence.command.strip_prefix("ssh-keygen ").unwrap();
    let shown = shown.strip_suffix(" < statement").unwrap();
    let arguments: Vec<&str> = shown.split(' ').collect();
    assert!(ssh_keygen(
        directory.path(),
        &arguments,
        &evidence.statement
    ));
    let changed = evidence
        .statement
        .replace("decision: approve", "decision: deny");
    assert!(!ssh_keygen(directory.path(), &arguments, &changed));
    let foreign = evidence.allowed_signers.replace(NAMESPACE_TEXT, "file");
    write("allowed_signers", &foreign);
    assert!(!ssh_keygen(
        directory.path(),
        &arguments,
        &evidence.statement
    ));
}

const NAMESPACE_TEXT: &str = signature::NAMESPACE;

/// Signs with the real program, as an approver whose key never leaves their own machine.
fn signed_by_ssh_keygen(kind: &[&str], namespace: &str, stated: &Statement) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut make = vec!["-q", "-N", "", "-C", "a comment", "-f", "key", "-t"];
    make.extend(kind);
    assert!(ssh_keygen(directory.path(), &make, ""));
    std::fs::write(directory.path().join("statement"), stated.text()).unwrap();
    let sign = [
        "-Y",
        "sign",
        "-q",
        "-f",
        "key",
        "-n",
        namespace,
        "statement",
    ];
    assert!(ssh_keygen(directory.path(), &sign, ""));
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    (read("key.pub"), read("statement.sig"))
}

#[test]
fn a_signature_of_ssh_keygen_is_accepted() {
    let mut world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let stated = statement(&world.approvals, id(1), &approver, Verdict::Approve, now).unwrap();
    let (public, armoured) = signed_by_ssh_keygen(&["ed25519"], NAMESPACE_TEXT, &stated);
    let public = ApproverKey::parse(&public).unwrap();
    assert!(!public.label().as_str().contains("comment"));
    world.activate("1042", Some(public.label().clone()));
    let signed = signature::from_armour(&armoured).unwrap();
    let round = signature::from_armour(&signature::to_armour(&signed).unwrap()).unwrap();
    assert_eq!(signed, round);
    let planned = decide(&world.approvals, stated, &public, signed, now).unwrap();
    world.take(planned.event);
    world.granted().unwrap();
}

#[test]
fn a_signature_for_another_purpose_or_of_another_kind_of_key_is_refused() {
    let stated = statement::tests::statement();
    let (public, armoured) = signed_by_ssh_keygen(&["ed25519"], "file", &stated);
    let public = ApproverKey::parse(&public).unwrap();
    let signed = signature::from_armour(&armoured).unwrap();
    let fault = signature::verify(&stated, &public, &signed).unwrap_err();
    assert_eq!(fault, SignatureFault::WrongNamespace);

    let kind = ["ecdsa", "-b", "256"];
    let (other_public, armoured) = signed_by_ssh_keygen(&kind, NAMESPACE_TEXT, &stated);
    let fault = ApproverKey::parse(&other_public).unwrap_err();
    assert_eq!(fault, signature::KeyFault::NotEd25519);
    let signed = signature::from_armour(&armoured).unwrap();
    let fault = signature::verify(&stated, &public, &signed).unwrap_err();
    assert_eq!(fault, SignatureFault::NotEd25519);
}

/// What FIDO hardware would have made, by PROTOCOL.u2f: the armoured signature of a touched key.
fn signed_by_hardware(stated: &Statement, flags: u8) -> (ApproverKey, SignatureText) {
    use ed25519_dalek::{Signer, SigningKey};
    let secret = SigningKey::from_bytes(&[7; 32]);
    let public = ssh_key::public::Ed25519PublicKey(secret.verifying_key().to_bytes());
    let data = ssh_key::public::KeyData::SkEd25519(ssh_key::public::SkEd25519::new(public, "ssh:"));
    let text = stated.text();
    let hash = ssh_key::HashAlg::Sha512;
    let message = ssh_key::SshSig::signed_data(NAMESPACE_TEXT, hash, text.as_bytes()).unwrap();
    let said = [flags, 0, 0, 0, 9];
    let signed = [&sha256(b"ssh:").0[..], &said, &sha256(&message).0].concat();
    let raw = [&secret.sign(&signed).to_bytes()[..], &said].concat();
    let raw = ssh_key::Signature::new(ssh_key::Algorithm::SkEd25519, raw).unwrap();
    let line = ssh_key::PublicKey::new(data.clone(), "")
        .to_openssh()
        .unwrap();
    let sig = ssh_key::SshSig::new(data, NAMESPACE_TEXT, hash, raw).unwrap();
    let armoured = sig.to_pem(ssh_key::LineEnding::LF).unwrap();
    let key = ApproverKey::parse(&line).unwrap();
    (key, signature::from_armour(&armoured).unwrap())
}

#[test]
fn a_key_in_hardware_decides_when_touched_and_openssh_agrees() {
    let mut world = World::new(1);
    let (approver, now) = (actor("user:1042"), world.now);
    let stated = statement(&world.approvals, id(1), &approver, Verdict::Approve, now).unwrap();
    let (public, signed) = signed_by_hardware(&stated, 0x01);
    assert!(public.is_hardware());
    world.activate("1042", Some(public.label().clone()));
    let planned = decide(&world.approvals, stated.clone(), &public, signed, now).unwrap();
    world.take(planned.event);
    world.granted().unwrap();

    let decision = SignedDecision::of(&world.events.last().unwrap().1.data).unwrap();
    let evidence = decision.evidence().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("allowed_signers", &evidence.allowed_signers);
    write("statement.sig", &evidence.signature);
    let shown = evidence.command.strip_prefix("ssh-keygen ").unwrap();
    let shown = shown.strip_suffix(" < statement").unwrap();
    let arguments: Vec<&str> = shown.split(' ').collect();
    let judged = |text: &str| ssh_keygen(directory.path(), &arguments, text);
    assert!(judged(&evidence.statement));
    assert!(!judged(&evidence.statement.replace("approve", "deny")));

    let (_, untouched) = signed_by_hardware(&stated, 0x00);
    let fault = signature::verify(&stated, &public, &untouched).unwrap_err();
    assert_eq!(fault, SignatureFault::Untouched);
    // The same point as a plain key is another key.
    let plain = ssh_key::public::Ed25519PublicKey(
        ed25519_dalek::SigningKey::from_bytes(&[7; 32])
            .verifying_key()
            .to_bytes(),
    );
    let plain = ssh_key::PublicKey::new(ssh_key::public::KeyData::Ed25519(plain), "");
    let plain = ApproverKey::parse(&plain.to_openssh().unwrap()).unwrap();
    let (_, touched) = signed_by_hardware(&stated, 0x01);
    let fault = signature::verify(&stated, &plain, &touched).unwrap_err();
    assert_eq!(fault, SignatureFault::OtherKey);
    let mut other = stated;
    other.deadline = Timestamp::from_micros(other.deadline.micros() + 1);
    let fault = signature::verify(&other, &public, &touched).unwrap_err();
    assert_eq!(fault, SignatureFault::Forged);
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let directory = tempfile::tempdir().unwrap();
    let make = [
        "-q",
        "-t",
        "ed25519",
        "-N",
        "open sesame",
        "-a",
        "1",
        "-f",
        "key",
    ];
    assert!(ssh_keygen(directory.path(), &make, ""));
    let file = std::fs::read(directory.path().join("key")).unwrap();
    let stated = statement::tests::statement();
    let sign = |passphrase: Option<&[u8]>| signature::sign(&stated, &file, passphrase);
    use signature::SignError::*;
    assert_eq!(sign(None).unwrap_err(), PassphraseMissing);
    assert_eq!(sign(Some(b"wrong")).unwrap_err(), PassphraseWrong);
    let (public, signed) = sign(Some(b"open sesame")).unwrap();
    signature::verify(&stated, &public, &signed).unwrap();
    let none = signature::sign(&stated, b"no key", None).unwrap_err();
    assert_eq!(none, KeyUnreadable);
}

#[test]
fn a_weak_key_cannot_be_registered() {
    use base64::Engine;
    // The identity point: any signature with S = 0 would fit every message.
    let mut blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20\x01".to_vec();
    blob.extend([0; 31]);
    let text = base64::engine::general_purpose::STANDARD.encode(blob);
    let fault = ApproverKey::parse(&format!("ssh-ed25519 {text}")).unwrap_err();
    assert_eq!(fault, signature::KeyFault::Weak);
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

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(text in ".{0,300}", bytes in any::<Vec<u8>>()) {
        let _ = ApproverKey::parse(&text);
        let _ = ApproverKey::parse(&format!("ssh-ed25519 {text}"));
        let _ = signature::from_armour(&text);
        let stated = statement::tests::statement();
        let _ = signature::sign(&stated, &bytes, None);
        use base64::Engine;
        let mut encoded = b"SSHSIG\x00\x00\x00\x01".to_vec();
        encoded.extend(&bytes);
        let encoded = base64::engine::general_purpose::STANDARD.encode(&encoded);
        if let Some(text) = SignatureText::new(encoded) {
            prop_assert!(signature::verify(&stated, &key(1).1, &text).is_err());
            let _ = signature::to_armour(&text);
        }
    }

    #[test]
    fn a_flipped_bit_of_a_signature_is_refused(bit in 0usize..1_500) {
        use base64::Engine;
        let codec = base64::engine::general_purpose::STANDARD;
        let stated = statement::tests::statement();
        let (public, signed) = signature::sign(&stated, &key(1).0, None).unwrap();
        let mut bytes = codec.decode(signed.as_str()).unwrap();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = SignatureText::new(codec.encode(bytes)).unwrap();
        prop_assert!(signature::verify(&stated, &public, &flipped).is_err());
    }
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
