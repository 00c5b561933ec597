//! The typeface: a file of this host, with Japanese in it. It is embedded, as far as it is used.

use krilla::text::Font;
use sha2::{Digest, Sha256};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum FontFault {
    #[error(
        "no font with Japanese was found; looked for {looked}. Install one (fonts-ipaexfont, fonts-noto-cjk) or name a file with --font"
    )]
    Absent { looked: String },
    #[error("the font {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("the font {path} has no Japanese: 台 is not in it")]
    NoJapanese { path: String },
}

/// A font with what lines are measured by.
pub struct Typeface {
    pub font: Font,
    /// SHA-256 of its file: the same report with another font is other bytes.
    pub sha256: String,
    /// Glyph and advance, in ems, of each character that it has.
    glyphs: HashMap<char, (u32, f32)>,
    /// What stands for a character that it does not have.
    pub instead: char,
}

/// Where systems keep fonts with Japanese, and which of a collection it is. The first is taken.
const PLACES: &[(&str, u32)] = &[
    ("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf", 0),
    ("/usr/share/fonts/opentype/ipafont-gothic/ipagp.ttf", 0),
    ("/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf", 0),
    ("/usr/share/fonts/ipa-ex-gothic-fonts/ipaexg.ttf", 0),
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 0),
    (
        "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
        0,
    ),
    ("C:\\Windows\\Fonts\\YuGothR.ttc", 0),
    ("C:\\Windows\\Fonts\\meiryo.ttc", 0),
    ("C:\\Windows\\Fonts\\msgothic.ttc", 0),
];

/// The first that the font has: the geta mark, which is what Japanese printers put there.
const INSTEAD: [char; 2] = ['〓', '?'];

impl Typeface {
    /// The file, or the first that this system has.
    pub fn find(file: Option<&Path>) -> Result<Typeface, FontFault> {
        match file {
            Some(file) => Typeface::read(file, 0),
            None => Typeface::first_of(PLACES),
        }
    }

    fn first_of(places: &[(&str, u32)]) -> Result<Typeface, FontFault> {
        let there = places.iter().find(|(path, _)| Path::new(path).is_file());
        match there {
            Some((path, index)) => Typeface::read(&PathBuf::from(path), *index),
            None => {
                let looked: Vec<&str> = places.iter().map(|(path, _)| *path).collect();
                let looked = looked.join(", ");
                Err(FontFault::Absent { looked })
            }
        }
    }

    fn read(path: &Path, index: u32) -> Result<Typeface, FontFault> {
        let shown = || path.display().to_string();
        let unreadable = |reason: String| FontFault::Unreadable {
            path: shown(),
            reason,
        };
        let data = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let face =
            FontRef::from_index(&data, index).map_err(|error| unreadable(error.to_string()))?;
        let metrics = face.glyph_metrics(Size::new(1.0), LocationRef::default());
        let glyphs: HashMap<char, (u32, f32)> = face
            .charmap()
            .mappings()
            .filter_map(|(code, glyph)| {
                let advance = metrics.advance_width(glyph)?;
                Some((char::from_u32(code)?, (glyph.to_u32(), advance)))
            })
            .collect();
        let instead = INSTEAD.into_iter().find(|c| glyphs.contains_key(c));
        let Some(instead) = instead.filter(|_| glyphs.contains_key(&'台')) else {
            return Err(FontFault::NoJapanese { path: shown() });
        };
        let sha256 = hex::encode(Sha256::digest(&data));
        let font = Font::new(data.into(), index);
        let font =
            font.ok_or_else(|| unreadable("it is no font of a kind that PDF takes".to_owned()))?;
        Ok(Typeface {
            font,
            sha256,
            glyphs,
            instead,
        })
    }

    /// Is there a character in it that pages cannot show?
    pub fn lacks(&self, text: &str) -> bool {
        let mut chars = text.chars().filter(|c| !c.is_control());
        chars.any(|c| !self.glyphs.contains_key(&c))
    }

    /// The text with what the font has for each character.
    pub fn fit(&self, text: &str) -> String {
        let known = |c: char| {
            if self.glyphs.contains_key(&c) {
                c
            } else {
                self.instead
            }
        };
        text.chars().map(known).collect()
    }

    /// Glyph and advance, in ems.
    pub fn glyph(&self, c: char) -> (u32, f32) {
        let instead = || self.glyphs.get(&self.instead).copied().unwrap_or_default();
        self.glyphs.get(&c).copied().unwrap_or_else(instead)
    }

    pub fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|c| self.glyph(c).1).sum::<f32>() * size
    }
}

#[cfg(test)]
mod tests {
    use super::Typeface;

    #[test]
    fn a_host_without_a_font_is_told_where_it_was_looked_for_and_what_to_do() {
        let fault = Typeface::first_of(&[("/nowhere/a.ttf", 0), ("/nowhere/b.ttc", 0)]).err();
        let told = fault.expect("none is there").to_string();
        for part in ["/nowhere/a.ttf, /nowhere/b.ttc", "Install one", "--font"] {
            assert!(told.contains(part), "no {part} in {told}");
        }
    }
}
