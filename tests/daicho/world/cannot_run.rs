//! What a test says where it lacks something: one form, which tests/run counts. Other crates' tests
//! include this file by its path.

use std::io::Write;

/// Says something on standard error past the harness, which hides what passing tests print.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A test that cannot run says why on one line. CI must have what it lacks.
#[track_caller]
pub fn cannot_run(test: &str, why: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty());
    assert!(
        !required,
        "{test} cannot run: {why} (tests/run installs what it can)"
    );
    say(&format!("skipped: {test}: {why}"));
}
