//! The retention report as a page.

use super::{BucketRow, BucketState, ClassRow, HoldRow, Moment, RetentionReport};
use crate::report::Language;
use crate::report::page::{self, Notes, moment, number};
use maud::{Markup, html};
use schemas::{Class, Period};

pub(super) fn page(report: &RetentionReport, language: Language) -> Markup {
    let mut notes = Notes::default();
    let sections = html! {
        (classes(&report.classes, language, &mut notes))
        (buckets(&report.buckets, language, &mut notes))
        (holds(&report.holds, language))
        (notes.section(language))
        (limits(language))
    };
    let titles = ("保存期間報告書", "Retention report");
    page::page(language, titles, &report.basis, &report.to_json(), sections)
}

fn classes(rows: &[ClassRow], language: Language, notes: &mut Notes) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("保存区分ごとの状況", "By retention class")) }
            p { (t(
                "台帳の記録そのものは消去されず、期間が定めるのは記録に付随する内容（プロンプト、送信データ、応答など、封印して別に保管するもの）です。",
                "Entries of the log are never removed. Periods govern their content: prompts, payloads, responses and the like, which are sealed and kept beside the log.",
            )) }
            table {
                thead { tr {
                    th.name { (t("保存区分", "Class")) } th.period { (t("保存期間", "Period")) }
                    th.n { (t("記録数", "Events")) }
                    th { (t("最も古い記録", "Oldest")) } th { (t("最も新しい記録", "Newest")) }
                    th.n { (t("内容数", "Contents")) } th.n { (t("封印後のバイト数", "Sealed bytes")) }
                    th { (t("次の満了日時", "Next due")) }
                } }
                tbody { @for row in rows { tr {
                    th.name { (class_title(&row.class, language)) }
                    td { (period_text(row.period, language)) }
                    td.n { (notes.figure(
                        row.events,
                        &format!("{} {}", row.class, t("の記録数", "events")),
                        &row.positions,
                    )) }
                    td.t { (entry(row.oldest.as_ref(), language)) }
                    td.t { (entry(row.newest.as_ref(), language)) }
                    @let what = format!("{} {}", row.class, t("の内容", "contents"));
                    td.n { (notes.figure(row.contents, &what, &row.content_positions)) }
                    td.n { (notes.figure(row.sealed_bytes, &what, &row.content_positions)) }
                    td.t { @match row.next_due {
                        Some(due) => (moment(due)),
                        None => "–",
                    } }
                } } }
            }
            p.soft { (t(
                "内容数とバイト数は、満了して消去されたものを除きます。同じバケットの中の等しい内容は一度だけ保管され、一度だけ数えます。",
                "Contents and bytes leave out what has expired and been removed. Equal content inside a bucket is stored once and counted once.",
            )) }
        }
    }
}

fn buckets(rows: &[BucketRow], language: Language, notes: &mut Notes) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("バケットと満了日", "Buckets and due dates")) }
            p { (t(
                "バケットは一つの保存区分の一か月分（UTC の暦月）の内容です。満了日時は、その月の終わりに保存期間を加えた時刻です。",
                "A bucket is the content of one class in one calendar month (UTC). It is due one period after the end of its month.",
            )) }
            @if rows.is_empty() {
                p { (t("内容を持つバケットはありません。", "There is no bucket with content.")) }
            } @else {
                table {
                    thead { tr {
                        th.name { (t("バケット", "Bucket")) } th { (t("状態", "State")) }
                        th { (t("満了日時", "Due")) }
                        th.n { (t("記録数", "Entries")) } th.n { (t("最初–最後の位置", "First–last")) }
                        th.n { (t("内容数", "Contents")) } th.n { (t("封印後のバイト数", "Sealed bytes")) }
                    } }
                    tbody { @for row in rows { tr {
                        @let what = format!("{} {}", row.bucket, t("の内容", "contents"));
                        th.name { (row.bucket.class) "/" wbr; span.m { (row.bucket.month) } }
                        td { (state(row, language)) }
                        td.t {
                            @match row.due {
                                Some(due) => (moment(due)),
                                None => (t("なし", "never")),
                            }
                            @if let Some(position) = row.extended_by {
                                br; (t("延長：位置 ", "extended at position ")) (number(position))
                            }
                        }
                        td.n { (notes.figure(row.entries, &what, &row.positions)) }
                        td.n { @if let (Some(first), Some(last)) = (row.first, row.last) {
                            (number(first)) "–" (number(last))
                        } @else { "–" } }
                        td.n { (notes.figure(row.contents, &what, &row.positions)) }
                        td.n { (notes.figure(row.sealed_bytes, &what, &row.positions)) }
                    } } }
                }
            }
        }
    }
}

