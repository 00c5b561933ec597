//! What is new in a content, compressed: whole, or as edits of an earlier one.
//!
//! ```text
//! packed whole = zstd(plain)
//! packed delta = count *(copy skip insert) zstd(inserted)        numbers as LEB128
//! ```
//! An edit copies from the base, skips in it, and inserts; what the base holds behind the last
//! edit is copied. What is inserted is compressed with a window of the base before that place.
//! What was masked is an edit of the masked text before it, and compressed *beside* the text
//! that it was made of, with the window that has as much behind it. So a call that adds a
//! little to a long conversation takes work for what it adds, past the comparison.

use super::edits::{Edit, edits, marks};
use super::varint;
use std::collections::HashSet;
use std::io::{self, Read};
use zeroize::Zeroizing;
use zstd::zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

/// How much of its base a delta is compressed against. Twice as much saves 3 % and takes
/// twice the time.
pub const WINDOW: usize = 32 << 10;

/// Begins every zstd frame (RFC 8878 §3.1.1), and is left out.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// About the bytes that an edit takes.
const EDIT_COST: usize = 8;

/// Few bytes may take long each. What a turn says first shrinks by 4 % more at level 14, and so does
/// all of a conversation; the whole window is sorted first there. Level 15 looks four times as far
/// for 0.4 % of it, and who sends a call waits for that.
fn level(len: usize, never_said: bool) -> i32 {
    match len {
        0..0x4000 if never_said => 14,
        0..0x4000 => 10,
        0x4000..0x10_0000 => 9,
        _ => 3,
    }
}

/// So much of a window is worth it for so much that is new.
const WINDOW_PER_BYTE: usize = 32;
const LEAST_WINDOW: usize = 4 << 10;

/// Of the marks of a text, those that another has too.
struct Held {
    marks: usize,
    of: usize,
}

impl Held {
    fn is_most(&self) -> bool {
        self.marks * 2 > self.of
    }

    fn is_nearly_all(&self) -> bool {
        self.marks * 8 > self.of * 7
    }
}

/// Why packed bytes do not give a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsound;

/// How one content comes from another.
pub struct Delta<'a> {
    base: &'a [u8],
    plain: &'a [u8],
    edits: Vec<Edit>,
    beside: Option<&'a [u8]>,
}

impl<'a> Delta<'a> {
    /// `None` when most would be new, or it would not cost less than so much.
    pub fn between(base: &'a [u8], plain: &'a [u8], most: usize) -> Option<Delta<'a>> {
        let delta = Delta {
            base,
            plain,
            edits: edits(base, plain, most / EDIT_COST),
            beside: None,
        };
        let small = delta.inserted() * 2 < plain.len() && delta.cost() < most;
        small.then_some(delta)
    }

    fn inserted(&self) -> usize {
        self.edits.iter().map(|edit| edit.insert).sum()
    }

    /// About the bytes that it will take: text shrinks to a quarter, an edit takes some.
    pub fn cost(&self) -> usize {
        self.inserted() / 4 + self.edits.len() * EDIT_COST
    }

    /// True when the base is nearly all in it, so that what comes next is as like this one.
    pub fn goes_on(&self) -> bool {
        match self.edits[..] {
            [] => true,
            [only] => only.skip <= WINDOW,
            _ => false,
        }
    }

    /// What applying it writes.
    pub fn work(&self) -> u64 {
        let kept = self.edits.first().map_or(self.plain.len(), |e| e.copy);
        (self.plain.len() - kept) as u64
    }

    /// Compresses what is new with this text, if it holds most of it, and more than the base does:
    /// that a conversation says something again is no reason.
    pub fn put_beside(&mut self, text: &'a [u8]) -> bool {
        let held = self.held_by(text);
        if held.is_most() && held.marks > self.held_by(self.base).marks {
            self.beside = Some(text);
        }
        self.beside.is_some()
    }

    /// How much of what is new at the end is in a text too, where it would be compressed with that.
    fn held_by(&self, text: &[u8]) -> Held {
        let end = self.plain.len() - self.behind();
        let insert = self.edits.last().map_or(0, |last| last.insert);
        let there: HashSet<u32> = marks(window(text, self.behind())).map(|(m, _)| m).collect();
        let mut held = Held { marks: 0, of: 0 };
        for (mark, _) in marks(&self.plain[end - insert..end]) {
            held.of += 1;
            held.marks += usize::from(there.contains(&mark));
        }
        held
    }

    /// How much of the base follows the last edit.
    fn behind(&self) -> usize {
        let edited: usize = self.edits.iter().map(|edit| edit.copy + edit.skip).sum();
        self.base.len() - edited
    }

    pub fn pack(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut packed = Vec::new();
        varint::write(self.edits.len() as u64, &mut packed);
        let mut inserted = Zeroizing::new(Vec::with_capacity(self.inserted()));
        let mut at = 0;
        for edit in &self.edits {
            for number in [edit.copy, edit.skip, edit.insert] {
                varint::write(number as u64, &mut packed);
            }
            at += edit.copy;
            inserted.extend_from_slice(&self.plain[at..at + edit.insert]);
            at += edit.insert;
        }
        if !inserted.is_empty() {
            let window = window(self.beside.unwrap_or(self.base), self.behind());
            // Whoever reads takes the whole window: a match is known by how far back it lies.
            let most = (inserted.len() * WINDOW_PER_BYTE).max(LEAST_WINDOW);
            let window = &window[window.len().saturating_sub(most)..];
            // With the text that holds it nothing is hard to find.
            let new = self.beside.is_none() && !self.held_by(self.base).is_nearly_all();
            let level = level(inserted.len(), new);
            packed.extend_from_slice(&compress(&inserted, window, level)?);
        }
        Ok(Zeroizing::new(packed))
    }
}

