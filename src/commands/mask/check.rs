//! Files before they go into a knowledge base: what the rules would mask or block in each.
//!
//! A report of finds, not of values: rule, place and count.

use super::place::{Place, Places};
use super::source::{self, Text, Unread};
use crate::outcome::{Done, Failure, Outcome, say};
use agents::masking::{self, Evidence, Masker};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a file is found to be. The graver is the greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Clean,
    Mask,
    Block,
    Unread,
}

#[derive(Serialize)]
struct Report<'p> {
    file: &'p Path,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    /// Finds per rule.
    rules: BTreeMap<String, u64>,
    finds: Vec<Find>,
}

#[derive(Serialize)]
struct Find {
    #[serde(flatten)]
    place: Place,
    rule: &'static str,
    evidence: Evidence,
    blocks: bool,
}

pub fn check(masker: &Masker, files: &[PathBuf], json: bool) -> Done {
    let mut verdicts = BTreeMap::new();
    let mut found = Vec::new();
    files.iter().for_each(|named| walk(named, &mut found));
    for (path, fault) in found {
        let text = fault.map_or_else(|| source::read(&path), Err);
        let report = report(masker, &path, text);
        *verdicts.entry(report.verdict).or_insert(0u64) += 1;
        if json {
            say!("{}", serde_json::to_string(&report)?);
        } else {
            print(&report);
        }
    }
    let count = |verdict| verdicts.get(&verdict).copied().unwrap_or(0);
    if !json {
        say!(
            "{} clean, {} to mask, {} to block, {} not read",
            count(Verdict::Clean),
            count(Verdict::Mask),
            count(Verdict::Block),
            count(Verdict::Unread)
        );
    }
    if count(Verdict::Unread) > 0 {
        return Err(Failure::msg(
            format!("{} of the files could not be read", count(Verdict::Unread)),
            "what was not read was not checked: convert it to text, or leave it out",
        ));
    }
    Ok(if count(Verdict::Mask) + count(Verdict::Block) > 0 {
        Outcome::Wrong
    } else {
        Outcome::Well
    })
}

/// A file, or every file below a directory in the order of their names; with what cannot be
/// looked into goes why.
fn walk(path: &Path, found: &mut Vec<(PathBuf, Option<Unread>)>) {
    if !path.is_dir() {
        return found.push((path.to_owned(), None));
    }
    let entries = std::fs::read_dir(path).and_then(|all| {
        all.map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<PathBuf>>>()
    });
    let mut below = match entries {
        Ok(below) => below,
        Err(error) => return found.push((path.to_owned(), Some(error.into()))),
    };
    below.sort();
    for path in below {
        // Links lead out, and round in circles.
        if path.is_symlink() && path.is_dir() {
            found.push((path, Some(Unread::NoText("a link to a directory"))));
        } else {
            walk(&path, found);
        }
    }
}

fn report<'p>(masker: &Masker, file: &'p Path, text: Result<Text, Unread>) -> Report<'p> {
    let mut report = Report {
        file,
        verdict: Verdict::Clean,
        encoding: None,
        fault: None,
        rules: BTreeMap::new(),
        finds: Vec::new(),
    };
    match text {
        Ok(Text { text, encoding }) => {
            report.encoding = Some(encoding);
            let places = Places::of(&text);
            let masked = masker.text(&text);
            report.verdict = match masked.verdict {
                masking::Verdict::Block => Verdict::Block,
                masking::Verdict::Allow if masked.spans.is_empty() => Verdict::Clean,
                masking::Verdict::Allow => Verdict::Mask,
            };
            for block in masked.blocks {
                report.rules.insert(block.rule.to_string(), block.count);
            }
            for span in masked.spans {
                let blocks = span.kind.is_prohibited();
                if !blocks {
                    *report.rules.entry(span.rule.to_owned()).or_default() += 1;
                }
                report.finds.push(Find {
                    place: places.at(span.start),
                    rule: span.rule,
                    evidence: span.evidence,
                    blocks,
                });
            }
        }
        Err(unread) => {
            report.verdict = Verdict::Unread;
            report.fault = Some(unread.to_string());
        }
    }
    report
}

fn print(report: &Report) {
    let file = report.file.display();
    if let Some(fault) = &report.fault {
        return say!("{file}: not read: it {fault}");
    }
    let encoding = match report.encoding {
        Some("UTF-8") | None => String::new(),
        Some(other) => format!(" ({other})"),
    };
    let counts: Vec<String> = report
        .rules
        .iter()
        .map(|(rule, count)| format!("{count} {rule}"))
        .collect();
    match report.verdict {
        Verdict::Block => say!("{file}{encoding}: blocked: {}", counts.join(", ")),
        Verdict::Mask => say!("{file}{encoding}: {}", counts.join(", ")),
        _ => say!("{file}{encoding}: clean"),
    }
    for find in &report.finds {
        let blocks = if find.blocks { ", blocks" } else { "" };
        say!(
            "  {}  {} ({}){blocks}",
            find.place,
            find.rule,
            find.evidence
        );
    }
}
