//! A finding's whole way through a real ledger: reported by a scanner, patched by an agent,
//! approved by a person, applied once. Every projection is rebuilt and compared at the end.
#![allow(clippy::unwrap_used)]

use agents::approvals::statement::{SignedDecision, Verdict};
use agents::approvals::view::{Approvals, State};
use agents::approvals::{decide, signature, statement};
use agents::scanner::findings::{Filter, Findings, PatchState};
use agents::scanner::patch::apply::{ApplyError, ApplyRequest, Outcome, apply};
use agents::scanner::patch::tree::Tree;
use agents::scanner::patch::{Terms, propose};
use agents::scanner::sarif::Sarif;
use agents::scanner::scan::{ScanOptions, ScanSummary, plan_scan};
use ledger::clock::Clock;
use ledger::{AppendError, Appender, Index, Options, Reader, Submission, View};
use schemas::kinds::people::UserActivated;
use schemas::kinds::scanner::Severity;
use schemas::{Actor, Event, EventId, Hash, Label, Timestamp};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

const SARIF: &[u8] = include_bytes!("fixtures/vulnerable.sarif");
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vulnerable");
const DIFF: &str = "--- a/shop/settings.py
+++ b/shop/settings.py
@@ -12,2 +12,2 @@
 def evaluate(rule: str, order):
-    return eval(rule, {\"order\": order})
+    return order.matches(rule)
";

/// A clock that moves on by a second at each look.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::SeqCst))
    }
}

fn clock() -> Arc<Ticking> {
    let start: Timestamp = "2026-11-22T00:00:00.000000Z".parse().unwrap();
    Arc::new(Ticking(AtomicI64::new(start.micros())))
}

fn actor(text: &str) -> Actor {
    text.parse().unwrap()
}

/// A ledger with its projections, and a copy of the vulnerable project.
struct World {
    data: TempDir,
    project: TempDir,
    appender: Appender,
    reader: Reader,
    index: Index,
    findings: View<Findings>,
    approvals: View<Approvals>,
    key: ssh_key::PrivateKey,
}

impl World {
    fn new() -> World {
        let (data, project, clock) = (TempDir::new().unwrap(), TempDir::new().unwrap(), clock());
        copy(Path::new(PROJECT), project.path());
        ledger::create(data.path(), "example.com/daicho", &*clock).unwrap();
        let options = Options {
            clock: clock.clone(),
            file_bytes: 8_000,
            ..Options::default()
        };
        let (appender, reader) = ledger::open(data.path(), options).unwrap();
        let mut index = Index::in_memory(reader.clone());
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&[1; 32]);
        let world = World {
            findings: index.add(),
            approvals: index.add(),
            data,
            project,
            appender,
            reader,
            index,
            key: pair.into(),
        };
        let public = world.key.public_key().to_openssh().unwrap();
        let activated = UserActivated {
            user: "1042".parse().unwrap(),
            approver_key: Some(public.parse().unwrap()),
        };
        let id = world.appender.new_id();
        let activated = Event::new(id, actor("user:admin"), activated);
        world.append(vec![activated.into()]).unwrap();
        world
    }

    fn append(&self, batch: Vec<Submission>) -> Result<(), AppendError> {
        let appended = self.appender.append(batch).map(|_| ());
        self.index.catch_up().unwrap();
        appended
    }

    fn planned_scan(&self) -> (Vec<Submission>, ScanSummary) {
        let sarif = Sarif::parse(SARIF, None).unwrap();
        let options = ScanOptions {
            actor: &actor("service:scanner"),
            project: &"shop".parse().unwrap(),
            whole_project: false,
            is_removed: &|_| false,
        };
        let mut new_id = || self.appender.new_id();
        let plan = |findings: &Findings| plan_scan(&sarif, findings, &options, &mut new_id);
        let mut plan = self.findings.read(plan);
        (plan.submissions, plan.summaries.remove(0))
    }

    fn scan(&self) -> ScanSummary {
        let (submissions, summary) = self.planned_scan();
        self.append(submissions).unwrap();
        summary
    }

    fn finding_of(&self, rule: &str) -> EventId {
        self.findings.read(|findings| {
            let mut all = findings.all();
            all.find(|f| f.rule.as_str() == rule).unwrap().finding
        })
    }

    fn propose(&self) -> EventId {
        let now = self.appender.now();
        let terms = Terms {
            proposer: actor("agent:fixer"),
            policy: Hash([9; 32]),
            deadline: Timestamp::from_micros(now.micros() + 3_600_000_000),
            approvers_needed: 1,
        };
        let tree = Tree::open(self.project.path()).unwrap();
        let finding = self.finding_of("B307");
        let mut new_id = || self.appender.new_id();
        let proposal = self.findings.read(|findings| {
            self.approvals.read(|approvals| {
                let diff = DIFF.as_bytes();
                let new_id = &mut new_id;
                propose(
                    finding, diff, &tree, terms, findings, approvals, new_id, now,
                )
            })
        });
        let proposal = proposal.unwrap();
        self.append(proposal.submissions).unwrap();
        proposal.approval
    }

    fn decision(&self, approval: EventId, verdict: Verdict) -> Submission {
        let (approver, now) = (actor("user:1042"), self.appender.now());
        let file = self.key.to_openssh(ssh_key::LineEnding::LF).unwrap();
        self.approvals.read(|approvals| {
            let stated = statement(approvals, approval, &approver, verdict, now).unwrap();
            let (public, signed) = signature::sign(&stated, file.as_bytes(), None).unwrap();
            decide(approvals, stated, &public, signed, now).unwrap()
        })
    }

    fn apply(&self, approval: EventId) -> Result<Outcome, ApplyError> {
        let tree = Tree::open(self.project.path()).unwrap();
        // The bytes that the log keeps, not those that somebody has at hand.
        let seq = self.findings.read(|findings| {
            let patch = findings.patches().next().unwrap();
            patch.positions[0]
        });
        let entry = self.reader.entry(seq).unwrap();
        let diff = self.reader.content(&entry.content()[0]).unwrap();
        let outcome = self.findings.read(|findings| {
            self.approvals.read(|approvals| {
                let request = ApplyRequest {
                    approval,
                    diff: &diff,
                    tree: &tree,
                    findings,
                    approvals,
                    actor: &actor("user:1042"),
                    now: self.appender.now(),
                };
                apply(&request, |submission| {
                    let receipts = self.appender.append(vec![submission])?;
                    Ok(receipts[0])
                })
            })
        });
        self.index.catch_up().unwrap();
        outcome
    }

    fn settings(&self) -> String {
        fs::read_to_string(self.project.path().join("shop/settings.py")).unwrap()
    }
}

