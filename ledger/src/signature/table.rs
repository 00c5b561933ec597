//! The one rule for a valid signature, for many signatures under one key, faster
//! than one by one, and without chance: every signature is computed by itself.
//!
//! `holds` accepts exactly if `s` is canonical, neither A nor R is of small order, and the one
//! encoding of sB − kA is the bytes of R. Here multiples of B and −A stand in a table, so that
//! sB − kA is a sum without doublings; the sums of many signatures grow together, window by
//! window, four to a vector, and share each division. What no such sum is defined for, `holds`
//! itself decides. A sum over random coefficients would be faster still, and would accept points
//! that `holds` refuses unless each R were also shown to lie in the subgroup of prime order.

use super::curve::{AddEach, NoSlope, Point, Points, Room};
use super::lanes::LANES;
use super::vector::{Vector, Words, Work, run};
use super::{holds, prefix};
use crate::note::VerifierKey;
use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use pulp::u64x4;
use schemas::Hash;
use sha2::{Digest, Sha512};

/// Bits of a scalar that one addition covers. A table has 2^(W − 1) points for each window.
const WINDOW_BITS: usize = 15;
/// Scalars are below the group's order, 2^252 + 2^124.6: the last window is never full, so it
/// never carries.
const WINDOWS: usize = 253_usize.div_ceil(WINDOW_BITS);
const HALF: usize = 1 << (WINDOW_BITS - 1);
/// How many signatures share their divisions: what they need stays in a core's own cache.
const TOGETHER: usize = 256;
/// How many points are fetched before the first is used: one wait for memory for all of them.
const FETCHED: usize = 128;

type Digits = [i16; WINDOWS];

/// A leaf, and what is to be its signature.
type Signed = (Hash, [u8; 64]);

/// Every multiple of one point that a digit can ask for: d · 2^(W·i) · P for 1 ≤ d ≤ 2^(W−1).
struct Multiples(Vec<Point>);

impl Multiples {
    /// Of a point that is not of small order.
    fn of(encoding: &[u8; 32]) -> Result<Multiples, NoSlope> {
        let mut all = Vec::with_capacity(WINDOWS * HALF);
        let mut unit = Point::decoded(encoding);
        for _ in 0..WINDOWS {
            let from = all.len();
            all.push(unit);
            let mut last = unit;
            while all.len() - from < HALF {
                // 1 … n−1, and n to each: n+1 … 2n−1.
                let more = shifted(&all[from..all.len() - 1], &last)?;
                all.extend(more);
                last = last.doubled();
                all.push(last);
            }
            unit = last.doubled();
        }
        Ok(Multiples(all))
    }

    fn window(&self, window: usize) -> &[Point] {
        &self.0[window * HALF..][..HALF]
    }
}

/// To each of the points one is added.
fn shifted(points: &[Point], by: &Point) -> Result<Vec<Point>, NoSlope> {
    let mut all = Vec::with_capacity(points.len() + LANES);
    let (mut sums, mut room) = (Vec::<Points>::new(), Room::default());
    let addends = [Points::of(Words, [by; LANES]); TOGETHER / LANES];
    for points in points.chunks(TOGETHER) {
        let fours = points.chunks(LANES).map(|four| {
            let lane = |lane: usize| four.get(lane).unwrap_or(&four[0]);
            Points::of(Words, [lane(0), lane(1), lane(2), lane(3)])
        });
        sums.clear();
        sums.extend(fours);
        run(AddEach {
            sums: &mut sums,
            addends: &addends,
            room: &mut room,
        })?;
        all.extend(sums.iter().flat_map(Points::points));
    }
    all.truncate(points.len());
    Ok(all)
}

/// What digits of whole fours ask for in one window.
struct Fetch<'a> {
    of: &'a Multiples,
    digits: &'a [Digits],
    window: usize,
    to: &'a mut Vec<Points>,
}

impl Work for Fetch<'_> {
    type Output = ();

    #[inline(always)]
    fn with<V: Vector>(self, v: V) {
        let multiples = self.of.window(self.window);
        for digits in self.digits.chunks(FETCHED) {
            let fetched = digits.iter().fold(0, |fetched, digits| {
                fetched ^ of(multiples, digits[self.window]).fetched()
            });
            std::hint::black_box(fetched);
            for four in digits.chunks_exact(LANES) {
                let mut digits = [0; LANES];
                for (digit, digits) in digits.iter_mut().zip(four) {
                    *digit = digits[self.window];
                }
                let [a, b, c, d] = digits;
                let points = [
                    of(multiples, a),
                    of(multiples, b),
                    of(multiples, c),
                    of(multiples, d),
                ];
                let negative = u64x4(sign(a), sign(b), sign(c), sign(d));
                self.to.push(Points::of(v, points).negative_if(v, negative));
            }
        }
    }
}

/// The multiple of a digit without its sign. For zero, which has none, any.
#[inline(always)]
fn of(multiples: &[Point], digit: i16) -> &Point {
    &multiples[usize::from(digit.unsigned_abs()).saturating_sub(1)]
}

/// All ones for a digit below zero.
#[inline(always)]
fn sign(digit: i16) -> u64 {
    i64::from(digit >> 15) as u64
}

/// What the sums of many signatures need room for, kept from one to the next.
#[derive(Default)]
pub struct Sums {
    sums: Vec<Points>,
    addends: Vec<Points>,
    room: Room,
}

