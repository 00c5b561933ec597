//! A report's parts, one after the other.

use crate::evidence::{Cell, Figure, Report, Section, Spelt, Table};
use crate::font::Typeface;
use crate::sheet::{ILL, INK, LEADING, LEFT, MARK, RIGHT, SOFT, Sheets, UNSURE, WELL};
use crate::table::{Field, Grid};
use exporters::report::model::Verdict;
use exporters::report::write::{
    RUNS, amount, and_more, moment, number, subject, verdict, verification,
};
use exporters::report::{Language, Summary, Verification};
use sha2::{Digest, Sha256};

const BODY: f32 = 9.0;
const SMALL: f32 = 7.5;
/// Of the title, the words and the table under which people sign.
const SIGNED: f32 = 270.0;
/// Of a line of the table of contents.
const LISTED: f32 = 9.0;

fn pick(language: Language, japanese: &'static str, english: &'static str) -> &'static str {
    match language {
        Language::Japanese => japanese,
        Language::English => english,
    }
}

/// Every page, with its foot.
pub fn lay_out<'t>(
    report: &Report,
    json: &str,
    language: Language,
    typeface: &'t Typeface,
) -> Sheets<'t> {
    let t = |japanese, english| pick(language, japanese, english);
    let mut sheets = Sheets::new(typeface);
    let evidence = hex::encode(Sha256::digest(json));
    title(&mut sheets, report, language);
    // Filled once it is known what stands where.
    let contents = (sheets.page(), sheets.y);
    sheets.y += 18.0 + (report.sections.len() + 4) as f32 * LISTED * LEADING + 8.0;

    sheets.heading(&format!("1. {}", t("対象", "Subject")));
    facts(&mut sheets, report, &evidence, language);
    if typeface.lacks(json) {
        let instead = typeface.instead;
        let told = match language {
            Language::Japanese => format!(
                "この書体にない文字は「{instead}」で示します。元の文字は証拠ファイルにあります。"
            ),
            Language::English => format!(
                "A character that this font does not have is shown as {instead}; the evidence file has it."
            ),
        };
        sheets.paragraph(&told, SMALL, SOFT);
    }
    sheets.heading(&format!("2. {}", t("検証結果", "Verification")));
    checked(&mut sheets, report, language);
    let mut notes = Vec::new();
    for (index, section) in report.sections.iter().enumerate() {
        let title = section.title.in_language(language);
        sheets.heading(&format!("{}. {title}", index + 3));
        self::section(&mut sheets, report, section, language, &mut notes);
    }
    let after = report.sections.len() + 3;
    let title = t("数値の根拠となる記録の位置", "Positions behind the figures");
    sheets.heading(&format!("{after}. {title}"));
    positions(&mut sheets, &notes, language);
    // The title stands on the page on which people sign.
    sheets.need(SIGNED);
    sheets.heading(&format!(
        "{}. {}",
        after + 1,
        t("確認と署名", "Attestation")
    ));
    attestation(&mut sheets, language);
    list(&mut sheets, contents, language);
    feet(&mut sheets, report, &evidence, language);
    sheets
}

fn title(sheets: &mut Sheets, report: &Report, language: Language) {
    let y = sheets.y;
    sheets.rect(LEFT, y, RIGHT - LEFT, 3.0, MARK);
    sheets.y += 16.0;
    let mut title = report.title.in_language(language).to_owned();
    if let Some(period) = &report.basis.period {
        title.push_str(&format!(" {period}"));
    }
    sheets.paragraph(&title, 18.0, MARK);
    sheets.paragraph(&report.basis.organisation, 9.5, SOFT);
    let y = sheets.y;
    sheets.rect(LEFT, y, RIGHT - LEFT, 0.75, MARK);
    sheets.y += 12.0;
}

fn facts(sheets: &mut Sheets, report: &Report, evidence: &str, language: Language) {
    let t = |japanese, english| pick(language, japanese, english);
    let mut grid = Grid::new(vec![(String::new(), false), (String::new(), false)]);
    let mut facts = subject(&report.basis, report.version, language);
    let inside = t(
        "この PDF に埋め込まれた JSON。その SHA-256：",
        "The JSON inside this PDF. Its SHA-256: ",
    );
    facts.push((
        t("証拠ファイル", "Evidence file"),
        format!("{inside}{evidence}"),
    ));
    for (name, value) in facts {
        grid.rows.push(vec![name.to_owned().into(), value.into()]);
    }
    grid.draw(sheets);
    sheets.paragraph(
        t(
            "日時はすべて協定世界時（UTC）です。日本時間はこれに9時間を加えた時刻です。",
            "All times are UTC. Japan time is nine hours later.",
        ),
        SMALL,
        SOFT,
    );
}

