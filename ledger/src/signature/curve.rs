//! Sums of many points of edwards25519 (RFC 8032 §5.1) at once: the unified addition of Hisil,
//! Wong, Carter and Dawson (2008, §3.1 with a = −1). It is complete, so no pair of points of the
//! curve needs a case of its own. All values are public: nothing here runs in constant time.

use super::field::Number;

/// d = −121665/121666, of −x² + y² = 1 + d·x²·y².
fn d() -> Number {
    Number::small(121_665)
        .negative()
        .times(&Number::small(121_666).inverse())
}

/// A point as x = X/Z, y = Y/Z, x·y = T/Z.
#[derive(Clone, Copy)]
pub struct Point {
    x: Number,
    y: Number,
    z: Number,
    t: Number,
}

/// What is added: (y + x)/2, (y − x)/2 and d·x·y of a point.
#[derive(Clone, Copy)]
pub struct Addend {
    plus: Number,
    minus: Number,
    product: Number,
}

impl Point {
    pub const NEUTRAL: Point = Point {
        x: Number::ZERO,
        y: Number::ONE,
        z: Number::ONE,
        t: Number::ZERO,
    };

    /// The point of an encoding that is known to be one of a point (RFC 8032 §5.1.3).
    pub fn decoded(encoding: &[u8; 32]) -> Point {
        let mut y = *encoding;
        y[31] &= 0x7f;
        let y = Number::from_bytes(&y);
        let yy = y.times(&y);
        let denominator = d().times(&yy).plus(&Number::ONE).inverse();
        let mut x = yy.minus(&Number::ONE).times(&denominator).root();
        if x.bytes()[0] & 1 != encoding[31] >> 7 {
            x = x.negative();
        }
        Point {
            x,
            y,
            z: Number::ONE,
            t: x.times(&y),
        }
    }

    /// Adds a point, or takes it away.
    #[inline(always)]
    pub fn add(&mut self, addend: &Addend, negative: bool) {
        let (plus, minus) = match negative {
            false => (&addend.plus, &addend.minus),
            true => (&addend.minus, &addend.plus),
        };
        let a = self.y.minus(&self.x).times(minus);
        let b = self.y.plus(&self.x).times(plus);
        let c = self.t.times(&addend.product);
        let (e, h) = (b.minus(&a), b.plus(&a));
        let (f, g) = (self.z.minus(&c), self.z.plus(&c));
        let (f, g) = if negative { (g, f) } else { (f, g) };
        self.x = e.times(&f);
        self.y = g.times(&h);
        self.z = f.times(&g);
        self.t = e.times(&h);
    }

    /// The encodings of points: their inversions are one.
    pub fn encoded(points: &[Point]) -> Vec<[u8; 32]> {
        let encoding = |(point, inverse): (&Point, Number)| {
            let mut encoding = point.y.times(&inverse).bytes();
            encoding[31] |= point.x.times(&inverse).bytes()[0] << 7;
            encoding
        };
        points.iter().zip(inverses(points)).map(encoding).collect()
    }

    /// The points as what can be added.
    pub fn addends(points: &[Point]) -> Vec<Addend> {
        let half = Number::small(2).inverse();
        let d = d();
        let addend = |(point, inverse): (&Point, Number)| {
            let (x, y) = (point.x.times(&inverse), point.y.times(&inverse));
            Addend {
                plus: y.plus(&x).times(&half),
                minus: y.minus(&x).times(&half),
                product: d.times(&x.times(&y)),
            }
        };
        points.iter().zip(inverses(points)).map(addend).collect()
    }
}

/// 1/Z of each point, which is never zero: the inverse of all, then taken apart from the back.
fn inverses(points: &[Point]) -> Vec<Number> {
    let mut all = Number::ONE;
    let mut inverses = Vec::with_capacity(points.len());
    for point in points {
        inverses.push(all);
        all = all.times(&point.z);
    }
    let mut rest = all.inverse();
    for (before, point) in inverses.iter_mut().zip(points).rev() {
        *before = before.times(&rest);
        rest = rest.times(&point.z);
    }
    inverses
}

#[cfg(test)]
mod tests;
