//! Values as people read them, the same in every form of a report.

use super::model::{Cell, Figure, Unit, Verdict};
use super::{Basis, Language, Verification};
use schemas::Timestamp;

/// With a comma every three digits, as both languages write it.
pub fn number(figure: u64) -> String {
    let digits = figure.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn value(figure: &Figure) -> String {
    amount(figure.value, figure.unit)
}

/// A number of this unit.
pub fn amount(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Count | Unit::Bytes | Unit::Tokens => number(value),
        Unit::Seconds => {
            let (hours, rest) = (value / 3_600, value % 3_600);
            format!("{}:{:02}:{:02}", number(hours), rest / 60, rest % 60)
        }
        Unit::Millionths => {
            // Rounded up: a cost that is there is never shown as none.
            let cents = value.div_ceil(10_000);
            format!("{}.{:02}", number(cents / 100), cents % 100)
        }
    }
}

/// A time to the second, as the UTC that every date of a report is in.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_at_checked(10).unwrap_or((&text, ""));
    format!("{date} {} UTC", time.get(1..9).unwrap_or_default())
}

pub fn verdict(verdict: Verdict, language: Language) -> &'static str {
    match verdict {
        Verdict::Met => language.pick("適合", "met"),
        Verdict::NotEvidenced => language.pick("記録なし", "not evidenced"),
        Verdict::NotMet => language.pick("不適合", "not met"),
    }
}

/// A cell on one line.
pub fn cell_text(cell: &Cell, language: Language) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.in_language(language).to_owned(),
        Cell::Name(name) => name.clone(),
        Cell::Time(at) => moment(*at),
        Cell::Entry { at, position } => {
            let word = language.pick("位置", "position");
            format!("{} ({word} {position})", moment(*at))
        }
        Cell::Figure(figure) => value(figure),
        Cell::Verdict(of) => verdict(*of, language).to_owned(),
    }
}

/// How many cells say what a row is of: the texts and names before its first figure.
pub fn labels(row: &[Cell]) -> usize {
    let word = |cell: &&Cell| matches!(cell, Cell::Text(_) | Cell::Name(_));
    let first = row.iter().position(|cell| matches!(cell, Cell::Figure(_)));
    let before = row.iter().take(first.unwrap_or(0));
    before.take_while(word).take(3).count()
}

/// What a row is of; where it has no figure, its first word.
pub fn label(row: &[Cell], language: Language) -> String {
    let words = row.iter().take(labels(row).max(1));
    let words: Vec<String> = words.map(|cell| cell_text(cell, language)).collect();
    words.join(" / ")
}

/// The facts that every report begins with.
pub fn subject(basis: &Basis, version: u32, language: Language) -> Vec<(&'static str, String)> {
    let t = |japanese, english| language.pick(japanese, english);
    let mut facts = vec![
        (t("会社・組織", "Organisation"), basis.organisation.clone()),
        (t("台帳（ログの名称）", "Log"), basis.log.clone()),
    ];
    if let Some(period) = &basis.period {
        let (since, until) = (moment(period.since()), moment(period.until()));
        let clock = match period.offset.to_string().as_str() {
            "+00:00" => t("協定世界時（UTC）の暦月", "calendar months in UTC").to_owned(),
            offset => format!("UTC{offset} {}", t("の暦月", "calendar months")),
        };
        facts.push((t("対象期間", "Period"), format!("{period} ({clock})")));
        let to = t(" から ", " to before ");
        facts.push((
            t("期間の始めと終わり", "From, until"),
            format!("{since}{to}{until}"),
        ));
        if basis.head.at < period.until() {
            let open = t(
                "期間の終わりまでの記録はありません。数値は下記の最新の記録までのものです。",
                "The log does not reach the period's end: figures are up to the newest entry below.",
            );
            facts.push((t("期間の状態", "State of the period"), open.to_owned()));
        }
    }
    if let Some(hours) = &basis.hours {
        facts.push((t("就業時間", "Working hours"), hours.to_string()));
    }
    if let Some(rules) = &basis.rules {
        let adopted = match language {
            Language::Japanese => format!("位置 {} で採用", rules.position),
            Language::English => format!("adopted at position {}", rules.position),
        };
        facts.push((
            t(
                "会社・時計・就業時間の規則",
                "Rules of organisation, clock, hours",
            ),
            adopted,
        ));
    }
    if let Some(begun) = basis.begun {
        let mut said = moment(begun);
        if basis.period.is_some_and(|period| period.since() < begun) {
            said.push_str(t(
                "。期間のうちこれより前のことは台帳になく、どの数値にも含まれません。",
                ". What was before, in this period too, is not in the log and in no figure.",
            ));
        }
        facts.push((
            t(
                "台帳の始まり（最初の記録の日時）",
                "Log begins (first entry)",
            ),
            said,
        ));
    }
    facts.extend([
        (t("記録件数", "Entries"), number(basis.head.size)),
        (
            t("ハッシュ木の根", "Root of the tree"),
            basis.head.root.to_string(),
        ),
        (
            t(
                "最新の記録の日時（作成時点）",
                "Newest entry (the moment of this report)",
            ),
            moment(basis.head.at),
        ),
        (t("様式の版", "Version of the form"), version.to_string()),
        (t("作成プログラム", "Made by"), basis.program.clone()),
    ]);
    facts
}

