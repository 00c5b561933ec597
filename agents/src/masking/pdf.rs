//! The text of a PDF: what its pages show, what lies under them for searching, what annotations
//! say, and its description of itself. Text in its images stays unread.

mod size;

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::object::{Array, Object};
use hayro_interpret::hayro_syntax::{LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps,
    InterpreterCache, InterpreterSettings, SoftMask, interpret_page,
};
use std::panic::AssertUnwindSafe;

/// More pages than a provider takes.
const MOST_PAGES: usize = 2_000;
/// Streams that one page is put together from.
const MOST_PARTS: usize = 16;
/// A page that draws more is drawn to keep us busy.
const MOST_CHARS: usize = 16 << 20;

/// The characters that U+2F00 to U+2FD5 are drawn like: browsers name a glyph by the wrong one,
/// and ⼭⽥ is written where 山田 was.
const RADICALS: &str = "\
    一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴\
    廾弋弓彐彡彳心戈戶手支攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿\
    目矛矢石示禸禾穴立竹米糸缶网羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見角言谷豆豕豸貝赤走足身車辛辰辵\
    邑酉釆里金長門阜隶隹雨靑非面革韋韭音頁風飛食首香馬骨高髟鬥鬯鬲鬼魚鳥鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠";

/// Why a PDF's text is not known. Never holds what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PdfError {
    #[error("the PDF is encrypted")]
    Encrypted,
    #[error("the PDF is damaged")]
    Unsound,
    #[error(
        "the PDF is larger than it looks: more than {MOST_PAGES} pages, or streams that unfold too far"
    )]
    TooLong,
}

/// The text of a PDF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdfText {
    /// In the order in which it is drawn.
    pub text: String,
    /// No page is an image without text, a scan as far as anybody can tell, and nothing of the
    /// file is missing.
    pub whole: bool,
}

pub fn text(bytes: &[u8]) -> Result<PdfText, PdfError> {
    let bytes = bytes.to_vec();
    // The reader of PDFs is not ours, and every byte is the sender's: a fault in it is the file's.
    std::panic::catch_unwind(AssertUnwindSafe(|| read(bytes))).unwrap_or(Err(PdfError::Unsound))
}

fn read(bytes: Vec<u8>) -> Result<PdfText, PdfError> {
    if size::is_too_large(&bytes) {
        return Err(PdfError::TooLong);
    }
    let has_end = bytes[bytes.len().saturating_sub(2048)..]
        .windows(5)
        .any(|w| w == b"%%EOF");
    let pdf = Pdf::new(bytes).map_err(|error| match error {
        LoadPdfError::Decryption(_) => PdfError::Encrypted,
        LoadPdfError::Invalid => PdfError::Unsound,
    })?;
    // A reader that mends what is broken may have nothing left.
    if pdf.pages().is_empty() {
        return Err(PdfError::Unsound);
    }
    if pdf.pages().len() > MOST_PAGES {
        return Err(PdfError::TooLong);
    }
    let mut text = Text::default();
    let said = pdf.metadata();
    for (label, words) in [
        ("Title", &said.title),
        ("Author", &said.author),
        ("Subject", &said.subject),
        ("Keywords", &said.keywords),
    ] {
        if let Some(words) = words {
            let words = described(words);
            text.written.push_str(&format!("{label}: {words}\n"));
        }
    }
    let mut whole = has_end;
    for page in pdf.pages().iter() {
        let parts = page.raw().get::<Array<'_>>(&b"Contents"[..]);
        if parts.is_some_and(|parts| parts.iter::<Object<'_>>().count() > MOST_PARTS) {
            return Err(PdfError::TooLong);
        }
        (text.images, text.glyphs) = (0, 0);
        let cache = InterpreterCache::new();
        let bounds = Rect::new(0.0, 0.0, 1.0, 1.0);
        let settings = InterpreterSettings::default();
        let mut context = Context::new(Affine::IDENTITY, bounds, &cache, pdf.xref(), settings);
        interpret_page(page, &mut context, &mut text);
        text.break_line();
        whole &= text.images == 0 || text.glyphs > 0;
        if text.written.len() > MOST_CHARS {
            return Err(PdfError::TooLong);
        }
    }
    Ok(PdfText {
        text: text.written,
        whole,
    })
}

