//! Held against num-bigint, by AVX2 where it is there and word by word: above all where limbs are
//! as large as they may be.

use super::super::vector::{Words, Work, run};
use super::*;
use num_bigint::BigUint;
use proptest::prelude::*;

fn modulus() -> BigUint {
    (BigUint::from(1_u8) << 255) - 19_u8
}

type Limbs = [u64; LIMBS];

fn lanes(limbs: &[Limbs; LANES]) -> Lanes {
    Lanes(std::array::from_fn(|limb| {
        pulp::cast(limbs.map(|limbs| limbs[limb]))
    }))
}

fn big(limbs: &Limbs) -> BigUint {
    let mut at = 0;
    let mut sum = BigUint::ZERO;
    for (limb, value) in limbs.iter().enumerate() {
        sum += BigUint::from(*value) << at;
        at += bits(limb);
    }
    sum
}

fn all(lanes: &Lanes) -> [Limbs; LANES] {
    std::array::from_fn(|lane| {
        lanes.0.map(|limb| {
            let limb: [u64; LANES] = pulp::cast(limb);
            limb[lane]
        })
    })
}

/// The largest limb of a near number.
fn near(limb: usize) -> u64 {
    (1 << bits(limb)) + (1 << 16)
}

/// Four numbers of limbs up to so many times the largest of a near one: of zero, the largest, and
/// what lies between.
fn up_to(times: u64) -> impl Strategy<Value = [Limbs; LANES]> {
    const WHOLE: u64 = 1 << 20;
    let part = prop_oneof![Just(0), Just(WHOLE), 0..=WHOLE];
    let parts = prop::collection::vec(part, LANES * LIMBS);
    parts.prop_map(move |parts| {
        let limb = |lane, limb| parts[lane * LIMBS + limb] * times * near(limb) / WHOLE;
        std::array::from_fn(|lane| std::array::from_fn(|place| limb(lane, place)))
    })
}

/// All that is done with two numbers, the first up to four times near, and a third up to three.
struct Everything<'a>(&'a Lanes, &'a Lanes, &'a Lanes);

impl Work for Everything<'_> {
    type Output = [Lanes; 3];

    #[inline(always)]
    fn with<V: Vector>(self, v: V) -> [Lanes; 3] {
        let Everything(large, near, less) = self;
        [
            large.times(v, near),
            large.times_less(v, near, less),
            near.square_less(v, less),
        ]
    }
}

/// All that is done with near numbers.
struct OfNear<'a>(&'a Lanes, &'a Lanes);

impl Work for OfNear<'_> {
    type Output = [Lanes; 4];

    #[inline(always)]
    fn with<V: Vector>(self, v: V) -> [Lanes; 4] {
        let OfNear(a, b) = self;
        let alternately = u64x4(0, u64::MAX, u64::MAX, 0);
        [
            a.plus(v, b),
            a.minus(v, b),
            a.negative_if(v, alternately),
            Lanes::splat(v, &a.numbers()[0]),
        ]
    }
}

proptest! {
    #[test]
    fn products_are_those_of_whole_numbers(large in up_to(4), close in up_to(1), less in up_to(3)) {
        let p = modulus();
        let (a, b, c) = (lanes(&large), lanes(&close), lanes(&less));
        for [product, difference, square] in [run(Everything(&a, &b, &c)), Everything(&a, &b, &c).with(Words)] {
            for lane in 0..LANES {
                let expected = big(&large[lane]) * big(&close[lane]);
                prop_assert_eq!(big(&all(&product)[lane]) % &p, &expected % &p);
                let expected = expected + &p * 64_u8 - big(&less[lane]);
                prop_assert_eq!(big(&all(&difference)[lane]) % &p, &expected % &p);
                let expected = big(&close[lane]).pow(2) + &p * 64_u8 - big(&less[lane]);
                prop_assert_eq!(big(&all(&square)[lane]) % &p, &expected % &p);
                for limbs in [&product, &difference, &square].map(|lanes| all(lanes)[lane]) {
                    for (limb, value) in limbs.iter().enumerate() {
                        prop_assert!(*value <= near(limb), "limb {} is {}", limb, value);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_carried_is_as_large_as_said(one in up_to(1), other in up_to(1)) {
        let p = modulus();
        let (a, b) = (lanes(&one), lanes(&other));
        for [sum, difference, turned, first] in [run(OfNear(&a, &b)), OfNear(&a, &b).with(Words)] {
            for lane in 0..LANES {
                let (one, other) = (big(&one[lane]), big(&other[lane]));
                prop_assert_eq!(big(&all(&sum)[lane]), &one + &other);
                prop_assert_eq!(big(&all(&difference)[lane]) % &p, (&one + &p * 4_u8 - &other) % &p);
                let negative = if lane == 1 || lane == 2 { &p * 4_u8 - &one } else { one.clone() };
                prop_assert_eq!(big(&all(&turned)[lane]) % &p, negative % &p);
                for limb in 0..LIMBS {
                    prop_assert!(all(&difference)[lane][limb] <= 3 * near(limb));
                    prop_assert!(all(&turned)[lane][limb] <= 2 * near(limb));
                }
            }
            for lane in all(&first) {
                prop_assert_eq!(big(&lane), big(&one[0]) % &p);
            }
        }
    }

    #[test]
    fn numbers_come_back(one in up_to(1)) {
        let p = modulus();
        for (number, limbs) in lanes(&one).numbers().iter().zip(&one) {
            prop_assert_eq!(BigUint::from_bytes_le(&number.bytes()), big(limbs) % &p);
            prop_assert_eq!(BigUint::from_bytes_le(&number.0.map(u64::to_le_bytes).concat()), big(limbs) % &p);
        }
    }
}
