//! A name's words and their initials, read from its characters alone.

use super::super::thing;
use super::{LONGEST, Name, Part, Strength};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{is_prefecture, lexicon};
use crate::masking::normal::View;

/// Reads `start..end` as one name.
pub(in crate::masking) fn read(view: &View, start: usize, end: usize) -> Option<(Strength, Name)> {
    if start >= end || end - start > LONGEST {
        return None;
    }
    let chars = &view.chars[start..end];
    // What an address left behind is nobody's name.
    if is_prefecture(view.slice(start, end)) {
        return None;
    }
    if chars.iter().all(|c| is_han(*c)) {
        return solid(view, start, end);
    }
    if let Some(gap) = chars.iter().position(|c| matches!(c, ' ' | '\n')) {
        let second = start + gap + 1;
        if view.chars[second..end].iter().any(|c| c.is_whitespace()) {
            return None;
        }
        return spaced(view, start, start + gap, second, end);
    }
    if chars.contains(&'・') || chars.contains(&'=') {
        return dotted(view, start, end);
    }
    if chars.iter().all(|c| is_katakana(*c)) || chars.iter().all(|c| is_hiragana(*c)) {
        return kana(view, start, end);
    }
    if !chars
        .iter()
        .all(|c| is_han(*c) || is_hiragana(*c) || is_katakana(*c))
        || !is_han(chars[0]) && !chars.iter().any(|c| is_han(*c))
    {
        return None;
    }
    solid(view, start, end)
}

fn name(start: usize, end: usize, parts: &[(usize, usize, char)]) -> Name {
    let parts = parts
        .iter()
        .map(|&(start, end, initial)| Part {
            start,
            end,
            initial,
        })
        .collect();
    Name { start, end, parts }
}

/// Kanji, or kanji and kana, without a space.
fn solid(view: &View, start: usize, end: usize) -> Option<(Strength, Name)> {
    let lexicon = lexicon();
    // The honorific is no part of the name before it, though さん and くん are given names' sounds.
    if matches!(view.chars[end - 1], 'ん' | 'ま')
        && ["さん", "くん", "ちゃん", "さま"]
            .iter()
            .any(|h| view.slice(start, end).ends_with(h))
    {
        return None;
    }
    let text = |a: usize, b: usize| view.slice(a, b);
    // The cut between the words of the best reading.
    let mut best: Option<(Strength, usize, usize)> = None;
    let pair = |k: usize| {
        let (a, b) = (
            lexicon.surname_initial(text(start, k)),
            given_initial(text(start, k), text(k, end)),
        );
        name(start, end, &[(start, k, a), (k, end, b)])
    };
    for k in start + 1..end.min(start + 5) {
        let (surname, given) = (text(start, k), text(k, end));
        // Two characters are the usual surname; a tie goes to them.
        let rank = match k - start {
            2 => 9,
            3 => 7,
            1 => 5,
            _ => 3,
        };
        if view.surnames_at(start) >> (k - start) & 1 == 0 {
            continue;
        }
        // One kanji and kana (申 しま) is more often a verb.
        let sounds = k - start == 1
            && !given.chars().any(is_han)
            && !super::super::honorific::starts_at(view, end);
        if lexicon.given(given).is_some() && !sounds {
            // One and one (金子, 林田) is more often a surname of two.
            if end - start == 2 {
                offer(&mut best, Strength::Single, 0, k);
            } else {
                offer(
                    &mut best,
                    Strength::Pair,
                    rank + usize::from(end - k >= 2) * 2,
                    k,
                );
            }
        } else if k - start >= 2
            && (is_given_like(given)
                && !lexicon.is_word(given)
                && (lexicon.surname(given).is_none()
                    || end - k >= 2 && !is_place(surname) && !is_place(given))
                || is_kana_given(view, k, end))
        {
            offer(&mut best, Strength::Half, rank, k);
        } else if lexicon.continental(surname).is_some()
            && is_given_like(given)
            && end - k <= 2
            && !lexicon.is_word(text(start, end))
        {
            offer(&mut best, Strength::Half, rank.saturating_sub(3), k);
        } else if k - start == 1
            && (2..=3).contains(&(end - k))
            && is_given_like(given)
            && !(start..end - 1).any(|i| lexicon.is_word(text(i, i + 2)))
            && !lexicon.is_word(text(start, end))
        {
            offer(&mut best, Strength::Guess, 1, k);
        }
    }
    let whole = text(start, end);
    if lexicon.surname(whole).is_some() || lexicon.continental(whole).is_some() {
        let strength = if end - start >= 2 {
            Strength::Surname
        } else {
            Strength::Single
        };
        // A surname of up to three is read as one (長谷川), not as a rarer surname and the rest.
        if end - start <= 3 || best.as_ref().is_none_or(|(s, ..)| *s < strength) {
            return Some((
                strength,
                name(start, end, &[(start, end, lexicon.surname_initial(whole))]),
            ));
        }
    } else if lexicon.given(whole).is_some() {
        let strength = if end - start >= 2 {
            Strength::Single
        } else {
            Strength::Guess
        };
        if best
            .as_ref()
            .is_none_or(|(s, ..)| *s <= Strength::Half && end - start == 2)
        {
            return Some((
                strength,
                name(start, end, &[(start, end, lexicon.given_initial(whole))]),
            ));
        }
    }
    best.map(|(strength, _, cut)| (strength, pair(cut)))
}

