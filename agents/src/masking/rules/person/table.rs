//! Tables: the head of a column says what stands below it.

use super::super::sought::Sought;
use super::shape::{self, Strength};
use super::{Names, Scene, latin};
use crate::masking::normal::View;
use regex::Regex;
use std::sync::LazyLock;

/// Lines above a cell in which its head is looked for.
const REACH: usize = 200;

/// A longer line is no table's row.
const WIDEST: usize = 2000;

static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"(?i)^(?:お?名前|(?:ご|お)?氏名(?:\(?(?:漢字|カナ|かな)\)?)?|姓|名|セイ|メイ|姓名|フリガナ|ふりがな|カナ|顧客名|お客様名?|担当者?名?|社員名|従業員名?|宛名|受取人名?|代表者名?|申込者名?|患者名?|生徒名?|参加者名?|(?:full|first|last|user|customer|given|family|contact|employee)?[ _-]?name|assignee|owner|author|reporter|customer|employee|recipient|sender|kana)$",
    )
});

/// No alternative of [`HEAD`] is longer.
const LONGEST_HEAD: usize = 13;

/// How all alternatives of [`HEAD`] in ASCII end.
const ENDS: [&str; 10] = [
    "ame", "nee", "ner", "hor", "ter", "mer", "yee", "ent", "der", "ana",
];

/// Whether a cell is the head of a column of names.
fn is_head(cell: &str) -> bool {
    let bytes = cell.as_bytes();
    let ends = |end: &str| {
        let tail = bytes.len().checked_sub(end.len()).map(|at| &bytes[at..]);
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end.as_bytes()))
    };
    (!cell.is_ascii() || ENDS.into_iter().any(ends)) && HEAD.is_match(cell)
}

/// One line's cells, as character ranges of the view without quotes and surrounding spaces.
fn cells(view: &View, start: usize, end: usize, mark: char) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut from = start;
    let mut quoted = false;
    for at in start..=end {
        let c = view.get(at).filter(|_| at < end);
        if c == Some('"') {
            quoted = !quoted;
        }
        if c.is_none() || (c == Some(mark) && !quoted) {
            let (mut a, mut b) = (from, at);
            while a < b && view.chars[a].is_whitespace() | matches!(view.chars[a], '"' | '\'' | '`')
            {
                a += 1;
            }
            while a < b
                && view.chars[b - 1].is_whitespace() | matches!(view.chars[b - 1], '"' | '\'' | '`')
            {
                b -= 1;
            }
            out.push((a, b));
            from = at + 1;
        }
    }
    out
}

fn lines(view: &View) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in 0..=view.len() {
        if view.get(at).is_none_or(|c| c == '\n') {
            out.push((start, at));
            start = at + 1;
        }
    }
    out
}

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    if !view.text.contains('\n') && !view.text.contains("VALUES") && !view.text.contains("values") {
        return;
    }
    let lines = lines(view);
    for mark in [',', '\t', '|'] {
        if !view.text.contains(mark) {
            continue;
        }
        // Column numbers that the head in force calls names, and its number of cells.
        let mut head: Option<(Vec<usize>, usize)> = None;
        for &(start, end) in &lines {
            if !view.chars[start..end].contains(&mark) {
                head = None;
                continue;
            }
            let cells = cells(view, start, end, mark);
            let columns: Vec<usize> = (0..cells.len())
                .filter(|&i| {
                    let (start, end) = cells[i];
                    (1..=LONGEST_HEAD).contains(&(end - start)) && is_head(view.slice(start, end))
                })
                .collect();
            if !columns.is_empty() {
                head = Some((columns, cells.len()));
                continue;
            }
            let Some((columns, width)) = &head else {
                continue;
            };
            if cells.len() < *width {
                continue;
            }
            for &(a, b) in columns.iter().filter_map(|&i| cells.get(i)) {
                cell(scene, names, a, b);
            }
        }
    }
    statements(scene, names);
}

pub(in crate::masking::rules) static INSERT: Sought =
    Sought::new(|| r"(?i)insert\s+into\s+\S{1,80}\s*\(([^()]+)\)\s*values\s*".into());

