//! How the files of the record are kept from being written to: asked of the system, never assumed.
//! A level is proven when every file that nothing writes to any more has it: all but the newest log
//! file, and the newest pack of each bucket whose month goes on.

use anyhow::{Context, Result};
use ledger::{Layout, is_immutable, set_immutable};
use schemas::kinds::records::{FilesRead, ProtectionChecked, StoreKind};
use schemas::{Month, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// What is found now.
pub fn read(layout: &Layout, now: Timestamp) -> Result<ProtectionChecked> {
    let log = asked(&full(&layout.log(), "ndjson", now)?);
    let content = asked(&full(&layout.content(), "pack", now)?);
    Ok(ProtectionChecked {
        store: StoreKind::Local,
        level: together(&log, &content).level(),
        log,
        content,
    })
}

/// Makes every full file immutable that is read-only, but for those in `done`, and notes it there. What
/// is not read-only may be written once more, by a start that settles it.
pub fn make_immutable(layout: &Layout, now: Timestamp, done: &mut HashSet<PathBuf>) -> Result<()> {
    let mut files = full(&layout.log(), "ndjson", now)?;
    files.extend(full(&layout.content(), "pack", now)?);
    for path in files {
        if !done.contains(&path) && is_read_only(&path)? {
            set_immutable(&path, true)
                .with_context(|| format!("{} cannot be made immutable", path.display()))?;
            done.insert(path);
        }
    }
    Ok(())
}

/// A full file that may be written to.
pub fn writable(layout: &Layout, now: Timestamp) -> Result<Option<PathBuf>> {
    let mut files = full(&layout.log(), "ndjson", now)?;
    files.extend(full(&layout.content(), "pack", now)?);
    let writable = |path: &PathBuf| is_read_only(path).is_ok_and(|read_only| !read_only);
    Ok(files.into_iter().find(writable))
}

fn together(log: &FilesRead, content: &FilesRead) -> FilesRead {
    FilesRead {
        files: log.files + content.files,
        read_only: log.read_only + content.read_only,
        immutable: log.immutable + content.immutable,
        unread: log.unread + content.unread,
    }
}

/// All files of a kind but the newest of each directory, which may be the one in use; of a month that
/// is over all.
fn full(dir: &Path, ending: &str, now: Timestamp) -> Result<Vec<PathBuf>> {
    let mut by_dir: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    let found = collect(dir, ending, &mut by_dir);
    found.with_context(|| format!("{} cannot be read", dir.display()))?;
    let older = by_dir.into_iter().flat_map(|(dir, mut files)| {
        files.sort();
        let month = dir.file_name().and_then(|name| name.to_str()?.parse().ok());
        if month.is_none_or(|month: Month| month >= now.month()) {
            files.pop();
        }
        files
    });
    Ok(older.collect())
}

fn collect(
    dir: &Path,
    ending: &str,
    by_dir: &mut BTreeMap<PathBuf, Vec<PathBuf>>,
) -> io::Result<()> {
    let items = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        items => items?,
    };
    for item in items {
        let item = item?;
        let path = item.path();
        if item.file_type()?.is_dir() {
            collect(&path, ending, by_dir)?;
        } else if path.extension().is_some_and(|e| e == ending) {
            by_dir.entry(dir.to_owned()).or_default().push(path);
        }
    }
    Ok(())
}

fn asked(files: &[PathBuf]) -> FilesRead {
    let mut read = FilesRead {
        files: files.len() as u64,
        read_only: 0,
        immutable: 0,
        unread: 0,
    };
    for path in files {
        match (is_read_only(path), is_immutable(path)) {
            (Ok(read_only), Ok(immutable)) => {
                read.read_only += u64::from(read_only);
                read.immutable += u64::from(immutable);
            }
            _ => read.unread += 1,
        }
    }
    read
}

fn is_read_only(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().readonly())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use schemas::kinds::records::ProtectionLevel;

    #[test]
    fn a_level_is_what_every_full_file_was_found_to_have() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        let now = "2026-01-31T23:59:59.000000Z".parse().unwrap();
        let put = |name: &str, read_only: bool| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "x").unwrap();
            let mut mode = std::fs::metadata(&path).unwrap().permissions();
            mode.set_readonly(read_only);
            std::fs::set_permissions(&path, mode).unwrap();
        };
        assert_eq!(read(&layout, now).unwrap().level, ProtectionLevel::Unproven);
        put("log/1.ndjson", true);
        // Only one: it may be in use.
        assert_eq!(read(&layout, now).unwrap().level, ProtectionLevel::Unproven);
        put("log/2.ndjson", true);
        put("log/3.ndjson", false);
        let found = read(&layout, now).unwrap();
        assert_eq!(found.level, ProtectionLevel::ReadOnly);
        assert_eq!((found.log.files, found.log.read_only), (2, 2));
        put("content/api/2026-01/1.pack", false);
        put("content/api/2026-01/2.pack", false);
        let found = read(&layout, now).unwrap();
        assert_eq!(found.level, ProtectionLevel::Writable);
        assert_eq!((found.content.files, found.content.read_only), (1, 0));
        let path = writable(&layout, now).unwrap().unwrap();
        assert!(path.ends_with("content/api/2026-01/1.pack"), "{path:?}");
        // Its month over, the newest is not in use any more either.
        let later = "2026-02-01T00:00:00.000000Z".parse().unwrap();
        let found = read(&layout, later).unwrap().content;
        assert_eq!((found.files, found.read_only), (2, 0));
    }
}
