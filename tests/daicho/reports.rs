//! Reports as an officer and an auditor see them: figures that anyone counts again, files that
//! prove what they are, and clear words where they do not.

mod api;
mod files;
mod months;
mod recount;
mod schedule;

use crate::world::{Ledger, Ran, cannot_run, drill, has, overwrite, with_content};
use months::Months;
use serde_json::{Value, json};
use sha2::Digest;
use std::path::{Path, PathBuf};

const PERIODS: [&str; 6] = [
    "transfers",
    "monthly",
    "approvals",
    "access",
    "incidents",
    "controls",
];

/// A report of this ledger, written to a file beside it.
#[track_caller]
fn write(ledger: &Ledger, name: &str, month: &str, file: &str, more: &[&str]) -> PathBuf {
    let path = ledger.beside(file);
    let mut args = vec!["report", name, "--force", "-o", path.to_str().unwrap()];
    if name != "retention" {
        args.extend(["--month", month]);
    }
    args.extend(more);
    ledger.run(&args).ok();
    path
}

/// A file's name with something more.
fn with(file: &Path, more: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn verify(ledger: &Ledger, file: &Path, more: &[&str]) -> Ran {
    let args = ["report", "verify", file.to_str().unwrap(), "--json"];
    ledger.run(&[&args[..], more].concat())
}

/// The findings of a file that does not verify: exit code 1.
#[track_caller]
fn wrong(ran: Ran) -> String {
    assert_eq!(ran.code, 1, "{ran:?}");
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    told["findings"].to_string()
}

fn this_month(ledger: &Ledger) -> String {
    let newest = ledger.run(&["--json", "events", "--newest", "--limit", "1"]);
    newest.lines()[0]["at"].as_str().unwrap()[..7].to_owned()
}

/// Counts every figure of a report again from the raw log. Gives what was above zero.
#[track_caller]
pub fn recounted(ledger: &Ledger, name: &str, month: &str) -> recount::Counted {
    let file = format!("{name}.{month}.json");
    let path = write(ledger, name, month, &file, &["--format", "json"]);
    let text = std::fs::read_to_string(path).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    recount::Log::read(ledger, &report["basis"]).recount(&report)
}

#[test]
fn every_figure_is_what_the_raw_log_gives_by_another_route() {
    if !has("ssh-keygen", "-?") {
        return cannot_run("reports", "ssh-keygen is not there");
    }
    let months = Months::lived();
    let mut families = recount::Counted::new();
    for name in PERIODS.into_iter().chain(["retention"]) {
        for window in months.windows(name) {
            for (family, above) in recounted(&months.ledger, name, &window) {
                *families.entry(family).or_default() += above;
            }
        }
    }
    // A ledger whose rule is too short, which no other can have had.
    let short = Ledger::new();
    short.configure(|text| text.replace("operation = \"P1Y\"", "operation = \"P30D\""));
    short.run(&["policy", "adopt"]).ok();
    short.append(&[with_content(drill("restore"), "one")]);
    for (family, above) in recounted(&short, "controls", &this_month(&short)) {
        *families.entry(family).or_default() += above;
    }
    let counted: usize = families.values().sum();
    let never = families.iter().filter(|(_, above)| **above == 0);
    let never = never.map(|(family, _)| family.as_str());
    let never: Vec<&str> = never.filter(|family| !ELSEWHERE.contains(family)).collect();
    assert!(
        counted > 500,
        "{counted} figures above zero were counted again"
    );
    // Nothing is shown by what was zero all along.
    assert!(never.is_empty(), "never above zero: {never:?}");
    crate::world::say(&format!(
        "reports: {counted} figures above zero of {} families counted again",
        families.len()
    ));
}

/// Families that may be zero in these months: what only a server, a witness or an authority writes,
/// modes and flags of full files, decisions that take the test no second, and what the tests of
/// erasure and of controls have.
const ELSEWHERE: [&str; 13] = [
    "count() of entry checkpoint.timestamped each  where ",
    "count() of entry ledger.checkpoint each  where ",
    "count() of entry witness.cosigned each  where ",
    "count() of fault  each  where ",
    "count() of key  each  where bucket state",
    "max(answered) of approval  each  where subject",
    "median(answered) of approval  each  where subject",
    "newest(content.immutable) of entry protection.checked each  where ",
    "newest(content.unread) of entry protection.checked each  where ",
    "newest(log.files) of entry protection.checked each  where ",
    "newest(log.immutable) of entry protection.checked each  where ",
    "newest(log.read_only) of entry protection.checked each  where ",
    "newest(log.unread) of entry protection.checked each  where ",
];

/// Of a time in which there was no log, zero would say that nothing happened.
#[test]
fn a_month_without_events_is_told_and_one_without_a_log_is_refused() {
    let (ledger, month) = months::silent();
    for name in PERIODS {
        let report = |month: &str| ledger.run(&["report", name, "--month", month]);
        let before = ledger.state();
        report("2020-02").refused(&["the log begins at", "holds nothing of 2020-02", "--month"]);
        report("2999-12").refused(&["2999-12 has not begun", "--month"]);
        assert_eq!(ledger.state(), before, "{name}");
        let file = format!("{name}.json");
        let path = write(&ledger, name, &month, &file, &["--format", "json"]);
        let told = verify(&ledger, &path, &[]).lines().remove(0);
        assert_eq!(told["figures"], "same", "{told}");
        let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        recount::Log::read(&ledger, &report["basis"]).recount(&report);
        let mut met = Vec::new();
        recount::each(&report, "figure", &mut |figure| {
            let whole = figure["id"] == "controls.L1.shown";
            assert!(whole || figure["value"] == 0, "{name}: {figure}");
        });
        recount::each(&report, "verdict", &mut |verdict| met.push(verdict.clone()));
        met.retain(|verdict| verdict == "met");
        // The log itself was verified, and that is all.
        assert!(
            met.len() <= usize::from(name == "controls"),
            "{name}: {met:?}"
        );
        assert_eq!(
            report["basis"]["begun"],
            ledger.events("ledger.created")[0]["at"]
        );
    }
    // Of the three months before it the oldest had no log: it has no figure.
    let path = write(
        &ledger,
        "monthly",
        &month,
        "old.html",
        &["--language", "en"],
    );
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page.contains("Log begins (first entry)"), "{page}");
    assert!(page.contains("No call was recorded"), "{page}");
    let report = std::fs::read(ledger.beside("old.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let table = &report["sections"][0]["tables"][0];
    let list = |of: &Value| of.as_array().unwrap().clone();
    let cells = list(&table["columns"])
        .into_iter()
        .zip(list(&table["rows"][0]));
    let mut cells = cells.skip(1).map(|(column, cell)| {
        let of = column["title"]["en"].as_str().unwrap().to_owned();
        (
            of,
            cell["figure"]["value"].as_u64(),
            cell["text"]["en"].clone(),
        )
    });
    let oldest = cells.next().unwrap();
    assert_eq!((oldest.1, oldest.2), (None, json!("before the log")));
    let begun = &report["basis"]["begun"].as_str().unwrap()[..7];
    for (of, figure, _) in cells.filter(|(of, ..)| &**of >= begun) {
        assert_eq!(figure, Some(0), "{of}");
    }
}

#[test]
fn a_report_is_the_same_bytes_again_and_verifies_in_every_form_and_language() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore"), drill("failover")]);
    let month = this_month(&ledger);
    let size = ledger.verify()["entries"].to_string();
    for name in PERIODS.into_iter().chain(["retention"]) {
        for format in ["html", "json", "csv", "md"] {
            for language in ["ja", "en"] {
                let more = ["--head", &size, "--format", format, "--language", language];
                let one = write(&ledger, name, &month, &format!("one.{format}"), &more);
                let two = write(&ledger, name, &month, &format!("two.{format}"), &more);
                let bytes = |path: &Path| std::fs::read(path).unwrap();
                assert_eq!(bytes(&one), bytes(&two), "{name} {format} {language}");
                let told = verify(&ledger, &one, &[]).lines().remove(0);
                assert_eq!(told["figures"], "same", "{told}");
                assert_eq!(told["signature"], "holds", "{told}");
                assert_eq!(told["head"].to_string(), size);
            }
        }
    }
    // The evidence of a page stands beside it, issued and signed as well.
    let evidence = ledger.beside("one.json");
    assert_eq!(verify(&ledger, &evidence, &[]).code, 0);
    ledger.verify();
}

#[test]
fn a_changed_file_a_foreign_log_and_a_lost_head_are_told_apart() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let json = ["--format", "json"];
    let file = write(&ledger, "monthly", &month, "m.json", &json);
    let text = std::fs::read_to_string(&file).unwrap();
    let figure = "\"id\": \"open.calls\",\n              \"value\": 0";
    let compact: Value = serde_json::from_str(&text).unwrap();
    assert!(compact.is_object());
    let changed = text.replacen("\"value\": 0", "\"value\": 7", 1);
    assert_ne!(text, changed, "{figure}");
    overwrite(&file, changed.as_bytes());
    let told = wrong(verify(&ledger, &file, &[]));
    for part in [
        "no report.issued of this digest",
        "signs another file",
        "the log gives 0",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    overwrite(&file, text.as_bytes());
    assert_eq!(verify(&ledger, &file, &[]).code, 0);

    // One changed letter of a page.
    let page = write(&ledger, "monthly", &month, "p.html", &["--language", "en"]);
    let html = std::fs::read_to_string(&page).unwrap();
    overwrite(&page, html.replacen("Summary", "Summery", 1).as_bytes());
    let told = wrong(verify(&ledger, &page, &[]));
    assert!(told.contains("is not what the log gives"), "{told}");
    // What says nothing of itself is no report.
    overwrite(&page, b"<!DOCTYPE html><p>fine</p>");
    verify(&ledger, &page, &[]).refused(&["is no report of daicho"]);
    overwrite(&page, b"{\"report\":\"monthly\"}");
    verify(&ledger, &page, &[]).refused(&["cannot be read"]);
    overwrite(&page, &[0xff, 0xfe, 0]);
    verify(&ledger, &page, &[]).refused(&["no text"]);

    // Another log knows nothing of it.
    let foreign = Ledger::named("example.org/other");
    verify(&foreign, &file, &[]).refused(&["example.com/daicho", "example.org/other", "--data"]);
    // A log of the same name whose history is another.
    let other = Ledger::new();
    other.append(&[drill("restore"), drill("restore"), drill("restore")]);
    let told = wrong(verify(&other, &file, &[]));
    assert!(told.contains("have the root"), "{told}");
    // A log that has lost entries since.
    let young = Ledger::new();
    let told = wrong(verify(&young, &file, &[]));
    assert!(told.contains("entries were lost"), "{told}");

    // A signature of something else, and a broken one.
    let proof = ledger.beside("m.json.tlog-proof");
    let good = std::fs::read_to_string(&proof).unwrap();
    let of_page = std::fs::read_to_string(ledger.beside("p.html.tlog-proof")).unwrap();
    overwrite(&proof, of_page.as_bytes());
    let told = wrong(verify(&ledger, &file, &[]));
    assert!(told.contains("it signs another file"), "{told}");
    overwrite(&proof, good.replacen("index ", "index 1", 1).as_bytes());
    assert!(wrong(verify(&ledger, &file, &[])).contains("signature does not hold"));
    overwrite(&proof, good.as_bytes());

    // Heads and months that there are not.
    ledger
        .run(&["report", "monthly", "--month", &month, "--head", "9999"])
        .refused(&["--head 9999", "the log has"]);
    ledger
        .run(&["report", "monthly", "--month", "2026-13"])
        .refused(&["--month"]);
    ledger
        .run(&["report", "monthly", "--month", "2026-12..2026-11"])
        .refused(&["2026-10..2026-12"]);
}

#[test]
fn a_report_is_signed_while_a_server_runs_and_checked_without_any_ledger() {
    let ledger = Ledger::new();
    let server = ledger.serve();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    let file = write(&ledger, "controls", &month, "c.html", &[]);
    assert_eq!(verify(&ledger, &file, &[]).code, 0);
    assert_eq!(server.stop(), 0);
    let key = ledger.run(&["key", "show"]).ok().trim().to_owned();
    let nowhere = Ledger::none();
    let offline = ["--offline", "--vkey", &key];
    let told = verify(&nowhere, &file, &offline).lines().remove(0);
    assert_eq!(
        (&told["signature"], &told["figures"]),
        (&json!("holds"), &json!("not_compared"))
    );
    let stranger = Ledger::new().run(&["key", "show"]).ok().trim().to_owned();
    let told = wrong(verify(&nowhere, &file, &["--offline", "--vkey", &stranger]));
    assert!(told.contains("signature does not hold"), "{told}");
    let html = std::fs::read_to_string(&file).unwrap();
    overwrite(&file, format!("{html}\n").as_bytes());
    let told = wrong(verify(&nowhere, &file, &offline));
    assert!(told.contains("it signs another file"), "{told}");
    std::fs::remove_file(ledger.beside("c.html.tlog-proof")).unwrap();
    verify(&nowhere, &file, &offline).refused(&["no signature", "--proof"]);
}

#[test]
fn a_log_that_does_not_keep_what_a_signature_promises_is_told() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    // Both histories have the rules of reports in common.
    ledger.run(&["policy", "adopt"]).ok();
    let before = ledger.copy();
    let file = write(
        &ledger,
        "incidents",
        &month,
        "i.json",
        &["--format", "json"],
    );
    // Rolled back and gone another way, and the same report of the same head issued there too.
    let head = (before.verify()["entries"]).to_string();
    before.append(&[drill("another"), drill("another"), drill("another")]);
    let options = ["--format", "json", "--head", &head];
    let again = write(&before, "incidents", &month, "i.json", &options);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        std::fs::read(&again).unwrap()
    );
    let proof = ledger.beside("i.json.tlog-proof");
    let with = ["--proof", proof.to_str().unwrap()];
    assert_eq!(verify(&ledger, &file, &with).code, 0);
    let told = wrong(verify(&before, &again, &with));
    assert!(told.contains("it was rewritten"), "{told}");
}

