//! Held against curve25519-dalek, which shares neither the addition nor the encoding.

use super::*;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;

fn point(of: &EdwardsPoint) -> Point {
    Point::decoded(of.compress().as_bytes())
}

/// A point anywhere on the curve, outside the subgroup of prime order too.
fn anywhere() -> impl Strategy<Value = EdwardsPoint> {
    (any::<[u8; 32]>(), 0..8_usize).prop_map(|(scalar, torsion)| {
        ED25519_BASEPOINT_POINT * Scalar::from_bytes_mod_order(scalar) + EIGHT_TORSION[torsion]
    })
}

proptest! {
    #[test]
    fn sums_and_differences_are_those_of_dalek(points in prop::collection::vec(anywhere(), 1..9), signs: [bool; 9]) {
        let ours: Vec<Point> = points.iter().map(point).collect();
        let addends = Point::addends(&ours);
        let (mut sum, mut expected) = (Point::NEUTRAL, EdwardsPoint::default());
        let mut sums = vec![sum];
        let mut encodings = vec![expected.compress().0];
        for ((addend, point), negative) in addends.iter().zip(&points).zip(signs) {
            sum.add(addend, negative);
            expected = if negative { expected - point } else { expected + point };
            sums.push(sum);
            encodings.push(expected.compress().0);
        }
        prop_assert_eq!(Point::encoded(&sums), encodings);
    }
}

#[test]
fn points_that_other_formulas_take_apart_are_added_like_all() {
    let mut points = EIGHT_TORSION.to_vec();
    points.extend(EIGHT_TORSION.map(|torsion| ED25519_BASEPOINT_POINT + torsion));
    for a in &points {
        for b in &points {
            let addend = Point::addends(&[point(b)])[0];
            let (mut sum, mut difference) = (point(a), point(a));
            sum.add(&addend, false);
            difference.add(&addend, true);
            let expected = [(a + b).compress().0, (a - b).compress().0];
            assert_eq!(Point::encoded(&[sum, difference]), expected);
        }
    }
}

#[test]
fn nothing_is_the_sum_of_nothing() {
    assert!(Point::encoded(&[]).is_empty());
    assert!(Point::addends(&[]).is_empty());
}
