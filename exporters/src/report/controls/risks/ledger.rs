//! What is asked of the log itself, for outside rules.

use super::super::kept::LONG;
use super::{Risk, adopted, control, entries};
use crate::report::facts::kinds::ACCESS;
use crate::report::model::{Query, text};

fn kept(how_long: &str) -> Query {
    Query::of("rule")
        .when("policy", "retention")
        .when("class", "operation")
        .when("kept", how_long)
}

pub(super) fn risk() -> Risk {
    Risk {
        id: "L",
        title: text("台帳そのもの", "The log itself"),
        controls: vec![
            control(
                "L2",
                text(
                    "時刻認証局が台帳の時刻を証する",
                    "An authority stamps the log's time",
                ),
            )
            .shown(entries("checkpoint.timestamped")),
            control(
                "L3",
                text(
                    "監視側（SIEM）への転送に欠落がない",
                    "Nothing is missing at the receiver (SIEM)",
                ),
            )
            .shown(entries("export.delivered"))
            .broken(Query::kinds(&["export.degraded", "export.gap"])),
            control(
                "L4",
                text(
                    "保存期間の規則が採用されている",
                    "Retention rules are adopted",
                ),
            )
            .ever(adopted("retention")),
            control(
                "L5",
                text(
                    "エージェントの操作の内容は六か月以上保存される",
                    "Content of what agents do is kept for six months or more",
                ),
            )
            .shown(kept(LONG))
            .broken(kept("under-six-months")),
            control(
                "L6",
                text(
                    "期間中に報告書が発行されている",
                    "Reports were issued in the period",
                ),
            )
            .shown(entries("report.issued")),
            control("L7", text("警報は記録される", "Alerts are recorded"))
                .shown(entries("alert.raised")),
            control(
                "L8",
                text(
                    "規則の変更は採用として記録される",
                    "Changes of rules are recorded as adoptions",
                ),
            )
            .ever(entries("policy.adopted")),
            control(
                "L9",
                text(
                    "提供先ごとの情報が採用されている",
                    "Facts about recipients are adopted",
                ),
            )
            .ever(adopted("vendors")),
            control(
                "L10",
                text(
                    "期間の提供記録が発行されている",
                    "A register of transfers was issued in the period",
                ),
            )
            .shown(entries("report.issued").when("report", "transfers")),
            control(
                "L11",
                text(
                    "利用者・エージェントの権限の変更は記録される",
                    "Changes of access are recorded",
                ),
            )
            .shown(Query::kinds(ACCESS)),
            control(
                "L12",
                text(
                    "モデルとのやりとりは記録される",
                    "Traffic with models is recorded",
                ),
            )
            .shown(entries("prompt.submitted")),
        ],
    }
}
