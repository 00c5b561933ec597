//! Where a name can stand: cheap to say, and far more often wrong than right.

use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{PREFECTURES_LATIN, is_prefecture, lexicon};
use crate::masking::normal::View;
use crate::masking::rules::person::prose::is_prefecture as is_base;
use crate::masking::rules::person::{shape, thing};

/// Longer runs of kanji are compounds, or another language.
const LONGEST_RUN: usize = 16;

/// What the word lists say of a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A surname of the list.
    Surname,
    /// One of one kanji, between marks.
    Single,
    /// A surname and a given name of the lists.
    Pair,
    /// A surname of the list and what else its run of kanji holds.
    Half,
    /// A given name of the list.
    Given,
    /// Kanji of which the list has only the end, as a given name.
    Tail,
    /// Kanji that no list has.
    Unlisted,
    /// Kanji or kana on both sides of a space: both, one, none of the lists.
    SpacedPair,
    SpacedHalf,
    Spaced,
    /// Katakana of the lists.
    Kana,
    KanaPair,
    Foreign,
    ForeignPair,
    /// Latin letters that read as names of the lists.
    Romaji,
    RomajiPair,
}

/// Characters that may be a name: `start..first` one word of it, `second..end` the other if it has two.
pub(super) struct Candidate {
    pub start: usize,
    pub first: usize,
    pub second: usize,
    pub end: usize,
    pub kind: Kind,
}

impl Candidate {
    fn one(start: usize, end: usize, kind: Kind) -> Candidate {
        Candidate {
            start,
            first: end,
            second: end,
            end,
            kind,
        }
    }

    fn two(start: usize, first: usize, second: usize, end: usize, kind: Kind) -> Candidate {
        Candidate {
            start,
            first,
            second,
            end,
            kind,
        }
    }
}

/// Offers every candidate, by where it begins.
pub(super) fn each(view: &View, mut offer: impl FnMut(Candidate)) {
    let mut at = 0;
    while at < view.len() {
        let c = view.chars[at];
        if c.is_ascii() {
            let mut end = at + 1;
            if c.is_ascii_alphabetic() {
                end = run(view, at, |c| c.is_ascii_alphanumeric() || c == '_');
                latin(view, at, end, &mut offer);
            }
            at = end;
        } else if is_han(c) {
            let end = run(view, at, is_han);
            if end - at <= LONGEST_RUN {
                han(view, at, end, &mut |candidate| {
                    if !is_no_name(view, &candidate) {
                        offer(candidate);
                    }
                });
            }
            at = end;
        } else if is_katakana(c) {
            let end = run(view, at, is_katakana);
            katakana(view, at, end, &mut offer);
            at = end;
        } else {
            at += 1;
        }
    }
}

fn run(view: &View, at: usize, inside: fn(char) -> bool) -> usize {
    let length = view.chars[at..].iter().take_while(|c| inside(**c)).count();
    at + length
}

