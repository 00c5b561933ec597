use super::{ClassRow, TransferReport, VendorRow, basis_title, class_title};
use crate::report::page::number;
use crate::report::{Basis, Language, Positions, Verification};
use schemas::kinds::rules::ReviewOutcome;
use std::fmt::Write;

/// Runs of positions that a line has room for; the JSON has them all.
const RUNS: usize = 24;

/// Writing to a text cannot fail.
macro_rules! line {
    ($text:expr, $($part:tt)*) => {{ let _ = writeln!($text, $($part)*); }};
}

pub(super) fn page(report: &TransferReport, language: Language) -> String {
    let t = |japanese, english| language.pick(japanese, english);
    let mut text = String::new();
    let title = t("外国にある第三者への提供記録", "Register of transfers");
    line!(text, "# {title} {}\n", report.month);
    head(&mut text, report, language);
    for vendor in &report.vendors {
        self::vendor(&mut text, vendor, language);
    }
    if report
        .vendors
        .iter()
        .all(|vendor| vendor.classes.is_empty())
    {
        let none = t(
            "この月に外部へ送信を認めた、または拒否した呼出しはありません。",
            "No call was cleared or refused in this month.",
        );
        line!(text, "{none}\n");
    }
    line!(
        text,
        "## {}\n",
        t(
            "この記録が示すことと示さないこと",
            "What this register shows and does not"
        )
    );
    for limit in [
        t(
            "数値はすべて台帳の記録から計算したもので、件数とハッシュ木の根が同じであれば誰が計算しても同じ結果になります。",
            "Every figure is computed from the log: the same entries and root give the same figures to anyone.",
        ),
        t(
            "マスクは氏名を頭文字に、住所を都道府県に、電話番号の下四桁とメールアドレスのローカル部を伏せ字にします。匿名加工情報ではありません。",
            "Masks leave initials, prefectures, and the beginnings of phone numbers and the domains of mailboxes. That is no anonymisation.",
        ),
        t(
            "規則が見つけなかった個人データが送信された可能性は、この記録からは否定できません。",
            "That personal data left which no rule found cannot be ruled out from this register.",
        ),
        t(
            "月は協定世界時（UTC）の暦月です。法が求める記録の保存は三年です。",
            "Months are calendar months in UTC. The law wants such records kept for three years.",
        ),
    ] {
        line!(text, "- {limit}");
    }
    text
}

fn head(text: &mut String, report: &TransferReport, language: Language) {
    let t = |japanese, english| language.pick(japanese, english);
    let Basis {
        organisation,
        log,
        head,
        verification,
        generated,
        program,
    } = &report.basis;
    let rows = [
        (t("会社・組織", "Organisation"), cell(organisation)),
        (t("台帳", "Log"), cell(log)),
        (t("記録件数", "Entries"), number(head.size)),
        (
            t("ハッシュ木の根", "Root of the tree"),
            head.root.to_string(),
        ),
        (
            t("検証結果", "Verification"),
            verified(verification, language),
        ),
        (t("作成日時（UTC）", "Made at (UTC)"), generated.to_string()),
        (t("作成プログラム", "Made by"), cell(program)),
        (
            t("ベンダー情報の出典", "Facts about vendors from"),
            match &report.vendor_policy {
                Some(policy) => format!(
                    "policy.adopted {} {} (SHA-256 {})",
                    t("位置", "at"),
                    policy.position,
                    policy.digest
                ),
                None => t("未登録", "nothing adopted").to_owned(),
            },
        ),
    ];
    line!(
        text,
        "| {} | {} |\n|---|---|",
        t("項目", "Item"),
        t("内容", "Value")
    );
    for (name, value) in rows {
        line!(text, "| {name} | {value} |");
    }
    line!(text, "");
}

fn verified(verification: &Verification, language: Language) -> String {
    let t = |japanese, english| language.pick(japanese, english);
    match verification {
        Verification::Clean { at, .. } => format!(
            "{} ({})",
            t("改ざん・欠落なし", "no alteration and no loss found"),
            at
        ),
        Verification::Faults {
            count, positions, ..
        } => format!(
            "**{} {}** {}",
            t("異常を検出", "faults found:"),
            number(*count),
            brief(positions, language)
        ),
        Verification::NotRun => t("検証は行われていません", "not verified").to_owned(),
    }
}

fn vendor(text: &mut String, row: &VendorRow, language: Language) {
    let t = |japanese, english| language.pick(japanese, english);
    line!(text, "## {}\n", cell(row.vendor.as_str()));
    let missing = || t("未登録", "not stated").to_owned();
    let told = |fact: Option<&String>| match fact {
        Some(fact) if !fact.is_empty() => cell(fact),
        _ => missing(),
    };
    let facts = row.facts.as_ref();
    line!(
        text,
        "| {} | {} |\n|---|---|",
        t("提供先", "Recipient"),
        t("内容", "Value")
    );
    line!(
        text,
        "| {} | {} |",
        t("会社名", "Company"),
        told(facts.map(|f| &f.company))
    );
    line!(
        text,
        "| {} | {} |",
        t("国", "Country"),
        told(facts.map(|f| &f.country))
    );
    let basis = basis_title(facts.and_then(|f| f.basis), language);
    line!(text, "| {} | {basis} |", t("法的根拠", "Legal basis"));
    let retention = told(facts.map(|f| &f.retention));
    line!(
        text,
        "| {} | {retention} |",
        t("先方での保存期間", "Retention there")
    );
    let measures = told(facts.map(|f| &f.measures));
    line!(
        text,
        "| {} | {measures} |",
        t("制度・講じられる措置", "System and measures")
    );
    let review = match &row.review {
        None => t("記録なし", "none recorded").to_owned(),
        Some(review) => {
            let outcome = match review.outcome {
                ReviewOutcome::Accepted => t("適", "accepted"),
                ReviewOutcome::Conditional => t("条件付き", "conditional"),
                ReviewOutcome::Refused => t("不適", "refused"),
            };
            let at = review.at.to_string();
            format!(
                "{outcome}, {at} ({} {})",
                t("位置", "position"),
                review.position
            )
        }
    };
    line!(
        text,
        "| {} | {review} |\n",
        t("直近の審査", "Newest review")
    );
    for class in &row.classes {
        self::class(text, class, language);
    }
}

fn class(text: &mut String, row: &ClassRow, language: Language) {
    let t = |japanese, english| language.pick(japanese, english);
    line!(
        text,
        "### {}: {}\n",
        t("データ区分", "Class of data"),
        class_title(row.class, language)
    );
    line!(
        text,
        "| {} | {} | {} | {} |\n|---|---|---:|---|",
        t("項目", "Figure"),
        t("規則・宛先", "Rule or host"),
        t("数値", "Value"),
        t("根拠となる記録の位置", "Positions"),
    );
    for (what, figure, positions) in row.figures() {
        line!(
            text,
            "| {} | {} | {} | {} |",
            what.title(language),
            cell(what.of()),
            number(figure),
            brief(positions, language)
        );
    }
    line!(text, "");
}

fn brief(positions: &Positions, language: Language) -> String {
    match positions.brief(RUNS) {
        (shown, 0) => shown,
        (shown, more) => match language {
            Language::Japanese => format!("{shown} ほか {more} 区間（JSON に全件）"),
            Language::English => format!("{shown} and {more} more runs (all in the JSON)"),
        },
    }
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    let line = text.replace(['\r', '\n'], " ");
    line.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
}
