//! How much a word looks like a name.

use super::super::honorific;
use super::super::likeness::{is_given_like, is_name_like};
use super::super::shape::{self, Name, Part, Strength};
use super::super::thing;
use super::around::is_role_word;
use super::is_letter;
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{is_prefecture, lexicon};
use crate::masking::normal::View;
use rustc_hash::FxHashSet;
use std::sync::LazyLock;

/// From what no list has to what two lists have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// Kanji that no list has, with a noun in them.
    Loose,
    /// Kanji that no list has, or a surname of one kanji.
    Unknown,
    /// A surname that is a word.
    Word,
    /// A given name.
    Given,
    /// A surname that is a place.
    Place,
    /// A surname of one kanji before what may be a given name.
    Short,
    /// Kanji that no list has before a given name.
    Tail,
    Surname,
    Half,
    Pair,
}

/// Given names that are nouns too: 斉藤銀河 is somebody, 銀河 is not.
static GIVEN_WORDS: LazyLock<FxHashSet<&str>> = LazyLock::new(|| {
    include_str!("../../../lexicon/given-words.txt")
        .lines()
        .collect()
});

/// Given names of one kanji that are hardly ever a word by themselves.
const GIVEN_KANJI: &str = "明茂誠翔健豊進勇隆修薫聡渉亮諒涼遼凌司悟徹剛稔浩弘宏博寛洋淳純潤駿隼蓮樹葵蒼碧凛凜澪遥悠陸律奏昴瞬匠拓哲敦篤武毅愛恵瞳梓楓茜忍舞歩昇昌晃輝晶清忠治勝幹努勉惺禅蘭望綾彩杏雅尚聖真保稜慧智仁孝巌巖勲彰彬惇慎馨香静圭桂萌";

/// Points of the best look.
pub(super) const MOST: u8 = 4;

impl Look {
    pub(super) fn points(self) -> u8 {
        match self {
            Look::Loose | Look::Word => 0,
            Look::Unknown => 1,
            Look::Place | Look::Short => 2,
            Look::Given | Look::Tail | Look::Surname => 3,
            Look::Half | Look::Pair => MOST,
        }
    }
}

/// The look of `start..end`; one of fewer points than `least` may be passed over.
pub(super) fn look(view: &View, start: usize, end: usize, least: u8) -> Option<(Look, Name)> {
    let lexicon = lexicon();
    let text = view.slice(start, end);
    if is_prefecture(text) || lexicon.is_trap(text) && lexicon.surname(text).is_none() {
        return None;
    }
    let word = lexicon.is_word(text);
    let surname = lexicon.surname(text);
    let Some((strength, name)) = shape::read(view, start, end) else {
        return unlisted(view, start, end, least);
    };
    let tailed = |name: &Name| {
        let last = name.parts.last().map_or(name.start, |part| part.start);
        !thing::has_word(view.slice(last, name.end))
    };
    let continental = end - start <= 3
        && lexicon.continental(view.slice(start, start + 1)).is_some()
        && !thing::has_word(text);
    let look = match strength {
        _ if word && surname.is_none() => return None,
        Strength::Pair => Look::Pair,
        Strength::Half if tailed(&name) => Look::Half,
        Strength::Surname if word => Look::Word,
        Strength::Surname if surname.is_some_and(|s| s.place) => Look::Place,
        Strength::Surname => Look::Surname,
        Strength::Single if surname.is_some() => Look::Unknown,
        Strength::Single | Strength::Guess if continental && end - start >= 2 => Look::Short,
        Strength::Single if end - start >= 2 && is_given_like(text) => Look::Given,
        Strength::Single if end - start >= 2 => Look::Unknown,
        // 毛受拓海: a list has 拓海, and none 受拓海.
        Strength::Guess if name.parts.len() == 2 => match unlisted(view, start, end, least) {
            Some((Look::Tail, name)) => return Some((Look::Tail, name)),
            _ => Look::Short,
        },
        _ => return unlisted(view, start, end, least),
    };
    Some((look, name))
}

