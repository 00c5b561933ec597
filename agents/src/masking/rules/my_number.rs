//! My Number (個人番号): twelve digits with a right check digit, or twelve that are called one. The
//! law forbids keeping it, and a digit that was mistyped does not make it another's number.

use super::person::table::Heads;
use super::{Asked, Find, blocked, digits, label_before, numbers, pattern, stands_alone};
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::cell::LazyCell;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "my-number";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\d{12}|\d{4}[- ./]\d{4}[- ./]\d{4}|\d{4}  ?\d{4}  ?\d{4}|\d{3}-\d{3}-\d{3}-\d{3}")
});
/// With what may stand between the words and the number: `my number no.`
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:マイナンバー|まいなんばー|マイナ番号|個人番号|個人ナンバー|\bmy[ _-]?number|_my_?number|(?-i:[a-z]MyNumber)|kojin[ _-]?bang(?:ou?|ō)|individual[ _-]?number|マイナカード)(?:[ _-]?(?:no\.?|id)\b)?",
    )
});
/// `(マイナンバー)` or `が私のマイナンバー` behind a number.
static CALLED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^ ?(?:[(\[【]|が|は|を)[^。\n\d]{0,8}(?:マイナンバー|個人番号)(?:です|だ|[)\]】。、 \n]|$)",
    )
});
/// Between two numbers under one label.
static NEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\s,、・/;|\x22'と-]{1,8}$"));
/// Twelve digits that carriers, shops and clouds give out. One in ten has a right check digit.
static CONTRARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)追跡|伝票|送り状|問い?合わ?せ|注文|会員|顧客|受付|整理番号|管理番号|予約|登録番号|口座|荷物|お客様番号|契約|請求|製造|シリアル|型番|品番|ロット|資産番号|証券番号|社員番号|チケット|jan|ean|upc|isbn|imei|tracking|order|request|invoice|serial|account|arn|aws|\+81|tel|電話|(?:^|[^a-z])id\b|_id|trace|no\.?\b|ref|sku|timestamp|build|commit|ミリ秒|日時|時刻",
    )
});

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    let labels = LazyCell::new(|| LABEL.is_match(&view.text));
    let mut heads = Heads::default();
    let mut labelled_until = None;
    for (start, end, text) in numbers(view, &NUMBER) {
        let number = digits(text);
        if is_one_digit(&number) || !stands_alone(view, start, end) {
            continue;
        }
        let valid = is_valid(&number);
        // Most numbers of twelve digits are neither: nothing around them is looked at.
        if !valid && !*labels {
            continue;
        }
        let called = called(view, start, end, labelled_until, &mut heads);
        if called == Called::My {
            labelled_until = Some(end);
        }
        let evidence = match called {
            Called::My if valid => Evidence::of("check digit valid").with("label"),
            Called::My => Evidence::of("labelled"),
            // Without any label a right check digit is reason enough to stop.
            Called::Nothing if valid && !number.ends_with("000000") && !is_moment(&number) => {
                Evidence::of("check digit valid")
            }
            _ => continue,
        };
        let kind = SpanKind::MyNumber;
        out.push(blocked(view, start, end, kind, NAME, evidence));
    }
}

/// What the words around a number call it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    My,
    Other,
    Nothing,
}

/// The nearest label decides; where none is near, the head of the column does.
fn called(
    view: &View,
    start: usize,
    end: usize,
    labelled_until: Option<usize>,
    heads: &mut Heads,
) -> Called {
    let label = label_before(view, start, 24, &LABEL);
    let contrary = label_before(view, start, 20, &CONTRARY);
    match (label, contrary) {
        (Some(label), Some(contrary)) if label <= contrary => return Called::My,
        (Some(_), None) => return Called::My,
        _ => {}
    }
    let behind = view.slice(end, view.len().min(end + 24));
    if contrary.is_none() && CALLED.is_match(behind) {
        return Called::My;
    }
    if labelled_until.is_some_and(|until| until < start && NEXT.is_match(view.slice(until, start)))
    {
        return Called::My;
    }
    let head = heads.above(view, start);
    let head = |regex: &Regex| head.is_some_and(|head| regex.is_match(head));
    // The cells before it in its row speak of other columns.
    if head(&LABEL) && !head(&CONTRARY) {
        Called::My
    } else if contrary.is_some() || head(&CONTRARY) {
        Called::Other
    } else {
        Called::Nothing
    }
}

/// What forms and tests have in the place of a number.
fn is_one_digit(number: &str) -> bool {
    number.bytes().all(|b| number.as_bytes()[0] == b)
}

/// Check digit of the ordinance (総務省令 2014-85, article 5): weights 2 to 7, then 2 to 6, from the right.
fn is_valid(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let [body @ .., check] = digits.as_slice() else {
        return false;
    };
    if body.len() != 11 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{blocks, masker, passes};

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
    fn what_is_called_a_my_number_blocks_whatever_its_check_digit() {
        for text in [
            "マイナンバーは123456789012",
            "個人番号：１２３４ ５６７８ ９０１２",
            "my number no. 1234-5678-9012",
            "kojin bango 123456789012",
            "{\"employeeMyNumber\": 123456789012}",
            "{\"kojin_bango\":\"123456789012\"}",
            "氏名,会員,マイナンバー\n山田,会員2,123456789012\n佐藤,会員3,234567890123",
            "| 氏名 | 個人番号 |\n|---|---|\n| 山田 | 1234 5678 9012 |",
            "マイナンバー\n1234 5678 9012",
            "123456789012（マイナンバー）",
            "1234 5678 9012が私のマイナンバーです",
            "追跡番号の件とは別に、マイナンバーは123456789012",
            "マイナンバー 202611221530",
        ] {
            blocks(text, SpanKind::MyNumber);
        }
        let both = masker().text("マイナンバー: 123456789018、123456789012");
        let why: Vec<String> = both.spans.iter().map(|s| s.evidence.to_string()).collect();
        assert_eq!(why, ["check digit valid + label", "labelled"]);
    }

    #[test]
    fn a_contrary_label_wins() {
        for text in [
            "追跡番号 1234-5678-9018",
            "会員番号：123456789018",
            "request_id=123456789018",
            "マイナンバーの件、追跡番号 1234-5678-9012",
            "マイナンバー制度のお問い合わせ番号は123456789018",
            "マイナンバーの登録日時 202611221530",
            "マイナンバー,伝票番号\n(別紙),123456789012",
            "123456789012",
            "dummy_number=123456789012",
            "マイナンバー制度とは、12桁の番号で個人を識別する仕組みです",
            "マイナンバー：0000-0000-0000",
            "マイナンバーの問い合わせは0120-95-0178",
            "202611221530",
            "0a1b-123456789018",
            "7000012050002",
        ] {
            passes(text);
        }
    }
}
