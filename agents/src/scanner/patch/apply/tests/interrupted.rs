//! What is left of a run that did not come to its end, and what the next one makes of it.

use super::*;

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
