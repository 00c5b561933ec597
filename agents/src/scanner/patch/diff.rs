//! Unified diffs, read and applied to the letter.
//!
//! What an approver has read must be what happens. So a hunk stands exactly where it says, or
//! the patch does not apply: no offset, no fuzz, no white space ignored. So a diff holds
//! sections of files and nothing else, and what lines of text cannot show (renames, modes,
//! symlinks, binary files) is refused. Faults name lines of the diff and quote none.

mod lines;

use crate::scanner::path::{PathFault, RepoPath};
use lines::Lines;
use std::collections::BTreeSet;

/// A patch is read by a person.
pub const MAX_BYTES: usize = 1 << 20;
pub const MAX_FILES: usize = 64;
/// Paths stand in the entry, whose body has 65,535 bytes.
const MAX_PATHS_BYTES: usize = 32_768;

/// A patch: which file becomes what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    pub files: Vec<FileDiff>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    pub path: RepoPath,
    pub change: Change,
    hunks: Vec<Hunk>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Create,
    Modify,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk {
    old: Span,
    new: Span,
    lines: Vec<Line>,
}

/// Lines are counted from 1; an empty side stands behind the line that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    len: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    side: Side,
    /// With its LF, unless the file ends without one.
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// These bytes are not a patch that can be applied to the letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiffError {
    #[error("the patch has {bytes} bytes; the limit is {MAX_BYTES}")]
    TooLarge { bytes: usize },
    #[error("the patch changes more than {MAX_FILES} files, or their paths are too long together")]
    TooManyFiles,
    #[error("the patch changes no file")]
    Empty,
    #[error("line {line} of the patch must be {expected}")]
    Malformed { line: usize, expected: &'static str },
    #[error("line {line} of the patch asks for {what}, which lines of text cannot show; {remedy}")]
    Unsupported {
        line: usize,
        what: &'static str,
        remedy: &'static str,
    },
    #[error("the path in line {line} of the patch {fault}")]
    Path { line: usize, fault: PathFault },
    #[error("the patch has two sections for {path}")]
    Twice { path: RepoPath },
}

/// A file is not what a hunk expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HunkFault {
    #[error("hunk {hunk} does not fit line {line} of the file")]
    OtherText { hunk: usize, line: usize },
    #[error("hunk {hunk} overlaps the one before it, or stands beyond the end of the file")]
    OtherPlace { hunk: usize },
    #[error("hunk {hunk} says another place in the new file than the hunks before it make")]
    OtherNewPlace { hunk: usize },
    #[error("hunk {hunk} goes on behind a line without line end")]
    BehindTheEnd { hunk: usize },
    #[error("the file is there, but the patch creates it")]
    AlreadyThere,
    #[error("the file is not there")]
    NotThere,
    #[error("the patch deletes the file, but not all of its lines")]
    LinesLeft,
}

impl Diff {
    pub fn parse(bytes: &[u8]) -> Result<Diff, DiffError> {
        if bytes.len() > MAX_BYTES {
            return Err(DiffError::TooLarge { bytes: bytes.len() });
        }
        let mut lines = Lines::of(bytes);
        let mut files: Vec<FileDiff> = Vec::new();
        let mut paths = BTreeSet::new();
        let mut paths_bytes = 0;
        while lines.skip_between_files() {
            let file = lines.file()?;
            paths_bytes += file.path.as_str().len();
            if !paths.insert(file.path.clone()) {
                return Err(DiffError::Twice { path: file.path });
            }
            if paths.len() > MAX_FILES || paths_bytes > MAX_PATHS_BYTES {
                return Err(DiffError::TooManyFiles);
            }
            files.push(file);
        }
        if files.is_empty() {
            return Err(DiffError::Empty);
        }
        Ok(Diff { files })
    }

    /// The patch that takes this one back.
    pub fn reversed(&self) -> Diff {
        let files = self.files.iter().map(FileDiff::reversed);
        Diff {
            files: files.collect(),
        }
    }
}

