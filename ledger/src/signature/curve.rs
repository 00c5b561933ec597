//! Sums of many points of edwards25519 (RFC 8032 §5.1) at once: the unified addition of Hisil,
//! Wong, Carter and Dawson (2008, §3.1 with a = −1) over the proven field arithmetic of
//! fiat-crypto. It is complete, so no pair of points of the curve needs a case of its own. All
//! values are public: nothing here runs in constant time.

use fiat_crypto::curve25519_64::{
    fiat_25519_add, fiat_25519_carry, fiat_25519_carry_mul, fiat_25519_from_bytes,
    fiat_25519_loose_field_element, fiat_25519_relax, fiat_25519_sub,
    fiat_25519_tight_field_element, fiat_25519_to_bytes,
};

/// A number modulo 2^255 − 19, carried; and the sum or difference of two, which is not.
type Number = fiat_25519_tight_field_element;
type Loose = fiat_25519_loose_field_element;

const ZERO: Number = fiat_25519_tight_field_element([0; 5]);
const ONE: Number = fiat_25519_tight_field_element([1, 0, 0, 0, 0]);

#[inline(always)]
fn product(a: &Loose, b: &Loose) -> Number {
    let mut out = ZERO;
    fiat_25519_carry_mul(&mut out, a, b);
    out
}

#[inline(always)]
fn sum(a: &Number, b: &Number) -> Loose {
    let mut out = fiat_25519_loose_field_element([0; 5]);
    fiat_25519_add(&mut out, a, b);
    out
}

#[inline(always)]
fn difference(a: &Number, b: &Number) -> Loose {
    let mut out = fiat_25519_loose_field_element([0; 5]);
    fiat_25519_sub(&mut out, a, b);
    out
}

#[inline(always)]
fn loose(a: &Number) -> Loose {
    let mut out = fiat_25519_loose_field_element([0; 5]);
    fiat_25519_relax(&mut out, a);
    out
}

#[inline(always)]
fn times(a: &Number, b: &Number) -> Number {
    product(&loose(a), &loose(b))
}

fn carried(a: &Loose) -> Number {
    let mut out = ZERO;
    fiat_25519_carry(&mut out, a);
    out
}

fn negative(a: &Number) -> Number {
    carried(&difference(&ZERO, a))
}

/// To the power whose 32 bytes are all 0xff but the lowest and the highest: each exponent that
/// is asked for here is p, a little less or more, shifted.
fn power(base: &Number, lowest: u8, highest: u8) -> Number {
    let mut exponent = [0xff; 32];
    (exponent[0], exponent[31]) = (lowest, highest);
    let bits = exponent
        .iter()
        .rev()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(ONE, |power, bit| {
        let square = times(&power, &power);
        if bit == 1 {
            times(&square, base)
        } else {
            square
        }
    })
}

/// Fermat: to the power of p − 2.
fn inverse(a: &Number) -> Number {
    power(a, 0xeb, 0x7f)
}

fn small(number: u32) -> Number {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    from_bytes(&bytes)
}

fn from_bytes(bytes: &[u8; 32]) -> Number {
    let mut out = ZERO;
    fiat_25519_from_bytes(&mut out, bytes);
    out
}

/// The one encoding, the lowest byte first.
fn bytes(a: &Number) -> [u8; 32] {
    let mut out = [0; 32];
    fiat_25519_to_bytes(&mut out, a);
    out
}

/// d = −121665/121666, of −x² + y² = 1 + d·x²·y².
fn d() -> Number {
    times(&negative(&small(121_665)), &inverse(&small(121_666)))
}

/// A point as x = X/Z, y = Y/Z, x·y = T/Z.
#[derive(Clone, Copy)]
pub struct Point {
    x: Number,
    y: Number,
    z: Number,
    t: Number,
}

/// What is added: (y + x)/2, (y − x)/2 and d·x·y of a point, in two lines of a cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Addend {
    plus: Number,
    minus: Number,
    product: Number,
}

impl Point {
    pub const NEUTRAL: Point = Point {
        x: ZERO,
        y: ONE,
        z: ONE,
        t: ZERO,
    };

    /// The point of an encoding that is known to be one of a point (RFC 8032 §5.1.3).
    pub fn decoded(encoding: &[u8; 32]) -> Point {
        let mut y = *encoding;
        y[31] &= 0x7f;
        let y = from_bytes(&y);
        let yy = times(&y, &y);
        let denominator = inverse(&carried(&sum(&times(&d(), &yy), &ONE)));
        let square = product(&difference(&yy, &ONE), &loose(&denominator));
        // To the power of (p + 3)/8, times the root of −1 where the square is that of −x².
        let mut x = power(&square, 0xfe, 0x0f);
        if bytes(&times(&x, &x)) != bytes(&square) {
            x = times(&x, &power(&small(2), 0xfb, 0x1f));
        }
        if bytes(&x)[0] & 1 != encoding[31] >> 7 {
            x = negative(&x);
        }
        Point {
            x,
            y,
            z: ONE,
            t: times(&x, &y),
        }
    }

    /// Adds a point, or takes it away.
    #[inline(always)]
    pub fn add(&mut self, addend: &Addend, negative: bool) {
        let (plus, minus) = match negative {
            false => (&addend.plus, &addend.minus),
            true => (&addend.minus, &addend.plus),
        };
        let a = product(&difference(&self.y, &self.x), &loose(minus));
        let b = product(&sum(&self.y, &self.x), &loose(plus));
        let c = times(&self.t, &addend.product);
        let (e, h) = (difference(&b, &a), sum(&b, &a));
        let (f, g) = (difference(&self.z, &c), sum(&self.z, &c));
        let (f, g) = if negative { (g, f) } else { (f, g) };
        self.x = product(&e, &f);
        self.y = product(&g, &h);
        self.z = product(&f, &g);
        self.t = product(&e, &h);
    }

    /// The encodings of points: their inversions are one.
    pub fn encoded(points: &[Point]) -> Vec<[u8; 32]> {
        let encoding = |(point, inverse): (&Point, Number)| {
            let mut encoding = bytes(&times(&point.y, &inverse));
            encoding[31] |= bytes(&times(&point.x, &inverse))[0] << 7;
            encoding
        };
        points.iter().zip(inverses(points)).map(encoding).collect()
    }

    /// The points as what can be added.
    pub fn addends(points: &[Point]) -> Vec<Addend> {
        let half = inverse(&small(2));
        let d = d();
        let addend = |(point, inverse): (&Point, Number)| {
            let (x, y) = (times(&point.x, &inverse), times(&point.y, &inverse));
            Addend {
                plus: product(&sum(&y, &x), &loose(&half)),
                minus: product(&difference(&y, &x), &loose(&half)),
                product: times(&d, &times(&x, &y)),
            }
        };
        points.iter().zip(inverses(points)).map(addend).collect()
    }
}

/// 1/Z of each point, which is never zero: the inverse of all, then taken apart from the back.
fn inverses(points: &[Point]) -> Vec<Number> {
    let mut all = ONE;
    let mut inverses = Vec::with_capacity(points.len());
    for point in points {
        inverses.push(all);
        all = times(&all, &point.z);
    }
    let mut rest = inverse(&all);
    for (before, point) in inverses.iter_mut().zip(points).rev() {
        *before = times(before, &rest);
        rest = times(&rest, &point.z);
    }
    inverses
}

#[cfg(test)]
mod tests;
