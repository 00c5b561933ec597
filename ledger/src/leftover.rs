//! Keys that a write left under another name when it was cut off: `<key>.new` beside the key. One holds
//! what the key holds, or would have held, and outlives it if nobody destroys it.

use crate::disk::{Disk, LocalDisk};
use crate::expire::{ExpireError, destroy, io_at};
use crate::layout::Layout;
use std::io::ErrorKind;
use std::path::Path;

/// Destroys what is left of keys that were being written. Nobody may be writing keys there. What else
/// somebody keeps below `keys/` is theirs.
pub(crate) fn clear(layout: &Layout, disk: &dyn Disk) -> Result<(), ExpireError> {
    for key in [layout.log_key(), layout.next_log_key()] {
        let left = key.with_added_extension("new");
        if left.symlink_metadata().is_ok_and(|left| left.is_file()) {
            destroy(disk, &left).map_err(io_at(&left))?;
        }
    }
    clear_below(&layout.content_keys(), disk)
}

/// The same in a copy.
pub fn clear_leftover_keys(copy: &Layout) -> Result<(), ExpireError> {
    clear(copy, &LocalDisk)
}

/// A link is not followed: what it points to is no part of the ledger.
fn clear_below(dir: &Path, disk: &dyn Disk) -> Result<(), ExpireError> {
    let items = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        items => items.map_err(io_at(dir))?,
    };
    for item in items {
        let item = item.map_err(io_at(dir))?;
        let (path, kind) = (item.path(), item.file_type().map_err(io_at(dir))?);
        if kind.is_dir() {
            clear_below(&path, disk)?;
        } else if kind.is_file() && is_leftover(&path) {
            destroy(disk, &path).map_err(io_at(&path))?;
        }
    }
    Ok(())
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(".key.new"))
}
