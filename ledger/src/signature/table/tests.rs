//! The table says of every signature what the rule says, of crafted ones above all.

use super::*;
use crate::note::SignerKey;
use crate::signature::{holds, sign};
use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use proptest::prelude::*;

const ORIGIN: &str = "example.com/log";

/// A key of any point, as only its holder can craft it: secret scalar, and a torsion point.
fn crafted_key(secret: &Scalar, torsion: usize) -> Option<VerifierKey> {
    let public = (ED25519_BASEPOINT_TABLE * secret + EIGHT_TORSION[torsion]).compress();
    let id = crate::note::vkey_of(ORIGIN, &public.0);
    id.parse().ok()
}

/// A signature whose R and A carry small-order components.
fn craft(
    key: &VerifierKey,
    secret: &Scalar,
    nonce: &Scalar,
    torsion: usize,
    leaf: &Hash,
) -> [u8; 64] {
    let r = (ED25519_BASEPOINT_TABLE * nonce + EIGHT_TORSION[torsion]).compress();
    with_r(key, secret, nonce, r.0, leaf)
}

fn with_r(
    key: &VerifierKey,
    secret: &Scalar,
    nonce: &Scalar,
    r: [u8; 32],
    leaf: &Hash,
) -> [u8; 64] {
    let digest = Sha512::new()
        .chain_update(r)
        .chain_update(key.public().to_bytes())
        .chain_update(prefix(ORIGIN))
        .chain_update(leaf.0)
        .finalize();
    let k = Scalar::from_bytes_mod_order_wide(&digest.into());
    let s = nonce + k * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    signature
}

/// s + ℓ: the same number to the curve, another text.
fn not_canonical(signature: &[u8; 64]) -> [u8; 64] {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .expect("hex");
    let (mut other, mut carry) = (*signature, 0);
    for (byte, add) in other[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    other
}

#[test]
fn crafted_signatures_are_judged_as_the_rule_judges_them() {
    let (mut accepted, mut refused) = (0, 0);
    for key_torsion in 0..8 {
        let secret = Scalar::from(7_777_777_u64 + key_torsion as u64);
        let key = crafted_key(&secret, key_torsion).expect("not of small order");
        let table = KeyTable::new(&key);
        let mut signed = Vec::new();
        for (torsion, small) in EIGHT_TORSION.iter().enumerate() {
            for i in 0..24_u8 {
                let leaf = Hash([i; 32]);
                let nonce = Scalar::from(1_000_003_u64 * u64::from(i) + 5);
                let signature = craft(&key, &secret, &nonce, torsion, &leaf);
                signed.push((leaf, signature));
                signed.push((leaf, not_canonical(&signature)));
                // R of small order alone, and in encodings that are not its own.
                signed.push((leaf, craft(&key, &secret, &Scalar::ZERO, torsion, &leaf)));
                let mut sign_bit = small.compress().0;
                sign_bit[31] ^= 0x80;
                signed.push((leaf, with_r(&key, &secret, &Scalar::ZERO, sign_bit, &leaf)));
                for y in [0xed, 0xee, 0xef, 0xff] {
                    let mut r = [0xff; 32];
                    (r[0], r[31]) = (y, 0x7f | (i << 7));
                    signed.push((leaf, with_r(&key, &secret, &Scalar::ZERO, r, &leaf)));
                }
            }
        }
        let together = table.hold(&signed, &mut Sums::default());
        for ((leaf, signature), together) in signed.iter().zip(together) {
            let alone = holds(&key, leaf, signature);
            assert_eq!(together, alone, "torsion {key_torsion} in the key");
            if alone {
                accepted += 1;
            } else {
                refused += 1;
            }
        }
    }
    // Both answers occur: a torsion component of the key is undone by that of R in some.
    assert!(accepted > 150 && refused > 5_000, "{accepted}, {refused}");
}

#[test]
fn a_small_order_component_in_r_is_refused() {
    let secret = Scalar::from(99_u64);
    let key = crafted_key(&secret, 0).expect("a sound key");
    let leaf = Hash([1; 32]);
    let signed: Vec<_> = (0..8)
        .map(|torsion| {
            (
                leaf,
                craft(&key, &secret, &Scalar::from(5_u64), torsion, &leaf),
            )
        })
        .collect();
    let mut only_the_first = vec![false; 8];
    only_the_first[0] = true;
    assert_eq!(
        KeyTable::new(&key).hold(&signed, &mut Sums::default()),
        only_the_first
    );
}

proptest! {
    #[test]
    fn digits_are_the_number(bytes: [u8; 32]) {
        let number = Scalar::from_bytes_mod_order(bytes);
        let base = Scalar::from(2 * HALF as u64);
        let again = digits(number.as_bytes()).iter().rev().fold(Scalar::ZERO, |sum, digit| {
            let size = Scalar::from(u64::from(digit.unsigned_abs()));
            sum * base + if *digit < 0 { -size } else { size }
        });
        prop_assert_eq!(again, number);
    }
}

#[test]
fn sound_and_damaged_signatures_are_told_apart() {
    let key = SignerKey::from_seed(ORIGIN, &[3; 32]).expect("a key");
    let table = KeyTable::new(key.verifier());
    let mut signed = Vec::new();
    for i in 0..200_u8 {
        let leaf = Hash([i; 32]);
        let mut signature = sign(&key, &leaf).expect("a key at hand signs");
        if i % 3 == 0 {
            signature[usize::from(i) % 64] ^= 1 << (i % 8);
        }
        signed.push((leaf, signature));
    }
    let expected: Vec<bool> = (0..200).map(|i| i % 3 != 0).collect();
    assert_eq!(table.hold(&signed, &mut Sums::default()), expected);
    assert!(table.hold(&[], &mut Sums::default()).is_empty());
}

#[test]
fn digits_are_the_number_up_to_the_last_below_the_order() {
    let power = |bits: usize| (0..bits).fold(Scalar::ONE, |sum, _| sum + sum);
    let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, power(252)];
    let around = edges
        .iter()
        .flat_map(|edge| [*edge, edge - Scalar::ONE, edge + Scalar::ONE]);
    for number in around.chain((0..252).map(|bits| power(bits) - Scalar::ONE)) {
        let sum = digits(number.as_bytes())
            .iter()
            .rev()
            .fold(Scalar::ZERO, |sum, digit| {
                let size = Scalar::from(u64::from(digit.unsigned_abs()));
                let unit = Scalar::from(1_u64 << WINDOW_BITS);
                sum * unit + if *digit < 0 { -size } else { size }
            });
        assert_eq!(sum, number);
        assert!(
            digits(number.as_bytes())
                .iter()
                .all(|digit| usize::from(digit.unsigned_abs()) <= HALF)
        );
    }
}

