//! Evidence bundles, and their three verifiers: `verify-bundle`, verify.py and verify.html.
//! Whatever is done to a bundle, none of them calls it proven.

mod authority;
mod destroyed;
mod forge;
mod form;
mod found;
mod judges;
mod keys;
mod tamper;

use crate::world::{Ledger, ORIGIN, drill, with_content};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exporters::bundle::zip;
use forge::Members;
use judges::{Python, Question, all_say, ask_page};
use ledger::note::SignerKey;
use ledger::witness::Cosigner;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A text that must stay one, wherever it is shown.
const MARKUP: &str = "<img src=x onerror=alert(1)>";

/// A ledger of 41 entries, with what others have seen of it at smaller sizes.
struct Sample {
    ledger: Ledger,
    vkey: String,
    witness: Cosigner,
    /// The checkpoint that an auditor has kept, of size 11.
    kept: PathBuf,
    /// The one of size 21, as the witness cosigned it.
    cosigned: Vec<u8>,
}

impl Sample {
    fn new() -> Sample {
        let ledger = Ledger::new();
        let grow = |part: u64| {
            let events: Vec<Value> = (0..10)
                .map(|i| {
                    let mut event = with_content(drill("restore"), &format!("帳簿 {part} {i}"));
                    event["session"] = json!(if i % 2 == 0 { "even" } else { MARKUP });
                    if i == 9 {
                        event["actor"] = json!("user:s009");
                    }
                    event
                })
                .collect();
            ledger.append(&events);
        };
        let checkpoint = || std::fs::read_to_string(ledger.dir.join("checkpoint")).unwrap();
        let witness = Cosigner::from_seed("witness.example.com/w1", &[9; 32]).unwrap();
        grow(0);
        let kept = ledger.beside("kept");
        std::fs::write(&kept, checkpoint()).unwrap();
        grow(1);
        let note = checkpoint();
        let text = &note[..note.find("\n\n").unwrap() + 1];
        let cosigned = format!("{note}{}", witness.cosign(text, 1_790_000_000));
        let cosigned = cosigned.into_bytes();
        std::fs::write(ledger.dir.join("checkpoint.cosigned"), &cosigned).unwrap();
        grow(2);
        grow(3);
        let vkey = ledger.run(&["key", "show"]).ok().trim().to_owned();
        Sample {
            ledger,
            vkey,
            witness,
            kept,
            cosigned,
        }
    }

    fn head(&self) -> PathBuf {
        self.ledger.dir.join("checkpoint")
    }

    /// Writes a bundle with more arguments; gives its path.
    #[track_caller]
    fn bundle(&self, name: &str, args: &[&str]) -> PathBuf {
        let path = self.ledger.beside(name);
        let whole = [&["bundle", "-o", path.to_str().unwrap()], args].concat();
        self.ledger.run(&whole).ok();
        path
    }

    /// Under the checkpoint that the witness cosigned, and with a content.
    fn full(&self) -> PathBuf {
        let args = ["--from", "3", "--to", "14", "--release", "5:note"];
        self.bundle("full.zip", &args)
    }

    fn ask(&self, name: &str, bundle: &Path) -> Question {
        Question {
            name: name.to_owned(),
            bundle: bundle.to_owned(),
            ..Question::default()
        }
    }
}

fn members(path: &Path) -> Members {
    let bytes = std::fs::read(path).unwrap();
    let members = zip::read(&bytes).unwrap();
    members
        .into_iter()
        .map(|(name, bytes)| (name, bytes.to_vec()))
        .collect()
}

