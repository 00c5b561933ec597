use crate::report::facts::{Facts, NONE};
use crate::report::known::Prices;
use crate::report::model::{
    Cell, Figure, Query, Section, Table, Unit, column, figures, text, told,
};

/// Ends of calls: where tokens are counted. One that asked for a count of tokens used none.
pub(super) fn ended() -> Query {
    asking(&["model.responded", "model.failed"])
}

/// Calls that ask a model for an answer.
pub(super) fn calls() -> Query {
    asking(&["prompt.submitted"])
}

fn asking(kinds: &[&'static str]) -> Query {
    Query::kinds(kinds).when("call.asks", "answer")
}

/// By agent, by the person for whom it works, by the model that was asked for.
pub(super) fn section(facts: &Facts, prices: &Prices) -> Section {
    let mut section = Section::new("use", text("利用状況", "Use"))
        .says(text(
            "呼出しは台帳を通ったモデルへの要求です。トークンは提供者が数えたものだけを合計します。トークン数を数えるだけの要求はトークンを使わないため、別に示します。",
            "Calls are requests to a model that passed the ledger. Tokens are those that providers counted, and no others. Requests that only count tokens use none and stand apart.",
        ))
        .shows(by("use.agent", "actor", facts, prices).titled(text("エージェント別", "By agent")))
        .shows(
            by("use.person", "agent.person", facts, prices)
                .titled(text("利用者別（エージェントが代わって働く者）", "By the person that agents work for")),
        )
        .shows(by("use.model", "call.model", facts, prices).titled(text("モデル別", "By model")))
        .shows(priced(facts, prices));
    let uncounted = facts.count("use.uncounted", &ended().when("tokens", "uncounted"));
    let mut gaps = Table::new(
        "use.gaps",
        vec![column("項目", "Item"), figures("件数", "Entries")],
    );
    let title = text(
        "トークン数の報告がなかった呼出し",
        "Calls whose tokens nobody counted",
    );
    gaps.rows
        .push(vec![Cell::Text(title), Cell::Figure(uncounted)]);
    let counting = Query::kinds(&["prompt.submitted"]).when("call.asks", "count");
    gaps.rows.push(vec![
        Cell::Text(text(
            "トークン数を数えるだけの要求（呼出しに含めない）",
            "Requests that only count tokens (no calls)",
        )),
        Cell::Figure(facts.count("use.counting", &counting)),
    ]);
    if !prices.of.is_empty() {
        let id = "use.unpriced".to_owned();
        gaps.rows.push(vec![
            Cell::Text(text(
                "価格のないモデルの呼出し（費用に含まれない）",
                "Calls of models without a price (in no cost)",
            )),
            Cell::Figure(unpriced(facts, prices, id, &ended(), 0)),
        ]);
    }
    section = section.shows(gaps);
    match prices.adopted {
        Some((position, digest)) => section.notes(told(
            format!("価格は位置 {position} で採用された上限の規則（SHA-256 {digest}）によります。"),
            format!(
                "Prices are those of the limits adopted at position {position} (SHA-256 {digest})."
            ),
        )),
        None => section.notes(text(
            "価格は採用されていないため、費用は計算していません。",
            "No prices were adopted, so no cost is computed.",
        )),
    }
}

fn by(id: &'static str, field: &'static str, facts: &Facts, prices: &Prices) -> Table {
    let mut columns = vec![
        column("名称", "Name"),
        figures("呼出し", "Calls"),
        figures("応答", "Answered"),
        figures("失敗", "Failed"),
        figures("入力", "Input"),
        figures("出力", "Output"),
        figures("キャッシュ読出し", "Cache read"),
        figures("キャッシュ書込み", "Cache written"),
    ];
    let costs = !prices.of.is_empty();
    if costs {
        columns.push(figures("費用", "Cost"));
        columns.push(figures("うち価格なし", "Without a price"));
    }
    let mut table = Table::new(id, columns);
    let calls = calls();
    let mut names = facts.words(&calls, field);
    names.extend(facts.words(&ended(), field));
    for name in names {
        let of = |query: Query| query.when(field, &name);
        let figure = |column: &str, query: Query, unit| {
            Cell::Figure(facts.figure(format!("{id}.{name}.{column}"), &of(query), unit, 0))
        };
        let tokens = |column, field| figure(column, ended().take("sum", field), Unit::Tokens);
        let mut row = vec![
            match name.as_str() {
                NONE => Cell::Text(text("（記載なし）", "(not stated)")),
                name => Cell::Name(name.to_owned()),
            },
            figure("calls", calls.clone(), Unit::Count),
            figure("answered", asking(&["model.responded"]), Unit::Count),
            figure("failed", asking(&["model.failed"]), Unit::Count),
            tokens("input", "input_tokens"),
            tokens("output", "output_tokens"),
            tokens("cache_read", "cache_read_tokens"),
            tokens("cache_creation", "cache_creation_tokens"),
        ];
        if costs {
            let cost = format!("{id}.{name}.cost");
            row.push(spend(facts, prices, cost, &of(ended()), 0));
            let without = format!("{id}.{name}.unpriced");
            let without = unpriced(facts, prices, without, &of(ended()), 0);
            row.push(Cell::Figure(without));
        }
        table.rows.push(row);
    }
    table.or(text(
        "呼出しは記録されていません。",
        "No call was recorded.",
    ))
}

/// What tokens cost that the query wants: each model's at its own price, added up and then
/// rounded down to a millionth.
pub(super) fn spend(
    facts: &Facts,
    prices: &Prices,
    id: String,
    query: &Query,
    window: usize,
) -> Cell {
    let mut sum = 0_u128;
    let mut positions = roaring::RoaringTreemap::new();
    for (model, found, tokens) in facts.tokens(query, window) {
        let Some(price) = prices.of.get(&model) else {
            continue;
        };
        for (tokens, price) in tokens.iter().zip(price.0) {
            sum += u128::from(*tokens) * u128::from(price);
        }
        positions |= found;
    }
    let of = facts.windows().get(window).unwrap_or(facts.period());
    Cell::Figure(Figure {
        id,
        value: u64::try_from(sum / 1_000_000).unwrap_or(u64::MAX),
        unit: Unit::Millionths,
        query: query
            .clone()
            .take("cost", "tokens")
            .between(of.since(), of.until()),
        positions: positions.into(),
    })
}

/// Ends of calls whose model has no price: no cost has them in it.
pub(super) fn unpriced(
    facts: &Facts,
    prices: &Prices,
    id: String,
    query: &Query,
    window: usize,
) -> Figure {
    let mut positions = roaring::RoaringTreemap::new();
    for (model, found, _) in facts.tokens(query, window) {
        if !prices.of.contains_key(&model) {
            positions |= found;
        }
    }
    let of = facts.windows().get(window).unwrap_or(facts.period());
    let query = query.clone().when("call.price", "none");
    Figure {
        id,
        value: positions.len(),
        unit: Unit::Count,
        query: query.between(of.since(), of.until()),
        positions: positions.into(),
    }
}

/// The prices, and what has none.
fn priced(facts: &Facts, prices: &Prices) -> Table {
    let columns = vec![
        column("モデル", "Model"),
        column(
            "価格（百万トークンあたり：入力、出力、キャッシュ読出し、書込み）",
            "Price (of a million tokens: input, output, cache read, written)",
        ),
        figures("呼出し", "Calls"),
    ];
    let mut table = Table::new("use.prices", columns).titled(text("価格", "Prices"));
    let calls = calls();
    for model in facts.words(&calls, "call.model") {
        let query = calls.clone().when("call.model", &model);
        let figure = facts.count(format!("use.prices.{model}"), &query);
        let price = match prices.of.get(&model) {
            Some(price) => {
                let parts = price
                    .0
                    .map(|part| format!("{}.{:06}", part / 1_000_000, part % 1_000_000));
                Cell::Name(parts.join(", "))
            }
            None => Cell::Text(text("価格なし", "no price")),
        };
        table
            .rows
            .push(vec![Cell::Name(model), price, Cell::Figure(figure)]);
    }
    table
}
