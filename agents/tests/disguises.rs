//! Values in disguise: invented ones of each kind, by each disguise and by each two of them, after a
//! label and bare. What is caught is masked whole, or blocks the text. Of a hundred 95 must be,
//! for each disguise and for each kind; `DISGUISES=1` prints what is missed.

mod common;

use agents::masking::{Masker, Policy, TagKey, Verdict};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::Dice;
use std::collections::BTreeMap;

/// Values of each kind that every disguise is put on.
const VALUES: usize = 12;

impl Dice {
    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn chars(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }

    fn digits(&mut self, count: usize) -> String {
        self.chars("0123456789", count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Name,
    Phone,
    Mailbox,
    Address,
    MyNumber,
    Card,
    Key,
}

use Kind::*;

const KINDS: [Kind; 7] = [Name, Phone, Mailbox, Address, MyNumber, Card, Key];

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Name => "氏名",
            Phone => "電話",
            Mailbox => "メール",
            Address => "住所",
            MyNumber => "マイナンバー",
            Card => "カード番号",
            Key => "APIキー",
        }
    }

    fn blocks(self) -> bool {
        matches!(self, MyNumber | Card | Key)
    }

    fn value(self, dice: &mut Dice) -> String {
        const SURNAMES: [&str; 8] = [
            "佐伯",
            "長谷川",
            "三宅",
            "中村",
            "大久保",
            "齋藤",
            "髙橋",
            "渡邉",
        ];
        const GIVEN: [&str; 6] = ["健一", "美穂", "翔太", "由美子", "浩二", "さくら"];
        const PLACES: [&str; 6] = [
            "東京都千代田区丸の内",
            "神奈川県横浜市西区高島",
            "大阪府大阪市北区梅田",
            "札幌市中央区北一条西",
            "愛知県名古屋市中村区名駅",
            "福岡市博多区博多駅前",
        ];
        match self {
            Name => format!("{}{}", dice.of(&SURNAMES), dice.of(&GIVEN)),
            Phone => {
                let area = dice.of(&["090-5550", "080-1234", "03-5555", "0466-55", "0120-555"]);
                let rest = if area.starts_with("0120") { 3 } else { 4 };
                format!("{area}-{}", dice.digits(rest))
            }
            Mailbox => {
                let (given, surname) = (
                    dice.of(&["taro", "yumi", "koji"]),
                    dice.of(&["saeki", "miyake"]),
                );
                format!("{given}.{surname}{}@example.co.jp", dice.below(90))
            }
            Address => {
                let mut number = || 1 + dice.below(20);
                let tail = format!("{}-{}-{}", number(), number(), number());
                format!("{}{tail}", dice.of(&PLACES))
            }
            MyNumber => {
                let digits = dice.digits(11);
                let sum: usize = digits
                    .bytes()
                    .rev()
                    .zip(1..)
                    .map(|(digit, n)| {
                        usize::from(digit - b'0') * if n <= 6 { n + 1 } else { n - 5 }
                    })
                    .sum();
                let check = 11 - sum % 11;
                let digits = format!("{digits}{}", if check > 9 { 0 } else { check });
                format!("{}-{}-{}", &digits[..4], &digits[4..8], &digits[8..])
            }
            Card => {
                let digits = format!("4{}", dice.digits(14));
                let sum: u32 = digits
                    .bytes()
                    .rev()
                    .enumerate()
                    .map(|(at, digit)| match u32::from(digit - b'0') {
                        digit if at % 2 == 1 => digit,
                        digit => digit * 2 - if digit > 4 { 9 } else { 0 },
                    })
                    .sum();
                let digits = format!("{digits}{}", (10 - sum % 10) % 10);
                [0, 4, 8, 12].map(|at| &digits[at..at + 4]).join("-")
            }
            Key => {
                let letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz0123456789";
                match dice.below(2) {
                    0 => format!("ghp_{}", dice.chars(letters, 36)),
                    _ => format!("AKIA{}", dice.chars("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disguise {
    FullWidth,
    ZeroWidth,
    Hyphens,
    KanjiDigits,
    JsonEscapes,
    HtmlEntities,
    UrlEncoding,
    Base64,
}

use Disguise::*;

const DISGUISES: [Disguise; 8] = [
    FullWidth,
    ZeroWidth,
    Hyphens,
    KanjiDigits,
    JsonEscapes,
    HtmlEntities,
    UrlEncoding,
    Base64,
];

impl Disguise {
    /// Whether a value of this kind looks otherwise in it.
    fn fits(self, kind: Kind) -> bool {
        match self {
            Hyphens => !matches!(kind, Name | Mailbox | Key),
            // Digits of a code are no number that is spelled out.
            KanjiDigits => !matches!(kind, Name | Mailbox | Key),
            _ => true,
        }
    }

    /// Whether anybody puts it over that other one: digits and hyphens of a code are no value's.
    fn over(self, inner: Disguise) -> bool {
        match self {
            Hyphens | KanjiDigits => matches!(inner, Hyphens | KanjiDigits | ZeroWidth),
            _ => true,
        }
    }

    fn put_on(self, text: &str, dice: &mut Dice) -> String {
        let each = |f: &mut dyn FnMut(char) -> String| text.chars().map(f).collect::<String>();
        match self {
            FullWidth => each(&mut |c| match c {
                '!'..='~' => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c).into(),
                c => c.into(),
            }),
            // Between characters: what is behind the last one is no part of the value.
            ZeroWidth => {
                let between = |dice: &mut Dice| dice.of(&["\u{200B}", "\u{2060}", "\u{FEFF}", ""]);
                let mut chars = text.chars();
                let first: String = chars.next().into_iter().collect();
                chars.fold(first, |text, c| format!("{text}{}{c}", between(dice)))
            }
            Hyphens => {
                let hyphen = dice.of(&["‐", "‑", "–", "—", "−", "ー", "〜", "ｰ"]);
                text.replace('-', hyphen)
            }
            KanjiDigits => each(&mut |c| match c.to_digit(10) {
                Some(digit) => "〇一二三四五六七八九"
                    .chars()
                    .nth(digit as usize)
                    .into_iter()
                    .collect(),
                None => c.into(),
            }),
            JsonEscapes => text
                .encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect(),
            HtmlEntities => match dice.below(2) {
                0 => each(&mut |c| format!("&#{};", c as u32)),
                _ => each(&mut |c| format!("&#x{:X};", c as u32)),
            },
            UrlEncoding => text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            Base64 => BASE64_STANDARD.encode(text),
        }
    }
}

/// Whether the text is blocked, or nothing of the value stays as it stood there.
fn is_caught(masker: &Masker, kind: Kind, before: &str, value: &str, after: &str) -> bool {
    let masked = masker.text(&format!("{before}{value}{after}"));
    if kind.blocks() {
        return masked.verdict == Verdict::Block;
    }
    let start = before.chars().count();
    let hidden = |at: usize| {
        let mut spans = masked.spans.iter();
        spans.any(|span| span.start <= at && at < span.end)
    };
    masked.verdict == Verdict::Allow
        && !masked.masked.contains(value)
        && (start..start + value.chars().count()).all(hidden)
}

#[derive(Default)]
struct Level {
    all: usize,
    missed: Vec<String>,
}

impl Level {
    fn count(&mut self, missed: Option<String>) {
        self.all += 1;
        self.missed.extend(missed);
    }

    fn reached(&self) -> f64 {
        1.0 - self.missed.len() as f64 / self.all as f64
    }
}

#[test]
fn of_values_in_disguise_95_of_100_are_caught() {
    let masker =
        Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound");
    let one = DISGUISES.map(|disguise| vec![disguise]);
    let two = DISGUISES.iter().flat_map(|inner| {
        let over = DISGUISES
            .iter()
            .filter(move |outer| *outer != inner && outer.over(*inner));
        over.map(|outer| vec![*inner, *outer])
    });
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    let mut dice = Dice(4);
    for disguises in one.into_iter().chain(two) {
        for kind in KINDS {
            if !disguises.iter().all(|disguise| disguise.fits(kind)) {
                continue;
            }
            for _ in 0..VALUES {
                let plain = kind.value(&mut dice);
                // An honorific stands behind a name, not in it; base64 holds both.
                let honorific = if kind == Name { "様" } else { "" };
                let (value, behind) = match disguises.contains(&Base64) {
                    true => (format!("{plain}{honorific}"), ""),
                    false => (plain.clone(), honorific),
                };
                let [value, behind] = [&value, behind].map(|text| {
                    let put_on = |text: String, over: &Disguise| over.put_on(&text, &mut dice);
                    disguises.iter().fold(text.to_owned(), put_on)
                });
                let end = format!("{behind}\nよろしくお願いいたします。");
                let labelled = format!("お世話になっております。\n{}：", kind.label());
                let bare = "お世話になっております。\n".to_owned();
                for (place, before) in [("after a label", labelled), ("bare", bare)] {
                    let caught = is_caught(&masker, kind, &before, &value, &end);
                    let missed = (!caught).then(|| format!("{plain}, {place}: {value}"));
                    let groups = [
                        format!("{disguises:?}"),
                        format!("{kind:?}"),
                        place.to_owned(),
                    ];
                    for group in groups {
                        levels.entry(group).or_default().count(missed.clone());
                    }
                }
            }
        }
    }
    let talk = std::env::var("DISGUISES").is_ok();
    let mut low = Vec::new();
    for (group, level) in &levels {
        let line = format!("{group}: {:.3} of {}", level.reached(), level.all);
        let poor = level.reached() < 0.95;
        if talk || poor {
            println!("{line}");
            let missed = level.missed.iter().take(8);
            missed.for_each(|missed| println!("    {missed:?}"));
        }
        low.extend(poor.then_some(line));
    }
    assert!(low.is_empty(), "caught too seldom: {low:#?}");
}