pub fn pack_whole(plain: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    compress(plain, &[], level(plain.len(), false))
}

/// At most `limit` bytes.
pub fn unpack_whole(packed: &[u8], limit: u64) -> Result<Vec<u8>, Unsound> {
    decompress(packed, &[], limit)
}

/// Turns a base into what was packed against it, at most `limit` bytes long. Gives how many
/// bytes were written for it.
pub fn apply(
    base: &mut Vec<u8>,
    beside: Option<&[u8]>,
    packed: &[u8],
    limit: u64,
) -> Result<u64, Unsound> {
    let mut rest = packed;
    let count = varint::take(&mut rest).ok_or(Unsound)?;
    // Three bytes each at least, so that nothing large is believed.
    if count > rest.len() as u64 / 3 {
        return Err(Unsound);
    }
    let (mut edits, mut in_base, mut inserted) = (Vec::new(), 0_usize, 0_usize);
    for _ in 0..count {
        let mut number = || usize::try_from(varint::take(&mut rest)?).ok();
        let (copy, skip, insert) = (number(), number(), number());
        let (Some(copy), Some(skip), Some(insert)) = (copy, skip, insert) else {
            return Err(Unsound);
        };
        let end = in_base.checked_add(copy).and_then(|e| e.checked_add(skip));
        in_base = end.filter(|end| *end <= base.len()).ok_or(Unsound)?;
        inserted = inserted.checked_add(insert).ok_or(Unsound)?;
        edits.push(Edit { copy, skip, insert });
    }
    let skipped: usize = edits.iter().map(|edit| edit.skip).sum();
    let len = (base.len() - skipped).checked_add(inserted);
    let len = len.filter(|len| *len as u64 <= limit).ok_or(Unsound)?;
    let new = match (inserted, rest) {
        (0, []) => Vec::new(),
        (0, _) => return Err(Unsound),
        _ => {
            let window = window(beside.unwrap_or(base), base.len() - in_base);
            decompress(rest, window, inserted as u64)?
        }
    };
    if new.len() != inserted {
        return Err(Unsound);
    }
    let Some(kept) = edits.first().map(|first| first.copy) else {
        return Ok(0);
    };
    // What lies before the first edit stays where it is.
    let tail = Zeroizing::new(base.split_off(kept));
    let (mut from, mut new) = (kept, &new[..]);
    for (i, edit) in edits.iter().enumerate() {
        if i > 0 {
            base.extend_from_slice(&tail[from - kept..from - kept + edit.copy]);
            from += edit.copy;
        }
        from += edit.skip;
        let (insert, later) = new.split_at(edit.insert);
        base.extend_from_slice(insert);
        new = later;
    }
    base.extend_from_slice(&tail[from - kept..]);
    Ok((len - kept) as u64)
}

/// The part of a text that what is new is compressed with: so much is behind it.
fn window(text: &[u8], behind: usize) -> &[u8] {
    let end = text.len().saturating_sub(behind);
    &text[end.saturating_sub(WINDOW)..end]
}

