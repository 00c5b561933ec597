//! How the demo speaks: short lines, a label before each.

use crate::outcome::say;
use std::io::IsTerminal;

/// Characters of a text that one line shows.
const SHOWN: usize = 64;

pub fn act(number: usize, title: &str) {
    if std::io::stdout().is_terminal() {
        say!("\n\x1b[1m{number}  {title}\x1b[0m");
    } else {
        say!("\n{number}  {title}");
    }
}

pub fn line(label: &str, text: impl AsRef<str>) {
    say!("   {label:<10} {}", text.as_ref());
}

/// The beginning of a text, on one line.
pub fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
