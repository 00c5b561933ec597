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
fn a_claim_that_the_log_refuses_changes_nothing() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let conflict = world.apply_with(approval, |_| {
        Err(AppendError::Conflict { id: id(1), seq: 3 })
    });
    assert!(matches!(conflict, Err(ApplyError::NotRecorded(_))));
    world.holds(OLD);
}

#[test]
fn a_claim_in_doubt_is_settled_by_the_log_at_the_next_run() {
    let stopped = |_: &Path| {
        let cause = Arc::from("test");
        Err(AppendError::Stopped { cause })
    };
    // It was durable after all: the next run finishes it under the same claim.
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let first = world.apply_with(approval, stopped);
    assert!(matches!(first, Err(ApplyError::NotRecorded(_))));
    let outcome = world.apply(approval).unwrap();
    assert!(outcome.finished_earlier_run);
    world.holds(NEW);
}

/// A crash after each number of replaced files.
#[test]
fn an_interrupted_run_is_finished_by_the_next_one_without_a_second_claim() {
    for replaced in 0..=4 {
        let mut world = World::new();
        let approval = world.approved(DIFF);
        let tree = world.tree();
        let worked_out = tree
            .work_out(&Diff::parse(DIFF.as_bytes()).unwrap())
            .unwrap();
        let result_sha256 = worked_out.result_sha256();
        let contents = worked_out.contents.clone();
        let journal = Journal::write(&tree, approval, worked_out).unwrap();
        let patch = world.findings.patches().next().unwrap().clone();
        let applied = PatchApplied {
            patch: patch.patch,
            approval,
            patch_sha256: patch.patch_sha256,
            base_sha256: patch.base_sha256,
            result_sha256,
        };
        world.append(90, applied);
        for (index, file) in journal.files.iter().enumerate().take(replaced) {
            let place = world.directory.path().join(file.path.as_str());
            match &contents[index] {
                Some(_) => {
                    fs::create_dir_all(place.parent().unwrap()).unwrap();
                    let prepared = format!(".daicho-apply/new-{index}");
                    fs::rename(world.directory.path().join(prepared), place).unwrap();
                }
                None => fs::remove_file(place).unwrap(),
            }
        }
        // The deadline and new rules do not stop what was claimed in time.
        world.now = Timestamp::from_micros(world.now.micros() + 7_200_000_000);
        let outcome = world.apply(approval).unwrap();
        assert!(outcome.finished_earlier_run);
        world.holds(NEW);
        let again = world.apply(approval);
        assert!(matches!(again, Err(ApplyError::AppliedAlready { .. })));
    }
}

#[test]
fn a_failure_in_the_middle_takes_everything_back_and_can_be_repeated() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let mut kept = Vec::new();
    let failed = world.apply_with(approval, |root| {
        // The last file's new content is lost when the first three are replaced.
        let prepared = root.join(".daicho-apply/new-3");
        kept = fs::read(&prepared).unwrap();
        fs::remove_file(prepared).unwrap();
        Ok(())
    });
    assert!(matches!(
        failed,
        Err(ApplyError::Replace { undone: true, .. })
    ));
    let of_project = |files: Vec<(String, String)>| -> Vec<String> {
        let own = |(path, text): &(String, String)| {
            let staged = path.starts_with(".daicho-apply");
            (!staged).then(|| format!("{path} {text}"))
        };
        files.iter().filter_map(own).collect()
    };
    let old = of_project(World::new().files());
    assert_eq!(of_project(world.files()), old);
    assert!(!world.directory.path().join("fresh").exists());

    let lost = world.directory.path().join(".daicho-apply/new-3");
    fs::write(lost, kept).unwrap();
    let outcome = world.apply(approval).unwrap();
    assert!(outcome.finished_earlier_run);
    world.holds(NEW);
}

#[test]
fn a_file_that_changes_under_the_patch_keeps_its_change() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let changed = world.apply_with(approval, |root| {
        fs::write(root.join("sub/b.py"), "mine\n").unwrap();
        Ok(())
    });
    let expected = matches!(
        changed,
        Err(ApplyError::ChangedMeanwhile { undone: true, .. })
    );
    assert!(expected);
    let text = |path: &str| fs::read_to_string(world.directory.path().join(path)).unwrap();
    assert_eq!(text("a.py"), "one\ntwo\n");
    assert_eq!(text("sub/b.py"), "mine\n");
    world.write("sub/b.py", "x = eval(y)\n");
    world.apply(approval).unwrap();
    world.holds(NEW);
}

