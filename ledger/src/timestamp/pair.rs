//! The two files of a time stamp: the signed note that was stamped, and the authority's answer.

use super::{Token, TokenError};
use crate::disk::{Disk, remove_if_there};
use crate::layout::Layout;
use crate::reader::Reader;
use schemas::Hash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No response is as long; what is, is not read to its end.
const MAX_RESPONSE_BYTES: u64 = 1 << 20;

/// Where both lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub size: u64,
    pub checkpoint: PathBuf,
    pub response: PathBuf,
}

impl Pair {
    pub fn of(layout: &Layout, size: u64) -> Pair {
        let named = |extension| layout.tokens().join(format!("{size:020}.{extension}"));
        Pair {
            size,
            checkpoint: named("checkpoint"),
            response: named("tsr"),
        }
    }

    /// The response as it lies there, and its digest.
    pub fn read(&self) -> io::Result<(Vec<u8>, Hash)> {
        let mut bytes = Vec::new();
        let file = File::open(&self.response)?;
        // Of what is longer neither the digest nor the form will be that of a response.
        file.take(MAX_RESPONSE_BYTES).read_to_end(&mut bytes)?;
        let digest = Hash(Sha256::digest(&bytes).into());
        Ok((bytes, digest))
    }
}

/// What lies in `tokens/`.
#[derive(Default)]
pub struct Pairs {
    /// Whole ones, by size.
    pub whole: Vec<Pair>,
    /// A note without an answer: nobody was told of a time stamp.
    pub unanswered: Vec<PathBuf>,
    /// An answer without what it is about.
    pub orphans: Vec<PathBuf>,
    pub strays: Vec<PathBuf>,
}

pub fn pairs(layout: &Layout) -> io::Result<Pairs> {
    let mut found = Pairs::default();
    let items = match std::fs::read_dir(layout.tokens()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        items => items?,
    };
    let (mut notes, mut sizes) = (Vec::new(), Vec::new());
    for item in items {
        let path = item?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let (digits, extension) = name.split_once('.').unwrap_or_default();
        let sound = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        match (digits.parse::<u64>(), extension) {
            (Ok(size), "checkpoint") if sound => notes.push(size),
            (Ok(size), "tsr") if sound => sizes.push(size),
            // Of a writer that was killed.
            (Ok(_), other) if sound && other.ends_with(".new") => {}
            _ => found.strays.push(path),
        }
    }
    notes.sort_unstable();
    sizes.sort_unstable();
    found.strays.sort();
    for size in &sizes {
        let pair = Pair::of(layout, *size);
        if notes.binary_search(size).is_ok() {
            found.whole.push(pair);
        } else {
            found.orphans.push(pair.response);
        }
    }
    for size in notes {
        if sizes.binary_search(&size).is_err() {
            found.unanswered.push(Pair::of(layout, size).checkpoint);
        }
    }
    Ok(found)
}

/// Keeps a time stamp: once, durably, read-only. False where there is one of this size.
pub fn keep(reader: &Reader, size: u64, note: &[u8], response: &[u8]) -> io::Result<bool> {
    let (layout, disk) = (reader.layout(), reader.disk());
    let (dir, pair) = (layout.tokens(), Pair::of(layout, size));
    if !dir.is_dir() {
        disk.create_dir(&dir)?;
        disk.sync_dir(layout.dir())?;
    }
    if pair.response.exists() {
        return Ok(false);
    }
    // An unanswered note of this size may be of an earlier attempt.
    if std::fs::read(&pair.checkpoint).is_ok_and(|kept| kept != note) {
        disk.remove(&pair.checkpoint)?;
    }
    write_once(disk, &pair.checkpoint, note)?;
    // The response last: with it there is a time stamp.
    write_once(disk, &pair.response, response)
}

/// False where the file is there already.
fn write_once(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(fresh);
    remove_if_there(disk, &fresh)?;
    let mut file = disk.create(&fresh, false)?;
    file.append(bytes)?;
    file.sync_all()?;
    drop(file);
    // A link, unlike a renaming, fails where another process was first.
    let written = match disk.link(&fresh, path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(_) => {
            disk.rename(&fresh, path)?;
            true
        }
    };
    let _ = remove_if_there(disk, &fresh);
    if written {
        disk.set_readonly(path)?;
    }
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir)?;
    }
    Ok(written)
}

/// The newest time stamp: how many entries it covers, and what the authority said.
pub fn newest(layout: &Layout) -> io::Result<Option<(u64, Result<Token, TokenError>)>> {
    let Some(pair) = pairs(layout)?.whole.pop() else {
        return Ok(None);
    };
    Ok(Some((pair.size, Token::parse(&pair.read()?.0))))
}
