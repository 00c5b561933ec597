//! Names in running text: surname and given name together, a line or a quotation that is only
//! a name, introductions, speakers, a mailbox that spells the name, a neighbour in a list.

use super::shape::{self, Strength};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana};
use crate::masking::lexicon::{PREFECTURES, lexicon, romaji};
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
    acting(scene, names);
    signatures(scene, names);
    readings(scene, names);
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
                    && (gap.is_some()
                        || name.parts.len() > 1
                        || lexicon().is_surname_kana(view.slice(open + 1, close))
                        || lexicon().is_given_kana(view.slice(open + 1, close)))
                    && inside.iter().filter(|c| **c == ' ').count() <= 1);
        if !sound || !scene.is_open(open + 1, close) {
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

/// 社長の石原が, 三浦が担当します, 営業部 斎藤: who holds an office, who does what only people do.
fn acting(scene: &Scene, names: &mut Names) {
    static OFFICE: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"(?:ドライバー|スタッフ|エンジニア|デザイナー|営業|看護師|運転手|オーナー|リーダー|マネージャー|職員|社員|新人|後任|前任|窓口|代表|社長|部長|課長|係長|次長|会長|店長|所長|院長|校長|室長|主任|専務|常務|取締役|担当|上司|同僚|部下|先輩|後輩|秘書|弁護士|税理士|医師|教授|講師|監督|選手|記者|友人|友達|同期|知人|恋人|婚約者|幼なじみ|(?P<kin>娘|息子|妻|夫|姉|妹|兄|弟|長男|長女|次男|次女|父|母|孫|甥|姪|彼女|彼氏|子ども))の",
        )
    });
    static ACT: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"(?P<sure>は(?:言っ|話し|述べ|答え|語っ|休み|欠席|出張|不在)|が(?:担当|対応|出席|欠席|参加|説明|回答|作成|確認|報告|連絡|退職|入社|異動|休暇|体調)|の(?:携帯|内線|連絡先|誕生日|電話番号|メールアドレス|評価|給与|年収|勤務態度|退職|後任|上司|部下))|(?:に(?:確認|依頼|相談|聞い|聞く|聞け|頼|任せ)|へ(?:転送|送付|連絡|依頼|共有)|と(?:面談|相談|打ち合わせ|会い|話し)|からの?(?:連絡|電話|メール|報告|質問|依頼))",
        )
    });
    static DESK: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"(?:部|課|室|係|グループ|チーム|センター|支店|営業所|事務所|事業部) ",
        )
    });
    let view = scene.view;
    let of = |name: &shape::Name| {
        let text = view.slice(name.start, name.end);
        (
            lexicon().surname(text).is_some_and(|s| s.place),
            lexicon().is_word(text),
        )
    };
    for hit in OFFICE.captures_iter(&view.text) {
        let Some(whole) = hit.get(0) else { continue };
        let least = if hit.name("kin").is_some() {
            Strength::Single
        } else {
            Strength::Surname
        };
        let Some((strength, name)) = shape::starting_at(view, view.at_byte(whole.end()), least)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let soft = view
            .get(name.end)
            .is_none_or(|c| "はがをにともで、。（(」\n".contains(c))
            || honored_end(view, name.end).is_some();
        let long = name.end - name.start >= 2;
        if soft
            && long
            && !word
            && (!place || strength >= Strength::Half || view.get(name.end) == Some('が'))
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
    for hit in ACT.captures_iter(&view.text) {
        let Some(whole) = hit.get(0) else { continue };
        let Some((strength, name)) =
            shape::ending_at(view, view.at_byte(whole.start()), Strength::Surname)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let begins = view.before(name.start).is_none_or(|c| {
            !is_han(c) && !is_katakana(c) && !is_hiragana(c) || "のはとが".contains(c)
        });
        if begins
            && !word
            && (!place || strength >= Strength::Half || hit.name("sure").is_some())
            && scene.is_open(name.start, name.end)
        {
            names.add(name);
        }
    }
    for hit in DESK.find_iter(&view.text) {
        let Some((_, name)) = shape::starting_at(view, view.at_byte(hit.end()), Strength::Surname)
        else {
            continue;
        };
        let (place, word) = of(&name);
        let alone = view.get(name.end).is_none_or(|c| "\n\r(".contains(c));
        if alone && !word && !place && scene.is_open(name.start, name.end) {
            names.add(name);
        }
    }
}

