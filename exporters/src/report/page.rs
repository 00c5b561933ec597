//! A report as one HTML file that loads nothing: it can be opened from an archive in ten years,
//! and opening it tells nobody.

use super::model::{Cell, Figure, Report, Section, Table, Verdict};
use super::write::{RUNS, and_more, number, subject, value, verdict, verification};
use super::{Language, Stamp, Verification, chart};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use schemas::Timestamp;
use sha2::{Digest, Sha256};

/// Our own text, without `<`: it needs no escaping and gets none.
const STYLE: &str = include_str!("page.css");

pub(super) fn page(report: &Report, language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    let basis = &report.basis;
    let title = report.title.in_language(language);
    let evidence_sha256 = hex::encode(Sha256::digest(report.to_json()));
    let mut notes = Notes::default();
    let body = html! {
        @for (index, section) in report.sections.iter().enumerate() {
            (self::section(report, section, index + 3, language, &mut notes))
        }
    };
    let after = report.sections.len() + 3;
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="daicho-report" content=(Stamp::text(report, language));
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – " (basis.organisation) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) @if let Some(period) = &basis.period { " " span.m { (period) } } }
                    p { (basis.organisation) }
                }
                (contents(report, language))
                section #s1 {
                    h2 { "1. " (t("対象", "Subject")) }
                    table.facts { tbody {
                        @for (name, value) in subject(basis, report.version, language) {
                            tr { th { (name) } td { (value) } }
                        }
                        tr { th { (t("証拠ファイル", "Evidence file")) } td {
                            (t("この報告書と対になる JSON ファイル。その SHA-256：", "The JSON file that belongs to this report. Its SHA-256:"))
                            br; code { (evidence_sha256) }
                        } }
                    } }
                    p.soft { (t(
                        "日時はすべて協定世界時（UTC）です。日本時間はこれに9時間を加えた時刻です。",
                        "All times are UTC. Japan time is nine hours later.",
                    )) }
                }
                section #s2 {
                    h2 { "2. " (t("検証結果", "Verification")) }
                    @let lines = verification(basis, language);
                    @let class = match basis.verification {
                        Verification::Clean { .. } => "clean",
                        Verification::Faults { .. } => "faults",
                        Verification::Continued { .. } | Verification::NotRun => "not_run",
                    };
                    div class={ "verdict " (class) } {
                        @if let Some(outcome) = lines.first() { b { (outcome) } }
                        @for line in lines.iter().skip(1) { p { (line) } }
                    }
                }
                (body)
                (notes.section(after, language))
                (attestation(after + 1, language))
                footer {
                    (basis.program) " · " (title) " · "
                    (t("記録", "entries ")) (number(basis.head.size)) (t("件まで", "")) " · "
                    (t("証拠（JSON）の SHA-256", "SHA-256 of the evidence (JSON)")) " "
                    code { (evidence_sha256) }
                }
            }
        }
    }
}

fn contents(report: &Report, language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    let after = report.sections.len() + 3;
    html! {
        nav {
            h2 { (t("目次", "Contents")) }
            ol {
                li { a href="#s1" { (t("対象", "Subject")) } }
                li { a href="#s2" { (t("検証結果", "Verification")) } }
                @for (index, section) in report.sections.iter().enumerate() {
                    li { a href={ "#s" (index + 3) } { (section.title.in_language(language)) } }
                }
                li { a href={ "#s" (after) } { (t("数値の根拠となる記録の位置", "Positions behind the figures")) } }
                li { a href={ "#s" (after + 1) } { (t("確認と署名", "Attestation")) } }
            }
        }
    }
}

fn section(
    report: &Report,
    section: &Section,
    no: usize,
    language: Language,
    notes: &mut Notes,
) -> Markup {
    html! {
        section id={ "s" (no) } {
            h2 { (no) ". " (section.title.in_language(language)) }
            @for said in &section.text { p { (said.in_language(language)) } }
            @if !section.charts.is_empty() {
                div.charts { @for one in &section.charts { (chart::chart(report, one, language)) } }
            }
            @for table in &section.tables { (self::table(table, language, notes)) }
            @if !section.notes.is_empty() {
                ul.soft { @for note in &section.notes { li { (note.in_language(language)) } } }
            }
        }
    }
}

fn table(table: &Table, language: Language, notes: &mut Notes) -> Markup {
    html! {
        @if let Some(title) = &table.title { h3 { (title.in_language(language)) } }
        @if table.rows.is_empty() {
            p.none { (table.empty.in_language(language)) }
        } @else {
            table.wide[table.columns.len() >= WIDE] {
                thead { tr { @for column in &table.columns {
                    th.n[column.figures] { (short(column.title.in_language(language))) }
                } } }
                tbody { @for row in &table.rows { tr {
                    @for (index, cell) in row.iter().enumerate() {
                        @match cell {
                            Cell::Figure(figure) => td.n { (notes.figure(figure)) },
                            Cell::Text(_) | Cell::Name(_) if index == 0 => {
                                th.name { (self::cell(cell, language)) }
                            },
                            _ => td { (self::cell(cell, language)) },
                        }
                    }
                } } }
            }
        }
    }
}

