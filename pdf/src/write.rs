//! Pages become PDF/A-3b; the evidence goes in as the data that they show (ISO 19005-3, 6.8).

use crate::PdfError;
use crate::evidence::Report;
use crate::font::Typeface;
use crate::sheet::{Color, HEIGHT, Mark, Sheets, WIDTH};
use exporters::report::{Language, Stamp};
use krilla::color::rgb;
use krilla::configure::{Archival, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{GlyphId, KrillaGlyph};
use krilla::{Document, SerializeSettings};
use schemas::Timestamp;

fn engine(reason: impl std::fmt::Debug) -> PdfError {
    PdfError::Engine(format!("{reason:?}"))
}

pub fn write(
    report: &Report,
    json: &str,
    language: Language,
    typeface: &Typeface,
    sheets: Sheets,
) -> Result<Vec<u8>, PdfError> {
    let settings = SerializeSettings {
        configuration: archival()?,
        ..SerializeSettings::default()
    };
    let mut document = Document::new_with(settings);
    let mut outline = Outline::new();
    for (title, page, y) in &sheets.headings {
        let place = XyzDestination::new(*page, Point::from_xy(0.0, *y));
        outline.push_child(OutlineNode::new(title.clone(), place));
    }
    for marks in &sheets.pages {
        let size = PageSettings::from_wh(WIDTH, HEIGHT);
        let mut page = document.start_page_with(size.ok_or_else(|| engine("the page's size"))?);
        let mut surface = page.surface();
        for mark in marks {
            draw(&mut surface, mark, typeface);
        }
        surface.finish();
        page.finish();
    }
    document.set_outline(outline);
    let made = date(report.basis.head.at);
    let evidence = EmbeddedFile {
        path: format!("{}.json", report.report),
        mime_type: MimeType::new("application/json"),
        description: Some("evidence: every figure with its query and all its positions".to_owned()),
        association_kind: AssociationKind::Data,
        data: json.as_bytes().to_vec().into(),
        modification_date: Some(made),
        compress: None,
        location: None,
    };
    if document.embed_file(evidence).is_none() {
        return Err(engine("the evidence is there twice"));
    }
    document.set_metadata(metadata(report, json, language, typeface, made)?);
    document.finish().map_err(engine)
}

fn archival() -> Result<Configuration, PdfError> {
    let builder = ConfigurationBuilder::new().with_archival_validator(Archival::A3_B);
    builder.finish().map_err(engine)
}

/// What was the report made from stands in the metadata too, where `report verify` reads it.
fn metadata(
    report: &Report,
    json: &str,
    language: Language,
    typeface: &Typeface,
    made: DateTime,
) -> Result<Metadata, PdfError> {
    let (mut stamp, _) = Stamp::read(json).map_err(engine)?;
    stamp.language = Some(language);
    let title = report.title.in_language(language);
    let period = report.basis.period.map(|period| period.to_string());
    let title = match &period {
        Some(period) => format!("{title} {period}"),
        None => title.to_owned(),
    };
    let (root, tag) = (report.basis.head.root, language.tag());
    let period = period.unwrap_or_default();
    let id = format!("{root}:{}:{period}:{tag}", report.report);
    Ok(Metadata::new()
        .title(title)
        .authors(vec![report.basis.organisation.clone()])
        .keywords(vec![
            stamp.to_text(),
            format!("daicho-font:{}", typeface.sha256),
        ])
        .language(tag.to_owned())
        .creator(report.basis.program.clone())
        .document_id(id)
        .creation_date(made))
}

/// The report's moment, which is its head's.
fn date(at: Timestamp) -> DateTime {
    let text = at.to_string();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse().ok());
    let two = |from: usize| number(from, from + 2).unwrap_or(0) as u8;
    DateTime::new(number(0, 4).unwrap_or(1970) as u16)
        .month(two(5))
        .day(two(8))
        .hour(two(11))
        .minute(two(14))
        .second(two(17))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

fn fill(Color(red, green, blue): Color) -> Fill {
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        ..Fill::default()
    }
}

fn draw(surface: &mut Surface, mark: &Mark, typeface: &Typeface) {
    match mark {
        Mark::Rect {
            x,
            y,
            width,
            height,
            color,
        } => {
            let mut path = PathBuilder::new();
            // An empty bar has no area, and is not drawn.
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                path.push_rect(rect);
            }
            if let Some(path) = path.finish() {
                surface.set_fill(Some(fill(*color)));
                surface.draw_path(&path);
            }
        }
        Mark::Text {
            x,
            y,
            size,
            color,
            text,
        } => {
            let glyphs: Vec<KrillaGlyph> = text
                .char_indices()
                .map(|(start, c)| {
                    let (glyph, advance) = typeface.glyph(c);
                    let range = start..start + c.len_utf8();
                    KrillaGlyph::new(GlyphId::new(glyph), advance, 0.0, 0.0, 0.0, range, None)
                })
                .collect();
            if glyphs.is_empty() {
                return;
            }
            surface.set_fill(Some(fill(*color)));
            let start = Point::from_xy(*x, *y);
            surface.draw_glyphs(start, &glyphs, typeface.font.clone(), text, *size, false);
        }
    }
}
