use super::{TransferReport, basis_title};
use crate::report::Language;

/// RFC 4180, one line for each figure; empty facts of a vendor were not stated.
pub(super) fn table(report: &TransferReport, language: Language) -> String {
    let head = language.pick(
        "月,ベンダー,会社名,国,法的根拠,先方での保存期間,データ区分,項目,規則・宛先,数値,根拠となる記録の位置",
        "month,vendor,company,country,legal basis,retention there,class of data,figure,rule or host,value,positions",
    );
    // Spreadsheets take a file without the mark for their system's own encoding.
    let mut csv = format!("\u{feff}{head}\r\n");
    for vendor in &report.vendors {
        let facts = vendor.facts.as_ref();
        let told = |fact: Option<&str>| fact.unwrap_or_default().to_owned();
        for class in &vendor.classes {
            for (what, figure, positions) in class.figures() {
                let cells = [
                    report.month.to_string(),
                    vendor.vendor.to_string(),
                    told(facts.map(|f| f.company.as_str())),
                    told(facts.map(|f| f.country.as_str())),
                    basis_title(facts.and_then(|f| f.basis), language).to_owned(),
                    told(facts.map(|f| f.retention.as_str())),
                    class.class.map(|c| c.to_string()).unwrap_or_default(),
                    what.title(language).to_owned(),
                    what.of().to_owned(),
                    figure.to_string(),
                    positions.to_string(),
                ];
                csv.push_str(&cells.map(|text| cell(&text)).join(","));
                csv.push_str("\r\n");
            }
        }
    }
    csv
}

/// Quoted where it must be. A text that a spreadsheet would compute stays a text.
fn cell(text: &str) -> String {
    let text = match text.chars().next() {
        Some('=' | '+' | '-' | '@') => format!("'{text}"),
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
        assert_eq!(cell("US"), "US");
    }
}