/// Names in the kanji `a..b`, given names in kana after them, and those behind a space.
fn han(view: &View, a: usize, b: usize, offer: &mut impl FnMut(Candidate)) {
    let lexicon = lexicon();
    let mut whole = false;
    for start in a..b {
        if start > a && !follows(view, start) {
            continue;
        }
        let lengths = view.surnames_at(start);
        for length in (1..=4).filter(|n| lengths >> n & 1 == 1) {
            let first = start + length;
            if length > 1 && !is_landmark(view.get(first)) && !is_place(view, start, first) {
                offer(Candidate::one(start, first, Kind::Surname));
                whole |= start == a && first == b;
            } else if b - a == 1 && view.chars[a] != '方' && stands_alone(view, a) {
                offer(Candidate::one(a, b, Kind::Single));
            }
            for end in first + 1..=(first + 3).min(b) {
                let kind = if length + end - first > 2
                    && lexicon.given(view.slice(first, end)).is_some()
                {
                    Kind::Pair
                } else if end == b
                    && !is_wordy(view, start, end)
                    && !is_landmark(view.before(end))
                    && !is_prefecture(view.slice(start, end))
                    && !thing::is_count(view.slice(first, end))
                    && (length > 1 || start == a && end - first == 2)
                {
                    Kind::Half
                } else {
                    continue;
                };
                offer(Candidate::two(start, first, first, end, kind));
                whole |= start == a && end == b;
            }
            // One kanji and kana (申します) is more often a verb.
            if first == b && length > 1 {
                let kana = run(view, b, is_katakana);
                if (2..=5).contains(&(kana - b)) && a == start {
                    offer(Candidate::two(start, b, b, kana, Kind::Half));
                }
                let kana = run(view, b, is_hiragana).min(b + 4);
                for end in b + 2..=kana {
                    if lexicon.given(view.slice(b, end)).is_some() {
                        offer(Candidate::two(start, b, b, end, Kind::Pair));
                    }
                }
                // 内藤あさ美: kana, and one kanji that ends the run.
                let ends = kana > b && view.get(kana).is_some_and(is_han);
                if ends
                    && !view.get(kana + 1).is_some_and(is_han)
                    && lexicon.given(view.slice(b, kana + 1)).is_some()
                {
                    offer(Candidate::two(start, b, b, kana + 1, Kind::Pair));
                }
            }
        }
        if (2..=3).contains(&(b - start)) && lexicon.given(view.slice(start, b)).is_some() {
            offer(Candidate::one(start, b, Kind::Given));
            whole |= start == a;
        }
    }
    if !whole
        && !is_prefecture(view.slice(a, b))
        && !is_place(view, a, b)
        && (2..=6).contains(&(b - a))
        && !is_wordy(view, a, b)
    {
        let tail = |n: &usize| b - a > *n + 1 && lexicon.given(view.slice(b - n, b)).is_some();
        if let Some(length) = [2, 3].iter().find(|n| tail(n)) {
            let first = b - length;
            offer(Candidate::two(a, first, first, b, Kind::Tail));
        } else if b - a < 6 {
            let first = if b - a > 3 { a + 2 } else { b };
            offer(Candidate::two(a, first, first, b, Kind::Unlisted));
        }
    }
    spaced(view, a, b, offer);
}

/// A name can follow what stands before it without a space: an office, a role, a relative.
fn follows(view: &View, at: usize) -> bool {
    const ROLES: &str = "故男女人師生医客主手妻夫母父兄弟姉妹娘孫甲乙昨先今第";
    shape::begins(view, at) || view.before(at).is_some_and(|c| one_of!(ROLES, c))
}

/// A prefecture with or without its ending, or words that make sense by themselves.
fn is_no_name(view: &View, candidate: &Candidate) -> bool {
    let &Candidate { start, end, .. } = candidate;
    let text = view.slice(start, end);
    let toward = candidate.kind == Kind::Given && is_place(view, start, end);
    is_prefecture(text)
        || is_base(text)
        || toward
        || thing::is_count(text)
        || candidate.kind == Kind::Unlisted && thing::is_thing(text)
        || is_compound(view, candidate)
        || thing::is_absence(text)
        || matches!(
            candidate.kind,
            Kind::Pair | Kind::Half | Kind::Tail | Kind::Unlisted
        ) && end - start > 2
            && text.ends_with(thing::ENDINGS)
        || end - start == 4 && is_wordy(view, start, end)
        || is_landscape(view, start, end)
}

/// 石川勤務可, 高知工科大学: what follows the surname, or ends what only begins like one, is a word.
fn is_compound(view: &View, candidate: &Candidate) -> bool {
    let &Candidate {
        first, end, kind, ..
    } = candidate;
    let guessed = matches!(kind, Kind::Half | Kind::Tail | Kind::Unlisted);
    guessed
        && end - candidate.start >= 5
        && (lexicon().is_word(view.slice(end - 2, end))
            || kind == Kind::Half && thing::has_word(view.slice(first, end)))
}