fn checked(sheets: &mut Sheets, report: &Report, language: Language) {
    let color = match report.basis.verification {
        Verification::Clean { .. } => WELL,
        Verification::Faults { .. } => ILL,
        Verification::Continued { .. } | Verification::NotRun => UNSURE,
    };
    for (index, line) in verification(&report.basis, language).iter().enumerate() {
        match index {
            0 => sheets.paragraph(line, 11.0, color),
            _ => sheets.paragraph(line, BODY, INK),
        }
    }
}

fn section(
    sheets: &mut Sheets,
    report: &Report,
    section: &Section,
    language: Language,
    notes: &mut Vec<Figure>,
) {
    for said in &section.text {
        sheets.paragraph(said.in_language(language), BODY, INK);
    }
    for chart in &section.charts {
        sheets.need(20.0 + chart.bars.len() as f32 * 11.0);
        sheets.paragraph(chart.title.in_language(language), SMALL, SOFT);
        let bars = chart.bars.iter();
        let bars: Vec<_> = bars
            .filter_map(|(label, id)| Some((label, report.figure(id)?)))
            .collect();
        let most = bars
            .iter()
            .map(|(_, figure)| figure.value)
            .max()
            .unwrap_or(0)
            .max(1);
        for (label, figure) in bars {
            let y = sheets.y;
            let long = (figure.value as f64 / most as f64 * 300.0) as f32;
            sheets.text_at(LEFT + 4.0, y + 7.0, SMALL, SOFT, label);
            sheets.rect(LEFT + 60.0, y + 1.0, long, 7.0, MARK);
            let value = amount(figure.value, figure.unit);
            sheets.text_at(LEFT + 65.0 + long, y + 7.0, SMALL, INK, &value);
            sheets.y += 11.0;
        }
        sheets.y += 5.0;
    }
    for table in &section.tables {
        self::table(sheets, table, language, notes);
    }
    for note in &section.notes {
        sheets.paragraph(&format!("・{}", note.in_language(language)), SMALL, SOFT);
    }
}

fn table(sheets: &mut Sheets, table: &Table, language: Language, notes: &mut Vec<Figure>) {
    if let Some(title) = &table.title {
        sheets.subheading(title.in_language(language));
    }
    if table.rows.is_empty() {
        sheets.paragraph(table.empty.in_language(language), BODY, SOFT);
        return;
    }
    let heads = table.columns.iter();
    let heads = heads.map(|column| {
        (
            column.title.in_language(language).to_owned(),
            column.figures,
        )
    });
    let mut grid = Grid::new(heads.collect());
    for row in &table.rows {
        let fields = row.iter().map(|cell| field(cell, language, notes));
        grid.rows.push(fields.collect());
    }
    grid.draw(sheets);
}

fn field(cell: &Cell, language: Language, notes: &mut Vec<Figure>) -> Field {
    match cell {
        Cell::Empty => "–".to_owned().into(),
        Cell::Text(text) => text.in_language(language).to_owned().into(),
        Cell::Name(name) => name.clone().into(),
        Cell::Time(at) => moment(*at).into(),
        Cell::Entry { at, position } => {
            let word = pick(language, "位置", "position");
            format!("{} {word} {}", moment(*at), number(*position)).into()
        }
        Cell::Figure(figure) => {
            let value = amount(figure.value, figure.unit);
            if figure.value == 0 || figure.positions.is_empty() {
                return value.into();
            }
            notes.push(figure.clone());
            format!("{value} [{}]", notes.len()).into()
        }
        Cell::Verdict(of) => Field {
            text: verdict(*of, language).to_owned(),
            color: match of {
                Verdict::Met => WELL,
                Verdict::NotEvidenced => UNSURE,
                Verdict::NotMet => ILL,
            },
        },
    }
}

