use super::fault::Fault;
use crate::server::Node;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

/// Whoever shows the operator's token. Handlers take it before the body: of a stranger's nothing is
/// read or held.
pub struct Operator;

impl Operator {
    pub fn shown(node: &Node, headers: &HeaderMap) -> Result<Operator, Fault> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if token.is_some_and(|token| node.is_operator(token)) {
            return Ok(Operator);
        }
        Err(Fault::new(
            StatusCode::UNAUTHORIZED,
            "the request has no operator token, or not this ledger's",
            "send Authorization: Bearer with the content of keys/operator.token",
        ))
    }
}

impl FromRequestParts<Node> for Operator {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, node: &Node) -> Result<Operator, Fault> {
        Operator::shown(node, &parts.headers)
    }
}
