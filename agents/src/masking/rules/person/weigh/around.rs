//! What stands around a word: who somebody is before it, what people do after it.

use super::super::{Names, beside, honorific};
use super::{is_kanji, is_letter};
use crate::masking::chars::{is_han, is_hiragana, is_katakana, one_of};
use crate::masking::normal::View;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::LazyLock;

/// Longest role in brackets, in characters.
const LONGEST_ROLE: usize = 8;

/// Who somebody is. A name follows it glued (主治医吉田), after の, a space, a mark or a bracket.
const ROLES: &str = "主治医 担当医 執刀医 看護師 受持看護師 保健師 薬剤師 介護士 弁護士 税理士 会計士 司法書士 行政書士 社労士 医師 教授 准教授 助教 講師 顧問 監督 主将 部員 \
    議長 副議長 委員長 会長 副会長 社長 副社長 部長 副部長 課長 係長 次長 室長 店長 所長 院長 校長 園長 局長 班長 組長 工場長 支店長 センター長 取締役 監査役 専務 常務 理事 理事長 主任 主査 代表 座長 書記 司会 幹事 会計 \
    担当 担当者 主担当 副担当 担任 副担任 責任者 作成者 更新者 承認者 起案者 起票者 報告者 申請者 申込者 申込人 記録者 記入者 依頼者 連絡者 通報者 発見者 目撃者 被害者 加害者 被疑者 容疑者 被告 被告人 原告 供述人 参考人 証人 署名人 \
    発起人 荷送人 荷受人 差出人 受取人 名義人 借主 貸主 売主 買主 保証人 相続人 被相続人 遺言者 配偶者 世帯主 後見人 代理人 候補者 志願者 志望者 内定者 応募者 面接官 一次面接官 評価者 参加者 出席者 欠席者 出演者 出演 演出 照明 撮影 編集 \
    脚本 監修 著者 訳者 作者 筆者 研究代表者 分担者 研究員 会社員 公務員 社員 職員 店員 部下 上司 同僚 先輩 後輩 同期 友人 知人 恋人 友達 親友 前任 後任 新人 新任 転入生 転校生 生徒 児童 園児 学生 患者 入居者 利用者 宿泊者 予約者 注文者 購入者 契約者 \
    利用者名 宿泊者名 予約者名 名義 振込名義 立会人 見届人 受付者 応対者 受電者 対応者 実施者 点検者 検査者 運転手 運転者 配達員 作業員 警備員 巡査 警部 刑事 記者 選手 棋士 歌手 俳優 女優 声優 監査人 家庭教師 教諭 養護教諭 校医 産業医 故 推し \
    夫 妻 長男 次男 三男 長女 次女 三女 父 母 兄 弟 姉 妹 子 孫 娘 息子 祖父 祖母 叔父 叔母 義父 義母 甥 姪 旦那 嫁 奥さん 旧姓 新姓 名字 苗字 旧氏 通称 本名 氏名 名前 お名前 \
    確認印 検印 照査 設計 審査 査閲 検図 製図 承認 作成 確認 起案 受領 受領印 決裁 記録 文責 連絡網 緊急連絡網 緊急連絡先 連絡先 早番 遅番 日勤 夜勤 当番 宿直 日直 レジ 出席 欠席 同席 司会進行 書記係 優勝 準優勝 優秀賞 最優秀賞 金賞 銀賞 銅賞 第1位 第2位 第3位 1位 2位 3位 \
    ドライバー リーダー マネージャー マネジャー スタッフ オーナー メンバー メンバ ゲスト コーチ ピアノ ソプラノ アルト テノール バス バイオリン フルート ギター ボーカル デザイナー エンジニア PM PL SE CC Cc cc To TO FW DF GK MF プロデューサー ディレクター パートナー オペレーター チューター メンター パネリスト モデレーター ファシリテーター トリマー キャプテン アンカー ハウスキーパー ベビーシッター \
    弁護人 検察官 裁判長 喪主 施主 大家 家主 荷主 地主 飼主 飼い主 雇い主 新郎 新婦 主賓 来賓 乾杯 伴奏 指揮 作詞 作曲 編曲 原作 主演 助演 装丁 題字 語り 聞き手 話し手 通訳 引率 \
    主審 副審 先発 代打 隊長 団長 副団長 応援団長 教頭 副校長 学年主任 司書 保育士 栄養士 理学療法士 作業療法士 言語聴覚士 PT OT ST MSW Ns Dr 訪看 相手方 上長 大工 左官 庭師 うち 続柄 表札 筆頭者 同 弊社 当社 当方 先方 研修医 当直医 麻酔医 獣医師 技師 通報者 現場代理人 代理人 世話人 紹介者 立案者 発案者 起草者 保有者 権利者 義務者 贈与者 受贈者 譲渡人 譲受人 届出人 荷受人 看護助手 実習生 研修生 訪問者 来訪者 面会者 宛先 開会 開会の辞 閉会の辞 挨拶 祝辞 来賓祝辞 基調講演 祝電 献杯 弔辞 司会者 進行 発声 万歳三唱 謝辞 ケアマネ ケアマネージャー ヘルパー パーソナリティ アナウンサー";

