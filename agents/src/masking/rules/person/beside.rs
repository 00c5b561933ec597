//! What stands beside a name that is known: its reading in brackets, its neighbours in a list.

use super::prose::is_prefecture;
use super::shape::{self, Strength};
use super::thing;
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{katakana, lexicon};
use crate::masking::normal::View;
use regex::Regex;
use std::sync::LazyLock;

pub(super) fn find(scene: &Scene, names: &mut Names) {
    readings(scene, names);
    neighbours(scene, names);
}

/// 馬場陽一（ババ ヨウイチ）, 田中太郎 (Taro Tanaka): what stands in brackets after a name is the name again.
fn readings(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut found = Vec::new();
    for name in names.iter() {
        let mut open = name.end;
        if view.get(open) == Some(' ') {
            open += 1;
        }
        if view.get(open) != Some('(') {
            continue;
        }
        let Some(close) = (open + 1..(open + 26).min(view.len())).find(|&i| view.chars[i] == ')')
        else {
            continue;
        };
        let inside = &view.chars[open + 1..close];
        let kana = inside
            .iter()
            .all(|&c| is_hiragana(c) || is_katakana(c) || c == ' ');
        let latin = inside.iter().all(|&c| c.is_ascii_alphabetic() || c == ' ')
            && inside.iter().filter(|c| c.is_ascii_uppercase()).count() >= 2
            && inside.contains(&' ');
        let gap = inside.iter().position(|&c| c == ' ').map(|i| open + 1 + i);
        let sound = inside.len() >= 2
            && (latin
                || kana
                    && is_written_in_kanji(view, name)
                    && (gap.is_some()
                        || name.parts.len() > 1 && sounds_alike(view, name, open + 1, close)
                        || lexicon().is_surname_kana(view.slice(open + 1, close))
                        || lexicon().is_given_kana(view.slice(open + 1, close)))
                    && inside.iter().filter(|c| **c == ' ').count() <= 1);
        if !sound || thing::is_role(view.slice(open + 1, close)) || !scene.is_open(open + 1, close)
        {
            continue;
        }
        let initial = |start: usize, end: usize, first: bool| {
            let text = view.slice(start, end);
            if first {
                lexicon().surname_initial(text)
            } else {
                lexicon().given_initial(text)
            }
        };
        let part = |start: usize, end: usize, first: bool| shape::Part {
            start,
            end,
            initial: initial(start, end, first),
        };
        let parts = match gap {
            Some(gap) => vec![part(open + 1, gap, true), part(gap + 1, close, false)],
            None => match shape::read(view, open + 1, close) {
                Some((_, read)) => read.parts,
                None => vec![part(open + 1, close, true)],
            },
        };
        found.push(shape::Name {
            start: open + 1,
            end: close,
            parts,
        });
    }
    for name in found {
        names.add(name);
    }
}

/// ピアノ behind オリビア・スミス is what she plays: only kanji have a reading in kana.
fn is_written_in_kanji(view: &View, name: &shape::Name) -> bool {
    view.chars[name.start..name.end].iter().any(|c| is_han(*c))
}

/// The kana begin as the surname does, or no list has the surname: チェロ is no reading of 山田太郎.
fn sounds_alike(view: &View, name: &shape::Name, start: usize, end: usize) -> bool {
    let part = name.parts[0];
    let reading = lexicon().surname(view.slice(part.start, part.end));
    let first = katakana(view.slice(start, end)).chars().next();
    reading.map_or(end - start >= 4, |surname| {
        surname.reading.chars().next() == first
    })
}

/// 佐野、広田、北原: a surname beside a name in a list is one too.
fn neighbours(scene: &Scene, names: &mut Names) {
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
                    shape::ending_at(view, name.start - 1, Strength::Single)
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
    let edges = view
        .before(name.start)
        .is_none_or(|c| one_of!("、・と/→&, \n:(「はで。", c));
    // 峰と田中さん: one character needs marks on both sides and an honoured neighbour; so does a place.
    let strict = view
        .before(name.start)
        .is_none_or(|c| one_of!("、。\n「(:", c));
    let honoured = honored_neighbour(view, name, mark);
    let short = text.chars().count() < 3 && text.starts_with(is_hiragana);
    !short
        && (strength >= Strength::Surname
            || (name.end - name.start == 1
                && strict
                && honoured
                && lexicon().surname(text).is_some()))
        && edges
        && soft
        && (!place
            || matches!(mark, '、' | '・' | '/')
            || (strict && honoured && !is_prefecture(text)))
        && !lexicon().is_word(text)
        && !names.covers(name.start, name.end)
        && scene.is_open(name.start, name.end)
}

/// The name on the other side of the mark has an honorific.
fn honored_neighbour(view: &View, name: &shape::Name, mark: char) -> bool {
    if view.get(name.end) != Some(mark) {
        return false;
    }
    (name.end + 1..=(name.end + 10).min(view.len())).any(|at| {
        view.chars[name.end + 1..at]
            .iter()
            .all(|c| is_han(*c) || is_katakana(*c) || is_hiragana(*c))
            && super::honorific::starts_at(view, at)
    })
}

pub(super) fn honored_end(view: &View, at: usize) -> Option<usize> {
    static HONORED: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"^ ?(?:様|さん|氏|くん|ちゃん|先輩|先生|殿|[一-龠]{0,2}(?:部長|課長|社長|係長|主任|次長|室長|店長))(?:\([^()\n]{0,16}\))?",
        )
    });
    let hit = HONORED.find(view.slice(at, (at + 24).min(view.len())))?;
    Some(view.at_byte(view.byte_of(at) + hit.end()))
}