fn spaced(
    view: &View,
    start: usize,
    gap: usize,
    second: usize,
    end: usize,
) -> Option<(Strength, Name)> {
    let lexicon = lexicon();
    let (first, last) = (view.slice(start, gap), view.slice(second, end));
    let all = |text: &str, f: fn(char) -> bool| !text.is_empty() && text.chars().all(f);
    let both = |strength, a, b| {
        Some((
            strength,
            name(start, end, &[(start, gap, a), (second, end, b)]),
        ))
    };
    if (all(first, is_katakana) && all(last, is_katakana))
        || (all(first, is_hiragana) && all(last, is_hiragana))
    {
        let known =
            usize::from(lexicon.is_surname_kana(first)) + usize::from(lexicon.is_given_kana(last));
        let foreign = lexicon.is_foreign_given(first)
            || (lexicon.is_foreign_surname(last) && lexicon.is_foreign_given(first));
        let strength = match known {
            2 => Strength::Pair,
            _ if foreign => Strength::Pair,
            1 => Strength::Half,
            _ if first.chars().count() <= 6 && last.chars().count() <= 6 => Strength::Guess,
            _ => return None,
        };
        return both(
            strength,
            lexicon.surname_initial(first),
            lexicon.given_initial(last),
        );
    }
    if !is_han(view.chars[start])
        || !first
            .chars()
            .all(|c| is_han(c) || is_hiragana(c) || is_katakana(c))
        || !last
            .chars()
            .all(|c| is_han(c) || is_hiragana(c) || is_katakana(c))
    {
        return None;
    }
    let surname = lexicon.surname(first).is_some() || lexicon.continental(first).is_some();
    let given = lexicon.given(last).is_some();
    let strength = match (surname, given) {
        (true, true) => Strength::Pair,
        (true, false)
            if is_given_like(last) && !lexicon.is_word(last) && lexicon.surname(last).is_none()
                || is_kana_given(view, second, end) =>
        {
            Strength::Half
        }
        (false, true)
            if (2..=3).contains(&first.chars().count())
                && all(first, is_han)
                && !lexicon.is_word(first)
                && !first.ends_with(thing::ENDINGS)
                && !first.ends_with(['人', '印'])
                && last.chars().count() >= 2 =>
        {
            Strength::Half
        }
        _ => return None,
    };
    both(
        strength,
        lexicon.surname_initial(first),
        given_initial(first, last),
    )
}

/// ピエール・デュポン.
fn dotted(view: &View, start: usize, end: usize) -> Option<(Strength, Name)> {
    let lexicon = lexicon();
    let mut parts = Vec::new();
    let mut at = start;
    let mut known = false;
    for i in start..=end {
        if i == end || matches!(view.chars[i], '・' | '=') {
            let word = view.slice(at, i);
            if i - at < 2 && i - at != 1 || !word.chars().all(is_katakana) {
                return None;
            }
            known |= lexicon.is_foreign_given(word) || lexicon.is_foreign_surname(word);
            parts.push((at, i, lexicon.given_initial(word)));
            at = i + 1;
        }
    }
    (2..=4).contains(&parts.len()).then(|| {
        (
            if known {
                Strength::Pair
            } else {
                Strength::Guess
            },
            name(start, end, &parts),
        )
    })
}

