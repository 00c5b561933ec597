//! What is seen of a candidate, as numbers of hashed features.

use super::candidates::{Candidate, Kind, beside};
use crate::masking::chars::{is_han, is_hiragana, is_katakana};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::View;
use crate::masking::rules::person::likeness::likeness;
use crate::masking::rules::person::prose::is_prefecture;
use crate::masking::rules::person::thing;

/// Features are numbers of so many bits.
pub(super) const BITS: u32 = 18;

/// What kind of line the candidates stand in; asked once per line.
#[derive(Default)]
pub(super) struct Lines {
    end: usize,
    kind: u32,
}

impl Lines {
    /// Names every feature of a candidate; candidates come in the order of the text.
    pub fn see(&mut self, view: &View, candidate: &Candidate, mut feature: impl FnMut(usize)) {
        let &Candidate { start, end, .. } = candidate;
        if end > self.end || self.end == 0 {
            self.look(view, start);
        }
        let before = |n: usize| code(start.checked_sub(n).and_then(|i| view.get(i)));
        let after = |n: usize| code(view.get(end + n - 1));
        let (p1, p2, p3, p4) = (before(1), before(2), before(3), before(4));
        let (n1, n2, n3, n4) = (after(1), after(2), after(3), after(4));
        let (p, n) = (class(p1), class(n1));
        let known = known(view, candidate);
        let kind = candidate.kind as u32;
        let letter = |at: usize| view.get(at).map_or(0, |c| c as u32);
        let length = (end - start) as u32;
        let (surname, given) = (
            (candidate.first - start) as u32,
            (end - candidate.second) as u32,
        );
        let place = line_place(p1, p2, n1, n2);
        let beside = beside(view, start, end);
        let torn = torn(view, candidate);
        let mut number = 0;
        let mut add = |values: [u32; 4]| {
            number += 1;
            feature(hash(number, values));
        };
        add([0, 0, 0, 0]);
        for it in [0, known] {
            add([it, p1, 0, 0]);
            add([it, p1, p2, 0]);
            add([it, n1, 0, 0]);
            add([it, n1, n2, 0]);
            add([it, p, n, 0]);
            add([it, p1, n1, 0]);
            add([it, place, 0, 0]);
            add([it, self.kind, 0, 0]);
            add([it, beside, 0, 0]);
            add([it, p1, n, 0]);
            add([it, p, n1, 0]);
            add([it, n1, class(n2), 0]);
            add([it, p1, class(p2), 0]);
        }
        add([known, length, 0, 0]);
        add([kind, torn, 0, 0]);
        add([known, torn, p, n]);
        add([kind, p1, p2, p3]);
        add([kind, n1, n2, n3]);
        add([p1, p2, p3, p4]);
        add([n1, n2, n3, n4]);
        add([p2, p3, 0, 0]);
        add([p2, p3, p4, 0]);
        add([n2, n3, 0, 0]);
        add([
            class(p1) << 8 | class(p2),
            class(p3) << 8 | class(n1),
            class(n2) << 8 | class(n3),
            kind,
        ]);
        add([n2, n3, n4, 0]);
        add([p1, n1, n2, 0]);
        add([p2, p1, n1, 0]);
        add([p2, p1, n1, n2]);
        add([kind, p1, n1, self.kind]);
        add([kind, surname, given, p << 8 | n]);
        add([kind, letter(start), 0, 0]);
        add([kind, letter(start), letter(start + 1), 0]);
        add([kind, letter(end - 1), 0, 0]);
        add([kind, letter(end - 2.min(end)), letter(end - 1), 0]);
        add([kind, letter(candidate.first - 1), surname, 0]);
        add([kind, letter(candidate.second), given, 0]);
        let like = |first: usize, last: usize| match (view.get(first), view.get(last)) {
            (Some(first), Some(last)) => (likeness(first), likeness(last)),
            _ => ([0; 4], [0; 4]),
        };
        let (head, tail) = like(start, candidate.first - 1);
        let (as_surname, as_given) = (head[0] << 3 | tail[1], head[2] << 3 | tail[3]);
        add([kind, as_surname, surname, 0]);
        add([kind, as_surname, as_given, given]);
        add([kind, head[0] + tail[1], p, n]);
        if candidate.second < end {
            let (head, tail) = like(candidate.second, end - 1);
            add([kind, head[2] << 3 | tail[3], given, 1]);
            add([kind, head[2] + tail[3], p, n1]);
        }
    }

