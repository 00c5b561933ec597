//! Which complete subtrees roots and proofs are made of, whoever has their hashes.

use super::{BeyondTree, empty_root, node_hash};
use schemas::Hash;

/// A tree by its complete subtrees: `complete` gives the root of `count` leaves from `start` on,
/// where `count` is a power of two that divides `start`.
pub struct Subtrees<F> {
    pub size: u64,
    pub complete: F,
}

impl<F, E> Subtrees<F>
where
    F: FnMut(u64, u64) -> Result<Hash, E>,
    E: From<BeyondTree>,
{
    /// The root as it was at `size` leaves.
    pub fn root_at(&mut self, size: u64) -> Result<Hash, E> {
        check(size, self.size)?;
        match size {
            0 => Ok(empty_root()),
            _ => self.range(0, size),
        }
    }

    /// RFC 6962 §2.1.1: the audit path of leaf `seq` in the tree of `size` leaves, leaf
    /// sibling first.
    pub fn inclusion_proof(&mut self, seq: u64, size: u64) -> Result<Vec<Hash>, E> {
        check(size, self.size)?;
        if seq >= size {
            return Err(BeyondTree { asked: seq, size }.into());
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let split = start + largest_power_below(end - start);
            if seq < split {
                path.push(self.range(split, end)?);
                end = split;
            } else {
                path.push(self.range(start, split)?);
                start = split;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// RFC 6962 §2.1.2: proves that the tree of `old` leaves is a prefix of the tree of `size`.
    pub fn consistency_proof(&mut self, old: u64, size: u64) -> Result<Vec<Hash>, E> {
        check(size, self.size)?;
        check(old, size)?;
        let mut proof = Vec::new();
        if old == 0 || old == size {
            return Ok(proof);
        }
        let (mut start, mut end) = (0, size);
        let mut whole = true; // the old tree is a complete subtree whose root the verifier has
        while old != end {
            let split = start + largest_power_below(end - start);
            if old <= split {
                proof.push(self.range(split, end)?);
                end = split;
            } else {
                proof.push(self.range(start, split)?);
                start = split;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(start, end)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// MTH of leaves `start..end`, where `start` is a multiple of the subtree's width.
    fn range(&mut self, start: u64, end: u64) -> Result<Hash, E> {
        let count = end - start;
        if count.is_power_of_two() {
            return (self.complete)(start, count);
        }
        let split = start + largest_power_below(count);
        let left = self.range(start, split)?;
        Ok(node_hash(&left, &self.range(split, end)?))
    }
}

fn check(asked: u64, size: u64) -> Result<(), BeyondTree> {
    match asked > size {
        true => Err(BeyondTree { asked, size }),
        false => Ok(()),
    }
}

/// The largest power of two smaller than `count`, for `count` of at least 2 (RFC 6962 §2.1).
pub(super) fn largest_power_below(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}
