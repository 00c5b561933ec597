//! The month as the parent company's security department reads it: `report monthly`.

mod deviations;
mod operation;
mod protection;
mod summary;
mod usage;

use super::facts::Facts;
use super::known::Known;
use super::model::{Report, Section, from_the_log, text};
use super::{Basis, ReportError, access, approvals, incidents};

pub const NAME: &str = "monthly";

/// The report.
pub fn report(facts: &Facts, known: &Known, basis: Basis) -> Result<Report, ReportError> {
    basis.check(facts.folded())?;
    let sections = vec![
        summary::section(facts, known),
        usage::section(facts, &known.prices),
        protection::section(facts),
        approvals::drafts(facts),
        approvals::decisions(facts, known, basis.moment()),
        operation::findings(facts, known),
        incidents::alerts(facts),
        incidents::severities(facts),
        access::changes(facts),
        access::refused(facts),
        access::revealed(facts),
        operation::keys(facts),
        operation::backups(facts),
        operation::forwarding(facts),
        deviations::section(facts),
        deviations::open(facts, known),
        limits(),
    ];
    Ok(Report {
        report: NAME,
        version: 3,
        title: text("月次セキュリティ報告書", "Monthly security report"),
        sections,
        basis,
    })
}

fn limits() -> Section {
    let title = text(
        "この報告書が示すことと示さないこと",
        "What this report shows and does not",
    );
    Section::new("limits", title)
        .notes(from_the_log())
        .notes(text(
            "daicho を通らなかった利用は台帳に現れません。",
            "Use that did not pass daicho is not in the log.",
        ))
        .notes(text(
            "規則が見つけなかった個人データが送信された可能性は、この報告書からは否定できません。",
            "That personal data left which no rule found cannot be ruled out from this report.",
        ))
        .notes(text(
            "受信側（SIEM）がどこまで受け取ったかは台帳の外に記録されます。daicho export status および export check で確認してください。",
            "How far a receiver (SIEM) has come is kept outside the log: see daicho export status and export check.",
        ))
}

#[cfg(test)]
mod tests;
