use ledger::timestamp::{Authority, Query, Token};
use std::sync::LazyLock;

/// The root of the seeds' authority.
static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::from_pem(include_bytes!("../authority.pem")).expect("a root"));

/// A query has one form. What is changed in a token that is accepted is not what it says: the
/// signature of the authority holds, so it speaks of the seeds' document at the seeds' times.
pub fn check(bytes: &[u8]) -> bool {
    if let Ok(query) = Query::from_der(bytes) {
        assert_eq!(query.to_der(), bytes);
        return true;
    }
    let Ok(token) = Token::parse(bytes) else {
        return false;
    };
    assert!(token.covers(b"another note\n").is_err());
    if AUTHORITY.vouches_for(&token).is_ok() {
        assert_eq!(token.covers(b"a note\n"), Ok(()));
        assert!(token.time.to_string().starts_with("2026-"), "{token:?}");
    }
    true
}
