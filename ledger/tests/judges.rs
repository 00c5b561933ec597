//! Trees and notes before crates that others wrote: `ct-merkle` for RFC 6962, `signed_note`
//! for C2SP. Where ours is stricter, both answers are stated.
#![allow(clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use ledger::note::{KeyError, Note, NoteError, SignerKey, VerifierKey};
use ledger::tree::{Tree, check_consistency, check_inclusion, leaf_hash};
use proptest::prelude::*;
use schemas::Hash;
use sha2::{Digest, Sha256};
use signed_note::{StandardVerifier, VerifierList};

type Theirs = MemoryBackedTree<Sha256, Vec<u8>>;

fn body(i: u64) -> Vec<u8> {
    format!("entry {i}").into_bytes()
}

fn trees(size: u64) -> (Tree, Theirs) {
    let (mut ours, mut theirs) = (Tree::default(), Theirs::new());
    for i in 0..size {
        ours.push(leaf_hash(&body(i)));
        theirs.push(body(i));
    }
    (ours, theirs)
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    let hash = |chunk: &[u8]| Hash(chunk.try_into().unwrap());
    bytes.chunks(32).map(hash).collect()
}

fn joined(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn their_root(root: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

/// Both make the same path, byte for byte, and each accepts the other's.
fn inclusion_agrees(ours: &Tree, theirs: &Theirs, seq: u64) {
    let size = ours.size();
    let path = ours.inclusion_proof(seq, size).unwrap();
    let made = theirs.prove_inclusion(seq as usize);
    assert_eq!(joined(&path), made.as_bytes(), "{seq} in {size}");
    let root = their_root(ours.root(), size);
    let ours_as_theirs = InclusionProof::try_from_bytes(joined(&path)).unwrap();
    let accepted = root.verify_inclusion(&body(seq), seq, &ours_as_theirs);
    assert!(accepted.is_ok(), "{seq} in {size}");
    let leaf = leaf_hash(&body(seq));
    assert!(check_inclusion(
        leaf,
        seq,
        size,
        &hashes(made.as_bytes()),
        &ours.root()
    ));
}

fn consistency_agrees(ours: &Tree, theirs: &Theirs, old: u64) {
    let (size, root) = (ours.size(), ours.root());
    let old_root = ours.root_at(old).unwrap();
    let proof = ours.consistency_proof(old, size).unwrap();
    let made = theirs.prove_consistency((size - old) as usize);
    assert_eq!(joined(&proof), made.as_bytes(), "{old} in {size}");
    let ours_as_theirs = ConsistencyProof::try_from_bytes(joined(&proof)).unwrap();
    let accepted =
        their_root(root, size).verify_consistency(&their_root(old_root, old), &ours_as_theirs);
    assert!(accepted.is_ok(), "{old} in {size}");
    let proof = hashes(made.as_bytes());
    assert!(check_consistency(old, &old_root, size, &root, &proof));
}

#[test]
fn ct_merkle_sees_the_same_root_at_every_size_and_the_same_proofs() {
    let (mut ours, mut theirs) = trees(0);
    for size in 1..=1_000 {
        ours.push(leaf_hash(&body(size - 1)));
        theirs.push(body(size - 1));
        assert_eq!(ours.root().0[..], theirs.root().as_bytes()[..], "{size}");
        // Every place of every small tree; of larger ones those around the edges.
        let all = size <= 64;
        let edge = |n: &u64| all || [0, 1, size / 2, 255, 256, 511, 512, size - 1].contains(n);
        for place in (0..size).filter(edge) {
            inclusion_agrees(&ours, &theirs, place);
            if place > 0 {
                consistency_agrees(&ours, &theirs, place);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn ct_merkle_agrees_on_large_trees(size in 65_537_u64..90_000, places in prop::collection::vec(any::<prop::sample::Index>(), 20)) {
        let (ours, theirs) = trees(size);
        let (mine, root) = (ours.root(), theirs.root());
        prop_assert_eq!(&mine.0[..], &root.as_bytes()[..]);
        for place in places.iter().map(|i| i.index(size as usize) as u64).chain([65_535, 65_536]) {
            inclusion_agrees(&ours, &theirs, place);
            if place > 0 {
                consistency_agrees(&ours, &theirs, place);
            }
        }
    }
}

/// The inputs and roots of Certificate Transparency's own reference tests for RFC 6962.
#[test]
fn the_vectors_of_rfc_6962_hold() {
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(tree.root().to_string(), empty);
    for (input, root) in inputs.iter().zip(roots) {
        tree.push(leaf_hash(&hex::decode(input).unwrap()));
        assert_eq!(tree.root().to_string(), root, "{input:?}");
    }
}

fn they_accept(vkey: &str, note: impl AsRef<[u8]>) -> bool {
    let Ok(verifier) = StandardVerifier::new(vkey) else {
        return false;
    };
    let known = VerifierList::new(vec![Box::new(verifier)]);
    signed_note::Note::from_bytes(note.as_ref()).is_ok_and(|note| note.verify(&known).is_ok())
}

fn we_accept(vkey: &str, note: impl AsRef<[u8]>) -> bool {
    let Ok(key) = vkey.parse::<VerifierKey>() else {
        return false;
    };
    Note::parse(note.as_ref()).is_ok_and(|note| note.verify(&key).is_ok())
}

#[test]
fn signed_note_accepts_what_we_sign_and_refuses_what_we_refuse() {
    let key = SignerKey::from_seed("example.com/daicho", &[7; 32]).unwrap();
    let vkey = key.verifier().to_string();
    let note =
        key.sign_note("example.com/daicho\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    assert!(they_accept(&vkey, &note) && we_accept(&vkey, &note));

    // Every byte, each of its eight bits: neither takes what was changed, UTF-8 or not.
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut forged = note.clone().into_bytes();
            forged[at] ^= 1 << bit;
            assert!(!we_accept(&vkey, &forged), "bit {bit} of {at}");
            assert!(!they_accept(&vkey, &forged), "bit {bit} of {at}");
        }
    }

    // A second signer does not disturb; a line of another name is no signature of ours.
    let other = SignerKey::from_seed("example.net/witness", &[9; 32]).unwrap();
    let text = note.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let line = other
        .sign_note(&text)
        .rsplit_once("\n\n")
        .unwrap()
        .1
        .to_owned();
    let both = format!("{note}{line}");
    for key in [&key, &other] {
        let vkey = key.verifier().to_string();
        assert!(they_accept(&vkey, &both) && we_accept(&vkey, &both));
    }
    let renamed = note.replace("— example.com/daicho", "— example.net/witness");
    assert!(!they_accept(&vkey, &renamed));
    assert_eq!(
        Note::parse(renamed.as_bytes())
            .unwrap()
            .verify(key.verifier()),
        Err(NoteError::NotSigned("example.com/daicho".to_owned()))
    );
}

/// A vkey of any 32 bytes whose hash is right.
fn vkey_of(name: &str, public: &[u8]) -> String {
    let key = [&[1], public].concat();
    let id = Sha256::new()
        .chain_update(name)
        .chain_update(b"\n")
        .chain_update(&key)
        .finalize();
    format!("{name}+{}+{}", hex::encode(&id[..4]), STANDARD.encode(key))
}

/// The small-order points of the curve: under such a key one signature fits many texts.
#[test]
fn weak_keys_are_refused_although_signed_note_takes_them() {
    let points = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        // The same in other bytes: a zero with a sign, and ordinates from 2^255 - 19 on.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for point in points {
        let vkey = vkey_of("example.com/daicho", &hex::decode(point).unwrap());
        assert!(StandardVerifier::new(&vkey).is_ok(), "{point}");
        assert_eq!(vkey.parse::<VerifierKey>(), Err(KeyError::Weak), "{point}");
    }
    // The neutral element, and a signature of nothing but it: it fits every text there is.
    let vkey = vkey_of("example.com/daicho", &hex::decode(points[0]).unwrap());
    let id = hex::decode(vkey.split('+').nth(1).unwrap()).unwrap();
    let neutral = hex::decode(points[0]).unwrap();
    let signature = STANDARD.encode([&id[..], &neutral, &[0; 32]].concat());
    for text in ["anything\n", "at all\n"] {
        let note = format!("{text}\n— example.com/daicho {signature}\n");
        assert!(they_accept(&vkey, &note), "{text}");
        assert!(!we_accept(&vkey, &note), "{text}");
    }
}

#[test]
fn each_other_fault_has_its_own_error() {
    let key = SignerKey::from_seed("example.com/daicho", &[7; 32]).unwrap();
    let vkey = key.verifier().to_string();
    // 33 bytes end in base64 without padding bits; a 32-byte body would leave some.
    let longer = vkey_of("example.com/daicho", &[9; 33]);
    let shorter = vkey_of("example.com/daicho", &[9; 31]);
    let unpadded = vkey_of("example.com/daicho", &[9; 31]).replace('=', "");
    for (vkey, error) in [
        (longer, KeyError::WrongType),
        (shorter, KeyError::WrongType),
        (unpadded, KeyError::WrongBase64),
        (vkey.replace("daicho+", "daichO+"), KeyError::WrongHash),
        (vkey.replace("daicho+", " daicho+"), KeyError::WrongName),
    ] {
        assert_eq!(vkey.parse::<VerifierKey>(), Err(error), "{vkey}");
    }
    // 68 bytes leave four unused bits before the padding: they must be zero.
    let note = key.sign_note("a text\n");
    assert!(note.ends_with("=\n") && we_accept(&vkey, &note));
    let at = note.len() - 3;
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let last = alphabet.find(note.as_bytes()[at] as char).unwrap();
    let other = alphabet.as_bytes()[last + 1] as char;
    let forged = format!("{}{other}=\n", &note[..at]);
    assert_eq!(
        Note::parse(forged.as_bytes()).err(),
        Some(NoteError::Malformed(
            "a signature's base64 is not canonical"
        ))
    );
    assert!(!they_accept(&vkey, &forged));
}
