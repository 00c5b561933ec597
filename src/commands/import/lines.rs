use schemas::Hash;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// Lines of a file of any size, each held up to a length, and the digest of all of it.
pub struct Lines<R> {
    from: BufReader<R>,
    most: usize,
    hash: Sha256,
    number: u64,
}

pub enum Line {
    /// Without its line end.
    Whole(Vec<u8>),
    TooLong,
}

impl<R: Read> Lines<R> {
    pub fn new(from: R, most: usize) -> Lines<R> {
        Lines {
            from: BufReader::with_capacity(64 << 10, from),
            most,
            hash: Sha256::new(),
            number: 0,
        }
    }

    /// Which line the newest one is, from 1, as editors count.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is not empty.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut too_long) = (Vec::new(), false);
        loop {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() && line.is_empty() && !too_long {
                return Ok(None);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(buffer.len(), |end| end + 1);
            self.hash.update(&buffer[..count]);
            let piece = &buffer[..end.unwrap_or(count)];
            too_long |= line.len() + piece.len() > self.most;
            if !too_long {
                line.extend_from_slice(piece);
            }
            self.from.consume(count);
            if end.is_none() && count > 0 {
                continue;
            }
            self.number += 1;
            while line.last().is_some_and(u8::is_ascii_whitespace) {
                line.pop();
            }
            match (too_long, line.is_empty()) {
                (true, _) => return Ok(Some(Line::TooLong)),
                (false, false) => return Ok(Some(Line::Whole(line))),
                (false, true) => {}
            }
        }
    }

    /// SHA-256 of what was read.
    pub fn sha256(self) -> Hash {
        Hash(self.hash.finalize().into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(text, 4);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes).unwrap(),
                Line::TooLong => "too long".to_owned(),
            });
        }
        assert_eq!(lines.sha256(), Hash(Sha256::digest(text).into()));
        all
    }

    #[test]
    fn lines_end_anyhow_and_long_ones_are_passed_over_whole() {
        assert_eq!(read(b""), [] as [&str; 0]);
        assert_eq!(read(b"\n\r\n  \n"), [] as [&str; 0]);
        assert_eq!(read(b"ab\r\n\ncd"), ["ab", "cd"]);
        assert_eq!(read(b"abcde\nab\nabcdefgh"), ["too long", "ab", "too long"]);
        assert_eq!(read(b"abcd\n"), ["abcd"]);
        let mut lines = Lines::new(&b"a\n\n\nb"[..], 4);
        let mut numbers = Vec::new();
        while lines.next().unwrap().is_some() {
            numbers.push(lines.number());
        }
        assert_eq!(numbers, [1, 4]);
    }
}