/// What is said of people and of nothing else, where it begins behind the name.
const DEEDS: &str = "連れて を連れ の面倒 の世話 が生まれ が熱 が入院 が退院 が骨折 が合格 が引っ越 が結婚 が辞め が転職 が転んだ が迎え が送 が電話 が連絡 が手配 が用意し が準備し が検討し が精算 が立て替え が立替え が交渉 が調整し が素案 が付き添 が到着 が待って が探して が心配し が喜ん が困って が頑張 が倒れ が亡くな が逝去 が就任 が退任 が着任 が講演 が受賞 が得点 が先制 が三振 が打っ が投げ が抑え が制し が敗れ が描い が書い が撮っ が笑い が頷 がうなず が黙 が謝 が気にし は欠勤 は勤続 は昇格 は就任 は退任 は着任 は受賞 は得点 は無得点 は三振 は引退 は卒業 は入学 は在籍 は所属 は笑 は泣 は怒 は困 は頷 はうなず は首を は答弁 は証言 は供述 は否認 は転倒 は骨折 は発熱 は来社 は引き受け は断 は謝 は黙 は気づ は気付 を再任 を補佐 を囲ん を励ま を責め をかば を信頼 を心配 に交替 に手伝 に見せ に惚れ に叱ら に付き添 から届 から引き継 から引継 からの引き継 からの引継 からの申 から申 の発案 の印鑑 の性格 の体調 の育休 の復帰 の昇格 の手柄 の了承 の了解 の同意 の口癖 の書い の撮っ の送っ の言う の言っ の作っ の都合 の返事 が返信 が返事 が提案 が主張 が反対 が賛成 が発言 が挙手 が起案 が起票 が記入 が記録 が受け が受電 が応対 が折り返 が訪問 が同席 が修正 が実装 が調査 が検証 が復旧 が再起動 が切り分け が点検 が検査 が配達 が受領 が預か が署名 が捺印 が押印 が運転 が目撃 が通報 が供述 が証言 が診察 が処方 が執刀 が訴え     を病院 を保育園 を学校 を起こ を手伝 を担当に を後任に を部長に を課長に を表彰 を処分 を注意 を指導 を評価 を面接 を尾行 を保護 を送致 を起訴 を診察 を搬送 を見舞 と付き合 と別れ と遊 と旅行 と通話 と電話 と調整 と合流 と同期 と同じクラス と相談 と協議 と会議 と確認 に振られ に告白 に謝 に感謝 に一任 に交代 に指示 に質問 に声 に引き渡 に手渡 に預け に貸し に送 に届け に同行 に付き添 に面会 に事情 に返金 に請求     は既に は現在休 は本日 は明日 は先週 は来週 は元気 は無事 は容疑 は黙秘 は被害 は軽傷 は重傷 は意識 は入院 は退院 は通院 は帰宅 は外回り は会議中 は席を は離席 は育休 は産休 は有休 は夏休み は遅番 は早番 は夜勤 は合格 は不合格 は保留 は受講 は当選 は落選 は承認 は却下 は了解 は同意 は回答 は説明 は指摘 は提案 は報告 は述べ は主張 は「     の成績 の保護者 の主治医 の診断 の症状 の服薬 の既往 の血圧 の口座 の住所 の携帯 の番号 の連絡先 の予定 の予約 の面談 の面接 の志望 の経歴 の職歴 の学歴 の有給 の休暇 の旅費 の経費 の名刺 の見解 の質問 の提案 の報告 の対応 の説明 の作業 の修正 の実装 の車 の自宅 の家族 の彼氏 の彼女 の結婚 の出産 の見舞 の葬儀 の息子 の娘 の妻 の夫 の母 の父 の兄 の弟 の姉 の妹 の祖 の遺族 の弁護 の供述 の証言 の連名 にも共有 に共有 に差し戻 に差戻 に確認 に依頼 に相談 に連絡 に報告 に聞 に頼 に伝え には伝え に渡 に任せ に任命 にお願い に引き継 に引継 に電話 に回送 に説明 に返信 に質問 に言わ に怒ら に褒め に教え に教わ に誘わ に借り に貸 に転送 に打診 にお渡し にお伝え にご にて対応 \
    へ回送 へ連絡 へ依頼 へ転送 へ共有 へ報告 へ引き継 へ引継 へ確認 へお願い へ相談 へ渡 へのお祝 までご まで連絡 まで。 までお から返事 からは返事 から連絡 から電話 からの電話 からの連絡 からの指摘 から指摘 から依頼 からの依頼 から回答 から質問 から報告 から提案 からメール からもらっ から聞 から借り から頼 から費用 から補足 から謝罪 から相談 からLINE \
    より説明 より連絡 より報告 より提案 より質問 より指摘 より補足 より受領 より、資料 のほうで の方で の方から の代わり の代理 の代行 の後任 の評価 の携帯 の机 のPC の指摘 のレビュー の環境でのみ の意見 の発言 の奥さん の旦那 のおばさん のおじさん のお母 のお父 の実家 のお宅 の異動 の退職 の送別会 の歓迎会 の誕生日 の履歴書 の給与 の年収 の勤怠 の残業 の上司 の部下 の申述 の供述 の署名 \
    が担当 が対応 が説明 が報告 が確認 が作成 が作っ が代行 が代わり が引率 が引き継 が持って が出席 が欠席 が出張 が不在 が休 が外出 が来社 が行 が言 が退職 が入社 が異動 が承認 が議長 が回答 が次回 が質問 が指摘 が提案 が聞 が辞 が当選 が優勝 が登壇 が参加 が進行 が司会 が執筆 が撮影 が運転 が帰 が怒 が泣 が笑 が寝 が熱 が風邪 が遅刻 が早退 が出演 が尊 が好 が可愛 がかわい が今日 が昨日 がお休 がご が同行 がリモート がやる がやり がやっ \
    は不在 は休 は午前休 は午後休 は直帰 は直行 は出張 は外出 は在宅 は欠席 は出席 は遅刻 は早退 は退職 は異動 は前向き は慎重 は賛成 は反対 は述べ は答え は話 は言 は語 は開会 は辞任 は就任 はまだ来 はもう帰 は今日 は明日 は昨日 は既婚 は独身 は水泳 は来月帰 はリモート は帰国 は承諾 は了承 は「 は、「 は次のとおり を見かけ を選出 を選任 を推薦 を任命 を紹介 を招 を呼 を起用 を偲 を代表取締役 をフォロー を誘 を励 を叱 を議長 を迎え を逮捕 を採用 を指名 を聴取 \
    と申し と名乗 といいます と言います でございます でした。 ですけど ですが、 です。 です、 です! だけど と面談 と相談 と打合 と打ち合 と二人 と一緒に と飲 とご飯 と結婚 と食事 と同席 と同じ と口論 と合意 とランチ って言 ってば も了承 も同席 も出席 も欠席 も参加 によれ によると によりま も呼 も誘 も知ら も言 も聞 も来 から聞 が承り が保管 が保有 が占有 が所有 が弾き が歌 が引き受 が預かっ が見つけ が気付 が気づ の運転 の証言 の後輩 の先輩 の立替 の担当 の推薦 の紹介 の作品 の著 に敗れ に勝 に競り に言った に言って に替わ に代わ に変更 に再依頼 の件なん の件です チーム グループ PT OT ST MSW Ns Dr 邸の 邸リ 邸新 邸改 邸は もう 対応 受電 折返 折り返し 確認済 確認印 代行 作成 撮影 ゼミ 研究室 学級 クラス 宅、 家の 家・ 家、 邸 班は 班が 迎え 送り 両氏 両名 共著 著『 著「 記者会見 夫妻 様方 待ち 承認済 持参 休み 不在 直帰 在宅 ほか ら8名 ら3名 ら5名 らが 巡査 民生委員 町内会長 自治会長 Dr Ns 受領 担当 回答済 出張 退席 入室 退室 入電 欠席 出席 当番";

