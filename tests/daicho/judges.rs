//! A log of 70,000 entries before judges that others wrote: Go's note and tlog, Tessera's
//! `fsck`, and two readers of tiles in Python. `oracle` forges; here is what only shows in a
//! log whose tree has a whole tile on level 1 (65,536 entries) and a file in use beside it.

use crate::oracle::{Question, logcheck};
use crate::world::{Ledger, Server, cannot_run, drill, ndjson, run, say};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ENTRIES: u64 = 70_000;

/// How long a judge that hangs at a forgery is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Positions around the edges of tiles, bundles and levels.
const EDGES: [u64; 9] = [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, ENTRIES - 1];

fn tool(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/.tools")
        .join(name);
    path.exists().then_some(path)
}

/// Appends until the log holds so many entries; more, where the server adds its own meanwhile.
fn grow(server: &Server, size: u64) {
    let mut now = server.size();
    while now < size {
        let count = (size - now).min(5_000);
        let events: Vec<Value> = (0..count).map(|_| drill("restore")).collect();
        let sent = server.post("application/x-ndjson", ndjson(&events)).send();
        let answer = sent.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        now = server.size();
    }
}

/// A log as its judges get it: an old checkpoint at each of some sizes, proofs, and a copy of
/// everything that was served.
struct Case {
    ledger: Ledger,
    server: Server,
    vkey: PathBuf,
    olds: Vec<PathBuf>,
    proofs: PathBuf,
    mirror: PathBuf,
}

impl Case {
    fn new() -> Case {
        let ledger = Ledger::new();
        let vkey = ledger.beside("vkey");
        std::fs::write(&vkey, ledger.run(&["key", "show"]).ok()).unwrap();
        let server = ledger.serve();
        let mut olds = Vec::new();
        // The checkpoints that the server puts into the log itself come every 10,000.
        for size in [257, 4_096, 65_000, ENTRIES] {
            grow(&server, size);
            let old = ledger.beside(&format!("old-{size}"));
            std::fs::write(&old, server.text("/log/checkpoint")).unwrap();
            olds.push(old);
        }
        assert!(server.size() >= ENTRIES);
        let (proofs, mirror) = (ledger.beside("proofs"), ledger.beside("mirror"));
        std::fs::create_dir(&proofs).unwrap();
        for seq in EDGES {
            let proof = server.text(&format!("/api/v1/proofs/{seq}"));
            std::fs::write(proofs.join(format!("{seq}.tlog-proof")), proof).unwrap();
            let (from, one) = (seq.to_string(), "1".to_owned());
            let body = ledger.run(&["events", "--json", "--from", &from, "--limit", &one]);
            let body = body.ok().trim_end().to_owned();
            std::fs::write(proofs.join(format!("{seq}.body")), body).unwrap();
        }
        Case {
            ledger,
            server,
            vkey,
            olds,
            proofs,
            mirror,
        }
    }

    fn go(&self) {
        let vkey = std::fs::read_to_string(&self.vkey).unwrap();
        let all = Question {
            url: self.server.url("/log"),
            vkey: vkey.trim(),
            proofs: &self.proofs,
            olds: self.olds.clone(),
            mirror: Some(&self.mirror),
        };
        let said = all.ask().ok();
        let holds = format!(
            "all holds: {} older checkpoints, {} proofs",
            self.olds.len(),
            EDGES.len()
        );
        assert!(said.contains(&holds), "{said}");
    }

    fn fsck(&self, program: &Path, url: &str) -> Command {
        let mut fsck = Command::new(program);
        fsck.args(["-ui=false", "-logtostderr", "-N", "2", "-storage_url", url]);
        fsck.arg("-public_key").arg(&self.vkey);
        fsck
    }

    fn tessera(&self) {
        let Some(program) = tool("fsck") else {
            return cannot_run("judges", "no fsck of Tessera");
        };
        let live = format!("{}/", self.server.url("/log"));
        run(self.fsck(&program, &live), b"").ok();
        let bundle = self.mirror.join("tile/entries/091");
        let sound = std::fs::read(&bundle).unwrap();
        let mut forged = sound.clone();
        forged[1_000] ^= 1;
        std::fs::write(&bundle, forged).unwrap();
        let copy = format!("file://{}/", self.mirror.display());
        // At an entry that is another it does not end (1.0.4). A sound copy takes it a tenth
        // of a second, so what is not over after this long is not accepted.
        let mut fsck = self.fsck(&program, &copy);
        let mut child = fsck.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(PATIENCE);
        let ended = child.try_wait().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        assert!(!ended.is_some_and(|s| s.success()), "a flipped bit passes");
        std::fs::write(&bundle, sound).unwrap();
        run(self.fsck(&program, &copy), b"").ok();
    }

    fn aics(&self, program: &Path, args: &[&str]) -> crate::world::Ran {
        let mut aics = Command::new(program);
        aics.args(args).arg("--tiles").arg(&self.mirror);
        aics.arg("--vkey-file").arg(&self.vkey);
        run(aics, b"")
    }

    fn python(&self) {
        let (Some(aics), Some(scales)) = (
            tool("venv-judges/bin/aics-tlog"),
            tool("venv-judges/bin/tlog-tiles"),
        ) else {
            return cannot_run("judges", "no aics-tlog and tlog-scales");
        };
        self.aics(&aics, &["verify-checkpoint"]).ok();
        for seq in EDGES {
            let body = self.proofs.join(format!("{seq}.body"));
            let (index, leaf) = (seq.to_string(), body.to_str().unwrap());
            let ask = ["verify-inclusion", "--index", &index, "--leaf", leaf];
            self.aics(&aics, &ask).ok();
            let elsewhere = (seq ^ 1).to_string();
            let ask = ["verify-inclusion", "--index", &elsewhere, "--leaf", leaf];
            assert_ne!(self.aics(&aics, &ask).code, 0, "{seq} at {elsewhere}");
        }
        for old in &self.olds {
            let old = old.to_str().unwrap();
            self.aics(&aics, &["verify-consistency", "--old-checkpoint", old])
                .ok();
        }
        for seq in EDGES {
            let ours = self.proof_of_mirror(seq);
            let mut made = Command::new(&scales);
            made.arg("gen-proof").arg(&self.mirror).arg(seq.to_string());
            assert_eq!(run(made, b"").ok(), ours, "tlog-scales on {seq}");
        }
    }

    /// A proof under the checkpoint of the copy, which is made again when the log has grown by
    /// its checkpoint of every minute.
    fn proof_of_mirror(&self, seq: u64) -> String {
        loop {
            let proof = self.server.text(&format!("/api/v1/proofs/{seq}"));
            let checkpoint = std::fs::read_to_string(self.mirror.join("checkpoint")).unwrap();
            if proof.ends_with(&checkpoint) {
                return proof;
            }
            self.go();
        }
    }
}

#[test]
fn judges_of_other_authors_accept_seventy_thousand_entries() {
    if logcheck().is_none() {
        return cannot_run("judges", "no go");
    }
    let begun = Instant::now();
    let case = Case::new();
    let grown = begun.elapsed();
    case.go();
    case.tessera();
    case.python();
    say(&format!(
        "judges: {} entries in {grown:.1?}, all asked after {:.1?}",
        case.server.size(),
        begun.elapsed()
    ));
    assert_eq!(case.server.stop(), 0);
    drop(case.ledger);
}
