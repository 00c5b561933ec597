use super::BucketState;
use crate::report::model::{Text, text, told};
use schemas::kinds::records::ProtectionLevel;
use schemas::{Class, Period};

pub fn class_title(class: &Class) -> Text {
    match class.as_str() {
        "operation" => text("運用 (operation)", "Operation"),
        "auth" => text("認証・権限 (auth)", "Authentication (auth)"),
        "api" => text("API 通信 (api)", "API traffic (api)"),
        "change" => text("変更管理 (change)", "Change"),
        "network" => text("ネットワーク (network)", "Network"),
        "ledger" => text("台帳 (ledger)", "Ledger"),
        configured => told(configured.to_owned(), configured.to_owned()),
    }
}

pub fn period_text(period: Option<Period>) -> Text {
    let counted = |count: u32, one: &str, many: &str, counter: &str| {
        let word = if count == 1 { one } else { many };
        told(format!("{count}{counter}"), format!("{count} {word}"))
    };
    match period {
        None => text("未設定", "not set"),
        Some(Period::Forever) => text("無期限", "for ever"),
        Some(Period::Days(days)) => counted(days, "day", "days", "日"),
        Some(Period::Months(months)) if months % 12 == 0 => {
            counted(months / 12, "year", "years", "年")
        }
        Some(Period::Months(months)) => counted(months, "month", "months", "か月"),
    }
}

pub fn state_text(state: BucketState) -> Text {
    match state {
        BucketState::Open => text("受入中", "open"),
        BucketState::Sealed => text("封印済み・保管中", "sealed, kept"),
        BucketState::Held => text("保全中", "held"),
        BucketState::Due => text("満了・未消去", "due, not yet removed"),
        BucketState::Expired => text("消去済み", "expired"),
    }
}

pub fn level_text(level: ProtectionLevel) -> Text {
    match level {
        ProtectionLevel::Unproven => text("証明なし", "not proven"),
        ProtectionLevel::Writable => text("書込み可能なものあり", "some can be written to"),
        ProtectionLevel::ReadOnly => text("L0 書込み禁止", "L0, read-only"),
        ProtectionLevel::Immutable => text("L1 変更不可フラグ", "L1, immutable flag"),
    }
}
