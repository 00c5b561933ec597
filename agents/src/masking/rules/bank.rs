//! Bank accounts. There is no check digit: seven digits count only in a bank's words.

use super::sought::Sought;
use super::{Asked, Find, blocked, digits, pattern};
use crate::masking::chars::one_of;
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "bank";

/// A word that says account by itself, then the number.
pub(super) static LABELLED: Sought = Sought::new(|| {
    r#"(?i)(?:口座番号|口座no\.?|口座|account[ _-]?(?:number|num|no\.?)|acct[ _-]?(?:number|no\.?)|bank[_ -]?account|acc[_ -]?no)[^\d\n]{0,14}\n?[^\d\n]{0,4}(\d{3}-?\d{4}|\d{6,8})"#.into()
});
/// A kind of deposit, then the number: an account only near a bank.
pub(super) static DEPOSIT: Sought = Sought::new(|| {
    r"(?i)(?:普通|当座|貯蓄|\(普\)|\(当\)|[・/ ]普|ordinary|savings|checking)[^\d\n]{0,12}\n?[^\d\n]{0,4}(\d{3}-?\d{4}|\d{6,8})".into()
});
pub(super) static BRANCH: Sought = Sought::new(|| {
    r"(?:銀行|信用金庫|信金|信組|信用組合|農協|労金|JA|bank)[^\n\d]{0,20}(?:支店|本店|出張所|営業部|店番|branch)[^\d\n]{0,10}(?:\d{3}[^\d\n]{1,8})?(\d{7})".into()
});
static BANK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)銀行|信用金庫|信金|信用組合|信組|農協|労働金庫|労金|支店|振込|振り込み|お振込|預金|口座|ゆうちょ|名義|返金先|bank|branch|iban|swift",
    )
});
/// Japan Post Bank: 記号 1xxx0, 番号 up to eight digits that end in 1.
static POST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:記号)?[^\d\n]{0,6}(1\d{3}0(?:-\d)?[- ]{0,2}(?:[^\d\n]{0,4}番号[^\d\n]{0,6})?\n?(?:番号[^\d\n]{0,6})?\d{1,7}1)",
    )
});
static IBAN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?"));

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    let mut add = |range: std::ops::Range<usize>, near_bank: bool, evidence: &'static str| {
        let (start, end) = (view.at_byte(range.start), view.at_byte(range.end));
        if is_amount(view, start, end) || (near_bank && !is_near_bank(view, start, end)) {
            return;
        }
        let evidence = Evidence::of(evidence);
        out.push(blocked(view, start, end, SpanKind::Bank, NAME, evidence));
    };
    let headed = |w: &[u8]| {
        w[..2].iter().all(u8::is_ascii_uppercase) && w[2..].iter().all(u8::is_ascii_digit)
    };
    let iban = view.text.as_bytes().windows(4).any(headed);
    for hit in IBAN.find_iter(if iban { &view.text } else { "" }) {
        if is_iban(hit.as_str()) {
            add(hit.range(), false, "IBAN check digits valid");
        }
    }
    let digits = !view.numbers().is_empty();
    let words = [
        (&LABELLED, false, "account label"),
        (&DEPOSIT, true, "kind of deposit near a bank"),
        (&BRANCH, false, "bank and branch"),
    ];
    for (sought, near_bank, evidence) in words.into_iter().filter(|_| digits) {
        for hit in sought.captures_iter(view) {
            add(hit.get(1).unwrap_or(0..0), near_bank, evidence);
        }
    }
    let post = ["記号", "ゆうちょ", "郵便貯金"]
        .iter()
        .any(|word| view.text.contains(word));
    for hit in POST.captures_iter(if post { &view.text } else { "" }) {
        let whole = hit.get(0).map_or("", |m| m.as_str());
        let labelled = whole.contains("記号") || whole.contains("番号");
        let range = hit.get(1).map_or(0..0, |m| m.range());
        let near = view.slice(
            view.at_byte(range.start).saturating_sub(30),
            view.at_byte(range.start),
        );
        if (labelled && whole.contains("記号"))
            || near.contains("ゆうちょ")
            || near.contains("郵便貯金")
        {
            add(range, false, "form of Japan Post Bank");
        }
    }
}

/// More digits, a unit or a decimal point beside it: a sum, a date, another number.
fn is_amount(view: &View, start: usize, end: usize) -> bool {
    let next = view.get(end);
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    start >= end
        || digit(next)
        || digit(view.before(start))
        || next.is_some_and(|c| one_of!("円件人名個年万*", c))
        || (next.is_some_and(|c| matches!(c, '-' | ',' | '.')) && digit(view.get(end + 1)))
        || match view.before(start) {
            Some('\\' | '$') => true,
            // 0.1234567 and 1,234,567, but No.1234567 and a cell of its own.
            Some('.' | ',') => digit(view.before(start - 1)),
            _ => false,
        }
}

fn is_near_bank(view: &View, start: usize, end: usize) -> bool {
    let window = view.slice(start.saturating_sub(60), (end + 40).min(view.len()));
    BANK.is_match(window)
}

/// ISO 13616: the rearranged number is 1 mod 97.
fn is_iban(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != ' ').collect();
    if !(15..=34).contains(&compact.len()) || digits(&compact).len() < 8 {
        return false;
    }
    let (head, tail) = compact.split_at(4);
    let rest = tail.chars().chain(head.chars()).try_fold(0u32, |rest, c| {
        let value = c.to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((rest * shift + value) % 97)
    });
    rest == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{blocks, passes};

    #[test]
    fn an_account_in_a_banks_words_blocks() {
        for text in [
            "振込先は山吹銀行 本町支店 普通 1234567 です",
            "口座番号：１２３４５６７",
            "{\"account_number\":\"1234567\"}",
            "ゆうちょ 記号 10120 番号 12345671",
            "山吹銀行本町支店（普）7654321",
            "IBAN GB82 WEST 1234 5698 7654 32",
        ] {
            blocks(text, SpanKind::Bank);
        }
    }

    #[test]
    fn numbers_without_a_bank_pass() {
        for text in [
            "普通に 1234567 件",
            "口座開設は2026年から",
            "銀行の手数料は 1234567円",
            "郵便番号 123-4567",
            "受付 1234567",
        ] {
            passes(text);
        }
        assert!(!is_iban("GB82 WEST 1234 5698 7654 33"));
    }
}
