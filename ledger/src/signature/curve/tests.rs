//! Held against curve25519-dalek, which shares neither the curve nor the addition nor the encoding.

use super::super::vector::{Words, Work, run};
use super::*;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

fn point(of: &EdwardsPoint) -> Point {
    Point::decoded(of.compress().as_bytes())
}

/// A point anywhere on the curve but of small order, outside the subgroup of prime order too.
fn anywhere() -> impl Strategy<Value = EdwardsPoint> {
    (any::<[u8; 32]>(), 0..8_usize)
        .prop_map(|(scalar, torsion)| {
            let scalar = Scalar::from_bytes_mod_order(scalar);
            ED25519_BASEPOINT_POINT * scalar + EIGHT_TORSION[torsion]
        })
        .prop_filter("of small order", |point| !point.is_small_order())
}

/// Four sums, each of its addend taken twice with the signs that are given.
struct Twice<'a>(&'a [Point; LANES], &'a [Point; LANES], [u64x4; 2]);

impl Work for Twice<'_> {
    type Output = Result<[Point; LANES], NoSlope>;

    #[inline(always)]
    fn with<V: Vector>(self, v: V) -> Self::Output {
        let Twice(sums, addends, signs) = self;
        let mut sums = [Points::of(v, sums.each_ref())];
        for negative in signs {
            let addend = Points::of(v, addends.each_ref()).negative_if(v, negative);
            add_each(v, &mut sums, &[addend], &mut Room::default())?;
        }
        Ok(sums[0].points())
    }
}

proptest! {
    #[test]
    fn sums_and_differences_are_those_of_dalek(
        sums in prop::array::uniform4(anywhere()),
        addends in prop::array::uniform4(anywhere()),
        signs: [[bool; LANES]; 2],
    ) {
        let ours = (sums.each_ref().map(point), addends.each_ref().map(point));
        let negative = signs.map(|signs| pulp::cast(signs.map(|negative| if negative { u64::MAX } else { 0 })));
        let mut expected = sums;
        for signs in signs {
            for ((sum, addend), negative) in expected.iter_mut().zip(&addends).zip(signs) {
                *sum = if negative { *sum - addend } else { *sum + addend };
            }
        }
        let expected = expected.map(|point| point.compress().0);
        for sums in [run(Twice(&ours.0, &ours.1, negative)), Twice(&ours.0, &ours.1, negative).with(Words)] {
            // To add and take away again passes through no point without a slope but by chance.
            let sums = sums.expect("slopes");
            prop_assert_eq!(Point::encoded(&sums).expect("no point of order 2"), expected);
        }
    }

    #[test]
    fn a_point_twice_is_that_of_dalek(point in anywhere()) {
        let twice = super::tests::point(&point).doubled();
        prop_assert_eq!(Point::encoded(&[twice]), Some(vec![(point + point).compress().0]));
    }
}

#[test]
fn encodings_come_back_however_many() {
    let mut points = vec![ED25519_BASEPOINT_POINT];
    points.extend(EIGHT_TORSION.map(|torsion| ED25519_BASEPOINT_POINT + torsion));
    for count in 0..=points.len() {
        let ours: Vec<Point> = points[..count].iter().map(point).collect();
        let expected = points[..count].iter().map(|point| point.compress().0);
        assert_eq!(Point::encoded(&ours), Some(expected.collect()));
    }
}

#[test]
fn what_has_no_slope_is_refused_wherever_it_stands() {
    let base = ED25519_BASEPOINT_POINT;
    let other = point(&(base * Scalar::from(5_u8)));
    // Equal, opposite, and one whose sum with the other is of order 2 and has no encoding here.
    let none = u64x4(0, 0, 0, 0);
    for lane in 0..LANES {
        let mut sums = [other; LANES];
        sums[lane] = point(&base);
        for alike in [base, -base] {
            let addends = [point(&alike); LANES];
            assert!(run(Twice(&sums, &addends, [none; 2])).is_err());
        }
    }
    let of_order_2 = EIGHT_TORSION[4];
    let halves = [point(&(base + of_order_2)); LANES];
    let back = [point(&base); LANES];
    let added_and_gone = [pulp::cast([u64::MAX; LANES]), none];
    // (base + T) − base = T of order 2, then + base again.
    let again = run(Twice(&halves, &back, added_and_gone)).expect("T has slopes");
    let expected = vec![(base + of_order_2).compress().0; LANES];
    assert_eq!(Point::encoded(&again), Some(expected));
    let mut of_two = [Points::of(Words, halves.each_ref())];
    let minus =
        Points::of(Words, back.each_ref()).negative_if(Words, pulp::cast([u64::MAX; LANES]));
    add_each(Words, &mut of_two, &[minus], &mut Room::default()).expect("slopes");
    assert_eq!(Point::encoded(&of_two[0].points()), None);
}
