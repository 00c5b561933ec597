//! Where one text differs from another, found at the speed of memory where it does not.

use super::delta::WINDOW;
use std::collections::HashMap;

/// Copies from the base, skips in it, and inserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    pub copy: usize,
    pub skip: usize,
    pub insert: usize,
}

/// More edits than this are no small change.
pub const MOST_EDITS: usize = 1_024;

/// The edits that make `plain` of `base`: one, when all that differs lies in one window, for
/// what is repeated there costs less than to say where it stood.
pub fn edits(base: &[u8], plain: &[u8], most: usize) -> Vec<Edit> {
    let most = most.min(MOST_EDITS);
    let mut copy = common_start(base, plain);
    let (mut base, mut plain) = (&base[copy..], &plain[copy..]);
    let alike = common_end(base, plain);
    (base, plain) = (&base[..base.len() - alike], &plain[..plain.len() - alike]);
    let mut edits = Vec::new();
    while !(base.is_empty() && plain.is_empty()) {
        let again = if base.len() <= WINDOW || edits.len() + 1 >= most {
            None
        } else {
            resume(base, plain)
        };
        let (skip, insert) = again.unwrap_or((base.len(), plain.len()));
        edits.push(Edit { copy, skip, insert });
        (base, plain) = (&base[skip..], &plain[insert..]);
        copy = common_start(base, plain);
        (base, plain) = (&base[copy..], &plain[copy..]);
    }
    edits
}

/// Where two texts that differ at their beginning are alike again, not far on.
fn resume(base: &[u8], plain: &[u8]) -> Option<(usize, usize)> {
    let again = |ahead| alike_within(base, plain, ahead);
    AHEAD.into_iter().find_map(again)
}

fn alike_within(base: &[u8], plain: &[u8], ahead: usize) -> Option<(usize, usize)> {
    let mut places = HashMap::new();
    for (mark, at) in marks(&base[..base.len().min(ahead)]) {
        places.entry(mark).or_insert(at);
    }
    marks(&plain[..plain.len().min(ahead)]).find_map(|(mark, j)| {
        let i = *places.get(&mark)?;
        let back = common_end(&base[..i], &plain[..j]);
        let (i, j) = (i - back, j - back);
        (common_start(&base[i..], &plain[j..]) >= ALIKE).then_some((i, j))
    })
}

/// Less in common than this is chance.
const ALIKE: usize = 64;

/// How far on `resume` looks: behind a mask texts are alike at once, and looking far for each of
/// hundreds of masks took most of the time that storing takes.
const AHEAD: [usize; 2] = [1 << 10, 16 << 10];

/// Places that follow from the bytes before them, one in 32: the same in both texts.
pub fn marks(text: &[u8]) -> impl Iterator<Item = (u32, usize)> {
    let mut rolling = 0_u32;
    text.iter().enumerate().filter_map(move |(at, byte)| {
        rolling = (rolling << 1).wrapping_add(GEAR[usize::from(*byte)]);
        (at >= 31 && rolling >> 27 == 0).then(|| (rolling, at - 31))
    })
}

/// Any 256 numbers do (xorshift64).
const GEAR: [u32; 256] = {
    let (mut gear, mut x, mut i) = ([0; 256], 0x9e37_79b9_7f4a_7c15_u64, 0);
    while i < 256 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        gear[i] = (x >> 32) as u32;
        i += 1;
    }
    gear
};

/// Compared at once.
const BLOCK: usize = 512;

pub fn common_start(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let start = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let rest = a[start..].iter().zip(&b[start..]);
    start + rest.take_while(|(a, b)| a == b).count()
}

fn common_end(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.rchunks_exact(BLOCK).zip(b.rchunks_exact(BLOCK));
    let end = blocks.take_while(|(a, b)| a == b).count() * BLOCK;
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    let rest = a.iter().rev().zip(b.iter().rev());
    end + rest.take_while(|(a, b)| a == b).count()
}
