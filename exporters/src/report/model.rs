//! One form that all reports have: sections of tables, whose figures each carry the query that
//! they answer and the positions behind them.

mod query;

pub use query::Query;

use super::{Basis, Language, Positions};
use schemas::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A report. Everything in it follows from the log up to `basis.head` and from `basis`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// As in `report.issued` and in file names.
    pub report: &'static str,
    /// Of its contents: raised when a figure changes its meaning.
    pub version: u32,
    pub title: Text,
    pub basis: Basis,
    pub sections: Vec<Section>,
}

/// Words for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    pub ja: Cow<'static, str>,
    pub en: Cow<'static, str>,
}

/// Words in both languages.
pub fn text(ja: &'static str, en: &'static str) -> Text {
    Text {
        ja: ja.into(),
        en: en.into(),
    }
}

/// What each report says of where its figures come from.
pub fn from_the_log() -> Text {
    text(
        "数値はすべて台帳の記録と、そこに採用された規則から計算したものです。記録件数、ハッシュ木の根、対象期間と勤務時間が同じであれば、それらを読める人の誰が計算しても同じ結果になります。",
        "Every figure is computed from the log and the rules adopted in it: the same entries, root, period and working hours give the same figures to anyone who may read them.",
    )
}

/// Words that are put together.
pub fn told(ja: String, en: String) -> Text {
    Text {
        ja: ja.into(),
        en: en.into(),
    }
}

impl Text {
    pub fn in_language(&self, language: Language) -> &str {
        language.pick(&self.ja, &self.en)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    pub id: &'static str,
    pub title: Text,
    /// What the tables show, and by which rule.
    pub text: Vec<Text>,
    pub tables: Vec<Table>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<Chart>,
    /// What a reader must not take them for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Text>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    pub id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    /// What is said where there is no row.
    pub empty: Text,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub title: Text,
    /// Holds figures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub figures: bool,
}

/// Figures of equal kind side by side, by their ids in the tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    pub title: Text,
    /// What each bar is of, and its figure.
    pub bars: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Nothing to be said.
    Empty,
    Text(Text),
    /// A name, digest or word of the log.
    Name(String),
    Time(Timestamp),
    /// A time that an entry has.
    Entry {
        at: Timestamp,
        position: u64,
    },
    Figure(Figure),
    Verdict(Verdict),
}

/// A statement that was computed by the rule that stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    /// The log holds nothing that shows it, or nothing that would show its breach.
    NotEvidenced,
    NotMet,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Unique in its report; says table, row and column.
    pub id: String,
    pub value: u64,
    pub unit: Unit,
    pub query: Query,
    /// Spelt out in a file, or their summary where they are very many.
    #[serde(serialize_with = "Positions::evidence")]
    pub positions: Positions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Count,
    Bytes,
    Tokens,
    Seconds,
    /// Of the currency in which prices were adopted.
    Millionths,
}

impl Report {
    /// Every figure, in the order of the document.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        let tables = self.sections.iter().flat_map(|section| &section.tables);
        let cells = tables.flat_map(|table| table.rows.iter().flatten());
        cells.filter_map(|cell| match cell {
            Cell::Figure(figure) => Some(figure),
            _ => None,
        })
    }

    pub fn figure(&self, id: &str) -> Option<&Figure> {
        self.figures().find(|figure| figure.id == id)
    }

    /// The evidence: every figure with its query and all its positions, in no language.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a report is plain values");
        json.push('\n');
        json
    }
}

impl Table {
    pub fn new(id: &'static str, columns: Vec<Column>) -> Table {
        Table {
            id,
            title: None,
            columns,
            rows: Vec::new(),
            empty: text("該当する記録はありません。", "Nothing was recorded."),
        }
    }

    pub fn titled(mut self, title: Text) -> Table {
        self.title = Some(title);
        self
    }

    pub fn or(mut self, empty: Text) -> Table {
        self.empty = empty;
        self
    }
}

impl Section {
    pub fn new(id: &'static str, title: Text) -> Section {
        Section {
            id,
            title,
            text: Vec::new(),
            tables: Vec::new(),
            charts: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn says(mut self, text: Text) -> Section {
        self.text.push(text);
        self
    }

    pub fn shows(mut self, table: Table) -> Section {
        self.tables.push(table);
        self
    }

    pub fn notes(mut self, text: Text) -> Section {
        self.notes.push(text);
        self
    }
}

/// A column of names or texts.
pub fn column(ja: &'static str, en: &'static str) -> Column {
    Column {
        title: text(ja, en),
        figures: false,
    }
}

/// A column of figures.
pub fn figures(ja: &'static str, en: &'static str) -> Column {
    Column {
        title: text(ja, en),
        figures: true,
    }
}
