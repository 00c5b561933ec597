//! What MCP's streamable HTTP transport asks of a request before its body is looked at.

use super::fault::Fault;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Versions of this transport, the newest last; without the header a client speaks the first.
pub const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// A page of another site must not speak for whoever looks at it (DNS rebinding): where a
/// browser names an origin, it is this server's own.
pub async fn only_own_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = text(headers, &header::HOST);
    let own = |origin: &str| origin.split_once("://").map(|(_, authority)| authority) == host;
    let mut origins = headers.get_all(header::ORIGIN).iter();
    if origins.all(|origin| origin.to_str().is_ok_and(own)) {
        return next.run(request).await;
    }
    let why = "requests of another origin are refused: agents speak to daicho, web pages do not";
    Fault::new(StatusCode::FORBIDDEN, why).into_response()
}

/// A `POST`, whose body is a message as it stands.
pub fn is_readable(headers: &HeaderMap) -> Result<(), Fault> {
    let media = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let why = "a message is application/json";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    // As it came, it could not be read, nor checked.
    if headers.contains_key(header::CONTENT_ENCODING) {
        let why = "a message is not compressed";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Ok(())
}

/// A `POST`.
pub fn is_message(headers: &HeaderMap) -> Result<(), Fault> {
    is_readable(headers)?;
    accepts(headers, "application/json")?;
    is_listener(headers)
}

/// Everything that is answered by a stream.
pub fn is_listener(headers: &HeaderMap) -> Result<(), Fault> {
    accepts(headers, "text/event-stream")?;
    match text(headers, &VERSION) {
        Some(version) if !VERSIONS.contains(&version) => {
            let why = format!("MCP-Protocol-Version is none of {}", VERSIONS.join(", "));
            Err(Fault::new(StatusCode::BAD_REQUEST, why))
        }
        _ => Ok(()),
    }
}

fn accepts(headers: &HeaderMap, media: &str) -> Result<(), Fault> {
    let fits = |listed: &str| {
        let listed = listed.split(';').next().unwrap_or_default().trim();
        let kind = media.split_once('/').map_or(media, |(kind, _)| kind);
        listed.eq_ignore_ascii_case(media) || listed == "*/*" || listed == format!("{kind}/*")
    };
    let lines = headers.get_all(header::ACCEPT);
    let mut lines = lines.iter().filter_map(|line| line.to_str().ok());
    if lines.any(|line| line.split(',').any(fits)) {
        return Ok(());
    }
    let why = "Accept names application/json and text/event-stream";
    Err(Fault::new(StatusCode::NOT_ACCEPTABLE, why))
}

pub fn session(headers: &HeaderMap) -> Option<&str> {
    // One that is no text is none of ours.
    headers
        .get(SESSION)
        .map(|id| id.to_str().unwrap_or_default())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
