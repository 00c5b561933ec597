//! Copies of a ledger's directory: what grows is appended to, what is full is copied once, and
//! every copied byte is durable before the checkpoint that promises it.

use anyhow::{Context, Result, bail};
use ledger::Layout;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How a copy went.
#[derive(Default)]
pub struct Copied {
    pub bytes: u64,
    pub files: u64,
}

/// What is copied beside the log, the content and the configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Whoever gets the copy can verify it and read no content.
    Left,
    /// Whoever gets the copy can read all content and sign for the ledger.
    Taken,
}

/// Brings the copy up to what the source holds now. The checkpoint is not copied: whoever
/// calls this verifies first. Killed anywhere, it goes on where it was: a copied file is
/// always a beginning of its source.
pub fn bring_up(from: &Layout, to: &Layout, keys: Keys) -> Result<Copied> {
    let mut copied = Copied::default();
    make_dir(to.dir())?;
    // Before the packs: content is durable before the entries that name it.
    let logs = files_below(&from.log(), Some("ndjson"))?;
    let newest = logs.last().cloned();
    for path in logs {
        // The newest file may be in the middle of a commit; an older one ends as it ends.
        let whole_lines = Some(&path) == newest.as_ref();
        extend(&path, &moved(from, to, &path)?, whole_lines, &mut copied)?;
    }
    make_dir(&to.content())?;
    for path in files_below(&from.content(), Some("pack"))? {
        extend(&path, &moved(from, to, &path)?, false, &mut copied)?;
    }
    copy_time_stamps(from, to, &mut copied)?;
    if from.config().exists() {
        replace(&to.config(), &read(&from.config())?, &mut copied)?;
    }
    make_dir(&to.keys())?;
    // A copy that was cut off has left keys under another name: nothing else would destroy them.
    ledger::clear_leftover_keys(to)?;
    if keys == Keys::Taken {
        for path in files_below(&from.keys(), None)? {
            if path.extension().is_some_and(|extension| extension == "new") {
                continue; // being written, or cut off
            }
            // One that is destroyed meanwhile is not missed: its erasure is in the log.
            if let Some(bytes) = read_if_there(&path)? {
                replace(&moved(from, to, &path)?, &bytes, &mut copied)?;
            }
        }
    }
    Ok(copied)
}

/// Those of no more entries than are copied: one that was made meanwhile would promise entries
/// that the copy does not have. What a copied entry names is among them.
fn copy_time_stamps(from: &Layout, to: &Layout, copied: &mut Copied) -> Result<()> {
    let entries = entries(to)?;
    let mut files = files_below(&from.tokens(), Some("checkpoint"))?;
    // Their answers last, as they are written.
    files.extend(files_below(&from.tokens(), Some("tsr"))?);
    for path in files {
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let size = name.and_then(|digits| digits.parse::<u64>().ok());
        if size.is_some_and(|size| size <= entries) {
            extend(&path, &moved(from, to, &path)?, false, copied)?;
        }
    }
    Ok(())
}

/// How many entries a copy holds.
fn entries(of: &Layout) -> Result<u64> {
    let Some(newest) = files_below(&of.log(), Some("ndjson"))?.pop() else {
        return Ok(0);
    };
    let first = newest.file_stem().and_then(|stem| stem.to_str());
    let first: u64 = first.context("a log file has a name")?.parse()?;
    let lines = read(&newest)?.iter().filter(|b| **b == b'\n').count();
    Ok(first + lines as u64)
}

/// The last file of a copy: from here on it promises what it holds.
pub fn write_checkpoint(to: &Layout, note: &[u8]) -> Result<()> {
    replace(&to.checkpoint(), note, &mut Copied::default())
}

fn moved(from: &Layout, to: &Layout, path: &Path) -> Result<PathBuf> {
    Ok(to.dir().join(path.strip_prefix(from.dir())?))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => {
            Ok(Some(read.with_context(|| {
                format!("{} cannot be read", path.display())
            })?))
        }
    }
}

/// Every file below a directory whose name ends so, in order. A link is not followed: what it
/// points to is no part of the ledger.
fn files_below(dir: &Path, extension: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !dir.is_dir() {
        return Ok(files);
    }
    let items =
        std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    for item in items {
        let item = item?;
        let (path, kind) = (item.path(), item.file_type()?);
        if kind.is_dir() {
            files.extend(files_below(&path, extension)?);
        } else if kind.is_file()
            && (extension.is_none() || path.extension().and_then(|e| e.to_str()) == extension)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Appends to a copy what its source has more. With `whole_lines`, up to the last line end.
fn extend(from: &Path, to: &Path, whole_lines: bool, copied: &mut Copied) -> Result<()> {
    let at = |path: &Path| format!("{} cannot be copied", path.display());
    let mut source = File::open(from).with_context(|| at(from))?;
    let metadata = source.metadata()?;
    let mut end = metadata.len();
    if whole_lines {
        end = last_line_end(&mut source, end).with_context(|| at(from))?;
    }
    make_dir(to.parent().context("a file lies in a directory")?)?;
    let have = std::fs::metadata(to).map_or(0, |metadata| metadata.len());
    if have > metadata.len() {
        bail!(
            "{} has {} bytes more than {}: the copy is of a later state, or of another ledger",
            to.display(),
            have - metadata.len(),
            from.display()
        );
    }
    if have < end {
        source.seek(SeekFrom::Start(have))?;
        let copy = || -> std::io::Result<u64> {
            let mut file = private().create(true).append(true).open(to)?;
            let count = std::io::copy(&mut source.take(end - have), &mut file)?;
            file.sync_all()?;
            Ok(count)
        };
        copied.bytes += copy().with_context(|| at(to))?;
        copied.files += 1;
        sync_dir(to.parent())?;
    }
    // Full at its source: full here.
    if metadata.permissions().readonly() && end == metadata.len() {
        std::fs::set_permissions(to, metadata.permissions()).with_context(|| at(to))?;
    }
    Ok(())
}

/// The byte after the last LF of the first `end` bytes.
fn last_line_end(file: &mut File, end: u64) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut to = end;
    while to > 0 {
        let from = to.saturating_sub(BLOCK);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        Read::by_ref(file).take(to - from).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|b| *b == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        to = from;
    }
    Ok(0)
}

/// A small file, whole or not at all; untouched where it is the same already.
fn replace(path: &Path, bytes: &[u8], copied: &mut Copied) -> Result<()> {
    if std::fs::read(path).is_ok_and(|have| have == bytes) {
        return Ok(());
    }
    make_dir(path.parent().context("a file lies in a directory")?)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let write = || {
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    sync_dir(path.parent())?;
    copied.bytes += bytes.len() as u64;
    copied.files += 1;
    Ok(())
}

/// Only the owner reads a copy, as only the owner reads the ledger.
fn private() -> OpenOptions {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub fn make_dir(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    sync_dir(path.parent())
}

/// Makes names durable. NTFS journals them itself.
pub fn sync_dir(dir: Option<&Path>) -> Result<()> {
    let dir = match dir {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => return Ok(()),
    };
    if cfg!(unix) {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.with_context(|| format!("{} cannot be synced", dir.display()))?;
    }
    Ok(())
}