impl Drop for World {
    /// After every test: a rebuild from the log gives the state that was live.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut rebuilt = Index::in_memory(self.reader.clone());
        let _: (View<Findings>, View<Approvals>) = (rebuilt.add(), rebuilt.add());
        rebuilt.catch_up().unwrap();
        assert_eq!(rebuilt.digests().unwrap(), self.index.digests().unwrap());
    }
}

fn copy(from: &Path, to: &Path) {
    for found in fs::read_dir(from).unwrap() {
        let path = found.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

#[test]
fn a_finding_is_reported_patched_approved_and_its_patch_applied_once() {
    let world = World::new();
    assert_eq!(world.scan().completed.reported, 9);
    assert_eq!(world.scan().completed.known, 9);
    let high = Filter {
        min_severity: Some(Severity::High),
        ..Filter::default()
    };
    let now = world.appender.now();
    let rows = world.findings.read(|findings| findings.rows(&high, now));
    assert_eq!(rows.len(), 2);
    let report = world.reader.entry(rows[0].positions[0]).unwrap();
    let message = world.reader.content(&report.content()[0]).unwrap();
    assert!(
        std::str::from_utf8(&message)
            .unwrap()
            .contains("shell=True")
    );

    let approval = world.propose();
    assert!(matches!(
        world.apply(approval),
        Err(ApplyError::NotGranted(_))
    ));
    let granted = world.decision(approval, Verdict::Approve);
    world.append(vec![granted]).unwrap();
    let waiting = |approvals: &Approvals| approvals.rows(Some(State::Granted), now).len();
    assert_eq!(world.approvals.read(waiting), 1);

    let outcome = world.apply(approval).unwrap();
    assert!(world.settings().contains("order.matches(rule)"));
    let entry = world.reader.entry(outcome.seq).unwrap();
    assert_eq!(entry.kind(), "patch.applied");
    assert!(matches!(
        world.apply(approval),
        Err(ApplyError::AppliedAlready { .. })
    ));
    let state = |findings: &Findings| findings.patches().next().unwrap().state;
    assert_eq!(world.findings.read(state), PatchState::Applied);
}

#[test]
fn of_two_decisions_that_race_the_log_takes_one() {
    let world = World::new();
    world.scan();
    let approval = world.propose();
    let both = [Verdict::Deny, Verdict::Approve].map(|v| world.decision(approval, v));
    let [first, second] = both;
    world.append(vec![first]).unwrap();
    let late = world.append(vec![second]);
    assert!(matches!(late, Err(AppendError::Conflict { .. })));
    assert!(matches!(
        world.apply(approval),
        Err(ApplyError::NotGranted(_))
    ));
}

#[test]
fn of_two_scans_that_race_the_log_takes_one_and_the_other_plans_again() {
    let world = World::new();
    let (first, second) = (world.planned_scan().0, world.planned_scan().0);
    world.append(first).unwrap();
    let late = world.append(second);
    assert!(matches!(late, Err(AppendError::Conflict { .. })));
    let again = world.scan().completed;
    assert_eq!((again.reported, again.known), (0, 9));
}

#[test]
fn the_decision_can_be_checked_from_the_entry_alone() {
    let world = World::new();
    world.scan();
    let approval = world.propose();
    let granted = world.decision(approval, Verdict::Approve);
    world.append(vec![granted]).unwrap();
    let last = world.reader.entry(world.reader.size() - 1).unwrap();
    // Nothing but the body's bytes.
    let body = schemas::Envelope::from_body(last.body()).unwrap();
    let decision = SignedDecision::of(&body.event.data).unwrap();
    decision.verify().unwrap();
    let statement = decision.evidence().unwrap().statement;
    assert!(statement.starts_with("daicho approval v2\norigin: example.com/daicho\n"));
}

#[test]
fn the_state_survives_a_restart() {
    let world = World::new();
    world.scan();
    let approval = world.propose();
    let granted = world.decision(approval, Verdict::Approve);
    world.append(vec![granted]).unwrap();
    world.apply(approval).unwrap();
    let digests = world.index.digests().unwrap();
    let origin = Label::lossy("example.com/daicho");

    // A reader of its own, as another process has it, and an index on disk.
    let reader = Reader::open(world.data.path()).unwrap();
    let mut index = Index::open(reader.clone()).unwrap();
    let approvals: View<Approvals> = index.add();
    let findings: View<Findings> = index.add();
    index.catch_up().unwrap();
    index.save().unwrap();
    drop(index);
    let mut index = Index::open(reader).unwrap();
    let _: View<Findings> = index.add();
    let _: View<Approvals> = index.add();
    assert_eq!(index.digests().unwrap(), digests);
    assert_eq!(approvals.read(|a| a.origin().cloned()), Some(origin));
    assert_eq!(findings.read(|f| f.all().count()), 9);
}