#[test]
fn a_page_whose_figures_nobody_compared_is_not_verified() {
    let ledger = Ledger::new();
    let month = this_month(&ledger);
    let file = write(&ledger, "incidents", &month, "i.html", &[]);
    let page = std::fs::read_to_string(&file).unwrap();
    // It says that another program made it.
    let mut stamp = exporters::report::Stamp::find(&page).unwrap();
    let own = stamp.to_text();
    stamp.basis.program = "daicho 9.9".to_owned();
    let other = page.replace(&own, &stamp.to_text());
    assert_ne!(page, other);
    overwrite(&file, other.as_bytes());
    // Nobody is believed who says that it was issued.
    let digest = hex::encode(sha2::Sha256::digest(other.as_bytes()));
    let issued = &ledger.events("report.issued")[0]["data"];
    let mut data = issued.clone();
    data["report_sha256"] = digest.into();
    let told = json!({ "kind": "report.issued", "actor": "user:s001", "data": data });
    ledger
        .run_with(&["append"], told.to_string().as_bytes())
        .refused(&["report.issued is written by the ledger itself"]);
    // As another version of the program would have.
    let issued = schemas::Data::parse("report.issued", &data.to_string()).unwrap();
    let (appender, _) = ledger::open(&ledger.dir, ledger::Options::default()).unwrap();
    let actor = "service:operator".parse().unwrap();
    let event = schemas::Event::new(appender.new_id(), actor, issued);
    appender.append(vec![event.into()]).unwrap();
    drop(appender);
    std::fs::remove_file(ledger.beside("i.html.tlog-proof")).unwrap();
    let ran = verify(&ledger, &file, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("were not held against the log"), "{ran:?}");
}