/// The last line of a letter that is three kanji after an empty line: a short surname and a given name.
fn signatures(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for at in 2..view.len() {
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
        let alone = view.get(name.end).is_none_or(|c| "\n\r".contains(c));
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
    let closed = view.get(end).is_none_or(|c| "\n\r (\"」、。".contains(c))
        || super::honorific::starts_at(view, end);
    match shape::read(view, at, end) {
        Some((Strength::Pair, name)) if closed && end - gap > 2 && name.parts.len() == 2 => {
            Some(name)
        }
        _ => None,
    }
}

/// 千葉, 石川: what follows is more often a place of theirs than a given name.
fn is_prefecture(surname: &str) -> bool {
    PREFECTURES
        .iter()
        .any(|p| p.chars().count() == 3 && p.starts_with(surname))
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
    let spaced = text.contains(' ');
    let length = text.chars().count();
    let (Some(surname), Some(given)) = (name.parts.first(), name.parts.get(1)) else {
        return false;
    };
    let short = surname.end - surname.start == 1;
    let tiny = given.end - given.start == 1;
    let words = (
        lexicon.is_word(view.slice(surname.start, surname.end)),
        lexicon.is_word(view.slice(given.start, given.end)),
    );
    let something_else = lexicon.is_trap(text)
        || lexicon.is_word(text)
        || view.get(name.end).is_some_and(|c| c.is_ascii_digit())
        // 森林保全: two common nouns that could each be a name are not one together.
        || words == (true, true)
        // 山田錦, 高松港: the last kanji makes it a thing or a place.
        || (!spaced && tiny && text.ends_with(|c| LANDMARKS.contains(c)))
        || (kana && !(spaced && length >= 6))
        // 東京 and 本 一: one character of surname needs a given name that is no other word.
        || (short && !spaced && (length < 3 || words.1))
        || (spaced && short && tiny)
        || (short && view.before(name.start).is_some_and(is_han));
    !something_else
}

const LANDMARKS: &str = "錦港駅橋川山東西南北城池沢谷原本新元前中上下内外岡島浜森林";

/// A line, a cell or a quotation that holds a surname and what may be a given name, and nothing else.
fn segments(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let opens = |c: Option<char>| c.is_none_or(|c| "\n\"'「(,\t|:>。、・→*※]】@=".contains(c));
    let closes = |c: Option<char>| c.is_none_or(|c| "\n\r\"'」)(,\t|<。、→*[・".contains(c));
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
        let wordy = place && !spaced && shape::has_word(given);
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
    let starts = before.is_none_or(|c| "\n。、 !！,>」".contains(c));
    // の after a company or an office: this is how people introduce themselves.
    let office = before == Some('の')
        && (scene.is_closed_at(name.start.saturating_sub(2))
            || view
                .before(name.start - 1)
                .is_some_and(|c| "部課室係店社局所院校学行庁班".contains(c) || is_katakana(c)));
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
            " ・-*●○■[>【#".contains(c)
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
        .is_none_or(|c| "、・と/→&, \n:(「はで。".contains(c));
    // 峰と田中さん: one character needs marks on both sides and an honoured neighbour; so does a place.
    let strict = view
        .before(name.start)
        .is_none_or(|c| "、。\n「(:".contains(c));
    let honoured = honored_neighbour(view, name, mark);
    (strength >= Strength::Surname
        || (name.end - name.start == 1 && strict && honoured && lexicon().surname(text).is_some()))
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

fn honored_end(view: &View, at: usize) -> Option<usize> {
    static HONORED: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"^ ?(?:様|さん|氏|くん|ちゃん|先輩|先生|殿|[一-龠]{0,2}(?:部長|課長|社長|係長|主任|次長|室長|店長))(?:\([^()\n]{0,16}\))?",
        )
    });
    let hit = HONORED.find(view.slice(at, (at + 24).min(view.len())))?;
    Some(view.at_byte(view.byte_of(at) + hit.end()))
}