fn kana(view: &View, start: usize, end: usize) -> Option<(Strength, Name)> {
    let lexicon = lexicon();
    let text = view.slice(start, end);
    let one = |strength, initial| Some((strength, name(start, end, &[(start, end, initial)])));
    if end - start < 2 {
        return None;
    }
    if lexicon.is_surname_kana(text) || lexicon.is_foreign_surname(text) {
        return one(Strength::Surname, lexicon.surname_initial(text));
    }
    if lexicon.is_given_kana(text) || lexicon.is_foreign_given(text) {
        return one(Strength::Single, lexicon.given_initial(text));
    }
    // The longest surname first: タカハシハナコ.
    for k in (start + 2..end - 1).rev() {
        let (a, b) = (view.slice(start, k), view.slice(k, end));
        if !thing::is_role(text) && lexicon.is_surname_kana(a) && lexicon.is_given_kana(b) {
            let parts = [
                (start, k, lexicon.surname_initial(a)),
                (k, end, lexicon.given_initial(b)),
            ];
            return Some((Strength::Half, name(start, end, &parts)));
        }
    }
    if is_katakana(view.chars[start]) && !thing::is_role(text) {
        return one(Strength::Guess, lexicon.given_initial(text));
    }
    None
}

/// A given name is read as its surname is: 偉 after 王 is Wei.
fn given_initial(surname: &str, given: &str) -> char {
    if lexicon().continental(surname).is_some() {
        lexicon().continental_initial(given)
    } else {
        lexicon().given_initial(given)
    }
}

/// What can be a given name that no list has: one to three kanji, or two to four kana.
fn is_given_like(text: &str) -> bool {
    let n = text.chars().count();
    let han = text.chars().filter(|c| is_han(*c)).count();
    let kana = text.chars().all(is_hiragana) || text.chars().all(is_katakana);
    (1..=3).contains(&n)
        && han == n
        && !text.ends_with(thing::ENDINGS)
        && !text.contains(['様', '氏', '殿'])
        && !(n == 3 && is_prefecture(text))
        || kana && (2..=4).contains(&n) && lexicon().is_given_kana(text)
        // くみ子, のり子; とし江 only where no particle could stand first.
        || (2..=3).contains(&n)
            && han == 1
            && text.chars().all(|c| is_han(c) || is_hiragana(c))
            && (text.ends_with('子') || text.ends_with(['美', '江', '代', '恵', '香']) && !text.starts_with(['と', 'の', 'は', 'が', 'を', 'に', 'へ', 'で', 'も', 'や']))
}

/// Hiragana that no list has, closed by an honorific or the value's end: いろは in 田中いろは様.
fn is_kana_given(view: &View, start: usize, end: usize) -> bool {
    const PROSE: &str = "です ます から より まで など ほか こと もの ため とき それ これ では には ので のに だけ さん さま くん ちゃん よろしく ください ありがとう お願い という として について による ました しました";
    let text = view.slice(start, end);
    (2..=4).contains(&(end - start))
        && text.chars().all(is_hiragana)
        && !text.starts_with([
            'は', 'が', 'を', 'に', 'の', 'と', 'へ', 'で', 'も', 'や', 'か', 'ん', 'っ',
        ])
        && !PROSE.split(' ').any(|word| text.contains(word))
        && (super::super::honorific::starts_at(view, end)
            || view
                .get(end)
                .is_none_or(|c| one_of!("\n\r\"',、。()」<|\t", c)))
}

fn is_place(text: &str) -> bool {
    lexicon().surname(text).is_some_and(|s| s.place)
}

/// Keeps the stronger reading; of two equally strong ones the one that ranks higher.
fn offer(best: &mut Option<(Strength, usize, usize)>, strength: Strength, rank: usize, cut: usize) {
    if best
        .as_ref()
        .is_none_or(|(s, r, _)| (*s, *r) < (strength, rank))
    {
        *best = Some((strength, rank, cut));
    }
}
