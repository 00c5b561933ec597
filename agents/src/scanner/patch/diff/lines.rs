//! The text of a unified diff, as git and diff(1) write it.

use super::{Change, DiffError, FileDiff, Hunk, Line, Side, Span};
use crate::scanner::path::{PathFault, RepoPath};

/// The lines of a patch, and how far they are read.
pub(super) struct Lines<'p> {
    lines: Vec<&'p [u8]>,
    at: usize,
}

/// What stands above a file's names.
#[derive(Default)]
struct Head {
    created: bool,
    deleted: bool,
    /// From `diff --git`, if both of its names are one; needed for empty files only.
    name: Option<Vec<u8>>,
}

impl<'p> Lines<'p> {
    pub(super) fn of(bytes: &'p [u8]) -> Lines<'p> {
        Lines {
            lines: bytes.split_inclusive(|b| *b == b'\n').collect(),
            at: 0,
        }
    }

    fn peek(&self) -> Option<&'p [u8]> {
        self.lines.get(self.at).copied()
    }

    /// A line of a head, whose line end does not matter.
    fn head(&self) -> Option<&'p [u8]> {
        let line = self.peek()?;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn begins(&self, with: &[u8]) -> bool {
        self.head().is_some_and(|line| line.starts_with(with))
    }

    fn malformed(&self, expected: &'static str) -> DiffError {
        DiffError::Malformed {
            line: self.at + 1,
            expected,
        }
    }

    /// Goes to the next file; false at the end.
    pub(super) fn skip_between_files(&mut self) -> bool {
        while self.head().is_some_and(<[u8]>::is_empty) {
            self.at += 1;
        }
        self.peek().is_some()
    }

    pub(super) fn file(&mut self) -> Result<FileDiff, DiffError> {
        let first = self.at + 1;
        let head = self.file_head()?;
        if !self.begins(b"--- ") {
            return self.empty_file(head, first);
        }
        let (change, path) = self.names()?;
        let agrees = match change {
            Change::Create => !head.deleted,
            Change::Delete => !head.created,
            Change::Modify => !head.created && !head.deleted,
        };
        if !agrees {
            return Err(self.malformed("below names that agree with the mode lines"));
        }
        let mut hunks = Vec::new();
        while self.begins(b"@@ ") {
            hunks.push(self.hunk()?);
        }
        if hunks.is_empty() {
            return Err(self.malformed("a hunk, `@@ -1,2 +1,3 @@`"));
        }
        Ok(FileDiff {
            path,
            change,
            hunks,
        })
    }

    /// `diff --git` and what git writes below it, up to `---`.
    fn file_head(&mut self) -> Result<Head, DiffError> {
        let mut head = Head::default();
        let mut started = false;
        while let Some(line) = self.head() {
            let next_file = started && (line.is_empty() || line.starts_with(b"diff "));
            if line.starts_with(b"--- ") || next_file {
                break;
            }
            if let Some((what, remedy)) = unsupported(line) {
                return Err(DiffError::Unsupported {
                    line: self.at + 1,
                    what,
                    remedy,
                });
            }
            if let Some(names) = line.strip_prefix(b"diff --git ") {
                head.name = one_name(names);
            } else if line.starts_with(b"new file mode ") {
                head.created = true;
            } else if line.starts_with(b"deleted file mode ") {
                head.deleted = true;
            } else if !is_passed_over(line) {
                return Err(self.malformed("the head of a file: `diff --git`, `---` or `+++`"));
            }
            started = true;
            self.at += 1;
        }
        Ok(head)
    }

    /// git writes no names and no hunks for a file without content.
    fn empty_file(&self, head: Head, line: usize) -> Result<FileDiff, DiffError> {
        let change = match (head.created, head.deleted) {
            (true, false) => Some(Change::Create),
            (false, true) => Some(Change::Delete),
            _ => None,
        };
        let (Some(change), Some(name)) = (change, head.name) else {
            return Err(self.malformed("the file's name, `--- a/path`"));
        };
        Ok(FileDiff {
            path: repo_path(&name, line)?,
            change,
            hunks: Vec::new(),
        })
    }

