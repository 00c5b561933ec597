//! Names in texts that the rules were not written for: how many are found, how much is masked
//! that is none. The levels are floors: what falls below them has become worse.
//!
//! `people/README.md` says where texts and names come from. `PEOPLE=a` prints what set A leaks and what it masks that is
//! no name; C and E likewise. Of B, D and F it prints recall by hole.

mod common;

use agents::masking::{Masker, Policy, SpanKind, TagKey};
use common::Dice;
use std::collections::{BTreeMap, HashMap};

/// Each text is filled this often, with other names each time.
const ROUNDS: usize = 5;

/// A hole of a text is filled with one of these forms of a name; `people/README.md` lists them.
#[derive(Clone, Copy)]
struct Person<'n> {
    surname: &'n [&'n str],
    given: &'n [&'n str],
}

impl Person<'_> {
    fn form(&self, hole: char) -> String {
        let [surname, given] = [self.surname, self.given].map(|cells| cells[2]);
        let [surname_kana, given_kana] = [self.surname, self.given].map(|cells| cells[3]);
        let [surname_latin, given_latin] = [self.surname, self.given].map(|cells| cells[4]);
        match hole {
            'F' => format!("{surname}{given}"),
            'L' => surname.to_string(),
            'G' => given.to_string(),
            'S' => format!("{surname} {given}"),
            'Z' => format!("{surname}　{given}"),
            'N' => format!("{surname}\n{given}"),
            'K' => format!("{surname_kana} {given_kana}"),
            'k' => surname_kana.to_string(),
            'H' => hiragana(&format!("{surname_kana} {given_kana}")),
            'h' => half_width(&format!("{surname_kana} {given_kana}")),
            'R' => format!("{given_latin} {surname_latin}"),
            'r' => format!("{surname_latin} {given_latin}"),
            'U' => format!("{} {given_latin}", surname_latin.to_uppercase()),
            'l' => surname_latin.to_string(),
            'g' => given_latin.to_string(),
            'e' => format!("{given_latin}.{surname_latin}").to_lowercase(),
            other => panic!("no form of a name is called {other}"),
        }
    }
}

fn hiragana(kana: &str) -> String {
    let lower = |c: char| match c {
        'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        _ => c,
    };
    kana.chars().map(lower).collect()
}

fn half_width(kana: &str) -> String {
    const WIDE: &str = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンャュョッー";
    const HALF: &str = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝｬｭｮｯｰ";
    const VOICED: &str = "ガギグゲゴザジズゼゾダヂヅデドバビブベボ";
    const PLAIN: &str = "カキクケコサシスセソタチツテトハヒフヘホ";
    let swap = |c: char, from: &str, to: &str| {
        from.chars()
            .position(|f| f == c)
            .and_then(|i| to.chars().nth(i))
    };
    let mut out = String::new();
    for c in kana.chars() {
        let (base, mark) = match (swap(c, VOICED, PLAIN), swap(c, "パピプペポ", "ハヒフヘホ"))
        {
            (Some(base), _) => (base, "ﾞ"),
            (_, Some(base)) => (base, "ﾟ"),
            _ => (c, ""),
        };
        out.push(swap(base, WIDE, HALF).unwrap_or(c));
        out.push_str(mark);
    }
    out
}

#[derive(Default)]
struct Level {
    names: usize,
    found: usize,
    masks: usize,
    right: usize,
    /// Characters of names, and those of them that stay readable.
    sensitive: usize,
    leaked: usize,
    /// Characters that are in no name, and those of them that are masked.
    clean: usize,
    over: usize,
    /// Names and those found, by hole.
    holes: BTreeMap<char, [usize; 2]>,
}

/// A name in a text: its hole, where it begins and ends.
type Name = (char, usize, usize);

impl Level {
    fn read(&mut self, masker: &Masker, text: &str, names: &[Name], talk: bool) {
        let masked = masker.text(text);
        let masks: Vec<(usize, usize)> = masked
            .spans
            .iter()
            .filter(|span| span.kind == SpanKind::Person)
            .map(|span| (span.start, span.end))
            .collect();
        // Half of what both cover is in both: the same name.
        let same = |a: (usize, usize), b: (usize, usize)| {
            let both = a.1.min(b.1).saturating_sub(a.0.max(b.0));
            2 * both >= a.1.max(b.1) - a.0.min(b.0)
        };
        self.names += names.len();
        self.masks += masks.len();
        for (hole, start, end) in names {
            let found = usize::from(masks.iter().any(|m| same((*start, *end), *m)));
            let [of_hole, found_of_hole] = self.holes.entry(*hole).or_default();
            (*of_hole, *found_of_hole) = (*of_hole + 1, *found_of_hole + found);
            self.found += found;
        }
        let names: Vec<(usize, usize)> = names.iter().map(|n| (n.1, n.2)).collect();
        let right = |mask: &&(usize, usize)| names.iter().any(|n| same(*n, **mask));
        self.right += masks.iter().filter(right).count();
        if talk {
            for mask in masks.iter().filter(|mask| !right(mask)) {
                let cut: String = text.chars().skip(mask.0).take(mask.1 - mask.0).collect();
                println!("{cut} is no name in {text:?}");
            }
        }
        for (at, c) in text.chars().enumerate().filter(|(_, c)| !c.is_whitespace()) {
            let holds = |spans: &[(usize, usize)]| spans.iter().any(|s| s.0 <= at && at < s.1);
            match (holds(&names), holds(&masks)) {
                (true, hidden) => {
                    self.sensitive += 1;
                    self.leaked += usize::from(!hidden);
                    if talk && !hidden {
                        println!("{c} leaks in {text:?}");
                    }
                }
                (false, hidden) => {
                    self.clean += 1;
                    self.over += usize::from(hidden);
                }
            }
        }
    }
}

