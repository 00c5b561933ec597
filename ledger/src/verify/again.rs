//! Entries of a log that has been verified, read once more.

use super::{VerifyError, io_at};
use crate::Entry;
use crate::layout::Layout;
use crate::line;
use crate::scan::{LogLines, Piece};
use std::io;
use std::path::Path;

/// Gives the entries at ascending `positions`, each with its file and where it begins there.
/// Memory is a line's, whatever the size of the log: files are read, nothing is opened.
pub fn entries_at(
    dir: &Path,
    positions: &[u64],
    mut take: impl FnMut(&Entry, &str, u64),
) -> Result<(), VerifyError> {
    let layout = Layout::new(dir);
    let files = layout.log_files().map_err(io_at(&layout.log()))?.files;
    let mut positions = positions.iter().copied().peekable();
    for (at, (first, path)) in files.iter().enumerate() {
        let end = files.get(at + 1).map_or(u64::MAX, |(next, _)| *next);
        if positions.peek().is_none_or(|position| *position >= end) {
            continue;
        }
        let shown = layout.shown(path);
        let mut lines = LogLines::open(path).map_err(io_at(path))?;
        let mut place = *first;
        while let Some(wanted) = positions.next_if(|position| *position < end) {
            loop {
                let piece = lines.next_piece().map_err(io_at(path))?;
                let Some(Piece::Line { offset, line }) = piece else {
                    return Err(io_at(path)(changed(wanted)));
                };
                place += 1;
                if place <= wanted {
                    continue;
                }
                let entry = line::split(line)
                    .ok()
                    .and_then(|(body, signature)| Entry::from_durable(body, signature).ok())
                    .filter(|entry| entry.seq() == wanted)
                    .ok_or_else(|| io_at(path)(changed(wanted)))?;
                take(&entry, &shown, offset);
                break;
            }
        }
    }
    match positions.next() {
        Some(position) => Err(io_at(&layout.log())(changed(position))),
        None => Ok(()),
    }
}

fn changed(position: u64) -> io::Error {
    io::Error::other(format!(
        "entry {position} is no longer as it was verified: verify again"
    ))
}
