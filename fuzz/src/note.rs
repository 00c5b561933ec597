use crate::signer;
use ledger::note::Note;
use signed_note::{StandardVerifier, VerifierList};

/// What we call a note, and hold to be signed, another author's reader does as well. A text
/// that can be signed is read back as it was.
pub fn check(bytes: &[u8]) -> bool {
    let key = signer();
    if let Ok(text) = std::str::from_utf8(bytes) {
        let sound = text.ends_with('\n') && !text.bytes().any(|b| b < 0x20 && b != b'\n');
        if sound && text.len() < 900_000 {
            let signed = key.sign_note(text);
            let note = Note::parse(signed.as_bytes()).expect("what we sign is a note");
            assert_eq!(note.verify(key.verifier()), Ok(text));
        }
    }
    let Ok(note) = Note::parse(bytes) else {
        return false;
    };
    let text = note.unverified_text();
    assert!(text.ends_with('\n') && bytes.starts_with(text.as_bytes()));
    let theirs = signed_note::Note::from_bytes(bytes).expect("a note for another reader");
    assert_eq!(theirs.text(), text.as_bytes());
    if let Ok(signed) = note.verify(key.verifier()) {
        assert_eq!(signed, text);
        let key = StandardVerifier::new(&key.verifier().to_string()).expect("a sound key");
        let known = VerifierList::new(vec![Box::new(key)]);
        assert!(theirs.verify(&known).is_ok());
    }
    true
}