/// Sets whose texts may be read while rules are written.
fn is_read(set: &str) -> bool {
    matches!(set, "a" | "c" | "e")
}

/// Texts with names and texts without; sets A, C and E have the odd lines, B, D and F the even ones.
fn texts(set: &str) -> [Vec<&'static str>; 2] {
    let files = match set {
        "a" | "b" => [
            include_str!("people/texts.txt"),
            include_str!("people/clean.txt"),
        ],
        "c" | "d" => [
            include_str!("people/texts-cd.txt"),
            include_str!("people/clean-cd.txt"),
        ],
        _ => [
            include_str!("people/texts-ef.txt"),
            include_str!("people/clean-ef.txt"),
        ],
    };
    let first = usize::from(!is_read(set));
    files.map(|file| file.lines().skip(first).step_by(2).collect())
}

/// Where names stand in a text, and the text: its holes filled with people drawn from the pools.
fn fill(line: &str, pools: &HashMap<&str, Vec<Vec<&str>>>, dice: &mut Dice) -> (String, Vec<Name>) {
    let (mut text, mut names) = (String::new(), Vec::new());
    let mut people: HashMap<char, Person> = HashMap::new();
    let chars: Vec<char> = line.replace('⏎', "\n").chars().collect();
    let mut rest = chars.as_slice();
    while let [c, after @ ..] = rest {
        // {L} is somebody, {1L} and {1G} are the same.
        let (number, hole) = match rest {
            ['{', hole, '}', after @ ..] => {
                rest = after;
                (None, *hole)
            }
            ['{', number @ '1'..='9', hole, '}', after @ ..] => {
                rest = after;
                (Some(*number), *hole)
            }
            _ => {
                text.push(*c);
                rest = after;
                continue;
            }
        };
        let mut draw = |pool: &str| &pools[pool][dice.below(pools[pool].len())];
        let name = match hole {
            'X' => draw("foreign")[2].to_string(),
            'x' | 'y' => {
                let mut parts = draw("foreign")[2].split('・');
                let part = if hole == 'x' {
                    parts.next_back()
                } else {
                    parts.next()
                };
                part.unwrap_or_default().to_string()
            }
            'C' => draw("continental")[2].to_string(),
            _ => {
                let mut somebody = || {
                    let (surname, given) = (draw("surname"), draw("given"));
                    Person { surname, given }
                };
                let person = match number {
                    Some(number) => *people.entry(number).or_insert_with(somebody),
                    None => somebody(),
                };
                person.form(hole)
            }
        };
        let start = text.chars().count();
        text.push_str(&name);
        // A mailbox is masked, but not as a name.
        if hole != 'e' {
            names.push((hole, start, text.chars().count()));
        }
    }
    (text, names)
}

/// What the rules reach on one of the sets.
fn level(set: &str) -> Level {
    let mut pools: HashMap<&str, Vec<Vec<&str>>> = HashMap::new();
    for line in include_str!("people/names.tsv")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells[0] == set {
            pools.entry(cells[1]).or_default().push(cells);
        }
    }
    let masker =
        Masker::new(Policy::default(), TagKey::new([1; 32])).expect("the default is sound");
    let mut dice = Dice(if is_read(set) { 1 } else { 2 });
    let mut level = Level::default();
    let asked = std::env::var("PEOPLE").is_ok_and(|wanted| wanted == set);
    let talk = asked && is_read(set);
    let [texts, clean] = texts(set);
    for _ in 0..ROUNDS {
        for line in &texts {
            let (text, names) = fill(line, &pools, &mut dice);
            level.read(&masker, &text, &names, talk);
        }
    }
    for line in clean {
        level.read(&masker, &line.replace('⏎', "\n"), &[], talk);
    }
    if asked {
        for (hole, [names, found]) in &level.holes {
            println!("hole {hole}: {found} of {names}");
        }
    }
    level
}

fn check(set: &str, recall: f64, precision: f64, leak: f64, over: f64) {
    let level = level(set);
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    let reached = [
        share(level.found, level.names),
        share(level.right, level.masks),
        share(level.leaked, level.sensitive),
        1000.0 * share(level.over, level.clean),
    ];
    println!(
        "{set}: recall {:.3}, precision {:.3}, leak {:.3}, over-masked {:.1} of 1,000",
        reached[0], reached[1], reached[2], reached[3]
    );
    assert!(
        reached[0] >= recall && reached[1] >= precision,
        "set {set}: {reached:?}"
    );
    assert!(
        reached[2] <= leak && reached[3] <= over,
        "set {set}: {reached:?}"
    );
}

#[test]
fn names_are_found_in_the_texts_that_were_read_while_the_rules_were_written() {
    check("a", 0.975, 0.98, 0.013, 5.5);
}

#[test]
fn names_are_found_in_texts_that_nobody_looked_at() {
    check("b", 0.935, 0.955, 0.043, 9.0);
}

#[test]
fn names_are_found_in_more_texts_that_were_read() {
    check("c", 0.965, 0.99, 0.023, 3.0);
}

#[test]
fn names_are_found_in_more_texts_that_nobody_looked_at() {
    check("d", 0.913, 0.953, 0.047, 11.5);
}

#[test]
fn names_are_found_in_a_third_lot_of_texts_that_were_read() {
    check("e", 0.974, 0.968, 0.025, 8.0);
}

#[test]
fn names_are_found_in_a_third_lot_of_texts_that_nobody_looked_at() {
    check("f", 0.94, 0.945, 0.042, 8.5);
}
