//! The log as C2SP tlog-tiles serves it.

use super::Node;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ledger::tile::Resource;

pub fn routes() -> Router<Node> {
    Router::new().route("/{*path}", get(serve))
}

async fn serve(State(node): State<Node>, Path(path): Path<String>) -> Response {
    let Some(resource) = Resource::parse(&path) else {
        return (StatusCode::NOT_FOUND, "not a path of C2SP tlog-tiles\n").into_response();
    };
    let (media, cache) = match resource {
        Resource::Checkpoint => ("text/plain; charset=utf-8", "no-cache"),
        _ => (
            "application/octet-stream",
            "public, max-age=31536000, immutable",
        ),
    };
    let read = tokio::task::spawn_blocking(move || node.reader.resource(resource)).await;
    match read {
        Ok(Ok(Some(bytes))) => (
            [
                (header::CONTENT_TYPE, media),
                (header::CACHE_CONTROL, cache),
            ],
            bytes,
        )
            .into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "the log does not hold this yet\n").into_response(),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
