//! Numbers modulo p = 2^255 − 19, four at a time: where many sums grow side by side, no product
//! has to wait for another. A number is ten limbs of 26 and 25 bits in turn (radix 2^25.5, Bernstein
//! 2006, §4), so that a product of two limbs fits into 64 bits, and a column of them too.

use super::field::Number;
use super::vector::Vector;
use pulp::u64x4;

pub const LANES: usize = 4;
const LIMBS: usize = 10;

/// Of each of four numbers the limbs, the lowest first. It is *near* if no limb is more than 2^16
/// over what its bits hold: only such a one can be taken away from twice p limb by limb, and a
/// product of a near one with one four times that size stays below 2^61 in every column.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Lanes([u64x4; LIMBS]);

type Around = [u64x4; 2 * LIMBS - 1];

const fn bits(limb: usize) -> u32 {
    26 - limb as u32 % 2
}

/// The limb of so many times p.
const fn p(limb: usize, times: u64) -> u64 {
    let less = if limb == 0 { 19 } else { 1 };
    times * ((1 << bits(limb)) - less)
}

impl Lanes {
    /// Near. The numbers must be below p, as [`Number::canonical`] makes them.
    #[inline(always)]
    pub fn of<V: Vector>(v: V, numbers: [&Number; LANES]) -> Lanes {
        let [a, b, c, d] = numbers;
        let mut words = [v.splat(0); 4];
        for (word, four) in words.iter_mut().enumerate() {
            *four = u64x4(a.0[word], b.0[word], c.0[word], d.0[word]);
        }
        let (even, odd) = (v.splat((1 << 26) - 1), v.splat((1 << 25) - 1));
        Lanes([
            v.and(words[0], even),
            v.and(v.shr(words[0], 26), odd),
            v.and(v.or(v.shr(words[0], 51), v.shl(words[1], 13)), even),
            v.and(v.shr(words[1], 13), odd),
            v.shr(words[1], 38),
            v.and(words[2], odd),
            v.and(v.shr(words[2], 25), even),
            v.and(v.or(v.shr(words[2], 51), v.shl(words[3], 13)), odd),
            v.and(v.shr(words[3], 12), even),
            v.shr(words[3], 38),
        ])
    }

    #[inline(always)]
    pub fn splat<V: Vector>(v: V, number: &Number) -> Lanes {
        Lanes::of(v, [number; LANES])
    }

    /// The numbers of near limbs, each below p.
    #[inline(always)]
    pub fn numbers(&self) -> [Number; LANES] {
        let mut numbers = [[0; 4]; LANES];
        for (lane, words) in numbers.iter_mut().enumerate() {
            let (mut word, mut rest, mut at) = (0, 0_u128, 0);
            for (limb, four) in self.0.iter().enumerate() {
                let four: [u64; LANES] = pulp::cast(*four);
                rest += u128::from(four[lane]) << at;
                at += bits(limb);
                if at >= 64 {
                    words[word] = rest as u64;
                    (word, rest, at) = (word + 1, rest >> 64, at - 64);
                }
            }
            words[3] = rest as u64;
        }
        numbers.map(|words| Number(words).canonical())
    }

    /// Limb by limb; not near.
    #[inline(always)]
    pub fn plus<V: Vector>(&self, v: V, other: &Lanes) -> Lanes {
        let mut sum = *self;
        for (limb, other) in sum.0.iter_mut().zip(&other.0) {
            *limb = v.add(*limb, *other);
        }
        sum
    }

    /// Less a near number: larger by twice the size of one.
    #[inline(always)]
    pub fn minus<V: Vector>(&self, v: V, near: &Lanes) -> Lanes {
        self.less(v, near, 2)
    }

    #[inline(always)]
    fn less<V: Vector>(&self, v: V, other: &Lanes, times: u64) -> Lanes {
        let mut less = *self;
        for (place, (limb, other)) in less.0.iter_mut().zip(&other.0).enumerate() {
            *limb = v.sub(v.add(*limb, v.splat(p(place, times))), *other);
        }
        less
    }

    /// A near number, or twice p less it where `negative` is all ones: twice the size.
    #[inline(always)]
    pub fn negative_if<V: Vector>(&self, v: V, negative: u64x4) -> Lanes {
        let mut turned = *self;
        for (place, limb) in turned.0.iter_mut().enumerate() {
            // A word with every bit turned is −1 less the word.
            let twice = v.and(negative, v.splat(p(place, 2) + 1));
            *limb = v.add(v.xor(*limb, negative), twice);
        }
        turned
    }

    /// The product, near, of a number up to four times as large as a near one with a near one.
    #[inline(always)]
    pub fn times<V: Vector>(&self, v: V, near: &Lanes) -> Lanes {
        self.columns(v, near).carried(v)
    }

    /// The square, near, of a near number less one up to three times as large.
    #[inline(always)]
    pub fn square_less<V: Vector>(&self, v: V, less: &Lanes) -> Lanes {
        self.columns_of_square(v).less(v, less, 4).carried(v)
    }

    /// The product less a number up to three times as large as a near one, near: what is carried
    /// is carried once.
    #[inline(always)]
    pub fn times_less<V: Vector>(&self, v: V, near: &Lanes, less: &Lanes) -> Lanes {
        self.columns(v, near).less(v, less, 4).carried(v)
    }

