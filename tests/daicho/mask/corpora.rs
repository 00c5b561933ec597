//! `daicho mask --ndjson` judged by `score.py` on the labelled texts of `tests/corpora/pii/`. The
//! levels are what the rules promise; what they reach stands in that folder's README.

use super::mask;
use crate::world::{cannot_run, has, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Figures of `score.py --json`, each with its level.
type Levels<'l> = &'l [(&'l str, f64)];

#[test]
fn the_development_set_keeps_the_levels_that_are_promised() {
    let at_least = [
        ("/types/PERSON/iou50/r", 0.93),
        ("/types/PERSON/iou50/p", 0.85),
        ("/types/ADDRESS/iou50/f1", 0.99),
        ("/types/PHONE/iou50/r", 0.995),
        ("/types/PHONE/iou50/p", 0.98),
        ("/types/EMAIL/iou50/r", 0.995),
        ("/types/EMAIL/iou50/p", 0.98),
    ];
    let under = [
        ("/total/leak", 0.03),
        ("/total/block_miss", 0.005),
        ("/total/false_block", 0.015),
        ("/total/over_masked_per_1000", 15.0),
    ];
    keeps("dev.jsonl", 2000, &at_least, &under);
}

#[test]
fn of_disguised_values_95_of_100_are_caught() {
    let under = [("/total/leak", 0.05), ("/total/block_miss", 0.05)];
    keeps("adversarial.jsonl", 86, &[], &under);
}

#[track_caller]
fn keeps(file: &str, documents: u64, at_least: Levels, under: Levels) {
    if !has("python3", "--version") {
        return cannot_run("mask", "no python3");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/pii");
    let gold = folder.join(file);
    let masked = mask(&["--ndjson"], &std::fs::read(&gold).unwrap()).ok();
    let place = TempDir::new().unwrap();
    let found = place.path().join("found.jsonl");
    std::fs::write(&found, masked).unwrap();
    let score = |form: &[&str]| {
        let mut command = Command::new("python3");
        command.arg(folder.join("score.py")).arg(&gold).arg(&found);
        command.args(form).env("PYTHONIOENCODING", "utf-8");
        run(command, b"").ok()
    };

    let figures: Value = serde_json::from_str(&score(&["--json"])).unwrap();
    // All documents were judged, and what leaves is the text with its spans replaced.
    assert_eq!(figures["total"]["docs"], documents);
    assert_eq!(figures["total"]["masked_text_inconsistent"], 0);
    let reached = |figure: &str| figures.pointer(figure).and_then(Value::as_f64).unwrap();
    let low = at_least.iter().filter(|(of, level)| reached(of) < *level);
    let high = under.iter().filter(|(of, level)| reached(of) >= *level);
    let broken: Vec<_> = low.chain(high).map(|row| (row, reached(row.0))).collect();
    let table = || score(&["--errors", "40"]);
    assert!(broken.is_empty(), "{file}: {broken:?}\n{}", table());
}
