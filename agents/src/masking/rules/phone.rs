//! Subscriber numbers: the last four digits go, everything else stays as it was written.

use super::{Asked, Find, digits, label_before, numbers, pattern, stands_alone};
use crate::masking::normal::View;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "phone";

/// Japanese numbers, grouped or not, national or with the country code.
static DOMESTIC: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        (?: \+ ?81 [-\ .]? (?: \(0\) [-\ ]? | 0 )? | \(\+81\) \ ? 0? | \(? 0 )
        \d{1,4} (?: \)[-\ ]? | [-\ .()/]{1,2} )? \d{1,4} (?: \)[-\ ]? | [-\ .()/]{1,2} )? \d{3,4}",
    )
});
static FOREIGN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\+ ?[1-9]\d{0,2}(?:[-. ]?\(?\d{1,5}\)?){2,6}"));
/// A spreadsheet took the leading zero for decoration.
static CLIPPED: LazyLock<Regex> = LazyLock::new(|| pattern(r"[789]0[-]?\d{4}[-]?\d{4}"));

static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)tel\b|tel[:_.]|℡|電話|携帯|連絡先|連絡は|fax|ファックス|ファクス|phone|mobile|cell|折り返し|でんわ|ケータイ|直通|call|number is",
    )
});
static CONTRARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)注文|オーダー|型番|ロット|品番|品目|部品|isbn|issn|伝票|追跡|送り状|会員|顧客番号|顧客id|受付|整理番号|管理番号|製造番号|シリアル|問い?合わせ番号|予約番号|登録番号|jan\b|sku|order|serial|part|lot|invoice|ticket|tracking|version|バージョン|口座|振込|見積番号|契約番号|請求書?番号|承認番号|証券番号|図番|案件番号|機種(?:[^変]|$)",
    )
});

pub(super) fn find(view: &View, _: &Asked, out: &mut Vec<Find>) {
    for (start, end, text) in numbers(view, &DOMESTIC) {
        // The bracket before a bare number belongs to the sentence.
        let start = start + usize::from(text.starts_with('(') && !text.contains(')'));
        if let Some(value) = domestic(view.slice(start, end))
            && (stands_alone(view, start, end) || is_glued(view, start, end))
            && !is_contrary(view, start)
        {
            out.push(number(view, start, end, value, "numbering plan"));
        }
    }
    for (start, end, text) in numbers(view, &FOREIGN) {
        let value = digits(text);
        // A country code stands alone or runs on to the end: `+9999-12-31` is a year.
        let first = text[1..]
            .trim_start()
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(0);
        if matches!(first, 4..=6) {
            continue;
        }
        if (8..=15).contains(&value.len())
            && !value.starts_with("81")
            && stands_alone(view, start, end)
            && !view.before(start).is_some_and(|c| c == '=' || c == ')')
        {
            out.push(number(
                view,
                start,
                end,
                format!("+{value}"),
                "country code",
            ));
        }
    }
    for (start, end, text) in numbers(view, &CLIPPED) {
        if stands_alone(view, start, end)
            && label_before(view, start, 12, &LABEL).is_some()
            && !is_contrary(view, start)
        {
            out.push(number(
                view,
                start,
                end,
                format!("0{}", digits(text)),
                "numbering plan without its zero, after a label",
            ));
        }
    }
}

/// TEL045-…: the label touches the number.
fn is_glued(view: &View, start: usize, end: usize) -> bool {
    let head = view.slice(start.saturating_sub(5), start).to_lowercase();
    ["tel", "fax", "phone", "tel.", "ph"]
        .iter()
        .any(|label| head.ends_with(label))
        && !view
            .get(end)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '*')
}

