use super::*;
use proptest::prelude::*;

fn one(text: &str) -> FileDiff {
    Diff::parse(text.as_bytes()).unwrap().files.remove(0)
}

fn fault(text: &str) -> DiffError {
    Diff::parse(text.as_bytes()).unwrap_err()
}

const MODIFY: &str = "--- a/x.py\n+++ b/x.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

#[test]
fn a_patch_changes_what_its_lines_say() {
    let file = one(MODIFY);
    let new = file.apply(Some(b"one\ntwo\nthree\n")).unwrap().unwrap();
    assert_eq!(new, b"one\n2\nthree\n");
    let back = file.reversed().apply(Some(&new)).unwrap().unwrap();
    assert_eq!(back, b"one\ntwo\nthree\n");
}

#[test]
fn a_hunk_stands_where_it_says_or_nowhere() {
    let file = one(MODIFY);
    use HunkFault::*;
    let apply = |old: &str| file.apply(Some(old.as_bytes())).unwrap_err();
    assert_eq!(
        apply("zero\none\ntwo\nthree\n"),
        OtherText { hunk: 1, line: 1 }
    );
    assert_eq!(apply("one\ntwo \nthree\n"), OtherText { hunk: 1, line: 2 });
    assert_eq!(apply("one\ntwo\nthree"), OtherText { hunk: 1, line: 3 });
    assert_eq!(
        apply("one\r\ntwo\r\nthree\r\n"),
        OtherText { hunk: 1, line: 1 }
    );
    let beyond = one("--- a/x\n+++ b/x\n@@ -9 +9 @@\n-a\n+b\n");
    assert_eq!(beyond.apply(Some(b"a\n")), Err(OtherPlace { hunk: 1 }));
    let moved = one("--- a/x\n+++ b/x\n@@ -1 +2 @@\n-a\n+b\n");
    assert_eq!(moved.apply(Some(b"a\n")), Err(OtherNewPlace { hunk: 1 }));
    let overlap = one("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n");
    assert_eq!(overlap.apply(Some(b"a\n")), Err(OtherPlace { hunk: 2 }));
    let behind = "--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n a\n\\ No newline at end of file\n+b\n";
    assert_eq!(one(behind).apply(Some(b"a")), Err(BehindTheEnd { hunk: 1 }));
}

#[test]
fn files_are_created_and_deleted_whole() {
    let create = one("--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n");
    assert_eq!(create.change, Change::Create);
    assert_eq!(create.apply(None), Ok(Some(b"x\n".to_vec())));
    assert_eq!(create.apply(Some(b"")), Err(HunkFault::AlreadyThere));
    let delete = create.reversed();
    assert_eq!(delete.apply(Some(b"x\n")), Ok(None));
    assert_eq!(delete.apply(Some(b"x\ny\n")), Err(HunkFault::LinesLeft));
    assert_eq!(delete.apply(None), Err(HunkFault::NotThere));
    let empty = "diff --git a/p/__init__.py b/p/__init__.py\nnew file mode 100644\nindex 0..e\n";
    let empty = one(empty);
    assert_eq!(empty.path.as_str(), "p/__init__.py");
    assert_eq!(empty.apply(None), Ok(Some(Vec::new())));
}

#[test]
fn several_files_and_lines_that_look_like_heads_are_told_apart() {
    let text = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@ def f\n\
                --- a/y\n-old\n+++ b/y\n+new\n\ndiff --git a/y b/y\n--- a/y\n+++ b/y\n\
                @@ -1 +1 @@\n-a\n+b\n";
    let diff = Diff::parse(text.as_bytes()).unwrap();
    let paths: Vec<&str> = diff.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["x", "y"]);
    let new = diff.files[0].apply(Some(b"-- a/y\nold\n")).unwrap();
    assert_eq!(new, Some(b"++ b/y\nnew\n".to_vec()));
}

#[test]
fn names_are_read_as_git_and_diff_write_them() {
    for (old, new, path) in [
        ("a/x", "b/x", "x"),
        ("x", "x", "x"),
        ("a/x\t2026-01-01 00:00:00", "b/x\t2026-01-02 00:00:00", "x"),
        (
            "\"a/\\346\\226\\207.py\"",
            "\"b/\\346\\226\\207.py\"",
            "文.py",
        ),
        ("a/with blank", "b/with blank", "with blank"),
        ("a/x\r", "b/x\r", "x"),
    ] {
        let text = format!("--- {old}\n+++ {new}\n@@ -1 +1 @@\n-a\n+b\n");
        assert_eq!(one(&text).path.as_str(), path);
    }
    let quoted =
        "diff --git \"a/\\346\\226\\207\" \"b/\\346\\226\\207\"\ndeleted file mode 100644\n";
    assert_eq!(one(quoted).path.as_str(), "文");
}

