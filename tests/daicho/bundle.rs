//! Evidence bundles, and their three verifiers: `verify-bundle`, verify.py and verify.html.
//! Whatever is done to a bundle, none of them calls it proven.

mod destroyed;
mod forge;
mod judges;
mod tamper;

use crate::timestamp::configure;
use crate::timestamp::tsa::{HONEST, Tsa};
use crate::world::{Dice, Ledger, ORIGIN, cannot_run, drill, has, run, say, with_content};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signer;
use exporters::bundle::{Trust, check, zip};
use forge::{Forged, Forger, Members};
use judges::{Python, Question, all_say, ask_page};
use ledger::note::SignerKey;
use ledger::timestamp::Query;
use ledger::witness::Cosigner;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

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

#[test]
fn a_bundle_has_one_form_and_is_never_written_over() {
    let sample = Sample::new();
    let (one, two) = (
        sample.bundle("1.zip", &["--to", "9"]),
        sample.bundle("2.zip", &["--to", "9"]),
    );
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    let again = ["bundle", "-o", one.to_str().unwrap()];
    sample.ledger.run(&again).refused(&["1.zip exists already"]);
    let out = sample.ledger.beside("3.zip");
    let out = out.to_str().unwrap();
    let kept = sample.kept.to_str().unwrap();
    let stranger = Ledger::new();
    let strange = stranger.dir.join("checkpoint");
    for (args, parts) in [
        (
            &["--session", "nobody"][..],
            &["no entry below 41 has all that was asked for"][..],
        ),
        (&["--to", "99"], &["--to 99", "below 41"]),
        (&["--release", "5"], &["\"5\" is not SEQ:NAME"]),
        (
            &["--release", "5:letter"],
            &["entry 5 has no content \"letter\""],
        ),
        (
            &["--from", "9", "--release", "5:note"],
            &["entry 5 is not among"],
        ),
        (
            &["--checkpoint", one.to_str().unwrap()],
            &["1.zip is no checkpoint of this log"],
        ),
        (
            &["--checkpoint", strange.to_str().unwrap()],
            &["is no checkpoint of this log"],
        ),
        (
            &["--to", "14", "--checkpoint", kept],
            &["--to 14", "below 11"],
        ),
        (
            &["--from", "14", "--checkpoint", kept],
            &["no entry below 11"],
        ),
    ] {
        let before = sample.ledger.state();
        sample
            .ledger
            .run(&[&["bundle", "-o", out], args].concat())
            .refused(parts);
        assert!(
            !Path::new(out).exists() && sample.ledger.state() == before,
            "{args:?}"
        );
    }
    // A span of time is a range, and so is everything.
    for (name, args, said) in [
        (
            "time.zip",
            &["--since", "2020-01-01T00:00:00Z"][..],
            "41 entries (0-40)",
        ),
        ("kind.zip", &["--kind", "ledger.created"], "1 entries (0)"),
        (
            "actor.zip",
            &["--actor", "user:s009"],
            "5 entries (0, 10, 20, 30, 40)",
        ),
        (
            "some.zip",
            &["--from", "3", "--to", "9"],
            "8 entries (0, 3-9)",
        ),
    ] {
        let told = sample
            .ask(name, &sample.bundle(name, args))
            .ask_daicho()
            .ok();
        assert!(told.contains(&format!("PROVEN       {said}")), "{told}");
    }
    // A zip as any other program has it, and proofs as C2SP has them.
    let mut unzip = Command::new("python3");
    unzip.args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(*z.namelist())"]).arg(&one);
    let names = members(&one).into_keys().collect::<Vec<_>>().join(" ");
    match has("python3", "--version") {
        true => assert_eq!(run(unzip, b"").ok().trim(), names),
        false => cannot_run("bundle", "no python3"),
    }
    let head = sample.head();
    let under = ["--checkpoint", head.to_str().unwrap()];
    let members = members(&sample.bundle("now.zip", &under));
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    for (seq, line) in (0..).zip(text("entries").lines()) {
        let path: Vec<&str> = line.split('\t').skip(2).collect();
        let proof = format!(
            "c2sp.org/tlog-proof@v1\nindex {seq}\n{}\n\n{}",
            path.join("\n"),
            text("checkpoint")
        );
        let proven = sample.ledger.run(&["prove", &format!("{seq}")]).ok();
        assert_eq!(proof, proven);
    }
}