/// 東口, 平和島, 山田錦: a way out, a word and what lies in a landscape, a rice.
fn is_landscape(view: &View, start: usize, end: usize) -> bool {
    let last = view.before(end);
    let word = || lexicon().is_word(view.slice(start, start + 2));
    match end - start {
        2 => last == Some('口') && one_of!("東西南北", view.chars[start]),
        3 => last == Some('錦') || last.is_some_and(|c| one_of!("島台丘山川池橋浜", c)) && word(),
        _ => false,
    }
}

/// What ends the name of a town or of something in one.
fn is_landmark(c: Option<char>) -> bool {
    c.is_some_and(|c| one_of!("市区町村郡県駅線港橋城", c))
}

/// A prefecture, or a place where one comes from, goes to or does something.
fn is_place(view: &View, start: usize, end: usize) -> bool {
    let word = view.slice(start, end);
    let toward = || {
        let rest = view.slice(end, (end + 2).min(view.len()));
        rest.starts_with(['へ', 'で', 'を']) || matches!(rest, "から" | "まで")
    };
    lexicon().surname(word).is_some_and(|s| s.place) && (is_base(word) || toward())
}

/// No letter touches it but a particle: 林 in 「林、佐藤」 and 林が, not in 林の中.
fn stands_alone(view: &View, at: usize) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric());
    let particle = view.get(at + 1).is_some_and(|c| one_of!("がはにとも", c));
    let apart = |c: char| !c.is_alphanumeric() && c != ' ';
    view.before(at).is_none_or(apart) && (particle || !letter(view.get(at + 1)))
}

/// A word, or two words joined.
fn is_wordy(view: &View, a: usize, b: usize) -> bool {
    let word = |a: usize, b: usize| lexicon().is_word(view.slice(a, b));
    word(a, b)
        || b - a == 4 && word(a, a + 2) && word(a + 2, b)
        || lexicon().is_trap(view.slice(a, b))
}

/// 水無瀬 千尋: at most four kanji, one space, and a given name or what may be one.
fn spaced(view: &View, a: usize, b: usize, offer: &mut impl FnMut(Candidate)) {
    if b - a > 4 || view.get(b) != Some(' ') {
        return;
    }
    let Some(c) = view.get(b + 1) else { return };
    let inside = match c {
        _ if is_han(c) => is_han,
        _ if is_hiragana(c) => is_hiragana,
        _ if is_katakana(c) => is_katakana,
        _ => return,
    };
    let mut end = run(view, b + 1, inside);
    // 真由子, みな子: kana and kanji mix in given names.
    if is_hiragana(c) && view.get(end) == Some('子') {
        end += 1;
    }
    if end - b - 1 > 4 || is_han(c) && end - b - 1 > 3 {
        return;
    }
    let surname = view.surnames_at(a) >> (b - a) & 1 == 1;
    let given = lexicon().given(view.slice(b + 1, end)).is_some();
    let kind = match (surname, given) {
        (true, true) => Kind::SpacedPair,
        (false, false) if !is_han(c) || b - a < 2 => return,
        (false, false) => Kind::Spaced,
        _ => Kind::SpacedHalf,
    };
    offer(Candidate::two(a, b, b + 1, end, kind));
}

/// A mark between the span and what could be a name too, on either side; brackets around it.
pub(super) fn beside(view: &View, start: usize, end: usize) -> u32 {
    let mark = |c: Option<char>| c.is_some_and(|c| one_of!("、,/・ と→\t|&\n", c));
    let right = mark(view.get(end)) && view.surnames_at(end + 1) >> 2 != 0;
    let left = mark(view.before(start))
        && (2..=3).any(|n| start > n && view.surnames_at(start - 1 - n) >> n & 1 == 1);
    let brackets = view.before(start) == Some('(') && view.get(end) == Some(')');
    u32::from(left) | u32::from(right) << 1 | u32::from(brackets) << 2
}