/// Kanji that no list has, alone or before a given name: 楡木沢, 楡木沢鈴希.
fn unlisted(view: &View, start: usize, end: usize, least: u8) -> Option<(Look, Name)> {
    let lexicon = lexicon();
    let text = view.slice(start, end);
    let kana = text.ends_with(is_hiragana);
    if end - start == 1 {
        if least > Look::Unknown.points() {
            return None;
        }
        let alone =
            one_of!(GIVEN_KANJI, view.chars[start]) && !view.get(end).is_some_and(is_word_like);
        let initial = lexicon.given_initial(text);
        let part = Part {
            start,
            end,
            initial,
        };
        return alone.then(|| {
            let parts = vec![part];
            (Look::Unknown, Name { start, end, parts })
        });
    }
    // 斉藤銀河, 斉藤 銀河: a surname that is neither place nor word, and a word that is a given name too.
    let sure =
        |text: &str| lexicon.surname(text).is_some_and(|s| !s.place) && !lexicon.is_word(text);
    if let Some(cut) = (start + 2..end.min(start + 4)).find(|&cut| {
        let given = view.slice(cut, end).trim_start();
        GIVEN_WORDS.contains(given) && sure(view.slice(start, cut))
    }) {
        let mut name = two(view, start, cut, end);
        if view.chars[cut] == ' ' {
            name.parts[1].start += 1;
            name.parts[1].initial = lexicon.given_initial(view.slice(cut + 1, end));
            return Some((Look::Half, name));
        }
        return Some((Look::Short, name));
    }
    // 吉田 菖蒲: a surname, a space, and what is a word as well.
    if let Some(gap) = (start + 2..end).find(|&i| view.chars[i] == ' ') {
        let (first, last) = (view.slice(start, gap), view.slice(gap + 1, end));
        let fits = lexicon.surname(first).is_some()
            && last.chars().all(is_han)
            && (1..=3).contains(&(end - gap - 1));
        return fits.then(|| {
            let mut name = two(view, start, gap, end);
            name.parts[1].start = gap + 1;
            name.parts[1].initial = lexicon.given_initial(last);
            (Look::Loose, name)
        });
    }
    // Most places need as much as only a given name behind it gives.
    let mut tails = start + 2..=(start + 4).min(end.saturating_sub(1));
    let given = |cut: usize| lexicon.given(view.slice(cut, end)).is_some();
    if least > Look::Short.points() && !tails.clone().any(given) {
        return None;
    }
    let han = |text: &str| {
        text.chars()
            .all(|c| is_han(c) || matches!(c, 'ケ' | 'ヶ' | 'ノ'))
    };
    let counts = end - start < 3
        && text.starts_with(|c| one_of!("一二三四五六七八九十百千各全未不両他同当第計毎本", c));
    let spelt = kana
        && view
            .get(end)
            .is_none_or(|c| !is_letter(c) && !is_katakana(c));
    if kana && !spelt && !honorific::starts_at(view, end)
        || thing::is_thing(text)
        || counts
        || lexicon.is_word(text)
    {
        return None;
    }
    // 水無瀬会計士: what holds a title is no name to its end.
    if (start + 2..end).any(|at| honorific::starts_at(view, at)) {
        return None;
    }
    let wordy = thing::has_word(text);
    let tail = tails.find_map(|cut| {
        let (surname, given) = (view.slice(start, cut), view.slice(cut, end));
        let known = lexicon.given(given).is_some() && !lexicon.is_word(given);
        let fits = if lexicon.is_word(surname) {
            end - cut >= 2 && is_name_like(surname) && !is_role_word(surname)
        } else {
            end - cut >= 2 || !wordy
        };
        (han(surname) && known && fits).then(|| two(view, start, cut, end))
    });
    if let Some(name) = tail {
        let part = name.parts[0];
        return Some((
            if name.parts[1].end - name.parts[1].start < 2
                || lexicon.is_word(view.slice(part.start, part.end))
            {
                Look::Unknown
            } else {
                Look::Tail
            },
            name,
        ));
    }
    let continental = lexicon.continental(view.slice(start, start + 1)).is_some();
    if continental && end - start <= 3 && end - start >= 2 && !wordy && han(text) {
        let mut name = two(view, start, start + 1, end);
        name.parts[1].initial = lexicon.continental_initial(view.slice(start + 1, end));
        return Some((Look::Short, name));
    }
    let fits = (2..=5).contains(&(end - start)) && han(text);
    let loose = if wordy || !is_name_like(text) {
        Look::Loose
    } else {
        Look::Unknown
    };
    let initial = lexicon.surname_initial(text);
    let nouns = wordy
        && (end - start > 3 || lexicon.is_word(view.slice(start, start + 2)) && start + 3 < end);
    (fits && !nouns).then(|| {
        (
            loose,
            Name {
                start,
                end,
                parts: vec![Part {
                    start,
                    end,
                    initial,
                }],
            },
        )
    })
}

fn is_word_like(c: char) -> bool {
    is_han(c) || is_katakana(c)
}

fn two(view: &View, start: usize, cut: usize, end: usize) -> Name {
    let first = lexicon().surname_initial(view.slice(start, cut));
    let second = lexicon().given_initial(view.slice(cut, end));
    let part = |start, end, initial| Part {
        start,
        end,
        initial,
    };
    Name {
        start,
        end,
        parts: vec![part(start, cut, first), part(cut, end, second)],
    }
}
