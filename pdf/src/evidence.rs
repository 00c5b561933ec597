//! The JSON of a report, as far as a document shows it.

use exporters::report::model::{Chart, Column, Text, Unit, Verdict};
use exporters::report::{Basis, Summary};
use schemas::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Report {
    pub report: String,
    pub version: u32,
    pub title: Text,
    pub basis: Basis,
    pub sections: Vec<Section>,
}

#[derive(Debug, Deserialize)]
pub struct Section {
    pub title: Text,
    pub text: Vec<Text>,
    pub tables: Vec<Table>,
    #[serde(default)]
    pub charts: Vec<Chart>,
    #[serde(default)]
    pub notes: Vec<Text>,
}

#[derive(Debug, Deserialize)]
pub struct Table {
    pub title: Option<Text>,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub empty: Text,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    Empty,
    Text(Text),
    Name(String),
    Time(Timestamp),
    Entry { at: Timestamp, position: u64 },
    Figure(Figure),
    Verdict(Verdict),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Figure {
    pub id: String,
    pub value: u64,
    pub unit: Unit,
    pub positions: Spelt,
}

/// The positions behind a figure, as the evidence has them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Spelt {
    /// As `0-3,7`.
    Out(String),
    /// Very many.
    Summary(Summary),
}

impl Spelt {
    pub fn is_empty(&self) -> bool {
        matches!(self, Spelt::Out(text) if text.is_empty())
    }
}

impl Report {
    pub fn read(json: &str) -> Result<Report, String> {
        serde_json::from_str(json).map_err(|error| {
            // The place alone: the words may be anybody's.
            format!("line {}, column {}", error.line(), error.column())
        })
    }

    pub fn figure(&self, id: &str) -> Option<&Figure> {
        let tables = self.sections.iter().flat_map(|section| &section.tables);
        let mut cells = tables.flat_map(|table| table.rows.iter().flatten());
        cells.find_map(|cell| match cell {
            Cell::Figure(figure) if figure.id == id => Some(figure),
            _ => None,
        })
    }
}
