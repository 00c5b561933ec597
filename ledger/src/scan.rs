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
    /// What follows the last LF: a commit that was cut off, or never was one.
    Tail { offset: u64, len: u64, sha256: Hash },
}

/// A log file as a stream of lines; memory stays at one line.
pub struct LogLines {
    path: PathBuf,
    reader: BufReader<File>,
    offset: u64,
    line: Vec<u8>,
    ended: bool,
}

impl LogLines {
    pub fn open(path: &Path) -> io::Result<LogLines> {
        Ok(LogLines {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 20, File::open(path)?),
            offset: 0,
            line: Vec::with_capacity(2_048),
            ended: false,
        })
    }

    /// The next piece, `None` at the end of the file. A "line" longer than any entry can be
    /// is given cut at that length: it is no entry either way.
    pub fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
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
                return Ok(Some(Piece::Line {
                    offset: start,
                    line: &self.line,
                }));
            }
        }
        self.ended = true;
        if self.offset == start {
            return Ok(None);
        }
        let len = self.offset - start;
        Ok(Some(Piece::Tail {
            offset: start,
            len,
            sha256: digest_of(&self.path, start, len)?,
        }))
    }
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
