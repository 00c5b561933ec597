//! Which headers cross the gateway. Out: a list of what may pass, and of it only what the rules
//! find nothing in (`agents::gateway::Beside`). Back: everything but what belongs to one
//! connection or to the provider's own origin.

use agents::gateway::Provider;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALT_SVC, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, PROXY_AUTHENTICATE, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};

/// Open lists of the provider and its clients: what they add tomorrow passes too.
fn prefixes(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Anthropic => &["anthropic-", "x-stainless-", "x-claude-code-"],
        Provider::OpenAi => &["openai-", "x-stainless-", "x-openai-", "x-codex-"],
    }
}

/// What clients say beside these.
fn names(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Anthropic => &["x-client-request-id"],
        Provider::OpenAi => &[
            "x-client-request-id",
            "idempotency-key",
            "originator",
            "session_id",
            "conversation_id",
        ],
    }
}

/// Where a client names its session: Claude Code, and Codex.
pub(super) fn session(provider: Provider) -> &'static str {
    match provider {
        Provider::Anthropic => "x-claude-code-session-id",
        Provider::OpenAi => "session_id",
    }
}

/// The agent's credentials are on no list: they end here.
pub(super) fn outbound(headers: &HeaderMap, provider: Provider) -> HeaderMap {
    let passes = |name: &HeaderName| {
        [CONTENT_TYPE, ACCEPT, USER_AGENT].contains(name)
            || names(provider).contains(&name.as_str())
            || prefixes(provider)
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix))
    };
    // In another coding than that of the rules a name is none that they would know.
    let readable = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).is_ok();
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| passes(name)) {
        if readable(value) {
            out.append(name, value.clone());
        }
    }
    // An answer must be readable to be recorded.
    out.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    out
}

/// The same, as the rules look at them.
pub(super) fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    headers.iter().map(line).collect()
}

/// Without those at some positions.
pub(super) fn without(headers: HeaderMap, withheld: &[usize]) -> HeaderMap {
    let mut left = HeaderMap::with_capacity(headers.len());
    for (index, (name, value)) in headers.iter().enumerate() {
        if !withheld.contains(&index) {
            left.append(name, value.clone());
        }
    }
    left
}

pub(super) fn inbound(headers: &HeaderMap) -> HeaderMap {
    let of_the_connection: Vec<&str> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    // Cookies, HSTS and alternative services speak for the provider's origin, not for ours.
    let stays = |name: &HeaderName| {
        [
            CONNECTION,
            CONTENT_LENGTH,
            TE,
            TRAILER,
            TRANSFER_ENCODING,
            UPGRADE,
        ]
        .contains(name)
            || [
                PROXY_AUTHENTICATE,
                SET_COOKIE,
                STRICT_TRANSPORT_SECURITY,
                ALT_SVC,
            ]
            .contains(name)
            || name == "keep-alive"
            || of_the_connection
                .iter()
                .any(|listed| name.as_str().eq_ignore_ascii_case(listed))
    };
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !stays(name)) {
        kept.append(name, value.clone());
    }
    kept
}
