//! How the weights came to be: `UPDATE_MODEL=1 cargo test -p daicho-agents tagged` writes them again.
//!
//! Sentences are templates (`templates.txt`, `traps.txt`: own writing) filled by a seeded generator
//! with names of the word lists and with names that no list has, so that the surroundings are
//! learnt and not the lists. Every fourth template is held out; what the model is worth is measured
//! there. A logistic regression learns from the candidates of each sentence; its weights
//! are rounded to a byte. Only sums, products, quotients and square roots of floats are used, which
//! are exact by IEEE 754: the bytes are the same on every machine.

use super::{WEIGHTS, candidates, features};
use crate::masking::SpanKind;
use crate::masking::chars::is_han;
use crate::masking::normal;
use crate::masking::tests::masker;
use std::collections::{HashMap, HashSet};

const TEMPLATES: &str = include_str!("templates.txt");
const TRAPS: &str = include_str!("traps.txt");

/// Sentences per template.
const TRAINED: usize = 48;
const ASKED: usize = 12;
const ROUNDS: usize = 6;
/// A weight of one is so many steps of a byte.
const STEP: f32 = 24.0;

/// SplitMix64: one seed, one text.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % sides as u64) as usize
    }

    fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// A text of one template and where names stand in it.
struct Sentence {
    template: usize,
    text: String,
    names: Vec<(usize, usize)>,
}

/// What the slots of the templates are filled with.
struct Words {
    surnames: Vec<&'static str>,
    places: Vec<&'static str>,
    given: Vec<&'static str>,
    kana_given: Vec<&'static str>,
    surname_readings: Vec<&'static str>,
    given_readings: Vec<&'static str>,
    foreign_given: Vec<(&'static str, &'static str)>,
    foreign_surnames: Vec<(&'static str, &'static str)>,
    continental: Vec<&'static str>,
    words: Vec<&'static str>,
    traps: Vec<&'static str>,
    listed: HashSet<&'static str>,
    /// `=X a b c` in the files: the slot {X} is one of these.
    own: HashMap<char, Vec<&'static str>>,
}

impl Words {
    fn new() -> Words {
        let cells = |text: &'static str| {
            text.lines()
                .map(|line| line.split('\t').collect::<Vec<_>>())
        };
        let han = |text: &str| text.chars().all(is_han);
        let all: Vec<Vec<&str>> = cells(include_str!("../../../lexicon/surnames.tsv")).collect();
        let given: Vec<Vec<&str>> = cells(include_str!("../../../lexicon/given.tsv")).collect();
        let foreign: Vec<Vec<&str>> = cells(include_str!("../../../lexicon/foreign.tsv")).collect();
        let names = |rows: &[Vec<&'static str>]| rows.iter().map(|r| r[0]).collect::<Vec<_>>();
        let of = |kind: &str| {
            let rows = foreign.iter().filter(|r| r[0] == kind);
            rows.map(|r| (r[1], r[2])).collect::<Vec<_>>()
        };
        let words: Vec<&str> = include_str!("../../../lexicon/words.txt").lines().collect();
        let lists = TEMPLATES
            .lines()
            .chain(TRAPS.lines())
            .filter_map(|l| l.strip_prefix('='));
        Words {
            surnames: names(&all).into_iter().filter(|n| han(n)).collect(),
            places: all.iter().filter(|r| r.len() > 2).map(|r| r[0]).collect(),
            given: names(&given).into_iter().filter(|n| han(n)).collect(),
            kana_given: names(&given)
                .into_iter()
                .filter(|n| !n.chars().any(is_han) && (2..=4).contains(&n.chars().count()))
                .collect(),
            surname_readings: all.iter().map(|r| r[1]).collect(),
            given_readings: given.iter().map(|r| r[1]).collect(),
            foreign_given: of("given"),
            foreign_surnames: of("surname"),
            continental: of("kanji").into_iter().map(|(name, _)| name).collect(),
            listed: names(&all)
                .into_iter()
                .chain(names(&given))
                .chain(words.iter().copied())
                .collect(),
            words: words
                .into_iter()
                .filter(|w| han(w) && w.chars().count() > 1)
                .collect(),
            traps: include_str!("../../../lexicon/traps.txt").lines().collect(),
            own: lists
                .map(|line| {
                    let (slot, words) = line.split_once(' ').expect("=X words");
                    (
                        slot.chars().next().expect("a letter"),
                        words.split(' ').collect(),
                    )
                })
                .collect(),
        }
    }

