mod files;
mod grants;
mod interrupted;

use super::*;
use crate::approvals::statement::Verdict;
use crate::approvals::{self, signature, view};
use crate::scanner::patch::{Proposal, ProposeError, Terms, follow_decisions, propose};
use schemas::kinds::ledger::LedgerCreated;
use schemas::kinds::people::UserActivated;
use schemas::kinds::scanner::{Confidence, FindingReported, PatchApplied, Severity};
use schemas::{Data, Label};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A project in a directory, a log in memory.
struct World {
    directory: TempDir,
    findings: Findings,
    approvals: Approvals,
    ids: Vec<EventId>,
    now: Timestamp,
}

const FINDING: u8 = 1;
const OLD: &[(&str, &str)] = &[
    ("a.py", "one\ntwo\n"),
    ("sub/b.py", "x = eval(y)\n"),
    ("gone.py", "bye\n"),
];
const NEW: &[(&str, &str)] = &[
    ("a.py", "one\n2\n"),
    ("sub/b.py", "x = int(y)\n"),
    ("fresh/dir/c.py", "new\n"),
];
/// Modifies two files, deletes one and creates one.
const DIFF: &str = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n\
                    --- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-bye\n\
                    --- a/sub/b.py\n+++ b/sub/b.py\n@@ -1 +1 @@\n-x = eval(y)\n+x = int(y)\n\
                    --- /dev/null\n+++ b/fresh/dir/c.py\n@@ -0,0 +1 @@\n+new\n";

fn id(n: u8) -> EventId {
    EventId::derived(Hash([n; 32]))
}

fn actor(text: &str) -> Actor {
    text.parse().unwrap()
}

fn key() -> (Vec<u8>, Label) {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[1; 32]);
    let key = ssh_key::PrivateKey::from(pair);
    let file = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    (file.as_bytes().to_vec(), public.parse().unwrap())
}

impl World {
    fn new() -> World {
        let mut world = World {
            directory: TempDir::new().unwrap(),
            findings: Findings::default(),
            approvals: Approvals::default(),
            ids: Vec::new(),
            now: "2026-11-22T00:00:00.000000Z".parse().unwrap(),
        };
        for (path, text) in OLD {
            world.write(path, text);
        }
        let origin = Label::lossy("ledger.example/main");
        let vkey = origin.clone();
        world.append(200, LedgerCreated { origin, vkey });
        let (user, approver_key) = ("1042".parse().unwrap(), Some(key().1));
        world.append(201, UserActivated { user, approver_key });
        let reported = FindingReported {
            finding: id(FINDING),
            scan: id(0),
            project: "shop".parse().unwrap(),
            scanner: Label::lossy("T"),
            rule: Label::lossy("R1"),
            path: Label::lossy("sub/b.py"),
            line: Some(1),
            cwe: Vec::new(),
            severity: Severity::High,
            confidence: Confidence::High,
            fingerprint: Hash([FINDING; 32]),
        };
        world.append(FINDING, reported);
        world
    }

    fn tree(&self) -> Tree {
        Tree::open(self.directory.path()).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.directory.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    /// Every file of the project with its text.
    fn files(&self) -> Vec<(String, String)> {
        fn walk(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) {
            for found in fs::read_dir(directory).unwrap() {
                let path = found.unwrap().path();
                if path.is_dir() {
                    walk(root, &path, files);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                    files.push((name.to_owned(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut files = Vec::new();
        walk(self.directory.path(), self.directory.path(), &mut files);
        files.sort();
        files
    }

    #[track_caller]
    fn holds(&self, expected: &[(&str, &str)]) {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let mut expected: Vec<(String, String)> = expected.iter().map(owned).collect();
        expected.sort();
        assert_eq!(self.files(), expected);
    }

    fn append(&mut self, n: u8, data: impl Into<Data>) {
        self.take(Event::new(id(n), actor("service:test"), data));
    }

    fn take(&mut self, event: Event) -> u64 {
        assert!(!self.ids.contains(&event.id), "an id was used twice");
        let seq = self.ids.len() as u64;
        self.findings.take(seq, self.now, &event);
        self.approvals.take(seq, self.now, &event);
        self.ids.push(event.id);
        seq
    }

    fn terms(&self, proposer: &str) -> Terms {
        Terms {
            proposer: actor(proposer),
            policy: Hash([9; 32]),
            deadline: Timestamp::from_micros(self.now.micros() + 3_600_000_000),
            approvers_needed: 1,
        }
    }

    fn plan(&self, diff: &str, first_id: u8) -> Result<Proposal, ProposeError> {
        let mut next = first_id;
        let mut new_id = || {
            next += 1;
            id(next)
        };
        let (findings, approvals) = (&self.findings, &self.approvals);
        let terms = self.terms("agent:fixer");
        propose(
            id(FINDING),
            diff.as_bytes(),
            &self.tree(),
            terms,
            findings,
            approvals,
            &mut new_id,
            self.now,
        )
    }

    fn propose(&mut self, diff: &str, first_id: u8) -> EventId {
        let proposal = self.plan(diff, first_id).unwrap();
        for submission in proposal.submissions {
            self.take(submission.event);
        }
        proposal.approval
    }

    fn decide(&mut self, approval: EventId, verdict: Verdict) {
        let approver = actor("user:1042");
        let (now, approvals) = (self.now, &self.approvals);
        let stated = approvals::statement(approvals, approval, &approver, verdict, now).unwrap();
        let (public, signed) = signature::sign(&stated, &key().0, None).unwrap();
        let planned = approvals::decide(approvals, stated, &public, signed, now).unwrap();
        self.take(planned.event);
    }

    fn approved(&mut self, diff: &str) -> EventId {
        let approval = self.propose(diff, 10);
        self.decide(approval, Verdict::Approve);
        approval
    }

    fn apply(&mut self, approval: EventId) -> Result<Outcome, ApplyError> {
        self.apply_with(approval, |_| Ok(()))
    }

    /// `between` runs when the claim is durable and nothing is replaced yet.
    fn apply_with(
        &mut self,
        approval: EventId,
        between: impl FnOnce(&Path) -> Result<(), AppendError>,
    ) -> Result<Outcome, ApplyError> {
        let tree = self.tree();
        let request = ApplyRequest {
            approval,
            diff: DIFF.as_bytes(),
            tree: &tree,
            findings: &self.findings,
            approvals: &self.approvals,
            actor: &actor("user:1042"),
            now: self.now,
        };
        let mut claimed = None;
        let (seq, now, root) = (self.ids.len() as u64, self.now, self.directory.path());
        let outcome = apply(&request, |submission| {
            let id = submission.event.id;
            let recorded = between(root);
            if !matches!(recorded, Err(AppendError::Conflict { .. })) {
                claimed = Some(submission.event);
            }
            recorded?;
            Ok(Receipt {
                seq,
                id,
                leaf: Hash::ZERO,
                at: now,
                new: true,
            })
        });
        if let Some(event) = claimed {
            self.take(event);
        }
        outcome
    }
}
