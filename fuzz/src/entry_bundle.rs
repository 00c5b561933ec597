use ledger::tile::bundle;
use ledger::tree::{Tree, check_inclusion, leaf_hash};

/// Read as C2SP tlog-tiles says, a bundle gives the bodies that make the same bundle, and
/// each of them is proven at its place and at no other.
pub fn check(bytes: &[u8]) -> bool {
    let Some(bodies) = read(bytes) else {
        return false;
    };
    assert_eq!(bundle(bodies.iter().copied()), bytes);
    let mut tree = Tree::default();
    bodies
        .iter()
        .take(40)
        .for_each(|body| tree.push(leaf_hash(body)));
    let (size, root) = (tree.size(), tree.root());
    for (seq, body) in (0..size).zip(&bodies) {
        let path = tree.inclusion_proof(seq, size).expect("within");
        assert!(check_inclusion(leaf_hash(body), seq, size, &path, &root));
        let other = (seq + 1) % size;
        let same = bodies[other as usize] == *body;
        assert!(same || !check_inclusion(leaf_hash(body), other, size, &path, &root));
    }
    size > 0
}

fn read(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut bodies = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (body, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        bodies.push(body);
        bytes = rest;
    }
    Some(bodies)
}
