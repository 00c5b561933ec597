//! 様, さん, 部長: whoever stands before them is a person, unless the word is no honorific.

use super::super::sought::Sought;
use super::shape::{self, Strength};
use super::{Names, Scene};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{PREFECTURES, is_prefecture, lexicon};
use crate::masking::normal::View;
use regex::Regex;
use rustc_hash::FxHashSet;
use std::sync::LazyLock;

const HONORIFICS: &str = "様方|様|パイセン|ねえさん|にいさん|おばさん|おじさん|おばちゃん|おじちゃん|さま|さん|氏|くん|ちゃん|殿|君|先輩|先生|嬢|夫妻|女史|後輩|選手|ご夫妻|御中";
const TITLES: &str = "(?:代表|専務|常務)?取締役(?:社長|会長)?|執行役員|本部長|事業部長|副部長|部長(?:代理|補佐)?|課長(?:代理|補佐)?|次長|係長|主任|主査|主事|室長|店長|支店長|支社長|工場長|所長|事務局長|局長|班長|組長|院長|校長|園長|学長|館長|社長|副社長|会長|専務|常務|理事長|理事|監事|監査役|顧問|相談役|参事|代表|CEO|CTO|CFO|マネージャー|マネジャー|リーダー|ディレクター|チーフ|民生委員|自治会長|町内会長|弁護士|税理士|会計士|司法書士|行政書士|社労士|弁理士|医師|看護師|薬剤師|保健師|助産師|教授|准教授|助教|講師|博士|教諭|師長|主幹|書記官|事務官|教官|船長|機長|駅長|女将|親方|アナウンサー|投手|捕手|外野手|内野手|騎手|棋士|議員|議長|委員長|委員|大臣|知事|市長|町長|村長|監督|コーチ|記者|編集長|代理|巡査(?:部長)?|警部|刑事|検事|判事|住職|師匠|棟梁|オーナー|容疑者|被告|候補";

pub(in crate::masking::rules) static HONORIFIC: Sought =
    Sought::new(|| format!("{HONORIFICS}|{TITLES}"));
static AT_START: LazyLock<Regex> =
    LazyLock::new(|| super::super::pattern(&format!("^ ?(?:{HONORIFICS}|{TITLES})")));

/// Whether an honorific or a title stands at `at`, or behind a space there.
pub(super) fn starts_at(view: &View, at: usize) -> bool {
    let honored = view.honored.get_or_init(|| {
        let mut honored = vec![false; view.len()];
        for &byte in HONORIFIC.begins(view) {
            let at = view.at_byte(byte as usize);
            let spaced = at.checked_sub(1).filter(|&at| view.chars[at] == ' ');
            for at in [Some(at), spaced].into_iter().flatten() {
                honored[at] = is_at(view, at);
            }
        }
        honored
    });
    honored.get(at).copied().unwrap_or(false)
}

fn is_at(view: &View, at: usize) -> bool {
    let ahead = view.slice(at, (at + 7).min(view.len()));
    AT_START.find(ahead).is_some_and(|hit| {
        let begin = at + usize::from(hit.as_str().starts_with(' '));
        let end = view.at_byte(view.byte_of(at) + hit.end());
        is_honorific(view, begin, end)
    })
}

/// One of the characters with which an honorific or a title begins.
fn may_begin(c: char) -> bool {
    static FIRST: LazyLock<FxHashSet<char>> = LazyLock::new(|| {
        // Behind an optional part in brackets the next may be first: 代表取締役, 取締役.
        format!("{HONORIFICS}|{TITLES}")
            .split(['|', '(', ')', '?', ':'])
            .filter_map(|word| word.chars().next())
            .collect()
    });
    FIRST.contains(&c)
}

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    for hit in HONORIFIC.find_iter(view) {
        let (mut at, after) = (view.at_byte(hit.start), view.at_byte(hit.end));
        let word = &view.text[hit];
        // 若林君の件: a known surname before it makes even 君 before a particle one.
        let friend = word == "君"
            && view.get(after).is_some_and(is_hiragana)
            && shape::ending_at(view, at, Strength::Surname).is_some();
        if !(is_honorific(view, at, after) || friend) || word == "御中" {
            continue;
        }
        if view.before(at) == Some(' ') {
            at -= 1;
        }
        // 藤原（ふじわら）さん: the reading stands between.
        if view.before(at) == Some(')')
            && let Some(open) = (at.saturating_sub(16)..at - 1)
                .rev()
                .find(|&i| view.chars[i] == '(')
            && view.chars[open + 1..at - 1]
                .iter()
                .all(|&c| is_hiragana(c) || is_katakana(c) || c == ' ')
        {
            at = open;
        }
        let title = at > 0 && !is_plain_honorific(word);
        let weakest = if title {
            Strength::Single
        } else {
            Strength::Guess
        };
        let found = shape::ending_at(view, at, weakest);
        // Katakana before a title is as often a thing (データ部長) as a guest: only known names.
        let name = match found {
            Some((_, name)) => Some(name),
            None => unknown(view, at, title),
        };
        if let Some(name) = name
            && scene.is_open(name.start, name.end)
            && !is_nobody(view.slice(name.start, name.end))
            && !(title && is_office(view, name.start, name.end, word))
        {
            names.add(name);
        }
    }
}

