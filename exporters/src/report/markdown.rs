//! A report as Markdown, for whoever keeps it beside other texts.

use super::model::{Cell, Report, Table};
use super::write::{RUNS, and_more, cell_text, subject, verification};
use super::{Language, Stamp};
use std::fmt::Write;

/// Writing to a text cannot fail.
macro_rules! line {
    ($text:expr, $($part:tt)*) => {{ let _ = writeln!($text, $($part)*); }};
}

pub(super) fn page(report: &Report, language: Language) -> String {
    let t = |japanese, english| language.pick(japanese, english);
    let mut text = String::new();
    line!(text, "<!-- {} -->\n", Stamp::text(report, language));
    let title = report.title.in_language(language);
    match &report.basis.period {
        Some(period) => line!(text, "# {title} {period}\n"),
        None => line!(text, "# {title}\n"),
    }
    line!(
        text,
        "| {} | {} |\n|---|---|",
        t("項目", "Item"),
        t("内容", "Value")
    );
    for (name, value) in subject(&report.basis, report.version, language) {
        line!(text, "| {name} | {} |", cell(&value));
    }
    let checked = verification(&report.basis, language).join(" ");
    line!(text, "| {} | {checked} |\n", t("検証結果", "Verification"));
    for section in &report.sections {
        line!(text, "## {}\n", section.title.in_language(language));
        for said in &section.text {
            line!(text, "{}\n", said.in_language(language));
        }
        for table in &section.tables {
            self::table(&mut text, table, language);
        }
        for note in &section.notes {
            line!(text, "- {}", note.in_language(language));
        }
        if !section.notes.is_empty() {
            line!(text, "");
        }
    }
    text
}

fn table(text: &mut String, table: &Table, language: Language) {
    if let Some(title) = &table.title {
        line!(text, "### {}\n", title.in_language(language));
    }
    if table.rows.is_empty() {
        line!(text, "{}\n", table.empty.in_language(language));
        return;
    }
    let heads = table.columns.iter().map(|c| c.title.in_language(language));
    line!(text, "| {} |", heads.collect::<Vec<_>>().join(" | "));
    let rules = table
        .columns
        .iter()
        .map(|c| if c.figures { "---:" } else { "---" });
    line!(text, "|{}|", rules.collect::<Vec<_>>().join("|"));
    for row in &table.rows {
        let cells = row.iter().map(|value| {
            let shown = cell(&cell_text(value, language));
            match value {
                Cell::Figure(figure) if !figure.positions.is_empty() => {
                    let (positions, more) = figure.positions.brief(RUNS);
                    format!("{shown} [{positions}{}]", and_more(language, more))
                }
                _ => shown,
            }
        });
        line!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    line!(text, "");
}

/// A text that stays in its cell, and is no markup.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\r' | '\n' => safe.push(' '),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '|' | '[' | ']' | '!' | '*' | '_' | '`' | '~' => safe.extend(['\\', character]),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_name_of_the_log_is_no_markup() {
        let image = "![x](https://example.com) <b> a|b\n*c* _d_ `e` ~f~ \\ &lt;";
        let text = r"\!\[x\](https://example.com) &lt;b> a\|b \*c\* \_d\_ \`e\` \~f\~ \\ &amp;lt;";
        assert_eq!(cell(image), text);
        assert_eq!(cell("model-a: 株式会社"), "model-a: 株式会社");
    }
}
