//! A disk that is full: the ledger says so, keeps what it acknowledged, and goes on when
//! there is room again.

use crate::world::{Disk, Server, cannot_run, daicho, drill, run, say, with_content};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Posts events until the ledger takes no more. Gives what it acknowledged, and its refusal.
fn fill(server: &Server, event: impl Fn(usize) -> Value) -> (Vec<Value>, Value) {
    let mut acknowledged = Vec::new();
    for i in 0..100_000 {
        let answer = server
            .post("application/json", event(i).to_string())
            .send()
            .unwrap();
        let status = answer.status();
        let said: Value = answer.json().unwrap();
        if status != 200 {
            assert_eq!(status, 503, "{said}");
            return (acknowledged, said);
        }
        acknowledged.push(said);
    }
    panic!("the disk is never full");
}

fn is_clean(dir: &Path) -> Value {
    let mut verify = daicho(dir);
    verify.args(["verify", "--json"]);
    run(verify, b"").lines().remove(0)
}

/// A disk that a server has filled, with what it acknowledged and how it refused the next.
struct Full {
    dir: PathBuf,
    ballast: PathBuf,
    server: Server,
    acknowledged: Vec<Value>,
    refusal: Value,
    /// Stays mounted until the server is gone.
    _disk: Disk,
}

/// `None`: this user may mount no file system.
fn filled(ballast_bytes: usize, event: impl Fn(usize) -> Value) -> Option<Full> {
    let disk = Disk::new(6)?;
    let (dir, ballast) = (disk.at.join("data"), disk.at.join("ballast"));
    std::fs::write(&ballast, vec![0; ballast_bytes]).unwrap();
    let mut init = daicho(&dir);
    init.args(["init", "--origin", "example.com/daicho"]);
    run(init, b"").ok();
    let server = Server::start(&dir, daicho(&dir));
    let (acknowledged, refusal) = fill(&server, event);
    Some(Full {
        dir,
        ballast,
        server,
        acknowledged,
        refusal,
        _disk: disk,
    })
}

#[test]
fn a_full_disk_stops_the_ledger_and_loses_nothing() {
    // Once it is the content that finds no room, once the log.
    for (name, text_bytes) in [("content", 100_000), ("log", 0)] {
        let mut dice = crate::world::Dice(7);
        let texts: Vec<String> = (0..64).map(|_| dice.id().repeat(text_bytes / 36)).collect();
        let event = |i: usize| match text_bytes {
            0 => drill(&"x".repeat(64)),
            // Of no pattern that compression finds.
            _ => with_content(drill("restore"), &noise(i, &texts)),
        };
        // The last content that fits may leave no room for its line: then another disk is filled.
        let place = format!("/{name}/");
        let mut full = filled(3 << 20, event);
        for more in 1..5 {
            match &full {
                Some(other) if !other.refusal["error"].to_string().contains(&place) => {
                    full = filled((3 << 20) + more * (16 << 10), event);
                }
                _ => break,
            }
        }
        let Some(full) = full else {
            return cannot_run("full disk", "this user may not mount a file system");
        };
        let Full {
            _disk,
            dir,
            ballast,
            server,
            acknowledged,
            refusal,
        } = full;
        say(&format!(
            "full disk ({name}): {} events, then {refusal}",
            acknowledged.len()
        ));
        let error = refusal["error"].as_str().unwrap();
        assert!(error.contains("No space left on device"), "{refusal}");
        assert!(error.contains(&place), "{refusal}");
        assert!(
            refusal["help"].as_str().unwrap().contains("free space"),
            "{refusal}"
        );
        let ready = server.get("/readyz");
        assert_eq!(ready.status(), 503);
        assert!(ready.text().unwrap().contains("No space left"));
        // Reading goes on.
        let last = acknowledged.last().unwrap();
        let shown: Value = server.json(&format!("/api/v1/events/{}", last["seq"]));
        assert_eq!(shown["leaf"], last["leaf"]);
        server.stop();
        is_clean(&dir);

        // On a disk that is still full nothing begins, and the reason is the same.
        let append = || {
            let mut append = daicho(&dir);
            append.args(["append", "--json"]);
            run(
                append,
                with_content(drill("restore"), &noise(99, &texts))
                    .to_string()
                    .as_bytes(),
            )
        };
        if text_bytes > 0 {
            append().refused(&["No space left on device", "space"]);
        }
        is_clean(&dir);

        std::fs::remove_file(&ballast).unwrap();
        let size = is_clean(&dir)["entries"].as_u64().unwrap();
        let receipt = append().lines().remove(0);
        assert!(receipt["seq"].as_u64().unwrap() >= size, "{receipt}");
        is_clean(&dir);
        let server = Server::start(&dir, daicho(&dir));
        for receipt in &acknowledged {
            let shown = server.json(&format!("/api/v1/events/{}", receipt["seq"]));
            assert_eq!(shown["leaf"], receipt["leaf"], "{name}");
        }
    }
}

fn noise(i: usize, texts: &[String]) -> String {
    let mut dice = crate::world::Dice(i as u64);
    (0..texts[0].len() / 36).map(|_| dice.id()).collect()
}