fn holds(rows: &[HoldRow], language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("保全命令（リーガルホールド）", "Legal holds")) }
            @if rows.is_empty() {
                p { (t("有効な保全命令はありません。", "No hold is in force.")) }
            } @else {
                p { (t(
                    "保全命令は保存期間に優先します。対象となる内容は、満了日時を過ぎても解除まで消去されません。",
                    "A hold comes before any period: what it covers stays beyond its due date until the hold is released.",
                )) }
                table {
                    thead { tr {
                        th { (t("案件", "Case")) } th { (t("対象", "Scope")) }
                        th { (t("発令", "Placed")) } th { (t("識別子", "Identifier")) }
                    } }
                    tbody { @for row in rows { tr {
                        th { (row.case) }
                        td { (row.scope) }
                        td.t { (entry(Some(&row.placed), language)) }
                        td { code { (row.hold) } }
                    } } }
                }
            }
        }
    }
}

fn limits(language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    html! {
        section {
            h2 { (t("この報告書が示すことと示さないこと", "What this report shows and does not")) }
            ul {
                li { (t(
                    "数値はすべて台帳の記録から計算したもので、上記の件数とハッシュ木の根が同じであれば、誰が計算しても同じ結果になります。",
                    "Every figure is computed from the log: the same entries and root give the same figures to anyone.",
                )) }
                li { (t(
                    "「消去済み」は、鍵の破棄とファイルの削除が記録されたことを示します。他の媒体に作られた複製は対象外です。",
                    "“Expired” says that the destruction of the key and the removal of the files were recorded. Copies on other media are not covered.",
                )) }
                li { (t(
                    "保管場所が提供する書き込み防止の水準は、この報告書では判定していません。",
                    "The level of write protection of the storage is not judged here.",
                )) }
            }
        }
    }
}

fn class_title(class: &Class, language: Language) -> Markup {
    let title = match class.as_str() {
        "operation" => ("運用", "Operation"),
        "auth" => ("認証・権限", "Authentication"),
        "api" => ("API 通信", "API traffic"),
        "change" => ("変更管理", "Change"),
        "network" => ("ネットワーク", "Network"),
        "ledger" => ("台帳", "Ledger"),
        configured => (configured, configured),
    };
    let title = language.pick(title.0, title.1);
    html! { (title) @if title != class.as_str() { br; code { (class) } } }
}

fn period_text(period: Option<Period>, language: Language) -> String {
    let japanese = language == Language::Japanese;
    let counted = |count: u32, one: &str, many: &str, counter: &str| match (japanese, count) {
        (true, _) => format!("{count}{counter}"),
        (false, 1) => format!("1 {one}"),
        (false, _) => format!("{count} {many}"),
    };
    match period {
        None => language.pick("未設定", "not set").to_owned(),
        Some(Period::Forever) => language.pick("無期限", "for ever").to_owned(),
        Some(Period::Days(days)) => counted(days, "day", "days", "日"),
        Some(Period::Months(months)) if months % 12 == 0 => {
            counted(months / 12, "year", "years", "年")
        }
        Some(Period::Months(months)) => counted(months, "month", "months", "か月"),
    }
}

fn state(row: &BucketRow, language: Language) -> Markup {
    let t = |japanese, english| language.pick(japanese, english);
    match row.state {
        BucketState::Kept => html! { (t("保管中", "kept")) },
        BucketState::Held => html! { (t("保全中", "held")) },
        BucketState::Due => html! { span.due { (t("満了・未消去", "due, not yet removed")) } },
        BucketState::Expired => html! {
            span.expired { (t("消去済み", "expired")) }
            @if let Some(expired) = &row.expired { br; (entry(Some(expired), language)) }
        },
    }
}

/// When, and where in the log.
fn entry(at: Option<&Moment>, language: Language) -> Markup {
    match at {
        None => html! { "–" },
        Some(Moment { position, at }) => html! {
            (moment(*at)) br;
            span.m { (language.pick("位置 ", "position ")) (number(*position)) }
        },
    }
}
