//! What no single sign proves is weighed: how a word looks, what stands before it, what after.
//!
//! Each of the three gives points; [`ENOUGH`] of them make a name. A surname that is a place
//! (千葉) or a word (原), a given name alone and kanji that no list has start low, and need
//! an office before them or a deed after them that a place or a thing does not have.

mod around;
mod look;

use super::shape::{self, Name, Strength};
use super::thing;
use super::{Names, Scene, honorific};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::lexicon;
use crate::masking::normal::View;
pub(super) use around::is_keyed_else;
use around::{after, before, introduces, is_clock, is_role_word, role};
use look::{Look, MOST, look};

const ENOUGH: u8 = 5;

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut light = Vec::new();
    for at in view.wide() {
        let c = view.chars[at];
        if is_katakana(c) || is_hiragana(c) {
            kana(scene, names, at);
            continue;
        }
        if !is_han(c) {
            continue;
        }
        let Some(before) = before(view, names, at) else {
            continue;
        };
        // A name that is known may go on behind a space or a line break further than its evidence saw.
        let inside = names
            .end_at(at)
            .is_some_and(|end| !matches!(view.get(end), Some(' ' | '\n')));
        if inside || at > 0 && names.covers(at - 1, at) || scene.is_closed_at(at) {
            continue;
        }
        match weigh(scene, names, at, before) {
            Some(name) => names.add(name),
            // A list may be known by what stands further right in it.
            None if view.before(at).is_some_and(|c| one_of!("、・/,→ \n:", c)) => {
                light.push(at)
            }
            None => {}
        }
    }
    for &at in light.iter().rev() {
        if let Some(before) = before(view, names, at)
            && let Some(name) = weigh(scene, names, at, before)
        {
            names.add(name);
        }
    }
}

/// Can a word stand here at all, by what is around it?
pub(super) fn may_stand(view: &View, names: &Names, start: usize, end: usize) -> bool {
    !is_affiliation(view, start, end)
        && before(view, names, start).is_some()
        && after(view, names, end).is_some()
}

/// ハジガキと名乗られた; イシカワ ミジュ and トマーシュ・ノヴァーク between marks or before a deed.
fn kana(scene: &Scene, names: &mut Names, at: usize) {
    let view = scene.view;
    let script: fn(char) -> bool = if is_katakana(view.chars[at]) {
        is_katakana
    } else {
        is_hiragana
    };
    let outer = view.before(at);
    let closed = |c: Option<char>| c.is_none_or(|c| one_of!("\n,、|\"'\t()<>:;/? ", c));
    if outer.is_some_and(script) || script('あ') && !closed(outer) || names.covers(at, at + 1) {
        return;
    }
    let mut end = at;
    while end < at + shape::LONGEST
        && view
            .get(end)
            .is_some_and(|c| script(c) || matches!(c, '・' | ' '))
    {
        end += 1;
    }
    // さくらい とめじです。
    while end > at + 4 && script('あ') && introduces(view, end - 2) {
        end -= 2;
    }
    while end > at && matches!(view.chars[end - 1], ' ' | '・') {
        end -= 1;
    }
    let parted = |mark: char| view.chars[at..end].contains(&mark);
    let introduced = introduces(view, end);
    // まりな 10:21: who wrote and when.
    let wrote = outer.is_none_or(|c| c == '\n')
        && is_clock(view, end)
        && lexicon().is_given_kana(view.slice(at, end));
    if end < at + 2 || !introduced && !wrote && !parted(' ') && !parted('・') {
        return;
    }
    if thing::is_role(view.slice(at, end)) {
        return;
    }
    let Some((strength, name)) = shape::read(view, at, end) else {
        return;
    };
    let sound = if parted('・') {
        before(view, names, at).unwrap_or(0) + after(view, names, end).unwrap_or(0) >= 4
    } else if parted(' ') {
        let known = if script('あ') {
            Strength::Pair
        } else {
            Strength::Half
        };
        strength >= known && closed(outer) && (closed(view.get(end)) || introduced)
    } else {
        script('ア') && introduced || wrote
    };
    if sound && scene.is_open(at, end) {
        names.add(name);
    }
}

