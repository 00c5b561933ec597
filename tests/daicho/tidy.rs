//! The invariants of ARCHITECTURE.md that a look at the sources can see.

use crate::world::walk;
use std::path::{Path, PathBuf};

/// Sources below a directory, with their text; comments are left out.
fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rust = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs");
    let files: Vec<_> = walk(&root.join(below)).into_iter().filter(rust).collect();
    assert!(!files.is_empty(), "no sources below {below}");
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            (path.strip_prefix(root).unwrap().to_owned(), code)
        })
        .collect()
}

/// None of `words` stands in the sources below, but in the files named.
#[track_caller]
fn free_of(below: &str, words: &[&str], except: &[&str]) {
    for (path, code) in sources(below) {
        if except.iter().any(|file| path == Path::new(file)) {
            continue;
        }
        for word in words {
            assert!(!code.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn each_crate_knows_only_what_it_may() {
    // schemas does no I/O and holds no clock; who calls it brings time and randomness.
    let io = ["std::fs", "std::net", "std::env", "tokio", "getrandom"];
    free_of("schemas/src", &io, &[]);
    // ledger has no network code and does not know what an agent is.
    free_of(
        "ledger/src",
        &["std::net", "tokio", "reqwest", "agents::"],
        &[],
    );
    // Only the program knows HTTP status codes and how a process ends.
    for library in ["schemas/src", "ledger/src", "agents/src", "exporters/src"] {
        free_of(library, &["StatusCode", "ExitCode", "process::exit"], &[]);
        let clocks = ["SystemTime::now", "Utc::now", "Local::now"];
        free_of(library, &clocks, &["ledger/src/clock.rs"]);
    }
    free_of("agents/src", &["exporters::"], &[]);
    free_of("exporters/src", &["agents::"], &[]);
    for (manifest, strangers) in [
        ("schemas/Cargo.toml", &["ledger", "agents", "exporters"][..]),
        ("ledger/Cargo.toml", &["agents", "exporters"]),
        ("agents/Cargo.toml", &["exporters"]),
        ("exporters/Cargo.toml", &["agents"]),
    ] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join(manifest)).unwrap();
        for line in text.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!strangers.contains(&name), "{manifest}: {line}");
        }
    }
}

#[test]
fn no_test_is_ignored() {
    // Put together here, so that this file does not find itself.
    let ignored = ["#[", "ignore"].concat();
    for below in ["schemas", "ledger", "agents", "exporters", "src", "tests"] {
        free_of(below, &[&ignored], &[]);
    }
}

/// Raw text can be masked or sealed, not printed: `Capture` derives nothing that shows it.
#[test]
fn what_holds_raw_text_cannot_be_shown() {
    let holders = sources("agents/src")
        .into_iter()
        .filter(|(_, code)| code.contains("pub struct Capture"));
    let mut found = 0;
    for (path, code) in holders {
        let before = &code[..code.find("pub struct Capture").unwrap()];
        let attributes = before.rsplit(['}', ';']).next().unwrap();
        for shown in ["Debug", "Serialize", "Display", "Clone"] {
            assert!(!attributes.contains(shown), "{}: {shown}", path.display());
            let by_hand = format!("{shown} for Capture");
            assert!(!code.contains(&by_hand), "{}: {by_hand}", path.display());
        }
        found += 1;
    }
    assert_eq!(found, 1, "Capture is defined once");
}
