//! What reads as a name: surname, given name, both, in kanji, kana or from elsewhere.

use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{is_prefecture, lexicon};
use crate::masking::normal::View;
use crate::masking::rules::sought::Sought;
use rustc_hash::FxHashSet;
use std::sync::LazyLock;

/// Longest name in characters, with the space inside.
pub(in crate::masking) const LONGEST: usize = 24;

pub(in crate::masking) struct Name {
    pub start: usize,
    pub end: usize,
    pub parts: Vec<Part>,
}

/// One of a name's words and the letter that stands for it.
#[derive(Clone, Copy)]
pub(in crate::masking) struct Part {
    pub start: usize,
    pub end: usize,
    pub initial: char,
}

impl Name {
    pub fn initials(&self) -> String {
        self.parts.iter().flat_map(|p| [p.initial, '.']).collect()
    }
}

/// How much the shape alone says, from a guess to surname and given name that both are known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::masking) enum Strength {
    /// Kanji or kana that nothing speaks against.
    Guess,
    /// A known surname of one character, or a given name.
    Single,
    /// A known surname.
    Surname,
    /// A known surname, then what may be a given name.
    Half,
    Pair,
}

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
        let sounds =
            k - start == 1 && !given.chars().any(is_han) && !super::honorific::starts_at(view, end);
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

/// A pair that nothing around it makes something else.
pub(super) fn is_free(view: &View, name: &Name) -> bool {
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
        || (!spaced && tiny && text.ends_with(|c| one_of!(LANDMARKS, c)))
        || (kana && !(spaced && length >= 6))
        // 東京 and 本 一: one character of surname needs a given name that is no other word.
        || (short && !spaced && (length < 3 || words.1))
        || (spaced && short && tiny)
        || (short && view.before(name.start).is_some_and(is_han));
    !something_else
}

const LANDMARKS: &str = "錦港駅橋川山東西南北城池沢谷原本新元前中上下内外岡島浜森林";

/// What can be a given name that no list has: one to three kanji, or two to four kana.
fn is_given_like(text: &str) -> bool {
    let n = text.chars().count();
    let han = text.chars().filter(|c| is_han(*c)).count();
    let kana = text.chars().all(is_hiragana) || text.chars().all(is_katakana);
    (1..=3).contains(&n)
        && han == n
        && !text.ends_with(ENDINGS)
        && !text.contains(['様', '氏', '殿'])
        && !(n == 3 && is_prefecture(text))
        || kana && (2..=4).contains(&n) && lexicon().is_given_kana(text)
        // くみ子, のり子; とし江 only where no particle could stand first.
        || (2..=3).contains(&n)
            && han == 1
            && text.chars().all(|c| is_han(c) || is_hiragana(c))
            && (text.ends_with('子') || text.ends_with(['美', '江', '代', '恵', '香']) && !text.starts_with(['と', 'の', 'は', 'が', 'を', 'に', 'へ', 'で', 'も', 'や']))
}

/// Two neighbouring kanji of it are a common noun: 勤務 in 勤務可.
pub(super) fn has_word(text: &str) -> bool {
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().skip(1).map(|(at, c)| at + c.len_utf8());
    starts
        .zip(ends)
        .any(|(start, end)| lexicon().is_word(&text[start..end]))
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
        && (super::honorific::starts_at(view, end)
            || view
                .get(end)
                .is_none_or(|c| one_of!("\n\r\"',、。()」<|\t", c)))
}

/// Ends like an office, a place or a thing, or says that nobody is named.
pub(super) fn is_thing(text: &str) -> bool {
    let ends = text.ends_with([
        '部', '課', '室', '係', '局', '社', '店', '所', '院', '校', '県', '市', '区', '町', '村',
        '駅', '会', '者', '員', '中', '済', '名', '上', '先', '日', '月', '年', '円', '様', '品',
        '業', '用', '版', '書', '表', '票',
    ]) && text.chars().count() > 2;
    ends || text.starts_with([
        '各', '全', '未', '不', '両', '他', '同', '当', '〇', '第', '計',
    ]) || matches!(
        text,
        "なし"
            | "未定"
            | "不明"
            | "同上"
            | "別途"
            | "必須"
            | "任意"
            | "空欄"
            | "省略"
            | "下記"
            | "上記"
            | "以下"
            | "本人"
            | "ほか"
            | "その他"
            | "あり"
            | "希望"
            | "可能"
            | "不可"
            | "予定"
            | "完了"
            | "担当"
            | "部長"
            | "課長"
            | "社長"
            | "男性"
            | "女性"
            | "全員"
            | "有志"
            | "です"
            | "ます"
            | "ください"
            | "テスト"
            | "再診"
            | "初診"
            | "往診"
            | "週次"
            | "月次"
            | "日次"
            | "年次"
            | "前職"
            | "現職"
            | "訪看"
            | "検図"
            | "御祝"
            | "御礼"
            | "内祝"
            | "粗品"
            | "寸志"
    ) || is_count(text)
        || text.chars().any(|c| matches!(c, '一' | '二' | '三'))
            && text.contains(['回', '件', '個', '階', '号'])
}

