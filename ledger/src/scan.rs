//! Reading log files line by line, without trusting them.

use crate::line::{self, LineError, MAX_LINE_BYTES};
use schemas::{EventId, Hash, Timestamp};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// One piece of a log file.
pub enum Piece<'a> {
    /// A whole line, without its LF.
    Line { offset: u64, line: &'a [u8] },
    /// What is no entry, to the end of the file: a commit that was cut off, or never was one.
    Tail { offset: u64, len: u64, sha256: Hash },
}

/// A log file as a stream of lines; memory stays at one line.
pub struct LogLines {
    path: PathBuf,
    reader: BufReader<File>,
    offset: u64,
    line: Vec<u8>,
    /// Where the entries end, if that is known.
    end: u64,
    ended: bool,
}

impl LogLines {
    pub fn open(path: &Path) -> io::Result<LogLines> {
        Ok(LogLines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, File::open(path)?),
            offset: 0,
            line: Vec::with_capacity(2_048),
            end: u64::MAX,
            ended: false,
        })
    }

    /// A file whose entries end where the first entry of the `next` file states it.
    pub fn open_before(path: &Path, shown: &str, next: Option<&Path>) -> io::Result<LogLines> {
        let mut lines = LogLines::open(path)?;
        if let Some(next) = next
            && let Some(recovered) = recovered(next)?
            && recovered.file == shown
        {
            lines.end = recovered.offset;
        }
        Ok(lines)
    }

    /// The next piece, `None` at the end of the file. A "line" longer than any entry can be
    /// is given cut at that length: it is no entry either way.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.next_of_commit(true)
    }

    /// The same, of a commit that is known to have been `durable`, or not: then a line with a
    /// hole is where the file's entries end. A power loss leaves a part of a commit that never
    /// reached the disk to be read as NUL, which no line holds, and nobody was told of what was
    /// in that commit or after it.
    pub fn next_of_commit(&mut self, durable: bool) -> io::Result<Option<Piece<'_>>> {
        // A tail is the last piece even if a living writer has completed its line since: what
        // follows would begin in the middle of it.
        if self.ended {
            return Ok(None);
        }
        self.line.clear();
        let start = self.offset;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let left = usize::try_from(self.end.saturating_sub(self.offset));
            let available = &available[..available.len().min(left.unwrap_or(usize::MAX))];
            if available.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', available);
            let used = end.map_or(available.len(), |end| end + 1);
            let text = end.unwrap_or(available.len());
            let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&available[..text.min(room)]);
            self.offset += used as u64;
            self.reader.consume(used);
            if end.is_some() {
                if !durable && memchr::memchr(0, &self.line).is_some() {
                    return self.tail_from(start);
                }
                return Ok(Some(Piece::Line {
                    offset: start,
                    line: &self.line,
                }));
            }
        }
        if self.end != u64::MAX {
            return self.tail_from(start);
        }
        self.ended = true;
        self.tail(start, self.offset - start)
    }

    fn tail_from(&mut self, offset: u64) -> io::Result<Option<Piece<'_>>> {
        self.ended = true;
        let len = std::fs::metadata(&self.path)?.len();
        self.tail(offset, len.saturating_sub(offset))
    }

    fn tail(&self, offset: u64, len: u64) -> io::Result<Option<Piece<'_>>> {
        if len == 0 {
            return Ok(None);
        }
        let sha256 = digest_of(&self.path, offset, len)?;
        Ok(Some(Piece::Tail {
            offset,
            len,
            sha256,
        }))
    }
}

/// What the first entry of a file states of the one before it.
#[derive(Deserialize)]
struct Stated {
    kind: String,
    data: StatedEnd,
}

#[derive(Deserialize)]
struct StatedEnd {
    file: String,
    offset: u64,
}

/// What the first entry of a file states, if it is `ledger.recovered`. Damage elsewhere in that
/// entry is found where it is, and does not unsay this.
fn recovered(path: &Path) -> io::Result<Option<StatedEnd>> {
    let mut lines = LogLines::open(path)?;
    let Some(Piece::Line { line, .. }) = lines.next_piece()? else {
        return Ok(None);
    };
    let body = line.split(|b| *b == b'\t').next().unwrap_or_default();
    let stated = std::str::from_utf8(body).ok();
    let stated = stated.and_then(|body| serde_json::from_str::<Stated>(body).ok());
    Ok(stated
        .filter(|stated| stated.kind == "ledger.recovered")
        .map(|stated| stated.data))
}

/// SHA-256 of a stretch of a file.
pub fn digest_of(path: &Path, offset: u64, len: u64) -> io::Result<Hash> {
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(offset))?;
    let (mut file, mut digest, mut buffer) = (file.take(len), Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Hash(digest.finalize().into())),
            count => digest.update(&buffer[..count]),
        }
    }
}

/// What a start needs of a line, without reading the rest of it.
#[derive(Deserialize)]
pub struct Skimmed {
    pub seq: u64,
    pub at: Timestamp,
    pub id: EventId,
    pub prev: Hash,
}

#[derive(Debug, thiserror::Error)]
pub enum SkimError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("the body is not JSON of this format")]
    Body,
}

pub fn skim(line: &[u8]) -> Result<(&[u8], [u8; 64], Skimmed), SkimError> {
    let (body, signature) = line::split(line)?;
    let skimmed = serde_json::from_slice(body).map_err(|_| SkimError::Body)?;
    Ok((body, signature, skimmed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    proptest! {
        #[test]
        fn lines_and_tail_are_the_file_whatever_it_holds(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 0..400)) {
            let dir = tempfile::TempDir::new().expect("a directory");
            let path = dir.path().join("log");
            std::fs::write(&path, &bytes).expect("writes");
            let mut lines = LogLines::open(&path).expect("opens");
            let mut seen = Vec::new();
            while let Some(piece) = lines.next_piece().expect("reads") {
                match piece {
                    Piece::Line { offset, line } => {
                        prop_assert_eq!(offset, seen.len() as u64);
                        let _ = skim(line);
                        seen.extend_from_slice(line);
                        seen.push(b'\n');
                    }
                    Piece::Tail { offset, len, sha256 } => {
                        let tail = &bytes[seen.len()..];
                        prop_assert_eq!((offset, len), (seen.len() as u64, tail.len() as u64));
                        prop_assert_eq!(sha256, Hash(Sha256::digest(tail).into()));
                        seen.extend_from_slice(tail);
                    }
                }
            }
            prop_assert_eq!(seen, bytes);
        }
    }

    #[test]
    fn a_line_completed_while_it_is_read_is_a_tail_and_nothing_more() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("log");
        let mut file = File::create(&path).expect("creates");
        file.write_all(b"whole\npart").expect("writes");
        let mut lines = LogLines::open(&path).expect("opens");
        assert!(matches!(
            lines.next_piece(),
            Ok(Some(Piece::Line { line: b"whole", .. }))
        ));
        let tail = lines.next_piece();
        assert!(matches!(
            tail,
            Ok(Some(Piece::Tail {
                offset: 6,
                len: 4,
                ..
            }))
        ));
        file.write_all(b"ly\nnext\n").expect("writes");
        assert!(matches!(lines.next_piece(), Ok(None)));
    }
}
