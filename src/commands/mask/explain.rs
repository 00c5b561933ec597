//! A text with what was found in it marked, and a line per find: where, what, why, what instead.

use super::place::Places;
use crate::outcome::{Done, Outcome, say};
use agents::masking::{Masked, Verdict};
use std::io::IsTerminal;

pub fn explain(text: &str, encoding: &str, masked: &Masked) -> Done {
    let colored = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say!("{}", marked(text, masked, colored).trim_end_matches('\n'));
    say!("");
    if encoding != "UTF-8" {
        say!("read as {encoding}");
    }
    let places = Places::of(text);
    let rows: Vec<[String; 5]> = masked
        .spans
        .iter()
        .map(|span| {
            let instead = if span.kind.is_prohibited() {
                "blocks".to_owned()
            } else {
                format!("→ {}", shown(&span.replacement))
            };
            [
                places.at(span.start).to_string(),
                span.kind.word().to_owned(),
                span.rule.to_owned(),
                span.evidence.to_string(),
                instead,
            ]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - columns(cell))))
            .collect();
        say!("{}", line.join("  ").trim_end());
    }
    for list in masked
        .blocks
        .iter()
        .filter(|b| b.rule.as_str() == "customer-list")
    {
        say!(
            "customer-list: {} persons with contact data in one text",
            list.count
        );
    }
    Ok(match (masked.verdict, masked.spans.len()) {
        (Verdict::Block, _) => {
            let rules = super::reasons(masked);
            say!("blocked ({rules}): nothing of this text leaves, masked or not");
            Outcome::Wrong
        }
        (Verdict::Allow, 0) => {
            say!("nothing found: it leaves as it is");
            Outcome::Well
        }
        (Verdict::Allow, all) => {
            say!("{all} found: it leaves with the replacements");
            Outcome::Well
        }
    })
}

/// The text with each find in colour, or in `[[ ]]`.
fn marked(text: &str, masked: &Masked, colored: bool) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut spans = masked.spans.iter().peekable();
    for (at, c) in text.chars().enumerate() {
        if let Some(span) = spans.peek().filter(|span| span.start == at) {
            out.push_str(match (colored, span.kind.is_prohibited()) {
                (true, true) => "\x1b[97;41m",
                (true, false) => "\x1b[30;43m",
                (false, _) => "[[",
            });
        }
        push(&mut out, c);
        if spans.next_if(|span| span.end == at + 1).is_some() {
            out.push_str(if colored { "\x1b[0m" } else { "]]" });
        }
    }
    out
}

/// A terminal obeys control characters; a text that is shown must not command it.
fn push(out: &mut String, c: char) {
    match c {
        '\n' | '\t' => out.push(c),
        '\r' => {}
        c if c.is_control() => out.push('\u{FFFD}'),
        c => out.push(c),
    }
}

fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        push(&mut out, if c == '\n' { ' ' } else { c });
    }
    out
}

/// Columns of a terminal: what is not ASCII here is Japanese, and twice as wide.
fn columns(text: &str) -> usize {
    text.chars()
        .map(|c| if c.is_ascii() || c == '→' { 1 } else { 2 })
        .sum()
}
