//! `/approvals`: what waits for a decision, for who knows the operator's token.
//!
//! A browser cannot send a bearer token, so the page takes the token as the password of HTTP Basic
//! authentication (RFC 7617), under any name. It only shows: decisions are signed with the
//! approver's own key, which no page sees.

use super::{framed, page_of};
use crate::approvals::{Line, age};
use crate::server::Node;
use crate::server::approvals::shown;
use agents::approvals::view::State as Standing;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{Markup, html};

pub async fn page(State(node): State<Node>, headers: HeaderMap) -> Response {
    if !is_operator(&node, &headers) {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"daicho\"")];
        let told = "the password is the content of keys/operator.token, under any user name\n";
        return (StatusCode::UNAUTHORIZED, challenge, told).into_response();
    }
    let read = tokio::task::spawn_blocking(move || {
        let listed = shown(&node, Some(Standing::Requested))?;
        Ok::<_, ledger::AppendError>(framed(node.reader.origin(), &table(&listed)))
    });
    let mut answer = match read.await {
        Ok(Ok(page)) => page_of(page),
        Ok(Err(error)) => {
            let told = format!("that somebody looks cannot be recorded: {error}\n");
            (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    // What a page of sealed content shows, no cache keeps.
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn is_operator(node: &Node, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|given| {
        let basic = given.to_str().ok()?.strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(basic).ok()?).ok()
    });
    let password = given.as_deref().and_then(|given| given.split_once(':'));
    password.is_some_and(|(_, password)| node.is_operator(password))
}

fn table(lines: &[Line]) -> Markup {
    html! {
        main {
            section aria-labelledby="waiting" {
                h2 id="waiting" { "承認待ち " small { "Waiting for a decision" } }
                @if lines.is_empty() { p { "なし · none" } }
                @else { table {
                    thead { tr {
                        th { "経過 age" } th { "操作 action" } th { "依頼者 requester" }
                        th { "承認 approved" } th { "期限 deadline" } th { "番号 approval" }
                    } }
                    tbody { @for line in lines { (row(line)) } }
                } }
                p { a href="/" { "← 台帳" } " · " code { "daicho approvals show ID" } }
            }
        }
    }
}

fn row(line: &Line) -> Markup {
    let asked = &line.row;
    html! {
        tr {
            td class="number" { (age(asked.age_seconds)) }
            td {
                code { @match &line.tool { Some(tool) => (tool), None => (asked.subject.kind.to_string()) } }
                @if let Some(preview) = &line.preview { div class="preview" { (preview) } }
                @match line.changed.as_deref() {
                    None => {},
                    Some([]) => div class="changed" { "前回と同じ · the same as the last" },
                    Some(paths) => div class="changed" { "前回との違い · changed: " (paths.join(", ")) },
                }
            }
            td { (asked.requester) }
            td { (asked.progress()) }
            td { time datetime=(asked.deadline) { (asked.deadline) } }
            td { code { (asked.approval) } }
        }
    }
}
