//! The RFC 6962 Merkle tree over the leaves: hashes, roots, proofs.

use rayon::prelude::*;
use schemas::Hash;
use sha2::{Digest, Sha256};

/// RFC 6962 §2.1: leaves and nodes hash under different prefixes, so that neither can
/// pose as the other.
const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// C2SP tlog-tiles: a tile is 8 levels of the tree high.
pub const TILE_HEIGHT: u32 = 8;
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([LEAF_PREFIX])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([NODE_PREFIX])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// The root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// The right edge of a growing tree: enough to know its root, in O(log n) memory.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first; one per set bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.push_complete(leaf, 0);
    }

    /// Appends the root of a complete subtree of 2^height leaves, of which there are so far only
    /// whole ones of this height.
    fn push_complete(&mut self, mut node: Hash, height: u32) {
        // Each trailing one bit of the size is a complete subtree that the new one completes further.
        for _ in 0..(self.size >> height).trailing_ones() {
            let left = self.peaks.pop().expect("one peak per set bit");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1 << height;
    }

    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => empty_root(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// The whole tree, kept as the hashes that tiles are made of: level `l` holds the roots of
/// the complete subtrees of 256^l leaves (32.1 bytes per leaf in all).
#[derive(Debug, Clone, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
    frontier: Frontier,
}

/// The tree is smaller than what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("position {asked} is beyond a tree of size {size}")]
pub struct BeyondTree {
    pub asked: u64,
    pub size: u64,
}

impl Tree {
    pub fn size(&self) -> u64 {
        self.frontier.size
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub fn leaf(&self, seq: u64) -> Option<Hash> {
        self.levels
            .first()?
            .get(usize::try_from(seq).ok()?)
            .copied()
    }

    pub fn push(&mut self, leaf: Hash) {
        self.frontier.push(leaf);
        self.push_node(leaf, 0);
    }

    /// The same for many leaves, on every core.
    pub fn extend(&mut self, leaves: &[Hash]) {
        let to_a_whole_tile = self.size().next_multiple_of(TILE_WIDTH) - self.size();
        let (first, rest) = leaves.split_at(leaves.len().min(to_a_whole_tile as usize));
        first.iter().for_each(|leaf| self.push(*leaf));
        let (tiles, last) = rest.as_chunks::<{ TILE_WIDTH as usize }>();
        let roots: Vec<Hash> = tiles.par_iter().map(|tile| fold(tile)).collect();
        if !roots.is_empty() {
            self.levels.resize_with(self.levels.len().max(1), Vec::new);
            self.levels[0].extend_from_slice(tiles.as_flattened());
        }
        for root in roots {
            self.frontier.push_complete(root, TILE_HEIGHT);
            self.push_node(root, 1);
        }
        last.iter().for_each(|leaf| self.push(*leaf));
    }

    fn push_node(&mut self, mut node: Hash, from_level: usize) {
        for level in from_level.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            if !(nodes.len() as u64).is_multiple_of(TILE_WIDTH) {
                break;
            }
            node = fold(&nodes[nodes.len() - TILE_WIDTH as usize..]);
        }
    }

    /// The root as it was at `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash, BeyondTree> {
        self.check(size, self.size())?;
        Ok(if size == 0 {
            empty_root()
        } else {
            self.range(0, size)
        })
    }

    /// RFC 6962 §2.1.1: the audit path of leaf `seq` in the tree of `size` leaves, leaf
    /// sibling first.
    pub fn inclusion_proof(&self, seq: u64, size: u64) -> Result<Vec<Hash>, BeyondTree> {
        self.check(size, self.size())?;
        if seq >= size {
            return Err(BeyondTree { asked: seq, size });
        }
        let mut path = Vec::new();
        let (mut start, mut end) = (0, size);
        while end - start > 1 {
            let split = start + largest_power_below(end - start);
            if seq < split {
                path.push(self.range(split, end));
                end = split;
            } else {
                path.push(self.range(start, split));
                start = split;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// RFC 6962 §2.1.2: proves that the tree of `old` leaves is a prefix of the tree of `size`.
    pub fn consistency_proof(&self, old: u64, size: u64) -> Result<Vec<Hash>, BeyondTree> {
        self.check(size, self.size())?;
        self.check(old, size)?;
        let mut proof = Vec::new();
        if old == 0 || old == size {
            return Ok(proof);
        }
        let (mut start, mut end) = (0, size);
        let mut whole = true; // the old tree is a complete subtree whose root the verifier has
        while old != end {
            let split = start + largest_power_below(end - start);
            if old <= split {
                proof.push(self.range(split, end));
                end = split;
            } else {
                proof.push(self.range(start, split));
                start = split;
                whole = false;
            }
        }
        if !whole {
            proof.push(self.range(start, end));
        }
        proof.reverse();
        Ok(proof)
    }

    /// The `width` hashes of tile `(level, index)`, if the tree has them.
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Option<&[Hash]> {
        let nodes = self.levels.get(usize::from(level))?;
        let start = usize::try_from(index.checked_mul(TILE_WIDTH)?).ok()?;
        nodes.get(start..start.checked_add(usize::from(width))?)
    }

    /// MTH of leaves `start..end`, where `start` is a multiple of the subtree's width.
    fn range(&self, start: u64, end: u64) -> Hash {
        let count = end - start;
        if count.is_power_of_two() {
            return self.complete(start, count);
        }
        let split = start + largest_power_below(count);
        node_hash(&self.range(start, split), &self.range(split, end))
    }

    fn complete(&self, start: u64, count: u64) -> Hash {
        let level = count.trailing_zeros() / TILE_HEIGHT;
        let unit = 1 << (level * TILE_HEIGHT);
        let first = (start / unit) as usize;
        fold(&self.levels[level as usize][first..first + (count / unit) as usize])
    }

    fn check(&self, asked: u64, size: u64) -> Result<(), BeyondTree> {
        if asked > size {
            Err(BeyondTree { asked, size })
        } else {
            Ok(())
        }
    }
}

/// The root over a power of two of sibling nodes.
fn fold(nodes: &[Hash]) -> Hash {
    match nodes {
        [node] => *node,
        _ => {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}

/// The largest power of two smaller than `count`, for `count` of at least 2 (RFC 6962 §2.1).
fn largest_power_below(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}

/// RFC 9162 §2.1.3.2: does the path lead from the leaf to the root?
pub fn check_inclusion(leaf: Hash, seq: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if seq >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (seq, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// RFC 9162 §2.1.4.2: is the old tree a prefix of the new one?
pub fn check_consistency(
    old: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> bool {
    if old > size || (old == 0 && *old_root != empty_root()) {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == root;
    }
    if old == 0 {
        return proof.is_empty();
    }
    let mut nodes = proof.iter();
    let first = if old.is_power_of_two() {
        *old_root
    } else {
        match nodes.next() {
            Some(node) => *node,
            None => return false,
        }
    };
    let (mut node, mut last) = (old - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut from_old, mut from_new) = (first, first);
    for sibling in nodes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            from_old = node_hash(sibling, &from_old);
            from_new = node_hash(sibling, &from_new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::default();
        for i in 0..size {
            tree.push(leaf_hash(&i.to_be_bytes()));
        }
        tree
    }

    /// Roots that a second implementation gave for the same entries.
    #[test]
    fn roots_agree_with_the_golden_vectors() {
        let mut tree = Tree::default();
        for i in 0..70_000_u64 {
            let entry = format!(
                r#"{{"seq":{i},"type":"agent.prompt","payload_sha256":"{:064x}"}}"#,
                i * 7919
            );
            tree.push(leaf_hash(entry.as_bytes()));
        }
        for (size, root) in [
            (0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            (1, "MTNPMM6NHghCFg9m1PZiYTnYQ9hv7f7ocN/6SJUbEm0="),
            (256, "xwWJCD7AhMHeVsrXeJ5WLJEDO+uMZbyNcz5f7+YTU3o="),
            (257, "XKVcZoyiTQJAUwW/NsN2nXlaSVAhx47dZLWMZBcZas4="),
            (1000, "+lAdkdKvGCSBInW09Qt1gE+1YDSZU5i7a1Azj5+SLu8="),
            (65536, "YlZL1FIZyyGzBoPcVY4j9jxQy85j2ue7R+NuVZLxyt8="),
            (70000, "47MGVKF5/S1kLQkc4nfVYBKlBFjgjZOJGw/mgTLOjHE="),
        ] {
            assert_eq!(
                STANDARD.encode(tree.root_at(size).expect("within").0),
                root,
                "size {size}"
            );
        }
        assert_eq!(tree.root(), tree.root_at(70_000).expect("within"));
    }

    /// RFC 6962 §2.1, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) =
                    leaves.split_at(largest_power_below(leaves.len() as u64) as usize);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn roots_proofs_and_tiles_hold_at_the_edges_of_tiles_and_levels() {
        let edges = [
            0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537,
        ];
        let whole = tree(65_537);
        let leaves = &whole.levels[0];
        let mut grown = Tree::default();
        for (size, leaf) in (0_u64..).zip(leaves.iter().chain([&Hash::ZERO])) {
            if edges.contains(&size) {
                let root = by_definition(&leaves[..size as usize]);
                assert_eq!(whole.root_at(size), Ok(root), "{size}");
                assert_eq!(
                    (grown.root(), grown.root_at(size)),
                    (root, Ok(root)),
                    "{size}"
                );
                for old in edges.iter().filter(|old| **old <= size) {
                    let proof = whole.consistency_proof(*old, size).expect("within");
                    let old_root = whole.root_at(*old).expect("within");
                    assert!(
                        check_consistency(*old, &old_root, size, &root, &proof),
                        "{old} {size}"
                    );
                }
                for level in 0..4_u8 {
                    let nodes = size >> (8 * u32::from(level));
                    for index in [0, 1, 255, 256, 257] {
                        for width in [1, 17, 255, 256] {
                            let there = index * TILE_WIDTH + u64::from(width) <= nodes;
                            let tile = grown.tile(level, index, width);
                            assert_eq!(tile.is_some(), there, "{size}: {level} {index} {width}");
                            if let (Some(tile), true) = (tile, level == 1) {
                                let start = (index * TILE_WIDTH * TILE_WIDTH) as usize;
                                assert_eq!(tile[0], by_definition(&leaves[start..start + 256]));
                            }
                        }
                    }
                    assert!(grown.tile(level, u64::MAX, 256).is_none());
                }
            }
            grown.push(*leaf);
        }
    }

    #[test]
    fn every_proof_of_a_small_tree_holds_and_only_for_its_own_place() {
        let size = 40;
        let tree = tree(size);
        for n in 1..=size {
            let root = tree.root_at(n).expect("within");
            for seq in 0..n {
                let path = tree.inclusion_proof(seq, n).expect("within");
                let leaf = tree.leaf(seq).expect("within");
                for claimed in 0..n {
                    assert_eq!(
                        check_inclusion(leaf, claimed, n, &path, &root),
                        claimed == seq
                    );
                }
            }
            for old in 0..=n {
                let proof = tree.consistency_proof(old, n).expect("within");
                let old_root = tree.root_at(old).expect("within");
                assert!(
                    check_consistency(old, &old_root, n, &root, &proof),
                    "{old} in {n}"
                );
                if old > 0 {
                    assert!(!check_consistency(old, &Hash::ZERO, n, &root, &proof));
                }
            }
        }
        assert!(tree.inclusion_proof(size, size).is_err());
        assert!(tree.consistency_proof(1, size + 1).is_err());
    }

    proptest! {
        #[test]
        fn proofs_hold_at_any_size(size in 1_u64..3_000, seq in 0_u64..3_000, old in 0_u64..3_000) {
            let tree = tree(size);
            let (seq, old) = (seq % size, old % (size + 1));
            let root = tree.root();
            let path = tree.inclusion_proof(seq, size).expect("within");
            let leaf = tree.leaf(seq).expect("within");
            prop_assert!(check_inclusion(leaf, seq, size, &path, &root));
            let proof = tree.consistency_proof(old, size).expect("within");
            prop_assert!(check_consistency(old, &tree.root_at(old).expect("within"), size, &root, &proof));
        }

        #[test]
        fn checking_never_panics(seq: u64, size: u64, old: u64, hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
            let hashes: Vec<Hash> = hashes.into_iter().map(Hash).collect();
            check_inclusion(Hash::ZERO, seq, size, &hashes, &Hash::ZERO);
            check_consistency(old, &Hash::ZERO, size, &Hash::ZERO, &hashes);
        }
    }
}
