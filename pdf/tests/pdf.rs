//! `daicho-pdf` as it is run: real evidence in, a document out.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/daicho/world/cannot_run.rs"]
mod cannot_run;
#[path = "pdf/month.rs"]
mod month;

use exporters::report::Stamp;
use exporters::report::write::amount;
use serde_json::Value;
use std::collections::HashSet;
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

/// Of each report that these tests print, its name and its JSON.
fn reports() -> Vec<(&'static str, String)> {
    let mut reports = vec![
        ("retention", evidence(RETENTION)),
        ("transfers", evidence(TRANSFERS)),
    ];
    reports.extend(month::evidence());
    reports
}

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
    for (name, json) in reports() {
        for language in ["ja", "en"] {
            let file = dir.join(format!("{name}.{language}.pdf"));
            let output = run(&json, &["--language", language]);
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
        let Some(text) = said(&file, &[]) else {
            return cannot("no pdftotext");
        };
        assert!(text.contains(note), "{text}");
        assert!(text.contains('〓') && !text.contains('\u{5e9}'), "{text}");
        stands_clear(&file);
    }
}

/// What pdftotext says of a document.
fn said(file: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("pdftotext");
    let output = command.args(args).arg(file).arg("-").output().ok()?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Left, top, right and bottom of a word.
fn edges(word: &str) -> [f32; 4] {
    ["xMin", "yMin", "xMax", "yMax"].map(|name| {
        let (_, after) = word.split_once(&format!("{name}=\"")).unwrap();
        after.split('"').next().unwrap().parse().unwrap()
    })
}

/// How much of the smaller of two words the other covers.
fn covered(one: [f32; 4], two: [f32; 4]) -> f32 {
    let area =
        |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = [
        one[0].max(two[0]),
        one[1].max(two[1]),
        one[2].min(two[2]),
        one[3].min(two[3]),
    ];
    area(both) / area(one).min(area(two)).max(f32::MIN_POSITIVE)
}

/// Every word stands on its page and on no other word; every page says which of how many it is.
#[track_caller]
fn stands_clear(file: &Path) {
    let boxes = said(file, &["-bbox"]).unwrap();
    let pages: Vec<&str> = boxes.split("<page ").skip(1).collect();
    assert!(!pages.is_empty(), "{boxes}");
    for (index, page) in pages.iter().enumerate() {
        let words = page.lines().filter(|line| line.contains("<word "));
        let words: Vec<(&str, [f32; 4])> = words.map(|word| (word, edges(word))).collect();
        for (at, (word, edges)) in words.iter().enumerate() {
            let [left, top, right, bottom] = *edges;
            assert!(left >= 0.0 && right <= 595.28, "{word}");
            assert!(top >= 0.0 && bottom <= 841.89, "{word}");
            for (other, others) in words.iter().skip(at + 1) {
                let covered = covered(*edges, *others);
                assert!(covered < 0.2, "page {}: {word} on {other}", index + 1);
            }
        }
        let number = (index + 1).to_string();
        let text = said(file, &["-layout", "-f", &number, "-l", &number]).unwrap();
        // Spaces are not characters of a page: pdftotext guesses them.
        let last = text.trim_end().rsplit("  ").next().unwrap_or_default();
        let last: String = last.split_whitespace().collect();
        assert_eq!(last, format!("{number}/{}", pages.len()), "{text}");
    }
}

#[test]
fn long_names_and_long_japanese_stand_on_no_other_word_and_pages_are_numbered() {
    if !font() {
        return;
    }
    if Command::new("pdftotext").arg("-v").output().is_err() {
        return cannot("no pdftotext");
    }
    for (name, json) in reports() {
        for language in ["ja", "en"] {
            let output = run(&json, &["--language", language]);
            let file =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clear.{name}.{language}.pdf"));
            std::fs::write(&file, &output.stdout).unwrap();
            stands_clear(&file);
            let text = said(&file, &[]).unwrap();
            let whole: String = text.split_whitespace().collect();
            let parts = match (name, language) {
                ("monthly", _) => [month::AGENT, "2026-09"],
                ("controls", "ja") => ["適合", "不適合"],
                ("controls", _) => ["notmet", "notevidenced"],
                _ => continue,
            };
            for part in parts {
                assert!(whole.contains(part), "{name}: no {part} in {text}");
            }
        }
    }
}

/// Every figure of the tables with what a reader of the page sees of it.
fn figures(tables: &Value) -> Vec<String> {
    let cells = tables.as_array().unwrap().iter();
    let rows = cells.flat_map(|table| table["rows"].as_array().unwrap());
    let figures = rows
        .flat_map(|row| row.as_array().unwrap())
        .map(|cell| &cell["figure"]);
    let figures = figures.filter(|figure| figure.is_object());
    let shown = figures.map(|figure| {
        let unit = serde_json::from_value(figure["unit"].clone()).unwrap();
        amount(figure["value"].as_u64().unwrap(), unit)
    });
    shown.collect()
}

/// Twenty digits are what a figure can have: beside nine more of them they are set smaller.
#[test]
fn no_number_is_broken_however_many_stand_side_by_side() {
    if !font() {
        return;
    }
    if Command::new("pdftotext").arg("-v").output().is_err() {
        return cannot("no pdftotext");
    }
    let (_, json) = month::evidence()
        .into_iter()
        .find(|(name, _)| *name == "monthly")
        .unwrap();
    for times in [1, 1_000, 1_000_000] {
        let mut report: Value = serde_json::from_str(&json).unwrap();
        let mut expected = Vec::new();
        for section in report["sections"].as_array_mut().unwrap() {
            for table in section["tables"].as_array_mut().unwrap() {
                for row in table["rows"].as_array_mut().unwrap() {
                    for cell in row.as_array_mut().unwrap() {
                        if let Some(value) = cell.pointer_mut("/figure/value") {
                            *value = value.as_u64().unwrap().saturating_mul(times).into();
                        }
                    }
                }
            }
            expected.extend(figures(&section["tables"]));
        }
        assert!(
            expected.iter().any(|figure| figure.len() >= 15),
            "{expected:?}"
        );
        for language in ["ja", "en"] {
            let output = run(&report.to_string(), &["--language", language]);
            assert!(output.status.success());
            let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("numbers.{times}.{language}.pdf"));
            std::fs::write(&file, &output.stdout).unwrap();
            stands_clear(&file);
            let text = said(&file, &[]).unwrap();
            let words: HashSet<&str> = text.split_whitespace().collect();
            for figure in &expected {
                assert!(
                    words.contains(figure.as_str()),
                    "times {times}, {language}: {figure} is broken"
                );
            }
        }
    }
}

#[test]
fn the_evidence_comes_out_of_the_document_as_it_went_in() {
    if !font() {
        return;
    }
    for (name, json) in reports() {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (file, inside) = (
            dir.join(format!("inside.{name}.pdf")),
            dir.join(format!("inside.{name}.json")),
        );
        std::fs::write(&file, run(&json, &[]).stdout).unwrap();
        let mut detach = Command::new("pdfdetach");
        let Ok(told) = detach
            .args(["-save", "1", "-o"])
            .args([&inside, &file])
            .output()
        else {
            return cannot("no pdfdetach");
        };
        assert!(told.status.success(), "{told:?}");
        assert!(std::fs::read(&inside).unwrap() == json.as_bytes(), "{name}");
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