/// What was checked, in one sentence or several; the first is the outcome.
pub fn verification(basis: &Basis, language: Language) -> Vec<String> {
    let t = |japanese, english| language.pick(japanese, english).to_owned();
    match &basis.verification {
        Verification::Clean {
            key_given,
            outside_checkpoints,
        } => vec![
            t("改ざん・欠落なし", "No alteration and no loss found"),
            t(
                "対象：上記の件数までの記録のハッシュの連鎖、電子署名、ハッシュ木の根、および保管中の封印された内容。",
                "Checked: hash chain, signatures and root of the tree of the entries above, and the sealed contents that are kept.",
            ),
            if *key_given {
                t(
                    "署名は、台帳の外で入手した検証鍵により確認しました。",
                    "Signatures were checked under a key that was obtained outside the log.",
                )
            } else {
                t(
                    "署名は、台帳自身に記載された検証鍵により確認しました。鍵そのものの真正性は別途確認してください。",
                    "Signatures were checked under the key that the log itself names; that it is the right key has to be confirmed elsewhere.",
                )
            },
            match outside_checkpoints {
                0 => t(
                    "台帳の外に保管されたチェックポイントとの照合は行っていません。台帳全体の作り直しや巻き戻しは、この検証だけでは判定できません。",
                    "No checkpoint kept outside the log was compared: that the whole log was written anew or rolled back cannot be told from this check alone.",
                ),
                count => match language {
                    Language::Japanese => {
                        format!("台帳の外に保管されたチェックポイント {count} 件と一致しています。")
                    }
                    Language::English => {
                        format!("The log agrees with {count} checkpoints that are kept outside it.")
                    }
                },
            },
        ],
        Verification::Continued {
            report,
            since,
            whole,
        } => {
            let (since, whole) = (number(*since), number(*whole));
            vec![
                t(
                    "前の報告書より後の記録に改ざん・欠落なし",
                    "No alteration and no loss found since an earlier report",
                ),
                match language {
                    Language::Japanese => format!(
                        "対象：位置 {report} の報告書の対象である先頭 {since} 件より後の記録の形式、ハッシュの連鎖、時刻、電子署名。先頭 {since} 件のハッシュ木の根は、その報告書に記録されたものと一致しています。"
                    ),
                    Language::English => format!(
                        "Checked: form, hash chain, time and signatures of the entries after the first {since}, which the report recorded at position {report} is of. The root of the tree over the first {since} is the one that was recorded for it."
                    ),
                },
                match language {
                    Language::Japanese => format!(
                        "先頭 {since} 件の記録は読み直さず、数値はその報告書のために集計して要約値を台帳に記録したものから続けました。封印された内容は確認していません。全件の検証は先頭 {whole} 件について行ったものが最後です。"
                    ),
                    Language::English => format!(
                        "The first {since} entries were not read again: figures go on from what was folded for that report, whose digest the log has. No sealed content was checked. What was verified whole last are the first {whole} entries."
                    ),
                },
            ]
        }
        Verification::Faults { count, positions } => {
            let (shown, more) = positions.brief(RUNS);
            let mut lines = vec![format!(
                "{}{}{}",
                t("異常を検出：", "Faults found: "),
                number(*count),
                t("件", "")
            )];
            if !positions.is_empty() {
                let at = t("異常のある位置：", "At positions ");
                lines.push(format!("{at}{shown}{}", and_more(language, more)));
            }
            lines.push(t(
                "この報告書の数値は、原因が明らかになるまで確定したものとして扱わないでください。",
                "Do not rely on the figures of this report before the cause is known.",
            ));
            lines
        }
        Verification::NotRun => vec![
            t("検証は行われていません", "Not verified"),
            t(
                "この報告書の作成に際して台帳の検証は実行されていません。署名の前に検証を実行し、報告書を作り直してください。",
                "The log was not checked for this report. Verify it and make the report again before anyone signs.",
            ),
        ],
    }
}

/// Runs of positions that a page has room for; the JSON has them all.
pub const RUNS: usize = 24;

pub fn and_more(language: Language, runs: usize) -> String {
    match (runs, language) {
        (0, _) => String::new(),
        (_, Language::Japanese) => format!(" ほか {} 区間", number(runs as u64)),
        (_, Language::English) => format!(" and {} more runs", number(runs as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_in_threes() {
        for (figure, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(figure), text);
        }
    }
}
