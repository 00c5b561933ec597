//! Held against num-bigint, above all where words run over: each word of both numbers is one of
//! those next to an edge.

use super::*;
use num_bigint::BigUint;
use proptest::prelude::*;

/// What is near zero, near the end of a word, and near the end of p's highest word.
const EDGES: [u64; 7] = [
    0,
    1,
    38,
    u64::MAX >> 1,
    u64::MAX - 38,
    u64::MAX - 18,
    u64::MAX,
];

fn p() -> BigUint {
    (BigUint::from(1_u8) << 255) - 19_u8
}

fn big(number: &Number) -> BigUint {
    BigUint::from_bytes_le(&number.0.map(u64::to_le_bytes).concat())
}

fn is(number: &Number, expected: &BigUint) -> bool {
    let expected = expected % p();
    BigUint::from_bytes_le(&number.bytes()) == expected
}

fn judge(a: &Number, b: &Number) {
    let (big_a, big_b) = (big(a), big(b));
    let (sum, product) = (&big_a + &big_b, &big_a * &big_b);
    let difference = p() * 3_u8 + &big_a - &big_b;
    assert!(is(&a.plus(b), &sum), "{:?} + {:?}", a.0, b.0);
    assert!(is(&a.minus(b), &difference), "{:?} - {:?}", a.0, b.0);
    assert!(is(&a.times(b), &product), "{:?} * {:?}", a.0, b.0);
}

/// The numbers of four such words.
fn edges() -> impl Iterator<Item = Number> {
    (0..EDGES.len().pow(4)).map(|place| {
        let digit = |word: u32| EDGES[place / EDGES.len().pow(word) % EDGES.len()];
        Number([digit(0), digit(1), digit(2), digit(3)])
    })
}

#[test]
fn numbers_next_to_every_edge_are_added_taken_away_and_multiplied() {
    // All of one side, and of the other those whose words are alike or stand at one edge of it.
    let few: Vec<Number> = edges()
        .filter(|number| number.0[1] == number.0[2])
        .collect();
    for a in edges() {
        assert!(is(&a, &big(&a)));
        for b in &few {
            judge(&a, b);
        }
    }
}

fn any_number() -> impl Strategy<Value = Number> {
    let word = prop_oneof![prop::sample::select(&EDGES[..]), any::<u64>()];
    prop::array::uniform4(word).prop_map(Number)
}

proptest! {
    #[test]
    fn any_numbers_are_added_taken_away_and_multiplied(a in any_number(), b in any_number()) {
        judge(&a, &b);
    }

    #[test]
    fn a_number_times_its_inverse_is_one_and_a_square_has_its_root(a in any_number()) {
        prop_assume!(a.bytes() != [0; 32]);
        prop_assert_eq!(a.times(&a.inverse()).bytes(), Number::ONE.bytes());
        let square = a.times(&a);
        let root = square.root();
        prop_assert_eq!(root.times(&root).bytes(), square.bytes());
    }

    #[test]
    fn bytes_come_back(bytes: [u8; 32]) {
        let number = Number::from_bytes(&bytes);
        prop_assert_eq!(big(&number), BigUint::from_bytes_le(&bytes));
        prop_assert_eq!(Number::from_bytes(&number.bytes()).bytes(), number.bytes());
    }
}