#[test]
fn what_is_released_is_recorded_first() {
    let sample = Sample::new();
    let revealed = |ledger: &Ledger| {
        let rows = ledger
            .run(&["events", "--kind", "content.revealed", "--json"])
            .lines();
        rows.into_iter()
            .map(|row| row["data"].clone())
            .collect::<Vec<_>>()
    };
    let bundle = sample.bundle(
        "own.zip",
        &["--to", "9", "--release", "5:note", "--release", "6:note"],
    );
    let expected =
        |position: u64| json!({ "position": position, "name": "note", "purpose": "bundle" });
    assert_eq!(revealed(&sample.ledger), [expected(5), expected(6)]);
    assert_eq!(
        members(&bundle)["released/00000000000000000005/note"],
        "帳簿 0 4".as_bytes()
    );
    let server = sample.ledger.serve();
    sample.bundle("beside.zip", &["--to", "9", "--release", "7:note"]);
    drop(server);
    assert_eq!(revealed(&sample.ledger)[2..], [expected(7)]);
}

#[test]
fn an_authority_s_token_is_carried_and_checked_by_whoever_can() {
    let Some(python) = Python::with_cryptography().filter(|_| has("openssl", "version")) else {
        return cannot_run("bundle", "no openssl or no python3 with cryptography");
    };
    let sample = Sample::new();
    let (tsa, foreign) = (Tsa::new(), Tsa::new());
    let stamp = |tsa: &Tsa, note: &[u8]| {
        let query = Query::new(note, None).unwrap().to_der();
        tsa.reply(HONEST, &query, None)
    };
    let note = std::fs::read(&sample.kept).unwrap();
    let tokens = sample.ledger.dir.join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(tokens.join("00000000000000000011.checkpoint"), &note).unwrap();
    std::fs::write(tokens.join("00000000000000000011.tsr"), stamp(&tsa, &note)).unwrap();
    let stamped = sample.bundle("stamped.zip", &["--to", "9"]);
    let question = sample.ask("stamped", &stamped);
    for (ca, code) in [(tsa.ca(), 0), (foreign.ca(), 1)] {
        let ca = ca.to_str().unwrap();
        let path = stamped.to_str().unwrap();
        let ours = sample.ledger.run(&["verify-bundle", path, "--tsa-ca", ca]);
        let theirs = question.ask_python(&python.with("--tsa-ca", Path::new(ca)));
        for ran in [ours, theirs] {
            assert_eq!(ran.code, code, "{ran:?}");
            let proven = ran
                .out
                .contains("PROVEN       the first 11 entries existed");
            assert_eq!(proven, code == 0, "{ran:?}");
        }
    }
    // Whoever asks for a time stamp is told that none is here.
    let (ca, plain) = (tsa.ca(), sample.bundle("plain.zip", &["--from", "30"]));
    let (ca, at) = (ca.to_str().unwrap(), plain.to_str().unwrap());
    let ours = sample.ledger.run(&["verify-bundle", at, "--tsa-ca", ca]);
    let plain = sample.ask("plain", &plain);
    let theirs = plain.ask_python(&python.with("--tsa-ca", Path::new(ca)));
    assert_eq!((ours.code, theirs.code), (1, 1), "{ours:?} {theirs:?}");
    assert!(
        theirs.out.contains("no time stamp of this checkpoint"),
        "{theirs:?}"
    );
    // What a witness has cosigned is what an authority stamps, and what both have signed is what
    // a bundle is made with.
    configure(&sample.ledger, &tsa, "http://127.0.0.1:9");
    let [query, answer] = ["query", "answer"].map(|name| sample.ledger.beside(name));
    let [query, answer] = [&query, &answer].map(|path| path.to_str().unwrap());
    let ask = ["timestamp", "--request", query];
    sample.ledger.run(&ask).ok();
    let about = format!("{query}.checkpoint");
    assert_eq!(std::fs::read(&about).unwrap(), sample.cosigned);
    let reply = tsa.reply(HONEST, &std::fs::read(query).unwrap(), None);
    std::fs::write(answer, reply).unwrap();
    let take = [&ask[..], &["--response", answer]].concat();
    sample.ledger.run(&take).ok();
    sample.ledger.run(&ask).ok();
    let newest = std::fs::read(sample.head()).unwrap();
    assert_eq!(std::fs::read(&about).unwrap(), newest);
    let both = sample.bundle("both.zip", &["--to", "9"]);
    let witness = sample.witness.key().to_string();
    let asked = sample.ask("both", &both).witness(&witness);
    let at = both.to_str().unwrap();
    let ours = ["verify-bundle", at, "--tsa-ca", ca, "--witness", &witness];
    let ours = sample.ledger.run(&ours);
    let theirs = asked.ask_python(&python.with("--tsa-ca", Path::new(ca)));
    for told in [ours.ok(), theirs.ok()] {
        assert!(
            told.contains("PROVEN       the first 21 entries existed"),
            "{told}"
        );
        assert!(told.contains("saw the first 21 entries"), "{told}");
    }
    let told = question.ask_daicho().ok();
    assert!(
        told.contains("NOT PROVEN   that the first 11 entries existed at"),
        "{told}"
    );
    let mut other = members(&stamped);
    other.insert("checkpoint.tsr".to_owned(), stamp(&tsa, b"another note"));
    let other = keep(
        &sample.ledger,
        "another token",
        &zip::write(&other).unwrap(),
    );
    all_say(&[(question, 0), (sample.ask("another token", &other), 1)]);
}

