//! 氏名：, 担当, "assignee": what stands after such a label is a name, or a list of names.

use super::super::sought::Sought;
use super::shape::{self, Name, Part, Strength};
use super::thing;
use super::{Names, Scene, latin};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::lexicon::{is_prefecture, lexicon};
use crate::masking::normal::View;
use regex::Regex;
use std::sync::LazyLock;

/// More names than this after one label is a table, not a list.
const LONGEST_LIST: usize = 30;

pub(in crate::masking::rules) static LABEL: Sought = Sought::new(|| {
    r#"(?x)
        (?P<label> (?:お|ご)?(?:氏名|名前|芳名) | 姓名 | (?:お客|顧客|相手|宛先|送り主|届け先|会員|患者|契約者|受取人|利用者|申込者?|担当者?|生徒|社員|従業員|保護者|受講者|参加者|登録者|著者|作成者|代表者|被保険者|配偶者|扶養者|名義人?)(?:様|さま)?(?:の?(?:お|ご)?(?:氏名|名前|名)) | お客様
          | フリガナ | ふりがな | カナ(?:氏名)? | よみがな | 読み仮名 | ローマ字 | 口座名義人? | カード名義人? | 名義人? | 宛名 | 宛先
          | (?:ご?担当|対応|受付|責任|作成|承認|起案|記入|報告|依頼|申請|申込|申し込み|発注|受注|差出|送付|受取|引取|契約|保証|紹介|推薦|連絡|発表|提案|投稿|執筆|編集|監修|翻訳|撮影|運転|出張|登録|利用|購入|被保険|面接|評価|審査|確認|検収|参加|出席|欠席|司会|代表|候補|志願|応募|相談|通報|訪問|同行|主治|取締|世帯|届出|研究|開発|管理|引継|引き継ぎ)(?:者|人|官|医|役|主|先)?(?:名)?
          | 看護師 | 医師 | 弁護士 | 税理士 | 司法書士 | 会計士 | 教授 | 助手 | 店長 | 部長 | 課長 | 係長 | 社長 | 会長 | 取締役 | 監査役 | 主任 | リーダー | 窓口
          | 賃借人 | 賃貸人 | 売主 | 買主 | 貸主 | 借主 | 委託者 | 受託者 | (?:連帯)?保証人 | 債務者 | 債権者 | 申立人 | 原告 | 被告 | 相続人 | 姓 | 名 | セイ | メイ
          | 送り主 | 届け先 | 届先 | お届け先 | 世帯主 | 配偶者 | 保護者 | 緊急連絡先 | 講師 | 著者? | 筆者 | 司会 | 書記 | 議長 | 幹事 | 参加 | 出席 | 欠席 | 患者 | 従業員 | 社員 | 生徒 | 児童 | 学生 | 上司 | 部下 | メンバー | 登壇 | 登壇者 | ゲスト | 発言者? | 話者 | 聞き手 | インタビュアー | 宛 | 父 | 母 | 長男 | 長女 | 次男 | 夫 | 妻 | 同席 | 立会人? | 文責 | 担任 | 主催
          | (?i: (?:(?:full|first|last|user|customer|client|display|given|family|sur|contact|employee|patient|account|recipient|sender|owner|author|billing|shipping|card[_\ -]?holder|holder|member|person|applicant|student|real|nick|legal|maiden)[_\ -]?)? name(?:_?(?:kana|kanji|ja|jp))?
              | customer | client | employee | assignee | reporter | reviewers? | author | committer | (?:backup_|product_)?owner | contact(?:_?person)? | recipient | sender | user | from | to | cc | bcc | attn | by | manager | approvers? | requester | creator | attendees? | participants? | members? | speakers? | panelists? | chair(?:person)? | moderator | organi[sz]er | host | supervisor | operator | maintainers? | driver | teacher | student | doctor | nurse | staff | lead(?:er)? | sales_?rep | person_?in_?charge | pic | witness | interviewer | candidate | applicant | patient | signed-off-by | co-authored-by | reviewed-by | reported-by | tested-by | acked-by | kana | furigana | cardholder | payee | beneficiary | holder | assigned[_\ ]to | created[_\ ]by | updated[_\ ]by | approved[_\ ]by ) )
        (?:\([^()\n]{1,8}\))? ["'*]{0,3} \ ?(?P<sign>[:=|\t→]|は、?|が|\ ) [\ \t]{0,4} (?P<open>["'「『【(]?)
        "#.into()
});

pub(super) fn find(scene: &Scene, names: &mut Names) {
    let view = scene.view;
    let mut from = 0;
    while let Some(hit) = LABEL.captures_at(view, from) {
        let Some(place) = hit.name("label") else {
            break;
        };
        let label = &view.text[place.clone()];
        // Look on from the label's end: the next label may begin in what this one swallowed.
        from = place.end;
        let start = view.at_byte(place.start);
        if !stands(view, start, label) || is_head_row(view, view.at_byte(hit.whole.end)) {
            continue;
        }
        let sign = hit.name("sign").map_or("", |place| &view.text[place]);
        let latin_label = label.is_ascii();
        let opened = hit.name("open").is_some_and(|place| !place.is_empty());
        // A colon, a cell or a quotation says: a value follows. は and a space say it less.
        let firm = matches!(sign, ":" | "=" | "|" | "\t" | "→") || opened;
        let least = match (firm, latin_label, sign) {
            (true, ..) => Strength::Guess,
            (false, false, "は" | "は、") if is_form_label(label) => Strength::Single,
            (false, false, " ") if label.ends_with("担当") || label.ends_with("者") => {
                Strength::Single
            }
            (false, false, " ") if is_form_label(label) => Strength::Guess,
            (false, false, " ") if is_kin(label) => Strength::Single,
            _ => Strength::Surname,
        };
        list(
            scene,
            names,
            view.at_byte(hit.whole.end),
            least,
            firm,
            latin_label,
            label,
        );
    }
}

/// Labels that are nothing else: after them a space is enough.
fn is_form_label(label: &str) -> bool {
    label.contains("氏名")
        || label.contains("名前")
        || label.contains("芳名")
        || label.contains("名義")
        || label.contains("フリガナ")
        || label.contains("ふりがな")
}

fn is_kin(label: &str) -> bool {
    matches!(
        label,
        "父" | "母" | "夫" | "妻" | "長男" | "長女" | "次男" | "配偶者"
    )
}

/// |担当|期限| over |---|---|: the line at `at` is the head of a table, no label and its value.
fn is_head_row(view: &View, at: usize) -> bool {
    const WIDEST: usize = 200;
    let lines = view.chars[at.min(view.len())..].iter().take(WIDEST);
    let below = lines.skip_while(|c| **c != '\n').skip(1);
    let mut rule = below.take_while(|c| **c != '\n').take(4).peekable();
    rule.peek() == Some(&&'|') && rule.all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// The label is a word of its own.
fn stands(view: &View, start: usize, label: &str) -> bool {
    let before = view.before(start);
    if label.is_ascii() {
        return !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '/');
    }
    let short = label.chars().count() <= 1;
    if short {
        return before.is_none_or(|c| matches!(c, '\n' | ' ' | '(' | '、' | '・' | '　'));
    }
    // 発送担当, 新規登録者 and the like are longer labels of the same sense.
    true
}

fn list(
    scene: &Scene,
    names: &mut Names,
    start: usize,
    least: Strength,
    firm: bool,
    latin_label: bool,
    label: &str,
) {
    let view = scene.view;
    let mut at = start;
    for _ in 0..LONGEST_LIST {
        while view.get(at).is_some_and(|c| one_of!(" \t\"'「@【・*", c)) {
            at += 1;
        }
        let name =
            item(scene, at, least, firm, latin_label, label).or_else(|| after_office(view, at));
        let Some(name) = name.filter(|name| scene.is_open(name.start, name.end)) else {
            // What reads as nothing, or is an address, does not end a list: 参加：大分、二瓶.
            // What another rule has is passed over whole: masked, it would be short.
            let past = (at..view.len())
                .find(|&i| !scene.is_closed_at(i))
                .unwrap_or(view.len());
            match (firm && !latin_label)
                .then(|| next_item(view, past))
                .flatten()
            {
                Some(next) => {
                    at = next;
                    continue;
                }
                None => break,
            }
        };
        at = name.end;
        names.add(name);
        at = past_titles(view, at);
        // A mark goes on with the list; anything else ends it.
        match view.get(at) {
            Some('、' | ',' | '・' | '/' | '&') => at += 1,
            Some('と') if !firm => at += 1,
            Some('"' | '\'') if matches!(view.get(at + 1), Some(',')) && !latin_label => break,
            Some('"' | '\'')
                if view.get(at + 1) == Some(',')
                    && matches!(view.get(at + 2), Some('"' | '\''))
                    && view.get(start.saturating_sub(1)) == Some('[') =>
            {
                at += 3
            }
            _ => break,
        }
    }
}

/// Past a short item that is followed by a mark.
fn next_item(view: &View, at: usize) -> Option<usize> {
    let end = (at..at + 12).find(|&i| view.get(i).is_none_or(|c| one_of!("、,・/\n。:", c)))?;
    (view.get(end).is_some_and(|c| one_of!("、・", c))).then_some(end + 1)
}

/// One name at `at`, with what the label lends it.
fn item(
    scene: &Scene,
    at: usize,
    least: Strength,
    firm: bool,
    latin_label: bool,
    label: &str,
) -> Option<Name> {
    let view = scene.view;
    let first = view.get(at)?;
    if first.is_ascii_alphabetic() {
        return latin::at(view, at, firm);
    }
    let best = shape::starting_at(view, at, least);
    // 姓：藤原　名：美穂: what follows the space may be the next label.
    let first_word = best.as_ref().and_then(|(_, name)| {
        let gap = (name.start..name.end).find(|&i| view.chars[i] == ' ')?;
        shape::read(view, name.start, gap).filter(|(strength, _)| *strength >= least)
    });
    for (strength, name) in best.into_iter().chain(first_word) {
        let text = view.slice(name.start, name.end);
        let closed = closes(view, name.end);
        let place = lexicon().surname(text).is_some_and(|s| s.place);
        // "name" labels products and places too: only what is a name by itself.
        let generic = ["name", "to", "from", "by"]
            .iter()
            .any(|l| label.eq_ignore_ascii_case(l));
        let sound = match strength {
            Strength::Guess => firm && closed && !lexicon().is_word(text) && !thing::is_thing(text),
            // 名前は幸子です: a given name is enough where the label asks for names only.
            Strength::Single if !firm && is_form_label(label) => {
                text.chars().count() >= 2
                    && !lexicon().is_word(text)
                    && closes_softly(view, name.end)
            }
            // 妻 由紀子: families are told by given names.
            Strength::Single if !firm && is_kin(label) => {
                text.chars().count() >= 2 && !lexicon().is_word(text) && closed
            }
            // 担当 谷: one character at the end of the line.
            Strength::Single if !firm && name.end - name.start == 1 => {
                view.get(name.end).is_none_or(|c| one_of!("\n\r。/、,(", c))
                    && lexicon().surname(text).is_some()
                    && !matches!(label, "父" | "母" | "夫" | "妻")
            }
            Strength::Single => {
                closed
                    && (firm && !generic || text.chars().count() >= 2 && !lexicon().is_word(text))
            }
            Strength::Surname => {
                (firm && closed && !(generic && place))
                    || (label.ends_with("担当")
                        && view.get(name.end).is_none_or(|c| one_of!("\n\r。", c)))
                    || (closes_softly(view, name.end) && !place)
            }
            Strength::Half | Strength::Pair => closed || closes_softly(view, name.end),
        };
        if sound {
            return Some(name);
        }
    }
    if firm && (!latin_label || view.before(at) == Some('"')) {
        unknown(view, at).filter(|name| {
            let bigram = |i: usize| lexicon().is_word(view.slice(i, i + 2));
            !latin_label || name.end - name.start >= 3 && !(name.start..name.end - 1).any(bigram)
        })
    } else {
        None
    }
}

/// The value ends here.
fn closes(view: &View, at: usize) -> bool {
    let at = past_titles(view, at);
    view.get(at)
        .is_none_or(|c| one_of!("\n\r\t、,。.\"'」』】)(/|・ <;→&[]}「※-", c))
}

/// Or a particle follows: 担当は田中です.
fn closes_softly(view: &View, at: usize) -> bool {
    let at = past_titles(view, at);
    view.get(at)
        .is_some_and(|c| one_of!("でがはとにもかのへをま。、(\n )", c))
        || view.get(at).is_none()
}

/// Past honorific, title and a note in brackets.
fn past_titles(view: &View, mut at: usize) -> usize {
    static TITLE: LazyLock<Regex> = LazyLock::new(|| {
        super::super::pattern(
            r"^ ?(?:様|さん|氏|殿|君|くん|先生|[一-龠ァ-ヶー]{0,4}(?:部長|課長|社長|会長|次長|係長|主任|取締役|室長|店長|所長|リーダー|マネージャー|専務|常務|教授|弁護士|先輩))?(?: ?\([^()\n]{0,20}\))?",
        )
    });
    if let Some(hit) = TITLE.find(view.slice(at, (at + 30).min(view.len())))
        && !hit.as_str().trim().is_empty()
    {
        at = view.at_byte(view.byte_of(at) + hit.end());
    }
    at
}

/// 人事部の平 兼志: the name comes after the office.
fn after_office(view: &View, at: usize) -> Option<Name> {
    let mut end = at;
    while let Some(c) = view.get(end)
        && end < at + 24
        && (is_han(c) || is_katakana(c) || is_hiragana(c) || c == ' ')
    {
        if matches!(c, 'の' | ' ')
            && end > at
            && (view
                .before(end)
                .is_some_and(|c| one_of!("部課室係店社局所班院校司長役", c))
                || c == ' ' && lexicon().is_word(view.slice(at, end)))
        {
            let (strength, name) = shape::starting_at(view, end + 1, Strength::Guess)?;
            let text = view.slice(name.start, name.end);
            let sound = strength >= Strength::Surname
                || (closes(view, name.end) || closes_softly(view, name.end))
                    && text.chars().count() >= 3
                    && !lexicon().is_word(text)
                    && !thing::is_thing(text);
            return sound.then_some(name);
        }
        end += 1;
    }
    None
}

/// Kanji or kana that no list has: the whole value, if it looks like nothing else.
pub(super) fn unknown(view: &View, start: usize) -> Option<Name> {
    let mut end = start;
    let mut gap = None;
    while let Some(c) = view.get(end) {
        if c == ' '
            && gap.is_none()
            && end > start
            && view
                .get(end + 1)
                .is_some_and(|n| is_han(n) || is_hiragana(n) || is_katakana(n))
        {
            gap = Some(end);
        } else if !(is_han(c) || is_hiragana(c) || is_katakana(c))
            || end >= start + 10
            || super::honorific::starts_at(view, end)
        {
            break;
        }
        end += 1;
    }
    let text = view.slice(start, end);
    let length = end - start;
    let lexicon = lexicon();
    let all_han = text.chars().all(|c| is_han(c) || c == ' ');
    let one_script = all_han
        || text.chars().all(|c| is_katakana(c) || c == ' ')
        || text.chars().all(|c| is_hiragana(c) || c == ' ');
    let han_first = text.starts_with(is_han);
    let fits = match gap {
        Some(gap) => gap - start <= 5 && end - gap <= 6 && (one_script || han_first),
        None => {
            (2..=5).contains(&length)
                && (all_han
                    || (han_first
                        && text.chars().filter(|c| is_hiragana(*c)).count() <= 3
                        && length >= 3))
        }
    };
    let sound = fits
        && !is_prefecture(text)
        && closes(view, end)
        && !thing::is_thing(text)
        && !text.split(' ').any(|word| lexicon.is_word(word))
        && !(length >= 4
            && gap.is_none()
            && (lexicon.is_word(view.slice(start, start + 2))
                || lexicon.is_word(view.slice(start + 2, end))));
    let parts = match gap {
        Some(gap) => vec![
            Part {
                start,
                end: gap,
                initial: lexicon.surname_initial(view.slice(start, gap)),
            },
            Part {
                start: gap + 1,
                end,
                initial: lexicon.given_initial(view.slice(gap + 1, end)),
            },
        ],
        None => vec![Part {
            start,
            end,
            initial: lexicon.surname_initial(text),
        }],
    };
    sound.then_some(Name { start, end, parts })
}
