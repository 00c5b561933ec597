//! That the matrix has each risk that it is of, and the mapping each outside rule.

use super::*;

fn word(cell: &Cell) -> Option<&str> {
    match cell {
        Cell::Name(name) => Some(name.as_str()),
        Cell::Text(text) => Some(text.en.as_ref()),
        _ => None,
    }
}

/// A row's names and English words.
fn words(row: &[Cell]) -> Vec<&str> {
    row.iter().filter_map(word).collect()
}

fn columns(table: &Table) -> Vec<&str> {
    let titles = table.columns.iter().map(|column| column.title.en.as_ref());
    titles.collect()
}

#[test]
fn the_matrix_has_each_risk_with_its_controls_evidence_and_verdict() {
    let report = judged(&[], Verification::NotRun);
    let ids: Vec<_> = report.sections.iter().map(|section| section.id).collect();
    assert_eq!(ids, ["controls", "frameworks"]);
    let [table] = &report.sections[0].tables[..] else {
        panic!("one table");
    };
    assert_eq!(
        columns(table),
        ["No.", "Risk", "Control", "Shown by", "Broken by", "Verdict"]
    );
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in &table.rows {
        let words = words(row);
        match found.last_mut() {
            Some((risk, controls)) if *risk == words[1] => controls.push(words[0]),
            _ => found.push((words[1], vec![words[0]])),
        }
    }
    let expected = [
        ("R1 Leak of an API key", &["R1.1", "R1.2", "R1.3"][..]),
        (
            "R2 Confidential data sent by mistake",
            &["R2.1", "R2.2", "R2.3"],
        ),
        ("R3 Wrong outward action", &["R3.1", "R3.2"]),
        ("R4 Impersonation", &["R4.1", "R4.2", "R4.3"]),
        ("R5 Loss of the server", &["R5.1", "R5.2", "R5.3"]),
        ("R6 Outage of a vendor", &["R6.1", "R6.2"]),
        ("R7 Copyright and defamation", &["R7.1", "R7.2"]),
        ("R8 Disclosure-relevant information", &["R8.1", "R8.2"]),
        (
            "L The log itself",
            &[
                "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9", "L10", "L11", "L12",
            ],
        ),
    ];
    assert_eq!(found.remove(0), ("L The log itself", vec!["L1"]));
    assert_eq!(found, expected.map(|(risk, of)| (risk, of.to_vec())));
}

#[test]
fn each_outside_rule_has_its_clauses_and_each_clause_its_controls() {
    let report = judged(&[], Verification::NotRun);
    let [table] = &report.sections[1].tables[..] else {
        panic!("one table");
    };
    assert_eq!(
        columns(table),
        ["Rule", "Clause", "Asks for", "Controls", "Verdict"]
    );
    let found = table.rows.iter().map(|row| words(row).try_into().unwrap());
    let found: Vec<[&str; 4]> = found.collect();
    let (iso, nist) = ("ISO/IEC 27001", "NIST SP 800-53");
    let (jsox, act, appi) = ("J-SOX IT", "EU AI Act", "APPI");
    let unrecorded = "not recorded";
    let expected = [
        [iso, "A.8.15", "Logs are produced", "L12, L11"],
        [iso, "A.8.15", "Logs are protected", "L1, R5.3"],
        [iso, "A.8.15", "Logs are stored", "L4, R5.1"],
        [iso, "A.8.15", "Logs are analysed", "L7"],
        [
            nist,
            "AU-2, AU-12",
            "Events are chosen and recorded",
            "L12, L11",
        ],
        [nist, "AU-5", "Failures of logging are answered", unrecorded],
        [
            nist,
            "AU-6",
            "Records are reviewed and reported",
            unrecorded,
        ],
        [nist, "AU-8", "Time stamps", "L2"],
        [nist, "AU-9", "Records are protected", "L1, R5.3, R5.1"],
        [nist, "AU-10", "Non-repudiation", "R4.1, L1"],
        [nist, "AU-11", "Records are retained", "L4"],
        [
            jsox,
            "アクセス管理 / access",
            "Users and access are managed",
            "R4.2, L11",
        ],
        [
            jsox,
            "変更管理 / change",
            "Changes of rules are recorded",
            "L8",
        ],
        [
            jsox,
            "運用管理 / operation",
            "Backups and incidents",
            "R5.1, L7",
        ],
        [
            jsox,
            "外部委託 / outsourcing",
            "Vendors are managed",
            "R6.1",
        ],
        [act, "Art. 12", "Automatic recording of events", "L12, L1"],
        [act, "Art. 19", "Logs are kept for six months", "L5"],
        [act, "Art. 26 (2)", "Human oversight", "R3.1"],
        [act, "Art. 26 (5)", "Operation is monitored", "L7"],
        [
            act,
            "Art. 26 (6)",
            "Deployers keep logs for six months",
            "L5",
        ],
        [appi, "28 (1)", "Basis and facts of each recipient", "L9"],
        [appi, "28 (3)", "Equivalent measures are checked", "R6.1"],
        [appi, "29, 30", "Transfers are recorded", "R2.1, L10"],
    ];
    assert_eq!(found, expected);
}