#[test]
fn one_flipped_bit_anywhere_is_found() {
    let bytes = std::fs::read(Sample::new().full()).unwrap();
    assert!(check(&bytes, &Trust::default()).is_sound());
    let mut dice = Dice::thrown("bundle");
    // Of the papers a part; of all else every byte.
    let papers = zip::read(&bytes).unwrap()["verify.html"].as_ptr();
    let rare = |at: usize| (bytes[at..].as_ptr() >= papers) || at < 20_000;
    let mut flips = 0;
    for at in 0..bytes.len() {
        if rare(at) && dice.below(50) != 0 {
            continue;
        }
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << dice.below(8);
        let report = check(&flipped, &Trust::default());
        assert!(!report.is_sound() && report.proven.is_empty(), "byte {at}");
        flips += 1;
    }
    say(&format!(
        "bundle: {flips} flipped bits of {} bytes found",
        bytes.len()
    ));
}

#[test]
fn whatever_is_done_to_a_bundle_is_found_by_all_three() {
    let sample = Sample::new();
    let full = sample.full();
    let bytes = std::fs::read(&full).unwrap();
    let whole = members(&full);
    let mut questions = Vec::new();
    let mut wrong = |name: &str, bytes: &[u8]| {
        let name = format!("{} {name}", questions.len());
        let path = keep(&sample.ledger, &name, bytes);
        questions.push((sample.ask(&name, &path), 1));
    };
    for (name, zip) in tamper::damaged(&bytes, &whole) {
        wrong(&name, &zip);
    }
    let other = std::fs::read(sample.head()).unwrap();
    for (name, changed) in tamper::changed(&whole, &other) {
        assert!(changed != whole, "{name} changed nothing");
        wrong(&name, &zip::write(&changed).unwrap());
    }
    // The same files as others zip them, and what grows without end.
    for (name, make) in [
        ("packed", "Z(o, 'w', 8), ''"),
        ("dated", "Z(o, 'w'), ''"),
        ("a bomb", "Z(o, 'w', 8), bytes(50 << 20)"),
    ] {
        let path = sample.ledger.beside(&format!("{name}.zip"));
        let script = format!(
            "import sys; from zipfile import ZipFile as Z; i, o = sys.argv[1:]; \
             old = Z(i); new, more = {make}\n\
             for n in sorted(old.namelist()): new.writestr(n, more or old.read(n))\nnew.close()"
        );
        let mut anew = Command::new("python3");
        anew.args(["-c", &script]).arg(&full).arg(&path);
        match has("python3", "--version") {
            true => run(anew, b"").ok(),
            false => return cannot_run("bundle", "no python3"),
        };
        questions.push((sample.ask(name, &path), 1));
    }
    // One that is left out, as whoever chooses may, shows as a gap.
    let mut gap = whole.clone();
    let text = String::from_utf8(whole["entries"].clone()).unwrap();
    let lines = text.split_inclusive('\n').enumerate();
    let left = lines.filter(|(line, _)| *line != 5).map(|(_, line)| line);
    gap.insert("entries".to_owned(), left.collect::<String>().into_bytes());
    let gap = keep(&sample.ledger, "gap", &zip::write(&gap).unwrap());
    let gap = sample.ask("an entry left out", &gap);
    let python = Python::with_cryptography();
    let python = python.map(|python| gap.ask_python(&python).ok());
    let page = ask_page(std::slice::from_ref(&gap)).map(|shown| shown[0]["proven"].to_string());
    for told in [Some(gap.ask_daicho().ok()), python, page]
        .into_iter()
        .flatten()
    {
        assert!(told.contains("0, 3-6, 8-14"), "{told}");
    }
    questions.push((gap, 0));
    // What a witness signed is for whoever names the witness.
    let with = |name: &str, note: &str| {
        let mut changed = whole.clone();
        changed.insert("checkpoint".to_owned(), note.as_bytes().to_vec());
        let path = keep(&sample.ledger, name, &zip::write(&changed).unwrap());
        sample.ask(name, &path)
    };
    let witness = sample.witness.key().to_string();
    let note = String::from_utf8(sample.cosigned.clone()).unwrap();
    let (less, line) = note.trim_end().rsplit_once('\n').unwrap();
    let less = with("a cosignature left out", &format!("{less}\n"));
    questions.push((less.clone().witness(&witness), 1));
    questions.push((less, 0));
    let (front, raw) = line.rsplit_once(' ').unwrap();
    let raw = STANDARD.decode(raw).unwrap();
    for (what, at) in [("its time", 9), ("its R", 20), ("its S", 60)] {
        let mut raw = raw.clone();
        raw[at] ^= 1;
        let other = note.replace(line, &format!("{front} {}", STANDARD.encode(raw)));
        let name = format!("a cosignature changed in {what}");
        questions.push((with(&name, &other).witness(&witness), 1));
    }
    let cut = note.replace(line, &format!("{front} {}", STANDARD.encode(&raw[..75])));
    questions.push((with("a cosignature cut", &cut).witness(&witness), 1));
    // The witness's own key signs what a witness must not say.
    let text = &note[..note.find("\n\n").unwrap() + 1];
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    for (name, seconds) in [
        ("no time", 0_u64),
        ("the year 10000", 253_402_300_800),
        ("a time beyond 2^63", 1 << 63),
    ] {
        let signature = key.sign(format!("cosignature/v1\ntime {seconds}\n{text}").as_bytes());
        let raw = [&raw[..4], &seconds.to_be_bytes(), &signature.to_bytes()].concat();
        let other = note.replace(line, &format!("{front} {}", STANDARD.encode(raw)));
        questions.push((with(name, &other).witness(&witness), 1));
    }
    say(&format!(
        "bundle: three verifiers find each of {} tampered bundles",
        questions.len()
    ));
    all_say(&questions);
    // Without the package that checks signatures nothing is proven, and nothing called wrong.
    let Some(bare) = Python::bare() else {
        return cannot_run("bundle", "no python3");
    };
    let ran = sample.ask("sound", &full).ask_python(&bare);
    let said = ran.out.contains("NOT DONE") && ran.out.contains("cryptography");
    assert!(
        ran.code == 2 && said && !ran.out.contains("PROVEN"),
        "{ran:?}"
    );
}