/// 四人, 一万円, 件目: so many of something, or the how-manieth.
pub(super) fn is_count(text: &str) -> bool {
    const NUMBERS: &str = "一二三四五六七八九十百千万億数両半";
    let mut chars = text.chars().rev();
    let (last, before) = (chars.next(), chars.next());
    let ordinal = last == Some('目')
        && before.is_some_and(|c| one_of!("件回番枚人日年行個社度台本名問点章節項段列週", c));
    ordinal
        || last.is_some_and(|c| one_of!("人名円年月日回件個号枚台点歳種社倍", c))
            && before.is_some_and(|c| one_of!(NUMBERS, c))
            && chars.all(|c| one_of!(NUMBERS, c) || c == '金')
}

/// No given name ends in these; companies, places, offices and things do.
const ENDINGS: [char; 49] = [
    '県', '市', '区', '町', '村', '駅', '店', '社', '部', '課', '室', '係', '局', '所', '院', '校',
    '港', '橋', '寺', '線', '口', '側', '産', '製', '品', '業', '屋', '館', '堂', '園', '組', '会',
    '家', '等', '達', '的', '性', '化', '者', '員', '長', '様', '殿', '氏', '君', '宛', '先', '内',
    '外',
];

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
                && !first.ends_with(ENDINGS)
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

/// A given name is read as its surname is: 偉 after 王 is Wei.
fn given_initial(surname: &str, given: &str) -> char {
    if lexicon().continental(surname).is_some() {
        lexicon().continental_initial(given)
    } else {
        lexicon().given_initial(given)
    }
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
        if !is_role(text) && lexicon.is_surname_kana(a) && lexicon.is_given_kana(b) {
            let parts = [
                (start, k, lexicon.surname_initial(a)),
                (k, end, lexicon.given_initial(b)),
            ];
            return Some((Strength::Half, name(start, end, &parts)));
        }
    }
    if is_katakana(view.chars[start]) && !is_role(text) {
        return one(Strength::Guess, lexicon.given_initial(text));
    }
    None
}

/// Words for people by what they do: ユーザー様, スタッフさん.
pub(super) fn is_role(text: &str) -> bool {
    const ROLES: &str = "ユーザ ユーザー オーナー スタッフ ドライバー クライアント パートナー サポーター マネージャー マネジャー ゲスト ベンダー メンバー オペレーター バイヤー キャスト \
        リーダー メーカー サプライヤー デザイナー エンジニア プログラマー コンサルタント アルバイト パート ママ パパ エンドユーザー ライター モデル ナース ヘルパー トレーナー コーチ キャプテン ディレクター プロデューサー \
        セミナー エージェント テナント ホスト シェフ バイト リスナー ファン ホルダー モニター インストラクター アドバイザー オフィス ホテル カフェ チーム クリニック センター サービス グループ エリア システム サポート ショップ メール デスク ホーム リハビリ スクール カード データ";
    static ROLE: LazyLock<FxHashSet<&str>> =
        LazyLock::new(|| ROLES.split_ascii_whitespace().collect());
    ROLE.contains(text) || text.ends_with("ユーザー") || text.ends_with("メーカー")
}

/// A surname of one character that hangs on what stands before it is the end of that: 品質保証室.
fn hangs(view: &View, name: &Name) -> bool {
    name.parts.first().is_some_and(|p| p.end - p.start == 1)
        && is_han(view.chars[name.start])
        && (view
            .before(name.start)
            .is_some_and(|c| is_han(c) || is_katakana(c))
            || one_of!("室課部係局班組店", view.chars[name.start]) && name.parts.len() == 1)
}

/// The best name that ends at `end` and begins where a word can.
pub(in crate::masking) fn ending_at(
    view: &View,
    end: usize,
    least: Strength,
) -> Option<(Strength, Name)> {
    let mut best: Option<(Strength, Name)> = None;
    let mut start = end;
    while start > 0 && end - start < LONGEST {
        start -= 1;
        let c = view.chars[start];
        if !(is_han(c) || is_hiragana(c) || is_katakana(c) || matches!(c, ' ' | '・' | '=')) {
            break;
        }
        if matches!(c, ' ' | '・' | '=') || !begins(view, start) {
            continue;
        }
        if let Some((strength, name)) = read(view, start, end)
            && strength >= least
            && !hangs(view, &name)
            && best
                .as_ref()
                .is_none_or(|(s, n)| (strength, end - start) > (*s, n.end - n.start))
        {
            best = Some((strength, name));
        }
    }
    best
}

