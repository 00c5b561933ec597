//! Entries in order: read many at a time, and decoded ahead on every core.

use super::tiles::Line;
use super::{ReadError, Reader};
use crate::entry::Entry;
use crate::line;
use crate::ordered::Ordered;
use crate::os;
use crate::tree::leaf_hash;
use std::io;
use std::ops::Range;
use std::vec;

type Decoded = Vec<Result<Entry, ReadError>>;

/// The entries at some positions, in order; ends where the log ended when it was asked.
pub struct Entries<'r> {
    reader: &'r Reader,
    next: u64,
    end: u64,
    ready: vec::IntoIter<Result<Entry, ReadError>>,
    /// None where everything is read by whoever asks.
    ahead: Option<Ordered<Decoded>>,
}

/// Of fewer, handing them to another thread costs more than it saves.
const FEW: u64 = 256;

/// Entries that are read and decoded together, and about how many bytes of lines.
const TOGETHER: u64 = 256;
const BYTES_TOGETHER: u64 = 512 << 10;

/// One read of lines that follow one another.
const READ_BYTES: u64 = 1 << 20;

impl Entries<'_> {
    pub(super) fn of(reader: &Reader, range: Range<u64>) -> Entries<'_> {
        let end = range.end.min(reader.size());
        let many = end.saturating_sub(range.start) > FEW;
        // A thread that is to do the work would wait for itself.
        let free = rayon::current_thread_index().is_none();
        Entries {
            reader,
            next: range.start,
            end,
            ready: Vec::new().into_iter(),
            ahead: (many && free).then(Ordered::new),
        }
    }

    /// The next that are to be decoded together, if there are any more.
    fn range(&mut self) -> Option<Range<u64>> {
        let first = self.next;
        let average = {
            let state = self.reader.state();
            let file = state.file_of(first)?;
            file.end / (file.after() - file.first_seq).max(1)
        };
        let most = (BYTES_TOGETHER / average.max(1)).clamp(1, TOGETHER);
        self.next = first.saturating_add(most).min(self.end);
        (first < self.next).then_some(first..self.next)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Some(entry);
            }
            if self.ahead.is_none() {
                let seq = self.next;
                self.next = seq.saturating_add(1);
                return (seq < self.end).then(|| self.reader.entry(seq));
            }
            while self.ahead.as_ref().is_some_and(|ahead| !ahead.is_full())
                && let Some(range) = self.range()
            {
                let reader = self.reader.clone();
                let ahead = self.ahead.as_mut()?;
                ahead.give(move || reader.decode(range));
            }
            self.ready = self.ahead.as_mut()?.take()?.into_iter();
        }
    }
}

impl Reader {
    fn decode(&self, range: Range<u64>) -> Decoded {
        let found: Result<Vec<Line>, ReadError> = range.clone().map(|seq| self.find(seq)).collect();
        // One by one it shows which of them cannot be read, and why.
        let Ok(found) = found else {
            return range.map(|seq| self.entry(seq)).collect();
        };
        let mut decoded = Vec::with_capacity(found.len());
        let mut rest = &found[..];
        while let Some(first) = rest.first() {
            let mut count = 1;
            while let (Some(line), Some(next)) = (rest.get(count - 1), rest.get(count))
                && line.is_before(next)
                && next.range.end - first.range.start <= READ_BYTES
            {
                count += 1;
            }
            let (together, others) = rest.split_at(count);
            let lines = together.last().and_then(|last| first.read_to(last).ok());
            for line in together {
                let entry = lines.as_ref().and_then(|lines| {
                    let at = (line.range.start - first.range.start) as usize;
                    let len = (line.range.end - line.range.start) as usize;
                    line.entry(lines.get(at..at + len)?)
                });
                decoded.push(entry.map_or_else(|| self.entry(line.seq), Ok));
            }
            rest = others;
        }
        decoded
    }
}

impl Line {
    /// Does the other begin where this one's LF ends?
    fn is_before(&self, next: &Line) -> bool {
        self.path == next.path && self.range.end + 1 == next.range.start
    }

    /// The bytes from this line to the end of another of its file.
    fn read_to(&self, last: &Line) -> io::Result<Vec<u8>> {
        let len = last.range.end.saturating_sub(self.range.start);
        let mut bytes = vec![0; len as usize];
        os::read_exact_at(&self.file, &mut bytes, self.range.start)?;
        Ok(bytes)
    }

    /// The entry of this line; `None` where these are not its bytes, or none of an entry.
    fn entry(&self, line: &[u8]) -> Option<Entry> {
        let (body, signature) = line::split(line).ok()?;
        if leaf_hash(body) != self.leaf {
            return None;
        }
        let entry = Entry::hashed(body, self.leaf, signature).ok()?;
        (entry.seq() == self.seq).then_some(entry)
    }
}