fn is_plain_honorific(text: &str) -> bool {
    matches!(
        text,
        "様" | "様方"
            | "さま"
            | "さん"
            | "氏"
            | "くん"
            | "ちゃん"
            | "殿"
            | "君"
            | "先輩"
            | "先生"
            | "嬢"
            | "夫妻"
            | "女史"
            | "後輩"
            | "選手"
            | "ご夫妻"
            | "パイセン"
            | "ねえさん"
            | "にいさん"
            | "おばさん"
            | "おじさん"
            | "おばちゃん"
            | "おじちゃん"
    )
}

/// 千葉支店長, 福岡支社長: the head of an office in that place.
fn is_office(view: &View, start: usize, end: usize, title: &str) -> bool {
    matches!(
        title,
        "支店長"
            | "支社長"
            | "工場長"
            | "所長"
            | "局長"
            | "市長"
            | "町長"
            | "村長"
            | "知事"
            | "校長"
            | "園長"
            | "学長"
            | "館長"
            | "店長"
    ) && (lexicon()
        .surname(view.slice(start, end))
        .is_some_and(|s| s.place)
        || view.slice(start, end).chars().count() == 1)
}

/// The honorific is one here: 様子, 氏名 and 君津 only begin like it, お客様 and 彼氏 only end like it.
fn is_honorific(view: &View, start: usize, end: usize) -> bool {
    let text = view.slice(start, end);
    let after = view.slice(end, (end + 2).min(view.len()));
    let before = view.slice(start.saturating_sub(4), start);
    let follows = |words: &[&str]| words.iter().any(|w| after.starts_with(w));
    // 上様 is an idiom, 井上様 a person: a word of one kanji must not go on to the left.
    let ends = |words: &[&str]| {
        words.iter().any(|w| {
            before.strip_suffix(w).is_some_and(|rest| {
                w.chars().count() > 1 || !w.starts_with(is_han) || !rest.ends_with(is_han)
            })
        })
    };
    match text {
        "様" | "様方" | "さま" => {
            !follows(&["子", "式", "々", "態", "相", "変", "な", "に々", "のよ"])
                && !ends(&[
                    "お客",
                    "客",
                    "皆",
                    "仕",
                    "模",
                    "同",
                    "多",
                    "一",
                    "神",
                    "王",
                    "お嬢",
                    "奥",
                    "旦那",
                    "貴",
                    "何",
                    "有",
                    "外",
                    "お得意",
                    "お子",
                    "担当者",
                    "関係者",
                    "世話",
                    "疲れ",
                    "苦労",
                    "愁傷",
                    "互い",
                    "おかげ",
                    "お陰",
                    "人",
                    "世間",
                    "上",
                    "各位",
                    "異",
                    "生",
                    "今",
                    "左",
                    "ご覧の",
                    "気の毒",
                    "待ち遠",
                    "ごちそう",
                    "馳走",
                    "仏",
                    "殿",
                ])
        }
        "さん" => {
            !ends(&[
                "たく",
                "みな",
                "皆",
                "お客",
                "客",
                "お父",
                "お母",
                "お兄",
                "お姉",
                "おじ",
                "おば",
                "じい",
                "ばあ",
                "奥",
                "娘",
                "息子",
                "屋",
                "お子",
                "赤",
                "お嬢",
                "ちゃん",
                "者",
                "員",
                "方",
                "父",
                "母",
                "兄",
                "姉",
                "嫁",
                "旦那",
                "ご",
                "どな",
                "なん",
            ]) && !follows(&["ま", "か月", "せ", "ご", "ざ"])
        }
        "ちゃん" | "くん" => {
            !ends(&["赤", "お兄", "お姉", "おじい", "おばあ", "お", "ぼ", "わ"])
        }
        "氏" => {
            !follows(&["名", "族", "神", "家", "姓"])
                && !ends(&["彼", "某", "両", "同", "諸", "源", "平", "各", "華", "摂"])
        }
        "殿" => {
            !follows(&["下", "堂", "様", "方"])
                && !ends(&[
                    "宮", "神", "御", "本", "貴", "沈", "拝", "社", "仏", "湯", "担当",
                ])
        }
        "君" => {
            !follows(&["津", "主", "臨", "島", "が", "た", "の", "は", "を", "に"])
                && !ends(&["諸", "主", "姉", "名", "暴", "細"])
        }
        "嬢" => !ends(&["お", "令"]),
        "代表" => {
            !follows(&[
                "取", "者", "電", "番", "的", "作", "例", "権", "団", "質", "理", "弁", "性", "値",
                "さ",
            ]) && !ends(&["日本", "国"])
        }
        "部長" | "課長" | "社長" | "会長" | "所長" | "店長" | "室長" | "係長" | "次長" | "局長"
        | "院長" | "校長" => !follows(&["会", "職", "室", "席", "級", "権", "印", "賞"]),
        "講師" | "監督" | "委員" | "理事" | "選手" | "候補" | "被告" | "主任" | "教授" | "議員"
        | "顧問" | "コーチ" | "リーダー" | "オーナー" | "チーフ" => !follows(&[
            "会", "署", "権", "料", "シ", "者", "法", "地", "日", "名", "室", "ズ", "ド", "ング",
        ]),
        "代理" => !follows(&[
            "店", "人", "権", "母", "戦", "業", "販", "出", "受", "購", "申",
        ]),
        "先生" | "先輩" | "後輩" => true,
        _ => true,
    }
}