#[test]
fn a_forged_journal_or_claim_writes_nothing() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let failed = world.apply_with(approval, |root| {
        let journal = root.join(".daicho-apply/journal");
        let text = fs::read_to_string(&journal).unwrap();
        // Another content, with its own digest.
        let (new, evil) = (root.join(".daicho-apply/new-0"), b"evil\n");
        fs::write(new, evil).unwrap();
        let line = text.lines().nth(2).unwrap();
        let was = line.split(' ').nth(2).unwrap();
        let text = text.replace(was, &sha256(evil).to_string());
        fs::write(journal, text).unwrap();
        let cause = Arc::from("test");
        Err(AppendError::Stopped { cause })
    });
    assert!(matches!(failed, Err(ApplyError::NotRecorded(_))));
    let forged = world.apply(approval);
    assert!(matches!(forged, Err(ApplyError::JournalDiffers)));

    // A claim without a grant.
    let mut world = World::new();
    let approval = world.propose(DIFF, 10);
    let tree = world.tree();
    let worked_out = tree
        .work_out(&Diff::parse(DIFF.as_bytes()).unwrap())
        .unwrap();
    let result_sha256 = worked_out.result_sha256();
    Journal::write(&tree, approval, worked_out).unwrap();
    let patch = world.findings.patches().next().unwrap().clone();
    let applied = PatchApplied {
        patch: patch.patch,
        approval,
        patch_sha256: patch.patch_sha256,
        base_sha256: patch.base_sha256,
        result_sha256,
    };
    world.append(90, applied);
    let bare = world.apply(approval);
    assert!(matches!(bare, Err(ApplyError::NotGranted(_))));
    world.decide(approval, Verdict::Approve);
    let late = world.apply(approval);
    let expected = matches!(late, Err(ApplyError::ClaimedBeforeGranted { .. }));
    assert!(expected);
}

#[test]
#[cfg(unix)]
fn one_run_at_a_time_and_unfinished_ones_first() {
    let mut world = World::new();
    let approval = world.approved(DIFF);
    let held = fs::File::open(world.directory.path()).unwrap();
    held.try_lock().unwrap();
    assert!(matches!(world.apply(approval), Err(ApplyError::Busy)));
    drop(held);

    let second = world.propose(DIFF, 20);
    world.decide(second, Verdict::Approve);
    let stopped = world.apply_with(approval, |_| {
        let cause = Arc::from("test");
        Err(AppendError::Stopped { cause })
    });
    assert!(stopped.is_err());
    let other = world.apply(second);
    assert!(matches!(other, Err(ApplyError::Unfinished { approval: a }) if a == approval));
    world.apply(approval).unwrap();
    let moved = world.apply(second);
    assert!(matches!(moved, Err(ApplyError::BaseMoved { .. })));
}

#[test]
fn a_patch_that_does_not_apply_or_changes_nothing_is_not_proposed() {
    let world = World::new();
    let other = DIFF.replace("-two\n", "-three\n");
    let hunk = world.plan(&other, 10);
    assert!(matches!(
        hunk,
        Err(ProposeError::Tree(TreeError::Hunk { .. }))
    ));
    let nothing = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-one\n+one\n";
    let nothing = world.plan(nothing, 10);
    assert!(matches!(nothing, Err(ProposeError::ChangesNothing)));
}

#[test]
fn git_the_ledgers_preparation_and_symlinks_are_out_of_reach() {
    use crate::scanner::patch::tree::Forbidden::{self, *};
    let world = World::new();
    let root = world.directory.path();
    fs::create_dir(root.join(".git")).unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    let mut cases = vec![
        (".git/hooks/pre-commit", Records),
        ("sub/.GIT/config", Records),
        (".git./config", Records),
        ("git~1/config", Records),
        (".daicho-apply/journal", Records),
        ("name:stream", Ambiguous),
        ("name.", Ambiguous),
        (".g\u{200c}it/config", Ambiguous),
        ("folder", NotAFile),
        ("a.py/below", NotAFile),
    ];
    #[cfg(unix)]
    {
        let outside = world.directory.path().join("a.py");
        std::os::unix::fs::symlink(outside, root.join("link.py")).unwrap();
        std::os::unix::fs::symlink("/tmp", root.join("out")).unwrap();
        cases.extend([("link.py", Symlink), ("out/x", Symlink)]);
    }
    for (path, expected) in cases {
        for diff in [
            format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"),
            format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-x\n+y\n"),
        ] {
            let reason: Option<Forbidden> = match world.plan(&diff, 10) {
                Err(ProposeError::Tree(TreeError::Forbidden { reason, .. })) => Some(reason),
                _ => None,
            };
            assert_eq!(reason, Some(expected), "{path}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_replaced_file_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new();
    let place = world.directory.path().join("a.py");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o750)).unwrap();
    let approval = world.approved(DIFF);
    world.apply(approval).unwrap();
    let mode = fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
}

#[test]
#[cfg(unix)]
fn the_base_digest_is_what_sha256sum_says() {
    let world = World::new();
    let diff = Diff::parse(DIFF.as_bytes()).unwrap();
    let script = "(sha256sum a.py gone.py sub/b.py; \
                  printf '%064d  fresh/dir/c.py\\n' 0) | LC_ALL=C sort | sha256sum";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .current_dir(world.directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let base = world.tree().base_of(&diff).unwrap();
    assert_eq!(text.split(' ').next().unwrap(), base.to_string());
}

#[test]
fn git_applies_the_same_patch_to_the_same_result() {
    let mut world = World::new();
    let second = World::new();
    let git = |arguments: &[&str]| {
        let status = std::process::Command::new("git")
            .args(arguments)
            .current_dir(second.directory.path())
            .status();
        assert!(status.unwrap().success());
    };
    second.write("patch.diff", DIFF);
    git(&["apply", "--check", "patch.diff"]);
    git(&["apply", "patch.diff"]);
    fs::remove_file(second.directory.path().join("patch.diff")).unwrap();
    let approval = world.approved(DIFF);
    world.apply(approval).unwrap();
    assert_eq!(world.files(), second.files());
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