    #[inline(always)]
    fn columns<V: Vector>(&self, v: V, near: &Lanes) -> Lanes {
        let (limbs, doubled, around) = (&self.0, &self.odd_doubled(v), &near.around(v));
        Lanes([
            column(v, doubled, around, 0),
            column(v, limbs, around, 1),
            column(v, doubled, around, 2),
            column(v, limbs, around, 3),
            column(v, doubled, around, 4),
            column(v, limbs, around, 5),
            column(v, doubled, around, 6),
            column(v, limbs, around, 7),
            column(v, doubled, around, 8),
            column(v, limbs, around, 9),
        ])
    }

    /// The same with itself: two different limbs meet twice, and are multiplied once.
    #[inline(always)]
    fn columns_of_square<V: Vector>(&self, v: V) -> Lanes {
        let (doubled, around) = (&self.odd_doubled(v), &self.around(v));
        let (twice, doubled_twice) = (
            &self.plus(v, self).0,
            &Lanes(*doubled).plus(v, &Lanes(*doubled)).0,
        );
        Lanes([
            column_of_square(v, doubled_twice, doubled, around, 0),
            column_of_square(v, twice, doubled, around, 1),
            column_of_square(v, doubled_twice, doubled, around, 2),
            column_of_square(v, twice, doubled, around, 3),
            column_of_square(v, doubled_twice, doubled, around, 4),
            column_of_square(v, twice, doubled, around, 5),
            column_of_square(v, doubled_twice, doubled, around, 6),
            column_of_square(v, twice, doubled, around, 7),
            column_of_square(v, doubled_twice, doubled, around, 8),
            column_of_square(v, twice, doubled, around, 9),
        ])
    }

    /// Two odd limbs stand for half a bit more each than where their product is added: for even
    /// columns, where they meet, one of them is doubled.
    #[inline(always)]
    fn odd_doubled<V: Vector>(&self, v: V) -> [u64x4; LIMBS] {
        let mut doubled = self.0;
        for limb in (1..LIMBS).step_by(2) {
            doubled[limb] = v.add(doubled[limb], doubled[limb]);
        }
        doubled
    }

    /// All limbs after 19 times all but the lowest: what is over 2^255 comes back 19 times.
    #[inline(always)]
    fn around<V: Vector>(&self, v: V) -> Around {
        let mut around = [self.0[0]; 2 * LIMBS - 1];
        for limb in 1..LIMBS {
            around[limb - 1] = v.mul(self.0[limb], v.splat(19));
            around[limb + LIMBS - 1] = self.0[limb];
        }
        around
    }

    /// Near again: two chains of carries side by side, and once more where each began.
    #[inline(always)]
    fn carried<V: Vector>(mut self, v: V) -> Lanes {
        self.carry(v, 0);
        self.carry(v, 5);
        self.carry(v, 1);
        self.carry(v, 6);
        self.carry(v, 2);
        self.carry(v, 7);
        self.carry(v, 3);
        self.carry(v, 8);
        self.carry(v, 4);
        self.carry(v, 9);
        self.carry(v, 5);
        self.carry(v, 0);
        self
    }

    /// Moves on what is over a limb's bits.
    #[inline(always)]
    fn carry<V: Vector>(&mut self, v: V, limb: usize) {
        let limbs = &mut self.0;
        let over = v.shr(limbs[limb], bits(limb));
        limbs[limb] = v.and(limbs[limb], v.splat((1 << bits(limb)) - 1));
        if limb + 1 < LIMBS {
            limbs[limb + 1] = v.add(limbs[limb + 1], over);
        } else {
            let eighteen = v.add(v.shl(over, 4), v.shl(over, 1));
            limbs[0] = v.add(limbs[0], v.add(eighteen, over));
        }
    }
}

/// The sum of all products of two limbs that belong to one.
#[inline(always)]
fn column<V: Vector>(v: V, limbs: &[u64x4; LIMBS], around: &Around, column: usize) -> u64x4 {
    let mut sum = v.mul(limbs[0], around[column + 9]);
    for limb in 1..LIMBS {
        sum = v.add(sum, v.mul(limbs[limb], around[column + 9 - limb]));
    }
    sum
}

/// The same of two equal numbers: `twice` where a limb meets a later one, `once` where it meets
/// itself, which is in even columns.
#[inline(always)]
fn column_of_square<V: Vector>(
    v: V,
    twice: &[u64x4; LIMBS],
    once: &[u64x4; LIMBS],
    around: &Around,
    column: usize,
) -> u64x4 {
    let mut sum = v.splat(0);
    for limb in 0..column.div_ceil(2) {
        sum = v.add(sum, v.mul(twice[limb], around[column + 9 - limb]));
    }
    for limb in column + 1..(column + 11) / 2 {
        sum = v.add(sum, v.mul(twice[limb], around[column + 9 - limb]));
    }
    if column.is_multiple_of(2) {
        let (low, high) = (column / 2, column / 2 + 5);
        sum = v.add(sum, v.mul(once[low], around[column + 9 - low]));
        sum = v.add(sum, v.mul(once[high], around[column + 9 - high]));
    }
    sum
}

#[cfg(test)]
mod tests;