/// The national digits of a number that the numbering plan has, grouped as it is grouped.
fn domestic(text: &str) -> Option<String> {
    let national = match text
        .strip_prefix("(+81)")
        .or_else(|| text.strip_prefix("+81"))
        .or_else(|| text.strip_prefix("+ 81"))
    {
        Some(rest) => format!("0{}", digits(rest).trim_start_matches('0')),
        None => digits(text),
    };
    let groups: Vec<usize> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|g| !g.is_empty())
        .map(str::len)
        .collect();
    let international = text.contains('+');
    let mobile = matches!(national.as_bytes(), [b'0', b'5'..=b'9', b'0', ..]);
    let area = matches!(national.as_bytes(), [b'0', b'1'..=b'9', ..]) && !mobile;
    let free = ["0120", "0570", "0800", "0990", "0180", "0170"]
        .iter()
        .any(|p| national.starts_with(p));
    let sound = match national.len() {
        11 if national.starts_with("0800") => {
            international || matches!(groups[..], [11] | [4, 3, 4] | [3, 4, 4])
        }
        11 => mobile && (international || matches!(groups[..], [11] | [3, 4, 4] | [3, 8] | [7, 4])),
        10 if free => international || matches!(groups[..], [10] | [4, 3, 3] | [4, 2, 4] | [4, 6]),
        10 => {
            area && (international
                || matches!(
                    groups[..],
                    [10] | [2, 4, 4] | [3, 3, 4] | [4, 2, 4] | [5, 1, 4]
                ))
        }
        _ => false,
    };
    // 0123456789 is the alphabet of numbers, not one of them.
    (sound && !"01234567890123456789".contains(&national)).then_some(national)
}

/// The nearest label decides: 注文番号 makes it an order, 電話 after that makes it a number again.
fn is_contrary(view: &View, start: usize) -> bool {
    let Some(contrary) = label_before(view, start, 18, &CONTRARY) else {
        return false;
    };
    // Another clause: the label spoke of something else.
    let between = view.slice(start - contrary, start);
    !between.contains(['\n', '。', '、', ',', ';', '|', '\t'])
        && label_before(view, start, 18, &LABEL).is_none_or(|label| label > contrary)
}

fn number(view: &View, start: usize, end: usize, value: String, evidence: &'static str) -> Find {
    let last: Vec<usize> = (start..end)
        .rev()
        .filter(|&i| view.chars[i].is_ascii_digit())
        .take(4)
        .collect();
    let mut replacement = String::new();
    // As it was written, if it was written in digits; in its normal form otherwise.
    let plain = view.is_plain(start, end);
    for i in start..end {
        if last.contains(&i) {
            replacement.push('*');
        } else if plain {
            replacement.extend(view.source(i));
        } else {
            replacement.push(view.chars[i]);
        }
    }
    Find {
        start,
        end,
        kind: SpanKind::Phone,
        rule: NAME,
        evidence: Evidence::of(evidence),
        replacement,
        value,
    }
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn the_last_four_digits_are_masked_in_any_notation() {
        for (text, want) in [
            ("090-1234-5678", "090-1234-****"),
            ("TEL:０３－１２３４－５６７８", "TEL:０３－１２３４－****"),
            ("(03)1234-5678まで", "(03)1234-****まで"),
            ("0466(23)4567", "0466(23)****"),
            ("08012345678", "0801234****"),
            ("0120-123-456", "0120-12*-***"),
            ("+81-90-1234-5678", "+81-90-1234-****"),
            ("+81 (0)3 1234 5678", "+81 (0)3 1234 ****"),
            ("+1 415-555-2671", "+1 415-555-****"),
            ("〇九〇-一二三四-五六七八", "090-1234-****"),
            ("0 9 0 - 1 2 3 4 - 5 6 7 8", "090-1234-****"),
            ("090-12\n34-5678", "090-1234-****"),
            ("機種変したら09012345678へ", "機種変したら0901234****へ"),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn orders_dates_and_service_numbers_stay() {
        for text in [
            "注文番号 03-2024-8602",
            "型番 MN-0120-123-456",
            "110番、119、188、#9110",
            "090-1234-567",
            "ISBN 978-4-06-123456-7",
            "2026-01-02 03:04:05",
            "A080-1234-5678",
            "090-1234-****",
            "10.0.0.1",
            "内線 1234",
        ] {
            unchanged(text);
        }
    }
}