    /// `---` and `+++`: which file, and whether it is there before and after.
    fn names(&mut self) -> Result<(Change, RepoPath), DiffError> {
        let line = self.at + 1;
        let old = self.name(b"--- ", "the file's old name, `--- a/path`")?;
        let new = self.name(b"+++ ", "the file's new name, `+++ b/path`")?;
        let prefixed = |name: &Option<Vec<u8>>, prefix: &[u8]| {
            let name = name.as_ref();
            name.is_none_or(|name| name.starts_with(prefix))
        };
        // As git -p1 reads it; without prefixes the names are the paths.
        let prefix = match prefixed(&old, b"a/") && prefixed(&new, b"b/") {
            true => 2,
            false => 0,
        };
        let path = |name: Option<Vec<u8>>| {
            let path = name.map(|name| repo_path(&name[prefix..], line));
            path.transpose()
        };
        match (path(old)?, path(new)?) {
            (Some(old), Some(new)) if old == new => Ok((Change::Modify, old)),
            (None, Some(new)) => Ok((Change::Create, new)),
            (Some(old), None) => Ok((Change::Delete, old)),
            (None, None) => Err(self.malformed("below the name of a file")),
            (Some(_), Some(_)) => Err(DiffError::Unsupported {
                line,
                what: "a rename",
                remedy: "delete the one file and create the other",
            }),
        }
    }

    /// `None` is /dev/null.
    fn name(&mut self, key: &[u8], expected: &'static str) -> Result<Option<Vec<u8>>, DiffError> {
        let rest = self.head().and_then(|line| line.strip_prefix(key));
        let name = match rest.ok_or_else(|| self.malformed(expected))? {
            [b'"', quoted @ ..] => unquoted(quoted).ok_or_else(|| self.malformed(expected))?.0,
            // diff(1) writes a time behind a tab.
            plain => plain
                .split(|b| *b == b'\t')
                .next()
                .unwrap_or(plain)
                .to_vec(),
        };
        self.at += 1;
        Ok(Some(name).filter(|name| name != b"/dev/null"))
    }

    fn hunk(&mut self) -> Result<Hunk, DiffError> {
        let spans = self.head().and_then(spans);
        let (old, new) = spans.ok_or_else(|| self.malformed("a hunk, `@@ -1,2 +1,3 @@`"))?;
        let (mut old_left, mut new_left) = (old.len, new.len);
        if (old_left, new_left) == (0, 0) {
            return Err(self.malformed("a hunk that changes something"));
        }
        self.at += 1;
        let mut lines: Vec<Line> = Vec::new();
        loop {
            let line = self.peek();
            if let Some([b'\\', ..]) = line {
                // `\ No newline at end of file` is about the line above it.
                let last = lines.last_mut().filter(|line| line.bytes.ends_with(b"\n"));
                let last = last.ok_or_else(|| self.malformed("a line of the hunk"))?;
                last.bytes.pop();
                self.at += 1;
                continue;
            }
            if (old_left, new_left) == (0, 0) {
                return Ok(Hunk { old, new, lines });
            }
            let short = "as many lines as the hunk's head says";
            let (side, bytes) = match line {
                Some([b' ', bytes @ ..]) => (Side::Both, bytes),
                Some([b'-', bytes @ ..]) => (Side::Old, bytes),
                Some([b'+', bytes @ ..]) => (Side::New, bytes),
                // Editors cut the blank of an empty line.
                Some(bytes @ (b"\n" | b"\r\n")) => (Side::Both, bytes),
                _ => return Err(self.malformed(short)),
            };
            let of_old = old_left.checked_sub(usize::from(side != Side::New));
            let of_new = new_left.checked_sub(usize::from(side != Side::Old));
            let (Some(of_old), Some(of_new)) = (of_old, of_new) else {
                return Err(self.malformed(short));
            };
            (old_left, new_left) = (of_old, of_new);
            let mut bytes = bytes.to_vec();
            if !bytes.ends_with(b"\n") {
                // The patch itself ends here without LF; the file's line is whole all the same.
                bytes.push(b'\n');
            }
            lines.push(Line { side, bytes });
            self.at += 1;
        }
    }
}

