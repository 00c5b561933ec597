use crate::signer;
use ledger::Checkpoint;

/// A checkpoint's first lines have one form, and its signature opens what was signed.
pub fn check(bytes: &[u8]) -> bool {
    let key = signer();
    if let Ok(opened) = Checkpoint::open(bytes, key.verifier()) {
        // The seeds hold the only texts that this key has signed.
        assert!(bytes.starts_with(opened.to_text().as_bytes()));
        assert_eq!(opened.origin, key.verifier().name());
        return true;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(read) = Checkpoint::parse(text) else {
        return false;
    };
    assert!(text.starts_with(&read.to_text()));
    assert!(i64::try_from(read.size).is_ok());
    let ours = Checkpoint {
        origin: key.verifier().name().to_owned(),
        ..read
    };
    let opened = Checkpoint::open(ours.sign(&key).as_bytes(), key.verifier());
    assert_eq!(opened, Ok(ours));
    true
}
