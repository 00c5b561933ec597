//! The risks of the first user's rules, R1 to R8, and what daicho records about each.

mod ledger;

use super::{Control, Risk};
use crate::report::model::{Query, Text, text};

fn control(id: &'static str, title: Text) -> Control {
    Control {
        id,
        title,
        shown_by: None,
        ever: false,
        broken_by: None,
    }
}

impl Control {
    fn shown(self, query: Query) -> Control {
        Control {
            shown_by: Some(query),
            ..self
        }
    }

    fn ever(self, query: Query) -> Control {
        Control {
            ever: true,
            ..self.shown(query)
        }
    }

    fn broken(self, query: Query) -> Control {
        Control {
            broken_by: Some(query),
            ..self
        }
    }
}

fn entries(kind: &'static str) -> Query {
    Query::kinds(&[kind])
}

fn adopted(policy: &str) -> Query {
    entries("policy.adopted").when("policy", policy)
}

pub(super) fn all() -> Vec<Risk> {
    vec![
        Risk {
            id: "R1",
            title: text("APIキーの漏えい", "Leak of an API key"),
            controls: vec![
                control(
                    "R1.1",
                    text(
                        "秘密情報を見つける規則が採用されている",
                        "Rules that find secrets are adopted",
                    ),
                )
                .ever(adopted("masking"))
                .broken(entries("secret.leaked")),
                control(
                    "R1.2",
                    text(
                        "秘密情報は登録され、更新されている",
                        "Secrets are registered and rotated",
                    ),
                )
                .shown(Query::of("secret").when("state", "registered-and-rotated")),
                control(
                    "R1.3",
                    text(
                        "エージェントは固有のトークンで認証する",
                        "Agents authenticate with tokens of their own",
                    ),
                )
                .shown(Query::of("agent").when("state", "registered"))
                .broken(entries("auth.failed").when("reason", "shared")),
            ],
        },
        Risk {
            id: "R2",
            title: text("機密情報の誤送信", "Confidential data sent by mistake"),
            controls: vec![
                control(
                    "R2.1",
                    text(
                        "送信データは規則により検査・記録されてから送られる",
                        "What leaves passes the rules and is recorded first",
                    ),
                )
                .shown(entries("payload.masked")),
                control(
                    "R2.2",
                    text(
                        "規則が読めない媒体は送られていない",
                        "No media left that no rule can read",
                    ),
                )
                .shown(entries("payload.masked").when("media", "none"))
                .broken(entries("payload.masked").when("media", "some")),
                control(
                    "R2.3",
                    text(
                        "データ区分ごとの取扱いが採用されている",
                        "Handling by class of data is adopted",
                    ),
                )
                .ever(adopted("classes")),
            ],
        },
        Risk {
            id: "R3",
            title: text("誤った外部操作", "Wrong outward action"),
            controls: vec![
                control(
                    "R3.1",
                    text(
                        "外部に及ぶ操作は下書きとして止まり、承認を経る",
                        "Outward actions stop as drafts and need an approval",
                    ),
                )
                .shown(entries("action.drafted"))
                .broken(entries("rule.violated").when("rule", "approval.missing")),
                control(
                    "R3.2",
                    text(
                        "ツールの規則が採用されている",
                        "Rules for tools are adopted",
                    ),
                )
                .ever(adopted("tools")),
            ],
        },
        Risk {
            id: "R4",
            title: text("なりすまし", "Impersonation"),
            controls: vec![
                control(
                    "R4.1",
                    text(
                        "承認者は自分の鍵で署名し、効力のない決定はない",
                        "Approvers sign with their own keys; no decision fails to count",
                    ),
                )
                .shown(entries("approval.granted").when("decision", "counts"))
                .broken(
                    Query::kinds(&["approval.granted", "approval.denied"])
                        .when("decision", "refused"),
                ),
                control(
                    "R4.2",
                    text("利用者は有効化されている", "Users are activated"),
                )
                .shown(Query::of("user").when("state", "active")),
                control(
                    "R4.3",
                    text(
                        "認証の失敗は記録される",
                        "Failed authentication is recorded",
                    ),
                )
                .shown(entries("auth.failed")),
            ],
        },
        Risk {
            id: "R5",
            title: text("サーバーの喪失", "Loss of the server"),
            controls: vec![
                control(
                    "R5.1",
                    text(
                        "期間中にバックアップが完了している",
                        "A backup was completed in the period",
                    ),
                )
                .shown(entries("backup.completed")),
                control(
                    "R5.2",
                    text("復元訓練に合格している", "A drill of restoring was passed"),
                )
                .shown(
                    entries("drill.completed")
                        .when("drill", "restore")
                        .when("passed", "true"),
                )
                .broken(
                    entries("drill.completed")
                        .when("drill", "restore")
                        .when("passed", "false"),
                ),
                control(
                    "R5.3",
                    text("証人が台帳に連署している", "Witnesses cosign the log"),
                )
                .shown(entries("witness.cosigned")),
            ],
        },
        Risk {
            id: "R6",
            title: text("ベンダーの障害", "Outage of a vendor"),
            controls: vec![
                control(
                    "R6.1",
                    text(
                        "審査されたベンダーは、最新の審査で条件なく承認されている",
                        "Vendors are reviewed, and accepted without condition at the newest review",
                    ),
                )
                .shown(Query::of("vendor").when("state", "accepted"))
                .broken(Query::of("vendor").when("state", "refused|conditional")),
                control(
                    "R6.2",
                    text(
                        "障害時の訓練に合格している",
                        "A drill of an outage was passed",
                    ),
                )
                .shown(
                    entries("drill.completed")
                        .when("drill", "vendor-outage")
                        .when("passed", "true"),
                )
                .broken(
                    entries("drill.completed")
                        .when("drill", "vendor-outage")
                        .when("passed", "false"),
                ),
            ],
        },
        Risk {
            id: "R7",
            title: text("著作権侵害・名誉毀損", "Copyright and defamation"),
            controls: vec![
                control(
                    "R7.1",
                    text("リスクが評価されている", "The risk is assessed"),
                )
                .ever(entries("risk.assessed").when("risk", "copyright")),
                control(
                    "R7.2",
                    text(
                        "生成物の公開前の確認",
                        "Output is reviewed before it is published",
                    ),
                ),
            ],
        },
        Risk {
            id: "R8",
            title: text("開示に関わる情報", "Disclosure-relevant information"),
            controls: vec![
                control(
                    "R8.1",
                    text(
                        "未公表の重要情報を含む呼出しは拒否される",
                        "Calls with insider information are refused",
                    ),
                )
                .shown(
                    entries("payload.blocked")
                        .each("reasons")
                        .when("rule", "insider"),
                ),
                control(
                    "R8.2",
                    text("開示の要否の判断", "Whether to disclose is decided"),
                ),
            ],
        },
        ledger::risk(),
    ]
}