#[test]
fn a_figure_is_explained_by_the_entries_behind_it() {
    let ledger = Ledger::new();
    let receipts = ledger.append(&[drill("restore"), drill("other"), drill("restore")]);
    let month = this_month(&ledger);
    let file = write(
        &ledger,
        "incidents",
        &month,
        "i.html",
        &["--language", "en"],
    );
    let file = file.to_str().unwrap();
    let figure = ["report", "explain", file, "--figure", "drills.restore.true"];
    let told = ledger.run(&[&figure[..], &["--json"]].concat()).lines();
    assert_eq!(told[0]["value"], 2);
    assert_eq!(told[0]["query"]["where"]["drill"], "restore");
    let seqs: Vec<&Value> = told[1..].iter().map(|entry| &entry["seq"]).collect();
    assert_eq!(seqs, [&receipts[0]["seq"], &receipts[2]["seq"]]);
    assert!(
        told[1..]
            .iter()
            .all(|entry| entry["kind"] == "drill.completed")
    );
    let words = ledger.run(&figure).ok();
    assert!(
        words.contains("count of entry drill.completed drill=restore"),
        "{words}"
    );
    ledger
        .run(&["report", "explain", file, "--figure", "nothing"])
        .refused(&["no figure of this id"]);
    let html = std::fs::read_to_string(file).unwrap();
    overwrite(
        Path::new(file),
        html.replacen("Incidents", "Accidents", 1).as_bytes(),
    );
    let ran = ledger.run(&figure);
    assert!(
        ran.code == 1 && ran.err.contains("not what the log gives"),
        "{ran:?}"
    );
}

