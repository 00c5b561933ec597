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
    std::fs::read(marker).is_ok_and(|bytes| event(&bytes).as_ref() == Some(id))
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
        let bytes = std::fs::read(&marker).map_err(io_at(&marker))?;
        match event(&bytes) {
            Some(id) if is_recorded(&id).map_err(io_at(&marker))? => shred(&key)?,
            _ => remove(disk, &marker)?,
        }
    }
    Ok(())
}

/// None where it is damaged: nothing says then what was begun, and what is recorded is done all the same
/// by whoever looks for what is left of it.
fn event(bytes: &[u8]) -> Option<EventId> {
    std::str::from_utf8(bytes).ok()?.trim_end().parse().ok()
}