fn list(words: &'static str) -> FxHashSet<&'static str> {
    words.split_ascii_whitespace().collect()
}

/// By the last two characters, of one a nil and it.
static ROLE: LazyLock<Signs> = LazyLock::new(|| {
    signs(ROLES, |word| {
        let mut back = word.chars().rev();
        (back.next(), back.next())
    })
});
/// By the first two characters: most places are done with after one look.
static DEED: LazyLock<Signs> = LazyLock::new(|| signs(DEEDS, head));

/// Kin, which names follow without a mark: 長女沙音.
const KIN: &str = "夫 妻 長男 次男 三男 長女 次女 三女 父 母 娘 息子 祖父 祖母 叔父 叔母 義父 義母 甥 姪 故 旧姓 新姓";

/// When, which stands before a name without a mark; two characters each.
const TIMES: &str = "昨日 今日 明日 先日 今朝 昨夜 昨晩 今夜 先週 今週 来週 先月 今月 来月 今回 前回 次回 本日 当日 後日 翌日 先程 先刻 現在 当時 普段 毎回 毎週 毎日 以前 最近 結局 一応 多分 実際 途中 直接 無事 早速 急遽";

static TIME: LazyLock<Signs> = LazyLock::new(|| signs(TIMES, head));

/// How people say who they are.
const INTRODUCTIONS: &str =
    "と申し と名乗 でございます といいます と言います ですけど です。 ですが、";

static KINDRED: LazyLock<FxHashSet<&str>> = LazyLock::new(|| list(KIN));
static INTRODUCTION: LazyLock<Signs> = LazyLock::new(|| signs(INTRODUCTIONS, head));

type Key = (Option<char>, Option<char>);

/// Words by two of their characters.
struct Signs {
    words: FxHashMap<Key, Vec<&'static str>>,
    /// The first of the two, where it is one of the basic plane: most characters are of no word.
    firsts: Vec<bool>,
}

impl Signs {
    fn get(&self, key: Key) -> Option<&[&'static str]> {
        if self.firsts.get(key.0? as usize) == Some(&false) {
            return None;
        }
        self.words.get(&key).map(Vec::as_slice)
    }
}

fn head(word: &str) -> Key {
    let mut chars = word.chars();
    (chars.next(), chars.next())
}

fn signs(words: &'static str, key: fn(&str) -> Key) -> Signs {
    let mut out = Signs {
        words: FxHashMap::default(),
        firsts: vec![false; usize::from(u16::MAX) + 1],
    };
    for word in words.split_ascii_whitespace() {
        let key = key(word);
        let first = key.0.and_then(|c| out.firsts.get_mut(c as usize));
        first.into_iter().for_each(|first| *first = true);
        out.words.entry(key).or_default().push(word);
    }
    out
}

/// A surname of one kanji that says what there are as many of as stands before it: 48,000 円です. Before
/// another word it may be somebody in a list or a log: 10:05 門 受電.
fn is_unit(view: &View, at: usize) -> bool {
    one_of!("円巻町門泊丁条袋", view.chars[at])
        && !view.get(at + 1).is_some_and(|c| is_han(c) || c == ' ')
}

/// Keys of fields that hold no person.
const ELSE: &str = "prefecture pref city town region area state country store shop branch station venue place location brand product item category \
    県 都道府県 都市 市区町村 市町村 地域 地区 エリア 店舗 店名 支店 拠点 駅 産地 品名 商品 商品名 品種 銘柄 区間 行き先 目的地 出発地 到着地 勤務地 開催地";

static OTHER: LazyLock<FxHashSet<&str>> = LazyLock::new(|| list(ELSE));

/// \"city\": \"松本\", region=yamaguchi, 区間:品川: the key before `at` says that no person follows.
pub(in super::super) fn is_keyed_else(view: &View, at: usize) -> bool {
    const LONGEST: usize = 10;
    let unquoted = |at: usize| {
        let marks = view.chars[..at].iter().rev();
        at - marks.take_while(|c| matches!(c, '"' | '\'' | ' ')).count()
    };
    let end = unquoted(at);
    if !matches!(view.before(end), Some(':' | '=')) {
        return false;
    }
    let end = unquoted(end - 1);
    let letters = view.chars[end.saturating_sub(LONGEST + 1)..end]
        .iter()
        .rev();
    let start = end - letters.take_while(|c| c.is_alphanumeric()).count();
    OTHER.contains(view.slice(start, end).to_ascii_lowercase().as_str())
}

/// Points for what stands before `at`; `None` where no word begins.
pub(super) fn before(view: &View, names: &Names, at: usize) -> Option<u8> {
    if matches!(view.before(at), Some('"' | '\'' | ':' | '=' | ' ')) && is_keyed_else(view, at) {
        return None;
    }
    // 全 3 巻, 全12 巻: all of so many.
    let then = at + 1 + usize::from(view.get(at + 1) == Some(' '));
    if view.chars[at] == '全' && view.get(then).is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    let Some(mark) = view.before(at) else {
        return Some(1);
    };
    let mut end = at - 1;
    match mark {
        '\n' => Some(if role(view, end) { 4 } else { 1 }),
        '@' => Some(3),
        ' ' => {
            while view.before(end) == Some(' ') {
                end -= 1;
            }
            match view.before(end) {
                None | Some('\n') => Some(1),
                Some(':' | '=' | '、' | '・' | ',' | '/') => before(view, names, end),
                Some('-' | '*' | ']' | '●' | '○' | '■' | '□' | '◎' | '◆' | '>' | '├' | '└') => {
                    Some(3)
                }
                Some('.' | ')') => Some(2),
                Some(c) if c.is_ascii_digit() && is_unit(view, at) => None,
                // 10:05 佐々木 受電: a log of who did what when.
                Some(c) if c.is_ascii_digit() && end >= 3 && view.chars[end - 3] == ':' => Some(3),
                _ if role(view, end) => Some(4),
                _ if is_somebody(view, end) || names.covers(end - 1, end) => Some(3),
                _ => Some(1),
            }
        }
        ':' | '=' => Some(if role(view, end) {
            4
        } else if is_somebody(view, end) {
            3
        } else {
            2
        }),
        '・' if matches!(view.before(end), None | Some('\n' | ' ')) => Some(3),
        '[' if matches!(view.before(end), None | Some('\n')) => Some(3),
        '、' | '・' | '/' | ',' | '→' | '&' | '\t' | '|' | '※' | ';' => {
            Some(if listed(view, names, end) { 3 } else { 1 })
        }
        '(' | '「' | '"' | '\'' | '>' | '[' | '【' | '_' | '\\' | '『' => {
            Some(if role(view, end) { 4 } else { 1 })
        }
        'お' | 'ご' => None,
        'の' | 'は' | 'に' | 'が' | 'を' | 'で' | 'も'
            if role(view, end) || mark == 'の' && is_somebody(view, end) =>
        {
            Some(3)
        }
        'と' if listed(view, names, end) => Some(3),
        c if is_hiragana(c) => Some(1),
        c if is_han(c) || is_katakana(c) => {
            if role(view, at) {
                return Some(3 + u8::from(kin(view, at)));
            }
            // 配達員佐藤, 昨日佐藤が: no name begins in the midst of other kanji.
            (is_somebody(view, at)
                || c == 'ー'
                || TIME.get((view.before(at - 1), Some(c))).is_some())
            .then_some(1)
        }
        c if c.is_ascii_alphanumeric() => role(view, at).then_some(3),
        _ => Some(1),
    }
}

/// A name, with or without an honorific, ends at `end`.
fn listed(view: &View, names: &Names, end: usize) -> bool {
    let ends = |at: usize| at > 0 && names.covers(at - 1, at);
    // 山田さん、 and 藤原(書記)、: the name ends a little before.
    // 西尾（6-1）、: what is said of each stands in brackets.
    let bracketed = view.before(end) == Some(')')
        && (end.saturating_sub(10)..end - 1)
            .rev()
            .find(|&at| view.chars[at] == '(')
            .is_some_and(ends);
    ends(end)
        || bracketed
        || (end.saturating_sub(7)..end)
            .rev()
            .any(|at| ends(at) && beside::honored_end(view, at) == Some(end))
}

/// A word that says who somebody is ends at `end`.
pub(super) fn role(view: &View, end: usize) -> bool {
    let (last, other) = (view.before(end), view.before(end.saturating_sub(1)));
    // 父, 子, 妻: a word of one kanji must not be the end of a longer word.
    if !other.is_some_and(is_han) && ROLE.get((last, None)).is_some() {
        return true;
    }
    let text = &view.text[..view.byte_of(end)];
    ROLE.get((last, other))
        .is_some_and(|words| words.iter().any(|word| text.ends_with(word)))
}

/// 長女, 部長: not the surname of the name behind it.
pub(super) fn is_role_word(word: &str) -> bool {
    let mut back = word.chars().rev();
    let listed = ROLE.get((back.next(), back.next()));
    KINDRED.contains(word) || listed.is_some_and(|words| words.contains(&word))
}

fn kin(view: &View, end: usize) -> bool {
    (1..=2.min(end)).any(|n| KINDRED.contains(view.slice(end - n, end)))
}

/// 回覧先, 保管者: labels of persons that no list can hold all of.
fn is_somebody(view: &View, end: usize) -> bool {
    view.before(end)
        .is_some_and(|c| one_of!("者人員先役係長師士医官手生印名", c))
        && end >= 2
        && (is_han(view.chars[end - 2]) || is_katakana(view.chars[end - 2]))
}

const PARTICLES: [&str; 6] = ["まで", "より", "だけ", "しか", "なら", "って"];

/// 辻 09:15: who wrote a message and when.
pub(super) fn is_clock(view: &View, at: usize) -> bool {
    view.get(at) == Some(' ')
        && (at + 2..=at + 3).any(|i| view.get(i) == Some(':'))
        && view.get(at + 1).is_some_and(|c| c.is_ascii_digit())
}

/// Points for what stands after `end`; `None` where no word ends.
pub(super) fn after(view: &View, names: &Names, end: usize) -> Option<u8> {
    let Some(next) = view.get(end) else {
        return Some(1);
    };
    if honorific::starts_at(view, end) {
        return Some(4);
    }
    if introduces(view, end) || is_clock(view, end) {
        return Some(4);
    }
    // 未提出は岸、星野の3名です, 茂の三人: heads are counted.
    let number = |c: char| c.is_ascii_digit() || one_of!("一二三四五六七八九十", c);
    let counted = next == 'の'
        && view.get(end + 1).is_some_and(number)
        && (end + 2..end + 4).any(|i| matches!(view.get(i), Some('名' | '人')));
    let signed = one_of!("談儀印君宅拝", next) && !view.get(end + 1).is_some_and(is_kanji);
    if counted || signed || sign(view, end, &DEED) {
        return Some(3);
    }
    match next {
        ':' | '「' | ']' | '@' | '→' => Some(2),
        '、' | '・' | '/' | ',' if names.covers(end + 1, end + 2) => Some(2),
        '(' if (end + 2..=end + 1 + LONGEST_ROLE)
            .any(|close| view.get(close) == Some(')') && role(view, close)) =>
        {
            Some(3)
        }
        c if one_of!("はがにをともへでのやか", c) => Some(1),
        'ま' | 'よ' | 'だ' | 'し' | 'な' | 'っ'
            if PARTICLES.contains(&view.slice(end, (end + 2).min(view.len()))) =>
        {
            Some(1)
        }
        c if is_letter(c) || is_katakana(c) || c.is_ascii_alphanumeric() => None,
        _ => Some(1),
    }
}

/// Somebody says who they are at `at`.
pub(super) fn introduces(view: &View, at: usize) -> bool {
    sign(view, at, &INTRODUCTION)
}

/// One of `words` stands at `at`.
fn sign(view: &View, at: usize, words: &Signs) -> bool {
    let Some(words) = words.get((view.get(at), view.get(at + 1))) else {
        return false;
    };
    let rest = &view.text[view.byte_of(at)..];
    words.iter().any(|word| rest.starts_with(word))
}
