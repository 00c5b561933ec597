//! Payment card numbers: brand, length and Luhn together.

use super::{Asked, Find, blocked, digits, label_before, numbers, pattern, stands_alone};
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "card";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\d{13,19}|\d{4}[- ./]{1,2}\d{4}[- ./]{1,2}\d{4}[- ./]{1,2}\d{1,4}(?:[- ]\d{1,3})?|\d{4}[- ./]\d{6}[- ./]\d{4,5}",
    )
});
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)カード|クレジット|クレカ|card|visa|master|jcb|amex|diners|\bpan\b|cc[ _-]?(?:num|no)",
    )
});
static CONTRARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)imei|端末|シリアル|serial|追跡|伝票|送り状|注文|order|tracking|jan|ean|isbn|_id\b|\bid\b|request|トレース|trace|会員番号|受付|ポイントカード|診察券|timestamp",
    )
});

pub(super) fn find(view: &View, asked: &Asked, out: &mut Vec<Find>) {
    for (start, end, text) in numbers(view, &NUMBER) {
        let number = digits(text);
        if !is_brand(&number) || !is_luhn(&number) || !stands_alone(view, start, end) {
            continue;
        }
        let label = label_before(view, start, 24, &LABEL);
        let contrary = label_before(view, start, 20, &CONTRARY);
        let meant = match (label, contrary) {
            (Some(label), Some(contrary)) => label <= contrary,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            // Thirteen digits are more often a product's code (JAN 45…, 49…) than a card.
            (None, None) => number.len() > 13,
        };
        if meant && !(asked.policy.allow_test_cards && is_published_test(&number)) {
            let valid = Evidence::of("Luhn and issuer");
            let evidence = label.map_or(valid, |_| valid.with("label"));
            out.push(blocked(view, start, end, SpanKind::Card, NAME, evidence));
        }
    }
}

/// ISO/IEC 7812 ranges in use by the brands.
fn is_brand(number: &str) -> bool {
    let prefix = |n: usize| {
        number
            .get(..n)
            .and_then(|p| p.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let (one, two, three, four) = (prefix(1), prefix(2), prefix(3), prefix(4));
    match number.len() {
        13 => one == 4,
        14 => matches!(two, 36 | 38 | 39) || (300..=305).contains(&three) || three == 309,
        15 => matches!(two, 34 | 37),
        16 => {
            one == 4
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || (3528..=3589).contains(&four)
                || four == 6011
                || (644..=649).contains(&three)
                || matches!(two, 65 | 62)
        }
        17 | 18 => two == 62,
        19 => one == 4 || two == 62,
        _ => false,
    }
}

fn is_luhn(number: &str) -> bool {
    let sum: u32 = number
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(i, d)| match (i % 2, d * 2) {
            (0, _) => d,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10) && number.chars().any(|c| c != '0')
}

/// Numbers that payment providers publish for tests.
fn is_published_test(number: &str) -> bool {
    matches!(
        number,
        "4111111111111111"
            | "4242424242424242"
            | "4012888888881881"
            | "4000056655665556"
            | "5555555555554444"
            | "5105105105105100"
            | "2223003122003222"
            | "378282246310005"
            | "371449635398431"
            | "30569309025904"
            | "38520000023237"
            | "6011111111111117"
            | "6011000990139424"
            | "3530111333300000"
            | "3566002020360505"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{blocks, passes};

    #[test]
    fn every_changed_digit_fails_luhn() {
        for number in ["4111111111111111", "378282246310005"] {
            assert!(is_luhn(number) && is_brand(number));
            for at in 0..number.len() {
                for digit in b'0'..=b'9' {
                    let mut other = number.as_bytes().to_vec();
                    if other[at] != digit {
                        other[at] = digit;
                        assert!(!is_luhn(&String::from_utf8(other).expect("digits")));
                    }
                }
            }
        }
    }

    #[test]
    fn a_card_number_blocks_in_any_spelling() {
        for text in [
            "4111 1111 1111 1111",
            "カード番号：３７８２－８２２４６３－１０００５",
            "{\"pan\":\"5555-5555-5555-4444\"}",
            "41111111\n11111111",
            "4\u{200B}1111111\u{200B}11111111",
        ] {
            blocks(text, SpanKind::Card);
        }
    }

    #[test]
    fn other_long_numbers_pass() {
        for text in [
            "4111111111111112",
            "**** **** **** 1234",
            "IMEI 353918051234566",
            "JAN 4901234567894",
            "注文番号 4111111111111111",
            "1732250000000",
        ] {
            passes(text);
        }
    }
}
