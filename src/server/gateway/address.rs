//! Path and query of a request, as a provider reads them.

use axum::http::Uri;

/// Of path and query together; no client asks for more.
const LONGEST: usize = 4 << 10;

/// What an address says, for the rules to look at: its query without escapes. `None` where readers
/// could disagree about it: an escape in the path, or one that is no UTF-8.
pub(super) fn said(uri: &Uri) -> Option<String> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.,:/=&".contains(&b);
    if path.len() + query.len() > LONGEST || !path.bytes().all(plain) || !query.is_ascii() {
        return None;
    }
    let mut said = path.to_owned();
    if !query.is_empty() {
        said.push('?');
        said.push_str(&unescaped(query)?);
    }
    // To one reader it is a plus, to another a space.
    if query.contains('+') {
        said.push_str("\n\n");
        said.push_str(&unescaped(&query.replace('+', " "))?);
    }
    Some(said)
}

fn unescaped(query: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else {
            return None;
        };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Option<String> {
        said(&address.parse().ok()?)
    }

    #[test]
    fn a_query_is_read_as_its_reader_reads_it_and_else_not_at_all() {
        let said = |address: &str| of(address).unwrap_or_default();
        assert_eq!(said("/v1/models"), "/v1/models");
        assert_eq!(said("/v1/a?b=true&c=d"), "/v1/a?b=true&c=d");
        assert_eq!(said("/v1/a?q=%E5%B1%b1%20%41"), "/v1/a?q=山 A");
        assert_eq!(said("/v1/a?q=b+c%2Bd"), "/v1/a?q=b+c+d\n\nq=b c+d");
        // Once, as a server does.
        assert_eq!(said("/v1/a?q=%2541"), "/v1/a?q=%41");
        for unsound in [
            "/v1/%41",
            "/v1/a?q=%",
            "/v1/a?q=%4",
            "/v1/a?q=%4g",
            "/v1/a?q=%ff",
        ] {
            assert_eq!(of(unsound), None, "{unsound}");
        }
        assert_eq!(of(&format!("/v1/a?q={}", "x".repeat(LONGEST))), None);
    }
}
