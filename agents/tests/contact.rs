//! Addresses, phone numbers, mailboxes and what may not be sent at all, in texts that the rules were not written for.
//! The levels are floors: what falls below them has become worse.
//!
//! `contact/README.md` says how the texts are written. `CONTACT=read` prints the mistakes in the odd lines.

mod common;

use agents::masking::{Masker, Policy, SpanKind, TagKey, Verdict};
use common::Dice;
use std::collections::BTreeMap;

/// Each text to block, or to let pass, is filled this often, with other numbers each time.
const ROUNDS: usize = 20;

/// Odd lines may be read while rules are written; of the even ones only the figures are.
#[derive(Clone, Copy, PartialEq)]
enum Half {
    Read,
    Unread,
}

impl Half {
    fn lines(self, file: &'static str) -> impl Iterator<Item = &'static str> {
        file.lines()
            .skip(usize::from(self == Half::Unread))
            .step_by(2)
    }

    fn talks(self) -> bool {
        self == Half::Read && std::env::var("CONTACT").is_ok_and(|wanted| wanted == "read")
    }
}

fn masker() -> Masker {
    Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound")
}

/// `{A|…}`, `{P|…}`, `{E|…}` are what must be masked: an address, a phone number, a mailbox.
fn marked(line: &str) -> (String, Vec<(SpanKind, usize, usize)>) {
    let (mut text, mut wanted) = (String::new(), Vec::new());
    let line = line.replace('⏎', "\n");
    let mut rest = line.as_str();
    let kinds = [
        ("{A|", SpanKind::Address),
        ("{P|", SpanKind::Phone),
        ("{E|", SpanKind::Email),
    ];
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        let kind = kinds.iter().find(|(mark, _)| rest[at..].starts_with(mark));
        let Some((mark, kind)) = kind else {
            text.push('{');
            rest = &rest[at + 1..];
            continue;
        };
        let (value, after) = rest[at + mark.len()..]
            .split_once('}')
            .expect("a mark is closed");
        let start = text.chars().count();
        text.push_str(value);
        wanted.push((*kind, start, text.chars().count()));
        rest = after;
    }
    text.push_str(rest);
    (text, wanted)
}

#[derive(Default)]
struct Level {
    wanted: usize,
    found: usize,
    masks: usize,
    right: usize,
}

fn level(half: Half, kind: SpanKind) -> Level {
    let masker = masker();
    let mut level = Level::default();
    for line in half.lines(include_str!("contact/texts.txt")) {
        let (text, wanted) = marked(line);
        let wanted: Vec<_> = wanted.into_iter().filter(|w| w.0 == kind).collect();
        let spans = masker.text(&text).spans;
        let masks: Vec<_> = spans.iter().filter(|span| span.kind == kind).collect();
        // Half of what both cover is in both: the same value.
        let same = |a: (usize, usize), b: (usize, usize)| {
            let both = a.1.min(b.1).saturating_sub(a.0.max(b.0));
            2 * both >= a.1.max(b.1) - a.0.min(b.0)
        };
        let found = |w: &&(SpanKind, usize, usize)| {
            masks.iter().any(|m| same((w.1, w.2), (m.start, m.end)))
        };
        let found = wanted.iter().filter(found).count();
        let right = masks
            .iter()
            .filter(|m| wanted.iter().any(|w| same((w.1, w.2), (m.start, m.end))))
            .count();
        if half.talks() && (found < wanted.len() || right < masks.len()) {
            println!("{}: {text:?}", kind.word());
        }
        level.wanted += wanted.len();
        level.found += found;
        level.masks += masks.len();
        level.right += right;
    }
    level
}

fn check(half: Half, kind: SpanKind, recall: f64, precision: f64) {
    let level = level(half, kind);
    let reached = [
        level.found as f64 / level.wanted as f64,
        level.right as f64 / level.masks as f64,
    ];
    println!(
        "{}: recall {:.3} of {}, precision {:.3} of {}",
        kind.word(),
        reached[0],
        level.wanted,
        reached[1],
        level.masks
    );
    assert!(
        reached[0] >= recall && reached[1] >= precision,
        "{}: {reached:?}",
        kind.word()
    );
}

impl Dice {
    fn of(&mut self, count: usize, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..count)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }

    fn digits(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.below(10) as u32).collect()
    }

    /// Twelve digits of which the last checks the others.
    fn my_number(&mut self) -> Vec<u32> {
        let mut digits = self.digits(11);
        let weighted = digits.iter().rev().zip(1..).map(|(digit, place)| {
            let weight = if place <= 6 { place + 1 } else { place - 5 };
            digit * weight
        });
        let rest = weighted.sum::<u32>() % 11;
        digits.push(if rest <= 1 { 0 } else { 11 - rest });
        digits
    }

    /// A card's number of a brand, of so many digits.
    fn card(&mut self, brand: &[u32], length: usize) -> Vec<u32> {
        let mut digits = brand.to_vec();
        digits.extend(self.digits(length - 1 - brand.len()));
        digits.push((10 - luhn(&digits) % 10) % 10);
        digits
    }
}