fn cell(cell: &Cell, language: Language) -> Markup {
    match cell {
        Cell::Empty => html! { "–" },
        Cell::Text(text) => short(text.in_language(language)),
        Cell::Name(name) => short(name),
        Cell::Time(at) => moment(*at),
        Cell::Entry { at, position } => html! {
            (moment(*at)) " "
            span.m.soft { (language.pick("位置 ", "position ")) (number(*position)) }
        },
        Cell::Figure(figure) => shown(figure),
        Cell::Verdict(of) => {
            let class = match of {
                Verdict::Met => "met",
                Verdict::NotEvidenced => "unknown",
                Verdict::NotMet => "unmet",
            };
            html! { span class=(class) { (verdict(*of, language)) } }
        }
    }
}

/// Columns from which on a table is set smaller.
const WIDE: usize = 8;

/// Characters that a narrow column has room for on one line.
const SHORT: usize = 5;

/// Japanese breaks anywhere: a short word would stand upright in a narrow column.
fn short(text: &str) -> Markup {
    if text.chars().count() <= SHORT {
        return html! { span.m { (text) } };
    }
    // A bucket, a host: better broken after its parts than within.
    let mut parts = text.split_inclusive(['/', ':']);
    let first = parts.next().unwrap_or_default();
    html! { (first) @for part in parts { wbr; (part) } }
}

/// Digits and commas that a column has room for on one line.
const LONG: usize = 13;

/// A number that is very long may break after a comma.
fn shown(figure: &Figure) -> Markup {
    let text = value(figure);
    if text.len() <= LONG {
        return html! { span.m { (text) } };
    }
    html! { @for part in text.split_inclusive(',') { (part) wbr; } }
}

/// A time to the second, breaking between date and time only. The JSON has microseconds.
fn moment(at: Timestamp) -> Markup {
    let text = at.to_string();
    let (date, time) = text.split_at_checked(10).unwrap_or((&text, ""));
    let time = time.get(1..9).unwrap_or("");
    html! { span.m { (date) } " " span.m { (time) " UTC" } }
}

fn attestation(no: usize, language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    let roles = [
        ("作成者", "Prepared by"),
        ("確認者", "Reviewed by"),
        ("承認者", "Approved by"),
    ];
    html! {
        section.sign id={ "s" (no) } {
            h2 { (no) ". " (t("確認と署名", "Attestation")) }
            p { (t(
                "下記の者は、この報告書の内容を上記の検証結果および証拠ファイルと照合し、相違がないことを確認しました。作成者と承認者は別の者とします。",
                "The undersigned have compared this report with the verification above and with the evidence file and found them to agree. Who prepares it does not approve it.",
            )) }
            table {
                thead { tr {
                    th { (t("役割", "Role")) } th { (t("所属・役職", "Department, position")) }
                    th { (t("氏名", "Name")) } th { (t("日付", "Date")) }
                    th.seal { (t("署名・押印", "Signature")) }
                } }
                tbody { @for (japanese, english) in roles {
                    tr { th { (t(japanese, english)) } td {} td {} td {} td.seal {} }
                } }
            }
        }
    }
}

/// The figures of a page and the positions behind each, as numbered notes.
#[derive(Default)]
struct Notes(Vec<Figure>);

impl Notes {
    /// A figure with the number of its note; nothing was counted, nothing is noted.
    fn figure(&mut self, figure: &Figure) -> Markup {
        if figure.value == 0 || figure.positions.is_empty() {
            return shown(figure);
        }
        self.0.push(figure.clone());
        let note = self.0.len();
        html! { (shown(figure)) sup { a href={ "#p" (note) } { "[" (note) "]" } } }
    }

    fn section(&self, no: usize, language: Language) -> Markup {
        let t = |japanese, english| language.pick(japanese, english);
        html! {
            section id={ "s" (no) } {
                h2 { (no) ". " (t("数値の根拠となる記録の位置", "Positions behind the figures")) }
                p { (t(
                    "本文の [番号] は、その数値を数えた記録が台帳のどこにあるかを示します。位置は 0 から始まる通し番号です。すべての位置と照会条件は証拠ファイルにあり、daicho report explain で記録そのものを一覧できます。",
                    "A number in brackets says from which entries of the log a figure was counted. Positions count from 0. The evidence file has all of them and the query of each; daicho report explain lists the entries themselves.",
                )) }
                @if self.0.is_empty() {
                    p.none { (t("根拠となる記録を持つ数値はありません。", "No figure has entries behind it.")) }
                } @else {
                    table.notes {
                        thead { tr {
                            th.k { (t("番号", "No.")) } th { (t("数値ID", "Figure")) }
                            th.n { (t("記録数", "Entries")) } th.positions { (t("位置", "Positions")) }
                        } }
                        tbody { @for (index, figure) in self.0.iter().enumerate() {
                            @let (shown, more) = figure.positions.brief(RUNS);
                            tr id={ "p" (index + 1) } {
                                td.k { "[" (index + 1) "]" } td.id { (figure.id) }
                                td.n { (number(figure.positions.len())) }
                                td.t.positions { (shown) (and_more(language, more)) }
                            }
                        } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::STYLE;

    #[test]
    fn the_style_cannot_end_its_element() {
        assert!(!STYLE.contains('<'));
    }
}