#[test]
fn keys_are_followed_and_none_signs_out_of_its_span() {
    let sample = Sample::new();
    let template = members(&sample.full());
    let (a, b) = (Forger::Seed(1), Forger::Seed(2));
    let rotated = || Forged::rotated(a, b);
    let everything: Vec<u64> = (0..8).collect();
    let mut questions = Vec::new();
    let mut ask = |name: &str, members: Members, code: i32, vkey: Option<Forger>| {
        let path = keep(&sample.ledger, name, &zip::write(&members).unwrap());
        let vkey = vkey.map(Forger::vkey);
        questions.push((
            Question {
                vkey,
                ..sample.ask(name, &path)
            },
            code,
        ));
    };
    ask(
        "a rotated log",
        rotated().bundle(&template, &everything),
        0,
        None,
    );
    ask(
        "parts of it",
        rotated().bundle(&template, &[0, 2, 4, 6]),
        0,
        None,
    );
    ask(
        "its old key",
        rotated().bundle(&template, &[0, 4, 6]),
        0,
        Some(a),
    );
    ask(
        "its new key",
        rotated().bundle(&template, &[0, 4, 6]),
        0,
        Some(b),
    );
    ask(
        "one key",
        Forged::of(a).bundle(&template, &[0, 3]),
        0,
        Some(a),
    );
    ask(
        "a third key",
        rotated().bundle(&template, &[0, 4, 6]),
        1,
        Some(Forger::Seed(3)),
    );
    ask(
        "the rotation left out",
        rotated().bundle(&template, &[0, 2, 6]),
        1,
        None,
    );
    ask(
        "the rotation left out before an old entry",
        rotated().bundle(&template, &[0, 2]),
        1,
        None,
    );
    let signed = |at: usize, by: Forger| {
        let mut log = rotated();
        log.signers[at] = by;
        log.bundle(&template, &[0, 2, 4, 6])
    };
    ask("the old key after its end", signed(6, a), 1, None);
    ask("the new key before its time", signed(2, b), 1, None);
    ask("a rotation by the new key", signed(4, b), 1, None);
    let last = |last: Forger| Forged { last, ..rotated() };
    ask(
        "a checkpoint by the old key",
        last(a).bundle(&template, &everything),
        1,
        None,
    );
    let back = Forged {
        rotations: vec![(4, b), (6, a)],
        last: a,
        signers: vec![a, a, a, a, a, b, b, a],
        ..rotated()
    };
    ask(
        "a key that comes back",
        back.bundle(&template, &everything),
        1,
        None,
    );
    ask(
        "a weak key",
        Forged::of(Forger::Weak).bundle(&template, &[0, 3]),
        1,
        None,
    );
    let small = Forged {
        signers: vec![a, a, a, Forger::SmallR(1), a, a],
        ..Forged::of(a)
    };
    ask(
        "a signature with a small R",
        small.bundle(&template, &[0, 3]),
        1,
        None,
    );
    let weak = Forged::rotated(a, Forger::Weak);
    ask(
        "a weak key later on",
        weak.bundle(&template, &everything),
        1,
        None,
    );
    // Its own keys sign what a log must not say.
    type Twist = fn(u64, String) -> String;
    let twists: [(&str, Twist); 6] = [
        ("a prev of another entry", |seq, body| match seq {
            3 => body.replace(&body[body.len() - 20..], &format!("{}\"}}", "1".repeat(18))),
            _ => body,
        }),
        ("an entry 0 that follows something", |seq, body| match seq {
            0 => body.replace(&"0".repeat(64), &"1".repeat(64)),
            _ => body,
        }),
        ("a time that runs back", |seq, body| match seq {
            3 => body.replacen("\"at\":\"20", "\"at\":\"19", 1),
            _ => body,
        }),
        ("a key twice in a body", |seq, body| match seq {
            3 => body.replacen("\"kind\":", "\"kind\":\"agent.retired\",\"kind\":", 1),
            _ => body,
        }),
        ("white space in a body", |seq, body| match seq {
            3 => body.replacen(':', ": ", 1),
            _ => body,
        }),
        ("a position of another entry", |seq, body| match seq {
            3 => body.replacen("\"seq\":3", "\"seq\":4", 1),
            _ => body,
        }),
    ];
    for (name, twist) in twists {
        let twisted = Forged {
            twist,
            ..Forged::of(a)
        };
        ask(name, twisted.bundle(&template, &[0, 1, 2, 3]), 1, None);
    }
    let longer = Forged {
        more: "more\n",
        ..Forged::of(a)
    };
    ask(
        "a checkpoint of four lines",
        longer.bundle(&template, &[0, 3]),
        1,
        None,
    );
    // And by daicho's own hand: both keys are the log's, the old one no longer signs.
    sample.ledger.run(&["key", "rotate"]).ok();
    let new = sample.ledger.run(&["key", "show"]).ok().trim().to_owned();
    sample.ledger.append(&[drill("failover")]);
    let own = sample.bundle("own.zip", &["--kind", "drill.completed"]);
    let own = |name: &str| sample.ask(name, &own);
    questions.push((own("the key before daicho rotated").vkey(&sample.vkey), 0));
    questions.push((own("the key after it").vkey(&new).kept(&sample.head()), 0));
    questions.push((own("no key of it").vkey(&a.vkey()), 1));
    all_say(&questions);
}