    /// Half of the surnames are of the list, a quarter of them places too, a quarter of no list.
    fn surname(&self, dice: &mut Dice) -> String {
        match dice.roll(20) {
            0..=13 => dice.of(&self.surnames).to_string(),
            14..=16 => dice.of(&self.places).to_string(),
            17 => dice.of(&self.continental).to_string(),
            _ => self.unlisted(&self.surnames, dice),
        }
    }

    fn given(&self, dice: &mut Dice) -> String {
        match dice.roll(20) {
            0..=11 => dice.of(&self.given).to_string(),
            12..=13 => dice.of(&self.kana_given).to_string(),
            _ => self.unlisted(&self.given, dice),
        }
    }

    /// The first character of one name and the last of another, if no list has that.
    fn unlisted(&self, from: &[&'static str], dice: &mut Dice) -> String {
        for _ in 0..20 {
            let (a, b) = (dice.of(from), dice.of(from));
            if let (Some(first), Some(last)) = (a.chars().next(), b.chars().last()) {
                let middle = dice.of(from).chars().nth(1).filter(|_| dice.roll(4) == 0);
                let made: String = [Some(first), middle, Some(last)]
                    .into_iter()
                    .flatten()
                    .collect();
                if first != last && !self.listed.contains(made.as_str()) {
                    return made;
                }
            }
        }
        dice.of(from).to_string()
    }

    fn romaji(&self, readings: &[&'static str], dice: &mut Dice) -> String {
        let latin = crate::masking::lexicon::romaji::of_kana(dice.of(readings));
        let hepburn = [
            ("sya", "sha"),
            ("syu", "shu"),
            ("syo", "sho"),
            ("si", "shi"),
            ("tya", "cha"),
            ("tyu", "chu"),
            ("tyo", "cho"),
            ("ti", "chi"),
            ("tu", "tsu"),
            ("hu", "fu"),
            ("zya", "ja"),
            ("zyu", "ju"),
            ("zyo", "jo"),
            ("zi", "ji"),
        ];
        let latin = hepburn
            .iter()
            .fold(latin, |text, (from, to)| text.replace(from, to));
        let (first, rest) = latin.split_at(1);
        first.to_uppercase() + rest
    }

    /// What a slot becomes; whether it is a name.
    fn slot(&self, slot: char, dice: &mut Dice) -> (String, bool) {
        let name = match slot {
            'L' => self.surname(dice),
            'G' => self.given(dice),
            'F' => self.surname(dice) + &self.given(dice),
            'S' => self.surname(dice) + " " + &self.given(dice),
            'Z' => self.surname(dice) + "　" + &self.given(dice),
            'K' => format!(
                "{} {}",
                dice.of(&self.surname_readings),
                dice.of(&self.given_readings)
            ),
            'k' => dice.of(&self.surname_readings).to_string(),
            'j' => dice.of(&self.given_readings).to_string(),
            'R' => {
                self.romaji(&self.given_readings, dice)
                    + " "
                    + &self.romaji(&self.surname_readings, dice)
            }
            'r' => {
                self.romaji(&self.surname_readings, dice)
                    + " "
                    + &self.romaji(&self.given_readings, dice)
            }
            'l' => self.romaji(&self.surname_readings, dice),
            'g' => self.romaji(&self.given_readings, dice),
            'm' => self.romaji(&self.surname_readings, dice).to_lowercase(),
            'X' => {
                let given = self.foreign_given[dice.roll(self.foreign_given.len())].0;
                format!(
                    "{given}・{}",
                    self.foreign_surnames[dice.roll(self.foreign_surnames.len())].0
                )
            }
            'x' => self.foreign_given[dice.roll(self.foreign_given.len())]
                .0
                .to_string(),
            _ => return (self.filler(slot, dice), false),
        };
        (name, true)
    }

    /// What is nobody: a place, a company, a common noun, a number.
    fn filler(&self, slot: char, dice: &mut Dice) -> String {
        match slot {
            // Cities are named more often than villages.
            'P' if dice.roll(8) > 0 => dice.of(&self.own[&'P']).to_string(),
            'P' => dice.of(&self.places).to_string(),
            'W' => match dice.roll(8) {
                0 | 3 => self.unlisted(&self.words, dice),
                1 => dice.of(&self.own[&'<']).to_string() + dice.of(&self.words),
                2 => dice.of(&self.words).to_string() + dice.of(&self.own[&'>']),
                _ => dice.of(&self.words).to_string(),
            },
            'V' => dice.of(&self.traps).to_string(),
            'C' => dice.of(&self.surnames).to_string() + dice.of(&self.own[&'C']),
            'T' => dice.of(&self.places).to_string() + dice.of(&self.own[&'T']),
            'D' => (1 + dice.roll(99)).to_string(),
            own => dice
                .of(self
                    .own
                    .get(&own)
                    .unwrap_or_else(|| panic!("no slot {own}")))
                .to_string(),
        }
    }

    fn fill(&self, template: &str, dice: &mut Dice) -> Sentence {
        let (mut text, mut names) = (String::new(), Vec::new());
        let template: Vec<char> = template.chars().collect();
        let mut rest = template.as_slice();
        while let [c, after @ ..] = rest {
            rest = after;
            match (c, after) {
                ('\\', ['t', after @ ..]) => {
                    text.push('\t');
                    rest = after;
                }
                ('\\', _) => text.push('\n'),
                ('{', [slot, '}', after @ ..]) => {
                    rest = after;
                    let (word, name) = self.slot(*slot, dice);
                    let start = text.chars().count();
                    text.push_str(&word);
                    if name {
                        names.push((start, text.chars().count()));
                    }
                }
                _ => text.push(*c),
            }
        }
        Sentence {
            template: 0,
            text,
            names,
        }
    }
}

fn templates() -> impl Iterator<Item = &'static str> {
    let lines = TEMPLATES.lines().chain(TRAPS.lines());
    lines.filter(|line| {
        let heading = line.starts_with("## ") && !line.starts_with("## {");
        !line.is_empty() && !heading && !line.starts_with('=')
    })
}

/// Sentences of three templates in four, or of the fourth.
fn sentences(held_out: bool) -> Vec<Sentence> {
    let words = Words::new();
    let mut dice = Dice(if held_out { 7 } else { 4 });
    let count = if held_out { ASKED } else { TRAINED };
    let mut sentences = Vec::new();
    for (n, template) in templates().enumerate() {
        if (n % 4 == 3) == held_out {
            sentences.extend((0..count).map(|_| Sentence {
                template: n,
                ..words.fill(template, &mut dice)
            }));
        }
    }
    sentences
}

/// Each candidate's features, and whether it is a name. What only one template shows is left out:
/// it would stand for the template, and no other text has it.
fn examples(sentences: &[Sentence]) -> Vec<(Vec<u32>, bool)> {
    let mut examples: Vec<(Vec<u32>, bool)> = Vec::new();
    let mut shown = vec![(usize::MAX, false); 1 << features::BITS];
    for sentence in sentences {
        let chars: Vec<char> = sentence.text.chars().collect();
        let views = normal::views(&chars);
        let view = &views[0];
        let mut lines = features::Lines::default();
        candidates::each(view, |candidate| {
            let mut seen = Vec::new();
            lines.see(view, &candidate, |feature| seen.push(feature as u32));
            let span = view.span(candidate.start, candidate.end);
            // Two names in one are no name, and no harm: nothing is to be learnt from them.
            let begins = sentence.names.iter().any(|name| name.0 == span.0);
            let ends = sentence.names.iter().any(|name| name.1 == span.1);
            let name = sentence.names.contains(&span);
            for &feature in &seen {
                let (first, again) = &mut shown[feature as usize];
                *again |= *first != usize::MAX && *first != sentence.template;
                *first = sentence.template;
            }
            if name || !(begins && ends) {
                examples.push((seen, name));
            }
        });
    }
    for (seen, _) in &mut examples {
        seen.retain(|feature| shown[*feature as usize].1);
    }
    examples
}

/// A logistic curve without `exp`, whose last bits differ between machines.
fn sigmoid(x: f32) -> f32 {
    let x = (x / 2.0).clamp(-3.0, 3.0);
    0.5 + 0.5 * x * (27.0 + x * x) / (27.0 + 9.0 * x * x)
}

fn train(examples: &[(Vec<u32>, bool)]) -> Vec<u8> {
    let size = 1 << features::BITS;
    let (mut weights, mut slopes) = (vec![0f32; size], vec![1e-3f32; size]);
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let mut dice = Dice(11);
    for _ in 0..ROUNDS {
        for i in (1..order.len()).rev() {
            order.swap(i, dice.roll(i + 1));
        }
        for &i in &order {
            let (seen, name) = &examples[i];
            // Some features are hidden at random, so that no single one is relied on.
            let hidden = dice.roll(8) as u32;
            let shown = || seen.iter().filter(move |f| **f % 8 != hidden);
            let score: f32 = shown().map(|f| weights[*f as usize]).sum();
            let wanted = if *name { 1.0 } else { 0.0 };
            // A name that is missed is worse than a word that is masked.
            let slope = (sigmoid(score) - wanted) * if *name { 1.5 } else { 1.0 };
            for f in shown().map(|f| *f as usize) {
                let slope = slope + 2e-4 * weights[f];
                slopes[f] += slope * slope;
                weights[f] -= 0.08 * slope / slopes[f].sqrt();
            }
        }
    }
    let byte = |w: &f32| (w * STEP).round().clamp(-127.0, 127.0) as i8 as u8;
    weights.iter().map(byte).collect()
}

/// Found and right, found, wanted: as spans that touch, of the whole pipeline.
fn judged(sentences: &[Sentence]) -> [usize; 4] {
    let masker = masker();
    let [mut right, mut found, mut met, mut wanted] = [0; 4];
    for sentence in sentences {
        let spans = masker.text(&sentence.text).spans;
        let spans: Vec<_> = spans
            .iter()
            .filter(|s| s.kind == SpanKind::Person)
            .collect();
        let touch = |s: usize, e: usize, (a, b): (usize, usize)| s < b && a < e;
        found += spans.len();
        wanted += sentence.names.len();
        right += spans
            .iter()
            .filter(|s| sentence.names.iter().any(|n| touch(s.start, s.end, *n)))
            .count();
        met += sentence
            .names
            .iter()
            .filter(|n| spans.iter().any(|s| touch(s.start, s.end, **n)))
            .count();
    }
    [right, found, met, wanted]
}

#[test]
fn training_gives_the_bytes_that_are_committed() {
    let trained = train(&examples(&sentences(false)));
    if std::env::var_os("UPDATE_MODEL").is_some() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/masking/rules/person/tagged/model.bin"
        );
        std::fs::write(path, &trained).expect("the model can be written");
    } else {
        assert!(
            trained == WEIGHTS,
            "run with UPDATE_MODEL=1 and commit the model"
        );
    }
}

#[test]
fn names_in_templates_held_out_are_found() {
    let [right, found, met, wanted] = judged(&sentences(true));
    let (precision, recall) = (right as f64 / found as f64, met as f64 / wanted as f64);
    println!("held-out templates: precision {precision:.3}, recall {recall:.3} of {wanted}");
    // Many of these names stand where nobody could tell them from a place or a word.
    assert!(precision >= 0.86 && recall >= 0.85);
}
