//! What reads as an office, a place, a thing, a count or a role, and so not as a name.

use crate::masking::chars::one_of;
use crate::masking::lexicon::lexicon;
use rustc_hash::FxHashSet;
use std::sync::LazyLock;

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

/// 直帰, 弊社, 一次: said of days and sides, and of no person, though a list has some of them as names.
pub(super) fn is_absence(text: &str) -> bool {
    const OUT: &str = "直帰 直行 在宅 時短 有休 半休 代休 公休 夜勤 早番 遅番 日勤 社用 社内 弊社 御社 貴社 当社 先方 即日 翌日 一次 二次 工事 民生 明治 大正 江戸 室町 未来 彼女";
    text.len() == 6 && OUT.split(' ').any(|word| word == text)
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
pub(super) const ENDINGS: [char; 51] = [
    '県', '市', '区', '町', '村', '駅', '店', '社', '部', '課', '室', '係', '局', '所', '院', '校',
    '港', '橋', '寺', '線', '口', '側', '産', '製', '品', '業', '屋', '館', '堂', '園', '組', '会',
    '家', '等', '達', '的', '性', '化', '者', '員', '長', '様', '殿', '氏', '君', '宛', '先', '内',
    '外', '展', '軍',
];

/// Words for people by what they do: ユーザー様, スタッフさん.
pub(super) fn is_role(text: &str) -> bool {
    const ROLES: &str = "ユーザ ユーザー オーナー スタッフ ドライバー クライアント パートナー サポーター マネージャー マネジャー ゲスト ベンダー メンバー オペレーター バイヤー キャスト \
        リーダー メーカー サプライヤー デザイナー エンジニア プログラマー コンサルタント アルバイト パート ママ パパ エンドユーザー ライター モデル ナース ヘルパー トレーナー コーチ キャプテン ディレクター プロデューサー \
        セミナー エージェント テナント ホスト シェフ バイト リスナー ファン ホルダー モニター インストラクター アドバイザー オフィス ホテル カフェ チーム クリニック センター サービス グループ エリア システム サポート ショップ メール デスク ホーム リハビリ スクール カード データ";
    static ROLE: LazyLock<FxHashSet<&str>> =
        LazyLock::new(|| ROLES.split_ascii_whitespace().collect());
    ROLE.contains(text) || text.ends_with("ユーザー") || text.ends_with("メーカー")
}

/// Two neighbouring kanji of it are a common noun: 勤務 in 勤務可.
pub(super) fn has_word(text: &str) -> bool {
    let starts = text.char_indices().map(|(at, _)| at);
    let ends = text.char_indices().skip(1).map(|(at, c)| at + c.len_utf8());
    starts
        .zip(ends)
        .any(|(start, end)| lexicon().is_word(&text[start..end]))
}
