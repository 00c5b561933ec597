//! The console's first page: head, counts, the newest events.

mod approvals;

use super::Node;
use agents::approvals::view::{Approval, State as Waiting};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::query::{Filter, find};
use ledger::{Entry, Head};
use maud::{DOCTYPE, Markup, html};
use schemas::Timestamp;

const NEWEST: usize = 50;

pub fn routes() -> Router<Node> {
    Router::new()
        .route("/", get(page))
        .route("/approvals", get(approvals::page))
        .route("/console.css", get(style))
}

async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("console/console.css"),
    )
        .into_response()
}

async fn page(State(node): State<Node>) -> Response {
    let filter = Filter {
        newest_first: true,
        limit: Some(NEWEST),
        ..Filter::default()
    };
    let read = tokio::task::spawn_blocking(move || {
        let found = find(&node.reader, &node.views.positions, &filter)?;
        let entries = found
            .iter()
            .map(|seq| node.reader.entry(*seq))
            .collect::<Result<Vec<_>, _>>()?;
        let counts: Vec<(String, u64)> = node.views.positions.read(|p| {
            p.kind_counts()
                .map(|(kind, count)| (kind.to_owned(), count))
                .collect()
        });
        let timestamp = node.timestamps.as_ref().and_then(|t| t.status().newest);
        let now = node.now();
        let waiting = node.views.approvals.read(|approvals| {
            let waits = |asked: &&Approval| asked.state(now) == Waiting::Requested;
            approvals.all().filter(waits).count()
        });
        let stopped = node.appender.stopped().map(|error| error.to_string());
        Ok::<_, ledger::ReadError>(render(
            node.reader.origin(),
            &node.reader.head(),
            &counts,
            &entries,
            timestamp,
            stopped,
            waiting,
        ))
    });
    match read.await {
        Ok(Ok(page)) => page_of(page),
        Ok(Err(error)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{error}; run `daicho verify`\n"),
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Nothing is loaded from elsewhere and nothing runs: a page shows the log and no more.
fn page_of(page: Markup) -> Response {
    let policy = [(
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    )];
    (policy, axum::response::Html(page.into_string())).into_response()
}

/// What every page begins with.
fn framed(origin: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="ja" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "台帳 " (origin) }
                link rel="stylesheet" href="/console.css";
            }
            body {
                header {
                    h1 { span class="mark" { "台帳" } " daicho" }
                    p class="origin" { (origin) }
                }
                (main)
            }
        }
    }
}

fn render(
    origin: &str,
    head: &Head,
    counts: &[(String, u64)],
    entries: &[Entry],
    timestamp: Option<(u64, Timestamp)>,
    stopped: Option<String>,
    waiting: usize,
) -> Markup {
    let main = html! {
        @if let Some(stopped) = stopped {
            p class="stopped" role="alert" { strong { "記録できません · The ledger cannot record. " } (stopped) }
        }
        main {
            section aria-labelledby="head" {
                h2 id="head" { "先頭 " small { "Head" } }
                dl {
                    dt { "件数 · entries" } dd class="figure" { (head.size) }
                    dt { "最新 · newest" } dd { time datetime=(head.at) { (head.at) } }
                    dt { "根 · root" } dd { code { (head.root) } }
                    @if let Some((size, time)) = timestamp {
                        dt { "時刻証明 · time stamp" }
                        dd { (size) " — " time datetime=(time) { (time) } }
                    }
                    dt { "承認待ち · waiting" }
                    dd { a href="/approvals" { (waiting) " " small { "approvals" } } }
                    dt { "検証 · verify" }
                    dd { a href="/log/checkpoint" { "checkpoint" } " — C2SP tlog-tiles: " code { "/log/" } }
                }
            }
            section aria-labelledby="counts" {
                h2 id="counts" { "種類別 " small { "By kind" } }
                ul class="counts" {
                    @for (kind, count) in counts {
                        li { code { (kind) } span class="number" { (count) } }
                    }
                }
            }
            section aria-labelledby="newest" {
                h2 id="newest" { "最新の記録 " small { "Newest events" } }
                table {
                    thead { tr {
                        th class="number" { "seq" } th { "時刻 at" } th { "種類 kind" } th { "主体 actor" } th { "セッション session" } th { "証明 proof" }
                    } }
                    tbody {
                        @for entry in entries {
                            tr {
                                td class="number" { a href={ "/api/v1/events/" (entry.seq()) } { (entry.seq()) } }
                                td { time { (entry.at()) } }
                                td { code { (entry.kind()) } }
                                td { (entry.actor()) }
                                td class="session" { @if let Some(session) = entry.session() { (session) } }
                                td { a href={ "/api/v1/proofs/" (entry.seq()) } { "proof" } }
                            }
                        }
                    }
                }
            }
        }
    };
    framed(origin, &main)
}
