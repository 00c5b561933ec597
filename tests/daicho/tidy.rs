//! What a test can see of the architecture's invariants.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below some folders, each with its text up to the unit tests.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let files = folders
        .iter()
        .flat_map(|folder| crate::world::walk(&root().join(folder)));
    let rust = files.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let shown = rust.filter(|path| !path.ends_with("tests.rs"));
    shown
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap()
                .to_owned();
            (path, code)
        })
        .collect()
}

#[track_caller]
fn nowhere(folders: &[&str], words: &[&str], except: &[&str]) {
    for (path, text) in sources(folders) {
        if except.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for word in words {
            assert!(
                !text.contains(word),
                "{} uses {word}",
                path.strip_prefix(root()).unwrap().display()
            );
        }
    }
}

#[test]
fn schemas_does_no_io_and_holds_no_clock() {
    nowhere(
        &["schemas/src"],
        &[
            "std::fs",
            "std::net",
            "std::io",
            "SystemTime",
            "Instant",
            "Utc::now",
            "getrandom",
        ],
        &[],
    );
}

#[test]
fn only_the_clock_and_the_program_ask_the_time_of_day() {
    nowhere(
        &["schemas/src", "ledger/src", "agents/src", "exporters/src"],
        &["SystemTime::now", "Utc::now"],
        &["ledger/src/clock.rs"],
    );
}

#[test]
fn only_the_program_knows_http() {
    nowhere(
        &["schemas/src", "ledger/src", "agents/src", "exporters/src"],
        &["StatusCode", "axum", "reqwest", "ExitCode"],
        // A receiver that is spoken to over HTTP; what it answers is a fault like any other outside.
        &[
            "exporters/src/transport/http.rs",
            "exporters/src/transport/http/acks.rs",
        ],
    );
    nowhere(&["ledger/src"], &["std::net", "TcpStream"], &[]);
}

#[test]
fn raw_text_can_be_neither_printed_nor_serialised() {
    let text = std::fs::read_to_string(root().join("agents/src/capture.rs")).unwrap();
    for word in ["Debug for", "Serialize", "derive(", "Display"] {
        assert!(
            !text
                .replace("`Debug`", "")
                .replace("`Serialize`", "")
                .contains(word),
            "Capture has {word}"
        );
    }
}

#[test]
fn only_the_ledger_makes_an_entry() {
    let text = std::fs::read_to_string(root().join("ledger/src/entry.rs")).unwrap();
    assert!(text.contains("pub(crate) fn from_durable"));
    assert!(
        !text.contains("pub fn new")
            && !text.contains("pub envelope")
            && !text.contains("pub body")
    );
}

#[test]
fn crates_import_in_one_direction() {
    for (crate_, forbidden) in [
        (
            "schemas",
            &[
                "ledger.workspace",
                "agents.workspace",
                "exporters.workspace",
            ][..],
        ),
        ("ledger", &["agents.workspace", "exporters.workspace"]),
        ("agents", &["exporters.workspace"]),
        ("exporters", &["agents.workspace"]),
    ] {
        let manifest = std::fs::read_to_string(root().join(crate_).join("Cargo.toml")).unwrap();
        for other in forbidden {
            assert!(!manifest.contains(other), "{crate_} imports {other}");
        }
    }
}

/// The rest does not wait for the PDF engine.
#[test]
fn only_the_crate_pdf_has_the_pdf_engine() {
    for crate_ in [
        "",
        "schemas",
        "ledger",
        "agents",
        "exporters",
        "fuzz",
        "pdf",
    ] {
        let manifest = std::fs::read_to_string(root().join(crate_).join("Cargo.toml")).unwrap();
        // The workspace's own table says which version, and is no dependency.
        let depends = manifest.contains("krilla.workspace");
        assert_eq!(depends, crate_ == "pdf", "{crate_}/Cargo.toml");
        let versions = manifest.lines().filter(|line| line.starts_with("krilla"));
        assert_eq!(versions.count(), usize::from(matches!(crate_, "" | "pdf")));
    }
}

#[test]
fn every_dependency_says_why_it_is_here() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    for line in table
        .lines()
        .filter(|line| line.contains('=') && !line.contains("path = "))
    {
        assert!(
            line.contains("} #")
                || line.contains("\" #")
                || line.split('"').next_back().unwrap().contains("# "),
            "no reason: {line}"
        );
    }
}
