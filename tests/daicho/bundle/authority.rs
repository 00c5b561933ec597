//! Tokens of a time-stamping authority in a bundle.

use super::judges::{Python, all_say};
use super::{Sample, keep, members};
use crate::timestamp::configure;
use crate::timestamp::tsa::{HONEST, Tsa};
use crate::world::{cannot_run, has};
use exporters::bundle::zip;
use ledger::timestamp::Query;
use std::path::Path;

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
