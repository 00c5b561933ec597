//! Places: prefectures, municipalities, postal codes.

use rustc_hash::FxHashMap;
use std::sync::OnceLock;

/// Prefecture of each municipality; `None` where several prefectures have one of that name.
pub(in crate::masking) struct Gazetteer {
    pub municipalities: FxHashMap<&'static str, Option<&'static str>>,
    postal: FxHashMap<&'static str, &'static str>,
}

pub(in crate::masking) const PREFECTURES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

pub(in crate::masking) const PREFECTURES_LATIN: [&str; 47] = [
    "Hokkaido",
    "Aomori",
    "Iwate",
    "Miyagi",
    "Akita",
    "Yamagata",
    "Fukushima",
    "Ibaraki",
    "Tochigi",
    "Gunma",
    "Saitama",
    "Chiba",
    "Tokyo",
    "Kanagawa",
    "Niigata",
    "Toyama",
    "Ishikawa",
    "Fukui",
    "Yamanashi",
    "Nagano",
    "Gifu",
    "Shizuoka",
    "Aichi",
    "Mie",
    "Shiga",
    "Kyoto",
    "Osaka",
    "Hyogo",
    "Nara",
    "Wakayama",
    "Tottori",
    "Shimane",
    "Okayama",
    "Hiroshima",
    "Yamaguchi",
    "Tokushima",
    "Kagawa",
    "Ehime",
    "Kochi",
    "Fukuoka",
    "Saga",
    "Nagasaki",
    "Kumamoto",
    "Oita",
    "Miyazaki",
    "Kagoshima",
    "Okinawa",
];

pub(in crate::masking) fn gazetteer() -> &'static Gazetteer {
    static GAZETTEER: OnceLock<Gazetteer> = OnceLock::new();
    GAZETTEER.get_or_init(Gazetteer::parse)
}

/// One of the 47, as it is written in an address.
pub(in crate::masking) fn is_prefecture(text: &str) -> bool {
    matches!(text.len(), 9 | 12)
        && text.ends_with(['都', '道', '府', '県'])
        && PREFECTURES.contains(&text)
}

impl Gazetteer {
    fn parse() -> Gazetteer {
        let prefecture = |cell: &'static str| (cell != "*").then_some(cell);
        Gazetteer {
            municipalities: include_str!("municipalities.tsv")
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .map(|(town, cell)| (town, prefecture(cell)))
                .collect(),
            postal: include_str!("postal.tsv")
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .collect(),
        }
    }

    /// The prefecture of a postal code of seven digits.
    pub fn by_postal_code(&self, digits: &str) -> Option<&'static str> {
        (1..=digits.len()).find_map(|n| self.postal.get(digits.get(..n)?).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_postal_code_names_its_prefecture() {
        assert_eq!(gazetteer().by_postal_code("1000001"), Some("東京都"));
        assert_eq!(gazetteer().by_postal_code("618"), None);
    }
}
