//! A report as CSV (RFC 4180): one line for each cell, each figure with query and positions.

use super::model::{Cell, Figure, Report, Unit};
use super::write::{cell_text, label, labels, subject, verification};
use super::{Language, Stamp};

pub(super) fn table(report: &Report, language: Language) -> String {
    let head = language.pick(
        "章,表,行,列,内容,単位,数値ID,照会,根拠となる記録の位置",
        "section,table,row,column,value,unit,figure,query,positions",
    );
    // Spreadsheets take a file without the mark for their system's own encoding.
    let mut csv = format!("\u{feff}{head}\r\n");
    let mut line = |cells: [&str; 9]| {
        csv.push_str(&cells.map(cell).join(","));
        csv.push_str("\r\n");
    };
    let stamp = Stamp::text(report, language);
    let title = report.title.in_language(language);
    line([title, "", "", "", &stamp, "", "", "", ""]);
    for (name, value) in subject(&report.basis, report.version, language) {
        line([title, "", name, "", &value, "", "", "", ""]);
    }
    let checked = language.pick("検証結果", "Verification");
    for said in verification(&report.basis, language) {
        line([title, "", checked, "", &said, "", "", "", ""]);
    }
    for section in &report.sections {
        let title = section.title.in_language(language);
        for said in section.text.iter().chain(&section.notes) {
            line([
                title,
                "",
                "",
                "",
                said.in_language(language),
                "",
                "",
                "",
                "",
            ]);
        }
        for table in &section.tables {
            let named = table.title.as_ref().map_or("", |t| t.in_language(language));
            if table.rows.is_empty() {
                let empty = table.empty.in_language(language);
                line([title, named, "", "", empty, "", "", "", ""]);
            }
            for row in &table.rows {
                let of = label(row, language);
                let labels = labels(row);
                for (column, value) in table.columns.iter().zip(row).skip(labels) {
                    let column = column.title.in_language(language);
                    match value {
                        Cell::Empty => {}
                        Cell::Figure(figure) => line([
                            title,
                            named,
                            &of,
                            column,
                            &figure.value.to_string(),
                            unit(figure.unit),
                            &figure.id,
                            &figure.query.to_string(),
                            &positions(figure),
                        ]),
                        Cell::Entry { position, .. } => {
                            let (text, position) =
                                (cell_text(value, language), position.to_string());
                            line([title, named, &of, column, &text, "", "", "", &position]);
                        }
                        other => {
                            let text = cell_text(other, language);
                            line([title, named, &of, column, &text, "", "", "", ""]);
                        }
                    }
                }
            }
        }
    }
    csv
}

/// In brackets, for a spreadsheet takes a bare 1-3 for a date and 7,9 for a number.
fn positions(figure: &Figure) -> String {
    match figure.positions.is_empty() {
        true => String::new(),
        false => format!("[{}]", figure.positions.cell()),
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::Tokens => "tokens",
        Unit::Seconds => "seconds",
        Unit::Millionths => "millionths",
    }
}

/// Quoted where it must be. A text that a spreadsheet would compute stays a text.
fn cell(text: &str) -> String {
    let text = match text.chars().next() {
        // Some take the full-width forms for the others, and pass over what precedes them.
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\t' | '\r' | '\n') => {
            format!("'{text}")
        }
        _ => text.to_owned(),
    };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_one_cell_and_no_formula() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        for formula in ["=1", "+1", "-1", "@a", "＝1", "＋1", "－1", "＠a", "\t=1"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("\r=1"), "\"'\r=1\"");
        assert_eq!(cell("US"), "US");
    }
}
