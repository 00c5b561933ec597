use super::{Frontier, TILE_HEIGHT, TILE_WIDTH, fold};
use schemas::Hash;

/// The tree above its leaves: the roots of whole tiles, level by level, and the leaves that fill no
/// tile yet. A byte for eight leaves.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    /// At `l` the roots of the complete subtrees of 256^(l + 1) leaves.
    levels: Vec<Vec<Hash>>,
    tail: Vec<Hash>,
    /// The edge where the last whole tile ends, and with the tail.
    whole: Frontier,
    frontier: Frontier,
}

impl Tiles {
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The leaves after the last whole tile.
    pub fn tail(&self) -> &[Hash] {
        &self.tail
    }

    pub fn push(&mut self, leaf: Hash) {
        self.frontier.push(leaf);
        self.tail.push(leaf);
        if self.tail.len() as u64 == TILE_WIDTH {
            let root = fold(&self.tail);
            self.tail.clear();
            self.push_root(root);
        }
    }

    /// Goes on with tiles that are whole by now, the one that the tail was of first, and with what
    /// fills no tile after them.
    pub fn go_on(&mut self, roots: &[Hash], tail: &[Hash]) {
        roots.iter().for_each(|root| self.push_root(*root));
        self.frontier = self.whole.clone();
        self.tail = tail.to_vec();
        tail.iter().for_each(|leaf| self.frontier.push(*leaf));
    }

    fn push_root(&mut self, mut node: Hash) {
        self.whole.push_complete(node, TILE_HEIGHT);
        for level in 0.. {
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

    /// The root of a complete subtree; `None` where it is not in the tree, or of leaves of a whole
    /// tile, which are elsewhere.
    pub fn complete(&self, start: u64, count: u64) -> Option<Hash> {
        let level = count.trailing_zeros() / TILE_HEIGHT;
        let unit = 1_u64.checked_shl(level * TILE_HEIGHT)?;
        let (nodes, first) = match level.checked_sub(1) {
            None => (&self.tail, start.checked_sub(self.whole.size())?),
            Some(level) => (self.levels.get(level as usize)?, start / unit),
        };
        let first = usize::try_from(first).ok()?;
        let nodes = nodes.get(first..first.checked_add((count / unit) as usize)?)?;
        Some(fold(nodes))
    }

    /// The `width` hashes of tile `(level, index)` above the leaves, if the tree has them.
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Option<&[Hash]> {
        let nodes = self.levels.get(usize::from(level.checked_sub(1)?))?;
        let start = usize::try_from(index.checked_mul(TILE_WIDTH)?).ok()?;
        nodes.get(start..start.checked_add(usize::from(width))?)
    }
}