/// A text string of the description: UTF-16 or UTF-8 by its mark, else one byte a letter.
fn described(bytes: &[u8]) -> String {
    match bytes {
        [0xFE, 0xFF, rest @ ..] => {
            let units: Vec<u16> = rest
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

fn ideograph(c: char) -> char {
    let radical = (c as usize).checked_sub(0x2F00);
    radical
        .and_then(|radical| RADICALS.chars().nth(radical))
        .unwrap_or(c)
}

/// Takes down what is drawn.
#[derive(Default)]
struct Text {
    written: String,
    /// Where the last glyph ended, and how high the letters are.
    pen: Option<(Point, f64)>,
    /// On this page.
    glyphs: usize,
    images: usize,
}

impl Text {
    fn break_line(&mut self) {
        if !self.written.is_empty() && !self.written.ends_with('\n') {
            self.written.push('\n');
        }
        self.pen = None;
    }

    fn glyph(&mut self, glyph: &Glyph, place: Affine) {
        let at = place * Point::ZERO;
        // Glyphs are drawn in units of a thousandth of their size.
        let size = (place * Point::new(0.0, 1000.0)).distance(at);
        let width = match glyph {
            Glyph::Outline(glyph) => glyph.advance_width(),
            Glyph::Type3(glyph) => glyph.advance_width(),
        };
        if let Some((pen, height)) = self.pen {
            let (along, across) = (at.x - pen.x, (at.y - pen.y).abs());
            let height = height.max(size);
            if across > height * 0.5 || along < -height {
                self.break_line();
            } else if along > height * 0.2 && !self.written.ends_with(' ') {
                self.written.push(' ');
            }
        }
        match glyph.as_unicode() {
            Some(BfString::Char(c)) => self.written.push(ideograph(c)),
            Some(BfString::String(text)) => self.written.extend(text.chars().map(ideograph)),
            // Japanese fonts that are not part of the file are mostly addressed in UTF-16, and
            // simple ones in Latin letters; what is neither reads as nothing that a rule knows.
            None => self
                .written
                .push(char::from_u32(glyph.char_code()).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
        let end = place * Point::new(f64::from(width.unwrap_or(1000.0)), 0.0);
        self.pen = Some((end, size));
    }
}

impl Device<'_> for Text {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, '_>, props: DrawProps<'_>, _: &DrawMode) {
        self.glyphs += run.glyphs().len();
        for glyph in run.glyphs() {
            if self.written.len() <= MOST_CHARS {
                self.glyph(glyph, props.transform * glyph.transform());
            }
        }
    }

    fn draw_image(&mut self, _: Image<'_, '_>, _: ImageDrawProps<'_>) {
        self.images += 1;
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'_>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'_>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A document as business systems write it: a font of the reader's, text in UTF-16.
    pub fn document(author: &str, lines: &[&str]) -> Vec<u8> {
        let lines = lines.iter().map(|line| format!("{} Tj T* ", hex(line)));
        let lines: String = lines.collect();
        page(author, &format!("BT /F1 12 Tf 14 TL 72 700 Td {lines}ET"))
    }

    fn hex(text: &str) -> String {
        let units = text.encode_utf16().map(|unit| format!("{unit:04X}"));
        format!("<{}>", units.collect::<String>())
    }

    fn page(author: &str, page: &str) -> Vec<u8> {
        let author = hex(author).replacen('<', "<FEFF", 1);
        let objects = [
            "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
            "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>".to_owned(),
            format!("<</Length {}>>\nstream\n{page}\nendstream", page.len()),
            "<</Type/Font/Subtype/Type0/BaseFont/HeiseiMin-W3/Encoding/UniJIS-UTF16-H/DescendantFonts[6 0 R]>>".to_owned(),
            "<</Type/Font/Subtype/CIDFontType0/BaseFont/HeiseiMin-W3/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>/DW 1000/FontDescriptor<</Type/FontDescriptor/FontName/HeiseiMin-W3/Flags 4>>>>".to_owned(),
            format!("<</Author {author}>>"),
        ];
        let mut pdf = b"%PDF-1.4\n".to_vec();
        let mut places = Vec::new();
        for (index, object) in objects.iter().enumerate() {
            places.push(pdf.len());
            pdf.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
        }
        let table = pdf.len();
        pdf.extend(format!("xref\n0 {}\n0000000000 65535 f \n", places.len() + 1).bytes());
        for place in places {
            pdf.extend(format!("{place:010} 00000 n \n").bytes());
        }
        pdf.extend(
            format!("trailer\n<</Size 8/Root 1 0 R/Info 7 0 R>>\nstartxref\n{table}\n%%EOF\n")
                .bytes(),
        );
        pdf
    }

    #[test]
    fn lines_and_the_author_are_read() {
        let pdf = document("山田太郎", &["見積書", "担当は佐藤花子様です。", "⼭⽥"]);
        assert_eq!(
            text(&pdf),
            Ok(PdfText {
                text: "Author: 山田太郎\n見積書\n担当は佐藤花子様です。\n山田\n".to_owned(),
                whole: true
            })
        );
    }

    #[test]
    fn a_scan_is_told_from_an_empty_page() {
        let image = "q 100 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \u{1} EI Q";
        let whole = |pdf: &[u8]| text(pdf).is_ok_and(|read| read.whole);
        assert!(whole(&page("", "")) && !whole(&page("", image)));
        let pdf = page("", "");
        assert!(!whole(&pdf[..pdf.len() - 20]), "cut off");
    }

    #[test]
    fn what_unfolds_too_far_is_not_unfolded() {
        use flate2::{Compression, write::ZlibEncoder};
        use std::io::Write;
        let packed = |bytes: &[u8]| {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        };
        let file = |filter: &str, stream: &[u8]| {
            let head = format!("%PDF-1.4\n4 0 obj\n<</Filter{filter}>>\nstream\n");
            [head.as_bytes(), stream, b"\nendstream\nendobj\n%%EOF"].concat()
        };
        let once = packed(&vec![b' '; 80 << 20]);
        let hex: Vec<u8> = hex::encode(&once).into_bytes();
        for bomb in [
            file("/FlateDecode", &once),
            file("[/FlateDecode/FlateDecode]", &packed(&once)),
            file("[/ASCIIHexDecode/FlateDecode]", &hex),
            file("/LZWDecode", b""),
            file("/L#5aWDecode", b""),
            file(" 9 0 R", b""),
        ] {
            assert_eq!(text(&bomb), Err(PdfError::TooLong));
        }
        assert_ne!(
            text(&file("/FlateDecode", &packed(b"q Q"))),
            Err(PdfError::TooLong)
        );
    }

    #[test]
    fn no_bytes_are_a_fault() {
        let whole = document("a", &["b"]);
        for cut in 0..whole.len() {
            let _ = text(&whole[..cut]);
            let mut changed = whole.clone();
            changed[cut] ^= 0x15;
            let _ = text(&changed);
        }
        for deep in ["[", "<<", "(", "<</A[", "1 0 obj<<"] {
            let _ = text(format!("%PDF-1.7\n{}", deep.repeat(100_000)).as_bytes());
        }
        let round = "%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[2 0 R]/Count 1>>\nendobj\ntrailer<</Root 1 0 R>>\n";
        let _ = text(round.as_bytes());
    }
}
