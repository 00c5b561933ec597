//! Lines checked by themselves, many at a time: form, body, signature.

use super::Check;
use crate::history::may_rotate;
use crate::line;
use crate::note::VerifierKey;
use crate::scan::{LogLines, Piece};
use crate::signature::{self, KeyTable, Sums};
use crate::tree::leaf_hash;
use schemas::{Envelope, Hash};
use std::io;
use std::ops::Range;

/// From this much log on, a table for the key costs less than it saves.
const TABLE_BYTES: u64 = 2 << 20;

/// What one line turned out to be, before it is held against its neighbours.
pub struct Checked {
    pub offset: u64,
    pub leaf: Hash,
    pub envelope: Result<Envelope, (Check, String)>,
    pub signed: bool,
}

/// How signatures are checked: by one rule, fast where there are many.
pub enum Signatures {
    /// Without a key there is one finding, not one for each entry.
    NoKey,
    OneByOne {
        key: Box<VerifierKey>,
        bytes: u64,
    },
    Table(Box<KeyTable>),
}

impl Signatures {
    /// Under a key that has signed, or is about to have signed, so much log.
    pub fn under(key: Option<&VerifierKey>, bytes: u64) -> Signatures {
        match key {
            None => Signatures::NoKey,
            Some(key) if bytes < TABLE_BYTES => Signatures::OneByOne {
                key: Box::new(key.clone()),
                bytes,
            },
            Some(key) => Signatures::Table(Box::new(KeyTable::new(key))),
        }
    }

    /// How to go on after so much more log, if it is another way. A log may change its key often:
    /// a key has its table once it has signed enough.
    pub fn after(&self, more: u64) -> Option<Signatures> {
        match self {
            Signatures::OneByOne { key, bytes } => Some(Signatures::under(Some(key), bytes + more)),
            _ => None,
        }
    }

    fn hold(&self, signed: &[(Hash, [u8; 64])], sums: &mut Sums) -> Vec<bool> {
        match self {
            Signatures::NoKey => vec![true; signed.len()],
            Signatures::OneByOne { key, .. } => signed
                .iter()
                .map(|(leaf, signature)| signature::holds(key, leaf, signature))
                .collect(),
            Signatures::Table(table) => table.hold(signed, sums),
        }
    }
}

/// Lines that are checked together: their signatures go through the key's table as one.
const CHUNK_LINES: usize = 256;
const CHUNK_BYTES: usize = 512 << 10;

/// Lines of one file, one after the other.
#[derive(Default)]
pub struct Chunk {
    pub bytes: Vec<u8>,
    /// Where each line begins in its file, and where it stands in `bytes`.
    spans: Vec<(u64, Range<usize>)>,
    /// Behind the last line: where what is no entry begins, its length and digest.
    pub tail: Option<(u64, u64, Hash)>,
    /// Ends with a line after which another key may be in force.
    pub rotates: bool,
    sums: Sums,
}

impl Chunk {
    /// Takes the next lines instead of those it held; true when there are no more. `place` goes from position to position,
    /// and `durable` tells which of them are known to have been durable.
    pub fn fill(
        &mut self,
        lines: &mut LogLines,
        place: &mut u64,
        durable: impl Fn(u64) -> bool,
    ) -> io::Result<bool> {
        self.bytes.clear();
        self.spans.clear();
        self.tail = None;
        self.rotates = false;
        while self.spans.len() < CHUNK_LINES && self.bytes.len() < CHUNK_BYTES {
            match lines.next_of_commit(durable(*place))? {
                Some(Piece::Line { offset, line }) => {
                    let from = self.bytes.len();
                    self.bytes.extend_from_slice(line);
                    self.spans.push((offset, from..self.bytes.len()));
                    *place += 1;
                    self.rotates = may_rotate(&self.bytes[from..]);
                    if self.rotates {
                        return Ok(false);
                    }
                }
                Some(Piece::Tail {
                    offset,
                    len,
                    sha256,
                }) => self.tail = Some((offset, len, sha256)),
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    pub fn lines(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        let line = |(offset, span): &(u64, Range<usize>)| (*offset, &self.bytes[span.clone()]);
        self.spans.iter().map(line)
    }
}

/// Checks each line by itself, in order.
pub fn check_lines(chunk: &mut Chunk, signatures: &Signatures) -> Vec<Checked> {
    let count = chunk.spans.len();
    let mut signed = Vec::with_capacity(count);
    let mut checked: Vec<Checked> = Vec::with_capacity(count);
    for (offset, line) in chunk.lines() {
        let (leaf, envelope) = match line::split(line) {
            // Still a leaf to hash: what stands before the TAB, so that damage to a signature
            // is one finding and breaks neither chain nor root.
            Err(error) => {
                let reason = (Check::Line, error.to_string());
                (leaf_hash(body_of(line)), Err(reason))
            }
            Ok((body, signature)) => {
                let leaf = leaf_hash(body);
                signed.push((leaf, signature));
                let envelope = Envelope::from_body(body);
                (leaf, envelope.map_err(|e| (Check::Body, e.to_string())))
            }
        };
        checked.push(Checked {
            offset,
            leaf,
            signed: !matches!(envelope, Err((Check::Line, _))),
            envelope,
        });
    }
    // In the order in which they were pushed: lines that have a signature.
    let held = signatures.hold(&signed, &mut chunk.sums);
    let with_signature = checked.iter_mut().filter(|checked| checked.signed);
    for (checked, holds) in with_signature.zip(held) {
        checked.signed = holds;
    }
    checked
}

/// What stands before the first TAB.
pub fn body_of(line: &[u8]) -> &[u8] {
    memchr::memchr(b'\t', line).map_or(line, |tab| &line[..tab])
}
