//! What every report's page has: its head, the state of the log, the fields for signatures.
//!
//! One file that loads nothing: it can be opened from an archive in ten years, and opening
//! it tells nobody.

use super::{Basis, Language, Positions, Verification};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use schemas::Timestamp;
use sha2::{Digest, Sha256};

/// Our own text, without `<`: it needs no escaping and gets none.
const STYLE: &str = include_str!("page.css");

/// Runs of positions that a table has room for; the JSON has them all.
const RUNS: usize = 24;

/// A report's page around its own sections.
pub(super) fn page(
    language: Language,
    titles: (&str, &str),
    basis: &Basis,
    evidence: &str,
    sections: Markup,
) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    let title = language.pick(titles.0, titles.1);
    let evidence_sha256 = hex::encode(Sha256::digest(evidence));
    html! {
        (DOCTYPE)
        html lang=(t("ja", "en")) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – " (basis.organisation) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (basis.organisation) }
                }
                (subject(language, basis, &evidence_sha256))
                (verdict(language, basis))
                (sections)
                (attestation(language))
                footer {
                    (t("作成プログラム", "Made by")) " " (basis.program) " · "
                    (t("作成日時", "at")) " " (moment(basis.generated)) " · "
                    (t("数値の証拠（JSON）の SHA-256", "SHA-256 of the evidence (JSON)")) " "
                    code { (evidence_sha256) }
                }
            }
        }
    }
}

fn subject(language: Language, basis: &Basis, evidence_sha256: &str) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("対象", "Subject")) }
            table.facts { tbody {
                tr { th { (t("会社・組織", "Organisation")) } td { (basis.organisation) } }
                tr { th { (t("台帳（ログの名称）", "Log")) } td { code { (basis.log) } } }
                tr { th { (t("記録件数", "Entries")) } td { (number(basis.head.size)) } }
                tr { th { (t("ハッシュ木の根", "Root of the tree")) } td { code { (basis.head.root) } } }
                tr { th { (t("最新の記録の日時", "Newest entry at")) } td { (moment(basis.head.at)) } }
                tr { th { (t("報告書の作成日時", "Report made at")) } td { (moment(basis.generated)) } }
                tr { th { (t("証拠ファイル", "Evidence file")) } td {
                    (t("この報告書と対になる JSON ファイル。その SHA-256：", "The JSON file that belongs to this report. Its SHA-256:"))
                    br; code { (evidence_sha256) }
                } }
            } }
            p.soft { (t(
                "日時はすべて協定世界時（UTC）です。日本時間はこれに9時間を加えた時刻です。",
                "All times are UTC. Japan time is nine hours later.",
            )) }
        }
    }
}

fn verdict(language: Language, basis: &Basis) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("検証結果", "Verification")) }
            @match &basis.verification {
                Verification::Clean { entries, contents, key_given, outside_checkpoints, at, .. } => {
                    div.verdict.clean {
                        b { (t("改ざん・欠落なし", "No alteration and no loss found")) }
                        (t("検証日時：", "Checked at ")) (moment(*at)) br;
                        (t("対象：記録 ", "Checked: ")) (number(*entries))
                        (t(" 件のハッシュの連鎖、電子署名、ハッシュ木の根、および封印された内容 ", " entries (hash chain, signatures, root of the tree) and "))
                        (number(*contents)) (t(" 件。", " sealed contents."))
                    }
                    ul.soft {
                        li { @if *key_given { (t(
                            "署名は、台帳の外で入手した検証鍵により確認しました。",
                            "Signatures were checked under a key that was obtained outside the log.",
                        )) } @else { (t(
                            "署名は、台帳自身に記載された検証鍵により確認しました。鍵そのものの真正性は別途確認してください。",
                            "Signatures were checked under the key that the log itself names; that it is the right key has to be confirmed elsewhere.",
                        )) } }
                        li { @if *outside_checkpoints > 0 {
                            (t("台帳の外に保管されたチェックポイント ", "The log agrees with "))
                            (number(*outside_checkpoints))
                            (t(" 件と一致しています。", " checkpoints that are kept outside it."))
                        } @else { (t(
                            "台帳の外に保管されたチェックポイントとの照合は行っていません。台帳全体の作り直しや巻き戻しは、この検証だけでは判定できません。",
                            "No checkpoint kept outside the log was compared: that the whole log was written anew or rolled back cannot be told from this check alone.",
                        )) } }
                    }
                },
                Verification::Faults { count, at, positions } => div.verdict.faults {
                    b { (t("異常を検出", "Faults found")) (t("：", ": ")) (number(*count)) (t("件", "")) }
                    @let (shown, more) = positions.brief(RUNS);
                    @if !positions.is_empty() {
                        (t("異常のある位置：", "At positions ")) (shown) (and_more(language, more)) (t("。", ". "))
                    }
                    (t("検証日時：", "Checked at ")) (moment(*at)) (t("。", ". "))
                    (t(
                        "この報告書の数値は、原因が明らかになるまで確定したものとして扱わないでください。",
                        "Do not rely on the figures of this report before the cause is known.",
                    ))
                },
                Verification::NotRun => div.verdict.not_run {
                    b { (t("検証は行われていません", "Not verified")) }
                    (t(
                        "この報告書の作成に際して台帳の検証は実行されていません。署名の前に検証を実行し、報告書を作り直してください。",
                        "The log was not checked for this report. Verify it and make the report again before anyone signs.",
                    ))
                },
            }
        }
    }
}

