//! Insider information: a material fact together with the sign that it is not public yet,
//! or the words that the operator put on the list.

use super::sought::Sought;
use super::{Asked, Find, blocked, pattern};
use crate::masking::normal::View;
use crate::masking::silence::Words;
use crate::masking::{Evidence, SpanKind};
use regex::Regex;
use std::sync::LazyLock;

pub(in crate::masking) const NAME: &str = "insider";

/// Material facts of the Financial Instruments and Exchange Act, article 166.
static FACT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)第三者割当|株式取得|増資|新株|株式発行|自己株式|自社株|株式分割|株式併合|減資|合併|株式交換|株式移転|会社分割|吸収分割|事業譲渡|事業譲受|事業売却|買収|m&a|tob|mbo|公開買付|資本業務提携|資本提携|業務提携|子会社化|子会社の?(?:売却|異動|取得)|経営統合|災害による損失|主要取引先|大口取引先|取引停止|主要株主|大株主の異動|上場廃止|債務超過|民事再生|会社更生|破産|業績予想|業績修正|上方修正|下方修正|配当予想|増配|減配|復配|無配|減損|特別損失|特別利益|粉飾|不正会計|リコール|行政処分|決算数値|決算内容|四半期(?:決算|業績)|売上高?(?:の)?(?:見込|見通|予想)|業績(?:見込|見通)|経常利益|営業利益|純利益|利益見込|決算|訴訟|希望退職|代表(?:取締役|者)?の?(?:異動|交代)|社長交代|新製品の企業化|承認申請|治験(?:の)?(?:結果|中止|失敗)|earnings|acquisition|merger|takeover|tender offer|stock split|buyback|guidance|layoffs?",
    )
});
/// Facts too common in ordinary work to count with a weak sign.
static COMMON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?i:合併|決算|経常利益|営業利益|純利益|訴訟|業務提携|新株|guidance|earnings|merger|acquisition|リコール|減損|買収|m&a)$",
    )
});
const SECRETS: &str = r"(?i)未公表|未発表|未公開|非公表|非公開|未開示|公表前|発表前|開示前|公開前|リリース前|適時開示の?前|発表(?:する)?まで|公表(?:する)?まで|開示(?:する)?まで|まだ公表|まだ発表|まだ開示|公表(?:して|されて)(?:い)?ない|発表(?:して|されて)(?:い)?ない|開示(?:して|されて)(?:い)?ない|口外|他言|ここだけ|内密|内々|極秘|秘密裏|水面下|解禁|インサイダー|内部情報|not (?:yet )?(?:been )?(?:public|announced|disclosed)|unannounced|undisclosed|non-?public|before (?:the )?announcement|confidential until|オフレコ|合意前|契約前|締結前|決議前|決定前|承認前|伏せて|公にな(?:る|って)(?:前|いない)";
static SECRET: LazyLock<Regex> = LazyLock::new(|| pattern(SECRETS));
static PUBLIC: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)公表済|発表済|開示済|公開済|報道され|報道によ|報じ|ニュースによ|プレスリリース(?:済|の|を|で|に)|有価証券報告書|適時開示(?:され|済)|公表され(?:た|ました|ている)|発表され(?:た|ました|ている)|公表した|発表した|研修|eラーニング|教材|とは何|とは[?？、]|の?意味|について教えて|仕組みを|判例|事例|クイズ|試験|テスト問題|解説|一般論|already (?:public|announced)|press release|規程|規定を|ガイドライン|セルの?結合|サンプル|例文|例えば|過去の",
    )
});
/// Labels that alone say nothing about the market.
const LABELS: &str = r"(?i)社外秘|部外秘|関係者外秘|厳秘|取扱注意|confidential|internal only";
static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(LABELS));
/// One's own company about to do it.
const PLANS: &str = r"(?:当社|弊社|自社|わが社|我が社|親会社|当グループ)[^。\n]{0,30}(?:を検討|を協議|の交渉|を計画|を予定|に向け|の準備)";
static PLAN: LazyLock<Regex> = LazyLock::new(|| pattern(PLANS));
/// Words of a decision to come.
static PLANNED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"方向|予定|検討|交渉|諮|決定|合意|締結|決議|基本合意"));
/// A text that calls itself inside information.
const DECLAREDS: &str = r"(?:インサイダー情報|未公表の重要事実|重要事実)(?:に該当|にあたる|に当たる|です|なので|のため|を含|につき|を共有|が含)|【(?:インサイダー|重要事実|未公表)[^】\n]{0,12}】";
static DECLARED: LazyLock<Regex> = LazyLock::new(|| pattern(DECLAREDS));

