//! No text takes more than time in proportion to its length, whatever repeats in it: units that a
//! generator draws, at doubling sizes. Times are compared with each other, never with a clock:
//! eight times the text may take 24 times as long, and a quadratic rule takes 64.

use agents::capture::Capture;
use agents::masking::{Dialect, Masker, Policy, TagKey};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Bytes of the shortest text that is timed; the longest has eight times as many.
const SHORTEST: usize = 8 << 10;
/// How much more than in proportion the longest may take.
const SLACK: u32 = 3;
/// A busy machine is slow for a while, a quadratic rule always.
const LOOKS: usize = 5;

fn masker() -> Masker {
    Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound")
}

/// The times of doubling sizes, the least of all looks, once they are in proportion.
fn in_proportion(time: impl Fn(u32) -> Duration) -> Result<(), Vec<Duration>> {
    let mut least = [Duration::MAX; 4];
    for _ in 0..LOOKS {
        for (power, least) in least.iter_mut().enumerate() {
            *least = time(1 << power).min(*least);
        }
        if least[3] < least[0] * 8 * SLACK {
            return Ok(());
        }
    }
    Err(least.to_vec())
}

/// What rules begin at, end at and look around for, beside any characters at all.
fn pieces() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "山田",
        "太郎",
        "様",
        "さん",
        "氏名：",
        "東京都",
        "千代田区",
        "1-2-3",
        "丁目",
        "〒",
        "03-",
        "090",
        "+81 ",
        "taro",
        "Yamada, ",
        "@",
        "example.jp",
        ".",
        "4111",
        "1234 5678 ",
        "マイナンバー",
        "銀行",
        "口座",
        "AKIA",
        "ghp_",
        "password=",
        "eyJ",
        "-----BEGIN ",
        "\\u5c71",
        "%E5%B1%B1",
        "&#23665;",
        "5bGx55Sw",
        "\\",
        "%",
        "&",
        "ﾔﾏﾀﾞ",
        "アア・",
        "ー",
        "\u{200B}",
        "か\u{3099}",
        " ",
        "、",
        "：",
        "\n",
        "\r\n",
        "\t",
        ",",
        "\"",
        "(",
        "「",
        "未公表",
        "株式会社",
        "From: ",
        "<",
        ">",
    ]);
    prop_oneof![6 => known.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from), 1 => "[ -~]{1,6}"]
}

proptest! {
    // Each look at a slow text takes long: that it is slow counts, not what its smallest form is.
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_text_that_doubles_takes_no_more_than_twice_the_time(
        unit in prop::collection::vec(pieces(), 1..8),
    ) {
        let (masker, unit) = (masker(), unit.concat());
        let shortest = unit.repeat(SHORTEST.div_ceil(unit.len()));
        let time = |times: u32| {
            let text = shortest.repeat(times as usize);
            let begun = Instant::now();
            let _ = masker.text(&text);
            begun.elapsed()
        };
        let slow = in_proportion(time);
        prop_assert!(slow.is_ok(), "{unit:?} takes {slow:?} for 1, 2, 4 and 8 times the text");
    }
}

/// A conversation with a tool's rows, no two of its strings alike: nothing is remembered.
fn body(bytes: usize) -> Vec<u8> {
    let message = |n: usize| {
        let rows: Vec<_> = (0..8)
            .map(|row| serde_json::json!({"id": 10 * n + row, "name": "佐伯 真由", "amount": 1200 + row}))
            .collect();
        let text = format!(
            "{n} 番目の依頼です。山田太郎様（03-5555-0142）へ先月の出荷実績をお送りください。"
        );
        serde_json::json!({"role": "user", "content": [
            {"type": "text", "text": text},
            {"type": "tool_result", "tool_use_id": format!("toolu_{n}"), "content": serde_json::json!(rows).to_string()},
        ]})
    };
    let one = message(1_000).to_string().len() + 1;
    let messages: Vec<_> = (0..bytes / one).map(message).collect();
    serde_json::to_vec(&serde_json::json!({"model": "m", "messages": messages})).expect("JSON")
}

#[test]
fn a_body_of_megabytes_takes_time_in_proportion() {
    let time = |times: u32| {
        let body = body((256 << 10) * times as usize);
        let begun = Instant::now();
        let masked = masker().body(&Capture::new(body), Dialect::Anthropic);
        assert!(masked.is_ok_and(|masked| !masked.masks.is_empty()));
        begun.elapsed()
    };
    let slow = in_proportion(time);
    assert!(slow.is_ok(), "{slow:?} for 1/4, 1/2, 1 and 2 MB");
}
