use crate::signer;
use ledger::witness::{AddCheckpoint, Cosigner, MAX_REQUEST_BYTES, accept, check as decide};

/// A request is read as what it is written as; a witness that has seen nothing signs only
/// what begins at nothing; and no answer of a stranger is taken for a cosignature.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(request) = AddCheckpoint::parse(bytes) else {
        return false;
    };
    assert!(bytes.len() <= MAX_REQUEST_BYTES && request.proof.len() <= 63);
    assert_eq!(request.to_text().as_bytes(), bytes);
    let key = signer();
    if let Ok(new) = decide(key.verifier(), None, &request) {
        assert!(request.old == 0 && request.proof.is_empty());
        // From here on the same request is about the past.
        let again = decide(key.verifier(), Some(&new), &request);
        assert_eq!(again.is_ok(), new.size == 0);
    }
    let stranger = Cosigner::from_seed("w.example/1", &[9; 32]).expect("a sound name");
    assert_eq!(accept(&request.note, &request.note, stranger.key()), None);
    true
}
