//! What outside rules ask for, and which controls answer it. A clause that no control answers is
//! not evidenced.

use crate::report::model::{Cell, Section, Table, Text, Verdict, column, text};
use std::collections::BTreeMap;

struct Clause {
    rule: &'static str,
    clause: &'static str,
    asks: Text,
    /// All of them have to be met.
    controls: &'static [&'static str],
}

fn clause(
    rule: &'static str,
    clause: &'static str,
    ja: &'static str,
    en: &'static str,
    controls: &'static [&'static str],
) -> Clause {
    Clause {
        rule,
        clause,
        asks: text(ja, en),
        controls,
    }
}

/// ISO/IEC 27001:2022 Annex A; NIST SP 800-53 rev. 5; Regulation (EU) 2024/1689; Act on the
/// Protection of Personal Information (Japan).
fn all() -> Vec<Clause> {
    const ISO: &str = "ISO/IEC 27001";
    const NIST: &str = "NIST SP 800-53";
    const JSOX: &str = "J-SOX IT";
    const AI_ACT: &str = "EU AI Act";
    const APPI: &str = "APPI";
    vec![
        clause(
            ISO,
            "A.8.15",
            "ログの取得",
            "Logs are produced",
            &["L12", "L11"],
        ),
        clause(
            ISO,
            "A.8.15",
            "ログの保護",
            "Logs are protected",
            &["L1", "R5.3"],
        ),
        clause(
            ISO,
            "A.8.15",
            "ログの保存",
            "Logs are stored",
            &["L4", "R5.1"],
        ),
        clause(ISO, "A.8.15", "ログの分析", "Logs are analysed", &["L7"]),
        clause(
            NIST,
            "AU-2, AU-12",
            "記録する事象とその生成",
            "Events are chosen and recorded",
            &["L12", "L11"],
        ),
        clause(
            NIST,
            "AU-5",
            "記録の失敗への対応",
            "Failures of logging are answered",
            &[],
        ),
        clause(
            NIST,
            "AU-6",
            "記録の確認と報告",
            "Records are reviewed and reported",
            &[],
        ),
        clause(NIST, "AU-8", "時刻", "Time stamps", &["L2"]),
        clause(
            NIST,
            "AU-9",
            "記録の保護",
            "Records are protected",
            &["L1", "R5.3", "R5.1"],
        ),
        clause(
            NIST,
            "AU-10",
            "否認防止",
            "Non-repudiation",
            &["R4.1", "L1"],
        ),
        clause(NIST, "AU-11", "記録の保存", "Records are retained", &["L4"]),
        clause(
            JSOX,
            "アクセス管理 / access",
            "利用者と権限の管理",
            "Users and access are managed",
            &["R4.2", "L11"],
        ),
        clause(
            JSOX,
            "変更管理 / change",
            "規則の変更の記録",
            "Changes of rules are recorded",
            &["L8"],
        ),
        clause(
            JSOX,
            "運用管理 / operation",
            "バックアップと障害対応",
            "Backups and incidents",
            &["R5.1", "L7"],
        ),
        clause(
            JSOX,
            "外部委託 / outsourcing",
            "委託先の管理",
            "Vendors are managed",
            &["R6.1"],
        ),
        clause(
            AI_ACT,
            "Art. 12",
            "自動的な記録",
            "Automatic recording of events",
            &["L12", "L1"],
        ),
        clause(
            AI_ACT,
            "Art. 19",
            "六か月以上の保存",
            "Logs are kept for six months",
            &["L5"],
        ),
        clause(
            AI_ACT,
            "Art. 26 (2)",
            "人による監督",
            "Human oversight",
            &["R3.1"],
        ),
        clause(
            AI_ACT,
            "Art. 26 (5)",
            "運用の監視",
            "Operation is monitored",
            &["L7"],
        ),
        clause(
            AI_ACT,
            "Art. 26 (6)",
            "利用者による六か月以上の保存",
            "Deployers keep logs for six months",
            &["L5"],
        ),
        clause(
            APPI,
            "28 (1)",
            "提供の根拠と提供先の情報",
            "Basis and facts of each recipient",
            &["L9"],
        ),
        clause(
            APPI,
            "28 (3)",
            "相当措置の確認",
            "Equivalent measures are checked",
            &["R6.1"],
        ),
        clause(
            APPI,
            "29, 30",
            "提供の記録",
            "Transfers are recorded",
            &["R2.1", "L10"],
        ),
    ]
}

/// The worst verdict of a clause's controls.
pub(super) fn section(verdicts: &BTreeMap<&'static str, Verdict>) -> Section {
    let columns = vec![
        column("規範", "Rule"),
        column("条項", "Clause"),
        column("求めるもの", "Asks for"),
        column("統制", "Controls"),
        column("判定", "Verdict"),
    ];
    let mut table = Table::new("frameworks", columns);
    for clause in all() {
        let of = |id: &&str| verdicts.get(id).copied().unwrap_or(Verdict::NotEvidenced);
        let worst = clause.controls.iter().map(of).max();
        table.rows.push(vec![
            Cell::Name(clause.rule.to_owned()),
            Cell::Name(clause.clause.to_owned()),
            Cell::Text(clause.asks),
            match clause.controls.is_empty() {
                true => Cell::Text(text("記録の対象外", "not recorded")),
                false => Cell::Name(clause.controls.join(", ")),
            },
            Cell::Verdict(worst.unwrap_or(Verdict::NotEvidenced)),
        ]);
    }
    Section::new("frameworks", text("規範との対応", "Outside rules"))
        .says(text(
            "条項の判定は、対応する統制の判定のうち最も悪いものです（不適合、記録なし、適合の順）。",
            "A clause has the worst verdict of its controls: not met, then not evidenced, then met.",
        ))
        .shows(table)
        .notes(text(
            "台帳の記録が条項に対して示すことだけを述べ、法令や規格への適合を保証するものではありません。",
            "This says what the log shows for a clause. It is no statement of conformity with a law or standard.",
        ))
}

#[cfg(test)]
mod tests {
    use super::super::risks;
    use super::all;

    #[test]
    fn every_clause_names_controls_that_there_are() {
        let risks = risks::all();
        let controls = risks.iter().flat_map(|risk| &risk.controls);
        let ids: Vec<&str> = controls.map(|control| control.id).chain(["L1"]).collect();
        for clause in all() {
            for id in clause.controls {
                assert!(ids.contains(id), "{id}");
            }
        }
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len());
    }
}
