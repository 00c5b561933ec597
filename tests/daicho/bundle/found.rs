//! Whatever is done to a bundle is found.

use super::judges::{Python, all_say, ask_page};
use super::tamper;
use super::{Sample, keep, members};
use crate::world::{Dice, cannot_run, has, run, say};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use exporters::bundle::{Trust, check, zip};
use std::process::Command;

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
