use crate::signer;
use ledger::proof::Proof;

/// What the seed proves.
const BODY: &[u8] = b"entry 3";

/// A proof is read as what it is written as, and proves at most the place that it was made
/// for: whoever changes it cannot move the entry.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(proof) = Proof::parse(text) else {
        return false;
    };
    assert!(proof.path.len() <= 63);
    assert_eq!(Proof::parse(&proof.to_text()).as_ref(), Ok(&proof));
    if !text.contains("\nextra ") {
        assert_eq!(proof.to_text(), text);
    }
    let key = signer();
    assert!(proof.check(b"another body", key.verifier()).is_err());
    if let Ok(checkpoint) = proof.check(BODY, key.verifier()) {
        assert_eq!((proof.seq, checkpoint.size), (3, 7));
    }
    true
}
