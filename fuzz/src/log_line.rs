use ledger::line::{MAX_LINE_BYTES, split, write};

/// A line is split into what writes the same line again.
pub fn check(bytes: &[u8]) -> bool {
    let Ok((body, signature)) = split(bytes) else {
        return false;
    };
    assert!(!body.contains(&b'\t') && bytes.len() < MAX_LINE_BYTES);
    let mut again = Vec::new();
    write(body, &signature, &mut again);
    assert_eq!(again, [bytes, b"\n"].concat());
    true
}
