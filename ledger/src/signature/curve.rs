//! Many sums of points at once, on curve25519, v² = u³ + 486662·u² + u (RFC 7748 §4.1), which is
//! edwards25519 (RFC 8032 §5.1) in other coordinates: there an addition is a slope, and the
//! division for it is shared by all sums (Montgomery 1987, §10.3.1), so that one costs six products
//! where Edwards' costs seven, and a point to be added is two numbers for three. What the slope is
//! not defined for is refused, never guessed. All values are public: nothing here runs in constant
//! time.

use super::field::Number;
use super::lanes::{LANES, Lanes};
use super::vector::{Vector, Work};
use pulp::u64x4;

const A: u32 = 486_662;

/// A point but for the neutral one, its numbers below p: in one line of a processor's cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Point {
    u: Number,
    v: Number,
}

/// The root of −486664 by which v of one curve and x of the other differ.
fn scale() -> Number {
    Number::small(A + 2).negative().root()
}

impl Point {
    /// The point of an encoding that is known to be one of a point (RFC 8032 §5.1.3), and not of
    /// small order.
    pub fn decoded(encoding: &[u8; 32]) -> Point {
        let mut y = *encoding;
        y[31] &= 0x7f;
        let y = Number::from_bytes(&y);
        let yy = y.times(&y);
        // d = −121665/121666, of −x² + y² = 1 + d·x²·y².
        let d = Number::small(121_665)
            .negative()
            .times(&Number::small(121_666).inverse());
        let denominator = d.times(&yy).plus(&Number::ONE).inverse();
        let mut x = yy.minus(&Number::ONE).times(&denominator).root();
        if x.bytes()[0] & 1 != encoding[31] >> 7 {
            x = x.negative();
        }
        let u = Number::ONE.plus(&y).times(&Number::ONE.minus(&y).inverse());
        Point::at(&u, &scale().times(&u).times(&x.inverse()))
    }

    fn at(u: &Number, v: &Number) -> Point {
        Point {
            u: u.canonical(),
            v: v.canonical(),
        }
    }

    /// Reads it, that it is at hand when it is needed.
    #[inline(always)]
    pub fn fetched(&self) -> u64 {
        self.u.0[0]
    }

    /// The point twice: of one that is not its own negative.
    pub fn doubled(&self) -> Point {
        let (u, v, a) = (&self.u, &self.v, Number::small(A));
        // The slope of the curve itself: (3u² + 2Au + 1)/2v.
        let uu = u.times(u);
        let au = a.times(u);
        let rise = uu.plus(&uu).plus(&uu).plus(&au).plus(&au);
        let slope = rise.plus(&Number::ONE).times(&v.plus(v).inverse());
        let sum = slope.times(&slope).minus(&a).minus(u).minus(u);
        Point::at(&sum, &slope.times(&u.minus(&sum)).minus(v))
    }

    /// The encodings on edwards25519: their inversions are one. None where a point is of order 2.
    pub fn encoded(points: &[Point]) -> Option<Vec<[u8; 32]>> {
        // y = (u − 1)/(u + 1), x = scale·u/v; u is never −1.
        let divisor = |point: &Point| point.u.plus(&Number::ONE).times(&point.v);
        let mut all = Number::ONE;
        let mut before = Vec::with_capacity(points.len());
        for point in points {
            before.push(all);
            all = all.times(&divisor(point));
        }
        if all.is_zero() {
            return None;
        }
        let (mut rest, scale) = (all.inverse(), scale());
        let mut encodings = vec![[0; 32]; points.len()];
        for ((encoding, point), before) in encodings.iter_mut().zip(points).zip(before).rev() {
            let inverse = rest.times(&before);
            rest = rest.times(&divisor(point));
            let y = point.u.minus(&Number::ONE).times(&point.v);
            let x = point.u.plus(&Number::ONE).times(&point.u).times(&scale);
            *encoding = y.times(&inverse).bytes();
            encoding[31] |= x.times(&inverse).bytes()[0] << 7;
        }
        Some(encodings)
    }
}