/// The heaviest reading of what begins at `at`, if it weighs enough.
fn weigh(scene: &Scene, names: &Names, at: usize, before: u8) -> Option<Name> {
    let view = scene.view;
    let mut run = at;
    while run < at + 7 && view.get(run).is_some_and(is_kanji) {
        run += 1;
    }
    // Kana after kanji are a given name only behind a surname, or before an honorific.
    let kanji = run;
    while run < at + 9 && run > at + 1 && view.get(run).is_some_and(is_hiragana) {
        run += 1;
    }
    let listed = view.surnames_at(at) != 0;
    let spaced = spaced(view, run);
    let broken = before_break(view, at);
    let mut best: Option<(u8, Name)> = None;
    for end in (at + 1..=run).chain(spaced).chain(broken) {
        let bare = end == at + 1 && !listed && before < 3 && !is_clock(view, end)
            || end > kanji && end < kanji + 2;
        let Some(after) = (!bare).then(|| after(view, names, end)).flatten() else {
            continue;
        };
        if before + after + MOST < ENOUGH {
            continue;
        }
        let enclosed = before == 1
            && after == 1
            && encloses(view, at, end)
            && !scene.is_closed_at(at.saturating_sub(2));
        let around = before + after + 2 * u8::from(enclosed);
        let look = look(view, at, end, ENOUGH.saturating_sub(around));
        let Some((look, name)) = look.filter(|(_, name)| !is_else(view, name)) else {
            continue;
        };
        // What no list has needs somebody before it who it could be, or an honorific behind it.
        let vouched = before >= 3 || after >= 4;
        let sum = look.points() + around;
        let sure = match look {
            Look::Loose => before >= 4 || after >= 4 || before >= 3 && after >= 3,
            Look::Unknown | Look::Word => vouched || after >= 3,
            _ => true,
        };
        let enough = sum >= ENOUGH && sure;
        if enough
            && scene.is_open(name.start, name.end)
            && best.as_ref().is_none_or(|(s, n)| (sum, end) > (*s, n.end))
        {
            best = Some((sum, name));
        }
    }
    best.map(|(_, name)| name)
}

/// 吉田 菖蒲: where what stands behind the space at `gap` ends.
fn spaced(view: &View, gap: usize) -> Option<usize> {
    if view.get(gap) != Some(' ') {
        return None;
    }
    let mut end = gap + 1;
    while end < gap + 6 && view.get(end).is_some_and(is_letter) && !honorific::starts_at(view, end)
    {
        end += 1;
    }
    // 姓:藤原 名:美穂: what a colon follows is the next label.
    (end > gap + 1 && view.get(end) != Some(':')).then_some(end)
}

/// 東口, 山田錦, 本 in 本部長, 森林保全: an exit, a thing, a grade, two nouns.
fn is_else(view: &View, name: &Name) -> bool {
    let text = view.slice(name.start, name.end);
    let exit =
        text.starts_with(['東', '西', '南', '北', '中']) && text.ends_with(['口', '側', '部']);
    let pair = name.parts.len() == 2 && !text.contains(' ') && !shape::is_free(view, name);
    // 葛西より折り返し: a particle, though lists have it as a given name.
    let particle = text.ends_with(is_hiragana)
        && ["より", "から", "まで", "なら", "ほか"]
            .iter()
            .any(|end| text.ends_with(end));
    let end_of_word = name.end - name.start == 1
        && one_of!("室課部係局班組店堂館本宅邸家", view.chars[name.start]);
    // 確認中, 編集長: the end of what stands before it.
    let suffix = name.end - name.start == 1
        && one_of!("中長会所家店本上下前後内外方部室係", view.chars[name.start])
        && view.before(name.start).is_some_and(is_han);
    let count = thing::is_count(text);
    // 研修医 仁平, 現場代理人: who somebody is, and not what they are called.
    let first = name.parts.first().map_or(name.end, |part| part.end);
    let office = name.end - name.start >= 4 && role(view, name.end)
        || is_role_word(text)
        || view.get(first) == Some(' ') && is_role_word(view.slice(name.start, first));
    office
        || name.end - name.start == 1 && one_of!("甲乙丙丁", view.chars[name.start])
        || is_affiliation(view, name.start, name.end)
        || exit
        || thing::is_absence(text)
        || particle
        || suffix
        || count
        || honorific::is_nobody(text)
        || end_of_word
        || pair
}