/// What a sentence of inside information holds one of.
pub(super) static SIGNS: Sought = Sought::new(|| {
    [SECRETS, LABELS, PLANS, DECLAREDS]
        .map(|signs| format!("(?:{signs})"))
        .join("|")
});

pub(super) fn find(view: &View, asked: &Asked, out: &mut Vec<Find>) {
    if !asked.policy.insider_keywords.is_empty() {
        listed(view, &asked.words[0], out);
    }
    for period in asked.silent {
        listed(view, &asked.words[1 + period], out);
    }
    let mut add = |range: std::ops::Range<usize>, evidence: Evidence| {
        let (start, end) = (view.at_byte(range.start), view.at_byte(range.end));
        out.push(blocked(view, start, end, SpanKind::Insider, NAME, evidence));
    };
    let signs = SIGNS.begins(view);
    if signs.is_empty() && !view.folds() {
        return;
    }
    let signed = |sentence: &std::ops::Range<usize>| {
        let first = signs.partition_point(|at| (*at as usize) < sentence.start);
        let sign = signs.get(first);
        view.folds() || sign.is_some_and(|at| (*at as usize) < sentence.end)
    };
    let fact_with = |sign| Evidence::of("material fact").with(sign);
    let sentences = sentences(&view.text);
    for (n, sentence) in sentences.iter().enumerate() {
        let text = &view.text[sentence.clone()];
        if !signed(sentence) || PUBLIC.is_match(text) {
            continue;
        }
        if DECLARED.is_match(text) {
            add(
                sentence.clone(),
                Evidence::of("calls itself inside information"),
            );
            continue;
        }
        let Some(sign) = SECRET.find(text) else {
            // A confidentiality label beside a fact that means little else.
            if let Some(fact) = FACT.find(text)
                && (LABEL.is_match(text) || PLAN.is_match(text))
                && !COMMON.is_match(fact.as_str())
            {
                add(sentence.clone(), fact_with("confidentiality label or plan"));
            }
            continue;
        };
        if let Some(fact) = FACT.find(text) {
            let range = sentence.start + sign.start().min(fact.start())
                ..sentence.start + sign.end().max(fact.end());
            add(range, fact_with("sign that it is not public"));
            continue;
        }
        // The fact in the sentence before or after: only one that means little else.
        for other in [n.checked_sub(1), Some(n + 1)]
            .into_iter()
            .flatten()
            .filter_map(|k| sentences.get(k))
        {
            let beside = &view.text[other.clone()];
            if let Some(fact) = FACT.find(beside)
                && (!COMMON.is_match(fact.as_str()) || PLANNED.is_match(beside))
                && !PUBLIC.is_match(beside)
            {
                let evidence = fact_with("sign in the next sentence that it is not public");
                add(other.clone(), evidence);
                add(sentence.clone(), evidence);
            }
        }
    }
}

/// Wherever one of these words stands; one in Latin letters only where it is no part of a longer.
fn listed(view: &View, words: &Words, out: &mut Vec<Find>) {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    let mut from = 0;
    while let Some(hit) = words.regex.find_at(&view.text, from) {
        let (start, end) = (view.at_byte(hit.start()), view.at_byte(hit.end()));
        let inside = (letter(view.before(start)) && letter(view.get(start)))
            || (letter(view.before(end)) && letter(view.get(end)));
        if inside {
            from = view.byte_of(start + 1);
            continue;
        }
        let kind = SpanKind::Insider;
        out.push(blocked(view, start, end, kind, words.rule, words.evidence));
        from = hit.end();
    }
}

fn sentences(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, '。' | '\n' | '!' | '?' | '！' | '？') {
            if at > start {
                out.push(start..at);
            }
            start = at + c.len_utf8();
        }
    }
    if start < text.len() {
        out.push(start..text.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masking::tests::{blocks, passes};

    #[test]
    fn a_material_fact_that_is_not_public_blocks() {
        for text in [
            "未公表ですが、当社は来月に株式分割を行います。",
            "子会社の売却を決めました。適時開示の前なので口外しないでください。",
            "The merger has not been announced yet.",
            "この資料はインサイダー情報に該当します",
        ] {
            blocks(text, SpanKind::Insider);
        }
    }

    #[test]
    fn published_facts_training_and_labels_alone_pass() {
        for text in [
            "昨日発表された業績予想の修正を要約して",
            "公表済みの合併について未公表の質問を整理",
            "インサイダー取引とは何か、研修用に解説して",
            "社外秘の手順書です",
            "セルの結合を解除して",
            "公開前のページを確認して",
        ] {
            passes(text);
        }
    }
}