impl Sums {
    /// Of each pair of digits, in fours, the sum of what they stand for: of s and of k.
    fn of_digits(
        &mut self,
        (base, minus_key): (&Multiples, &Multiples),
        (s, k): (&[Digits], &[Digits]),
    ) -> Result<Vec<Point>, NoSlope> {
        let Sums {
            sums,
            addends,
            room,
        } = self;
        // Those of s and those of k grow side by side, and become one at the end.
        for window in 0..WINDOWS {
            let to = if window == 0 {
                &mut *sums
            } else {
                &mut *addends
            };
            to.clear();
            for (of, digits) in [(base, s), (minus_key, k)] {
                run(Fetch {
                    of,
                    digits,
                    window,
                    to: &mut *to,
                });
            }
            if window > 0 {
                run(AddEach {
                    sums,
                    addends,
                    room,
                })?;
            }
        }
        let (sums, addends) = sums.split_at_mut(s.len() / LANES);
        run(AddEach {
            sums,
            addends,
            room,
        })?;
        Ok(sums.iter().flat_map(Points::points).collect())
    }
}

/// A number below the group's order in base 2^W, each digit from −2^(W−1) + 1 to 2^(W−1).
fn digits(scalar: &[u8; 32]) -> Digits {
    let mut bytes = [0; 36];
    bytes[..32].copy_from_slice(scalar);
    let mut carry = 0;
    std::array::from_fn(|window| {
        let bit = window * WINDOW_BITS;
        let mut four = [0; 4];
        four.copy_from_slice(&bytes[bit / 8..bit / 8 + 4]);
        let word = u32::from_le_bytes(four) >> (bit % 8);
        let digit = (word & (2 * HALF as u32 - 1)) as i32 + carry;
        carry = i32::from(digit > HALF as i32);
        (digit - (carry << WINDOW_BITS)) as i16
    })
}

/// A key with what makes checking many of its signatures fast: 36 MB.
pub struct KeyTable {
    key: VerifierKey,
    /// Of B and of −A: none for a key of small order, under which no signature holds.
    multiples: Option<(Multiples, Multiples)>,
    prefix: Vec<u8>,
    /// The canonical encodings of the points of small order.
    small: [[u8; 32]; 8],
}

impl KeyTable {
    pub fn new(key: &VerifierKey) -> KeyTable {
        let public = key.public();
        let multiples = || {
            let minus_key = (-public.to_edwards()).compress();
            let (base, minus_key) = rayon::join(
                || Multiples::of(ED25519_BASEPOINT_COMPRESSED.as_bytes()),
                || Multiples::of(minus_key.as_bytes()),
            );
            base.ok().zip(minus_key.ok())
        };
        KeyTable {
            key: key.clone(),
            multiples: if public.is_weak() { None } else { multiples() },
            prefix: prefix(key.name()),
            small: EIGHT_TORSION.map(|point| point.compress().to_bytes()),
        }
    }

    /// For each leaf and signature, whether [`super::holds`].
    pub fn hold(&self, signed: &[Signed], sums: &mut Sums) -> Vec<bool> {
        let together = |signed: &[_]| {
            self.together(signed, sums)
                .unwrap_or_else(|| signed.iter().map(|signed| self.alone(signed)).collect())
        };
        signed.chunks(TOGETHER).flat_map(together).collect()
    }

    fn alone(&self, (leaf, signature): &Signed) -> bool {
        holds(&self.key, leaf, signature)
    }

    /// None where a sum met what has no slope, as only a key's holder can bring about.
    fn together(&self, signed: &[Signed], sums: &mut Sums) -> Option<Vec<bool>> {
        let (base, minus_key) = self.multiples.as_ref()?;
        let scalars: Vec<_> = signed.iter().map(|signed| self.scalars(signed)).collect();
        // What is missing for a last four is like what stands nowhere else: any digits.
        let digits = scalars.iter().map(|scalars| scalars.unwrap_or(ANY_DIGITS));
        let fours = digits.chain(std::iter::repeat(ANY_DIGITS));
        let (s, k): (Vec<_>, Vec<_>) = fours.take(signed.len().next_multiple_of(LANES)).unzip();
        let sums = sums.of_digits((base, minus_key), (&s, &k)).ok()?;
        // sB − kA: what each R must be.
        let expected = Point::encoded(&sums)?;
        let mut held = Vec::with_capacity(signed.len());
        for ((signed, scalars), expected) in signed.iter().zip(&scalars).zip(expected) {
            let (r, _) = halves(&signed.1);
            held.push(match scalars {
                None => false,
                // No point stands for the digit zero.
                Some((s, k)) if has_zero(s) || has_zero(k) => self.alone(signed),
                Some(_) => expected == r && !self.small.contains(&r),
            });
        }
        Some(held)
    }

    /// The digits of s and of k. None where s is not canonical: that is refused, and digits are
    /// made for numbers below the order only.
    fn scalars(&self, (leaf, signature): &Signed) -> Option<(Digits, Digits)> {
        let (r, s) = halves(signature);
        let s = Scalar::from_canonical_bytes(s).into_option()?;
        let digest = Sha512::new()
            .chain_update(r)
            .chain_update(self.key.public())
            .chain_update(&self.prefix)
            .chain_update(leaf.0)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&digest.into());
        Some((digits(s.as_bytes()), digits(k.as_bytes())))
    }
}

/// Digits whose sum is of no use, and different for s and for k.
const ANY_DIGITS: (Digits, Digits) = ([1; WINDOWS], [2; WINDOWS]);

fn has_zero(digits: &Digits) -> bool {
    digits.contains(&0)
}

fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    (r, s)
}

#[cfg(test)]
mod tests;
