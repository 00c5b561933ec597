//! Names in running text: surname and given name together, a line or a quotation that is only
//! a name, introductions, speakers, a mailbox that spells the name, a neighbour in a list.

use super::super::sought::Sought;
use super::shape::{self, Strength};
use super::thing;
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{PREFECTURES, lexicon, romaji};
use crate::masking::normal::View;
use regex::Regex;
use rustc_hash::FxHashSet;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

pub(in crate::masking::rules) static INTRODUCTION: Sought = Sought::new(|| {
    r"です[。、!！,\n]|です$|と申します|と申し上げ|でございます|と言います|といいます|と名乗|より(?:ご連絡|お電話|連絡)|宛(?:て|に)|より[、,]".into()
});
static MAILBOX: LazyLock<Regex> =
    LazyLock::new(|| super::super::pattern(r"([A-Za-z][A-Za-z0-9._-]{2,40})@"));

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    pairs(scene, names);
    segments(scene, names);
    for hit in INTRODUCTION.find_iter(view) {
        introduced(scene, names, view.at_byte(hit.start));
    }
    speakers(scene, names);
    mailboxes(scene, names);
    signatures(scene, names);
}

/// The last line of a letter that is three kanji after an empty line: a short surname and a given name.
fn signatures(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for at in view.wide().skip_while(|at| *at < 2) {
        if view.chars[at - 1] != '\n'
            || !is_han(view.chars[at])
            || view.chars[..at - 1].iter().rev().find(|c| **c != '\r') != Some(&'\n')
        {
            continue;
        }
        let Some((strength, name)) = shape::starting_at(view, at, Strength::Guess) else {
            continue;
        };
        let text = view.slice(name.start, name.end);
        let alone = view.get(name.end).is_none_or(|c| one_of!("\n\r", c));
        let bigram = (name.start..name.end - 1).any(|i| lexicon().is_word(view.slice(i, i + 2)));
        if alone
            && strength == Strength::Guess
            && name.parts.len() == 2
            && !bigram
            && !lexicon().is_trap(text)
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
}

/// Surname and given name, both known, with the edges of words around them.
fn pairs(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut from = 0;
    for at in view.wide() {
        let c = view.chars[at];
        if is_han(c) && view.surnames_at(at) == 0 {
            continue;
        }
        let letter = is_han(c) || is_katakana(c) || is_hiragana(c);
        let fresh = letter
            && (view.before(at).is_none_or(|b| !same_script(b, c)) || shape::begins(view, at));
        if fresh
            && at >= from
            && !names.covers(at, at + 1)
            && !scene.is_closed_at(at)
            && let Some(name) = pair_at(view, at)
            && scene.is_open(name.start, name.end)
            && shape::is_free(view, &name)
        {
            from = name.end;
            names.add(name);
        }
    }
}

/// The pair that begins at `at`, on one line or broken between surname and given name.
fn pair_at(view: &View, at: usize) -> Option<shape::Name> {
    if let Some((Strength::Pair, name)) = shape::starting_at(view, at, Strength::Pair) {
        return Some(name);
    }
    let gap = (at + 1..=at + 4).find(|&i| view.get(i).is_none_or(|c| !is_han(c)))?;
    if view.get(gap) != Some('\n')
        || !view
            .before(at)
            .is_none_or(|c| matches!(c, '\n' | ':' | '。' | ' ' | '"' | '「' | '、'))
    {
        return None;
    }
    let end = (gap + 1..=gap + 5).find(|&i| view.get(i).is_none_or(|c| !is_han(c)))?;
    let closed = view.get(end).is_none_or(|c| one_of!("\n\r (\"」、。", c))
        || super::honorific::starts_at(view, end);
    match shape::read(view, at, end) {
        Some((Strength::Pair, name)) if closed && end - gap > 2 && name.parts.len() == 2 => {
            Some(name)
        }
        _ => None,
    }
}

/// 千葉, 石川: what follows is more often a place of theirs than a given name.
pub(super) fn is_prefecture(surname: &str) -> bool {
    static BEGINS: LazyLock<FxHashSet<&str>> = LazyLock::new(|| {
        let three = PREFECTURES.into_iter().filter(|p| p.chars().count() == 3);
        let begins = |p: &'static str| p.char_indices().map(move |(at, _)| &p[..at]).chain([p]);
        three.flat_map(begins).collect()
    });
    surname.len() <= 9 && BEGINS.contains(surname)
}

fn same_script(a: char, b: char) -> bool {
    (is_han(a) && is_han(b))
        || (is_katakana(a) && is_katakana(b))
        || (is_hiragana(a) && is_hiragana(b))
}

/// A line, a cell or a quotation that holds a surname and what may be a given name, and nothing else.
fn segments(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let opens = |c: Option<char>| c.is_none_or(|c| one_of!("\n\"'「(,\t|:>。、・→*※]】@=", c));
    let closes = |c: Option<char>| c.is_none_or(|c| one_of!("\n\r\"'」)(,\t|<。、→*[・", c));
    for at in view.wide() {
        if !is_han(view.chars[at])
            || !shape::may_start(view, at, Strength::Half)
            || names.covers(at, at + 1)
        {
            continue;
        }
        let mut before = at;
        while view.before(before) == Some(' ') && at - before < 3 {
            before -= 1;
        }
        if !opens(view.before(before)) {
            continue;
        }
        let Some((strength, name)) = shape::starting_at(view, at, Strength::Half) else {
            continue;
        };
        if strength < Strength::Half
            || !scene.is_open(name.start, name.end)
            || !closes(view.get(name.end))
        {
            continue;
        }
        let text = view.slice(name.start, name.end);
        let whole_line = matches!(view.before(before), None | Some('\n'))
            && matches!(view.get(name.end), None | Some('\n' | '\r'));
        let quoted = matches!(view.before(before), Some('"' | '\'' | '「'));
        let spaced = text.contains(' ');
        let surname = view.slice(name.parts[0].start, name.parts[0].end);
        let place = lexicon().surname(surname).is_some_and(|s| s.place);
        let bracketed = view.get(name.end) == Some('(') && view.get(name.end + 1) != Some(')');
        let after_sentence = view.before(before) == Some('。');
        let enclosed = view.before(before) == Some('(') && view.get(name.end) == Some(')');
        let sure = (whole_line
            || quoted
            || spaced
            || bracketed
            || enclosed
            || after_sentence && closes(view.get(name.end)))
            && (!place
                || spaced
                || bracketed
                || enclosed
                || (whole_line || after_sentence)
                    && text.chars().count() >= 4
                    && !is_prefecture(surname));
        let given = view.slice(name.parts.last().map_or(name.start, |p| p.start), name.end);
        let wordy = place && !spaced && thing::has_word(given);
        if sure && !wordy && !lexicon().is_trap(text) && !lexicon().is_word(text) {
            names.add(name);
        }
    }
}

/// 経理部の渡辺です。: the surname between の or the sentence's start and です.
fn introduced(scene: &Scene, names: &mut Names, end: usize) {
    let view = scene.view;
    let Some((strength, name)) = shape::ending_at(view, end, Strength::Single) else {
        return;
    };
    let text = view.slice(name.start, name.end);
    let before = view.before(name.start);
    let starts = before.is_none_or(|c| one_of!("\n。、 !！,>」", c));
    // の after a company or an office: this is how people introduce themselves.
    let office = before == Some('の')
        && (scene.is_closed_at(name.start.saturating_sub(2))
            || view
                .before(name.start - 1)
                .is_some_and(|c| one_of!("部課室係店社局所院校学行庁班", c) || is_katakana(c)));
    let linked = matches!(before, Some('の' | 'は' | 'が'));
    let place = lexicon().surname(text).is_some_and(|s| s.place);
    let word = lexicon().is_word(text);
    let single = strength == Strength::Single;
    let sound = if strength >= Strength::Half {
        starts || linked
    } else if single {
        // 森です。 at the start of a line or after an office, never a given name or word.
        lexicon().surname(text).is_some()
            && (office || matches!(before, None | Some('\n')))
            && text.chars().count() == 1
    } else {
        (office && !word)
            || (starts && !word && (!place || matches!(before, None | Some('\n'))))
            || (linked && !place && !word)
    };
    // 期限切れのようです: two syllables are a word.
    let syllables = text.chars().all(is_hiragana) && text.chars().count() < 3;
    if sound && !syllables && scene.is_open(name.start, name.end) {
        names.add(name);
    }
}

/// 佐藤：… and 佐藤「…」 at the start of a line; 佐藤→ and 佐藤が after a bullet.
fn speakers(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for at in 0..view.len() {
        if at > 0 && view.chars[at - 1] != '\n' {
            continue;
        }
        let mut start = at;
        let mut bullet = false;
        while view.get(start).is_some_and(|c| {
            one_of!(" ・-*●○■[>【#", c)
                || c.is_ascii_digit()
                || (c == '.' && start > at)
                || (c == ':' && start > at)
                || (c == ']' && start > at)
        }) {
            bullet |= !matches!(view.get(start), Some(' '));
            start += 1;
        }
        if start > at + 24 || !view.get(start).is_some_and(is_han) {
            continue;
        }
        let Some((strength, name)) = shape::starting_at(view, start, Strength::Surname) else {
            continue;
        };
        let text = view.slice(name.start, name.end);
        let place = lexicon().surname(text).is_some_and(|s| s.place);
        let next = view.get(name.end);
        let speaks = matches!(next, Some(':' | '「' | '>'))
            || (next == Some(' ') && view.get(name.end + 1) == Some('「'))
            || (next == Some(' ')
                && view
                    .get(name.end + 1)
                    .is_some_and(|c| c.is_ascii_digit() && view.get(name.end + 3) == Some(':')));
        let acts = bullet && matches!(next, Some('→' | 'が' | 'は'));
        if ((speaks && !(place && next == Some(':'))) || (acts && !place))
            && strength >= Strength::Surname
            && !lexicon().is_word(text)
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
}

/// A mailbox that spells a name of the same text in romaji.
fn mailboxes(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    if !view.text.contains('@') {
        return;
    }
    let spelt: HashSet<String> = MAILBOX
        .captures_iter(&view.text)
        .filter_map(|hit| hit.get(1))
        .flat_map(|local| {
            local
                .as_str()
                .split(|c: char| !c.is_ascii_alphabetic())
                .filter(|t| t.len() >= 3)
                .map(|t| romaji::canonical(&t.to_lowercase()))
                .collect::<Vec<_>>()
        })
        .collect();
    if spelt.is_empty() {
        return;
    }
    let mut heard: HashMap<&str, bool> = HashMap::new();
    for at in view.wide() {
        let lengths = view.surnames_at(at);
        if lengths == 0
            || !is_han(view.chars[at])
            || !shape::begins(view, at)
            || names.covers(at, at + 1)
        {
            continue;
        }
        for length in (1..=4).rev().filter(|n| lengths >> n & 1 == 1) {
            let end = at + length;
            if end > view.len() || !shape::ends(view, end) {
                continue;
            }
            let text = view.slice(at, end);
            let Some(surname) = lexicon().surname(text) else {
                continue;
            };
            let spells = *heard
                .entry(surname.reading)
                .or_insert_with(|| spelt.contains(&romaji::of_kana(surname.reading)));
            if spells && scene.is_open(at, end) {
                let initial = lexicon().surname_initial(text);
                names.add(shape::Name {
                    start: at,
                    end,
                    parts: vec![shape::Part {
                        start: at,
                        end,
                        initial,
                    }],
                });
                break;
            }
        }
    }
}
