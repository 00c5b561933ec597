use ledger::tile::Resource;

/// One resource has one path: written by the rule of C2SP tlog-tiles it is the path that was
/// read.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Some(resource) = Resource::parse(path) else {
        return false;
    };
    let again = match resource {
        Resource::Checkpoint => "checkpoint".to_owned(),
        Resource::Tile {
            level,
            index,
            width,
        } => {
            assert!(level < 64);
            format!("tile/{level}/{}", place(index, width))
        }
        Resource::Entries { index, width } => format!("tile/entries/{}", place(index, width)),
    };
    assert_eq!(again, path);
    true
}

fn place(index: u64, width: u16) -> String {
    assert!((1..=256).contains(&width));
    let mut text = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1_000);
        rest /= 1_000;
    }
    if width < 256 {
        text = format!("{text}.p/{width}");
    }
    text
}