fn attestation(language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    let roles = [
        ("作成者", "Prepared by"),
        ("確認者", "Reviewed by"),
        ("承認者", "Approved by"),
    ];
    html! {
        section.sign {
            h2 { (t("確認と署名", "Attestation")) }
            p { (t(
                "下記の者は、この報告書の内容を上記の検証結果および証拠ファイルと照合し、相違がないことを確認しました。作成者と承認者は別の者とします。",
                "The undersigned have compared this report with the verification above and with the evidence file and found them to agree. Who prepares it does not approve it.",
            )) }
            table {
                thead { tr {
                    th { (t("役割", "Role")) } th { (t("所属・役職", "Department, position")) }
                    th { (t("氏名", "Name")) } th { (t("日付", "Date")) }
                    th.seal { (t("署名・押印", "Signature")) }
                } }
                tbody { @for (japanese, english) in roles {
                    tr { th { (t(japanese, english)) } td {} td {} td {} td.seal {} }
                } }
            }
        }
    }
}

/// The figures of a page and the positions behind each, as numbered notes.
#[derive(Default)]
pub(super) struct Notes(Vec<(String, Positions)>);

impl Notes {
    /// A figure with the number of its note; nothing was counted, nothing is noted.
    pub fn figure(&mut self, figure: u64, what: &str, positions: &Positions) -> Markup {
        if positions.is_empty() {
            return html! { (number(figure)) };
        }
        let note = match self.0.iter().position(|(known, _)| known == what) {
            Some(index) => index + 1,
            None => {
                self.0.push((what.to_owned(), positions.clone()));
                self.0.len()
            }
        };
        html! { (number(figure)) sup { a href={ "#p" (note) } { "[" (note) "]" } } }
    }

    pub fn section(&self, language: Language) -> Markup {
        let t = |japanese, english| language.pick(japanese, english);
        html! {
            section {
                h2 { (t("数値の根拠となる記録の位置", "Positions behind the figures")) }
                p { (t(
                    "本文の [番号] は、その数値を数えた記録が台帳のどこにあるかを示します。位置は 0 から始まる通し番号です。すべての位置は証拠ファイルにあります。",
                    "A number in brackets says from which entries of the log a figure was counted. Positions count from 0. The evidence file lists all of them.",
                )) }
                table {
                    thead { tr {
                        th.k { (t("番号", "No.")) } th.name { (t("数値", "Figure")) }
                        th.n { (t("記録数", "Entries")) } th.positions { (t("位置", "Positions")) }
                    } }
                    tbody { @for (index, (what, positions)) in self.0.iter().enumerate() {
                        @let (shown, more) = positions.brief(RUNS);
                        tr id={ "p" (index + 1) } {
                            td.k { "[" (index + 1) "]" } td { (what) } td.n { (number(positions.len())) }
                            td.t.positions { (shown) (and_more(language, more)) }
                        }
                    } }
                }
            }
        }
    }
}

fn and_more(language: Language, runs: usize) -> String {
    match (runs, language) {
        (0, _) => String::new(),
        (_, Language::Japanese) => format!(" ほか {} 区間", number(runs as u64)),
        (_, Language::English) => format!(" and {} more runs", number(runs as u64)),
    }
}

/// With a comma every three digits, as both languages write it.
pub(super) fn number(figure: u64) -> String {
    let digits = figure.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time to the second, breaking between date and time only. The JSON has microseconds.
pub(super) fn moment(at: Timestamp) -> Markup {
    let text = at.to_string();
    let (date, time) = text.split_at_checked(10).unwrap_or((&text, ""));
    let time = time.get(1..9).unwrap_or("");
    html! { span.m { (date) } " " span.m { (time) " UTC" } }
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

    #[test]
    fn the_style_cannot_end_its_element() {
        assert!(!STYLE.contains('<'));
    }
}