impl FileDiff {
    /// What the file becomes; `None` is a file that is not there.
    pub fn apply(&self, old: Option<&[u8]>) -> Result<Option<Vec<u8>>, HunkFault> {
        match (self.change, old) {
            (Change::Create, Some(_)) => Err(HunkFault::AlreadyThere),
            (Change::Create, None) => self.rewritten(b"").map(Some),
            (_, None) => Err(HunkFault::NotThere),
            (Change::Modify, Some(old)) => self.rewritten(old).map(Some),
            (Change::Delete, Some(old)) => match self.rewritten(old)?.is_empty() {
                true => Ok(None),
                false => Err(HunkFault::LinesLeft),
            },
        }
    }

    fn rewritten(&self, old: &[u8]) -> Result<Vec<u8>, HunkFault> {
        let lines: Vec<&[u8]> = old.split_inclusive(|b| *b == b'\n').collect();
        let mut cursor = 0;
        let mut new: Vec<&[u8]> = Vec::with_capacity(lines.len());
        for (index, hunk) in self.hunks.iter().enumerate() {
            let number = index + 1;
            let start = hunk.old.first_index();
            let start = start.filter(|s| (cursor..=lines.len()).contains(s));
            let start = start.ok_or(HunkFault::OtherPlace { hunk: number })?;
            new.extend(&lines[cursor..start]);
            cursor = start;
            if hunk.new.first_index() != Some(new.len()) {
                return Err(HunkFault::OtherNewPlace { hunk: number });
            }
            for line in &hunk.lines {
                if line.side != Side::New {
                    if lines.get(cursor) != Some(&&line.bytes[..]) {
                        let line = cursor + 1;
                        return Err(HunkFault::OtherText { hunk: number, line });
                    }
                    cursor += 1;
                }
                if line.side != Side::Old {
                    if is_open(&new) {
                        return Err(HunkFault::BehindTheEnd { hunk: number });
                    }
                    new.push(&line.bytes);
                }
            }
        }
        let rest = &lines[cursor..];
        if is_open(&new) && !rest.is_empty() {
            let hunk = self.hunks.len();
            return Err(HunkFault::BehindTheEnd { hunk });
        }
        new.extend(rest);
        Ok(new.concat())
    }

    fn reversed(&self) -> FileDiff {
        FileDiff {
            path: self.path.clone(),
            change: match self.change {
                Change::Create => Change::Delete,
                Change::Modify => Change::Modify,
                Change::Delete => Change::Create,
            },
            hunks: self.hunks.iter().map(Hunk::reversed).collect(),
        }
    }
}

/// A patch as an approver must see it: whatever a terminal would obey or not show (escape
/// sequences, carriage returns, characters that turn the writing direction or have no width)
/// is spelled out. Otherwise the lines on the screen and the lines in the patch can differ.
pub fn visible(diff: &[u8]) -> String {
    let hidden = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    let mut shown = String::with_capacity(diff.len());
    for chunk in diff.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => shown.push(c),
                c if c.is_control() || hidden(c) => shown.extend(c.escape_unicode()),
                c => shown.push(c),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

/// The last line has no line end, so nothing can stand behind it.
fn is_open(lines: &[&[u8]]) -> bool {
    lines.last().is_some_and(|last| !last.ends_with(b"\n"))
}

impl Hunk {
    fn reversed(&self) -> Hunk {
        let turned = |line: &Line| Line {
            side: match line.side {
                Side::Both => Side::Both,
                Side::Old => Side::New,
                Side::New => Side::Old,
            },
            bytes: line.bytes.clone(),
        };
        Hunk {
            old: self.new,
            new: self.old,
            lines: self.lines.iter().map(turned).collect(),
        }
    }
}

impl Span {
    fn first_index(self) -> Option<usize> {
        match self.len {
            0 => Some(self.start),
            _ => self.start.checked_sub(1),
        }
    }
}

#[cfg(test)]
mod tests;
