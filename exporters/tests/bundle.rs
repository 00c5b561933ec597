//! The page and the reader of bundles, as far as no browser and no ledger is needed.
#![allow(clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::bundle::{Trust, check, zip};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../src/bundle/verify.html");

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// Without its hash a browser runs nothing; with it, nothing else.
#[test]
fn the_page_s_policy_names_its_own_script_and_style_and_nothing_more() {
    let source = |tag: &str| {
        let text = between(PAGE, &format!("<{tag}>"), &format!("</{tag}>"));
        format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        source("script"),
        source("style")
    );
    assert_eq!(
        between(PAGE, "Content-Security-Policy\" content=\"", "\""),
        policy
    );
}

#[test]
fn the_page_takes_text_as_text_and_asks_nobody() {
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "http:",
        "https:",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "localStorage",
        "style=",
        " onclick",
    ] {
        assert!(!PAGE.contains(word), "the page has {word}");
    }
}

/// Whoever trusts it has read it.
#[test]
fn verify_py_can_be_read_in_one_sitting() {
    let lines: Vec<&str> = include_str!("../src/bundle/verify.py").lines().collect();
    assert!(lines.len() <= 125, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.chars().count() <= 110));
}

const NAMES: [&str; 8] = [
    "FORMAT.md",
    "verify.html",
    "verify.py",
    "entries",
    "checkpoint",
    "checkpoint.tsr",
    "sealed/00000000000000000001/note",
    "released/00000000000000000001/note",
];

proptest! {
    /// Zips of the right form, with anything inside.
    #[test]
    fn checking_never_panics_and_proves_nothing_of_what_it_cannot_read(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        texts in prop::collection::vec("([{}\"a-z:,0-9+/=\t\n—-]{0,40}\n?){0,3}", NAMES.len()),
        left_out in prop::collection::vec(prop::bool::weighted(0.1), NAMES.len()),
    ) {
        let mut members = BTreeMap::new();
        for ((name, text), out) in NAMES.iter().zip(texts).zip(left_out) {
            if !out {
                members.insert((*name).to_owned(), text.into_bytes());
            }
        }
        for zip in [zip::write(&members).unwrap(), bytes] {
            let report = check(&zip, &Trust::default());
            prop_assert!(!report.is_sound() && report.proven.is_empty());
        }
    }
}
