use super::usage::{calls, ended, spend, unpriced};
use crate::report::approvals::counted;
use crate::report::facts::{Facts, before_the_log};
use crate::report::known::Known;
use crate::report::model::{
    Cell, Chart, Column, Query, Section, Table, Text, Unit, column, figures, text, told,
};

/// What is counted, and how it is called.
fn items() -> Vec<(&'static str, Text, Query, Unit)> {
    let kinds = Query::kinds;
    let tokens = |field| ended().take("sum", field);
    let row = |id, ja, en, query| (id, text(ja, en), query, Unit::Count);
    vec![
        row("calls", "モデルの呼出し", "Model calls", calls()),
        row(
            "masked",
            "マスクを施した呼出し",
            "Calls with masks",
            kinds(&["payload.masked"]).when("masks", "some"),
        ),
        row(
            "blocked",
            "拒否した呼出し",
            "Calls refused",
            kinds(&["payload.blocked"]),
        ),
        row(
            "limited",
            "上限により断った呼出し",
            "Calls refused by a limit",
            kinds(&["limit.reached"]),
        ),
        (
            "input",
            text("入力トークン", "Input tokens"),
            tokens("input_tokens"),
            Unit::Tokens,
        ),
        (
            "output",
            text("出力トークン", "Output tokens"),
            tokens("output_tokens"),
            Unit::Tokens,
        ),
        row(
            "drafts",
            "外部に及ぶ操作の下書き",
            "Drafts of outward actions",
            kinds(&["action.drafted"]),
        ),
        row(
            "granted",
            "承認の決定（効力のあるもの）",
            "Decisions to approve that count",
            kinds(&["approval.granted"]),
        ),
        row(
            "denied",
            "却下の決定（効力のあるもの）",
            "Decisions to deny that count",
            kinds(&["approval.denied"]),
        ),
        row(
            "findings",
            "新たな脆弱性の指摘",
            "New findings",
            kinds(&["finding.reported"]),
        ),
        row("alerts", "警報", "Alerts", kinds(&["alert.raised"])),
        row(
            "incidents",
            "インシデント",
            "Incidents",
            kinds(&["incident.opened"]),
        ),
        row(
            "violations",
            "規則違反",
            "Violations of rules",
            kinds(&["rule.violated"]),
        ),
        row(
            "failures",
            "認証の失敗",
            "Failed authentication",
            kinds(&["auth.failed"]),
        ),
        row(
            "revealed",
            "封印された内容の閲覧",
            "Sealed content opened",
            kinds(&["content.revealed"]),
        ),
        row(
            "rotations",
            "署名鍵の更新",
            "Rotations of the log's key",
            kinds(&["key.rotated"]),
        ),
        row(
            "backups",
            "バックアップ",
            "Backups",
            kinds(&["backup.completed"]),
        ),
    ]
}

/// Figures that are drawn.
const DRAWN: [&str; 6] = ["calls", "masked", "blocked", "input", "output", "alerts"];

/// The period, and three months beside it.
pub(super) fn section(facts: &Facts, known: &Known) -> Section {
    let windows = facts.windows();
    let mut columns = vec![column("項目", "Item")];
    // The oldest first, as one reads.
    let order: Vec<usize> = (0..windows.len()).rev().collect();
    columns.extend(
        order
            .iter()
            .filter_map(|&index| windows.get(index))
            .map(|window| {
                let month = window.to_string();
                let title = match window.months().count() {
                    1 => told(month.clone(), month),
                    months => told(
                        format!("{month}（{months}か月の計）"),
                        format!("{month} (all {months} months)"),
                    ),
                };
                Column {
                    title,
                    ..figures("", "")
                }
            }),
    );
    let mut table = Table::new("summary", columns);
    let mut charts = Vec::new();
    let id = |item: &str, index: usize| match windows.get(index) {
        Some(window) => format!("summary.{item}.{window}"),
        None => format!("summary.{item}"),
    };
    for (item, title, query, unit) in items() {
        let mut row = vec![Cell::Text(title.clone())];
        let cell = |&index: &usize| match query.kinds[..] {
            [kind @ ("approval.granted" | "approval.denied")] if facts.lived(index) => {
                Cell::Figure(counted(id(item, index), kind, facts, known, index))
            }
            _ => facts.cell(id(item, index), &query, unit, index),
        };
        row.extend(order.iter().map(cell));
        table.rows.push(row);
        // A sum of several months beside single ones would be no comparison.
        if DRAWN.contains(&item) && facts.period().months().count() == 1 {
            let bar = |&index: &usize| Some((windows.get(index)?.to_string(), id(item, index)));
            charts.push(Chart {
                title,
                bars: order.iter().filter_map(bar).collect(),
            });
        }
    }
    if !known.prices.of.is_empty() {
        let mut row = vec![Cell::Text(text(
            "費用（価格のあるモデル）",
            "Cost (of models with a price)",
        ))];
        let cost = |&index: &usize| match facts.lived(index) {
            true => spend(facts, &known.prices, id("cost", index), &ended(), index),
            false => before_the_log(),
        };
        row.extend(order.iter().map(cost));
        table.rows.push(row);
        let mut row = vec![Cell::Text(text(
            "価格のないモデルの呼出し（費用に含まれない）",
            "Calls of models without a price (in no cost)",
        ))];
        let without = |&index: &usize| match facts.lived(index) {
            true => {
                let id = id("unpriced", index);
                Cell::Figure(unpriced(facts, &known.prices, id, &ended(), index))
            }
            false => before_the_log(),
        };
        row.extend(order.iter().map(without));
        table.rows.push(row);
    }
    let mut section = Section::new("summary", text("要約", "Summary"))
        .says(text(
            "期間と、その前の三か月を並べて示します。台帳が始まる前の月の数値はありません。費用には、この期間の末に採用されている価格を全期間に用います。",
            "The period, and the three months before it; of months before the log began there is no figure. Costs of all of them are at the prices adopted at the period's end.",
        ))
        .shows(table);
    section.charts = charts;
    section
}
