//! Names in running text: surname and given name together, a line or a quotation that is only
//! a name, introductions, speakers, a mailbox that spells the name, a neighbour in a list.

use super::shape::{self, Strength};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana};
use crate::masking::lexicon::{lexicon, romaji};
use crate::masking::normal::View;
use regex::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;

static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    super::super::pattern(
        r"です[。、!！,\n]|です$|と申します|と申し上げ|でございます|と言います|といいます|と名乗|より(?:ご連絡|お電話|連絡)|宛(?:て|に)|より[、,]",
    )
});
static MAILBOX: LazyLock<Regex> =
    LazyLock::new(|| super::super::pattern(r"([A-Za-z][A-Za-z0-9._-]{2,40})@"));

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    pairs(scene, names);
    segments(scene, names);
    for hit in INTRODUCTION.find_iter(&view.text) {
        introduced(scene, names, view.at_byte(hit.start()));
    }
    speakers(scene, names);
    mailboxes(scene, names);
}

/// Surname and given name, both known, with the edges of words around them.
fn pairs(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut at = 0;
    while at < view.len() {
        let c = view.chars[at];
        let letter = is_han(c) || is_katakana(c) || is_hiragana(c);
        let fresh = letter
            && (view.before(at).is_none_or(|b| !same_script(b, c)) || shape::begins(view, at));
        if fresh
            && !names.covers(at, at + 1)
            && !scene.is_closed_at(at)
            && let Some(name) = pair_at(view, at)
            && scene.is_open(name.start, name.end)
            && is_free(view, &name)
        {
            at = name.end;
            names.add(name);
        } else {
            at += 1;
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
    let closed = view
        .get(end)
        .is_none_or(|c| matches!(c, '\n' | '\r' | ' ' | '(' | '"' | '」' | '、' | '。'))
        || super::honorific::starts_at(view, end);
    match shape::read(view, at, end) {
        Some((Strength::Pair, name)) if closed && end - gap > 2 && name.parts.len() == 2 => {
            Some(name)
        }
        _ => None,
    }
}

fn same_script(a: char, b: char) -> bool {
    (is_han(a) && is_han(b))
        || (is_katakana(a) && is_katakana(b))
        || (is_hiragana(a) && is_hiragana(b))
}

/// A pair that nothing around it makes something else.
fn is_free(view: &View, name: &shape::Name) -> bool {
    let text = view.slice(name.start, name.end);
    let lexicon = lexicon();
    let kana = text.chars().all(|c| is_hiragana(c) || c == ' ');
    let surname = &name.parts[0];
    let short = surname.end - surname.start == 1;
    let spaced = text.contains(' ');
    let length = text.chars().count();
    !(lexicon.is_trap(text) || lexicon.is_word(text) || view.get(name.end).is_some_and(|c| c.is_ascii_digit()))
        // 森林保全: two common nouns that could each be a name are not one together.
        && !(name.parts.len() == 2 && lexicon.is_word(view.slice(surname.start, surname.end)) && lexicon.is_word(view.slice(name.parts[1].start, name.end)))
        && !(!spaced && text.ends_with(['錦', '港', '駅', '橋', '川', '山', '東', '西', '南', '北', '城', '池', '沢', '谷', '原', '本', '新', '元', '前', '中', '上', '下', '内', '外', '岡', '島', '浜', '森', '林']) && name.parts.last().is_some_and(|p| p.end - p.start == 1))
        && !(kana && !(spaced && text.chars().count() >= 6))
        // 東京 駅前 and 本 一: one character of surname needs a given name that is no other word.
        && !(short && !spaced && (length < 3 || name.parts.len() < 2 || lexicon.is_word(view.slice(name.parts[1].start, name.end))))
        && !(spaced && name.parts.len() == 2 && name.parts[1].end - name.parts[1].start == 1 && short)
        && !view.before(name.start).is_some_and(|c| is_han(c) && short)
}

/// A line, a cell or a quotation that holds a surname and what may be a given name, and nothing else.
fn segments(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let opens = |c: Option<char>| {
        c.is_none_or(|c| {
            matches!(
                c,
                '\n' | '"'
                    | '\''
                    | '「'
                    | '('
                    | ','
                    | '\t'
                    | '|'
                    | ':'
                    | '>'
                    | '。'
                    | '、'
                    | '・'
                    | '→'
                    | '*'
                    | '※'
                    | ']'
                    | '】'
                    | '@'
                    | '='
            )
        })
    };
    let closes = |c: Option<char>| {
        c.is_none_or(|c| {
            matches!(
                c,
                '\n' | '\r'
                    | '"'
                    | '\''
                    | '」'
                    | ')'
                    | '('
                    | ','
                    | '\t'
                    | '|'
                    | '<'
                    | '。'
                    | '、'
                    | '→'
                    | '*'
                    | '['
                    | '・'
            )
        })
    };
    for at in 0..view.len() {
        if !is_han(view.chars[at]) || names.covers(at, at + 1) {
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
        let bracketed = view.get(name.end) == Some('(')
            && view
                .get(name.end + 1)
                .is_some_and(|c| is_hiragana(c) || is_katakana(c) || c.is_ascii_uppercase());
        let after_sentence = view.before(before) == Some('。');
        let enclosed = view.before(before) == Some('(') && view.get(name.end) == Some(')');
        let sure = (whole_line
            || quoted
            || spaced
            || bracketed
            || enclosed
            || after_sentence && closes(view.get(name.end)))
            && (!place || spaced || bracketed);
        if sure && !lexicon().is_trap(text) && !lexicon().is_word(text) {
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
    let starts = before
        .is_none_or(|c| matches!(c, '\n' | '。' | '、' | ' ' | '!' | '！' | ',' | '>' | '」'));
    // の after a company or an office: this is how people introduce themselves.
    let office = before == Some('の')
        && (scene.is_closed_at(name.start.saturating_sub(2))
            || view.before(name.start - 1).is_some_and(|c| {
                matches!(
                    c,
                    '部' | '課'
                        | '室'
                        | '係'
                        | '店'
                        | '社'
                        | '局'
                        | '所'
                        | '院'
                        | '校'
                        | '学'
                        | '行'
                        | '庁'
                        | '班'
                ) || is_katakana(c)
            }));
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
    if sound && scene.is_open(name.start, name.end) {
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
            matches!(
                c,
                ' ' | '・' | '-' | '*' | '●' | '○' | '■' | '[' | '>' | '【' | '#'
            ) || c.is_ascii_digit()
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
            || (next == Some(' ')
                && view
                    .get(name.end + 1)
                    .is_some_and(|c| c.is_ascii_digit() && view.get(name.end + 3) == Some(':')));
        let acts = bullet && matches!(next, Some('→' | 'が')) || bullet && next == Some('は');
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
    for at in 0..view.len() {
        if !is_han(view.chars[at]) || !shape::begins(view, at) || names.covers(at, at + 1) {
            continue;
        }
        for length in (1..=4).rev() {
            let end = at + length;
            if end > view.len() || !shape::ends(view, end) {
                continue;
            }
            let text = view.slice(at, end);
            let Some(surname) = lexicon().surname(text) else {
                continue;
            };
            if spelt.contains(&romaji::of_kana(surname.reading)) && scene.is_open(at, end) {
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

/// 佐野、広田、北原: a surname beside a name in a list is one too.
pub(super) fn neighbours(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    // Lists grow in both directions from what is known; three rounds reach far enough.
    for _ in 0..3 {
        let mut found = Vec::new();
        for name in names.iter() {
            let mut at = name.end;
            if let Some(after) = honored_end(view, at) {
                at = after;
            }
            if let Some(mark) = view
                .get(at)
                .filter(|c| matches!(c, '、' | '・' | 'と' | '/' | '→' | '&' | ','))
            {
                let start = at + 1 + usize::from(view.get(at + 1) == Some(' '));
                if let Some((strength, next)) = shape::starting_at(view, start, Strength::Surname)
                    && fits(scene, names, &next, strength, mark)
                {
                    found.push(next);
                }
            }
            if let Some(mark) = view
                .before(name.start)
                .filter(|c| matches!(c, '、' | '・' | 'と' | '/' | '→' | '&'))
                && let Some((strength, last)) =
                    shape::ending_at(view, name.start - 1, Strength::Surname)
                && fits(scene, names, &last, strength, mark)
            {
                found.push(last);
            }
        }
        if found.is_empty() {
            break;
        }
        for name in found {
            names.add(name);
        }
    }
}

fn fits(scene: &Scene, names: &Names, name: &shape::Name, strength: Strength, mark: char) -> bool {
    let view = scene.view;
    let text = view.slice(name.start, name.end);
    let place = lexicon().surname(text).is_some_and(|s| s.place);
    let soft = view
        .get(name.end)
        .is_none_or(|c| !is_han(c) && !is_katakana(c))
        || honored_end(view, name.end).is_some();
    let edges = view.before(name.start).is_none_or(|c| {
        matches!(
            c,
            '、' | '・'
                | 'と'
                | '/'
                | '→'
                | '&'
                | ','
                | ' '
                | '\n'
                | ':'
                | '('
                | '「'
                | 'は'
                | 'で'
                | '。'
        )
    });
    strength >= Strength::Surname
        && edges
        && soft
        && !(place && !matches!(mark, '、' | '・' | '/'))
        && !lexicon().is_word(text)
        && !names.covers(name.start, name.end)
        && scene.is_open(name.start, name.end)
}

fn honored_end(view: &View, at: usize) -> Option<usize> {
    static HONORED: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"^ ?(?:様|さん|氏|くん|ちゃん|先輩|先生|殿|[一-龠]{0,2}(?:部長|課長|社長|係長|主任|次長|室長|店長))(?:\([^()\n]{0,16}\))?",
        )
    });
    let hit = HONORED.find(view.slice(at, (at + 24).min(view.len())))?;
    Some(view.at_byte(view.byte_of(at) + hit.end()))
}
