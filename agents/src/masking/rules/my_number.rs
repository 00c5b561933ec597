//! My Number (個人番号): twelve digits with a check digit. The law forbids keeping it.

use super::{Asked, Find, blocked, digits, label_before, numbers, pattern, stands_alone};
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "my-number";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\d{12}|\d{4}[- ./]\d{4}[- ./]\d{4}|\d{4}  ?\d{4}  ?\d{4}|\d{3}-\d{3}-\d{3}-\d{3}")
});
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)マイナンバー|まいなんばー|個人番号|my[ _-]?number|mynumber|kojin[ _-]?bango|individual[ _-]?number|マイナカード",
    )
});
/// Twelve digits that carriers, shops and clouds give out. One in ten has a right check digit.
static CONTRARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)追跡|伝票|送り状|問い?合わ?せ|注文|会員|顧客|受付|整理番号|管理番号|予約|登録番号|口座|荷物|お客様番号|契約|請求|製造|シリアル|型番|品番|ロット|資産番号|証券番号|社員番号|チケット|jan|ean|upc|isbn|imei|tracking|order|request|invoice|serial|account|arn|aws|\+81|tel|電話|(?:^|[^a-z])id\b|_id|trace|no\.?\b|ref|sku|timestamp|build|commit|ミリ秒",
    )
});

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    for (start, end, text) in numbers(view, &NUMBER) {
        let number = digits(text);
        if !is_valid(&number) || !stands_alone(view, start, end) {
            continue;
        }
        // The nearest label decides; without any a right check digit is reason enough to stop.
        let label = label_before(view, start, 24, &LABEL);
        let contrary = label_before(view, start, 20, &CONTRARY);
        let meant = match (label, contrary) {
            (Some(label), Some(contrary)) => label < contrary,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => {
                !number.ends_with("000000")
                    && !is_moment(&number)
                    && !column_is_contrary(view, start)
            }
        };
        if meant {
            let valid = Evidence::of("check digit valid");
            let evidence = label.map_or(valid, |_| valid.with("label"));
            out.push(blocked(
                view,
                start,
                end,
                SpanKind::MyNumber,
                NAME,
                evidence,
            ));
        }
    }
}

/// Check digit of the ordinance (総務省令 2014-85, article 5): weights 2 to 7, then 2 to 6, from the right.
fn is_valid(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let [body @ .., check] = digits.as_slice() else {
        return false;
    };
    if body.len() != 11 || body.iter().all(|d| d == check) {
        return false;
    }
    let sum: u32 = body
        .iter()
        .rev()
        .zip([2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6])
        .map(|(p, q)| p * q)
        .sum();
    let rest = sum % 11;
    *check == if rest <= 1 { 0 } else { 11 - rest }
}

/// `202611221530`: a time written as year to minute.
fn is_moment(number: &str) -> bool {
    let part = |a: usize, b: usize| {
        number
            .get(a..b)
            .and_then(|t| t.parse::<u32>().ok())
            .unwrap_or(99_999)
    };
    (1990..=2060).contains(&part(0, 4))
        && (1..=12).contains(&part(4, 6))
        && (1..=31).contains(&part(6, 8))
        && part(8, 10) < 24
        && part(10, 12) < 60
}

/// The head of a table's column says what stands below it.
fn column_is_contrary(view: &View, start: usize) -> bool {
    let Some(head) = super::person::table::column_head(view, start) else {
        return false;
    };
    CONTRARY.is_match(&head) && !LABEL.is_match(&head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{blocks, passes};

    #[test]
    fn the_check_digit_is_the_ordinances() {
        assert!(is_valid("123456789018"));
        assert!(!is_valid("123456789012"));
        for digit in '0'..='9' {
            assert_eq!(is_valid(&format!("12345678901{digit}")), digit == '8');
        }
    }

    #[test]
    fn a_my_number_blocks_labelled_or_bare_in_any_spelling() {
        for text in [
            "マイナンバーは1234 5678 9018です",
            "123456789018",
            "個人番号：１２３４５６７８９０１８",
            "番号は一二三四五六七八九〇一八",
            "{\"my_number\":\"123456789018\"}",
            "1 2 3 4 5 6 7 8 9 0 1 8",
            "123456\n789018",
            "MTIzNDU2Nzg5MDE4",
        ] {
            blocks(text, SpanKind::MyNumber);
        }
    }

    #[test]
    fn a_contrary_label_wins() {
        for text in [
            "追跡番号 1234-5678-9018",
            "会員番号：123456789018",
            "request_id=123456789018",
            "マイナンバーは123456789012",
            "202611221530",
            "0a1b-123456789018",
            "7000012050002",
        ] {
            passes(text);
        }
    }
}
