//! C2SP tlog-tiles: the paths under which a log is served, and entry bundles.

use crate::tree::TILE_WIDTH;

/// What a path below `/log/` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Checkpoint,
    /// `tile/<level>/<index>[.p/<width>]`
    Tile {
        level: u8,
        index: u64,
        width: u16,
    },
    /// `tile/entries/<index>[.p/<width>]`
    Entries {
        index: u64,
        width: u16,
    },
}

/// C2SP tlog-tiles: levels 0 to 63; a tree of 2^63 leaves needs no more than 8.
const MAX_LEVEL: u8 = 63;

impl Resource {
    /// `None` for anything that is not exactly one of the three forms.
    pub fn parse(path: &str) -> Option<Resource> {
        if path == "checkpoint" {
            return Some(Resource::Checkpoint);
        }
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = parse_index(rest)?;
        if kind == "entries" {
            return Some(Resource::Entries { index, width });
        }
        let level: u8 = kind.parse().ok()?;
        if level.to_string() != kind || level > MAX_LEVEL {
            return None;
        }
        Some(Resource::Tile {
            level,
            index,
            width,
        })
    }
}

/// `x001/x234/067` with an optional `.p/<1 to 255>`.
fn parse_index(text: &str) -> Option<(u64, u16)> {
    let (text, width) = match text.split_once(".p/") {
        None => (text, TILE_WIDTH as u16),
        Some((text, digits)) => {
            let width: u16 = digits.parse().ok()?;
            if !(1..TILE_WIDTH as u16).contains(&width) || width.to_string() != digits {
                return None;
            }
            (text, width)
        }
    };
    let mut index: u64 = 0;
    let groups: Vec<&str> = text.split('/').collect();
    for (i, group) in groups.iter().enumerate() {
        let last = i + 1 == groups.len();
        let digits = if last {
            group
        } else {
            group.strip_prefix('x')?
        };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    // One index has one path: no leading group of zeros.
    if groups.len() > 1 && groups[0] == "x000" {
        return None;
    }
    Some((index, width))
}

/// C2SP tlog-tiles: `uint16 length ‖ entry`, one after the other.
pub fn bundle<'a>(bodies: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        let length = u16::try_from(body.len()).expect("bodies are at most 65,535 bytes");
        bytes.extend(length.to_be_bytes());
        bytes.extend(body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_tile_has_one_path() {
        let tile = |level, index, width| {
            Some(Resource::Tile {
                level,
                index,
                width,
            })
        };
        assert_eq!(Resource::parse("checkpoint"), Some(Resource::Checkpoint));
        assert_eq!(Resource::parse("tile/0/000"), tile(0, 0, 256));
        assert_eq!(
            Resource::parse("tile/1/x001/x234/067.p/17"),
            tile(1, 1_234_067, 17)
        );
        assert_eq!(
            Resource::parse("tile/entries/x001/000"),
            Some(Resource::Entries {
                index: 1000,
                width: 256
            })
        );
        for bad in [
            "",
            "tile",
            "tile/0",
            "tile/0/0",
            "tile/00/000",
            "tile/64/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/8/0/000",
            "tile/-1/000",
            "tile/entries/",
            "tile/0/000/",
            "checkpoint/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Resource::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(path in "(tile/)?[0-9a-z./x]{0,40}") {
            let _ = Resource::parse(&path);
        }
    }
}