/// A point of four sums each.
#[derive(Clone, Copy)]
pub struct Points {
    u: Lanes,
    v: Lanes,
}

impl Points {
    #[inline(always)]
    pub fn of<V: Vector>(v: V, [a, b, c, d]: [&Point; LANES]) -> Points {
        Points {
            u: Lanes::of(v, [&a.u, &b.u, &c.u, &d.u]),
            v: Lanes::of(v, [&a.v, &b.v, &c.v, &d.v]),
        }
    }

    /// Of [`Points::of`], the negative points where all ones stand.
    #[inline(always)]
    pub fn negative_if<V: Vector>(&self, v: V, negative: u64x4) -> Points {
        Points {
            u: self.u,
            v: self.v.negative_if(v, negative),
        }
    }

    pub fn points(&self) -> [Point; LANES] {
        let (us, vs) = (self.u.numbers(), self.v.numbers());
        std::array::from_fn(|lane| Point {
            u: us[lane],
            v: vs[lane],
        })
    }
}

/// What additions need room for.
#[derive(Default)]
pub struct Room {
    runs: Vec<Lanes>,
    before: Vec<Lanes>,
}

/// Two points without a line that meets the curve once more: equal ones, and opposite ones. The
/// sums that were to be made are lost, all of them.
#[derive(Debug)]
pub struct NoSlope;

/// Adds to each sum its addend, as [`Points::of`] and [`Points::negative_if`] make them.
pub struct AddEach<'a> {
    pub sums: &'a mut [Points],
    pub addends: &'a [Points],
    pub room: &'a mut Room,
}

impl Work for AddEach<'_> {
    type Output = Result<(), NoSlope>;

    #[inline(always)]
    fn with<V: Vector>(self, v: V) -> Self::Output {
        add_each(v, self.sums, self.addends, self.room)
    }
}

#[inline(always)]
fn add_each<V: Vector>(
    v: V,
    sums: &mut [Points],
    addends: &[Points],
    Room { runs, before }: &mut Room,
) -> Result<(), NoSlope> {
    runs.clear();
    before.clear();
    let mut all = Lanes::splat(v, &Number::ONE);
    for (sum, addend) in sums.iter().zip(addends) {
        let run = addend.u.minus(v, &sum.u);
        before.push(all);
        runs.push(run);
        all = run.times(v, &all);
    }
    let mut rest = inverses(v, &all)?;
    let a = Lanes::splat(v, &Number::small(A));
    for (((sum, addend), run), before) in
        sums.iter_mut().zip(addends).zip(&*runs).zip(&*before).rev()
    {
        let inverse = before.times(v, &rest);
        rest = run.times(v, &rest);
        let slope = addend.v.minus(v, &sum.v).times(v, &inverse);
        let all_three = a.plus(v, &addend.u).plus(v, &sum.u);
        let u = slope.square_less(v, &all_three);
        sum.v = sum.u.minus(v, &u).times_less(v, &slope, &sum.v);
        sum.u = u;
    }
    Ok(())
}

/// The inverses of four numbers by one inversion.
#[inline(always)]
fn inverses<V: Vector>(v: V, numbers: &Lanes) -> Result<Lanes, NoSlope> {
    let [a, b, c, d] = numbers.numbers();
    let (ab, cd) = (a.times(&b), c.times(&d));
    let all = ab.times(&cd);
    if all.is_zero() {
        return Err(NoSlope);
    }
    let inverse = all.inverse();
    let (of_ab, of_cd) = (inverse.times(&cd), inverse.times(&ab));
    let [a, b, c, d] = [
        of_ab.times(&b).canonical(),
        of_ab.times(&a).canonical(),
        of_cd.times(&d).canonical(),
        of_cd.times(&c).canonical(),
    ];
    Ok(Lanes::of(v, [&a, &b, &c, &d]))
}

#[cfg(test)]
mod tests;
