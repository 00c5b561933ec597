//! The log as Go's own note and tlog read it: code of other authors judges what daicho wrote.

use crate::format::second_verifier;
use crate::world::{
    Dice, Ledger, Ran, Server, cannot_run, drill, ndjson, run, wait_for, with_content,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Enough for the server to put a checkpoint into the log (after 10,000 entries).
const ENTRIES: usize = 10_300;

/// Builds tests/go once. `None` when there is no Go; a build that fails is a failure.
pub fn logcheck() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        if !crate::world::has("go", "version") {
            return None;
        }
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("logcheck");
        let mut go = Command::new("go");
        go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go"));
        go.args(["build", "-o"]).arg(&binary).arg(".");
        let built = run(go, b"");
        assert_eq!(built.code, 0, "{built:?}");
        Some(binary)
    };
    BUILT.get_or_init(build).as_deref()
}

/// What Go is asked to check.
pub struct Question<'a> {
    pub url: String,
    /// The log's keys, separated by white space.
    pub vkey: &'a str,
    pub proofs: &'a Path,
    pub olds: Vec<PathBuf>,
    pub mirror: Option<&'a Path>,
}

impl Question<'_> {
    pub fn ask(&self) -> Ran {
        let mut go = Command::new(logcheck().expect("built before"));
        go.args(["-url", &self.url]);
        for vkey in self.vkey.split_whitespace() {
            go.args(["-vkey", vkey]);
        }
        go.arg("-proofs").arg(self.proofs);
        for old in &self.olds {
            go.arg("-old").arg(old);
        }
        if let Some(mirror) = self.mirror {
            go.arg("-mirror").arg(mirror);
        }
        run(go, b"")
    }

    #[track_caller]
    fn is_refused(&self, part: &str) {
        let ran = self.ask();
        assert_eq!(ran.code, 1, "{part}: {ran:?}");
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

/// Grows the log over HTTP, keeping the checkpoint as it was at several sizes.
fn grow(ledger: &Ledger, server: &Server) -> Vec<PathBuf> {
    let mut olds = Vec::new();
    let keep = |name: usize| {
        let path = ledger.beside(&format!("old-{name}"));
        std::fs::write(&path, server.text("/log/checkpoint")).unwrap();
        path
    };
    let mut sent = 0;
    for (i, count) in [1, 254, 1, 1, 700, 67, 4_976, 2_000, 2_300]
        .into_iter()
        .enumerate()
    {
        olds.push(keep(i));
        let event = |n| {
            if n % 50 == 0 {
                with_content(drill("restore"), &format!("note {n}"))
            } else {
                drill("restore")
            }
        };
        let events: Vec<Value> = (sent..sent + count).map(event).collect();
        let answer = server
            .post("application/x-ndjson", ndjson(&events))
            .send()
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        sent += count;
    }
    assert_eq!(sent, ENTRIES);
    let recorded =
        || server.json("/api/v1/events?kind=ledger.checkpoint")["entries"] != serde_json::json!([]);
    wait_for("a checkpoint in the log", recorded);
    olds
}

#[test]
fn go_s_own_note_and_tlog_accept_the_log_and_refuse_every_forgery() {
    if logcheck().is_none() {
        return cannot_run("oracle", "no go");
    }
    let ledger = Ledger::new();
    let vkey = ledger.run(&["key", "show"]).ok();
    let vkey = vkey.trim();
    let server = ledger.serve();
    let olds = grow(&ledger, &server);

    let (proofs, mirror) = (ledger.beside("proofs"), ledger.beside("mirror"));
    std::fs::create_dir(&proofs).unwrap();
    let body = |seq: u64| {
        let out = ledger
            .run(&[
                "events",
                "--json",
                "--from",
                &seq.to_string(),
                "--limit",
                "1",
            ])
            .ok();
        out.trim_end().to_owned()
    };
    for seq in [
        0,
        1,
        255,
        256,
        257,
        1_023,
        1_024,
        8_191,
        9_999,
        ENTRIES as u64,
    ] {
        let by_http = server.text(&format!("/api/v1/proofs/{seq}"));
        std::fs::write(proofs.join(format!("{seq}.tlog-proof")), by_http).unwrap();
        std::fs::write(proofs.join(format!("{seq}.body")), body(seq)).unwrap();
        let file = proofs.join(format!("{seq}-by-command.tlog-proof"));
        ledger
            .run(&["prove", &seq.to_string(), "-o", file.to_str().unwrap()])
            .ok();
        std::fs::copy(
            proofs.join(format!("{seq}.body")),
            file.with_extension("body"),
        )
        .unwrap();
    }
    let live = Question {
        url: server.url("/log"),
        vkey,
        proofs: &proofs,
        olds: olds.clone(),
        mirror: Some(&mirror),
    };
    let said = live.ask().ok();
    assert!(
        said.contains("all holds: 9 older checkpoints, 20 proofs"),
        "{said}"
    );

    let stranger = Ledger::new();
    let foreign = stranger.run(&["key", "show"]).ok();
    let url = || format!("file://{}", mirror.display());
    let copy = Question {
        url: url(),
        mirror: None,
        ..live
    };
    copy.ask().ok();
    Question {
        url: url(),
        vkey: foreign.trim(),
        olds: olds.clone(),
        ..copy
    }
    .is_refused("checkpoint");
    let other = stranger.dir.join("checkpoint");
    Question {
        url: url(),
        olds: vec![other.clone()],
        ..copy
    }
    .is_refused("checkpoint");

    // One flipped bit anywhere in what was served.
    let mut dice = Dice::thrown("oracle");
    let forge = |file: &Path, dice: &mut Dice, part: &str| {
        let sound = std::fs::read(file).unwrap();
        let mut forged = sound.clone();
        forged[dice.below(sound.len() as u64) as usize] ^= 1 << dice.below(8);
        std::fs::write(file, forged).unwrap();
        copy.is_refused(part);
        std::fs::write(file, sound).unwrap();
    };
    for (file, part) in [
        ("tile/entries/003", ""),
        ("tile/entries/017", ""),
        ("tile/0/000", ""),
        ("tile/0/039", ""),
        ("tile/1/000.p/40", ""),
        ("checkpoint", ""),
    ] {
        for _ in 0..3 {
            forge(&mirror.join(file), &mut dice, part);
        }
    }
    for file in ["1024.tlog-proof", "8191.body"] {
        forge(
            &proofs.join(file),
            &mut dice,
            file.split('.').next().unwrap(),
        );
    }
    // A checkpoint of another log, and an older one of this log over the newer tiles.
    for forged in [&other, &olds[5]] {
        let sound = std::fs::read(mirror.join("checkpoint")).unwrap();
        std::fs::copy(forged, mirror.join("checkpoint")).unwrap();
        copy.is_refused("");
        std::fs::write(mirror.join("checkpoint"), sound).unwrap();
    }
    copy.ask().ok();

    // The log file itself, under the running server: it serves no entry that it did not hash.
    let log = &ledger.logs()[0];
    let mut bytes = std::fs::read(log).unwrap();
    let place = bytes.len() / 3;
    bytes[place] ^= 1;
    std::fs::write(log, &bytes).unwrap();
    Question {
        url: server.url("/log"),
        mirror: None,
        olds: vec![],
        ..live
    }
    .is_refused("500");
    bytes[place] ^= 1;
    std::fs::write(log, &bytes).unwrap();

    assert_eq!(server.stop(), 0);
    let ours = ledger.verify();
    if let Some(second) = second_verifier(&ledger.dir, &[]) {
        let theirs = second.lines().remove(0);
        for key in ["entries", "root", "contents", "findings"] {
            assert_eq!(ours[key], theirs[key], "{key}");
        }
    }
}
