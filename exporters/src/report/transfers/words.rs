use super::TransferBasis;
use crate::report::model::{Text, text};
use schemas::DataClass;

pub fn not_stated() -> Text {
    text("未登録", "not stated")
}

pub fn basis_title(basis: Option<TransferBasis>) -> Text {
    match basis {
        None => not_stated(),
        Some(TransferBasis::Consent) => text(
            "本人の同意（法28条1項・規則17条）",
            "consent (APPI art. 28 (1), rules art. 17)",
        ),
        Some(TransferBasis::EquivalentMeasures) => text(
            "相当措置を講ずる体制（法28条3項・規則16条・18条）",
            "equivalent measures (APPI art. 28 (3), rules art. 16, 18)",
        ),
        Some(TransferBasis::EquivalentCountry) => text(
            "同等水準国（法28条1項・規則15条）",
            "country of equivalent protection (APPI art. 28 (1), rules art. 15)",
        ),
        Some(TransferBasis::Domestic) => text("国内での取扱い", "handled in Japan"),
    }
}

pub fn class_title(class: Option<DataClass>) -> Text {
    match class {
        None => text("区分なし（区分導入前）", "none (from before classes)"),
        Some(DataClass::Internal) => text("社内業務データ", "internal"),
        Some(DataClass::Mail) => text("メール・予定表", "mail and calendar"),
        Some(DataClass::Ec) => text("EC・顧客データ", "shop and customers"),
        Some(DataClass::Personal) => text("個人データ", "personal"),
        Some(DataClass::Generated) => text("生成データ", "generated"),
    }
}