#[test]
fn what_lines_cannot_show_is_refused() {
    let head = "diff --git a/x b/x\n";
    for line in [
        "old mode 100644",
        "new mode 100755",
        "new file mode 120000",
        "new file mode 100755",
        "deleted file mode 160000",
        "similarity index 100%",
        "rename from x",
        "copy from x",
        "GIT binary patch",
        "Binary files a/x and b/x differ",
    ] {
        let refused = fault(&format!("{head}{line}\n"));
        let line_2 = matches!(refused, DiffError::Unsupported { line: 2, .. });
        assert!(line_2, "{line}");
    }
    let rename = fault("--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n");
    assert!(matches!(rename, DiffError::Unsupported { .. }));
}

#[test]
fn a_malformed_patch_is_refused_with_its_line() {
    let line = |text: &str| match fault(text) {
        DiffError::Malformed { line, .. } => line,
        other => panic!("{other}"),
    };
    assert_eq!(fault(""), DiffError::Empty);
    assert_eq!(fault("\n\n"), DiffError::Empty);
    assert_eq!(line("From: someone\n"), 1);
    assert_eq!(line("Only in a: x\n"), 1);
    assert_eq!(line("--- a/x\n"), 2);
    assert_eq!(line("--- a/x\n+++ b/x\n"), 3);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -1 +1 @\n-a\n+b\n"), 3);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -0,0 +0,0 @@\n"), 3);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n"), 5);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n-b\n"), 5);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n+c\n"), 6);
    assert_eq!(line("--- a/x\n+++ b/x\n@@ -1 +1 @@\n\\ No newline\n"), 4);
    assert_eq!(
        line("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n-- \n2.43.0\n"),
        6
    );
    assert_eq!(
        line("--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n"),
        3
    );
    assert_eq!(line("new file mode 100644\n--- a/x\n+++ b/x\n"), 4);
    let twice = format!("{MODIFY}{MODIFY}");
    assert!(matches!(fault(&twice), DiffError::Twice { .. }));
    for path in ["../x", "/etc/passwd", "C:/x"] {
        let text = format!("--- {path}\n+++ {path}\n@@ -1 +1 @@\n-a\n+b\n");
        let line_1 = matches!(fault(&text), DiffError::Path { line: 1, .. });
        assert!(line_1, "{path}");
    }
}

#[test]
fn what_a_terminal_would_hide_is_spelled_out() {
    let shown = visible("+a\tb\x1b[2K\r\u{202e}文\u{200b}\n".as_bytes());
    assert_eq!(shown, "+a\tb\\u{1b}[2K\\u{d}\\u{202e}文\\u{200b}\n");
    assert_eq!(visible(b"a\xff"), "a\\xff");
}

fn text() -> impl Strategy<Value = String> {
    // Few different lines, so that hunks meet equal ones; some end without LF.
    (
        proptest::collection::vec("[ab-]{0,2}", 0..30),
        any::<bool>(),
    )
        .prop_map(|(lines, ended)| {
            let text = lines.join("\n");
            if ended && !text.is_empty() {
                text + "\n"
            } else {
                text
            }
        })
}

proptest! {
    /// Another crate makes the diff and applies it too; this one must come to the same text.
    #[test]
    fn what_another_program_diffs_applies_and_reverses(old in text(), new in text()) {
        prop_assume!(old != new);
        let patch = diffy::create_patch(&old, &new).to_string();
        let patch = patch.replace("--- original", "--- a/x").replace("+++ modified", "+++ b/x");
        let file = one(&patch);
        let applied = file.apply(Some(old.as_bytes())).unwrap().unwrap();
        prop_assert_eq!(&applied, new.as_bytes());
        let theirs = diffy::Patch::from_str(&patch).unwrap();
        prop_assert_eq!(diffy::apply(&old, &theirs).unwrap(), new);
        let back = file.reversed().apply(Some(&applied)).unwrap().unwrap();
        prop_assert_eq!(back, old.as_bytes());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>(), old in any::<Vec<u8>>()) {
        let _ = Diff::parse(&bytes);
        let text = [b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n", &bytes[..]].concat();
        if let Ok(diff) = Diff::parse(&text) {
            let _ = diff.files[0].apply(Some(&old));
            let _ = diff.reversed().files[0].apply(Some(&old));
        }
    }

    #[test]
    fn no_line_of_a_diff_makes_the_reader_panic(lines in proptest::collection::vec(
        prop_oneof!["@@ -[0-9]{1,3},[0-9]{1,2} \\+[0-9]{1,3} @@", "[-+ \\\\].{0,4}",
            "--- (a/x|/dev/null|\"a.{0,6}\"?)", "\\+\\+\\+ (b/x|/dev/null|\"b.{0,6}\"?)",
            "diff --git .{0,12}", "new file mode 100644"], 0..12)) {
        let text = lines.join("\n");
        if let Ok(diff) = Diff::parse(text.as_bytes()) {
            for file in &diff.files {
                let _ = file.apply(Some(b"a\nb\n"));
                let _ = file.apply(None);
            }
        }
    }
}