/// `INSERT INTO t (name, …) VALUES ('…', …), (…)`.
fn statements(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for hit in INSERT.captures_iter(view) {
        let Some(columns) = hit.get(1) else {
            continue;
        };
        let columns: Vec<usize> = view.text[columns]
            .split(',')
            .enumerate()
            .filter(|(_, name)| is_head(name.trim().trim_matches(['"', '`', '\''])))
            .map(|(i, _)| i)
            .collect();
        let mut at = view.at_byte(hit.whole.end);
        while view.get(at) == Some('(') {
            let Some(close) = (at..view.len().min(at + 4000)).find(|&i| {
                view.chars[i] == ')'
                    && view
                        .get(i + 1)
                        .is_none_or(|c| matches!(c, ',' | ';' | ' ' | '\n' | '\r'))
            }) else {
                break;
            };
            let row = cells(view, at + 1, close, ',');
            for &(a, b) in columns.iter().filter_map(|&i| row.get(i)) {
                cell(scene, names, a, b);
            }
            at = close + 1;
            while view.get(at).is_some_and(|c| c.is_whitespace() || c == ',') {
                at += 1;
            }
        }
    }
}

/// A cell under a name's head is a name unless it is plainly none.
fn cell(scene: &Scene, names: &mut Names, start: usize, end: usize) {
    let view = scene.view;
    if start >= end || !scene.is_open(start, end) {
        return;
    }
    if view.chars[start].is_ascii_alphabetic() {
        if let Some(name) = latin::at(view, start, true).filter(|n| n.end <= end) {
            names.add(name);
        }
        return;
    }
    if let Some((strength, name)) = shape::read(view, start, end) {
        let text = view.slice(start, end);
        if strength > Strength::Guess || !crate::masking::lexicon::lexicon().is_word(text) {
            names.add(name);
        }
    } else if let Some(name) = super::label::unknown(view, start).filter(|n| n.end <= end) {
        names.add(name);
    }
}

/// The heads of the table that was last looked at: a row's cells have them in common, and finding
/// them for each would cost a wide table its square.
#[derive(Default)]
pub(in crate::masking) struct Heads {
    row: Option<(usize, char)>,
    cells: Vec<(usize, usize)>,
}

impl Heads {
    /// The text of the first cell above the one that holds `at`.
    pub(in crate::masking) fn above<'v>(&mut self, view: &'v View, at: usize) -> Option<&'v str> {
        let start = line_start(view, at)?;
        let mark = [',', '\t', '|'].into_iter().find(|&mark| {
            view.chars[start..at].contains(&mark)
                || view.get(at + 12) == Some(mark)
                || view.chars[at..]
                    .iter()
                    .take(40)
                    .take_while(|c| **c != '\n')
                    .any(|&c| c == mark)
        })?;
        if self.row != Some((start, mark)) {
            self.row = Some((start, mark));
            let head = head(view, start, mark);
            self.cells = head.map_or(Vec::new(), |(begin, end)| cells(view, begin, end, mark));
        }
        let column = view.chars[start..at].iter().filter(|&&c| c == mark).count();
        let &(a, b) = self.cells.get(column)?;
        Some(view.slice(a, b))
    }
}

/// The first line of the table whose row begins at `start`.
fn head(view: &View, start: usize, mark: char) -> Option<(usize, usize)> {
    let mut end = start.checked_sub(1)?;
    let mut head = None;
    for _ in 0..REACH {
        let Some(begin) = line_start(view, end) else {
            break;
        };
        if !view.chars[begin..end].contains(&mark) {
            break;
        }
        head = Some((begin, end));
        let Some(next) = begin.checked_sub(1) else {
            break;
        };
        end = next;
    }
    head
}

/// Where the line of `at` begins; `None` of a line that is too long for a table's row.
fn line_start(view: &View, at: usize) -> Option<usize> {
    let reach = at.saturating_sub(WIDEST);
    let before = (reach..at).rev().find(|&i| view.chars[i] == '\n');
    before.map(|i| i + 1).or_else(|| (reach == 0).then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::literal::{ExtractKind, Extractor};

    #[test]
    fn no_head_ends_otherwise() {
        let parsed = regex_syntax::parse(HEAD.as_str()).expect("it compiles");
        let mut ends = Extractor::new();
        ends.kind(ExtractKind::Suffix)
            .limit_literal_len(3)
            .limit_total(5_000);
        let ends = ends.extract(&parsed);
        let ends = ends.literals().expect("it ends with words");
        for end in ends {
            let end = String::from_utf8_lossy(end.as_bytes()).to_lowercase();
            let listed = ENDS.iter().any(|known| known.ends_with(&end));
            assert!(listed || !end.is_ascii(), "{end}");
        }
    }
}