/// Kanji that no list has, before an honorific: 倖平さん.
fn unknown(view: &View, end: usize, title: bool) -> Option<shape::Name> {
    let mut start = end;
    while let Some(c) = view.before(start)
        && is_han(c)
        // One more than fits: a longer run is no name, and is not walked to its start.
        && end - start <= 4
    {
        start -= 1;
    }
    let length = end - start;
    let text = view.slice(start, end);
    let before = view.before(start);
    let joined = before.is_some_and(is_katakana)
        || (before.is_some_and(is_hiragana) && matches!(before, Some('お' | 'ご')));
    if is_prefecture(text) {
        return None;
    }
    let fits = if title {
        length == 2
    } else {
        (2..=4).contains(&length)
    };
    let intimate = matches!(view.slice(end, end + 2), "くん" | "ちゃ" | "氏は" | "先輩")
        || view.get(end) == Some('氏');
    let prefecture = PREFECTURES
        .iter()
        .any(|p| length == 2 && p.starts_with(text));
    if !fits
        || joined
        || (lexicon().is_word(text) && !((intimate || prefecture) && !title && length == 2))
        || text
            .chars()
            .any(|c| one_of!("部課室係社店屋者員会組市県区町村校院所様氏各皆何誰〇", c))
    {
        return None;
    }
    // 三名様, 二人さん count; 七夏さん is someone.
    if text.starts_with(['一', '二', '三', '四', '五', '六', '七', '八', '九', '十'])
        && text.ends_with([
            '人', '名', '件', '個', '回', '階', '号', '枚', '年', '日', '番', '同', '方', '家',
            '組',
        ])
    {
        return None;
    }
    // The ends of a longer word: 総務部付田辺 is left to the lists.
    if length == 4
        && (lexicon().is_word(view.slice(start, start + 2))
            || lexicon().is_word(view.slice(start + 2, end)))
    {
        return None;
    }
    let lexicon = lexicon();
    let parts = vec![shape::Part {
        start,
        end,
        initial: lexicon.given(text).map_or_else(
            || lexicon.surname_initial(text),
            |_| lexicon.given_initial(text),
        ),
    }];
    Some(shape::Name { start, end, parts })
}

/// People in general.
pub(super) fn is_nobody(text: &str) -> bool {
    // A list of honorifics or titles (社長 弁護士, さん 氏) names nobody.
    static ONLY: LazyLock<Regex> =
        LazyLock::new(|| super::super::pattern(&format!("^(?:(?:{HONORIFICS}|{TITLES}) ?)+$")));
    if text.starts_with(may_begin) && ONLY.is_match(text) {
        return true;
    }
    matches!(
        text,
        "皆" | "客"
            | "お客"
            | "各位"
            | "担当"
            | "担当者"
            | "奥"
            | "神"
            | "娘"
            | "嫁"
            | "兄"
            | "姉"
            | "父"
            | "母"
            | "叔父"
            | "叔母"
            | "祖父"
            | "祖母"
            | "坊"
            | "殿"
            | "子"
            | "人"
            | "方"
            | "主"
            | "御"
            | "社"
            | "店"
            | "上"
            | "下"
            | "大"
            | "前"
            | "新"
            | "元"
            | "現"
            | "副"
            | "総"
            | "名"
            | "各"
            | "当"
            | "同"
            | "両"
            | "全"
            | "歴代"
            | "営業"
            | "開発"
            | "総務"
            | "人事"
            | "経理"
            | "企画"
            | "技術"
            | "製造"
            | "品質"
            | "購買"
            | "法務"
            | "広報"
            | "海外"
            | "国内"
            | "地域"
            | "本社"
            | "会員"
            | "患者"
            | "業者"
            | "職人"
            | "役員"
            | "社員"
            | "店員"
            | "先方"
            | "先生"
            | "医者"
            | "看護師"
            | "警察"
            | "消防"
            | "大家"
            | "管理人"
            | "取引先"
            | "お取引先"
    ) || text.chars().all(is_hiragana) && text.chars().count() < 2
}
