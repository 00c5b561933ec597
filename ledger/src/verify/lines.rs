//! Lines checked by themselves, many at a time: form, body, signature.

use super::Check;
use crate::line;
use crate::note::VerifierKey;
use crate::signature::{self, KeyTable};
use crate::tree::leaf_hash;
use schemas::{Envelope, Hash};

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

    /// A log may change its key often: a key has its table once it has signed enough.
    pub fn have_checked(&mut self, more: u64) {
        if let Signatures::OneByOne { key, bytes } = self {
            *self = Signatures::under(Some(key), *bytes + more);
        }
    }

    fn hold(&self, signed: &[(Hash, [u8; 64])]) -> Vec<bool> {
        match self {
            Signatures::NoKey => vec![true; signed.len()],
            Signatures::OneByOne { key, .. } => signed
                .iter()
                .map(|(leaf, signature)| signature::holds(key, leaf, signature))
                .collect(),
            Signatures::Table(table) => table.hold(signed),
        }
    }
}

/// Where a line begins in its file, and where it stands in its chunk.
pub type Span = (u64, std::ops::Range<usize>);

/// Checks each line by itself, in order.
pub fn check_lines(bytes: &[u8], spans: &[Span], signatures: &Signatures) -> Vec<Checked> {
    let mut signed = Vec::with_capacity(spans.len());
    let mut checked: Vec<Checked> = Vec::with_capacity(spans.len());
    for (offset, span) in spans {
        let (offset, line) = (*offset, &bytes[span.clone()]);
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
    let held = signatures.hold(&signed);
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