/// The best name that begins at `start` and ends where a word can.
pub(in crate::masking) fn starting_at(
    view: &View,
    start: usize,
    least: Strength,
) -> Option<(Strength, Name)> {
    if !may_start(view, start, least) {
        return None;
    }
    let mut best: Option<(Strength, Name)> = None;
    for end in start + 1..=view.len().min(start + LONGEST) {
        let c = view.chars[end - 1];
        if !(is_han(c) || is_hiragana(c) || is_katakana(c) || matches!(c, ' ' | '・' | '=')) {
            break;
        }
        if matches!(c, ' ' | '・' | '=') || !ends(view, end) {
            continue;
        }
        if let Some((strength, name)) = read(view, start, end)
            && strength >= least
            && !hangs(view, &name)
            && best
                .as_ref()
                .is_none_or(|(s, n)| (strength, end - start) > (*s, n.end - n.start))
        {
            best = Some((strength, name));
        }
    }
    best
}

/// Cheap reasons why no name that strong begins at `start`: most places have one.
pub(super) fn may_start(view: &View, start: usize, least: Strength) -> bool {
    let Some(first) = view.get(start) else {
        return false;
    };
    if view.surnames_at(start) != 0 || least <= Strength::Single {
        return true;
    }
    // Without a known surname only what stands apart from a known given name is as good.
    let parted = |c: Option<char>| matches!(c, Some(' '));
    if is_han(first) {
        return least <= Strength::Half
            && (parted(view.get(start + 2)) || parted(view.get(start + 3)));
    }
    least < Strength::Pair
        || view.chars[start..view.len().min(start + LONGEST)]
            .iter()
            .take_while(|c| is_hiragana(**c) || is_katakana(**c) || matches!(c, ' ' | '・' | '='))
            .any(|c| matches!(c, ' ' | '・' | '='))
}

/// A word can begin here.
pub(in crate::masking) fn begins(view: &View, at: usize) -> bool {
    let (Some(first), Some(before)) = (view.get(at), view.before(at)) else {
        return true;
    };
    if is_han(first) {
        // After an office or a role a name may follow without a space: 営業部山田, 担当者佐藤.
        return !is_han(before)
            || matches!(
                before,
                '部' | '課'
                    | '室'
                    | '係'
                    | '局'
                    | '店'
                    | '社'
                    | '班'
                    | '者'
                    | '員'
                    | '長'
                    | '役'
                    | '士'
                    | '告'
            );
    }
    if is_katakana(first) {
        return !is_katakana(before);
    }
    !is_hiragana(before)
        || matches!(
            before,
            'は' | 'と' | 'が' | 'の' | 'も' | 'に' | 'や' | 'を' | 'へ'
        )
}

/// A word can end here: before another script, a mark, an honorific or a title.
pub(in crate::masking) fn ends(view: &View, at: usize) -> bool {
    let (Some(last), Some(after)) = (view.before(at), view.get(at)) else {
        return true;
    };
    if is_han(last) {
        return !(is_han(after) || is_katakana(after)) || super::honorific::starts_at(view, at);
    }
    if is_katakana(last) {
        return !is_katakana(after) && (!is_han(after) || super::honorific::starts_at(view, at));
    }
    // Hiragana runs on into words; a name ends before a particle.
    if is_hiragana(after) {
        return one_of!("はがをにのともでへやか", after) || super::honorific::starts_at(view, at);
    }
    !is_han(after) || super::honorific::starts_at(view, at)
}

pub(in crate::masking::rules) static FORM: Sought = Sought::new(|| {
    r"株式会社|有限会社|合同会社|合資会社|合名会社|相互会社|医療法人(?:社団|財団)?|社会福祉法人|学校法人|宗教法人|(?:一般|公益)?(?:社団|財団)法人|独立行政法人|国立大学法人|特定非営利活動法人|NPO法人|協同組合|弁護士法人|税理士法人|監査法人|\(株\)|\(有\)|\(同\)|㈱|㈲".into()
});

/// Companies by their legal form, before or after the name.
pub(super) fn companies(view: &View) -> Vec<(usize, usize)> {
    let inside = |c: char| {
        is_han(c)
            || is_katakana(c)
            || c.is_ascii_alphanumeric()
            || matches!(c, '・' | '&' | '.' | '-' | '\'')
    };
    let mut out = Vec::new();
    for hit in FORM.find_iter(view) {
        let (form, after) = (view.at_byte(hit.start), view.at_byte(hit.end));
        let mut end = after;
        let mut hiragana = 0;
        while let Some(c) = view.get(end)
            && (inside(c) || (is_hiragana(c) && hiragana < 8))
            && end < after + 20
        {
            // Hiragana belongs to the company while it stands at the front (株式会社あさひ屋).
            if is_hiragana(c) {
                if end > after + hiragana || one_of!("のはがをにとへでも", c) {
                    break;
                }
                hiragana += 1;
            }
            end += 1;
            // An office of it: what comes next may be its people.
            if matches!(c, '部' | '課' | '室' | '店')
                && end > after + 2
                && view.get(end).is_some_and(is_han)
            {
                break;
            }
        }
        let mut start = form;
        while let Some(c) = view.before(start)
            && inside(c)
            && form - start < 20
        {
            start -= 1;
        }
        out.push((start, end));
    }
    out
}