    fn look(&mut self, view: &View, at: usize) {
        let begin = self.end;
        let (mut tabs, mut commas, mut stops, mut latin, mut colon) = (0, 0, 0, 0, 0);
        let start = view.chars[begin..at]
            .iter()
            .rposition(|c| *c == '\n')
            .map_or(begin, |i| begin + i + 1);
        let length = view.chars[at..].iter().take_while(|c| **c != '\n').count();
        self.end = at + length + 1;
        for c in &view.chars[start..at + length] {
            match c {
                '\t' | '|' => tabs += 1,
                ',' => commas += 1,
                '。' => stops += 1,
                ':' => colon = 1,
                c if c.is_ascii_alphabetic() => latin += 1,
                _ => {}
            }
        }
        let length = at + length - start;
        let size = [6, 14, 40].iter().filter(|n| length > **n).count() as u32;
        self.kind = size
            | u32::from(tabs > 0) << 2
            | u32::from(commas > 1) << 3
            | u32::from(stops > 0) << 4
            | u32::from(latin * 2 > length) << 5
            | colon << 6;
    }
}

/// What the word lists know, in a few bits.
fn known(view: &View, candidate: &Candidate) -> u32 {
    let lexicon = lexicon();
    let &Candidate {
        start,
        first,
        second,
        end,
        kind,
    } = candidate;
    let mut bits = kind as u32 + 1;
    let mut bit = 8;
    let mut say = |yes: bool| {
        bits |= u32::from(yes) << bit;
        bit += 1;
    };
    if matches!(
        kind,
        Kind::Romaji | Kind::RomajiPair | Kind::Foreign | Kind::ForeignPair
    ) {
        return bits;
    }
    let word = view.slice(start, first);
    let surname = lexicon.surname(word);
    say(surname.is_some_and(|s| s.place));
    say(surname.is_some_and(|s| s.place) && is_prefecture(word));
    say(surname.is_none() && lexicon.continental(word).is_some());
    say(lexicon.is_word(word));
    say(first - start == 1);
    if second < end {
        let given = view.slice(second, end);
        say(lexicon.is_word(given));
        say(end - second == 1);
        say(lexicon.surname(given).is_some());
        say(lexicon.is_trap(view.slice(start, end)));
        say(thing::has_word(given));
    } else if kind == Kind::Surname {
        say(lexicon.given(word).is_some());
    }
    if matches!(kind, Kind::Unlisted | Kind::Tail) {
        let word = |a: usize, b: usize| lexicon.is_word(view.slice(a, b));
        bits |= u32::from(word(start, start + 2)) << 29 | u32::from(word(end - 2, end)) << 30;
    }
    bits
}

/// Words of the list that the candidate's edges, or the seam between its words, would tear.
fn torn(view: &View, candidate: &Candidate) -> u32 {
    let &Candidate {
        start,
        first,
        second,
        end,
        ..
    } = candidate;
    let word = |a: usize, b: usize| {
        let inside = b <= view.len() && view.chars[a..b].iter().all(|c| is_han(*c));
        u32::from(inside && lexicon().is_word(view.slice(a, b)))
    };
    let left = start
        .checked_sub(1)
        .map_or(0, |a| word(a, start + 1) | word(a, start + 2) << 1);
    let right = word(end - 1, end + 1) << 2 | word(end - 1, end + 2) << 3;
    let next = word(end, end + 2) << 4;
    let last = start.checked_sub(2).map_or(0, |a| word(a, start) << 5);
    let joined = u32::from(first == second && second < end);
    let seam = (joined * word(first - 1, first + 1)) << 6;
    left | right | next | last | seam
}

/// Whether the line, or the cell, begins and ends with the candidate.
fn line_place(p1: u32, p2: u32, n1: u32, n2: u32) -> u32 {
    let edge = |c: u32| c == '\n' as u32;
    let mark = |c: u32| "\t|,\"':>]*-".chars().any(|m| m as u32 == c);
    let space = |c: u32| c == ' ' as u32;
    let near = |one: u32, two: u32| match () {
        _ if edge(one) => 1,
        _ if space(one) && edge(two) => 2,
        _ if mark(one) || space(one) && mark(two) => 3,
        _ => 0,
    };
    near(p1, p2) << 2 | near(n1, n2)
}

/// A neighbour: letters and digits of the Latin kind are alike, a text's edge is a line's.
fn code(c: Option<char>) -> u32 {
    (match c {
        None | Some('\n' | '\r') => '\n',
        Some('0'..='9') => '0',
        Some('a'..='z') => 'a',
        Some('A'..='Z') => 'A',
        Some(c) => c,
    }) as u32
}

fn class(code: u32) -> u32 {
    match char::from_u32(code).unwrap_or(' ') {
        '\n' => 1,
        ' ' | '\t' => 2,
        '0' => 3,
        'a' | 'A' => 4,
        c if is_han(c) => 5,
        c if is_hiragana(c) => 6,
        c if is_katakana(c) => 7,
        c if c.is_ascii() => 8,
        _ => 9,
    }
}

fn hash(number: u32, values: [u32; 4]) -> usize {
    let mut hash = number.wrapping_mul(0x9E37_79B1);
    for value in values {
        hash = (hash ^ value).wrapping_mul(0x85EB_CA6B).rotate_left(13);
    }
    (hash.wrapping_mul(0xC2B2_AE35) >> (32 - BITS)) as usize
}
