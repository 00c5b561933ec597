//! The one rule for a valid signature, for many signatures under one key, faster
//! than one by one, and without chance: every signature is computed by itself.
//!
//! `holds` accepts exactly if `s` is canonical, neither A nor R is of small order, and the one
//! encoding of sB − kA is the bytes of R. Here multiples of B and −A stand in a table, so that
//! sB − kA is a sum without doublings, and the inversions of all encodings are shared. The sums
//! of many signatures grow together, window by window: what one window asks for stays in a
//! core's cache, where the whole table does not. A sum
//! over random coefficients would be faster still, and would accept points that `holds`
//! refuses unless each R were also shown to lie in the subgroup of prime order.

use super::prefix;
use crate::note::VerifierKey;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use schemas::Hash;
use sha2::{Digest, Sha512};

/// Bits of a scalar that one addition covers. A table has 2^(W − 1) points for each window.
const WINDOW_BITS: usize = 11;
/// Scalars are below the group's order, 2^252 + 2^124.6: the last window holds 2^10 at most, and
/// that only where the bits below it are zero, so it never carries.
const WINDOWS: usize = 253_usize.div_ceil(WINDOW_BITS);
const HALF: usize = 1 << (WINDOW_BITS - 1);

/// Every multiple of one point that a digit can ask for: d · 2^(W·i) · P for 1 ≤ d ≤ 2^(W−1).
struct Multiples(Vec<EdwardsPoint>);

impl Multiples {
    fn of(point: EdwardsPoint) -> Multiples {
        let mut multiples = Vec::with_capacity(WINDOWS * HALF);
        let mut unit = point;
        for _ in 0..WINDOWS {
            let mut multiple = unit;
            for _ in 1..HALF {
                multiples.push(multiple);
                multiple += unit;
            }
            multiples.push(multiple);
            unit = multiple + multiple;
        }
        Multiples(multiples)
    }

    /// Adds to each sum its scalar times the point: of the whole number, so that a point outside
    /// the subgroup of prime order is multiplied as `holds` does it.
    fn add_to(&self, sums: &mut [EdwardsPoint], scalars: &[[i16; WINDOWS]]) {
        for (window, multiples) in self.0.chunks(HALF).enumerate() {
            for (sum, digits) in sums.iter_mut().zip(scalars) {
                let digit = digits[window];
                let place = usize::from(digit.unsigned_abs());
                match digit {
                    1.. => *sum += &multiples[place - 1],
                    0 => {}
                    ..0 => *sum -= &multiples[place - 1],
                }
            }
        }
    }
}

/// A number below the group's order in base 2^W, each digit from −2^(W−1) + 1 to 2^(W−1).
fn digits(scalar: &[u8; 32]) -> [i16; WINDOWS] {
    let mut bytes = [0; 36];
    bytes[..32].copy_from_slice(scalar);
    let mut carry = 0;
    std::array::from_fn(|window| {
        let bit = window * WINDOW_BITS;
        let mut four = [0; 4];
        four.copy_from_slice(&bytes[bit / 8..bit / 8 + 4]);
        let word = u32::from_le_bytes(four) >> (bit % 8);
        let digit = (word as usize & (2 * HALF - 1)) + carry;
        carry = usize::from(digit > HALF);
        digit as i16 - (carry << WINDOW_BITS) as i16
    })
}

/// A key with what makes checking many of its signatures fast: 7.5 MB.
pub struct KeyTable {
    base: Multiples,
    minus_key: Multiples,
    public: [u8; 32],
    prefix: Vec<u8>,
    /// The canonical encodings of the points of small order.
    small: [[u8; 32]; 8],
    weak: bool,
}

impl KeyTable {
    pub fn new(key: &VerifierKey) -> KeyTable {
        KeyTable {
            base: Multiples::of(ED25519_BASEPOINT_POINT),
            minus_key: Multiples::of(-key.public().to_edwards()),
            public: key.public().to_bytes(),
            prefix: prefix(key.name()),
            small: EIGHT_TORSION.map(|point| point.compress().to_bytes()),
            weak: key.public().is_weak(),
        }
    }

    /// For each leaf and signature, whether [`super::holds`].
    pub fn hold(&self, signed: &[(Hash, [u8; 64])]) -> Vec<bool> {
        let (s, k): (Vec<_>, Vec<_>) = signed
            .iter()
            .map(|(leaf, signature)| self.scalars(leaf, signature))
            .unzip();
        // sB − kA: what each R must be.
        let mut expected = vec![EdwardsPoint::identity(); signed.len()];
        self.base.add_to(&mut expected, &s);
        self.minus_key.add_to(&mut expected, &k);
        EdwardsPoint::compress_batch_alloc(&expected)
            .iter()
            .zip(signed)
            .map(|(expected, (_, signature))| {
                let (r, s) = halves(signature);
                let canonical = bool::from(Scalar::from_canonical_bytes(s).is_some());
                canonical && !self.weak && expected.0 == r && !self.small.contains(&r)
            })
            .collect()
    }

    /// The digits of s and of k.
    fn scalars(&self, leaf: &Hash, signature: &[u8; 64]) -> ([i16; WINDOWS], [i16; WINDOWS]) {
        let (r, s) = halves(signature);
        // Refused anyway, and digits are made for numbers below the order only.
        let Some(s) = Scalar::from_canonical_bytes(s).into_option() else {
            return ([0; WINDOWS], [0; WINDOWS]);
        };
        let digest = Sha512::new()
            .chain_update(r)
            .chain_update(self.public)
            .chain_update(&self.prefix)
            .chain_update(leaf.0)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into());
        (digits(s.as_bytes()), digits(k.as_bytes()))
    }
}

fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    (r, s)
}

#[cfg(test)]
mod tests;