/// What a line of a head asks for that no hunk shows to the approver, and a way around it.
fn unsupported(line: &[u8]) -> Option<(&'static str, &'static str)> {
    let begins = |words: &[&str]| words.iter().any(|w| line.starts_with(w.as_bytes()));
    if begins(&["new file mode "]) && line != b"new file mode 100644" {
        let what = "a symlink, a submodule or an executable file";
        Some((what, "create a plain file"))
    } else if begins(&["deleted file mode "]) && !begins(&["deleted file mode 100"]) {
        Some(("a symlink or a submodule to go", "remove it by hand"))
    } else if begins(&["old mode ", "new mode "]) {
        Some(("another file mode", "leave the mode as it is"))
    } else if begins(&["similarity ", "dissimilarity ", "rename ", "copy "]) {
        Some(("a rename or copy", "make the diff with --no-renames"))
    } else if begins(&["GIT binary patch", "Binary files "]) {
        Some(("a binary change", "leave binary files out"))
    } else {
        None
    }
}

/// Lines of a head that say nothing about what happens.
fn is_passed_over(line: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"diff ", b"index ", b"Index: "];
    let ruled = !line.is_empty() && line.iter().all(|b| *b == b'=');
    ruled || words.iter().any(|word| line.starts_with(word))
}

fn repo_path(name: &[u8], line: usize) -> Result<RepoPath, DiffError> {
    let fault = |fault| DiffError::Path { line, fault };
    let text = std::str::from_utf8(name).map_err(|_| fault(PathFault::NotALabel))?;
    RepoPath::parse(text, None).map_err(fault)
}

/// `@@ -1,2 +1,3 @@`, a missing length is 1. Behind it may stand source code in any encoding.
fn spans(line: &[u8]) -> Option<(Span, Span)> {
    let text = String::from_utf8_lossy(&line[..line.len().min(64)]);
    let (old, rest) = text.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let number = |text: &str| -> Option<usize> {
        let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits)
    };
    let span = |text: &str| {
        let (start, len) = text.split_once(',').unwrap_or((text, "1"));
        Some(Span {
            start: number(start)?,
            len: number(len)?,
        })
    };
    Some((span(old)?, span(new)?))
}

/// The path of `a/path b/path`, when both are the same; quoted or not.
fn one_name(names: &[u8]) -> Option<Vec<u8>> {
    if let [b'"', quoted @ ..] = names {
        let (old, rest) = unquoted(quoted)?;
        let (new, end) = unquoted(rest.strip_prefix(b" \"")?)?;
        let path = old.strip_prefix(b"a/")?;
        return (end.is_empty() && new.strip_prefix(b"b/")? == path).then(|| path.to_vec());
    }
    let path = names.get(2..names.len().checked_sub(1)? / 2)?;
    let whole = [b"a/", path, b" b/", path].concat();
    (whole == names).then(|| path.to_vec())
}

/// git's C-style quoting, behind the opening quote: the name, and what follows its end.
fn unquoted(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut name = Vec::new();
    let mut rest = quoted;
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        if *first == b'"' {
            return Some((name, rest));
        }
        if *first != b'\\' {
            name.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        name.push(match escape {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'"' | b'\\' => *escape,
            // Three octal digits, up to 377.
            b'0'..=b'3' => {
                let digits = rest.get(..2)?;
                rest = &rest[2..];
                let octal = digits.iter().all(|d| (b'0'..=b'7').contains(d));
                let value = |d: u8| d.wrapping_sub(b'0');
                let byte = (value(*escape) << 6) | (value(digits[0]) << 3) | value(digits[1]);
                octal.then_some(byte)?
            }
            _ => return None,
        });
    }
}
