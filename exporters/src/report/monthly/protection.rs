use crate::report::facts::Facts;
use crate::report::model::{Cell, Query, Section, Table, Text, Unit, column, figures, text};

/// What was masked, refused, limited, and decided about tools.
pub(super) fn section(facts: &Facts) -> Section {
    let masks = rules(facts, "masks", "payload.masked", "masks")
        .titled(text("マスク（規則別）", "Masks by rule"));
    let blocks = rules(facts, "blocks", "payload.blocked", "reasons")
        .titled(text("送信の拒否（規則別）", "Refusals by rule"));
    let media = rules(facts, "media", "payload.masked", "media").titled(text(
        "規則が読めないまま送信された媒体",
        "Media that left as they were: no rule can read them",
    ));
    let found = rules(facts, "tools.found", "hook.reported", "found").titled(text(
        "ツールの利用に見つかった取扱禁止の値（規則別）",
        "Prohibited values in uses of tools, by rule",
    ));
    let limits = words(facts, "limits", "limit.reached", "limit")
        .titled(text("上限により断った呼出し", "Calls refused by a limit"));
    let verdicts = words(facts, "tools", "hook.reported", "verdict").titled(text(
        "クライアントへの回答（ツールの利用など）",
        "Answers to clients about uses of tools and the like",
    ));
    let refused = sums(
        facts,
        "refused",
        Query::kinds(&["request.refused"]),
        "reason",
    )
    .titled(text(
        "読まずに断った要求（理由別）",
        "Requests refused unread, by reason",
    ));
    let section = Section::new("protection", text("情報の保護", "Protection of information"))
        .says(text(
            "置換えの数と、それが起きた呼出しの数です。値そのものは台帳に残りません。",
            "How many replacements, and in how many calls. The values themselves are nowhere in the log.",
        ))
        .shows(masks)
        .shows(blocks)
        .shows(media)
        .shows(limits)
        .shows(verdicts)
        .shows(found);
    // A report made before there was this kind is the same bytes again.
    match refused.rows.is_empty() {
        true => section,
        false => section.shows(refused),
    }
}

fn rules(facts: &Facts, id: &'static str, kind: &'static str, list: &'static str) -> Table {
    sums(facts, id, Query::kinds(&[kind]).each(list), "rule")
}

/// What is counted in entries, by one word of what they count.
fn sums(facts: &Facts, id: &'static str, query: Query, field: &'static str) -> Table {
    let first = match field {
        "rule" => column("規則", "Rule"),
        _ => column("区分", "Of"),
    };
    let columns = vec![
        first,
        figures("件数", "Count"),
        figures("記録数", "Entries"),
    ];
    let mut table = Table::new(id, columns);
    for word in facts.words(&query, field) {
        let of = query.clone().when(field, &word);
        let sum = of.clone().take("sum", "count");
        let sum = facts.figure(format!("{id}.{word}.count"), &sum, Unit::Count, 0);
        let entries = facts.count(format!("{id}.{word}.entries"), &of);
        table.rows.push(vec![
            Cell::Name(word),
            Cell::Figure(sum),
            Cell::Figure(entries),
        ]);
    }
    table
}

/// Entries of a kind by one word.
pub(super) fn words(
    facts: &Facts,
    id: &'static str,
    kind: &'static str,
    field: &'static str,
) -> Table {
    let columns = vec![column("区分", "Of"), figures("件数", "Entries")];
    let mut table = Table::new(id, columns);
    let query = Query::kinds(&[kind]);
    for word in facts.words(&query, field) {
        let of = query.clone().when(field, &word);
        let figure = facts.count(format!("{id}.{word}"), &of);
        table
            .rows
            .push(vec![Cell::Name(word), Cell::Figure(figure)]);
    }
    table
}

/// A row of one figure, or that nothing records it, with its title.
pub(super) fn row(facts: &Facts, id: &str, title: Text, query: &Query) -> Vec<Cell> {
    let cell = facts.cell(id.to_owned(), query, Unit::Count, 0);
    vec![Cell::Text(title), cell]
}