/// 住田怜葉（城西大）: a school or an office in brackets behind somebody.
fn is_affiliation(view: &View, start: usize, end: usize) -> bool {
    let last = view.before(end);
    let bracketed = view.before(start) == Some('(') && view.get(end) == Some(')');
    bracketed
        && last.is_some_and(|c| one_of!("大高中小学院校社部課局店支組署", c))
        && start >= 2
        && is_letter(view.chars[start - 2])
}

/// （松浦）, |松浦|: brackets or cells hold it alone.
fn encloses(view: &View, start: usize, end: usize) -> bool {
    matches!(
        (view.before(start), view.get(end)),
        (Some('('), Some(')'))
            | (Some('|'), Some('|'))
            | (Some('>'), Some('<'))
            | (Some('\''), Some('\''))
            | (Some('"'), Some('"'))
            | (Some('['), Some(']'))
            | (Some('\n'), None)
    )
}

/// 受取人野口, a line break, 沙音殿: where the given name on the next line ends.
fn before_break(view: &View, at: usize) -> Option<usize> {
    let gap = (at + 1..=at + 4).find(|&i| view.get(i).is_none_or(|c| !is_han(c)))?;
    if view.get(gap) != Some('\n') {
        return None;
    }
    let labelled = matches!(view.before(at), Some(':'));
    (gap + 2..=(gap + 4).min(view.len())).rev().find(|&end| {
        honorific::starts_at(view, end)
            || labelled && view.get(end).is_none_or(|c| matches!(c, '\n' | '\r'))
    })
}

fn is_kanji(c: char) -> bool {
    is_han(c) || matches!(c, 'ケ' | 'ヶ' | 'ノ')
}

fn is_letter(c: char) -> bool {
    is_han(c) || is_hiragana(c) || matches!(c, 'ケ' | 'ヶ' | 'ノ')
}

#[cfg(test)]
mod tests {
    use crate::masking::tests::{masked, unchanged};

    #[test]
    fn two_of_look_before_and_after_make_a_name() {
        for (text, want) in [
            ("主治医吉田、看護師三浦", "主治医Y.、看護師M."),
            ("原因は不明。毛受さんに確認", "原因は不明。M.さんに確認"),
            ("起票者 毛受拓海 状態 対応中", "起票者 M.T. 状態 対応中"),
            ("辻 09:15\nおはよう", "T. 09:15\nおはよう"),
            ("10:05 門 受電", "10:05 K. 受電"),
            ("承認者の千葉が出張中", "承認者のC.が出張中"),
            ("夫幸司、長女沙音", "夫K.、長女S."),
            ("妹の幹は在宅", "妹のM.は在宅"),
            ("まりな 10:21\nおはよう", "M. 10:21\nおはよう"),
            ("契約者名：斉藤銀河", "契約者名：S.G."),
            ("広報：西尾（6-1）、境（5-2）", "広報：N.（6-1）、S.（5-2）"),
            ("松本によれば野中チームが先", "M.によればN.チームが先"),
            ("方はハジガキと名乗られた", "方はH.と名乗られた"),
            (
                "出席者\n今井、南、藤原（書記）",
                "出席者\nI.、M.、F.（書記）",
            ),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn one_of_them_is_none() {
        for text in [
            "城南エリアの配送、森林保全の案",
            "東口の改札、山田錦の酒",
            "千葉、石川、福島を回る",
            "谷の向こうに滝が見える",
            "担当者会議と管理者権限",
            "原因の確認と納期の回答",
            "7 件目です。四人で一万円です。",
            "合計 48,000 円です。全 3 巻です。全12 巻。連泊は 2 泊です",
            "確認中です。設計と検図の順",
            "銀河の写真、子葉の数",
        ] {
            unchanged(text);
        }
    }
}