/// What the digits before a check digit add up to.
fn luhn(digits: &[u32]) -> u32 {
    let doubled = |(place, digit): (usize, &u32)| match (place % 2, 2 * digit) {
        (0, double) if double > 9 => double - 9,
        (0, double) => double,
        _ => *digit,
    };
    digits.iter().rev().enumerate().map(doubled).sum()
}

fn grouped(digits: &[u32], sizes: &[usize], mark: &str) -> String {
    let mut digits = digits.iter().map(u32::to_string);
    let groups: Vec<String> = sizes
        .iter()
        .map(|size| digits.by_ref().take(*size).collect())
        .collect();
    groups.join(mark)
}

/// Digits as wide as kanji.
fn wide(text: &str) -> String {
    let wide = |c: char| match c {
        '0'..='9' => char::from_u32(c as u32 + 0xFEE0).unwrap_or(c),
        _ => c,
    };
    text.chars().map(wide).collect()
}

/// A hole's value; `contact/README.md` lists them.
fn value(hole: &str, dice: &mut Dice) -> Option<String> {
    const SMALL: &str = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
    let fours = [4; 4];
    Some(match hole {
        "M" => grouped(&dice.my_number(), &[12], ""),
        "N" => grouped(&dice.my_number(), &[4, 4, 4], "-"),
        "O" => grouped(&dice.my_number(), &[4, 4, 4], " "),
        "F" => wide(&grouped(&dice.my_number(), &[12], "")),
        "m" => {
            let mut digits = dice.my_number();
            digits[11] = (digits[11] + 1) % 10;
            grouped(&digits, &[12], "")
        }
        "V" => grouped(&dice.card(&[4], 16), &[16], ""),
        "W" => grouped(&dice.card(&[5, 3], 16), &fours, "-"),
        "X" => grouped(&dice.card(&[4], 16), &fours, " "),
        "Y" => wide(&grouped(&dice.card(&[5, 2], 16), &fours, "-")),
        "J" => grouped(&dice.card(&[3, 5, 4], 16), &fours, " "),
        "A" => grouped(&dice.card(&[3, 7], 15), &[4, 6, 5], "-"),
        "v" => {
            let mut digits = dice.card(&[4], 16);
            digits[15] = (digits[15] + 1) % 10;
            grouped(&digits, &[16], "")
        }
        _ if !hole.is_empty() && hole.chars().all(|c| c == 'd') => {
            dice.of(hole.len(), "0123456789")
        }
        _ => {
            let (count, kind) = hole.split_at(hole.len().checked_sub(1)?);
            let alphabet = match kind {
                "a" => SMALL,
                "A" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                "d" => "0123456789",
                "h" => "0123456789abcdef",
                _ => return None,
            };
            dice.of(count.parse().ok()?, alphabet)
        }
    })
}

fn filled(text: &str, dice: &mut Dice) -> String {
    let mut out = String::new();
    let text = text.replace('⏎', "\n");
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after
            .split_once('}')
            .and_then(|(hole, after)| Some((value(hole, dice)?, after)))
        {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

/// Texts to block that pass, and texts to let pass that are blocked, each with how many there are.
fn blocked(half: Half) -> [(usize, usize); 2] {
    let masker = masker();
    let mut dice = Dice(if half == Half::Read { 1 } else { 2 });
    let [mut missed, mut halted] = [(0, 0); 2];
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in half.lines(include_str!("contact/blocks.txt")) {
        let (wanted, text) = line.split_once('\t').expect("kind and text");
        for _ in 0..ROUNDS {
            let text = filled(text, &mut dice);
            let blocks = masker.text(&text).verdict == Verdict::Block;
            let (wrong, all) = match wanted {
                "pass" => &mut halted,
                _ => &mut missed,
            };
            *all += 1;
            if blocks == (wanted == "pass") {
                *wrong += 1;
                *kinds.entry(wanted).or_default() += 1;
                if half.talks() {
                    println!("{wanted}, but not so: {text:?}");
                }
            }
        }
    }
    println!("wrong by kind: {kinds:?}");
    [missed, halted]
}

fn check_blocks(half: Half, missed: f64, halted: f64) {
    let [m, h] = blocked(half);
    let reached = [m, h].map(|(wrong, all)| wrong as f64 / all as f64);
    println!(
        "block missed {:.3} of {}, false block {:.3} of {}",
        reached[0], m.1, reached[1], h.1
    );
    assert!(reached[0] <= missed && reached[1] <= halted, "{reached:?}");
}

#[test]
fn contact_data_is_found_in_the_texts_that_were_read() {
    check(Half::Read, SpanKind::Address, 1.0, 1.0);
    check(Half::Read, SpanKind::Phone, 1.0, 1.0);
    check(Half::Read, SpanKind::Email, 1.0, 1.0);
}

#[test]
fn contact_data_is_found_in_texts_that_nobody_looked_at() {
    check(Half::Unread, SpanKind::Address, 0.885, 0.939);
    check(Half::Unread, SpanKind::Phone, 1.0, 1.0);
    check(Half::Unread, SpanKind::Email, 1.0, 1.0);
}

#[test]
fn what_may_not_be_sent_is_blocked_in_the_texts_that_were_read() {
    check_blocks(Half::Read, 0.0, 0.0);
}

#[test]
fn what_may_not_be_sent_is_blocked_in_texts_that_nobody_looked_at() {
    check_blocks(Half::Unread, 0.0, 0.0);
}
