//! A file that says that a destruction was begun, beside the key that it destroys. It holds the id
//! of the event that records it: whoever finds it asks the log whether to complete it.

use crate::disk::{self, Disk, remove_if_there};
use crate::expire::{ExpireError, io_at, parent};
use schemas::EventId;
use std::io;
use std::path::{Path, PathBuf};

pub fn put(disk: &dyn Disk, marker: &Path, id: EventId) -> Result<(), ExpireError> {
    let dir = parent(marker);
    let write = || {
        disk.create_dir(dir)?;
        disk::replace(disk, marker, format!("{id}\n").as_bytes(), true)?;
        disk.sync_dir(dir)
    };
    write().map_err(io_at(marker))
}

/// Is the destruction that this event records under way?
pub fn names(marker: &Path, id: &EventId) -> bool {
    let text = std::fs::read_to_string(marker);
    text.is_ok_and(|text| text.trim_end().parse::<EventId>().as_ref() == Ok(id))
}

pub fn remove(disk: &dyn Disk, marker: &Path) -> Result<(), ExpireError> {
    let remove = || {
        remove_if_there(disk, marker)?;
        disk.sync_dir(parent(marker))
    };
    remove().map_err(io_at(marker))
}

/// Completes what an earlier run has recorded, and forgets what it has not.
pub fn settle<K>(
    disk: &dyn Disk,
    markers: Vec<(K, PathBuf)>,
    mut is_recorded: impl FnMut(&EventId) -> io::Result<bool>,
    shred: impl Fn(&K) -> Result<(), ExpireError>,
) -> Result<(), ExpireError> {
    for (key, marker) in markers {
        let text = std::fs::read_to_string(&marker).map_err(io_at(&marker))?;
        match text.trim_end().parse() {
            Ok(id) if is_recorded(&id).map_err(io_at(&marker))? => shred(&key)?,
            _ => remove(disk, &marker)?,
        }
    }
    Ok(())
}