fn keep(ledger: &Ledger, name: &str, bytes: &[u8]) -> PathBuf {
    let path = ledger.beside(&format!(
        "{}.zip",
        name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    ));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn three_verifiers_see_what_a_bundle_proves_and_what_it_does_not() {
    let sample = Sample::new();
    let full = sample.full();
    let session = sample.bundle("session.zip", &["--session", MARKUP]);
    let whole = sample.bundle("whole.zip", &[]);
    let head = sample.head();
    let under = |name: &str, to: &str, checkpoint: &Path| {
        let args = ["--to", to, "--checkpoint", checkpoint.to_str().unwrap()];
        sample.bundle(name, &args)
    };
    let now = under("now.zip", "40", &head);
    let old = under("old.zip", "9", &sample.kept);
    let stranger = Ledger::new();
    let foreign = stranger.run(&["key", "show"]).ok().trim().to_owned();
    let mine = sample.witness.key().to_string();
    let other = Cosigner::from_seed("witness.example.com/w2", &[8; 32]).unwrap();
    let other = other.key().to_string();
    // What whoever holds the ledger's key could have shown somebody else.
    let signer = std::fs::read_to_string(sample.ledger.dir.join("keys/ledger.key")).unwrap();
    let signer = SignerKey::parse(&signer).unwrap();
    let fork = |size: u64| {
        let path = sample.ledger.beside(&format!("fork-{size}"));
        let root = STANDARD.encode([7; 32]);
        std::fs::write(
            &path,
            signer.sign_note(&format!("{ORIGIN}\n{size}\n{root}\n")),
        )
        .unwrap();
        path
    };
    let all = |name: &str| sample.ask(name, &full);
    let part = |name: &str| sample.ask(name, &session);
    let now = |name: &str| sample.ask(name, &now);
    let old = |name: &str| sample.ask(name, &old);
    let (vkey, kept) = (&sample.vkey, &sample.kept);
    let config = sample.ledger.dir.join("daicho.toml");
    let strange = stranger.dir.join("checkpoint");
    all_say(&[
        (all("all"), 0),
        (part("a session"), 0),
        (sample.ask("the whole log", &whole), 0),
        (now("the newest checkpoint kept").kept(&head), 0),
        (all("the key").vkey(vkey), 0),
        (all("another key").vkey(&foreign), 1),
        (old("a kept checkpoint").vkey(vkey).kept(kept), 0),
        (old("two kept").kept(&head).kept(kept), 0),
        (now("one that it was not made with").kept(kept), 1),
        (old("a newer checkpoint").kept(&head), 1),
        (old("one of nearly the same size").kept(&fork(12)), 1),
        (old("a fork at the bundle's size").kept(&fork(11)), 1),
        (now("a fork at the size of now").kept(&fork(41)), 1),
        (now("a fork of more").kept(&fork(99)), 1),
        (all("a stranger's checkpoint").kept(&strange), 1),
        (all("no checkpoint").kept(&config), 1),
        (all("a witness").vkey(vkey).witness(&mine), 0),
        (part("a witness of less").vkey(vkey).witness(&mine), 1),
        (all("a witness that was not there").witness(&other), 1),
    ]);
    // What is said, and what is shown.
    for (question, ours, theirs) in [
        (
            all("all"),
            &[
                "PROVEN       13 entries (0, 3-14) are in the log example.com/daicho",
                "PROVEN       the sealed bytes of note of entry 5 are the ones that were recorded",
                "NOT PROVEN   that the key is that of the log's owner",
                "NOT PROVEN   that released/00000000000000000005/note is what was sealed",
            ][..],
            &[
                "PROVEN       entries 0, 3-14 are in the log example.com/daicho",
                "PROVEN       sealed/00000000000000000005/note is what was recorded",
                "NOT PROVEN   whose the log is (save by --vkey)",
            ][..],
        ),
        (
            all("a witness").witness(&mine),
            &["saw the first 21 entries of this log at 2026-09-21T14:13:20.000000Z"],
            &["saw the first 21 entries at 2026-09-21 14:13:20 UTC"],
        ),
        (
            old("a kept checkpoint").kept(kept),
            &["PROVEN       the log is the one whose checkpoint of size 11 you have kept"],
            &["its keys signed each, and its first 11"],
        ),
    ] {
        let told = question.ask_daicho().ok();
        let python = Python::with_cryptography();
        let python = python.map(|python| (question.ask_python(&python).ok(), theirs));
        for (told, lines) in [(told, ours)].into_iter().chain(python) {
            for line in lines {
                assert!(told.contains(line), "{line}: {told}");
            }
        }
    }
    for shown in ask_page(&[part("markup")]).into_iter().flatten() {
        assert_eq!(shown["rows"], 21);
        let details = shown["details"].as_str().unwrap();
        assert!(details.contains(MARKUP), "{shown}");
    }
    let policy = |key: &str| {
        let path = sample.ledger.beside("policy");
        std::fs::write(&path, format!("witness w {key}\nquorum w\n")).unwrap();
        let (path, full) = (path.display().to_string(), full.display().to_string());
        sample
            .ledger
            .run(&["verify-bundle", &full, "--policy", &path])
    };
    assert!(
        policy(&mine)
            .ok()
            .contains("quorum has cosigned the first 21 entries")
    );
    assert_eq!(policy(&other).code, 1);
}