fn katakana(view: &View, a: usize, b: usize, offer: &mut impl FnMut(Candidate)) {
    if !(2..=9).contains(&(b - a)) {
        return;
    }
    let lexicon = lexicon();
    let word = view.slice(a, b);
    let foreign = lexicon.is_foreign_given(word) || lexicon.is_foreign_surname(word);
    let next = |at: usize| match view.get(at + 1) {
        Some(c) if is_katakana(c) => Some(run(view, at + 1, is_katakana)).filter(|e| e - at <= 10),
        _ => None,
    };
    match view.get(b) {
        Some('・' | '=') => {
            let second = b + 1;
            let (mut end, mut parts) = (b, 1);
            while parts < 4
                && matches!(view.get(end), Some('・' | '='))
                && let Some(further) = next(end)
            {
                end = further;
                parts += 1;
            }
            if parts > 1 {
                let kind = if foreign {
                    Kind::ForeignPair
                } else {
                    Kind::Foreign
                };
                offer(Candidate::two(a, b, second, end, kind));
            }
        }
        Some(' ') => {
            if let Some(end) = next(b)
                && (lexicon.is_surname_kana(word)
                    || lexicon.is_given_kana(view.slice(b + 1, end))
                    || foreign)
            {
                offer(Candidate::two(a, b, b + 1, end, Kind::KanaPair));
            }
        }
        _ => {}
    }
    if foreign {
        offer(Candidate::one(a, b, Kind::Foreign));
    } else if lexicon.is_surname_kana(word) || lexicon.is_given_kana(word) {
        offer(Candidate::one(a, b, Kind::Kana));
    }
}

fn latin(view: &View, a: usize, b: usize, offer: &mut impl FnMut(Candidate)) {
    if !is_romaji(view, a, b) {
        return;
    }
    let listed = |a: usize, b: usize| lexicon().readings(view.slice(a, b)) != (false, false);
    let known = listed(a, b);
    if matches!(view.get(b), Some(' ' | '.' | ','))
        && let second =
            b + 1 + usize::from(view.get(b) == Some(',') && view.get(b + 1) == Some(' '))
        && view.get(second).is_some_and(|c| c.is_ascii_alphabetic())
    {
        let end = run(view, second, |c| c.is_ascii_alphanumeric() || c == '_');
        if is_romaji(view, second, end) && known && listed(second, end) {
            offer(Candidate::two(a, b, second, end, Kind::RomajiPair));
        }
    }
    if known && !PREFECTURES_LATIN.contains(&view.slice(a, b)) {
        offer(Candidate::one(a, b, Kind::Romaji));
    }
}

/// Syllables of Japanese, capitalised or behind a mark: without looking anything up.
fn is_romaji(view: &View, a: usize, b: usize) -> bool {
    if !(3..=12).contains(&(b - a)) {
        return false;
    }
    let chars = &view.chars[a..b];
    let capital = chars[0].is_ascii_uppercase();
    let marked = matches!(view.before(a), Some('(' | '@' | '=' | '"' | ':'))
        || view.before(a) == Some(' ') && view.get(a.saturating_sub(2)) == Some(':');
    if !capital && !marked {
        return false;
    }
    let upper = chars[1..].iter().filter(|c| c.is_ascii_uppercase()).count();
    if upper != 0 && (upper != chars.len() - 1 || !capital) {
        return false;
    }
    let mut consonants = 0;
    for c in chars {
        match c.to_ascii_lowercase() {
            'a' | 'i' | 'u' | 'e' | 'o' => consonants = 0,
            'l' | 'q' | 'v' | 'x' | '_' | '0'..='9' => return false,
            _ => consonants += 1,
        }
        if consonants > 3 {
            return false;
        }
    }
    // A syllable ends in a vowel or n; Ohtoh writes a long one.
    consonants == 0
        || matches!(chars[chars.len() - 1].to_ascii_lowercase(), 'n' | 'h') && consonants == 1
}