#[test]
fn what_no_sum_is_defined_for_spoils_no_other() {
    let key = SignerKey::from_seed(ORIGIN, &[5; 32]).expect("a key");
    let table = KeyTable::new(key.verifier());
    let sound = |i: u16| {
        let leaf = Hash([i as u8; 32]);
        (leaf, sign(&key, &leaf).expect("a key at hand signs"))
    };
    // No point stands for a digit of zero.
    for s in [
        Scalar::ZERO,
        Scalar::ONE,
        Scalar::from(1_u64 << 40),
        -Scalar::ONE,
    ] {
        let mut signed: Vec<_> = (0..9).map(sound).collect();
        signed[4].1[32..].copy_from_slice(s.as_bytes());
        let expected: Vec<bool> = (0..9).map(|i| i != 4).collect();
        assert_eq!(table.hold(&signed, &mut Sums::default()), expected);
    }
    for count in [1, 2, 3, 4, 5, TOGETHER - 1, TOGETHER, TOGETHER + 1] {
        let mut signed: Vec<_> = (0..count as u16).map(sound).collect();
        assert_eq!(table.hold(&signed, &mut Sums::default()), vec![true; count]);
        signed[count - 1].1[0] ^= 1;
        let held = table.hold(&signed, &mut Sums::default());
        assert_eq!(held.iter().filter(|held| **held).count(), count - 1);
        assert!(!held[count - 1]);
    }
}

#[test]
fn where_two_sums_have_no_slope_each_signature_is_judged_alone() {
    // Under the key B itself, s = k makes sB and −kB opposite points.
    let key = crafted_key(&Scalar::ONE, 0).expect("a sound key");
    let table = KeyTable::new(&key);
    let mut signed: Vec<_> = (0..6_u8)
        .map(|i| {
            let leaf = Hash([i; 32]);
            (
                leaf,
                craft(&key, &Scalar::ONE, &Scalar::from(i + 2), 0, &leaf),
            )
        })
        .collect();
    assert!(table.together(&signed, &mut Sums::default()).is_some());
    let (leaf, r) = (signed[3].0, halves(&signed[3].1).0);
    signed[3].1 = with_r(&key, &Scalar::ONE, &Scalar::ZERO, r, &leaf);
    assert!(table.together(&signed, &mut Sums::default()).is_none());
    let expected: Vec<bool> = (0..6).map(|i| i != 3).collect();
    assert_eq!(table.hold(&signed, &mut Sums::default()), expected);
}