fn positions(sheets: &mut Sheets, notes: &[Figure], language: Language) {
    let t = |japanese, english| pick(language, japanese, english);
    sheets.paragraph(
        t(
            "本文の [番号] は、その数値を数えた記録が台帳のどこにあるかを示します。位置は 0 から始まる通し番号です。すべての位置と照会条件は証拠ファイルにあります。",
            "A number in brackets says from which entries of the log a figure was counted. Positions count from 0. The evidence file has all of them and the query of each.",
        ),
        BODY,
        INK,
    );
    let mut grid = Grid::new(vec![
        (t("番号", "No.").to_owned(), false),
        (t("数値ID", "Figure").to_owned(), false),
        (t("位置", "Positions").to_owned(), false),
    ]);
    grid.size = 7.0;
    for (index, figure) in notes.iter().enumerate() {
        let told = match &figure.positions {
            Spelt::Out(text) => {
                let runs = text.split(',');
                let shown: Vec<&str> = runs.clone().take(RUNS).collect();
                let more = and_more(language, runs.count().saturating_sub(RUNS));
                format!("{}{more}", shown.join(", "))
            }
            Spelt::Summary(Summary {
                count, first, last, ..
            }) => {
                let of = t("の間の", "between them: ");
                let unit = t(" 件", "");
                format!("{first}–{last} {of}{}{unit}", number(*count))
            }
        };
        grid.rows.push(vec![
            format!("[{}]", index + 1).into(),
            figure.id.clone().into(),
            told.into(),
        ]);
    }
    grid.draw(sheets);
}

fn attestation(sheets: &mut Sheets, language: Language) {
    let t = |japanese, english| pick(language, japanese, english);
    sheets.paragraph(
        t(
            "下記の者は、この報告書の内容を上記の検証結果および証拠ファイルと照合し、相違がないことを確認しました。作成者と承認者は別の者とします。",
            "The undersigned have compared this report with the verification above and with the evidence file and found them to agree. Who prepares it does not approve it.",
        ),
        BODY,
        INK,
    );
    let heads = [
        t("役割", "Role"),
        t("所属・役職", "Department, position"),
        t("氏名", "Name"),
        t("日付", "Date"),
        t("署名・押印", "Signature"),
    ];
    let mut grid = Grid::new(
        heads
            .map(|head| (format!("{head}　　　　"), false))
            .to_vec(),
    );
    grid.row_height = 46.0;
    for role in [
        t("作成者", "Prepared by"),
        t("確認者", "Reviewed by"),
        t("承認者", "Approved by"),
    ] {
        let mut row: Vec<Field> = vec![role.to_owned().into()];
        row.extend((1..heads.len()).map(|_| Field::from(String::new())));
        grid.rows.push(row);
    }
    grid.draw(sheets);
}

/// The table of contents, on the first page.
fn list(sheets: &mut Sheets, (page, top): (usize, f32), language: Language) {
    let headings = sheets.headings.clone();
    let kept = sheets.pages.len();
    let mut marks = Vec::new();
    std::mem::swap(
        &mut marks,
        sheets.pages.get_mut(page).unwrap_or(&mut Vec::new()),
    );
    // Drawn on a page of its own and then put where the room was left.
    sheets.pages.push(Vec::new());
    sheets.text_at(
        LEFT,
        top + 10.0,
        11.0,
        MARK,
        pick(language, "目次", "Contents"),
    );
    let mut y = top + 18.0;
    for (title, page, _) in headings {
        let number = (page + 1).to_string();
        let x = RIGHT - sheets.typeface.width(&number, LISTED);
        sheets.text_at(LEFT + 6.0, y + LISTED, LISTED, INK, &title);
        sheets.text_at(x, y + LISTED, LISTED, SOFT, &number);
        y += LISTED * LEADING;
    }
    let drawn = sheets.pages.pop().unwrap_or_default();
    marks.extend(drawn);
    if let Some(first) = sheets.pages.get_mut(page) {
        *first = marks;
    }
    debug_assert_eq!(sheets.pages.len(), kept);
}

fn feet(sheets: &mut Sheets, report: &Report, evidence: &str, language: Language) {
    const SIZE: f32 = 6.5;
    let count = sheets.pages.len();
    let title = report.title.in_language(language).to_owned();
    let left = format!("{} · {title} · SHA-256 {evidence}", report.basis.program);
    let left = sheets.typeface.fit(&left);
    for (index, page) in sheets.pages.iter_mut().enumerate() {
        let y = crate::sheet::HEIGHT - 34.0;
        let number = format!("{} / {count}", index + 1);
        let x = RIGHT - sheets.typeface.width(&number, SIZE);
        for (x, text) in [(LEFT, left.clone()), (x, number)] {
            page.push(crate::sheet::Mark::Text {
                x,
                y,
                size: SIZE,
                color: SOFT,
                text,
            });
        }
    }
}