fn compress(bytes: &[u8], window: &[u8], level: i32) -> io::Result<Zeroizing<Vec<u8>>> {
    let failed = |code| io::Error::other(get_error_name(code));
    let mut context = CCtx::create();
    for parameter in [
        CParameter::CompressionLevel(level),
        // The length is known from elsewhere.
        CParameter::ContentSizeFlag(false),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(window).map_err(failed)?;
    let mut packed = Zeroizing::new(Vec::with_capacity(compress_bound(bytes.len())));
    context.compress2(&mut *packed, bytes).map_err(failed)?;
    if !packed.starts_with(&MAGIC) {
        return Err(io::Error::other("a frame of another format"));
    }
    packed.drain(..MAGIC.len());
    Ok(packed)
}

/// Memory grows with what is there, not with what is stated.
fn decompress(packed: &[u8], window: &[u8], limit: u64) -> Result<Vec<u8>, Unsound> {
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::with_ref_prefix(MAGIC.chain(packed), window)
        .and_then(|unpacked| {
            let mut unpacked = unpacked.single_frame();
            (&mut unpacked)
                .take(limit.saturating_add(1))
                .read_to_end(&mut plain)
        })
        .map_err(|_| Unsound)?;
    (plain.len() as u64 <= limit)
        .then_some(plain)
        .ok_or(Unsound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::edits::MOST_EDITS;
    use proptest::prelude::*;

    fn packed(base: &[u8], beside: Option<&[u8]>, plain: &[u8]) -> Vec<u8> {
        let delta = Delta {
            base,
            plain,
            edits: edits(base, plain, MOST_EDITS),
            beside,
        };
        delta.pack().expect("packs").to_vec()
    }

    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let word = prop::sample::select(vec!["invoice ", "請求書", "\n", "0x7f,", "{\"a\":1}"]);
        let text = prop::collection::vec(word, 0..4_000).prop_map(|words| words.concat());
        // Each next one is the one before with a few parts of it replaced.
        let change = (any::<prop::sample::Index>(), 0..200_usize, "[a-z]{0,40}");
        let changes = prop::collection::vec(prop::collection::vec(change, 0..6), 0..5);
        (text, changes).prop_map(|(text, changes)| {
            let mut all = vec![text.into_bytes()];
            for turn in changes {
                let mut next = all[all.len() - 1].clone();
                for (at, cut, put) in turn {
                    let at = at.index(next.len() + 1);
                    let end = next.len().min(at + cut);
                    next.splice(at..end, put.into_bytes());
                }
                all.push(next);
            }
            all
        })
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_any_other(texts in texts()) {
            for pair in texts.windows(2) {
                for beside in [None, Some(&texts[0][..])] {
                    let packed = packed(&pair[0], beside, &pair[1]);
                    let mut plain = pair[0].clone();
                    apply(&mut plain, beside, &packed, pair[1].len() as u64).expect("sound");
                    prop_assert_eq!(&plain, &pair[1]);
                    if let Some(less) = (pair[1].len() as u64).checked_sub(1) {
                        let applied = apply(&mut pair[0].clone(), beside, &packed, less);
                        prop_assert_eq!(applied, Err(Unsound));
                    }
                }
            }
        }

        #[test]
        fn no_bytes_are_more_than_unsound(
            base in prop::collection::vec(any::<u8>(), 0..200),
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = unpack_whole(&bytes, 1_000);
            let mut plain = base.clone();
            if apply(&mut plain, None, &bytes, 1_000).is_ok() {
                prop_assert!(plain.len() <= 1_000);
            }
        }

        #[test]
        fn a_damaged_delta_gives_an_error_or_a_text_within_its_limit(
            texts in texts(), at: prop::sample::Index, bit in 0..8_u8,
        ) {
            if let [base, plain, ..] = &texts[..] {
                let mut packed = packed(base, None, plain);
                let at = at.index(packed.len());
                packed[at] ^= 1_u8 << bit;
                let mut damaged = base.clone();
                if apply(&mut damaged, None, &packed, 100_000).is_ok() {
                    prop_assert!(damaged.len() <= 100_000);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = pack_whole(&vec![0; 64 << 20]).expect("packs");
        assert!(bomb.len() < 10_000);
        assert_eq!(unpack_whole(&bomb, 1_000), Err(Unsound));
        let mut delta = vec![1, 0, 0];
        varint::write(1_000, &mut delta);
        delta.extend_from_slice(&bomb);
        assert_eq!(apply(&mut Vec::new(), None, &delta, u64::MAX), Err(Unsound));
    }

    #[test]
    fn a_few_masks_in_a_long_text_are_a_few_bytes() {
        let text: String = (0..20_000_u64)
            .map(|i| format!("{} ", i * i % 99_991))
            .collect();
        let mut masked = text.clone();
        for at in (0..12).map(|i| i * 9_000 + 11) {
            masked.replace_range(at..at + 4, "Y.T.");
        }
        let delta = Delta::between(text.as_bytes(), masked.as_bytes(), usize::MAX).expect("alike");
        assert!(!delta.goes_on());
        // The last four lie in one window.
        assert_eq!(delta.edits.len(), 9);
        assert!(delta.pack().expect("packs").len() < 100);
    }
}
