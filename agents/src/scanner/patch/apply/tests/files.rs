//! Which files a patch reaches, and what they are afterwards.

use super::*;

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
