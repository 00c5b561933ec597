//! Tables: columns by what stands in them, rows that break over pages, heads that come again.

use crate::lines::{Need, wrap};
use crate::sheet::{Color, HEAD, INK, LEADING, LEFT, RIGHT, RULE, Sheets};

pub struct Field {
    pub text: String,
    pub color: Color,
}

impl From<String> for Field {
    fn from(text: String) -> Field {
        Field { text, color: INK }
    }
}

pub struct Grid {
    pub heads: Vec<(String, bool)>,
    pub rows: Vec<Vec<Field>>,
    pub size: f32,
    /// Of a row at least.
    pub row_height: f32,
}

const PAD: f32 = 4.0;
/// A piece without a break may be as wide, where it is no number.
const WIDEST_PIECE: f32 = 110.0;
/// In sizes: what breaks more often is no name any more.
const NAME: f32 = 8.0;
/// Smaller than this nobody reads it.
const SMALLEST: f32 = 4.5;

/// What a column wants.
struct Widths {
    /// To break no number and leave names room …
    least: f32,
    /// … and break no word …
    piece: f32,
    /// … and no line.
    natural: f32,
}

fn sum(columns: &[Widths], of: fn(&Widths) -> f32) -> f32 {
    columns.iter().map(of).sum()
}

fn between(least: f32, most: f32, share: f32) -> f32 {
    least + (most - least) * share
}

impl Grid {
    pub fn new(heads: Vec<(String, bool)>) -> Grid {
        let size = if heads.len() >= 7 { 6.8 } else { 8.0 };
        Grid {
            heads,
            rows: Vec::new(),
            size,
            row_height: 0.0,
        }
    }

    /// As wide as what they hold, as far as there is room; what is left goes to the widest. Numbers
    /// stay whole before all else: where they do not fit side by side, the table is set smaller.
    fn widths(&mut self, sheets: &Sheets) -> Vec<f32> {
        let count = self.heads.len().max(1) as f32;
        let room = RIGHT - LEFT - 2.0 * PAD * count;
        let mut columns = self.columns(sheets);
        while sum(&columns, |column| column.least) > room && self.size > SMALLEST {
            self.size = (self.size * 0.96).max(SMALLEST);
            columns = self.columns(sheets);
        }
        let least = sum(&columns, |column| column.least);
        let piece = sum(&columns, |column| column.piece);
        let natural = sum(&columns, |column| column.natural);
        columns
            .iter()
            .map(|column| {
                if natural <= room {
                    column.natural + (room - natural) * column.natural / natural
                } else if piece < room {
                    between(
                        column.piece,
                        column.natural,
                        (room - piece) / (natural - piece),
                    )
                } else if least < room {
                    between(column.least, column.piece, (room - least) / (piece - least))
                } else {
                    column.least * room / least
                }
            })
            .map(|width| width + 2.0 * PAD)
            .collect()
    }

    fn columns(&self, sheets: &Sheets) -> Vec<Widths> {
        let (size, typeface) = (self.size, sheets.typeface);
        let of = |(index, (head, figures)): (usize, &(String, bool))| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            let texts = cells.map(|field| field.text.as_str());
            let texts = || texts.clone().chain([head.as_str()]);
            let need = texts().map(|text| Need::of(text, size, typeface));
            let need = need.fold(Need::default(), Need::and);
            let natural = texts().map(|text| typeface.width(text, size));
            let natural = natural.fold(size * 2.0, f32::max);
            let name = match figures {
                true => 0.0,
                false => need.piece.min(size * NAME),
            };
            let least = need.number.max(name).max(size * 2.0);
            Widths {
                least,
                piece: need.piece.min(WIDEST_PIECE).max(least),
                natural,
            }
        };
        self.heads.iter().enumerate().map(of).collect()
    }

    pub fn draw(mut self, sheets: &mut Sheets) {
        let widths = self.widths(sheets);
        let heads: Vec<Vec<String>> = self
            .heads
            .iter()
            .zip(&widths)
            .map(|((head, _), width)| wrap(head, width - 2.0 * PAD, self.size, sheets.typeface))
            .collect();
        let headed = self.heads.iter().any(|(head, _)| !head.is_empty());
        let head_height = match headed {
            true => self.height(&heads),
            false => 0.0,
        };
        sheets.need(head_height + self.size * LEADING + 2.0 * PAD);
        if headed {
            self.head(sheets, &heads, &widths, head_height);
        }
        for row in &self.rows {
            let mut lines: Vec<Vec<String>> = row
                .iter()
                .zip(&widths)
                .map(|(field, width)| {
                    wrap(&field.text, width - 2.0 * PAD, self.size, sheets.typeface)
                })
                .collect();
            // A row stays whole unless a page is too short for it.
            let fits = self.height(&lines) <= Sheets::whole() - head_height;
            loop {
                let height = self.height(&lines).max(self.row_height);
                if height <= sheets.left() {
                    self.row(sheets, row, &lines, &widths, height);
                    break;
                }
                let room = ((sheets.left() - 2.0 * PAD) / (self.size * LEADING)) as usize;
                if !fits && room > 3 {
                    let cut = |cell: &mut Vec<String>| {
                        let rest = cell.split_off(room.min(cell.len()));
                        std::mem::replace(cell, rest)
                    };
                    let now: Vec<Vec<String>> = lines.iter_mut().map(cut).collect();
                    let height = self.height(&now);
                    self.row(sheets, row, &now, &widths, height);
                }
                sheets.turn();
                if headed {
                    self.head(sheets, &heads, &widths, head_height);
                }
            }
        }
        sheets.y += 6.0;
    }

    fn height(&self, lines: &[Vec<String>]) -> f32 {
        let most = lines.iter().map(Vec::len).max().unwrap_or(1).max(1);
        most as f32 * self.size * LEADING + 2.0 * PAD - self.size * 0.3
    }

    fn head(&self, sheets: &mut Sheets, heads: &[Vec<String>], widths: &[f32], height: f32) {
        let total: f32 = widths.iter().sum();
        let y = sheets.y;
        sheets.rect(LEFT, y, total, height, HEAD);
        let fields: Vec<Field> = heads.iter().map(|_| String::new().into()).collect();
        self.row(sheets, &fields, heads, widths, height);
    }

    fn row(
        &self,
        sheets: &mut Sheets,
        row: &[Field],
        lines: &[Vec<String>],
        widths: &[f32],
        height: f32,
    ) {
        let total: f32 = widths.iter().sum();
        let (top, mut x) = (sheets.y, LEFT);
        sheets.rect(LEFT, top, total, 0.5, RULE);
        sheets.rect(LEFT, top + height, total, 0.5, RULE);
        sheets.rect(LEFT, top, 0.5, height, RULE);
        for (((cell, width), field), (_, figures)) in
            lines.iter().zip(widths).zip(row).zip(&self.heads)
        {
            for (index, line) in cell.iter().enumerate() {
                let y = top + PAD + self.size * 0.9 + index as f32 * self.size * LEADING;
                let start = match figures {
                    true => x + width - PAD - sheets.typeface.width(line, self.size),
                    false => x + PAD,
                };
                sheets.text_at(start, y, self.size, field.color, line);
            }
            x += width;
            sheets.rect(x - 0.5, top, 0.5, height, RULE);
        }
        sheets.y += height;
    }
}
