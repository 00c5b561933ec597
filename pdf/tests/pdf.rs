//! `daicho-pdf` as it is run: real evidence in, a document out.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/daicho/world/cannot_run.rs"]
mod cannot_run;

use exporters::report::Stamp;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The JSON of a report, as its snapshot has it.
fn evidence(snapshot: &str) -> String {
    let reports = Path::new(env!("CARGO_MANIFEST_DIR")).join("../exporters/src/report");
    let text = std::fs::read_to_string(reports.join(snapshot)).unwrap();
    let json = text.splitn(3, "---\n").nth(2).unwrap();
    format!("{}\n", json.trim_end())
}

const RETENTION: &str = "retention/snapshots/exporters__report__retention__tests__every_figure_of_the_report_names_its_query_and_its_positions.snap";
const TRANSFERS: &str = "transfers/snapshots/exporters__report__transfers__tests__json.snap";

fn run(json: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daicho-pdf"));
    let pipes = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let json = json.to_owned();
    // Who refuses early does not read to the end.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(json.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap();
    output
}

fn font() -> bool {
    let there = pdf::Typeface::find(None).is_ok();
    if !there {
        cannot("no font with Japanese");
    }
    there
}

#[test]
fn the_same_evidence_is_the_same_archivable_bytes_and_says_what_it_was_made_from() {
    if !font() {
        return;
    }
    for snapshot in [RETENTION, TRANSFERS] {
        let json = evidence(snapshot);
        for language in ["ja", "en"] {
            let args = ["--language", language];
            let (one, two) = (run(&json, &args), run(&json, &args));
            assert!(
                one.status.success(),
                "{}",
                String::from_utf8_lossy(&one.stderr)
            );
            assert_eq!(one.stdout, two.stdout);
            assert!(one.stdout.starts_with(b"%PDF-1."));
            let text = String::from_utf8_lossy(&one.stdout);
            assert!(text.contains("<pdfaid:part>3") && text.contains("<pdfaid:conformance>B"));
            let stamp = Stamp::find(&text).unwrap();
            let (of_json, _) = Stamp::read(&json).unwrap();
            assert_eq!(stamp.basis, of_json.basis);
            assert_eq!(stamp.language.unwrap().tag(), language);
        }
    }
}

fn cannot(why: &str) {
    cannot_run::cannot_run("pdf", why);
}

#[test]
fn verapdf_calls_it_archivable_and_its_text_comes_out() {
    if !font() {
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut files = Vec::new();
    for (name, snapshot) in [("retention", RETENTION), ("transfers", TRANSFERS)] {
        for language in ["ja", "en"] {
            let file = dir.join(format!("{name}.{language}.pdf"));
            let output = run(&evidence(snapshot), &["--language", language]);
            std::fs::write(&file, output.stdout).unwrap();
            files.push(file);
        }
    }
    let text = Command::new("pdftotext").arg(&files[0]).arg("-").output();
    match text {
        Ok(text) => {
            let text = String::from_utf8(text.stdout).unwrap();
            for part in [
                "保存期間報告書",
                "株式会社サンプル・ホールディングス",
                "確認と署名",
            ] {
                assert!(text.contains(part), "{part} is not in {text}");
            }
        }
        Err(_) => cannot("no pdftotext"),
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let Ok(classes) = std::fs::read_to_string(tests.join(".tools/verapdf")) else {
        return cannot("no veraPDF");
    };
    let mut judge = Command::new("java");
    judge
        .args(["-cp", classes.trim()])
        .arg(tests.join("verapdf/Judge.java"));
    let judged = judge.args(&files).output().unwrap();
    let told = String::from_utf8_lossy(&judged.stdout).into_owned();
    let passed = told
        .lines()
        .filter(|line| line.starts_with("PASS "))
        .count();
    assert_eq!(
        (judged.status.code(), passed),
        (Some(0), files.len()),
        "{told}"
    );
}

/// Names of other scripts, signs that turn the direction of a text, very long ones.
#[test]
fn what_the_font_does_not_have_is_marked_and_said_and_nothing_leaves_the_page() {
    if !font() {
        return;
    }
    let json = evidence(TRANSFERS);
    let long = "株式会社とても長い名前の会社の情報システム統括本部内部監査室".repeat(40);
    let name = format!("\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{202e}abc\u{1f600} {long}");
    let json = json.replace("anthropic", &name);
    assert!(json.contains(&name));
    for (language, note) in [("ja", "この書体にない文字は"), ("en", "font does not have")]
    {
        let output = run(&json, &["--language", language]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("strange.{language}.pdf"));
        std::fs::write(&file, &output.stdout).unwrap();
        let said = |args: &[&str]| {
            let text = Command::new("pdftotext")
                .args(args)
                .arg(&file)
                .arg("-")
                .output();
            text.ok()
                .map(|text| String::from_utf8(text.stdout).unwrap())
        };
        let (Some(text), Some(words)) = (said(&[]), said(&["-bbox"])) else {
            return cannot("no pdftotext");
        };
        assert!(text.contains(note), "{text}");
        assert!(text.contains('〓') && !text.contains('\u{5e9}'), "{text}");
        let edge = |word: &str, name: &str| -> f32 {
            let (_, after) = word.split_once(&format!("{name}=\"")).unwrap();
            after.split('"').next().unwrap().parse().unwrap()
        };
        for word in words.lines().filter(|line| line.contains("<word ")) {
            assert!(
                edge(word, "xMin") >= 0.0 && edge(word, "xMax") <= 595.28,
                "{word}"
            );
            assert!(
                edge(word, "yMin") >= 0.0 && edge(word, "yMax") <= 841.89,
                "{word}"
            );
        }
    }
}

#[test]
fn what_is_no_font_or_no_evidence_is_refused_in_clear_words() {
    let json = evidence(TRANSFERS);
    let refused = |output: Output, part: &str| {
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(output.stdout.is_empty() && told.contains(part), "{told}");
    };
    refused(
        run(&json, &["--font", "/nowhere.ttf"]),
        "/nowhere.ttf cannot be read",
    );
    let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    refused(run(&json, &["--font", this]), "cannot be read");
    if font() {
        refused(run("{}", &[]), "no evidence of a report");
        refused(run("", &[]), "no evidence of a report");
        refused(
            run(&json.replace("\"version\": 2", "\"version\": -2"), &[]),
            "no evidence",
        );
    }
}
