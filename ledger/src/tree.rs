//! The RFC 6962 Merkle tree over the leaves: hashes, roots, proofs.

mod path;
mod tiles;

pub(crate) use path::Subtrees;
pub(crate) use tiles::Tiles;

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

/// The whole tree with all its leaves, for whoever has a log in memory. Readers of a log keep
/// [`Tiles`], and ask its files for leaves.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    leaves: Vec<Hash>,
    tiles: Tiles,
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
        self.tiles.size()
    }

    pub fn root(&self) -> Hash {
        self.tiles.root()
    }

    pub fn leaf(&self, seq: u64) -> Option<Hash> {
        self.leaves.get(usize::try_from(seq).ok()?).copied()
    }

    pub fn push(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
        self.tiles.push(leaf);
    }

    /// The root as it was at `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash, BeyondTree> {
        self.subtrees().root_at(size)
    }

    /// RFC 6962 §2.1.1: the audit path of leaf `seq` in the tree of `size` leaves, leaf
    /// sibling first.
    pub fn inclusion_proof(&self, seq: u64, size: u64) -> Result<Vec<Hash>, BeyondTree> {
        self.subtrees().inclusion_proof(seq, size)
    }

    /// RFC 6962 §2.1.2: proves that the tree of `old` leaves is a prefix of the tree of `size`.
    pub fn consistency_proof(&self, old: u64, size: u64) -> Result<Vec<Hash>, BeyondTree> {
        self.subtrees().consistency_proof(old, size)
    }

    /// The `width` hashes of tile `(level, index)`, if the tree has them.
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Option<&[Hash]> {
        if level > 0 {
            return self.tiles.tile(level, index, width);
        }
        let start = usize::try_from(index.checked_mul(TILE_WIDTH)?).ok()?;
        self.leaves
            .get(start..start.checked_add(usize::from(width))?)
    }

    fn subtrees(&self) -> Subtrees<impl FnMut(u64, u64) -> Result<Hash, BeyondTree>> {
        let complete = |start: u64, count: u64| {
            let end = start.saturating_add(count);
            let beyond = BeyondTree {
                asked: end,
                size: self.size(),
            };
            if count >= TILE_WIDTH {
                return self.tiles.complete(start, count).ok_or(beyond);
            }
            let leaves = self.leaves.get(start as usize..end as usize);
            leaves.map(fold).ok_or(beyond)
        };
        Subtrees {
            size: self.size(),
            complete,
        }
    }
}

/// The root over a power of two of sibling nodes, at least one.
pub(crate) fn fold(nodes: &[Hash]) -> Hash {
    match nodes {
        [node] => *node,
        _ => {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
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
    use super::path::largest_power_below;
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
        let leaves = &whole.leaves;
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

    /// What a start does with outlines of files of any lengths.
    #[test]
    fn a_tree_that_goes_on_with_whole_tiles_is_the_one_that_grew_by_leaves() {
        let whole = tree(3_000);
        for lengths in [vec![3_000], vec![7, 249, 1, 700, 2_043], vec![10; 300]] {
            let (mut tiles, mut size) = (Tiles::default(), 0);
            for length in lengths {
                let after: u64 = size + length;
                let roots = size / TILE_WIDTH..after / TILE_WIDTH;
                let roots = roots.map(|tile| whole.tiles.complete(tile * TILE_WIDTH, TILE_WIDTH));
                let roots: Vec<Hash> = roots.map(|root| root.expect("whole")).collect();
                let tail = (after / TILE_WIDTH * TILE_WIDTH) as usize..after as usize;
                tiles.go_on(&roots, &whole.leaves[tail]);
                size = after;
                assert_eq!(Ok(tiles.root()), whole.root_at(size), "{size}");
                assert_eq!(tiles.size(), size);
            }
            tiles.push(Hash::ZERO);
            let mut more = whole.clone();
            more.push(Hash::ZERO);
            assert_eq!(tiles.root(), more.root());
            assert_eq!(tiles.complete(0, 2_048), more.tiles.complete(0, 2_048));
            assert_eq!(tiles.complete(0, 1), None);
        }
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
