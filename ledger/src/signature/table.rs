//! The one rule for a valid signature, for many signatures under one key, faster
//! than one by one, and without chance: every signature is computed by itself.
//!
//! `holds` accepts exactly if `s` is canonical, neither A nor R is of small order, and the one
//! encoding of sB − kA is the bytes of R. Here multiples of B and −A stand in a table, so that
//! sB − kA is a sum without doublings, and the inversions of all encodings are shared. The sums
//! of many signatures grow together, window by window, and what some of them are going to add is
//! fetched at once: one wait for memory, which holds the table, in place of many. A sum over
//! random coefficients would be faster still, and would accept points that `holds` refuses
//! unless each R were also shown to lie in the subgroup of prime order.

use super::curve::{Addend, Point};
use super::prefix;
use crate::note::VerifierKey;
use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use schemas::Hash;
use sha2::{Digest, Sha512};

/// Bits of a scalar that one addition covers. A table has 2^(W − 1) points for each window.
const WINDOW_BITS: usize = 14;
/// Scalars are below the group's order, 2^252 + 2^124.6: the last window is never full, so it
/// never carries.
const WINDOWS: usize = 253_usize.div_ceil(WINDOW_BITS);
const HALF: usize = 1 << (WINDOW_BITS - 1);
/// How many signatures fetch together.
const FETCHED: usize = 32;

/// Every multiple of one point that a digit can ask for: d · 2^(W·i) · P for 1 ≤ d ≤ 2^(W−1).
struct Multiples(Vec<Addend>);

impl Multiples {
    fn of(encoding: &[u8; 32]) -> Multiples {
        let mut addends = Vec::with_capacity(WINDOWS * HALF);
        let mut multiples = vec![Point::decoded(encoding)];
        for _ in 0..WINDOWS {
            let unit = Point::addends(&multiples[..1])[0];
            while multiples.len() < HALF {
                let mut next = multiples[multiples.len() - 1];
                next.add(&unit, false);
                multiples.push(next);
            }
            addends.append(&mut Point::addends(&multiples));
            let mut double = multiples[HALF - 1];
            double.add(&addends[addends.len() - 1], false);
            multiples.clear();
            multiples.push(double);
        }
        Multiples(addends)
    }

    /// Adds to each sum its scalar times the point: of the whole number, so that a point outside
    /// the subgroup of prime order is multiplied as `holds` does it.
    fn add_to(&self, sums: &mut [Point], scalars: &[[i16; WINDOWS]]) {
        let mut fetched = [self.0[0]; FETCHED];
        for (window, multiples) in self.0.chunks(HALF).enumerate() {
            for (sums, scalars) in sums.chunks_mut(FETCHED).zip(scalars.chunks(FETCHED)) {
                for (fetched, digits) in fetched.iter_mut().zip(scalars) {
                    let place = usize::from(digits[window].unsigned_abs());
                    *fetched = multiples[place.saturating_sub(1)];
                }
                for ((sum, digits), fetched) in sums.iter_mut().zip(scalars).zip(&fetched) {
                    if digits[window] != 0 {
                        sum.add(fetched, digits[window] < 0);
                    }
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

/// A key with what makes checking many of its signatures fast: 30 MB.
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
        let minus_key = (-key.public().to_edwards()).compress();
        let (base, minus_key) = rayon::join(
            || Multiples::of(ED25519_BASEPOINT_COMPRESSED.as_bytes()),
            || Multiples::of(minus_key.as_bytes()),
        );
        KeyTable {
            base,
            minus_key,
            public: key.public().to_bytes(),
            prefix: prefix(key.name()),
            small: EIGHT_TORSION.map(|point| point.compress().to_bytes()),
            weak: key.public().is_weak(),
        }
    }

    /// For each leaf and signature, whether [`super::holds`].
    pub fn hold(&self, signed: &[(Hash, [u8; 64])]) -> Vec<bool> {
        let scalars = signed
            .iter()
            .map(|(leaf, signature)| self.scalars(leaf, signature));
        let (canonical, (s, k)): (Vec<bool>, (Vec<_>, Vec<_>)) = scalars
            .map(|scalars| (scalars.is_some(), scalars.unwrap_or_default()))
            .unzip();
        // sB − kA: what each R must be.
        let mut expected = vec![Point::NEUTRAL; signed.len()];
        self.base.add_to(&mut expected, &s);
        self.minus_key.add_to(&mut expected, &k);
        Point::encoded(&expected)
            .into_iter()
            .zip(signed.iter().zip(canonical))
            .map(|(expected, ((_, signature), canonical))| {
                let (r, _) = halves(signature);
                canonical && !self.weak && expected == r && !self.small.contains(&r)
            })
            .collect()
    }

    /// The digits of s and of k. None where s is not canonical: that is refused, and digits are
    /// made for numbers below the order only.
    fn scalars(
        &self,
        leaf: &Hash,
        signature: &[u8; 64],
    ) -> Option<([i16; WINDOWS], [i16; WINDOWS])> {
        let (r, s) = halves(signature);
        let s = Scalar::from_canonical_bytes(s).into_option()?;
        let digest = Sha512::new()
            .chain_update(r)
            .chain_update(self.public)
            .chain_update(&self.prefix)
            .chain_update(leaf.0)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into());
        Some((digits(s.as_bytes()), digits(k.as_bytes())))
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
