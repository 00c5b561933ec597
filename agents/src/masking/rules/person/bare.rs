//! A surname that stands where a noun of its own can, and is no other word and no place.

use super::shape::{self, Strength};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::View;

/// What follows a person in a sentence, or ends what was said of one.
const AFTER: [&str; 15] = [
    "は", "が", "に", "と", "を", "も", "へ", "の", "から", "より", "、", "。", "」", "\n", "・",
];

/// What a family, a team or a letter of somebody is called by.
const SUFFIXES: [&str; 5] = ["家", "班", "宅", "邸", "宛"];

/// Words of time and of kin after which a name stands without a mark.
const AHEAD: [&str; 14] = [
    "昨日", "今日", "明日", "先日", "今朝", "昨夜", "先週", "今回", "長男", "長女", "次男", "次女",
    "原告", "被告",
];

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for at in view.wide() {
        if view.surnames_at(at) >> 2 == 0 || names.covers(at, at + 1) || !is_free(view, at) {
            continue;
        }
        if let Some(name) = suffixed(view, at).or_else(|| alone(view, at))
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
}

/// Nothing before it makes it a part of a longer word.
fn is_free(view: &View, at: usize) -> bool {
    let ahead = || AHEAD.contains(&view.slice(at.saturating_sub(2), at));
    is_han(view.chars[at])
        && view.before(at).is_none_or(|c| {
            if is_hiragana(c) {
                !matches!(c, 'お' | 'ご')
            } else {
                !is_katakana(c) && !c.is_ascii_alphanumeric() && (!is_han(c) || ahead())
            }
        })
}

/// 桑原に, 「都築、: the surname, or a surname and what can only be a given name, before a particle.
fn alone(view: &View, at: usize) -> Option<shape::Name> {
    let (strength, name) = shape::starting_at(view, at, Strength::Surname)?;
    let surname = view.slice(name.parts[0].start, name.parts[0].end);
    let rest = view.slice(name.end, (name.end + 2).min(view.len()));
    let after = rest.is_empty() || AFTER.iter().any(|mark| rest.starts_with(mark));
    let asked = matches!(view.before(at), Some(':' | '@'))
        && view.get(name.end).is_none_or(|c| one_of!(" \n\r)", c));
    let long = name.parts[0].end - name.parts[0].start >= 2;
    // What is no pair to the rule of pairs (山田錦) is none here either.
    let given = name.parts.get(1).map(|part| part.end - part.start);
    let whole = strength == Strength::Surname || strength == Strength::Half && given >= Some(2);
    let known = whole && long && is_sure(surname);
    (known && (after || asked)).then_some(name)
}

/// 塚本家, 柴田班, 塚本和也宛.
fn suffixed(view: &View, at: usize) -> Option<shape::Name> {
    (at + 2..=(at + 6).min(view.len())).rev().find_map(|end| {
        let suffix = SUFFIXES.contains(&view.slice(end, (end + 1).min(view.len())));
        if !suffix || view.get(end + 1).is_some_and(is_han) {
            return None;
        }
        let (strength, name) = shape::read(view, at, end)?;
        let surname = view.slice(name.parts[0].start, name.parts[0].end);
        let long = name.parts[0].end - name.parts[0].start >= 2;
        (strength >= Strength::Surname && long && is_sure(surname)).then_some(name)
    })
}

/// Neither a place nor a common noun.
fn is_sure(surname: &str) -> bool {
    // 東口, 西口: exits of a station.
    let exit = surname.starts_with(['東', '西', '南', '北']) && surname.ends_with('口');
    !exit
        && lexicon().surname(surname).is_some_and(|s| !s.place)
        && !lexicon().is_word(surname)
        && !lexicon().is_trap(surname)
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn a_surname_in_a_sentence_is_a_person() {
        for (text, want) in [
            ("昨日桑原に聞いた", "昨日K.に聞いた"),
            ("「都築、ちょっといい?」", "「T.、ちょっといい?」"),
            ("塚本家・風間家", "T.家・K.家"),
            ("受取サイン：稲垣", "受取サイン：I."),
            ("先ほど桑原と三輪で見た", "先ほどK.とM.で見た"),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn places_words_and_companies_are_none() {
        for text in [
            "千葉から渋谷へ、目黒を経由",
            "高島屋と三越の売上",
            "星野リゾートの予約",
            "石川の本社",
            "平日は東口、休日は南口",
            "山田錦を使った日本酒",
        ] {
            unchanged(text);
        }
    }
}
