//! Keys of which nobody can tell whose they are, and files that were taken in as nobody's: whoever asks
//! is told, and no certificate says that more was destroyed than was.

use super::{PERSON, approve, ledger, request, show, sound, there};
use crate::world::{Ledger, overwrite};
use serde_json::{Value, json};

/// The person's key of a class, by what the log says of the entry.
fn key_of(ledger: &Ledger, seq: u64) -> (Value, std::path::PathBuf) {
    let entry = ledger.run(&["--json", "show", &seq.to_string()]).ok();
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let content = &entry["entry"]["content"][0];
    let key = json!({ "bucket": content["bucket"], "subject": content["subject"] });
    let [bucket, subject] = ["bucket", "subject"].map(|field| key[field].as_str().unwrap());
    let file = ledger.dir.join("keys/content").join(bucket);
    (key.clone(), file.join(format!("{subject}.key")))
}

#[test]
fn a_damaged_or_absent_key_is_named_before_anything_is_recorded() {
    if !there() {
        return;
    }
    for absent in [false, true] {
        let (ledger, keys, seqs) = ledger();
        let (key, file) = key_of(&ledger, seqs[3]);
        let whole = std::fs::read(&file).unwrap();
        match absent {
            true => std::fs::remove_file(&file).unwrap(),
            false => overwrite(&file, &whole[..whole.len() - 1]),
        }
        let fault = ["does not open", "is gone"][usize::from(absent)];
        let subject = key["subject"].as_str().unwrap();
        // Whoever it is of: it might be theirs.
        for person in [PERSON, "c-9999"] {
            let asked = request(&ledger, &["--person", person]);
            asked.refused(&[subject, fault, "--with-keys", "--leave-unread"]);
        }
        assert_eq!(ledger.events("erasure.requested"), [] as [Value; 0]);
        let doctor = ledger.run(&["doctor"]);
        assert!(doctor.out.contains("WRONG  bucket keys"), "{doctor:?}");

        // Put back, it is theirs as ever.
        let spoiled = std::fs::read(&file).ok();
        std::fs::write(&file, &whole).unwrap();
        let told = request(&ledger.copy(), &["--person", PERSON]).lines();
        assert_eq!(told[0]["keys"].as_array().unwrap().len(), 2);
        match spoiled {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }

        let told = request(&ledger, &["--person", PERSON, "--leave-unread"]).lines();
        let (one, unread) = (&told[0]["keys"], &told[0]["unread"]);
        assert_eq!((one.as_array().unwrap().len(), unread), (1, &json!([key])));
        assert_eq!(
            ledger.events("erasure.requested")[0]["data"]["unread"],
            json!([key])
        );
        let approval = told[0]["approval"].as_str().unwrap();
        let shown = ledger.run(&["approvals", "show", approval]).ok();
        assert!(
            shown.contains("unread") && shown.contains(subject),
            "{shown}"
        );
        let told = approve(&ledger, approval, &keys);
        assert_eq!(told.matches("certificate at").count(), 1, "{told}");
        let listed = ledger.run(&["erasure", "list", "--all"]).ok();
        assert!(listed.contains("so nobody knows whose it is"), "{listed}");
        // A key that is gone is a finding, and its report says so too.
        let report = ledger.run(&["report", "retention", "--language", "en"]);
        assert_eq!(report.code, i32::from(absent), "{}", report.err);
        let report = report.out;
        assert!(report.contains("nobody knows whose it is"));

        // Two people sign that it is done with, whosever it is.
        let file_of_keys = ledger.beside("keys.ndjson");
        std::fs::write(&file_of_keys, format!("{key}\n")).unwrap();
        let told = request(&ledger, &["--keys", file_of_keys.to_str().unwrap()]).lines();
        approve(&ledger, told[0]["approval"].as_str().unwrap(), &keys);
        let certificates = ledger.events("erasure.completed");
        let methods: Vec<_> = certificates.iter().map(|c| &c["data"]["method"]).collect();
        let said = ["unopenable-key-destroyed", "no-key-there"][usize::from(absent)];
        assert_eq!(methods, ["subject-key-destroyed", said]);
        let listed = ledger.run(&["erasure", "list", "--all"]).ok();
        assert_eq!(listed.contains("none was destroyed"), absent, "{listed}");
        assert!(!file.exists());
        // What comes back opens nothing.
        sound(&ledger);
        std::fs::write(&file, &whole).unwrap();
        show(&ledger, seqs[3]).refused(&["it was erased"]);
        ledger.run(&["retention", "run"]).ok();
        request(&ledger, &["--person", PERSON])
            .refused(&["no content that is this person's alone"]);
        sound(&ledger);
    }
}

/// What was taken in as nobody's stays nobody's, and whoever says too late whose it is hears of it.
#[test]
fn a_file_that_was_taken_in_before_without_its_person_is_told() {
    let ledger = Ledger::new();
    ledger.configure(|text| format!("{text}\n[[ingest]]\nsource = 'badge'\nclass = 'auth'\n"));
    let file = ledger.beside("badge.log");
    let take = |more: &[&str]| {
        let args = [
            "--json",
            "ingest",
            "file",
            file.to_str().unwrap(),
            "--source",
            "badge",
        ];
        ledger.run(&[&args[..], more].concat())
    };
    let first = "<13>Nov 22 09:00:00 host door: opened\n";
    std::fs::write(&file, first).unwrap();
    let told = take(&[]);
    assert!(!told.err.contains("warning"), "{told:?}");
    let as_theirs = ["--person", "c-12"];
    let told = take(&as_theirs);
    assert!(told.err.contains("not as this person's"), "{told:?}");
    assert!(told.err.contains("daicho retention plan"), "{told:?}");
    let line = told.lines().remove(0);
    let known = first.len();
    assert_eq!(
        (&line["known"], &line["not_theirs"]),
        (&json!(known), &json!(known))
    );
    request(&ledger, &as_theirs).refused(&["no content that is this person's alone"]);
    // What is new is theirs, and no more than the first part is told of.
    std::fs::write(&file, format!("{first}{first}")).unwrap();
    let line = take(&as_theirs).lines().remove(0);
    assert_eq!(
        (&line["lines"], &line["not_theirs"]),
        (&json!(1), &json!(known))
    );
    let line = take(&as_theirs).lines().remove(0);
    assert_eq!(
        (&line["known"], &line["not_theirs"]),
        (&json!(2 * known), &json!(known))
    );
    let line = take(&["--person", "c-13"]).lines().remove(0);
    assert_eq!(line["not_theirs"], json!(2 * known), "another's");
    let told = request(&ledger, &as_theirs).lines().remove(0);
    assert_eq!(told["keys"].as_array().unwrap().len(), 1);
    // A file that was somebody's from the beginning.
    let other = "<13>Nov 22 09:00:01 host door: closed\n";
    std::fs::write(&file, other).unwrap();
    take(&as_theirs).ok();
    let again = take(&as_theirs);
    assert!(!again.err.contains("warning"), "{again:?}");
    assert_eq!(again.lines()[0]["known"], json!(other.len()));
}