#[test]
fn a_pdf_is_signed_and_made_again_like_any_other_form() {
    let ledger = Ledger::new();
    ledger.append(&[drill("restore")]);
    let month = this_month(&ledger);
    // Without the program that writes it, nothing is recorded.
    let alone = tempfile::TempDir::new().unwrap();
    let daicho = alone.path().join("daicho");
    // By another process: a program that this one has open for writing, or a child of another
    // test's still has, does not start.
    let copied = std::process::Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_daicho"))
        .arg(&daicho)
        .status();
    assert!(copied.unwrap().success());
    let mut command = std::process::Command::new(&daicho);
    command
        .arg("--data")
        .arg(&ledger.dir)
        .env("PATH", alone.path());
    command.args(["report", "monthly", "--month", &month, "--format", "pdf"]);
    crate::world::run(command, b"")
        .refused(&["daicho-pdf cannot be run", "cargo build -p daicho-pdf"]);
    assert_eq!(ledger.events("report.issued"), [Value::Null; 0]);

    let beside = Path::new(env!("CARGO_BIN_EXE_daicho")).with_file_name("daicho-pdf");
    if !beside.is_file() {
        return cannot_run(
            "reports",
            "daicho-pdf is not built (cargo build -p daicho-pdf)",
        );
    }
    let file = ledger.beside("m.pdf");
    let path = file.to_str().unwrap();
    let ran = ledger.run(&[
        "report", "monthly", "--month", &month, "--format", "pdf", "-o", path,
    ]);
    if ran.err.contains("no font with Japanese") {
        return cannot_run("reports", "no font with Japanese");
    }
    ran.ok();
    let told = verify(&ledger, &file, &[]).lines().remove(0);
    assert_eq!(
        (&told["signature"], &told["figures"]),
        (&json!("holds"), &json!("same")),
        "{told}"
    );
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    overwrite(&file, &bytes);
    let told = wrong(verify(&ledger, &file, &[]));
    assert!(told.contains("no report.issued of this digest"), "{told}");
    assert!(
        told.contains("its pages or its evidence are not what the log gives"),
        "{told}"
    );
    // A font that is none is told in daicho-pdf's own words.
    ledger.configure(|text| text.replace("[report]", "[report]\nfont = \"daicho.toml\""));
    let args = ["report", "monthly", "--month", &month, "--format", "pdf"];
    ledger
        .run(&args)
        .refused(&["daicho.toml cannot be read", "[report] font"]);
}
