//! Pages as lists of what stands on them, filled from top to bottom. All lengths are points.

use crate::font::Typeface;
use crate::lines::wrap;

pub const WIDTH: f32 = 595.28;
pub const HEIGHT: f32 = 841.89;
pub const LEFT: f32 = 46.0;
pub const RIGHT: f32 = WIDTH - 46.0;
const TOP: f32 = 52.0;
const BOTTOM: f32 = HEIGHT - 58.0;

/// Lines are this much apart, in sizes.
pub const LEADING: f32 = 1.5;

#[derive(Debug, Clone, Copy)]
pub struct Color(pub u8, pub u8, pub u8);

pub const INK: Color = Color(0x1a, 0x1a, 0x1a);
pub const SOFT: Color = Color(0x5a, 0x5f, 0x66);
pub const RULE: Color = Color(0xc9, 0xce, 0xd6);
pub const HEAD: Color = Color(0xee, 0xf1, 0xf5);
pub const MARK: Color = Color(0x1f, 0x3a, 0x5f);
pub const ILL: Color = Color(0xa3, 0x16, 0x1b);
pub const WELL: Color = Color(0x1d, 0x6b, 0x3a);
pub const UNSURE: Color = Color(0x8a, 0x5a, 0x00);

#[derive(Debug, Clone)]
pub enum Mark {
    /// `y` is of the base line.
    Text {
        x: f32,
        y: f32,
        size: f32,
        color: Color,
        text: String,
    },
    Rect {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        color: Color,
    },
}

pub struct Sheets<'t> {
    pub typeface: &'t Typeface,
    pub pages: Vec<Vec<Mark>>,
    /// The next free height.
    pub y: f32,
    /// What the table of contents and the outline lead to: title, page from 0, height.
    pub headings: Vec<(String, usize, f32)>,
}

impl<'t> Sheets<'t> {
    pub fn new(typeface: &'t Typeface) -> Sheets<'t> {
        Sheets {
            typeface,
            pages: vec![Vec::new()],
            y: TOP,
            headings: Vec::new(),
        }
    }

    pub fn page(&self) -> usize {
        self.pages.len().saturating_sub(1)
    }

    pub fn turn(&mut self) {
        self.pages.push(Vec::new());
        self.y = TOP;
    }

    pub fn left(&self) -> f32 {
        BOTTOM - self.y
    }

    /// What an empty page has room for.
    pub fn whole() -> f32 {
        BOTTOM - TOP
    }

    /// Turns the page unless there is so much room.
    pub fn need(&mut self, height: f32) {
        if self.left() < height && self.y > TOP {
            self.turn();
        }
    }

    pub fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    pub fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, color: Color) {
        self.mark(Mark::Rect {
            x,
            y,
            width,
            height,
            color,
        });
    }

    pub fn text_at(&mut self, x: f32, y: f32, size: f32, color: Color, text: &str) {
        let text = self.typeface.fit(text);
        self.mark(Mark::Text {
            x,
            y,
            size,
            color,
            text,
        });
    }

    /// A paragraph over the whole width.
    pub fn paragraph(&mut self, text: &str, size: f32, color: Color) {
        for line in wrap(text, RIGHT - LEFT, size, self.typeface) {
            self.need(size * LEADING);
            let y = self.y + size;
            self.text_at(LEFT, y, size, color, &line);
            self.y += size * LEADING;
        }
        self.y += size * 0.4;
    }

    /// A section's title, with a bar, never alone at the foot of a page.
    pub fn heading(&mut self, text: &str) {
        const SIZE: f32 = 12.0;
        self.y += 12.0;
        self.need(SIZE * LEADING + 60.0);
        self.headings.push((text.to_owned(), self.page(), self.y));
        for line in wrap(text, RIGHT - LEFT - 9.0, SIZE, self.typeface) {
            let y = self.y;
            self.rect(LEFT, y, 3.0, SIZE * 1.3, MARK);
            self.text_at(LEFT + 9.0, y + SIZE * 1.02, SIZE, MARK, &line);
            self.y += SIZE * LEADING;
        }
        self.y += 4.0;
    }

    pub fn subheading(&mut self, text: &str) {
        self.y += 4.0;
        self.need(60.0);
        self.paragraph(text, 9.5, MARK);
    }
}
